package audit

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
)

// credit adds a lot that became the customer's at a time. Of what can be spent at once
// a share pays what is owed.
func (l *Ledger) credit(is customer.Lot, paid int64, at time.Time) *lot {
	x := &lot{Lot: is, remaining: is.Points - paid, pending: is.AvailableAt.After(at), since: at}
	l.check(l.lots[is.LotID] == nil, "lot_reused", "there was a lot %q already", is.LotID)
	l.check(is.Points > 0 && is.Points <= loyalty.MaxPoints, "lot_points", "a lot cannot have %d points", is.Points)
	put(&l.lots, is.LotID, x)
	l.open = append(l.open, x)
	usable := is.Points
	if x.pending || l.lapsedUnpaid(is, at) {
		usable = 0
	}
	l.pays(paid, usable)
	l.tick(at)
	return x
}

// lapsedUnpaid says whether a lot lapses before it could pay what is owed: not before
// it was owed.
func (l *Ledger) lapsedUnpaid(is customer.Lot, at time.Time) bool {
	if l.deficit > 0 && at.Before(l.owedSince) {
		at = l.owedSince
	}
	return is.ExpiresAt != nil && !is.ExpiresAt.After(at)
}

// paidAt returns when a lot that can be spent from a time on is booked: later, if it
// pays what is owed only since.
func (l *Ledger) paidAt(is customer.Lot, at time.Time) time.Time {
	if l.deficit > 0 && at.Before(l.owedSince) && !l.lapsedUnpaid(is, at) {
		return l.owedSince
	}
	return at
}

// pays checks how much of a credit pays what is owed, and books it.
func (l *Ledger) pays(paid, credited int64) {
	want := min(credited, l.deficit)
	l.check(paid == want, "deficit_share", "%d points are owed: %d of the %d credited pay them, not %d", l.deficit, want, credited, paid)
	l.deficit -= paid
}

// term checks when a lot that the programme gives lapses. to is until when what the
// customer did for it at a time keeps rolling lots; nil: it keeps none.
func (l *Ledger) term(is customer.Lot, x loyalty.Expiry, on domain.Date, to *time.Time, at time.Time) {
	switch x.Kind {
	case loyalty.Never, loyalty.Months, loyalty.EndOfYear, loyalty.Inactivity:
	default:
		l.check(false, "expiry", "the kind of expiry %q is unknown", x.Kind)
		return
	}
	rolling := x.Kind == loyalty.Inactivity
	l.check(is.Rolling == rolling, "expiry", "with the expiry %s a lot rolls: %t", x.Kind, rolling)
	lapses := x.Lapses(on)
	right := l.rules.begins(lapses, is.ExpiresAt)
	if rolling {
		right = is.ExpiresAt != nil && slices.ContainsFunc(l.rules.beginnings(*lapses, *is.ExpiresAt), func(end time.Time) bool {
			end = l.runs(end)
			if to != nil && end.After(at) && end.Before(*to) {
				end = l.runs(*to)
			}
			return end.Equal(*is.ExpiresAt)
		})
	}
	l.check(right, "expiry", "what counts from %s and lapses by %s does not lapse at %s", on, x.Kind, stamp(is.ExpiresAt))
}

// runs returns until when a new rolling lot is kept that otherwise has an end.
func (l *Ledger) runs(end time.Time) time.Time {
	if l.rollsTo != nil && end.After(l.rollsSince) && end.Before(*l.rollsTo) {
		return *l.rollsTo
	}
	return end
}

// rolls checks until when rolling lots are kept by something done at a time, and
// keeps those that have not lapsed by then.
func (l *Ledger) rolls(to *time.Time, at, since time.Time, x *loyalty.Expiry) {
	if x != nil {
		right := (to != nil) == (x.Kind == loyalty.Inactivity)
		if right && to != nil {
			right = slices.ContainsFunc(l.rules.dates(since), func(d domain.Date) bool { return l.rules.begins(x.Lapses(d), to) })
		}
		l.check(right, "rolls_to", "by something of %s lots that roll do not lapse at %s", since.Format(time.RFC3339), stamp(to))
	}
	if to == nil {
		return
	}
	if l.rollsTo == nil || !l.rollsTo.After(at) || l.rollsSince.After(at) && to.After(l.rollsSince) {
		l.rollsSince = at
	}
	if l.rollsTo != nil && !to.After(*l.rollsTo) {
		return
	}
	l.check(l.rules.midnight(*to), "rolls_to", "%s is not the beginning of a business day", stamp(to))
	end := *to
	l.rollsTo = &end
	for _, x := range l.lots {
		if x.Rolling && x.ExpiresAt != nil && x.ExpiresAt.Before(end) && x.ExpiresAt.After(at) {
			x.ExpiresAt = &end
		}
	}
}

