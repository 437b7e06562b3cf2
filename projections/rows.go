package projections

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// load brings the documents of all customers of a batch into memory, in one
// round trip.
func (p *Partition) load(ctx context.Context, events []eventschema.Raw) error {
	var missing []uuid.UUID
	from := p.Position()
	for i := range events {
		if events[i].Position <= from {
			continue
		}
		c, ok := eventschema.CustomerOf(events[i])
		if !ok || p.rows[c] != nil {
			continue
		}
		if p.complete {
			p.add(c)
			continue
		}
		p.rows[c] = nil // taken note of
		missing = append(missing, c)
	}
	return p.fetch(ctx, missing)
}

// fetch loads customers who are not in memory.
func (p *Partition) fetch(ctx context.Context, missing []uuid.UUID) error {
	if len(missing) == 0 {
		return nil
	}
	docs, err := p.store.Load(ctx, p.number, p.generations(), missing)
	if err != nil {
		return fmt.Errorf("load documents of partition %d: %w", p.number, err)
	}
	for j, c := range missing {
		r := p.add(c)
		for i := range p.fillings {
			stored := docs[i][j]
			if stored == nil {
				continue
			}
			r.held[i].raw, r.held[i].stored = stored, true
			r.size += 2 * len(stored)
			p.bytes += 2 * len(stored)
		}
	}
	return nil
}

// add makes an empty row.
func (p *Partition) add(c uuid.UUID) *row {
	r := &row{customer: c, held: make([]held, len(p.fillings)), size: p.rowBytes}
	for i, f := range p.fillings {
		r.held[i].doc = f.View.fresh()
	}
	p.rows[c] = r
	p.bytes += r.size
	return r
}

// evict forgets clean rows, any of them, when there are too many.
func (p *Partition) evict() {
	if p.bytes <= p.rules.CacheBytes {
		return
	}
	for c, r := range p.rows {
		if p.bytes <= p.rules.CacheBytes/4*3 {
			return
		}
		if r != nil && !r.dirty {
			p.bytes -= r.size
			delete(p.rows, c)
			p.complete = false
		}
	}
}

// customers returns everyone who may have a document of a filling, ascending:
// those in the store and those in memory.
func (p *Partition) customers(ctx context.Context, f *filling) ([]uuid.UUID, error) {
	var all []uuid.UUID
	if !p.complete {
		stored, err := p.store.Customers(ctx, p.number, f.Generation())
		if err != nil {
			return nil, fmt.Errorf("customers of partition %d of %s: %w", p.number, f.Generation(), err)
		}
		all = stored
	}
	for c := range p.rows {
		all = append(all, c)
	}
	slices.SortFunc(all, compareCustomers)
	return slices.Compact(all), nil
}

func compareCustomers(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// each yields the rows of customers who have a document of a filling, loading
// those that are not in memory in pieces, and forgetting clean ones behind it.
// Breaking off is allowed; an error ends the iteration and is left in err.
func (p *Partition) each(ctx context.Context, f *filling, customers []uuid.UUID, err *error) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		for piece := range slices.Chunk(customers, 500) {
			var missing []uuid.UUID
			for _, c := range piece {
				if p.rows[c] == nil {
					missing = append(missing, c)
				}
			}
			if *err = p.fetch(ctx, missing); *err != nil {
				return
			}
			for _, c := range piece {
				if !yield(p.rows[c]) {
					return
				}
			}
			p.evict()
		}
	}
}
