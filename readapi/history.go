package readapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Entry is one event as the audit shows it.
type Entry struct {
	ID            uuid.UUID               `json:"id"`
	Type          string                  `json:"type"`    // stable name
	Version       int                     `json:"version"` // in which it is stored
	Revision      uint64                  `json:"revision"`
	Position      uint64                  `json:"position"`
	OccurredAt    time.Time               `json:"occurred_at"`
	RecordedAt    time.Time               `json:"recorded_at"`
	BusinessDate  domain.Date             `json:"business_date"`
	Actor         eventschema.Actor       `json:"actor"`
	Reason        string                  `json:"reason,omitempty"`
	Channel       string                  `json:"channel,omitempty"`
	CommandID     uuid.UUID               `json:"command_id,omitzero"`
	CorrelationID uuid.UUID               `json:"correlation_id,omitzero"`
	CausationID   uuid.UUID               `json:"causation_id,omitzero"`
	Policies      []eventschema.PolicyRef `json:"policies,omitempty"`
	Changes       []customer.Change       `json:"changes,omitempty"` // fields before and after, where the event has them
	Data          any                     `json:"data"`
	Erased        bool                    `json:"erased,omitempty"` // the personal part is destroyed
	Chain         string                  `json:"chain"`
}

// History is a page of a customer's audit.
type History struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Events     []Entry   `json:"events"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Stamp
}

func entryOf(raw eventschema.Raw, e eventschema.Event) Entry {
	m := e.Meta
	entry := Entry{
		ID: e.ID, Type: e.Type, Version: versionOf(raw.Type), Revision: e.Revision, Position: e.Position,
		OccurredAt: m.OccurredAt, RecordedAt: m.RecordedAt, BusinessDate: m.BusinessDate,
		Actor: m.Actor, Reason: m.Reason, Channel: m.Channel,
		CommandID: m.Command, CorrelationID: m.Correlation, CausationID: m.Causation,
		Policies: m.Policies, Data: e.Data, Erased: e.Erased, Chain: m.Chain.String(),
	}
	if d, ok := e.Data.(customer.ProfileUpdated); ok {
		entry.Changes = d.Changes
	}
	return entry
}

// versionOf reads the version at the end of a wire name; 0 if there is none.
func versionOf(wire string) (v int) {
	if i := strings.LastIndex(wire, ".v"); i >= 0 {
		fmt.Sscanf(wire[i:], ".v%d", &v)
	}
	return v
}

// events yields the events of a customer's stream, opened. yield returns false to stop.
func (a *API) events(ctx context.Context, id uuid.UUID, from uint64, yield func(eventschema.Raw, eventschema.Event) (bool, error)) error {
	key, err := a.dataKey(ctx, id)
	if err != nil {
		return err
	}
	for raw, err := range a.Log.Read(ctx, customer.Stream(id), from) {
		if err != nil {
			return err
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		if more, err := yield(raw, e); err != nil || !more {
			return err
		}
	}
	return nil
}

// historyFilter says which entries a history shows.
type historyFilter struct {
	types    []string
	from, to *time.Time
	actor    string
}

func (f historyFilter) wants(e eventschema.Event) bool {
	return (f.types == nil || slices.Contains(f.types, e.Type)) &&
		(f.from == nil || !e.Meta.OccurredAt.Before(*f.from)) &&
		(f.to == nil || !e.Meta.OccurredAt.After(*f.to)) &&
		(f.actor == "" || f.actor == e.Meta.Actor.ID || f.actor == e.Meta.Actor.Kind ||
			f.actor == e.Meta.Actor.Kind+":"+e.Meta.Actor.ID)
}

func readHistoryFilter(p *params, w *projections.World) historyFilter {
	f := historyFilter{actor: p.text("actor")}
	if s := p.text("type"); s != "" {
		f.types = strings.Split(s, ",")
		for _, t := range f.types {
			if !slices.ContainsFunc(eventschema.Events.Types(), func(known *eventschema.Type) bool { return known.Name == t }) {
				p.bad("type", "%q is not a type of event", t)
			}
		}
	}
	f.from, f.to = p.instant("from", w, false), p.instant("to", w, true)
	return f
}

// revisionCursor is where a list over a stream goes on.
type revisionCursor struct {
	Next uint64 `json:"n"`
}

func (a *API) history(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	world, err := a.world(r.Context(), profile.Name)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition() // the log itself is read: it reflects every position there is
	f := readHistoryFilter(p, world)
	limit := p.limit()
	var at revisionCursor
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	if accepts(r, ndjson) {
		return a.exportHistory(w, r, id)
	}
	h := History{CustomerID: id, Events: []Entry{}}
	seen, last := at.Next > 0, uint64(0)
	err = a.events(r.Context(), id, at.Next, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		seen, last = true, raw.Position
		if !f.wants(e) {
			return true, nil
		}
		if len(h.Events) == limit {
			h.NextCursor = p.next(a.cursors(), revisionCursor{raw.Revision})
			return false, nil
		}
		h.Events = append(h.Events, entryOf(raw, e))
		return true, nil
	})
	if err != nil {
		return err
	}
	if !seen {
		return ErrCustomerNotFound.With("No customer %v.", id)
	}
	h.Stamp = stamp(last, world)
	return writeJSON(w, h.Stamp, h)
}

// exportHistory streams a customer's whole history: every event as it is stored
// and as it reads.
func (a *API) exportHistory(w http.ResponseWriter, r *http.Request, id uuid.UUID) error {
	out := newStream(w, ndjson)
	defer out.release()
	var x *exporter
	err := a.events(r.Context(), id, 0, func(raw eventschema.Raw, e eventschema.Event) (more bool, err error) {
		if x == nil {
			if x, err = newExport(out, ExportHeader{Format: FormatHistory, Stream: raw.Stream}); err != nil {
				return false, err
			}
		}
		entry := entryOf(raw, e)
		x.end.Chain = entry.Chain
		return true, x.event(raw, &entry)
	})
	if err == nil && x == nil {
		return ErrCustomerNotFound.With("No customer %v.", id)
	}
	if err == nil {
		err = x.close()
	}
	return out.finish(err)
}

// HistoryVerification is what a check of a customer's history found.
type HistoryVerification struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Verification
	Stamp
}

func (a *API) verifyHistory(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	world, err := a.world(r.Context(), profile.Name)
	if err != nil {
		return err
	}
	var c chains
	var bad *BadEvent
	var last uint64
	for raw, err := range a.Log.Read(r.Context(), customer.Stream(id), 0) {
		if err != nil {
			return err
		}
		last = raw.Position
		if problem := c.add(raw, false); problem != "" {
			// Its place says which event it is, whatever its bytes say.
			bad = &BadEvent{Stream: raw.Stream, Revision: uint64(c.found.Events), ID: raw.ID, Type: raw.Type, Problem: problem}
			break
		}
	}
	if last == 0 && c.found.Events == 0 && bad == nil {
		return ErrCustomerNotFound.With("No customer %v.", id)
	}
	answer := HistoryVerification{id, c.done(bad), stamp(last, world)}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) historyRoutes() []web.Route {
	path := "/v1/customers/{customer_id}/history"
	return []web.Route{
		{
			Method: "GET", Path: path, Tag: "customers",
			Summary: "Show the audit of a customer",
			Detail: "Every event of the customer, oldest first, with who did it, why, and what was and became. " +
				"With `Accept: application/x-ndjson` the whole history is streamed with its stored bytes and its hash chain, " +
				"so that it can be verified offline (`rapport verify history --file`); the filters do not apply then.",
			Params: slices.Concat([]web.Param{customerParam,
				query("type", "string", "", "Only events of these types, separated by commas."),
				query("from", "string", "", "Only what occurred at or after this date or time."),
				query("to", "string", "", "Only what occurred at or before this date or time."),
				query("actor", "string", "", "Only what this actor did: an id, a kind, or kind:id."),
			}, pageParams, minParams),
			Answers: []web.Answer{
				{Status: 200, Detail: "A page of the history, or all of it, one event a line between a header and an end.", Body: History{}},
				{Status: 200, ContentType: ndjson, Body: ExportLine{}},
			},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.history,
		},
		{
			Method: "GET", Path: path + "/verify", Tag: "customers",
			Summary: "Recompute the hash chain of a customer's history",
			Detail:  "Answers the number of events, the chain's head, and the first event that does not fit.",
			Params:  slices.Concat([]web.Param{customerParam}, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "What was found.", Body: HistoryVerification{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.verifyHistory,
		},
	}
}
