package segments_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
	"pgregory.net/rapid"
)

// drawn is a customer with a few orders, and perhaps costs.
func drawn(t *rapid.T) *value.Inputs {
	in := new(value.Inputs)
	for range rapid.IntRange(0, 3).Draw(t, "orders") {
		o := value.Order{
			On: domain.Date(rapid.Int32Range(0, 60).Draw(t, "on")), AmountMinor: rapid.Int64Range(0, 3000).Draw(t, "amount"),
			Currency: rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD"}).Draw(t, "currency"), Paid: rapid.IntRange(0, 5).Draw(t, "paid") > 0,
		}
		if rapid.Bool().Draw(t, "known") {
			goods := rapid.Int64Range(0, 4000).Draw(t, "goods")
			o.GoodsMinor = &goods
		}
		in.Orders = append(in.Orders, o)
	}
	if rapid.Bool().Draw(t, "cost") {
		in.Costs = []value.Cost{{Kind: value.Service, On: 40, AmountMinor: rapid.Int64Range(1, 500).Draw(t, "minor"), Currency: "EUR"}}
	}
	return in
}

// The contributions of any number of partitions, stored and merged, give the same
// percentiles as everybody's values in one list; who is not known is counted.
func TestContributionsMergeToTheWholePopulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, day := value.Policy{Currency: "EUR", WindowDays: 30, TopPercent: 5, MiddlePercent: 15}, value.At(50, nil)
		counts := make([]*segments.Measured, rapid.IntRange(1, 7).Draw(t, "partitions"))
		for i := range counts {
			counts[i] = segments.NewMeasured(50, 3)
		}
		var want [len(value.MeasureNames)]value.Population
		var values [len(value.MeasureNames)][]int64
		for range rapid.IntRange(0, 40).Draw(t, "customers") {
			measures := value.MeasuresOf(drawn(t), &p, day)
			counts[rapid.IntRange(0, len(counts)-1).Draw(t, "partition")].Add(&measures)
			for i, m := range measures {
				if m.Known {
					want[i].Size++
					values[i] = append(values[i], m.Value)
				} else if m.Reason != value.NoOrder {
					want[i].Unknown++
				}
			}
		}
		for i := range want {
			want[i].Values = rfm.Runs(slices.Sorted(slices.Values(values[i])))
		}
		var contributions []*segments.Contribution
		for _, m := range counts {
			c, err := segments.DecodeContribution(m.Encode())
			if err != nil || c.AsOf != 50 || c.PolicyVersion != 3 {
				t.Fatal(c, err)
			}
			contributions = append(contributions, c)
		}
		got, err := segments.MergeMeasured(contributions)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value.Calibrate(value.Calibrated{}, want), value.Calibrate(value.Calibrated{}, got)); diff != "" {
			t.Fatal(diff)
		}
		contributions = append(contributions, &segments.Contribution{AsOf: 50, PolicyVersion: 4})
		if _, err := segments.MergeMeasured(contributions); !errors.Is(err, segments.ErrDiffer) {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeContribution(f *testing.F) {
	m := segments.NewMeasured(50, 1)
	for i := range 20 {
		measures := value.Measures{{Known: true, Value: int64(i*i) - 100}, {Reason: value.CurrencyMixed}, {Reason: value.NoOrder}}
		m.Add(&measures)
	}
	f.Add(m.Encode())
	f.Add(segments.NewMeasured(0, 0).Encode())
	f.Fuzz(func(t *testing.T, note []byte) {
		c, err := segments.DecodeContribution(note)
		if err != nil {
			return
		}
		all, err := segments.MergeMeasured([]*segments.Contribution{c})
		if err != nil {
			t.Fatal(err)
		}
		for _, cuts := range value.Calibrate(value.Calibrated{}, all).Measures {
			if !slices.IsSorted(cuts.Cuts) || len(cuts.Cuts) != 0 && len(cuts.Cuts) != 99 || cuts.Population < 0 || cuts.Unknown < 0 {
				t.Fatalf("%+v", cuts)
			}
		}
	})
}

func BenchmarkMergeMeasured(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	notes, size := make([][]byte, 64), 0
	for i := range notes {
		m := segments.NewMeasured(400, 1)
		for range 1_000_000 / 64 {
			revenue, orders := int64(random.ExpFloat64()*10000), int64(1+random.IntN(20))
			m.Add(&value.Measures{
				{Known: true, Value: revenue}, {Known: true, Value: revenue / 2}, {Known: true, Value: orders},
				{Known: true, Value: orders / 2}, {Known: true, Value: revenue / orders}, {Known: true, Value: revenue / 3},
			})
		}
		notes[i] = m.Encode()
		size += len(notes[i])
	}
	for b.Loop() {
		var contributions []*segments.Contribution
		for _, note := range notes {
			c, err := segments.DecodeContribution(note)
			if err != nil {
				b.Fatal(err)
			}
			contributions = append(contributions, c)
		}
		all, err := segments.MergeMeasured(contributions)
		if err != nil {
			b.Fatal(err)
		}
		value.Calibrate(value.Calibrated{}, all)
	}
	b.ReportMetric(float64(size)/1_000_000, "note-bytes/customer")
}

// The worth of customers is asked for where a rule rests on it, as of the last day
// closed, and where somebody wants to see it.
func TestWorthIsAskedFor(t *testing.T) {
	worth := value.Default("EUR")
	policyOf := func(version int, from domain.Date) policy.Published {
		return policy.Published{Kind: policy.KindValue, Version: version, EffectiveFrom: from, Value: &worth}
	}
	ruled := func(id, rule string) segment.Defined {
		return segment.Defined{SegmentID: id, Kind: segment.Dynamic, Name: id, Rule: rule}
	}
	rich, poor := ruled("rich", `percentile("revenue") >= 90`), ruled("poor", `value.band == "negative"`)
	anybody, gone := ruled("anybody", `orders.count() > 0`), segment.Archived{SegmentID: "rich"}
	requested := policy.CalibrationRequested{Kind: policy.KindValue}
	answered := func(trigger uint64, asOf domain.Date) value.Calibrated {
		return value.Calibrated{TriggerPosition: trigger, AsOf: asOf, PolicyVersion: 1}
	}
	first := policyOf(1, policy.Always)
	for name, tc := range map[string]struct {
		log  []any // a date is a day that is closed
		want []int // from 1, the events whose calibrations are still to come
	}{
		"no rule wants to know":                {[]any{first, anybody, domain.Date(100), policyOf(2, 50)}, nil},
		"a day, for a rule":                    {[]any{first, rich, domain.Date(100), domain.Date(101)}, []int{3, 4}},
		"a rule, on the day before":            {[]any{first, domain.Date(100), poor}, []int{3}},
		"a rule, before there is a day":        {[]any{first, poor}, nil},
		"another rule adds nothing":            {[]any{first, domain.Date(100), poor, rich, anybody}, []int{3}},
		"nor if all is known":                  {[]any{first, domain.Date(100), poor, answered(3, 100), gone, rich}, nil},
		"a policy that is in force":            {[]any{first, domain.Date(100), poor, policyOf(2, 101)}, []int{3, 4}},
		"a policy of the future, and the day":  {[]any{first, domain.Date(100), poor, policyOf(2, 102), domain.Date(101)}, []int{3, 5}},
		"without a policy nothing is asked":    {[]any{poor, domain.Date(100)}, nil},
		"somebody wants to see it":             {[]any{first, domain.Date(100), requested}, []int{3}},
		"the scores, nobody does":              {[]any{first, domain.Date(100), policy.CalibrationRequested{Kind: policy.KindRFM}}, nil},
		"before there is a day, it is nothing": {[]any{first, requested}, nil},
		"a rule after days without one": {
			[]any{first, rich, domain.Date(100), answered(3, 100), gone, domain.Date(101), poor}, []int{7},
		},
		"a rule by a policy that came without one": {
			[]any{first, rich, domain.Date(100), answered(3, 100), gone, policyOf(2, 50), poor}, []int{7},
		},
		"answers settle": {
			[]any{first, rich, domain.Date(100), domain.Date(101), domain.Date(102), answered(3, 100), answered(4, 101)}, []int{5},
		},
		"an answer that comes again": {[]any{first, rich, domain.Date(100), answered(3, 100), answered(3, 100)}, nil},
		"a failure settles too": {
			[]any{first, rich, domain.Date(100), value.CalibrationFailed{TriggerPosition: 3, AsOf: 100}}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			write, store := partitiontest.NewWriter(t), new(memstore.Store)
			filling := projections.Filling{View: segments.New(nil), Number: 1}
			p := projections.NewPartition(0, store, projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: write}, filling)
			var log []eventschema.Raw
			var trigger, last uint64 // of the last answer that counts, and its position
			for i, data := range tc.log {
				raw := eventschema.Raw{}
				if day, ok := data.(domain.Date); ok {
					raw = write.Close(day)
				} else {
					raw = write.Event(fmt.Sprint("stream-", i), uuid.Nil, data)
				}
				raw.Position = uint64(i + 1)
				switch d := data.(type) {
				case value.Calibrated:
					if d.TriggerPosition > trigger {
						trigger, last = d.TriggerPosition, raw.Position
					}
				case value.CalibrationFailed:
					last = raw.Position
				}
				log = append(log, raw)
			}
			if err := p.Apply(t.Context(), projections.Batch{Events: log, End: uint64(len(log)), Live: true}); err != nil {
				t.Fatal(err)
			}
			stored, _, err := store.World(t.Context(), filling.Generation(), 0)
			if err != nil {
				t.Fatal(err)
			}
			w, err := projections.DecodeWorld(stored)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, asked := range w.ValueAsked {
				got = append(got, int(asked.Position))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || w.ValueAnsweredAt != last {
				t.Errorf("%s, answered at %d", diff, w.ValueAnsweredAt)
			}
			for i := range log {
				notes, err := store.Notes(t.Context(), filling.Generation(), 1, segments.NoteName(uint64(i+1)))
				if err != nil {
					t.Fatal(err)
				}
				if there := notes[0] != nil; there != slices.Contains(tc.want, i+1) {
					t.Errorf("a contribution to %d is there: %v", i+1, there)
				}
			}
		})
	}
}
