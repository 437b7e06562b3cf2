package profile

import "github.com/rapport-crm/rapport/projections"

// The indexes that say who looks after a customer.
const (
	IndexOwner      = "owner"       // whom somebody owns, by the employee
	IndexReleased   = "released"    // who was released to the pool and is in it, by when: RegisteredKey
	IndexKeyAccount = "key_account" // the level of key accounts
)

// ownership adds where a customer stands by who looks after them. Who never had
// an owner stands nowhere: IndexAll has them.
func ownership(places []projections.Place, d *Document) []projections.Place {
	is := &d.Ownership
	switch {
	case is.Owner != "":
		places = append(places, projections.Place{Index: IndexOwner, Key: is.Owner})
	case !is.ReleasedAt.IsZero():
		places = append(places, projections.Place{Index: IndexReleased, Key: RegisteredKey(is.ReleasedAt)})
	}
	if is.KeyAccount != nil {
		places = append(places, projections.Place{Index: IndexKeyAccount, Key: is.KeyAccount.Level})
	}
	return places
}
