package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/tier"
)

// ladder returns the ladder in force on a business date.
func (b *booker) ladder(on domain.Date) (tier.Version, bool) { return tier.On(b.ladders, on) }

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

// evaluate counts what qualifies within dates.
func (b *booker) evaluate(v tier.Version, from, to domain.Date) Evaluation {
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
	case v.Policy.Rank(gets) > v.Policy.Rank(is):
		b.book(TierUpgraded{
			From: is, To: gets, ValidUntil: b.start(v.Policy.Until(today)), Evaluation: x, Cause: cause, ChangedAt: b.now,
		})
	case of != nil && v.Policy.OnRefund != tier.AtEnd && b.Tier.Override == nil && b.Tier.reachedWith(*of):
		then := b.evaluate(v, b.Tier.Evaluation.From, b.Tier.Evaluation.To)
		if then.Measure != b.Tier.Evaluation.Measure {
			return // another ladder: what was counted then is not what counts now
		}
		if then.Qualifying > x.Qualifying {
			x = then
		}
		if gets = v.Policy.Of(x.Qualifying); v.Policy.Rank(gets) < v.Policy.Rank(is) {
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
	v, ok := b.ladder(on)
	if !ok { // the first ladder is younger than the level: it was given by hand
		v = b.ladders[0]
	}
	last := on - 1
	from, to := v.Policy.Span(last)
	x := b.evaluate(v, from, to)
	if grace := domain.Date(v.Policy.GraceDays); grace > 0 { // what was reached by the end counts, and what was in the days after it
		from, to = v.Policy.Span(last - grace)
		if then := b.evaluate(v, from, to); then.Qualifying > x.Qualifying {
			x = then
		}
	}
	is, follows := b.Tier.on(v.Policy), ""
	cause := TierCause{Type: TierPeriodEnd}
	if before := b.Tier.Override; before != nil && before.ValidUntil != nil && before.ValidUntil.After(at) {
		follows = (&TierStanding{Level: before.Level}).on(v.Policy)
		if gets := v.Policy.Of(x.Qualifying); v.Policy.Rank(gets) <= v.Policy.Rank(follows) {
			b.move(v, is, follows, before.ValidUntil, orElse(before.Evaluation, x), cause, at)
			return
		}
		follows = v.Policy.Of(x.Qualifying)
	} else if before != nil {
		follows = v.Policy.Falls((&TierStanding{Level: before.Level}).on(v.Policy), x.Qualifying)
	} else {
		follows = v.Policy.Falls(is, x.Qualifying)
	}
	b.move(v, is, follows, b.valid(v, follows, on), x, cause, at)
}

// move books that one level follows another.
func (b *booker) move(v tier.Version, from, to string, until *time.Time, x Evaluation, cause TierCause, at time.Time) {
	switch is, gets := v.Policy.Rank(from), v.Policy.Rank(to); {
	case from == to:
		b.book(TierRetained{Tier: to, ValidUntil: until, Evaluation: x, Cause: cause, RetainedAt: at})
	case gets > is:
		b.book(TierUpgraded{From: from, To: to, ValidUntil: until, Evaluation: x, Cause: cause, ChangedAt: at})
	default:
		b.book(TierDowngraded{From: from, To: to, ValidUntil: until, Evaluation: x, Cause: cause, ChangedAt: at})
	}
}

func orElse[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}
