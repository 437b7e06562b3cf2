package readapi

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// Segments is every segment that was asked for.
type Segments struct {
	Segments []SegmentListed `json:"segments"` // by id
	Stamp
}

// SegmentListed is a segment in a list.
type SegmentListed struct {
	SegmentDefinition
	Customers int64           `json:"customers"`                     // who belong to it
	Revenue   *domain.Money   `json:"revenue" jsonschema:"nullable"` // net, all they ever brought; null without a policy of values, and while it is filled
	Failing   int64           `json:"failing"`                       // customers on whom the rule failed
	Filling   *SegmentFilling `json:"filling" jsonschema:"nullable"` // null: everybody was looked at
}

// SegmentDefinition is what a segment is.
type SegmentDefinition struct {
	SegmentID   string   `json:"segment_id"`
	Name        string   `json:"name"`
	Version     int      `json:"version"`
	Kind        string   `json:"kind" jsonschema:"enum=dynamic,enum=static"`
	Rule        string   `json:"rule,omitempty"` // of a dynamic segment
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels"`
	Archived    bool     `json:"archived"`         // nobody belongs to it any more
	Broken      string   `json:"broken,omitempty"` // why nobody can be looked at: the lists stay as they are
}

// SegmentAnswer is one segment with its numbers.
type SegmentAnswer struct {
	SegmentDefinition
	Metrics  *SegmentMetrics  `json:"metrics" jsonschema:"nullable"` // null while it is filled
	Filling  *SegmentFilling  `json:"filling" jsonschema:"nullable"` // null: everybody was looked at
	Failing  SegmentFailing   `json:"failing"`
	Asks     []string         `json:"asks"`     // the segments that the rule asks for
	AskedBy  []string         `json:"asked_by"` // the segments in use whose rules ask for this one
	Versions []SegmentVersion `json:"versions"` // what was said of it, the oldest first
	Stamp
}

// SegmentMetrics is what the customers of a segment are together. What is in money is
// in the currency of the policy of values.
type SegmentMetrics struct {
	Customers int64         `json:"customers"`
	Share     *string       `json:"share" jsonschema:"nullable"`   // of all customers, a decimal of four digits; null where there are none
	Orders    int64         `json:"orders"`                        // that count: paid, and not cancelled
	Revenue   *domain.Money `json:"revenue" jsonschema:"nullable"` // net of refunds, all they ever brought; null without a policy of values
	Unvalued  int64         `json:"unvalued"`                      // customers whose revenue is not known in that currency
	// AverageRevenue is by customer whose revenue is known, rounded half away from zero.
	AverageRevenue *domain.Money `json:"average_revenue" jsonschema:"nullable"`
	Points         int64         `json:"points"` // spendable, as they are booked
	Scored         int64         `json:"scored"` // customers with RFM scores
	// MeanR, MeanF and MeanM are the mean scores of those who have them, decimals of
	// four digits; null where nobody has.
	MeanR *string `json:"mean_r" jsonschema:"nullable"`
	MeanF *string `json:"mean_f" jsonschema:"nullable"`
	MeanM *string `json:"mean_m" jsonschema:"nullable"`
}

// SegmentFailing is on how many customers a rule failed, and on whom last. Their
// membership stays what it was.
type SegmentFailing struct {
	Customers int64           `json:"customers"`
	Last      *SegmentFailure `json:"last" jsonschema:"nullable"` // of the first thousand of them by id; null: it failed on nobody
}

// SegmentFailure is why a rule failed on a customer, and at what.
type SegmentFailure struct {
	CustomerID uuid.UUID   `json:"customer_id"`
	Code       string      `json:"code"`
	Detail     string      `json:"detail"`
	Cause      SegmentMark `json:"cause"`
}

// What is said of a segment.
const (
	segmentDefined   = "defined"
	segmentPublished = "published"
	segmentArchived  = "archived"
)

