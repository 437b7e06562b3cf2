package projections

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// ErrGap says that a batch does not follow on what the partition has applied. It
// must be given the log again from its Position.
var ErrGap = errors.New("projections: the batch does not follow on the checkpoint")

// Filling is a view and the generation of it that a partition fills.
type Filling struct {
	View   Projection
	Number int
}

// Generation names what is filled.
func (f Filling) Generation() Generation { return Generation{f.View.String(), f.Number} }

// Batch is the part of the log that one partition has to know: all of its events
// after one position up to another.
type Batch struct {
	After  uint64
	Events []eventschema.Raw
	End    uint64
	Live   bool // nothing more is there: commit now
}

// Partition applies the events of its customers, and every broadcast event, to
// some fillings, in the order of the log. Their checkpoints may differ: each
// takes what is beyond its own.
//
// Documents are kept in memory between batches. A batch that is live is
// committed before Apply returns; one that is not may stay in memory until
// enough has changed. After any error the partition forgets everything and
// opens itself again from the store, so that a batch may be given twice, and
// must be given again from Position if it answers ErrGap.
//
// A partition is used by one goroutine at a time. Several partitions of the
// same number may compete, also in other processes: the store lets one of them
// go on and fences the others.
type Partition struct {
	number   int
	store    Store
	rules    Rules
	fillings []*filling
	keys     *filling // the one that folds data keys, if there is one

	open       bool
	rows       map[uuid.UUID]*row
	complete   bool // rows holds every customer who has a document
	dirty      []*row
	dirtyBytes int
	bytes      int
	rowBytes   int // of a customer of whom nothing is known yet
	cache      keyCache
	applied    int  // events applied since the last look
	behind     bool // the last batch was not live
	torn       bool // a fold broke off: what is in memory must not be committed
}

// filling is what a partition knows of one generation.
type filling struct {
	Filling
	slot  int
	saved Checkpoint // in the store
	at    Checkpoint // in memory

	savedWorld *World // the one the store's entries and totals are computed with
	world      *World
	totals     map[string]int64
	changed    map[string]bool // totals that differ from the store
	notes      map[string][]byte
	rescore    bool        // the world has changed for documents that are not dirty
	ahead      []uuid.UUID // whom a sweep has still to reach, once that was looked up
}

// row is all documents of a customer.
type row struct {
	customer uuid.UUID
	held     []held // by slot
	size     int    // estimate
	dirty    bool
}

// held is one document, and where it stood when it was last in the store.
type held struct {
	doc     document
	raw     []byte // as it was loaded, until it is looked at
	swept   uint64 // the last cause that it took ahead of the sweep
	known   bool   // what the store has of it was looked up
	stored  bool   // the store has it
	dirty   bool
	places  []Place // if dirty and stored
	metrics []Metric
}

// rowBytes is about what a row takes beside its documents.
const rowBytes = 128

// NewPartition returns a partition that opens itself at first use.
func NewPartition(number int, store Store, rules Rules, fillings ...Filling) *Partition {
	p := &Partition{number: number, store: store, rules: rules.withDefaults(), rowBytes: rowBytes}
	for i, f := range fillings {
		p.fillings = append(p.fillings, &filling{Filling: f, slot: i})
		p.rowBytes += f.View.weight()
		if f.View.String() == KeysView {
			p.keys = p.fillings[i]
		}
	}
	return p
}

func (p *Partition) generations() []Generation {
	gs := make([]Generation, len(p.fillings))
	for i, f := range p.fillings {
		gs[i] = f.Generation()
	}
	return gs
}

// Forget drops everything that is in memory; what was not committed is applied
// again from the log.
func (p *Partition) Forget() {
	p.open, p.rows, p.complete = false, nil, false
	p.dirty, p.dirtyBytes, p.bytes, p.torn, p.behind = nil, 0, 0, false, false
}

// Open reads the checkpoints from the store if the partition does not know them.
func (p *Partition) Open(ctx context.Context) error {
	if p.open {
		return nil
	}
	p.Forget()
	saved, err := p.store.Open(ctx, p.number, p.generations())
	if err != nil {
		return fmt.Errorf("open partition %d: %w", p.number, err)
	}
	fresh := true
	for i, f := range p.fillings {
		w, err := DecodeWorld(saved[i].World)
		if err != nil {
			return fmt.Errorf("open partition %d of %s: %w", p.number, f.Generation(), err)
		}
		f.saved, f.at, f.savedWorld, f.world = saved[i].Checkpoint, saved[i].Checkpoint, w, w
		if strings.HasPrefix(f.at.Cursor, sweepMark) { // the world knows how far it came
			f.at.Cursor = ""
		}
		f.totals, f.changed, f.notes, f.rescore, f.ahead = saved[i].Metrics, nil, nil, false, nil
		if f.totals == nil {
			f.totals = map[string]int64{}
		}
		fresh = fresh && f.saved == Checkpoint{}
	}
	p.rows, p.complete, p.open = map[uuid.UUID]*row{}, fresh, true
	return nil
}

