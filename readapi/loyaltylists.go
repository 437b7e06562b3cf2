package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
)

// ExpiringPoints is who loses points within some days, if nothing happens.
type ExpiringPoints struct {
	From       domain.Date        `json:"from"`      // tomorrow, as the business has it
	To         domain.Date        `json:"to"`        // the last date, inclusive
	Total      Worth              `json:"total"`     // of all customers
	Customers  []ExpiringCustomer `json:"customers"` // by the first date on which they lose any
	NextCursor string             `json:"next_cursor,omitempty"`
	Stamp
}

// ExpiringCustomer is a customer who loses points.
type ExpiringCustomer struct {
	CustomerID  uuid.UUID           `json:"customer_id"`
	ExternalIDs []customer.LinkedID `json:"external_ids"`
	Worth
	Dates []ExpiringOn `json:"dates"` // ascending
}

// ExpiringOn is points that lapse with the first instant of a business date.
type ExpiringOn struct {
	On     domain.Date `json:"on"`
	Points int64       `json:"points"`
}

// Members is a page of the members of the programme.
type Members struct {
	Members    []Member `json:"members"`
	NextCursor string   `json:"next_cursor,omitempty"`
	Stamp
}

// Member is a member of the programme, as of business now.
type Member struct {
	CustomerID  uuid.UUID           `json:"customer_id"`
	ExternalIDs []customer.LinkedID `json:"external_ids"`
	MemberSince time.Time           `json:"member_since"`
	Tier        string              `json:"tier"` // empty without a ladder
	customer.Balance
	Value    *domain.Money `json:"value" jsonschema:"nullable"` // of what can be spent; null without a programme
	Earned   int64         `json:"earned"`                      // ever
	Redeemed int64         `json:"redeemed"`                    // ever, less what came back
	// LastActiveOn is the date of the last earning or redemption; absent: there was none.
	LastActiveOn *domain.Date `json:"last_active_on,omitempty"`
	InactiveDays int          `json:"inactive_days"` // since then, or since joining
}

// Orders of the list of members.
const (
	membersTop    = "top"
	membersEarned = "earned"
	membersLapsed = "lapsed"
	membersRecent = "recent"
)

var memberOrders = []string{membersTop, membersEarned, membersLapsed, membersRecent}

// Limits of the days that are asked for.
const (
	expiringDays    = 30 // if nothing is said
	maxExpiringDays = 3660
	lapsedDays      = 365 // if nothing is said
	maxLapsedDays   = 36_600
)

// expiringQuery is what is asked of points that lapse. A page that follows goes by the
// dates of the first one.
type expiringQuery struct {
	From  domain.Date `json:"f"`
	To    domain.Date `json:"t"`
	Place place       `json:"p"`
}

// pointsItem is a customer of a list of accounts, in the making.
type pointsItem struct {
	booked loyalty.Document
	is     customer.Account // now
}

// pointsItems reads the accounts of candidates; nil where there is none.
func (a *API) pointsItems(ctx context.Context, l *pointsLook, o across, cs []*candidate) ([]*pointsItem, error) {
	items := make([]*pointsItem, len(cs))
	if len(cs) == 0 {
		return items, nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	docs, err := a.loyaltyDocuments(ctx, o, ids)
	if err != nil {
		return nil, err
	}
	for i, d := range docs {
		if d != nil {
			items[i] = &pointsItem{*d, l.account(&d.Account)}
		}
	}
	return items, nil
}

// fetchPoints gives candidates their accounts.
func (a *API) fetchPoints(ctx context.Context, l *pointsLook, o across, cs []*candidate) error {
	items, err := a.pointsItems(ctx, l, o, cs)
	for i, item := range items {
		if item != nil {
			cs[i].item = item
		}
	}
	return err
}

// externalIDs reads under which ids other systems know customers.
func (a *API) externalIDs(ctx context.Context, cs []*candidate) (map[uuid.UUID][]customer.LinkedID, error) {
	all := map[uuid.UUID][]customer.LinkedID{}
	if len(cs) == 0 {
		return all, nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i], all[c.id] = c.id, []customer.LinkedID{}
	}
	g, partitions, err := a.serving(ctx, profile.Name)
	if err != nil {
		return nil, err
	}
	docs, err := a.Documents.Documents(ctx, g, partitions, ids)
	if err != nil {
		return nil, err
	}
	for i, stored := range docs {
		if stored == nil {
			continue
		}
		var d struct {
			ExternalIDs []customer.LinkedID `json:"external_ids"`
		}
		if err := json.Unmarshal(stored, &d); err != nil {
			return nil, fmt.Errorf("profile document of %v: %w", ids[i], err)
		}
		all[ids[i]] = append(all[ids[i]], d.ExternalIDs...)
	}
	return all, nil
}

