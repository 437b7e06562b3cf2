package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// EarnPoints gives the points of an activity of the programme, such as a review.
// What orders earn is booked with them.
type EarnPoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Activity   string     `json:"activity"`                       // of the programme
	Ref        string     `json:"ref" jsonschema:"maxLength=200"` // what was done; unique within the customer and the activity
	HappenedAt *time.Time `json:"happened_at,omitempty"`          // now if absent
}

// Stream implements domain.Command.
func (c EarnPoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (EarnPoints) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoProgram, ErrActivityUnknown}
}

// Uses names the policies by which it is decided.
func (c EarnPoints) Uses() []domain.PolicyRef {
	on := c.Today()
	if c.HappenedAt != nil {
		on = c.DateOf(*c.HappenedAt)
	}
	return pointPolicies(c.Subject, c.Known, on)
}

// Decide implements domain.Command. What earned its points already is nothing to do.
func (c EarnPoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/activity", c.Activity, maxID)
	checkCode(&p, "/ref", c.Ref, maxID)
	at := c.At(&p, "/happened_at", c.HappenedAt, time.Time{}, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	source := LotSource{LotActivity, c.Ref, c.Activity}
	if slices.ContainsFunc(s.ledger.earns[source.key()], func(x *earn) bool { return x.Lot.Source == source }) {
		return nil, nil
	}
	if c.HappenedAt == nil && at.Before(s.Loyalty.JoinedAt) {
		at = s.Loyalty.JoinedAt
	}
	b := newBooker(c.Subject, c.Known, s, at)
	if !b.Joined || at.Before(b.JoinedAt) {
		return nil, ErrNotEnrolled.With("the customer was no member of the loyalty programme at %s", at.Format(time.RFC3339))
	}
	on := c.DateOf(at)
	v, err := b.inForce(on)
	if err != nil {
		return nil, err
	}
	a, ok := v.Policy.Activity(c.Activity)
	if !ok {
		return nil, ErrActivityUnknown.With("the programme of %s gives nothing for %q", on, c.Activity)
	}
	b.bookEarned(PointsEarned{
		Lot: b.newLot(v.Policy, source, a.Points, on, at, 0), Inputs: loyalty.Inputs{Quantity: 1, Points: a.Points, Rounding: loyalty.Floor},
		Expiry: v.Policy.Expiry, PlacedOn: on, Tier: b.level(), PolicyVersion: v.Version, RollsTo: b.rolls(v.Policy, at), BookedAt: at,
	})
	return b.all(), nil
}
