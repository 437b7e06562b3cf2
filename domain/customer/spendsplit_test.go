package customer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/audit"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/world"
)

// However an order is refunded, what is left of it qualifies as if it had been the
// order: in the programme's currency, rounded once.
func TestWhatIsLeftQualifiesHoweverItWasRefunded(t *testing.T) {
	w := memberWorld()
	abroad := purchase("o1", "2026-03-01", 1000, func(c *RecordOrder) {
		c.Total.Currency, c.FX = "USD", &FX{Rate: "0.0077", Base: "EUR", AsOf: today}
	})
	for _, c := range []struct {
		refunds []int64
		left    int64
	}{
		{nil, 7}, {[]int64{1}, 7}, {[]int64{90}, 7}, {[]int64{1, 1, 88}, 7}, {[]int64{91}, 6}, {[]int64{30, 30, 31}, 6}, {[]int64{500}, 3},
		{[]int64{1, 1, 1, 1, 1, 495}, 3}, {[]int64{499, 1}, 3}, {[]int64{999}, 0}, {[]int64{500, 499}, 0}, {[]int64{1000}, 0}, {[]int64{1, 1, 998}, 0},
	} {
		t.Run(fmt.Sprint(c.refunds), func(t *testing.T) {
			acts, left := []act{abroad}, int64(1000)
			for i, minor := range c.refunds {
				left -= minor
				acts = append(acts, func(w world.Known) domain.Command[State, Event] {
					return RecordRefund{
						Subject: moment(tenOn("2026-03-02")), Known: w, RefundID: fmt.Sprint("r", i), OrderID: "o1",
						Amount: domain.Money{AmountMinor: minor, Currency: "USD"},
					}
				})
			}
			days := live(t, w, acts...).Loyalty.Days
			orders := int64(1)
			if left == 0 {
				orders = 0
			}
			if len(days) != 1 || days[0].SpendMinor != c.left || days[0].Orders != orders {
				t.Errorf("%+v qualifies, not %d", days, c.left)
			}
		})
	}
}

// An order may be placed on a date of another zone, whose pending days are over
// before it was: its points can be spent when it was placed.
func TestPendingDaysOfAnotherZone(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := memberWorld(pendingDays(1))
	placed := time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC) // on 1 March in Berlin
	of := domain.Subject{Customer: id, Now: placed, Latest: placed, Zone: zone}
	order := RecordOrder{Subject: of, Known: w, OrderID: "o1", Total: eur(500), PlacedAt: placed, PlacedOn: ptr(domain.NewDate(2026, 2, 27)), PaidAt: &placed}
	events, err := domain.Decide(State{}.Evolve(registered), domain.Command[State, Event](order))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if earned, ok := e.(PointsEarned); ok && !earned.Lot.AvailableAt.Equal(placed) {
			t.Errorf("it can be spent from %s on", earned.Lot.AvailableAt)
		}
	}
	for name, c := range map[string]struct {
		rules *audit.Rules
		at    time.Time
		code  string
	}{
		"all is known":                   {&audit.Rules{Zone: zone, Policies: w.World.Policies}, placed, ""},
		"no programme is":                {&audit.Rules{Zone: zone}, placed, ""},
		"nothing is":                     {new(audit.Rules), placed, ""},
		"no zone is":                     {&audit.Rules{Policies: w.World.Policies}, placed, ""},
		"before it was placed":           {&audit.Rules{Zone: zone, Policies: w.World.Policies}, placed.Add(-24 * time.Hour), "available_at"},
		"before, and no zone is known":   {&audit.Rules{Policies: w.World.Policies}, placed.Add(-24 * time.Hour), "available_at"},
		"before, and nothing is known":   {new(audit.Rules), placed.Add(-24 * time.Hour), "available_at"},
		"after, and no programme is":     {&audit.Rules{Zone: zone}, placed.Add(time.Minute), "available_at"},
		"at midnight, which is too late": {&audit.Rules{Zone: zone, Policies: w.World.Policies}, placed.Add(24 * time.Hour), "available_at"},
		"at midnight, and no zone known": {&audit.Rules{Policies: w.World.Policies}, placed.Add(48 * time.Hour), "available_at"},
	} {
		l := audit.New(c.rules)
		var found *audit.Finding
		for i, e := range append([]Event{registered}, events...) {
			if is, ok := e.(PointsEarned); ok {
				is.Lot.AvailableAt = c.at
				e = is
			}
			if found = l.Add(audit.Entry{Record: Record{Event: e, Revision: uint64(i)}, Command: uuid.UUID{1}}); found != nil {
				break
			}
		}
		if code := func() string {
			if found == nil {
				return ""
			}
			return found.Code
		}(); code != c.code {
			t.Errorf("%s: %v, not %q", name, found, c.code)
		}
	}
}
