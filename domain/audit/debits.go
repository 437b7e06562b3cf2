package audit

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// before orders lots as they are spent.
func before(a, b *lot) int {
	switch {
	case a.ExpiresAt != nil && b.ExpiresAt == nil:
		return -1
	case a.ExpiresAt == nil && b.ExpiresAt != nil:
		return 1
	case a.ExpiresAt != nil && !a.ExpiresAt.Equal(*b.ExpiresAt):
		return a.ExpiresAt.Compare(*b.ExpiresAt)
	}
	return cmp.Or(a.EarnedAt.Compare(b.EarnedAt), strings.Compare(a.LotID, b.LotID))
}

// allocate returns the points that are spent next, as far as there are any. skip is
// a lot that is passed over.
func (l *Ledger) allocate(points int64, skip *lot) (from []portion, missing int64) {
	open := slices.Clone(l.open)
	slices.SortFunc(open, before)
	for _, x := range open {
		if x.pending || x == skip || x.remaining <= 0 {
			continue
		}
		n := min(points, x.remaining)
		if n == 0 {
			break
		}
		from = append(from, portion{x, n})
		points -= n
	}
	return from, points
}

// spent checks an allocation at a time: of lots that can be spent, no more than they
// have, in the right order, adding up.
func (l *Ledger) spent(is []customer.Portion, points int64, at time.Time) []portion {
	for _, p := range is {
		x := l.lots[p.LotID]
		if !l.check(x != nil, "lot_unknown", "there is no lot %q", p.LotID) {
			return nil
		}
		l.check(x.ExpiresAt == nil || x.ExpiresAt.After(at), "lot_lapsed", "the lot %s lapsed at %s", x.LotID, stamp(x.ExpiresAt))
		l.check(!x.pending && !x.AvailableAt.After(at), "lot_pending", "the lot %s is spendable from %s on", x.LotID, x.AvailableAt.Format(time.RFC3339))
		l.check(p.Points > 0 && p.Points <= x.remaining, "lot_overdrawn", "of the lot %s %d points are left, not %d", x.LotID, x.remaining, p.Points)
	}
	l.decided(at)
	want, missing := l.allocate(points, nil)
	l.allocated(is, want, points)
	l.check(missing == 0, "overspent", "%d points are missing", missing)
	return want
}

// allocated compares an allocation with what it had to be.
func (l *Ledger) allocated(is []customer.Portion, want []portion, points int64) {
	sum := int64(0)
	for _, p := range is {
		sum += p.Points
	}
	l.check(sum == points && points >= 0, "portions_sum", "the portions add up to %d, not to %d", sum, points)
	for i := range max(len(is), len(want)) {
		if i < len(is) && i < len(want) && is[i].LotID == want[i].lot.LotID && is[i].Points == want[i].points {
			continue
		}
		if i < len(want) {
			l.check(false, "lot_order", "%d points of the lot %s come at place %d", want[i].points, want[i].lot.LotID, i+1)
		} else {
			l.check(false, "lot_order", "the lot %s does not come at place %d", is[i].LotID, i+1)
		}
		return
	}
}

func (l *Ledger) take(from []portion) {
	for _, p := range from {
		p.lot.remaining -= p.points
	}
}

func (l *Ledger) owe(points int64, at time.Time) {
	l.check(points >= 0, "deficit", "nobody owes %d points", points)
	if points > 0 {
		l.deficit += points
		l.owedSince = at
	}
}

func (l *Ledger) held(e customer.PointsHeld) {
	l.once("hold", e.HoldID)
	l.check(l.member, "not_member", "the customer is no member")
	l.check(e.Points > 0, "portions_sum", "%d points cannot be held", e.Points)
	l.check(e.ExpiresAt == nil || e.ExpiresAt.After(e.HeldAt), "hold_ended", "the hold %s ends before it begins", e.HoldID)
	l.check(e.ExpiresAt != nil || e.Transfer != uuid.Nil, "hold_ended", "the hold %s never ends", e.HoldID)
	from := l.spent(e.From, e.Points, e.HeldAt)
	if l.found == nil {
		l.take(from)
		l.holds = append(l.holds, &hold{e, from})
	}
}

// hold finds an open hold.
func (l *Ledger) hold(id string) *hold {
	for _, h := range l.holds {
		if h.HoldID == id {
			return h
		}
	}
	l.check(false, "hold_unknown", "no points are held as %q", id)
	return nil
}

