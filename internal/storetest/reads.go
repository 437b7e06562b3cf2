package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

func testDocuments(t *testing.T, s Store) {
	const partitions, n = 8, 200
	changes := map[int]projections.Change{}
	var ids []uuid.UUID
	var want [][]byte
	for i := range n {
		id := Customer(i)
		p := projections.PartitionOf(id, partitions)
		ch := changes[p]
		if ch.Documents == nil {
			ch = projections.Change{Generation: spend, To: At(1), Documents: map[uuid.UUID][]byte{}}
			changes[p] = ch
		}
		ids, want = append(ids, id, Customer(n+i)), append(want, []byte(fmt.Sprint(i)), nil)
		ch.Documents[id] = []byte(fmt.Sprint(i))
	}
	for p, ch := range changes {
		commit(t, s, p, ch)
	}
	ids, want = append(ids, ids[0]), append(want, want[0]) // asked twice
	got := must(s.Documents(t.Context(), spend, partitions, ids))(t)
	for i := range want {
		if string(got[i]) != string(want[i]) || (got[i] == nil) != (want[i] == nil) {
			t.Fatalf("document %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func testMetrics(t *testing.T, s Store) {
	for p, at := range []uint64{9, 4, 6} {
		commit(t, s, p, projections.Change{
			Generation: spend, To: At(at),
			Metrics: map[string]int64{"n": int64(p + 1), fmt.Sprint("p", p): 1, "zero": int64(p - 1)},
		})
	}
	totals, at, err := s.Metrics(t.Context(), spend, 3)
	if err != nil || at != 4 {
		t.Fatalf("Metrics: at %d, %v", at, err)
	}
	equal(t, "n", totals["n"], int64(6))
	equal(t, "p1", totals["p1"], int64(1))
	equal(t, "zero", totals["zero"], int64(0))
	if _, at, _ := s.Metrics(t.Context(), spend, 4); at != 0 {
		t.Errorf("with an untouched partition: at %d, want 0", at)
	}
}

// fill puts members into an index, spread over the partitions, and returns them sorted.
func fill(t *testing.T, s Store, partitions int, index string, all []string) []string {
	t.Helper()
	slices.Sort(all)
	all = slices.Compact(all)
	adds := make([][]projections.Entry, partitions)
	for i, m := range all {
		p := (i * 7) % partitions
		if i%3 == 0 {
			p = 0 // one partition has more than the others
		}
		adds[p] = append(adds[p], projections.Entry{Index: index, Member: m})
	}
	for p, add := range adds {
		commit(t, s, p, projections.Change{Generation: spend, To: At(uint64(10 + p)), Add: add})
	}
	return all
}

// piece is what Range must answer.
func piece(all []string, q readapi.RangeQuery) []string {
	var out []string
	for i := range all {
		m := all[i]
		if q.Descending {
			m = all[len(all)-1-i]
		}
		beyond := q.After == "" || m > q.After
		if q.Descending {
			beyond = q.After == "" || m < q.After
		}
		if beyond && strings.HasPrefix(m, q.Prefix) && len(out) < q.Limit {
			out = append(out, m)
		}
	}
	return out
}

func testRange(t *testing.T, s Store) {
	const partitions = 8
	r := rand.New(rand.NewPCG(1, 2))
	letters := []string{"a", "b", "\x00", "\xff", "-", "+", "(", "[", "é"}
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	all := []string{"a\xff\xff\x00id", "b\x00id", "\xff\xff\x00id", "\xff\x00id"}
	for range 300 {
		all = append(all, text(r.IntN(4))+"\x00id")
	}
	all = fill(t, s, partitions, "x", all)
	for i := range 400 {
		q := readapi.RangeQuery{Index: "x", Prefix: text(r.IntN(3)), Descending: r.IntN(2) == 0, Limit: r.IntN(60)}
		switch r.IntN(3) {
		case 0:
			q.After = text(r.IntN(4))
		case 1:
			q.After = all[r.IntN(len(all))]
		}
		if i%50 == 0 {
			q.Limit = 1000
		}
		got, at, err := s.Range(t.Context(), spend, partitions, q)
		if err != nil {
			t.Fatalf("%#v: %v", q, err)
		}
		equal(t, fmt.Sprintf("%#v", q), got, piece(all, q))
		if at != 10 {
			t.Fatalf("at %d, want the lowest position 10", at)
		}
	}
}

func testPages(t *testing.T, s Store) {
	const partitions = 16
	var all []string
	for i := range 2_000 {
		all = append(all, Member(fmt.Sprintf("%05d", i/3), Customer(i)))
	}
	all = fill(t, s, partitions, "x", all)
	for _, descending := range []bool{false, true} {
		for _, limit := range []int{7, 100, 999, 2_000} {
			var got []string
			q := readapi.RangeQuery{Index: "x", Descending: descending, Limit: limit}
			for {
				page, _, err := s.Range(t.Context(), spend, partitions, q)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				got = append(got, page...)
				q.After = page[len(page)-1]
			}
			q.After, q.Limit = "", len(all)
			equal(t, fmt.Sprintf("pages of %d, descending %t", limit, descending), got, piece(all, q))
		}
	}
	if got, _, err := s.Range(t.Context(), spend, partitions, readapi.RangeQuery{Index: "x"}); len(got) != 0 || err != nil {
		t.Errorf("limit 0: %d members, %v", len(got), err)
	}
}

// testHistory does the same random things to the store and to memory.
func testHistory(t *testing.T, s Store) {
	const partitions, customers = 4, 12
	ctx := t.Context()
	r := rand.New(rand.NewPCG(3, 4))
	model := memstore.New()
	gs := []projections.Generation{spend, {View: "spend", Number: 2}, {View: "rfm", Number: 1}}
	indexes := []string{"x", "y", "z"}
	entries := func() (es []projections.Entry) {
		for range r.IntN(4) {
			es = append(es, projections.Entry{Index: indexes[r.IntN(3)], Member: Member(fmt.Sprint(r.IntN(5)), Customer(r.IntN(customers)))})
		}
		return es
	}
	for step := range 300 {
		p := r.IntN(partitions)
		if r.IntN(40) == 0 {
			g := gs[r.IntN(len(gs))]
			same(t, "Drop", s.Drop(ctx, g, partitions), model.Drop(ctx, g, partitions))
			continue
		}
		now, err := model.Open(ctx, p, gs)
		if err != nil {
			t.Fatal(err)
		}
		var changes []projections.Change
		for i, g := range gs {
			if r.IntN(2) == 0 {
				continue
			}
			ch := projections.Change{Generation: g, From: now[i].Checkpoint, To: At(uint64(step) + 1), Remove: entries(), Add: entries()}
			if r.IntN(10) == 0 {
				ch.From.Position++ // a stale writer
			}
			if r.IntN(5) == 0 {
				ch.To.Cursor = Customer(r.IntN(customers)).String()
			}
			if r.IntN(3) == 0 {
				ch.World = fmt.Append(nil, "world ", step)
			}
			ch.Documents, ch.Metrics, ch.Notes = map[uuid.UUID][]byte{}, map[string]int64{}, map[string][]byte{}
			for range r.IntN(4) {
				ch.Documents[Customer(r.IntN(customers))] = pick(r, step)
				ch.Notes[fmt.Sprint("n", r.IntN(3))] = pick(r, step)
				ch.Metrics[fmt.Sprint("m", r.IntN(3))] = int64(r.IntN(5) - 2)
			}
			changes = append(changes, ch)
		}
		if r.IntN(10) == 0 {
			moves := map[int][2]projections.Checkpoint{p: {now[0].Checkpoint, At(uint64(step) + 1)}}
			got, err := s.Advance(ctx, gs[:1], moves)
			want, werr := model.Advance(ctx, gs[:1], moves)
			same(t, "Advance", err, werr)
			equal(t, "Advance", got, want)
			continue
		}
		same(t, "Commit", s.Commit(ctx, p, changes), model.Commit(ctx, p, changes))
	}
	for _, g := range gs {
		equal(t, g.String(), content(t, ctx, s, g, partitions, indexes), content(t, ctx, model, g, partitions, indexes))
		for _, name := range []string{"n0", "n1", "n2"} {
			equal(t, "note "+name, must(s.Notes(ctx, g, partitions, name))(t), must(model.Notes(ctx, g, partitions, name))(t))
		}
	}
}

func content(t *testing.T, ctx context.Context, s Store, g projections.Generation, partitions int, indexes []string) Content {
	t.Helper()
	return must(Read(ctx, s, g, partitions, indexes...))(t)
}

func pick(r *rand.Rand, step int) []byte {
	if r.IntN(3) == 0 {
		return nil
	}
	return fmt.Append(nil, "doc ", step, r.IntN(100))
}

func same(t *testing.T, what string, got, want error) {
	t.Helper()
	if errors.Is(want, projections.ErrFenced) != errors.Is(got, projections.ErrFenced) || (got == nil) != (want == nil) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func testStanding(t *testing.T, s Store) {
	standing := func(partition int, g projections.Generation, index, upTo string) []uuid.UUID {
		t.Helper()
		return must(s.Standing(t.Context(), partition, g, index, upTo))(t)
	}
	equal(t, "nobody", standing(0, spend, "due", "9"), []uuid.UUID(nil))
	green := projections.Generation{View: spend.View, Number: spend.Number + 1}
	at := func(key string, customers ...int) (all []projections.Entry) {
		for _, n := range customers {
			all = append(all, projections.Entry{Index: "due", Member: Member(key, Customer(n))})
		}
		return all
	}
	first := slices.Concat(at("2024-02-28", 1), at("2024-02-29", 2, 3), at("2024-03-01", 4), at("2024-02-29 x", 5), at("", 6))
	commit(t, s, 0, projections.Change{Generation: spend, To: At(1), Add: append(first, projections.Entry{Index: "other", Member: Member("2024-01-01", Customer(9))})})
	commit(t, s, 1, projections.Change{Generation: spend, To: At(1), Add: at("2024-01-01", 7)})
	commit(t, s, 0, projections.Change{Generation: green, To: At(1), Add: at("2024-01-01", 8)})
	two := []uuid.UUID{Customer(2), Customer(3)} // of one key by their ids
	slices.SortFunc(two, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	six, one := []uuid.UUID{Customer(6)}, []uuid.UUID{Customer(1)}
	equal(t, "before all keys but the empty one", standing(0, spend, "due", "2024-02-27"), six)
	equal(t, "the empty key", standing(0, spend, "due", ""), six)
	equal(t, "the last key counts", standing(0, spend, "due", "2024-02-28"), slices.Concat(six, one))
	equal(t, "a longer key comes after it", standing(0, spend, "due", "2024-02-29"), slices.Concat(six, one, two))
	equal(t, "all", standing(0, spend, "due", "2024-03-01"), slices.Concat(six, one, two, []uuid.UUID{Customer(5), Customer(4)}))
	equal(t, "a part of a key is not a key", standing(0, spend, "due", "2024-0"), six)
	equal(t, "another partition", standing(1, spend, "due", "9"), []uuid.UUID{Customer(7)})
	equal(t, "another generation", standing(0, green, "due", "9"), []uuid.UUID{Customer(8)})
	commit(t, s, 0, projections.Change{Generation: spend, From: At(1), To: At(2), Remove: at("2024-02-28", 1), Add: at("2024-03-02", 1)})
	equal(t, "who moved on", standing(0, spend, "due", "2024-02-29"), slices.Concat(six, two))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Standing(ctx, 0, spend, "due", "9"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
