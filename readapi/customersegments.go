package readapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/segments"
)

// segmentsView is the view whose code brings documents up to date.
var segmentsView = segments.New(nil)

func segmentDocument(stored []byte) (*segments.Document, error) {
	d := new(segments.Document)
	if err := goccy.Unmarshal(stored, d); err != nil {
		return nil, fmt.Errorf("segments document: %w", err)
	}
	return d, nil
}

// SegmentMark is what let a customer into a segment, or out of it.
type SegmentMark struct {
	Position uint64       `json:"position"` // of the event that caused it
	At       time.Time    `json:"at"`       // when that was recorded
	Cause    string       `json:"cause"`    // event: of the customer; day: that ended; calibration; new: segment; definition: that changed
	EventID  uuid.UUID    `json:"event_id"`
	Type     string       `json:"type,omitempty"` // of an event of the customer
	Day      *domain.Date `json:"day,omitempty"`  // the last business day that was over; absent before the first
}

func markOf(m segments.Mark) *SegmentMark {
	return &SegmentMark{Position: m.Position, At: m.RecordedAt, Cause: m.Kind, EventID: m.Event, Type: m.Type, Day: m.On}
}

// RuleFailure says why a rule could not be decided on a customer. The membership is
// what it was before.
type RuleFailure struct {
	Code   string       `json:"code"`
	Detail string       `json:"detail"`
	Since  *SegmentMark `json:"since" jsonschema:"nullable"` // what it first failed at; null in a past
}

