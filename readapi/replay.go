package readapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Step is a customer after one event: the documents that the views make of the
// history up to there.
type Step struct {
	Event   Entry           `json:"event"`
	Profile ProfileDocument `json:"profile" jsonschema:"nullable"` // null where the view has no document
	RFM     RFMDocument     `json:"rfm" jsonschema:"nullable"`
	Loyalty LoyaltyDocument `json:"loyalty" jsonschema:"nullable"`
}

// Replay is a page of the steps of a customer's history.
type Replay struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Steps      []Step    `json:"steps"`
	NextCursor string    `json:"next_cursor,omitempty"`
	Stamp
}

// steps yields the customer after each event from a revision on; the events
// before it are folded, too.
func (a *API) steps(ctx context.Context, id uuid.UUID, from uint64, yield func(Step) (bool, error)) (found bool, err error) {
	docs := newPast()
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		if found = true; raw.Revision < from {
			docs.apply(e)
			return true, nil
		}
		changes, err := step(docs.person, e)
		if err != nil {
			return false, err
		}
		docs.rfm.apply(e)
		profile, err := docs.profile.document()
		if err != nil {
			return false, err
		}
		rfm, err := docs.rfm.document()
		if err != nil {
			return false, err
		}
		loyalty, err := docs.loyalty.document()
		if err != nil {
			return false, err
		}
		return yield(Step{entryOf(raw, e, changes), ProfileDocument(profile), RFMDocument(rfm), LoyaltyDocument(loyalty)})
	})
	return found, err
}

func (a *API) replay(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition()
	limit := p.limit()
	at := revisionCursor{p.position("from")}
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	if accepts(r, ndjson) {
		return a.streamReplay(w, r, id, at.Next)
	}
	world, err := a.world(r.Context(), profile.Name)
	if err != nil {
		return err
	}
	answer := Replay{CustomerID: id, Steps: []Step{}}
	var last uint64
	found, err := a.steps(r.Context(), id, at.Next, func(s Step) (bool, error) {
		if len(answer.Steps) == limit {
			answer.NextCursor = p.next(a.cursors(), revisionCursor{s.Event.Revision})
			return false, nil
		}
		answer.Steps, last = append(answer.Steps, s), s.Event.Position
		return true, nil
	})
	if err != nil {
		return err
	}
	if !found {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	answer.Stamp = stamp(last, world)
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) streamReplay(w http.ResponseWriter, r *http.Request, id uuid.UUID, from uint64) error {
	out := newStream(w, ndjson)
	defer out.release()
	enc := json.NewEncoder(out)
	found, err := a.steps(r.Context(), id, from, func(s Step) (bool, error) { return true, enc.Encode(s) })
	if err == nil && !found {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	return out.finish(err)
}

func (a *API) replayRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/replay", Tag: "customers",
		Summary: "Replay a customer's history step by step",
		Detail: "The customer after each event, oldest first, with the fields that the event changed: the documents are folded from the stored events by the code that keeps the read models. " +
			"With `Accept: application/x-ndjson` all steps are streamed, one a line; a stream that breaks off is not whole.",
		Params: slices.Concat([]web.Param{customerParam,
			query("from", "integer", "", "The first revision to show; 0 if absent."),
		}, pageParams, minParams),
		Answers: []web.Answer{
			{Status: 200, Detail: "A page of steps, or all of them, one a line.", Body: Replay{}},
			{Status: 200, ContentType: ndjson, Body: Step{}},
		},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.replay,
	}}
}
