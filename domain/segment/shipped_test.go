package segment_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/rfm"
	. "github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
)

// evening is the day as of which the shipped segments are tried.
var evening = domain.NewDate(2026, time.June, 30)

func ago(days int) *domain.Date {
	d := evening - domain.Date(days)
	return &d
}

// orders are paid ones, so many days ago.
func orders(days ...int) func(*Customer) {
	return func(c *Customer) {
		for _, n := range days {
			c.Orders = append(c.Orders, Order{On: *ago(n), Amount: 1000, Net: 1000, Paid: true})
		}
	}
}

// also makes a customer by several steps.
func also(steps ...func(*Customer)) func(*Customer) {
	return func(c *Customer) {
		for _, step := range steps {
			step(c)
		}
	}
}

func last(change func(*Order)) func(*Customer) {
	return func(c *Customer) { change(&c.Orders[len(c.Orders)-1]) }
}

func event(name string, days int, fields map[string]any) func(*Customer) {
	return func(c *Customer) {
		c.Events = append(c.Events, Happening{Type: name, On: *ago(days), Fields: fields})
	}
}

func stage(name string) func(*Customer) { return func(c *Customer) { c.Stage.Name = name } }

func lives(country, city, code string) func(*Customer) {
	return func(c *Customer) {
		c.Demographics.Country, c.Demographics.City, c.Demographics.PostalCode = country, city, code
	}
}

func born(year int, month time.Month, day int) func(*Customer) {
	return func(c *Customer) {
		d := domain.NewDate(year, month, day)
		c.Demographics.BirthDate = &d
	}
}

func reaches(measure string, least int) func(*Customer) {
	return func(c *Customer) {
		c.Reaches = func(m string, percent int) bool { return m == measure && percent <= least }
	}
}

func attitude(own, competitor, price int64) func(*Customer) {
	return func(c *Customer) {
		c.Attitude.OwnBrandAttention, c.Attitude.CompetitorAttention, c.Attitude.PriceSensitivity = own, competitor, price
	}
}

func points(n int64, days int) func(*Customer) {
	return func(c *Customer) { c.Loyalty = Loyalty{Member: true, Spendable: n, LastActivity: ago(days)} }
}

func keyAccount(c *Customer) { c.Owner.KeyAccount = "A" }

func address(invalid bool) func(*Customer) {
	return func(c *Customer) {
		c.ContactPoints = append(c.ContactPoints, ContactPoint{Type: "phone"}, ContactPoint{Type: "email", Invalid: invalid})
	}
}

func consents(channel string) func(*Customer) {
	return func(c *Customer) {
		c.Consented = func(p, ch string) (bool, *domain.Date) { return p == "marketing" && ch == channel, nil }
	}
}

func within(ids ...string) func(*Customer) {
	return func(c *Customer) { c.Member = func(id string) bool { return slices.Contains(ids, id) } }
}

func label(name string) func(*Customer) {
	return func(c *Customer) { c.RFM = RFM{Scored: true, Label: name} }
}

func band(name string) func(*Customer) { return func(c *Customer) { c.Value.Band = name } }

func tier(name string) func(*Customer) {
	return also(points(0, 0), func(c *Customer) { c.Loyalty.Tier = name })
}

func channel(name string) func(*Customer) { return last(func(o *Order) { o.Channel = name }) }