// version checks that a version of the programme held on a date, and returns it if
// it is known.
func (l *Ledger) version(version int, on domain.Date) *loyalty.Policy {
	p := l.rules.loyalty(version)
	if p != nil {
		from := l.rules.from(policy.KindLoyalty, version)
		l.check(from <= on, "policy_version", "version %d of the programme holds from %s on, not on %s", version, from, on)
	}
	return p
}

func (l *Ledger) earn(e customer.PointsEarned) {
	l.check(l.member, "not_member", "the customer is no member")
	source := e.Lot.Source
	l.once("earning", source.Kind+":"+source.Ref+":"+source.Rule)
	for _, f := range append([]loyalty.Factor{{Factor: e.Inputs.Rate}}, e.Inputs.Factors...) {
		if !l.check(plain(f.Factor), "inputs", "%q is no decimal", f.Factor) {
			return
		}
	}
	points, remainder := e.Inputs.Award(new(big.Rat).SetInt64(e.Inputs.Quantity))
	l.check(e.Inputs.Quantity > 0 && e.Inputs.Points > 0 && e.Inputs.PerMinor >= 0, "inputs", "%d points for %d of %d", e.Inputs.Points, e.Inputs.PerMinor, e.Inputs.Quantity)
	l.check(points == e.Lot.Points && remainder == e.Remainder, "points", "the inputs give %d points and leave %q, not %d and %q", points, remainder, e.Lot.Points, e.Remainder)
	p := l.version(e.PolicyVersion, e.PlacedOn)
	l.check(l.levelIs(e.Tier), "tier", "the customer's tier is %q, not %q", l.tier.level, e.Tier)
	if p != nil {
		l.check(e.Expiry == p.Expiry, "rule", "the expiry is not that of version %d of the programme", e.PolicyVersion)
	}
	var o, with *order
	since := e.Lot.EarnedAt
	if source.Kind == customer.LotOrder {
		if o = l.order(source.Ref); o == nil {
			return
		}
		since = o.paidAt
		l.follows(e, o)
		if p != nil && l.found == nil {
			l.ruled(e, o, p)
		}
	} else if source.Kind == customer.LotCoupon {
		if with = l.couponGives(e); with == nil {
			return
		}
	} else if p != nil {
		a, known := p.Activity(source.Rule)
		l.check(known && e.Inputs.Quantity == 1 && e.Inputs.Points == a.Points && e.Inputs.PerMinor == 0 && len(e.Inputs.Factors) == 0 && e.Inputs.Limit == nil,
			"rule", "that is not what version %d of the programme gives for %q", e.PolicyVersion, source.Rule)
	}
	booked := since
	if !e.Lot.AvailableAt.After(since) {
		booked = l.paidAt(e.Lot, since)
	}
	l.check(e.BookedAt.Equal(booked), "booked_at", "it was to be booked at %s, not at %s", booked.Format(time.RFC3339), e.BookedAt.Format(time.RFC3339))
	l.available(e, p)
	l.term(e.Lot, e.Expiry, e.PlacedOn, e.RollsTo, since)
	if l.found != nil {
		return
	}
	x := l.credit(e.Lot, e.DeficitPaid, e.BookedAt)
	x.earned, x.policy, x.placed = &earned{inputs: e.Inputs, kept: e.Lot.Points}, e.PolicyVersion, e.PlacedOn
	l.sums.Earned += e.Lot.Points
	if o != nil {
		o.lots = append(o.lots, x)
		o.gave += e.Lot.Points
		l.points(e.PlacedOn, e.Lot.Points)
		x.earned.order = o.id
	}
	if with != nil {
		with.gifts = append(with.gifts, x)
		x.earned.order = with.id
	}
	l.rolls(e.RollsTo, e.BookedAt, since, &e.Expiry)
}

// plain says whether a text is a decimal of a length that can be computed with.
func plain(decimal string) bool {
	return len(decimal) <= 32 && strings.Trim(decimal, "0123456789.") == ""
}

