package readapi

import (
	"slices"

	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// calibrated returns the calibration that stands and its policy, nil if nobody
// can be scored.
func calibrated(w *projections.World) (*rules.Calibrated, *rules.Policy) {
	x := rfm.Explain(new(rfm.Document), w)
	return x.Calibration, x.Policy
}

// cells returns the stretches of the index of scores that are wanted, ascending
// by code or descending.
func cells(o overall, descending bool, wanted func(s rules.Scores, label string) bool) []stretch {
	_, policy := calibrated(o.world)
	if policy == nil {
		return nil
	}
	var stretches []stretch
	for _, prefix := range prefixes(policy, wanted) {
		stretches = append(stretches, stretch{generation: o.rfm, index: rfm.IndexCell, prefix: prefix, descending: descending})
	}
	if descending {
		slices.Reverse(stretches)
	}
	return stretches
}

// prefixes returns the shortest prefixes of codes that cover the wanted scores
// and no others, ascending.
func prefixes(p *rules.Policy, wanted func(s rules.Scores, label string) bool) []string {
	var digits [3]int
	var cover func(depth int) (list []string, all bool)
	cover = func(depth int) ([]string, bool) {
		if depth == 3 {
			s := rules.Scores{R: digits[0], F: digits[1], M: digits[2]}
			if wanted(s, p.Label(s)) {
				return []string{s.Code() + "\x00"}, true
			}
			return nil, false
		}
		var list []string
		all := true
		for digits[depth] = 1; digits[depth] <= p.Bins; digits[depth]++ {
			below, whole := cover(depth + 1)
			list, all = append(list, below...), all && whole
		}
		if all {
			prefix := ""
			for _, d := range digits[:depth] {
				prefix += string('0' + byte(d))
			}
			return []string{prefix}, true
		}
		return list, false
	}
	list, _ := cover(0)
	return list
}
