package segments_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// count is a partition with many customers, and how many of them were evaluated.
type count struct {
	t     *testing.T
	write *partitiontest.Writer
	store *memstore.Store
	p     *projections.Partition
	at    uint64
	told  map[string]int
}

func newCount(t *testing.T) *count {
	c := &count{t: t, write: partitiontest.NewWriter(t), store: memstore.New(), told: map[string]int{}}
	view := segments.New(func(cause string) { c.told[cause]++ })
	c.p = projections.NewPartition(0, c.store, projections.Rules{
		Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: c.write, CacheBytes: 1 << 30, DirtyBytes: 1 << 30,
	}, projections.Filling{View: view, Number: 1})
	return c
}

// say applies events, and all sweeps that they begin.
func (c *count) say(raws ...eventschema.Raw) {
	c.t.Helper()
	after := c.at
	for i := range raws {
		c.at++
		raws[i].Position = c.at
	}
	if err := c.p.Apply(c.t.Context(), projections.Batch{After: after, Events: raws, End: c.at, Live: true}); err != nil {
		c.t.Fatal(err)
	}
	for c.p.Sweeping() {
		if _, err := c.p.Sweep(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// all is an event that holds for everybody.
func (c *count) all(stream string, data any) eventschema.Raw {
	return c.write.Event(stream, uuid.Nil, data)
}

func (c *count) define(id, rule string) eventschema.Raw {
	compiled, err := segment.Compile(rule, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.all(segment.Stream(id), segment.Defined{SegmentID: id, Kind: segment.Dynamic, Name: id, Rule: rule, Asks: compiled.Uses().Segments})
}

// tells says who was evaluated since it was asked last.
func (c *count) tells(what string, want map[string]int) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.told); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	c.told = map[string]int{}
}

// members returns how many belong to a segment.
func (c *count) members(id string) int64 {
	c.t.Helper()
	saved, err := c.store.Open(c.t.Context(), 0, []projections.Generation{generation})
	if err != nil {
		c.t.Fatal(err)
	}
	return saved[0].Metrics[id+"|"+segments.MetricCustomers]
}

// Only those are evaluated to whom something happened, of many.
func TestOnlyThoseConcernedAreEvaluated(t *testing.T) {
	const crowd, due, moved = 1000, 37, 11
	c := newCount(t)
	day := domain.NewDate(2024, 2, 28)
	recent := rfm.Shipped("EUR")[0]
	c.say(
		c.all(deployment.Stream, deployment.Created{Zone: "UTC"}),
		c.all(policy.Stream(policy.KindRFM), policy.Published{Kind: policy.KindRFM, Version: 1, RFM: &recent}),
		c.all(calendar.Stream, calendar.DayClosed{Date: day, Zone: "UTC"}),
		c.define("recent", "orders.within(30).count() > 0"),
		c.define("tagged", `"vip" in tags`),
		c.define("scored", "rfm.m >= 3"),
	)
	var raws []eventschema.Raw
	for n := range crowd {
		id := partitiontest.CustomerID(n)
		raws = append(raws, c.write.Register(id, "Somebody")...)
		on, minor := day, int64(100)
		if n < due {
			on = day - 28 // within 30 days the day after, and not on the day after that
		}
		if n >= crowd-moved {
			minor = 900
		}
		raws = append(raws, c.write.Order(id, "o", minor, on), c.write.Event(customer.Stream(id), id, customer.OrderPaid{OrderID: "o", PaidAt: on.Start(time.UTC)}))
	}
	c.say(raws...)
	c.tells("everybody came, ordered and paid", map[string]int{segments.ByEvent: 3 * crowd})
	if n := c.members("recent"); n != crowd {
		t.Fatalf("%d are recent, not %d", n, crowd)
	}

	ann := partitiontest.CustomerID(crowd / 2)
	c.say(c.write.Event(customer.Stream(ann), ann, customer.TagAdded{Tag: "vip", At: day.Start(time.UTC)}))
	c.tells("one event of one customer", map[string]int{segments.ByEvent: 1})

	c.say(c.all(calendar.Stream, calendar.DayClosed{Date: day + 1, Zone: "UTC"}))
	c.tells("a day on which nobody is due", map[string]int{})
	c.say(c.all(calendar.Stream, calendar.DayClosed{Date: day + 2, Zone: "UTC"}))
	c.tells("a day on which some are due", map[string]int{segments.ByDay: due})
	if n := c.members("recent"); n != crowd-due {
		t.Errorf("%d are recent, not %d", n, crowd-due)
	}

	calibrate := func(trigger uint64, cuts ...int64) eventschema.Raw {
		return c.all(rfm.CalibrationStream, rfm.Calibrated{
			TriggerPosition: trigger, AsOf: day + 2, PolicyVersion: 1, Currency: "EUR", Population: crowd, Denominator: 1,
			Recency: []int64{10, 20, 40, 50}, Frequency: []int64{2, 3, 4, 5}, Monetary: cuts,
		})
	}
	c.say(calibrate(c.at, 50, 200, 1000, 2000))
	c.tells("the first calibration", map[string]int{segments.ByCalibration: crowd})
	c.say(calibrate(c.at, 50, 200, 1000, 2000))
	c.tells("the same cut points again", map[string]int{})
	c.say(calibrate(c.at, 50, 200, 800, 2000))
	c.tells("a cut point that divides others", map[string]int{segments.ByCalibration: moved})

	c.say(c.define("rich", "orders.map(o, o.net).sum() >= 900"))
	c.tells("a new segment", map[string]int{segments.ByNew: crowd})
	if n := c.members("rich"); n != moved {
		t.Errorf("%d are rich, not %d", n, moved)
	}
	rule := "orders.map(o, o.net).sum() >= 1"
	c.say(c.all(segment.Stream("rich"), segment.VersionPublished{SegmentID: "rich", Version: 2, Name: "rich", Rule: rule}))
	c.tells("another version", map[string]int{segments.ByDefinition: crowd})
}

// Somebody is born on a leap day and buys on one: the days on which what rules say
// of that changes.
func TestLeapDays(t *testing.T) {
	w, id := partitiontest.NewWriter(t), partitiontest.CustomerID(1)
	leap := domain.NewDate(2024, 2, 29)
	noon := func(on domain.Date) time.Time { return on.Start(time.UTC).Add(12 * time.Hour) }
	rules := map[string]string{
		"grown":    "age(demographics.birth_date) >= 18",
		"twenty":   "age(demographics.birth_date) >= 20",
		"month":    "orders.within(30).count() > 0",
		"year":     "orders.within(365).count() > 0",
		"leapyear": "orders.within(366).count() > 0",
		"held":     "held_for(stage, 365)",
		"heldleap": "held_for(stage, 366)",
		"silent":   `orders.not_followed_by(events("customer.tag_added"), 366)`,
		"before":   `orders.between(date("2024-02-29"), date("2024-02-29")).count() == 1 && days_since(orders.last().on) >= 1`,
	}
	view := segments.New(nil)
	world, d := new(projections.World), new(segments.Document)
	at := uint64(0)
	moves := map[string][]string{}
	was := map[string]bool{}
	apply := func(of uuid.UUID, raw eventschema.Raw) {
		at++
		raw.Position = at
		e := w.Opened([]eventschema.Raw{raw})[0]
		before := world
		world = view.Evolve(world, e)
		if of != uuid.Nil {
			view.FoldIn(d, e, world)
		} else if cause, ok := view.Caused(e, before, world); ok {
			if on := view.Due(d); cause.Due == "" || on != "" && on <= cause.Due {
				view.Change(d, cause, world)
			}
		}
		for name := range rules {
			if is := d.In(name); is != was[name] {
				was[name] = is
				moves[name] = append(moves[name], fmt.Sprint(*world.Closed, " ", is))
			}
		}
	}
	say := func(stream string, of uuid.UUID, data any) { apply(of, w.Event(stream, of, data)) }
	first := domain.NewDate(2022, 2, 1)
	say(deployment.Stream, uuid.Nil, deployment.Created{Zone: "UTC"})
	say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: first - 1, Zone: "UTC"})
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		say(segment.Stream(name), uuid.Nil, segment.Defined{SegmentID: name, Kind: segment.Dynamic, Name: name, Rule: rules[name]})
	}
	for _, raw := range w.Register(id, "Somebody") { // in 1970
		apply(id, raw)
	}
	say(customer.Stream(id), id, customer.DemographicsUpdated{
		Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: "2004-02-29"}}, At: noon(first),
	})
	for day := first; day <= domain.NewDate(2025, 3, 5); day++ {
		if day == leap {
			say(customer.Stream(id), id, customer.StageEntered{Stage: "active", From: "potential", EnteredAt: noon(leap)})
			say(customer.Stream(id), id, customer.OrderRecorded{OrderID: "o", Total: domain.Money{AmountMinor: 100, Currency: "EUR"}, PlacedOn: leap, PlacedAt: noon(leap)})
		}
		say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: day, Zone: "UTC"})
	}
	want := map[string][]string{
		"grown":    {"2022-02-28 true"}, // a birthday of the 29th comes on the 28th in other years
		"twenty":   {"2024-02-29 true"},
		"month":    {"2024-02-28 true", "2024-03-30 false"},
		"year":     {"2024-02-28 true", "2025-02-28 false"},
		"leapyear": {"2024-02-28 true", "2025-03-01 false"},
		"held":     {"2022-01-31 true", "2024-02-28 false", "2025-02-28 true"}, // the first stage began when they came
		"heldleap": {"2022-01-31 true", "2024-02-28 false", "2025-03-01 true"},
		"silent":   {"2025-03-01 true"},
		"before":   {"2024-03-01 true"},
	}
	if diff := cmp.Diff(want, moves); diff != "" {
		t.Errorf("the evaluation days on which memberships changed (-want +got):\n%s", diff)
	}
}
