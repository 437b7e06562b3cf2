package handover

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
)

// Kinds of open items.
const (
	KindKeyAccount          = "key_account"          // Ref is the level
	KindPendingVerification = "pending_verification" // Ref is the id of the contact point
	KindConsentExpiring     = "consent_expiring"     // Ref is purpose/channel
)

// expiringWithin is how far ahead, and back, a dossier looks for consents that expire.
const expiringWithin = 30 * 24 * time.Hour

// sources say what is open about a customer at an instant, each of one kind. A
// feature that leaves things open adds its own. They say nothing personal: a
// dossier outlives an erasure.
var sources = []func(s customer.State, now time.Time) []Item{
	keyAccount,
	pendingVerifications,
	expiringConsents,
}

func keyAccount(s customer.State, _ time.Time) []Item {
	if s.Ownership.KeyAccount == nil {
		return nil
	}
	return []Item{{Kind: KindKeyAccount, Ref: s.Ownership.KeyAccount.Level}}
}

// pendingVerifications are the contact points of which nobody knows whether they reach
// the customer.
func pendingVerifications(s customer.State, _ time.Time) (items []Item) {
	for _, p := range s.ContactPoints {
		if p.VerifiedAt.IsZero() && !p.Invalid {
			items = append(items, Item{Kind: KindPendingVerification, Ref: p.ID})
		}
	}
	return items
}

// expiringConsents are those that end soon, or ended lately.
func expiringConsents(s customer.State, now time.Time) (items []Item) {
	for _, c := range s.Permissions.Expiring(now.Add(expiringWithin)) {
		if c.ExpiresAt.After(now.Add(-expiringWithin)) {
			items = append(items, Item{Kind: KindConsentExpiring, Ref: c.Purpose + "/" + c.Channel, Due: c.ExpiresAt})
		}
	}
	return items
}

// OpenItems returns everything that is open about a customer, by id.
func OpenItems(id uuid.UUID, s customer.State, now time.Time) []Item {
	var items []Item
	for _, source := range sources {
		items = append(items, source(s, now)...)
	}
	for i := range items {
		items[i].ID = uuid.NewSHA1(id, []byte(items[i].Kind+"\x00"+items[i].Ref))
	}
	slices.SortFunc(items, func(a, b Item) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return items
}
