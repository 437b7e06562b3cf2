// Package care is the policy of the moments at which a company shows its customers
// that it thinks of them: birthdays, anniversaries of membership, festivals of the
// solar and of the Chinese calendar, and the rewards of a year.
package care

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Kinds of occasion.
const (
	Birthday    = "birthday"
	Anniversary = "anniversary" // of the membership in the loyalty programme
	Festival    = "festival"
)

// Kinds is every kind of occasion.
var Kinds = []string{Birthday, Anniversary, Festival}

// Calendars by which a festival has its date.
const (
	Solar        = "solar" // Gregorian
	ChineseLunar = "chinese_lunar"
)

// Kinds of annual reward.
const (
	Reward   = "reward"
	Dividend = "dividend"
)

// RewardKinds is every kind of annual reward.
var RewardKinds = []string{Reward, Dividend}

// Policy says which moments there are and what may be done at them.
type Policy struct {
	Name      string     `json:"name"`
	Occasions []Occasion `json:"occasions"`
	// AnnualRewards are the rewards of a year that may be granted, and how much of
	// each at most. Empty: every kind, without a limit.
	AnnualRewards []AnnualReward `json:"annual_rewards,omitempty"`
}

// Occasion is one moment that comes every year.
type Occasion struct {
	ID         string    `json:"id"`                 // what commands call it
	Kind       string    `json:"kind"`               // Birthday, Anniversary or Festival
	Festival   *MonthDay `json:"festival,omitempty"` // when it is, of a festival only
	Channels   []string  `json:"channels"`           // by which it may be acted on
	Purpose    string    `json:"purpose"`            // of the contact policy: what it demands is checked
	LeadDays   int       `json:"lead_days,omitempty"`
	FollowDays int       `json:"follow_days,omitempty"` // days before and after the moment in which it may be acted on
	GiftPoints int64     `json:"gift_points,omitempty"` // that a member is given; 0: none
}

// MonthDay is the day of a calendar on which a festival is. A day that the month
// of a year is too short for is its last day: 30 December of the Chinese calendar
// is its New Year's Eve.
type MonthDay struct {
	Calendar string `json:"calendar"` // Solar or ChineseLunar
	Month    int    `json:"month"`
	Day      int    `json:"day"`
	Leap     bool   `json:"leap,omitempty"` // of the leap month of that number; years without it have no such day
}

// AnnualReward limits a kind of annual reward. What is absent is not limited.
type AnnualReward struct {
	Kind       string        `json:"kind"`
	MostPoints int64         `json:"most_points,omitempty"`
	MostAmount *domain.Money `json:"most_amount,omitempty"` // amounts of other currencies are not allowed then
}

// Occasion returns the occasion of an id.
func (p Policy) Occasion(id string) (Occasion, bool) {
	i := slices.IndexFunc(p.Occasions, func(o Occasion) bool { return o.ID == id })
	if i < 0 {
		return Occasion{}, false
	}
	return p.Occasions[i], true
}

// On returns the date of the occasion in a year. since is the date of birth, or of
// the beginning of the membership; festivals need none. false: it is not in that
// year, or, of a festival, the calendar does not reach that far.
//
// The year of a festival of the Chinese calendar is that of the calendar, which
// begins in January or February: its last days lie in the next Gregorian year.
func (o Occasion) On(year int, since domain.Date) (domain.Date, bool) {
	if o.Kind == Festival {
		if o.Festival == nil {
			return 0, false
		}
		return o.Festival.On(year)
	}
	return Yearly(since, year)
}

// Yearly returns the date on which a year of its own has passed since a date, in a
// later year: the same day, but 28 February instead of the 29th in a year that has
// none. false: the year is not a later one.
func Yearly(since domain.Date, year int) (domain.Date, bool) {
	years := year - since.Year()
	if years < 1 {
		return 0, false
	}
	return since.AddMonths(12 * years), true
}

// On returns the date of the festival in a year of its calendar.
func (m MonthDay) On(year int) (domain.Date, bool) {
	if m.Calendar == ChineseLunar {
		return Lunar(year, m.Month, m.Day, m.Leap)
	}
	first, ok := solar(year, m.Month)
	return first + domain.Date(min(m.Day, int(first.AddMonths(1)-first))-1), ok
}

// Due says whether the occasion of a date may be acted on on another.
func (o Occasion) Due(on, today domain.Date) bool {
	return today >= on-domain.Date(o.LeadDays) && today <= on+domain.Date(o.FollowDays)
}

// Allows says whether the policy lets an annual reward be granted. A reward is
// points, an amount, or neither.
func (p Policy) Allows(kind string, points int64, amount *domain.Money) bool {
	if len(p.AnnualRewards) == 0 {
		return true
	}
	i := slices.IndexFunc(p.AnnualRewards, func(r AnnualReward) bool { return r.Kind == kind })
	if i < 0 {
		return false
	}
	most := p.AnnualRewards[i]
	return (most.MostPoints == 0 || points <= most.MostPoints) &&
		(most.MostAmount == nil || amount == nil || amount.Currency == most.MostAmount.Currency && amount.AmountMinor <= most.MostAmount.AmountMinor)
}

// Example returns a policy with what many companies do. None is published by itself.
func Example() Policy {
	lunar := func(month, day int) *MonthDay { return &MonthDay{Calendar: ChineseLunar, Month: month, Day: day} }
	everywhere := []string{"email", "sms", "wechat", "phone", "post"}
	return Policy{
		Name: "standard",
		Occasions: []Occasion{
			{ID: "birthday", Kind: Birthday, Channels: everywhere, Purpose: "marketing", LeadDays: 7, FollowDays: 7, GiftPoints: 100},
			{ID: "anniversary", Kind: Anniversary, Channels: everywhere, Purpose: "marketing", LeadDays: 3, FollowDays: 14, GiftPoints: 50},
			{ID: "new_year", Kind: Festival, Festival: &MonthDay{Calendar: Solar, Month: 1, Day: 1}, Channels: everywhere, Purpose: "marketing", LeadDays: 7, FollowDays: 7},
			{ID: "spring_festival", Kind: Festival, Festival: lunar(1, 1), Channels: everywhere, Purpose: "marketing", LeadDays: 14, FollowDays: 14},
			{ID: "dragon_boat", Kind: Festival, Festival: lunar(5, 5), Channels: everywhere, Purpose: "marketing", LeadDays: 5, FollowDays: 2},
			{ID: "mid_autumn", Kind: Festival, Festival: lunar(8, 15), Channels: everywhere, Purpose: "marketing", LeadDays: 7, FollowDays: 2},
		},
	}
}
