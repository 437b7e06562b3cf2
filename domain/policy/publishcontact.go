package policy

import "github.com/rapport-crm/rapport/domain/contact"

// PublishContact publishes the next version of the policy that says who may be contacted, how and when.
type PublishContact struct {
	Publication

	Policy contact.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishContact) Stream() string { return Stream(KindContact) }

// Decide implements domain.Command.
func (c PublishContact) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindContact, Contact: &c.Policy})
}
