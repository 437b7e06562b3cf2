package value

import "github.com/rapport-crm/rapport/domain"

// Why a value is unknown.
const (
	CurrencyMixed    = "currency_mixed"     // something is not in the policy's currency and has no rate to it
	GoodsCostMissing = "goods_cost_missing" // the cost of the goods of an order in the window is not known
	NoCosts          = "no_costs"           // there is neither an order nor a recorded cost in the window
	NoOrder          = "no_order"           // the customer never had an order that counts
)

// Result is the contribution of a customer. It is unknown rather than wrong: then
// the parts are the sums of what could be counted.
type Result struct {
	ContributionMinor int64  `json:"contribution_minor"` // 0 if it is not known
	Known             bool   `json:"known"`
	Reason            string `json:"reason,omitempty"` // why it is not known
	Parts             Parts  `json:"parts"`
}

// Parts is what a contribution consists of: the revenue less all others.
type Parts struct {
	RevenueMinor int64            `json:"revenue_minor"`         // net of refunds
	GoodsMinor   int64            `json:"goods_minor"`           // the cost of the goods of the orders
	PointsMinor  int64            `json:"points_minor"`          // the value of redeemed points, less what was reversed
	CostsMinor   map[string]int64 `json:"costs_minor,omitempty"` // by kind, those that there are
}

// Contribution returns what a customer contributed in the policy's window.
//
// An order counts on its business date, and a refund on its own: it lessens the
// revenue of the day on which the money went back, and the cost of the goods stays,
// because nobody said that they can be sold again. The same holds of redeemed points
// and their reversals. A cost that was cancelled never was.
//
// It is known if every order of the window has the cost of its goods, or if there
// is none but costs were recorded.
func Contribution(in *Inputs, p *Policy, day Day) Result { return contribution(in, p, day, nil) }

// Explanation is a contribution and what it was counted from, in the policy's
// currency.
type Explanation struct {
	Result
	Orders      []CountedOrder      `json:"orders"`      // with the order or a refund in the window, by date
	Redemptions []CountedRedemption `json:"redemptions"` // with the redemption or a reversal in the window
	Costs       []CountedCost       `json:"costs"`       // by date
}

// CountedOrder is what of an order counts in a window.
type CountedOrder struct {
	ID            string      `json:"order_id"`
	On            domain.Date `json:"on"`
	AmountMinor   int64       `json:"amount_minor"`                      // 0: the order is older than the window
	RefundedMinor int64       `json:"refunded_minor"`                    // in the window
	GoodsMinor    *int64      `json:"goods_minor" jsonschema:"nullable"` // null: not known, or the order is older
	Foreign       bool        `json:"foreign,omitempty"`                 // it has no value in the policy's currency
}

// CountedRedemption is what of redeemed points counts in a window.
type CountedRedemption struct {
	ID         string      `json:"redemption_id"`
	On         domain.Date `json:"on"`
	ValueMinor int64       `json:"value_minor"` // less what was reversed
	Foreign    bool        `json:"foreign,omitempty"`
}

// CountedCost is a cost of a window.
type CountedCost struct {
	ID          string      `json:"cost_id"`
	Kind        string      `json:"kind"`
	On          domain.Date `json:"on"`
	AmountMinor int64       `json:"amount_minor"`
	OrderID     string      `json:"order_id,omitempty"`
	Foreign     bool        `json:"foreign,omitempty"`
}

// Explain returns the contribution and what it was counted from.
func Explain(in *Inputs, p *Policy, day Day) Explanation {
	x := Explanation{Orders: []CountedOrder{}, Redemptions: []CountedRedemption{}, Costs: []CountedCost{}}
	x.Result = contribution(in, p, day, &x)
	return x
}

