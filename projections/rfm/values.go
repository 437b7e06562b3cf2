package rfm

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
)

// Values returns what a customer is scored by as of a day, from the orders with a
// business date up to until: the day itself for a calibration, Forever for live
// scores. A reason says why there are none.
//
// Recency counts from the last counted order, and is 0 for orders after the day.
// Frequency and monetary value are of the policy's window, if it has one: the
// last days up to the day, and what comes after. A refund counts from its own
// date on, as a part of its order: it never makes an order of another day smaller.
func Values(d *Document, p *rfm.Policy, asOf, until domain.Date) (v rfm.Values, reason string) {
	counted := false
	for o := range d.counted(p, until) {
		counted = true
		v.RecencyDays = max(0, int64(asOf)-int64(o.On))
		if !inWindow(p, o, asOf) {
			continue
		}
		minor, ok := o.value(p, until)
		if !ok {
			return rfm.Values{}, CurrencyMixed
		}
		v.Frequency++
		v.MonetaryMinor = add(v.MonetaryMinor, minor)
	}
	if !counted {
		return rfm.Values{}, NoCountedOrder
	}
	return v, ""
}

// counted yields the orders that a policy counts, by date.
func (d *Document) counted(p *rfm.Policy, until domain.Date) func(yield func(*Order) bool) {
	return func(yield func(*Order) bool) {
		for i := range d.Orders {
			o := &d.Orders[i]
			if o.On > until {
				return
			}
			if p.Orders == rfm.CountPaid && (!o.Paid || o.Cancelled) {
				continue
			}
			if !yield(o) {
				return
			}
		}
	}
}

func inWindow(p *rfm.Policy, o *Order, asOf domain.Date) bool {
	return p.WindowDays == 0 || int64(o.On) > int64(asOf)-int64(p.WindowDays)
}

// value returns what an order is worth by a policy, in the policy's currency;
// false if it is in another one without a rate.
func (o *Order) value(p *rfm.Policy, until domain.Date) (minor int64, ok bool) {
	converted := o.Currency != p.Currency
	switch {
	case !converted:
		minor = o.AmountMinor
	case o.Converted != nil && o.Converted.Currency == p.Currency:
		minor = o.Converted.AmountMinor
	default:
		return 0, false
	}
	if p.Amounts == rfm.Net {
		for _, r := range o.Refunds {
			switch {
			case r.On > until:
			case converted:
				minor = add(minor, -r.ConvertedMinor)
			default:
				minor = add(minor, -r.AmountMinor)
			}
		}
	}
	return clamp(minor), true
}

// foreign returns the currencies of the orders that a policy has no value for.
func (d *Document) foreign(p *rfm.Policy, asOf, until domain.Date) map[string]bool {
	found := map[string]bool{}
	for o := range d.counted(p, until) {
		if _, ok := o.value(p, until); !ok && inWindow(p, o, asOf) {
			found[o.Currency] = true
		}
	}
	return found
}

// Explanation is a customer's standing and what it rests on: the policy, the
// calibration, and the orders by id.
type Explanation struct {
	Standing
	Policy      *rfm.Policy     // nil without a calibration
	Calibration *rfm.Calibrated // likewise
	LastOrder   string          // the order that recency counts from
	Orders      []string        // the orders that frequency and monetary value count, by date
}

// Explain returns a customer's live standing and what it rests on.
func Explain(d *Document, w *projections.World) Explanation {
	x := Explanation{Standing: Of(d, w)}
	x.Calibration, x.Policy = standing(w)
	if x.Policy == nil {
		return x
	}
	for o := range d.counted(x.Policy, Forever) {
		x.LastOrder = o.ID
		if inWindow(x.Policy, o, x.Calibration.AsOf) {
			x.Orders = append(x.Orders, o.ID)
		}
	}
	return x
}