// follows checks that the inputs follow from the order as it was recorded.
func (l *Ledger) follows(e customer.PointsEarned, o *order) {
	in := e.Inputs
	l.check(o.paid && !o.cancelled, "order_state", "the order %q is not paid, or was cancelled", o.id)
	l.check(e.PlacedOn == o.placedOn && e.Lot.EarnedAt.Equal(o.placedAt), "inputs", "the order %q was placed at %s, on %s", o.id, o.placedAt.Format(time.RFC3339), o.placedOn)
	currency, rate, target := "", "", ""
	if in.PerMinor > 0 {
		currency = o.total.Currency
		if in.Target != "" && in.Target != currency && o.fx != nil {
			rate, target = o.fx.Rate, o.fx.Base
		}
	}
	l.check(in.Currency == currency && in.Rate == rate && in.Target == target, "inputs", "the order %q is in %s: it is not counted in %q at %q to %q", o.id, o.total.Currency, in.Currency, in.Rate, in.Target)
	want := int64(1)
	if in.PerMinor > 0 {
		want = o.total.AmountMinor
	}
	if len(o.lines) > 0 {
		want = 0
		last := -1
		for _, i := range in.Lines {
			if !l.check(i > last && i < len(o.lines), "inputs", "the order %q has no such lines", o.id) {
				return
			}
			last = i
			line := o.lines[i]
			l.check(line.PointsEligible == nil || *line.PointsEligible, "inputs", "line %d, counted from 0, of the order %q gives no points", i, o.id)
			if in.PerMinor > 0 {
				want += line.AmountMinor
			} else {
				want += line.Quantity
			}
		}
	} else {
		l.check(len(in.Lines) == 0, "inputs", "the order %q has no lines", o.id)
	}
	l.check(in.Quantity == want, "inputs", "of the order %q the rule counts %d, not %d", o.id, want, in.Quantity)
}

// available checks when what was earned becomes spendable.
func (l *Ledger) available(e customer.PointsEarned, p *loyalty.Policy) {
	at, earned := e.Lot.AvailableAt, e.Lot.EarnedAt
	switch {
	case e.Lot.Source.Kind == customer.LotCoupon:
		l.check(at.Equal(earned), "available_at", "it is spendable at once, not at %s", at.Format(time.RFC3339))
	case p == nil || e.Lot.Source.Kind != customer.LotOrder:
		l.check(at.Equal(earned) || at.After(earned) && l.rules.midnight(at), "available_at", "it was earned at %s and cannot become spendable at %s", earned.Format(time.RFC3339), at.Format(time.RFC3339))
	case p.PendingDays == 0:
		l.check(at.Equal(earned), "available_at", "it is spendable at once, not at %s", at.Format(time.RFC3339))
	default:
		on := e.PlacedOn + domain.Date(p.PendingDays)
		right := at.After(earned) && l.rules.begins(&on, &at)
		if at.Equal(earned) { // on a date of another zone, which began before
			right = !l.rules.earliest(on).After(earned)
		}
		l.check(right, "available_at", "it is pending until %s, not until %s", on, at.Format(time.RFC3339))
	}
}

// ruled checks that the inputs follow from the rule of the programme.
func (l *Ledger) ruled(e customer.PointsEarned, o *order, p *loyalty.Policy) {
	in := e.Inputs
	at := slices.IndexFunc(p.Earn, func(r loyalty.Rule) bool { return r.ID == e.Lot.Source.Rule })
	if !l.check(at >= 0, "rule", "version %d of the programme has no rule %q", e.PolicyVersion, e.Lot.Source.Rule) {
		return
	}
	r := p.Earn[at]
	rounding := r.Rounding
	if rounding == "" {
		rounding = loyalty.Floor
	}
	l.check(in.Points == r.Points && in.PerMinor == r.PerMinor && in.Rounding == rounding, "rule", "the rule %s gives %d for %d, rounded %s", r.ID, r.Points, r.PerMinor, rounding)
	l.check(applies(r, o, p), "rule", "the rule %s does not reach the order %q", r.ID, o.id)
	foreign := r.PerMinor > 0 && o.total.Currency != p.Currency
	l.check((in.Target != "") == foreign && (!foreign || in.Target == p.Currency), "rule", "the programme counts in %s", p.Currency)
	l.check(slices.Equal(in.Lines, fitting(p, at, o)), "rule", "the rule %s counts the lines %v, not %v, counted from 0", r.ID, fitting(p, at, o), in.Lines)
	l.factors(e, r, p)
	limit := l.limit(r, o, p)
	right := limit == nil && in.Limit == nil || limit != nil && in.Limit != nil && *limit == *in.Limit
	l.check(right, "rule", "the caps of the rule %s leave %s, not %s", r.ID, number(limit), number(in.Limit))
}

