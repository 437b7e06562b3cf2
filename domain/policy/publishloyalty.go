package policy

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// PublishLoyalty publishes the next version of the loyalty programme.
type PublishLoyalty struct {
	Publication

	Policy loyalty.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishLoyalty) Stream() string { return Stream(KindLoyalty) }

// Decide implements domain.Command.
func (c PublishLoyalty) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	if n := len(s.Versions); n > 0 && s.Versions[n-1].Loyalty.Currency != c.Policy.Currency {
		var p domain.Problems
		p.Add("/policy/currency", "is %s in the versions before: what qualified for tiers and what points are worth is counted in it", s.Versions[n-1].Loyalty.Currency)
		return nil, p.Err()
	}
	return c.publish(s, Published{Kind: KindLoyalty, Loyalty: &c.Policy})
}
