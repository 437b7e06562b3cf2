package customer

import "github.com/rapport-crm/rapport/domain"

// CustomerTypes is what a customer can be classified as.
var CustomerTypes = []string{"consumer", "business", "reseller", "partner", "public_sector", "non_profit", "internal"}

// Classify says what type of customer this is.
type Classify struct {
	domain.Subject `json:"-"`

	Type  string `json:"type" jsonschema:"enum=consumer,enum=business,enum=reseller,enum=partner,enum=public_sector,enum=non_profit,enum=internal"`
	Basis string `json:"basis,omitempty"` // why, in words
}

// Stream implements domain.Command.
func (c Classify) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (Classify) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c Classify) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/type", c.Type, maxShort)
	p.OneOf("/type", c.Type, CustomerTypes...)
	p.Text("/basis", c.Basis, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if is := s.Classification; is.Type == c.Type && is.Basis == c.Basis {
		return nil, nil
	}
	return []Event{Classified{c.Type, c.Basis, s.decidedAt(c.Subject)}}, nil
}
