package readapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// Tiers is the ladder in force and how many members have which level.
type Tiers struct {
	PolicyVersion int           `json:"policy_version,omitempty"` // absent: there is no ladder
	Name          string        `json:"name,omitempty"`
	Measure       string        `json:"measure,omitempty"` // what qualifies
	Members       int64         `json:"members"`
	Tiers         []TierMembers `json:"tiers"` // as the ladder has them, and then those that it does not have any more
	Stamp
}

// TierChanges is a page of what happened to the levels of members.
type TierChanges struct {
	From       *time.Time         `json:"from" jsonschema:"nullable"`
	To         *time.Time         `json:"to" jsonschema:"nullable"`
	Changes    []MemberTierChange `json:"changes"` // the oldest first
	NextCursor string             `json:"next_cursor,omitempty"`
	Stamp
}

// MemberTierChange is an event that says which level a member has.
type MemberTierChange struct {
	CustomerID uuid.UUID `json:"customer_id"`
	loyalty.TierChange
}

// tierCauses is why tiers are evaluated.
var tierCauses = []string{
	customer.TierOrder, customer.TierRefund, customer.TierCancelled, customer.TierReversal, customer.TierPeriodEnd, customer.TierRequested, customer.TierLifted,
}

func (a *API) tiers(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l := new(pointsLook)
	sums, err := a.pointTotals(r.Context(), l, least)
	if err != nil {
		return err
	}
	answer := Tiers{Members: sums[loyalty.MetricMembers], Tiers: l.tiers(sums), Stamp: l.stamp()}
	if v, ok := l.ladder(); ok {
		answer.PolicyVersion, answer.Name, answer.Measure = v.Version, v.Policy.Name, v.Policy.Measure
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) tierChanges(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx := r.Context()
	kind, cause := p.oneOf("kind", slices.Concat([]string{""}, loyalty.TierKinds)...), p.oneOf("cause", slices.Concat([]string{""}, tierCauses)...)
	limit := p.limit()
	var at place
	p.cursor(a.cursors(), &at)
	o, err := a.across(ctx, loyalty.Name, p.minPosition())
	if err != nil {
		return err
	}
	from, to := p.instant("from", o.world, false), p.instant("to", o.world, true)
	if from != nil && to != nil && to.Before(*from) {
		p.bad("to", "lies before from")
	}
	if err := p.err(); err != nil {
		return err
	}
	s := stretch{generation: o.generation, index: loyalty.IndexTierChanges}
	if from != nil {
		s.from = loyalty.InstantKey(*from)
	}
	if to != nil {
		s.past = func(key string) bool { return key > loyalty.InstantKey(*to)+"|~" }
	}
	fetch := func(cs []*candidate) error { return a.fetchTierChanges(ctx, o, cs) }
	keep := func(c *candidate) bool {
		is, ok := c.item.(*loyalty.TierChange)
		return ok && (kind == "" || is.Kind == kind) && (cause == "" || is.Cause != nil && is.Cause.Type == cause)
	}
	found, next, err := a.walk(ctx, o.partitions, []stretch{s}, at, limit, fetch, keep)
	if err != nil {
		return err
	}
	answer := TierChanges{From: from, To: to, Changes: []MemberTierChange{}, Stamp: o.stamp()}
	for _, c := range found {
		answer.Changes = append(answer.Changes, MemberTierChange{c.id, *c.item.(*loyalty.TierChange)})
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// fetchTierChanges reads the changes of candidates.
func (a *API) fetchTierChanges(ctx context.Context, o across, cs []*candidate) error {
	if len(cs) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	docs, err := a.loyaltyDocuments(ctx, o, ids)
	if err != nil {
		return err
	}
	for i, d := range docs {
		_, number, err := loyalty.ParseChange(cs[i].key)
		if err != nil {
			return err
		}
		if d != nil && number < len(d.TierChanges) {
			cs[i].item = &d.TierChanges[number]
		}
	}
	return nil
}

func (a *API) tierRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/tiers", Tag: "loyalty",
		Summary: "Show the ladder of tiers and how many members have which level",
		Detail:  "As of business now: a level whose validity is over counts as what follows it, whether or not that is booked.",
		Params:  minParams,
		Answers: []web.Answer{{Status: 200, Detail: "The levels.", Body: Tiers{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.tiers,
	}, {
		Method: "GET", Path: "/v1/tiers/changes", Tag: "loyalty",
		Summary: "List who rose, fell and kept a level, and why",
		Detail:  "Every change that is booked, by when it took effect, with the evaluation that it follows from.",
		Params: slices.Concat([]web.Param{
			query("from", "string", "", "Changes from then on: a date in the business time zone, or an RFC 3339 time."),
			query("to", "string", "", "Changes up to then, that date included."),
			{Name: "kind", In: "query", Type: "string", Enum: loyalty.TierKinds, Detail: "Only changes of this kind."},
			{Name: "cause", In: "query", Type: "string", Enum: tierCauses, Detail: "Only changes with this cause; what was given by hand has none."},
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of changes.", Body: TierChanges{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.tierChanges,
	}}
}
