package rfm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/tally"
)

// NoteName names the contributions to the calibration that the event at a
// position asks for.
func NoteName(trigger uint64) string { return fmt.Sprintf("rfm:%d", trigger) }

// Asked names the contributions that an event asks for. The world is that after
// the event.
func Asked(e projections.Event, w *projections.World) (name string, ok bool) {
	for _, asked := range w.Asked {
		if asked.Position == e.Position && asked.Event == e.ID {
			return NoteName(e.Position), true
		}
	}
	return "", false
}

// Settled names the contributions that an event makes superfluous.
func Settled(e projections.Event) (name string, ok bool) {
	switch d := e.Data.(type) {
	case rfm.Calibrated:
		return NoteName(d.TriggerPosition), true
	case rfm.CalibrationFailed:
		return NoteName(d.TriggerPosition), true
	}
	return "", false
}

func collect(e projections.Event, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	asked := w.Asked[len(w.Asked)-1]
	p, ok := w.PolicyVersion(policy.KindRFM, asked.PolicyVersion)
	if !ok || asked.Position != e.Position {
		return nil, fmt.Errorf("%s at position %d asks for no calibration", e.Type, e.Position)
	}
	t := NewTally(asked.AsOf, p.Version)
	for _, d := range documents {
		t.Add(d, p.RFM)
	}
	return t.Encode(), nil
}

// Tally counts how often which value comes, of some customers as of one day.
// Whose values they are does not matter to a calibration.
type Tally struct {
	asOf    domain.Date
	version int
	size    int64
	foreign map[string]int64
	values  [3][]int64 // recency, frequency, monetary
}

// NewTally returns an empty tally of a day by a version of the policy.
func NewTally(asOf domain.Date, policyVersion int) *Tally {
	return &Tally{asOf: asOf, version: policyVersion, foreign: map[string]int64{}}
}

// Add counts a customer in, by the orders up to the day; one without a counted
// order is passed over.
func (t *Tally) Add(d *Document, p *rfm.Policy) {
	v, reason := Values(d, p, t.asOf, t.asOf)
	switch reason {
	case "":
		t.size++
		for i, x := range [3]int64{v.RecencyDays, v.Frequency, v.MonetaryMinor} {
			t.values[i] = append(t.values[i], x)
		}
	case CurrencyMixed:
		t.size++
		for currency := range d.foreign(p, t.asOf, t.asOf) {
			t.foreign[currency]++
		}
	}
}

// noteVersion is the first byte of an encoded tally.
const noteVersion = 1

// Encode returns the contribution as it is stored: numbers as varints, values
// ascending as the difference to the one before and a count.
func (t *Tally) Encode() []byte {
	b := []byte{noteVersion}
	b = binary.AppendVarint(b, int64(t.asOf))
	b = binary.AppendUvarint(b, uint64(t.version))
	b = binary.AppendUvarint(b, uint64(t.size))
	b = binary.AppendUvarint(b, uint64(len(t.foreign)))
	for _, currency := range slices.Sorted(maps.Keys(t.foreign)) {
		b = binary.AppendUvarint(b, uint64(len(currency)))
		b = append(b, currency...)
		b = binary.AppendUvarint(b, uint64(t.foreign[currency]))
	}
	for _, values := range t.values {
		b = tally.Append(b, values)
	}
	return b
}

// Contribution is the tally of one partition, read.
type Contribution struct {
	AsOf          domain.Date
	PolicyVersion int
	Size          int64            // customers with at least one counted order
	Foreign       map[string]int64 // of them, by currency, those with orders that cannot be counted in the policy's
	runs          [3]tally.Runs    // recency, frequency, monetary
}

var errNote = errors.New("rfm: not a contribution to a calibration")

// DecodeContribution reads a stored contribution. It keeps note, which must not
// be changed afterwards.
func DecodeContribution(note []byte) (*Contribution, error) {
	r := tally.Read(note)
	if r.Byte() != noteVersion {
		return nil, errNote
	}
	c := &Contribution{AsOf: domain.Date(r.Varint()), PolicyVersion: int(r.Uvarint()), Size: r.Count()}
	c.Foreign = map[string]int64{}
	for n := r.Uvarint(); n > 0 && !r.Bad(); n-- {
		currency := string(r.Bytes())
		c.Foreign[currency] = r.Count()
	}
	for i := range c.runs {
		var n int64
		if c.runs[i], n = r.Runs(); n > c.Size || n < c.Size && len(c.Foreign) == 0 {
			return nil, errNote
		}
	}
	if !r.Done() {
		return nil, errNote
	}
	return c, nil
}

// ErrDiffer says that contributions are not to the same calibration.
var ErrDiffer = errors.New("rfm: contributions of different days or policies")

// Merge returns all contributions as one population, in memory for nothing but a
// place in each: its values are read while they are asked for. Foreign currencies
// are added up.
func Merge(contributions []*Contribution) (population rfm.Population, foreign map[string]int64, err error) {
	foreign = map[string]int64{}
	for _, c := range contributions {
		if c.AsOf != contributions[0].AsOf || c.PolicyVersion != contributions[0].PolicyVersion {
			return rfm.Population{}, nil, ErrDiffer
		}
		population.Size += c.Size
		for currency, n := range c.Foreign {
			foreign[currency] += n
		}
	}
	merged := func(dimension int) iter.Seq[rfm.Run] {
		runs := make([]tally.Runs, len(contributions))
		for i, c := range contributions {
			runs[i] = c.runs[dimension]
		}
		return tally.Merge(runs)
	}
	population.Recency, population.Frequency, population.Monetary = merged(0), merged(1), merged(2)
	return population, foreign, nil
}

// Mixed says why customers cannot be calibrated by: in which currencies, by how many
// customers each, orders are that a policy cannot count.
func Mixed(p *rfm.Policy, foreign map[string]int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the policy %q counts in %s, but there are orders without a rate to it: ", p.Name, p.Currency)
	for i, currency := range slices.Sorted(maps.Keys(foreign)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s of %d customers", currency, foreign[currency])
	}
	b.WriteString("; publish a policy in another currency, or record such orders with a rate")
	return b.String()
}
