// Package value is what a customer is worth: the contribution of a window of days,
// the measures by which customers are compared, the calibration that fixes the
// percentiles of a day, and the bands of the value pyramid.
//
// The contribution is the contribution margin of the customer as management
// accounting has it, revenue less the costs that would not be there without the
// customer: net revenue, less the cost of the goods, less the value of redeemed
// points, less the costs that were recorded for the customer. What was not recorded
// is not guessed: without costs the contribution is unknown, and not the revenue.
//
// The pyramid is that of Zeithaml, Rust and Lemon ("The Customer Pyramid", 2001),
// with a band of its own for those who cost more than they bring. Percentiles are
// quantiles of type 7 of Hyndman and Fan ("Sample Quantiles in Statistical
// Packages", 1996), in exact integers, as in domain/rfm.
package value

import "github.com/rapport-crm/rapport/domain"

// Policy says in which currency and over how many days customers are valued, and
// how wide the bands of the pyramid are.
type Policy struct {
	Currency      string `json:"currency"`       // ISO 4217; what is in another one counts at its own rate to this one
	WindowDays    int    `json:"window_days"`    // the last n days up to the evaluation day
	TopPercent    int    `json:"top_percent"`    // of the customers whose contribution is known
	MiddlePercent int    `json:"middle_percent"` // of them, next to the top
}

// Limits of a policy.
const maxWindowDays = 36500

// Default returns the policy a deployment begins with: the last 365 days, five per
// cent at the top and the next fifteen in the middle.
func Default(currency string) Policy {
	return Policy{Currency: currency, WindowDays: 365, TopPercent: 5, MiddlePercent: 15}
}

// Validate returns domain.ErrValidation with every problem of the policy, nil if
// it may be published. Pointers begin with /policy, where the command that
// publishes it has its body.
func (p *Policy) Validate() error {
	var problems domain.Problems
	if _, known := domain.MinorUnits(p.Currency); !known {
		problems.Add("/policy/currency", "must be an ISO 4217 currency such as EUR")
	}
	if p.WindowDays < 1 || p.WindowDays > maxWindowDays {
		problems.Add("/policy/window_days", "must be 1 to %d", maxWindowDays)
	}
	percent := func(pointer string, n int) bool {
		if n < 1 || n > 98 {
			problems.Add(pointer, "must be 1 to 98")
			return false
		}
		return true
	}
	top, middle := percent("/policy/top_percent", p.TopPercent), percent("/policy/middle_percent", p.MiddlePercent)
	if top && middle && p.TopPercent+p.MiddlePercent > 99 {
		problems.Add("/policy/middle_percent", "and the top are %d per cent together: at least one must be left for the base", p.TopPercent+p.MiddlePercent)
	}
	return problems.Err()
}
