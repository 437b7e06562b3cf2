package value_test

import (
	"iter"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain/domaintest"
	"github.com/rapport-crm/rapport/domain/rfm"
	. "github.com/rapport-crm/rapport/domain/value"
	"pgregory.net/rapid"
)

func runs(values []int64) iter.Seq[rfm.Run] { return rfm.Runs(slices.Sorted(slices.Values(values))) }

// of is a calibration by the contributions of a population.
func of(contributions []int64) *Calibrated {
	populations := [len(MeasureNames)]Population{}
	for i := range populations {
		populations[i].Values = runs(nil)
	}
	populations[len(populations)-1] = Population{Size: int64(len(contributions)), Unknown: 3, Values: runs(contributions)}
	c := Calibrate(Calibrated{AsOf: 100, PolicyVersion: 1, Currency: "EUR"}, populations)
	return &c
}

// percentile is the quantile of type 7 of sorted values, in rational numbers.
func percentile(sorted []int64, percent int64) *big.Rat {
	h := big.NewRat(int64(len(sorted)-1)*percent, 100)
	k := new(big.Int).Quo(h.Num(), h.Denom()).Int64()
	q := big.NewRat(sorted[k], 1)
	if k+1 < int64(len(sorted)) {
		rest := h.Sub(h, big.NewRat(k, 1))
		q.Add(q, rest.Mul(rest, big.NewRat(sorted[k+1]-sorted[k], 1)))
	}
	return q
}

func TestBandsAreThoseOfANaiveSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Currency: "EUR", WindowDays: 1, TopPercent: rapid.IntRange(1, 60).Draw(t, "top"), MiddlePercent: rapid.IntRange(1, 39).Draw(t, "middle")}
		amount := rapid.OneOf(rapid.Int64Range(-5, 20), rapid.Int64Range(-5000, 500_000), rapid.Int64Range(-MaxValue, MaxValue))
		population := rapid.SliceOfN(amount, 1, 60).Draw(t, "population")
		c := of(population)
		sorted := slices.Sorted(slices.Values(population))
		for _, v := range append(population, amount.Draw(t, "another")) {
			reaches := func(percent int) bool {
				return big.NewRat(v, 1).Cmp(percentile(sorted, int64(percent))) >= 0
			}
			want := Base
			switch {
			case v < 0:
				want = Negative
			case reaches(100 - p.TopPercent):
				want = Top
			case reaches(100 - p.TopPercent - p.MiddlePercent):
				want = Middle
			}
			if got := c.Band(&p, Result{Known: true, ContributionMinor: v}); got != want {
				t.Fatalf("%d is %s, want %s: %v", v, got, want, sorted)
			}
			for percent := 1; percent <= 99; percent++ {
				if got := c.Reaches(Contributed, v, percent); got != reaches(percent) {
					t.Fatalf("%d reaches percentile %d: %v", v, percent, got)
				}
			}
		}
	})
}

func TestBands(t *testing.T) {
	p := Default("EUR")
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i - 9) // -9 … 90
	}
	known := func(v int64) Result { return Result{Known: true, ContributionMinor: v} }
	counted := map[string]int{}
	for _, v := range hundred {
		counted[of(hundred).Band(&p, known(v))]++
	}
	if diff := cmp.Diff(map[string]int{Top: 5, Middle: 15, Base: 71, Negative: 9}, counted); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		name string
		by   *Calibrated
		of   Result
		want string
	}{
		{"unknown stays unknown", of(hundred), Result{Reason: NoCosts}, Unknown},
		{"nobody was there to calibrate by", of(nil), known(1), Unknown},
		{"nothing was calibrated", nil, known(1), Unknown},
		{"who costs more than they bring needs no calibration", nil, known(-1), Negative},
		{"nothing is not negative", of([]int64{0, 0, 0, 1000}), known(0), Base},
		{"who are all the same reach every percentile", of([]int64{7, 7, 7}), known(7), Top},
		{"beyond everything", of(hundred), known(1 << 59), Top},
	} {
		if got := tc.by.Band(&p, tc.of); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestACalibrationHasEveryMeasure(t *testing.T) {
	c := of([]int64{1, 2})
	if c.Denominator != 100 || len(c.Measures) != len(MeasureNames) {
		t.Fatalf("%+v", c)
	}
	for i, m := range c.Measures[:len(c.Measures)-1] {
		if diff := cmp.Diff(Cuts{Name: MeasureNames[i], Cuts: []int64{}}, m); diff != "" {
			t.Error(diff)
		}
	}
	m := c.Of(Contributed)
	if m.Population != 2 || m.Unknown != 3 || len(m.Cuts) != 99 || m.Cuts[0] != 101 || m.Cuts[98] != 199 {
		t.Errorf("%+v", m)
	}
	if c.Of(Revenue) != nil || c.Of("fun") != nil || c.Reaches("fun", 9, 50) || c.Reaches(Contributed, 9, 0) || c.Reaches(Contributed, 9, 100) {
		t.Error("something is there that is not")
	}
	beyond := CutsOf(Revenue, Population{Size: 2, Values: runs([]int64{-1 << 62, 1 << 62})})
	if beyond.Cuts[0] != -MaxValue*98 || beyond.Cuts[98] != MaxValue*98 {
		t.Errorf("%v", beyond.Cuts)
	}
}

func TestAnswer(t *testing.T) {
	first := Calibrated{TriggerPosition: 7, AsOf: 100, PolicyVersion: 1}
	failed := CalibrationFailed{TriggerPosition: 9, AsOf: 101, PolicyVersion: 1, Code: CurrencyMixed}
	zero := Calibrated{}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "the first", When: Answer{Calibrated: &first}, Then: []Event{first}},
		{Name: "of the first event of a log", When: Answer{Calibrated: &zero}, Then: []Event{zero}},
		{Name: "a failure", Given: []Event{first}, When: Answer{Failed: &failed}, Then: []Event{failed}},
		{Name: "a second answer to the same", Given: []Event{first}, When: Answer{Failed: &CalibrationFailed{TriggerPosition: 7}}},
		{Name: "an answer to what came before", Given: []Event{first, failed}, When: Answer{Calibrated: &Calibrated{TriggerPosition: 8}}},
	})
	if (Answer{}).Stream() != CalibrationStream {
		t.Error((Answer{}).Stream())
	}
}
