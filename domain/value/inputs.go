package value

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// Kinds of cost that are recorded for a customer.
const (
	Service      = "service"      // looking after them
	Compensation = "compensation" // making up for what went wrong
	Campaign     = "campaign"     // winning and keeping them
	Shipping     = "shipping"
	Payment      = "payment" // fees
	Other        = "other"
)

// CostKinds is every kind of cost.
var CostKinds = []string{Service, Compensation, Campaign, Shipping, Payment, Other}

// Inputs is all that the value of one customer follows from. Nothing in it is
// personal.
type Inputs struct {
	Orders      []Order      `json:"orders,omitempty"`      // by date; those of one day as they were recorded
	Redemptions []Redemption `json:"redemptions,omitempty"` // of points, as they came
	Costs       []Cost       `json:"costs,omitempty"`       // by date; those that were cancelled are not there
}

// Order is one order.
type Order struct {
	ID          string      `json:"id"`
	On          domain.Date `json:"on"` // the business date
	AmountMinor int64       `json:"amount_minor"`
	Currency    string      `json:"currency"`
	// GoodsMinor is the cost of the goods; nil: it is not known of every line.
	GoodsMinor *int64 `json:"goods_minor,omitempty"`
	Paid       bool   `json:"paid,omitempty"`
	Cancelled  bool   `json:"cancelled,omitempty"`
	// Converted is the order at its own rate, if it has one.
	Converted *Converted `json:"converted,omitempty"`
	Refunds   []Refund   `json:"refunds,omitempty"` // by date
}

// Converted is an order in another currency.
type Converted struct {
	Currency    string `json:"currency"`
	AmountMinor int64  `json:"amount_minor"`
	GoodsMinor  *int64 `json:"goods_minor,omitempty"` // likewise
}

// Refund is what of one order went back on a day.
type Refund struct {
	On             domain.Date `json:"on"`
	AmountMinor    int64       `json:"amount_minor"`
	ConvertedMinor int64       `json:"converted_minor,omitempty"`
}

// Redemption is points that were spent, at what they were worth.
type Redemption struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Points     int64     `json:"points"`
	ValueMinor int64     `json:"value_minor"`
	Currency   string    `json:"currency"`
	// Reversals are by their instants.
	Reversals []Reversal `json:"reversals,omitempty"`
}

// Reversal is what of a redemption was taken back.
type Reversal struct {
	At         time.Time `json:"at"`
	Points     int64     `json:"points"`
	ValueMinor int64     `json:"value_minor"`
}

// Cost is one recorded cost.
type Cost struct {
	ID          string      `json:"id"`
	Kind        string      `json:"kind"`
	On          domain.Date `json:"on"` // the business date
	AmountMinor int64       `json:"amount_minor"`
	Currency    string      `json:"currency"`
	OrderID     string      `json:"order_id,omitempty"`
}

// Counts says whether an order counts: it is paid, and not cancelled.
func (o *Order) Counts() bool { return o.Paid && !o.Cancelled }

// in returns whether the order has a value in a currency, and whether that is its
// converted one.
func (o *Order) in(currency string) (converted, ok bool) {
	if o.Currency == currency {
		return false, true
	}
	return true, o.Converted != nil && o.Converted.Currency == currency
}

// Day is the day as of which a customer is valued. The zero value is that before
// the first day was closed: nothing has aged, and all that is known counts.
type Day struct {
	AsOf  *domain.Date   // the evaluation day; nil before the first
	Until *domain.Date   // nothing later counts; nil: what is later counts at once
	Zone  *time.Location // the business time zone; nil: UTC
}

// AsOf returns the day as of which customers are valued live.
func AsOf(d domain.Date, zone *time.Location) Day { return Day{AsOf: &d, Zone: zone} }

// At returns the day as it was: without anything later. Calibrations are made so.
func At(d domain.Date, zone *time.Location) Day { return Day{AsOf: &d, Until: &d, Zone: zone} }

// date returns the business date of an instant.
func (d Day) date(t time.Time) domain.Date {
	if d.Zone == nil {
		return domain.DateOf(t, time.UTC)
	}
	return domain.DateOf(t, d.Zone)
}

// seen says whether what is of a date is known on the day.
func (d Day) seen(on domain.Date) bool { return d.Until == nil || on <= *d.Until }

// within says whether a date lies in the last days up to the day, or after it.
func (d Day) within(on domain.Date, days int) bool {
	return d.seen(on) && (d.AsOf == nil || int64(on) > int64(*d.AsOf)-int64(days))
}
