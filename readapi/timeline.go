package readapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"golang.org/x/sync/errgroup"
)

// timeline is what held for all customers, moment by moment: which days were
// closed when, and which calibration followed. It is a fold of small streams
// of the log and is read on from where it stands. Safe for concurrent use.
type timeline struct {
	mu      sync.Mutex
	next    map[string]uint64 // by stream: the revision to go on at
	created deployment.Created
	zone    *time.Location

	closed       []closing
	policies     policy.Set
	published    []publication
	asked        map[uuid.UUID]asking
	calibrations []knownCalibration
	answered     uint64 // trigger position of the last calibration that came or failed
	worths       []knownWorth
	valued       uint64 // likewise, of the calibrations of what customers are worth
}

// asking is when an event that asks for a calibration was recorded.
type asking struct {
	position     uint64
	recordedAt   time.Time
	businessDate domain.Date
}

type closing struct {
	asking
	date domain.Date
}

// publication is the event that published a version of a policy.
type publication struct {
	asking
	policy.Published
	id uuid.UUID
}

type knownCalibration struct {
	rules.Calibrated
	id         uuid.UUID
	position   uint64
	recordedAt time.Time
	asked      asking
}

// knownWorth is a calibration of what customers are worth.
type knownWorth struct {
	value.Calibrated
	id         uuid.UUID
	position   uint64
	recordedAt time.Time
	asked      asking
}

var timelineStreams = []string{
	deployment.Stream, calendar.Stream,
	policy.Stream(policy.KindRFM), policy.Stream(policy.KindLoyalty), policy.Stream(policy.KindTier), policy.Stream(policy.KindValue), // those that a past is computed by
	rules.CalibrationStream, value.CalibrationStream,
}

// timeline returns what held for all customers, up to date with the log.
func (a *API) timeline(ctx context.Context) (*timeline, error) {
	t := &a.past
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next, t.asked, t.zone = map[string]uint64{}, map[uuid.UUID]asking{}, time.UTC
	}
	read := make([][]eventschema.Raw, len(timelineStreams))
	group, both := errgroup.WithContext(ctx)
	for i, stream := range timelineStreams {
		if stream == deployment.Stream && t.created.LogID != "" {
			continue
		}
		from := t.next[stream]
		group.Go(func() error {
			for raw, err := range a.Log.Read(both, stream, from) {
				if err != nil {
					return err
				}
				read[i] = append(read[i], raw)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	// In this order what asks for a calibration is known before the calibration.
	for _, raws := range read {
		for _, raw := range raws {
			e, err := eventschema.Events.Open(raw, nil)
			if err != nil {
				return nil, fmt.Errorf("timeline: %w", err)
			}
			if err := t.apply(e); err != nil {
				return nil, fmt.Errorf("timeline: %w", err)
			}
			t.next[raw.Stream] = raw.Revision + 1
		}
	}
	return t.copy(), nil
}

// copy returns a value that later reading does not touch.
func (t *timeline) copy() *timeline {
	return &timeline{created: t.created, zone: t.zone, closed: t.closed, policies: t.policies, published: t.published, calibrations: t.calibrations, worths: t.worths}
}

func (t *timeline) apply(e eventschema.Event) (err error) {
	at := asking{e.Position, e.Meta.RecordedAt, e.Meta.BusinessDate}
	switch d := e.Data.(type) {
	case deployment.Created:
		t.created = d
		t.zone, err = time.LoadLocation(d.Zone)
	case calendar.DayClosed:
		t.closed = append(t.closed, closing{at, d.Date})
		t.asked[e.ID] = at
	case policy.Published:
		t.policies = t.policies.With(d)
		t.published = append(t.published, publication{at, d, e.ID})
		t.asked[e.ID] = at
	case policy.CalibrationRequested:
		t.asked[e.ID] = at
	case rules.Calibrated:
		if d.TriggerPosition <= t.answered {
			return nil
		}
		t.answered = d.TriggerPosition
		t.calibrations = append(t.calibrations, knownCalibration{
			Calibrated: d, id: e.ID, position: e.Position, recordedAt: e.Meta.RecordedAt, asked: t.askedBy(d.Trigger, at),
		})
	case rules.CalibrationFailed:
		t.answered = max(t.answered, d.TriggerPosition)
	case value.Calibrated:
		if d.TriggerPosition <= t.valued {
			return nil
		}
		t.valued = d.TriggerPosition
		t.worths = append(t.worths, knownWorth{
			Calibrated: d, id: e.ID, position: e.Position, recordedAt: e.Meta.RecordedAt, asked: t.askedBy(d.Trigger, at),
		})
	case value.CalibrationFailed:
		t.valued = max(t.valued, d.TriggerPosition)
	}
	return err
}

// askedBy returns when the event was recorded that asked for a calibration. One that
// no stream of the timeline has, such as the definition of a segment, is as old as
// the calibration.
func (t *timeline) askedBy(trigger string, calibrated asking) asking {
	if id, err := uuid.Parse(trigger); err == nil {
		if asked, ok := t.asked[id]; ok {
			return asked
		}
	}
	return calibrated
}

// opened is the position at which the calendar began: that of the first day
// closed, 0 before.
func (t *timeline) opened() uint64 {
	if len(t.closed) == 0 {
		return 0
	}
	return t.closed[0].position
}

// manual says whether days are closed by command.
func (t *timeline) manual() bool { return t.created.Calendar == deployment.Manual }

// world returns what held at a moment: the last day that was over then, and the
// calibration of the last day that was over then, each if it was known. By a
// date a calibration is known as soon as the event that asked for it: it says
// nothing that was not in the log when it was asked for.
func (t *timeline) world(m moment) *projections.World {
	w := &projections.World{Zone: t.created.Zone, Policies: t.known(m)}
	for i := len(t.closed) - 1; i >= 0 && w.Closed == nil; i-- {
		if c := t.closed[i]; m.over(c.date, t.zone) && m.known.has(c.position, c.recordedAt, c.businessDate) {
			w.Closed = &c.date
		}
	}
	for i := len(t.calibrations) - 1; i >= 0 && w.Calibration == nil; i-- {
		c := &t.calibrations[i]
		if t.knew(m, c.AsOf, c.asked, c.recordedAt) {
			w.Calibration = &c.Calibrated
		}
	}
	for i := len(t.worths) - 1; i >= 0 && w.Value == nil; i-- {
		c := &t.worths[i]
		if t.knew(m, c.AsOf, c.asked, c.recordedAt) {
			w.Value = &c.Calibrated
		}
	}
	return w
}

// knew says whether what was computed of a day belongs to a moment: the day was over
// then, and it was known that it was asked for.
func (t *timeline) knew(m moment, asOf domain.Date, asked asking, recordedAt time.Time) bool {
	if m.known.on == nil {
		asked.recordedAt = recordedAt
	}
	return m.over(asOf, t.zone) && m.known.has(asked.position, asked.recordedAt, asked.businessDate)
}

// known returns the policies that were published, as far as a moment knows. Which
// of them is in force says the date on which it is asked.
func (t *timeline) known(m moment) policy.Set {
	if m.known.at == nil && m.known.on == nil {
		return t.policies
	}
	var set policy.Set
	for _, p := range t.published {
		if m.known.has(p.position, p.recordedAt, p.businessDate) {
			set = set.With(p.Published)
		}
	}
	return set
}
