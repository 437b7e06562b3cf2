package customer

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

// booker books movements of points, one after the other, and collects the events.
// Before anything else it books what fell due: so no decision depends on whether
// that was done in time.
type booker struct {
	domain.Subject
	Account                   // as far as booked; it is the booker's own
	erased   bool             // the customer was
	ledger   *ledger          // the state's: as of before the first event
	lapsed   map[string]int64 // of a lot, since then
	now      time.Time        // of the decision
	programs []loyalty.Version
	ladders  []tier.Version
	reason   string  // what somebody said of it, kept with what is reversed
	due      []Event // what was due when the decision is made
	events   []Event
}

// newBooker returns a booker that has booked what was due when it is decided on a
// fact, which may be older; without a fact, now.
func newBooker(of domain.Subject, known world.Known, s State, fact time.Time) *booker {
	b := &booker{Subject: of, Account: s.Loyalty.clone(), erased: s.Erased, ledger: &s.ledger, now: decidedAt(of, known, fact)}
	if known.World != nil {
		b.programs, b.ladders = known.World.Policies.Loyalties(), known.World.Policies.Tiers()
	}
	if b.now.Before(b.Clock) {
		b.now = b.Clock
	}
	b.now = b.now.UTC()
	b.elapse(b.now)
	b.due = b.taken()
	return b
}

// decidedAt returns when a decision on a fact is made: now, unless a past is lived
// through as it is told.
func decidedAt(of domain.Subject, known world.Known, fact time.Time) time.Time {
	if !fact.IsZero() && (of.Latest.IsZero() && (known.World == nil || known.World.Closed == nil) || fact.After(of.Now)) {
		return fact
	}
	return of.Now
}

// At returns the account as of an instant, with what fell due since it was booked.
// Of what is later it knows as much as a does.
func (a *Account) At(t time.Time, zone *time.Location, policies policy.Set) Account {
	return a.elapsed(t, zone, policies).Account
}

// Due returns the events that would book what fell due up to an instant and is not
// booked, in the order in which it did.
func (a *Account) Due(t time.Time, zone *time.Location, policies policy.Set) []Event {
	return a.elapsed(t, zone, policies).taken()
}

func (a *Account) elapsed(t time.Time, zone *time.Location, policies policy.Set) *booker {
	b := &booker{
		Subject: domain.Subject{Now: t, Zone: zone}, Account: a.clone(), ledger: new(ledger), now: t,
		programs: policies.Loyalties(), ladders: policies.Tiers(),
	}
	b.elapse(t)
	return b
}

// NextDue returns when the next thing falls due that time alone does: a lot becomes
// spendable or lapses, a hold ends, a tier is over. false: nothing will.
func (a *Account) NextDue() (at time.Time, ok bool) {
	d, ok := a.nextDue(true)
	return d.at, ok
}

// book folds an event and collects it.
func (b *booker) book(e Event) {
	switch e := e.(type) {
	case PointsExpired:
		b.lapse(Portion{e.LotID, e.Points})
	case PointsForfeited:
		b.lapse(e.From...)
	case HoldReleased:
		b.lapse(e.Lapsed...)
	case RedemptionReversed:
		b.lapse(e.Lapsed...)
	}
	b.Account.Fold(Record{Event: e})
	b.events = append(b.events, e)
}

func (b *booker) lapse(portions ...Portion) {
	for _, p := range portions {
		lot := b.ledger.origin(p.LotID)
		set(&b.lapsed, lot, b.lapsed[lot]+p.Points)
	}
}

// taken returns the events booked so far, and begins anew.
func (b *booker) taken() []Event {
	events := b.events
	b.events = nil
	return events
}

func (b *booker) zone() *time.Location {
	if b.Zone == nil {
		return time.UTC
	}
	return b.Zone
}

func (b *booker) today() domain.Date { return domain.DateOf(b.now, b.zone()) }

// start returns the first instant of a business date, nil for none.
func (b *booker) start(d *domain.Date) *time.Time {
	if d == nil {
		return nil
	}
	return new(d.Start(b.zone()).UTC())
}

