package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// AdjustPoints proposes to correct a member's balance, up or down. Somebody else
// approves it.
type AdjustPoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	AdjustmentID string `json:"adjustment_id" jsonschema:"maxLength=200"` // unique within the customer, bonuses included; kept after an erasure
	Points       int64  `json:"points"`                                   // negative: taken
	Reason       string `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c AdjustPoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (AdjustPoints) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNoProgram, ErrNotEnrolled, ErrProposalExists, ErrDeficitLimit, ErrOwnAccount}
}

// Uses names the policies by which it is decided.
func (c AdjustPoints) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. The same adjustment again is nothing to do,
// whatever became of it.
func (c AdjustPoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkByHand(&p, "/adjustment_id", c.AdjustmentID, c.Reason)
	if c.Points == 0 || c.Points < -loyalty.MaxPoints || c.Points > loyalty.MaxPoints {
		p.Add("/points", "must be between %d and %d, and not 0", -int64(loyalty.MaxPoints), int64(loyalty.MaxPoints))
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	e, known := s.ledger.proposals[c.AdjustmentID]
	if known && e.Kind == LotAdjustment && e.Points == c.Points {
		return nil, nil
	}
	if _, granted := s.ledger.grants[LotSource{Kind: LotBonus, Ref: c.AdjustmentID}.key()]; known || granted {
		return nil, ErrProposalExists.With("something else was granted or proposed under %q; choose another adjustment_id", c.AdjustmentID)
	}
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	if c.Points < 0 {
		if _, err := b.deducts(v, -c.Points); err != nil {
			return nil, err
		}
	}
	b.book(PointsProposed{
		ProposalID: c.AdjustmentID, Kind: LotAdjustment, Points: c.Points, Reason: c.Reason, ProposedBy: c.Actor, ProposedAt: b.now,
	})
	return b.all(), nil
}
