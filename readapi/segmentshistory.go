package readapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentHistory is a page of who entered and left a segment, and of what was said of
// the segment itself, in the order of the log.
type SegmentHistory struct {
	SegmentID  string          `json:"segment_id"`
	Events     []SegmentMove   `json:"events"`
	NextCursor string          `json:"next_cursor,omitempty"`
	Filling    *SegmentFilling `json:"filling" jsonschema:"nullable"` // null: everybody was looked at; else the list ends before
	Stamp
}

// SegmentMove is a customer's way into a segment or out of it, or an event of the segment.
type SegmentMove struct {
	Kind     string `json:"kind" jsonschema:"enum=entered,enum=left,enum=defined,enum=published,enum=archived"`
	Position uint64 `json:"position"`
	Version  int    `json:"version"` // of the segment, by which the stay began; or that holds from there on
	// CustomerID and Cause say of whom, and what brought it about; absent from an event
	// of the segment.
	CustomerID *uuid.UUID   `json:"customer_id,omitempty"`
	Cause      *SegmentMark `json:"cause,omitempty"`
	// Segment is the event of the segment.
	Segment *SegmentVersion `json:"segment,omitempty"`
}

// Kinds of moves.
const (
	moveEntered = "entered"
	moveLeft    = "left"
)

var moveKinds = []string{moveEntered, moveLeft, segmentDefined, segmentPublished, segmentArchived}

// movePlace is where a history goes on.
type movePlace struct {
	Member   string `json:"m,omitempty"` // of the index of moves, the last one shown
	Position uint64 `json:"p"`           // that the segment's own events were shown up to
}

// movesQuery is what is asked of the history of a segment.
type movesQuery struct {
	segment      string
	kind, cause  string
	since, until uint64 // positions, both inclusive
}

func (q *movesQuery) wants(m *SegmentMove) bool {
	return (q.kind == "" || m.Kind == q.kind) && (q.cause == "" || m.Cause != nil && m.Cause.Cause == q.cause) &&
		m.Position >= q.since && m.Position <= q.until
}

