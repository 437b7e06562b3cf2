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
// generation of a view with it: documents, indexes, totals and the world, each
// partition at a position where the store stands. Nothing is stopped for it: what
// moved while it was compared is compared again. It needs memory for the whole
// view.
func (m *Manager) Verify(ctx context.Context, view string) (Report, error) {
	m.init()
	at := slices.IndexFunc(m.Views, func(v Projection) bool { return v.String() == view })
	if at < 0 {
		return Report{}, ErrNoView.With("There is no view %q.", view)
	}
	cat, err := m.Store.Catalogue(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("read the catalogue: %w", err)
	}
	if err := m.parked.refresh(ctx, m.Streams, m.Rules.Schema); err != nil {
		return Report{}, err
	}
	n := cat.Views[view].Serving
	if n == 0 {
		return Report{}, ErrNoView.With("The view %q is still being built.", view)
	}
	rules := m.Rules
	rules.KeyDocuments = m.keyDocuments()
	rules.DirtyBytes, rules.CacheBytes, rules.Slice = 1<<20, 1<<20, 1<<30
	rules.Settled = func(string, string) bool { return true } // notes are not compared
	v := &verifier{m: m, rules: rules.withDefaults(), filling: Filling{m.Views[at], n}, report: Report{View: view, Generation: n}}
	for p := range m.Partitions {
		i := newImage()
		v.images = append(v.images, i)
		v.partitions = append(v.partitions, NewPartition(p, i, v.rules, v.filling))
	}
	err = v.run(ctx)
	return v.report, err
}

type verifier struct {
	m          *Manager
	rules      Rules
	filling    Filling
	images     []*image
	partitions []*Partition
	report     Report
}

func (v *verifier) run(ctx context.Context) error {
	_, v.report.Indexes = v.m.Store.(Entries)
	v.report.Position = ^uint64(0)
	open := make([]int, v.m.Partitions)
	for p := range open {
		open[p] = p
	}
	for round := 0; len(open) > 0 && round < verifyRounds; round++ {
		goals := make([]uint64, v.m.Partitions)
		stored, err := v.m.checkpoints(ctx, v.filling.Generation())
		if err != nil {
			return err
		}
		for _, p := range open {
			goals[p] = stored[p].Position
		}
		if err := v.fold(ctx, goals); err != nil {
			return err
		}
		var again []int
		for _, p := range open {
			settled, err := v.compare(ctx, p)
			if err != nil {
				return err
			}
			if !settled {
				again = append(again, p)
			}
		}
		open = again
	}
	if v.report.Unsettled = open; len(open) == v.m.Partitions {
		v.report.Position = 0
	}
	return nil
}

var errThere = errors.New("projections: far enough")

// fold applies the log to the images, each exactly up to its goal.
func (v *verifier) fold(ctx context.Context, goals []uint64) error {
	from, to := ^uint64(0), uint64(0)
	at := make([]uint64, len(goals))
	for p, goal := range goals {
		at[p] = v.images[p].saved.Checkpoint.Position
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

// compare compares one partition with its image. It says false if the store has
// moved meanwhile.
func (v *verifier) compare(ctx context.Context, p int) (settled bool, err error) {
	image, g, store := v.images[p], v.filling.Generation(), v.m.Store
	before, err := store.Open(ctx, p, []Generation{g})
	if err != nil {
		return false, err
	}
	if before[0].Checkpoint != image.saved.Checkpoint {
		return false, nil
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
	v.report.Position = min(v.report.Position, after[0].Checkpoint.Position)
	v.report.Documents += len(image.documents)
	v.report.Entries += len(image.entries)
	v.world(p, after[0].World, image.saved.World)
	v.documents(p, documents, image.documents)
	v.metrics(p, after[0].Metrics, image.saved.Metrics)
	if v.report.Indexes {
		v.entries(p, entries, image.entries)
	}
	return true, nil
}

func (v *verifier) differ(d Difference) {
	if len(v.report.Differences) == differencesListed {
		v.report.More++
		return
	}
	v.report.Differences = append(v.report.Differences, d)
}

func (v *verifier) world(p int, stored, expected []byte) {
	if !bytes.Equal(stored, expected) {
		v.differ(Difference{Partition: p, Kind: DiffWorld, Stored: string(stored), Expected: string(expected)})
	}
}

func (v *verifier) documents(p int, stored, expected map[uuid.UUID][]byte) {
	all := maps.Clone(stored)
	maps.Copy(all, expected)
	for _, c := range slices.SortedFunc(maps.Keys(all), compareCustomers) {
		if !bytes.Equal(stored[c], expected[c]) {
			v.differ(Difference{Partition: p, Kind: DiffDocument, Customer: c, Stored: string(stored[c]), Expected: string(expected[c])})
		}
	}
}

func (v *verifier) metrics(p int, stored, expected map[string]int64) {
	all := maps.Clone(expected)
	maps.Copy(all, stored)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if stored[name] != expected[name] {
			v.differ(Difference{Partition: p, Kind: DiffMetric, Name: name, Stored: fmt.Sprint(stored[name]), Expected: fmt.Sprint(expected[name])})
		}
	}
}

func (v *verifier) entries(p int, stored []Entry, expected map[Entry]bool) {
	seen := make(map[Entry]bool, len(stored))
	for _, e := range stored {
		if seen[e] = true; !expected[e] {
			v.differ(e.difference(p, e.Member, ""))
		}
	}
	for e := range expected {
		if !seen[e] {
			v.differ(e.difference(p, "", e.Member))
		}
	}
}

func (e Entry) difference(p int, stored, expected string) Difference {
	_, customer, _ := strings.Cut(e.Member, "\x00")
	id, _ := uuid.Parse(customer)
	return Difference{Partition: p, Kind: DiffIndex, Name: e.Index, Customer: id, Stored: stored, Expected: expected}
}
