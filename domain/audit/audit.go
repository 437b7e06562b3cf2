// Package audit checks the points of a customer from nothing but the events: it
// computes every lot, every hold, what is owed and the tier again, with rules of its
// own, and refuses the first event that cannot follow from those before it.
//
// Whoever writes an event by hand and computes the hash chain anew is found out
// here: a chain says that nothing was changed since, an audit that it was right.
package audit

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
)

// Finding is an event that cannot be right, and why.
type Finding struct {
	EventID  uuid.UUID `json:"event_id"`
	Revision uint64    `json:"revision"`
	Code     string    `json:"code"` // stable, such as lot_overdrawn
	Detail   string    `json:"detail"`
}

func (f *Finding) String() string {
	return fmt.Sprintf("event %d (%s): %s: %s", f.Revision, f.EventID, f.Code, f.Detail)
}

// Entry is an event as it stands in the stream of its customer. What of it is
// personal is not looked at and may be missing.
type Entry struct {
	customer.Record
	Command uuid.UUID // events of one command were appended together
}

// Rules is what holds for all customers, as far as it is known. One value serves many
// ledgers, and may learn of more policies while they are in use.
type Rules struct {
	Zone     *time.Location // the business time zone; nil: unknown, any zone's days are right
	Policies policy.Set     // versions that are missing are taken as the events tell
}

// With returns the rules with another version of a policy. It replaces one of the
// same number.
func (r *Rules) With(p policy.Published) {
	if _, known := r.Policies.Version(p.Kind, p.Version); !known {
		r.Policies = r.Policies.With(p)
	}
}

func (r *Rules) loyalty(version int) *loyalty.Policy {
	p, _ := r.Policies.Version(policy.KindLoyalty, version)
	return p.Loyalty
}

func (r *Rules) tier(version int) *tier.Policy {
	p, _ := r.Policies.Version(policy.KindTier, version)
	return p.Tier
}

// complete says whether all versions of a kind are known that were published so far,
// as far as can be seen.
func (r *Rules) complete(kind string) bool {
	versions := r.Policies[kind]
	return len(versions) > 0 && versions[0].Version == 1
}

// from returns since when a version of a policy holds.
func (r *Rules) from(kind string, version int) domain.Date {
	p, _ := r.Policies.Version(kind, version)
	return p.EffectiveFrom
}

// dates returns the business dates on which an instant may lie.
func (r *Rules) dates(t time.Time) []domain.Date {
	if r.Zone != nil {
		return []domain.Date{domain.DateOf(t, r.Zone)}
	}
	d := domain.DateOf(t, time.UTC)
	return []domain.Date{d, d - 1, d + 1}
}

// begins says whether a business date begins at an instant; nil is never.
func (r *Rules) begins(d *domain.Date, t *time.Time) bool {
	switch {
	case d == nil || t == nil:
		return d == nil && t == nil
	case r.Zone != nil:
		return d.Start(r.Zone).Equal(*t)
	}
	away := t.Sub(d.Start(time.UTC))
	return away >= -14*time.Hour && away <= 14*time.Hour
}

// beginnings returns when a business date may begin, the instant itself among them if
// it does then: at the earliest, at the latest, and then.
func (r *Rules) beginnings(d domain.Date, t time.Time) []time.Time {
	if r.Zone != nil {
		return []time.Time{d.Start(r.Zone)}
	}
	utc := d.Start(time.UTC)
	all := []time.Time{utc.Add(-14 * time.Hour), utc.Add(14 * time.Hour)}
	if r.begins(&d, &t) {
		all = append(all, t)
	}
	return all
}

// earliest returns when a business date begins, at the earliest.
func (r *Rules) earliest(d domain.Date) time.Time {
	if r.Zone != nil {
		return d.Start(r.Zone)
	}
	return d.Start(time.UTC).Add(-14 * time.Hour)
}

// midnight says whether some business date begins at an instant.
func (r *Rules) midnight(t time.Time) bool {
	return r.Zone == nil || domain.DateOf(t, r.Zone).Start(r.Zone).Equal(t)
}

// Ledger is the points of one customer, as far as their events were added. Make
// one with New.
type Ledger struct {
	rules *Rules
	is    Entry // that is being checked
	found *Finding
	count uint64

	member      bool
	gone        bool // the customer was erased
	joinedAt    time.Time
	leftAt      time.Time       // the last time
	lots        map[string]*lot // every lot there ever was
	open        []*lot          // of which something is left
	holds       []*hold
	ids         map[string]bool // of holds, refunds, adjustments, …: what was used once
	orders      map[string]*order
	coupons     map[string]int64 // points that each gives, where it gives any
	redemptions map[string]*redemption
	spentOn     map[string][]*redemption
	proposals   map[string]customer.PointsProposed
	days        map[domain.Date]tier.Day
	deficit     int64
	owedSince   time.Time
	sums        customer.Sums
	rollsTo     *time.Time
	rollsSince  time.Time // what had lapsed by then was kept by nothing
	clock       time.Time
	tier        standing
	expected    []expectation // of the command whose events are being added
}

