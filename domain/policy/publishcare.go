package policy

import "github.com/rapport-crm/rapport/domain/care"

// PublishCare publishes the next version of the policy that says at which moments customers are thought of, and how.
type PublishCare struct {
	Publication

	Policy care.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishCare) Stream() string { return Stream(KindCare) }

// Decide implements domain.Command.
func (c PublishCare) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindCare, Care: &c.Policy})
}
