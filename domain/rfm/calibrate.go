package rfm

import (
	"cmp"
	"iter"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Run is a value and how many customers have it.
type Run struct {
	Value int64
	Count int64
}

// Population is the customers of a calibration: how many they are, and for each
// dimension their values in ascending order (a value may come in several runs).
// The counts of each sum up to Size.
type Population struct {
	Size                         int64
	Recency, Frequency, Monetary iter.Seq[Run]
}

// Calibrate returns the cut points for a population, in one pass over each of its
// dimensions and in memory for the cut points only.
//
// By the method quantiles, cut point i of n bins is the quantile i/n of R's type
// 7, plus one: one day, one order, one major unit of the policy's currency. It is
// exact, over the denominator n; equal cut points are legal and leave a score
// empty. An empty population has no quantiles, and so no cut points.
//
// By the method thresholds, the cut points are the given ones, over 1.
func Calibrate(p *Policy, population Population) CutPoints {
	if p.Method == Thresholds {
		return CutPoints{1, p.Cuts.RecencyDays, p.Cuts.Frequency, p.Cuts.MonetaryMinor}
	}
	c := CutPoints{int64(p.Bins), []int64{}, []int64{}, []int64{}}
	if population.Size == 0 {
		return c
	}
	unit, _ := domain.MajorUnit(p.Currency)
	c.Recency = QuantileCuts(population.Size, population.Recency, p.Bins, 1)
	c.Frequency = QuantileCuts(population.Size, population.Frequency, p.Bins, 1)
	c.Monetary = QuantileCuts(population.Size, population.Monetary, p.Bins, unit)
	return c
}

// QuantileCuts returns the numerators over bins of the quantiles i/bins of type 7,
// i = 1…bins-1, each plus unit: with h = (size-1)·i/bins,
// v[⌊h⌋] + (h-⌊h⌋)(v[⌊h⌋+1]-v[⌊h⌋]). The values ascend and are size in all, at
// least one. They must be so small that bins times the greatest, and the unit, fits.
func QuantileCuts(size int64, runs iter.Seq[Run], bins int, unit int64) []int64 {
	n := int64(bins)
	// The ranks needed, ascending: a pair around each cut point.
	ranks := make([]int64, 0, 2*(bins-1))
	for i := int64(1); i < n; i++ {
		rank := (size - 1) * i / n
		ranks = append(ranks, rank, min(rank+1, size-1))
	}
	values := at(runs, ranks)
	cuts := make([]int64, bins-1)
	for i := range cuts {
		low, high := values[2*i], values[2*i+1]
		rest := (size - 1) * int64(i+1) % n
		cuts[i] = low*n + rest*(high-low) + unit*n
	}
	return cuts
}

// at returns the values at some ranks (from 0) of ascending runs. A pair of ranks
// may begin before the pair before it ends.
func at(runs iter.Seq[Run], ranks []int64) []int64 {
	order := make([]int, len(ranks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(ranks[a], ranks[b]) })
	values := make([]int64, len(ranks))
	seen, found := int64(0), 0
	for run := range runs {
		seen += run.Count
		for found < len(order) && ranks[order[found]] < seen {
			values[order[found]] = clamp(run.Value)
			found++
		}
		if found == len(order) {
			break
		}
	}
	return values
}

// Of returns the population of customers with the given values.
func Of(customers []Values) Population {
	return Population{
		Size:      int64(len(customers)),
		Recency:   runs(customers, func(v Values) int64 { return v.RecencyDays }),
		Frequency: runs(customers, func(v Values) int64 { return v.Frequency }),
		Monetary:  runs(customers, func(v Values) int64 { return v.MonetaryMinor }),
	}
}

func runs(customers []Values, of func(Values) int64) iter.Seq[Run] {
	sorted := make([]int64, len(customers))
	for i, v := range customers {
		sorted[i] = of(v)
	}
	slices.Sort(sorted)
	return Runs(sorted)
}

// Runs yields ascending values as runs of equal ones.
func Runs(sorted []int64) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		for i := 0; i < len(sorted); {
			j := i + 1
			for j < len(sorted) && sorted[j] == sorted[i] {
				j++
			}
			if !yield(Run{sorted[i], int64(j - i)}) {
				return
			}
			i = j
		}
	}
}

func clamp(v int64) int64 { return max(-MaxAmount, min(v, MaxAmount)) }
