package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// ReversePointsEarn takes points back that an order or an activity gave. What
// becomes of those that are spent is what the programme says of refunds. A refund
// takes back by itself what the order does not earn any more.
type ReversePointsEarn struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	OrderID  string `json:"order_id,omitempty"`
	Activity string `json:"activity,omitempty"`                      // where there is no order_id
	Ref      string `json:"ref,omitempty"`                           // of the activity
	Rule     string `json:"rule,omitempty"`                          // of the order's, the one that gave them; all of them if absent
	Points   *int64 `json:"points,omitempty" jsonschema:"minimum=1"` // all that are kept, if absent
	// ReversalID tells one reversal from the next of the same source; unique within the customer.
	ReversalID string `json:"reversal_id,omitempty" jsonschema:"maxLength=200"` // required with points
	Reason     string `json:"reason,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c ReversePointsEarn) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ReversePointsEarn) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrEarnNotFound, ErrReversalExists, ErrNoProgram, ErrEarnExceeded}
}

// Uses names the policies by which it is decided.
func (c ReversePointsEarn) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. The same reversal again, and a source of which
// no points are kept, are nothing to do.
func (c ReversePointsEarn) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	source, what := LotSource{LotOrder, c.OrderID, c.Rule}, "order"
	if c.OrderID == "" {
		source, what = LotSource{LotActivity, c.Ref, c.Activity}, "activity"
	}
	earns, left := []*earn(nil), int64(0)
	for _, x := range s.ledger.earns[source.key()] {
		if source.Rule == "" || x.Lot.Source.Rule == source.Rule {
			earns = append(earns, x)
			left += x.kept
		}
	}
	if len(earns) == 0 {
		return nil, ErrEarnNotFound.With("the customer earned no points by the %s %q", what, source.Ref)
	}
	if before := s.ledger.takenBack[c.ReversalID]; len(before) > 0 && c.ReversalID != "" {
		if c.same(source, before) {
			return nil, nil
		}
		return nil, ErrReversalExists.With("the customer has a reversal %q with other content; choose another reversal_id", c.ReversalID)
	}
	points := left
	if c.Points != nil {
		points = *c.Points
	}
	if points == 0 {
		return nil, nil
	}
	if points > left {
		return nil, ErrEarnExceeded.With("%d points of the %s %q can be taken back, not %d", left, what, source.Ref, points)
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	v, err := b.inForce(b.today())
	if err != nil {
		return nil, err
	}
	b.reason = c.Reason
	for _, x := range earns {
		n := min(points, x.kept)
		points -= n
		b.takeBack(v, x, n, "", ReversalCause{Type: ReversalRequested, OrderID: c.OrderID, ReversalID: c.ReversalID})
	}
	if c.OrderID != "" {
		b.assess(TierCause{Type: TierReversal, OrderID: c.OrderID}, &earns[0].PlacedOn)
	}
	return b.all(), nil
}

// check refuses a request that is wrong in itself.
func (c ReversePointsEarn) check() error {
	var p domain.Problems
	switch {
	case c.OrderID == "" && c.Activity == "":
		p.Add("/order_id", "is required where there is no activity")
	case c.OrderID != "":
		p.Text("/order_id", c.OrderID, maxID)
		if c.Activity != "" {
			p.Add("/activity", "is for where there is no order_id")
		}
		if c.Ref != "" {
			p.Add("/ref", "is for where there is no order_id")
		}
		p.Text("/rule", c.Rule, maxID)
	default:
		p.Text("/activity", c.Activity, maxID)
		p.Required("/ref", c.Ref, maxID)
		if c.Rule != "" {
			p.Add("/rule", "is for where there is an order_id")
		}
	}
	checkReversal(&p, c.Points, c.ReversalID, c.Reason)
	return p.Err()
}

// same says whether points were taken back with this content.
func (c ReversePointsEarn) same(source LotSource, before []PointsEarnReversed) bool {
	points := int64(0)
	for _, e := range before {
		points += e.Points
	}
	return (c.Points == nil || *c.Points == points) && !slices.ContainsFunc(before, func(e PointsEarnReversed) bool {
		return e.Source.key() != source.key() || source.Rule != "" && e.Source.Rule != source.Rule
	})
}
