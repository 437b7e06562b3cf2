package segments

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// Customer returns the customer as rules see it.
func (d *Document) Customer(w *projections.World) *segment.Customer {
	c := d.Glance(w)
	d.bought(c)
	d.happened(c, w, w.Location())
	return c
}

// Glance returns the customer without orders and events.
func (d *Document) Glance(w *projections.World) *segment.Customer {
	zone := w.Location()
	on := func(t time.Time) *domain.Date {
		if t.IsZero() {
			return nil
		}
		date := domain.DateOf(t, zone)
		return &date
	}
	p, o, s, l := &d.Profile, &d.Ownership, &d.Standing, &d.Loyalty
	balance := l.Balance()
	c := &segment.Customer{
		Kind: p.Kind, Registered: on(p.RegisteredAt), Locale: p.Locale, Currency: p.Currency, TimeZone: p.TimeZone,
		Source:         segment.Source{Channel: p.Source.Channel, Detail: p.Source.Detail, CampaignID: p.Source.CampaignID},
		Organisation:   segment.Organisation{Industry: p.Organisation.Industry, Size: p.Organisation.Size, LegalForm: p.Organisation.LegalForm},
		Demographics:   demographics(&p.Demographics),
		Psychographics: segment.Psychographics{Interests: p.Psychographics.Interests, Lifestyle: p.Psychographics.Lifestyle, Values: p.Psychographics.Values, Preferences: p.Psychographics.Preferences},
		Attitude:       attitude(&p.MarketAttitude, on),
		Classification: p.Classification.Type,
		Tags:           p.Tags,
		Attributes:     p.Attributes,
		Suppressed:     d.Permissions.SuppressedEntirely(),
		Stage:          segment.Stage{Name: s.Stage, Since: on(s.Since), Reason: s.ReasonCode},
		Owner:          segment.Owner{ID: o.Owner, Role: o.Role, Since: on(o.Since)},
		Loyalty: segment.Loyalty{
			Member: l.Joined, Joined: on(l.JoinedAt), Tier: l.Tier.Level, TierSince: on(l.Tier.Since),
			Spendable: balance.Spendable, Pending: balance.Pending, Held: balance.Held, Earned: l.Sums.Earned, LastActivity: on(l.LastActivity),
		},
		Member: d.In,
	}
	if o.KeyAccount != nil {
		c.Owner.KeyAccount = o.KeyAccount.Level
	}
	for _, x := range d.Contacts.ContactPoints {
		c.ContactPoints = append(c.ContactPoints, segment.ContactPoint{
			Type: x.Type, Label: x.Label, Verified: !x.VerifiedAt.IsZero(), Primary: x.Primary, Invalid: x.Invalid,
		})
	}
	d.calibrated(c, w)
	c.Consented = func(purpose, channel string) (bool, *domain.Date) {
		until, ok := d.Permissions.Said(purpose, channel)
		if !ok || until == nil {
			return ok, nil
		}
		return true, on(*until)
	}
	return c
}

func demographics(x *customer.Demographics) segment.Demographics {
	s := segment.Demographics{
		Gender: x.Gender, FamilyStatus: x.FamilyStatus, Education: x.Education, Occupation: x.Occupation, JobType: x.JobType,
		IncomeBand: x.IncomeBand, PostalCode: x.PostalCode, City: x.City, Region: x.Region, Country: x.Country,
	}
	if birth, err := domain.ParseDate(x.BirthDate); err == nil {
		s.BirthDate = &birth
	}
	return s
}

func attitude(x *customer.MarketAttitude, on func(time.Time) *domain.Date) segment.Attitude {
	score := func(n *int) int64 {
		if n == nil {
			return -1
		}
		return int64(*n)
	}
	return segment.Attitude{
		Observed: on(x.ObservedAt), OwnBrandAttention: score(x.OwnBrandAttention), CompetitorAttention: score(x.CompetitorAttention),
		PriceSensitivity: score(x.PriceSensitivity), QualityTolerance: score(x.QualityTolerance),
		NeedSatisfaction: score(x.NeedSatisfaction), Dependency: score(x.Dependency),
	}
}

