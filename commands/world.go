package commands

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
)

// World is what the write side knows beside the streams it decides on: what the
// deployment is, which days are closed, which policies hold. Follow keeps it
// up to date. The zero value knows nothing and goes by the wall clock in UTC.
// Safe for concurrent use.
type World struct {
	// Clock is the wall clock; nil: time.Now.
	Clock func() time.Time

	mu      sync.Mutex
	facts   Facts
	zone    *time.Location
	changed chan struct{} // closed when facts change; nil while nobody waits
}

// Facts are what the world is at a position of the log. They are not changed
// afterwards.
type Facts struct {
	Deployment deployment.Created
	Closed     *domain.Date // the last day closed, nil before the first
	Policies   map[string][]policy.Published
	Parked     map[uuid.UUID]operations.EventParked
	Position   uint64 // of the log: everything up to it is in
}

var worldEvents = []string{"deployment.", "calendar.", "policy.", "operations."}

// Follow keeps the world up to date until ctx ends or the log fails. It may be
// started again.
func (w *World) Follow(ctx context.Context, log Log, events *eventschema.Registry) error {
	return log.Follow(ctx, w.Facts().Position, worldEvents, func(page eventschema.Page) error {
		for _, raw := range page.Events {
			e, err := events.Open(raw, nil)
			if err != nil {
				return fmt.Errorf("world: %s at %d: %w", raw.Type, raw.Position, err)
			}
			if err := w.apply(e.Data); err != nil {
				return fmt.Errorf("world: %s at %d: %w", raw.Type, raw.Position, err)
			}
		}
		w.advance(page.End)
		return nil
	})
}

func (w *World) apply(data any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := data.(type) {
	case deployment.Created:
		zone, err := time.LoadLocation(e.Zone)
		if err != nil {
			return err
		}
		w.facts.Deployment, w.zone = e, zone
	case calendar.DayClosed:
		w.facts.Closed = &e.Date
	case policy.Published:
		all := map[string][]policy.Published{}
		for kind, versions := range w.facts.Policies {
			all[kind] = versions
		}
		versions := all[e.Kind]
		all[e.Kind] = append(versions[:len(versions):len(versions)], e)
		w.facts.Policies = all
	case operations.EventParked:
		all := map[uuid.UUID]operations.EventParked{e.EventID: e}
		for id, parked := range w.facts.Parked {
			all[id] = parked
		}
		w.facts.Parked = all
	}
	return nil
}

func (w *World) advance(position uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts.Position = max(w.facts.Position, position)
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// Facts returns what the world is now.
func (w *World) Facts() Facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts
}

// WaitFor waits until the world has everything up to a position of the log.
func (w *World) WaitFor(ctx context.Context, position uint64) error {
	for {
		w.mu.Lock()
		if w.facts.Position >= position {
			w.mu.Unlock()
			return nil
		}
		if w.changed == nil {
			w.changed = make(chan struct{})
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// clockSkew is how far ahead of ours the clock of a caller may be.
const clockSkew = 5 * time.Minute

// Subject returns what a command is told beside its body: whom it is about and
// what time it is. Under a manual calendar, business now is the first instant
// after the last closed day, and the day that then begins is open: facts may be
// dated anywhere in it. Before the first close, and under wall, it is the clock.
func (w *World) Subject(of uuid.UUID) domain.Subject {
	wall := w.wall()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := domain.Subject{Customer: of, Now: wall, Zone: w.zone, KnowsZone: knowsZone}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	switch s.Wall = w.facts.Deployment.Calendar != deployment.Manual; {
	case s.Wall:
		s.Latest = wall.Add(clockSkew)
	case w.facts.Closed != nil:
		open := *w.facts.Closed + 1
		s.Now, s.Latest = open.Start(s.Zone).UTC(), open.End(s.Zone)
	}
	return s
}

func (w *World) wall() time.Time {
	if w.Clock != nil {
		return w.Clock().UTC().Round(0)
	}
	return time.Now().UTC().Round(0)
}

var zones sync.Map // names known to be time zones

func knowsZone(name string) bool {
	if _, ok := zones.Load(name); ok {
		return true
	}
	if name == "" || name == "Local" {
		return false
	}
	if _, err := time.LoadLocation(name); err != nil {
		return false
	}
	zones.Store(name, nil)
	return true
}
