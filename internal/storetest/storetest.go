// Package storetest holds what every store of the read models must do. An
// implementation joins with one test:
//
//	storetest.Run(t, func(t *testing.T) storetest.Store { return … })
//
// open is called many times and gives an empty store each time. It closes what
// it opens with t.Cleanup. Tests do not run in parallel, so that a store may be
// emptied and given again.
package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// Store is both sides of a store: what projections write and queries read.
type Store interface {
	projections.Store
	readapi.Documents
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Store) {
	tests := []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"nothing is there at the start", testEmpty},
		{"the catalogue is replaced only by who knows its version", testCatalogue},
		{"one of many who save the catalogue wins", testCatalogueRace},
		{"a commit is seen by every reader", testCommit},
		{"a commit writes all generations or none", testAtomic},
		{"a commit that is sent twice is fenced and harmless", testTwice},
		{"a checkpoint within a broadcast is compared too", testCursor},
		{"absent values stay, nil and zero delete", testDelete},
		{"an entry that is removed and added stands", testRemoveAdd},
		{"partitions and generations are apart", testApart},
		{"idle partitions advance, fenced ones are named", testAdvance},
		{"one of many writers wins each step", testWriters},
		{"a reader sees one moment", testMoment},
		{"many partitions commit at once", testConcurrent},
		{"a large commit is written whole", testLarge},
		{"odd bytes come back as they were", testBytes},
		{"documents of any partitions come in the order asked", testDocuments},
		{"totals are summed, the lowest position is told", testMetrics},
		{"a range is a piece of the sorted members", testRange},
		{"pages put together are the whole index", testPages},
		{"who stands under a key comes in the order of the keys", testStanding},
		{"dropping leaves nothing and can be repeated", testDrop},
		{"a stale writer is fenced after a drop", testDropFence},
		{"a cancelled call fails", testCancelled},
		{"any history reads as it does in memory", testHistory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

var spend = projections.Generation{View: "spend", Number: 1}

// At is a checkpoint at a position.
func At(position uint64) projections.Checkpoint {
	return projections.Checkpoint{Position: position}
}

// Customer returns the n-th customer. The ids spread over the partitions.
func Customer(n int) uuid.UUID {
	return uuid.NewSHA1(uuid.Nil, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Member returns an index member: key, NUL, customer.
func Member(key string, customer uuid.UUID) string { return key + "\x00" + customer.String() }

func commit(t *testing.T, s Store, partition int, changes ...projections.Change) {
	t.Helper()
	if err := s.Commit(t.Context(), partition, changes); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

func fenced(t *testing.T, s Store, partition int, changes ...projections.Change) {
	t.Helper()
	if err := s.Commit(t.Context(), partition, changes); !errors.Is(err, projections.ErrFenced) {
		t.Fatalf("Commit: %v, want ErrFenced", err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// saved is what Open tells of one generation.
func saved(t *testing.T, s Store, partition int, g projections.Generation) projections.Saved {
	t.Helper()
	got := must(s.Open(t.Context(), partition, []projections.Generation{g}))(t)
	if len(got) != 1 {
		t.Fatalf("Open: %d results for one generation", len(got))
	}
	return got[0]
}

func load(t *testing.T, s Store, partition int, g projections.Generation, customer uuid.UUID) []byte {
	t.Helper()
	return must(s.Load(t.Context(), partition, []projections.Generation{g}, []uuid.UUID{customer}))(t)[0][0]
}

func members(t *testing.T, s Store, g projections.Generation, partitions int, index string) []string {
	t.Helper()
	got, _, err := s.Range(t.Context(), g, partitions, readapi.RangeQuery{Index: index, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func testEmpty(t *testing.T, s Store) {
	ctx := t.Context()
	equal(t, "Catalogue", must(s.Catalogue(ctx))(t), projections.Catalogue{})
	got := must(s.Open(ctx, 3, []projections.Generation{spend, {View: "rfm", Number: 2}}))(t)
	equal(t, "Open", got, []projections.Saved{{}, {}})
	if got[0].World != nil {
		t.Error("the world is not nil at the start")
	}
	equal(t, "Open of none", must(s.Open(ctx, 3, nil))(t), []projections.Saved(nil))
	docs := must(s.Load(ctx, 3, []projections.Generation{spend}, []uuid.UUID{Customer(1), Customer(2)}))(t)
	if len(docs) != 1 || len(docs[0]) != 2 || docs[0][0] != nil || docs[0][1] != nil {
		t.Errorf("Load: %q", docs)
	}
	if docs := must(s.Load(ctx, 3, []projections.Generation{spend}, nil))(t); len(docs) != 1 || len(docs[0]) != 0 {
		t.Errorf("Load of nobody: %q", docs)
	}
	if docs := must(s.Load(ctx, 3, nil, []uuid.UUID{Customer(1)}))(t); len(docs) != 0 {
		t.Errorf("Load of no generation: %q", docs)
	}
	equal(t, "Customers", must(s.Customers(ctx, 3, spend))(t), []uuid.UUID(nil))
	equal(t, "Notes", must(s.Notes(ctx, spend, 4, "n"))(t), make([][]byte, 4))
	doc, world, at, err := s.Document(ctx, spend, 3, Customer(1))
	if doc != nil || world != nil || at != (projections.Checkpoint{}) || err != nil {
		t.Errorf("Document: %q, %q, %v, %v", doc, world, at, err)
	}
	equal(t, "Documents", must(s.Documents(ctx, spend, 4, []uuid.UUID{Customer(1)}))(t), [][]byte{nil})
	equal(t, "Documents of nobody", must(s.Documents(ctx, spend, 4, nil))(t), [][]byte(nil))
	equal(t, "Range", members(t, s, spend, 4, "x"), []string(nil))
	totals, low, err := s.Metrics(ctx, spend, 4)
	if len(totals) != 0 || low != 0 || err != nil {
		t.Errorf("Metrics: %v, %d, %v", totals, low, err)
	}
	equal(t, "Checkpoints", must(s.Checkpoints(ctx, spend, 4))(t), make([]projections.Checkpoint, 4))
	world, at, err = s.World(ctx, spend, 3)
	if world != nil || at != (projections.Checkpoint{}) || err != nil {
		t.Errorf("World: %q, %v, %v", world, at, err)
	}
	commit(t, s, 3) // nothing to do is done
	if fenced, err := s.Advance(ctx, []projections.Generation{spend}, nil); len(fenced) != 0 || err != nil {
		t.Errorf("Advance of nothing: %v, %v", fenced, err)
	}
	if err := s.Drop(ctx, spend, 4); err != nil {
		t.Errorf("Drop: %v", err)
	}
}

func testCatalogue(t *testing.T, s Store) {
	ctx := t.Context()
	want := projections.Catalogue{
		LogID: "log", Partitions: 64,
		Views: map[string]projections.Slot{
			"spend": {Serving: 1, Building: 2, Retired: []int{7, 8}, Last: 1 << 40},
			"é\"":   {Last: 1},
		},
	}
	if err := s.SaveCatalogue(ctx, want); err != nil {
		t.Fatal(err)
	}
	want.Version = 1
	equal(t, "Catalogue", must(s.Catalogue(ctx))(t), want)
	for _, version := range []uint64{0, 2} {
		stale := want
		stale.Version, stale.LogID = version, "other"
		if err := s.SaveCatalogue(ctx, stale); !errors.Is(err, projections.ErrFenced) {
			t.Fatalf("SaveCatalogue at version %d: %v, want ErrFenced", version, err)
		}
	}
	equal(t, "Catalogue after a fence", must(s.Catalogue(ctx))(t), want)
	want.Views = nil
	if err := s.SaveCatalogue(ctx, want); err != nil {
		t.Fatal(err)
	}
	want.Version = 2
	equal(t, "Catalogue", must(s.Catalogue(ctx))(t), want)
}

func testCommit(t *testing.T, s Store) {
	ctx := t.Context()
	ann, bob := Customer(1), Customer(2)
	commit(t, s, 0, projections.Change{
		Generation: spend, To: At(5),
		World:     []byte(`{"w":1}`),
		Documents: map[uuid.UUID][]byte{ann: []byte("ann"), bob: []byte("bob")},
		Add:       []projections.Entry{{Index: "x", Member: Member("1", ann)}, {Index: "x", Member: Member("2", bob)}, {Index: "y", Member: Member("", ann)}},
		Metrics:   map[string]int64{"customers": 2, "debt": -7},
		Notes:     map[string][]byte{"n": []byte("note")},
	})
	want := projections.Saved{Checkpoint: At(5), World: []byte(`{"w":1}`), Metrics: map[string]int64{"customers": 2, "debt": -7}}
	other := projections.Generation{View: "other", Number: 1}
	equal(t, "Open", must(s.Open(ctx, 0, []projections.Generation{other, spend}))(t), []projections.Saved{{}, want})
	docs := must(s.Load(ctx, 0, []projections.Generation{spend, other}, []uuid.UUID{bob, Customer(3), ann}))(t)
	equal(t, "Load", docs, [][][]byte{{[]byte("bob"), nil, []byte("ann")}, {nil, nil, nil}})
	ids := []uuid.UUID{ann, bob}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	equal(t, "Customers", must(s.Customers(ctx, 0, spend))(t), ids)
	equal(t, "Notes", must(s.Notes(ctx, spend, 2, "n"))(t), [][]byte{[]byte("note"), nil})
	doc, world, at, err := s.Document(ctx, spend, 0, ann)
	if string(doc) != "ann" || string(world) != `{"w":1}` || at != At(5) || err != nil {
		t.Errorf("Document: %q, %q, %v, %v", doc, world, at, err)
	}
	equal(t, "Together", must(s.Together(ctx, []projections.Generation{other, spend}, 0, ann))(t),
		[]readapi.Found{{}, {Document: []byte("ann"), World: []byte(`{"w":1}`), At: At(5)}})
	equal(t, "Documents", must(s.Documents(ctx, spend, 1, []uuid.UUID{bob, Customer(3), ann}))(t), [][]byte{[]byte("bob"), nil, []byte("ann")})
	equal(t, "Range x", members(t, s, spend, 1, "x"), []string{Member("1", ann), Member("2", bob)})
	equal(t, "Range y", members(t, s, spend, 1, "y"), []string{Member("", ann)})
	totals, low, err := s.Metrics(ctx, spend, 1)
	if err != nil || low != 5 {
		t.Errorf("Metrics: %d, %v", low, err)
	}
	equal(t, "Metrics", totals, map[string]int64{"customers": 2, "debt": -7})
	equal(t, "Checkpoints", must(s.Checkpoints(ctx, spend, 2))(t), []projections.Checkpoint{At(5), {}})
	world, at, err = s.World(ctx, spend, 0)
	if string(world) != `{"w":1}` || at != At(5) || err != nil {
		t.Errorf("World: %q, %v, %v", world, at, err)
	}
}

func testCancelled(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, 0, []projections.Change{{Generation: spend, To: At(1)}}); err == nil {
		t.Error("Commit: no error")
	}
	if _, err := s.Open(ctx, 0, []projections.Generation{spend}); err == nil {
		t.Error("Open: no error")
	}
	if _, _, err := s.Range(ctx, spend, 4, readapi.RangeQuery{Index: "x", Limit: 1}); err == nil {
		t.Error("Range: no error")
	}
}

// Content is everything a store tells of a generation, to compare two stores.
type Content struct {
	Checkpoints []projections.Checkpoint
	Worlds      []string
	Metrics     []map[string]int64
	Documents   []map[string]string
	Indexes     map[string][]string
}

// Read returns the content of a generation. Indexes must be named, because a
// store does not tell which there are.
func Read(ctx context.Context, s Store, g projections.Generation, partitions int, indexes ...string) (Content, error) {
	c := Content{Indexes: map[string][]string{}}
	for p := range partitions {
		saved, err := s.Open(ctx, p, []projections.Generation{g})
		if err != nil {
			return c, err
		}
		c.Checkpoints = append(c.Checkpoints, saved[0].Checkpoint)
		c.Worlds = append(c.Worlds, fmt.Sprintf("%q", saved[0].World))
		c.Metrics = append(c.Metrics, maps.Clone(saved[0].Metrics))
		ids, err := s.Customers(ctx, p, g)
		if err != nil {
			return c, err
		}
		docs, err := s.Load(ctx, p, []projections.Generation{g}, ids)
		if err != nil {
			return c, err
		}
		m := map[string]string{}
		for i, id := range ids {
			m[id.String()] = string(docs[0][i])
		}
		c.Documents = append(c.Documents, m)
	}
	for _, name := range indexes {
		members, _, err := s.Range(ctx, g, partitions, readapi.RangeQuery{Index: name, Limit: 1 << 20})
		if err != nil {
			return c, err
		}
		c.Indexes[name] = members
	}
	return c, nil
}