// unhold takes points off a hold. They are checked.
func (l *Ledger) unhold(h *hold, is []customer.Portion) (from []portion) {
	for _, p := range is {
		i := slices.IndexFunc(h.left, func(held portion) bool { return held.lot.LotID == p.LotID })
		if !l.check(i >= 0 && p.Points > 0 && p.Points <= h.left[max(i, 0)].points, "hold_overdrawn", "the hold %s has no %d points of the lot %s", h.HoldID, p.Points, p.LotID) {
			return nil
		}
		h.left[i].points -= p.Points
		from = append(from, portion{h.left[i].lot, p.Points})
	}
	h.left = slices.DeleteFunc(h.left, func(p portion) bool { return p.points == 0 })
	if len(h.left) == 0 {
		l.holds = slices.DeleteFunc(l.holds, func(other *hold) bool { return other == h })
	}
	return from
}

func (l *Ledger) released(e customer.HoldReleased) {
	h := l.hold(e.HoldID)
	if h == nil {
		return
	}
	if e.Cause == customer.ReleaseExpired {
		l.check(h.ExpiresAt != nil && h.ExpiresAt.Equal(e.ReleasedAt), "due", "the hold %s ends at %s, not at %s", h.HoldID, stamp(h.ExpiresAt), e.ReleasedAt.Format(time.RFC3339))
	} else {
		l.check(h.ExpiresAt == nil || h.ExpiresAt.After(e.ReleasedAt), "hold_ended", "the hold %s has ended at %s", h.HoldID, stamp(h.ExpiresAt))
		l.check(!e.ReleasedAt.Before(l.clock), "time_goes_back", "it is of %s, but something was decided at %s already", e.ReleasedAt.Format(time.RFC3339), l.clock.Format(time.RFC3339))
	}
	l.check(e.Points == total(h.left), "portions_sum", "the hold %s has %d points, not %d", h.HoldID, total(h.left), e.Points)
	lapsed, back := l.unhold(h, e.Lapsed), l.unhold(h, e.Returned)
	for _, p := range lapsed {
		l.check(p.lot.ExpiresAt != nil && !p.lot.ExpiresAt.After(e.ReleasedAt), "not_lapsed", "the lot %s has not lapsed", p.lot.LotID)
		p.lot.lapses(p.points)
		l.sums.Expired += p.points
	}
	for _, p := range back {
		l.check(p.lot.ExpiresAt == nil || p.lot.ExpiresAt.After(e.ReleasedAt), "lot_lapsed", "the lot %s lapsed at %s: nothing comes back to it", p.lot.LotID, stamp(p.lot.ExpiresAt))
	}
	l.check(total(lapsed)+total(back) == e.Points, "portions_sum", "the portions add up to %d, not to %d", total(lapsed)+total(back), e.Points)
	l.pays(e.DeficitPaid, total(back))
	l.giveBack(back, e.DeficitPaid)
	l.tick(e.ReleasedAt)
}

// giveBack returns points to their lots. The first of them pay what is owed.
func (l *Ledger) giveBack(back []portion, paid int64) {
	for _, p := range back {
		share := min(paid, p.points)
		paid -= share
		l.reopen(p.lot, p.points-share)
	}
}

func (l *Ledger) reopen(x *lot, points int64) {
	if x.remaining == 0 && points > 0 && !slices.Contains(l.open, x) {
		l.open = append(l.open, x)
	}
	x.remaining += points
}

// use checks what points were worth that were spent, and notes them.
func (l *Ledger) use(id string, points int64, from []portion, value domain.Money, rate customer.Rate, reward, order string, version int, to *time.Time, at time.Time) {
	l.once("redemption", id)
	l.check(points > 0 && total(from) == points, "portions_sum", "the portions add up to %d, not to %d", total(from), points)
	right := rate.Points > 0 && value.AmountMinor == worth(points, rate)
	p := l.rules.loyalty(version)
	if p != nil {
		inForce := slices.ContainsFunc(l.rules.dates(at), func(d domain.Date) bool { return l.rules.from("loyalty", version) <= d })
		l.check(inForce, "policy_version", "version %d of the programme was not in force at %s", version, at.Format(time.RFC3339))
		right = right && value.Currency == p.Currency && rate == customer.Rate{Points: p.Redemption.Points, ValueMinor: p.Redemption.ValueMinor}
		if reward != "" {
			ok := slices.ContainsFunc(l.rules.dates(at), func(d domain.Date) bool {
				w, ok := p.Redemption.Reward(reward, d)
				return ok && w.Points == points
			})
			l.check(ok, "reward", "%d points do not buy %q", points, reward)
		}
	}
	l.check(right, "value", "%d points are not worth %d %s", points, value.AmountMinor, value.Currency)
	var x *loyalty.Expiry
	if p != nil {
		x = &p.Expiry
	}
	r := &redemption{id: id, points: points, left: from}
	put(&l.redemptions, id, r)
	if order != "" {
		if o := l.orders[order]; o != nil {
			r.back = o.back
		}
		put(&l.spentOn, order, append(l.spentOn[order], r))
	}
	l.sums.Redeemed += points
	l.rolls(to, at, at, x)
}

