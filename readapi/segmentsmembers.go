package readapi

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentMembers is a page of who belongs to a segment.
type SegmentMembers struct {
	SegmentID string `json:"segment_id"`
	Version   int    `json:"version"` // by which they belong to it; 0: there was none
	// At is the position of the log at which the system held that they do, if another
	// than the present was asked for.
	At *uint64 `json:"at,omitempty"`
	// Then is what was true, and known, of whom this is; absent: it is what the system held.
	Then      *Moment         `json:"then,omitempty"`
	Customers *int64          `json:"customers,omitempty"` // all of them, of a past that was evaluated again
	Failing   *int64          `json:"failing,omitempty"`   // customers on whom the rule failed, likewise
	Members   []SegmentMember `json:"members"`
	// NextCursor is absent at the end, and of a past that was evaluated again.
	NextCursor string          `json:"next_cursor,omitempty"`
	Filling    *SegmentFilling `json:"filling" jsonschema:"nullable"` // null: everybody was looked at
	Stamp
}

// SegmentMember is a customer who belongs to a segment.
type SegmentMember struct {
	CustomerID uuid.UUID    `json:"customer_id"`
	Since      *SegmentMark `json:"since,omitempty"`   // absent of a past that was evaluated again
	Version    int          `json:"version,omitempty"` // of the segment, by which the stay began; likewise
	SegmentMemberFields
}

// SegmentMemberFields is what is told of a member if it is asked for. It is that of now.
type SegmentMemberFields struct {
	Name    *customer.Name `json:"name,omitempty"`
	Label   string         `json:"label,omitempty"`   // of the RFM scores
	Revenue *domain.Money  `json:"revenue,omitempty"` // net, all they ever brought; absent where it is not known
}

// memberName is a name as a document has it.
type memberName = customer.Name

// Orders of the members of a segment.
const (
	byEntered      = "entered"
	byEnteredLast  = "-entered"
	byCustomer     = "customer"
	byRevenue      = "revenue"
	byRevenueFirst = "-revenue"
)

var (
	segmentOrders = []string{byEntered, byEnteredLast, byCustomer, byRevenue, byRevenueFirst}
	memberFields  = []string{"name", "label", "revenue"}
)

// stayer is a member of a segment, and since which position.
type stayer struct {
	since uint64
	id    uuid.UUID
}

func byID(a, b stayer) int { return bytes.Compare(a.id[:], b.id[:]) }

func bySince(a, b stayer) int { return cmp.Or(cmp.Compare(a.since, b.since), byID(a, b)) }

// belonging returns who belongs to a segment now, by id: 24 bytes each.
func (a *API) belonging(ctx context.Context, o across, id string) ([]stayer, error) {
	return a.stayers(ctx, o, id, nil)
}

// belonged returns who belonged to a segment at a position of the log, by id.
func (a *API) belonged(ctx context.Context, o across, id string, at uint64) ([]stayer, error) {
	return a.stayers(ctx, o, id, &at)
}

// stayers reads the stays that go on, and then those that are over: who leaves meanwhile
// is found twice rather than not at all.
func (a *API) stayers(ctx context.Context, o across, id string, at *uint64) (all []stayer, err error) {
	err = a.everyStay(ctx, o, segments.IndexMembers, id, func(c candidate, from, _ uint64) bool {
		if at == nil || from <= *at {
			all = append(all, stayer{from, c.id})
		}
		return at == nil || from <= *at
	})
	if err == nil && at != nil {
		err = a.everyStay(ctx, o, segments.IndexStays, id, func(c candidate, from, to uint64) bool {
			if from <= *at && to > *at {
				all = append(all, stayer{from, c.id})
			}
			return from <= *at
		})
	}
	slices.SortFunc(all, byID)
	return slices.CompactFunc(all, func(a, b stayer) bool { return a.id == b.id }), err
}

