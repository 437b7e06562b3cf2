package policy

import "github.com/rapport-crm/rapport/domain/lifecycle"

// PublishLifecycle publishes the next version of the policy that moves customers from stage to stage.
type PublishLifecycle struct {
	Publication

	Policy lifecycle.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishLifecycle) Stream() string { return Stream(KindLifecycle) }

// Decide implements domain.Command.
func (c PublishLifecycle) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindLifecycle, Lifecycle: &c.Policy})
}
