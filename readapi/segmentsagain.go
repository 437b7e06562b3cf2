package readapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentMemberRow is a customer in an export of the members of a segment. What began
// the stay is not told of a past that was judged again.
type SegmentMemberRow struct {
	CustomerID    uuid.UUID    `json:"customer_id"`
	SincePosition *uint64      `json:"since_position" jsonschema:"nullable"`
	SinceAt       *time.Time   `json:"since_at" jsonschema:"nullable"`
	Cause         string       `json:"cause,omitempty"` // event, day, calibration, new or definition
	EventID       uuid.UUID    `json:"event_id,omitzero"`
	EventType     string       `json:"event_type,omitempty"` // of an event of the customer
	Day           *domain.Date `json:"day" jsonschema:"nullable"`
	Version       int          `json:"version,omitempty"`
	Name          string       `json:"name,omitempty"` // if it was asked for, and so on
	Label         string       `json:"label,omitempty"`
	Revenue       string       `json:"revenue,omitempty"` // in major units: 89.00
	Currency      string       `json:"currency,omitempty"`
}

var segmentMemberTable = table[SegmentMemberRow]{
	columns: []string{"customer_id", "since_position", "since_at", "cause", "event_id", "event_type", "day", "version", "name", "label", "revenue", "currency"},
	fields: func(dst []string, r SegmentMemberRow) []string {
		position, at, event, day, version := "", "", "", "", ""
		if r.SincePosition != nil {
			position, at, event = strconv.FormatUint(*r.SincePosition, 10), r.SinceAt.Format(time.RFC3339Nano), r.EventID.String()
		}
		if r.Day != nil {
			day = r.Day.String()
		}
		if r.Version != 0 {
			version = strconv.Itoa(r.Version)
		}
		return append(dst, r.CustomerID.String(), position, at, r.Cause, event, r.EventType, day, version, r.Name, r.Label, r.Revenue, r.Currency)
	},
}

func rowOfMember(m SegmentMember) SegmentMemberRow {
	row := SegmentMemberRow{CustomerID: m.CustomerID, Version: m.Version, Label: m.Label}
	if s := m.Since; s != nil {
		row.SincePosition, row.SinceAt, row.Cause, row.EventID, row.EventType, row.Day = &s.Position, &s.At, s.Cause, s.EventID, s.Type, s.Day
	}
	if n := m.Name; n != nil {
		if row.Name = n.Display; row.Name == "" {
			row.Name = strings.Join(slices.DeleteFunc([]string{n.Title, n.Given, n.Middle, n.Family}, func(s string) bool { return s == "" }), " ")
		}
		if row.Name == "" {
			row.Name = n.Organisation
		}
	}
	if m.Revenue != nil {
		row.Revenue, row.Currency = m.Revenue.Major(), m.Revenue.Currency
	}
	return row
}

