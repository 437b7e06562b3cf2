// Package profile is the read model of the customer as it is: who they are, where
// they came from, and what they ordered in sum.
package profile

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Name is the name of the view.
const Name = "profile"

// The indexes of the view, and their keys. Personal data stands in IndexName,
// folded; it goes when it goes from the document.
const (
	IndexAll       = "all"        // every customer, by the instant of registration: RegisteredKey
	IndexExternal  = "external"   // the lookup of each external id
	IndexName      = "name"       // each way to begin the name: NameKey
	IndexLastOrder = "last_order" // who ordered, by the business date of the last order: 1998-06-30
	IndexSource    = "source"     // the channel of registration
	IndexStage     = "stage"      // the stage of the lifecycle
	IndexCoupons   = "coupons"    // whose coupon is over next, by the business date on which it is
	IndexErasure   = "erasure"    // whose erasure was asked for, by how far it is and by the deadline: ErasurePrefix
)

// The totals of the view. Those of money end in the currency.
const (
	MetricCustomers = "customers"
	MetricOrders    = "orders"
	MetricRevenue   = "revenue_minor:"  // what was ordered
	MetricRefunded  = "refunded_minor:" // what of it went back
)

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{Name: Name, Fold: fold, Indexes: indexes, Metrics: metrics}
}

// Document is a customer as it is.
type Document struct {
	Revision uint64 `json:"revision"` // of the customer's stream: what If-Match compares
	customer.Profile
	customer.Contacts
	customer.Lists
	Permissions customer.Permissions `json:"permissions,omitzero"`
	Standing    customer.Standing    `json:"lifecycle,omitzero"`
	Ownership   customer.Ownership   `json:"ownership,omitzero"`
	Rights      customer.Rights      `json:"rights,omitzero"`
	Coupons     customer.Coupons     `json:"coupons,omitzero"`
	Care        customer.Care        `json:"care,omitzero"`
	Orders      Orders               `json:"orders,omitzero"`
}

// Orders is what a customer ordered, in sum.
type Orders struct {
	Count     int64        `json:"count"`
	Paid      int64        `json:"paid"`
	Cancelled int64        `json:"cancelled"`
	Refunds   int64        `json:"refunds"`
	FirstOn   *domain.Date `json:"first_on,omitempty"` // business dates
	LastOn    *domain.Date `json:"last_on,omitempty"`
	Totals    []Total      `json:"totals,omitempty"` // by currency, ascending
	// Unpaid is the ids of the orders that were neither paid nor cancelled, as they came.
	Unpaid []string `json:"unpaid,omitempty"`
}

// Total is what was ordered and refunded in one currency, gross.
type Total struct {
	Currency      string `json:"currency"`
	OrderedMinor  int64  `json:"ordered_minor"`
	RefundedMinor int64  `json:"refunded_minor"`
}

func fold(d *Document, event projections.Event) bool {
	r, ok := projections.RecordOf(event)
	if !ok {
		return false
	}
	if _, abandoned := r.Event.(customer.ClaimAbandoned); abandoned && d.RegisteredAt.IsZero() {
		return false // nobody is there yet
	}
	d.Profile.Fold(r)
	d.Contacts.Fold(r)
	d.Lists.Fold(r)
	d.Permissions.Fold(r)
	d.Standing.Fold(r)
	d.Ownership.Fold(r)
	d.Rights.Fold(r)
	d.Care.Fold(r, d.Permissions)
	d.Coupons.Fold(r)
	d.Orders.fold(r)
	d.Revision = event.Revision
	return true
}

// fold brings the sums up to date with an event.
func (o *Orders) fold(r customer.Record) {
	switch e := r.Event.(type) {
	case customer.OrderRecorded:
		o.record(e)
	case customer.OrderPaid:
		o.Paid++
		o.settle(e.OrderID)
	case customer.OrderCancelled:
		o.Cancelled++
		o.settle(e.OrderID)
	case customer.RefundRecorded:
		o.Refunds++
		o.total(e.Amount.Currency).RefundedMinor += e.Amount.AmountMinor
	}
}

func (o *Orders) record(e customer.OrderRecorded) {
	o.Count++
	o.total(e.Total.Currency).OrderedMinor += e.Total.AmountMinor
	on := e.PlacedOn
	if o.FirstOn == nil || on < *o.FirstOn {
		o.FirstOn = &on
	}
	if o.LastOn == nil || on > *o.LastOn {
		o.LastOn = &on
	}
	o.Unpaid = append(o.Unpaid, e.OrderID)
}

