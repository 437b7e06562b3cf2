package rfm

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"pgregory.net/rapid"
)

// naive is the definition read word by word, in rational numbers: quantile i/n of
// type 7 plus a unit, half-open intervals from the least to the greatest value
// plus a unit, and where intervals overlap the later one.
type naive struct{ bounds []*big.Rat }

func naiveCuts(values []int64, bins int, unit int64) naive {
	v := slices.Sorted(slices.Values(values))
	last := big.NewRat(int64(len(v)-1), 1)
	plus := big.NewRat(unit, 1)
	n := naive{[]*big.Rat{big.NewRat(v[0], 1)}}
	for i := 1; i < bins; i++ {
		h := new(big.Rat).Mul(last, big.NewRat(int64(i), int64(bins)))
		floor := new(big.Int).Quo(h.Num(), h.Denom())
		k := int(floor.Int64())
		rest := new(big.Rat).Sub(h, new(big.Rat).SetInt(floor))
		q := big.NewRat(v[k], 1)
		if k+1 < len(v) {
			q.Add(q, rest.Mul(rest, new(big.Rat).Sub(big.NewRat(v[k+1], 1), big.NewRat(v[k], 1))))
		}
		n.bounds = append(n.bounds, q.Add(q, plus))
	}
	n.bounds = append(n.bounds, new(big.Rat).Add(big.NewRat(v[len(v)-1], 1), plus))
	return n
}

func (n naive) score(v int64) (score int) {
	x := big.NewRat(v, 1)
	for i := 0; i+1 < len(n.bounds); i++ {
		if x.Cmp(n.bounds[i]) >= 0 && x.Cmp(n.bounds[i+1]) < 0 {
			score = i + 1
		}
	}
	return score
}

func TestCutPointsAndScoresAreThoseOfRationalArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Default(rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency"))
		p.Bins = rapid.IntRange(MinBins, MaxBins).Draw(t, "bins")
		amount := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(-5000, 500_000), rapid.Int64Range(0, MaxAmount))
		customers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Values {
			return Values{
				RecencyDays:   rapid.Int64Range(0, 40).Draw(t, "recency"),
				Frequency:     rapid.Int64Range(1, 12).Draw(t, "frequency"),
				MonetaryMinor: amount.Draw(t, "monetary"),
			}
		}), 1, 60).Draw(t, "customers")

		unit, _ := domain.MajorUnit(p.Currency)
		got := Calibrate(&p, Of(customers))
		for _, dimension := range []struct {
			name string
			cuts []int64
			unit int64
			of   func(Values) int64
		}{
			{"recency", got.Recency, 1, func(v Values) int64 { return v.RecencyDays }},
			{"frequency", got.Frequency, 1, func(v Values) int64 { return v.Frequency }},
			{"monetary", got.Monetary, unit, func(v Values) int64 { return v.MonetaryMinor }},
		} {
			var values []int64
			for _, v := range customers {
				values = append(values, dimension.of(v))
			}
			want := naiveCuts(values, p.Bins, dimension.unit)
			for i, c := range dimension.cuts {
				if w := want.bounds[i+1]; big.NewRat(c, got.Denominator).Cmp(w) != 0 {
					t.Fatalf("%s cut %d: %d/%d, want %s", dimension.name, i, c, got.Denominator, w)
				}
			}
			for _, v := range customers {
				s := got.Score(v)
				score := map[string]int{"recency": p.Bins + 1 - s.R, "frequency": s.F, "monetary": s.M}[dimension.name]
				if w := want.score(dimension.of(v)); score != w {
					t.Fatalf("%s of %+v: score %d, want %d", dimension.name, v, score, w)
				}
			}
		}
	})
}

func TestAScoreCountsTheCutPointsReachedExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		numerator := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-20, 20)).Draw(t, "numerator")
		denominator := rapid.Int64Range(1, 9).Draw(t, "denominator")
		want := big.NewRat(v, 1).Cmp(big.NewRat(numerator, denominator)) >= 0
		if got := AtLeast(v, numerator, denominator); got != want {
			t.Fatalf("%d >= %d/%d: %v", v, numerator, denominator, got)
		}
	})
	if !AtLeast(math.MinInt64, math.MinInt64, 1) || AtLeast(math.MinInt64, math.MinInt64+1, 1) {
		t.Fatal("the least integer is compared wrongly")
	}
}

func TestEqualCutPointsLeaveAScoreEmpty(t *testing.T) {
	var customers []Values
	for _, f := range []int64{1, 1, 1, 1, 1, 1, 2, 2, 4, 6} {
		customers = append(customers, Values{Frequency: f})
	}
	p := Default("USD")
	c := Calibrate(&p, Of(customers))
	if diff := cmp.Diff([]int64{10, 10, 12, 17}, c.Frequency); diff != "" { // 2, 2, 2.4, 3.4 over 5
		t.Fatal(diff)
	}
	for _, v := range customers {
		if s := c.Score(v); s.F == 2 {
			t.Errorf("%+v scores 2 between two equal cut points", v)
		}
	}
}

func TestValuesOutsideTheCalibratedRangeTakeTheOuterScore(t *testing.T) {
	c := CutPoints{Denominator: 5, Recency: []int64{50, 100, 150, 200}, Frequency: []int64{10, 15, 20, 25}, Monetary: []int64{500, 1000, 1500, 2000}}
	for _, tc := range []struct {
		values Values
		code   string
	}{
		{Values{0, 1_000_000, math.MaxInt64}, "555"},
		{Values{math.MaxInt64, 1, math.MinInt64}, "111"},
		{Values{10, 2, 100}, "422"}, // on a cut point: the upper interval
		{Values{9, 1, 99}, "511"},
	} {
		if got := c.Score(tc.values).Code(); got != tc.code {
			t.Errorf("%+v scores %s, want %s", tc.values, got, tc.code)
		}
	}
}

func TestWhereTheWindowLeavesNothingFrequencyAndMonetaryScoreOne(t *testing.T) {
	c := CutPoints{Denominator: 1, Recency: []int64{10}, Frequency: []int64{0}, Monetary: []int64{-50}}
	if got := c.Score(Values{RecencyDays: 400}).Code(); got != "111" {
		t.Fatalf("scores %s", got)
	}
}

func TestOneMajorUnitFollowsTheCurrency(t *testing.T) {
	for currency, cut := range map[string]int64{"EUR": 110, "JPY": 11, "KWD": 1010} {
		p := Default(currency)
		p.Bins = 2
		c := Calibrate(&p, Of([]Values{{MonetaryMinor: 10}}))
		if c.Monetary[0] != cut*2 {
			t.Errorf("%s: %d over %d", currency, c.Monetary[0], c.Denominator)
		}
	}
}

func TestAnEmptyPopulationHasNoCutPoints(t *testing.T) {
	p := Default("USD")
	c := Calibrate(&p, Of(nil))
	if !(&Calibrated{Recency: c.Recency}).Empty() {
		t.Fatalf("%+v", c)
	}
}

func TestGivenThresholdsAreUsedAsTheyAre(t *testing.T) {
	p := Shipped("USD")[3]
	if diff := cmp.Diff(CutPoints{1, p.Cuts.RecencyDays, p.Cuts.Frequency, p.Cuts.MonetaryMinor}, Calibrate(&p, Of(nil))); diff != "" {
		t.Fatal(diff)
	}
}
