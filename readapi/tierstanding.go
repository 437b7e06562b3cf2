package readapi

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// TierShown is the level of a member, why it is theirs, and what comes.
type TierShown struct {
	Level         string               `json:"level"`
	Name          string               `json:"name,omitempty"` // absent if the ladder does not have the level any more
	Since         time.Time            `json:"since"`
	ValidUntil    *time.Time           `json:"valid_until,omitempty"` // absent: for good
	Evaluation    *customer.Evaluation `json:"evaluation,omitempty"`  // that gave it; absent of the base, and of what was given by hand
	Override      *customer.Overridden `json:"override,omitempty"`    // what somebody replaced by hand
	EventID       uuid.UUID            `json:"event_id,omitzero"`     // that says so
	PolicyVersion int                  `json:"policy_version"`        // of the ladder in force
	Progress      TierProgress         `json:"progress"`
	AtEnd         *TierEnd             `json:"at_end" jsonschema:"nullable"` // null: the level is for good
}

// TierProgress is how far it is to the next level.
type TierProgress struct {
	Measure    string      `json:"measure"`    // what qualifies
	Qualifying int64       `json:"qualifying"` // how much of it there is
	From       domain.Date `json:"from"`       // within these business dates
	To         domain.Date `json:"to"`
	Next       *tier.Level `json:"next" jsonschema:"nullable"` // null: this is the highest
	Missing    int64       `json:"missing"`                    // to the next
	// By is the last business date on which so much is enough; absent: it does not matter when.
	By      *domain.Date `json:"by,omitempty"`
	Because string       `json:"because"`
}

// TierEnd is what follows when the validity of a level is over, if nothing happens.
type TierEnd struct {
	On      domain.Date `json:"on"`   // the first business date on which the level is not valid
	Kind    string      `json:"kind"` // one of the kinds of tier changes
	Level   string      `json:"level"`
	Missing int64       `json:"missing"` // to keep the level
	Because string      `json:"because"`
}

// TierChangeShown is a change of the level, and why.
type TierChangeShown struct {
	loyalty.TierChange
	Booked  bool   `json:"booked"` // false: it fell due, and no event says so yet
	Because string `json:"because"`
}

// tierOf explains the level of a member at the time of a look; nil without a ladder
// or a membership.
func (l *pointsLook) tierOf(a *customer.Account) *TierShown {
	v, ok := l.ladder()
	if !ok || !a.Joined {
		return nil
	}
	shown := &TierShown{
		Level: l.level(a), Since: a.Tier.Since, ValidUntil: a.Tier.ValidUntil, Evaluation: a.Tier.Evaluation, Override: a.Tier.Override,
		EventID: a.Tier.EventID, PolicyVersion: v.Version,
	}
	if a.Tier.Level == "" {
		shown.Since = a.JoinedAt
	}
	if i := v.Policy.Rank(shown.Level); i >= 0 {
		shown.Name = v.Policy.Levels[i].Name
	}
	shown.Progress = l.progress(v, a, shown.Level)
	shown.AtEnd = l.tierEnd(a)
	return shown
}

func (l *pointsLook) progress(v tier.Version, a *customer.Account, level string) TierProgress {
	from, to := v.Policy.Span(l.today)
	from = a.CountsFrom(from, l.zone)
	x := TierProgress{Measure: v.Policy.Measure, Qualifying: v.Policy.Sum(a.Days, from, to), From: from, To: to}
	has := fmt.Sprintf("%s from %s to %s.", l.qualified(x.Measure, x.Qualifying), from, to)
	if v.Policy.Window.Kind == tier.Lifetime {
		has = fmt.Sprintf("%s up to %s.", l.qualified(x.Measure, x.Qualifying), to)
	}
	next, ok := v.Policy.Next(level)
	if !ok {
		x.Because = sentences(has, "There is no higher level.")
		return x
	}
	x.Next, x.Missing, x.By = &next, max(0, next.From-x.Qualifying), stays(v.Policy, a.Days, from, l.today)
	x.Because = sentences(has, fmt.Sprintf("%s begins at %s: %s missing.", next.Name, l.amount(x.Measure, next.From), areMissing(l.amount(x.Measure, x.Missing), x.Missing)))
	return x
}

func areMissing(amount string, n int64) string {
	if n == 1 {
		return amount + " is"
	}
	return amount + " are"
}

// stays returns the last business date on which all that qualifies on a date, counted
// from another, still does; nil: it always will, or there is nothing.
func stays(p *tier.Policy, days []tier.Day, from, today domain.Date) *domain.Date {
	switch p.Window.Kind {
	case tier.CalendarYear:
		return new(domain.NewDate(today.Year(), time.December, 31))
	case tier.Rolling:
		for _, d := range days { // ascending
			if d.On < from || d.On > today || p.Sum([]tier.Day{d}, d.On, d.On) <= 0 {
				continue
			}
			on := today
			for {
				if from, _ := p.Span(on + 1); from > d.On {
					return &on
				}
				on++
			}
		}
	}
	return nil
}

