package segments_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// worthBy is a version of the value policy in a currency.
func (c *count) worthBy(version int, from domain.Date, currency string) eventschema.Raw {
	p := value.Default(currency)
	return c.all(policy.Stream(policy.KindValue), policy.Published{Kind: policy.KindValue, Version: version, EffectiveFrom: from, Value: &p})
}

// bought lets a customer come and pay for an order.
func (c *count) bought(n int, minor int64, currency string, on domain.Date) []eventschema.Raw {
	id := partitiontest.CustomerID(n)
	return append(c.write.Register(id, "Somebody"),
		c.write.Event(customer.Stream(id), id, customer.OrderRecorded{
			OrderID: "o", Total: domain.Money{AmountMinor: minor, Currency: currency}, PlacedOn: on, PlacedAt: on.Start(time.UTC),
		}),
		c.write.Event(customer.Stream(id), id, customer.OrderPaid{OrderID: "o", PaidAt: on.Start(time.UTC)}))
}

// totals says what some totals are now; one that is not there is 0.
func (c *count) totals(want map[string]int64) {
	c.t.Helper()
	saved, err := c.store.Open(c.t.Context(), 0, []projections.Generation{generation})
	if err != nil {
		c.t.Fatal(err)
	}
	got := map[string]int64{}
	for name := range want {
		got[name] = saved[0].Metrics[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// document returns the document of a customer.
func (c *count) document(n int) (d segments.Document) {
	c.t.Helper()
	docs, err := c.store.Load(c.t.Context(), 0, []projections.Generation{generation}, []uuid.UUID{partitiontest.CustomerID(n)})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(docs[0][0], &d); err != nil {
		c.t.Fatal(err)
	}
	return d
}

// A day whose end brings in another policy tells everybody's revenue by that, though
// no rule asks what anybody is worth.
func TestADayBringsInAnotherPolicy(t *testing.T) {
	c, day := newCount(t), domain.NewDate(2026, 3, 1)
	closed := func(on domain.Date) eventschema.Raw {
		return c.all(calendar.Stream, calendar.DayClosed{Date: on, Zone: "UTC"})
	}
	c.say(
		c.all(deployment.Stream, deployment.Created{Zone: "UTC"}),
		c.worthBy(1, policy.Always, "EUR"), closed(day),
		c.define("recent", "orders.within(30).count() > 0"),
	)
	c.say(c.bought(1, 100, "EUR", day-28)...) // within 30 days until the day after the next
	c.say(c.bought(2, 700, "USD", day)...)
	c.say(c.bought(3, 0, "EUR", day)...)
	c.say(c.worthBy(2, day+3, "USD"))
	c.say(closed(day + 1))
	c.told = map[string]int{}
	before := map[string]int64{"*|revenue_minor": 100, "*|unvalued": 1, "recent|revenue_minor": 100, "recent|unvalued": 1}
	c.totals(before)

	c.say(closed(day + 2))
	c.tells("who was due, and everybody is valued anew", map[string]int{segments.ByDay: 1 + 3})
	c.totals(map[string]int64{"*|revenue_minor": 700, "*|unvalued": 2, "recent|revenue_minor": 700, "recent|unvalued": 1})
	if s := c.document(1).Segments["recent"]; len(s.Stays) != 1 || s.Stays[0].To == nil || s.Stays[0].To.Kind != segments.ByDay || s.Stays[0].To.Position != c.at {
		t.Errorf("%+v did not end with the day", s)
	}
	c.say(closed(day + 3))
	c.tells("a day on which nothing changes", map[string]int{})
}

// Who was erased, or whose data must not be used, is in no total, no band and no
// calibration.
func TestWhoIsOutIsComparedWithNobody(t *testing.T) {
	c, day := newCount(t), domain.NewDate(2026, 3, 1)
	ann, bob := partitiontest.CustomerID(1), partitiontest.CustomerID(2)
	note := func() *segments.Contribution {
		t.Helper()
		c.say(c.all(calendar.Stream, calendar.DayClosed{Date: day, Zone: "UTC"}))
		day++
		notes, err := c.store.Notes(t.Context(), generation, 1, segments.NoteName(c.at))
		if err != nil {
			t.Fatal(err)
		}
		contribution, err := segments.DecodeContribution(notes[0])
		if err != nil {
			t.Fatal(err)
		}
		return contribution
	}
	population := func() map[string]int64 {
		t.Helper()
		all, err := segments.MergeMeasured([]*segments.Contribution{note()})
		if err != nil {
			t.Fatal(err)
		}
		sizes := map[string]int64{}
		for i, name := range value.MeasureNames {
			sizes[name] = all[i].Size + all[i].Unknown
		}
		return sizes
	}
	everywhere := func(customers, revenue int64) {
		t.Helper()
		c.totals(map[string]int64{
			"*|customers": customers, "*|orders": customers, "*|revenue_minor": revenue,
			"band:unknown|customers": customers, "band:unknown|revenue_minor": revenue, "everybody|customers": customers,
		})
		want := map[string]int64{}
		for _, name := range value.MeasureNames {
			want[name] = customers
		}
		if diff := cmp.Diff(want, population()); diff != "" {
			t.Errorf("the population of a calibration (-want +got):\n%s", diff)
		}
	}
	c.say(
		c.all(deployment.Stream, deployment.Created{Zone: "UTC"}), c.worthBy(1, policy.Always, "EUR"),
		c.define("everybody", `orders.count() > 0 || value.band == "top"`),
	)
	for n, minor := range []int64{1000, 200, 30} {
		c.say(c.bought(n, minor, "EUR", day)...)
	}
	everywhere(3, 1230)
	c.say(c.write.Event(customer.Stream(ann), ann, customer.ProcessingRestricted{Ground: "accuracy_contested", RestrictedAt: day.Start(time.UTC)}))
	everywhere(2, 1030)
	c.say(c.write.Event(customer.Stream(bob), bob, customer.PersonalDataErased{Requester: "customer", ErasedAt: day.Start(time.UTC)}))
	everywhere(1, 1000)
	c.say(c.write.Event(customer.Stream(ann), ann, customer.RestrictionLifted{Ground: "verified", LiftedAt: day.Start(time.UTC)}))
	everywhere(2, 1200)
}

// A segment that cannot be decided any more is due on no day.
func TestABrokenSegmentIsNotDue(t *testing.T) {
	c, day := newCount(t), domain.NewDate(2026, 3, 1)
	c.say(
		c.all(deployment.Stream, deployment.Created{Zone: "UTC"}),
		c.all(calendar.Stream, calendar.DayClosed{Date: day, Zone: "UTC"}),
		c.define("recent", "orders.within(2).count() > 0"),
		c.define("quiet", `kind == "person" && orders.within(2).count() == 0`),
	)
	c.say(c.bought(1, 100, "EUR", day)...)
	for _, id := range []string{"recent", "quiet"} {
		if s := c.document(1).Segments[id]; s == nil || s.Due == nil {
			t.Fatalf("%s: %+v is not due", id, s)
		}
		c.say(c.all(segment.Stream(id), segment.VersionPublished{
			SegmentID: id, Version: 2, Name: id, Rule: fmt.Sprintf("in_segment(%q)", id), Asks: []string{id},
		}))
	}
	d := c.document(1)
	if s := d.Segments["recent"]; s == nil || s.Due != nil || len(s.Stays) != 1 || s.Stays[0].To != nil {
		t.Errorf("%+v is due, or is not what it was", s)
	}
	if s := d.Segments["quiet"]; s != nil {
		if s.Due != nil || len(s.Stays) == 0 {
			t.Errorf("%+v is due, or says nothing", s)
		}
	}
	c.told = map[string]int{}
	c.say(c.all(calendar.Stream, calendar.DayClosed{Date: day + 5, Zone: "UTC"}))
	c.tells("a day after all of them were due", map[string]int{})
}

// An event with a business date of its own is of that date, whatever the business zone
// makes of the instant.
func TestEventsAreDatedByTheirBusinessDate(t *testing.T) {
	at, on := time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC), domain.NewDate(2026, 3, 1) // half past ten in the evening on Hawaii
	view, w := segments.New(nil), new(projections.World)
	rule := `events("customer.refund_recorded").count() + events("customer.cost_recorded").count() + events("customer.cost_cancelled").count()
		+ events("customer.order_recorded").count() + events("customer.tag_added").count() > 0`
	w = view.Evolve(w, projections.Event{Type: "segment.defined", Position: 1, Data: segment.Defined{SegmentID: "any", Kind: segment.Dynamic, Name: "Any", Rule: rule}})
	d := segments.Document{There: true}
	for i, e := range []customer.Event{
		customer.OrderRecorded{OrderID: "o", Total: domain.Money{AmountMinor: 100, Currency: "EUR"}, PlacedAt: at, PlacedOn: on},
		customer.RefundRecorded{RefundID: "r", OrderID: "o", RefundedAt: at, RefundedOn: on},
		customer.CostRecorded{CostID: "c", Kind: value.Service, IncurredAt: at, IncurredOn: on},
		customer.CostCancelled{CostID: "c", CancelledAt: at, CancelledOn: on},
		customer.TagAdded{Tag: "vip", At: at}, // it has no date but that of the instant
	} {
		wire := []string{"order_recorded", "refund_recorded", "cost_recorded", "cost_cancelled", "tag_added"}[i]
		d.Take(projections.Event{Type: "customer." + wire, Position: uint64(i + 2), Meta: eventschema.Meta{OccurredAt: at}, Data: e})
	}
	stored, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	d = segments.Document{}
	if err := json.Unmarshal(stored, &d); err != nil {
		t.Fatal(err)
	}
	got := map[string]domain.Date{}
	for _, e := range d.Customer(w).Events {
		got[e.Type] = e.On
	}
	want := map[string]domain.Date{
		"customer.order_recorded": on, "customer.refund_recorded": on, "customer.cost_recorded": on, "customer.cost_cancelled": on, "customer.tag_added": on + 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the days of events (-want +got):\n%s", diff)
	}
}

// Whatever event has a date beside the instant of the same name is dated by it. The
// date of a moment that was acted on is another one.
func TestEveryBusinessDateIsKnown(t *testing.T) {
	events, _ := examples(t)
	dated := 0
	for _, e := range events {
		v := reflect.ValueOf(e.Data)
		for i := range v.NumField() {
			name, ok := strings.CutSuffix(v.Type().Field(i).Name, "On")
			on, isDate := v.Field(i).Interface().(domain.Date)
			if _, beside := v.Type().FieldByName(name + "At"); !ok || name == "" || !isDate || !beside || e.Type == "customer.order_recorded" {
				continue
			}
			dated++
			d := segments.Document{There: true}
			if d.Take(e); d.Facts[0].On == nil || *d.Facts[0].On != on {
				t.Errorf("%s is not dated by %s", e.Type, v.Type().Field(i).Name)
			}
		}
	}
	if dated < 3 {
		t.Errorf("%d events have a date", dated)
	}
}
