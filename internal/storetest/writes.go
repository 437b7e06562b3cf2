package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
)

func testCatalogueRace(t *testing.T, s Store) {
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := s.SaveCatalogue(t.Context(), projections.Catalogue{LogID: fmt.Sprint(i)})
			switch {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, projections.ErrFenced):
				t.Errorf("SaveCatalogue: %v", err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d of 16 saved version 1", wins.Load())
	}
}

func testAtomic(t *testing.T, s Store) {
	ann := Customer(1)
	green := projections.Generation{View: "spend", Number: 2}
	change := func(g projections.Generation, from, to uint64, doc string) projections.Change {
		return projections.Change{
			Generation: g, From: At(from), To: At(to), World: []byte(doc),
			Documents: map[uuid.UUID][]byte{ann: []byte(doc)},
			Add:       []projections.Entry{{Index: "x", Member: Member(doc, ann)}},
			Metrics:   map[string]int64{"n": int64(to)},
			Notes:     map[string][]byte{"n": []byte(doc)},
		}
	}
	commit(t, s, 1, change(spend, 0, 4, "a"), change(green, 0, 2, "b"))
	for _, wrong := range [][]projections.Change{
		{change(spend, 4, 6, "c"), change(green, 3, 6, "c")},
		{change(green, 3, 6, "c"), change(spend, 4, 6, "c")},
		{change(spend, 0, 6, "c"), change(green, 2, 6, "c")},
	} {
		fenced(t, s, 1, wrong...)
	}
	for g, want := range map[projections.Generation]projections.Saved{
		spend: {Checkpoint: At(4), World: []byte("a"), Metrics: map[string]int64{"n": 4}},
		green: {Checkpoint: At(2), World: []byte("b"), Metrics: map[string]int64{"n": 2}},
	} {
		equal(t, "Open", saved(t, s, 1, g), want)
		equal(t, "Load", string(load(t, s, 1, g, ann)), string(want.World))
		equal(t, "Range", members(t, s, g, 2, "x"), []string{Member(string(want.World), ann)})
		equal(t, "Notes", must(s.Notes(t.Context(), g, 2, "n"))(t), [][]byte{nil, want.World})
	}
	commit(t, s, 1, change(spend, 4, 6, "c"), change(green, 2, 6, "c"))
	equal(t, "Load", string(load(t, s, 1, green, ann)), "c")
}

func testTwice(t *testing.T, s Store) {
	ann := Customer(1)
	first := projections.Change{Generation: spend, To: At(3), Documents: map[uuid.UUID][]byte{ann: []byte("1")}, Metrics: map[string]int64{"n": 1}}
	commit(t, s, 0, first)
	fenced(t, s, 0, first)
	commit(t, s, 0, projections.Change{Generation: spend, From: At(3), To: At(9), Documents: map[uuid.UUID][]byte{ann: []byte("2")}, Metrics: map[string]int64{"n": 2}})
	fenced(t, s, 0, first)
	equal(t, "Load", string(load(t, s, 0, spend, ann)), "2")
	equal(t, "Open", saved(t, s, 0, spend), projections.Saved{Checkpoint: At(9), Metrics: map[string]int64{"n": 2}})
}

func testCursor(t *testing.T, s Store) {
	at := projections.Checkpoint{Position: 3, Cursor: Customer(1).String()}
	next := projections.Checkpoint{Position: 3, Cursor: Customer(2).String()}
	commit(t, s, 0, projections.Change{Generation: spend, To: at})
	equal(t, "Open", saved(t, s, 0, spend).Checkpoint, at)
	fenced(t, s, 0, projections.Change{Generation: spend, From: At(3), To: At(4)})
	fenced(t, s, 0, projections.Change{Generation: spend, From: next, To: At(4)})
	commit(t, s, 0, projections.Change{Generation: spend, From: at, To: next})
	equal(t, "Checkpoints", must(s.Checkpoints(t.Context(), spend, 1))(t), []projections.Checkpoint{next})
	commit(t, s, 0, projections.Change{Generation: spend, From: next, To: At(4)})
	equal(t, "Open", saved(t, s, 0, spend).Checkpoint, At(4))
	// Positions are told apart to the last bit.
	const high = 1<<64 - 2
	commit(t, s, 0, projections.Change{Generation: spend, From: At(4), To: At(high)})
	fenced(t, s, 0, projections.Change{Generation: spend, From: At(high - 1), To: At(high + 1)})
	commit(t, s, 0, projections.Change{Generation: spend, From: At(high), To: At(high + 1)})
	equal(t, "Open", saved(t, s, 0, spend).Checkpoint, At(high+1))
}