// settle takes an order off those that wait for their payment.
func (o *Orders) settle(id string) {
	for i := len(o.Unpaid) - 1; i >= 0; i-- {
		if o.Unpaid[i] == id {
			o.Unpaid = slices.Delete(o.Unpaid, i, i+1)
			break
		}
	}
	if len(o.Unpaid) == 0 {
		o.Unpaid = nil
	}
}

func (o *Orders) total(currency string) *Total {
	i, found := slices.BinarySearchFunc(o.Totals, currency, func(t Total, currency string) int {
		return strings.Compare(t.Currency, currency)
	})
	if !found {
		o.Totals = slices.Insert(o.Totals, i, Total{Currency: currency})
	}
	return &o.Totals[i]
}

func indexes(d *Document, _ *projections.World) []projections.Place {
	places := make([]projections.Place, 0, 4+len(d.ExternalIDs))
	if !d.RegisteredAt.IsZero() {
		places = append(places,
			projections.Place{Index: IndexAll, Key: RegisteredKey(d.RegisteredAt)},
			projections.Place{Index: IndexSource, Key: clean(d.Source.Channel)})
	}
	for _, x := range d.ExternalIDs {
		places = append(places, projections.Place{Index: IndexExternal, Key: x.Lookup})
	}
	for _, key := range nameKeys(d.Name) {
		places = append(places, projections.Place{Index: IndexName, Key: key})
	}
	if e := d.Rights.Erasure; e != nil {
		places = append(places, projections.Place{Index: IndexErasure, Key: ErasurePrefix(e.State) + e.Deadline.String()})
	}
	if d.Standing.Stage != "" {
		places = append(places, projections.Place{Index: IndexStage, Key: d.Standing.Stage})
	}
	places = contacts(places, d)
	places = particulars(places, d)
	places = consents(places, d)
	places = ownership(places, d)
	places = birthdays(places, d)
	if at, ok := d.Coupons.NextDue(); ok && !d.Rights.Erased { // in no zone is it an earlier date at that instant
		places = append(places, projections.Place{Index: IndexCoupons, Key: domain.DateOf(at, time.UTC).String()})
	}
	if d.Orders.LastOn != nil {
		places = append(places, projections.Place{Index: IndexLastOrder, Key: d.Orders.LastOn.String()})
	}
	return places
}

func metrics(d *Document, _ *projections.World) []projections.Metric {
	m := make([]projections.Metric, 0, 4)
	if !d.RegisteredAt.IsZero() {
		m = append(m, projections.Metric{Name: MetricCustomers, Value: 1})
	}
	if d.Orders.Count > 0 {
		m = append(m, projections.Metric{Name: MetricOrders, Value: d.Orders.Count})
	}
	for _, t := range d.Orders.Totals {
		m = append(m, projections.Metric{Name: MetricRevenue + t.Currency, Value: t.OrderedMinor})
		if t.RefundedMinor != 0 {
			m = append(m, projections.Metric{Name: MetricRefunded + t.Currency, Value: t.RefundedMinor})
		}
	}
	return m
}

// ErasurePrefix begins the keys of IndexErasure of a state.
func ErasurePrefix(state string) string { return state + " " }

// RegisteredKey returns the key of an instant in IndexAll: as text it orders like time.
func RegisteredKey(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// maxKey bounds a key of IndexName, in characters.
const maxKey = 80

// NameKey returns a name, or the beginning of one, as it is found in IndexName:
// without case, accents and superfluous white space.
func NameKey(name string) string {
	plain := true
	for i := 0; i < len(name); i++ {
		plain = plain && name[i] < 0x80
	}
	if plain {
		name = strings.ToLower(name)
	} else {
		name = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFKD.String(cases.Fold().String(norm.NFKC.String(name))))
	}
	runes := []rune(strings.Join(strings.Fields(clean(name)), " "))
	return strings.TrimRight(string(runes[:min(len(runes), maxKey)]), " ")
}

// nameKeys returns every key under which a name is found.
func nameKeys(n customer.Name) []string {
	var keys []string
	for _, name := range []string{n.Display, n.Organisation, n.Given + " " + n.Family, n.Family + " " + n.Given} {
		if key := NameKey(name); key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// clean takes the byte out of a text that separates the parts of an entry.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "") }