// everyStay yields the stays of an index of a segment, by when they began, until yield
// says that it is enough.
func (a *API) everyStay(ctx context.Context, o across, index, id string, yield func(c candidate, from, to uint64) bool) error {
	for after := ""; ; {
		members, _, err := a.Documents.Range(ctx, o.generation, o.partitions, RangeQuery{Index: index, Prefix: id + "|", After: after, Limit: scanMost})
		if err != nil {
			return err
		}
		for _, m := range members {
			c, err := parseMember(m)
			if err != nil {
				return err
			}
			from, to, err := parseStay(c.key)
			if err != nil {
				return err
			}
			if !yield(c, from, to) {
				return nil
			}
		}
		if len(members) < scanMost {
			return nil
		}
		after = members[len(members)-1]
	}
}

// parseStay reads the key of a stay: since when, and until when if it is over.
func parseStay(key string) (from, to uint64, err error) {
	parts := strings.Split(key, "|")
	if len(parts) < 2 {
		return 0, 0, fmt.Errorf("stay %q", key)
	}
	if from, err = strconv.ParseUint(parts[1], 10, 64); err == nil && len(parts) > 2 {
		to, err = strconv.ParseUint(parts[2], 10, 64)
	}
	return from, to, err
}

// listing is who belongs to a segment, in an order. It reads the index where that has
// the order, and else collects who they are.
type listing struct {
	*API
	look    *segmentsLook
	segment string
	at      *uint64 // nil: the present
	order   string
	held    []stayer // in the order, or by id if that is of revenue; nil: to be read from the index
}

// memberPlace is where a list of members goes on. A page that follows is of the
// position of the first one, if that was of a past.
type memberPlace struct {
	At     *uint64   `json:"at,omitempty"`
	Member string    `json:"m,omitempty"` // of an index
	Since  uint64    `json:"s,omitempty"`
	After  uuid.UUID `json:"a,omitzero"`
}

func (m *listing) open(ctx context.Context) (err error) {
	if m.at == nil && (m.order == byEntered || m.order == byEnteredLast) {
		return nil
	}
	if m.held, err = m.stayers(ctx, m.look.across, m.segment, m.at); err != nil {
		return err
	}
	if m.held == nil {
		m.held = []stayer{}
	}
	switch m.order {
	case byEntered:
		slices.SortFunc(m.held, bySince)
	case byEnteredLast:
		slices.SortFunc(m.held, func(a, b stayer) int { return bySince(b, a) })
	}
	return nil
}

// next returns up to some members behind a place, each with its own place, and how many
// entries it looked at for them: if these are fewer than most, there are no more.
func (m *listing) next(ctx context.Context, at memberPlace, most int) (found []stayer, places []memberPlace, looked int, err error) {
	if m.held != nil && m.order != byRevenue && m.order != byRevenueFirst {
		compare := byID
		switch m.order {
		case byEntered:
			compare = bySince
		case byEnteredLast:
			compare = func(a, b stayer) int { return bySince(b, a) }
		}
		from := 0
		if at.After != uuid.Nil {
			last, there := slices.BinarySearchFunc(m.held, stayer{at.Since, at.After}, compare)
			if from = last; there {
				from++
			}
		}
		found = m.held[from:min(from+most, len(m.held))]
		for _, s := range found {
			places = append(places, memberPlace{At: m.at, Since: s.since, After: s.id})
		}
		return found, places, len(found), nil
	}
	q := RangeQuery{Index: segments.IndexRevenue, After: at.Member, Descending: m.order == byRevenueFirst || m.order == byEnteredLast, Limit: most}
	if m.held == nil {
		q.Index, q.Prefix = segments.IndexMembers, m.segment+"|"
	}
	members, _, err := m.Documents.Range(ctx, m.look.generation, m.look.partitions, q)
	if err != nil {
		return nil, nil, 0, err
	}
	for _, entry := range members {
		c, err := parseMember(entry)
		if err != nil {
			return nil, nil, 0, err
		}
		is := stayer{id: c.id}
		if m.held == nil {
			if is.since, _, err = parseStay(c.key); err != nil {
				return nil, nil, 0, err
			}
		} else if i, there := slices.BinarySearchFunc(m.held, is, byID); there {
			is = m.held[i]
		} else {
			is.id = uuid.Nil // belongs to something else; only the place counts
		}
		found, places = append(found, is), append(places, memberPlace{At: m.at, Member: entry})
	}
	return found, places, len(members), nil
}