func testDelete(t *testing.T, s Store) {
	ann, bob := Customer(1), Customer(2)
	commit(t, s, 0, projections.Change{
		Generation: spend, To: At(1), World: []byte("w"),
		Documents: map[uuid.UUID][]byte{ann: []byte("ann"), bob: []byte("bob")},
		Add:       []projections.Entry{{Index: "x", Member: "1"}, {Index: "x", Member: "2"}, {Index: "y", Member: "3"}},
		Metrics:   map[string]int64{"a": 1, "b": 2},
		Notes:     map[string][]byte{"a": []byte("1"), "b": []byte("2")},
	})
	commit(t, s, 0, projections.Change{Generation: spend, From: At(1), To: At(2)})
	equal(t, "Open", saved(t, s, 0, spend), projections.Saved{Checkpoint: At(2), World: []byte("w"), Metrics: map[string]int64{"a": 1, "b": 2}})
	commit(t, s, 0, projections.Change{
		Generation: spend, From: At(2), To: At(3),
		Documents: map[uuid.UUID][]byte{ann: nil, Customer(3): nil},
		Remove:    []projections.Entry{{Index: "x", Member: "1"}, {Index: "y", Member: "3"}, {Index: "z", Member: "4"}},
		Metrics:   map[string]int64{"a": 0, "c": 0},
		Notes:     map[string][]byte{"a": nil, "c": nil},
	})
	equal(t, "Open", saved(t, s, 0, spend), projections.Saved{Checkpoint: At(3), World: []byte("w"), Metrics: map[string]int64{"b": 2}})
	equal(t, "Customers", must(s.Customers(t.Context(), 0, spend))(t), []uuid.UUID{bob})
	if load(t, s, 0, spend, ann) != nil {
		t.Error("a deleted document is there")
	}
	equal(t, "x", members(t, s, spend, 1, "x"), []string{"2"})
	equal(t, "y", members(t, s, spend, 1, "y"), []string(nil))
	equal(t, "note a", must(s.Notes(t.Context(), spend, 1, "a"))(t), [][]byte{nil})
	equal(t, "note b", must(s.Notes(t.Context(), spend, 1, "b"))(t), [][]byte{[]byte("2")})
}

func testRemoveAdd(t *testing.T, s Store) {
	e := []projections.Entry{{Index: "x", Member: "1"}}
	commit(t, s, 0, projections.Change{Generation: spend, To: At(1), Add: e})
	commit(t, s, 0, projections.Change{Generation: spend, From: At(1), To: At(2), Remove: e, Add: e})
	equal(t, "x", members(t, s, spend, 1, "x"), []string{"1"})
	commit(t, s, 0, projections.Change{Generation: spend, From: At(2), To: At(3), Add: e})
	equal(t, "x", members(t, s, spend, 1, "x"), []string{"1"})
}

