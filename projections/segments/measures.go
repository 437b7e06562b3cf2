package segments

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
)

// Measured is what a partition contributes to the calibration of the customers'
// worth: of each measure, how often which value comes. Whose values they are does
// not matter.
type Measured struct {
	AsOf          domain.Date `json:"as_of"`
	PolicyVersion int         `json:"policy_version"`
	Measures      []Tally     `json:"measures"` // in the order of value.MeasureNames
}

// Tally is how often which value of a measure comes.
type Tally struct {
	Unknown int64      `json:"unknown,omitempty"` // customers of whom only other measures are known
	Mixed   int64      `json:"mixed,omitempty"`   // of them, because of a currency
	Runs    [][2]int64 `json:"runs,omitempty"`    // values, ascending, and how many customers have them
}

func collectMeasures(e projections.Event, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	asked := w.ValueAsked[len(w.ValueAsked)-1]
	p, ok := w.PolicyVersion(policy.KindValue, asked.PolicyVersion)
	if !ok || asked.Position != e.Position {
		return nil, fmt.Errorf("%s at position %d asks for no calibration", e.Type, e.Position)
	}
	var values [len(value.MeasureNames)][]int64
	m := Measured{AsOf: asked.AsOf, PolicyVersion: asked.PolicyVersion, Measures: make([]Tally, len(value.MeasureNames))}
	for _, d := range documents {
		all := value.MeasuresOf(&d.Books.Inputs, p.Value, value.At(asked.AsOf, w.Location()))
		for i, x := range all {
			switch {
			case x.Known:
				values[i] = append(values[i], x.Value)
			case x.Reason != value.NoOrder:
				if m.Measures[i].Unknown++; x.Reason == value.CurrencyMixed {
					m.Measures[i].Mixed++
				}
			}
		}
	}
	for i := range values {
		slices.Sort(values[i])
		for run := range rfm.Runs(values[i]) {
			m.Measures[i].Runs = append(m.Measures[i].Runs, [2]int64{run.Value, run.Count})
		}
	}
	return json.Marshal(m)
}

// ErrDiffer says that contributions are not to the same calibration.
var ErrDiffer = errors.New("segments: contributions of different days or policies")

// MergeMeasured returns the contributions of all partitions as one population for
// each measure, in the order of value.MeasureNames.
func MergeMeasured(notes [][]byte) (all [len(value.MeasureNames)]value.Population, mixed int64, err error) {
	var first Measured
	var counts [len(value.MeasureNames)]map[int64]int64
	for n, note := range notes {
		var m Measured
		if err := json.Unmarshal(note, &m); err != nil || len(m.Measures) != len(all) {
			return all, 0, fmt.Errorf("segments: not a contribution to a calibration: %w", err)
		}
		if n == 0 {
			first = m
		} else if m.AsOf != first.AsOf || m.PolicyVersion != first.PolicyVersion {
			return all, 0, ErrDiffer
		}
		for i, t := range m.Measures {
			all[i].Unknown += t.Unknown
			mixed += t.Mixed
			if counts[i] == nil {
				counts[i] = map[int64]int64{}
			}
			for _, run := range t.Runs {
				counts[i][run[0]] += run[1]
				all[i].Size += run[1]
			}
		}
	}
	for i := range all {
		runs := make([]rfm.Run, 0, len(counts[i]))
		for v, n := range counts[i] {
			runs = append(runs, rfm.Run{Value: v, Count: n})
		}
		slices.SortFunc(runs, func(a, b rfm.Run) int {
			switch {
			case a.Value < b.Value:
				return -1
			case a.Value > b.Value:
				return 1
			}
			return 0
		})
		all[i].Values = slices.Values(runs)
	}
	return all, mixed, nil
}