// program returns the programme in force on a business date.
func (b *booker) program(on domain.Date) (loyalty.Version, bool) { return loyalty.On(b.programs, on) }

// due is something that falls due.
type due struct {
	at   time.Time
	rank int // of what falls due at the same instant
	id   string
}

const (
	dueActivation = iota
	dueHold
	dueExpiry
	dueTier
)

// nextDue returns what falls due next. Of what is the same in time, lots become
// spendable first, then holds end, then lots lapse, then tiers are over.
func (a *Account) nextDue(ladder bool) (next due, ok bool) {
	earlier := func(d due) {
		if !ok || cmp.Or(d.at.Compare(next.at), cmp.Compare(d.rank, next.rank)) < 0 {
			next, ok = d, true
		}
	}
	for i := range a.Lots { // in the order in which they lapse
		switch l := &a.Lots[i]; {
		case l.Pending:
			earlier(due{l.AvailableAt, dueActivation, l.LotID})
			if l.ExpiresAt != nil {
				earlier(due{*l.ExpiresAt, dueExpiry, l.LotID})
			}
		case l.ExpiresAt != nil:
			earlier(due{*l.ExpiresAt, dueExpiry, l.LotID})
		}
	}
	for i := range a.Holds {
		if h := &a.Holds[i]; h.ExpiresAt != nil {
			earlier(due{*h.ExpiresAt, dueHold, h.HoldID})
		}
	}
	if a.Tier.ValidUntil != nil && ladder && a.Joined {
		earlier(due{*a.Tier.ValidUntil, dueTier, ""})
	}
	return next, ok
}

// elapse books everything that falls due up to an instant, at the instants at which
// it does.
func (b *booker) elapse(until time.Time) {
	for {
		d, ok := b.nextDue(len(b.ladders) > 0)
		if !ok || d.at.After(until) {
			return
		}
		switch d.rank {
		case dueActivation:
			b.activate(d.id, d.at)
		case dueHold:
			h := b.Hold(d.id)
			b.giveBack(h, whole(h), ReleaseExpired, d.at)
		case dueExpiry:
			b.book(PointsExpired{LotID: d.id, Points: b.Lot(d.id).Remaining, ExpiredAt: d.at})
		case dueTier:
			b.periodEnd(d.at)
		}
	}
}

func (b *booker) activate(lot string, at time.Time) {
	l := b.Lot(lot)
	e := PointsActivated{LotID: lot, Points: l.Remaining, ActivatedAt: at}
	e.DeficitPaid, e.ActivatedAt = b.pays(&l.Lot, l.Remaining, at)
	b.book(e)
}

// pays returns how much of points of a lot that become spendable pays what is owed,
// and when: not before it was owed. What had lapsed by then pays nothing.
func (b *booker) pays(l *Lot, points int64, at time.Time) (paid int64, when time.Time) {
	when = at
	if when.Before(b.OwedSince) {
		when = b.OwedSince
	}
	if paid = b.owed(points); paid == 0 || l.ExpiresAt != nil && !l.ExpiresAt.After(when) {
		return 0, at
	}
	return paid, when
}

// owed returns how much of a credit pays what is owed.
func (b *booker) owed(points int64) int64 { return max(0, min(points, b.Deficit)) }

// allocate names points of lots in the order in which they are spent, as far as
// there are any. skip names a lot that is passed over.
func (b *booker) allocate(points int64, skip string) (from []Portion, missing int64) {
	for i := range b.Lots {
		if points == 0 {
			break
		}
		if l := &b.Lots[i]; !l.Pending && l.LotID != skip {
			n := min(points, l.Remaining)
			from = append(from, Portion{l.LotID, n})
			points -= n
		}
	}
	return from, points
}

// whole is everything that is held.
func whole(h *Hold) (all []Portion) {
	for _, l := range h.From {
		all = append(all, Portion{l.Lot.LotID, l.Points})
	}
	return all
}

