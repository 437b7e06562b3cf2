package cluster

import (
	"math"
	"math/bits"
)

// cloud is points of some dimensions, one behind the other.
type cloud struct {
	n, dims int
	at      []float64
}

func newCloud(n, dims int) cloud { return cloud{n, dims, make([]float64, n*dims)} }

func (c cloud) point(i int) []float64 { return c.at[i*c.dims : (i+1)*c.dims] }

// only returns some of the points.
func (c cloud) only(which []int) cloud {
	if len(which) == c.n {
		return c
	}
	part := newCloud(len(which), c.dims)
	for i, from := range which {
		copy(part.point(i), c.point(from))
	}
	return part
}

const (
	// starts is how often k-means++ is begun anew for one number of clusters; the
	// start with the least sum of squares wins.
	starts = 4
	// trialSize is how many customers, drawn by the seed, the starts compete on; the
	// winner goes on with all of them (Bradley and Fayyad 1998, "Refining initial
	// points for k-means clustering").
	trialSize = 10_000
)

// result is what k-means came to.
type result struct {
	centroids  cloud
	labels     []int32
	iterations int
	settled    bool    // the last iteration moved nobody
	inertia    float64 // the sum of the squares of the distances to the centroids
}

// kMeans groups points in k clusters. The same arguments give the same result.
func kMeans(points, trial cloud, k int, seed uint64, iterations int) result {
	var best result
	for start := range starts {
		r := lloyd(trial, plusPlus(trial, k, newRandom(seed, uint64(k), uint64(start))), iterations)
		if start == 0 || r.inertia < best.inertia {
			best = r
		}
	}
	if trial.n < points.n {
		return lloyd(points, best.centroids, iterations)
	}
	return best
}

// plusPlus chooses the first centroids: each as likely as the square of its
// distance to the nearest one before is large, the best of a few drawn.
func plusPlus(points cloud, k int, r *random) cloud {
	centroids := newCloud(k, points.dims)
	first := r.below(points.n)
	copy(centroids.point(0), points.point(first))
	near := make([]float64, points.n) // the square of the distance to the nearest centroid
	for i := range near {
		near[i] = distance2(points.point(i), centroids.point(0))
	}
	candidate, chosen := make([]float64, points.n), make([]float64, points.n)
	for c := 1; c < k; c++ {
		var total float64
		for _, d := range near {
			total += d
		}
		index, least := 0, math.Inf(1)
		for range 1 + bits.Len(uint(k)) {
			drawn := draw(near, float64(r.unit()*total))
			var sum float64
			for i := range candidate {
				candidate[i] = min(near[i], distance2(points.point(i), points.point(drawn)))
				sum += candidate[i]
			}
			if sum < least {
				index, least = drawn, sum
				candidate, chosen = chosen, candidate
			}
		}
		copy(centroids.point(c), points.point(index))
		near, chosen = chosen, near
	}
	return centroids
}

// draw returns the first index at which the sum of the weights exceeds a share of
// it, the last one with a weight if rounding took the sum away.
func draw(weights []float64, share float64) int {
	last, sum := 0, 0.0
	for i, w := range weights {
		if w > 0 {
			last = i
			if sum += w; sum > share {
				return i
			}
		}
	}
	return last
}

// lloyd gives every point to the nearest centroid and moves the centroids to the
// middle of their points, until nobody moves any more. A centroid that nobody is
// nearest to takes the point that is farthest from its own, unless every point is
// where its centroid is.
func lloyd(points, start cloud, iterations int) result {
	k := start.n
	r := result{centroids: newCloud(k, points.dims), labels: make([]int32, points.n)}
	copy(r.centroids.at, start.at)
	for i := range r.labels {
		r.labels[i] = -1
	}
	counts, away := make([]int, k), make([]float64, points.n)
	for r.iterations < iterations && !r.settled {
		r.iterations++
		r.settled, r.inertia = true, 0
		clear(counts)
		for i := range points.n {
			label, d := r.centroids.nearest(points.point(i))
			if r.labels[i] != label {
				r.labels[i], r.settled = label, false
			}
			away[i] = d
			r.inertia += d
			counts[label]++
		}
		for c, n := range counts {
			if n == 0 && r.refill(int32(c), counts, away) {
				r.settled = false
			}
		}
		if !r.settled {
			r.centre(points, counts)
		}
	}
	return r
}

// nearest returns the nearest of some centroids, of equally near ones the first,
// and the square of the distance.
func (c cloud) nearest(p []float64) (index int32, least float64) {
	least = math.Inf(1)
	for i, at := int32(0), c.at; len(at) >= len(p); i, at = i+1, at[len(p):] {
		if d := distance2(p, at); d < least {
			index, least = i, d
		}
	}
	return index, least
}

// refill gives an empty cluster the point that is farthest from its own centroid
// and is not alone there; it returns false if there is none.
func (r *result) refill(empty int32, counts []int, away []float64) bool {
	farthest, most := -1, 0.0
	for i, d := range away {
		if d > most && counts[r.labels[i]] > 1 {
			farthest, most = i, d
		}
	}
	if farthest < 0 {
		return false
	}
	counts[r.labels[farthest]]--
	counts[empty]++
	r.labels[farthest], away[farthest] = empty, 0
	return true
}

// centre moves every centroid to the middle of its points, if it has any.
func (r *result) centre(points cloud, counts []int) {
	for c, n := range counts {
		if n > 0 {
			clear(r.centroids.point(c))
		}
	}
	for i := range points.n {
		sum := r.centroids.point(int(r.labels[i]))
		for j, x := range points.point(i) {
			sum[j] += x
		}
	}
	for c, n := range counts {
		for j := range points.dims {
			if n > 0 {
				r.centroids.point(c)[j] /= float64(n)
			}
		}
	}
}
