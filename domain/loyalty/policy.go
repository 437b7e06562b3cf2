// Package loyalty is the programme that gives points for what customers buy and
// do: its rules, and the arithmetic that follows from them. Who has which points
// is said in domain/customer.
package loyalty

import (
	"github.com/rapport-crm/rapport/domain"
)

// Policy is the programme. Points are whole numbers; amounts are in the minor unit
// of Currency.
type Policy struct {
	Name      string `json:"name"`
	Currency  string `json:"currency"`  // ISO 4217
	Enrolment string `json:"enrolment"` // Explicit or FirstOrder

	Earn        []Rule       `json:"earn"` // each that fits an order gives points of its own
	Multipliers []Multiplier `json:"multipliers,omitempty"`
	Stacking    string       `json:"stacking,omitempty"` // of multipliers that apply together: Highest, if empty, or Product
	Caps        []Cap        `json:"caps,omitempty"`
	Activities  []Activity   `json:"activities,omitempty"` // what gives points beside orders
	// PendingDays is how many days after the placing points become spendable; 0: at once.
	PendingDays int        `json:"pending_days,omitempty"`
	Expiry      Expiry     `json:"expiry"`
	Redemption  Redemption `json:"redemption"`
	Reversal    Reversal   `json:"reversal,omitzero"`
	Manual      Manual     `json:"manual,omitzero"`
	Transfer    Transfer   `json:"transfer,omitzero"`
	Examples    []Example  `json:"examples,omitempty"`
}

// How customers become members.
const (
	Explicit   = "explicit"    // by enrol-in-program
	FirstOrder = "first_order" // likewise, or by the first paid order
)

// Rule gives points for an order: Points for every PerMinor of what fits, or for
// every piece where PerMinor is 0. What fits is the lines that are eligible and
// have one of the SKUs or categories; all of them where none are named.
type Rule struct {
	ID           string   `json:"id"`
	Points       int64    `json:"points"`
	PerMinor     int64    `json:"per_minor,omitempty"`
	Rounding     string   `json:"rounding,omitempty"` // Floor, if empty, HalfUp, HalfEven or Ceiling
	SKUs         []string `json:"skus,omitempty"`
	Categories   []string `json:"categories,omitempty"`
	MinimumOrder int64    `json:"minimum_order_minor,omitempty"` // the order's total, at least
	MaxPoints    int64    `json:"max_points,omitempty"`          // of one order by this rule; 0: no limit
	// Exclusive takes the lines that fit away from the rules that follow.
	Exclusive bool         `json:"exclusive,omitempty"`
	From      *domain.Date `json:"from,omitempty"`  // of the placing
	Until     *domain.Date `json:"until,omitempty"` // the last date of the placing
}

// How a fraction of a point becomes a whole number.
const (
	Floor    = "floor"
	HalfUp   = "half_up"
	HalfEven = "half_even"
	Ceiling  = "ceiling"
)

// Multiplier multiplies what rules give, if all that it names fits: the tier, a tag,
// the type of the customer, the date of the placing.
type Multiplier struct {
	ID     string       `json:"id"`
	Factor string       `json:"factor"`          // a positive decimal such as 1.5
	Rules  []string     `json:"rules,omitempty"` // that it multiplies; all if absent
	Tiers  []string     `json:"tiers,omitempty"`
	Tags   []string     `json:"tags,omitempty"`  // any of them
	Types  []string     `json:"types,omitempty"` // how the customer is classified
	From   *domain.Date `json:"from,omitempty"`
	Until  *domain.Date `json:"until,omitempty"` // the last date
}

// How multipliers that apply together work.
const (
	Highest = "highest" // the highest alone
	Product = "product" // one after the other
)

// Cap is how many points orders of a period give at most, net of what refunds took
// back.
type Cap struct {
	Period string `json:"period"` // Order, Day, Month or Year, by the business date of the placing
	Points int64  `json:"points"`
}

// Periods of caps.
const (
	Order = "order"
	Day   = "day"
	Month = "month"
	Year  = "year"
)

// Activity is something other than an order that gives points, such as a review.
type Activity struct {
	ID     string `json:"id"`
	Points int64  `json:"points"`
}

// Expiry says when points lapse: always at the first instant of a business day.
type Expiry struct {
	Kind   string `json:"kind"`             // Never, Months, EndOfYear or Inactivity
	Months int    `json:"months,omitempty"` // of Months and Inactivity
	Years  int    `json:"years,omitempty"`  // of EndOfYear: full years after that of the placing
}

