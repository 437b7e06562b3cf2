package customer

// Ownership is who looks after a customer.
type Ownership struct{}

// Fold brings it up to date with an event.
func (x *Ownership) Fold(Record) {}
