package partitiontest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
)

// Run holds partitions on a store to the promise, for some random histories.
// The store may hold other things: every history has generations of its own,
// numbered from 1 in one partition.
func Run(t *testing.T, store Store, histories int) {
	for seed := range histories {
		anyHistory(t, store, seed)
	}
}

var errLost = errors.New("connection lost")

// flaky loses some commits before, and some after they are done.
type flaky struct {
	projections.Store
	r *rand.Rand
}

func (f flaky) Commit(ctx context.Context, n int, changes []projections.Change) error {
	switch f.r.IntN(6) {
	case 0:
		return errLost
	case 1:
		return errors.Join(f.Store.Commit(ctx, n, changes), errLost)
	}
	return f.Store.Commit(ctx, n, changes)
}

func anyHistory(t *testing.T, store Store, seed int) {
	t.Helper()
	ctx, r, number := t.Context(), rand.New(rand.NewPCG(uint64(seed), 7)), seed+1
	w := NewWriter(t)
	customers := 1 + r.IntN(12)
	log := w.History(r, 150, customers)
	last := log[len(log)-1].Position
	spend, count, points, keys := NewSpend(), NewCount(), NewPoints(), projections.NewKeys()

	rules := projections.Rules{
		Schema: eventschema.Events, Keys: Keyring, KeySource: w,
		// Small enough that every path is taken.
		DirtyBytes: 1 + r.IntN(4000), CacheBytes: 1 + r.IntN(20000), Slice: 1 + r.IntN(8), Sweep: 1 + r.IntN(4), AtOnce: r.IntN(8) == 0,
	}
	sets := [][]projections.Filling{
		{{View: spend, Number: number}, {View: count, Number: number}, {View: points, Number: number}, {View: keys, Number: number}},
		{{View: keys, Number: number}, {View: points, Number: number}, {View: spend, Number: number}, {View: count, Number: number}},
		{{View: spend, Number: number}},
		{{View: points, Number: number}},
		{{View: count, Number: number}, {View: points, Number: number}, {View: keys, Number: number}},
	}
	var writers [2]*projections.Partition
	var at [2]int // what each writer reads next; it may be behind
	for done := 0; done < len(sets[0]); {
		i := r.IntN(2)
		if writers[i] == nil { // perhaps over other views: their checkpoints drift apart
			writers[i] = projections.NewPartition(0, flaky{store, r}, rules, sets[r.IntN(len(sets))]...)
			if err := writers[i].Open(ctx); err != nil {
				t.Fatal(err)
			}
			at[i] = max(0, after(log, writers[i].Position())-r.IntN(10))
		}
		if r.IntN(3) == 0 {
			if _, err := writers[i].Sweep(ctx); err != nil {
				if !errors.Is(err, errLost) && !errors.Is(err, projections.ErrFenced) {
					t.Fatalf("history %d: sweep: %v", seed, err)
				}
				writers[i] = nil
				continue
			}
		}
		end := min(len(log), at[i]+r.IntN(30))
		b := projections.Batch{Events: log[at[i]:end], Live: r.IntN(3) == 0 || end == len(log)}
		if at[i] > 0 {
			b.After = log[at[i]-1].Position
		}
		if b.End = b.After; end > at[i] {
			b.End = log[end-1].Position
		}
		if err := writers[i].Apply(ctx, b); err != nil {
			if !errors.Is(err, errLost) && !errors.Is(err, projections.ErrFenced) {
				t.Fatalf("history %d: %v", seed, err)
			}
			if r.IntN(2) == 0 {
				writers[i] = nil // another process
			} else if err := writers[i].Open(ctx); err != nil { // this one again
				t.Fatal(err)
			} else {
				at[i] = after(log, writers[i].Position())
			}
			continue
		}
		if at[i] = end; end < len(log) && r.IntN(40) > 0 {
			continue
		}
		writers[i] = nil // killed, or at the end and replaced by another
		done = 0
		for _, f := range sets[0] {
			saved, err := store.Open(ctx, 0, []projections.Generation{f.Generation()})
			check(t, err)
			if saved[0].Checkpoint == (projections.Checkpoint{Position: last}) {
				done++
			}
		}
	}
	compare(t, seed, store, spend, number, w, log)
	compare(t, seed, store, count, number, w, log)
	compare(t, seed, store, points, number, w, log)
	compare(t, seed, store, keys, number, w, log)
}

func after(log []eventschema.Raw, position uint64) int {
	return slices.IndexFunc(append(slices.Clone(log), eventschema.Raw{Position: 1 << 60}), func(raw eventschema.Raw) bool { return raw.Position > position })
}

func compare[D any](t *testing.T, seed int, store Store, v *projections.View[D], number int, w *Writer, log []eventschema.Raw) {
	t.Helper()
	want := Expect(t, v, 1, w.Opened(log))
	got := Read(t.Context(), t, store, projections.Generation{View: v.Name, Number: number}, 1, NoteNames(log))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("history %d, view %s: the store is not the fold of the log (-want +got):\n%s", seed, v.Name, diff)
	}
}