// worth returns what points are worth, rounded down.
func worth(points int64, rate customer.Rate) int64 {
	n := new(big.Int).Mul(big.NewInt(points), big.NewInt(rate.ValueMinor))
	return n.Quo(n, big.NewInt(rate.Points)).Int64()
}

func (l *Ledger) captured(e customer.HoldCaptured) {
	h := l.hold(e.HoldID)
	if h == nil {
		return
	}
	l.check(h.ExpiresAt == nil || h.ExpiresAt.After(e.CapturedAt), "hold_ended", "the hold %s has ended at %s", h.HoldID, stamp(h.ExpiresAt))
	l.check(h.Transfer == uuid.Nil, "hold_transfer", "the hold %s is that of a transfer", h.HoldID)
	l.heldFirst(h, e.From, e.Points)
	from := l.unhold(h, e.From)
	l.decided(e.CapturedAt)
	if l.found == nil {
		l.use(e.RedemptionID, e.Points, from, e.Value, e.Rate, e.Reward, e.OrderID, e.PolicyVersion, e.RollsTo, e.CapturedAt)
	}
}

// heldFirst checks that points of a hold are taken in the order of spending.
func (l *Ledger) heldFirst(h *hold, is []customer.Portion, points int64) {
	left := slices.Clone(h.left)
	slices.SortStableFunc(left, func(a, b portion) int { return before(a.lot, b.lot) })
	var want []portion
	missing := points
	for _, p := range left {
		if n := min(missing, p.points); n > 0 {
			want = append(want, portion{p.lot, n})
			missing -= n
		}
	}
	l.check(missing == 0, "hold_overdrawn", "the hold %s has %d points, not %d", h.HoldID, total(h.left), points)
	l.allocated(is, want, points)
}

func (l *Ledger) transferredOut(e customer.PointsTransferredOut) {
	h := l.hold(e.HoldID)
	if h == nil {
		return
	}
	l.once("transfer out", e.TransferID.String())
	l.check(h.Transfer == e.TransferID, "hold_transfer", "the hold %s is not that of the transfer", h.HoldID)
	from := l.unhold(h, e.From)
	l.check(total(from) == e.Points && len(h.left) == 0, "portions_sum", "the portions add up to %d, not to %d", total(from), e.Points)
	l.decided(e.TransferredAt)
	l.sums.TransferredOut += e.Points
}

func (l *Ledger) redeemed(e customer.PointsRedeemed) {
	l.check(l.member, "not_member", "the customer is no member")
	from := l.spent(e.From, e.Points, e.RedeemedAt)
	if p := l.rules.loyalty(e.PolicyVersion); p != nil && e.Reward == "" {
		l.check(e.Points >= p.Redemption.Minimum, "below_minimum", "a redemption has %d points at least", p.Redemption.Minimum)
		l.check(p.Redemption.Step == 0 || e.Points%p.Redemption.Step == 0, "not_a_step", "a redemption is a multiple of %d points", p.Redemption.Step)
	}
	if l.found == nil {
		l.take(from)
		l.use(e.RedemptionID, e.Points, from, e.Value, e.Rate, e.Reward, e.OrderID, e.PolicyVersion, e.RollsTo, e.RedeemedAt)
	}
}

