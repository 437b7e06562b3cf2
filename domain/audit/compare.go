package audit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/tier"
)

// Differs says in what an account differs from the ledger, "" if in nothing. Both
// are as of the same event.
func (l *Ledger) Differs(a *customer.Account) string {
	if diff := l.differingLots(a); diff != "" {
		return diff
	}
	if diff := l.differingHolds(a); diff != "" {
		return diff
	}
	level, want := a.Tier.Level, l.tier.level
	if a.Tier.Override != nil {
		level += ", overridden"
	}
	if l.tier.replaced != nil {
		want += ", overridden"
	}
	for _, d := range []struct {
		what     string
		is, says any
	}{
		{"the sums", a.Sums, l.sums},
		{"the deficit", a.Deficit, l.deficit},
		{"the membership", a.Joined, l.member},
		{"the tier", level, want},
		{"the end of the tier", stamp(a.Tier.ValidUntil), stamp(l.tier.until)},
		{"the end of rolling lots", stamp(a.RollsTo), stamp(l.rollsTo)},
		{"since when rolling lots are kept", a.RollsSince.UTC(), l.rollsSince.UTC()},
		{"the proposals", len(a.Proposals), len(l.proposals)},
	} {
		if d.is != d.says {
			return fmt.Sprintf("%s: the account has %v, the events say %v", d.what, d.is, d.says)
		}
	}
	return l.differingDays(a)
}

func (l *Ledger) differingLots(a *customer.Account) string {
	open := slices.Clone(l.open)
	slices.SortFunc(open, before)
	for i := range max(len(open), len(a.Lots)) {
		switch {
		case i >= len(a.Lots):
			return fmt.Sprintf("the lot %s has %d points and is not in the account", open[i].LotID, open[i].remaining)
		case i >= len(open) || a.Lots[i].LotID != open[i].LotID:
			return fmt.Sprintf("the lot %s of the account comes at another place, or has no points", a.Lots[i].LotID)
		}
		is, want := a.Lots[i], open[i]
		if is.Remaining != want.remaining || is.Pending != want.pending || !same(is.ExpiresAt, want.ExpiresAt) {
			return fmt.Sprintf("the lot %s: the account has %d points (pending: %t) that lapse at %s, the events say %d (%t) at %s",
				is.LotID, is.Remaining, is.Pending, stamp(is.ExpiresAt), want.remaining, want.pending, stamp(want.ExpiresAt))
		}
	}
	return ""
}

func (l *Ledger) differingHolds(a *customer.Account) string {
	if len(a.Holds) != len(l.holds) {
		return fmt.Sprintf("the account has %d holds, the events say %d", len(a.Holds), len(l.holds))
	}
	for i, h := range l.holds {
		is := a.Holds[i]
		if is.HoldID != h.HoldID || is.Points != total(h.left) || !same(is.ExpiresAt, h.ExpiresAt) || len(is.From) != len(h.left) {
			return fmt.Sprintf("the hold %s differs: %d points are held, not %d", h.HoldID, total(h.left), is.Points)
		}
		for _, p := range h.left {
			if !slices.ContainsFunc(is.From, func(x customer.HeldLot) bool {
				return x.Lot.LotID == p.lot.LotID && x.Points == p.points && same(x.Lot.ExpiresAt, p.lot.ExpiresAt)
			}) {
				return fmt.Sprintf("the hold %s differs in the lot %s", h.HoldID, p.lot.LotID)
			}
		}
	}
	return ""
}

func (l *Ledger) differingDays(a *customer.Account) string {
	is := map[any]tier.Day{}
	for _, d := range a.Days {
		if d.Points != 0 || d.SpendMinor != 0 || d.Orders != 0 {
			is[d.On] = d
		}
	}
	want := map[any]tier.Day{}
	for on, d := range l.days {
		if d.Points != 0 || d.SpendMinor != 0 || d.Orders != 0 {
			want[on] = d
		}
	}
	if !maps.Equal(is, want) {
		return "what qualified on which day differs"
	}
	return ""
}
