package audit

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
)

// order is what of an order points follow from.
type order struct {
	id         string
	total      domain.Money
	fx         *customer.FX
	lines      []customer.Line
	placedAt   time.Time
	placedOn   domain.Date
	paid       bool
	paidAt     time.Time
	cancelled  bool
	back       int64                       // money that went back
	backOf     map[int]customer.RefundLine // of each line
	qualifying *customer.Qualifying
	lots       []*lot // that it gave
	gifts      []*lot // that coupons gave with it
	gave       int64  // points, before anything was taken back
}

// expectation is what must follow a refund or a cancellation in the same append.
type expectation struct {
	after  Entry
	lot    *lot
	points int64
	left   string // of what the rule counted

	redemption *redemption // that comes back

	coupon *customer.CouponRedeemed // that gives points
}

// settled checks that everything followed that had to.
func (l *Ledger) settled() {
	for _, x := range l.expected {
		switch {
		case x.coupon != nil:
			l.wrong(x.after, "coupon_points", "the coupon %q gives %d points that were not booked", x.coupon.CouponID, x.points)
		case x.lot != nil:
			l.wrong(x.after, "reversal_missing", "%d points of the lot %s had to be taken back", x.points, x.lot.LotID)
		default:
			l.wrong(x.after, "reversal_missing", "%d points of the redemption %s had to come back", x.points, x.redemption.id)
		}
	}
	l.expected = nil
}

func (l *Ledger) recorded(e customer.OrderRecorded) {
	l.check(l.orders[e.OrderID] == nil, "id_reused", "there was an order %q already", e.OrderID)
	put(&l.orders, e.OrderID, &order{
		id: e.OrderID, total: e.Total, fx: e.FX, lines: e.Lines, placedAt: e.PlacedAt, placedOn: e.PlacedOn,
	})
}

// order finds an order.
func (l *Ledger) order(id string) *order {
	o := l.orders[id]
	l.check(o != nil, "order_unknown", "there is no order %q", id)
	return o
}

func (o *order) purchase() loyalty.Purchase {
	p := loyalty.Purchase{AmountMinor: o.total.AmountMinor, Currency: o.total.Currency, PlacedOn: o.placedOn}
	if o.fx != nil {
		p.Rate, p.Base = o.fx.Rate, o.fx.Base
	}
	return p
}

func (l *Ledger) paid(e customer.OrderPaid) {
	o := l.order(e.OrderID)
	if o == nil {
		return
	}
	l.check(!o.paid && !o.cancelled, "order_state", "the order %q was paid or cancelled before", o.id)
	o.paid, o.paidAt = true, e.PaidAt
	if e.FX != nil {
		o.fx = e.FX
	}
	o.qualifying = e.Qualifying
	if q := e.Qualifying; q != nil {
		l.check(q.On == o.placedOn && q.Orders == 1, "qualifying", "an order of %s qualifies as %d orders of %s", o.placedOn, q.Orders, q.On)
		l.check(l.spends(o, q.SpendMinor, 0), "qualifying", "an order of %d %s qualifies with %d", o.total.AmountMinor, o.total.Currency, q.SpendMinor)
		l.qualify(q, 1)
		return
	}
	if len(l.spentOn[o.id]) == 0 {
		o.lines = nil // it gives no points: nothing follows from them
	}
}

// spends says whether an amount is the total of an order in the currency of a
// programme, less what went back.
func (l *Ledger) spends(o *order, minor, back int64) bool {
	for _, v := range l.rules.Policies.Loyalties() {
		if v.From <= o.placedOn && v.Policy.CanConvert(o.purchase()) == nil && v.Policy.Spend(o.purchase(), back) == minor {
			return true
		}
	}
	if l.rules.complete(policy.KindLoyalty) {
		return false
	}
	if minor == o.total.AmountMinor-back {
		return true
	}
	if o.fx == nil {
		return false
	}
	p := loyalty.Policy{Currency: o.fx.Base}
	return p.Spend(o.purchase(), back) == minor
}

func (l *Ledger) qualify(q *customer.Qualifying, sign int64) {
	d := l.days[q.On]
	d.On = q.On
	d.SpendMinor += sign * q.SpendMinor
	d.Orders += sign * q.Orders
	put(&l.days, q.On, d)
}

func (l *Ledger) points(on domain.Date, points int64) {
	d := l.days[on]
	d.On = on
	d.Points += points
	put(&l.days, on, d)
}

