package projections

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// load brings the documents of all customers of a batch into memory, in one
// round trip.
func (p *Partition) load(ctx context.Context, events []eventschema.Raw) error {
	var missing []uuid.UUID
	noted := map[uuid.UUID]bool{}
	from := p.Position()
	for i := range events {
		if events[i].Position <= from {
			continue
		}
		c, ok := eventschema.CustomerOf(events[i])
		if !ok || noted[c] || p.rows[c].complete() {
			continue
		}
		if p.complete {
			p.known(p.add(c))
			continue
		}
		noted[c] = true
		missing = append(missing, c)
	}
	return p.fetch(ctx, p.fillings, missing)
}

// complete says whether all documents of the customer are in memory. A nil row has
// none.
func (r *row) complete() bool {
	if r == nil {
		return false
	}
	for i := range r.held {
		if !r.held[i].known {
			return false
		}
	}
	return true
}

// known notes that the store has nothing of a customer.
func (p *Partition) known(r *row) {
	for i := range r.held {
		r.held[i].known = true
	}
}

// fetch loads the documents that some fillings have of customers, unless they are in
// memory.
func (p *Partition) fetch(ctx context.Context, of []*filling, missing []uuid.UUID) error {
	if len(missing) == 0 {
		return nil
	}
	generations := make([]Generation, len(of))
	for i, f := range of {
		generations[i] = f.Generation()
	}
	docs, err := p.store.Load(ctx, p.number, generations, missing)
	if err != nil {
		return fmt.Errorf("load documents of partition %d: %w", p.number, err)
	}
	for j, c := range missing {
		r := p.rows[c]
		if r == nil {
			r = p.add(c)
		}
		for i, f := range of {
			h, stored := &r.held[f.slot], docs[i][j]
			if h.known {
				continue
			}
			if h.known = true; stored == nil {
				continue
			}
			h.raw, h.stored = stored, true
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

// passes bounds how many partitions go through all their documents at a time: more
// would take no less time, and much more memory.
var passes = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

// piece is how many customers a pass holds in memory.
const piece = 200

// each yields the rows of customers with the document of a filling, loading those
// that are not in memory in pieces, and forgetting clean ones behind it. Breaking off
// is allowed; an error ends the iteration and is left in err. It must not be nested.
func (p *Partition) each(ctx context.Context, f *filling, customers []uuid.UUID, err *error) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		if len(customers) > piece {
			select {
			case passes <- struct{}{}:
				defer func() { <-passes }()
			case <-ctx.Done():
				*err = ctx.Err()
				return
			}
		}
		for part := range slices.Chunk(customers, piece) {
			var missing []uuid.UUID
			for _, c := range part {
				if r := p.rows[c]; r == nil || !r.held[f.slot].known {
					missing = append(missing, c)
				}
			}
			if *err = p.fetch(ctx, []*filling{f}, missing); *err != nil {
				return
			}
			for _, c := range part {
				if !yield(p.rows[c]) {
					return
				}
			}
			p.evict()
		}
	}
}
