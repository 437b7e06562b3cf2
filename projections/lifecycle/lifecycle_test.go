package lifecycle

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/projections"
)

var (
	start = time.Date(2026, 1, 10, 9, 0, 0, 0, time.UTC)
	day   = domain.NewDate(2026, 1, 10)
	ann   = domain.Actor{Kind: "user", ID: "ann"}
	cause = uuid.UUID{15: 99}
)

func days(n int) time.Time { return start.AddDate(0, 0, n) }

func id(n int) uuid.UUID { return uuid.UUID{15: byte(n)} }

func events(data ...any) []projections.Event {
	var es []projections.Event
	for i, d := range data {
		e := projections.Event{ID: id(i + 1), Data: d}
		e.Meta.Actor, e.Meta.Causation = ann, cause
		es = append(es, e)
	}
	return es
}

func published(version int, from domain.Date, risk, churned int) policy.Published {
	return policy.Published{Kind: policy.KindLifecycle, Version: version, EffectiveFrom: from, Lifecycle: &stages.Policy{AtRiskAfterDays: risk, ChurnedAfterDays: churned}}
}

func world(data ...any) *projections.World {
	w := new(projections.World)
	for i, d := range data {
		w = w.Evolve(projections.Event{ID: id(i), Position: uint64(i + 1), Data: d})
	}
	return w
}

func paid(order string, on domain.Date) customer.OrderPaid {
	return customer.OrderPaid{OrderID: order, PaidAt: on.Start(time.UTC).Add(9 * time.Hour), PlacedOn: &on}
}

func entered(stage, from string, at time.Time) customer.StageEntered {
	return customer.StageEntered{Stage: stage, From: from, Trigger: customer.TriggerManual, ReasonCode: "r", Note: "secret", EnteredAt: at}
}

func byOrder(stage, from, order string, at time.Time) customer.StageEntered {
	return customer.StageEntered{
		Stage: stage, From: from, Trigger: customer.TriggerOrder, Cause: customer.StageCause{Type: customer.CauseOrder, OrderID: order},
		PolicyVersion: 1, EnteredAt: at,
	}
}

func byDay(stage, from string, on domain.Date) customer.StageEntered {
	last := on - 1
	return customer.StageEntered{
		Stage: stage, From: from, Trigger: customer.TriggerDayClosed, Cause: customer.StageCause{Type: customer.CauseDay, Day: &last},
		PolicyVersion: 1, EnteredAt: on.Start(time.UTC),
	}
}

var (
	registered = customer.Registered{Kind: customer.Person, RegisteredAt: start}
	way        = []any{
		registered, paid("o1", day+1), byOrder(stages.Active, stages.Potential, "o1", days(1)), byDay(stages.AtRisk, stages.Active, day+31),
	}
)

func TestTheWayOfACustomer(t *testing.T) {
	d, ok := New().Of(events(way...)...)
	first, last := day+1, day+30
	want := []Move{
		{To: stages.Potential, At: start, Trigger: customer.TriggerRegistration, EventID: id(1), Actor: ann},
		{
			From: stages.Potential, To: stages.Active, At: days(1), Trigger: customer.TriggerOrder, EventID: id(3), Actor: ann, PolicyVersion: 1,
			Cause:      customer.StageCause{Type: customer.CauseOrder, OrderID: "o1", EventID: id(2)},
			PaidOrders: 1, FirstPaidOn: &first,
		},
		{
			From: stages.Active, To: stages.AtRisk, At: (day + 31).Start(time.UTC), Trigger: customer.TriggerDayClosed, EventID: id(4), Actor: ann, PolicyVersion: 1,
			Cause:      customer.StageCause{Type: customer.CauseDay, Day: &last, EventID: cause},
			PaidOrders: 1, FirstPaidOn: &first,
		},
	}
	if diff := cmp.Diff(want, d.Moves); diff != "" || !ok {
		t.Error(diff)
	}
	if d.Standing.Stage != stages.AtRisk || d.Standing.PaidOrders != 1 {
		t.Errorf("%+v", d.Standing)
	}
}

