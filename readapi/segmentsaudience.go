package readapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// ErrAudienceNotFound says that no audience of the segment has an id.
var ErrAudienceNotFound = &domain.Error{Kind: domain.NotFound, Code: "audience_not_found"}

// SegmentAudiences is every audience that was frozen of a segment.
type SegmentAudiences struct {
	SegmentID string           `json:"segment_id"`
	Audiences []FrozenAudience `json:"audiences"` // the oldest first
	Stamp
}

// FrozenAudience is who belonged to a segment when that was recorded.
type FrozenAudience struct {
	AudienceID uuid.UUID         `json:"audience_id"`
	SegmentID  string            `json:"segment_id"`
	Version    int               `json:"version"`   // of the segment
	FrozenAs   FrozenPosition    `json:"frozen_as"` // of when it is
	Count      int64             `json:"count"`
	Digest     string            `json:"digest"` // SHA-256, in hexadecimal, of the members' ids in ascending order, each followed by a line feed
	FrozenAt   time.Time         `json:"frozen_at"`
	By         eventschema.Actor `json:"by"`
	EventID    uuid.UUID         `json:"event_id"`
}

// FrozenPosition is of when an audience is.
type FrozenPosition struct {
	Position uint64       `json:"position"`
	Day      *domain.Date `json:"day" jsonschema:"nullable"` // the last one closed; null before the first
}

// AudienceAnswer is an audience, and who is found to have been in it now.
type AudienceAnswer struct {
	FrozenAudience
	Now AudienceNow `json:"now"`
	// Members is a page of them by id, if they were asked for.
	Members    []SegmentMember `json:"members,omitempty"`
	NextCursor string          `json:"next_cursor,omitempty"`
	Stamp
}

// AudienceNow is what is found out of an audience now.
type AudienceNow struct {
	Count   int64  `json:"count"`
	Digest  string `json:"digest"`
	Matches bool   `json:"matches"` // it is the same customers
	// Missing is how many are found no more: who was erased since is forgotten, this too.
	Missing int64 `json:"missing"`
}