// giveBack releases held points. Those whose lot has lapsed meanwhile lapse.
func (b *booker) giveBack(h *Hold, points []Portion, cause string, at time.Time) {
	e := HoldReleased{HoldID: h.HoldID, Cause: cause, ReleasedAt: at}
	for _, p := range points {
		e.Points += p.Points
		if l := h.lots([]Portion{p})[0].Lot; l.ExpiresAt != nil && !l.ExpiresAt.After(at) {
			e.Lapsed = append(e.Lapsed, p)
		} else {
			e.Returned = append(e.Returned, p)
		}
	}
	e.DeficitPaid = b.owed(sum(e.Returned))
	b.book(e)
}

// newLot returns a lot that a programme gives for something of a business date.
func (b *booker) newLot(p *loyalty.Policy, source LotSource, points int64, on domain.Date, at time.Time, pending int) Lot {
	l := Lot{
		LotID: source.key(), Points: points, EarnedAt: at.UTC(), AvailableAt: at.UTC(), Source: source,
		ExpiresAt: b.start(p.Expiry.Lapses(on)), Rolling: p.Expiry.Kind == loyalty.Inactivity,
	}
	if source.Rule != "" {
		l.LotID += ":" + source.Rule
	}
	if pending > 0 {
		available := on + domain.Date(pending)
		if start := *b.start(&available); start.After(l.AvailableAt) { // the date may be that of another zone
			l.AvailableAt = start
		}
	}
	b.runs(&l)
	return l
}

// rolls returns when rolling lots lapse after something that a customer did.
func (b *booker) rolls(p *loyalty.Policy, at time.Time) *time.Time {
	if p.Expiry.Kind != loyalty.Inactivity {
		return nil
	}
	return b.start(p.Expiry.Lapses(domain.DateOf(at, b.zone())))
}

// membership says whether somebody is a member at a time, or becomes one by an order.
func (b *booker) membership(p *loyalty.Policy, o *Order) (joins *ProgramJoined, ok bool) {
	switch {
	case b.Joined && !o.PlacedAt.Before(b.JoinedAt):
		return nil, true
	case p.Enrolment != loyalty.FirstOrder || b.erased || b.Ever && !b.Joined || o.PlacedAt.Before(b.LeftAt):
		return nil, false
	}
	return &ProgramJoined{Trigger: TriggerFirstOrder, OrderID: o.OrderID, JoinedAt: o.PlacedAt}, true
}

// convertible refuses an order that the programme cannot count.
func (b *booker) convertible(o *Order) error {
	v, ok := b.program(o.PlacedOn)
	if !ok {
		return nil
	}
	if _, member := b.membership(v.Policy, o); !member {
		return nil
	}
	return v.Policy.CanConvert(o.purchase())
}

// qualifies returns what an order adds to the tier once it is paid.
func (b *booker) qualifies(o *Order) *Qualifying {
	v, ok := b.program(o.PlacedOn)
	if !ok {
		return nil
	}
	if _, member := b.membership(v.Policy, o); !member {
		return nil
	}
	return &Qualifying{On: o.PlacedOn, SpendMinor: v.Policy.Spend(o.purchase(), 0), Orders: 1}
}

// earn books what the programme of the day of its placing gives for an order that
// was paid.
func (b *booker) earn(s State, o *Order, paidAt time.Time) error {
	v, ok := b.program(o.PlacedOn)
	if !ok {
		return nil
	}
	joins, member := b.membership(v.Policy, o)
	if !member {
		return nil
	}
	level := b.level()
	shopper := loyalty.Shopper{Tier: level, Tags: s.Tags, Type: s.Classification.Type, Net: b.net}
	awards, err := v.Policy.Award(o.purchase(), shopper)
	if err != nil {
		return err
	}
	if joins != nil {
		b.book(*joins)
	}
	for _, a := range awards {
		source := LotSource{LotOrder, o.OrderID, a.Rule}
		e := PointsEarned{
			Lot: b.newLot(v.Policy, source, a.Points, o.PlacedOn, o.PlacedAt, v.Policy.PendingDays), Inputs: a.Inputs,
			Remainder: a.Remainder, Expiry: v.Policy.Expiry, PlacedOn: o.PlacedOn, Tier: level, PolicyVersion: v.Version,
			RollsTo: b.rolls(v.Policy, paidAt), BookedAt: paidAt.UTC(),
		}
		b.bookEarned(e)
	}
	b.assess(TierCause{Type: TierOrder, OrderID: o.OrderID}, nil)
	return nil
}

