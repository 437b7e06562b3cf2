package readapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

var staged = domain.NewDate(2026, 1, 10)

// at is ten o'clock in Berlin, which is UTC+1 in winter.
func tenIn(day domain.Date) time.Time { return day.Start(time.UTC).Add(9 * time.Hour) }

func (s *shop) enters(c uuid.UUID, from, to string, at time.Time, change ...func(*customer.StageEntered)) eventschema.Raw {
	s.t.Helper()
	e := customer.StageEntered{Stage: to, From: from, Trigger: customer.TriggerManual, ReasonCode: "r", Note: "hers", EnteredAt: at}
	for _, f := range change {
		f(&e)
	}
	return s.customer(c, e)
}

func (s *shop) pays(c uuid.UUID, order string, on domain.Date) eventschema.Raw {
	s.t.Helper()
	return s.customer(c, customer.OrderPaid{OrderID: order, PaidAt: tenIn(on), PlacedOn: &on})
}

func (s *shop) dayOver(day domain.Date) eventschema.Raw {
	s.t.Helper()
	return s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: day, Zone: "Europe/Berlin"})
}

// stagedShop has customers on their ways: 1 is potential, 2 converting, 3 to 5
// active for different times, 6 at risk, 7 was lost and is being won back.
func stagedShop(t testing.TB) (s *shop, ids map[string]uuid.UUID) {
	s, ids = newShop(t), map[string]uuid.UUID{}
	s.append(policy.Stream(policy.KindLifecycle), uuid.Nil, policy.Published{
		Kind: policy.KindLifecycle, Version: 1, EffectiveFrom: policy.Always,
		Lifecycle: &stages.Policy{Name: "standard", AtRiskAfterDays: 30, ChurnedAfterDays: 60, Retention: stages.Retention{Orders: 2, Days: 20}},
	})
	for n := range uint64(7) {
		s.customer(someone(n+1), customer.Registered{Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: tenIn(staged)})
	}
	s.enters(someone(2), stages.Potential, stages.Converting, tenIn(staged+1))
	activated := func(n uint64, on domain.Date) {
		ids[fmt.Sprint("paid ", n)] = s.pays(someone(n), "first", on).ID
		ids[fmt.Sprint("active ", n)] = s.enters(someone(n), stages.Potential, stages.Active, tenIn(on), func(e *customer.StageEntered) {
			e.Trigger, e.ReasonCode, e.Note, e.Cause = customer.TriggerOrder, "", "", customer.StageCause{Type: customer.CauseOrder, OrderID: "first"}
		}).ID
	}
	idle := func(n uint64, from, to string, on domain.Date) {
		last := on - 1
		closed := s.dayOver(last).ID
		ids[fmt.Sprint("closed ", n, to)] = closed
		berlin, _ := time.LoadLocation("Europe/Berlin")
		ids[fmt.Sprint(to, " ", n)] = s.customer(someone(n), customer.StageEntered{
			Stage: to, From: from, Trigger: customer.TriggerDayClosed, Cause: customer.StageCause{Type: customer.CauseDay, Day: &last},
			PolicyVersion: 1, EnteredAt: on.Start(berlin).UTC(),
		}, func(m *eventschema.Meta) {
			m.Causation, m.Actor = closed, eventschema.Actor{Kind: "system", ID: "stage-keeper"}
			m.Policies = []domain.PolicyRef{{Kind: policy.KindLifecycle, Version: 1}}
		}).ID
	}
	activated(3, staged+80) // one order: development
	activated(4, staged+60)
	s.pays(someone(4), "second", staged+75) // two orders, and long enough: retention
	activated(5, staged+75)
	s.pays(someone(5), "second", staged+76) // two orders, not long enough: development
	activated(6, staged+50)
	activated(7, staged+2)
	idle(7, stages.Active, stages.AtRisk, staged+32)
	idle(7, stages.AtRisk, stages.Churned, staged+62)
	s.enters(someone(7), stages.Churned, stages.Reactivating, tenIn(staged+70), func(e *customer.StageEntered) {
		on := staged + 70
		e.IdleSince = &on
	})
	idle(6, stages.Active, stages.AtRisk, staged+80)
	s.dayOver(staged + 84)
	s.project()
	return s, ids
}