// CustomerSegment is a segment that a customer is in.
type CustomerSegment struct {
	SegmentID string       `json:"segment_id"`
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`
	Version   int          `json:"version"`                      // of the segment, by which the customer came in
	Since     *SegmentMark `json:"since" jsonschema:"nullable"`  // null in a past
	Next      *domain.Date `json:"next" jsonschema:"nullable"`   // the first day whose end may change it by time alone; null: none
	Failed    *RuleFailure `json:"failed" jsonschema:"nullable"` // null: the rule can be decided
	// Why is the rule taken apart, if that was asked for.
	Why []ExplainedClause `json:"why,omitempty"`
}

// CustomerOutside is a segment that a customer is not in, but may be by and by.
type CustomerOutside struct {
	SegmentID string       `json:"segment_id"`
	Name      string       `json:"name"`
	Next      *domain.Date `json:"next" jsonschema:"nullable"`
	Failed    *RuleFailure `json:"failed" jsonschema:"nullable"`
}

// CustomerStay is a time in a segment that is over.
type CustomerStay struct {
	SegmentID string       `json:"segment_id"`
	Name      string       `json:"name"`
	Version   int          `json:"version"`
	From      *SegmentMark `json:"from"`
	To        *SegmentMark `json:"to"`
}

// CustomerSegments is to which segments a customer belongs.
type CustomerSegments struct {
	CustomerID uuid.UUID         `json:"customer_id"`
	Out        string            `json:"out,omitempty"`    // restricted or erased: the customer belongs to nothing, whatever rules say
	Segments   []CustomerSegment `json:"segments"`         // by id
	Outside    []CustomerOutside `json:"outside"`          // of the others, those that time may bring, or whose rule failed; by id
	Former     []CustomerStay    `json:"former,omitempty"` // by when they began, if that was asked for
	Then       *Moment           `json:"then,omitempty"`
	Stamp
}

func (a *API) customerSegments(w http.ResponseWriter, r *http.Request) error {
	var history, why bool
	m, err := a.memberOf(r, func(p *params) {
		history = p.oneOf("history", "false", "true") == "true"
		why = p.oneOf("why", "false", "true") == "true"
		if history && (p.q.Has("as_of") || p.q.Has("known_at") || p.q.Has("revision")) {
			p.bad("history", "does not go with a past: in which segments the customer was when is known of the present only")
		}
	})
	if err != nil {
		return err
	}
	answer := CustomerSegments{
		CustomerID: m.id, Out: m.out(), Segments: []CustomerSegment{}, Outside: []CustomerOutside{}, Then: m.then, Stamp: m.stamp(),
	}
	for _, id := range slices.Sorted(maps.Keys(m.doc.Segments)) {
		is, _ := m.world.Segments.Segment(id)
		standing := m.doc.Segments[id]
		switch {
		case m.doc.In(id):
			stay := standing.Stays[len(standing.Stays)-1]
			answer.Segments = append(answer.Segments, CustomerSegment{
				SegmentID: id, Name: is.Name, Kind: is.Kind, Version: stay.Version, Since: m.mark(stay.From),
				Next: standing.Due, Failed: m.failure(standing),
			})
		case standing.Due != nil || standing.Failed != nil:
			answer.Outside = append(answer.Outside, CustomerOutside{SegmentID: id, Name: is.Name, Next: standing.Due, Failed: m.failure(standing)})
		}
		if history {
			answer.Former = append(answer.Former, former(is, standing)...)
		}
	}
	slices.SortStableFunc(answer.Former, func(a, b CustomerStay) int {
		switch {
		case a.From.Position < b.From.Position:
			return -1
		case a.From.Position > b.From.Position:
			return 1
		}
		return 0
	})
	if why {
		err = a.explainAll(r.Context(), m, answer.Segments)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, answer.Stamp, answer)
}

func former(is segment.Segment, s *segments.Standing) (stays []CustomerStay) {
	for _, stay := range s.Stays {
		if stay.To != nil {
			stays = append(stays, CustomerStay{SegmentID: is.ID, Name: is.Name, Version: stay.Version, From: markOf(stay.From), To: markOf(*stay.To)})
		}
	}
	return stays
}

// mark returns a mark of the present; what is decided of a past began nowhere.
func (m *placed) mark(of segments.Mark) *SegmentMark {
	if m.then != nil {
		return nil
	}
	return markOf(of)
}

func (m *placed) failure(s *segments.Standing) *RuleFailure {
	if s == nil || s.Failed == nil {
		return nil
	}
	return &RuleFailure{Code: s.Failed.Code, Detail: s.Failed.Detail, Since: m.mark(s.Failed.Mark)}
}

// explainAll explains the rules of all segments that a customer is in.
func (a *API) explainAll(ctx context.Context, m *placed, in []CustomerSegment) error {
	ids := make([]string, len(in))
	for i := range in {
		ids[i] = in[i].SegmentID
	}
	why, err := a.whyIn(ctx, m, ids)
	if err != nil {
		return err
	}
	for i := range in {
		in[i].Why = why[i]
	}
	return nil
}

// thenDetail says what a past is, where segments are asked about.
const thenDetail = "With `as_of`, `known_at` or `revision`, or several of them, it is decided from the log what was true then: " +
	"by the rules as they are now, on what had happened and was known then, with the calibrations and clusters of then, as of the last business day that was over. " +
	"Of who was erased since, nothing can be decided for any past. "

// momentDetail says what a past of a customer is.
const momentDetail = "With `as_of`, `known_at` or `revision`, or several of them, the same of a past, with the calibration that was known then."

// segmentQueryRoutes ask about segments of one customer, and about rules.
func (a *API) segmentQueryRoutes() []web.Route {
	yes := func(name, detail string) web.Param {
		return web.Param{Name: name, In: "query", Type: "string", Enum: []string{"false", "true"}, Detail: detail}
	}
	return []web.Route{
		{
			Method: "GET", Path: "/v1/customers/{customer_id}/segments", Tag: "segments",
			Summary: "Show to which segments a customer belongs, since when and why",
			Detail: "Since when is the event that caused it, not when it was noticed. " + thenDetail +
				"Then no membership says since when.",
			Params: slices.Concat([]web.Param{customerParam,
				yes("why", "Take the rule of each segment apart, as explain does."),
				yes("history", "Also show the segments that the customer has left."),
			}, momentParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The segments.", Body: CustomerSegments{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customerSegments,
		},
		{
			Method: "GET", Path: "/v1/segments/{segment_id}/explain/{customer_id}", Tag: "segments",
			Summary: "Show why a customer is in a segment, or why not",
			Detail: "The rule taken apart at `&&`, `||`, `!` and `?:`: what each clause says of the customer, on which values, from which events, " +
				"and on which day time alone may change it. " + thenDetail,
			Params:  slices.Concat([]web.Param{segmentParam, customerParam}, momentParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The explanation.", Body: SegmentExplanation{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.explainSegment,
		},
		{
			Method: "POST", Path: "/v1/segments/preview", Tag: "segments",
			Summary: "Show whom a rule would find, before it is published",
			Detail: "Evaluates the rule on every customer and records nothing. With `segment_id` it says as well how many that segment would gain and lose. " +
				"A rule that would be refused is refused here, with place and reason. One preview is made at a time; others wait.",
			Params: minParams, Body: SegmentDraft{},
			Answers: []web.Answer{{Status: 200, Detail: "Whom it would find.", Body: SegmentPreview{}, Headers: stampHeaders}},
			Refuses: []string{segment.ErrNotFound.Code, segment.ErrCycle.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.previewSegment,
		},
		{
			Method: "GET", Path: "/v1/segments/language", Tag: "segments",
			Summary: "Show what rules can be made of",
			Detail:  "The members of a customer, the types, the functions with an example each, the events and their fields, the measures, and what this deployment has of its own: attributes, segments and clusterings.",
			Params:  minParams,
			Answers: []web.Answer{{Status: 200, Detail: "The language.", Body: SegmentLanguage{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.segmentLanguage,
		},
		{
			Method: "GET", Path: "/v1/customers/{customer_id}/value", Tag: "value",
			Summary: "Show what a customer is worth, and why",
			Detail: "The contribution is net revenue less the cost of the goods, the value of redeemed points and the recorded costs of the policy's window; without costs it is unknown, not 0. " +
				"Also the measures by which customers are compared, and which percentile of the standing calibration each reaches. " + momentDetail,
			Params:  slices.Concat([]web.Param{customerParam}, momentParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The value.", Body: CustomerValue{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customerValue,
		},
		{
			Method: "GET", Path: "/v1/value/pyramid", Tag: "value",
			Summary: "Show the value pyramid",
			Detail:  "Customers, revenue and contribution by band. Nobody is put into a band before a rule asks for it: then `calibration` is null.",
			Params:  minParams,
			Answers: []web.Answer{{Status: 200, Detail: "The pyramid.", Body: ValuePyramid{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.valuePyramid,
		},
	}
}
