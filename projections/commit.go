package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// flush commits all that is in memory, in one transaction.
func (p *Partition) flush(ctx context.Context) error {
	var changes []Change
	for _, f := range p.fillings {
		c, err := p.change(ctx, f)
		if err != nil {
			return err
		}
		if c != nil {
			changes = append(changes, *c)
		}
	}
	if len(changes) > 0 {
		if err := p.commit(ctx, changes); err != nil {
			return err
		}
	}
	for _, f := range p.fillings {
		f.saved, f.savedWorld = f.checkpoint(), f.world
		f.changed, f.notes, f.rescore = nil, nil, false
	}
	for _, r := range p.dirty {
		r.dirty = false
	}
	clear(p.dirty)
	p.dirty, p.dirtyBytes = p.dirty[:0], 0
	p.evict()
	return nil
}

func (p *Partition) commit(ctx context.Context, changes []Change) error {
	if err := p.store.Commit(ctx, p.number, changes); err != nil {
		if errors.Is(err, ErrFenced) {
			return err
		}
		return fmt.Errorf("commit partition %d: %w", p.number, err)
	}
	return nil
}

// change describes what a filling becomes; nil for nothing at all. The documents
// count as clean afterwards.
func (p *Partition) change(ctx context.Context, f *filling) (*Change, error) {
	c := &Change{Generation: f.Generation(), From: f.saved, To: f.checkpoint(), Notes: f.notes}
	if f.rescore {
		customers, err := p.customers(ctx, f)
		if err != nil {
			return nil, err
		}
		if err := p.rescore(ctx, f, c, f.world, customers); err != nil {
			return nil, err
		}
	}
	for _, r := range p.dirty {
		if h := &r.held[f.slot]; h.dirty {
			if err := f.write(c, r.customer, h); err != nil {
				return nil, err
			}
		}
	}
	if f.world != f.savedWorld {
		w, err := f.world.Encode()
		if err != nil {
			return nil, fmt.Errorf("world of partition %d: %w", p.number, err)
		}
		c.World = w
	}
	f.metricsInto(c)
	if c.From == c.To && c.World == nil && len(c.Documents)+len(c.Notes)+len(c.Metrics)+len(c.Add)+len(c.Remove) == 0 {
		return nil, nil
	}
	return c, nil
}

// metricsInto puts the totals that differ from the store into a change.
func (f *filling) metricsInto(c *Change) {
	if len(f.changed) == 0 {
		return
	}
	c.Metrics = make(map[string]int64, len(f.changed))
	for name := range f.changed {
		if c.Metrics[name] = f.totals[name]; f.totals[name] == 0 {
			delete(f.totals, name)
		}
	}
}

// write adds a document that was folded to a change: its bytes, the places it
// left and those it took, and what it adds to the totals.
func (f *filling) write(c *Change, customer uuid.UUID, h *held) error {
	stored, err := h.doc.encode()
	if err != nil {
		return fmt.Errorf("document of %s in %s: %w", customer, c.Generation, err)
	}
	var places []Place
	var metrics []Metric
	if stored != nil {
		places, metrics = h.doc.places(f.world), h.doc.metrics(f.world)
	}
	if stored != nil || h.stored {
		if c.Documents == nil {
			c.Documents = map[uuid.UUID][]byte{}
		}
		c.Documents[customer] = stored
	}
	f.move(c, customer, h.places, places, h.metrics, metrics)
	h.stored, h.dirty, h.places, h.metrics = stored != nil, false, nil, nil
	return nil
}

// move adds the difference between two standings of a document to a change.
func (f *filling) move(c *Change, customer uuid.UUID, from, to []Place, less, more []Metric) {
	for _, p := range from {
		if !slices.Contains(to, p) {
			c.Remove = append(c.Remove, p.entry(customer))
		}
	}
	for _, p := range to {
		if !slices.Contains(from, p) {
			c.Add = append(c.Add, p.entry(customer))
		}
	}
	if slices.Equal(less, more) {
		return
	}
	if f.changed == nil {
		f.changed = map[string]bool{}
	}
	for _, m := range less {
		f.totals[m.Name] -= m.Value
		f.changed[m.Name] = true
	}
	for _, m := range more {
		f.totals[m.Name] += m.Value
		f.changed[m.Name] = true
	}
}

// entry is the place of a customer as an index holds it.
func (p Place) entry(customer uuid.UUID) Entry {
	return Entry{p.Index, p.Key + "\x00" + customer.String()}
}