// tierEnd says what follows the level.
func (l *pointsLook) tierEnd(a *customer.Account) *TierEnd {
	if a.Tier.ValidUntil == nil {
		return nil
	}
	end := *a.Tier.ValidUntil
	after := loyalty.Document{Account: a.At(end.Add(-time.Nanosecond), l.zone, l.world.Policies)}
	for _, fact := range after.Due(end, l.zone, l.world.Policies) {
		loyaltyView.Fold(&after, projections.Event{Data: fact})
	}
	n := len(after.TierChanges)
	if n == 0 {
		return nil
	}
	c := after.TierChanges[n-1]
	x := &TierEnd{On: domain.DateOf(end, l.zone), Kind: c.Kind, Level: c.To, Because: l.changeWords(c)}
	if p, ok := l.world.PolicyVersion(policy.KindTier, c.PolicyVersion); ok && p.Tier != nil && c.Evaluation != nil && c.Kind == loyalty.TierDowngraded {
		if i := p.Tier.Rank(c.From); i >= 0 {
			x.Missing = max(0, p.Tier.Levels[i].From-c.Evaluation.Qualifying)
		}
	}
	return x
}

// currency is that of the programme in force, in which spend qualifies.
func (l *pointsLook) currency() string {
	if v, ok := l.program(); ok {
		return v.Policy.Currency
	}
	return ""
}

// amount writes so much of what qualifies.
func (l *pointsLook) amount(measure string, n int64) string {
	switch currency := l.currency(); {
	case measure == tier.Orders:
		return count(n, "order")
	case measure == tier.Spend && currency != "":
		return major(n, currency) + " " + currency
	case measure == tier.Spend:
		return fmt.Sprint(n)
	}
	return points(n)
}

func (l *pointsLook) qualified(measure string, n int64) string {
	return l.amount(measure, n) + " qualified"
}

// changeWords says why a level changed.
func (l *pointsLook) changeWords(c loyalty.TierChange) string {
	until := ""
	if c.ValidUntil != nil {
		until = fmt.Sprintf("It is valid until %s, exclusive.", domain.DateOf(*c.ValidUntil, l.zone))
	}
	if c.Evaluation == nil || c.Cause == nil {
		return sentences(fmt.Sprintf("%s was given by hand.", c.To), until)
	}
	x := c.Evaluation
	ladder := fmt.Sprintf("version %d of the ladder", x.PolicyVersion)
	bounds, how := "", ""
	if p, ok := l.world.PolicyVersion(policy.KindTier, x.PolicyVersion); ok && p.Tier != nil {
		measured := c.To
		if c.Kind == loyalty.TierDowngraded {
			measured = c.From
		}
		if i := p.Tier.Rank(measured); i >= 0 {
			bounds = fmt.Sprintf("%s begins at %s by %s.", measured, l.amount(x.Measure, p.Tier.Levels[i].From), ladder)
		}
		if c.Kind == loyalty.TierDowngraded && p.Tier.Of(x.Qualifying) != c.To {
			how = "The ladder goes down by one level at a time."
		}
	}
	return sentences(fmt.Sprintf("%s: %s.", changeVerb(c), l.tierCause(c)),
		fmt.Sprintf("%s from %s to %s.", l.qualified(x.Measure, x.Qualifying), x.From, x.To), bounds, how, until)
}

func changeVerb(c loyalty.TierChange) string {
	switch c.Kind {
	case loyalty.TierUpgraded:
		return fmt.Sprintf("Up from %s to %s", c.From, c.To)
	case loyalty.TierDowngraded:
		return fmt.Sprintf("Down from %s to %s", c.From, c.To)
	}
	return c.To + " is kept"
}

// tierCause says what a change follows from.
func (l *pointsLook) tierCause(c loyalty.TierChange) string {
	switch c.Cause.Type {
	case customer.TierOrder:
		return "the order " + c.Cause.OrderID + " was paid"
	case customer.TierRefund:
		return "money of the order " + c.Cause.OrderID + " went back with the refund " + c.Cause.RefundID
	case customer.TierCancelled:
		return "the order " + c.Cause.OrderID + " was cancelled"
	case customer.TierReversal:
		return "points were taken back"
	case customer.TierPeriodEnd:
		ends := "ended"
		if l.at.Before(c.At) {
			ends = "ends"
		}
		return fmt.Sprintf("the validity of %s %s on %s", c.From, ends, domain.DateOf(c.At, l.zone))
	}
	return "somebody asked for it"
}
