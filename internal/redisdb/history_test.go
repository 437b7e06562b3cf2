package redisdb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

// However the log is cut into batches, whatever is lost or delivered again, and
// whoever else writes, Redis holds the fold of the log.
func TestAnyHistory(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			partitiontest.Run(t, open(t, k.name), 15)
		})
	}
}

// Entries lists every index, in pieces.
func TestEntries(t *testing.T) {
	s := open(t, kinds[0].name)
	g := projections.Generation{View: "spend", Number: 1}
	want := map[projections.Entry]bool{}
	var add []projections.Entry
	for i := range entriesAtOnce + 10 {
		e := projections.Entry{Index: "a", Member: "k\x00" + partitiontest.CustomerID(i).String()}
		add, want[e] = append(add, e), true
	}
	last := projections.Entry{Index: "b", Member: "k\x00" + uuid.Nil.String()}
	add, want[last] = append(add, last), true
	if err := s.Commit(t.Context(), 0, []projections.Change{{Generation: g, To: projections.Checkpoint{Position: 1}, Add: add}}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries(t.Context(), 0, g)
	if err != nil {
		t.Fatal(err)
	}
	got := map[projections.Entry]bool{}
	for _, e := range entries {
		got[e] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(entries) != len(want) {
		t.Errorf("%d entries (-want +got):\n%s", len(entries), diff)
	}
}
