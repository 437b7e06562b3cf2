package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// GrantBonus gives a member points. Up to what the programme lets one person give
// they are booked at once; more are proposed, for somebody else to approve.
type GrantBonus struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	BonusID    string `json:"bonus_id" jsonschema:"maxLength=200"` // unique within the customer, adjustments included; kept after an erasure
	Points     int64  `json:"points"`
	Reason     string `json:"reason" jsonschema:"maxLength=2000"`
	CampaignID string `json:"campaign_id,omitempty" jsonschema:"maxLength=200"`
}

// Stream implements domain.Command.
func (c GrantBonus) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (GrantBonus) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNoProgram, ErrNotEnrolled, ErrBonusExists, ErrOwnAccount}
}

// Uses names the policies by which it is decided.
func (c GrantBonus) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. The same bonus again is nothing to do, whatever
// became of it.
func (c GrantBonus) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkByHand(&p, "/bonus_id", c.BonusID, c.Reason)
	if c.Points < 1 || c.Points > loyalty.MaxPoints {
		p.Add("/points", "must be between 1 and %d", int64(loyalty.MaxPoints))
	}
	p.Text("/campaign_id", c.CampaignID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	source := LotSource{Kind: LotBonus, Ref: c.BonusID}
	if known, same := c.known(s, source); known {
		if same {
			return nil, nil
		}
		return nil, ErrBonusExists.With("something else was granted or proposed under %q; choose another bonus_id", c.BonusID)
	}
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	if c.Points > v.Policy.Manual.BonusLimit {
		b.book(PointsProposed{
			ProposalID: c.BonusID, Kind: LotBonus, Points: c.Points, CampaignID: c.CampaignID, Reason: c.Reason,
			ProposedBy: c.Actor, ProposedAt: b.now,
		})
	} else {
		b.grant(v, PointsGranted{CampaignID: c.CampaignID, Reason: c.Reason, GrantedBy: c.Actor}, source, c.Points)
	}
	return b.all(), nil
}

// known says whether the id was used, and whether it was for this bonus.
func (c GrantBonus) known(s State, source LotSource) (known, same bool) {
	if e, ok := s.ledger.proposals[c.BonusID]; ok {
		return true, e.Kind == LotBonus && e.Points == c.Points && e.CampaignID == c.CampaignID
	}
	e, ok := s.ledger.grants[source.key()]
	return ok, e.Lot.Points == c.Points && e.CampaignID == c.CampaignID
}
