package customer

import (
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

// ladder returns the ladder in force on a business date.
func (b *booker) ladder(on domain.Date) (tier.Version, bool) { return tier.On(b.ladders, on) }

// ladderThen returns the ladder in force on a business date, or the first one, if that
// is younger.
func (b *booker) ladderThen(on domain.Date) tier.Version {
	if v, ok := b.ladder(on); ok {
		return v
	}
	return b.ladders[0]
}

// climbing returns the ladder of today, unless there is none or the customer is no
// member.
func (b *booker) climbing() (tier.Version, error) {
	v, ok := b.ladder(b.today())
	switch {
	case !ok:
		return v, ErrNoLadder.With("no ladder of levels is in force on %s", b.today())
	case !b.Joined:
		return v, ErrNotEnrolled.With("the customer is not a member of the loyalty programme; enrol-in-program comes first")
	}
	return v, nil
}

// level returns the member's level now, empty without a ladder.
func (b *booker) level() string {
	if v, ok := b.ladder(b.today()); ok {
		return b.Tier.on(v.Policy)
	}
	return b.Tier.Level
}

// on returns the level on a ladder: the base where there is none yet.
func (t *TierStanding) on(p *tier.Policy) string {
	if t.Level == "" {
		return p.Base()
	}
	return t.Level
}

// CountsFrom returns the first of the dates from one on that count for the tier: of
// somebody who came back, what qualified in an earlier membership does not.
func (a *Account) CountsFrom(from domain.Date, zone *time.Location) domain.Date {
	if a.LeftAt.IsZero() {
		return from
	}
	return max(from, domain.DateOf(a.JoinedAt, zone))
}

// evaluate counts what qualifies within dates.
func (b *booker) evaluate(v tier.Version, from, to domain.Date) Evaluation {
	from = b.CountsFrom(from, b.zone())
	return Evaluation{
		Measure: v.Policy.Measure, Qualifying: v.Policy.Sum(b.Days, from, to), From: from, To: to, PolicyVersion: v.Version,
	}
}

// assess moves the member up if what qualifies now reaches a higher level; and down,
// if a refund took away what a level was reached with. of is the date on which what
// was refunded had qualified, nil: nothing was.
func (b *booker) assess(cause TierCause, of *domain.Date) {
	today := b.today()
	v, ok := b.ladder(today)
	if !ok || !b.Joined {
		return
	}
	is := b.Tier.on(v.Policy)
	from, to := v.Policy.Span(today)
	x := b.evaluate(v, from, to)
	gets := v.Policy.Of(x.Qualifying)
	switch {
	case v.Policy.Rank(gets) > rank(v.Policy, is):
		b.book(TierUpgraded{
			From: is, To: gets, ValidUntil: b.start(v.Policy.Until(today)), Evaluation: x, Cause: cause, ChangedAt: b.now,
		})
	case of != nil && v.Policy.OnRefund != tier.AtEnd && b.Tier.Override == nil && b.Tier.reachedWith(*of):
		then := b.evaluate(v, b.Tier.Evaluation.From, b.Tier.Evaluation.To)
		if then.Measure != b.Tier.Evaluation.Measure {
			return // another ladder: what was counted then is not what counts now
		}
		if !b.lost(v, is, b.Tier.Evaluation, then.Qualifying) {
			return
		}
		if then.Qualifying > x.Qualifying {
			x = then
		}
		if gets = v.Policy.Of(x.Qualifying); v.Policy.Rank(gets) < rank(v.Policy, is) {
			b.book(TierDowngraded{
				From: is, To: gets, ValidUntil: b.valid(v, gets, today), Evaluation: x, Cause: cause, ChangedAt: b.now,
			})
		}
	}
}

// reachedWith says whether what qualified on a date counted for the level.
func (t *TierStanding) reachedWith(on domain.Date) bool {
	return t.Evaluation != nil && t.Evaluation.From <= on && on <= t.Evaluation.To
}

// lost says whether what is left of what a level was evaluated by does not reach it any
// more, by the ladder of then. A level that it never reached, because it was one down
// from a higher one, is not lost by a refund.
func (b *booker) lost(v tier.Version, level string, was *Evaluation, left int64) bool {
	for _, then := range b.ladders {
		if then.Version == was.PolicyVersion {
			v = then
		}
	}
	is := rank(v.Policy, level)
	return v.Policy.Rank(v.Policy.Of(was.Qualifying)) >= is && v.Policy.Rank(v.Policy.Of(left)) < is
}

// valid returns until when a level is the member's that was reached on a date. The
// base level is for good.
func (b *booker) valid(v tier.Version, level string, on domain.Date) *time.Time {
	if level == v.Policy.Base() {
		return nil
	}
	return b.start(v.Policy.Until(on))
}

// periodEnd decides what follows a level whose validity is over at an instant.
func (b *booker) periodEnd(at time.Time) {
	on := domain.DateOf(at, b.zone())
	cause := TierCause{Type: TierPeriodEnd}
	if b.Tier.Override != nil {
		b.overrideEnd(cause, on-1, at)
		return
	}
	v := b.ladderThen(on)
	grace := domain.Date(v.Policy.GraceDays)
	from, to := v.Policy.Span(on - 1)
	x := b.evaluate(v, from, to)
	if grace > 0 { // what was reached by the end counts, and what was in the days after it
		from, to = v.Policy.Span(on - 1 - grace)
		if then := b.evaluate(v, from, to); then.Qualifying > x.Qualifying {
			x = then
		}
	}
	is := b.Tier.on(v.Policy)
	follows := v.Policy.Falls(is, x.Qualifying)
	b.move(v, is, follows, b.valid(v, follows, on-grace), x, cause, at) // the next period begins where the last one ended
}

// overrideEnd decides what follows an override that is over, or was lifted: the level
// of before if that still holds, or the one qualified for by a date, if that is higher.
func (b *booker) overrideEnd(cause TierCause, last domain.Date, at time.Time) {
	on := domain.DateOf(at, b.zone())
	v := b.ladderThen(on)
	from, to := v.Policy.Span(last)
	x := b.evaluate(v, from, to)
	is, before := b.Tier.on(v.Policy), b.Tier.Override
	had := (&TierStanding{Level: before.Level}).on(v.Policy)
	follows := v.Policy.Falls(had, x.Qualifying)
	if before.ValidUntil == nil || before.ValidUntil.After(at) {
		if then, fell := b.fellMeanwhile(v, had, x, on); fell {
			had, before = then.Level, &then
		}
		if follows = v.Policy.Of(x.Qualifying); v.Policy.Rank(follows) <= v.Policy.Rank(had) {
			if had != v.Policy.Base() {
				x = orElse(before.Evaluation, x) // what it is still valid by
			}
			b.move(v, is, had, before.ValidUntil, x, cause, at)
			return
		}
	}
	b.move(v, is, follows, b.valid(v, follows, on), x, cause, at)
}

// fellMeanwhile returns what is left of the level of before an override, if a refund
// took away what it was reached with: under the override it had no consequence.
func (b *booker) fellMeanwhile(v tier.Version, had string, now Evaluation, on domain.Date) (left Overridden, fell bool) {
	was := b.Tier.Override.Evaluation
	if was == nil || was.Measure != v.Policy.Measure || v.Policy.OnRefund == tier.AtEnd {
		return left, false
	}
	best := b.evaluate(v, was.From, was.To)
	if !b.lost(v, had, was, best.Qualifying) {
		return left, false
	}
	if now.Qualifying > best.Qualifying {
		best = now
	}
	left.Level, left.Evaluation = v.Policy.Of(best.Qualifying), &best
	left.ValidUntil = b.valid(v, left.Level, on)
	return left, v.Policy.Rank(left.Level) < v.Policy.Rank(had)
}

// move books that one level follows another.
func (b *booker) move(v tier.Version, from, to string, until *time.Time, x Evaluation, cause TierCause, at time.Time) {
	switch is, gets := rank(v.Policy, from), v.Policy.Rank(to); {
	case from == to:
		b.book(TierRetained{Tier: to, ValidUntil: until, Evaluation: x, Cause: cause, RetainedAt: at})
	case gets > is:
		b.book(TierUpgraded{From: from, To: to, ValidUntil: until, Evaluation: x, Cause: cause, ChangedAt: at})
	default:
		b.book(TierDowngraded{From: from, To: to, ValidUntil: until, Evaluation: x, Cause: cause, ChangedAt: at})
	}
}

// rank is how high a level is. One that the ladder does not have any more is as low
// as the base.
func rank(p *tier.Policy, level string) int { return max(0, p.Rank(level)) }

// levels lists the levels of a ladder in a refusal.
func levels(p *tier.Policy) string {
	ids := make([]string, len(p.Levels))
	for i, l := range p.Levels {
		ids[i] = l.ID
	}
	return strings.Join(ids, ", ")
}

// tierPolicy names the ladder that is in force on the day of a decision.
func tierPolicy(of domain.Subject, known world.Known) []domain.PolicyRef {
	if p, ok := known.Policy(policy.KindTier, of.Today()); ok {
		return []domain.PolicyRef{p.Ref()}
	}
	return nil
}

// Why a command about a tier is refused.
var (
	ErrNoLadder    = &domain.Error{Kind: domain.Conflict, Code: "no_ladder"}
	ErrTierUnknown = &domain.Error{Kind: domain.Conflict, Code: "tier_unknown"}
)

func orElse[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}
