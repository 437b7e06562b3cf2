package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// LiftTierOverride ends an override before its time. What follows is what would have
// followed at its end.
type LiftTierOverride struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Reason string `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c LiftTierOverride) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (LiftTierOverride) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoLadder, ErrOwnAccount}
}

// Uses names the policies by which it is decided.
func (c LiftTierOverride) Uses() []domain.PolicyRef { return tierPolicy(c.Subject, c.Known) }

// Decide implements domain.Command. Without an override there is nothing to do.
func (c LiftTierOverride) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	if _, err := b.climbing(); err != nil || b.Tier.Override == nil {
		return nil, err
	}
	b.book(TierOverrideLifted{Tier: b.Tier.Level, Reason: c.Reason, LiftedBy: c.Actor, LiftedAt: b.now})
	b.overrideEnd(TierCause{Type: TierLifted}, b.today(), b.now)
	return b.all(), nil
}