// digestOf is the digest of an audience, whose members come by id.
func digestOf(members []stayer) string {
	h := sha256.New()
	for _, m := range members {
		h.Write([]byte(m.id.String()))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Audience finds out who belongs to a segment: no earlier than the log is now, if the
// read model comes as far within two seconds. A segment that is being filled is refused
// with segment.ErrFilling.
func (a *API) Audience(ctx context.Context, id string) (segment.Audience, error) {
	head, err := a.Head(ctx)
	if err != nil {
		return segment.Audience{}, err
	}
	l, err := a.segments(ctx, head, id)
	if err != nil && (l == nil || !errors.Is(err, ErrBehind)) {
		return segment.Audience{}, err
	}
	is, err := l.segment(id)
	if err != nil {
		return segment.Audience{}, err
	}
	if l.filling(id) {
		return segment.Audience{}, segment.ErrFilling.With("customers are being looked at by version %d of %q; ask again", is.Version, id)
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return segment.Audience{}, err
	}
	found := segment.Audience{Version: is.Version, Position: l.upTo(id)}
	for i := range t.closed {
		if t.closed[i].position <= found.Position {
			found.AsOf = &t.closed[i].date
		}
	}
	members, err := a.belonged(ctx, l.across, id, found.Position)
	found.Count, found.Digest = int64(len(members)), digestOf(members)
	return found, err
}

// frozen returns the audiences of a segment, the oldest first.
func (a *API) frozen(ctx context.Context, id string) ([]FrozenAudience, error) {
	list := []FrozenAudience{}
	err := a.segmentEvents(ctx, id, func(e eventschema.Event) error {
		if d, ok := e.Data.(segment.AudienceFrozen); ok {
			list = append(list, FrozenAudience{
				AudienceID: d.AudienceID, SegmentID: d.SegmentID, Version: d.Version, FrozenAs: FrozenPosition{d.Position, d.AsOf},
				Count: d.Count, Digest: d.Digest, FrozenAt: d.FrozenAt, By: e.Meta.Actor, EventID: e.ID,
			})
		}
		return nil
	})
	return list, err
}

func (a *API) segmentAudiences(w http.ResponseWriter, r *http.Request) error {
	p, id := paramsOf(r), segmentID(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.segments(r.Context(), least)
	if err != nil {
		return err
	}
	if _, err := l.segment(id); err != nil {
		return err
	}
	answer := SegmentAudiences{SegmentID: id, Stamp: l.stamp()}
	if answer.Audiences, err = a.frozen(r.Context(), id); err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) segmentAudience(w http.ResponseWriter, r *http.Request) error {
	p, ctx, id := paramsOf(r), r.Context(), segmentID(r)
	list, limit, least := p.oneOf("members", "false", "true") == "true", p.limit(), p.minPosition()
	var at memberPlace
	if list {
		p.cursor(a.cursors(), &at)
	} else if p.text("cursor") != "" {
		p.bad("cursor", "goes with members=true")
	}
	if err := p.err(); err != nil {
		return err
	}
	audiences, err := a.frozen(ctx, id)
	if err != nil {
		return err
	}
	which := slices.IndexFunc(audiences, func(f FrozenAudience) bool { return f.AudienceID.String() == mux.Vars(r)["audience_id"] })
	if which < 0 {
		return ErrAudienceNotFound.With("no audience of %q has the id %s; GET /v1/segments/%s/audiences lists them", id, mux.Vars(r)["audience_id"], id)
	}
	answer := AudienceAnswer{FrozenAudience: audiences[which]}
	position := &answer.FrozenAs.Position
	l, err := a.segments(ctx, max(least, *position), id)
	if err != nil {
		return err
	}
	answer.Stamp = l.stampOf(id)
	m := &listing{API: a, look: l, segment: id, at: position, order: byCustomer}
	if err := m.open(ctx); err != nil {
		return err
	}
	answer.Now = AudienceNow{Count: int64(len(m.held)), Digest: digestOf(m.held)}
	answer.Now.Matches, answer.Now.Missing = answer.Now.Digest == answer.Digest, max(0, answer.Count-answer.Now.Count)
	if list {
		found, places, _, err := m.next(ctx, at, limit+1)
		if err != nil {
			return err
		}
		if len(found) > limit {
			found, answer.NextCursor = found[:limit], p.next(a.cursors(), places[limit-1])
		}
		shown, err := m.shown(ctx, found, nil, "")
		if err != nil {
			return err
		}
		for _, one := range shown {
			if one != nil {
				answer.Members = append(answer.Members, *one)
			}
		}
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) segmentAudienceRoutes() []web.Route {
	refuses := []string{segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code}
	return []web.Route{{
		Method: "GET", Path: "/v1/segments/{segment_id}/audiences", Tag: "segments",
		Summary: "List the frozen audiences of a segment",
		Detail:  "What freeze-audience recorded: of which position of the log, how many, and the digest of who they are.",
		Params:  slices.Concat([]web.Param{segmentParam}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The audiences.", Body: SegmentAudiences{}, Headers: stampHeaders}},
		Refuses: refuses,
		Handler: a.segmentAudiences,
	}, {
		Method: "GET", Path: "/v1/segments/{segment_id}/audiences/{audience_id}", Tag: "segments",
		Summary: "Find out again who was in a frozen audience",
		Detail: "The list is not stored: it is made again from what is known of who belonged to the segment when, and its digest says whether it is the same. " +
			"Customers whose data was erased since are forgotten and make it another one; `missing` counts them.",
		Params: slices.Concat([]web.Param{
			segmentParam,
			{Name: "audience_id", In: "path", Required: true, Type: "string", Format: "uuid", Detail: "The audience."},
			{Name: "members", In: "query", Type: "string", Enum: []string{"false", "true"}, Detail: "true: also who they are, by id, page by page."},
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The audience.", Body: AudienceAnswer{}, Headers: stampHeaders}},
		Refuses: append(refuses, ErrAudienceNotFound.Code),
		Handler: a.segmentAudience,
	}}
}