// who is one who belongs to a shipped segment and one who only just does not.
var who = map[string]struct{ in, out func(*Customer) }{
	"prospects":         {stage(lifecycle.Converting), stage(lifecycle.Active)},
	"new-customers":     {orders(29, 3), also(orders(30, 3))},
	"one-time-buyers":   {orders(400), orders(400, 4)},
	"second-order-due":  {orders(30), orders(90)},
	"repeat-customers":  {orders(400, 4), also(orders(400, 4), last(func(o *Order) { o.Paid = false }))},
	"slipping-regulars": {orders(200, 100, 60), orders(400, 300, 180)},
	"at-risk":           {stage(lifecycle.AtRisk), stage(lifecycle.Churned)},
	"lapsed":            {orders(400, 180), orders(400, 179)},
	"won-back": {
		also(stage(lifecycle.Active), event("customer.stage_entered", 90, map[string]any{"stage": lifecycle.Churned}), event("customer.stage_entered", 5, map[string]any{"stage": lifecycle.Active})),
		also(stage(lifecycle.Active), event("customer.stage_entered", 90, map[string]any{"stage": lifecycle.AtRisk, "from": lifecycle.Active})),
	},
	"germany-austria-switzerland": {lives("AT", "Graz", ""), lives("LI", "Vaduz", "")},
	"european-union":              {lives("HR", "Split", ""), lives("GB", "Leeds", "")},
	"berlin":                      {lives("DE", "", "10115"), lives("DE", "Potsdam", "14467")},
	"country-unknown":             {lives("", "Springfield", ""), lives("US", "", "")},
	"minors":                      {born(2008, time.July, 1), born(2008, time.June, 30)},
	"aged-18-to-34":               {born(2008, time.June, 30), born(1991, time.June, 30)},
	"aged-35-to-54":               {born(1991, time.June, 30), born(1971, time.June, 30)},
	"aged-55-and-over":            {born(1971, time.June, 30), born(1971, time.July, 1)},
	"higher-income":               {func(c *Customer) { c.Demographics.IncomeBand = "high" }, func(c *Customer) { c.Demographics.IncomeBand = "middle" }},
	"businesses":                  {func(c *Customer) { c.Classification = "business" }, func(c *Customer) { c.Classification = "consumer" }},
	"buys-on-the-web":             {also(orders(364), channel("web")), also(orders(365), channel("web"))},
	"buys-in-stores":              {also(orders(9), channel("store")), also(orders(9), channel("store"), last(func(o *Order) { o.Cancelled = true }))},
	"frequent-buyers":             {orders(364, 200, 100, 9), orders(365, 200, 100, 9)},
	"big-baskets":                 {reaches("average_order", 90), reaches("average_order", 89)},
	"best-twentieth":              {reaches("revenue_window", 95), reaches("revenue", 99)},
	"often-sends-back":            {also(orders(9, 5), last(func(o *Order) { o.Refunded = 1 })), also(orders(9, 5, 4), last(func(o *Order) { o.Refunded = 1 }))},
	"order-unpaid":                {also(orders(14), last(func(o *Order) { o.Paid = false })), also(orders(13), last(func(o *Order) { o.Paid = false }))},
	"refunded-and-silent":         {event("customer.refund_recorded", 91, nil), also(event("customer.refund_recorded", 91, nil), orders(5))},
	"long-not-contacted":          {also(orders(9), event("customer.contact_recorded", 180, nil)), also(orders(9), event("customer.contact_recorded", 179, nil))},
	"price-sensitive":             {attitude(0, 0, 70), attitude(100, 100, 69)},
	"brand-friends":               {attitude(70, 30, 0), attitude(70, -1, 0)},
	"looking-elsewhere":           {also(orders(9), attitude(0, 70, 0)), attitude(0, 70, 0)},
	"interested-in-sport":         {func(c *Customer) { c.Psychographics.Interests = []string{"Tea", "Running"} }, func(c *Customer) { c.Psychographics.Interests = []string{"Tea"} }},
	"key-accounts":                {keyAccount, func(c *Customer) { c.Owner.ID = "ann" }},
	"key-accounts-silent":         {also(keyAccount, orders(60)), also(keyAccount, orders(59))},
	"key-account-candidates":      {reaches("revenue", 95), also(reaches("revenue", 95), keyAccount)},
	"members":                     {points(0, 0), orders(9)},
	"gold-members":                {tier("gold"), tier("silver")},
	"nearly-a-reward":             {points(80, 0), points(100, 0)},
	"sleeping-points":             {points(1, 180), points(1, 179)},
	"buyers-not-members":          {orders(9, 5), also(orders(9, 5), points(0, 0))},
	"reachable-by-email":          {also(address(false), consents("email")), also(address(true), consents("email"))},
	"consent-missing":             {also(orders(9), address(false), consents("sms")), also(orders(9), address(false), consents("email"))},
	"win-back":                    {within("lapsed", "reachable-by-email"), within("lapsed")},
}

func init() {
	for _, l := range rfm.LabelTable(rfm.Segment11) {
		id := "rfm-" + strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(l.Name))
		who[id] = struct{ in, out func(*Customer) }{label(l.Name), label("Others")}
	}
	for _, b := range value.Bands {
		who["value-"+b] = struct{ in, out func(*Customer) }{band(b), band("")}
	}
}

func TestShipped(t *testing.T) {
	nobody := []string{"country-unknown"} // who belong to what is about what is not known
	names, labels, set := map[string]bool{}, map[string]int{}, new(Set)
	var ids []string
	for _, s := range Shipped() {
		ids = append(ids, s.SegmentID)
		if names[s.Name] || s.Description == "" || len(s.Labels) != 1 {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
		labels[s.Labels[0]]++
		// Each is taken by the command as it is, in the order in which they come.
		d := Definition{Name: s.Name, Description: s.Description, Labels: s.Labels, Rule: s.Rule}
		d.Segments = set
		d.SetKnows(func(name string) bool {
			return slices.Contains([]string{"customer.contact_recorded", "customer.refund_recorded", "customer.stage_entered"}, name)
		}, func(string) bool { return false })
		events, err := Define{Definition: d, SegmentID: s.SegmentID, Kind: s.Kind}.Decide(State{})
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: %v", s.SegmentID, err)
		}
		set = set.With(events[0], uuid.Nil, 0)
		rule, err := Compile(s.Rule, nil)
		if err != nil {
			t.Fatal(err)
		}
		for kind, c := range map[string]struct {
			who func(*Customer)
			in  bool
		}{"in": {who[s.SegmentID].in, true}, "out": {who[s.SegmentID].out, false}, "unknown": {func(*Customer) {}, slices.Contains(nobody, s.SegmentID)}} {
			if c.who == nil {
				t.Errorf("%s: nobody is %s", s.SegmentID, kind)
				continue
			}
			customer := &Customer{Kind: "person", Attitude: Attitude{CompetitorAttention: -1, OwnBrandAttention: -1, PriceSensitivity: -1}}
			c.who(customer)
			if got, err := rule.Eval(customer, Moment{On: &evening}); err != nil || got.Member != c.in {
				t.Errorf("%s, who is %s: %+v %v", s.SegmentID, kind, got, err)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(who)), slices.Sorted(slices.Values(ids))); diff != "" {
		t.Errorf("who belongs to what: %s", diff)
	}
	for _, l := range []string{"rfm", "value", "lifecycle", "geo", "demo", "behaviour", "psycho", "key-account", "loyalty", "consent"} {
		if labels[l] < 3 || labels["rfm"] != len(rfm.LabelTable(rfm.Segment11)) {
			t.Errorf("%d of the label %s", labels[l], l)
		}
	}
	if p := set.Plan(Compile); len(p.Broken) != 0 || len(p.Order) != len(ids) {
		t.Errorf("%v", p.Broken)
	}
	if _, known := contact.Default().Purpose("marketing"); !known {
		t.Error("nobody can consent to marketing")
	}
}