// bookEarned books points that a rule gave, and what has become of them since. A
// rolling lot lapses when what the customer did for it lets it.
func (b *booker) bookEarned(e PointsEarned) {
	if e.RollsTo != nil {
		e.Lot.roll(*e.RollsTo, e.BookedAt)
		b.runs(&e.Lot)
	}
	if !e.Lot.AvailableAt.After(e.BookedAt) {
		e.DeficitPaid, e.BookedAt = b.pays(&e.Lot, e.Lot.Points, e.BookedAt)
	}
	if end := e.Lot.ExpiresAt; end != nil && !end.After(e.BookedAt) { // it was paid too late
		b.book(e)
		b.book(PointsExpired{LotID: e.Lot.LotID, Points: e.Lot.Points, ExpiredAt: e.BookedAt})
		return
	}
	b.book(e)
	b.elapse(b.now)
}

// net returns what orders of a range of dates gave, net of what was taken back.
func (b *booker) net(from, to domain.Date) int64 {
	return (&tier.Policy{Measure: tier.Points}).Sum(b.Days, from, to)
}

// refunded books what becomes of the points of an order of which money went back.
// o is the order with the refund; beside is what gave points with it that go now
// that nothing is left of it.
func (b *booker) refunded(o *Order, cause ReversalCause, beside ...LotSource) {
	v, ok := b.program(b.today())
	if !ok {
		if v, ok = b.program(o.PlacedOn); !ok {
			return
		}
	}
	// What comes back is there to be taken back.
	for _, id := range b.ledger.spentOn[o.OrderID] {
		r := b.ledger.redemptions[id]
		if points := b.comesBack(v.Policy, o, r); points > 0 {
			b.reverseRedemption(v, r, points, cause)
		}
	}
	for _, x := range b.ledger.earns[LotSource{Kind: LotOrder, Ref: o.OrderID}.key()] {
		left := o.remaining(x.Inputs)
		kept, _ := x.Inputs.Award(left)
		b.takeBack(v, x, x.kept-kept, left.RatString(), cause)
	}
	for _, source := range beside {
		for _, x := range b.ledger.earns[source.key()] {
			b.takeBack(v, x, x.kept, "0", cause)
		}
	}
	b.vacate()
	why := TierCause{Type: TierRefund, OrderID: o.OrderID, RefundID: cause.RefundID}
	if cause.Type == ReversalCancelled {
		why.Type = TierCancelled
	}
	b.assess(why, &o.PlacedOn)
}

// takeBack takes points back that a rule gave: from their lot, and where that does
// not reach, as the programme says.
func (b *booker) takeBack(v loyalty.Version, x *earn, points int64, remaining string, cause ReversalCause) {
	if points <= 0 {
		return
	}
	e := PointsEarnReversed{
		Source: x.Lot.Source, LotID: x.Lot.LotID, Points: points, Kept: x.kept - points, Remaining: remaining,
		PlacedOn: x.PlacedOn, Cause: cause, Reason: b.reason, PolicyVersion: v.Version, ReversedAt: b.now,
	}
	own := b.Lot(x.Lot.LotID)
	if v.Policy.Reversal.Earn == loyalty.OnlyPending && (own == nil || !own.Pending) {
		b.book(EarnReversalDeclined{
			Source: e.Source, LotID: e.LotID, Points: points, Cause: cause, Reason: b.reason, PolicyVersion: v.Version, DeclinedAt: b.now,
		})
		return
	}
	left := points
	if own != nil {
		n := min(left, own.Remaining)
		e.From = append(e.From, Portion{own.LotID, n})
		left -= n
	}
	e.Lapsed = min(left, max(0, b.ledger.lapsed[x.Lot.LotID]+b.lapsed[x.Lot.LotID]-x.lapsed))
	left -= e.Lapsed
	if v.Policy.Reversal.Earn == loyalty.OnlyPending {
		e.Waived, left = left, 0
	}
	from, missing := b.allocate(left, x.Lot.LotID)
	e.From = append(e.From, from...)
	if v.Policy.Reversal.Earn == loyalty.Clamp || b.erased { // nobody is there any more who could pay
		e.Waived = missing
	} else {
		e.Deficit = missing
	}
	b.book(e)
}