func (a *API) segmentHistory(w http.ResponseWriter, r *http.Request) error {
	p, ctx := paramsOf(r), r.Context()
	q := movesQuery{segment: segmentID(r), kind: p.oneOf("kind", slices.Concat([]string{""}, moveKinds)...), cause: p.oneOf("cause", slices.Concat([]string{""}, segments.Causes)...)}
	limit, least, of := p.limit(), p.minPosition(), p.id("customer_id")
	until, err := p.logPosition(ctx, a, "until")
	if err == nil {
		q.since, err = p.logSince(ctx, a, "since")
	}
	if err != nil {
		return err
	}
	var at movePlace
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.segments(ctx, least, q.segment)
	if err != nil {
		return err
	}
	is, err := l.segment(q.segment)
	if err != nil {
		return err
	}
	if q.until = l.upTo(is.ID); until != nil {
		q.until = min(q.until, *until)
	}
	sums, err := a.segmentTotals(ctx, l)
	if err != nil {
		return err
	}
	answer := SegmentHistory{SegmentID: is.ID, Events: []SegmentMove{}, Stamp: l.stampOf(is.ID)}
	if answer.Filling, err = a.fillingOf(ctx, l, is, sums.everybody()); err != nil {
		return err
	}
	var own []SegmentMove
	if of == uuid.Nil {
		if own, err = a.ownMoves(ctx, &q, at.Position); err != nil {
			return err
		}
	}
	moves, next, err := a.entriesAndExits(ctx, l.across, &q, of, at.Member, limit)
	if err != nil {
		return err
	}
	// What was said of the segment comes before what it brought about.
	for len(answer.Events) < limit && len(own)+len(moves) > 0 {
		if len(own) > 0 && (len(moves) == 0 && next == "" || len(moves) > 0 && own[0].Position <= moves[0].Position) {
			answer.Events, at.Position, own = append(answer.Events, own[0]), own[0].Position, own[1:]
			continue
		}
		if len(moves) == 0 {
			break // more of them may come before the rest
		}
		answer.Events, at.Member, moves = append(answer.Events, moves[0].SegmentMove), moves[0].member, moves[1:]
	}
	if len(moves) == 0 && next != "" {
		at.Member = next
	}
	if len(own)+len(moves) > 0 || next != "" {
		answer.NextCursor = p.next(a.cursors(), at)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// ownMoves returns what was said of a segment behind a position.
func (a *API) ownMoves(ctx context.Context, q *movesQuery, after uint64) (own []SegmentMove, err error) {
	versions, err := a.segmentVersions(ctx, q.segment)
	for i := range versions {
		v := &versions[i]
		if m := (SegmentMove{Kind: v.Kind, Position: v.Position, Version: v.Version, Segment: v}); v.Position > after && q.wants(&m) {
			own = append(own, m)
		}
	}
	return own, err
}

// foundMove is a move and where it stands in the index.
type foundMove struct {
	SegmentMove
	member string
}

// entriesAndExits returns up to some moves behind a place, of one customer or of all, and where to
// go on if there may be more of them.
func (a *API) entriesAndExits(ctx context.Context, o across, q *movesQuery, of uuid.UUID, after string, limit int) (list []foundMove, next string, err error) {
	if q.kind != "" && q.kind != moveEntered && q.kind != moveLeft {
		return nil, "", nil
	}
	if of != uuid.Nil {
		return a.movesOf(ctx, o, q, of, after, limit)
	}
	from := stretch{generation: o.generation, index: segments.IndexMoves, prefix: q.segment + "|"}
	if q.since > 0 {
		from.from = segments.MemberKey(q.segment, q.since)
	}
	end := segments.MemberKey(q.segment, q.until) + "|~"
	from.past = func(key string) bool { return key > end }
	fetch := func(cs []*candidate) error {
		ids := make([]uuid.UUID, len(cs))
		for i, c := range cs {
			ids[i] = c.id
		}
		docs, err := a.standings(ctx, o, ids)
		for i := range docs {
			all := docs[i].moves(q.segment, cs[i].id)
			if at := slices.IndexFunc(all, func(m foundMove) bool { return m.member == cs[i].member }); at >= 0 {
				cs[i].item = &all[at]
			}
		}
		return err
	}
	keep := func(c *candidate) bool {
		m, ok := c.item.(*foundMove) // none is there if the customer was erased meanwhile
		return ok && q.wants(&m.SegmentMove)
	}
	found, more, err := a.walk(ctx, o.partitions, []stretch{from}, place{After: after}, limit, fetch, keep)
	for _, c := range found {
		list = append(list, *c.item.(*foundMove))
	}
	if more != nil {
		next = more.After
	}
	return list, next, err
}

// movesOf returns the moves of one customer.
func (a *API) movesOf(ctx context.Context, o across, q *movesQuery, of uuid.UUID, after string, limit int) (list []foundMove, next string, err error) {
	docs, err := a.standings(ctx, o, []uuid.UUID{of})
	if err != nil {
		return nil, "", err
	}
	for _, m := range docs[0].moves(q.segment, of) {
		if m.member <= after || !q.wants(&m.SegmentMove) {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].member, nil
		}
		list = append(list, m)
	}
	return list, "", nil
}

// moves returns every move of a customer into a segment and out of it, as they stand in
// the index.
func (d *standings) moves(id string, of uuid.UUID) (list []foundMove) {
	s := d.Segments[id]
	if s == nil {
		return nil
	}
	add := func(kind string, m segments.Mark, version int) {
		list = append(list, foundMove{
			SegmentMove{Kind: kind, Position: m.Position, Version: version, CustomerID: &of, Cause: markOf(m)},
			segments.MoveKey(id, m.Position, kind == moveEntered) + "\x00" + of.String(),
		})
	}
	for i := range s.Stays {
		stay := &s.Stays[i]
		add(moveEntered, stay.From, stay.Version)
		if stay.To != nil {
			add(moveLeft, *stay.To, stay.Version)
		}
	}
	slices.SortFunc(list, func(a, b foundMove) int { return cmp.Compare(a.member, b.member) })
	return list
}

// SegmentOverlap is how far two segments have the same customers.
type SegmentOverlap struct {
	A     string `json:"a"`
	B     string `json:"b"`
	InA   int64  `json:"in_a"`
	InB   int64  `json:"in_b"`
	Both  int64  `json:"both"`
	OnlyA int64  `json:"only_a"`
	OnlyB int64  `json:"only_b"`
	// Share is those in both of those in either, ShareOfA and ShareOfB of those in one:
	// decimals of four digits; null of nobody.
	Share    *string     `json:"share" jsonschema:"nullable"`
	ShareOfA *string     `json:"share_of_a" jsonschema:"nullable"`
	ShareOfB *string     `json:"share_of_b" jsonschema:"nullable"`
	Sample   []uuid.UUID `json:"sample"`  // the first by id who are in both
	Filling  []string    `json:"filling"` // of the two, those of which it is answered who belonged to them before
	Stamp
}

// overlapSample is how many customers an overlap shows.
const overlapSample = 10

func (a *API) segmentOverlap(w http.ResponseWriter, r *http.Request) error {
	p, ctx := paramsOf(r), r.Context()
	ids, least := [2]string{p.text("a"), p.text("b")}, p.minPosition()
	for i, name := range []string{"a", "b"} {
		if ids[i] == "" {
			p.bad(name, "is required")
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.segments(ctx, least, ids[:]...)
	if err != nil {
		return err
	}
	answer := SegmentOverlap{A: ids[0], B: ids[1], Sample: []uuid.UUID{}, Filling: []string{}, Stamp: l.stampOf(ids[:]...)}
	var in [2][]stayer
	for i, id := range ids {
		is, err := l.segment(id)
		if err != nil {
			return err
		}
		if l.filling(id) {
			if !slices.Contains(answer.Filling, id) {
				answer.Filling = append(answer.Filling, id)
			}
			in[i], err = a.belonged(ctx, l.across, is.ID, l.upTo(id))
		} else {
			in[i], err = a.belonging(ctx, l.across, is.ID)
		}
		if err != nil {
			return err
		}
	}
	answer.InA, answer.InB = int64(len(in[0])), int64(len(in[1]))
	for x, y := in[0], in[1]; len(x) > 0 && len(y) > 0; {
		switch c := byID(x[0], y[0]); {
		case c < 0:
			x = x[1:]
		case c > 0:
			y = y[1:]
		default:
			if answer.Both++; len(answer.Sample) < overlapSample {
				answer.Sample = append(answer.Sample, x[0].id)
			}
			x, y = x[1:], y[1:]
		}
	}
	answer.OnlyA, answer.OnlyB = answer.InA-answer.Both, answer.InB-answer.Both
	answer.Share, answer.ShareOfA, answer.ShareOfB = rate(answer.Both, answer.OnlyA+answer.InB), rate(answer.Both, answer.InA), rate(answer.Both, answer.InB)
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) segmentHistoryRoutes() []web.Route {
	refuses := []string{segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code}
	return []web.Route{{
		Method: "GET", Path: "/v1/segments/{segment_id}/history", Tag: "segments",
		Summary: "List who entered and left a segment, when and why",
		Detail: "In the order of the log, each with its cause: the customer's event, the day that ended, the calibration or the definition that brought it about. " +
			"The versions of the segment stand among them. Of who was erased since nothing is told.",
		Params: slices.Concat([]web.Param{
			segmentParam,
			query("since", "string", "", "From there on: a position of the log, a business date, or an RFC 3339 time of recording."),
			query("until", "string", "", "Up to there, likewise; that date included."),
			{Name: "kind", In: "query", Type: "string", Enum: moveKinds, Detail: "Only these."},
			{Name: "cause", In: "query", Type: "string", Enum: segments.Causes, Detail: "Only what such a cause brought about."},
			query("customer_id", "string", "uuid", "Only of this customer."),
		}, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of the history.", Body: SegmentHistory{}, Headers: stampHeaders}},
		Refuses: refuses,
		Handler: a.segmentHistory,
	}, {
		Method: "GET", Path: "/v1/segments/overlap", Tag: "segments",
		Summary: "Compare who belongs to two segments",
		Detail:  "How many are in both, in one only, and which share that is.",
		Params: slices.Concat([]web.Param{
			{Name: "a", In: "query", Required: true, Type: "string", Detail: "A segment."},
			{Name: "b", In: "query", Required: true, Type: "string", Detail: "Another one."},
		}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The overlap.", Body: SegmentOverlap{}, Headers: stampHeaders}},
		Refuses: refuses,
		Handler: a.segmentOverlap,
	}}
}
