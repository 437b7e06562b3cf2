package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/lifecycle"
)

// Funnel is who came into each stage and left it within a time, and who is in it now.
type Funnel struct {
	From   *time.Time    `json:"from" jsonschema:"nullable"`
	To     *time.Time    `json:"to" jsonschema:"nullable"`
	Model  int           `json:"model"` // how many stages an active customer's life has: 5 or 4
	Stages []FunnelStage `json:"stages"`
	Moves  []FunnelMove  `json:"moves"` // those that happened, in the order of the stages
	Stamp
}

// FunnelStage is a stage of a funnel.
type FunnelStage struct {
	Stage   string `json:"stage"`
	Entered int64  `json:"entered"`
	Left    int64  `json:"left"`
	Now     int64  `json:"now"`
}

// FunnelMove counts the moves from one stage to another.
type FunnelMove struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Count int64  `json:"count"`
}

// Dwell is for how long customers were in a stage that they left within a time.
type Dwell struct {
	From   *time.Time   `json:"from" jsonschema:"nullable"`
	To     *time.Time   `json:"to" jsonschema:"nullable"`
	Stages []DwellStage `json:"stages"`
	Stamp
}

// DwellStage is how long a stage took, in business days. Without a customer who
// left it the days are null.
type DwellStage struct {
	Stage  string   `json:"stage"`
	N      int64    `json:"n"`
	Mean   *float64 `json:"mean_days" jsonschema:"nullable"`
	Median *float64 `json:"median_days" jsonschema:"nullable"`
	P90    *int64   `json:"p90_days" jsonschema:"nullable"` // the shortest time in which nine of ten had left
}

// StagesAt is who was in which stage at an instant.
type StagesAt struct {
	At         *time.Time      `json:"at" jsonschema:"nullable"` // null: now
	Counts     []StageCount    `json:"counts,omitempty"`         // where no stage is asked for
	Customers  []StageCustomer `json:"customers,omitzero"`       // of the stage asked for, by when they entered it
	NextCursor string          `json:"next_cursor,omitempty"`
	Stamp
}

// StageCount counts the customers of a stage.
type StageCount struct {
	Stage     string `json:"stage"`
	Customers int64  `json:"customers"`
}

// StageCustomer is a customer's stay in a stage.
type StageCustomer struct {
	CustomerID uuid.UUID  `json:"customer_id"`
	Since      time.Time  `json:"since"`
	Until      *time.Time `json:"until,omitempty"` // absent: they are still there
}

// CustomerLifecycle is a customer's way through the stages, and why.
type CustomerLifecycle struct {
	CustomerID    uuid.UUID    `json:"customer_id"`
	Stage         string       `json:"stage"`
	FourStage     string       `json:"four_stage"`
	Since         time.Time    `json:"since"`
	Days          int          `json:"days"` // business days since then
	PaidOrders    int          `json:"paid_orders"`
	FirstPaidOn   *domain.Date `json:"first_paid_on,omitempty"`
	LastPaidOn    *domain.Date `json:"last_paid_on,omitempty"`
	NoPaidOrder   bool         `json:"no_paid_order,omitempty"`
	PolicyVersion int          `json:"policy_version,omitempty"` // in force today
	Moves         []StageMove  `json:"moves"`                    // the oldest first
	Next          *NextStage   `json:"next" jsonschema:"nullable"`
	Stamp
}

// StageMove is a move and for how long the stage before it had lasted.
type StageMove struct {
	lifecycle.Move
	DwellDays *int `json:"dwell_days,omitempty"` // business days; absent from the first
}

// NextStage is the move that comes if nothing happens before.
type NextStage struct {
	Stage   string      `json:"stage"`
	On      domain.Date `json:"on"` // the business day that begins with it
	Because string      `json:"because"`
}

// stageLook is the lifecycle view of all customers at a position.
type stageLook struct {
	across
	zone *time.Location
}

// date returns the business date of an instant.
func (o stageLook) date(t time.Time) domain.Date { return domain.DateOf(t, o.zone) }

func (a *API) stageLook(ctx context.Context, least uint64) (o stageLook, err error) {
	if o.across, err = a.across(ctx, lifecycle.Name, least); err != nil {
		return o, err
	}
	o.zone, err = zoneOf(o.world)
	return o, err
}

// zoneOf returns the business time zone; UTC before it is known.
func zoneOf(w *projections.World) (*time.Location, error) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("business time zone: %w", err)
	}
	return zone, nil
}

