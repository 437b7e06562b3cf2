package projections

import (
	"context"
	"fmt"
	"iter"
	"maps"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// broadcast applies an event that holds for all customers: the world changes,
// jobs get the values they asked for, and documents whose places and totals
// depend on the world move without having changed.
func (p *Partition) broadcast(ctx context.Context, raw *eventschema.Raw) error {
	if !p.rules.forAll(raw.Type) {
		return nil
	}
	if !p.rules.Schema.Known(raw.Type) {
		return poison(*raw, errUnknownType)
	}
	e, err := p.rules.Schema.Open(*raw, nil)
	if err != nil {
		return poison(*raw, err)
	}
	for _, f := range p.fillings {
		if raw.Position <= f.at.Position {
			continue
		}
		if err := p.evolve(ctx, f, e); err != nil {
			return err
		}
		if f.at.Cursor == "" { // what is committed from here on has the event
			f.at.Position = raw.Position
		}
	}
	p.applied++
	return nil
}

func (p *Partition) evolve(ctx context.Context, f *filling, e Event) error {
	next := f.evolved(e)
	cause, caused := f.View.caused(e, f.world, next)
	joined := caused && f.world.Sweep != nil && f.View.joins(f.world.Sweep.Cause, cause)
	name, asked := f.View.asked(e, next)
	if f.world.Sweep != nil && !joined && (caused || asked || next != f.world) { // all documents take the cause in the world in which it came
		p.reach(e.Position - 1)
		if err := p.finish(ctx, f); err != nil {
			return err
		}
		next = f.evolved(e)
	}
	notes := map[string][]byte{}
	if name, ok := f.View.settled(e); ok {
		notes[name] = nil
	}
	if asked && (p.rules.Settled == nil || !p.rules.Settled(f.View.String(), name)) {
		note, err := p.collect(ctx, f, e, next)
		if err != nil {
			return err
		}
		notes[name] = note
	}
	if !f.View.rescores(e) {
		var due []uuid.UUID
		if caused && cause.Due != "" {
			var err error
			if due, err = p.due(ctx, f, cause); err != nil {
				return err
			}
		}
		f.world = next
		f.note(notes)
		if caused {
			return p.cause(ctx, f, cause, due)
		}
		return nil
	}
	if f.at.Cursor == "" && (f.rescore || p.complete && len(p.rows) <= p.rules.Slice) {
		f.world, f.rescore = next, true // with the next commit, once for all such events
		f.note(notes)
		return nil
	}
	customers, err := p.customers(ctx, f)
	if err != nil {
		return err
	}
	if f.at.Cursor == "" {
		if len(customers) <= p.rules.Slice {
			f.world, f.rescore = next, true
			f.note(notes)
			return nil
		}
		p.reach(e.Position - 1)
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	f.note(notes)
	return p.slice(ctx, f, next, e.Position, customers)
}

// note adds to the notes of the next commit that passes the event.
func (f *filling) note(notes map[string][]byte) {
	if f.notes == nil {
		f.notes = notes
		return
	}
	maps.Copy(f.notes, notes)
}

// collect asks a view for its contribution.
func (p *Partition) collect(ctx context.Context, f *filling, e Event, w *World) ([]byte, error) {
	customers, err := p.customers(ctx, f)
	if err != nil {
		return nil, err
	}
	var failed error
	var documents iter.Seq2[uuid.UUID, document] = func(yield func(uuid.UUID, document) bool) {
		for r := range p.each(ctx, f, customers, &failed) {
			doc, err := r.held[f.slot].existing()
			if err != nil {
				failed = fmt.Errorf("document of %s: %w", r.customer, err)
				return
			}
			if doc != nil && !yield(r.customer, doc) {
				return
			}
		}
	}
	note, err := f.View.collect(e, w, documents)
	if failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("contribution of partition %d of %s: %w", p.number, f.Generation(), err)
	}
	if note == nil {
		note = []byte{}
	}
	return note, nil
}

// slice moves all documents of a filling, which are clean, from the world in the
// store to the next one, in several commits, each of which says how far it came.
func (p *Partition) slice(ctx context.Context, f *filling, next *World, position uint64, customers []uuid.UUID) error {
	for len(customers) > 0 && f.at.Cursor != "" && customers[0].String() <= f.at.Cursor {
		customers = customers[1:]
	}
	for {
		part := customers[:min(len(customers), p.rules.Slice)]
		customers = customers[len(part):]
		c := &Change{Generation: f.Generation(), From: f.saved}
		if err := p.rescore(ctx, f, c, next, part); err != nil {
			return err
		}
		f.metricsInto(c)
		if len(customers) > 0 {
			f.at.Cursor = part[len(part)-1].String()
		} else {
			f.at = Checkpoint{Position: position}
			f.world = next
			var err error
			if c.World, err = next.Encode(); err != nil {
				return fmt.Errorf("world of partition %d: %w", p.number, err)
			}
			c.Notes, f.notes = f.notes, nil
		}
		c.To = f.at
		if err := p.commit(ctx, []Change{*c}); err != nil {
			return err
		}
		f.saved, f.changed = f.at, nil
		if len(customers) == 0 {
			f.savedWorld, f.rescore = next, false
			return nil
		}
		p.evict()
	}
}

// rescore adds to a change what moves when clean documents of some customers
// leave the world in the store for the next one.
func (p *Partition) rescore(ctx context.Context, f *filling, c *Change, next *World, customers []uuid.UUID) error {
	var failed error
	for r := range p.each(ctx, f, customers, &failed) {
		if h := &r.held[f.slot]; h.stored && !h.dirty {
			doc, err := h.document()
			if err != nil {
				return fmt.Errorf("document of %s in %s: %w", r.customer, f.Generation(), err)
			}
			f.move(c, r.customer, doc.places(f.savedWorld), doc.places(next), doc.metrics(f.savedWorld), doc.metrics(next))
		}
	}
	return failed
}
