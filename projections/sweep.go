package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// IndexDue is the index of the documents of a view that has Due.
const IndexDue = "due"

// Cause is a broadcast event that changes documents by itself.
//
// If it names a date, it changes those that are due then, before anything that
// follows it in the log; and with All it then goes through all of them, without the
// date, as one that names none. Such a one may change any of them: it sweeps through the
// documents of the partition, in the order of the customers' ids, while events
// go on. A document that an event reaches first is changed by the sweep first, so
// that every document takes what concerns it in the order of the log, and looks
// the same whenever the sweep came. The next cause waits until the sweep is done,
// or joins it.
type Cause struct {
	Event      uuid.UUID    `json:"event"`
	Position   uint64       `json:"position"`
	Kind       string       `json:"kind"` // what the view calls it
	RecordedAt time.Time    `json:"recorded_at"`
	On         *domain.Date `json:"on,omitempty"`      // the business date of which it is
	Subject    string       `json:"subject,omitempty"` // what of, if only one thing
	Due        string       `json:"due,omitempty"`     // only documents that are due by then
	All        bool         `json:"all,omitempty"`     // and then, without Due, all documents
	// Joined are causes that came while this one was on its way, and go with it; see
	// View.Joins. Their positions ascend.
	Joined []Cause `json:"joined,omitempty"`
}

// Sweep is a cause on its way through the documents of a partition.
type Sweep struct {
	Cause  Cause  `json:"cause"`
	Cursor string `json:"cursor,omitempty"` // customers up to and including this one are done
}

// Reached says whether the sweep has come past a customer.
func (s *Sweep) Reached(customer uuid.UUID) bool { return s == nil || customer.String() <= s.Cursor }

// last is the position of the last of the causes that go together.
func (c Cause) last() uint64 {
	if n := len(c.Joined); n > 0 {
		return c.Joined[n-1].Position
	}
	return c.Position
}

// sweepMark begins the cursor of a checkpoint while a sweep is on its way. So no two
// states of a partition have the same checkpoint, and of several writers who stand at
// one position only one goes on.
const sweepMark = "~"

// checkpoint is what the store has to hold for what is in memory.
func (f *filling) checkpoint() Checkpoint {
	c := f.at
	if s := f.world.Sweep; s != nil && c.Cursor == "" {
		c.Cursor = sweepMark + s.Cursor
	}
	return c
}

// owes says whether a document has still to take the cause that sweeps. It says so
// once: the document is to take it now.
func (f *filling) owes(r *row) (bool, error) {
	s, h := f.world.Sweep, &r.held[f.slot]
	if s == nil || s.Reached(r.customer) || h.swept == s.Cause.last() {
		return false, nil
	}
	h.swept = s.Cause.last()
	doc, err := h.existing()
	return doc != nil, err
}

// evolved returns the world after an event, with what this view knows of it.
func (f *filling) evolved(e Event) *World { return f.View.evolve(f.world, e) }

// Evolve returns the world after an event as the view knows it, without sweeps.
func (v *View[D]) Evolve(w *World, e Event) *World { return v.evolve(w, e) }

func (v *View[D]) evolve(w *World, e Event) *World {
	next := w.Evolve(e)
	if v.Segments {
		next = next.evolveSegments(e)
	}
	return next
}

// cause lets a broadcast event change documents, of which some are due.
func (p *Partition) cause(ctx context.Context, f *filling, c Cause, due []uuid.UUID) error {
	if c.Due != "" {
		if err := p.changeEach(ctx, f, due, c); err != nil || !c.All {
			return err
		}
		c.Due, c.All = "", false
	}
	w := *f.world
	if pending := w.Sweep; pending != nil { // they go together, from the start
		all := pending.Cause
		all.Joined = append(slices.Clip(all.Joined), c)
		c = all
	}
	w.Sweep = &Sweep{Cause: c}
	f.world, f.ahead = &w, nil
	return nil
}

