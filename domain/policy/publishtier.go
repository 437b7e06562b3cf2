package policy

import "github.com/rapport-crm/rapport/domain/tier"

// PublishTier publishes the next version of the ladder of levels that members of the loyalty programme climb.
type PublishTier struct {
	Publication

	Policy tier.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishTier) Stream() string { return Stream(KindTier) }

// Decide implements domain.Command.
func (c PublishTier) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindTier, Tier: &c.Policy})
}
