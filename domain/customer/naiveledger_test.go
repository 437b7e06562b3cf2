package customer_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/rapport-crm/rapport/domain/customer"
)

// naiveLot is what a look at every event says of a lot.
type naiveLot struct {
	Lot
	left int64 // without what is held
	held int64
}

// naiveLedger is a look at every event: no account, no memory, no order of lots but
// the one that is asked for.
type naiveLedger struct {
	lots    map[string]*naiveLot
	holds   map[string]map[string]int64 // of each hold: points by lot
	ends    map[string]*time.Time       // of holds
	spent   map[string]map[string]int64 // of each redemption: points by lot that did not come back
	owed    int64
	since   time.Time // they are owed
	rolls   time.Time // until when activity keeps rolling lots
	credits int64
	debits  int64
	wrong   []string
}

func (n *naiveLedger) check(right bool, format string, args ...any) {
	if !right {
		n.wrong = append(n.wrong, fmt.Sprintf(format, args...))
	}
}

// look looks at every event, and checks the invariants that one event alone can break.
func look(history []Event) *naiveLedger {
	n := &naiveLedger{
		lots: map[string]*naiveLot{}, holds: map[string]map[string]int64{}, ends: map[string]*time.Time{}, spent: map[string]map[string]int64{},
	}
	for _, e := range history {
		n.event(e)
	}
	return n
}

// credit adds points to a lot. Those that can be spent pay what is owed first; how
// many did is returned.
func (n *naiveLedger) credit(l Lot, points int64, at time.Time) (paid int64) {
	if n.lots[l.LotID] == nil {
		n.lots[l.LotID] = &naiveLot{Lot: l}
	}
	if !l.AvailableAt.After(at) {
		paid = n.pays(l, points, at)
	}
	n.owed -= paid
	n.lots[l.LotID].left += points - paid
	return paid
}

// pays returns how many points of a lot pay what is owed: they can be spent when it is.
func (n *naiveLedger) pays(l Lot, points int64, at time.Time) int64 {
	if at.Before(n.since) {
		at = n.since
	}
	if l.ExpiresAt != nil && !l.ExpiresAt.After(at) {
		return 0
	}
	return min(points, n.owed)
}

func (n *naiveLedger) owes(points int64, at time.Time) {
	if points > 0 {
		n.owed, n.since = n.owed+points, at
	}
}

// debit takes points of lots that can be spent, in their order.
func (n *naiveLedger) debit(from []Portion, points int64, at time.Time) {
	sum := int64(0)
	for i, p := range from {
		l := n.lots[p.LotID]
		sum += p.Points
		n.check(p.Points > 0 && p.Points <= l.left, "%d of %+v are taken", p.Points, l)
		n.check(!l.AvailableAt.After(at) && (l.ExpiresAt == nil || l.ExpiresAt.After(at)), "%+v is not spendable at %s", l, at)
		l.left -= p.Points
		n.check(i == 0 || naiveOrder(n.lots[from[i-1].LotID], l) < 0, "%+v is taken out of order", l)
		for _, other := range n.lots { // what comes before it has nothing left
			spendable := other.left > 0 && !other.AvailableAt.After(at) && (other.ExpiresAt == nil || other.ExpiresAt.After(at))
			n.check(!spendable || naiveOrder(other, l) >= 0, "%+v is taken before %+v", l, other)
		}
	}
	n.check(sum == points, "%v is not %d", from, points)
}

func naiveOrder(a, b *naiveLot) int {
	never := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	end := func(l *naiveLot) time.Time {
		if l.ExpiresAt == nil {
			return never
		}
		return *l.ExpiresAt
	}
	return cmp.Or(end(a).Compare(end(b)), a.EarnedAt.Compare(b.EarnedAt), strings.Compare(a.LotID, b.LotID))
}

func (n *naiveLedger) unhold(hold string, from []Portion) {
	for _, p := range from {
		n.check(p.Points > 0 && n.holds[hold][p.LotID] >= p.Points, "%d of %s are not held by %s", p.Points, p.LotID, hold)
		n.holds[hold][p.LotID] -= p.Points
		n.lots[p.LotID].held -= p.Points
	}
}

// roll keeps rolling lots that have not lapsed, unless something later did already.
func (n *naiveLedger) roll(to *time.Time, at time.Time) {
	if to == nil || !to.After(n.rolls) {
		return
	}
	n.rolls = *to
	for _, l := range n.lots {
		if l.Rolling && l.ExpiresAt.After(at) && to.After(*l.ExpiresAt) {
			l.ExpiresAt = to
		}
	}
}

func portions(all []Portion) (points int64) {
	for _, p := range all {
		points += p.Points
	}
	return points
}

func byLot(from []Portion) map[string]int64 {
	m := map[string]int64{}
	for _, p := range from {
		m[p.LotID] += p.Points
	}
	return m
}