// SegmentVersion is an event that says what a segment is.
type SegmentVersion struct {
	Kind        string            `json:"kind" jsonschema:"enum=defined,enum=published,enum=archived"`
	Version     int               `json:"version"` // that holds from there on
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Labels      []string          `json:"labels,omitempty"`
	Rule        string            `json:"rule,omitempty"`
	At          time.Time         `json:"at"`
	By          eventschema.Actor `json:"by"`
	Position    uint64            `json:"position"`
	EventID     uuid.UUID         `json:"event_id"`

	asks       []string
	attributes map[string]string
}

// maxFailing is how many failures are looked through for the last one.
const maxFailing = 1000

var segmentParam = web.Param{Name: "segment_id", In: "path", Required: true, Type: "string", Detail: "The segment."}

func segmentID(r *http.Request) string { return mux.Vars(r)["segment_id"] }

// definition returns what a segment is.
func (l *segmentsLook) definition(is segment.Segment) SegmentDefinition {
	return SegmentDefinition{
		SegmentID: is.ID, Name: is.Name, Version: is.Version, Kind: is.Kind, Rule: is.Rule, Description: is.Description,
		Labels: append([]string{}, is.Labels...), Archived: is.Archived, Broken: l.world.Plan().Broken[is.ID],
	}
}

// segmentTotals is the totals of the view.
type segmentTotals struct {
	totals
	currency string // empty without a policy of values
}

func (a *API) segmentTotals(ctx context.Context, l *segmentsLook) (segmentTotals, error) {
	t := segmentTotals{}
	if p, _, ok := segments.Valuing(l.world); ok {
		t.currency = p.Currency
	}
	sums, _, err := a.Documents.Metrics(ctx, l.generation, l.partitions)
	t.totals = sums
	return t, err
}

func (t segmentTotals) of(id, metric string) int64 { return t.totals[id+"|"+metric] }

// money returns an amount; nil without a currency.
func (t segmentTotals) money(minor int64) *domain.Money {
	if t.currency == "" {
		return nil
	}
	return &domain.Money{AmountMinor: minor, Currency: t.currency}
}

func (t segmentTotals) everybody() int64 { return t.of(segments.MetricAll, segments.MetricCustomers) }

// metrics returns the numbers of a segment, or of all customers.
func (t segmentTotals) metrics(id string) *SegmentMetrics {
	m := &SegmentMetrics{
		Customers: t.of(id, segments.MetricCustomers), Orders: t.of(id, segments.MetricOrders), Unvalued: t.of(id, segments.MetricUnvalued),
		Revenue: t.money(t.of(id, segments.MetricRevenue)), Points: t.of(id, segments.MetricPoints), Scored: t.of(id, segments.MetricScored),
	}
	m.Share = rate(m.Customers, t.everybody())
	if known := m.Customers - m.Unvalued; known > 0 && m.Revenue != nil {
		m.AverageRevenue = t.money(nearest(m.Revenue.AmountMinor, known))
	}
	m.MeanR, m.MeanF, m.MeanM = rate(t.of(id, segments.MetricR), m.Scored), rate(t.of(id, segments.MetricF), m.Scored), rate(t.of(id, segments.MetricM), m.Scored)
	return m
}

// nearest returns sum / n, n above zero, rounded half away from zero.
func nearest(sum, n int64) int64 {
	text := new(big.Rat).SetFrac64(sum, n).FloatString(0)
	whole, _ := new(big.Int).SetString(text, 10)
	return whole.Int64()
}

