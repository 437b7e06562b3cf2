package readapi

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// RFMAnswer is how a customer scores, and why.
type RFMAnswer struct {
	CustomerID uuid.UUID `json:"customer_id"`
	RFM
	LastOrder string       `json:"last_order,omitempty"`      // the order that recency counts from
	Orders    []ScoreOrder `json:"orders"`                    // all orders, by business date
	Why       *Why         `json:"why" jsonschema:"nullable"` // null without scores
	Behind    *Behind      `json:"behind,omitempty"`          // the events, where they were asked for
	Stamp
}

// ScoreOrder is an order and whether frequency and monetary value count it.
type ScoreOrder struct {
	OrderID   string        `json:"order_id"`
	On        domain.Date   `json:"on"`
	Amount    domain.Money  `json:"amount"`
	Refunded  *domain.Money `json:"refunded,omitempty"`
	Converted *domain.Money `json:"converted,omitempty"` // at the order's own rate
	Paid      bool          `json:"paid"`
	Cancelled bool          `json:"cancelled"`
	Counted   bool          `json:"counted"`
}

func (a *API) customerRFM(w http.ResponseWriter, r *http.Request) error {
	var events bool
	id, s, err := a.about(r, func(p *params) { events = p.oneOf("events", "false", "true") == "true" }, profile.Name, rfm.Name)
	if err != nil {
		return err
	}
	if s.docs[0] == nil && s.docs[1] == nil {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	d, err := rfmDocument(s.docs[1])
	if err != nil {
		return fmt.Errorf("customer %v: %w", id, err)
	}
	var behind *Behind
	if events {
		var last uint64
		if behind, d, last, err = a.behind(r.Context(), id, s.world); err != nil { // the document of the very events that are named
			return err
		}
		s.position = max(s.position, last)
	}
	x := rfm.Explain(d, s.world)
	answer := RFMAnswer{
		CustomerID: id, RFM: standing(x.Standing, s.world), LastOrder: x.LastOrder,
		Orders: scoreOrders(d, x.Orders), Behind: behind, Stamp: stamp(s.position, s.world),
	}
	if x.Reason == "" {
		why := explain(x.Values, x.Scores, x.Calibration, x.Policy)
		answer.Why = &why
	}
	return writeJSON(w, answer.Stamp, answer)
}

// scoreOrders lists a customer's orders; counted is a sublist of their ids.
func scoreOrders(d *rfm.Document, counted []string) []ScoreOrder {
	orders := make([]ScoreOrder, len(d.Orders))
	for i, o := range d.Orders {
		orders[i] = ScoreOrder{
			OrderID: o.ID, On: o.On, Amount: domain.Money{AmountMinor: o.AmountMinor, Currency: o.Currency},
			Converted: o.Converted, Paid: o.Paid, Cancelled: o.Cancelled,
		}
		for _, back := range o.Refunds {
			if orders[i].Refunded == nil {
				orders[i].Refunded = &domain.Money{Currency: o.Currency}
			}
			orders[i].Refunded.AmountMinor += back.AmountMinor
		}
		if len(counted) > 0 && counted[0] == o.ID {
			orders[i].Counted, counted = true, counted[1:]
		}
	}
	return orders
}

// Distribution is how the customers who ever ordered are distributed.
type Distribution struct {
	Calibration *Calibration   `json:"calibration" jsonschema:"nullable"` // null before the first
	Failed      *FailedAttempt `json:"failed,omitempty"`
	CutPoints   *CutPoints     `json:"cut_points" jsonschema:"nullable"`
	Spread
	Stamp
}

// Spread is how many customers score how, what they ordered and what that is worth.
type Spread struct {
	Customers  int64            `json:"customers"`                     // with scores
	Orders     int64            `json:"orders"`                        // theirs, counted
	Revenue    *domain.Money    `json:"revenue" jsonschema:"nullable"` // of those; null without a calibration
	Unscored   map[string]int64 `json:"unscored"`                      // customers without scores, by reason
	Currencies map[string]int64 `json:"currencies"`                    // customers by currency of an order
	ByRF       []Cell           `json:"by_r_f"`                        // the heat map; a cell without customers is absent
	ByCell     []Cell           `json:"by_cell"`
	ByLabel    []Cell           `json:"by_label"` // in the policy's order
}

// FailedAttempt is a calibration after the standing one that could not be made.
type FailedAttempt struct {
	AsOf          domain.Date `json:"as_of"`
	PolicyVersion int         `json:"policy_version"`
	Code          string      `json:"code"`
	Detail        string      `json:"detail"`
}

// Cell is customers who share scores or a label.
type Cell struct {
	R         *int         `json:"r,omitempty"`
	F         *int         `json:"f,omitempty"`
	M         *int         `json:"m,omitempty"`
	Score     *int         `json:"score,omitempty"`
	Label     string       `json:"label,omitempty"`
	Customers int64        `json:"customers"`
	Orders    int64        `json:"orders"`
	Revenue   domain.Money `json:"revenue"`
	Average   domain.Money `json:"average"` // revenue by customer, rounded to the nearest minor unit; 0 without customers
}

func (a *API) distribution(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	o, err := a.overall(r.Context(), least)
	if err != nil {
		return err
	}
	totals, at, err := a.Documents.Metrics(r.Context(), o.rfm, o.partitions)
	if err != nil {
		return err
	}
	o.position = min(o.position, at)
	d := rfm.DistributionOf(totals, o.world)
	c, policy := calibrated(o.world)
	answer := Distribution{Spread: spreadOf(d, c, policy), Stamp: o.stamp()}
	if f := o.world.Failed; f != nil {
		answer.Failed = &FailedAttempt{f.AsOf, f.PolicyVersion, f.Code, f.Detail}
	}
	if c != nil {
		calibration, cuts := calibrationOf(c, policy), cutPointsOf(c)
		answer.Calibration, answer.CutPoints = &calibration, &cuts
	}
	return writeJSON(w, answer.Stamp, answer)
}

// spreadOf reads a distribution by the calibration and the policy that it follows;
// both are nil where nobody could be scored.
func spreadOf(d rfm.Distribution, c *rules.Calibrated, policy *rules.Policy) Spread {
	s := Spread{
		Customers: d.All.Customers, Orders: d.All.Orders, Unscored: d.Unscored, Currencies: d.Currencies,
		ByRF: []Cell{}, ByCell: []Cell{}, ByLabel: []Cell{},
	}
	if c == nil {
		return s
	}
	s.Revenue = &domain.Money{AmountMinor: d.All.RevenueMinor, Currency: c.Currency}
	var square rfm.Total // of the R and F that the cells are at
	for i, t := range d.Cells {
		one := cellOf(t.Total, c.Currency)
		score := t.Number()
		one.R, one.F, one.M, one.Score, one.Label = &t.R, &t.F, &t.M, &score, policy.Label(t.Scores)
		s.ByCell = append(s.ByCell, one)
		square = square.Plus(t.Total)
		if i+1 == len(d.Cells) || d.Cells[i+1].R != t.R || d.Cells[i+1].F != t.F {
			both := cellOf(square, c.Currency)
			both.R, both.F = &t.R, &t.F
			s.ByRF, square = append(s.ByRF, both), rfm.Total{}
		}
	}
	for _, t := range d.Labels {
		one := cellOf(t.Total, c.Currency)
		one.Label = t.Label
		s.ByLabel = append(s.ByLabel, one)
	}
	return s
}

func cellOf(t rfm.Total, currency string) Cell {
	return Cell{
		Customers: t.Customers, Orders: t.Orders,
		Revenue: domain.Money{AmountMinor: t.RevenueMinor, Currency: currency},
		Average: domain.Money{AmountMinor: t.AverageMinor(), Currency: currency},
	}
}

// Scored is a customer by score.
type Scored struct {
	CustomerID  uuid.UUID           `json:"customer_id"`
	ExternalIDs []customer.LinkedID `json:"external_ids"`
	RFM
}

// ScoredCustomers is a page of customers by score.
type ScoredCustomers struct {
	Customers  []Scored `json:"customers"`
	NextCursor string   `json:"next_cursor,omitempty"`
	Stamp
}

func (a *API) scoredCustomers(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	digits := [3]int{p.number("r", 0, 1, rules.MaxBins), p.number("f", 0, 1, rules.MaxBins), p.number("m", 0, 1, rules.MaxBins)}
	label := p.text("label")
	descending := p.oneOf("sort", "-score", "score") == "-score"
	limit, least := p.limit(), p.minPosition()
	var at place
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	o, err := a.overall(r.Context(), least)
	if err != nil {
		return err
	}
	stretches := cells(o, descending, func(s rules.Scores, named string) bool {
		return (digits[0] == 0 || digits[0] == s.R) && (digits[1] == 0 || digits[1] == s.F) &&
			(digits[2] == 0 || digits[2] == s.M) && (label == "" || label == named)
	})
	fetch := func(cs []*candidate) error { return a.fetch(r.Context(), o, cs) }
	// Who was scored anew since the index was read stands where the index says.
	keep := func(c *candidate) bool { return c.docs[1] != nil }
	found, next, err := a.walk(r.Context(), o.partitions, stretches, at, limit, fetch, keep)
	if err != nil {
		return err
	}
	answer := ScoredCustomers{Customers: []Scored{}, Stamp: o.stamp()}
	for _, c := range found {
		item := c.item.(*listed)
		answer.Customers = append(answer.Customers, Scored{c.id, slices.Clip(append([]customer.LinkedID{}, item.profile.ExternalIDs...)), item.rfm})
	}
	if next != nil {
		answer.NextCursor = p.next(a.cursors(), next)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) rfmRoutes() []web.Route {
	digit := func(name, what string) web.Param {
		return query(name, "integer", "", "Only customers whose "+what+" scores this.")
	}
	return slices.Concat(a.studyRoutes(), a.movementRoutes(), []web.Route{
		{
			Method: "GET", Path: "/v1/customers/{customer_id}/rfm", Tag: "rfm",
			Summary: "Show how a customer scores, and why",
			Detail: "The values, the cut points they were compared with, the calibration those come from, the label's rule, and every order with whether it counts. " +
				"With `events=true` also the events behind them, read from the log, and for each event of an order what the values would be without it.",
			Params: slices.Concat([]web.Param{customerParam,
				{Name: "events", In: "query", Type: "string", Enum: []string{"false", "true"}, Detail: "Name the events behind the scores."},
			}, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The scores.", Body: RFMAnswer{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customerRFM,
		},
		{
			Method: "GET", Path: "/v1/rfm/distribution", Tag: "rfm",
			Summary: "Show how all customers score",
			Detail:  "Customers, counted orders and revenue by recency and frequency, by all three scores and by label, with the cut points and the calibration they come from.",
			Params:  minParams,
			Answers: []web.Answer{{Status: 200, Detail: "The distribution.", Body: Distribution{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.distribution,
		},
		{
			Method: "GET", Path: "/v1/rfm/customers", Tag: "rfm",
			Summary: "List customers by score",
			Params: slices.Concat([]web.Param{
				digit("r", "recency"), digit("f", "frequency"), digit("m", "monetary value"),
				query("label", "string", "", "Only customers of this label."),
				{Name: "sort", In: "query", Type: "string", Enum: []string{"-score", "score"}, Detail: "The best first, which is the default, or the other way round."},
			}, pageParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: ScoredCustomers{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.scoredCustomers,
		},
		{
			Method: "GET", Path: "/v1/rfm/export", Tag: "rfm",
			Summary: "Export the scores of everybody who ever ordered",
			Detail: "Rows ascend by the external id of the source in byte order, without a source by customer id. " +
				"Who has no scores stands there without them. Answers CSV for `Accept: text/csv`, else a JSON object a line; an answer that breaks off is not whole.",
			Params: slices.Concat([]web.Param{
				query("source", "string", "", "The system whose external ids name the customers; who has none there is left out."),
			}, minParams),
			Answers: []web.Answer{
				{Status: 200, Detail: "The scores, one customer a line; CSV has a header line.", ContentType: ndjson, Body: RFMRow{}, Headers: stampHeaders},
				{Status: 200, ContentType: csvType, Headers: stampHeaders},
			},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.exportRFM,
		},
	})
}
