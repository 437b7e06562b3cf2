package customer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/tier"
)

// Account is what a member of the loyalty programme has: the lots that are not
// spent, what is held of them, what is owed, and the tier. It is as of the last
// event; what fell due since is not in it: At is.
type Account struct {
	Joined    bool         `json:"member,omitempty"` // now
	Ever      bool         `json:"ever,omitempty"`   // is or was a member
	JoinedAt  time.Time    `json:"joined_at,omitzero"`
	LeftAt    time.Time    `json:"last_left_at,omitzero"`
	Lots      []OpenLot    `json:"lots,omitempty"`  // in the order in which they are spent
	Holds     []Hold       `json:"holds,omitempty"` // as they came
	Deficit   int64        `json:"deficit,omitempty"`
	OwedSince time.Time    `json:"owed_since,omitzero"` // the last debit that was not covered
	Sums      Sums         `json:"sums,omitzero"`
	Tier      TierStanding `json:"tier,omitzero"`
	// Days is what qualified on which business date, net, ascending.
	Days []tier.Day `json:"qualifying_days,omitempty"`
	// Clock is the latest moment at which anything was decided or fell due and was
	// booked: nothing is decided before it.
	Clock        time.Time  `json:"clock,omitzero"`
	LastActivity time.Time  `json:"last_activity,omitzero"` // the last earning or redemption
	RollsTo      *time.Time `json:"rolls_to,omitempty"`     // when rolling lots lapse
	RollsSince   time.Time  `json:"rolls_since,omitzero"`   // what had lapsed by then lapsed: nothing had kept it
	Proposals    []Proposal `json:"proposals,omitempty"`    // that wait for an approval, as they came
}

// OpenLot is what is left of a lot.
type OpenLot struct {
	Lot
	Remaining int64 `json:"remaining"` // without what is held
	Pending   bool  `json:"pending,omitempty"`
}

