package care

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Limits of a policy.
const (
	maxOccasions = 100
	maxChannels  = 100
	maxAround    = 60            // days before and after a moment
	maxGift      = 1_000_000_000 // points
)

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, 100)
	if len(p.Occasions) == 0 || len(p.Occasions) > maxOccasions {
		e.Add("/policy/occasions", "must have 1 to %d entries", maxOccasions)
	}
	for i, o := range p.Occasions {
		pointer := fmt.Sprintf("/policy/occasions/%d", i)
		o.check(&e, pointer)
		if slices.ContainsFunc(p.Occasions[:i], func(before Occasion) bool { return before.ID == o.ID }) {
			e.Add(pointer+"/id", "is listed twice")
		}
	}
	for i, r := range p.AnnualRewards {
		pointer := fmt.Sprintf("/policy/annual_rewards/%d", i)
		r.check(&e, pointer)
		if slices.ContainsFunc(p.AnnualRewards[:i], func(before AnnualReward) bool { return before.Kind == r.Kind }) {
			e.Add(pointer+"/kind", "is listed twice")
		}
	}
	return e.Err()
}

func (o Occasion) check(e *domain.Problems, pointer string) {
	code(e, pointer+"/id", o.ID)
	e.Required(pointer+"/kind", o.Kind, 64)
	e.OneOf(pointer+"/kind", o.Kind, Kinds...)
	switch {
	case o.Kind == Festival && o.Festival == nil:
		e.Add(pointer+"/festival", "is required of a festival")
	case o.Kind != Festival && o.Festival != nil:
		e.Add(pointer+"/festival", "belongs to festivals only")
	case o.Festival != nil:
		o.Festival.check(e, pointer+"/festival")
	}
	if len(o.Channels) == 0 || len(o.Channels) > maxChannels {
		e.Add(pointer+"/channels", "must have 1 to %d entries", maxChannels)
	}
	for i, channel := range o.Channels {
		at := fmt.Sprintf("%s/channels/%d", pointer, i)
		code(e, at, channel)
		if slices.Contains(o.Channels[:i], channel) {
			e.Add(at, "is listed twice")
		}
	}
	code(e, pointer+"/purpose", o.Purpose)
	within(e, pointer+"/lead_days", int64(o.LeadDays), 0, maxAround)
	within(e, pointer+"/follow_days", int64(o.FollowDays), 0, maxAround)
	within(e, pointer+"/gift_points", o.GiftPoints, 0, maxGift)
}

func (m MonthDay) check(e *domain.Problems, pointer string) {
	e.Required(pointer+"/calendar", m.Calendar, 64)
	e.OneOf(pointer+"/calendar", m.Calendar, Solar, ChineseLunar)
	within(e, pointer+"/month", int64(m.Month), 1, 12)
	longest := int64(30)
	if m.Calendar != ChineseLunar {
		longest = 31
		if first, ok := solar(2000, m.Month); ok { // a leap year
			longest = int64(first.AddMonths(1) - first)
		}
		if m.Leap {
			e.Add(pointer+"/leap", "is of the Chinese calendar only")
		}
	}
	within(e, pointer+"/day", int64(m.Day), 1, longest)
}

func (r AnnualReward) check(e *domain.Problems, pointer string) {
	e.Required(pointer+"/kind", r.Kind, 64)
	e.OneOf(pointer+"/kind", r.Kind, RewardKinds...)
	within(e, pointer+"/most_points", r.MostPoints, 0, maxGift)
	if r.MostAmount != nil {
		e.Currency(pointer+"/most_amount/currency", r.MostAmount.Currency)
		e.Amount(pointer+"/most_amount/amount_minor", r.MostAmount.AmountMinor)
	}
}

// code notes what is wrong with a name that people refer to.
func code(e *domain.Problems, pointer, name string) {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		e.Add(pointer, "must have 1 to 64 lower-case letters, digits or underscores")
	}
}

func within(e *domain.Problems, pointer string, n, least, most int64) {
	if n < least || n > most {
		e.Add(pointer, "must be between %d and %d", least, most)
	}
}
