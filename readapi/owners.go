package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/owners"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Portfolio is whom an employee owns, or owned at an instant.
type Portfolio struct {
	EmployeeID string              `json:"employee_id"`
	At         *time.Time          `json:"at" jsonschema:"nullable"` // null: now
	Customers  []PortfolioCustomer `json:"customers"`                // by since when
	NextCursor string              `json:"next_cursor,omitempty"`
	Stamp
}

// PortfolioCustomer is a customer of a portfolio.
type PortfolioCustomer struct {
	CustomerID uuid.UUID  `json:"customer_id"`
	Role       string     `json:"role,omitempty"` // as what the employee looks after them
	Since      time.Time  `json:"since"`
	Until      *time.Time `json:"until,omitempty"` // absent: still
	EventID    uuid.UUID  `json:"event_id"`        // what made the employee the owner
	HandoverID *uuid.UUID `json:"handover_id,omitempty"`
}

// ownerFilter is the part of the question that asks who acrosss after a customer.
type ownerFilter struct {
	owner, level string
	pool         string // "true", "false" or "" for both
}

func readOwnerFilter(p *params) ownerFilter {
	f := ownerFilter{owner: p.text("owner"), level: p.text("key_account"), pool: p.oneOf("pool", "", "true", "false")}
	if p.r.URL.Path == poolPath {
		f.pool = "true"
	}
	return f
}

// stretches says which index finds them, nil if none does.
func (f ownerFilter) stretches(in func(index, prefix string) stretch, sorted bool) []stretch {
	switch {
	case f.owner != "":
		return []stretch{in(profile.IndexOwner, f.owner+"\x00")}
	case f.level != "":
		return []stretch{in(profile.IndexKeyAccount, f.level+"\x00")}
	case f.pool == "true" && !sorted:
		// Who was released, the latest first; then who never had an owner, likewise.
		released, fresh := in(profile.IndexReleased, ""), in(profile.IndexAll, "")
		released.descending, fresh.descending = true, true
		fresh.only = func(c *candidate) bool { return c.item.(*listed).profile.Ownership.ReleasedAt.IsZero() }
		return []stretch{released, fresh}
	}
	return nil
}

// wants says whether a customer is as asked for. Whoever was erased is neither
// owned nor in the pool.
func (f ownerFilter) wants(d *profile.Document) bool {
	is := &d.Ownership
	return (f.owner == "" || is.Owner == f.owner) &&
		(f.level == "" || is.KeyAccount != nil && is.KeyAccount.Level == f.level) &&
		(f.pool == "" || f.pool == "true" && is.InPool() && !d.Rights.Erased || f.pool == "false" && !is.InPool())
}

var (
	keyAccountParam = query("key_account", "string", "", "Who is a key account of this level.")
	ownerParams     = []web.Param{
		query("owner", "string", "", "Whom this employee owns."),
		{Name: "pool", In: "query", Type: "string", Enum: []string{"true", "false"}, Detail: "Whom nobody owns, or whom somebody owns."},
		keyAccountParam,
	}
)

const poolPath = "/v1/pool"

func (a *API) portfolio(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx := r.Context()
	o, err := a.across(ctx, owners.Name, p.minPosition())
	if err != nil {
		return err
	}
	limit := p.limit()
	at := p.instant("as_of", o.world, true)
	var from place
	p.cursor(a.cursors(), &from)
	if err := p.err(); err != nil {
		return err
	}
	employee := mux.Vars(r)["employee_id"]
	s := stretch{generation: o.generation, index: owners.IndexHeld, prefix: owners.Prefix(employee)}
	lasts := func(string) bool { return true }
	if at != nil {
		instant := owners.Instant(*at)
		s.index = owners.IndexPeriods
		s.past = func(key string) bool { began, _ := owners.Bounds(key); return began > instant }
		lasts = func(key string) bool { _, until := owners.Bounds(key); return until > instant }
	}
	fetch := func(cs []*candidate) error {
		return a.fetchPeriods(ctx, o, slices.DeleteFunc(slices.Clone(cs), func(c *candidate) bool { return !lasts(c.key) }))
	}
	began := func(c *candidate) (owners.Period, bool) {
		d, _ := c.item.(*owners.Document)
		if d == nil {
			return owners.Period{}, false
		}
		since, _ := owners.Bounds(c.key)
		i := slices.IndexFunc(d.Periods, func(p owners.Period) bool {
			return p.Owner == employee && owners.Instant(p.From) == since
		})
		if i < 0 {
			return owners.Period{}, false // it has ended since the index was read
		}
		return d.Periods[i], at != nil || d.Periods[i].Until.IsZero()
	}
	keep := func(c *candidate) bool { _, ok := began(c); return ok }
	found, next, err := a.walk(ctx, o.partitions, []stretch{s}, from, limit, fetch, keep)
	if err != nil {
		return err
	}
	answer := Portfolio{EmployeeID: employee, At: at, Customers: make([]PortfolioCustomer, 0, len(found)), Stamp: o.stamp()}
	for _, c := range found {
		period, _ := began(c)
		row := PortfolioCustomer{CustomerID: c.id, Role: period.Role, Since: period.From, EventID: period.EventID}
		if !period.Until.IsZero() {
			row.Until = &period.Until
		}
		if period.HandoverID != uuid.Nil {
			row.HandoverID = &period.HandoverID
		}
		answer.Customers = append(answer.Customers, row)
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, o.stamp(), answer)
}

// fetchPeriods reads the documents of candidates.
func (a *API) fetchPeriods(ctx context.Context, o across, cs []*candidate) error {
	if len(cs) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	docs, err := a.Documents.Documents(ctx, o.generation, o.partitions, ids)
	if err != nil {
		return err
	}
	for i, c := range cs {
		if docs[i] == nil {
			continue
		}
		d := new(owners.Document)
		if err := json.Unmarshal(docs[i], d); err != nil {
			return fmt.Errorf("owners document of %v: %w", c.id, err)
		}
		c.item = d
	}
	return nil
}

func (a *API) ownerRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/owners/{employee_id}/portfolio", Tag: "owners",
		Summary: "Show whom an employee owns, or owned",
		Params: slices.Concat([]web.Param{
			{Name: "employee_id", In: "path", Required: true, Type: "string", Detail: "The employee."},
			query("as_of", "string", "", "An instant, or a date, which means its last instant in the business zone; now if absent."),
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of the portfolio.", Body: Portfolio{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.portfolio,
	}, {
		Method: "GET", Path: poolPath, Tag: "owners",
		Summary: "List the customers whom nobody owns",
		Detail: "First who was released, the latest first, then who never had an owner, the latest registered first. " +
			"It is the list of customers with `pool=true`, and takes its filters.",
		Params: slices.Concat([]web.Param{
			query("q", "string", "", "Whose name begins like this, whatever the case and the accents."),
			query("source", "string", "", "Who came by this channel."),
			keyAccountParam,
			{Name: "sort", In: "query", Type: "string", Enum: sorts, Detail: "Another order; a dash turns it round."},
		}, particularsParams, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: Customers{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.customers,
	}}
}