func TestFunnel(t *testing.T) {
	s, _ := stagedShop(t)
	var f readapi.Funnel
	s.get("/v1/lifecycle/funnel").status(200).json(&f)
	want := []readapi.FunnelStage{
		{Stage: stages.Potential, Entered: 7, Left: 6, Now: 1}, {Stage: stages.Converting, Entered: 1, Now: 1},
		{Stage: stages.Active, Entered: 5, Left: 2, Now: 3}, {Stage: stages.AtRisk, Entered: 2, Left: 1, Now: 1},
		{Stage: stages.Churned, Entered: 1, Left: 1}, {Stage: stages.Reactivating, Entered: 1, Now: 1},
	}
	if diff := gocmp.Diff(want, f.Stages); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff([]readapi.FunnelMove{
		{From: stages.Potential, To: stages.Converting, Count: 1}, {From: stages.Potential, To: stages.Active, Count: 5},
		{From: stages.Active, To: stages.AtRisk, Count: 2}, {From: stages.AtRisk, To: stages.Churned, Count: 1},
		{From: stages.Churned, To: stages.Reactivating, Count: 1},
	}, f.Moves); diff != "" {
		t.Error(diff)
	}

	// Customer 6 falls to risk on 31 March, at the first instant of that day in
	// Berlin, which is 30 March in UTC: the funnel of the day has it.
	day := (staged + 80).String()
	s.get("/v1/lifecycle/funnel?from=" + day + "&to=" + day).status(200).json(&f)
	if diff := gocmp.Diff([]readapi.FunnelMove{
		{From: stages.Potential, To: stages.Active, Count: 1}, {From: stages.Active, To: stages.AtRisk, Count: 1},
	}, f.Moves); diff != "" {
		t.Error(diff)
	}
	if f.Stages[2].Entered != 1 || f.Stages[2].Left != 1 || f.Stages[2].Now != 3 {
		t.Errorf("%+v", f.Stages[2])
	}

	s.get("/v1/lifecycle/funnel?model=4").status(200).json(&f)
	if diff := gocmp.Diff([]readapi.FunnelStage{
		{Stage: stages.Potential, Entered: 7, Left: 6, Now: 1}, {Stage: stages.Acquisition, Entered: 1, Now: 1},
		{Stage: stages.Development, Entered: 5, Left: 2, Now: 2}, {Stage: stages.Retained, Entered: 2, Now: 3},
	}, f.Stages); diff != "" || f.Model != 4 {
		t.Error(diff)
	}
	for _, q := range []string{"?model=6", "?from=x", "?to=2026-13-01", "?from=2026-02-02&to=2026-02-01", "?form=2026-01-01", "?min_position=x"} {
		if p := s.get("/v1/lifecycle/funnel" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
}

func TestDwell(t *testing.T) {
	s, _ := stagedShop(t)
	var d readapi.Dwell
	s.get("/v1/lifecycle/dwell").status(200).json(&d)
	days := func(stage string, n int64, mean, median float64, p90 int64) readapi.DwellStage {
		return readapi.DwellStage{Stage: stage, N: n, Mean: &mean, Median: &median, P90: &p90}
	}
	want := []readapi.DwellStage{
		days(stages.Potential, 6, float64(1+80+60+75+50+2)/6, 55, 80), // 1, 2, 50, 60, 75, 80
		{Stage: stages.Converting},
		days(stages.Active, 2, 30, 30, 30), days(stages.AtRisk, 1, 30, 30, 30), days(stages.Churned, 1, 8, 8, 8),
		{Stage: stages.Reactivating},
	}
	if diff := gocmp.Diff(want, d.Stages); diff != "" {
		t.Error(diff)
	}
	s.get("/v1/lifecycle/dwell?to=" + (staged + 60).String()).status(200).json(&d)
	if diff := gocmp.Diff(days(stages.Potential, 4, float64(1+2+50+60)/4, 26, 60), d.Stages[0]); diff != "" {
		t.Error(diff)
	}
	s.get("/v1/lifecycle/dwell?model=4").status(400)
}

func TestWhoWasInWhichStage(t *testing.T) {
	s, _ := stagedShop(t)
	counts := func(q string) (list []int64) {
		var at readapi.StagesAt
		s.get("/v1/lifecycle/at" + q).status(200).json(&at)
		for i, c := range at.Counts {
			if c.Stage != stages.Stages[i] {
				t.Errorf("%+v", at.Counts)
			}
			list = append(list, c.Customers)
		}
		return list
	}
	for q, want := range map[string][]int64{
		"":                                       {1, 1, 3, 1, 0, 1},
		"?date=" + (staged - 1).String():         {0, 0, 0, 0, 0, 0},
		"?date=" + staged.String():               {7, 0, 0, 0, 0, 0},
		"?date=" + (staged + 2).String():         {5, 1, 1, 0, 0, 0},
		"?date=" + (staged + 31).String():        {5, 1, 1, 0, 0, 0},
		"?date=" + (staged + 32).String():        {5, 1, 0, 1, 0, 0},
		"?date=" + (staged + 62).String():        {3, 1, 2, 0, 1, 0},
		"?date=" + (staged + 90).String():        {1, 1, 3, 1, 0, 1},
		"?date=2026-02-10T22:59:59Z":             {5, 1, 1, 0, 0, 0}, // before midnight in Berlin
		"?date=2026-02-10T23:00:00Z":             {5, 1, 0, 1, 0, 0},
		"?date=" + url.QueryEscape("2026-02-11"): {5, 1, 0, 1, 0, 0},
	} {
		if diff := gocmp.Diff(want, counts(q)); diff != "" {
			t.Errorf("%s: %s", q, diff)
		}
	}

	list := func(q string, limit int) (ids []uuid.UUID) {
		for cursor := ""; ; {
			var page readapi.StagesAt
			s.get(fmt.Sprintf("/v1/lifecycle/at?%s&limit=%d&cursor=%s", q, limit, cursor)).status(200).json(&page)
			for _, c := range page.Customers {
				ids = append(ids, c.CustomerID)
			}
			if cursor = page.NextCursor; cursor == "" {
				return ids
			}
		}
	}
	for q, want := range map[string][]uuid.UUID{
		"stage=active": {someone(4), someone(5), someone(3)}, "stage=churned": nil, "stage=reactivating": {someone(7)},
		"stage=churned&date=" + (staged + 65).String():   {someone(7)},
		"stage=active&date=" + (staged + 62).String():    {someone(6), someone(4)},
		"stage=potential&date=" + (staged + 62).String(): {someone(5), someone(3), someone(1)}, // who left first is first
	} {
		for _, limit := range []int{1, 2, 50} {
			if diff := gocmp.Diff(want, list(q, limit)); diff != "" {
				t.Errorf("%s by %d: %s", q, limit, diff)
			}
		}
	}
	var page readapi.StagesAt
	s.get("/v1/lifecycle/at?stage=churned&date=" + (staged + 65).String()).status(200).json(&page)
	if c := page.Customers[0]; c.Until == nil || !c.Until.Equal(tenIn(staged+70)) || page.Counts != nil {
		t.Errorf("%+v", page)
	}
	// A stage that nobody was in has a list as well.
	if body := s.get("/v1/lifecycle/at?stage=churned&date=2020-01-01").status(200).Body.String(); !strings.Contains(body, `"customers":[]`) {
		t.Error(body)
	}
	s.get("/v1/lifecycle/at?stage=dormant").status(400)
	s.get("/v1/lifecycle/at?cursor=x&stage=active").status(400)
}

func TestACustomersStageIsExplained(t *testing.T) {
	s, ids := stagedShop(t)
	var c readapi.CustomerLifecycle
	s.get("/v1/customers/" + someone(6).String() + "/lifecycle").status(200).json(&c)
	if c.Stage != stages.AtRisk || c.FourStage != stages.Retained || c.Days != 5 || c.PolicyVersion != 1 || c.PaidOrders != 1 || *c.LastPaidOn != staged+50 {
		t.Errorf("%+v", c)
	}
	last := c.Moves[2]
	if len(c.Moves) != 3 || last.EventID != ids["at_risk 6"] || last.Cause.EventID != ids["closed 6at_risk"] || *last.Cause.Day != staged+79 ||
		*last.DwellDays != 30 || last.PolicyVersion != 1 || last.Actor.ID != "stage-keeper" || last.Trigger != customer.TriggerDayClosed {
		t.Errorf("%+v", last)
	}
	if m := c.Moves[1]; m.EventID != ids["active 6"] || m.Cause.EventID != ids["paid 6"] || m.Cause.OrderID != "first" || m.Actor.ID != "ann" || *m.DwellDays != 50 {
		t.Errorf("%+v", m)
	}
	if m := c.Moves[0]; m.From != "" || m.Trigger != customer.TriggerRegistration || m.DwellDays != nil {
		t.Errorf("%+v", m)
	}
	want := &readapi.NextStage{
		Stage: stages.Churned, On: staged + 110,
		Because: `By then 60 business days will have passed without a paid order since 2026-03-01, the date of the last paid order; version 1 of the lifecycle policy, "standard", asks for 60.`,
	}
	if diff := gocmp.Diff(want, c.Next); diff != "" {
		t.Error(diff)
	}

	s.get("/v1/customers/" + someone(7).String() + "/lifecycle").status(200).json(&c)
	want = &readapi.NextStage{
		Stage: stages.Churned, On: staged + 100,
		Because: `By then 30 business days will have passed without a paid order since 2026-03-21, when somebody last changed the stage; version 1 of the lifecycle policy, "standard", asks for 30.`,
	}
	if diff := gocmp.Diff(want, c.Next); diff != "" {
		t.Error(diff)
	}
	var potential readapi.CustomerLifecycle
	s.get("/v1/customers/" + someone(1).String() + "/lifecycle").status(200).json(&potential)
	if potential.Next != nil || potential.Stage != stages.Potential || potential.FourStage != stages.Potential {
		t.Errorf("%+v", potential)
	}
	for n, want := range map[uint64]string{3: stages.Development, 4: stages.Retained, 5: stages.Development, 2: stages.Acquisition} {
		s.get("/v1/customers/" + someone(n).String() + "/lifecycle").status(200).json(&c)
		if c.FourStage != want {
			t.Errorf("customer %d is in %s, want %s", n, c.FourStage, want)
		}
	}

	// The customer's own page says the same.
	var page struct {
		Lifecycle customer.Standing
	}
	s.get("/v1/customers/" + someone(6).String()).status(200).json(&page)
	if x := page.Lifecycle; x.Stage != stages.AtRisk || x.EventID != ids["at_risk 6"] || x.Cause.EventID != ids["closed 6at_risk"] || x.PolicyVersion != 1 {
		t.Errorf("%+v", x)
	}

	s.get("/v1/customers/" + someone(99).String() + "/lifecycle").status(404)
	s.get("/v1/customers/nobody/lifecycle").status(404)
	s.get("/v1/customers/" + someone(6).String() + "/lifecycle?x=1").status(400)
	s.get(fmt.Sprintf("/v1/customers/%v/lifecycle?min_position=%d", someone(6), s.position)).status(200)
}

func TestTheOnlyOrderIsTakenBack(t *testing.T) {
	s, _ := stagedShop(t)
	left := 0
	s.customer(someone(3), customer.OrderCancelled{OrderID: "first", CancelledAt: tenIn(staged + 81), PaidOrdersLeft: &left})
	s.project()
	var c readapi.CustomerLifecycle
	s.get("/v1/customers/" + someone(3).String() + "/lifecycle").status(200).json(&c)
	if c.Stage != stages.Active || !c.NoPaidOrder || c.PaidOrders != 0 {
		t.Errorf("%+v", c)
	}
}

func TestCustomersOfAStage(t *testing.T) {
	s, _ := stagedShop(t)
	for stage, want := range map[string][]uuid.UUID{
		stages.Active: {someone(3), someone(4), someone(5)}, stages.Potential: {someone(1)}, stages.Churned: nil, stages.AtRisk: {someone(6)},
	} {
		for _, q := range []string{"", "&sort=registered_at", "&source=web"} {
			var page readapi.Customers
			s.get("/v1/customers?stage=" + stage + q).status(200).json(&page)
			got := ids(page.Customers)
			slices.SortFunc(got, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("%s%s: %s", stage, q, diff)
			}
		}
	}
	s.get("/v1/customers?stage=dormant").status(400)
}
