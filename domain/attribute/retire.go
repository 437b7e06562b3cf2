package attribute

import "github.com/rapport-crm/rapport/domain"

// Retire takes an attribute out of use: it takes no more values, those that
// customers have stay. To define it again takes it back into use.
type Retire struct {
	domain.Subject `json:"-"`

	Key string `json:"key"`
}

// Stream implements domain.Command.
func (Retire) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (Retire) Refuses() []*domain.Error { return []*domain.Error{ErrUnknown} }

// Decide implements domain.Command.
func (c Retire) Decide(s Schema) ([]Event, error) {
	switch is, exists := s.attributes[c.Key]; {
	case !exists:
		return nil, Unknown(c.Key)
	case is.Retired:
		return nil, nil
	}
	return []Event{Retired{c.Key}}, nil
}
