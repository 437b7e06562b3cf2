package profile

import "github.com/rapport-crm/rapport/projections"

// IndexContact has the lookup of each contact point: ContactKey.
const IndexContact = "contact"

// ContactKey returns the key in IndexContact of a contact point of a type, by the
// keyed hash of its value.
func ContactKey(kind, lookup string) string { return kind + ":" + lookup }

// contacts appends where a customer stands by the contact points.
func contacts(places []projections.Place, d *Document) []projections.Place {
	for _, c := range d.ContactPoints {
		places = append(places, projections.Place{Index: IndexContact, Key: ContactKey(c.Type, c.Lookup)})
	}
	return places
}
