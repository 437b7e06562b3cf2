package customer

import "github.com/rapport-crm/rapport/domain"

// Rights is what the law, or the customer, asked to be done with what is known
// of them.
type Rights struct {
	Restricted bool `json:"restricted,omitempty"` // the data may be kept, not used
	Erased     bool `json:"erased,omitempty"`
}

// Fold brings the rights up to date with an event.
func (x *Rights) Fold(Record) {}

// Admit implements domain.Guard.
func (x Rights) Admit(cmd any) error {
	if _, allowed := cmd.(domain.AfterErasure); x.Erased && !allowed {
		return ErrErased.With("the personal data of the customer was erased")
	}
	if _, allowed := cmd.(domain.WhileRestricted); x.Restricted && !allowed {
		return ErrRestricted.With("the processing of the customer's data is restricted; lift-restriction ends that")
	}
	return nil
}
