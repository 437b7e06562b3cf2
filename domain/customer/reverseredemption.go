package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// ReverseRedemption gives spent points back to the lots that they were spent from.
type ReverseRedemption struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	RedemptionID string `json:"redemption_id" jsonschema:"maxLength=200"` // or the hold_id of what was captured under no other id
	Points       *int64 `json:"points,omitempty" jsonschema:"minimum=1"`  // all that did not come back yet, if absent
	// ReversalID tells one reversal from the next of the same redemption; unique within the customer.
	ReversalID string `json:"reversal_id,omitempty" jsonschema:"maxLength=200"` // required with points
	Reason     string `json:"reason,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c ReverseRedemption) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ReverseRedemption) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrRedemptionNotFound, ErrReversalExists, ErrNotEnrolled, ErrNoProgram, ErrRedemptionExceeds}
}

// Uses names the policies by which it is decided.
func (c ReverseRedemption) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. The same reversal again, and a redemption of
// which nothing is left, are nothing to do.
func (c ReverseRedemption) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/redemption_id", c.RedemptionID, maxID)
	checkReversal(&p, c.Points, c.ReversalID, c.Reason)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	r := s.ledger.redemptions[c.RedemptionID]
	if r == nil {
		return nil, ErrRedemptionNotFound.With("the customer has no redemption %q", c.RedemptionID)
	}
	if e, known := s.ledger.givenBack[c.ReversalID]; known && c.ReversalID != "" {
		if e.RedemptionID == c.RedemptionID && (c.Points == nil || *c.Points == e.Points) {
			return nil, nil
		}
		return nil, ErrReversalExists.With("the customer has a reversal %q with other content; choose another reversal_id", c.ReversalID)
	}
	left := r.Points - r.reversed
	points := left
	if c.Points != nil {
		points = *c.Points
	}
	if points == 0 {
		return nil, nil
	}
	if points > left {
		return nil, ErrRedemptionExceeds.With("%d points of the redemption %q can come back, not %d", left, c.RedemptionID, points)
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	b.reason = c.Reason
	b.reverseRedemption(v, r, points, ReversalCause{Type: ReversalRequested, ReversalID: c.ReversalID})
	return b.all(), nil
}

// checkReversal notes what is wrong with a request to reverse points, all that are
// left or some of them.
func checkReversal(p *domain.Problems, points *int64, id, reason string) {
	if points != nil {
		checkPoints(p, "/points", *points)
	}
	if points != nil || id != "" { // a part can be asked for twice: the id says whether it was
		checkCode(p, "/reversal_id", id, maxID)
	}
	p.Text("/reason", reason, maxText)
}
