package customer

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// RecordOrder records what the customer ordered. With paid_at the order is paid
// as well.
type RecordOrder struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	OrderID  string       `json:"order_id"` // unique within its customer
	Lines    []OrderLine  `json:"lines,omitempty" jsonschema:"maxItems=500"`
	Total    domain.Money `json:"total"` // the sum of the lines, where there are lines
	FX       *FX          `json:"fx,omitempty"`
	StoreID  string       `json:"store_id,omitempty"`
	Channel  string       `json:"channel,omitempty"`
	PlacedAt time.Time    `json:"placed_at"`
	PlacedOn *domain.Date `json:"placed_on,omitempty"` // the business date; if absent, that of placed_at in the business zone
	PaidAt   *time.Time   `json:"paid_at,omitempty"`
	HoldID   string       `json:"hold_id,omitempty"` // of points that are spent on it
}

// OrderLine is one position of an order. Its amount is given, or follows from
// the unit price.
type OrderLine struct {
	SKU            string `json:"sku,omitempty"`
	Category       string `json:"category,omitempty"`
	Quantity       int64  `json:"quantity"`
	UnitPriceMinor *int64 `json:"unit_price_minor,omitempty"`
	AmountMinor    *int64 `json:"amount_minor,omitempty"`
	CostMinor      *int64 `json:"cost_minor,omitempty"`
	PointsEligible *bool  `json:"points_eligible,omitempty" jsonschema:"default=true"`
}

// Stream implements domain.Command.
func (c RecordOrder) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RecordOrder) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderExists, loyalty.ErrFXMissing, ErrPointsHoldNotFound, ErrPointsHoldExpired,
		ErrPointsHoldCaptured, ErrHoldOfTransfer, ErrRedemptionExists, ErrNoProgram, ErrBelowMinimum, ErrNotAStep}
}

// Uses names the policies by which a paid order moves the customer to a stage and
// gives points.
func (c RecordOrder) Uses() []domain.PolicyRef {
	if c.PaidAt == nil {
		return nil
	}
	on := c.DateOf(c.PlacedAt)
	if c.PlacedOn != nil {
		on = *c.PlacedOn
	}
	return append(stagePolicy(c.Subject, c.Known), pointPolicies(c.Subject, c.Known, on)...)
}

// Decide implements domain.Command.
func (c RecordOrder) Decide(s State) ([]Event, error) {
	recorded, paid, err := c.check()
	if err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	o, isNew := s.Order(c.OrderID), false
	if o == nil {
		o, isNew = &Order{OrderRecorded: recorded}, true
	} else if !o.same(recorded) {
		return nil, ErrOrderExists.With("the customer has an order %q with other content", c.OrderID)
	} else if c.HoldID != "" && !s.ledger.capturedOn(c.HoldID, c.OrderID) {
		return nil, ErrOrderExists.With("the order %q was recorded without the hold %q; capture-hold spends it on the order", c.OrderID, c.HoldID)
	} else if o.Paid || o.Cancelled || c.PaidAt == nil {
		return nil, nil
	}
	at := paid.PaidAt
	if c.PaidAt == nil {
		at = recorded.PlacedAt
	}
	points := newBooker(c.Subject, c.Known, s, at)
	if err := points.convertible(o); err != nil {
		return nil, err
	}
	var events []Event
	if isNew {
		if err := points.capture(c.HoldID, o); err != nil {
			return nil, err
		}
		events = append(events, recorded)
	}
	if c.PaidAt == nil {
		if c.HoldID == "" {
			return events, nil
		}
		return slices.Concat(points.due, events, points.taken()), nil
	}
	return paying(c.Subject, c.Known, s, o, paid, points, events)
}

// check returns the events of a request that is right in itself.
func (c RecordOrder) check() (e OrderRecorded, paid OrderPaid, err error) {
	var p domain.Problems
	p.Required("/order_id", c.OrderID, maxID)
	p.Text("/store_id", c.StoreID, maxID)
	p.Text("/hold_id", c.HoldID, maxID)
	p.Text("/channel", c.Channel, maxShort)
	p.Currency("/total/currency", c.Total.Currency)
	p.Amount("/total/amount_minor", c.Total.AmountMinor)
	if c.FX != nil {
		c.FX.check(&p, c.Total.Currency)
	}
	if len(c.Lines) > maxLines {
		p.Add("/lines", "must have at most %d entries", maxLines)
		return e, paid, p.Err()
	}
	lines, sum := c.lines(&p)
	e = OrderRecorded{
		OrderID: c.OrderID, Lines: lines, Total: c.Total, FX: c.FX, StoreID: c.StoreID, Channel: c.Channel,
		PlacedAt: c.At(&p, "/placed_at", &c.PlacedAt, time.Time{}, ""),
	}
	e.PlacedOn = businessDate(c.Subject, &p, "/placed_on", c.PlacedOn, e.PlacedAt)
	if err := p.Err(); err != nil {
		return e, paid, err
	}
	if len(lines) > 0 && sum != c.Total.AmountMinor {
		p.Add("/total/amount_minor", "is %d, but the lines add up to %d", c.Total.AmountMinor, sum)
	}
	paid = OrderPaid{OrderID: c.OrderID, PlacedOn: new(e.PlacedOn)}
	if c.PaidAt != nil {
		paid.PaidAt = c.At(&p, "/paid_at", c.PaidAt, e.PlacedAt, "the order was placed")
	}
	return e, paid, p.Err()
}

