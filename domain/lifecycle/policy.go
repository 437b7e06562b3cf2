package lifecycle

import "github.com/rapport-crm/rapport/domain"

// Policy says when customers move who do not move by themselves, and how the
// active are told apart in the four-stage view.
type Policy struct {
	Name             string    `json:"name"`
	AtRiskAfterDays  int       `json:"at_risk_after_days"` // business days of the calendar without a paid order
	ChurnedAfterDays int       `json:"churned_after_days"` // likewise, more than AtRiskAfterDays
	Retention        Retention `json:"retention"`
}

// Retention is what an active customer has reached who is to be kept; one who has
// not reached both is in development.
type Retention struct {
	Orders int `json:"orders"` // paid orders, at least
	Days   int `json:"days"`   // since the first paid order, at least
}

// Default returns the policy a deployment begins with.
func Default() Policy {
	return Policy{Name: "standard", AtRiskAfterDays: 90, ChurnedAfterDays: 180, Retention: Retention{Orders: 3, Days: 90}}
}

const maxDays = 36500

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, 100)
	for _, f := range []struct {
		pointer     string
		days, least int
	}{
		{"/policy/at_risk_after_days", p.AtRiskAfterDays, 1}, {"/policy/churned_after_days", p.ChurnedAfterDays, p.AtRiskAfterDays + 1},
		{"/policy/retention/orders", p.Retention.Orders, 1}, {"/policy/retention/days", p.Retention.Days, 0},
	} {
		if f.days < f.least || f.days > maxDays {
			e.Add(f.pointer, "must be between %d and %d", f.least, maxDays)
		}
	}
	return e.Err()
}
