package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// Entries is a Store that can list what stands in its indexes. A verification
// compares them where it can.
type Entries interface {
	// Entries returns all entries of a generation in a partition, in any order.
	Entries(ctx context.Context, partition int, g Generation) ([]Entry, error)
}

// What a verification can find different.
const (
	DiffDocument = "document"
	DiffIndex    = "index"
	DiffMetric   = "metric"
	DiffWorld    = "world"
)

// Difference is something that the store holds and the log does not say, or the
// other way round.
type Difference struct {
	Partition int
	Kind      string    // document, index, metric, world
	Customer  uuid.UUID // of a document or an entry
	Name      string    // of the index or the metric
	Stored    string    // "" if absent
	Expected  string    // "" if absent
}

// Report is what a verification found.
type Report struct {
	View        string
	Generation  int
	Position    uint64 // compared at this position, or later ones, in each partition
	Documents   int
	Entries     int
	Indexes     bool // whether the store could list its indexes
	Differences []Difference
	More        int   // differences that are not listed
	Unsettled   []int // partitions that never stood still long enough to be compared
}

// OK says whether the store holds what the log says.
func (r Report) OK() bool { return len(r.Differences)+r.More+len(r.Unsettled) == 0 }

const (
	differencesListed = 100
	verifyRounds      = 20
)

