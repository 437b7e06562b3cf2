package customer

// Standing is the stage of its lifecycle in which a customer is, and why.
type Standing struct{}

// Fold brings it up to date with an event.
func (x *Standing) Fold(Record) {}