// due returns who is due. If all documents are in memory they are asked, else the
// index in the store, which then must have all that came before, and nothing of the
// cause itself.
func (p *Partition) due(ctx context.Context, f *filling, c Cause) (due []uuid.UUID, err error) {
	if !p.complete {
		p.reach(c.Position - 1)
		if err := p.flush(ctx); err != nil {
			return nil, err
		}
		if due, err = p.store.Standing(ctx, p.number, f.Generation(), IndexDue, c.Due); err != nil {
			return nil, fmt.Errorf("who of partition %d is due in %s: %w", p.number, f.Generation(), err)
		}
		return due, nil
	}
	for customer, r := range p.rows {
		doc, err := r.held[f.slot].document()
		if err != nil {
			return nil, fmt.Errorf("document of %s in %s: %w", customer, f.Generation(), err)
		}
		if on := doc.due(); on != "" && on <= c.Due {
			due = append(due, customer)
		}
	}
	return due, nil
}

func (p *Partition) changeEach(ctx context.Context, f *filling, customers []uuid.UUID, c Cause) error {
	var failed error
	for r := range p.each(ctx, f, customers, &failed) {
		doc, err := r.held[f.slot].existing()
		if err != nil {
			return fmt.Errorf("document of %s in %s: %w", r.customer, f.Generation(), err)
		}
		if doc == nil || c.Due == "" && r.held[f.slot].swept == c.last() { // nobody is there, or took it already
			continue
		}
		if err := p.alter(f, r, 0, func(d document) bool { return d.change(c, f.world) }); err != nil {
			return err
		}
	}
	return failed
}

// existing returns the document if there is one, else nil.
func (h *held) existing() (document, error) {
	if !h.stored && !h.dirty {
		return nil, nil
	}
	doc, err := h.document()
	if err != nil || !h.dirty {
		return doc, err
	}
	if stored, err := doc.encode(); err != nil || stored == nil {
		return nil, err
	}
	return doc, nil
}

// sweep goes on with the cause that sweeps, over some more documents.
func (p *Partition) sweep(ctx context.Context, f *filling, most int) error {
	if f.ahead == nil {
		customers, err := p.customers(ctx, f)
		if err != nil {
			return err
		}
		f.ahead = customers
	}
	for len(f.ahead) > 0 && f.world.Sweep.Reached(f.ahead[0]) {
		f.ahead = f.ahead[1:]
	}
	part := f.ahead[:min(most, len(f.ahead))]
	if err := p.changeEach(ctx, f, part, f.world.Sweep.Cause); err != nil {
		return err
	}
	w := *f.world
	if f.ahead = f.ahead[len(part):]; len(f.ahead) == 0 {
		w.Sweep, f.ahead = nil, nil
	} else {
		w.Sweep = &Sweep{Cause: w.Sweep.Cause, Cursor: part[len(part)-1].String()}
	}
	f.world = &w
	return nil
}

// finish ends the sweep of a filling before anything else is done. What is in
// memory must reach up to the checkpoints.
func (p *Partition) finish(ctx context.Context, f *filling) error {
	for f.world.Sweep != nil {
		if err := p.sweep(ctx, f, p.rules.Slice); err != nil {
			return err
		}
		if p.dirtyBytes > p.rules.DirtyBytes {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Partition) finishAll(ctx context.Context) error {
	for _, f := range p.fillings {
		if err := p.finish(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// Sweeping says whether documents have still to take what a broadcast event
// changes. Call Sweep until they have.
func (p *Partition) Sweeping() bool {
	if !p.open {
		return false
	}
	for _, f := range p.fillings {
		if f.world.Sweep != nil {
			return true
		}
	}
	return false
}

// Sweep changes some more documents, commits them, and says whether more are
// left. After an error the partition has forgotten what it knew.
func (p *Partition) Sweep(ctx context.Context) (more bool, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("sweep of partition %d: panic: %v", p.number, cause)
		}
		if err != nil {
			p.Forget()
		}
		more = p.Sweeping()
	}()
	if err = p.Open(ctx); err != nil {
		return false, err
	}
	return false, p.sweepOn(ctx)
}

func (p *Partition) sweepOn(ctx context.Context) error {
	for _, f := range p.fillings {
		if f.world.Sweep == nil {
			continue
		}
		if err := p.sweep(ctx, f, p.rules.Sweep); err != nil {
			return err
		}
	}
	return p.flush(ctx)
}