func places(d *Document, w *projections.World, index string) (keys []string) {
	for _, p := range New().Indexes(d, w) {
		if p.Index == index {
			keys = append(keys, p.Key)
		}
		if strings.Contains(p.Key, "\x00") {
			panic(p.Key)
		}
	}
	return keys
}

func TestWhereACustomerStands(t *testing.T) {
	d, _ := New().Of(events(way...)...)
	w := world(published(1, policy.Always, 30, 60))
	for index, want := range map[string][]string{
		IndexMoves: {
			"2026-01-10T09:00:00.000000Z||potential||0|000000|",
			"2026-01-11T09:00:00.000000Z|potential|active|2026-01-10T09:00:00.000000Z|1|000001|2026-01-11",
			"2026-02-10T00:00:00.000000Z|active|at_risk|2026-01-11T09:00:00.000000Z|2|000001|2026-01-11",
		},
		IndexIntervals: {
			"potential|2026-01-10T09:00:00.000000Z|2026-01-11T09:00:00.000000Z|0",
			"active|2026-01-11T09:00:00.000000Z|2026-02-10T00:00:00.000000Z|1",
			"at_risk|2026-02-10T00:00:00.000000Z|~|2",
		},
		IndexActive: nil,
		IndexDue:    {"2026-03-12"},
	} {
		if diff := cmp.Diff(want, places(&d, w, index)); diff != "" {
			t.Errorf("%s: %s", index, diff)
		}
	}
	if diff := cmp.Diff([]projections.Metric{{Name: "stage:at_risk", Value: 1}}, New().Metrics(&d, w)); diff != "" {
		t.Error(diff)
	}
	d, _ = New().Of(events(way[:3]...)...)
	if diff := cmp.Diff([]string{"000001|2026-01-11"}, places(&d, w, IndexActive)); diff != "" {
		t.Error(diff)
	}
}

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	d, _ := New().Of(events(way...)...)
	for i, key := range places(&d, nil, IndexMoves) {
		m, err := ParseMove(key)
		want := d.move(i)
		want.number = 0
		if diff := cmp.Diff(want, m, cmp.AllowUnexported(Moved{})); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	for i, key := range places(&d, nil, IndexIntervals) {
		s, err := ParseStay(key)
		want := d.stay(i)
		want.number = 0
		if diff := cmp.Diff(want, s, cmp.AllowUnexported(Stayed{})); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	first := day
	if b, err := ParseActive("000012|2026-01-10"); err != nil || !cmp.Equal(b, Bought{12, &first}) {
		t.Error(b, err)
	}
	for _, bad := range []string{"", "x", "2026-01-10T09:00:00.000000Z|a|b|x|0|000000|", "x||potential||0|000000|", "2026-01-10T09:00:00.000000Z||potential||0|x|"} {
		if _, err := ParseMove(bad); err == nil {
			t.Errorf("%q is a move", bad)
		}
		if _, err := ParseStay(bad); err == nil {
			t.Errorf("%q is a stay", bad)
		}
		if _, err := ParseActive(bad); err == nil {
			t.Errorf("%q is who is active", bad)
		}
	}
}

// The date of the next move follows from the policies, and from nothing that
// changes from day to day.
func TestWhenACustomerIsDue(t *testing.T) {
	policies := world(published(1, policy.Always, 30, 60))
	active := way[:3]
	idle := day + 50
	manual := func(stage, from string) customer.StageEntered {
		e := entered(stage, from, days(50))
		e.IdleSince = &idle
		return e
	}
	for _, tc := range []struct {
		name   string
		world  *projections.World
		events []any
		want   string
	}{
		{"who never bought is not", policies, way[:1], ""},
		{"active", policies, active, "2026-02-10"},
		{"active, and bought again", policies, slices.Concat(active, []any{paid("o2", day+10)}), "2026-02-19"},
		{"at risk", policies, way, "2026-03-12"},
		{"lost", policies, append(way[:4:4], byDay(stages.Churned, stages.AtRisk, day+61)), ""},
		{"being won back", policies, append(way[:4:4], byDay(stages.Churned, stages.AtRisk, day+61), manual(stages.Reactivating, stages.Churned)), "2026-03-31"},
		{"active because somebody says so", policies, []any{registered, manual(stages.Active, stages.Potential)}, "2026-03-31"},
		{"by a policy that comes", world(published(1, policy.Always, 30, 60), published(2, day+20, 5, 60)), active, "2026-01-30"},
		{"by one that comes too late", world(published(1, policy.Always, 30, 60), published(2, day+40, 5, 60)), active, "2026-02-10"},
		{"days that are closed change nothing", world(published(1, policy.Always, 30, 60), calendar.DayClosed{Date: day + 500, Zone: "UTC"}), active, "2026-02-10"},
		{"paid before there were stages", policies, way[:2], "2026-01-11"},
		{"without a policy", world(), active, ""},
		{"erased", policies, append(way[:3:3], customer.PersonalDataErased{}), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, _ := New().Of(events(tc.events...)...)
			if got := strings.Join(places(&d, tc.world, IndexDue), " "); got != tc.want {
				t.Errorf("due %q, want %q", got, tc.want)
			}
		})
	}
	if view := New(); !view.Rescores(projections.Event{Data: published(2, 0, 1, 2)}) ||
		view.Rescores(projections.Event{Data: policy.Published{Kind: policy.KindRFM}}) || view.Rescores(projections.Event{Data: calendar.DayClosed{}}) {
		t.Error("a lifecycle policy moves dates, and nothing else does")
	}
}