// retention returns the policy that tells development and retention apart on a date.
func retention(w *projections.World, on domain.Date) stages.Policy {
	if p, ok := w.Policy(policy.KindLifecycle, on); ok && p.Lifecycle != nil {
		return *p.Lifecycle
	}
	return stages.Policy{}
}

// today is the business date that comes after the last closed day; before the
// first is closed it is not known.
func today(w *projections.World) domain.Date {
	if w.Closed == nil {
		return 0
	}
	return *w.Closed + 1
}

// members calls each with the key of every member of an index that begins with
// prefix, in order, from a key on, until each says stop.
func (a *API) members(ctx context.Context, o stageLook, index, prefix, from string, each func(key string) (more bool, err error)) error {
	const page = 5000
	for after := from; ; {
		members, _, err := a.Documents.Range(ctx, o.generation, o.partitions, RangeQuery{Index: index, Prefix: prefix, After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, m := range members {
			key, _, _ := strings.Cut(m, "\x00")
			if more, err := each(key); err != nil || !more {
				return err
			}
		}
		if len(members) < page {
			return nil
		}
		after = members[len(members)-1]
	}
}

// moves calls each with every move within a time; nil is the beginning, or the end.
func (a *API) moves(ctx context.Context, o stageLook, from, to *time.Time, each func(lifecycle.Moved)) error {
	begin := ""
	if from != nil {
		begin = lifecycle.InstantKey(*from)
	}
	return a.members(ctx, o, lifecycle.IndexMoves, "", begin, func(key string) (bool, error) {
		m, err := lifecycle.ParseMove(key)
		if err != nil || to != nil && m.At.After(*to) {
			return false, err
		}
		each(m)
		return true, nil
	})
}

// during reads the time that a question is about, and looks.
func (a *API) during(r *http.Request, p *params) (o stageLook, from, to *time.Time, err error) {
	if o, err = a.stageLook(r.Context(), p.minPosition()); err != nil {
		return o, nil, nil, err
	}
	if from, to = p.instant("from", o.world, false), p.instant("to", o.world, true); from != nil && to != nil && to.Before(*from) {
		p.bad("to", "lies before from")
	}
	return o, from, to, p.err()
}

func (a *API) funnel(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	four := p.oneOf("model", "5", "4") == "4"
	o, from, to, err := a.during(r, p)
	if err != nil {
		return err
	}
	answer := Funnel{From: from, To: to, Model: 5, Moves: []FunnelMove{}, Stamp: o.stamp()}
	names := stages.Stages
	if four {
		answer.Model, names = 4, stages.FourStages
	}
	now, err := a.stagesNow(r.Context(), o, four)
	if err != nil {
		return err
	}
	entered, left, moved := map[string]int64{}, map[string]int64{}, map[[2]string]int64{}
	err = a.moves(r.Context(), o, from, to, func(m lifecycle.Moved) {
		before, after := m.From, m.To
		if four {
			on := o.date(m.At)
			p := retention(o.world, on)
			if after = m.FourStage(after, on, p); before != "" {
				before = m.FourStage(before, on, p)
			}
		}
		if before == after {
			return
		}
		if entered[after]++; before != "" {
			left[before]++
			moved[[2]string{before, after}]++
		}
	})
	if err != nil {
		return err
	}
	for _, s := range names {
		answer.Stages = append(answer.Stages, FunnelStage{s, entered[s], left[s], now[s]})
		for _, to := range names {
			if n := moved[[2]string{s, to}]; n > 0 {
				answer.Moves = append(answer.Moves, FunnelMove{s, to, n})
			}
		}
	}
	return writeJSON(w, answer.Stamp, answer)
}

// stagesNow counts the customers of each stage.
func (a *API) stagesNow(ctx context.Context, o stageLook, four bool) (map[string]int64, error) {
	totals, _, err := a.Documents.Metrics(ctx, o.generation, o.partitions)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	on, p := today(o.world), retention(o.world, today(o.world))
	for _, s := range stages.Stages {
		switch n := totals[lifecycle.MetricStage+s]; {
		case !four:
			counts[s] = n
		case s != stages.Active: // of the active it depends
			counts[stages.FourStage(s, 0, 0, p)] += n
		}
	}
	if !four {
		return counts, nil
	}
	return counts, a.members(ctx, o, lifecycle.IndexActive, "", "", func(key string) (bool, error) {
		b, err := lifecycle.ParseActive(key)
		counts[b.FourStage(stages.Active, on, p)]++
		return err == nil, err
	})
}

func (a *API) dwell(w http.ResponseWriter, r *http.Request) error {
	o, from, to, err := a.during(r, paramsOf(r))
	if err != nil {
		return err
	}
	answer := Dwell{From: from, To: to, Stamp: o.stamp()}
	days := map[string][]int64{}
	err = a.moves(r.Context(), o, from, to, func(m lifecycle.Moved) {
		if m.From != "" {
			days[m.From] = append(days[m.From], int64(o.date(m.At)-o.date(m.Since)))
		}
	})
	if err != nil {
		return err
	}
	for _, s := range stages.Stages {
		answer.Stages = append(answer.Stages, dwellOf(s, days[s]))
	}
	return writeJSON(w, answer.Stamp, answer)
}

func dwellOf(stage string, days []int64) DwellStage {
	d := DwellStage{Stage: stage, N: int64(len(days))}
	n := len(days)
	if n == 0 {
		return d
	}
	slices.Sort(days)
	sum := int64(0)
	for _, v := range days {
		sum += v
	}
	d.Mean = new(float64(sum) / float64(n))
	d.Median = new(float64(days[(n-1)/2]+days[n/2]) / 2)
	d.P90 = new(days[(9*n+9)/10-1])
	return d
}

func (a *API) stagesAt(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	stage, limit := p.oneOf("stage", slices.Concat([]string{""}, stages.Stages)...), p.limit()
	var where place
	p.cursor(a.cursors(), &where)
	o, err := a.stageLook(r.Context(), p.minPosition())
	if err != nil {
		return err
	}
	at := p.instant("date", o.world, true)
	if err := p.err(); err != nil {
		return err
	}
	answer := StagesAt{At: at, Stamp: o.stamp()}
	entered := func(s lifecycle.Stayed) bool { return at == nil || !s.Entered.After(*at) }
	inside := func(s lifecycle.Stayed) bool {
		return entered(s) && (s.Left.IsZero() || at != nil && s.Left.After(*at))
	}
	if stage == "" {
		for _, s := range stages.Stages {
			count := StageCount{Stage: s}
			err := a.members(r.Context(), o, lifecycle.IndexIntervals, lifecycle.StayPrefix(s), "", func(key string) (bool, error) {
				stay, err := lifecycle.ParseStay(key)
				if inside(stay) {
					count.Customers++
				}
				return entered(stay) && err == nil, err
			})
			if err != nil {
				return err
			}
			answer.Counts = append(answer.Counts, count)
		}
		return writeJSON(w, answer.Stamp, answer)
	}
	answer.Customers = []StageCustomer{}
	stays := stretch{generation: o.generation, index: lifecycle.IndexIntervals, prefix: lifecycle.StayPrefix(stage), past: func(key string) bool {
		stay, err := lifecycle.ParseStay(key)
		return err == nil && !entered(stay)
	}}
	fetch := func(cs []*candidate) error {
		for _, c := range cs {
			stay, err := lifecycle.ParseStay(c.key)
			if err != nil {
				return err
			}
			c.item = stay
		}
		return nil
	}
	keep := func(c *candidate) bool { return inside(c.item.(lifecycle.Stayed)) }
	found, next, err := a.walk(r.Context(), o.partitions, []stretch{stays}, where, limit, fetch, keep)
	if err != nil {
		return err
	}
	for _, c := range found {
		stay := c.item.(lifecycle.Stayed)
		line := StageCustomer{CustomerID: c.id, Since: stay.Entered}
		if !stay.Left.IsZero() {
			line.Until = &stay.Left
		}
		answer.Customers = append(answer.Customers, line)
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) customerLifecycle(w http.ResponseWriter, r *http.Request) error {
	id, s, err := a.about(r, nil, lifecycle.Name)
	if err != nil {
		return err
	}
	var d lifecycle.Document
	if s.docs[0] != nil {
		if err := json.Unmarshal(s.docs[0], &d); err != nil {
			return fmt.Errorf("lifecycle of %v: %w", id, err)
		}
	}
	if d.Standing.Stage == "" {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	zone, err := zoneOf(s.world)
	if err != nil {
		return err
	}
	answer := lifecycleOf(&d, s.world, zone)
	answer.CustomerID, answer.Stamp = id, stamp(s.position, s.world)
	return writeJSON(w, answer.Stamp, answer)
}

// lifecycleOf explains a document in a world.
func lifecycleOf(d *lifecycle.Document, w *projections.World, zone *time.Location) CustomerLifecycle {
	x := &d.Standing
	date := func(t time.Time) domain.Date { return domain.DateOf(t, zone) }
	answer := CustomerLifecycle{
		Stage: x.Stage, Since: x.Since, PaidOrders: x.PaidOrders, FirstPaidOn: x.FirstPaidOn, LastPaidOn: x.LastPaidOn, NoPaidOrder: x.NoPaidOrder,
	}
	on := today(w)
	if w.Closed == nil {
		on = date(x.Since)
	}
	answer.Days = max(0, int(on-date(x.Since)))
	p, _ := w.Policy(policy.KindLifecycle, on)
	answer.PolicyVersion = p.Version
	answer.FourStage = lifecycle.Bought{PaidOrders: x.PaidOrders, FirstPaidOn: x.FirstPaidOn}.FourStage(x.Stage, on, retention(w, on))
	for i, m := range d.Moves {
		move := StageMove{Move: m}
		if i > 0 {
			move.DwellDays = new(int(date(m.At) - date(d.Moves[i-1].At)))
		}
		answer.Moves = append(answer.Moves, move)
	}
	if due, ok := x.Due(date(x.Since), w.Policies.Lifecycles()); ok && !d.Erased {
		answer.Next = &NextStage{due.To, due.On, because(x, due, w)}
	}
	return answer
}

// because says why a move comes.
func because(x *customer.Standing, due stages.Move, w *projections.World) string {
	idle, _ := x.Idle()
	what := "the date of the last paid order"
	if x.LastPaidOn == nil || *x.LastPaidOn < idle {
		what = "when somebody last changed the stage"
	}
	name := ""
	if p, ok := w.PolicyVersion(policy.KindLifecycle, due.Version); ok && p.Lifecycle != nil {
		name = p.Lifecycle.Name
	}
	return fmt.Sprintf("By then %s will have passed without a paid order since %s, %s; version %d of the lifecycle policy, %q, asks for %d.",
		count(int64(due.On-idle), "business day"), idle, what, due.Version, name, due.After)
}

func (a *API) lifecycleRoutes() []web.Route {
	during := []web.Param{
		query("from", "string", "", "Moves from then on: a date in the business time zone, or an RFC 3339 time."),
		query("to", "string", "", "Moves up to then, that date included."),
	}
	return []web.Route{{
		Method: "GET", Path: "/v1/lifecycle/funnel", Tag: "lifecycle",
		Summary: "Show how many customers enter and leave each stage",
		Detail: "Moves count at the time at which they happened. With `model=4` the stages are potential, acquisition, development and retention: " +
			"an active customer is in development until they have the paid orders and the days that the lifecycle policy of the time asks for. " +
			"A customer grows from development into retention without a move: that shows in `now`.",
		Params:  slices.Concat(during, []web.Param{{Name: "model", In: "query", Type: "string", Enum: []string{"5", "4"}, Detail: "The stages to count by; 5 if absent."}}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The funnel.", Body: Funnel{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.funnel,
	}, {
		Method: "GET", Path: "/v1/lifecycle/dwell", Tag: "lifecycle",
		Summary: "Show how long customers stay in each stage",
		Detail:  "Of all who left a stage within the time, in business days from the date of entering to that of leaving: exact, not sampled.",
		Params:  slices.Concat(during, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The days, by stage.", Body: Dwell{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.dwell,
	}, {
		Method: "GET", Path: "/v1/lifecycle/at", Tag: "lifecycle",
		Summary: "Show who is in which stage, now or on a date",
		Detail:  "Without `stage`, how many customers are in each; with it, who they are, by when they entered it.",
		Params: slices.Concat([]web.Param{
			query("date", "string", "", "At the end of this date in the business time zone, or at an RFC 3339 time; now if absent."),
			{Name: "stage", In: "query", Type: "string", Enum: stages.Stages, Detail: "List the customers of this stage."},
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The customers, counted or listed.", Body: StagesAt{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.stagesAt,
	}, {
		Method: "GET", Path: "/v1/customers/{customer_id}/lifecycle", Tag: "customers",
		Summary: "Explain the stage of a customer",
		Detail: "Every move with what made it, who, by which event and version of the policy, and for how long the stage before had lasted; " +
			"and which move comes next, and when, if nothing happens.",
		Params:  slices.Concat([]web.Param{customerParam}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The way through the stages.", Body: CustomerLifecycle{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.customerLifecycle,
	}}
}