// shown returns the members of some stays, nil for who is not there any more.
func (m *listing) shown(ctx context.Context, of []stayer, fields []string, currency string) ([]*SegmentMember, error) {
	ids := make([]uuid.UUID, 0, len(of))
	for _, s := range of {
		if s.id != uuid.Nil {
			ids = append(ids, s.id)
		}
	}
	docs, err := m.standings(ctx, m.look.across, ids)
	if err != nil {
		return nil, err
	}
	list := make([]*SegmentMember, len(of))
	for i, s := range of {
		if s.id == uuid.Nil {
			continue
		}
		d := &docs[0]
		docs = docs[1:]
		stay := d.stay(m.segment, m.at)
		if stay == nil || stay.From.Position != s.since {
			continue // left, or was erased, since the index was read
		}
		list[i] = &SegmentMember{CustomerID: s.id, Since: markOf(stay.From), Version: stay.Version, SegmentMemberFields: d.fields(fields, currency)}
	}
	return list, nil
}

// fields returns what is asked for of a member.
func (d *standings) fields(names []string, currency string) (f SegmentMemberFields) {
	for _, name := range names {
		switch name {
		case "name":
			if d.Profile.Name != (customer.Name{}) {
				f.Name = &d.Profile.Name
			}
		case "label":
			f.Label = d.Stood.Label
		case "revenue":
			if currency != "" && !d.Unvalued {
				f.Revenue = &domain.Money{AmountMinor: d.RevenueMinor, Currency: currency}
			}
		}
	}
	return f
}

// membersQuery is what is asked of the members of a segment.
type membersQuery struct {
	segment string
	order   string
	fields  []string
	limit   int
	least   uint64
	at      *uint64 // of the log
	place   memberPlace
}

func (a *API) segmentMembers(w http.ResponseWriter, r *http.Request) error {
	p, ctx := paramsOf(r), r.Context()
	q := membersQuery{segment: segmentID(r), order: p.oneOf("sort", segmentOrders...), fields: p.list("fields"), limit: p.limit(), least: p.minPosition()}
	for _, f := range q.fields {
		if !slices.Contains(memberFields, f) {
			p.bad("fields", "%q is not one of %s", f, strings.Join(memberFields, ", "))
		}
	}
	again := p.text("as_of") != "" || p.text("known_at") != "" || p.text("version") != ""
	if again && p.text("at") != "" {
		p.bad("at", "is what the system held, as_of what was true: ask for one of them")
	}
	whole := accepts(r, csvType) || accepts(r, ndjson)
	if (whole || again) && p.text("cursor") != "" {
		p.bad("cursor", "goes with pages of what the system held")
	}
	if whole && p.text("limit") != "" {
		p.bad("limit", "goes with pages; rows are all there are")
	}
	if again {
		return a.membersAgain(w, p, q, whole)
	}
	var err error
	if q.at, err = p.logPosition(ctx, a, "at"); err != nil {
		return err
	}
	if !whole {
		p.cursor(a.cursors(), &q.place)
	}
	if err := p.err(); err != nil {
		return err
	}
	return a.membersHeld(w, p, q, whole)
}

