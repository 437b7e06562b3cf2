package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// CostRecorded says that the customer cost us something beside the goods.
type CostRecorded struct {
	CostID     string       `json:"cost_id"` // unique within the customer
	Kind       string       `json:"kind"`    // one of value.CostKinds
	Amount     domain.Money `json:"amount"`
	OrderID    string       `json:"order_id,omitempty"`
	IncurredAt time.Time    `json:"incurred_at"`
	IncurredOn domain.Date  `json:"incurred_on"` // the business date of IncurredAt
	Note       string       `json:"note,omitempty" personal:"true"`
}

// CostCancelled says that a recorded cost was none.
type CostCancelled struct {
	CostID      string      `json:"cost_id"`
	Reason      string      `json:"reason,omitempty" personal:"true"`
	CancelledAt time.Time   `json:"cancelled_at"`
	CancelledOn domain.Date `json:"cancelled_on"` // the business date of CancelledAt
}

func (CostRecorded) customerEvent()  {}
func (CostCancelled) customerEvent() {}

// Occurred implements domain.Dated.
func (e CostRecorded) Occurred() time.Time  { return e.IncurredAt }
func (e CostCancelled) Occurred() time.Time { return e.CancelledAt }
