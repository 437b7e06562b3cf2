package rfm

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// Document is what a customer ordered.
type Document struct {
	Orders []Order `json:"orders,omitempty"` // by date; those of one day as they were recorded
}

// Order is what scoring has to know of one order.
type Order struct {
	ID          string      `json:"id"`
	On          domain.Date `json:"on"` // the business date
	AmountMinor int64       `json:"amount_minor"`
	Currency    string      `json:"currency"`
	Paid        bool        `json:"paid,omitempty"`
	Cancelled   bool        `json:"cancelled,omitempty"`
	// Converted is the amount at the order's own rate, if it was recorded or paid with one.
	Converted *domain.Money `json:"converted,omitempty"`
	Refunds   []Refund      `json:"refunds,omitempty"` // by date
}

// Refund is what of one order went back on a day.
type Refund struct {
	On             domain.Date `json:"on"`
	AmountMinor    int64       `json:"amount_minor"`
	ConvertedMinor int64       `json:"converted_minor,omitempty"`
}

// fold applies an event. What happens to an order that is not there changes
// nothing: only the write side can say what it means.
func fold(d *Document, e projections.Event) bool {
	switch e := e.Data.(type) {
	case customer.OrderRecorded:
		d.record(e)
		return true
	case customer.OrderPaid:
		o := d.order(e.OrderID)
		if o == nil || o.Paid {
			return false
		}
		o.Paid = true
		if e.FX != nil && o.Converted == nil {
			o.convert(e.FX)
		}
		return true
	case customer.OrderCancelled:
		o := d.order(e.OrderID)
		if o == nil || o.Cancelled {
			return false
		}
		o.Cancelled = true
		return true
	case customer.RefundRecorded:
		o := d.order(e.OrderID)
		if o == nil {
			return false
		}
		o.refund(e)
		return true
	}
	return false
}

func (d *Document) record(e customer.OrderRecorded) {
	o := Order{ID: e.OrderID, On: e.PlacedOn, AmountMinor: e.Total.AmountMinor, Currency: e.Total.Currency}
	if e.FX != nil {
		o.convert(e.FX)
	}
	at := len(d.Orders)
	for at > 0 && d.Orders[at-1].On > o.On {
		at--
	}
	d.Orders = slices.Insert(d.Orders, at, o)
}

// convert notes the amount at the order's own rate: it comes with the order or, where
// that has none, with the payment. Nothing is refunded before.
func (o *Order) convert(fx *customer.FX) {
	if fx.Base == o.Currency {
		return
	}
	if converted, ok := convert(domain.Money{AmountMinor: o.AmountMinor, Currency: o.Currency}, fx.Rate, fx.Base); ok {
		o.Converted = &converted
	}
}

// order finds an order by its id, the latest first: that is where things happen.
func (d *Document) order(id string) *Order {
	for i := len(d.Orders) - 1; i >= 0; i-- {
		if d.Orders[i].ID == id {
			return &d.Orders[i]
		}
	}
	return nil
}

func (o *Order) refund(e customer.RefundRecorded) {
	r := Refund{On: e.RefundedOn, AmountMinor: e.Amount.AmountMinor}
	if o.Converted != nil {
		// All of an order's refunds together are converted at its rate, so that a
		// full refund leaves nothing.
		before := int64(0)
		for _, r := range o.Refunds {
			before = add(before, r.AmountMinor)
		}
		r.ConvertedMinor = share(o.Converted.AmountMinor, add(before, r.AmountMinor), o.AmountMinor) -
			share(o.Converted.AmountMinor, before, o.AmountMinor)
	}
	at := len(o.Refunds)
	for at > 0 && o.Refunds[at-1].On > r.On {
		at--
	}
	o.Refunds = slices.Insert(o.Refunds, at, r)
}