// within returns the points of lots that lapse within dates, both inclusive.
func (l *pointsLook) within(lots []customer.OpenLot, from, to domain.Date) (dates []ExpiringOn, points int64) {
	dates = []ExpiringOn{}
	for i := range lots { // in the order in which they lapse
		if lots[i].ExpiresAt == nil {
			break
		}
		on := domain.DateOf(*lots[i].ExpiresAt, l.zone)
		if on < from || on > to {
			continue
		}
		if n := len(dates); n == 0 || dates[n-1].On != on {
			dates = append(dates, ExpiringOn{On: on})
		}
		dates[len(dates)-1].Points += lots[i].Remaining
		points += lots[i].Remaining
	}
	return dates, points
}

func (a *API) expiringPoints(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx := r.Context()
	days, limit, least := p.number("days", expiringDays, 1, maxExpiringDays), p.limit(), p.minPosition()
	var q expiringQuery
	goesOn := p.cursor(a.cursors(), &q)
	if err := p.err(); err != nil {
		return err
	}
	l := new(pointsLook)
	o, err := a.pointsNow(ctx, l, least)
	if err != nil {
		return err
	}
	if !goesOn {
		q.From, q.To = l.today+1, l.today+domain.Date(days)
	}
	sums, err := a.totalsNow(ctx, l, o)
	if err != nil {
		return err
	}
	answer := ExpiringPoints{From: q.From, To: q.To, Customers: []ExpiringCustomer{}, Stamp: l.stamp()}
	for name, points := range sums {
		_, expires, ok, err := loyalty.ParseLot(name)
		if err != nil {
			return err
		}
		if ok && expires != nil && *expires >= q.From && *expires <= q.To {
			answer.Total.Points += points
		}
	}
	answer.Total = l.worth(answer.Total.Points)
	fetch := func(cs []*candidate) error { return a.fetchPoints(ctx, l, o, cs) }
	keep := func(c *candidate) bool {
		item, ok := c.item.(*pointsItem)
		if !ok {
			return false
		}
		_, points := l.within(item.is.Lots, q.From, q.To)
		return points > 0
	}
	found, next, err := a.walk(ctx, o.partitions, l.expiringStretches(o, q.From, q.To), q.Place, limit, fetch, keep)
	if err != nil {
		return err
	}
	external, err := a.externalIDs(ctx, found)
	if err != nil {
		return err
	}
	for _, c := range found {
		one := ExpiringCustomer{CustomerID: c.id, ExternalIDs: external[c.id]}
		one.Dates, one.Points = l.within(c.item.(*pointsItem).is.Lots, q.From, q.To)
		one.Worth = l.worth(one.Points)
		answer.Customers = append(answer.Customers, one)
	}
	if next != nil {
		q.Place = *next
		answer.NextCursor = p.next(a.cursors(), q)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// expiringStretches walks those who are booked to lose points within dates, each of
// them once; and then those who lose only what has come back to them, of a hold that
// is over, which is not booked yet.
func (l *pointsLook) expiringStretches(o across, from, to domain.Date) []stretch {
	first := func(c *candidate) (on domain.Date, any bool) {
		if item, ok := c.item.(*pointsItem); ok {
			if dates, _ := l.within(item.booked.Lots, from, to); len(dates) > 0 {
				return dates[0].On, true
			}
		}
		return 0, false
	}
	booked := stretch{
		generation: o.generation, index: loyalty.IndexExpiring, from: from.String(),
		past: func(key string) bool { return key > to.String()+"|~" },
		only: func(c *candidate) bool { // they stand there once for each date
			on, _, err := loyalty.ParseExpiring(c.key)
			is, any := first(c)
			return err == nil && any && is == on
		},
	}
	overdue := l.overdueIn(o)
	overdue.only = func(c *candidate) bool { _, any := first(c); return !any }
	return []stretch{booked, overdue}
}

// lastActive returns the date of the last earning or redemption, nil if there was
// none, and how many days ago it was, or the joining.
func (l *pointsLook) lastActive(of *customer.Account) (on *domain.Date, days int) {
	since := domain.DateOf(of.JoinedAt, l.zone)
	if !of.LastActivity.IsZero() {
		since = domain.DateOf(of.LastActivity, l.zone)
		on = &since
	}
	return on, max(0, int(l.today-since))
}

// memberStretches says which indexes to walk for the members of a level, or all.
func (l *pointsLook) memberStretches(o across, order, level string, inactive int) []stretch {
	in := func(index, prefix string, descending bool) stretch {
		return stretch{generation: o.generation, index: index, prefix: prefix, descending: descending}
	}
	switch order {
	case membersEarned:
		return []stretch{in(loyalty.IndexEarned, "", true)}
	case membersRecent:
		return []stretch{in(loyalty.IndexActivity, "", true)}
	case membersLapsed:
		s, last := in(loyalty.IndexActivity, "", false), l.today-domain.Date(inactive)
		s.past = func(key string) bool { return key > last.String() }
		return []stretch{s}
	}
	if level == "" || level == l.base() { // of whom no event need say so
		return []stretch{in(loyalty.IndexSpendable, "", true)}
	}
	return l.ofLevel(o, level)
}

// ofLevel walks those who are booked to have a level other than the base, and then
// those who have it because another is over, which is not booked yet.
func (l *pointsLook) ofLevel(o across, level string) []stretch {
	booked := stretch{generation: o.generation, index: loyalty.IndexTier, prefix: loyalty.TierPrefix(level), descending: true}
	overdue := l.overdueIn(o)
	overdue.only = func(c *candidate) bool {
		item, ok := c.item.(*pointsItem)
		return ok && item.booked.Tier.Level != level
	}
	return []stretch{booked, overdue}
}

// overdueIn walks those of whom something may be due that is not booked.
func (l *pointsLook) overdueIn(o across) stretch {
	return stretch{generation: o.generation, index: loyalty.IndexDue, past: func(key string) bool { return key > l.today.String() }}
}

func (a *API) programMembers(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx := r.Context()
	order, level, limit, least := p.oneOf("order", memberOrders...), p.text("tier"), p.limit(), p.minPosition()
	inactive := p.number("inactive_days", 0, 1, maxLapsedDays)
	if inactive == 0 && order == membersLapsed {
		inactive = lapsedDays
	}
	var at place
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	l := new(pointsLook)
	o, err := a.pointsNow(ctx, l, least)
	if err != nil {
		return err
	}
	fetch := func(cs []*candidate) error { return a.fetchPoints(ctx, l, o, cs) }
	keep := func(c *candidate) bool {
		item, ok := c.item.(*pointsItem)
		if !ok || !item.is.Joined || level != "" && l.level(&item.is) != level {
			return false
		}
		_, days := l.lastActive(&item.is)
		return days >= inactive
	}
	found, next, err := a.walk(ctx, o.partitions, l.memberStretches(o, order, level, inactive), at, limit, fetch, keep)
	if err != nil {
		return err
	}
	external, err := a.externalIDs(ctx, found)
	if err != nil {
		return err
	}
	answer := Members{Members: []Member{}, Stamp: l.stamp()}
	for _, c := range found {
		of := &c.item.(*pointsItem).is
		m := Member{
			CustomerID: c.id, ExternalIDs: external[c.id], MemberSince: of.JoinedAt, Tier: l.level(of), Balance: of.Balance(),
			Earned: of.Sums.Earned, Redeemed: of.Sums.Redeemed - of.Sums.Restored,
		}
		m.Value = l.worth(m.Spendable).Value
		m.LastActiveOn, m.InactiveDays = l.lastActive(of)
		answer.Members = append(answer.Members, m)
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) loyaltyListRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/loyalty/expiring", Tag: "loyalty",
		Summary: "List whose points lapse soon",
		Detail: "Customers with points that lapse within the days from tomorrow on, as the business has it, if nothing happens; by the first date on which they lose any. " +
			"Points lapse with the first instant of a date. Held points are not among them.",
		Params: slices.Concat([]web.Param{
			query("days", "integer", "", "How many days ahead, 1 to 3660; 30 if absent."),
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: ExpiringPoints{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.expiringPoints,
	}, {
		Method: "GET", Path: "/v1/loyalty/members", Tag: "loyalty",
		Summary: "List the members of the loyalty programme",
		Detail: "Those with the most points to spend first, `top`; with the most points ever earned, `earned`; who earned and redeemed nothing for the longest time, `lapsed`; " +
			"or who did so last, `recent`. What is told of them is as of business now; they stand where it was last booked.",
		Params: slices.Concat([]web.Param{
			{Name: "order", In: "query", Type: "string", Enum: memberOrders, Detail: "The order; top if absent."},
			query("inactive_days", "integer", "", "Only who earned and redeemed nothing for at least so many days; 365 if absent of lapsed."),
			query("tier", "string", "", "Only who has this level."),
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of members.", Body: Members{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.programMembers,
	}}
}
