package readapi

import (
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
	"github.com/rapport-crm/rapport/projections/profile"
)

// Entry is one event as the audit shows it.
type Entry struct {
	ID            uuid.UUID               `json:"id"`
	Type          string                  `json:"type"`    // stable name
	Version       int                     `json:"version"` // in which it is stored
	Module        string                  `json:"module,omitempty"`
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
	Changes       []FieldChange           `json:"changes"` // fields of the customer before and after
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

func entryOf(raw eventschema.Raw, e eventschema.Event, changes []FieldChange) Entry {
	m := e.Meta
	if changes == nil {
		changes = []FieldChange{}
	}
	return Entry{
		ID: e.ID, Type: e.Type, Version: versionOf(raw.Type), Module: moduleOf(e.Type), Revision: e.Revision, Position: e.Position,
		OccurredAt: m.OccurredAt, RecordedAt: m.RecordedAt, BusinessDate: m.BusinessDate,
		Actor: m.Actor, Reason: m.Reason, Channel: m.Channel,
		CommandID: m.Command, CorrelationID: m.Correlation, CausationID: m.Causation,
		Policies: m.Policies, Changes: changes, Data: e.Data, Erased: e.Erased, Chain: m.Chain.String(),
	}
}

// versionOf reads the version at the end of a wire name; 0 if there is none.
func versionOf(wire string) (v int) {
	if i := strings.LastIndex(wire, ".v"); i >= 0 {
		fmt.Sscanf(wire[i:], ".v%d", &v)
	}
	return v
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
	f, err := p.historyFilter(r.Context(), a, world)
	if err != nil {
		return err
	}
	limit := p.limit()
	var at revisionCursor
	p.cursor(a.cursors(), &at)
	whole := accepts(r, ndjson)
	for _, filter := range historyParams {
		if whole && p.text(filter.Name) != "" {
			p.bad(filter.Name, "does not go with the whole history, whose chain is over every event; ask for application/json, or without it")
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	if whole {
		return a.exportHistory(w, r, id)
	}
	h := History{CustomerID: id, Events: []Entry{}}
	seen, last := false, uint64(0)
	doc := newPerson()
	// The beginning is folded for a later page as well: a field before an event
	// is what all events before it made of it.
	err = a.events(r.Context(), id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		seen, last = true, raw.Position
		if raw.Revision < at.Next || !f.wants(raw, e) {
			doc.apply(e)
			return true, nil
		}
		if len(h.Events) == limit && f.field == "" {
			h.NextCursor = p.next(a.cursors(), revisionCursor{raw.Revision})
			return false, nil
		}
		changes, err := step(doc, e)
		if err != nil || !f.touches(changes) {
			return err == nil, err
		}
		if len(h.Events) == limit {
			h.NextCursor = p.next(a.cursors(), revisionCursor{raw.Revision})
			return false, nil
		}
		h.Events = append(h.Events, entryOf(raw, e, changes))
		return true, nil
	})
	if err != nil {
		return err
	}
	if !seen {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
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
	doc := newPerson()
	err := a.events(r.Context(), id, 0, func(raw eventschema.Raw, e eventschema.Event) (more bool, err error) {
		if x == nil {
			if x, err = newExport(out, ExportHeader{Format: FormatHistory, Stream: raw.Stream}); err != nil {
				return false, err
			}
		}
		changes, err := step(doc, e)
		if err != nil {
			return false, err
		}
		entry := entryOf(raw, e, changes)
		x.end.Chain = entry.Chain
		return true, x.event(raw, &entry)
	})
	if err == nil && x == nil {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
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
		return ErrCustomerNotFound.With("no customer has the id %v", id)
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
			Detail: "Every event of the customer, oldest first, with who did it, why, and what every field of the customer was and became. " +
				"With `Accept: application/x-ndjson` the whole history is streamed with its stored bytes and its hash chain, " +
				"so that it can be verified offline (`rapport verify history --file`); filters are refused then.",
			Params: slices.Concat([]web.Param{customerParam}, historyParams, pageParams, minParams),
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
