package audit

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
)

// standing is the level of a member, and since what it is.
type standing struct {
	level      string // "": the base of the ladder
	until      *time.Time
	evaluation *customer.Evaluation
	replaced   *standing  // by an override
	lifted     *time.Time // when the override was ended before its time
}

// move is what the events of a tier have in common.
type move struct {
	from, to   string
	until      *time.Time
	evaluation customer.Evaluation
	cause      customer.TierCause
	at         time.Time
}

// window is dates from one to another, both included.
type window struct{ from, to domain.Date }

// levelIs says whether a member has a level. Without any move it is the base of the
// ladder, or none where there is no ladder.
func (l *Ledger) levelIs(level string) bool {
	if l.tier.level != "" || level == "" {
		return l.tier.level == level
	}
	return !l.rules.complete(policy.KindTier) || slices.ContainsFunc(l.rules.Policies.Tiers(), func(v tier.Version) bool { return v.Policy.Base() == level })
}

// qualifies counts what qualified within dates.
func (l *Ledger) qualifies(measure string, w window) (sum int64) {
	for on, d := range l.days {
		if on < w.from || on > w.to {
			continue
		}
		switch measure {
		case tier.Points:
			sum += d.Points
		case tier.Spend:
			sum += d.SpendMinor
		case tier.Orders:
			sum += d.Orders
		}
	}
	return sum
}

// first returns the dates from which on days may count: of somebody who came back,
// those of an earlier membership do not.
func (l *Ledger) first() []domain.Date {
	if l.leftAt.IsZero() {
		return []domain.Date{domain.NewDate(1, time.January, 1)}
	}
	return l.rules.dates(l.joinedAt)
}

// tierMoved checks a move up, down or nowhere.
func (l *Ledger) tierMoved(m move, direction int) {
	l.check(l.member, "not_member", "the customer is no member")
	l.check(l.levelIs(m.from), "tier_from", "the customer's tier is %q, not %q", l.tier.level, m.from)
	switch m.cause.Type {
	case customer.TierPeriodEnd:
		l.check(l.tier.until != nil && m.at.Equal(*l.tier.until), "due", "the tier %s is valid until %s", m.from, stamp(l.tier.until))
	case customer.TierLifted:
		l.check(l.tier.lifted != nil && m.at.Equal(*l.tier.lifted), "due", "no override was lifted")
	default:
		l.decided(m.at)
	}
	x := m.evaluation
	if back := l.tier.replaced; l.resumes(m) && back.evaluation != nil && x == *back.evaluation {
		l.moved(m) // what was before an override holds on, as it was reached
		return
	}
	sum := l.qualifies(x.Measure, window{x.From, x.To})
	l.check(x.Qualifying == sum, "qualifying", "from %s to %s %d qualifies, not %d", x.From, x.To, sum, x.Qualifying)
	l.check(x.From >= slices.Min(l.first()), "qualifying", "what qualified from %s on was in an earlier membership", x.From)
	if p := l.rules.tier(x.PolicyVersion); p != nil {
		l.check(x.Measure == p.Measure, "tier_measure", "by version %d of the ladder %s qualify", x.PolicyVersion, p.Measure)
		inForce := slices.ContainsFunc(l.rules.dates(m.at), func(d domain.Date) bool { return l.rules.from(policy.KindTier, x.PolicyVersion) <= d })
		l.check(inForce || m.cause.Type == customer.TierPeriodEnd, "policy_version", "version %d of the ladder was not in force at %s", x.PolicyVersion, m.at.Format(time.RFC3339))
		l.climbed(m, direction, p)
	}
	l.moved(m)
}

// resumes says whether a move brings back what an override replaced, which is valid
// still.
func (l *Ledger) resumes(m move) bool {
	back := l.tier.replaced
	if back == nil || m.cause.Type != customer.TierPeriodEnd && m.cause.Type != customer.TierLifted ||
		back.until != nil && !back.until.After(m.at) || !same(back.until, m.until) {
		return false
	}
	if back.level != "" {
		return back.level == m.to
	}
	base := standing{}
	return (&Ledger{rules: l.rules, tier: base}).levelIs(m.to)
}

