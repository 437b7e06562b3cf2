package tally

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// Values in any order, over any number of partitions, come back in theirs.
func TestValuesAreMerged(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for range 200 {
		var all []int64
		parts := make([][]int64, 1+r.IntN(5))
		for range r.IntN(60) {
			v := r.Int64N(9) - 4
			switch r.IntN(12) {
			case 0:
				v = math.MinInt64 + r.Int64N(2)
			case 1:
				v = math.MaxInt64 - r.Int64N(2)
			case 2:
				v = int64(r.Uint64())
			}
			all = append(all, v)
			p := r.IntN(len(parts))
			parts[p] = append(parts[p], v)
		}
		runs := make([]Runs, len(parts))
		for i, values := range parts {
			reader := Read(append(Append(nil, values), 7))
			var n int64
			if runs[i], n = reader.Runs(); n != int64(len(values)) || reader.Byte() != 7 || !reader.Done() {
				t.Fatalf("%d values of %v", n, values)
			}
		}
		var got []int64
		for run := range Merge(runs) {
			got = append(got, slices.Repeat([]int64{run.Value}, int(run.Count))...)
		}
		slices.Sort(all)
		if diff := cmp.Diff(all, got); diff != "" {
			t.Fatal(diff)
		}
	}
	for range Merge([]Runs{Append(nil, []int64{1, 2})[1:]}) {
		break // who asks no more is given no more
	}
}

func TestWhatIsNoTallyIsRefused(t *testing.T) {
	numbers := func(n ...uint64) (b []byte) {
		for i := 0; i < len(n); i += 2 {
			b = binary.AppendUvarint(binary.AppendVarint(b, int64(n[i])), n[i+1])
		}
		return b
	}
	for name, r := range map[string]Runs{
		"nobody has the value": numbers(1, 0),
		"more than there are":  numbers(1, math.MaxInt64, 1, 1),
		"the same value again": numbers(1, 1, 0, 1),
		"half of it":           numbers(1, 1)[:1],
		"too long":             slices.Repeat([]byte{0x80}, 11),
	} {
		if n, ok := r.Size(); ok || n != 0 {
			t.Errorf("%s: %d", name, n)
		}
	}
	for name, b := range map[string][]byte{"nothing": nil, "shorter than it says": {3, 1}, "runs that are none": {1, 1}} {
		r := Read(b)
		if runs, n := r.Runs(); !r.Bad() || r.Done() || n != 0 || runs != nil {
			t.Errorf("%s: %d of %v", name, n, runs)
		}
	}
	if r := Read(binary.AppendUvarint(nil, math.MaxUint64)); r.Count() != 0 || !r.Bad() {
		t.Error("so many there cannot be")
	}
}

func FuzzRuns(f *testing.F) {
	f.Add([]byte(Append(nil, []int64{3, 1, 1})[1:]))
	f.Add([]byte(Append(nil, []int64{math.MinInt64, math.MaxInt64})[1:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := Runs(b).Size()
		if !ok {
			return
		}
		var last *rfm.Run
		for run := range Merge([]Runs{b}) {
			if n -= run.Count; last != nil && run.Value <= last.Value {
				t.Fatalf("%d after %d", run.Value, last.Value)
			}
			last = &run
		}
		if n != 0 {
			t.Fatalf("%d customers are missing", n)
		}
	})
}
