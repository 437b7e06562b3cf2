package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// HoldPoints sets points aside: nobody else can spend them. They go back by
// themselves when the time of the hold is over.
type HoldPoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	HoldID     string `json:"hold_id" jsonschema:"maxLength=200"` // unique within the customer
	Points     int64  `json:"points" jsonschema:"minimum=1"`
	TTLMinutes *int   `json:"ttl_minutes,omitempty" jsonschema:"minimum=1"` // as long as the programme allows, if absent
}

// Stream implements domain.Command.
func (c HoldPoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (HoldPoints) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoProgram, ErrPointsHoldExists, ErrPointsHoldExpired, ErrInsufficientPoints}
}

// Uses names the policies by which it is decided.
func (c HoldPoints) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. The same hold again is nothing to do, also
// when it was captured; one that holds nothing any more is refused.
func (c HoldPoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkCode(&p, "/hold_id", c.HoldID, maxID) // those of transfers are no codes
	checkPoints(&p, "/points", c.Points)
	if c.TTLMinutes != nil && *c.TTLMinutes < 1 {
		p.Add("/ttl_minutes", "must be at least 1")
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if h, known := s.ledger.holds[c.HoldID]; known {
		switch _, captured := s.ledger.captured[c.HoldID]; {
		case !c.same(h):
		case captured, s.Loyalty.Hold(c.HoldID) != nil && h.ExpiresAt.After(c.Now):
			return nil, nil
		default:
			return nil, ErrPointsHoldExpired.With("the hold %q is over: it was released, or lasted until %s; hold the points anew under another hold_id",
				c.HoldID, h.ExpiresAt.Format(time.RFC3339))
		}
		return nil, ErrPointsHoldExists.With("the customer has a hold %q with other content; choose another hold_id", c.HoldID)
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	ttl := v.Policy.Redemption.HoldLimit()
	if c.TTLMinutes != nil {
		if *c.TTLMinutes > ttl {
			p.Add("/ttl_minutes", "must be at most %d: longer the programme does not hold points", ttl)
			return nil, p.Err()
		}
		ttl = *c.TTLMinutes
	}
	from, err := b.spend(c.Points)
	if err != nil {
		return nil, err
	}
	b.book(PointsHeld{
		HoldID: c.HoldID, Points: c.Points, From: from, HeldAt: b.now, ExpiresAt: new(b.now.Add(time.Duration(ttl) * time.Minute)),
	})
	return b.all(), nil
}

// same says whether points were held with this content.
func (c HoldPoints) same(h PointsHeld) bool {
	return h.Points == c.Points && h.Transfer == uuid.Nil && h.ExpiresAt != nil &&
		(c.TTLMinutes == nil || h.ExpiresAt.Sub(h.HeldAt) == time.Duration(*c.TTLMinutes)*time.Minute)
}
