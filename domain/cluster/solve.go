package cluster

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// The purposes that the numbers of a seed are drawn for, beside a number of
// clusters.
const (
	forTrial = 1_000_000 + iota
	forSilhouette
)

// Solve groups a population as it was asked for, in memory for the population and
// a few numbers for each customer. The same request and population have the same
// answer, whatever order the contributions came in. Its version is not given yet.
func Solve(r Requested, trigger string, position uint64, p *Population) Answer {
	failed := func(code, format string, args ...any) Answer {
		return Answer{Failed: &FitFailed{
			ClusterID: r.ClusterID, Trigger: trigger, TriggerPosition: position, AsOf: r.AsOf, Code: code, Detail: fmt.Sprintf(format, args...),
		}}
	}
	size := len(p.Customers)
	least, most := r.K, r.K
	if r.K == 0 {
		least, most = r.MinK, r.MaxK
	}
	if size < least {
		return failed(CodeTooFew, "too few customers with every feature for %d clusters: %d (%d lack one); ask for fewer, or by other features", least, size, p.Excluded)
	}
	f := &Fitted{
		ClusterID: r.ClusterID, Trigger: trigger, TriggerPosition: position, AsOf: r.AsOf, Currency: p.Currency,
		Population: size, Excluded: p.Excluded, Seed: r.Seed,
	}
	rows := f.scale(p)
	if len(f.Features) == 0 {
		return failed(CodeNoVariance, "nobody differs from anybody in any feature, of %d; ask for clusters by other features", size)
	}
	different := f.different(rows, most)
	if different < least {
		return failed(CodeTooFew, "too few different customers for %d clusters: %d; ask for fewer, or by other features", least, different)
	}
	most = min(most, different)

	points := newCloud(size, len(f.Features))
	for i := range size {
		at := points.point(i)
		for j, v := range rows.row(i) {
			at[j] = f.Features[j].coordinate(v)
		}
	}
	trial := points.only(newRandom(r.Seed, forTrial).sample(size, trialSize))
	some := newRandom(r.Seed, forSilhouette).sample(size, silhouetteSize)
	sampled := points.only(some)
	f.SilhouetteOf = sampled.n
	var best result
	for k := least; k <= most; k++ {
		found := kMeans(points, trial, k, r.Seed, r.MaxIterations)
		labels := make([]int32, len(some))
		for i, from := range some {
			labels[i] = found.labels[from]
		}
		s := silhouette(sampled, labels, k)
		if k == least || s > f.Silhouette {
			best, f.Silhouette = found, s
		}
		f.Tried = append(f.Tried, Tried{k, s})
	}
	f.Iterations, f.Settled = best.iterations, best.settled
	f.number(best.centroids)
	f.describe(f.settle(rows))
	return Answer{Fitted: f}
}

// matrix is values of customers: a row each.
type matrix struct {
	width  int
	values []int64
}

func (m matrix) row(i int) []int64 { return m.values[i*m.width : (i+1)*m.width] }
func (m matrix) rows() int         { return len(m.values) / m.width }

// scale fills in the features in which customers differ, and returns the values
// of these.
func (f *Fitted) scale(p *Population) matrix {
	size := len(p.Customers)
	var kept []int
	for j, name := range p.Features {
		known, _ := FeatureOf(name)
		s := Scale{Name: name, Transform: known.Transform, Unit: 1}
		if known.Unit == Amount {
			s.Unit, _ = domain.MajorUnit(p.Currency)
		}
		column := make([]float64, size)
		sum := new(big.Int)
		for i := range size {
			v := p.Row(i)[j]
			column[i] = transform(s.Transform, s.Unit, v)
			sum.Add(sum, big.NewInt(v))
		}
		if slices.Min(column) == slices.Max(column) {
			f.Dropped = append(f.Dropped, Constant{name, p.Row(0)[j]})
			continue
		}
		s.Mean, s.Deviation = moments(column)
		s.Average = ratio(sum, size)
		f.Features = append(f.Features, s)
		kept = append(kept, j)
	}
	m := matrix{len(kept), make([]int64, 0, size*len(kept))}
	for i := range size {
		row := p.Row(i)
		for _, j := range kept {
			m.values = append(m.values, row[j])
		}
	}
	return m
}

// moments returns the mean and the standard deviation of values.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		d := v - mean
		deviation += float64(d * d)
	}
	return mean, math.Sqrt(deviation / float64(len(values)))
}

// ratio returns the number nearest to sum over n.
func ratio(sum *big.Int, n int) float64 {
	mean, _ := new(big.Rat).SetFrac(sum, big.NewInt(int64(n))).Float64()
	return mean
}

// different counts the rows that are not the same, up to most.
func (f *Fitted) different(m matrix, most int) int {
	var seen [][]int64
	for i := 0; i < m.rows() && len(seen) < most; i++ {
		if row := m.row(i); !slices.ContainsFunc(seen, func(s []int64) bool { return slices.Equal(s, row) }) {
			seen = append(seen, row)
		}
	}
	return len(seen)
}

// number gives the clusters their numbers: by spending, the highest first, if
// that is a feature, else by the first one; those alike in it by the others.
func (f *Fitted) number(centroids cloud) {
	first := max(0, slices.IndexFunc(f.Features, func(s Scale) bool { return s.Name == Monetary }))
	for c := range centroids.n {
		f.Clusters = append(f.Clusters, Cluster{Centroid: slices.Clone(centroids.point(c))})
	}
	slices.SortStableFunc(f.Clusters, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(b.Centroid[first], a.Centroid[first]), slices.Compare(b.Centroid, a.Centroid))
	})
	for c := range f.Clusters {
		f.Clusters[c].Number = c + 1
	}
	f.K = len(f.Clusters)
}

// settle counts everybody into the cluster that they are assigned to, and returns
// what the values of each cluster sum up to. A cluster that nobody is assigned to
// is none: two centroids in one place have the same customers.
func (f *Fitted) settle(m matrix) (sums [][]*big.Int) {
	totals := make([][]*big.Int, f.K)
	for c := range totals {
		totals[c] = make([]*big.Int, m.width)
		for j := range totals[c] {
			totals[c][j] = new(big.Int)
		}
		f.Clusters[c].Profile = make([]Line, m.width)
	}
	var v big.Int
	for i := range m.rows() {
		row := m.row(i)
		number, _ := f.AssignRow(row)
		c := &f.Clusters[number-1]
		c.Size++
		for j, x := range row {
			sum, line := totals[number-1][j], &c.Profile[j]
			sum.Add(sum, v.SetInt64(x))
			if c.Size == 1 {
				line.Least, line.Most = x, x
			}
			line.Least, line.Most = min(line.Least, x), max(line.Most, x)
		}
	}
	kept := f.Clusters[:0]
	for c, one := range f.Clusters {
		if one.Size > 0 {
			one.Number = len(kept) + 1
			kept, sums = append(kept, one), append(sums, totals[c])
		}
	}
	f.Clusters, f.K = kept, len(kept)
	return sums
}
