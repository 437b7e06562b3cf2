package population

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Particulars is who an invented customer is beside what they bought. What they did
// not tell is empty.
type Particulars struct {
	Email   string
	Phone   string // E.164
	Born    *domain.Date
	Country string // ISO 3166-1
	City    string
	Tags    []string
	// Interests are what the customer says to like.
	Interests []string
	Consents  []Consent // to marketing, dated like the registration
}

// Consent is a channel on which the customer agreed to be written to, or took that back.
type Consent struct {
	Channel   string
	Withdrawn *time.Time
}

// particulars invents who customer number i is. Their generator is one of its own:
// what they buy does not depend on what they tell.
func particulars(seed uint64, i int, c *Customer, joined time.Time, until domain.Date) {
	r := rand.New(rand.NewPCG(seed^0x9e3779b97f4a7c15, uint64(i)))
	p := &c.Particulars
	place := places[r.IntN(len(places))]
	p.Country, p.City = place.country, place.cities[r.IntN(len(place.cities))]
	if r.IntN(10) < 8 {
		p.Email = address(c.Given, c.Family, i)
	}
	if r.IntN(10) < 5 {
		p.Phone = fmt.Sprintf(place.phone, i)
	}
	if r.IntN(10) < 6 {
		born := domain.NewDate(1945+r.IntN(62), time.Month(1+r.IntN(12)), 1+r.IntN(28))
		p.Born = &born
	}
	for _, tag := range tags {
		if r.IntN(12) == 0 {
			p.Tags = append(p.Tags, tag)
		}
	}
	if p.Email != "" && r.IntN(10) < 7 {
		p.Consents = append(p.Consents, p.consent(r, "email", joined, until))
	}
	if p.Phone != "" && r.IntN(10) < 3 {
		p.Consents = append(p.Consents, p.consent(r, "sms", joined, until))
	}
	if r.IntN(5) == 0 {
		at := r.IntN(len(interests))
		p.Interests = []string{interests[at], interests[(at+1)%len(interests)]}
	}
}

// consent is one that stands, but for some that are taken back later.
func (p *Particulars) consent(r *rand.Rand, channel string, from time.Time, until domain.Date) Consent {
	c := Consent{Channel: channel}
	if left := until.Start(time.UTC).Sub(from); left > 0 && r.IntN(8) == 0 {
		at := from.Add(time.Duration(r.Int64N(int64(left)))).Truncate(time.Second)
		c.Withdrawn = &at
	}
	return c
}

// twinEvery is one customer in how many who came twice, under two ids of the shop.
const twinEvery = 80

// twin makes a customer the second record of another: the same person, with an
// address of the same mailbox.
func (c *Customer) twin(of Customer) {
	c.Given, c.Family, c.Born = of.Given, of.Family, of.Born
	if of.Email != "" {
		c.Email = strings.Replace(of.Email, "@", "+again@", 1)
	}
}

func address(given, family string, i int) string {
	return fmt.Sprintf("%s.%s%d@%s", strings.ToLower(given), strings.ToLower(family), i+1, mailboxes[i%len(mailboxes)])
}

var (
	places = []struct {
		country string
		phone   string // with room for the customer's number
		cities  []string
	}{
		{"DE", "+49151%08d", []string{"Berlin", "Hamburg", "Leipzig"}},
		{"CN", "+86138%08d", []string{"Shanghai", "Chengdu", "Xiamen"}},
		{"FR", "+336%08d", []string{"Lyon", "Paris"}},
	}
	mailboxes = []string{"example.com", "example.org", "example.net"}
	interests = []string{"tea", "pottery", "cooking", "travel", "sport"}
	tags      = []string{"vip", "wholesale", "gift", "newsletter", "allergy"}
)
