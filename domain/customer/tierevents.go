package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Evaluation is what a tier follows from.
type Evaluation struct {
	Measure    string      `json:"measure"`    // what qualifies
	Qualifying int64       `json:"qualifying"` // how much of it there was
	From       domain.Date `json:"from"`       // within these business dates
	To         domain.Date `json:"to"`
	// PolicyVersion is that of the ladder.
	PolicyVersion int `json:"policy_version"`
}

// TierCause is why a tier was evaluated.
type TierCause struct {
	Type     string `json:"type"` // one of the Tier… constants
	OrderID  string `json:"order_id,omitempty"`
	RefundID string `json:"refund_id,omitempty"`
}

// Why a tier is evaluated.
const (
	TierOrder     = "order"
	TierRefund    = "refund"
	TierCancelled = "order_cancelled"
	TierReversal  = "earn_reversed"
	TierPeriodEnd = "period_end"
	TierRequested = "requested"
	TierLifted    = "override_lifted"
)

// TierUpgraded says that a member reached a higher level.
type TierUpgraded struct {
	From       string     `json:"from"`
	To         string     `json:"to"`
	ValidUntil *time.Time `json:"valid_until,omitempty"` // until when it is the member's; absent: for good
	Evaluation Evaluation `json:"evaluation"`
	Cause      TierCause  `json:"cause"`
	ChangedAt  time.Time  `json:"changed_at"`
}

// TierRetained says that a member keeps a level for another period.
type TierRetained struct {
	Tier       string     `json:"tier"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	Evaluation Evaluation `json:"evaluation"`
	Cause      TierCause  `json:"cause"`
	RetainedAt time.Time  `json:"retained_at"`
}

// TierDowngraded says that a member fell to a lower level.
type TierDowngraded struct {
	From       string     `json:"from"`
	To         string     `json:"to"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	Evaluation Evaluation `json:"evaluation"`
	Cause      TierCause  `json:"cause"`
	ChangedAt  time.Time  `json:"changed_at"`
}

// TierOverridden says that somebody gave a member a level for a time, whatever they
// qualify for.
type TierOverridden struct {
	From         string       `json:"from"`
	To           string       `json:"to"`
	Until        time.Time    `json:"until"`
	Reason       string       `json:"reason,omitempty" personal:"true"`
	OverriddenBy domain.Actor `json:"overridden_by"`
	// PolicyVersion is that of the ladder.
	PolicyVersion int       `json:"policy_version"`
	OverriddenAt  time.Time `json:"overridden_at"`
}

// TierOverrideLifted says that an override was ended before its time. The event after
// it says what follows.
type TierOverrideLifted struct {
	Tier     string       `json:"tier"`
	Reason   string       `json:"reason,omitempty" personal:"true"`
	LiftedBy domain.Actor `json:"lifted_by"`
	LiftedAt time.Time    `json:"lifted_at"`
}

func (TierUpgraded) customerEvent()       {}
func (TierRetained) customerEvent()       {}
func (TierDowngraded) customerEvent()     {}
func (TierOverridden) customerEvent()     {}
func (TierOverrideLifted) customerEvent() {}

// Occurred implements domain.Dated.
func (e TierUpgraded) Occurred() time.Time       { return e.ChangedAt }
func (e TierRetained) Occurred() time.Time       { return e.RetainedAt }
func (e TierDowngraded) Occurred() time.Time     { return e.ChangedAt }
func (e TierOverridden) Occurred() time.Time     { return e.OverriddenAt }
func (e TierOverrideLifted) Occurred() time.Time { return e.LiftedAt }
