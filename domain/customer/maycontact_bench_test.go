package customer_test

import (
	"testing"

	. "github.com/rapport-crm/rapport/domain/customer"
)

// BenchmarkMayContact asks about a customer with consents for two purposes on five
// channels and four contacts in the cap's window.
func BenchmarkMayContact(b *testing.B) {
	given := []Event{email}
	for _, purpose := range []string{"marketing", "survey"} {
		for _, channel := range []string{"email", "phone", "sms", "post", "wechat"} {
			given = append(given, ConsentGranted{Purpose: purpose, Channel: channel, LegalBasis: "consent", GrantedAt: placed})
		}
	}
	for h := range 4 {
		given = append(given, ContactRecorded{Purpose: "marketing", Channel: "email", WindowDays: 7, ContactedAt: hours(-float64(h) - 1)})
	}
	x, c, r := told(given...)
	q := askedOf(c, r)
	for b.Loop() {
		if x.MayContact(q).Allowed {
			b.Fatal("the cap is reached")
		}
	}
}