// membersAgain answers who belonged to a segment as it was true then: customers are
// judged again, by what had happened to them.
func (a *API) membersAgain(w http.ResponseWriter, p *params, q membersQuery, whole bool) error {
	ctx := p.r.Context()
	t, err := a.timeline(ctx)
	if err != nil {
		return err
	}
	m := moment{asOf: p.instant("as_of", &projections.World{Zone: t.created.Zone}, true), known: p.recorded("known_at", t, true)}
	version := p.number("version", 0, 1, math.MaxInt32)
	if order := p.q.Get("sort"); order != "" && order != byCustomer {
		p.bad("sort", "must be %s of a past that is judged again", byCustomer)
	}
	l, err := a.segments(ctx, q.least)
	if err != nil {
		return err
	}
	is, err := l.segment(q.segment)
	if err != nil {
		return err
	}
	if version != 0 {
		if is, err = a.ofVersion(ctx, is, version); err != nil {
			return err
		}
		if is.Version != version {
			p.bad("version", "%d is not a version of the segment; GET /v1/segments/%s lists them", version, is.ID)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	then, err := a.segmentWorld(ctx, t, m, l.world)
	if err != nil {
		return err
	}
	if then, err = only(then, l, is); err != nil {
		return err
	}
	if why := then.Plan().Broken[is.ID]; why != "" {
		return ErrSegmentBroken.With("the segment %q cannot be decided: %s", is.ID, why)
	}
	answer := SegmentMembers{
		SegmentID: is.ID, Version: is.Version, Then: m.shown(), Customers: new(int64), Failing: new(int64),
		Members: []SegmentMember{}, Stamp: l.stamp(),
	}
	currency := ""
	if policy, _, ok := segments.Valuing(then); ok {
		currency = policy.Currency
	}
	again := &again{API: a, segmentsLook: l, moment: m, world: then}
	again.judge = func(id uuid.UUID, d *segments.Document) *SegmentMember {
		if s := d.Segments[is.ID]; s != nil && s.Failed != nil {
			*answer.Failing++
		}
		if !d.In(is.ID) {
			return nil
		}
		s := standings{RevenueMinor: d.RevenueMinor, Unvalued: d.Unvalued}
		s.Profile.Name, s.Stood.Label = d.Profile.Name, d.Stood.Label
		return &SegmentMember{CustomerID: id, SegmentMemberFields: s.fields(q.fields, currency)}
	}
	if whole {
		w.Header().Set("Rapport-Position", strconv.FormatUint(answer.Position, 10))
		out, rows := segmentMemberTable.open(w, p.r)
		defer out.release()
		err := again.each(ctx, func(m *SegmentMember) error { return rows.row(rowOfMember(*m)) })
		if err == nil {
			err = rows.end()
		}
		return out.finish(err)
	}
	err = again.each(ctx, func(m *SegmentMember) error {
		if *answer.Customers++; len(answer.Members) < q.limit {
			answer.Members = append(answer.Members, *m)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

// ErrSegmentBroken refuses to judge anybody by a rule that cannot be decided.
var ErrSegmentBroken = &domain.Error{Kind: domain.Conflict, Code: "segment_broken"}

// ofVersion returns a segment as one of its versions has it, as it is if there is no
// such version.
func (a *API) ofVersion(ctx context.Context, is segment.Segment, version int) (segment.Segment, error) {
	versions, err := a.segmentVersions(ctx, is.ID)
	for _, v := range versions {
		if v.Version == version && v.Kind != segmentArchived {
			is.Version, is.Name, is.Rule, is.Asks, is.Attributes = v.Version, v.Name, v.Rule, v.asks, v.attributes
		}
	}
	return is, err
}

// only returns a world that knows of a segment and of those that it asks for, and of no
// others: nobody needs to be judged by them.
func only(w *projections.World, l *segmentsLook, is segment.Segment) (*projections.World, error) {
	wanted := map[string]segment.Segment{}
	for _, other := range is.Asks {
		for id := range l.all(other) {
			if asked, ok := w.Segments.Segment(id); ok {
				wanted[id] = asked
			}
		}
	}
	is.Archived = false // was it not, who would belong to it?
	wanted[is.ID] = is
	next := *w
	next.Segments = new(segment.Set)
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		next.Segments.List = append(next.Segments.List, wanted[id])
	}
	stored, err := next.Encode()
	if err != nil {
		return nil, err
	}
	return projections.DecodeWorld(stored) // which plans anew, and once
}

// again judges customers by what had happened to them at a moment.
type again struct {
	*API
	*segmentsLook
	moment
	world *projections.World
	judge func(uuid.UUID, *segments.Document) *SegmentMember // nil for who is none
}

// againAtOnce is how many customers are in memory at the same time. The log is read once
// for so many of them.
var againAtOnce = 20_000

// each yields every member then, by id. Of who was erased since nothing is known of then
// either.
func (g *again) each(ctx context.Context, yield func(*SegmentMember) error) error {
	parked, err := g.parked(ctx)
	if err != nil {
		return err
	}
	for after := ""; ; {
		part := map[uuid.UUID]*judged{}
		for len(part) < againAtOnce {
			members, _, err := g.Documents.Range(ctx, g.generation, g.partitions, RangeQuery{
				Index: segments.IndexAll, After: after, Limit: min(scanMost, againAtOnce-len(part)),
			})
			if err != nil {
				return err
			}
			for _, m := range members {
				c, err := parseMember(m)
				if err != nil {
					return err
				}
				part[c.id] = new(judged)
			}
			if len(members) == 0 {
				break
			}
			after = members[len(members)-1]
		}
		if len(part) == 0 {
			return nil
		}
		found, err := g.among(ctx, part, parked)
		if err != nil {
			return err
		}
		for _, m := range found {
			if err := yield(m); err != nil {
				return err
			}
		}
	}
}

// among returns who of some customers was a member then, by id. One request at a time
// does so, for the sake of memory.
func (g *again) among(ctx context.Context, part map[uuid.UUID]*judged, parked map[uuid.UUID]bool) (found []*SegmentMember, err error) {
	if err := g.reading.enter(ctx); err != nil {
		return nil, err
	}
	defer g.reading.leave()
	if err := g.read(ctx, part, parked); err != nil {
		return nil, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(part), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		j := part[id]
		if delete(part, id); j.gone || !j.doc.There {
			continue
		}
		j.doc.Decide(g.world)
		if m := g.judge(id, &j.doc); m != nil {
			found = append(found, m)
		}
	}
	return found, nil
}

// judged is a customer in the making.
type judged struct {
	doc  segments.Document
	key  *eventschema.DataKey
	gone bool // erased
}

// pastTypes is how the types of the events begin that customers are judged by: theirs,
// and their keys.
var pastTypes = []string{"customer.", "datakey."}

// read folds from the log what had happened to some customers.
func (g *again) read(ctx context.Context, part map[uuid.UUID]*judged, parked map[uuid.UUID]bool) error {
	_, err := g.follow(ctx, 0, pastTypes, func(raw eventschema.Raw) error {
		if raw.Position > g.position {
			return errHead
		}
		id, ok := eventschema.CustomerOf(raw)
		j := part[id]
		if !ok || j == nil || j.gone || parked[raw.ID] {
			return nil
		}
		e, err := g.opened(ctx, raw, id, j)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		switch d := e.Data.(type) {
		case datakey.Created:
			j.key, err = g.Keys.Unwrap(d.KeyID, d.Wrapped)
			return err
		case customer.PersonalDataErased:
			*j = judged{gone: true}
			return nil
		}
		if g.has(raw, e.Meta) {
			j.doc.Take(e)
		}
		return nil
	})
	return err
}

// opened opens an event with the key that came before it in the log. Where that is gone
// it was destroyed, or the log has it under the customer only.
func (g *again) opened(ctx context.Context, raw eventschema.Raw, id uuid.UUID, j *judged) (eventschema.Event, error) {
	e, err := eventschema.Events.Open(raw, j.key)
	if !errors.Is(err, eventschema.ErrNoKey) && !errors.Is(err, eventschema.ErrWrongKey) {
		return e, err
	}
	if j.key, err = g.dataKey(ctx, id); err != nil {
		return e, err
	}
	return eventschema.Events.Open(raw, j.key)
}
