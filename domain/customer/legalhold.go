package customer

import "github.com/rapport-crm/rapport/domain"

// PlaceLegalHold keeps the customer's data from being erased. There may be
// several holds, each with an id of its own.
type PlaceLegalHold struct {
	domain.Subject `json:"-"`

	HoldID string `json:"hold_id" jsonschema:"maxLength=100"` // such as the number of a case; kept after the customer is erased
	Ground string `json:"ground" jsonschema:"maxLength=64"`   // a code, such as legal_claim or tax_audit
	Note   string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c PlaceLegalHold) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (PlaceLegalHold) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (PlaceLegalHold) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrHoldExists, ErrTooManyHolds}
}

// Decide implements domain.Command.
func (c PlaceLegalHold) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkCode(&p, "/hold_id", c.HoldID, maxShort)
	if err := s.grounded(c.Subject, &p, c.Ground, c.Note); err != nil {
		return nil, err
	}
	if i := s.hold(c.HoldID); i >= 0 {
		if s.LegalHolds[i].Ground == c.Ground {
			return nil, nil
		}
		return nil, ErrHoldExists.With("the legal hold %s stands on the ground %s; choose another hold_id, or lift that one first", c.HoldID, s.LegalHolds[i].Ground)
	}
	if len(s.LegalHolds) >= maxHolds {
		return nil, ErrTooManyHolds.With("at most %d legal holds stand at a time; lift-legal-hold makes room", maxHolds)
	}
	at := c.At(&p, "", nil, s.Since, "")
	return []Event{LegalHoldPlaced{HoldID: c.HoldID, Ground: c.Ground, Note: c.Note, PlacedBy: c.Actor, PlacedAt: at}}, nil
}

// LiftLegalHold ends a legal hold.
type LiftLegalHold struct {
	domain.Subject `json:"-"`

	HoldID string `json:"hold_id" jsonschema:"maxLength=100"`
	Ground string `json:"ground" jsonschema:"maxLength=64"` // a code: why it is no longer needed
	Note   string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c LiftLegalHold) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (LiftLegalHold) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (LiftLegalHold) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrHoldNotFound} }

// Decide implements domain.Command.
func (c LiftLegalHold) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkCode(&p, "/hold_id", c.HoldID, maxShort)
	if err := s.grounded(c.Subject, &p, c.Ground, c.Note); err != nil {
		return nil, err
	}
	i := s.hold(c.HoldID)
	if i < 0 {
		return nil, ErrHoldNotFound.With("no legal hold %s stands; GET /v1/customers/%s/erasure lists them", c.HoldID, c.Customer)
	}
	at := c.At(&p, "", nil, s.LegalHolds[i].Since, "")
	return []Event{LegalHoldLifted{HoldID: c.HoldID, Ground: c.Ground, Note: c.Note, LiftedBy: c.Actor, LiftedAt: at}}, nil
}