func (l *Ledger) cancelled(e customer.OrderCancelled) {
	o := l.order(e.OrderID)
	if o == nil {
		return
	}
	l.check(!o.cancelled && o.back == 0, "order_state", "the order %q was cancelled or refunded before", o.id)
	o.cancelled = true
	l.disqualified(e.Qualifying, o.qualifying)
	o.qualifying = nil
	l.expect(o)
}

func (l *Ledger) refunded(e customer.RefundRecorded) {
	o := l.order(e.OrderID)
	if o == nil {
		return
	}
	l.once("refund", e.RefundID)
	l.check(o.paid, "order_state", "the order %q is not paid", o.id)
	lines := int64(0)
	o.back += e.Amount.AmountMinor
	l.check(e.Amount.Currency == o.total.Currency && e.Amount.AmountMinor > 0 && o.back <= o.total.AmountMinor,
		"refund_exceeds_order", "%d of %d of the order %q went back", o.back, o.total.AmountMinor, o.id)
	for _, r := range e.Lines {
		lines += r.AmountMinor
		if o.backOf == nil {
			o.backOf = map[int]customer.RefundLine{}
		}
		all := o.backOf[r.Line]
		o.backOf[r.Line] = customer.RefundLine{Line: r.Line, Quantity: all.Quantity + r.Quantity, AmountMinor: all.AmountMinor + r.AmountMinor}
		if r.Line >= 0 && r.Line < len(o.lines) {
			of, gone := o.lines[r.Line], o.backOf[r.Line]
			l.check(gone.AmountMinor <= of.AmountMinor && gone.Quantity <= of.Quantity, "refund_exceeds_order", "more of line %d, counted from 0, of the order %q went back than it was", r.Line, o.id)
		}
	}
	l.check(len(e.Lines) == 0 || lines == e.Amount.AmountMinor, "refund_sum", "the lines add up to %d, not to %d", lines, e.Amount.AmountMinor)
	l.loses(e.Qualifying, o)
	if l.found == nil {
		l.expect(o)
	}
}

// loses checks what the tier loses by a refund that is booked, and takes it off the
// order: what is left qualifies as if it had been the order.
func (l *Ledger) loses(is *customer.Qualifying, o *order) {
	q := o.qualifying
	if q == nil || is == nil || o.gone() {
		l.disqualified(is, q)
		if q != nil {
			o.qualifying = &customer.Qualifying{On: q.On}
		}
		return
	}
	kept := q.SpendMinor - is.SpendMinor
	l.check(is.On == q.On && is.Orders == 0 && is.SpendMinor >= 0 && l.spends(o, kept, o.back), "qualifying",
		"of %s the tier keeps what is left of the order %q, and does not lose %s", qualified(q), o.id, qualified(is))
	o.qualifying = &customer.Qualifying{On: q.On, SpendMinor: kept, Orders: q.Orders}
	l.qualify(is, -1)
}

// disqualified checks and counts what the tier loses.
func (l *Ledger) disqualified(is, want *customer.Qualifying) {
	l.check(is == nil && want == nil || is != nil && want != nil && *is == *want, "qualifying", "the tier loses %s, not %s", qualified(want), qualified(is))
	if is != nil {
		l.qualify(is, -1)
	}
}

func qualified(q *customer.Qualifying) string {
	if q == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d orders and %d of %s", q.Orders, q.SpendMinor, q.On)
}

// left returns what is left of a quantity that a rule counted: of each line what
// did not go back of it, and of that the share that did not go back of the whole.
func (o *order) left(in loyalty.Inputs) *big.Rat {
	sum := new(big.Rat)
	if o.cancelled {
		return sum
	}
	if len(in.Lines) == 0 {
		switch sum.SetInt64(in.Quantity); {
		case o.total.AmountMinor > 0:
			sum.Mul(sum, big.NewRat(o.total.AmountMinor-o.back, o.total.AmountMinor))
		case o.back > 0:
			sum.SetInt64(0)
		}
		return sum
	}
	for _, i := range in.Lines {
		of, gone := o.lines[i], o.backOf[i]
		if in.PerMinor > 0 {
			sum.Add(sum, new(big.Rat).SetInt64(of.AmountMinor-gone.AmountMinor))
			continue
		}
		n := new(big.Rat).SetInt64(of.Quantity - gone.Quantity)
		if of.AmountMinor > 0 {
			share := big.NewRat(of.AmountMinor-gone.AmountMinor, of.AmountMinor)
			if share.Mul(share, new(big.Rat).SetInt64(of.Quantity)); share.Cmp(n) < 0 {
				n = share
			}
		}
		sum.Add(sum, n)
	}
	byLine := int64(0)
	for _, r := range o.backOf {
		byLine += r.AmountMinor
	}
	if standing := o.total.AmountMinor - byLine; standing > 0 {
		sum.Mul(sum, big.NewRat(o.total.AmountMinor-o.back, standing))
	} else if o.back > 0 {
		sum.SetInt64(0)
	}
	return sum
}

