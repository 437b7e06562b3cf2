package value

import (
	"iter"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// CalibrationStream is the stream of the calibrations.
const CalibrationStream = "calibration-value"

// Event is one of the facts of the calibration stream.
//
//sumtype:decl
type Event interface{ valueEvent() }

// Calibrated fixes the percentiles of all measures of one closed day for one policy
// version.
type Calibrated struct {
	Trigger         string      `json:"trigger"`          // id of the event that asked: a day closed or a policy published
	TriggerPosition uint64      `json:"trigger_position"` // its position in the log
	AsOf            domain.Date `json:"as_of"`            // the last closed day
	PolicyVersion   int         `json:"policy_version"`
	Currency        string      `json:"currency"`
	Denominator     int64       `json:"denominator"` // of all cut points: 100
	Measures        []Cuts      `json:"measures"`
}

// Cuts are the percentiles of a measure, exact: the numerators listed here over the
// calibration's denominator.
type Cuts struct {
	Name       string  `json:"name"`
	Population int64   `json:"population"` // customers of whom the measure is known
	Unknown    int64   `json:"unknown"`    // customers of whom it is not; who never bought is none of them, but for the contribution
	Cuts       []int64 `json:"cuts"`       // percentile 1 to 99, ascending; none of an empty population
}

// CalibrationFailed says why a day has no calibration; the one before stands.
type CalibrationFailed struct {
	Trigger         string      `json:"trigger"`
	TriggerPosition uint64      `json:"trigger_position"`
	AsOf            domain.Date `json:"as_of"`
	PolicyVersion   int         `json:"policy_version"`
	Code            string      `json:"code"`
	Detail          string      `json:"detail"`
}

func (Calibrated) valueEvent()        {}
func (CalibrationFailed) valueEvent() {}

// MaxValue bounds the values of a calibration, so that no exact cut point overflows:
// what is beyond counts as much as it.
const MaxValue = 1 << 56

// denominator is that of all cut points: percentile i is the quantile i/100.
const denominator = 100

// Population is the customers of a calibration by one measure.
type Population struct {
	Size    int64             // of whom it is known
	Unknown int64             // of whom it is not
	Values  iter.Seq[rfm.Run] // ascending (a value may come in several runs); Size in all
}

// CutsOf returns the percentiles of a measure, in one pass over the values: the
// quantiles of type 7, exactly.
func CutsOf(name string, population Population) Cuts {
	c := Cuts{Name: name, Population: population.Size, Unknown: population.Unknown, Cuts: []int64{}}
	if population.Size == 0 {
		return c
	}
	bounded := func(yield func(rfm.Run) bool) {
		for run := range population.Values {
			run.Value = max(-MaxValue, min(run.Value, MaxValue))
			if !yield(run) {
				return
			}
		}
	}
	c.Cuts = rfm.QuantileCuts(population.Size, bounded, denominator, 0)
	return c
}

// Calibrate completes a calibration by the percentiles of populations, which are in
// the order of MeasureNames.
func Calibrate(c Calibrated, populations [len(MeasureNames)]Population) Calibrated {
	c.Denominator, c.Measures = denominator, make([]Cuts, len(MeasureNames))
	for i, name := range MeasureNames {
		c.Measures[i] = CutsOf(name, populations[i])
	}
	return c
}

// Of returns the percentiles of a measure, nil if there are none.
func (c *Calibrated) Of(measure string) *Cuts {
	if c == nil {
		return nil
	}
	for i := range c.Measures {
		if m := &c.Measures[i]; m.Name == measure && len(m.Cuts) > 0 {
			return m
		}
	}
	return nil
}

// Reaches says whether a value reaches a percentile, 1 to 99, of a measure: it is
// not less than its cut point. Where nobody was there to calibrate by, and of a
// percentile that is none, nothing is reached.
func (c *Calibrated) Reaches(measure string, value int64, percent int) bool {
	m := c.Of(measure)
	return m != nil && percent >= 1 && percent <= len(m.Cuts) &&
		rfm.AtLeast(value, m.Cuts[percent-1], c.Denominator)
}

// The bands of the value pyramid.
const (
	Top      = "top"
	Middle   = "middle"
	Base     = "base"
	Negative = "negative" // who costs more than they bring
	Unknown  = "unknown"  // whose contribution is not known, or nobody is there to compare with
)

// Bands is every band, from the top.
var Bands = []string{Top, Middle, Base, Negative, Unknown}

// Band returns the band of a contribution. A negative one is so without any
// calibration; all others are compared with the percentiles that c fixed.
func (c *Calibrated) Band(p *Policy, r Result) string {
	switch {
	case !r.Known:
		return Unknown
	case r.ContributionMinor < 0:
		return Negative
	case c.Of(Contributed) == nil:
		return Unknown
	case c.Reaches(Contributed, r.ContributionMinor, 100-p.TopPercent):
		return Top
	case c.Reaches(Contributed, r.ContributionMinor, 100-p.TopPercent-p.MiddlePercent):
		return Middle
	}
	return Base
}
