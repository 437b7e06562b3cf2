package customer

import "github.com/rapport-crm/rapport/domain"

// RestrictProcessing locks the customer's data: it is kept and can be read, but
// commands that use or change it are refused until the restriction is lifted.
type RestrictProcessing struct {
	domain.Subject `json:"-"`

	Ground string `json:"ground" jsonschema:"maxLength=64"` // a code, such as accuracy_contested or objection_pending
	Note   string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c RestrictProcessing) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted: to restrict again changes nothing.
func (RestrictProcessing) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (RestrictProcessing) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c RestrictProcessing) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if err := s.grounded(c.Subject, &p, c.Ground, c.Note); err != nil {
		return nil, err
	}
	if s.Restricted {
		return nil, nil
	}
	at := c.At(&p, "", nil, s.Since, "")
	return []Event{ProcessingRestricted{Ground: c.Ground, Note: c.Note, RestrictedAt: at}}, nil
}

// LiftRestriction lets the customer's data be used again.
type LiftRestriction struct {
	domain.Subject `json:"-"`

	Ground string `json:"ground" jsonschema:"maxLength=64"` // a code: why the reason for the restriction is gone
	Note   string `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c LiftRestriction) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (LiftRestriction) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (LiftRestriction) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotRestricted}
}

// Decide implements domain.Command.
func (c LiftRestriction) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if err := s.grounded(c.Subject, &p, c.Ground, c.Note); err != nil {
		return nil, err
	}
	if !s.Restricted {
		return nil, ErrNotRestricted.With("the processing of the customer's data is not restricted")
	}
	at := c.At(&p, "", nil, s.Restriction.Since, "")
	return []Event{RestrictionLifted{Ground: c.Ground, Note: c.Note, LiftedAt: at}}, nil
}
