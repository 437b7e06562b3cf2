package commands

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
)

// World is what the write side knows beside the streams it decides on: what the
// deployment is, which days are closed, which policies hold. Follow keeps it
// up to date. The zero value knows nothing and goes by the wall clock in UTC.
// Safe for concurrent use.
type World struct {
	// Clock is the wall clock; nil: time.Now.
	Clock func() time.Time

	handovers handovers
	transfers transfers

	mu      sync.Mutex
	facts   Facts
	zone    *time.Location
	changed chan struct{} // closed when facts change; nil while nobody waits
}

// Facts are what the world is at a position of the log. They are not changed
// afterwards.
type Facts struct {
	*world.World // never nil
	Parked       map[uuid.UUID]operations.EventParked
	Position     uint64 // of the log: everything up to it is in
}

var worldEvents = append([]string{"operations.", "handover.", "transfer."}, world.Streams...)

// Follow keeps the world up to date until ctx ends or the log fails. It may be
// started again.
func (w *World) Follow(ctx context.Context, log Log, events *eventschema.Registry) error {
	return log.Follow(ctx, w.Facts().Position, worldEvents, func(page eventschema.Page) error {
		for _, raw := range page.Events {
			e, err := events.Open(raw, nil)
			if err != nil {
				return fmt.Errorf("world: %s at %d: %w", raw.Type, raw.Position, err)
			}
			if err := w.apply(e.ID, e.Data); err != nil {
				return fmt.Errorf("world: %s at %d: %w", raw.Type, raw.Position, err)
			}
		}
		w.advance(page.End)
		return nil
	})
}

func (w *World) apply(id uuid.UUID, data any) error {
	switch e := data.(type) {
	case handover.Event:
		w.handovers.apply(e)
		return nil
	case transfer.Event:
		w.transfers.apply(e)
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.facts.World = w.known().With(id, data)
	switch e := data.(type) {
	case deployment.Created:
		zone, err := time.LoadLocation(e.Zone)
		if err != nil {
			return err
		}
		w.zone = zone
	case operations.EventParked:
		all := map[uuid.UUID]operations.EventParked{e.EventID: e}
		for id, parked := range w.facts.Parked {
			all[id] = parked
		}
		w.facts.Parked = all
	}
	return nil
}

// known returns what holds for all customers.
func (w *World) known() *world.World {
	if w.facts.World == nil {
		return new(world.World)
	}
	return w.facts.World
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
	facts := w.facts
	facts.World = w.known()
	return facts
}

// Tell tells a command what it wants to know of the world. cmd is a pointer to it.
func (w *World) Tell(cmd any) {
	known := w.Facts().World
	if c, ok := cmd.(interface{ SetWorld(*world.World) }); ok {
		c.SetWorld(known)
	}
	if c, ok := cmd.(interface{ SetClosed(*domain.Date) }); ok {
		c.SetClosed(known.Closed)
	}
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
	switch s.Wall = w.known().Deployment.Calendar != deployment.Manual; {
	case s.Wall:
		s.Latest = wall.Add(clockSkew)
	case w.known().Closed != nil:
		open := *w.known().Closed + 1
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
