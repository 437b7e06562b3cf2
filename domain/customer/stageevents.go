package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// StageEntered says that the customer left one stage of the lifecycle for another.
// The first stage, potential, is entered by being registered and has no such event.
type StageEntered struct {
	Stage   string     `json:"stage"`
	From    string     `json:"from"`
	Trigger string     `json:"trigger"` // one of the Trigger constants
	Cause   StageCause `json:"cause,omitzero"`
	// ReasonCode and Note are a person's, who may have overridden what speaks against the move.
	ReasonCode string `json:"reason_code,omitempty"`
	Note       string `json:"note,omitempty" personal:"true"`
	Override   bool   `json:"override,omitempty"`
	// PolicyVersion is the version of the lifecycle policy that decided; absent where none did.
	PolicyVersion int `json:"policy_version,omitempty"`
	// IdleSince is the business date from which idle days count, where a person's
	// decision and not an order says so.
	IdleSince *domain.Date `json:"idle_since,omitempty"`
	EnteredAt time.Time    `json:"entered_at"`
}

// StageCause is what a move follows from.
type StageCause struct {
	Type    string       `json:"type,omitempty"`     // one of the Cause constants
	OrderID string       `json:"order_id,omitempty"` // of CauseOrder
	Day     *domain.Date `json:"day,omitempty"`      // the business day at whose end the customer had been idle for long enough
	EventID uuid.UUID    `json:"event_id,omitzero"`  // filled in where the event is known: see Standing
}

// What makes customers move.
const (
	TriggerRegistration = "registration" // they became known
	TriggerManual       = "manual"       // somebody decided it
	TriggerOrder        = "order"        // an order was paid
	TriggerLateOrder    = "late_order"   // an order was paid, and told on a later business day
	TriggerDayClosed    = "day_closed"   // a day was over, and they had been idle for long enough
)

// Kinds of cause.
const (
	CauseOrder = "order"
	CauseDay   = "day"
)

func (StageEntered) customerEvent() {}

// Occurred implements domain.Dated.
func (e StageEntered) Occurred() time.Time { return e.EnteredAt }