func (a *API) listSegments(w http.ResponseWriter, r *http.Request) error {
	p, ctx := paramsOf(r), r.Context()
	labels, kind := p.list("labels"), p.oneOf("kind", slices.Concat([]string{""}, segment.Kinds)...)
	archived, least := p.oneOf("archived", "false", "true", "all"), p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.segments(ctx, least)
	if err != nil {
		return err
	}
	sums, err := a.segmentTotals(ctx, l)
	if err != nil {
		return err
	}
	answer := Segments{Segments: []SegmentListed{}, Stamp: l.stamp()}
	for _, is := range l.world.Segments.All() {
		if len(labels) > 0 && !slices.ContainsFunc(labels, func(l string) bool { return slices.Contains(is.Labels, l) }) || kind != "" && is.Kind != kind || archived != "all" && is.Archived != (archived == "true") {
			continue
		}
		one := SegmentListed{SegmentDefinition: l.definition(is), Failing: sums.of(is.ID, segments.MetricFailing)}
		if one.Filling, err = a.fillingOf(ctx, l, is, sums.everybody()); err != nil {
			return err
		}
		if one.Filling == nil {
			one.Customers = sums.of(is.ID, segments.MetricCustomers)
			one.Revenue = sums.money(sums.of(is.ID, segments.MetricRevenue))
		} else {
			before, err := a.belonged(ctx, l.across, is.ID, l.upTo(is.ID))
			if err != nil {
				return err
			}
			one.Customers = int64(len(before))
		}
		answer.Segments = append(answer.Segments, one)
	}
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) oneSegment(w http.ResponseWriter, r *http.Request) error {
	p, ctx, id := paramsOf(r), r.Context(), segmentID(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	l, err := a.segments(ctx, least, id)
	if err != nil {
		return err
	}
	is, err := l.segment(id)
	if err != nil {
		return err
	}
	sums, err := a.segmentTotals(ctx, l)
	if err != nil {
		return err
	}
	answer := SegmentAnswer{
		SegmentDefinition: l.definition(is), Asks: append([]string{}, is.Asks...), AskedBy: []string{}, Stamp: l.stampOf(id),
	}
	if answer.Filling, err = a.fillingOf(ctx, l, is, sums.everybody()); err != nil {
		return err
	}
	if answer.Filling == nil {
		answer.Metrics = sums.metrics(id)
	}
	for _, other := range l.world.Segments.All() {
		if !other.Archived && slices.Contains(other.Asks, id) {
			answer.AskedBy = append(answer.AskedBy, other.ID)
		}
	}
	if answer.Failing.Customers = sums.of(id, segments.MetricFailing); answer.Failing.Customers > 0 {
		if answer.Failing.Last, err = a.lastFailure(ctx, l.across, id); err != nil {
			return err
		}
	}
	if answer.Versions, err = a.segmentVersions(ctx, id); err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

// lastFailure returns what a rule failed at last.
func (a *API) lastFailure(ctx context.Context, o across, id string) (last *SegmentFailure, err error) {
	members, _, err := a.Documents.Range(ctx, o.generation, o.partitions, RangeQuery{Index: segments.IndexFailing, Prefix: id + "\x00", Limit: maxFailing})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(members))
	for i, m := range members {
		c, err := parseMember(m)
		if err != nil {
			return nil, err
		}
		ids[i] = c.id
	}
	docs, err := a.standings(ctx, o, ids)
	if err != nil {
		return nil, err
	}
	for i, d := range docs {
		s := d.Segments[id]
		if s == nil || s.Failed == nil || last != nil && last.Cause.Position >= s.Failed.Mark.Position {
			continue
		}
		last = &SegmentFailure{CustomerID: ids[i], Code: s.Failed.Code, Detail: s.Failed.Detail, Cause: *markOf(s.Failed.Mark)}
	}
	return last, nil
}

// standings is what the lists need of a document of the view.
type standings struct {
	Profile struct {
		Name memberName `json:"name"`
	} `json:"profile"`
	Segments map[string]*segments.Standing `json:"segments"`
	Stood    struct {
		Label string `json:"label"`
	} `json:"stood"`
	RevenueMinor int64 `json:"revenue_minor"`
	Unvalued     bool  `json:"unvalued"`
}

// standings reads how customers stand to the segments, in the order asked.
func (a *API) standings(ctx context.Context, o across, ids []uuid.UUID) ([]standings, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	stored, err := a.Documents.Documents(ctx, o.generation, o.partitions, ids)
	if err != nil {
		return nil, err
	}
	docs := make([]standings, len(ids))
	for i, b := range stored {
		if b == nil {
			continue
		}
		if err := goccy.Unmarshal(b, &docs[i]); err != nil {
			return nil, fmt.Errorf("segments document of %v: %w", ids[i], err)
		}
	}
	return docs, nil
}

// stay returns the stay of a customer in a segment at a position of the log, or now.
func (d *standings) stay(id string, at *uint64) *segments.Stay {
	s := d.Segments[id]
	if s == nil {
		return nil
	}
	for i := range s.Stays {
		stay := &s.Stays[i]
		if at == nil && stay.To == nil || at != nil && stay.From.Position <= *at && (stay.To == nil || stay.To.Position > *at) {
			return stay
		}
	}
	return nil
}

// segmentEvents yields what was said of a segment, audiences included.
func (a *API) segmentEvents(ctx context.Context, id string, yield func(eventschema.Event) error) error {
	for raw, err := range a.Log.Read(ctx, segment.Stream(id), 0) {
		if err != nil {
			return err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		e.Position = raw.Position
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

// segmentVersions returns every event that says what a segment is, the oldest first.
func (a *API) segmentVersions(ctx context.Context, id string) ([]SegmentVersion, error) {
	list := []SegmentVersion{}
	err := a.segmentEvents(ctx, id, func(e eventschema.Event) error {
		v := SegmentVersion{At: e.Meta.RecordedAt, By: e.Meta.Actor, Position: e.Position, EventID: e.ID}
		switch d := e.Data.(type) {
		case segment.Defined:
			v.Kind, v.Version, v.Name, v.Description, v.Labels, v.Rule = segmentDefined, 1, d.Name, d.Description, d.Labels, d.Rule
			v.asks, v.attributes = d.Asks, d.Attributes
		case segment.VersionPublished:
			v.Kind, v.Version, v.Name, v.Description, v.Labels, v.Rule = segmentPublished, d.Version, d.Name, d.Description, d.Labels, d.Rule
			v.asks, v.attributes = d.Asks, d.Attributes
		case segment.Archived:
			if len(list) > 0 {
				was := list[len(list)-1]
				v.Version, v.Name = was.Version, was.Name
			}
			v.Kind = segmentArchived
		default:
			return nil
		}
		list = append(list, v)
		return nil
	})
	return list, err
}

// versionAt returns which version of a segment held at a position of the log; 0: none.
func (a *API) versionAt(ctx context.Context, id string, at uint64) (version int, err error) {
	versions, err := a.segmentVersions(ctx, id)
	for _, v := range versions {
		if v.Position <= at {
			version = v.Version
		}
	}
	return version, err
}

func (a *API) segmentRoutes() []web.Route {
	notFound := []string{segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code}
	return slices.Concat([]web.Route{{
		Method: "GET", Path: "/v1/segments", Tag: "segments",
		Summary: "List the segments with their numbers",
		Detail: "While customers are looked at by a new version, `filling` says how far that is, and `customers` counts who belonged to the segment before; revenue is not told then. " +
			"A segment is `broken` if its rule cannot be decided for anybody.",
		Params: slices.Concat([]web.Param{
			query("labels", "string", "", "Only segments with one of these labels, separated by commas."),
			{Name: "kind", In: "query", Type: "string", Enum: segment.Kinds, Detail: "Only segments of this kind."},
			{Name: "archived", In: "query", Type: "string", Enum: []string{"false", "true", "all"}, Detail: "Those in use, those that are archived, or all; those in use if absent."},
		}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The segments.", Body: Segments{}, Headers: stampHeaders}},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.listSegments,
	}, {
		Method: "GET", Path: "/v1/segments/{segment_id}", Tag: "segments",
		Summary: "Show a segment, its numbers and its versions",
		Detail: "What the customers of the segment are together, on whom its rule failed and at what event, which segments it asks for and which ask for it, " +
			"and every version with who published it. With `min_position` it waits until everybody was looked at by what was published there.",
		Params:  slices.Concat([]web.Param{segmentParam}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "The segment.", Body: SegmentAnswer{}, Headers: stampHeaders}},
		Refuses: notFound,
		Handler: a.oneSegment,
	}},
		a.segmentMemberRoutes(),
		a.segmentHistoryRoutes(),
		a.segmentAudienceRoutes(),
	)
}