// comesBack returns how many points of a redemption come back now that money of its
// order went back.
func (b *booker) comesBack(p *loyalty.Policy, o *Order, r *redemption) int64 {
	gone := o.Cancelled || o.Refunded >= o.Total.AmountMinor
	switch {
	case p.Reversal.Redemptions == loyalty.Keep, !gone && p.Reversal.Redemptions == loyalty.FullOnly:
		return 0
	case gone:
		return r.Points - r.reversed
	}
	// What had gone back when the points were spent was not paid with them.
	share := new(big.Rat).SetFrac64(o.Refunded-r.refunded, o.Total.AmountMinor-r.refunded)
	share.Mul(share, new(big.Rat).SetInt64(r.Points))
	whole := new(big.Int).Quo(share.Num(), share.Denom())
	return whole.Int64() - r.reversed
}

// reverseRedemption gives spent points back to their lots: those that were taken
// last first.
func (b *booker) reverseRedemption(v loyalty.Version, r *redemption, points int64, cause ReversalCause) {
	e := RedemptionReversed{
		RedemptionID: r.RedemptionID, Points: points, Cause: cause, Reason: b.reason, PolicyVersion: v.Version, ReversedAt: b.now,
	}
	for _, held := range slices.Backward(r.left) {
		n := min(points, held.Points)
		if n == 0 {
			continue
		}
		points -= n
		x := Restored{LotID: held.Lot.LotID, Points: n, Lot: b.lotNow(held.Lot)}
		switch end := x.Lot.ExpiresAt; {
		case end == nil || end.After(b.now):
			e.Restored = append(e.Restored, x)
		case v.Policy.Reversal.GraceDays > 0:
			until := b.today() + domain.Date(v.Policy.Reversal.GraceDays)
			// One for each end: what comes back later has a grace of its own.
			x.Lot.LotID = "grace:" + r.RedemptionID + ":" + until.String() + ":" + x.LotID
			x.Lot.ExpiresAt, x.Lot.Rolling, x.Grace = b.start(&until), false, true
			x.Lot.Points = n
			e.Restored = append(e.Restored, x)
		default:
			e.Lapsed = append(e.Lapsed, Portion{x.LotID, n})
		}
	}
	slices.SortStableFunc(e.Restored, func(x, y Restored) int { return bySpending(x.Lot, y.Lot) })
	total := int64(0)
	for _, x := range e.Restored {
		total += x.Points
	}
	e.DeficitPaid = b.owed(total)
	b.book(e)
}

// lotNow returns a lot that may be spent with the end that it has now.
func (b *booker) lotNow(l Lot) Lot {
	if is := b.there(l.LotID); is != nil {
		return *is
	}
	return l
}

// there returns a lot of which something is left or held, nil if nothing is.
func (b *booker) there(id string) *Lot {
	if l := b.Lot(id); l != nil {
		return &l.Lot
	}
	for i := range b.Holds {
		for n := range b.Holds[i].From {
			if held := &b.Holds[i].From[n]; held.Lot.LotID == id {
				return &held.Lot
			}
		}
	}
	return nil
}

// forfeit books the loss of everything that is not held.
func (b *booker) forfeit(cause string) {
	e := PointsForfeited{Cause: cause, ForfeitedAt: b.now}
	for _, l := range b.Lots {
		e.From = append(e.From, Portion{l.LotID, l.Remaining})
		e.Points += l.Remaining
	}
	if e.Points > 0 {
		b.book(e)
	}
}

// erase books the end of an account: what is held comes back, but for transfers on
// their way, and everything is forfeited.
func (b *booker) erase() {
	for _, h := range b.clone().Holds {
		if h.Transfer == uuid.Nil {
			b.giveBack(&h, whole(&h), ReleaseErased, b.now)
		}
	}
	b.forfeit(ForfeitErased)
}
