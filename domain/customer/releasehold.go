package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// ReleaseHold gives held points back to their lots.
type ReleaseHold struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	HoldID string `json:"hold_id" jsonschema:"maxLength=200"`
}

// Stream implements domain.Command.
func (c ReleaseHold) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ReleaseHold) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrPointsHoldNotFound, ErrPointsHoldCaptured, ErrHoldOfTransfer}
}

// Uses names the policies by which it is decided.
func (c ReleaseHold) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. A hold that was released is nothing to do, also
// if only its time was over.
func (c ReleaseHold) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/hold_id", c.HoldID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	h := b.Hold(c.HoldID)
	switch captured, is := b.ledger.captured[c.HoldID]; {
	case h != nil && h.Transfer != uuid.Nil:
		return nil, ErrHoldOfTransfer.With("the points are held for the transfer %s; cancel-transfer gives them back", h.Transfer)
	case h != nil:
		b.giveBack(h, whole(h), ReleaseRequested, b.now)
		return b.all(), nil
	case is:
		return nil, ErrPointsHoldCaptured.With("the hold %q was captured: reverse-redemption of %q gives the points back", c.HoldID, captured)
	}
	if _, known := b.ledger.holds[c.HoldID]; !known {
		return nil, ErrPointsHoldNotFound.With("the customer holds no points under %q", c.HoldID)
	}
	return nil, nil
}
