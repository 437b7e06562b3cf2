package readapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// Diff is what differs between two pasts of a customer.
type Diff struct {
	CustomerID uuid.UUID     `json:"customer_id"`
	From       *Moment       `json:"from" jsonschema:"nullable"` // null: before the first event
	To         *Moment       `json:"to"`
	Changes    []DiffedField `json:"changes"`
	Stamp
}

// DiffedField is a field that differs, and the events that changed it between the
// two pasts: those that one past has and the other has not.
type DiffedField struct {
	FieldChange
	Module     string      `json:"module"`
	Events     []uuid.UUID `json:"events"` // in the order of the stream, at most the last hundred
	EventCount int         `json:"event_count"`
}

// mostEvents bounds the events named for one field.
const mostEvents = 100

// comparison folds two pasts side by side. As long as both have the same events
// there is one document.
type comparison struct {
	from, to moment
	a, b     person // b is nothing until they part
	// What changed each field since they parted: events that one past has and
	// the other has not; and events of both that changed it in another way.
	alone, both map[string]*DiffedField
}

func (c *comparison) apply(raw eventschema.Raw, e eventschema.Event) (err error) {
	inA, inB := c.from.has(raw, e.Meta), c.to.has(raw, e.Meta)
	if c.b.profile == nil {
		if inA == inB {
			if inA {
				c.a.apply(e)
			}
			return nil
		}
		if c.b, err = c.a.clone(); err != nil {
			return err
		}
	}
	var before, after []FieldChange
	if inA {
		if before, err = step(c.a, e); err != nil {
			return err
		}
	}
	if inB {
		if after, err = step(c.b, e); err != nil {
			return err
		}
	}
	if !inA || !inB {
		for _, change := range slices.Concat(before, after) {
			changed(c.alone, change.Field, e.ID)
		}
		return nil
	}
	for _, change := range slices.Concat(before, after) {
		if !slices.ContainsFunc(before, change.same) || !slices.ContainsFunc(after, change.same) {
			changed(c.both, change.Field, e.ID)
		}
	}
	return nil
}

func (f FieldChange) same(o FieldChange) bool {
	return f.Field == o.Field && string(f.Was) == string(o.Was) && string(f.Became) == string(o.Became)
}

// listOf names the outermost list that a field stands in; no field has such a name.
func listOf(field string) string {
	list, _, _ := strings.Cut(field, "[")
	return list + "[]"
}

// changed notes an event under a field, and under the list it stands in.
func changed(fields map[string]*DiffedField, field string, by uuid.UUID) {
	note(fields, field, by)
	note(fields, listOf(field), by)
}

func note(fields map[string]*DiffedField, field string, by uuid.UUID) {
	d := fields[field]
	switch {
	case d == nil:
		d = &DiffedField{}
		fields[field] = d
	case d.Events[len(d.Events)-1] == by:
		return
	case len(d.Events) == mostEvents:
		d.Events = slices.Delete(d.Events, 0, 1)
	}
	d.Events, d.EventCount = append(d.Events, by), d.EventCount+1
}

// fields returns what differs in the end.
func (c *comparison) fields() ([]DiffedField, error) {
	list := []DiffedField{}
	if c.b.profile == nil {
		return list, nil
	}
	before, err := c.a.fields()
	if err != nil {
		return nil, err
	}
	after, err := c.b.fields()
	if err != nil {
		return nil, err
	}
	for _, change := range fieldChanges(before, after) {
		d := DiffedField{FieldChange: change, Module: moduleOfField(change.Field), Events: []uuid.UUID{}}
		// The places of a list may have moved under an element that nothing tells apart.
		for _, by := range []*DiffedField{c.alone[change.Field], c.both[change.Field], c.alone[listOf(change.Field)], c.both[listOf(change.Field)]} {
			if by == nil {
				continue
			}
			d.Events, d.EventCount = by.Events, by.EventCount
			break
		}
		list = append(list, d)
	}
	return list, nil
}

// compare folds a customer's stream into two pasts.
func (a *API) compare(ctx context.Context, id uuid.UUID, from, to moment) (c *comparison, position uint64, err error) {
	c = &comparison{from: from, to: to, a: newPerson(), alone: map[string]*DiffedField{}, both: map[string]*DiffedField{}}
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		position = raw.Position
		if from.before(raw) && to.before(raw) {
			return false, nil
		}
		return true, c.apply(raw, e)
	})
	return c, position, err
}

func (a *API) diff(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition()
	t, err := a.timeline(r.Context())
	if err != nil {
		return err
	}
	from, to := p.point("from", "from_known", t, p.q.Get("from_known") == ""), p.point("to", "to_known", t, false)
	field, wanted := p.text("field"), p.modules()
	if err := p.err(); err != nil {
		return err
	}
	c, position, err := a.compare(r.Context(), id, from, to)
	if err != nil {
		return err
	}
	if position == 0 {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	answer := Diff{CustomerID: id, To: to.shown(), Stamp: stamp(position, t.world(moment{}))}
	if !from.nothing {
		answer.From = from.shown()
	}
	if answer.Changes, err = c.fields(); err != nil {
		return err
	}
	answer.Changes = slices.DeleteFunc(answer.Changes, func(d DiffedField) bool {
		return field != "" && !partOf(d.Field, field) || wanted != nil && !slices.Contains(wanted, d.Module)
	})
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) diffRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/diff", Tag: "customers",
		Summary: "Show what differs between two pasts of a customer",
		Detail: "A past is a revision, a date (its end in the business time zone) or an RFC 3339 time; without `from` it is before the first event, without `to` all there is. " +
			"Each field that differs is shown once, with what it was, what it became, and the events that changed it.",
		Params: slices.Concat([]web.Param{customerParam,
			query("from", "string", "", "The past to compare from: a revision, a date or a time."),
			query("to", "string", "", "The past to compare with: a revision, a date or a time."),
			query("from_known", "string", "", "Of `from` only what was known then: a date or a time."),
			query("to_known", "string", "", "Of `to` only what was known then: a date or a time."),
			query("field", "string", "", "Only this field or parts of it, such as name or name.given."),
			query("module", "string", "", "Only fields of these modules, separated by commas."),
		}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "What differs.", Body: Diff{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.diff,
	}}
}
