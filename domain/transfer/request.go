package transfer

import (
	"errors"
	"regexp"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// Named is what the commands about a transfer have in common: which it is.
type Named struct {
	domain.Subject `json:"-"`

	TransferID uuid.UUID `json:"transfer_id,omitzero"` // the one of the route; of a new one a new one, if absent
}

// Stream implements domain.Command.
func (c Named) Stream() string { return Stream(c.TransferID) }

// SetTransfer says which transfer a command is about.
func (c *Named) SetTransfer(id uuid.UUID) { c.TransferID = id }

// Request asks that points go from one member to another. They are there when it is
// answered, unless something is down: then they follow by themselves.
type Request struct {
	Named

	From       uuid.UUID `json:"from"` // customers
	To         uuid.UUID `json:"to"`
	Points     int64     `json:"points"`
	ReasonCode string    `json:"reason_code,omitempty" jsonschema:"maxLength=64"` // such as gift; it is kept after an erasure

	Gathered `json:"-"`
}

// Gathered is what the write side found out about the two customers: what stands
// against the transfer, nil if nothing does.
type Gathered struct{ Sender, Recipient error }

var reasonCode = regexp.MustCompile(`^[A-Za-z0-9._/-]{0,64}$`)

// Refuses lists the refusals that are the command's own.
func (Request) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrExists, ErrCancelled, customer.ErrNotFound, customer.ErrErased, customer.ErrRestricted, customer.ErrNoProgram, customer.ErrNotEnrolled,
		customer.ErrTransferNotAllowed, customer.ErrBelowMinimum, customer.ErrAboveMaximum, customer.ErrInsufficientPoints, customer.ErrTransferTooWide,
	}
}

// Check says what is wrong with the request in itself.
func (c Request) Check() error {
	var p domain.Problems
	if c.From == uuid.Nil {
		p.Add("/from", "is required")
	}
	switch c.To {
	case uuid.Nil:
		p.Add("/to", "is required")
	case c.From:
		p.Add("/to", "is who gives the points")
	}
	if c.Points < 1 || c.Points > loyalty.MaxPoints {
		p.Add("/points", "must be between 1 and %d", int64(loyalty.MaxPoints))
	}
	if !reasonCode.MatchString(c.ReasonCode) {
		p.Add("/reason_code", "must have at most 64 letters, digits, dots, dashes, slashes or underscores: it is kept after an erasure")
	}
	return p.Err()
}

// Decide implements domain.Command. The same transfer again is nothing to do.
func (c Request) Decide(s State) ([]Event, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if s.State != "" {
		if s.From == c.From && s.To == c.To && s.Points == c.Points && s.ReasonCode == c.ReasonCode {
			return nil, nil
		}
		return nil, ErrExists.With("there is a transfer %s with other content; choose another transfer_id, or none", c.TransferID)
	}
	if c.Gathered.Sender != nil {
		return nil, At(c.Gathered.Sender, "/from")
	}
	if c.Gathered.Recipient != nil {
		return nil, At(c.Gathered.Recipient, "/to")
	}
	return []Event{Proposed{
		TransferID: c.TransferID, From: c.From, To: c.To, Points: c.Points, ReasonCode: c.ReasonCode,
		ProposedBy: c.Actor, ProposedAt: c.Now.UTC(),
	}}, nil
}

// At says of a refusal with which of the two customers it has to do.
func At(err error, pointer string) error {
	refusal := (*domain.Error)(nil)
	if !errors.As(err, &refusal) {
		return err
	}
	e := *refusal
	e.Fields = []domain.FieldError{{Pointer: pointer, Detail: e.Detail}}
	return &e
}

// Cancel asks that a transfer that stands still does not take place. It is too late
// when the recipient has the points.
type Cancel struct{ Named }

// Refuses lists the refusals that are the command's own.
func (Cancel) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrCompleted} }

// Decide implements domain.Command. What was cancelled is nothing to do.
func (c Cancel) Decide(s State) ([]Event, error) {
	switch s.State {
	case "":
		return nil, ErrNotFound.With("there is no transfer %s", c.TransferID)
	case StateCompleted:
		return nil, TooLate()
	case StateProposed:
		return []Event{CancellationRequested{c.TransferID, c.Actor, c.Now.UTC()}}, nil
	}
	return nil, nil
}

// TooLate refuses to cancel a transfer whose recipient has the points.
func TooLate() error {
	return ErrCompleted.With("the recipient has the points already; a transfer the other way gives them back")
}

// Advance records how a transfer has ended. It is the saga's own command, and quiet
// where that was recorded.
type Advance struct {
	domain.Subject `json:"-"`
	Of             uuid.UUID
	Event          Event // Completed or Cancelled
}

// Stream implements domain.Command.
func (c Advance) Stream() string { return Stream(c.Of) }

// Decide implements domain.Command.
func (c Advance) Decide(s State) ([]Event, error) {
	if s.Next() == Rest {
		return nil, nil
	}
	return []Event{c.Event}, nil
}