// calibrated fills in what follows from calibrations, as it was last computed.
func (d *Document) calibrated(c *segment.Customer, w *projections.World) {
	s := &d.Stood
	if s.Scores.R > 0 {
		c.RFM = segment.RFM{
			Scored: true, R: int64(s.Scores.R), F: int64(s.Scores.F), M: int64(s.Scores.M), Score: int64(s.Scores.Number()),
			Label: s.Label, Frequency: s.Frequency, MonetaryMinor: s.Monetary,
		}
	}
	c.Value.Band = s.Band
	if s.Contribution != nil {
		c.Value.Known, c.Value.ContributionMinor = true, *s.Contribution
	}
	percentile := func(measure string, percent int) byte {
		i := slices.Index(w.Percentiles(), segment.Percentile{Measure: measure, Percent: percent})
		if i < 0 || i >= len(s.Reached) {
			return '-'
		}
		return s.Reached[i]
	}
	c.Reaches = func(measure string, percent int) bool { return percentile(measure, percent) == 'y' }
	c.Ranked = func(measure string) bool {
		for i, x := range w.Percentiles() {
			if x.Measure == measure && i < len(s.Reached) {
				return s.Reached[i] != '-'
			}
		}
		return false
	}
	c.Cluster = func(id string) int { return s.Clusters[id] }
}

// Orders returns the orders as the view rfm has them.
func (d *Document) Orders() rfm.Document {
	all := rfm.Document{Orders: make([]rfm.Order, len(d.Books.Orders))}
	for i := range d.Books.Orders {
		o := &d.Books.Orders[i]
		x := &all.Orders[i]
		*x = rfm.Order{ID: o.ID, On: o.On, AmountMinor: o.AmountMinor, Currency: o.Currency, Paid: o.Paid, Cancelled: o.Cancelled}
		if o.Converted != nil {
			x.Converted = &domain.Money{AmountMinor: o.Converted.AmountMinor, Currency: o.Converted.Currency}
		}
		for _, r := range o.Refunds {
			x.Refunds = append(x.Refunds, rfm.Refund{On: r.On, AmountMinor: r.AmountMinor, ConvertedMinor: r.ConvertedMinor})
		}
	}
	return all
}

// ordered notes what Books do not have of an order.
func (d *Document) ordered(e projections.Event, o customer.OrderRecorded) {
	p := Particulars{EventID: e.ID, Position: e.Position, Channel: o.Channel, Store: o.StoreID}
	for _, line := range o.Lines {
		p.Quantity += line.Quantity
		if line.SKU != "" && !slices.Contains(p.SKUs, line.SKU) {
			p.SKUs = append(p.SKUs, line.SKU)
		}
		if line.Category != "" && !slices.Contains(p.Categories, line.Category) {
			p.Categories = append(p.Categories, line.Category)
		}
	}
	if d.Particulars == nil {
		d.Particulars = map[string]Particulars{}
	}
	d.Particulars[o.OrderID] = p
}

// bought fills in the orders.
func (d *Document) bought(c *segment.Customer) {
	c.Orders = make([]segment.Order, len(d.Books.Orders))
	for i := range d.Books.Orders {
		o, p := &d.Books.Orders[i], d.Particulars[d.Books.Orders[i].ID]
		x := &c.Orders[i]
		*x = segment.Order{
			ID: o.ID, EventID: p.EventID, Position: p.Position, On: o.On, Currency: o.Currency, Amount: o.AmountMinor, Paid: o.Paid, Cancelled: o.Cancelled,
			Channel: p.Channel, Store: p.Store, SKUs: p.SKUs, Categories: p.Categories, Quantity: p.Quantity,
		}
		for _, r := range o.Refunds {
			x.Refunded = domain.AddMinor(x.Refunded, r.AmountMinor)
		}
		if !o.Cancelled {
			x.Net = x.Amount - x.Refunded
		}
	}
}

// wireOrder is the type of the events that stand in Particulars, not in Facts.
const wireOrder = "customer.order_recorded"

// happened fills in the events of the types that rules ask for.
func (d *Document) happened(c *segment.Customer, w *projections.World, zone *time.Location) {
	asked := w.EventTypes()
	if len(asked) == 0 {
		return
	}
	for i := range d.Facts {
		f := &d.Facts[i]
		if slices.Contains(asked, f.wire()) {
			c.Events = append(c.Events, segment.Happening{Type: f.wire(), ID: f.ID, Position: f.Position, On: f.date(zone), Fields: f.fields()})
		}
	}
	if !slices.Contains(asked, wireOrder) {
		return
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		c.Events = append(c.Events, segment.Happening{Type: wireOrder, ID: o.EventID, Position: o.Position, On: o.On, Fields: map[string]any{
			"order_id": o.ID, "channel": o.Channel, "store_id": o.Store, "total_minor": o.Amount, "total_currency": o.Currency,
		}})
	}
	slices.SortStableFunc(c.Events, func(a, b segment.Happening) int {
		switch {
		case a.Position < b.Position:
			return -1
		case a.Position > b.Position:
			return 1
		}
		return 0
	})
}

// number returns a number of JSON as rules know it.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return strings.Clone(text)
	}
	return f
}
