package cluster

import "math"

// silhouetteSize is how many customers a silhouette is computed from at most: its
// cost grows with the square of their number. Of more it is computed from a
// sample drawn by the seed.
const silhouetteSize = 2000

// silhouette returns the mean over points of (b-a)/max(a,b), where a is the mean
// distance to the others of the own cluster and b that to those of the nearest
// other one; 0 of a point that is alone in its cluster. It is 0 if there are
// fewer than two clusters.
func silhouette(points cloud, labels []int32, k int) float64 {
	counts := make([]int, k)
	for _, l := range labels {
		counts[l]++
	}
	sums := make([]float64, points.n*k) // by point: the distances to the points of each cluster
	for i := range points.n {
		p := points.point(i)
		for j := i + 1; j < points.n; j++ {
			d := math.Sqrt(distance2(p, points.point(j)))
			sums[i*k+int(labels[j])] += d
			sums[j*k+int(labels[i])] += d
		}
	}
	var total float64
	for i, own := range labels {
		if counts[own] < 2 {
			continue
		}
		a, b := sums[i*k+int(own)]/float64(counts[own]-1), math.Inf(1)
		for c, n := range counts {
			if n > 0 && c != int(own) {
				b = min(b, sums[i*k+c]/float64(n))
			}
		}
		if most := max(a, b); most > 0 && !math.IsInf(b, 1) {
			total += (b - a) / most
		}
	}
	return total / float64(points.n)
}
