package customer

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/value"
)

// Books is all that the customer's value follows from: what was ordered, what of it
// went back, the points that were redeemed, and the costs that were recorded. It keeps
// no free text, so that an erasure has nothing to take from it: amounts stay.
type Books struct{ value.Inputs }

// Fold brings the books up to date with an event; false: it changed nothing. What
// happens to an order, a redemption or a cost that is not there changes nothing: only
// the write side can say what it means.
func (b *Books) Fold(r Record) bool {
	switch e := r.Event.(type) {
	case OrderRecorded:
		b.ordered(e)
	case OrderPaid:
		o := b.order(e.OrderID)
		if o == nil || o.Paid {
			return false
		}
		o.Paid = true
		if e.FX != nil && o.Converted == nil {
			convertOrder(o, *e.FX)
		}
	case OrderCancelled:
		o := b.order(e.OrderID)
		if o == nil || o.Cancelled {
			return false
		}
		o.Cancelled = true
	case RefundRecorded:
		o := b.order(e.OrderID)
		if o == nil {
			return false
		}
		refundOrder(o, e)
	case PointsRedeemed:
		b.Redemptions = append(b.Redemptions, value.Redemption{
			ID: e.RedemptionID, At: e.RedeemedAt, Points: e.Points, ValueMinor: e.Value.AmountMinor, Currency: e.Value.Currency,
		})
	case HoldCaptured:
		b.Redemptions = append(b.Redemptions, value.Redemption{
			ID: e.RedemptionID, At: e.CapturedAt, Points: e.Points, ValueMinor: e.Value.AmountMinor, Currency: e.Value.Currency,
		})
	case RedemptionReversed:
		return b.reversed(e)
	case CostRecorded:
		at := len(b.Costs)
		for at > 0 && b.Costs[at-1].On > e.IncurredOn {
			at--
		}
		b.Costs = slices.Insert(b.Costs, at, value.Cost{
			ID: e.CostID, Kind: e.Kind, On: e.IncurredOn, AmountMinor: e.Amount.AmountMinor, Currency: e.Amount.Currency, OrderID: e.OrderID,
		})
	case CostCancelled:
		i := slices.IndexFunc(b.Costs, func(c value.Cost) bool { return c.ID == e.CostID })
		if i < 0 {
			return false
		}
		if b.Costs = slices.Delete(b.Costs, i, i+1); len(b.Costs) == 0 {
			b.Costs = nil
		}
	default:
		return false
	}
	return true
}

func (b *Books) ordered(e OrderRecorded) {
	o := value.Order{ID: e.OrderID, On: e.PlacedOn, AmountMinor: e.Total.AmountMinor, Currency: e.Total.Currency, GoodsMinor: goodsCost(e.Lines)}
	if e.FX != nil {
		convertOrder(&o, *e.FX)
	}
	at := len(b.Orders)
	for at > 0 && b.Orders[at-1].On > o.On {
		at--
	}
	b.Orders = slices.Insert(b.Orders, at, o)
}

// goodsCost returns the cost of the goods of all lines; nil: it is not known of
// every line, or there is none.
func goodsCost(lines []Line) *int64 {
	if len(lines) == 0 {
		return nil
	}
	sum := int64(0)
	for _, l := range lines {
		if l.CostMinor == nil {
			return nil
		}
		sum = domain.AddMinor(sum, *l.CostMinor)
	}
	return &sum
}

// convertOrder gives an order its amounts at a rate. An order beyond all amounts has
// none.
func convertOrder(o *value.Order, fx FX) {
	if fx.Base == o.Currency {
		return
	}
	amount, ok := domain.Money{AmountMinor: o.AmountMinor, Currency: o.Currency}.Convert(fx.Rate, fx.Base)
	if !ok {
		return
	}
	o.Converted = &value.Converted{Currency: fx.Base, AmountMinor: amount.AmountMinor}
	if o.GoodsMinor == nil {
		return
	}
	if goods, ok := (domain.Money{AmountMinor: *o.GoodsMinor, Currency: o.Currency}).Convert(fx.Rate, fx.Base); ok {
		o.Converted.GoodsMinor = &goods.AmountMinor
	}
}

// order finds an order by its id, the latest first: that is where things happen.
func (b *Books) order(id string) *value.Order {
	for i := len(b.Orders) - 1; i >= 0; i-- {
		if b.Orders[i].ID == id {
			return &b.Orders[i]
		}
	}
	return nil
}

func refundOrder(o *value.Order, e RefundRecorded) {
	at := len(o.Refunds)
	for at > 0 && o.Refunds[at-1].On > e.RefundedOn {
		at--
	}
	o.Refunds = slices.Insert(o.Refunds, at, value.Refund{On: e.RefundedOn, AmountMinor: e.Amount.AmountMinor})
	if o.Converted == nil {
		return
	}
	// All of an order's refunds together are converted at its rate, so that a full
	// refund leaves nothing; and by date, whichever came to be known first.
	sum, converted := int64(0), int64(0)
	for i := range o.Refunds {
		r := &o.Refunds[i]
		sum = domain.AddMinor(sum, r.AmountMinor)
		until := domain.ShareMinor(o.Converted.AmountMinor, sum, o.AmountMinor)
		r.ConvertedMinor, converted = until-converted, until
	}
}

// reversed gives the value of redeemed points back: of all reversals of a redemption
// together its share, so that a full one leaves nothing.
func (b *Books) reversed(e RedemptionReversed) bool {
	i := slices.IndexFunc(b.Redemptions, func(r value.Redemption) bool { return r.ID == e.RedemptionID })
	if i < 0 {
		return false
	}
	r := &b.Redemptions[i]
	at := len(r.Reversals)
	for at > 0 && r.Reversals[at-1].At.After(e.ReversedAt) {
		at--
	}
	r.Reversals = slices.Insert(r.Reversals, at, value.Reversal{At: e.ReversedAt, Points: e.Points})
	points, worth := int64(0), int64(0)
	for i := range r.Reversals {
		back := &r.Reversals[i]
		points += back.Points
		until := domain.ShareMinor(r.ValueMinor, points, r.Points)
		back.ValueMinor, worth = until-worth, until
	}
	return true
}
