package readapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// SegmentDraft is a rule that nobody has published.
type SegmentDraft struct {
	Rule      string `json:"rule"`
	SegmentID string `json:"segment_id,omitempty"`                               // whose members it is compared with
	Limit     int    `json:"limit,omitempty" jsonschema:"minimum=1,maximum=500"` // length of the samples; 50 if absent
}

// SegmentPreview is whom a rule would find.
type SegmentPreview struct {
	Rule      string `json:"rule"`
	Customers int64  `json:"customers"` // who were looked at
	Members   int64  `json:"members"`   // whom it would find, or, of the segment that it is compared with, keep
	// Sample is the first members by id.
	Sample   []SegmentSample `json:"sample"`
	Failing  int64           `json:"failing"`                        // on whom it could not be decided: they stay in the segment that it is compared with, and enter nothing
	Failure  *FailedPreview  `json:"failure" jsonschema:"nullable"`  // the first of those, by id
	Compared *SegmentChange  `json:"compared" jsonschema:"nullable"` // null: with no segment
	Missing  []string        `json:"missing"`                        // calibrations that the rule asks for and nobody made yet, rfm, value or cluster:ID: what they decide is false
	Outdated []string        `json:"outdated"`                       // calibrations that the rule asks for and that are of an earlier day than the last closed one, or by an earlier policy, value: once the rule is published, those made next decide
	TookMS   int64           `json:"took_ms"`
	Stamp                    // the read model went on while it was looked through
}

// SegmentSample is a customer in a sample.
type SegmentSample struct {
	CustomerID uuid.UUID      `json:"customer_id"`
	Name       *customer.Name `json:"name" jsonschema:"nullable"` // null where it is not known
}

// FailedPreview is a customer on whom a rule failed, and why.
type FailedPreview struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Code       string    `json:"code"`
	Detail     string    `json:"detail"`
}

// SegmentChange is what a segment would gain and lose by a rule.
type SegmentChange struct {
	SegmentID string          `json:"segment_id"`
	Version   int             `json:"version"` // that it has now
	Filling   bool            `json:"filling"` // not everybody was looked at by it yet
	Members   int64           `json:"members"` // now, of those who were looked at by it and of the others
	Enter     int64           `json:"enter"`
	Leave     int64           `json:"leave"`
	Stay      int64           `json:"stay"`
	Entering  []SegmentSample `json:"entering"` // the first by id
	Leaving   []SegmentSample `json:"leaving"`
}

func (a *API) previewSegment(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	least := p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	body, err := web.Body(r)
	if err != nil {
		return err
	}
	var d SegmentDraft
	if err := web.Decode(body, &d); err != nil {
		return err
	}
	ctx, began := r.Context(), a.now()
	if err := a.trying.enter(ctx); err != nil {
		return err
	}
	defer a.trying.leave()
	l, err := a.segments(ctx, least)
	if err != nil {
		return err
	}
	t, err := a.trial(ctx, &d, l.world)
	if err != nil {
		return err
	}
	if t.Compared != nil {
		t.Compared.Filling = l.filling(d.SegmentID)
	}
	if err := a.try(ctx, l.across, t); err != nil {
		return err
	}
	t.TookMS = a.now().Sub(began).Milliseconds()
	t.Stamp = l.stamp()
	return writeJSON(w, t.Stamp, t.SegmentPreview)
}

func (a *API) now() time.Time {
	if a.Clock != nil {
		return a.Clock()
	}
	return time.Now()
}

// trial is a preview in the making.
type trial struct {
	SegmentPreview
	limit   int
	world   *projections.World // with the rule
	planned *segment.Planned
	stands  bool // the rule rests on calibrations, and maybe on what no rule asked for before
	reader  segments.Reader
}

