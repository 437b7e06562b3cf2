package readapi

import (
	"slices"
	"testing"

	"github.com/rapport-crm/rapport/domain/rfm"
)

func TestAmountsAndCutPointsAreWrittenExactly(t *testing.T) {
	for _, c := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{8900, "USD", "89.00"}, {5, "EUR", "0.05"}, {0, "EUR", "0.00"}, {-5, "EUR", "-0.05"}, {-123456, "EUR", "-1234.56"},
		{89, "JPY", "89"}, {1234, "KWD", "1.234"}, {-1 << 63, "EUR", "-92233720368547758.08"},
	} {
		if got := major(c.minor, c.currency); got != c.want {
			t.Errorf("%d %s: %s, want %s", c.minor, c.currency, got, c.want)
		}
	}
	for _, c := range []struct {
		numerator, denominator int64
		digits                 int
		want                   string
	}{
		{579, 5, 0, "115.8"}, {10, 5, 0, "2"}, {16175, 5, 2, "32.35"}, {79700, 5, 2, "159.40"}, {16176, 5, 2, "32.352"},
		{10, 3, 0, "3.333333"}, {-7, 2, 0, "-3.5"},
	} {
		if got := decimal(c.numerator, c.denominator, c.digits); got != c.want {
			t.Errorf("%d/%d: %s, want %s", c.numerator, c.denominator, got, c.want)
		}
	}
}

// Each sentence says of a value what the score says.
func TestAnExplanationAgreesWithTheScore(t *testing.T) {
	p := &rfm.Policy{Name: "p", Currency: "EUR", Bins: 5, Labels: rfm.LabelTable(rfm.SegmentV), Otherwise: "Others"}
	c := &rfm.Calibrated{Denominator: 5, Currency: "EUR", Population: 1, Recency: []int64{50, 100, 150, 200}, Frequency: []int64{10, 10, 15, 25}, Monetary: []int64{500, 1000, 1500, 2000}}
	for days := range int64(50) {
		v := rfm.Values{RecencyDays: days, Frequency: days % 7, MonetaryMinor: days * 10}
		s := c.CutPoints().Score(v)
		w := explain(v, s, c, p)
		for name, d := range map[string]Dimension{"recency": w.Recency, "frequency": w.Frequency, "monetary": w.Monetary} {
			value := map[string]int64{"recency": v.RecencyDays, "frequency": v.Frequency, "monetary": v.MonetaryMinor}[name]
			if name != "recency" && v.Frequency == 0 {
				continue
			}
			want := map[bool]int{true: 5, false: 1}[name == "recency"]
			for _, cut := range d.CutPoints {
				if value*cut.Denominator >= cut.Numerator {
					want = cut.Score
				}
			}
			if d.Score != want {
				t.Errorf("%s of %+v: score %d, by the cut points %d", name, v, d.Score, want)
			}
		}
	}
}

func TestPrefixesCoverTheWantedScoresAndNoOthers(t *testing.T) {
	p := &rfm.Policy{Bins: 5, Labels: rfm.LabelTable(rfm.Segment11), Otherwise: "Others"}
	for name, c := range map[string]struct {
		wanted func(rfm.Scores, string) bool
		want   []string
	}{
		"all":       {func(rfm.Scores, string) bool { return true }, []string{""}},
		"none":      {func(rfm.Scores, string) bool { return false }, nil},
		"recency":   {func(s rfm.Scores, _ string) bool { return s.R == 4 }, []string{"4"}},
		"two":       {func(s rfm.Scores, _ string) bool { return s.R == 4 && s.F == 2 }, []string{"42"}},
		"champions": {func(_ rfm.Scores, l string) bool { return l == "Champions" }, []string{"445\x00", "454\x00", "455\x00", "544\x00", "545\x00", "554\x00", "555\x00"}},
	} {
		if got := prefixes(p, c.wanted); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
