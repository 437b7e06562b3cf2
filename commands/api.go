package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/internal/web"
)

// API serves the catalogue of commands over HTTP. The fields are set once,
// before the first use.
type API struct {
	Writer *Writer
	Log    *slog.Logger // nil: slog.Default
	// Executed, if set, is told of every command: its name, how long it took and
	// what came of it. For metrics.
	Executed func(command string, took time.Duration, err error)
	// Export finds out what would be handed out of a customer now; nil: nothing
	// is, and request-export is not available.
	Export func(ctx context.Context, of uuid.UUID) (customer.Export, error)
	// Audience finds out who belongs to a segment now; nil: freeze-audience is not
	// available.
	Audience func(ctx context.Context, id string) (segment.Audience, error)
	// EventFields tells the fields of a type of event that rules can ask for, as
	// segment.Definition.KnowsFields; nil: no rule is refused for the fields that it
	// names.
	EventFields func(event string) map[string]string
}

// Answer is what a command answers.
type Answer struct {
	CustomerID *uuid.UUID `json:"customer_id,omitempty"` // of commands about a customer
	HandoverID *uuid.UUID `json:"handover_id,omitempty"` // of commands about a handover
	TransferID *uuid.UUID `json:"transfer_id,omitempty"` // of commands about a transfer of points
	Revision   int64      `json:"revision"`              // of the stream after the command
	Position   uint64     `json:"position"`              // in the log; queries take it as min_position
	Changed    bool       `json:"changed"`               // false: there was nothing to do
	Events     []EventRef `json:"events"`
}

// patience is how long a single command may take, waiting for its turn included.
const patience = 30 * time.Second

// Routes returns the routes of the write side.
func (a *API) Routes() []web.Route {
	var routes []web.Route
	for _, d := range Catalogue {
		routes = append(routes, a.route(d))
	}
	queries := append([]web.Route{a.catalogueRoute(), a.calendarRoute(), a.shippedPoliciesRoute(), a.shippedSegmentsRoute(), a.attributesRoute(), a.staffRoute()}, a.handoverRoutes()...)
	for _, q := range slices.Concat(queries, a.transferRoutes(), a.policyRoutes()) {
		routes = append(routes, strict(q))
	}
	return append(routes, a.bulkRoute())
}