// Position returns up to where every filling has applied the log, committed or
// not: the next batch must not begin after it. Zero before Open.
func (p *Partition) Position() uint64 {
	return p.lowest(func(f *filling) uint64 { return f.at.Position })
}

// Committed returns up to where every filling is in the store. Zero before Open.
func (p *Partition) Committed() uint64 {
	return p.lowest(func(f *filling) uint64 { return f.saved.Position })
}

func (p *Partition) lowest(of func(*filling) uint64) uint64 {
	if !p.open {
		return 0
	}
	lowest := uint64(math.MaxUint64)
	for _, f := range p.fillings {
		lowest = min(lowest, of(f))
	}
	return lowest
}

// idle returns the one checkpoint of all fillings if nothing is waiting to be
// committed, so that it can be moved without the partition's help.
func (p *Partition) idle() (Checkpoint, bool) {
	if !p.open || len(p.dirty) > 0 {
		return Checkpoint{}, false
	}
	first := p.fillings[0].saved
	for _, f := range p.fillings {
		if f.saved != first || f.at != first || f.at.Cursor != "" || f.world != f.savedWorld || f.rescore || len(f.notes) > 0 || len(f.changed) > 0 {
			return Checkpoint{}, false
		}
	}
	return first, true
}

// advanced notes that the checkpoints of an idle partition were moved.
func (p *Partition) advanced(to Checkpoint) {
	for _, f := range p.fillings {
		f.saved, f.at = to, to
	}
}

// Apply applies a batch. Errors: *Poison names the event that cannot be
// applied (what came before it is committed, if it can be), ErrFenced says that another
// partition writes here, ErrGap that the batch begins too late; after all of
// them, and others, the partition has forgotten what it knew.
func (p *Partition) Apply(ctx context.Context, b Batch) error {
	err := p.Open(ctx)
	if err == nil {
		err = p.apply(ctx, b)
	}
	if err != nil {
		p.Forget()
	}
	return err
}

