package policy

import "github.com/rapport-crm/rapport/domain/loyalty"

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
	return c.publish(s, Published{Kind: KindLoyalty, Loyalty: &c.Policy})
}