// Nothing personal is kept, so that an erasure leaves the same with the key and without.
func TestNothingPersonalIsKept(t *testing.T) {
	with, _ := New().Of(events(registered, entered(stages.Churned, stages.Potential, days(1)), customer.PersonalDataErased{})...)
	bare := entered(stages.Churned, stages.Potential, days(1))
	bare.Note = ""
	without, _ := New().Of(events(customer.Registered{Kind: customer.Person, RegisteredAt: start}, bare, customer.PersonalDataErased{})...)
	if diff := cmp.Diff(without, with); diff != "" {
		t.Error(diff)
	}
	stored, err := json.Marshal(with)
	if err != nil || strings.Contains(string(stored), "secret") {
		t.Errorf("%s %v", stored, err)
	}
}

// Events of other things leave the document alone.
func TestWhatIsNoMove(t *testing.T) {
	var d Document
	view := New()
	for _, e := range events(way...) {
		view.Fold(&d, e)
	}
	left := 0
	for _, data := range []any{
		customer.ProfileUpdated{}, customer.OrderRecorded{OrderID: "x"}, customer.ClaimAbandoned{}, calendar.DayClosed{}, customer.OrderCancelled{OrderID: "x"},
	} {
		if view.Fold(&d, events(data)[0]) {
			t.Errorf("%T changed it", data)
		}
	}
	if !view.Fold(&d, events(customer.OrderCancelled{OrderID: "o1", PaidOrdersLeft: &left})[0]) || !d.Standing.NoPaidOrder {
		t.Error("the only order was cancelled", d.Standing)
	}
}

func TestFourStages(t *testing.T) {
	p := stages.Policy{Retention: stages.Retention{Orders: 3, Days: 90}}
	first := day
	for _, tc := range []struct {
		stage  string
		orders int
		on     domain.Date
		want   string
	}{
		{stages.Potential, 0, day, stages.Potential}, {stages.Converting, 0, day, stages.Acquisition},
		{stages.Active, 3, day + 89, stages.Development}, {stages.Active, 2, day + 90, stages.Development}, {stages.Active, 3, day + 90, stages.Retained},
		{stages.Active, 3, day - 1, stages.Development},
		{stages.AtRisk, 1, day, stages.Retained}, {stages.Churned, 0, day, stages.Retained}, {stages.Reactivating, 1, day, stages.Retained},
	} {
		if got := (Bought{tc.orders, &first}).FourStage(tc.stage, tc.on, p); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}