// membersHeld answers who belongs to a segment as the system holds it, or held it.
func (a *API) membersHeld(w http.ResponseWriter, p *params, q membersQuery, whole bool) error {
	ctx := p.r.Context()
	if q.place.At != nil {
		q.at = q.place.At
	}
	if q.at != nil && *q.at != atTheEnd {
		q.least = max(q.least, *q.at)
	}
	l, err := a.segments(ctx, q.least, q.segment)
	if err != nil {
		return err
	}
	is, err := l.segment(q.segment)
	if err != nil {
		return err
	}
	sums, err := a.segmentTotals(ctx, l)
	if err != nil {
		return err
	}
	answer := SegmentMembers{SegmentID: is.ID, Version: is.Version, Members: []SegmentMember{}, Stamp: l.stampOf(is.ID)}
	if answer.Filling, err = a.fillingOf(ctx, l, is, sums.everybody()); err != nil {
		return err
	}
	m := &listing{API: a, look: l, segment: is.ID, order: q.order}
	switch {
	case q.at != nil && *q.at != atTheEnd:
		m.at, answer.At = q.at, q.at
		if answer.Version, err = a.versionAt(ctx, is.ID, *q.at); err != nil {
			return err
		}
	case q.at != nil:
		m.at, answer.At = &answer.Position, &answer.Position
		if answer.Filling != nil {
			answer.Version = answer.Filling.Serving
		}
	case answer.Filling != nil:
		m.at, answer.Version = &answer.Position, answer.Filling.Serving
	}
	if err := m.open(ctx); err != nil {
		return err
	}
	if whole {
		w.Header().Set("Rapport-Position", strconv.FormatUint(answer.Position, 10))
		out, rows := segmentMemberTable.open(w, p.r)
		defer out.release()
		return out.finish(m.rows(ctx, q.fields, sums.currency, rows))
	}
	budget := scanBudget
	for at, ended := q.place, false; !ended; {
		most := min(q.limit-len(answer.Members)+1, scanMost)
		if q.order == byRevenue || q.order == byRevenueFirst {
			most = scanMost
		}
		found, places, looked, err := m.next(ctx, at, most)
		if err != nil {
			return err
		}
		shown, err := m.shown(ctx, found, q.fields, sums.currency)
		if err != nil {
			return err
		}
		for i, one := range shown {
			if one != nil {
				if len(answer.Members) == q.limit {
					answer.NextCursor = p.next(a.cursors(), at)
					break
				}
				answer.Members = append(answer.Members, *one)
			}
			at = places[i]
		}
		budget -= looked
		if ended = looked < most || answer.NextCursor != ""; !ended && budget <= 0 {
			answer.NextCursor, ended = p.next(a.cursors(), at), true
		}
	}
	return writeJSON(w, answer.Stamp, answer)
}

// rows writes all members.
func (m *listing) rows(ctx context.Context, fields []string, currency string, out rows[SegmentMemberRow]) error {
	var at memberPlace
	for {
		found, places, looked, err := m.next(ctx, at, scanMost)
		if err != nil {
			return err
		}
		shown, err := m.shown(ctx, found, fields, currency)
		if err != nil {
			return err
		}
		for _, one := range shown {
			if one != nil {
				if err := out.row(rowOfMember(*one)); err != nil {
					return err
				}
			}
		}
		if looked < scanMost {
			return out.end()
		}
		at = places[len(places)-1]
	}
}

func (a *API) segmentMemberRoutes() []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/segments/{segment_id}/members", Tag: "segments",
		Summary: "List who belongs to a segment",
		Detail: "Without a time: now. With `at`: what the system held then, which is what anybody was told; a date is the end of that business day. " +
			"With `as_of`, and `known_at`, what was true then by the rule as it is now, or by an older `version` of it: customers are judged again, from the log, by what had happened to them by then, " +
			"so that what was recorded late counts; such an answer has a count, and the first of them by id. " +
			"Who was erased since is in none. While customers are looked at by a new version, `filling` says so, and the answer is who belonged to the segment before. " +
			"`Accept: text/csv` or `application/x-ndjson` answers all of them, one a row; an answer that breaks off is not whole.",
		Params: slices.Concat([]web.Param{
			segmentParam,
			query("at", "string", "", "What the system held at a position of the log, at the end of a business date, or at an RFC 3339 time."),
			momentParams[0], momentParams[1],
			query("version", "integer", "", "Of a past that is judged again: by this version of the segment; the last one if absent."),
			{Name: "sort", In: "query", Type: "string", Enum: segmentOrders, Detail: "The order; by when they entered if absent. By revenue a page may be short though more follow; the revenue is that of now."},
			query("fields", "string", "", "What to tell of them beside, as it is now: name, label, revenue; separated by commas."),
		}, pageParams, minParams),
		Answers: []web.Answer{
			{Status: 200, Detail: "A page of members.", Body: SegmentMembers{}, Headers: stampHeaders},
			{Status: 200, ContentType: ndjson, Body: SegmentMemberRow{}, Headers: stampHeaders},
			{Status: 200, ContentType: csvType, Headers: stampHeaders},
		},
		Refuses: []string{segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.segmentMembers,
	}}
}