// New returns the ledger of a customer of whom nothing happened yet.
func New(rules *Rules) *Ledger { return &Ledger{rules: rules} }

// put sets a value in a map that need not be there: most customers have no points.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// lot is points that were credited together, and what has become of them.
type lot struct {
	customer.Lot             // ExpiresAt is its end as it is now
	remaining    int64       // without what is held
	pending      bool        // not spendable yet
	since        time.Time   // when it was credited
	lapsed       int64       // unspent, or when they should have come back
	earned       *earned     // nil: no rule gave it
	policy       int         // version of the programme that gave it; 0: unknown
	placed       domain.Date // the business date from which it counts
	came         *lot        // of a grace: the lot that the points were of
}

// lapses notes that points of a lot lapsed: they are points of the lot that they were
// credited with.
func (x *lot) lapses(points int64) {
	for x.came != nil {
		x = x.came
	}
	x.lapsed += points
}

// earned is points that a rule gave.
type earned struct {
	inputs loyalty.Inputs
	order  string // that gave them, or with which a coupon did
	kept   int64
	lapsed int64 // of what was taken back: it had lapsed
}

type portion struct {
	lot    *lot
	points int64
}

type hold struct {
	customer.PointsHeld
	left []portion
}

type redemption struct {
	id       string
	points   int64
	reversed int64
	back     int64     // of the order's money, when they were spent
	left     []portion // that can come back, in the order in which they were taken
}

// Add checks the next event. It returns what is wrong with it, or with what the
// events before it left open; nil: nothing. After a finding it returns the same one.
func (l *Ledger) Add(e Entry) *Finding {
	if l.found != nil {
		return l.found
	}
	if l.count > 0 && e.Command != l.is.Command {
		l.settled()
	}
	if l.found != nil {
		return l.found
	}
	l.is = e
	l.count++
	if l.apply(e.Event) && l.found == nil {
		l.balanced()
	}
	return l.found
}

// Done says what the last event left open that had to follow it.
func (l *Ledger) Done() *Finding {
	if l.found == nil {
		l.settled()
	}
	return l.found
}

// Moved says whether the customer has or had any points, or was a member.
func (l *Ledger) Moved() bool { return len(l.lots) > 0 || !l.joinedAt.IsZero() }

// Balance is what there is, as far as it is booked.
func (l *Ledger) Balance() customer.Balance {
	b := customer.Balance{Deficit: l.deficit}
	for _, x := range l.open {
		if x.pending {
			b.Pending += x.remaining
		} else {
			b.Spendable += x.remaining
		}
	}
	for _, h := range l.holds {
		b.Held += total(h.left)
	}
	return b
}

// Lots is how many lots have something left, held points included.
func (l *Ledger) Lots() int {
	held := map[*lot]bool{}
	for _, x := range l.open {
		held[x] = true
	}
	for _, h := range l.holds {
		for _, p := range h.left {
			held[p.lot] = true
		}
	}
	return len(held)
}

// apply checks an event and books it. false: it does not touch the points.
func (l *Ledger) apply(event customer.Event) bool {
	switch e := event.(type) {
	case customer.OrderRecorded:
		l.recorded(e)
	case customer.OrderPaid:
		l.paid(e)
	case customer.OrderCancelled:
		l.cancelled(e)
	case customer.RefundRecorded:
		l.refunded(e)
	case customer.ProgramJoined:
		l.joined(e)
	case customer.ProgramLeft:
		l.left(e)
	case customer.CouponIssued:
		l.couponIssued(e)
	case customer.CouponRedeemed:
		l.couponRedeemed(e)
	case customer.PointsEarned:
		l.earn(e)
	case customer.PointsGranted:
		l.granted(e)
	case customer.PointsActivated:
		l.activated(e)
	case customer.PointsExpired:
		l.expired(e)
	case customer.ExpiryExtended:
		l.extended(e)
	case customer.PointsForfeited:
		l.forfeited(e)
	case customer.PointsHeld:
		l.held(e)
	case customer.HoldReleased:
		l.released(e)
	case customer.HoldCaptured:
		l.captured(e)
	case customer.PointsRedeemed:
		l.redeemed(e)
	case customer.RedemptionReversed:
		l.redemptionReversed(e)
	case customer.PointsEarnReversed:
		l.earnReversed(e)
	case customer.EarnReversalDeclined:
		l.earnDeclined(e)
	case customer.PointsProposed:
		put(&l.proposals, e.ProposalID, e)
	case customer.ProposalRejected:
		delete(l.proposals, e.ProposalID)
	case customer.PointsAdjusted:
		l.adjusted(e)
	case customer.PointsTransferredOut:
		l.transferredOut(e)
	case customer.PointsTransferredIn:
		l.transferredIn(e)
	case customer.TierUpgraded:
		l.tierMoved(move{e.From, e.To, e.ValidUntil, e.Evaluation, e.Cause, e.ChangedAt}, 1)
	case customer.TierDowngraded:
		l.tierMoved(move{e.From, e.To, e.ValidUntil, e.Evaluation, e.Cause, e.ChangedAt}, -1)
	case customer.TierRetained:
		l.tierMoved(move{e.Tier, e.Tier, e.ValidUntil, e.Evaluation, e.Cause, e.RetainedAt}, 0)
	case customer.TierOverridden:
		l.tierOverridden(e)
	case customer.TierOverrideLifted:
		l.tierLifted(e)
	case customer.PersonalDataErased:
		l.erased()
	default:
		return false
	}
	return true
}