// Kinds of expiry.
const (
	Never      = "never"
	Months     = "months"      // that many months after the placing
	EndOfYear  = "end_of_year" // when the year of the placing, or a later one, is over
	Inactivity = "inactivity"  // that many months after the customer last earned or redeemed
)

// Redemption says what points are worth and how they may be spent.
type Redemption struct {
	Points     int64    `json:"points"`            // that many points …
	ValueMinor int64    `json:"value_minor"`       // … are worth this much money
	Minimum    int64    `json:"minimum,omitempty"` // of one redemption
	Step       int64    `json:"step,omitempty"`    // a redemption is a multiple of it
	Rewards    []Reward `json:"rewards,omitempty"`
	// HoldMinutes is how long points may be held at most; 1,440 if 0.
	HoldMinutes int `json:"hold_minutes,omitempty"`
}

// Reward is something that points buy.
type Reward struct {
	ID     string       `json:"id"`
	Name   string       `json:"name"`
	Points int64        `json:"points"`
	From   *domain.Date `json:"from,omitempty"`
	Until  *domain.Date `json:"until,omitempty"` // the last date
}

// Reversal says what happens to points when money goes back.
type Reversal struct {
	// Earn is what happens to points that were earned and are spent already:
	// Deficit, if empty, Clamp or OnlyPending.
	Earn string `json:"earn,omitempty"`
	// Redemptions is what becomes of points that were spent on the order: ProRata,
	// if empty, FullOnly or Keep.
	Redemptions string `json:"redemptions,omitempty"`
	// GraceDays is how long points that come back can be spent whose lot has
	// lapsed; 0: they have lapsed.
	GraceDays int `json:"grace_days,omitempty"`
}

// What a reversal may be.
const (
	Deficit     = "deficit"      // the customer owes them; later credits pay first
	Clamp       = "clamp"        // what is not there any more is let go
	OnlyPending = "only_pending" // only points that never became spendable are taken back

	ProRata  = "pro_rata"  // points come back as the money does
	FullOnly = "full_only" // they come back when all the money did
	Keep     = "keep"      // they do not come back by themselves
)

// Manual says what people may do by hand.
type Manual struct {
	BonusLimit   int64 `json:"bonus_limit,omitempty"`   // points that one may grant alone
	DeficitLimit int64 `json:"deficit_limit,omitempty"` // how far an adjustment may go below nothing
}

// Transfer says whether members may give points to each other.
type Transfer struct {
	Allowed bool  `json:"allowed"`
	Minimum int64 `json:"minimum,omitempty"`
	Maximum int64 `json:"maximum,omitempty"` // of one transfer; 0: no limit
}

// MaxPoints bounds what one movement may be, so that sums of many stay far from the
// end of an int64.
const MaxPoints = 1_000_000_000_000

// Version is a policy with the business date from which it holds, until the next
// one does.
type Version struct {
	From    domain.Date
	Version int
	Policy  *Policy
}

// On returns the version of a business date. versions ascend by date.
func On(versions []Version, d domain.Date) (Version, bool) {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].From <= d {
			return versions[i], true
		}
	}
	return Version{}, false
}

// Lapses returns the business date with which points lapse that were earned, or
// for Inactivity last moved, on a date; nil: never.
func (e Expiry) Lapses(on domain.Date) *domain.Date {
	switch e.Kind {
	case Months, Inactivity:
		return new(on.AddMonths(e.Months))
	case EndOfYear:
		return new(domain.NewDate(on.Year()+1+e.Years, 1, 1))
	}
	return nil
}

// Value returns what points are worth, rounded down to the minor unit.
func (r Redemption) Value(points int64) int64 {
	if r.Points <= 0 {
		return 0
	}
	return mulDiv(points, r.ValueMinor, r.Points)
}

// HoldLimit returns how many minutes points may be held at most.
func (r Redemption) HoldLimit() int {
	if r.HoldMinutes == 0 {
		return 24 * 60
	}
	return r.HoldMinutes
}

// Reward finds something that points buy on a date.
func (r Redemption) Reward(id string, on domain.Date) (Reward, bool) {
	for _, w := range r.Rewards {
		if w.ID == id && during(on, w.From, w.Until) {
			return w, true
		}
	}
	return Reward{}, false
}

// Activity finds an activity.
func (p *Policy) Activity(id string) (Activity, bool) {
	for _, a := range p.Activities {
		if a.ID == id {
			return a, true
		}
	}
	return Activity{}, false
}

func during(on domain.Date, from, until *domain.Date) bool {
	return (from == nil || on >= *from) && (until == nil || on <= *until)
}
