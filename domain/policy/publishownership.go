package policy

import "github.com/rapport-crm/rapport/domain/portfolio"

// PublishOwnership publishes the next version of the policy that says how customers change hands.
type PublishOwnership struct {
	Publication

	Policy portfolio.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishOwnership) Stream() string { return Stream(KindOwnership) }

// Decide implements domain.Command.
func (c PublishOwnership) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindOwnership, Ownership: &c.Policy})
}
