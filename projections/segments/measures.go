package segments

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/tally"
)

func collectMeasures(e projections.Event, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	asked := w.ValueAsked[len(w.ValueAsked)-1]
	p, ok := w.PolicyVersion(policy.KindValue, asked.PolicyVersion)
	if !ok || p.Value == nil || asked.Position != e.Position {
		return nil, fmt.Errorf("%s at position %d asks for no calibration", e.Type, e.Position)
	}
	m := NewMeasured(asked.AsOf, asked.PolicyVersion)
	day := value.At(asked.AsOf, w.Location())
	for _, d := range documents {
		if d.Out() {
			continue
		}
		measures := value.MeasuresOf(&d.Books.Inputs, p.Value, day)
		m.Add(&measures)
	}
	return m.Encode(), nil
}

// Measured counts how often which value of each measure comes, of some customers as
// of one day.
type Measured struct {
	asOf     domain.Date
	version  int
	unknown  [len(value.MeasureNames)]int64
	measures [len(value.MeasureNames)][]int64
}

// NewMeasured returns the count of no customers, as of a day by a version of the
// policy.
func NewMeasured(asOf domain.Date, policyVersion int) *Measured {
	return &Measured{asOf: asOf, version: policyVersion}
}

// Add counts a customer in. Who never bought counts in no measure of buyers.
func (m *Measured) Add(measures *value.Measures) {
	for i, x := range measures {
		switch {
		case x.Known:
			m.measures[i] = append(m.measures[i], x.Value)
		case x.Reason != value.NoOrder:
			m.unknown[i]++
		}
	}
}

// measuredVersion is the first byte of an encoded count.
const measuredVersion = 1

// Encode returns the contribution as it is stored: numbers as varints, and for each
// measure, in the order of value.MeasureNames, of how many it is not known, and the
// values of the others.
func (m *Measured) Encode() []byte {
	b := []byte{measuredVersion}
	b = binary.AppendVarint(b, int64(m.asOf))
	b = binary.AppendUvarint(b, uint64(m.version))
	b = binary.AppendUvarint(b, uint64(len(m.measures)))
	for i, values := range m.measures {
		b = binary.AppendUvarint(b, uint64(m.unknown[i]))
		b = tally.Append(b, values)
	}
	return b
}

// Contribution is what one partition contributes to the calibration of the
// customers' worth, read. Whose values they are does not matter.
type Contribution struct {
	AsOf          domain.Date
	PolicyVersion int
	unknown       [len(value.MeasureNames)]int64
	sizes         [len(value.MeasureNames)]int64
	runs          [len(value.MeasureNames)]tally.Runs
}

var errMeasured = errors.New("segments: not a contribution to a calibration")

// DecodeContribution reads a stored contribution. It keeps note, which must not be
// changed afterwards.
func DecodeContribution(note []byte) (*Contribution, error) {
	r := tally.Read(note)
	if r.Byte() != measuredVersion {
		return nil, errMeasured
	}
	c := &Contribution{AsOf: domain.Date(r.Varint()), PolicyVersion: int(r.Uvarint())}
	if r.Count() != int64(len(c.runs)) {
		return nil, errMeasured
	}
	for i := range c.runs {
		c.unknown[i] = r.Count()
		c.runs[i], c.sizes[i] = r.Runs()
	}
	if !r.Done() {
		return nil, errMeasured
	}
	return c, nil
}

// ErrDiffer says that contributions are not to the same calibration.
var ErrDiffer = errors.New("segments: contributions of different days or policies")

// MergeMeasured returns the contributions of all partitions as one population for
// each measure, in the order of value.MeasureNames: in memory for nothing but a place
// in each, their values are read while they are asked for.
func MergeMeasured(contributions []*Contribution) (all [len(value.MeasureNames)]value.Population, err error) {
	for i := range all {
		runs := make([]tally.Runs, len(contributions))
		for n, c := range contributions {
			if c.AsOf != contributions[0].AsOf || c.PolicyVersion != contributions[0].PolicyVersion {
				return all, ErrDiffer
			}
			all[i].Size += c.sizes[i]
			all[i].Unknown += c.unknown[i]
			runs[n] = c.runs[i]
		}
		all[i].Values = tally.Merge(runs)
	}
	return all, nil
}