// Hold is points that were set aside.
type Hold struct {
	HoldID    string     `json:"hold_id"`
	Points    int64      `json:"points"`
	From      []HeldLot  `json:"from"`
	Transfer  uuid.UUID  `json:"transfer,omitzero"`
	HeldAt    time.Time  `json:"held_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// HeldLot is points of a lot that are held, and the lot.
type HeldLot struct {
	Points int64 `json:"points"`
	Lot    Lot   `json:"lot"`
}

// Proposal is points that wait for an approval.
type Proposal struct {
	ProposalID string       `json:"proposal_id"`
	Kind       string       `json:"kind"`
	Points     int64        `json:"points"`
	ProposedBy domain.Actor `json:"proposed_by"`
	ProposedAt time.Time    `json:"proposed_at"`
}

// Sums is all that was ever credited and debited. Credits less debits are what
// there is: spendable, held and pending points less the deficit.
type Sums struct {
	Earned         int64 `json:"earned,omitempty"`
	Granted        int64 `json:"granted,omitempty"`
	TransferredIn  int64 `json:"transferred_in,omitempty"`
	Restored       int64 `json:"restored,omitempty"`
	AdjustedUp     int64 `json:"adjusted_up,omitempty"`
	Redeemed       int64 `json:"redeemed,omitempty"`
	Expired        int64 `json:"expired,omitempty"`
	Reversed       int64 `json:"reversed,omitempty"`
	Forfeited      int64 `json:"forfeited,omitempty"`
	TransferredOut int64 `json:"transferred_out,omitempty"`
	AdjustedDown   int64 `json:"adjusted_down,omitempty"`
}

// Net is credits less debits.
func (s Sums) Net() int64 {
	return s.Earned + s.Granted + s.TransferredIn + s.Restored + s.AdjustedUp -
		s.Redeemed - s.Expired - s.Reversed - s.Forfeited - s.TransferredOut - s.AdjustedDown
}

// TierStanding is the level of a member, and why.
type TierStanding struct {
	Level      string      `json:"level,omitempty"` // empty: the base level of the ladder
	Since      time.Time   `json:"since,omitzero"`
	ValidUntil *time.Time  `json:"valid_until,omitempty"` // absent: for good
	Evaluation *Evaluation `json:"evaluation,omitempty"`  // absent: none yet, or it was overridden
	EventID    uuid.UUID   `json:"event_id,omitzero"`     // that says so
	// Override is what an override replaced.
	Override *Overridden `json:"override,omitempty"`
}

// Overridden is the level that a member had before an override.
type Overridden struct {
	Level      string      `json:"level,omitempty"`
	ValidUntil *time.Time  `json:"valid_until,omitempty"`
	Evaluation *Evaluation `json:"evaluation,omitempty"`
}

// Balance is a balance in points.
type Balance struct {
	Spendable int64 `json:"spendable"`
	Pending   int64 `json:"pending"` // not spendable yet
	Held      int64 `json:"held"`
	Deficit   int64 `json:"deficit"` // owed: the next credits pay it first
}

// Balance returns what there is, as far as it is booked.
func (a *Account) Balance() Balance {
	b := Balance{Deficit: max(0, a.Deficit)}
	for i := range a.Lots {
		if l := &a.Lots[i]; l.Pending {
			b.Pending += l.Remaining
		} else {
			b.Spendable += l.Remaining
		}
	}
	for i := range a.Holds {
		b.Held += a.Holds[i].Points
	}
	b.Spendable -= min(0, a.Deficit) // a past that does not know of the debit that a credit paid
	return b
}

// Hold finds a hold.
func (a *Account) Hold(id string) *Hold {
	for i := range a.Holds {
		if a.Holds[i].HoldID == id {
			return &a.Holds[i]
		}
	}
	return nil
}

// Lot finds a lot of which something is left.
func (a *Account) Lot(id string) *OpenLot {
	for i := range a.Lots {
		if a.Lots[i].LotID == id {
			return &a.Lots[i]
		}
	}
	return nil
}

// clone returns an account that goes its own way from here.
func (a *Account) clone() Account {
	c := *a
	c.Lots = slices.Clone(a.Lots)
	c.Holds = slices.Clone(a.Holds)
	for i := range c.Holds {
		c.Holds[i].From = slices.Clone(c.Holds[i].From)
	}
	c.Days = slices.Clone(a.Days)
	c.Proposals = slices.Clone(a.Proposals)
	return c
}

// Fold brings it up to date with an event.
func (a *Account) Fold(r Record) {
	switch e := r.Event.(type) {
	case ProgramJoined:
		if !a.Joined || e.JoinedAt.Before(a.JoinedAt) {
			a.JoinedAt = e.JoinedAt
		}
		a.Joined, a.Ever = true, true
	case ProgramLeft:
		a.Joined, a.LeftAt = false, e.LeftAt
		a.Tier = TierStanding{} // who comes back begins at the base
		a.tick(e.LeftAt)
	case OrderPaid:
		a.qualify(e.Qualifying, 1)
	case OrderCancelled:
		a.qualify(e.Qualifying, -1)
	case RefundRecorded:
		a.qualify(e.Qualifying, -1)
	case PointsEarned:
		a.credit(e.Lot, e.Lot.Points, e.DeficitPaid, e.BookedAt)
		a.Sums.Earned += e.Lot.Points
		if e.Lot.Source.Kind == LotOrder {
			a.day(e.PlacedOn).Points += e.Lot.Points
		}
		a.roll(e.RollsTo, e.BookedAt)
		a.active(e.BookedAt)
	case PointsGranted:
		a.credit(e.Lot, e.Lot.Points, e.DeficitPaid, e.GrantedAt)
		a.Sums.Granted += e.Lot.Points
	case PointsActivated:
		if l := a.Lot(e.LotID); l != nil {
			l.Pending = false
			l.Remaining -= e.DeficitPaid
		}
		a.Deficit -= e.DeficitPaid
		a.sweep()
		a.tick(e.ActivatedAt)
	case PointsExpired:
		a.debit([]Portion{{e.LotID, e.Points}})
		a.Sums.Expired += e.Points
		a.tick(e.ExpiredAt)
	case ExpiryExtended:
		a.extend(e)
	case PointsForfeited:
		a.debit(e.From)
		a.Sums.Forfeited += e.Points
		a.tick(e.ForfeitedAt)
	case PointsEarnReversed:
		a.reverse(e)
	case PointsAdjusted:
		a.adjust(e)
	case PointsProposed:
		a.Proposals = append(a.Proposals, Proposal{e.ProposalID, e.Kind, e.Points, e.ProposedBy, e.ProposedAt})
	case ProposalRejected:
		a.settled(e.ProposalID)
	case PersonalDataErased:
		a.Joined = false
		a.Proposals = nil
	default:
		a.foldSpending(r)
		a.Tier.fold(r, a)
		return
	}
	if e, ok := r.Event.(PointsGranted); ok && e.Lot.Source.Kind == LotBonus {
		a.settled(e.Lot.Source.Ref)
	}
}

// foldSpending is Fold of what is held, spent, given back and given away.
func (a *Account) foldSpending(r Record) {
	switch e := r.Event.(type) {
	case PointsHeld:
		h := Hold{HoldID: e.HoldID, From: make([]HeldLot, 0, len(e.From)), Transfer: e.Transfer, HeldAt: e.HeldAt, ExpiresAt: e.ExpiresAt}
		for _, p := range e.From {
			if l := a.Lot(p.LotID); l != nil {
				h.From = append(h.From, HeldLot{p.Points, l.Lot})
				h.Points += p.Points // all of e.Points, but for a past that does not know of a lot
			}
		}
		a.debit(e.From)
		a.Holds = append(a.Holds, h)
		a.tick(e.HeldAt)
	case HoldReleased:
		a.release(e)
	case HoldCaptured:
		a.unhold(e.HoldID, e.From)
		a.Sums.Redeemed += e.Points
		a.roll(e.RollsTo, e.CapturedAt)
		a.active(e.CapturedAt)
		a.tick(e.CapturedAt)
	case PointsTransferredOut:
		a.unhold(e.HoldID, e.From)
		a.Sums.TransferredOut += e.Points
		a.tick(e.TransferredAt)
	case PointsRedeemed:
		a.debit(e.From)
		a.Sums.Redeemed += e.Points
		a.roll(e.RollsTo, e.RedeemedAt)
		a.active(e.RedeemedAt)
		a.tick(e.RedeemedAt)
	case RedemptionReversed:
		paid := e.DeficitPaid
		for _, x := range e.Restored {
			share := min(paid, x.Points)
			a.put(x.Lot, x.Points-share, false)
			a.Sums.Restored += x.Points
			paid -= share
		}
		a.Deficit -= e.DeficitPaid
		a.tick(e.ReversedAt)
	case PointsTransferredIn:
		paid := e.DeficitPaid
		for _, l := range e.Lots {
			share := int64(0)
			if !l.AvailableAt.After(e.TransferredAt) && (l.ExpiresAt == nil || l.ExpiresAt.After(e.TransferredAt)) {
				share = min(paid, l.Points)
			}
			a.put(l, l.Points-share, l.AvailableAt.After(e.TransferredAt))
			paid -= share
		}
		a.Deficit -= e.DeficitPaid
		a.Sums.TransferredIn += e.Points
		a.tick(e.TransferredAt)
	}
}

// credit adds a lot, of which a share pays what is owed.
func (a *Account) credit(l Lot, points, paid int64, at time.Time) {
	a.put(l, points-paid, l.AvailableAt.After(at))
	a.Deficit -= paid
	a.tick(at)
}

// put adds points to a lot, which need not be there.
func (a *Account) put(l Lot, points int64, pending bool) {
	if points == 0 {
		return
	}
	if is := a.Lot(l.LotID); is != nil {
		is.Remaining += points
		return
	}
	at, _ := slices.BinarySearchFunc(a.Lots, l, func(is OpenLot, l Lot) int { return bySpending(is.Lot, l) })
	a.Lots = slices.Insert(a.Lots, at, OpenLot{l, points, pending})
}

// bySpending orders lots as they are spent: the earliest to lapse first, then the
// earliest earned, then by id.
func bySpending(a, b Lot) int {
	switch {
	case a.ExpiresAt == nil && b.ExpiresAt != nil:
		return 1
	case a.ExpiresAt != nil && b.ExpiresAt == nil:
		return -1
	case a.ExpiresAt != nil && !a.ExpiresAt.Equal(*b.ExpiresAt):
		return a.ExpiresAt.Compare(*b.ExpiresAt)
	}
	return cmp.Or(a.EarnedAt.Compare(b.EarnedAt), strings.Compare(a.LotID, b.LotID))
}

// debit takes points from lots.
func (a *Account) debit(from []Portion) {
	for _, p := range from {
		if l := a.Lot(p.LotID); l != nil {
			l.Remaining -= p.Points
		}
	}
	a.sweep()
}

// sweep drops the lots of which nothing is left.
func (a *Account) sweep() {
	a.Lots = slices.DeleteFunc(a.Lots, func(l OpenLot) bool { return l.Remaining == 0 })
	if len(a.Lots) == 0 {
		a.Lots = nil
	}
}

// unhold takes points off a hold, and drops a hold of which nothing is left.
func (a *Account) unhold(id string, from []Portion) (lots []HeldLot) {
	h := a.Hold(id)
	if h == nil {
		return nil
	}
	for _, p := range from {
		for i := range h.From {
			if held := &h.From[i]; held.Lot.LotID == p.LotID {
				lots = append(lots, HeldLot{p.Points, held.Lot})
				held.Points -= p.Points
				h.Points -= p.Points
				break
			}
		}
	}
	h.From = slices.DeleteFunc(h.From, func(l HeldLot) bool { return l.Points == 0 })
	if h.Points == 0 {
		if a.Holds = slices.DeleteFunc(a.Holds, func(h Hold) bool { return h.HoldID == id }); len(a.Holds) == 0 {
			a.Holds = nil
		}
	}
	return lots
}

func (a *Account) release(e HoldReleased) {
	a.unhold(e.HoldID, e.Lapsed)
	paid := e.DeficitPaid
	for _, back := range a.unhold(e.HoldID, e.Returned) {
		share := min(paid, back.Points)
		a.put(back.Lot, back.Points-share, false)
		paid -= share
	}
	for _, p := range e.Lapsed {
		a.Sums.Expired += p.Points
	}
	a.Deficit -= e.DeficitPaid
	a.tick(e.ReleasedAt)
}

func (a *Account) reverse(e PointsEarnReversed) {
	a.debit(e.From)
	a.owe(e.Deficit, e.ReversedAt)
	a.Sums.Reversed += sum(e.From) + e.Deficit
	if e.Source.Kind == LotOrder {
		a.day(e.PlacedOn).Points -= e.Points
	}
	a.tick(e.ReversedAt)
}

func (a *Account) adjust(e PointsAdjusted) {
	if e.Lot != nil {
		a.credit(*e.Lot, e.Points, e.DeficitPaid, e.AdjustedAt)
		a.Sums.AdjustedUp += e.Points
	} else {
		a.debit(e.From)
		a.owe(e.Deficit, e.AdjustedAt)
		a.Sums.AdjustedDown -= e.Points
	}
	a.settled(e.AdjustmentID)
	a.tick(e.AdjustedAt)
}

func (a *Account) owe(points int64, at time.Time) {
	if points > 0 {
		a.Deficit += points
		a.OwedSince = at
	}
}

// settled drops a proposal that was decided.
func (a *Account) settled(id string) {
	a.Proposals = slices.DeleteFunc(a.Proposals, func(p Proposal) bool { return p.ProposalID == id })
	if len(a.Proposals) == 0 {
		a.Proposals = nil
	}
}

// extend moves the end of lots, and of what is held of them.
func (a *Account) extend(e ExpiryExtended) {
	to := e.To
	a.reschedule(func(l *Lot) {
		if slices.Contains(e.Lots, l.LotID) {
			l.ExpiresAt = &to
		}
	})
	a.tick(e.ExtendedAt)
}

// roll moves the end of all rolling lots that had not lapsed at a time. It never
// comes nearer.
func (a *Account) roll(to *time.Time, at time.Time) {
	switch {
	case to == nil:
	case a.RollsTo == nil || !a.RollsTo.After(at), at.Before(a.RollsSince) && to.After(a.RollsSince):
		a.RollsSince = at
	}
	if !a.rolls(to) {
		return
	}
	end := *to
	a.RollsTo = &end
	a.reschedule(func(l *Lot) { l.roll(end, at) })
}

// rolls says whether the end of rolling lots moves.
func (a *Account) rolls(to *time.Time) bool {
	return to != nil && (a.RollsTo == nil || to.After(*a.RollsTo))
}

// runs lets a new lot lapse with the other rolling lots, unless it had lapsed before
// anything was done that keeps them.
func (a *Account) runs(l *Lot) {
	if l.Rolling && l.ExpiresAt != nil && a.RollsTo != nil && l.ExpiresAt.After(a.RollsSince) && a.RollsTo.After(*l.ExpiresAt) {
		l.ExpiresAt = a.RollsTo
	}
}

func (l *Lot) roll(end, at time.Time) {
	if l.Rolling && l.ExpiresAt != nil && l.ExpiresAt.Before(end) && l.ExpiresAt.After(at) {
		l.ExpiresAt = &end
	}
}

func (a *Account) reschedule(change func(*Lot)) {
	for i := range a.Lots {
		change(&a.Lots[i].Lot)
	}
	for i := range a.Holds {
		from := a.Holds[i].From
		for n := range from {
			change(&from[n].Lot)
		}
		slices.SortFunc(from, func(x, y HeldLot) int { return bySpending(x.Lot, y.Lot) })
	}
	slices.SortFunc(a.Lots, func(x, y OpenLot) int { return bySpending(x.Lot, y.Lot) })
}

// qualify counts what an order adds to the tier, or takes away.
func (a *Account) qualify(q *Qualifying, sign int64) {
	if q != nil {
		d := a.day(q.On)
		d.SpendMinor += sign * q.SpendMinor
		d.Orders += sign * q.Orders
	}
}

// day returns what qualified on a business date.
func (a *Account) day(on domain.Date) *tier.Day {
	i, found := slices.BinarySearchFunc(a.Days, on, func(d tier.Day, on domain.Date) int { return cmp.Compare(d.On, on) })
	if !found {
		a.Days = slices.Insert(a.Days, i, tier.Day{On: on})
	}
	return &a.Days[i]
}

func (a *Account) tick(at time.Time) {
	if at.After(a.Clock) {
		a.Clock = at
	}
}

func (a *Account) active(at time.Time) {
	if at.After(a.LastActivity) {
		a.LastActivity = at
	}
}

func (t *TierStanding) fold(r Record, a *Account) {
	switch e := r.Event.(type) {
	case TierUpgraded:
		*t = TierStanding{e.To, e.ChangedAt, e.ValidUntil, &e.Evaluation, r.ID, nil}
		a.tick(e.ChangedAt)
	case TierDowngraded:
		*t = TierStanding{e.To, e.ChangedAt, e.ValidUntil, &e.Evaluation, r.ID, nil}
		a.tick(e.ChangedAt)
	case TierRetained:
		*t = TierStanding{e.Tier, t.Since, e.ValidUntil, &e.Evaluation, r.ID, nil}
		a.tick(e.RetainedAt)
	case TierOverridden:
		before := &Overridden{t.Level, t.ValidUntil, t.Evaluation}
		if t.Override != nil {
			before = t.Override
		}
		until := e.Until
		*t = TierStanding{e.To, e.OverriddenAt, &until, nil, r.ID, before}
		a.tick(e.OverriddenAt)
	case TierOverrideLifted:
		a.tick(e.LiftedAt)
	}
}

// sum adds points up.
func sum(portions []Portion) (points int64) {
	for _, p := range portions {
		points += p.Points
	}
	return points
}