// expect notes what must follow now that money of an order went back.
func (l *Ledger) expect(o *order) {
	for _, r := range l.spentOn[o.id] {
		if points := l.surelyBack(o, r); points > 0 {
			l.expected = append(l.expected, expectation{after: l.is, redemption: r, points: points})
		}
	}
	for _, x := range o.lots {
		left := o.left(x.earned.inputs)
		keeps, _ := x.earned.inputs.Award(left)
		if points := x.earned.kept - keeps; points > 0 {
			l.expected = append(l.expected, expectation{after: l.is, lot: x, points: points, left: left.RatString()})
		}
	}
	for _, x := range o.gifts {
		if o.gone() && x.earned.kept > 0 {
			l.expected = append(l.expected, expectation{after: l.is, lot: x, points: x.earned.kept, left: "0"})
		}
	}
}

// gone says whether nothing is left of an order of which money went back, or that was
// cancelled.
func (o *order) gone() bool {
	return o.cancelled || o.back > 0 && o.back >= o.total.AmountMinor
}

// surelyBack returns how many points of a redemption come back by whatever version
// of the programme decides on it; 0: perhaps none.
func (l *Ledger) surelyBack(o *order, r *redemption) int64 {
	least := int64(0)
	if !l.rules.complete(policy.KindLoyalty) {
		return 0
	}
	for i, v := range l.rules.Policies[policy.KindLoyalty] {
		if v.Loyalty == nil {
			continue
		}
		if points := o.comesBack(v.Loyalty, r); i == 0 || points < least {
			least = points
		}
	}
	return max(0, least)
}

// comesBack returns how many points of a redemption come back by a programme.
func (o *order) comesBack(p *loyalty.Policy, r *redemption) int64 {
	gone := o.gone()
	switch {
	case p.Reversal.Redemptions == loyalty.Keep, p.Reversal.Redemptions == loyalty.FullOnly && !gone:
		return 0
	case gone:
		return r.points - r.reversed
	}
	return o.share(r) - r.reversed
}

// share returns the part of a redemption that is as large as that of the money that
// went back since, of what was left then, rounded down.
func (o *order) share(r *redemption) int64 {
	if o.total.AmountMinor <= r.back {
		return 0
	}
	n := new(big.Int).Mul(big.NewInt(o.back-r.back), big.NewInt(r.points))
	return n.Quo(n, big.NewInt(o.total.AmountMinor-r.back)).Int64()
}

// caused checks that points of a lot were taken back because a refund or a
// cancellation demands it, and by how much.
func (l *Ledger) caused(x *lot, points int64, cause customer.ReversalCause, left string) {
	if cause.Type == customer.ReversalRequested {
		return
	}
	i := slices.IndexFunc(l.expected, func(e expectation) bool { return e.lot == x })
	if !l.check(i >= 0, "reversal_unfounded", "no money went back for which points of the lot %s are taken back", x.LotID) {
		return
	}
	e := l.expected[i]
	l.expected = slices.Delete(l.expected, i, i+1)
	l.check(points == e.points, "reversal_points", "what went back takes %d points of the lot %s, not %d", e.points, x.LotID, points)
	l.check(left == "" || left == e.left, "reversal_points", "of what the rule counted %s is left, not %s", e.left, left)
	l.check(cause.OrderID == x.earned.order, "reversal_unfounded", "the lot %s is not of the order %q", x.LotID, cause.OrderID)
}

// comes checks that a redemption comes back because a refund or a cancellation
// demands it, and how much of it.
func (l *Ledger) comes(r *redemption, e customer.RedemptionReversed) {
	if e.Cause.Type == customer.ReversalRequested {
		return
	}
	l.expected = slices.DeleteFunc(l.expected, func(x expectation) bool { return x.redemption == r })
	o := l.order(e.Cause.OrderID)
	if o == nil || !l.check(slices.Contains(l.spentOn[o.id], r), "reversal_unfounded", "the redemption %s was not spent on the order %q", r.id, o.id) {
		return
	}
	right := false
	if p := l.rules.loyalty(e.PolicyVersion); p != nil {
		right = e.Points == o.comesBack(p, r)
	} else {
		gone := o.gone()
		right = gone && e.Points == r.points-r.reversed || !gone && e.Points == o.share(r)-r.reversed
	}
	l.check(right, "reversal_points", "that is not what comes back of the redemption %s", r.id)
}
