package readapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentExplanation says why a customer is in a segment, or why not.
type SegmentExplanation struct {
	CustomerID uuid.UUID    `json:"customer_id"`
	SegmentID  string       `json:"segment_id"`
	Name       string       `json:"name"`
	Kind       string       `json:"kind"`
	Version    int          `json:"version"` // whose rule is explained
	Rule       string       `json:"rule,omitempty"`
	Archived   bool         `json:"archived,omitempty"` // nobody is in it
	Broken     string       `json:"broken,omitempty"`   // why nobody can be decided on
	Member     bool         `json:"member"`
	Out        string       `json:"out,omitempty"`                // restricted or erased: the customer belongs to nothing, whatever rules say
	Since      *SegmentMark `json:"since" jsonschema:"nullable"`  // what let the customer in; null of a past, and of who is not in
	Left       *SegmentMark `json:"left" jsonschema:"nullable"`   // what let the customer out the last time; null of a past, of who is in, and of who never was
	Next       *domain.Date `json:"next" jsonschema:"nullable"`   // the first day whose end may change it by time alone
	Failed     *RuleFailure `json:"failed" jsonschema:"nullable"` // null: the rule can be decided
	// Clauses are the rule and its parts, in the order of the text. A part is one level
	// deeper than what it is a part of. A static segment has one, that the customer is
	// on the list. There are none where no rule is asked.
	Clauses []ExplainedClause `json:"clauses"`
	Then    *Moment           `json:"then,omitempty"`
	Stamp
}

// ExplainedClause is a part of a rule, and what it says of a customer.
type ExplainedClause struct {
	Text   string          `json:"text"`
	Op     string          `json:"op,omitempty"` // and, or, not or if: it consists of the clauses one level deeper that follow
	Depth  int             `json:"depth"`
	Is     string          `json:"is"` // true, false or failed
	Values []ExplainedRead `json:"values,omitempty"`
	Flips  *domain.Date    `json:"flips,omitempty"`  // the first day whose end may change it by time alone
	Reason string          `json:"reason,omitempty"` // why it failed
}

// ExplainedRead is something of the customer that a clause looked at.
type ExplainedRead struct {
	Path string `json:"path"`
	// Value is null where it is not known; a date is a text, a list its length and its
	// first elements.
	Value any `json:"value"`
	// Events are those of the orders and events in the list that counted. Of anything
	// else it is the one event that made the value what it is; none where nothing was
	// ever said of it, or where only what is asked of all customers decides.
	Events []EventBehind `json:"events,omitempty"`
	// Calibration is what scores, percentiles, bands and clusters were compared with.
	Calibration *CalibrationBehind `json:"calibration,omitempty"`
	// Changed is what last let the customer into the other segment that is asked for, or
	// out of it.
	Changed *SegmentMark `json:"changed,omitempty"`
}

// EventBehind is an event of the customer behind a value.
type EventBehind struct {
	ID         uuid.UUID `json:"id"`
	Type       string    `json:"type"`
	OccurredAt time.Time `json:"occurred_at"`
	Position   uint64    `json:"position"`
}

func behindOf(e eventschema.Event) EventBehind {
	return EventBehind{e.ID, e.Type, e.Meta.OccurredAt, e.Position}
}

// CalibrationBehind is the event that fixed what values are compared with.
type CalibrationBehind struct {
	EventID         uuid.UUID   `json:"event_id"`
	Position        uint64      `json:"position"`
	Trigger         string      `json:"trigger"` // id of the event that asked for it
	TriggerPosition uint64      `json:"trigger_position"`
	AsOf            domain.Date `json:"as_of"`
	PolicyVersion   int         `json:"policy_version,omitempty"` // of the policy of scores or of values
	Version         int         `json:"version,omitempty"`        // of the clustering
}

func (a *API) explainSegment(w http.ResponseWriter, r *http.Request) error {
	m, err := a.memberOf(r, nil)
	if err != nil {
		return err
	}
	id := mux.Vars(r)["segment_id"]
	is, ok := m.world.Segments.Segment(id)
	if !ok {
		return segment.ErrNotFound.With("there is no segment %q; GET /v1/segments lists them", id)
	}
	answer := SegmentExplanation{
		CustomerID: m.id, SegmentID: id, Name: is.Name, Kind: is.Kind, Version: is.Version, Rule: is.Rule, Archived: is.Archived,
		Broken: m.world.Plan().Broken[id], Member: m.doc.In(id), Out: m.out(), Failed: m.failure(m.doc.Segments[id]),
		Clauses: []ExplainedClause{}, Then: m.then, Stamp: m.stamp(),
	}
	if s := m.doc.Segments[id]; s != nil {
		answer.Next = s.Due
		if n := len(s.Stays); n > 0 && answer.Member {
			answer.Since = m.mark(s.Stays[n-1].From)
		} else if n > 0 {
			answer.Left = m.mark(*s.Stays[n-1].To)
		}
	}
	why, err := a.whyIn(r.Context(), m, []string{id})
	if err != nil {
		return err
	}
	answer.Clauses = append(answer.Clauses, why[0]...)
	return writeJSON(w, answer.Stamp, answer)
}