// trial checks a draft as publishing it would.
func (a *API) trial(ctx context.Context, d *SegmentDraft, w *projections.World) (*trial, error) {
	t := &trial{limit: d.Limit, SegmentPreview: SegmentPreview{Rule: d.Rule, Sample: []SegmentSample{}, Missing: []string{}, Outdated: []string{}}}
	var problems domain.Problems
	if t.limit == 0 {
		t.limit = defaultLimit
	}
	if t.limit < 1 || t.limit > maxLimit {
		problems.Add("/limit", "must be 1 to %d", maxLimit)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	if d.SegmentID != "" {
		is, ok := w.Segments.Segment(d.SegmentID)
		if !ok {
			return nil, segment.ErrNotFound.With("there is no segment %q; GET /v1/segments lists them", d.SegmentID)
		}
		t.Compared = &SegmentChange{SegmentID: is.ID, Version: is.Version, Entering: []SegmentSample{}, Leaving: []SegmentSample{}}
	}
	schema, err := a.attributes(ctx)
	if err != nil {
		return nil, err
	}
	definition := segment.Definition{Rule: d.Rule, Segments: w.Segments, Schema: schema}
	definition.SetKnows(isCustomerEvent, func(id string) bool { _, asked := w.Clusterings[id]; return asked })
	definition.SetFields(EventFields)
	version, err := definition.Try(d.SegmentID)
	if err != nil {
		return nil, err
	}
	// What nobody is asked for decides as a segment of its own would, of no name.
	t.world = w.Trying(segment.Defined{Kind: segment.Dynamic, Rule: d.Rule, Attributes: version.Attributes, Asks: version.Asks})
	if t.planned = t.world.Plan().Planned(""); t.planned == nil {
		return nil, segment.ErrCycle.With("a segment that the rule asks for cannot be decided: %s", t.world.Plan().Broken[""])
	}
	t.stands = t.planned.Has("rfm") || t.planned.Has("value") || t.planned.Has("percentiles") || t.planned.Has("clusters")
	t.reader = segments.ReaderFor(t.planned.Uses)
	if t.planned.Has("rfm") && w.Calibration == nil {
		t.Missing = append(t.Missing, byScores)
	}
	if t.planned.Has("value") || t.planned.Has("percentiles") {
		switch {
		case w.Value == nil:
			t.Missing = append(t.Missing, byWorth)
		case w.ValueOutdated():
			t.Outdated = append(t.Outdated, byWorth)
		}
	}
	for _, id := range t.planned.Uses.Clusters {
		if w.Clusters[id] == nil {
			t.Missing = append(t.Missing, byClusters+id)
		}
	}
	return t, nil
}

// isCustomerEvent says whether events of a type are those of customers.
func isCustomerEvent(name string) bool {
	return strings.HasPrefix(name, "customer.") && slices.ContainsFunc(eventschema.Events.Types(), func(t *eventschema.Type) bool { return t.Name == name })
}

// attributes returns the deployment's own attributes.
func (a *API) attributes(ctx context.Context) (schema attribute.Schema, err error) {
	for raw, err := range a.Log.Read(ctx, attribute.Stream, 0) {
		if err != nil {
			return schema, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return schema, fmt.Errorf("schema: %w", err)
		}
		if d, ok := e.Data.(attribute.Event); ok {
			schema = schema.Evolve(d)
		}
	}
	return schema, nil
}

// previewBatch is how many documents are in memory at the same time.
const previewBatch = 256

// try evaluates the rule on everybody.
func (a *API) try(ctx context.Context, o across, t *trial) error {
	return a.everybodyIn(ctx, o.generation, o.partitions, segments.IndexAll, func(ids []uuid.UUID) error {
		for batch := range slices.Chunk(ids, previewBatch) {
			stored, err := a.Documents.Documents(ctx, o.generation, o.partitions, batch)
			if err != nil {
				return err
			}
			for i, doc := range stored {
				if doc == nil {
					continue
				}
				if err := t.customer(batch[i], doc); err != nil {
					return fmt.Errorf("customer %v: %w", batch[i], err)
				}
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return nil
	})
}

// customer counts one customer.
func (t *trial) customer(id uuid.UUID, stored []byte) error {
	d, err := t.reader.Read(stored)
	if err != nil {
		return err
	}
	if !d.There {
		return nil
	}
	t.Customers++
	was := t.Compared != nil && d.In(t.Compared.SegmentID)
	in := false
	if !d.Out() {
		if t.stands {
			d.Stand(t.world)
		}
		outcome, err := t.planned.Rule.Eval(d.Customer(t.world), segment.Moment{On: t.world.Closed})
		if in = outcome.Member; err != nil {
			t.failed(id, err)
			in = was // as it would be published
		}
	}
	if in {
		t.Members++
		if err := t.sample(&t.Sample, id, stored); err != nil {
			return err
		}
	}
	if t.Compared == nil {
		return nil
	}
	if was {
		t.Compared.Members++
	}
	switch {
	case was && in:
		t.Compared.Stay++
	case in:
		t.Compared.Enter++
		return t.sample(&t.Compared.Entering, id, stored)
	case was:
		t.Compared.Leave++
		return t.sample(&t.Compared.Leaving, id, stored)
	}
	return nil
}

func (t *trial) failed(id uuid.UUID, err error) {
	if t.Failing++; t.Failing > 1 {
		return
	}
	t.Failure = &FailedPreview{CustomerID: id, Code: "failed", Detail: err.Error()}
	if f := (*segment.Failure)(nil); errors.As(err, &f) {
		t.Failure.Code, t.Failure.Detail = f.Code, f.Detail
	}
}

// sample adds a customer to a sample that is not full.
func (t *trial) sample(to *[]SegmentSample, id uuid.UUID, stored []byte) error {
	if len(*to) >= t.limit {
		return nil
	}
	d, err := segmentDocument(stored)
	if err != nil {
		return err
	}
	s := SegmentSample{CustomerID: id}
	if d.Profile.Name != (customer.Name{}) {
		s.Name = &d.Profile.Name
	}
	*to = append(*to, s)
	return nil
}