func (p *Partition) apply(ctx context.Context, b Batch) error {
	if b.After > p.Position() {
		return ErrGap
	}
	if err := p.load(ctx, b.Events); err != nil {
		return err
	}
	for i := range b.Events {
		if err := p.one(ctx, &b.Events[i]); err != nil {
			var poisoned *Poison
			if errors.As(err, &poisoned) && !p.torn {
				p.reach(poisoned.Position - 1)
				err = errors.Join(err, p.flush(ctx))
			}
			return err
		}
		if p.dirtyBytes > p.rules.DirtyBytes {
			p.reach(b.Events[i].Position)
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	p.reach(b.End)
	if !b.Live {
		p.behind = true
		return nil
	}
	if p.behind || p.rules.AtOnce { // who was behind has caught up when nothing is left to be done
		if err := p.finishAll(ctx); err != nil {
			return err
		}
		p.behind = false
	}
	return p.flush(ctx)
}

// Flush commits what is in memory.
func (p *Partition) Flush(ctx context.Context) error {
	if !p.open {
		return nil
	}
	err := p.flush(ctx)
	if err != nil {
		p.Forget()
	}
	return err
}

// reach notes that every filling has considered the log up to a position.
func (p *Partition) reach(position uint64) {
	for _, f := range p.fillings {
		if f.at.Cursor == "" {
			f.at.Position = max(f.at.Position, position)
		}
	}
}

// one applies one event to the fillings that are not beyond it.
func (p *Partition) one(ctx context.Context, raw *eventschema.Raw) error {
	if raw.Position <= p.Position() || p.rules.Parked != nil && p.rules.Parked(raw.ID) {
		return nil
	}
	customer, ok := eventschema.CustomerOf(*raw)
	if !ok {
		return p.broadcast(ctx, raw)
	}
	if !p.rules.Schema.Known(raw.Type) {
		return poison(*raw, errUnknownType)
	}
	r := p.rows[customer]
	if !r.complete() { // forgotten while all documents of one view were looked at
		if err := p.fetch(ctx, p.fillings, []uuid.UUID{customer}); err != nil {
			return err
		}
		r = p.rows[customer]
	}
	e, err := p.read(ctx, raw, customer, r)
	if err != nil {
		return err
	}
	for _, f := range p.fillings {
		if raw.Position <= f.at.Position {
			continue
		}
		if f.at.Cursor != "" {
			return fmt.Errorf("partition %d: %s was rescored by an event that is not at position %d any more: rebuild it", p.number, f.Generation(), raw.Position)
		}
		if err := p.fold(f, r, e, raw); err != nil {
			return err
		}
	}
	p.cache.drop(e)
	p.applied++
	return nil
}

// read opens an event of a customer, with the customer's key if it takes one.
func (p *Partition) read(ctx context.Context, raw *eventschema.Raw, customer uuid.UUID, r *row) (Event, error) {
	known := p.cache.get(customer)
	e, err := p.rules.Schema.Open(*raw, known)
	if known == nil && errors.Is(err, eventschema.ErrNoKey) || known != nil && errors.Is(err, eventschema.ErrWrongKey) {
		var key *eventschema.DataKey
		if key, err = p.key(ctx, raw, customer, r); err != nil {
			return Event{}, err
		}
		p.cache.put(customer, key)
		e, err = p.rules.Schema.Open(*raw, key)
	}
	if err != nil {
		return Event{}, poison(*raw, err)
	}
	return e, nil
}

// key finds a customer's data key: in the document that this partition folds,
// in the serving one, at last in the log.
func (p *Partition) key(ctx context.Context, raw *eventschema.Raw, customer uuid.UUID, r *row) (*eventschema.DataKey, error) {
	var d KeyDocument
	if p.keys != nil {
		doc, err := r.held[p.keys.slot].document()
		if err != nil {
			return nil, fmt.Errorf("key of %s: %w", customer, err)
		}
		d = doc.(*holder[KeyDocument]).value
	} else if g := p.rules.KeyDocuments; g.View != "" {
		docs, err := p.store.Load(ctx, p.number, []Generation{g}, []uuid.UUID{customer})
		if err != nil {
			return nil, fmt.Errorf("load the key of %s: %w", customer, err)
		}
		if stored := docs[0][0]; stored != nil {
			h := holder[KeyDocument]{}
			if err := h.decode(stored); err != nil {
				return nil, fmt.Errorf("read the key of %s: %w", customer, err)
			}
			d = h.value
		}
	}
	if d.KeyID == "" && p.rules.KeySource != nil {
		id, wrapped, erased, err := p.rules.KeySource.Key(ctx, customer)
		switch {
		case err != nil:
			return nil, fmt.Errorf("find the key of %s: %w", customer, err)
		case erased:
			return eventschema.Erased, nil
		}
		d = KeyDocument{id, wrapped}
	}
	if d.KeyID == "" || p.rules.Keys == nil {
		return nil, poison(*raw, errNoKey)
	}
	key, err := p.rules.Keys.Unwrap(d.KeyID, d.Wrapped)
	if err != nil {
		return nil, poison(*raw, err)
	}
	return key, nil
}

// fold applies an event to one document. A fold that panics poisons the event.
func (p *Partition) fold(f *filling, r *row, e Event, raw *eventschema.Raw) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			p.torn = true
			err = poison(*raw, fmt.Errorf("%s: panic: %v", f.View, cause))
		}
	}()
	owes, err := f.owes(r)
	if err != nil {
		return fmt.Errorf("document of %s in %s: %w", r.customer, f.Generation(), err)
	}
	return p.alter(f, r, len(raw.Data), func(d document) bool {
		swept := owes && d.change(f.world.Sweep.Cause, f.world)
		return d.fold(e, f.world) || swept
	})
}

// alter changes one document, which grows by about n bytes if it changes.
func (p *Partition) alter(f *filling, r *row, n int, change func(document) bool) error {
	h := &r.held[f.slot]
	doc, err := h.document()
	if err != nil {
		return fmt.Errorf("document of %s in %s: %w", r.customer, f.Generation(), err)
	}
	var places []Place
	var metrics []Metric
	if h.stored && !h.dirty {
		places, metrics = doc.places(f.savedWorld), doc.metrics(f.savedWorld)
	}
	if !change(doc) {
		return nil
	}
	if !h.dirty {
		h.dirty, h.places, h.metrics = true, places, metrics
	}
	if !r.dirty {
		r.dirty = true
		p.dirty = append(p.dirty, r)
		p.dirtyBytes += r.size
	}
	r.size, p.bytes, p.dirtyBytes = r.size+n, p.bytes+n, p.dirtyBytes+n
	return nil
}

// document returns the document, which is decoded when it is looked at first.
func (h *held) document() (document, error) {
	if h.raw != nil {
		if err := h.doc.decode(h.raw); err != nil {
			return nil, err
		}
		h.raw = nil
	}
	return h.doc, nil
}