// whyIn explains the rules of segments, each by its clauses; none where no rule is
// asked. The customer's stream is read once for all of them.
func (a *API) whyIn(ctx context.Context, m *placed, ids []string) ([][]ExplainedClause, error) {
	why := make([][]ExplainedClause, len(ids))
	if m.out() != "" || len(ids) == 0 {
		return why, nil
	}
	stream, err := a.streamOf(ctx, m)
	if err != nil {
		return nil, err
	}
	events := make(map[uuid.UUID]EventBehind, len(stream))
	for _, e := range stream {
		events[e.ID] = behindOf(e)
	}
	c, o := m.doc.Customer(m.world), newOrigins()
	for i, id := range ids {
		p := m.world.Plan().Planned(id)
		switch {
		case p == nil: // archived or broken
		case p.Kind == segment.Static:
			why[i] = []ExplainedClause{onList(m.doc, id, stream)}
		default:
			why[i] = explained(p.Rule.Explain(c, segment.Moment{On: m.world.Closed}), events)
			o.ask(why[i], p.Attributes)
		}
	}
	o.find(stream, m.world, len(m.doc.Books.Orders))
	calibrations, err := a.calibrationsBehind(ctx, m.world, o)
	if err != nil {
		return nil, err
	}
	for i := range why {
		for j := range why[i] {
			for k := range why[i][j].Values {
				m.complete(&why[i][j].Values[k], o, calibrations)
			}
		}
	}
	return why, nil
}

// explained returns clauses with the events of what they counted.
func explained(clauses []segment.Clause, events map[uuid.UUID]EventBehind) []ExplainedClause {
	list := make([]ExplainedClause, len(clauses))
	for i, c := range clauses {
		list[i] = ExplainedClause{Text: c.Text, Op: c.Op, Depth: c.Depth, Is: c.Is, Flips: c.Flips, Reason: c.Reason}
		for _, v := range c.Values {
			read := ExplainedRead{Path: v.Path, Value: v.Value}
			for _, id := range v.Events {
				if e, ok := events[id]; ok {
					read.Events = append(read.Events, e)
				}
			}
			list[i].Values = append(list[i].Values, read)
		}
	}
	return list
}

// onList is the one clause of a static segment.
func onList(d *segments.Document, id string, stream []eventschema.Event) ExplainedClause {
	on := d.Lists.Has(id)
	c := ExplainedClause{Text: "the customer is on the list", Is: "false"}
	if on {
		c.Is = "true"
	}
	read := ExplainedRead{Path: "list", Value: on}
	for _, e := range slices.Backward(stream) {
		if listChanged(e.Data) == id {
			read.Events = []EventBehind{behindOf(e)}
			break
		}
	}
	c.Values = []ExplainedRead{read}
	return c
}

// listChanged returns the segment whose list an event changes, empty for none.
func listChanged(data any) string {
	switch e := data.(type) {
	case customer.AddedToSegment:
		return e.SegmentID
	case customer.RemovedFromSegment:
		return e.SegmentID
	}
	return ""
}

// complete says of a value where it comes from.
func (m *placed) complete(v *ExplainedRead, o *origins, calibrations map[string]*CalibrationBehind) {
	if e, ok := o.found[v.Path]; ok {
		v.Events = []EventBehind{e}
	}
	v.Calibration = calibrations[calibratedBy(v.Path)]
	if id, ok := argumentOf(v.Path, "in_segment"); ok {
		if s := m.doc.Segments[id]; s != nil && len(s.Stays) > 0 {
			stay := s.Stays[len(s.Stays)-1]
			if v.Changed = m.mark(stay.From); stay.To != nil {
				v.Changed = m.mark(*stay.To)
			}
		}
	}
}

// argumentOf returns the text that a path gives to a function.
func argumentOf(path, function string) (string, bool) {
	rest, ok := strings.CutPrefix(path, function+`("`)
	if !ok {
		return "", false
	}
	argument, _, ok := strings.Cut(rest, `"`)
	return argument, ok
}

// Calibrations that values are compared with: by these names, and by that of the
// clustering after another.
const (
	byScores   = "rfm"
	byWorth    = "value"
	byClusters = "cluster:"
)

// calibratedBy says by which calibration a value comes about; empty: by none.
func calibratedBy(path string) string {
	if id, ok := argumentOf(path, "cluster"); ok {
		return byClusters + id
	}
	switch {
	case strings.HasPrefix(path, "rfm."):
		return byScores
	case strings.HasPrefix(path, "value."), strings.HasPrefix(path, "percentile("):
		return byWorth
	}
	return ""
}