// applies says whether a rule gives anything for an order of its date and size.
func applies(r loyalty.Rule, o *order, p *loyalty.Policy) bool {
	if r.From != nil && o.placedOn < *r.From || r.Until != nil && o.placedOn > *r.Until {
		return false
	}
	all := p.Convert(o.purchase(), new(big.Rat).SetInt64(o.total.AmountMinor))
	return r.MinimumOrder == 0 || all.Cmp(new(big.Rat).SetInt64(r.MinimumOrder)) >= 0
}

// fitting returns the lines that the rule at a place counts: those that no earlier
// rule has for itself.
func fitting(p *loyalty.Policy, place int, o *order) (lines []int) {
	for i, line := range o.lines {
		if line.PointsEligible != nil && !*line.PointsEligible {
			continue
		}
		fits := func(r loyalty.Rule) bool {
			return len(r.SKUs) == 0 && len(r.Categories) == 0 || slices.Contains(r.SKUs, line.SKU) ||
				line.Category != "" && slices.Contains(r.Categories, line.Category)
		}
		taken := slices.ContainsFunc(p.Earn[:place], func(r loyalty.Rule) bool { return r.Exclusive && applies(r, o, p) && fits(r) })
		if !taken && fits(p.Earn[place]) {
			lines = append(lines, i)
		}
	}
	return lines
}

// factors checks the multipliers. Of the customer the tier alone is known here, not
// the tags and the type.
func (l *Ledger) factors(e customer.PointsEarned, r loyalty.Rule, p *loyalty.Policy) {
	var may, must []loyalty.Factor
	for _, m := range p.Multipliers {
		if len(m.Rules) > 0 && !slices.Contains(m.Rules, r.ID) || len(m.Tiers) > 0 && !slices.Contains(m.Tiers, e.Tier) ||
			m.From != nil && e.PlacedOn < *m.From || m.Until != nil && e.PlacedOn > *m.Until {
			continue
		}
		f := loyalty.Factor{ID: m.ID, Factor: m.Factor}
		if may = append(may, f); len(m.Tags)+len(m.Types) == 0 {
			must = append(must, f)
		}
	}
	is := e.Inputs.Factors
	for _, f := range is {
		l.check(slices.Contains(may, f), "rule", "the multiplier %s × %s does not apply", f.ID, f.Factor)
	}
	if p.Stacking == loyalty.Product {
		for _, f := range must {
			l.check(slices.Contains(is, f), "rule", "the multiplier %s × %s was left out", f.ID, f.Factor)
		}
		return
	}
	l.check(len(is) <= 1, "rule", "one multiplier applies, the highest, not %d", len(is))
	for _, f := range must {
		l.check(len(is) == 1 && ratio(is[0].Factor).Cmp(ratio(f.Factor)) >= 0, "rule", "the multiplier %s × %s was left out", f.ID, f.Factor)
	}
}

func ratio(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return new(big.Rat)
	}
	return r
}

// limit returns what caps leave; nil: there is none.
func (l *Ledger) limit(r loyalty.Rule, o *order, p *loyalty.Policy) *int64 {
	var least *int64
	lower := func(n int64) {
		if n = max(0, n); least == nil || n < *least {
			least = &n
		}
	}
	if r.MaxPoints > 0 {
		lower(r.MaxPoints)
	}
	for _, c := range p.Caps {
		used := o.gave
		if c.Period != loyalty.Order {
			used = 0
			for on, d := range l.days {
				if c.Period == loyalty.Day && on == o.placedOn || c.Period != loyalty.Day && on.Year() == o.placedOn.Year() &&
					(c.Period == loyalty.Year || on.Month() == o.placedOn.Month()) {
					used += d.Points
				}
			}
		}
		lower(c.Points - used)
	}
	return least
}

func number(n *int64) string {
	if n == nil {
		return "all"
	}
	return big.NewInt(*n).String()
}