func (n *naiveLedger) event(event Event) {
	paid, said := int64(0), int64(0)
	switch e := event.(type) {
	case PointsEarned:
		paid, said = n.credit(e.Lot, e.Lot.Points, e.BookedAt), e.DeficitPaid
		n.credits += e.Lot.Points
		n.roll(e.RollsTo, e.BookedAt)
	case PointsGranted:
		paid, said = n.credit(e.Lot, e.Lot.Points, e.GrantedAt), e.DeficitPaid
		n.credits += e.Lot.Points
	case PointsTransferredIn:
		for _, l := range e.Lots {
			paid += n.credit(l, l.Points, e.TransferredAt)
		}
		said = e.DeficitPaid
		n.credits += e.Points
	case PointsAdjusted:
		if e.Lot != nil {
			paid, said = n.credit(*e.Lot, e.Points, e.AdjustedAt), e.DeficitPaid
			n.credits += e.Points
		} else {
			n.debit(e.From, -e.Points-e.Deficit, e.AdjustedAt)
			n.owes(e.Deficit, e.AdjustedAt)
			n.debits -= e.Points
		}
	case PointsActivated:
		l := n.lots[e.LotID]
		paid, said = n.pays(l.Lot, l.left, l.AvailableAt), e.DeficitPaid
		n.check(e.Points == l.left && !e.ActivatedAt.Before(l.AvailableAt), "%+v becomes spendable by %+v", l, e)
		n.owed -= paid
		l.left -= paid
	case PointsExpired:
		l := n.lots[e.LotID]
		n.check(e.Points == l.left && e.Points > 0 && l.ExpiresAt != nil && !e.ExpiredAt.Before(*l.ExpiresAt), "%+v expires by %+v", l, e)
		l.left = 0
		n.debits += e.Points
	case ExpiryExtended:
		for _, id := range e.Lots {
			to := e.To
			n.lots[id].ExpiresAt = &to
		}
	case PointsHeld:
		n.debit(e.From, e.Points, e.HeldAt)
		n.holds[e.HoldID], n.ends[e.HoldID] = byLot(e.From), e.ExpiresAt
		for _, p := range e.From {
			n.lots[p.LotID].held += p.Points
		}
	case HoldReleased:
		n.unhold(e.HoldID, e.Returned)
		n.unhold(e.HoldID, e.Lapsed)
		n.check(portions(e.Returned)+portions(e.Lapsed) == e.Points, "%+v does not add up", e)
		for _, p := range e.Returned {
			paid += n.credit(n.lots[p.LotID].Lot, p.Points, e.ReleasedAt)
		}
		for _, p := range e.Lapsed {
			end := n.lots[p.LotID].ExpiresAt
			n.check(end != nil && !end.After(e.ReleasedAt), "%s has not lapsed by %+v", p.LotID, e)
		}
		said = e.DeficitPaid
		n.debits += portions(e.Lapsed)
	case HoldCaptured:
		n.unhold(e.HoldID, e.From)
		n.check(n.ends[e.HoldID].After(e.CapturedAt) && portions(e.From) == e.Points, "%+v", e)
		n.spent[e.RedemptionID] = byLot(e.From)
		n.debits += e.Points
		n.roll(e.RollsTo, e.CapturedAt)
	case PointsTransferredOut:
		n.unhold(e.HoldID, e.From)
		n.debits += e.Points
	case PointsRedeemed:
		n.debit(e.From, e.Points, e.RedeemedAt)
		n.spent[e.RedemptionID] = byLot(e.From)
		n.debits += e.Points
		n.roll(e.RollsTo, e.RedeemedAt)
	case RedemptionReversed:
		back := portions(e.Lapsed)
		for _, p := range e.Lapsed {
			n.spent[e.RedemptionID][p.LotID] -= p.Points
			n.check(!n.lots[p.LotID].ExpiresAt.After(e.ReversedAt), "%s has not lapsed", p.LotID)
		}
		for _, x := range e.Restored {
			l, is := n.lots[x.LotID], x.Lot
			same := l.ExpiresAt == nil && is.ExpiresAt == nil || l.ExpiresAt != nil && is.ExpiresAt != nil && l.ExpiresAt.Equal(*is.ExpiresAt)
			n.check(x.Grace || same && is.LotID == x.LotID, "%+v comes back as %+v", l, is)
			n.spent[e.RedemptionID][x.LotID] -= x.Points
			n.check(n.spent[e.RedemptionID][x.LotID] >= 0, "more of %s comes back than was spent", x.LotID)
			paid += n.credit(is, x.Points, e.ReversedAt)
			n.credits += x.Points
			back += x.Points
		}
		said = e.DeficitPaid
		n.check(back == e.Points, "%+v does not add up", e)
	case PointsEarnReversed:
		own := e.From
		if len(own) > 0 && own[0].LotID == e.LotID { // it comes first, wherever it stands, and pending or not
			n.lots[e.LotID].left -= own[0].Points
			own = own[1:]
		}
		n.debit(own, portions(own), e.ReversedAt)
		n.check(portions(e.From)+e.Lapsed+e.Deficit+e.Waived == e.Points, "%+v does not add up", e)
		n.owes(e.Deficit, e.ReversedAt)
		n.debits += portions(e.From) + e.Deficit
	case PointsForfeited:
		for _, p := range e.From {
			n.check(n.lots[p.LotID].left == p.Points, "%+v forfeits %+v", e, n.lots[p.LotID])
			n.lots[p.LotID].left = 0
		}
		n.check(portions(e.From) == e.Points, "%+v does not add up", e)
		n.debits += e.Points
	}
	n.check(paid == said, "%d pay what is owed, not %d, by %+v", paid, said, event)
}

// spendable returns what can be spent at a time: invariant 1.
func (n *naiveLedger) spendable(at time.Time) (points int64) {
	for _, l := range n.lots {
		if !l.AvailableAt.After(at) && (l.ExpiresAt == nil || l.ExpiresAt.After(at)) {
			points += l.left
		}
	}
	return points
}

// all returns everything that there is, as far as it is booked.
func (n *naiveLedger) all() (left, held int64) {
	for _, l := range n.lots {
		n.check(l.left >= 0 && l.held >= 0, "%+v is below 0", l)
		left += l.left
		held += l.held
	}
	return left, held
}

// open returns the lots of which something is left, in their order.
func (n *naiveLedger) open() (lots []*naiveLot) {
	for _, l := range n.lots {
		if l.left != 0 {
			lots = append(lots, l)
		}
	}
	slices.SortFunc(lots, naiveOrder)
	return lots
}
