package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// ApprovePoints books points that somebody else proposed.
type ApprovePoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	ProposalID string `json:"proposal_id"` // the bonus_id or adjustment_id
}

// Stream implements domain.Command.
func (c ApprovePoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ApprovePoints) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrNotFound, ErrProposalNotFound, ErrProposalDecided, ErrFourEyes, ErrOwnAccount, ErrNoProgram, ErrNotEnrolled, ErrDeficitLimit,
	}
}

// Uses names the policies by which it is decided.
func (c ApprovePoints) Uses() []domain.PolicyRef {
	return pointPolicies(c.Subject, c.Known, c.Today())
}

// Decide implements domain.Command. What was approved already is nothing to do.
func (c ApprovePoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/proposal_id", c.ProposalID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	e, decided, err := s.proposed(c.ProposalID, true)
	if err != nil || decided {
		return nil, err
	}
	if c.Actor.SamePerson(e.ProposedBy) {
		return nil, ErrFourEyes.With("%s proposed it; somebody else has to approve it", c.Actor)
	}
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	source := LotSource{Kind: e.Kind, Ref: e.ProposalID}
	if e.Kind == LotBonus {
		by := c.Actor
		b.grant(v, PointsGranted{CampaignID: e.CampaignID, Reason: e.Reason, GrantedBy: e.ProposedBy, ApprovedBy: &by}, source, e.Points)
		return b.all(), nil
	}
	adjusted := PointsAdjusted{Points: e.Points}
	if e.Points > 0 {
		lot := b.newLot(v.Policy, source, e.Points, b.today(), b.now, 0)
		adjusted.Lot, adjusted.Expiry, adjusted.DeficitPaid = &lot, &v.Policy.Expiry, b.owed(e.Points)
	} else if adjusted, err = b.deducts(v, -e.Points); err != nil {
		return nil, err
	}
	adjusted.AdjustmentID, adjusted.ProposedBy, adjusted.ApprovedBy = e.ProposalID, e.ProposedBy, c.Actor
	adjusted.Reason, adjusted.PolicyVersion, adjusted.AdjustedAt = e.Reason, v.Version, b.now
	b.book(adjusted)
	return b.all(), nil
}
