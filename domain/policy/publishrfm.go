package policy

import "github.com/rapport-crm/rapport/domain/rfm"

// PublishRFM publishes the next version of the policy that scores customers.
type PublishRFM struct {
	Publication

	Policy rfm.Policy `json:"policy"`
}

// Stream implements domain.Command.
func (PublishRFM) Stream() string { return Stream(KindRFM) }

// Decide implements domain.Command.
func (c PublishRFM) Decide(s State) ([]Event, error) {
	if err := c.Policy.Validate(); err != nil {
		return nil, err
	}
	return c.publish(s, Published{Kind: KindRFM, RFM: &c.Policy})
}