// lines returns the lines as stored, and the sum of their amounts.
func (c RecordOrder) lines(p *domain.Problems) (lines []Line, sum int64) {
	for i, l := range c.Lines {
		pointer := fmt.Sprintf("/lines/%d", i)
		stored := l.check(p, pointer)
		lines = append(lines, stored)
		sum += stored.AmountMinor // at most 500 × MaxAmountMinor: fits
	}
	return lines, sum
}

func (l OrderLine) check(p *domain.Problems, pointer string) Line {
	const maxQuantity = 1_000_000_000
	p.Text(pointer+"/sku", l.SKU, maxID)
	p.Text(pointer+"/category", l.Category, maxShort)
	if l.Quantity < 1 || l.Quantity > maxQuantity {
		p.Add(pointer+"/quantity", "must be between 1 and %d", int64(maxQuantity))
	}
	if l.UnitPriceMinor != nil {
		p.Amount(pointer+"/unit_price_minor", *l.UnitPriceMinor)
	}
	if l.CostMinor != nil {
		p.Amount(pointer+"/cost_minor", *l.CostMinor)
	}
	stored := Line{SKU: l.SKU, Category: l.Category, Quantity: l.Quantity, UnitPriceMinor: l.UnitPriceMinor, CostMinor: l.CostMinor, PointsEligible: l.PointsEligible}
	product, fits := int64(0), false
	if l.UnitPriceMinor != nil {
		product, fits = domain.MulMinor(l.Quantity, *l.UnitPriceMinor)
		fits = fits && product <= domain.MaxAmountMinor
	}
	switch {
	case l.AmountMinor == nil && l.UnitPriceMinor == nil:
		p.Add(pointer+"/amount_minor", "is required where there is no unit_price_minor")
	case l.AmountMinor == nil && !fits && *l.UnitPriceMinor >= 0 && l.Quantity > 0:
		p.Add(pointer+"/unit_price_minor", "times the quantity must be between 0 and %d", int64(domain.MaxAmountMinor))
	case l.AmountMinor == nil:
		stored.AmountMinor = product
	case *l.AmountMinor < 0 || *l.AmountMinor > domain.MaxAmountMinor:
		p.Amount(pointer+"/amount_minor", *l.AmountMinor)
	case l.UnitPriceMinor != nil && (!fits || product != *l.AmountMinor):
		p.Add(pointer+"/amount_minor", "is %d, which is not the quantity times the unit price", *l.AmountMinor)
	default:
		stored.AmountMinor = *l.AmountMinor
	}
	return stored
}

var decimal = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,12})?$`)

// check notes what is wrong with the rate of an order in a currency.
func (x *FX) check(p *domain.Problems, currency string) {
	if r, ok := new(big.Rat).SetString(x.Rate); !decimal.MatchString(x.Rate) || !ok || r.Sign() <= 0 {
		p.Add("/fx/rate", "must be a positive decimal such as 1.0842")
	}
	p.Currency("/fx/base", x.Base)
	if x.Base == currency {
		p.Add("/fx/base", "is the currency of the order itself")
	}
}

// businessDate returns the business date of a fact: the one given, which may be
// of another zone, or that of the instant in the business zone.
func businessDate(of domain.Subject, p *domain.Problems, pointer string, given *domain.Date, at time.Time) domain.Date {
	if given == nil {
		return of.DateOf(at)
	}
	if away := *given - domain.DateOf(at, time.UTC); away < -1 || away > 1 {
		p.Add(pointer, "is not the date of %s in any time zone", at.Format(time.RFC3339))
	}
	return *given
}

// same says whether an order was recorded with this content.
func (o *Order) same(e OrderRecorded) bool {
	a := o.OrderRecorded
	if o.RatePaid && e.FX == nil { // it had none when it was recorded
		a.FX = nil
	}
	if a.Total != e.Total || a.StoreID != e.StoreID || a.Channel != e.Channel ||
		!a.PlacedAt.Equal(e.PlacedAt) || a.PlacedOn != e.PlacedOn || len(a.Lines) != len(e.Lines) || !equal(a.FX, e.FX) {
		return false
	}
	for i, l := range a.Lines {
		m := e.Lines[i]
		if l.SKU != m.SKU || l.Category != m.Category || l.Quantity != m.Quantity || l.AmountMinor != m.AmountMinor ||
			!equal(l.UnitPriceMinor, m.UnitPriceMinor) || !equal(l.CostMinor, m.CostMinor) || !equal(l.PointsEligible, m.PointsEligible) {
			return false
		}
	}
	return true
}

// equal compares what two pointers point at.
func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