// climbed checks a move against the ladder by which it was decided.
func (l *Ledger) climbed(m move, direction int, p *tier.Policy) {
	right := slices.ContainsFunc(l.rules.dates(m.at), func(on domain.Date) bool {
		return slices.ContainsFunc(l.first(), func(first domain.Date) bool { return l.climbedOn(on, first, m, p) })
	})
	l.check(right, "tier_level", "with %d from %s to %s nobody moves from %s to %s until %s (%s)", m.evaluation.Qualifying,
		m.evaluation.From, m.evaluation.To, m.from, m.to, stamp(m.until), m.cause.Type)
	moved := p.Rank(m.to) - max(0, p.Rank(m.from))
	l.check(direction == 0 && moved == 0 || direction > 0 && moved > 0 || direction < 0 && moved <= 0 && m.from != m.to, "tier_level", "from %s to %s it goes the other way", m.from, m.to)
}

// climbedOn checks a move on a date if days count from another on.
func (l *Ledger) climbedOn(on, first domain.Date, m move, p *tier.Policy) bool {
	x, back := m.evaluation, l.tier.replaced
	is := window{x.From, x.To}
	span := func(d domain.Date) window { from, to := p.Span(d); return window{max(from, first), to} }
	best := func(others ...window) bool { // what counts is the window in which most qualifies
		return slices.Contains(others, is) && !slices.ContainsFunc(others, func(w window) bool { return l.qualifies(p.Measure, w) > x.Qualifying })
	}
	valid := func(from domain.Date) bool {
		if m.to == p.Base() {
			return m.until == nil
		}
		return l.rules.begins(p.Until(from), m.until)
	}
	gets := p.Of(x.Qualifying)
	was := window{}
	if e := l.tier.evaluation; e != nil {
		was = window{max(e.From, first), e.To}
	}
	switch m.cause.Type {
	case customer.TierPeriodEnd, customer.TierLifted:
	default:
		if p.Rank(m.to) > p.Rank(m.from) {
			return is == span(on) && m.to == gets && l.rules.begins(p.Until(on), m.until)
		}
		return l.tier.evaluation != nil && l.tier.evaluation.Measure == p.Measure && back == nil && p.OnRefund != tier.AtEnd &&
			best(span(on), was) && m.to == gets && valid(on)
	}
	if back == nil {
		grace := domain.Date(p.GraceDays)
		return best(span(on-1), span(on-1-grace)) && m.to == p.Falls(m.from, x.Qualifying) && valid(on-grace)
	}
	last := span(on)
	if m.cause.Type == customer.TierPeriodEnd {
		last = span(on - 1)
	}
	had := back.level
	if had == "" {
		had = p.Base()
	}
	if e := back.evaluation; e != nil { // a refund took away meanwhile what it was reached with
		if then := (window{max(e.From, first), e.To}); best(last, then) && m.to == gets && valid(on) {
			return true
		}
	}
	return is == last && (m.to == had && l.resumes(m) || (m.to == gets || m.to == p.Falls(had, x.Qualifying)) && valid(on))
}

func (l *Ledger) moved(m move) {
	x := m.evaluation
	l.tier = standing{level: m.to, until: m.until, evaluation: &x}
	l.tick(m.at)
}

func (l *Ledger) tierOverridden(e customer.TierOverridden) {
	l.check(l.member, "not_member", "the customer is no member")
	l.check(l.levelIs(e.From), "tier_from", "the customer's tier is %q, not %q", l.tier.level, e.From)
	l.check(e.Until.After(e.OverriddenAt), "tier_until", "the override ends before it begins")
	if p := l.rules.tier(e.PolicyVersion); p != nil {
		l.check(p.Rank(e.To) >= 0, "tier_level", "the ladder has no level %q", e.To)
	}
	l.decided(e.OverriddenAt)
	before := l.tier
	if l.tier.replaced != nil {
		before = *l.tier.replaced
	}
	until := e.Until
	l.tier = standing{level: e.To, until: &until, replaced: &before}
}

func (l *Ledger) tierLifted(e customer.TierOverrideLifted) {
	l.check(l.tier.replaced != nil && l.tier.level == e.Tier, "tier_from", "the tier %q is not overridden", e.Tier)
	l.decided(e.LiftedAt)
	at := e.LiftedAt
	l.tier.lifted = &at
}
