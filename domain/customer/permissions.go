package customer

// Permissions is for what, on which channel and when a customer may be contacted.
type Permissions struct{}

// Fold brings it up to date with an event.
func (x *Permissions) Fold(Record) {}