func (l *Ledger) redemptionReversed(e customer.RedemptionReversed) {
	r := l.redemptions[e.RedemptionID]
	if !l.check(r != nil, "redemption_unknown", "there is no redemption %q", e.RedemptionID) {
		return
	}
	l.decided(e.ReversedAt)
	l.check(e.Points > 0 && r.reversed+e.Points <= r.points, "reversal_exceeds_redemption", "%d of the %d points of %s came back already", r.reversed, r.points, r.id)
	l.comes(r, e)
	if l.found != nil {
		return
	}
	back, sum := map[string]int64{}, int64(0)
	missing := e.Points
	for i := len(r.left) - 1; i >= 0 && missing > 0; i-- {
		if n := min(missing, r.left[i].points); n > 0 {
			r.left[i].points -= n
			back[r.left[i].lot.LotID] += n
			missing -= n
		}
	}
	r.reversed += e.Points
	for _, p := range e.Lapsed {
		x := l.lots[p.LotID]
		if !l.check(x != nil && back[p.LotID] == p.Points, "restored", "%d points of the lot %s come back, not %d", back[p.LotID], p.LotID, p.Points) {
			return
		}
		l.check(x.ExpiresAt != nil && !x.ExpiresAt.After(e.ReversedAt), "not_lapsed", "the lot %s has not lapsed", p.LotID)
		if v := l.rules.loyalty(e.PolicyVersion); v != nil {
			l.check(v.Reversal.GraceDays == 0, "grace", "what comes back has %d days of grace", v.Reversal.GraceDays)
		}
		delete(back, p.LotID)
		x.lapses(p.Points)
	}
	for _, x := range e.Restored {
		sum += x.Points
		if !l.check(back[x.LotID] == x.Points && x.Points > 0, "restored", "%d points of the lot %s come back, not %d", back[x.LotID], x.LotID, x.Points) {
			return
		}
		delete(back, x.LotID)
	}
	l.check(len(back) == 0, "restored", "points of %d lots are left out", len(back))
	l.check(slices.IsSortedFunc(e.Restored, func(a, b customer.Restored) int { return before(&lot{Lot: a.Lot}, &lot{Lot: b.Lot}) }), "lot_order", "the lots are not in the order of spending")
	l.pays(e.DeficitPaid, sum)
	paid := e.DeficitPaid
	for _, x := range e.Restored {
		share := min(paid, x.Points)
		paid -= share
		if to := l.restoredTo(x, e); to != nil {
			l.reopen(to, x.Points-share)
		}
	}
	l.sums.Restored += sum
}

// restoredTo checks the lot to which points came back, and returns it.
func (l *Ledger) restoredTo(x customer.Restored, e customer.RedemptionReversed) *lot {
	from := l.lots[x.LotID]
	lapsed := from.ExpiresAt != nil && !from.ExpiresAt.After(e.ReversedAt)
	is := x.Lot
	l.check(is.EarnedAt.Equal(from.EarnedAt) && is.AvailableAt.Equal(from.AvailableAt) && is.Source == from.Source, "restored", "the lot %s was changed", x.LotID)
	if !x.Grace {
		l.check(!lapsed, "lot_lapsed", "the lot %s lapsed at %s: nothing comes back to it", x.LotID, stamp(from.ExpiresAt))
		l.check(is.LotID == from.LotID && is.Rolling == from.Rolling, "restored", "the lot %s was changed", x.LotID)
		l.check(same(is.ExpiresAt, from.ExpiresAt), "expiry", "the lot %s lapses at %s, not at %s", x.LotID, stamp(from.ExpiresAt), stamp(is.ExpiresAt))
		return from
	}
	l.check(lapsed, "grace", "the lot %s has not lapsed and needs no grace", x.LotID)
	right := is.ExpiresAt != nil && is.ExpiresAt.After(e.ReversedAt) && l.rules.midnight(*is.ExpiresAt) && !is.Rolling
	if p := l.rules.loyalty(e.PolicyVersion); p != nil && right {
		right = p.Reversal.GraceDays > 0 && slices.ContainsFunc(l.rules.dates(e.ReversedAt), func(d domain.Date) bool {
			d += domain.Date(p.Reversal.GraceDays)
			return l.rules.begins(&d, is.ExpiresAt)
		})
	}
	l.check(right, "expiry", "what came back of the lot %s cannot lapse at %s", x.LotID, stamp(is.ExpiresAt))
	if had := l.lots[is.LotID]; had != nil { // of an earlier reversal of the same day
		l.check(had != from && same(had.ExpiresAt, is.ExpiresAt) && had.Source == is.Source, "lot_reused", "there was a lot %q already", is.LotID)
		return had
	}
	to := &lot{Lot: is, since: e.ReversedAt, policy: from.policy, placed: from.placed, came: from}
	put(&l.lots, is.LotID, to)
	return to
}