// Verify folds the log from the start into memory and compares the serving
// generations of some views with it: documents, indexes, totals and the world,
// each partition at a position where the store stands. Nothing is stopped for it:
// what moved while it was compared is compared again. The log is read once; it
// needs memory for the views. The reports come in the order of the views.
func (m *Manager) Verify(ctx context.Context, views ...string) ([]Report, error) {
	m.init()
	if len(views) == 0 {
		return nil, nil
	}
	cat, err := m.Store.Catalogue(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	if err := m.parked.refresh(ctx, m.Streams, m.Rules.Schema); err != nil {
		return nil, err
	}
	rules := m.Rules
	rules.KeyDocuments = m.keyDocuments()
	rules.DirtyBytes, rules.CacheBytes, rules.Slice = 1<<20, 1<<20, 1<<30
	rules.Settled = func(string, string) bool { return true } // notes are not compared
	rules.AtOnce = true
	v := &verifier{m: m, rules: rules.withDefaults()}
	for _, view := range views {
		at := slices.IndexFunc(m.Views, func(v Projection) bool { return v.String() == view })
		if at < 0 {
			return nil, m.noView(view)
		}
		n := cat.Views[view].Serving
		if n == 0 {
			return nil, ErrNoView.With("The view %q is still being built.", view)
		}
		v.fillings = append(v.fillings, Filling{m.Views[at], n})
		v.generations = append(v.generations, Generation{View: view, Number: n})
		v.reports = append(v.reports, &Report{View: view, Generation: n, Position: ^uint64(0)})
	}
	for p := range m.Partitions {
		is := newImages(v.generations, m.Store)
		v.images = append(v.images, is)
		v.partitions = append(v.partitions, NewPartition(p, is, v.rules, v.fillings...))
	}
	if err := v.run(ctx); err != nil {
		return nil, err
	}
	reports := make([]Report, len(v.reports))
	for i, r := range v.reports {
		if len(r.Unsettled) == m.Partitions {
			r.Position = 0
		}
		reports[i] = *r
	}
	return reports, nil
}

type verifier struct {
	m           *Manager
	rules       Rules
	fillings    []Filling
	generations []Generation
	images      []images // by partition
	partitions  []*Partition
	reports     []*Report // by view, as fillings and generations
}

// part is one partition of one view.
type part struct{ view, partition int }

func (v *verifier) run(ctx context.Context) error {
	var open []part
	for view, r := range v.reports {
		_, r.Indexes = v.m.Store.(Entries)
		for p := range v.m.Partitions {
			open = append(open, part{view, p})
		}
	}
	for round := 0; len(open) > 0 && round < verifyRounds; round++ {
		goals, err := v.goals(ctx, open)
		if err != nil {
			return err
		}
		if err := v.fold(ctx, goals); err != nil {
			return err
		}
		var again []part
		for _, o := range open {
			settled, err := v.compare(ctx, o)
			if err != nil {
				return err
			}
			if !settled {
				again = append(again, o)
			}
		}
		open = again
	}
	for _, o := range open {
		v.reports[o.view].Unsettled = append(v.reports[o.view].Unsettled, o.partition)
	}
	return nil
}

// goals says how far each partition is to be folded next: to where the store
// stands, and of views that stand at several places to the first.
func (v *verifier) goals(ctx context.Context, open []part) ([]uint64, error) {
	stored := make([][]Checkpoint, len(v.generations))
	goals, asked := make([]uint64, v.m.Partitions), make([]bool, v.m.Partitions)
	for _, o := range open {
		if stored[o.view] == nil {
			var err error
			if stored[o.view], err = v.m.checkpoints(ctx, v.generations[o.view]); err != nil {
				return nil, err
			}
		}
		if at := stored[o.view][o.partition].Position; !asked[o.partition] || at < goals[o.partition] {
			goals[o.partition], asked[o.partition] = at, true
		}
	}
	return goals, nil
}

var errThere = errors.New("projections: far enough")

// fold applies the log to the images, each exactly up to its goal.
func (v *verifier) fold(ctx context.Context, goals []uint64) error {
	from, to := ^uint64(0), uint64(0)
	at := make([]uint64, len(goals))
	for p, goal := range goals {
		at[p] = v.images[p].kept[v.generations[0]].saved.Checkpoint.Position // of all: they are folded together
		if at[p] < goal {
			from, to = min(from, at[p]), max(to, goal)
		}
	}
	if from >= to {
		return nil
	}
	batches := make([][]eventschema.Raw, len(goals))
	err := v.m.Source.Follow(ctx, from, nil, func(page eventschema.Page) error {
		for i := range page.Events {
			raw := &page.Events[i]
			switch n, all, some := v.rules.route(raw, len(goals)); {
			case all:
				for p := range batches {
					batches[p] = append(batches[p], *raw)
				}
			case some:
				batches[n] = append(batches[n], *raw)
			}
		}
		for p, goal := range goals {
			b := Batch{After: at[p], End: min(page.End, goal), Events: batches[p]}
			batches[p] = batches[p][len(batches[p]):]
			if b.End <= at[p] {
				continue
			}
			b.Events = slices.DeleteFunc(b.Events, func(raw eventschema.Raw) bool { return raw.Position > goal || raw.Position <= at[p] })
			b.Live = b.End == goal
			if err := v.partitions[p].Apply(ctx, b); err != nil {
				return err
			}
			at[p] = b.End
		}
		if page.End >= to {
			return errThere
		}
		return nil
	})
	if errors.Is(err, errThere) {
		return nil
	}
	return err
}

// compare compares one partition of a view with its image. It says false if the
// store has moved meanwhile.
func (v *verifier) compare(ctx context.Context, o part) (settled bool, err error) {
	p, g, store := o.partition, v.generations[o.view], v.m.Store
	image, r := v.images[p].kept[g], v.reports[o.view]
	before, err := store.Open(ctx, p, []Generation{g})
	if err != nil {
		return false, err
	}
	if before[0].Checkpoint != image.saved.Checkpoint {
		return false, nil
	}
	if w, err := DecodeWorld(before[0].World); err != nil || w.Sweep != nil {
		return false, err
	}
	customers, err := store.Customers(ctx, p, g)
	if err != nil {
		return false, err
	}
	documents := make(map[uuid.UUID][]byte, len(customers))
	for some := range slices.Chunk(customers, 500) {
		docs, err := store.Load(ctx, p, []Generation{g}, some)
		if err != nil {
			return false, err
		}
		for i, c := range some {
			documents[c] = docs[0][i]
		}
	}
	var entries []Entry
	if lister, ok := store.(Entries); ok {
		if entries, err = lister.Entries(ctx, p, g); err != nil {
			return false, err
		}
	}
	after, err := store.Open(ctx, p, []Generation{g})
	if err != nil {
		return false, err
	}
	if after[0].Checkpoint != before[0].Checkpoint {
		return false, nil
	}
	r.Position = min(r.Position, after[0].Checkpoint.Position)
	r.Documents += len(image.documents)
	r.Entries += len(image.entries)
	r.world(p, after[0].World, image.saved.World)
	r.documents(p, documents, image.documents)
	r.metrics(p, after[0].Metrics, image.saved.Metrics)
	if r.Indexes {
		r.entries(p, entries, image.entries)
	}
	return true, nil
}

func (r *Report) differ(d Difference) {
	if len(r.Differences) == differencesListed {
		r.More++
		return
	}
	r.Differences = append(r.Differences, d)
}

func (r *Report) world(p int, stored, expected []byte) {
	if !bytes.Equal(stored, expected) {
		r.differ(Difference{Partition: p, Kind: DiffWorld, Stored: string(stored), Expected: string(expected)})
	}
}

func (r *Report) documents(p int, stored, expected map[uuid.UUID][]byte) {
	all := maps.Clone(stored)
	maps.Copy(all, expected)
	for _, c := range slices.SortedFunc(maps.Keys(all), compareCustomers) {
		if !bytes.Equal(stored[c], expected[c]) {
			r.differ(Difference{Partition: p, Kind: DiffDocument, Customer: c, Stored: string(stored[c]), Expected: string(expected[c])})
		}
	}
}

func (r *Report) metrics(p int, stored, expected map[string]int64) {
	all := maps.Clone(expected)
	maps.Copy(all, stored)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if stored[name] != expected[name] {
			r.differ(Difference{Partition: p, Kind: DiffMetric, Name: name, Stored: fmt.Sprint(stored[name]), Expected: fmt.Sprint(expected[name])})
		}
	}
}

func (r *Report) entries(p int, stored []Entry, expected map[Entry]bool) {
	seen := make(map[Entry]bool, len(stored))
	for _, e := range stored {
		if seen[e] = true; !expected[e] {
			r.differ(e.difference(p, e.Member, ""))
		}
	}
	for e := range expected {
		if !seen[e] {
			r.differ(e.difference(p, "", e.Member))
		}
	}
}

func (e Entry) difference(p int, stored, expected string) Difference {
	_, customer, _ := strings.Cut(e.Member, "\x00")
	id, _ := uuid.Parse(customer)
	return Difference{Partition: p, Kind: DiffIndex, Name: e.Index, Customer: id, Stored: stored, Expected: expected}
}
