package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// OverrideTier gives a member a level until a date, whatever they qualify for. Until
// then they do not fall below it; who qualifies for a higher one still gets that.
type OverrideTier struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Tier   string      `json:"tier"`  // a level of the ladder in force
	Until  domain.Date `json:"until"` // the last business date, at most five years away
	Reason string      `json:"reason" jsonschema:"maxLength=2000"`
}

// maxOverride is how many months an override lasts at most.
const maxOverride = 60

// Stream implements domain.Command.
func (c OverrideTier) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (OverrideTier) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoLadder, ErrTierUnknown, ErrOwnAccount}
}

// Uses names the policies by which it is decided.
func (c OverrideTier) Uses() []domain.PolicyRef { return tierPolicy(c.Subject, c.Known) }

// Decide implements domain.Command. The override that stands is nothing to do.
func (c OverrideTier) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/tier", c.Tier, maxShort)
	p.Required("/reason", c.Reason, maxText)
	switch last := c.Today().AddMonths(maxOverride); {
	case c.Until < c.Today():
		p.Add("/until", "is over: the business date is %s", c.Today())
	case c.Until > last:
		p.Add("/until", "must not be after %s: no override is for good", last)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	v, err := b.climbing()
	if err != nil {
		return nil, err
	}
	if v.Policy.Rank(c.Tier) < 0 {
		return nil, ErrTierUnknown.With("the ladder has no level %q; it has %s", c.Tier, levels(v.Policy))
	}
	after := c.Until + 1
	e := TierOverridden{
		From: b.Tier.on(v.Policy), To: c.Tier, Until: *b.start(&after), Reason: c.Reason, OverriddenBy: c.Actor,
		PolicyVersion: v.Version, OverriddenAt: b.now,
	}
	if is := b.Tier; is.Override != nil && is.Level == e.To && is.ValidUntil.Equal(e.Until) {
		return nil, nil
	}
	b.book(e)
	return b.all(), nil
}
