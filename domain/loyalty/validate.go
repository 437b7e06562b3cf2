package loyalty

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Example says what an order must give under the policy. A policy that contradicts
// its examples is not published.
type Example struct {
	Name   string   `json:"name,omitempty"`
	Order  Purchase `json:"order"`
	Tier   string   `json:"tier,omitempty"`
	Tags   []string `json:"tags,omitempty"`
	Type   string   `json:"type,omitempty"`
	Points int64    `json:"points"`
}

var (
	code    = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)
	decimal = regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,6})?$`)
)

const (
	maxEntries = 100
	maxList    = 1000
	maxName    = 100
	maxMonths  = 240
	maxWorth   = 1_000_000 // of a point, in minor units: what MaxPoints are worth can be counted
	maxDays    = 366
)

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, maxName)
	e.Currency("/policy/currency", p.Currency)
	one(&e, "/policy/enrolment", p.Enrolment, Explicit, FirstOrder)
	e.OneOf("/policy/stacking", p.Stacking, Highest, Product)
	between(&e, "/policy/pending_days", p.PendingDays, 0, maxDays)
	p.validateRules(&e)
	p.validateMultipliers(&e)
	p.Expiry.validate(&e)
	const longest = 31 // days of a month
	if p.Expiry.Months > 0 && p.PendingDays > p.Expiry.Months*longest {
		e.Add("/policy/pending_days", "leaves no time to spend points that lapse after %d months", p.Expiry.Months)
	}
	p.Redemption.validate(&e)
	e.OneOf("/policy/reversal/earn", p.Reversal.Earn, Deficit, Clamp, OnlyPending)
	e.OneOf("/policy/reversal/redemptions", p.Reversal.Redemptions, ProRata, FullOnly, Keep)
	between(&e, "/policy/reversal/grace_days", p.Reversal.GraceDays, 0, maxDays)
	points(&e, "/policy/manual/bonus_limit", p.Manual.BonusLimit, 0)
	points(&e, "/policy/manual/deficit_limit", p.Manual.DeficitLimit, 0)
	points(&e, "/policy/transfer/minimum", p.Transfer.Minimum, 0)
	points(&e, "/policy/transfer/maximum", p.Transfer.Maximum, 0)
	if p.Transfer.Maximum > 0 && p.Transfer.Maximum < p.Transfer.Minimum {
		e.Add("/policy/transfer/maximum", "must not be below the minimum")
	}
	few(&e, "/policy/examples", len(p.Examples))
	if err := e.Err(); err != nil {
		return err
	}
	for i, x := range p.Examples {
		x.try(&e, fmt.Sprintf("/policy/examples/%d", i), &p)
	}
	return e.Err()
}

func (p Policy) validateRules(e *domain.Problems) {
	few(e, "/policy/earn", len(p.Earn))
	ids := map[string]bool{}
	for i, r := range p.Earn {
		at := fmt.Sprintf("/policy/earn/%d", i)
		unique(e, at+"/id", r.ID, ids)
		points(e, at+"/points", r.Points, 1)
		e.Amount(at+"/per_minor", r.PerMinor)
		e.OneOf(at+"/rounding", r.Rounding, Floor, HalfUp, HalfEven, Ceiling)
		texts(e, at+"/skus", r.SKUs)
		texts(e, at+"/categories", r.Categories)
		e.Amount(at+"/minimum_order_minor", r.MinimumOrder)
		points(e, at+"/max_points", r.MaxPoints, 0)
		order(e, at+"/until", r.From, r.Until)
	}
	few(e, "/policy/caps", len(p.Caps))
	for i, c := range p.Caps {
		at := fmt.Sprintf("/policy/caps/%d", i)
		if c.Period != "" && len(p.Caps) <= maxEntries && slices.ContainsFunc(p.Caps[:i], func(x Cap) bool { return x.Period == c.Period }) {
			e.Add(at+"/period", "%q is there twice", c.Period)
		}
		one(e, at+"/period", c.Period, Order, Day, Month, Year)
		points(e, at+"/points", c.Points, 1)
	}
	few(e, "/policy/activities", len(p.Activities))
	ids = map[string]bool{}
	for i, a := range p.Activities {
		at := fmt.Sprintf("/policy/activities/%d", i)
		unique(e, at+"/id", a.ID, ids)
		points(e, at+"/points", a.Points, 1)
	}
}

func (p Policy) validateMultipliers(e *domain.Problems) {
	few(e, "/policy/multipliers", len(p.Multipliers))
	rules, ids := map[string]bool{}, map[string]bool{}
	for _, r := range p.Earn {
		rules[r.ID] = true
	}
	for i, m := range p.Multipliers {
		at := fmt.Sprintf("/policy/multipliers/%d", i)
		unique(e, at+"/id", m.ID, ids)
		if !positive(m.Factor) {
			e.Add(at+"/factor", "must be a positive decimal such as 1.5")
		}
		texts(e, at+"/rules", m.Rules)
		for n, id := range m.Rules {
			if !rules[id] {
				e.Add(fmt.Sprintf("%s/rules/%d", at, n), "is no rule of the policy")
			}
		}
		texts(e, at+"/tiers", m.Tiers)
		texts(e, at+"/tags", m.Tags)
		texts(e, at+"/types", m.Types)
		order(e, at+"/until", m.From, m.Until)
	}
}

func (x Expiry) validate(e *domain.Problems) {
	one(e, "/policy/expiry/kind", x.Kind, Never, Months, EndOfYear, Inactivity)
	switch x.Kind {
	case Months, Inactivity:
		between(e, "/policy/expiry/months", x.Months, 1, maxMonths)
	default:
		if x.Months != 0 {
			e.Add("/policy/expiry/months", "has no meaning for the kind %s", x.Kind)
		}
	}
	if x.Kind == EndOfYear {
		between(e, "/policy/expiry/years", x.Years, 0, maxMonths/12)
	} else if x.Years != 0 {
		e.Add("/policy/expiry/years", "has no meaning for the kind %s", x.Kind)
	}
}

func (r Redemption) validate(e *domain.Problems) {
	points(e, "/policy/redemption/points", r.Points, 1)
	e.Amount("/policy/redemption/value_minor", r.ValueMinor)
	if r.Points >= 1 && r.Points <= MaxPoints && r.ValueMinor > r.Points*maxWorth && r.ValueMinor <= domain.MaxAmountMinor {
		e.Add("/policy/redemption/value_minor", "must be at most %d for a point, that is %d for %d", int64(maxWorth), r.Points*maxWorth, r.Points)
	}
	points(e, "/policy/redemption/minimum", r.Minimum, 0)
	points(e, "/policy/redemption/step", r.Step, 0)
	between(e, "/policy/redemption/hold_minutes", r.HoldMinutes, 0, maxDays*24*60)
	if r.Step > 0 && r.Minimum%r.Step != 0 {
		e.Add("/policy/redemption/minimum", "is not a multiple of the step, which is %d", r.Step)
	}
	few(e, "/policy/redemption/rewards", len(r.Rewards))
	ids := map[string]bool{}
	for i, w := range r.Rewards {
		at := fmt.Sprintf("/policy/redemption/rewards/%d", i)
		unique(e, at+"/id", w.ID, ids)
		e.Required(at+"/name", w.Name, maxName)
		points(e, at+"/points", w.Points, 1)
		order(e, at+"/until", w.From, w.Until)
	}
}

// try notes in e that an example comes out otherwise.
func (x Example) try(e *domain.Problems, at string, p *Policy) {
	e.Currency(at+"/order/currency", x.Order.Currency)
	e.Amount(at+"/order/amount_minor", x.Order.AmountMinor)
	if x.Order.Rate != "" && !positive(x.Order.Rate) {
		e.Add(at+"/order/rate", "must be a positive decimal such as 1.0842")
	}
	sum := int64(0)
	for i, item := range x.Order.Items {
		if item.AmountMinor < 0 || item.Quantity < 1 {
			e.Add(fmt.Sprintf("%s/order/items/%d", at, i), "must have a quantity of at least 1 and no negative amount")
		}
		sum += item.AmountMinor
	}
	if len(x.Order.Items) > 0 && sum != x.Order.AmountMinor {
		e.Add(at+"/order/amount_minor", "is %d, but the items add up to %d", x.Order.AmountMinor, sum)
	}
	awards, err := p.Award(x.Order, Shopper{Tier: x.Tier, Tags: x.Tags, Type: x.Type})
	if err != nil {
		e.Add(at+"/order/rate", "is missing: the programme counts in %s", p.Currency)
		return
	}
	total := int64(0)
	for _, a := range awards {
		total += a.Points
	}
	if total != x.Points {
		e.Add(at+"/points", "is %d, but the policy gives %d", x.Points, total)
	}
}

// positive says whether a text is a decimal above 0.
func positive(text string) bool {
	f, ok := new(big.Rat).SetString(text)
	return decimal.MatchString(text) && ok && f.Sign() > 0
}

func one(e *domain.Problems, at, text string, allowed ...string) {
	if text == "" {
		e.Add(at, "is required")
	}
	e.OneOf(at, text, allowed...)
}

func few(e *domain.Problems, at string, n int) {
	if n > maxEntries {
		e.Add(at, "must have at most %d entries", maxEntries)
	}
}

func unique(e *domain.Problems, at, id string, seen map[string]bool) {
	switch {
	case !code.MatchString(id):
		e.Add(at, "must be lower-case letters, digits and . _ -, at most 64")
	case seen[id]:
		e.Add(at, "%q is there twice", id)
	}
	seen[id] = true
}

func texts(e *domain.Problems, at string, list []string) {
	if len(list) > maxList {
		e.Add(at, "must have at most %d entries", maxList)
		return
	}
	for i, s := range list {
		e.Required(fmt.Sprintf("%s/%d", at, i), s, maxName)
	}
}

func points(e *domain.Problems, at string, n, least int64) {
	if n < least || n > MaxPoints {
		e.Add(at, "must be between %d and %d", least, int64(MaxPoints))
	}
}

func between(e *domain.Problems, at string, n, least, most int) {
	if n < least || n > most {
		e.Add(at, "must be between %d and %d", least, most)
	}
}

func order(e *domain.Problems, at string, from, until *domain.Date) {
	if from != nil && until != nil && *until < *from {
		e.Add(at, "must not be before from")
	}
}