func (l *Ledger) earnReversed(e customer.PointsEarnReversed) {
	x := l.given(e.LotID, e.Source, e.Points)
	if x == nil {
		return
	}
	l.decided(e.ReversedAt)
	l.check(e.PlacedOn == x.placed, "placed_on", "the lot %s counts from %s", e.LotID, x.placed)
	l.check(e.Kept == x.earned.kept-e.Points, "reversal_points", "%d points are kept, not %d", x.earned.kept-e.Points, e.Kept)
	l.caused(x, e.Points, e.Cause, e.Remaining)
	l.check(e.Lapsed >= 0 && e.Deficit >= 0 && e.Waived >= 0, "reversal_points", "nothing of it can be negative")
	if l.found != nil {
		return
	}
	p := l.rules.loyalty(e.PolicyVersion)
	onlyPending := p != nil && p.Reversal.Earn == loyalty.OnlyPending || p == nil && e.Waived > 0 && len(e.From) <= 1 && e.Deficit == 0
	var want []portion
	rest := e.Points
	if n := min(rest, x.remaining); n > 0 {
		want = append(want, portion{x, n})
		rest -= n
	}
	lapsed := min(rest, max(0, x.lapsed-x.earned.lapsed))
	l.check(e.Lapsed == lapsed, "reversal_points", "%d of the points had lapsed, not %d", lapsed, e.Lapsed)
	rest -= e.Lapsed
	var missing int64
	if onlyPending && (p != nil || e.Waived == rest) {
		missing = rest
	} else {
		var others []portion
		others, missing = l.allocate(rest, x)
		want = append(want, others...)
	}
	l.allocated(e.From, want, e.Points-e.Lapsed-e.Deficit-e.Waived)
	deficit, waived := missing, int64(0)
	switch {
	case onlyPending || l.gone || p != nil && p.Reversal.Earn == loyalty.Clamp || p == nil && e.Deficit == 0:
		deficit, waived = 0, missing
	}
	l.check(e.Deficit == deficit && e.Waived == waived, "deficit", "%d points are not there: %d are owed and %d waived, not %d and %d", missing, deficit, waived, e.Deficit, e.Waived)
	if l.found != nil {
		return
	}
	l.take(want)
	l.owe(e.Deficit, e.ReversedAt)
	l.sums.Reversed += total(want) + e.Deficit
	x.earned.kept -= e.Points
	x.earned.lapsed += e.Lapsed
	if e.Source.Kind == customer.LotOrder {
		l.points(e.PlacedOn, -e.Points)
	}
}

func (l *Ledger) earnDeclined(e customer.EarnReversalDeclined) {
	x := l.given(e.LotID, e.Source, e.Points)
	if x == nil {
		return
	}
	l.check(!e.DeclinedAt.Before(l.clock), "time_goes_back", "it is of %s, but something was decided at %s already", e.DeclinedAt.Format(time.RFC3339), l.clock.Format(time.RFC3339))
	l.caused(x, e.Points, e.Cause, "")
	p := l.rules.loyalty(e.PolicyVersion)
	l.check(p == nil || p.Reversal.Earn == loyalty.OnlyPending, "rule", "version %d of the programme takes points back", e.PolicyVersion)
	l.check(!x.pending || x.remaining == 0, "rule", "the lot %s is pending and can be taken back", e.LotID)
	x.earned.kept -= e.Points
}

// given finds a lot that a rule gave, of which points are taken back.
func (l *Ledger) given(id string, source customer.LotSource, points int64) *lot {
	x := l.lots[id]
	if !l.check(x != nil && x.earned != nil && x.Source == source, "lot_unknown", "no rule gave a lot %q", id) {
		return nil
	}
	l.check(points > 0 && points <= x.earned.kept, "reversal_exceeds_earn", "%d points of the lot %s are kept, not %d", x.earned.kept, id, points)
	return x
}

func (l *Ledger) forfeited(e customer.PointsForfeited) {
	l.decided(e.ForfeitedAt)
	open := slices.Clone(l.open)
	slices.SortFunc(open, before)
	want := make([]portion, len(open))
	for i, x := range open {
		want[i] = portion{x, x.remaining}
		x.lapses(x.remaining)
	}
	l.allocated(e.From, want, e.Points)
	l.take(want)
	l.sums.Forfeited += e.Points
}
