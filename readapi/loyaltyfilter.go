package readapi

import (
	"context"

	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// loyaltyFilter is the part of the question that asks where a customer stands in the
// loyalty programme, as of business now. The zero value asks nothing.
type loyaltyFilter struct {
	tier  string
	least int64 // points that can be spent
	look  *pointsLook
	view  across
}

func readLoyaltyFilter(p *params) loyaltyFilter {
	return loyaltyFilter{tier: p.text("tier"), least: int64(p.number("spendable_from", 0, 1, programme.MaxPoints))}
}

func (f *loyaltyFilter) asks() bool { return f.tier != "" || f.least > 0 }

// open looks at the accounts of all members, at a position or later.
func (f *loyaltyFilter) open(ctx context.Context, a *API, o *overall, least uint64) (err error) {
	f.look = new(pointsLook)
	f.view, err = a.pointsNow(ctx, f.look, least)
	o.position = min(o.position, f.view.position)
	return err
}

// stretches says which indexes find them: those of what is booked, and then those of
// whom something is due, as far as they were not found before.
func (f *loyaltyFilter) stretches() []stretch {
	in := func(index, prefix string) stretch {
		return stretch{generation: f.view.generation, index: index, prefix: prefix}
	}
	overdue := f.look.overdueIn(f.view)
	if f.least > 0 {
		rich := in(loyalty.IndexSpendable, "")
		rich.from = loyalty.PointsKey(f.least)
		overdue.only = func(c *candidate) bool { return c.item.(*listed).points.booked.Balance().Spendable < f.least }
		return []stretch{rich, overdue}
	}
	overdue.only = func(c *candidate) bool {
		item := c.item.(*listed).points
		return f.look.level(&item.booked.Account) != f.tier
	}
	all := []stretch{in(loyalty.IndexTier, loyalty.TierPrefix(f.tier)), overdue}
	if f.tier == f.look.base() {
		all = append(all, in(loyalty.IndexTier, loyalty.TierPrefix(""))) // no event says so of them
	}
	return all
}

// wants says whether a customer is as asked for.
func (f *loyaltyFilter) wants(d *listed) bool {
	return !f.asks() || d.points.is.Joined && (f.tier == "" || f.look.level(&d.points.is) == f.tier) && d.points.is.Balance().Spendable >= f.least
}

// fetch reads the accounts of candidates that were fetched.
func (f *loyaltyFilter) fetch(ctx context.Context, a *API, cs []*candidate) error {
	if !f.asks() {
		return nil
	}
	items, err := a.pointsItems(ctx, f.look, f.view, cs)
	if err != nil {
		return err
	}
	for i, c := range cs {
		if items[i] != nil {
			c.item.(*listed).points = *items[i]
		}
	}
	return nil
}

var loyaltyParams = []web.Param{
	query("tier", "string", "", "Which members of the loyalty programme have this level, as of business now."),
	query("spendable_from", "integer", "", "Which members can spend at least so many points, as of business now."),
}
