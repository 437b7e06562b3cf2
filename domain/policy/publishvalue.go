package policy

import "github.com/rapport-crm/rapport/domain/value"

// PublishValue publishes the next version of the policy that says how customers are valued.
type PublishValue struct {
	Publication

	Policy value.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishValue) Stream() string { return Stream(KindValue) }

// Decide implements domain.Command.
func (c PublishValue) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindValue, Value: &c.Policy})
}
