package cluster

import (
	"math"
	"slices"
)

// AssignRow returns the number of the cluster that a customer belongs to: that of
// the nearest centroid, of equally near ones the lower number. The values stand
// in the order of Features. ok is false if they are not one for each.
func (f *Fitted) AssignRow(values []int64) (number int, ok bool) {
	if len(values) != len(f.Features) || len(f.Clusters) == 0 {
		return 0, false
	}
	var few [8]float64 // as many as there are features; more go to the heap
	at := few[:0]
	for i := range f.Features {
		at = append(at, f.Features[i].coordinate(values[i]))
	}
	best, least := 0, math.Inf(1)
	for i := range f.Clusters {
		if d := distance2(at, f.Clusters[i].Centroid); d < least {
			best, least = i, d
		}
	}
	return f.Clusters[best].Number, true
}

// Assign is AssignRow of values by the names of their features. ok is false for a
// customer who lacks one: they are in no cluster. Those of other features do not
// matter.
func (f *Fitted) Assign(values map[string]int64) (number int, ok bool) {
	row := make([]int64, 0, 8)
	for i := range f.Features {
		v, known := values[f.Features[i].Name]
		if !known {
			return 0, false
		}
		row = append(row, v)
	}
	return f.AssignRow(row)
}

// Values returns those of a customer's values that clusters are made by.
func (f *Fitted) Values(of map[string]int64) map[string]int64 {
	values := make(map[string]int64, len(f.Features))
	for i := range f.Features {
		if v, known := of[f.Features[i].Name]; known {
			values[f.Features[i].Name] = v
		}
	}
	return values
}

// Names returns the features that the clusters are made of, in their order.
func (f *Fitted) Names() []string {
	names := make([]string, len(f.Features))
	for i := range f.Features {
		names[i] = f.Features[i].Name
	}
	return names
}

// Cluster returns the cluster of a number.
func (f *Fitted) Cluster(number int) (Cluster, bool) {
	i := slices.IndexFunc(f.Clusters, func(c Cluster) bool { return c.Number == number })
	if i < 0 {
		return Cluster{}, false
	}
	return f.Clusters[i], true
}

// coordinate returns where a value stands: standardised.
func (s *Scale) coordinate(value int64) float64 {
	return (transform(s.Transform, s.Unit, value) - s.Mean) / s.Deviation
}

// transform returns a value in units, and its logarithm if that is asked for.
// Negative values are the mirror of positive ones.
func transform(how string, unit, value int64) float64 {
	if how != Log1p {
		return float64(value) / float64(unit)
	}
	if value < 0 {
		return -ln(float64(uint64(unit)+uint64(-value)) / float64(unit)) // the least value of all is its own opposite, and right as an unsigned one
	}
	return ln(float64(uint64(unit)+uint64(value)) / float64(unit))
}

// distance2 returns the square of the Euclidean distance.
func distance2(a, b []float64) float64 {
	var sum float64
	b = b[:len(a)]
	for i, x := range a {
		d := x - b[i]
		sum += float64(d * d) // rounded before it is added, on every machine
	}
	return sum
}

// ln returns the natural logarithm of x, at least 1: twice the area tangent of
// (x-1)/(x+1) by its series, of x between √½ and √2. It is not that of the
// library, which is written in assembler for some machines and may be compiled
// to fused operations on others.
func ln(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	sum := 0.0
	for i := 11; i >= 0; i-- {
		sum = float64(sum*z) + 1/float64(2*i+1)
	}
	return float64(float64(2*s)*sum) + float64(float64(e)*math.Ln2)
}
