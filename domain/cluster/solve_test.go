package cluster_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	. "github.com/rapport-crm/rapport/domain/cluster"
	"pgregory.net/rapid"
)

// who returns the id of a customer; those of neighbours are far apart.
func who(i int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)) }

// population returns customers with these values, in so many contributions.
func population(t testing.TB, currency string, features []string, rows [][]int64, parts int) *Population {
	t.Helper()
	notes := make([]*Note, parts)
	for i := range notes {
		notes[i] = NewNote(day, currency, features)
	}
	for i, row := range rows {
		notes[i%parts].Add(who(i), row)
	}
	p, err := Merge(notes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func solve(t testing.TB, r Requested, p *Population) *Fitted {
	t.Helper()
	a := Solve(r, "trigger", 5, p)
	if a.Failed != nil || a.Fitted == nil {
		t.Fatalf("%+v", a.Failed)
	}
	return a.Fitted
}

// blobs are customers around middles that are far from each other, as seen by
// their logarithms.
func blobs(r *rand.Rand, middles [][]int64, each int) (rows [][]int64) {
	for range each {
		for _, m := range middles {
			row := make([]int64, len(m))
			for j, x := range m {
				row[j] = x + int64(float64(x)*(r.Float64()-0.5)/5)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func TestWellSeparatedCustomersAreFound(t *testing.T) {
	middles := [][]int64{
		{10, 50, 1_000_000}, // recent, frequent, much
		{400, 3, 500_000},
		{20, 2, 8_000},
		{700, 1, 1_500},
	}
	r := rand.New(rand.NewPCG(3, 4))
	for k := 2; k <= len(middles); k++ {
		rows := blobs(r, middles[:k], 60)
		for seed := range uint64(5) {
			f := solve(t, requested(func(e *Requested) { e.Seed = seed }), population(t, "EUR", Default(), rows, 7))
			if f.K != k || !f.Settled || f.Silhouette < 0.7 || len(f.Tried) != 7 {
				t.Fatalf("%d clusters found of %d, silhouettes %v", f.K, k, f.Tried)
			}
			for i, row := range rows {
				if number, ok := f.AssignRow(row); !ok || number != i%k+1 {
					t.Fatalf("customer %d of blob %d is in cluster %d", i, i%k+1, number)
				}
			}
			for _, c := range f.Clusters {
				if c.Size != 60 {
					t.Errorf("cluster %d has %d customers", c.Number, c.Size)
				}
			}
		}
	}
}

var anyFit = rapid.Custom(func(t *rapid.T) (f struct {
	Requested
	rows [][]int64
},
) {
	f.Requested = requested(nil)
	f.Features = rapid.SliceOfNDistinct(rapid.SampledFrom(all()), 1, 4, rapid.ID).Draw(t, "features")
	f.Seed = rapid.Uint64Max(MaxSeed).Draw(t, "seed")
	f.MaxIterations = rapid.IntRange(1, 30).Draw(t, "iterations")
	if rapid.Bool().Draw(t, "given") {
		f.K, f.MinK, f.MaxK = rapid.IntRange(2, 6).Draw(t, "k"), 0, 0
	}
	value := rapid.OneOf(rapid.Int64Range(0, 4), rapid.Int64Range(-1000, 100_000), rapid.Int64())
	f.rows = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []int64 {
		if rapid.IntRange(0, 9).Draw(t, "excluded") == 0 {
			return nil
		}
		return rapid.SliceOfN(value, len(f.Features), len(f.Features)).Draw(t, "values")
	}), 0, 40).Draw(t, "rows")
	return f
})

// Whatever the customers are: everybody is in one cluster, that of the nearest
// centroid, of equally near ones the first; and the answer is the same in whatever
// order they come, and still when it was read from the log.
func TestEverybodyIsInTheNearestCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fit := anyFit.Draw(t, "fit")
		merged := func(parts int, seed uint64) *Population {
			notes := make([]*Note, parts)
			for i := range notes {
				notes[i] = NewNote(day, "EUR", fit.Features)
			}
			r := rand.New(rand.NewPCG(seed, 0))
			for _, i := range r.Perm(len(fit.rows)) {
				notes[r.IntN(parts)].Add(who(i), fit.rows[i])
			}
			for i := range notes {
				var err error
				if notes[i], err = DecodeNote(notes[i].Encode()); err != nil {
					t.Fatal(err)
				}
			}
			p, err := Merge(notes)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		a := Solve(fit.Requested, "trigger", 5, merged(1, 1))
		if diff := cmp.Diff(a, Solve(fit.Requested, "trigger", 5, merged(4, rapid.Uint64().Draw(t, "order")))); diff != "" {
			t.Fatalf("another order, another answer: %s", diff)
		}
		if a.Fitted == nil {
			if a.Failed == nil || a.Failed.Code != CodeTooFew && a.Failed.Code != CodeNoVariance {
				t.Fatalf("%+v", a)
			}
			return
		}
		written, err := json.Marshal(a.Fitted)
		if err != nil {
			t.Fatal(err)
		}
		var f Fitted
		if err := json.Unmarshal(written, &f); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a.Fitted, &f); diff != "" {
			t.Fatal(diff)
		}
		sizes, excluded := make([]int, len(f.Clusters)), 0
		for _, row := range fit.rows {
			if row == nil {
				excluded++
				continue
			}
			values, kept := map[string]int64{}, []int64(nil)
			for j, name := range fit.Features {
				values[name] = row[j]
			}
			for _, name := range f.Names() {
				kept = append(kept, values[name])
			}
			number, ok := f.Assign(values)
			if again, _ := f.AssignRow(kept); !ok || again != number || number != nearest(&f, kept) {
				t.Fatalf("%v is in cluster %d, or %d; the nearest one is %d", kept, number, again, nearest(&f, kept))
			}
			sizes[number-1]++
			if c, ok := f.Cluster(number); !ok || !within(c, kept) {
				t.Fatalf("%v is in %+v", kept, c)
			}
		}
		names := map[string]bool{}
		for i, c := range f.Clusters {
			if c.Number != i+1 || c.Size != sizes[i] || c.Size == 0 || names[c.Name] || c.Description == "" || len(c.Profile) != len(f.Features) {
				t.Fatalf("cluster %d with %d customers: %+v", i+1, sizes[i], c)
			}
			names[c.Name] = true
		}
		if f.K != len(f.Clusters) || excluded != f.Excluded || f.Population+excluded != len(fit.rows) || f.Iterations > fit.MaxIterations {
			t.Fatalf("%+v", f)
		}
		for _, d := range f.Dropped {
			for _, row := range fit.rows {
				if v := slices.Index(fit.Features, d.Name); row != nil && row[v] != d.Value && math.Abs(float64(d.Value)) < 1e9 {
					t.Fatalf("%s was dropped, and is %d and %d", d.Name, d.Value, row[v])
				}
			}
		}
	})
}

// nearest is the definition of an assignment read word by word.
func nearest(f *Fitted, row []int64) (number int) {
	least := math.Inf(1)
	for _, c := range f.Clusters {
		sum := 0.0
		for j, s := range f.Features {
			d := coordinate(s, row[j]) - c.Centroid[j]
			sum += float64(d * d)
		}
		if sum < least {
			number, least = c.Number, sum
		}
	}
	return number
}

// coordinate is a standardised value.
func coordinate(s Scale, value int64) float64 {
	return (Transformed(s, value) - s.Mean) / s.Deviation
}

func within(c Cluster, row []int64) bool {
	for j, line := range c.Profile {
		if row[j] < line.Least || row[j] > line.Most {
			return false
		}
	}
	return true
}

func TestNobodyIsAssignedWithoutEveryFeature(t *testing.T) {
	f := solve(t, requested(nil), population(t, "EUR", Default(), blobs(rand.New(rand.NewPCG(1, 2)), [][]int64{{1, 20, 900}, {90, 2, 100}}, 20), 3))
	if number, ok := f.Assign(map[string]int64{RecencyDays: 1, Frequency: 20, Monetary: 900, TenureDays: 3}); !ok || number != 1 {
		t.Error(number, ok)
	}
	if _, ok := f.Assign(map[string]int64{RecencyDays: 1, Frequency: 20}); ok {
		t.Error("without an amount")
	}
	if _, ok := f.AssignRow([]int64{1, 2}); ok {
		t.Error("with two of three values")
	}
	if _, ok := new(Fitted).AssignRow(nil); ok {
		t.Error("where there are no clusters")
	}
	if _, ok := f.Cluster(9); ok {
		t.Error("a cluster that is none")
	}
}

func TestWhatCannotBeGrouped(t *testing.T) {
	for _, c := range []struct {
		name   string
		k      int
		rows   [][]int64
		code   string
		detail string
	}{
		{"nobody", 0, nil, CodeTooFew, "too few customers with every feature for 2 clusters: 0 (0 lack one); ask for fewer, or by other features"},
		{"one", 3, [][]int64{{1, 1, 1}, nil, nil}, CodeTooFew, "too few customers with every feature for 3 clusters: 1 (2 lack one); ask for fewer, or by other features"},
		{"all alike", 2, [][]int64{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}, CodeNoVariance, "nobody differs from anybody in any feature, of 3; ask for clusters by other features"},
		{"too much alike", 3, [][]int64{{1, 2, 3}, {1, 2, 3}, {1, 2, 4}}, CodeTooFew, "too few different customers for 3 clusters: 2; ask for fewer, or by other features"},
	} {
		r := requested(func(e *Requested) {
			if c.k > 0 {
				e.K, e.MinK, e.MaxK = c.k, 0, 0
			}
		})
		want := Answer{Failed: &FitFailed{ClusterID: "shoppers", Trigger: "trigger", TriggerPosition: 5, AsOf: day, Code: c.code, Detail: c.detail}}
		if diff := cmp.Diff(want, Solve(r, "trigger", 5, population(t, "EUR", Default(), c.rows, 2))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// More clusters than there are different customers are not tried, and a feature
// in which nobody differs is left out, and said.
func TestWhatIsLeftOut(t *testing.T) {
	f := solve(t, requested(nil), population(t, "EUR", Default(), [][]int64{{1, 5, 300}, {1, 9, 300}, {1, 5, 300}, nil}, 2))
	if diff := cmp.Diff([]Constant{{RecencyDays, 1}, {Monetary, 300}}, f.Dropped); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(f.Names(), []string{Frequency}) || len(f.Tried) != 1 || f.K != 2 || f.Excluded != 1 || f.Population != 3 {
		t.Errorf("%+v", f)
	}
}

// Above the size of the sample, the silhouette is that of a sample, and the starts
// compete on a trial; what is found is found all the same.
func TestManyCustomers(t *testing.T) {
	rows := blobs(rand.New(rand.NewPCG(5, 6)), [][]int64{{10, 50, 1_000_000}, {20, 2, 8_000}, {700, 1, 1_500}}, 3_500)
	r := requested(func(e *Requested) { e.K, e.MinK, e.MaxK, e.Seed = 3, 0, 0, 11 })
	f := solve(t, r, population(t, "EUR", Default(), rows, 5))
	if f.SilhouetteOf != 2000 || f.Population != 10_500 || f.Silhouette < 0.7 {
		t.Errorf("silhouette %v of %d of %d", f.Silhouette, f.SilhouetteOf, f.Population)
	}
	for _, c := range f.Clusters {
		if c.Size != 3_500 {
			t.Errorf("cluster %d has %d customers", c.Number, c.Size)
		}
	}
}

// What follows from a seed and a population is fixed, to the last digit, on every
// machine and in every later version: an answer is made by several processes, and
// only one of them is kept.
func TestTheAnswerIsFixedToTheLastDigit(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	rows := make([][]int64, 500)
	for i := range rows {
		orders := 1 + r.Int64N(1+r.Int64N(40))
		rows[i] = []int64{r.Int64N(1 + r.Int64N(700)), orders, orders * r.Int64N(20_000), r.Int64N(2000)}
	}
	features := append(Default(), TenureDays)
	f := solve(t, requested(func(e *Requested) { e.Features, e.Seed = features, 42 }), population(t, "EUR", features, rows, 3))
	written, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	const want = "aaa96cbf45ace8164a86737f7282389a988b588686e1b7b44a380073ea4ab871"
	if got := fmt.Sprintf("%x", sha256.Sum256(written)); got != want {
		t.Errorf("digest %s, want %s, of %s", got, want, written)
	}
}
