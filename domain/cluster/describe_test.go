package cluster

import (
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		sum, all int64 // of one, of ten
		want     string
	}{
		{0, 1000, VeryLow},
		{50, 1000, VeryLow},
		{51, 1000, Low},
		{80, 1000, Low},
		{81, 1000, Average},
		{124, 1000, Average},
		{125, 1000, High},
		{199, 1000, High},
		{200, 1000, VeryHigh},
		{-5, 1000, VeryLow},
		{0, 0, Average},
		{1, 0, VeryHigh},
		{-1, 0, VeryLow},
		{-100, -1000, Average},
		{-75, -1000, High},
		{0, -1000, VeryHigh},
		{-120, -1000, Low},
		{-150, -1000, VeryLow},
	} {
		if got := level(big.NewInt(c.sum), 1, big.NewInt(c.all), 10); got != c.want {
			t.Errorf("%d against %d tenths: %s, want %s", c.sum, c.all, got, c.want)
		}
	}
}

// Every feature can be spoken of, whatever its level.
func TestEveryFeatureHasWords(t *testing.T) {
	for _, f := range Features() {
		w, ok := vocabulary[f.Name]
		if !ok || f.Description == "" || f.Transform == "" || (w.one == "") != (f.Unit == Amount) || (w.several == "") != (f.Unit == Amount) {
			t.Errorf("%+v: %+v", f, w)
		}
		for _, text := range []string{w.name, w.veryLow, w.low, w.high, w.veryHigh, w.few, w.many} {
			if text == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: %q", f.Name, text)
			}
		}
	}
	if _, ok := FeatureOf("shoe_size"); ok || len(vocabulary) != len(Features()) {
		t.Error("there are words for what is no feature")
	}
}

func describe(currency string, features []string, groups ...[][]int64) (texts []string) {
	f := &Fitted{Currency: currency}
	sums := make([][]*big.Int, len(groups))
	for _, name := range features {
		f.Features = append(f.Features, Scale{Name: name})
	}
	for g, rows := range groups {
		f.Clusters = append(f.Clusters, Cluster{Number: g + 1, Size: len(rows), Profile: make([]Line, len(features))})
		for j := range features {
			sums[g] = append(sums[g], new(big.Int))
			for _, row := range rows {
				sums[g][j].Add(sums[g][j], big.NewInt(row[j]))
			}
		}
		f.Population += len(rows)
	}
	f.describe(sums)
	for _, c := range f.Clusters {
		texts = append(texts, c.Name+": "+c.Description)
	}
	return texts
}

func TestDescriptions(t *testing.T) {
	got := describe(
		"EUR", []string{RecencyDays, Frequency, Monetary},
		[][]int64{{12, 2, 18_000}, {12, 2, 18_000}},
		[][]int64{{298, 1, 1_000}},
		[][]int64{{38, 15, 3_000}},
		[][]int64{{90, 5, 10_000}},
	)
	want := []string{
		"Recent, infrequent, high-spending: Compared with the average, they placed far fewer orders (2 orders against 5), but bought far more recently (12 days against 90) and spent more (180.00 EUR against 100.00 EUR).",
		"Dormant, infrequent, low-spending: Compared with the average, they have not bought for far longer (298 days against 90), placed far fewer orders (1 order against 5) and spent far less (10.00 EUR against 100.00 EUR).",
		"Recent, frequent, low-spending: Compared with the average, they spent far less (30.00 EUR against 100.00 EUR), but bought far more recently (38 days against 90) and placed far more orders (15 orders against 5).",
		"Average: Close to the average: last order (90 days against 90), orders (5 orders against 5) and spending (100.00 EUR against 100.00 EUR).",
	}
	for i := range want { // the second amount needs no currency
		want[i] = strings.ReplaceAll(want[i], "against 100.00 EUR", "against 100.00")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	got = describe(
		"JPY", []string{AverageOrder, TenureDays, OrdersWindow, PointsSpendable, Contribution},
		[][]int64{{100, 1, 0, 10, -500}, {101, 2, 1, 11, -500}},
		[][]int64{{1000, 10, 3, 19, 1000}, {1000, 10, 3, 21, 1000}},
		[][]int64{{700, 4, 2, 15, 0}},
	)
	want = []string{
		"Small-order, new, quiet, point-poor, low-margin: Compared with the average, they place far smaller orders (101 JPY against 580), have been customers for a far shorter time (1.5 days against 5.4), placed far fewer orders of late (0.5 orders against 1.8), have fewer points to spend (11 points against 15) and bring in far less (-500 JPY against 200).",
		"Large-order, long-standing, active, point-rich, high-margin: Compared with the average, they place larger orders (1000 JPY against 580), have been customers for a longer time (10 days against 5.4), placed more orders of late (3 orders against 1.8), have more points to spend (20 points against 15) and bring in far more (1000 JPY against 200).",
		"New, low-margin: Compared with the average, they have been customers for a shorter time (4 days against 5.4) and bring in far less (0 JPY against 200). Close to the average: average order (700 JPY against 580), orders of late (2 orders against 1.8) and points to spend (15 points against 15).",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Groups that would have one name are told apart: by how much they differ, and
// where that is the same by their numbers.
func TestNamesAreDifferent(t *testing.T) {
	got := describe("EUR", []string{Monetary}, [][]int64{{400}}, [][]int64{{200}}, [][]int64{{10}}, [][]int64{{11}}, [][]int64{{70}})
	var names []string
	for _, text := range got {
		names = append(names, strings.SplitN(text, ":", 2)[0])
	}
	if diff := cmp.Diff([]string{"Very high-spending", "High-spending", "Very low-spending, group 3", "Very low-spending, group 4", "Low-spending"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestQuantities(t *testing.T) {
	if got := new(Fitted).quantity(vocabulary[Monetary], big.NewInt(250), 1, true); got != "250" {
		t.Errorf("where no currency is known: %q", got)
	}
	f := &Fitted{Currency: "EUR"}
	for _, c := range []struct {
		feature string
		sum     int64
		of      int
		want    string
	}{
		{Monetary, 1, 3, "0.00 EUR"},
		{Monetary, -1, 3, "0.00 EUR"},
		{Monetary, 10, 4, "0.03 EUR"},
		{Frequency, 10, 10, "1 order"},
		{Frequency, -1, 30, "0 orders"},
		{Frequency, 104, 10, "10 orders"},
		{RecencyDays, 99, 10, "9.9 days"},
		{RecencyDays, 999, 100, "10 days"},
	} {
		if got := f.quantity(vocabulary[c.feature], big.NewInt(c.sum), c.of, true); got != c.want {
			t.Errorf("%s %d/%d: %q, want %q", c.feature, c.sum, c.of, got, c.want)
		}
	}
}