func testApart(t *testing.T, s Store) {
	ann := Customer(1)
	type place struct {
		p int
		g projections.Generation
	}
	places := []place{
		{1, spend}, {11, spend}, {1, projections.Generation{View: "spend", Number: 11}},
		{1, projections.Generation{View: "spend1", Number: 1}}, {2, projections.Generation{View: "a:x", Number: 1}},
		{2, projections.Generation{View: "a", Number: 1}},
	}
	for i, at := range places {
		name := fmt.Sprint(i)
		commit(t, s, at.p, projections.Change{
			Generation: at.g, To: At(uint64(i + 1)),
			Documents: map[uuid.UUID][]byte{ann: []byte(name)},
			Add:       []projections.Entry{{Index: "x", Member: name}},
			Metrics:   map[string]int64{"n": int64(i + 1)},
		})
	}
	for i, at := range places {
		equal(t, "Open", saved(t, s, at.p, at.g), projections.Saved{Checkpoint: At(uint64(i + 1)), Metrics: map[string]int64{"n": int64(i + 1)}})
		equal(t, "Load", string(load(t, s, at.p, at.g, ann)), fmt.Sprint(i))
	}
	equal(t, "Range", members(t, s, places[5].g, 12, "x"), []string{"5"})
	equal(t, "Range", members(t, s, spend, 12, "x"), []string{"0", "1"})
}