func contribution(in *Inputs, p *Policy, day Day, x *Explanation) (r Result) {
	anything, missing, mixed := false, false, false
	parts := &r.Parts
	for i := range in.Orders {
		o := &in.Orders[i]
		c, counts := o.count(p, day)
		if !counts {
			continue
		}
		mixed = mixed || c.Foreign
		parts.RevenueMinor = domain.AddMinor(parts.RevenueMinor, c.AmountMinor-c.RefundedMinor)
		if day.within(o.On, p.WindowDays) {
			anything = true
			if c.GoodsMinor == nil {
				missing = true
			} else {
				parts.GoodsMinor = domain.AddMinor(parts.GoodsMinor, *c.GoodsMinor)
			}
		}
		if x != nil {
			x.Orders = append(x.Orders, c)
		}
	}
	for i := range in.Redemptions {
		c, counts := in.Redemptions[i].count(p, day)
		if !counts {
			continue
		}
		mixed = mixed || c.Foreign
		parts.PointsMinor = domain.AddMinor(parts.PointsMinor, c.ValueMinor)
		if x != nil {
			x.Redemptions = append(x.Redemptions, c)
		}
	}
	for i := range in.Costs {
		k := &in.Costs[i]
		if !day.within(k.On, p.WindowDays) {
			continue
		}
		c := CountedCost{ID: k.ID, Kind: k.Kind, On: k.On, OrderID: k.OrderID, Foreign: k.Currency != p.Currency}
		anything, mixed = true, mixed || c.Foreign
		if !c.Foreign {
			c.AmountMinor = k.AmountMinor
			if parts.CostsMinor == nil {
				parts.CostsMinor = map[string]int64{}
			}
			parts.CostsMinor[k.Kind] = domain.AddMinor(parts.CostsMinor[k.Kind], k.AmountMinor)
		}
		if x != nil {
			x.Costs = append(x.Costs, c)
		}
	}
	switch {
	case mixed:
		r.Reason = CurrencyMixed
	case missing:
		r.Reason = GoodsCostMissing
	case !anything:
		r.Reason = NoCosts
	default:
		r.Known, r.ContributionMinor = true, parts.sum()
	}
	return r
}

func (p *Parts) sum() int64 {
	sum := domain.AddMinor(p.RevenueMinor, -p.GoodsMinor)
	sum = domain.AddMinor(sum, -p.PointsMinor)
	for _, kind := range CostKinds {
		sum = domain.AddMinor(sum, -p.CostsMinor[kind])
	}
	return sum
}

// count returns what of the order counts in the window; false: nothing.
func (o *Order) count(p *Policy, day Day) (c CountedOrder, counts bool) {
	if !o.Counts() || !day.seen(o.On) {
		return c, false
	}
	converted, ok := o.in(p.Currency)
	c = CountedOrder{ID: o.ID, On: o.On, Foreign: !ok}
	if day.within(o.On, p.WindowDays) {
		counts = true
		switch {
		case !ok:
		case converted:
			c.AmountMinor, c.GoodsMinor = o.Converted.AmountMinor, o.Converted.GoodsMinor
		default:
			c.AmountMinor, c.GoodsMinor = o.AmountMinor, o.GoodsMinor
		}
	}
	for _, f := range o.Refunds {
		if !day.within(f.On, p.WindowDays) {
			continue
		}
		counts = true
		switch {
		case !ok:
		case converted:
			c.RefundedMinor = domain.AddMinor(c.RefundedMinor, f.ConvertedMinor)
		default:
			c.RefundedMinor = domain.AddMinor(c.RefundedMinor, f.AmountMinor)
		}
	}
	return c, counts
}

// count returns what of the redemption counts in the window; false: nothing.
func (r *Redemption) count(p *Policy, day Day) (c CountedRedemption, counts bool) {
	c = CountedRedemption{ID: r.ID, On: day.date(r.At), Foreign: r.Currency != p.Currency}
	if day.within(c.On, p.WindowDays) {
		counts, c.ValueMinor = true, r.ValueMinor
	}
	for _, back := range r.Reversals {
		if day.within(day.date(back.At), p.WindowDays) {
			counts = true
			c.ValueMinor = domain.AddMinor(c.ValueMinor, -back.ValueMinor)
		}
	}
	if c.Foreign {
		c.ValueMinor = 0
	}
	return c, counts
}

// Due returns the first later evaluation day on which the contribution or a measure
// of the window may differ by time alone: the first of what counts leaves the window
// then. false: there is none.
func Due(in *Inputs, p *Policy, day Day) (due domain.Date, ok bool) {
	leaves := func(on domain.Date) {
		if day.within(on, p.WindowDays) && (!ok || on+domain.Date(p.WindowDays) < due) {
			due, ok = on+domain.Date(p.WindowDays), true
		}
	}
	for i := range in.Orders {
		if o := &in.Orders[i]; o.Counts() {
			leaves(o.On)
			for _, f := range o.Refunds {
				leaves(f.On)
			}
		}
	}
	for i := range in.Redemptions {
		r := &in.Redemptions[i]
		leaves(day.date(r.At))
		for _, back := range r.Reversals {
			leaves(day.date(back.At))
		}
	}
	for i := range in.Costs {
		leaves(in.Costs[i].On)
	}
	return due, ok
}
