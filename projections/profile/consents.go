package profile

import "github.com/rapport-crm/rapport/projections"

// IndexConsent holds who ever granted something, by purpose and channel: ConsentKey.
// Whether it stands is for the document to say: that depends on the time.
const IndexConsent = "consent"

// ConsentKey returns the key of a purpose and a channel in IndexConsent. The
// channel may be customer.Every.
func ConsentKey(purpose, channel string) string { return clean(purpose + ":" + channel) }

// consents appends where the grants of a document stand.
func consents(places []projections.Place, d *Document) []projections.Place {
	for _, c := range d.Permissions.Consents {
		if c.Granted() {
			places = append(places, projections.Place{Index: IndexConsent, Key: ConsentKey(c.Purpose, c.Channel)})
		}
	}
	return places
}

// GrantedExactly says whether the customer ever granted something for exactly this
// purpose and channel, as IndexConsent has it.
func (d *Document) GrantedExactly(purpose, channel string) bool {
	for _, c := range d.Permissions.Consents {
		if c.Purpose == purpose && c.Channel == channel {
			return c.Granted()
		}
	}
	return false
}
