package customer

import "slices"

// Contacts is where a customer is reached, and under which ids other systems
// know them.
type Contacts struct {
	ExternalIDs []LinkedID `json:"external_ids,omitempty"` // in the order they were linked
}

// LinkedID is an id of a customer in another system.
type LinkedID struct {
	System string `json:"system"`
	ID     string `json:"id,omitempty"`
	Lookup string `json:"lookup"` // the keyed hash that finds it
}

// Fold brings the contacts up to date with an event.
func (c *Contacts) Fold(r Record) {
	switch e := r.Event.(type) {
	case ExternalIDLinked:
		if !slices.ContainsFunc(c.ExternalIDs, func(x LinkedID) bool { return x.Lookup == e.Lookup }) {
			c.ExternalIDs = append(c.ExternalIDs, LinkedID{e.System, e.ID, e.Lookup})
		}
	}
}

// Holds says whether the customer has confirmed a reserved name.
func (c Contacts) Holds(kind, lookup string) bool {
	return slices.ContainsFunc(c.ExternalIDs, func(x LinkedID) bool { return x.Lookup == lookup })
}
