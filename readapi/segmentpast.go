package readapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// segmentWorld returns the world of a moment as segments are decided in it. The
// segments are those of now: what is asked of a past is what today's rules say of it.
// The calibrations and the clusters are those of then.
func (a *API) segmentWorld(ctx context.Context, t *timeline, m moment, now *projections.World) (*projections.World, error) {
	then := t.world(m)
	w := *now
	w.Zone, w.Closed, w.Policies, w.Calibration, w.Value = then.Zone, then.Closed, then.Policies, then.Calibration, then.Value
	if last := t.lastOver(m); last != nil {
		w.Closed = last
	}
	w.Failed, w.Asked, w.ValueFailed, w.ValueAsked, w.Sweep, w.Clusters = nil, nil, nil, nil, nil, nil
	for _, id := range slices.Sorted(maps.Keys(now.Clusters)) {
		fits, err := a.fits(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, f := range slices.Backward(fits) {
			if t.knew(m, f.AsOf, f.asked, f.recordedAt) {
				if w.Clusters == nil {
					w.Clusters = map[string]*cluster.Fitted{}
				}
				w.Clusters[id] = &f.Fitted
				break
			}
		}
	}
	return &w, nil
}

// lastOver returns the last business day that was over at a moment, if a later day or
// that day was closed, as far as was known: days may be closed several at once. nil: it
// is not asked for a time, or nothing of the kind is known.
func (t *timeline) lastOver(m moment) *domain.Date {
	if m.nothing || m.asOf == nil {
		return nil
	}
	day := domain.DateOf(*m.asOf, t.zone)
	if !m.over(day, t.zone) {
		day--
	}
	for _, c := range slices.Backward(t.closed) {
		if m.known.has(c.position, c.recordedAt, c.businessDate) {
			if c.date < day {
				return nil
			}
			return &day
		}
	}
	return nil
}

// knownFit is a fit of a clustering.
type knownFit struct {
	cluster.Fitted
	id         uuid.UUID
	position   uint64
	recordedAt time.Time
	asked      asking
}

// fits returns the fits of a clustering that stood, oldest first.
func (a *API) fits(ctx context.Context, id string) (fits []knownFit, err error) {
	asked := map[uint64]asking{}
	last := uint64(0)
	for raw, err := range a.Log.Read(ctx, cluster.Stream(id), 0) {
		if err != nil {
			return nil, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return nil, fmt.Errorf("clustering %q: %w", id, err)
		}
		at := asking{e.Position, e.Meta.RecordedAt, e.Meta.BusinessDate}
		switch d := e.Data.(type) {
		case cluster.Requested:
			asked[e.Position] = at
		case cluster.Fitted:
			if d.TriggerPosition <= last {
				continue
			}
			last = d.TriggerPosition
			f := knownFit{Fitted: d, id: e.ID, position: e.Position, recordedAt: e.Meta.RecordedAt, asked: at}
			if by, ok := asked[d.TriggerPosition]; ok {
				f.asked = by
			}
			fits = append(fits, f)
		}
	}
	return fits, nil
}

// placed is a customer as segments see them.
type placed struct {
	id       uuid.UUID
	doc      *segments.Document
	world    *projections.World
	position uint64
	then     *Moment // nil: the present
	gone     bool    // of a past: the personal data is erased, and with it what anybody could be judged by
	stream   []eventschema.Event
}

func (m *placed) stamp() Stamp { return stamp(m.position, m.world) }

// out says why the customer belongs to nothing; empty: nothing says so.
func (m *placed) out() string {
	switch {
	case m.gone || m.doc.Rights.Erased:
		return "erased"
	case m.doc.Rights.Restricted:
		return "restricted"
	}
	return ""
}

// memberOf reads the customer whom a request names, as of now or as of the past that
// it asks for. read takes the parameters that the route has beside.
func (a *API) memberOf(r *http.Request, read func(*params)) (*placed, error) {
	id, err := customerID(r)
	if err != nil {
		return nil, err
	}
	p, ctx := paramsOf(r), r.Context()
	least := p.minPosition()
	if read != nil {
		read(p)
	}
	at, t, err := p.moment(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if at.present() {
		return a.memberNow(ctx, id, least)
	}
	return a.memberThen(ctx, id, at, t)
}

// memberNow reads a customer from the read model. What changes all customers goes
// through the documents behind the events: where it has not reached this one yet, the
// change is made here, as the read model will make it. So the answer is of the
// position up to which the log was applied.
func (a *API) memberNow(ctx context.Context, id uuid.UUID, least uint64) (*placed, error) {
	s, err := a.snapshot(ctx, id, least, segments.Name)
	if err != nil {
		return nil, err
	}
	m := &placed{id: id, doc: new(segments.Document), world: s.world, position: s.position}
	if s.docs[0] != nil {
		if m.doc, err = segmentDocument(s.docs[0]); err != nil {
			return nil, fmt.Errorf("customer %v: %w", id, err)
		}
	}
	if !m.doc.There {
		return nil, ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	if sweep := s.world.Sweep; !sweep.Reached(id) {
		segmentsView.Change(m.doc, sweep.Cause, s.world)
	}
	return m, nil
}

// memberThen folds a customer from the log and decides by the rules of now.
func (a *API) memberThen(ctx context.Context, id uuid.UUID, at moment, t *timeline) (*placed, error) {
	now, err := a.world(ctx, segments.Name)
	if err != nil {
		return nil, err
	}
	m := &placed{id: id, doc: new(segments.Document), then: at.shown()}
	if m.world, err = a.segmentWorld(ctx, t, at, now); err != nil {
		return nil, err
	}
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		if _, erased := e.Data.(customer.PersonalDataErased); erased {
			m.gone = true
		}
		if !at.before(raw) && at.has(raw, e.Meta) {
			m.doc.Take(e)
			m.doc.At, m.position = raw.Position, raw.Position
			m.stream = append(m.stream, e)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if !m.doc.There {
		return nil, ErrCustomerNotFound.With("no customer with the id %v was known then", id)
	}
	if m.doc.Decide(m.world); m.gone {
		m.doc.Segments = nil
	}
	return m, nil
}

// streamOf returns the customer's events that the document was made of.
func (a *API) streamOf(ctx context.Context, m *placed) ([]eventschema.Event, error) {
	if m.then != nil {
		return m.stream, nil
	}
	var all []eventschema.Event
	err := a.events(ctx, m.id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		if raw.Position > m.position {
			return false, nil
		}
		all = append(all, e)
		return true, nil
	})
	return all, err
}