func testAdvance(t *testing.T, s Store) {
	green := projections.Generation{View: "spend", Number: 2}
	gs := []projections.Generation{spend, green}
	for p := range 4 {
		commit(t, s, p, projections.Change{Generation: spend, To: At(1)}, projections.Change{Generation: green, To: At(1)})
	}
	commit(t, s, 2, projections.Change{Generation: green, From: At(1), To: At(2)})
	to := At(7)
	got, err := s.Advance(t.Context(), gs, map[int][2]projections.Checkpoint{
		0: {At(1), to}, 1: {At(3), to}, 2: {At(1), to}, 3: {At(1), {Position: 8, Cursor: "c"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	equal(t, "fenced", got, []int{1, 2})
	equal(t, "spend", must(s.Checkpoints(t.Context(), spend, 4))(t), []projections.Checkpoint{to, At(1), At(1), {Position: 8, Cursor: "c"}})
	equal(t, "green", must(s.Checkpoints(t.Context(), green, 4))(t), []projections.Checkpoint{to, At(1), At(2), {Position: 8, Cursor: "c"}})
}

func testWriters(t *testing.T, s Store) {
	const writers, steps = 8, 40
	var wins [steps]atomic.Int32
	var wg sync.WaitGroup
	ctx := t.Context()
	for range writers {
		wg.Go(func() {
			for {
				got, err := s.Open(ctx, 5, []projections.Generation{spend})
				if err != nil {
					t.Errorf("Open: %v", err)
					return
				}
				at := got[0].Checkpoint
				if got[0].Metrics["n"] != int64(at.Position) {
					t.Errorf("at %d: total %d", at.Position, got[0].Metrics["n"])
					return
				}
				if at.Position == steps {
					return
				}
				err = s.Commit(ctx, 5, []projections.Change{{
					Generation: spend, From: at, To: At(at.Position + 1),
					Metrics: map[string]int64{"n": int64(at.Position) + 1},
				}})
				switch {
				case err == nil:
					wins[at.Position].Add(1)
				case !errors.Is(err, projections.ErrFenced):
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range wins {
		if n := wins[i].Load(); n != 1 {
			t.Errorf("%d writers won step %d", n, i)
		}
	}
}

// The document, the world and the checkpoint say the same number at any moment.
func testMoment(t *testing.T, s Store) {
	const steps = 100
	ctx, ann := t.Context(), Customer(1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(steps) {
			text := []byte(fmt.Sprint(i + 1))
			err := s.Commit(ctx, 6, []projections.Change{{
				Generation: spend, From: At(i), To: At(i + 1), World: text,
				Documents: map[uuid.UUID][]byte{ann: text},
			}})
			if err != nil {
				t.Errorf("Commit: %v", err)
				return
			}
		}
	})
	for {
		doc, world, at, err := s.Document(ctx, spend, 6, ann)
		if err != nil {
			t.Fatal(err)
		}
		if at.Position > 0 && (string(doc) != fmt.Sprint(at.Position) || string(world) != string(doc)) {
			t.Fatalf("at %d: document %s, world %s", at.Position, doc, world)
		}
		if at.Position == steps || t.Failed() {
			break
		}
	}
	wg.Wait()
}

func testConcurrent(t *testing.T, s Store) {
	const partitions, steps = 64, 10
	ctx := t.Context()
	var wg sync.WaitGroup
	for p := range partitions {
		wg.Go(func() {
			for i := range uint64(steps) {
				err := s.Commit(ctx, p, []projections.Change{{
					Generation: spend, From: At(i), To: At(i + 1),
					Documents: map[uuid.UUID][]byte{Customer(int(i)): []byte(fmt.Sprint(p, i))},
					Metrics:   map[string]int64{"n": int64(i + 1)},
				}})
				if err != nil {
					t.Errorf("partition %d: %v", p, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for p := range partitions {
		equal(t, "Open", saved(t, s, p, spend), projections.Saved{Checkpoint: At(steps), Metrics: map[string]int64{"n": steps}})
		equal(t, "Load", string(load(t, s, p, spend, Customer(7))), fmt.Sprint(p, 7))
	}
}

func testLarge(t *testing.T, s Store) {
	const n = 12_000
	ctx := t.Context()
	body := strings.Repeat("x", 300)
	ch := projections.Change{Generation: spend, To: At(1), Documents: map[uuid.UUID][]byte{}, Metrics: map[string]int64{}, Notes: map[string][]byte{}}
	ids := make([]uuid.UUID, n)
	for i := range n {
		ids[i] = Customer(i)
		ch.Documents[ids[i]] = fmt.Appendf(nil, "%d %s", i, body)
		ch.Add = append(ch.Add, projections.Entry{Index: "x", Member: Member(fmt.Sprintf("%08d", i), ids[i])})
	}
	for i := range 2_000 {
		ch.Metrics[fmt.Sprint("m", i)] = int64(i + 1)
		ch.Add = append(ch.Add, projections.Entry{Index: fmt.Sprint("many", i), Member: "1"})
	}
	ch.Notes["big"] = []byte(strings.Repeat("y", 2<<20))
	commit(t, s, 0, ch)
	docs := must(s.Load(ctx, 0, []projections.Generation{spend}, ids))(t)
	for i, doc := range docs[0] {
		if want := fmt.Sprintf("%d %s", i, body); string(doc) != want {
			t.Fatalf("document %d is %.40q", i, doc)
		}
	}
	if got := must(s.Customers(ctx, 0, spend))(t); len(got) != n {
		t.Fatalf("%d customers, want %d", len(got), n)
	}
	if got := members(t, s, spend, 1, "x"); len(got) != n {
		t.Fatalf("%d members, want %d", len(got), n)
	}
	if got := saved(t, s, 0, spend).Metrics; len(got) != 2_000 || got["m1999"] != 2_000 {
		t.Fatalf("%d metrics", len(got))
	}
	if got := must(s.Notes(ctx, spend, 1, "big"))(t)[0]; !bytes.Equal(got, ch.Notes["big"]) {
		t.Fatalf("the note has %d bytes, want the %d it was given", len(got), len(ch.Notes["big"]))
	}
	// And away with all of it.
	gone := projections.Change{Generation: spend, From: At(1), To: At(2), Remove: ch.Add, Documents: map[uuid.UUID][]byte{}, Metrics: map[string]int64{}}
	for id := range ch.Documents {
		gone.Documents[id] = nil
	}
	for name := range ch.Metrics {
		gone.Metrics[name] = 0
	}
	commit(t, s, 0, gone)
	equal(t, "Open", saved(t, s, 0, spend), projections.Saved{Checkpoint: At(2)})
	equal(t, "Customers", must(s.Customers(ctx, 0, spend))(t), []uuid.UUID(nil))
	equal(t, "Range", members(t, s, spend, 1, "x"), []string(nil))
}

func testBytes(t *testing.T, s Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	commit(t, s, 0, projections.Change{
		Generation: spend, To: At(1), World: all,
		Documents: map[uuid.UUID][]byte{Customer(1): all, Customer(2): {}},
		Add:       []projections.Entry{{Index: string(all), Member: string(all)}},
		Metrics:   map[string]int64{string(all): -1 << 63, "max": 1<<63 - 1},
		Notes:     map[string][]byte{string(all): all, "empty": {}},
	})
	equal(t, "Open", saved(t, s, 0, spend), projections.Saved{Checkpoint: At(1), World: all, Metrics: map[string]int64{string(all): -1 << 63, "max": 1<<63 - 1}})
	equal(t, "Load", load(t, s, 0, spend, Customer(1)), all)
	if doc := load(t, s, 0, spend, Customer(2)); doc == nil || len(doc) != 0 {
		t.Errorf("an empty document came back as %q, nil %t", doc, doc == nil)
	}
	equal(t, "Range", members(t, s, spend, 1, string(all)), []string{string(all)})
	equal(t, "Notes", must(s.Notes(t.Context(), spend, 1, string(all)))(t), [][]byte{all})
	if note := must(s.Notes(t.Context(), spend, 1, "empty"))(t)[0]; note == nil {
		t.Error("an empty note came back as nil")
	}
	// What was given may be changed afterwards, what was returned too.
	load(t, s, 0, spend, Customer(1))[0] = 'x'
	all[1] = 'y'
	if doc := load(t, s, 0, spend, Customer(1)); doc[0] != 0 || doc[1] != 1 {
		t.Error("the store shares its bytes with its callers")
	}
}

func testDrop(t *testing.T, s Store) {
	const partitions = 5
	ctx := t.Context()
	green := projections.Generation{View: "spend", Number: 2}
	for p := range partitions {
		for _, g := range []projections.Generation{spend, green} {
			ch := projections.Change{
				Generation: g, To: At(1), World: []byte("w"),
				Documents: map[uuid.UUID][]byte{}, Metrics: map[string]int64{"n": 1},
				Notes: map[string][]byte{"n": []byte("n")},
			}
			for i := range 300 {
				ch.Documents[Customer(i)] = []byte("d")
				ch.Add = append(ch.Add, projections.Entry{Index: fmt.Sprint("x", i), Member: fmt.Sprint(p)})
			}
			commit(t, s, p, ch)
		}
	}
	for range 2 {
		if err := s.Drop(ctx, spend, partitions); err != nil {
			t.Fatal(err)
		}
		for p := range partitions {
			equal(t, "Open", saved(t, s, p, spend), projections.Saved{})
			equal(t, "Customers", must(s.Customers(ctx, p, spend))(t), []uuid.UUID(nil))
			equal(t, "the other generation", saved(t, s, p, green).Checkpoint, At(1))
		}
		for i := range 300 {
			equal(t, "Range", members(t, s, spend, partitions, fmt.Sprint("x", i)), []string(nil))
		}
		equal(t, "Notes", must(s.Notes(ctx, spend, partitions, "n"))(t), make([][]byte, partitions))
	}
	equal(t, "the other index", members(t, s, green, partitions, "x7"), []string{"0", "1", "2", "3", "4"})
	equal(t, "the other documents", string(load(t, s, 4, green, Customer(299))), "d")
	commit(t, s, 0, projections.Change{Generation: spend, To: At(1)}) // the place can be used again
}

func testDropFence(t *testing.T, s Store) {
	commit(t, s, 0, projections.Change{Generation: spend, To: At(5)})
	if err := s.Drop(t.Context(), spend, 1); err != nil {
		t.Fatal(err)
	}
	fenced(t, s, 0, projections.Change{Generation: spend, From: At(5), To: At(6), Documents: map[uuid.UUID][]byte{Customer(1): []byte("d")}})
	equal(t, "Customers", must(s.Customers(t.Context(), 0, spend))(t), []uuid.UUID(nil))
}