func (l *Ledger) granted(e customer.PointsGranted) {
	l.decided(e.GrantedAt)
	l.check(l.member, "not_member", "the customer is no member")
	l.check(e.ApprovedBy == nil || !e.ApprovedBy.Same(e.GrantedBy), "four_eyes", "who granted the points approved them")
	if p := l.version(e.PolicyVersion, e.PlacedOn); p != nil {
		l.check(e.Expiry == p.Expiry, "rule", "the expiry is not that of version %d of the programme", e.PolicyVersion)
		l.check(e.ApprovedBy != nil || e.Lot.Source.Kind != customer.LotBonus || e.Lot.Points <= p.Manual.BonusLimit, "four_eyes",
			"one alone may grant %d points, not %d", p.Manual.BonusLimit, e.Lot.Points)
	}
	if e.ApprovedBy != nil {
		l.proposed(e.Lot.Source.Ref, customer.LotBonus, e.Lot.Points, e.GrantedBy)
	}
	l.check(slices.Contains(l.rules.dates(e.GrantedAt), e.PlacedOn) && e.Lot.EarnedAt.Equal(e.GrantedAt), "placed_on", "points that were given at %s do not count from %s", e.GrantedAt.Format(time.RFC3339), e.PlacedOn)
	l.term(e.Lot, e.Expiry, e.PlacedOn, nil, e.GrantedAt)
	if l.found == nil {
		x := l.credit(e.Lot, e.DeficitPaid, e.GrantedAt)
		x.policy, x.placed = e.PolicyVersion, e.PlacedOn
		l.sums.Granted += e.Lot.Points
	}
}

// proposed checks that somebody proposed what another approved.
func (l *Ledger) proposed(id, kind string, points int64, by domain.Actor) {
	is, ok := l.proposals[id]
	if l.check(ok, "proposal_unknown", "nothing was proposed as %q", id) {
		l.check(is.Kind == kind && is.Points == points && is.ProposedBy.Same(by), "proposal", "%d points of the kind %s were proposed as %q", is.Points, is.Kind, id)
	}
	delete(l.proposals, id)
}

func (l *Ledger) adjusted(e customer.PointsAdjusted) {
	l.decided(e.AdjustedAt)
	l.once("adjustment", e.AdjustmentID)
	l.check(!e.ApprovedBy.Same(e.ProposedBy), "four_eyes", "who proposed the adjustment approved it")
	l.proposed(e.AdjustmentID, customer.LotAdjustment, e.Points, e.ProposedBy)
	p := l.rules.loyalty(e.PolicyVersion)
	if e.Points > 0 {
		if !l.check(e.Lot != nil && e.Expiry != nil && e.Lot.Points == e.Points && len(e.From) == 0 && e.Deficit == 0, "adjustment", "the lot has other points than the adjustment") {
			return
		}
		on := slices.IndexFunc(l.rules.dates(e.AdjustedAt), func(d domain.Date) bool { return l.rules.begins(e.Expiry.Lapses(d), e.Lot.ExpiresAt) })
		l.term(*e.Lot, *e.Expiry, l.rules.dates(e.AdjustedAt)[max(0, on)], nil, e.AdjustedAt)
		l.check(p == nil || *e.Expiry == p.Expiry, "rule", "the expiry is not that of version %d of the programme", e.PolicyVersion)
		if l.found == nil {
			l.credit(*e.Lot, e.DeficitPaid, e.AdjustedAt).policy = e.PolicyVersion
			l.sums.AdjustedUp += e.Points
		}
		return
	}
	l.check(e.Lot == nil && e.DeficitPaid == 0 && e.Points < 0, "adjustment", "it takes points and gives a lot")
	from, missing := l.allocate(-e.Points, nil)
	l.allocated(e.From, from, -e.Points-e.Deficit)
	l.check(e.Deficit == missing, "deficit", "%d points are not there and are owed, not %d", missing, e.Deficit)
	l.check(p == nil || l.deficit+e.Deficit <= p.Manual.DeficitLimit || e.Deficit == 0, "deficit", "an adjustment may owe %d points at most", limitOf(p))
	if l.found == nil {
		l.take(from)
		l.owe(e.Deficit, e.AdjustedAt)
		l.sums.AdjustedDown -= e.Points
	}
}

func limitOf(p *loyalty.Policy) int64 {
	if p == nil {
		return 0
	}
	return p.Manual.DeficitLimit
}

