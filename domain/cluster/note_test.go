package cluster_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	. "github.com/rapport-crm/rapport/domain/cluster"
)

func TestNotes(t *testing.T) {
	a, b := NewNote(day, "EUR", Default()), NewNote(day, "EUR", Default())
	a.Add(uuid.UUID{3}, []int64{1, -2, 3})
	a.Add(uuid.UUID{1}, []int64{4, 5, 1 << 62})
	b.Add(uuid.UUID{2}, []int64{7, 8, 9})
	b.Add(uuid.UUID{9}, nil)
	want := &Population{
		AsOf: day, Currency: "EUR", Features: Default(), Excluded: 1,
		Customers: []uuid.UUID{{1}, {2}, {3}}, Values: []int64{4, 5, 1 << 62, 7, 8, 9, 1, -2, 3},
	}
	stored := [][]byte{a.Encode(), b.Encode(), NewNote(day, "EUR", Default()).Encode()}
	for range 2 {
		notes := make([]*Note, len(stored))
		for i := range stored {
			var err error
			if notes[i], err = DecodeNote(stored[i]); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(notes[i].Encode(), stored[i]) {
				t.Error("read and written again, it is another one")
			}
		}
		got, err := Merge(notes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		slices.Reverse(stored)
	}
	if row := want.Row(1); !slices.Equal(row, []int64{7, 8, 9}) {
		t.Error(row)
	}
	if p, err := Merge(nil); err != nil || len(p.Customers) != 0 {
		t.Error(p, err)
	}
	if name := NoteName(12); name != "cluster:12" {
		t.Error(name)
	}
}

func TestNotesThatDiffer(t *testing.T) {
	one := NewNote(day, "EUR", Default())
	one.Add(uuid.UUID{1}, []int64{1, 2, 3})
	for name, other := range map[string]*Note{
		"of another day":   NewNote(day+1, "EUR", Default()),
		"another currency": NewNote(day, "USD", Default()),
		"other features":   NewNote(day, "EUR", []string{Monetary}),
		"one twice":        one,
	} {
		if _, err := Merge([]*Note{one, other}); !errors.Is(err, ErrDiffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeNote(f *testing.F) {
	n := NewNote(day, "EUR", Default())
	f.Add(n.Encode())
	for i := range 5 {
		n.Add(who(i), []int64{int64(i), -int64(i * i), 1 << (9 * i)})
	}
	n.Add(uuid.Nil, nil)
	f.Add(n.Encode())
	twice := NewNote(0, "", []string{Monetary})
	twice.Add(uuid.UUID{1}, []int64{1})
	twice.Add(uuid.UUID{1}, []int64{1})
	f.Add(twice.Encode())
	f.Add([]byte{1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stored []byte) {
		n, err := DecodeNote(stored)
		if err != nil {
			return
		}
		p, err := Merge([]*Note{n})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Values) != len(p.Customers)*len(p.Features) {
			t.Fatalf("%d values of %d customers", len(p.Values), len(p.Customers))
		}
		again, err := DecodeNote(n.Encode())
		if err != nil {
			t.Fatal(err)
		}
		same, err := Merge([]*Note{again})
		if diff := cmp.Diff(p, same); diff != "" || err != nil {
			t.Fatal(diff, err)
		}
		Solve(requested(nil), "", 1, p)
	})
}
