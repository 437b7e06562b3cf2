package cluster

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The published first numbers of the algorithm.
func TestRandom(t *testing.T) {
	r := random{1234567}
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := r.next(); got != want {
			t.Errorf("number %d: %d, want %d", i, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRandom(rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "purpose"))
		n, most := rapid.IntRange(1, 60).Draw(t, "n"), rapid.IntRange(0, 60).Draw(t, "most")
		if x := r.below(n); x < 0 || x >= n {
			t.Fatalf("%d of %d", x, n)
		}
		if x := r.unit(); x < 0 || x >= 1 {
			t.Fatal(x)
		}
		s := r.sample(n, most)
		if len(s) != min(n, most) || !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != len(s) || len(s) > 0 && (s[0] < 0 || s[len(s)-1] >= n) {
			t.Fatalf("%d of %d: %v", most, n, s)
		}
	})
}

func TestLogarithm(t *testing.T) {
	check := func(x float64) {
		t.Helper()
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 4e-16*math.Abs(want) {
			t.Errorf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	for x := 1.0; x < 3; x += 1.0 / 512 {
		check(x)
	}
	for x := 1.0; x < 1e300; x *= 7 {
		check(x)
	}
	for _, c := range []struct {
		how         string
		unit, value int64
		want        float64
	}{
		{Log1p, 1, 0, 0},
		{Log1p, 100, 100, math.Ln2},
		{Log1p, 100, -100, -math.Ln2},
		{Log1p, 1, math.MinInt64, -63 * math.Ln2},
		{Log1p, 1, math.MaxInt64, 63 * math.Ln2},
		{Identity, 100, -250, -2.5},
		{Identity, 1, 12, 12},
	} {
		if got := transform(c.how, c.unit, c.value); got != c.want {
			t.Errorf("%s of %d/%d: %v, want %v", c.how, c.value, c.unit, got, c.want)
		}
	}
}

// anyPoints draws points of which many stand in one place.
var anyPoints = rapid.Custom(func(t *rapid.T) cloud {
	c := newCloud(rapid.IntRange(1, 40).Draw(t, "points"), rapid.IntRange(1, 3).Draw(t, "dimensions"))
	for i := range c.at {
		c.at[i] = float64(rapid.IntRange(-4, 4).Draw(t, "x")) / 2
	}
	return c
})

// Whatever the points are: everybody is with the nearest of the centroids that
// were settled on, and these are the middle of those with them.
func TestLloydSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := anyPoints.Draw(t, "points")
		k := rapid.IntRange(1, min(5, points.n)).Draw(t, "k")
		r := kMeans(points, points, k, rapid.Uint64().Draw(t, "seed"), 100)
		if !r.settled || r.iterations > 100 {
			t.Fatalf("not settled after %d iterations", r.iterations)
		}
		different := map[[3]float64]bool{}
		sums, counts, inertia := newCloud(k, points.dims), make([]int, k), 0.0
		for i, label := range r.labels {
			p := points.point(i)
			var key [3]float64
			copy(key[:], p)
			different[key] = true
			counts[label]++
			for j, x := range p {
				sums.point(int(label))[j] += x
			}
			own := distance2(p, r.centroids.point(int(label)))
			inertia += own
			for c := range k {
				if d := distance2(p, r.centroids.point(c)); d < own || d == own && c < int(label) {
					t.Fatalf("point %d is nearer to %d (%v) than to %d (%v)", i, c, d, label, own)
				}
			}
		}
		if math.Abs(inertia-r.inertia) > 1e-9 {
			t.Fatalf("inertia %v, want %v", r.inertia, inertia)
		}
		for c, n := range counts {
			if n == 0 && len(different) >= k {
				t.Fatalf("cluster %d of %d is empty, of %d different points", c, k, len(different))
			}
			for j := range points.dims {
				if n > 0 && math.Abs(sums.point(c)[j]/float64(n)-r.centroids.point(c)[j]) > 1e-12 {
					t.Fatalf("cluster %d is not in the middle of its points", c)
				}
			}
		}
	})
}

func TestIterationsEnd(t *testing.T) {
	points := newCloud(200, 1)
	for i := range points.n {
		points.at[i] = float64(i)
	}
	if r := lloyd(points, cloud{3, 1, []float64{0, 1, 2}}, 2); r.settled || r.iterations != 2 {
		t.Errorf("%d iterations, settled %v", r.iterations, r.settled)
	}
}

// An empty cluster takes who is farthest from their own.
func TestEmptyClusters(t *testing.T) {
	points := cloud{5, 1, []float64{0, 1, 2, 3, 9}}
	r := lloyd(points, cloud{2, 1, []float64{1, 100}}, 100)
	if diff := cmp.Diff([]int32{0, 0, 0, 0, 1}, r.labels); diff != "" || !r.settled {
		t.Error(diff)
	}
	alike := cloud{3, 1, []float64{4, 4, 4}}
	if r := lloyd(alike, cloud{2, 1, []float64{4, 7}}, 100); !r.settled || r.iterations != 2 || slices.Max(r.labels) != 0 {
		t.Errorf("%+v", r)
	}
}

// naive is the definition read word by word.
func naiveSilhouette(points cloud, labels []int32, k int) (mean float64) {
	distance := func(i int, of int32) (sum float64, n int) {
		for j := range labels {
			if labels[j] == of && j != i {
				sum += math.Sqrt(distance2(points.point(i), points.point(j)))
				n++
			}
		}
		return sum, n
	}
	for i := range labels {
		sum, n := distance(i, labels[i])
		if n == 0 {
			continue
		}
		a, b := sum/float64(n), math.Inf(1)
		for c := range int32(k) {
			if sum, n := distance(i, c); c != labels[i] && n > 0 {
				b = min(b, sum/float64(n))
			}
		}
		if !math.IsInf(b, 1) && max(a, b) > 0 {
			mean += (b - a) / max(a, b) / float64(points.n)
		}
	}
	return mean
}

func TestSilhouette(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := anyPoints.Draw(t, "points")
		k := rapid.IntRange(1, 5).Draw(t, "k")
		labels := rapid.SliceOfN(rapid.Int32Range(0, int32(k-1)), points.n, points.n).Draw(t, "labels")
		got, want := silhouette(points, labels, k), naiveSilhouette(points, labels, k)
		if math.Abs(got-want) > 1e-12 || got < -1 || got > 1 {
			t.Fatalf("%v, want %v", got, want)
		}
	})
	two := cloud{4, 1, []float64{0, 1, 10, 11}}
	want := (2*(1-1/10.5) + 2*(1-1/9.5)) / 4
	if got := silhouette(two, []int32{0, 0, 1, 1}, 2); math.Abs(got-want) > 1e-15 {
		t.Errorf("%v, want %v", got, want)
	}
}
