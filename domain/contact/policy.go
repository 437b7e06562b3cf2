// Package contact is the policy of contacting customers: the purposes and
// channels there are, what each purpose needs, and when it is quiet.
package contact

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Legal bases on which a customer may be contacted.
const (
	Consent            = "consent"
	Contract           = "contract"
	LegalObligation    = "legal_obligation"
	LegitimateInterest = "legitimate_interest"
	VitalInterest      = "vital_interest"
	PublicTask         = "public_task"
)

// Bases is every legal basis (GDPR, Article 6(1)).
var Bases = []string{Consent, Contract, LegalObligation, LegitimateInterest, VitalInterest, PublicTask}

// Policy says which purposes and channels there are, and what holds for contacts.
type Policy struct {
	Name     string    `json:"name"`
	Channels []string  `json:"channels"`
	Purposes []Purpose `json:"purposes"`
	// Quiet is when nobody is contacted who says nothing else, in the customer's
	// time zone, else the business zone. Absent: it is never quiet.
	Quiet *Hours `json:"quiet_hours,omitempty"`
	// Cap bounds the contacts of a customer who says nothing else. Absent: no bound.
	Cap *Cap `json:"frequency_cap,omitempty"`
	// Shared are the kinds of contact point (email, phone) that several customers may have.
	Shared []string `json:"shared,omitempty"`
	// VerifiedPrimary says that only a verified contact point can be the primary one.
	VerifiedPrimary bool `json:"verified_primary,omitempty"`
}

// Purpose is one reason to contact a customer.
type Purpose struct {
	Name string `json:"name"`
	// Basis is the legal basis that suffices without a consent; Consent: none does.
	Basis string `json:"basis"`
	// Texts are the versions of the consent text that can be agreed to. Empty: any.
	Texts []string `json:"texts,omitempty"`
	// Free is not bound by quiet hours and frequency cap, such as a delivery notice.
	Free bool `json:"free,omitempty"`
}

// Hours is a stretch of every day, over midnight if From is later than To.
type Hours struct {
	From string `json:"from"` // 21:00
	To   string `json:"to"`   // 08:00, exclusive
}

// Cap is how many contacts there may be within so many days.
type Cap struct {
	Contacts int `json:"contacts"`
	Days     int `json:"days"` // rolling, of 24 hours
}

// Default returns the policy a deployment begins with.
func Default() Policy {
	return Policy{
		Name:     "standard",
		Channels: []string{"email", "phone", "sms", "post", "fax", "wechat", "whatsapp", "messenger", "push", "visit"},
		Purposes: []Purpose{
			{Name: "marketing", Basis: Consent},
			{Name: "survey", Basis: Consent},
			{Name: "service", Basis: LegitimateInterest},
			{Name: "transaction", Basis: Contract, Free: true},
		},
		Quiet: &Hours{From: "21:00", To: "08:00"},
		Cap:   &Cap{Contacts: 4, Days: 7},
	}
}

// Purpose returns what the policy says of a purpose.
func (p Policy) Purpose(name string) (Purpose, bool) {
	i := slices.IndexFunc(p.Purposes, func(q Purpose) bool { return q.Name == name })
	if i < 0 {
		return Purpose{}, false
	}
	return p.Purposes[i], true
}

// Shares says whether several customers may have one contact point of a kind.
func (p Policy) Shares(kind string) bool { return slices.Contains(p.Shared, kind) }

// Clock reads a time of day such as 21:00 as minutes since midnight.
func Clock(s string) (minutes int, ok bool) {
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

// Check notes what is wrong with the hours.
func (h Hours) Check(p *domain.Problems, pointer string) {
	from, ok := Clock(h.From)
	if !ok {
		p.Add(pointer+"/from", "must be a time of day such as 21:00")
	}
	to, fine := Clock(h.To)
	if !fine {
		p.Add(pointer+"/to", "must be a time of day such as 08:00")
	}
	if ok && fine && from == to {
		p.Add(pointer+"/to", "must differ from the beginning")
	}
}

// Check notes what is wrong with the cap.
func (c Cap) Check(p *domain.Problems, pointer string) {
	if c.Contacts < 0 || c.Contacts > 1000 {
		p.Add(pointer+"/contacts", "must be between 0 and 1000")
	}
	if c.Days < 1 || c.Days > 366 {
		p.Add(pointer+"/days", "must be between 1 and 366")
	}
}

// PurposeNames returns the names of the purposes, in their order.
func (p Policy) PurposeNames() []string {
	names := make([]string, len(p.Purposes))
	for i, q := range p.Purposes {
		names[i] = q.Name
	}
	return names
}