// strict makes a query refuse parameters as all queries do: one that it does not
// have, one that is given twice, and one with a wrong value.
func strict(q web.Route) web.Route {
	answer := q.Handler
	q.Refuses = append(slices.Clone(q.Refuses), web.ErrParameters.Code)
	q.Handler = func(w http.ResponseWriter, r *http.Request) error {
		var wrong []domain.FieldError
		given := r.URL.Query()
		var has []string
		for _, p := range q.Params {
			if p.In == "query" {
				has = append(has, p.Name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			switch n := len(given[name]); {
			case !slices.Contains(has, name):
				wrong = append(wrong, domain.FieldError{Pointer: "/" + name, Detail: web.NoParameter(has)})
			case n > 1:
				wrong = append(wrong, domain.FieldError{Pointer: "/" + name, Detail: fmt.Sprintf("is given %d times", n)})
			}
		}
		if len(wrong) > 0 {
			return web.Parameters(wrong)
		}
		err := answer(w, r)
		if refusal := (*domain.Error)(nil); errors.As(err, &refusal) && refusal.Code == domain.ErrValidation.Code {
			return web.Parameters(refusal.Fields)
		}
		return err
	}
	return q
}

func (a *API) route(d Definition) web.Route {
	answers := []web.Answer{{Status: http.StatusOK, Detail: "It is done, or there was nothing to do.", Body: Answer{}, Headers: []string{"ETag", "Rapport-Position"}}}
	if d.Creates {
		answers = append(answers, web.Answer{Status: http.StatusCreated, Detail: "It is done.", Body: Answer{}, Headers: []string{"ETag", "Rapport-Position"}})
	}
	return web.Route{
		Method: http.MethodPost, Path: d.Path(), Summary: d.Summary, Tag: d.Group.Tag,
		Detail: "The command `" + d.Name + "`.",
		Params: commandHeaders, Body: d.Body, Answers: answers, Refuses: d.refuses(),
		Handler: func(w http.ResponseWriter, r *http.Request) error { return a.serve(w, r, d) },
	}
}

var commandHeaders = []web.Param{
	{Name: "Idempotency-Key", In: "header", Detail: "any text up to 200 characters, a UUID is best: the same key and body do nothing new"},
	{Name: "If-Match", In: "header", Detail: `the revision in quotes: refused with 412 when the subject moved on`},
	{Name: "Rapport-Actor", In: "header", Detail: "who is responsible, as kind:id (" + strings.Join(domain.ActorKinds, ", ") + "), or the id of a user alone; recorded as asserted"},
	{Name: "Rapport-Channel", In: "header", Detail: "the way the command came, such as shop or phone"},
	{Name: "Rapport-Reason", In: "header", Detail: "why, in words; kept encrypted as personal data, so only for commands about a customer"},
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, d Definition) error {
	e, err := readEnvelope(r)
	if err != nil {
		return err
	}
	body, err := web.Body(r)
	if err != nil {
		return err
	}
	named := uuid.Nil
	if text := mux.Vars(r)["customer_id"]; text != "" {
		if named, err = uuid.Parse(text); err != nil {
			return badID.With("%q is not the id of a customer; GET /v1/customers?external_id=SYSTEM:ID finds who another system knows", text)
		}
	}
	if text := mux.Vars(r)["handover_id"]; text != "" {
		if named, err = uuid.Parse(text); err != nil {
			return handover.ErrNotFound.With("%q is not a UUID", text)
		}
	}
	if text := mux.Vars(r)["transfer_id"]; text != "" {
		if named, err = uuid.Parse(text); err != nil {
			return transfer.ErrNotFound.With("%q is not a UUID", text)
		}
	}
	e.slug = mux.Vars(r)[d.Group.Slug]
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	of, result, err := a.execute(ctx, d, e, named, body)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("ETag", strconv.Quote(strconv.FormatInt(result.Revision, 10)))
	h.Set("Rapport-Position", strconv.FormatUint(result.Position, 10))
	if d.keyed != nil {
		h.Set("Location", "/v1/customers/"+of.String())
	}
	answer := Answer{Revision: result.Revision, Position: result.Position, Changed: result.Changed, Events: result.Events}
	if answer.Events == nil {
		answer.Events = []EventRef{}
	}
	if d.Group.Customer {
		answer.CustomerID = &of
	}
	if d.Group.Handover {
		answer.HandoverID = &of
		if d.Creates {
			h.Set("Location", "/v1/handovers/"+of.String())
		}
	}
	if d.Group.Transfer {
		answer.TransferID = &of
		if d.Creates {
			h.Set("Location", "/v1/transfers/"+of.String())
		}
	}
	return web.WriteJSON(w, d.status(result), answer)
}

// badID refuses what is no id of a customer.
var badID = &domain.Error{Kind: domain.NotFound, Code: "customer_not_found"}

// execute runs a command about the customer named, or about the one that a
// registration chooses.
func (a *API) execute(ctx context.Context, d Definition, e envelope, named uuid.UUID, body []byte) (of uuid.UUID, result Result, err error) {
	r := e.request(d.Name)
	of, err = d.subject(e, r, named, body)
	if err != nil {
		return of, result, err
	}
	if !d.Group.Customer && r.Reason != "" {
		return of, result, ErrHeader.With("a reason can only be given with a command about a customer: it is kept as personal data")
	}
	started := time.Now()
	result, err = d.run(ctx, a, r, of, body)
	if a.Executed != nil {
		a.Executed(d.Name, time.Since(started), err)
	}
	if err == nil && !d.Group.Customer && !d.Group.Apart {
		a.settle(ctx, result.Position)
	}
	return of, result, err
}

// subject returns the customer that a command is about.
func (d Definition) subject(e envelope, r Request, named uuid.UUID, body []byte) (uuid.UUID, error) {
	switch {
	case d.Group.Handover:
		return d.handover(r, named, body)
	case d.Group.Transfer:
		return d.transfer(r, named, body)
	case !d.Group.Customer:
		return uuid.Nil, nil
	case d.keyed == nil && named == uuid.Nil:
		var p domain.Problems
		p.Add("/customer_id", "is required")
		return named, p.Err()
	case d.keyed == nil:
		return named, nil
	}
	chosen := d.keyed(body)
	switch {
	case chosen != uuid.Nil && named != uuid.Nil && chosen != named:
		var p domain.Problems
		p.Add("/customer_id", "differs from the customer_id beside the body")
		return chosen, p.Err()
	case chosen != uuid.Nil:
		return chosen, nil
	case named != uuid.Nil:
		return named, nil
	}
	return e.customer(r.Actor), nil
}

// settle waits a moment until the write side's own world has an event, so that
// the next command is decided in it.
func (a *API) settle(ctx context.Context, position uint64) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = a.Writer.World.WaitFor(ctx, position)
}

func (a *API) log() *slog.Logger {
	if a.Log != nil {
		return a.Log
	}
	return slog.Default()
}
