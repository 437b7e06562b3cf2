package rfm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
	"pgregory.net/rapid"
)

// world folds broadcast events at positions 1, 2, 3, …
func world(data ...any) *projections.World {
	w := new(projections.World)
	for i, d := range data {
		w = w.Evolve(at(uint64(i+1), d))
	}
	return w
}

func at(position uint64, data any) projections.Event {
	return projections.Event{ID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, position)), Position: position, Data: data}
}

func published(version int, from domain.Date, p rfm.Policy) policy.Published {
	return policy.Published{Kind: policy.KindRFM, Version: version, EffectiveFrom: from, RFM: &p}
}

// calibrated has cut points at 10, 20, 30, 40 days, 2, 3, 4, 5 orders, and 10, 20, 30, 40 euro.
func calibrated(trigger uint64, asOf domain.Date) rfm.Calibrated {
	return rfm.Calibrated{
		TriggerPosition: trigger, AsOf: asOf, PolicyVersion: 1, Currency: "EUR", Population: 5, Denominator: 1,
		Recency: []int64{10, 20, 30, 40}, Frequency: []int64{2, 3, 4, 5}, Monetary: []int64{1000, 2000, 3000, 4000},
	}
}

func TestScoresFollowFromTheDocumentAndTheCalibrationThatStands(t *testing.T) {
	eur := published(1, 0, rfm.Default("EUR"))
	paid := rfm.Default("EUR")
	paid.Orders = rfm.CountPaid
	rolling := rfm.Default("EUR")
	rolling.WindowDays = 30
	closed := calendar.DayClosed{Date: 100}
	for _, tc := range []struct {
		name   string
		world  *projections.World
		orders []any
		want   Standing
	}{
		{
			name: "nothing was calibrated", world: world(eur, closed),
			orders: []any{recorded("a", 90, 1000, "EUR")},
			want:   Standing{Reason: NoCalibration},
		}, {
			name: "nobody was there to calibrate by", world: world(eur, closed, rfm.Calibrated{TriggerPosition: 2, AsOf: 100, PolicyVersion: 1, Denominator: 5}),
			orders: []any{recorded("a", 90, 1000, "EUR")},
			want:   Standing{Reason: NoCalibration},
		}, {
			name: "scored", world: world(eur, closed, calibrated(2, 100)),
			orders: []any{recorded("a", 40, 1000, "EUR"), recorded("b", 85, 1500, "EUR")},
			want:   Standing{AsOf: 100, PolicyVersion: 1, Values: rfm.Values{RecencyDays: 15, Frequency: 2, MonetaryMinor: 2500}, Scores: rfm.Scores{R: 4, F: 2, M: 3}, Label: "Potential Loyalist"},
		}, {
			name: "an order after the closed day counts at once, by the last calibration", world: world(eur, closed, calibrated(2, 100)),
			orders: []any{recorded("a", 40, 1000, "EUR"), recorded("b", 103, 9000, "EUR")},
			want:   Standing{AsOf: 100, PolicyVersion: 1, Values: rfm.Values{Frequency: 2, MonetaryMinor: 10000}, Scores: rfm.Scores{R: 5, F: 2, M: 5}, Label: "Promising"},
		}, {
			name: "a day closed without calibration leaves the old one standing", world: world(eur, closed, calibrated(2, 100), calendar.DayClosed{Date: 101}),
			orders: []any{recorded("a", 100, 1000, "EUR")},
			want:   Standing{AsOf: 100, PolicyVersion: 1, Values: rfm.Values{Frequency: 1, MonetaryMinor: 1000}, Scores: rfm.Scores{R: 5, F: 1, M: 2}, Label: "New Customers"},
		}, {
			name:   "a failed calibration leaves the old one standing",
			world:  world(eur, closed, calibrated(2, 100), calendar.DayClosed{Date: 101}, rfm.CalibrationFailed{TriggerPosition: 4, AsOf: 101, PolicyVersion: 1, Code: CurrencyMixed}),
			orders: []any{recorded("a", 100, 1000, "EUR")},
			want:   Standing{AsOf: 100, PolicyVersion: 1, Values: rfm.Values{Frequency: 1, MonetaryMinor: 1000}, Scores: rfm.Scores{R: 5, F: 1, M: 2}, Label: "New Customers"},
		}, {
			name: "another currency", world: world(eur, closed, calibrated(2, 100)),
			orders: []any{recorded("a", 100, 1000, "EUR"), recorded("b", 101, 1000, "USD")},
			want:   Standing{Reason: CurrencyMixed, AsOf: 100, PolicyVersion: 1},
		}, {
			name: "no counted order", world: world(published(1, 0, paid), closed, calibrated(2, 100)),
			orders: []any{recorded("a", 100, 1000, "EUR"), recorded("b", 100, 1000, "EUR"), customer.OrderPaid{OrderID: "b"}, customer.OrderCancelled{OrderID: "b"}},
			want:   Standing{Reason: NoCountedOrder, AsOf: 100, PolicyVersion: 1},
		}, {
			name: "nothing left in the window", world: world(published(1, 0, rolling), closed, calibrated(2, 100)),
			orders: []any{recorded("a", 70, 100000, "EUR")},
			want:   Standing{AsOf: 100, PolicyVersion: 1, Values: rfm.Values{RecencyDays: 30}, Scores: rfm.Scores{R: 2, F: 1, M: 1}, Label: "Hibernating"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var events []projections.Event
			for _, e := range tc.orders {
				events = append(events, event(e))
			}
			d, _ := New().Of(events...)
			if diff := cmp.Diff(tc.want, Of(&d, tc.world)); diff != "" {
				t.Error(diff)
			}
			cell := []projections.Place{{Index: IndexAll}}
			if tc.want.Reason == "" {
				cell = append(cell, projections.Place{Index: IndexCell, Key: tc.want.Scores.Code()})
			}
			if diff := cmp.Diff(cell, indexes(&d, tc.world)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnExplanationNamesTheOrders(t *testing.T) {
	rolling := rfm.Default("EUR")
	rolling.WindowDays = 30
	w := world(published(1, 0, rolling), calendar.DayClosed{Date: 100}, calibrated(2, 100))
	d, _ := New().Of(event(recorded("a", 70, 100, "EUR")), event(recorded("c", 99, 100, "EUR")), event(recorded("b", 71, 100, "EUR")))
	x := Explain(&d, w)
	if diff := cmp.Diff([]string{"b", "c"}, x.Orders); diff != "" || x.LastOrder != "c" || x.Calibration.AsOf != 100 || x.Policy.WindowDays != 30 {
		t.Fatalf("%+v\n%s", x, diff)
	}
	if x := Explain(&d, world()); x.Policy != nil || x.Reason != NoCalibration {
		t.Fatalf("%+v", x)
	}
}

func TestADistributionIsTheSumOfTheDocuments(t *testing.T) {
	w := world(published(1, 0, rfm.Default("EUR")), calendar.DayClosed{Date: 100}, calibrated(2, 100))
	totals := map[string]int64{}
	for _, orders := range [][]any{
		{recorded("a", 100, 1000, "EUR"), recorded("b", 50, 4000, "EUR")},
		{recorded("a", 100, 2000, "EUR"), recorded("b", 50, 3000, "EUR")},
		{recorded("a", 10, 500, "EUR")},
		{recorded("a", 10, 500, "EUR"), recorded("b", 11, 500, "USD"), recorded("c", 12, 500, "EUR")},
	} {
		var d Document
		for _, e := range orders {
			fold(&d, event(e))
		}
		for _, m := range metrics(&d, w) {
			totals[m.Name] += m.Value
		}
	}
	want := Distribution{
		Cells: []Cell{
			{rfm.Scores{R: 1, F: 1, M: 1}, Total{1, 1, 500}},
			{rfm.Scores{R: 5, F: 2, M: 5}, Total{2, 4, 10000}},
		},
		Unscored:   map[string]int64{CurrencyMixed: 1},
		Currencies: map[string]int64{"EUR": 4, "USD": 1},
		All:        Total{3, 5, 10500},
	}
	got := DistributionOf(totals, w)
	labels := got.Labels
	got.Labels = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(labels) != 11 {
		t.Errorf("%d labels, want all of the policy: %+v", len(labels), labels)
	}
	for _, l := range labels {
		switch l.Label {
		case "Promising":
			if (l.Total != Total{2, 4, 10000}) {
				t.Errorf("%+v", l)
			}
		case "Lost":
			if (l.Total != Total{1, 1, 500}) {
				t.Errorf("%+v", l)
			}
		default:
			if (l.Total != Total{}) {
				t.Errorf("%+v", l)
			}
		}
	}
}

func TestACalibrationIsAskedForByADayAndByAPolicyInForce(t *testing.T) {
	p := rfm.Default("EUR")
	for _, tc := range []struct {
		name string
		log  []any
		want []int // positions asked for
	}{
		{"a day without a policy", []any{calendar.DayClosed{Date: 100}}, nil},
		{"a day with a policy", []any{published(1, 0, p), calendar.DayClosed{Date: 100}}, []int{2}},
		{"a policy before the first day", []any{published(1, 0, p)}, nil},
		{"a policy that begins today", []any{calendar.DayClosed{Date: 100}, published(1, 101, p)}, []int{2}},
		{"a policy that begins later, and that day", []any{calendar.DayClosed{Date: 100}, published(1, 102, p), calendar.DayClosed{Date: 101}}, []int{3}},
		{"another kind of policy", []any{calendar.DayClosed{Date: 100}, policy.Published{Kind: "loyalty", Version: 1}}, nil},
		{"answers", []any{published(1, 0, p), calendar.DayClosed{Date: 100}, calendar.DayClosed{Date: 101}, calibrated(2, 100)}, []int{3}},
		{"failures", []any{published(1, 0, p), calendar.DayClosed{Date: 100}, rfm.CalibrationFailed{TriggerPosition: 2}}, nil},
	} {
		w := new(projections.World)
		asked := map[string]bool{}
		for i, data := range tc.log {
			e := at(uint64(i+1), data)
			w = w.Evolve(e)
			if name, ok := Asked(e, w); ok {
				asked[name] = true
			}
			if name, ok := Settled(e); ok {
				delete(asked, name)
			}
		}
		want := map[string]bool{}
		for _, position := range tc.want {
			want[NoteName(uint64(position))] = true
		}
		if diff := cmp.Diff(want, asked); diff != "" || len(w.Asked) != len(tc.want) {
			t.Errorf("%s: %s %+v", tc.name, diff, w.Asked)
		}
	}
}

// The contributions of any number of partitions, stored and merged, give the same
// cut points as everybody's values in one list.
func TestContributionsMergeToTheWholePopulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rfm.Default("EUR")
		p.Amounts = rfm.Net
		partitions := rapid.IntRange(1, 7).Draw(t, "partitions")
		tallies := make([]*Tally, partitions)
		for i := range tallies {
			tallies[i] = NewTally(50, 3)
		}
		var all []rfm.Values
		for range rapid.IntRange(0, 40).Draw(t, "customers") {
			var d Document
			for i := range rapid.IntRange(0, 4).Draw(t, "orders") {
				id := fmt.Sprint("o", i)
				fold(&d, event(recorded(id, domain.Date(rapid.Int32Range(0, 60).Draw(t, "on")), rapid.Int64Range(0, 3000).Draw(t, "amount"), "EUR")))
				fold(&d, event(refunded(id, 10, rapid.Int64Range(0, 5000).Draw(t, "refund"), "EUR")))
			}
			tallies[rapid.IntRange(0, partitions-1).Draw(t, "partition")].Add(&d, &p)
			if v, reason := Values(&d, &p, 50, 50); reason == "" {
				all = append(all, v)
			}
		}
		var contributions []*Contribution
		for _, tally := range tallies {
			c, err := DecodeContribution(tally.Encode())
			if err != nil || c.AsOf != 50 || c.PolicyVersion != 3 {
				t.Fatal(c, err)
			}
			contributions = append(contributions, c)
		}
		population, foreign, err := Merge(contributions)
		if err != nil || len(foreign) != 0 || population.Size != int64(len(all)) {
			t.Fatal(population.Size, foreign, err)
		}
		if diff := cmp.Diff(rfm.Calibrate(&p, rfm.Of(all)), rfm.Calibrate(&p, population)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestForeignCurrenciesAreCountedByCustomer(t *testing.T) {
	p := rfm.Default("EUR")
	var contributions []*Contribution
	for range 2 {
		tally := NewTally(50, 1)
		for _, currencies := range [][]string{{"EUR"}, {"USD", "USD", "GBP"}, {"EUR", "GBP"}} {
			var d Document
			for i, c := range currencies {
				fold(&d, event(recorded(fmt.Sprint(i), 10, 100, c)))
			}
			fold(&d, event(recorded("later", 51, 100, "CHF")))
			tally.Add(&d, &p)
		}
		c, err := DecodeContribution(tally.Encode())
		if err != nil {
			t.Fatal(err)
		}
		contributions = append(contributions, c)
	}
	population, foreign, err := Merge(contributions)
	if diff := cmp.Diff(map[string]int64{"USD": 2, "GBP": 4}, foreign); diff != "" || err != nil || population.Size != 6 {
		t.Fatal(diff, err, population.Size)
	}
	contributions[1].PolicyVersion = 2
	if _, _, err := Merge(contributions); !errors.Is(err, ErrDiffer) {
		t.Fatal(err)
	}
}

func FuzzDecodeContribution(f *testing.F) {
	p := rfm.Default("EUR")
	tally := NewTally(50, 1)
	for i := range 20 {
		var d Document
		fold(&d, event(recorded("a", domain.Date(i), int64(i*i), []string{"EUR", "USD"}[i/19])))
		tally.Add(&d, &p)
	}
	f.Add(tally.Encode())
	f.Add(NewTally(0, 0).Encode())
	f.Fuzz(func(t *testing.T, note []byte) {
		c, err := DecodeContribution(note)
		if err != nil {
			return
		}
		population, _, err := Merge([]*Contribution{c})
		if err != nil {
			t.Fatal(err)
		}
		rfm.Calibrate(&p, population)
	})
}

func BenchmarkMerge(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	p := rfm.Default("EUR")
	notes, size := make([][]byte, 64), 0
	for i := range notes {
		tally := NewTally(400, 1)
		for range 1_000_000 / 64 {
			var d Document
			d.Orders = []Order{{On: domain.Date(random.IntN(400)), AmountMinor: int64(random.ExpFloat64() * 10000), Currency: "EUR"}}
			tally.Add(&d, &p)
		}
		notes[i] = tally.Encode()
		size += len(notes[i])
	}
	for b.Loop() {
		var contributions []*Contribution
		for _, note := range notes {
			c, err := DecodeContribution(note)
			if err != nil {
				b.Fatal(err)
			}
			contributions = append(contributions, c)
		}
		population, _, err := Merge(contributions)
		if err != nil {
			b.Fatal(err)
		}
		rfm.Calibrate(&p, population)
	}
	b.ReportMetric(float64(size)/1_000_000, "note-bytes/customer")
}