func (l *Ledger) transferredIn(e customer.PointsTransferredIn) {
	l.decided(e.TransferredAt)
	l.once("transfer in", e.TransferID.String())
	sum, usable := int64(0), int64(0)
	for _, x := range e.Lots {
		sum += x.Points
		if !x.AvailableAt.After(e.TransferredAt) && (x.ExpiresAt == nil || x.ExpiresAt.After(e.TransferredAt)) {
			usable += x.Points
		}
	}
	l.check(sum == e.Points && len(e.Lots) > 0, "portions_sum", "the lots have %d points, not %d", sum, e.Points)
	want := min(usable, l.deficit)
	l.check(e.DeficitPaid == want, "deficit_share", "%d points are owed: %d of those credited pay them, not %d", l.deficit, want, e.DeficitPaid)
	if l.found != nil {
		return
	}
	paid := e.DeficitPaid
	for _, x := range e.Lots {
		share := int64(0)
		if !x.AvailableAt.After(e.TransferredAt) && (x.ExpiresAt == nil || x.ExpiresAt.After(e.TransferredAt)) {
			share = min(paid, x.Points)
		}
		paid -= share
		before := l.deficit
		l.deficit = share // this lot's part of it
		l.credit(x, share, e.TransferredAt)
		l.deficit = before - share
	}
	l.sums.TransferredIn += e.Points
}

func (l *Ledger) activated(e customer.PointsActivated) {
	x := l.lots[e.LotID]
	if !l.check(x != nil && x.pending && x.remaining > 0, "not_pending", "no points of the lot %s are pending", e.LotID) {
		return
	}
	l.check(e.Points == x.remaining, "activation_points", "%d points of the lot %s are pending, not %d", x.remaining, e.LotID, e.Points)
	due := l.paidAt(x.Lot, x.AvailableAt)
	l.check(e.ActivatedAt.Equal(due), "due", "the lot %s became spendable at %s, not at %s", e.LotID, due.Format(time.RFC3339), e.ActivatedAt.Format(time.RFC3339))
	usable := e.Points
	if l.lapsedUnpaid(x.Lot, x.AvailableAt) {
		usable = 0
	}
	l.pays(e.DeficitPaid, usable)
	x.pending = false
	x.remaining -= e.DeficitPaid
	l.tick(e.ActivatedAt)
}

func (l *Ledger) expired(e customer.PointsExpired) {
	x := l.lots[e.LotID]
	if !l.check(x != nil && x.remaining > 0, "lot_empty", "nothing is left of the lot %s", e.LotID) {
		return
	}
	l.check(e.Points == x.remaining, "expiry_points", "%d points are left of the lot %s, not %d", x.remaining, e.LotID, e.Points)
	if !l.check(x.ExpiresAt != nil, "due", "the lot %s never lapses", e.LotID) {
		return
	}
	due := *x.ExpiresAt
	if due.Before(x.since) {
		due = x.since
	}
	l.check(e.ExpiredAt.Equal(due), "due", "the lot %s lapses at %s, not at %s", e.LotID, due.Format(time.RFC3339), e.ExpiredAt.Format(time.RFC3339))
	x.remaining -= e.Points
	x.lapses(e.Points)
	l.sums.Expired += e.Points
	l.tick(e.ExpiredAt)
}

func (l *Ledger) extended(e customer.ExpiryExtended) {
	l.decided(e.ExtendedAt)
	l.check(l.rules.midnight(e.To) && e.To.After(e.ExtendedAt), "extension", "%s is not the beginning of a later business day", e.To.Format(time.RFC3339))
	l.check(len(e.Lots) > 0, "extension", "no lot is named")
	for _, id := range e.Lots {
		x := l.lots[id]
		if !l.check(x != nil && (x.remaining > 0 || l.isHeld(x)), "lot_empty", "nothing is left of the lot %s", id) {
			return
		}
		l.check(x.ExpiresAt != nil && x.ExpiresAt.After(e.ExtendedAt), "extension", "the lot %s has lapsed, or never does", id)
		l.check(x.ExpiresAt != nil && e.To.After(*x.ExpiresAt), "extension", "the lot %s lapses later already", id)
		to := e.To
		x.ExpiresAt = &to
	}
}

func (l *Ledger) isHeld(x *lot) bool {
	return slices.ContainsFunc(l.holds, func(h *hold) bool {
		return slices.ContainsFunc(h.left, func(p portion) bool { return p.lot == x })
	})
}