// check notes what is wrong with the event, if it is the first thing that is.
func (l *Ledger) check(right bool, code, format string, args ...any) bool {
	if !right {
		l.wrong(l.is, code, format, args...)
	}
	return right
}

func (l *Ledger) wrong(with Entry, code, format string, args ...any) {
	if l.found == nil {
		l.found = &Finding{with.ID, with.Revision, code, fmt.Sprintf(format, args...)}
	}
}

// balanced checks what holds after every event: nothing is below 0, and credits less
// debits are what there is.
func (l *Ledger) balanced() {
	kept := l.open[:0]
	for _, x := range l.open {
		l.check(x.remaining >= 0, "lot_overdrawn", "%d points more were taken from the lot %s than it had", -x.remaining, x.LotID)
		if x.remaining != 0 {
			kept = append(kept, x)
		}
	}
	l.open = kept
	l.check(l.deficit >= 0, "deficit_negative", "%d points more were paid than were owed", -l.deficit)
	b := l.Balance()
	l.check(l.sums.Net() == b.Spendable+b.Pending+b.Held-b.Deficit, "sum",
		"credits less debits are %d, but %d are spendable, %d pending, %d held and %d owed",
		l.sums.Net(), b.Spendable, b.Pending, b.Held, b.Deficit)
}

// decided checks the time of a decision: nothing was decided later already, and
// everything was booked that fell due by then.
func (l *Ledger) decided(at time.Time) {
	l.check(!at.Before(l.clock), "time_goes_back", "it is of %s, but something was decided or fell due at %s already", at.Format(time.RFC3339), l.clock.Format(time.RFC3339))
	for _, x := range l.open {
		l.check(!x.pending || x.AvailableAt.After(at), "activation_missing", "the lot %s was to become spendable at %s", x.LotID, x.AvailableAt.Format(time.RFC3339))
		l.check(x.ExpiresAt == nil || x.ExpiresAt.After(at), "expiry_missing", "the lot %s has lapsed at %s", x.LotID, stamp(x.ExpiresAt))
	}
	for _, h := range l.holds {
		l.check(h.ExpiresAt == nil || h.ExpiresAt.After(at), "release_missing", "the hold %s has ended at %s", h.HoldID, stamp(h.ExpiresAt))
	}
	l.tick(at)
}

func (l *Ledger) tick(at time.Time) {
	if at.After(l.clock) {
		l.clock = at
	}
}

// once notes that an id is used, which must be for the first time.
func (l *Ledger) once(what, id string) {
	l.check(!l.ids[what+":"+id], "id_reused", "there was a %s %q already", what, id)
	put(&l.ids, what+":"+id, true)
}

func (l *Ledger) joined(e customer.ProgramJoined) {
	l.check(!l.member || e.JoinedAt.Before(l.joinedAt), "member", "the customer is a member since %s", l.joinedAt.Format(time.RFC3339))
	l.member, l.joinedAt = true, e.JoinedAt
}

func (l *Ledger) left(e customer.ProgramLeft) {
	l.check(l.member, "not_member", "the customer is no member")
	l.check(len(l.holds) == 0, "open_holds", "%d holds are open", len(l.holds))
	l.member, l.leftAt, l.tier = false, e.LeftAt, standing{}
	l.decided(e.LeftAt)
}

func (l *Ledger) erased() {
	l.check(len(l.open) == 0, "erased_with_points", "%d lots are not forfeited", len(l.open))
	for _, h := range l.holds {
		l.check(h.Transfer != uuid.Nil, "erased_with_points", "the hold %s is open", h.HoldID)
	}
	l.member, l.gone = false, true
	clear(l.proposals)
}

func stamp(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(time.RFC3339)
}

func same(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

func total(portions []portion) (points int64) {
	for _, p := range portions {
		points += p.points
	}
	return points
}
