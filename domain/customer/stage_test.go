package customer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"pgregory.net/rapid"
)

// entered is a move by the order o1.
func entered(stage, from, trigger string, at time.Time) StageEntered {
	return StageEntered{Stage: stage, From: from, Trigger: trigger, Cause: StageCause{Type: CauseOrder, OrderID: "o1"}, EnteredAt: at}
}

var becameActive = entered(lifecycle.Active, lifecycle.Potential, TriggerOrder, paid)

// far is a business zone that is not UTC.
var far = time.FixedZone("far", 2*3600)

// stagePolicies knows one policy: at risk after 30 days, lost after 60.
func stagePolicies(more ...policy.Published) world.Known {
	w := &world.World{Policies: policy.Set{}}
	first := policy.Published{Kind: policy.KindLifecycle, Version: 1, EffectiveFrom: policy.Always, Lifecycle: &lifecycle.Policy{AtRiskAfterDays: 30, ChurnedAfterDays: 60}}
	for _, p := range append([]policy.Published{first}, more...) {
		w.Policies = w.Policies.With(p)
	}
	return world.Known{World: w}
}

// on is what a command is told at the beginning of a business day of a manual
// calendar.
func on(day domain.Date) domain.Subject {
	return domain.Subject{Customer: id, Now: day.Start(far).UTC(), Latest: day.End(far), Zone: far}
}

// closed says that the calendar has come to a day.
func closed(k world.Known, last domain.Date) world.Known {
	w := *k.World
	w.Closed = &last
	return world.Known{World: &w}
}

// bought is an order that was placed and paid at ten o'clock of a day.
func bought(order string, day domain.Date) []Event {
	at := day.Start(far).Add(10 * time.Hour).UTC()
	return []Event{
		OrderRecorded{OrderID: order, Total: eur(100), PlacedAt: at, PlacedOn: day},
		OrderPaid{OrderID: order, PaidAt: at, PlacedOn: &day},
	}
}

func buy(order string, day domain.Date, now domain.Subject, known world.Known) RecordOrder {
	at := day.Start(far).Add(10 * time.Hour)
	return RecordOrder{Subject: now, Known: known, OrderID: order, Total: eur(100), PlacedAt: at, PlacedOn: &day, PaidAt: &at}
}

// byDay is a move that time made at the beginning of a day.
func byDay(stage, from string, day domain.Date) StageEntered {
	return StageEntered{
		Stage: stage, From: from, Trigger: TriggerDayClosed, Cause: StageCause{Type: CauseDay, Day: ptr(day - 1)}, PolicyVersion: 1, EnteredAt: day.Start(far).UTC(),
	}
}

func byOrder(stage, from, trigger, order string, at time.Time) StageEntered {
	return StageEntered{Stage: stage, From: from, Trigger: trigger, Cause: StageCause{Type: CauseOrder, OrderID: order}, PolicyVersion: 1, EnteredAt: at.UTC()}
}

func ten(day domain.Date) time.Time { return day.Start(far).Add(10 * time.Hour).UTC() }

func history(parts ...[]Event) (all []Event) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var (
	first = domain.NewDate(2025, 1, 10)
	known = Registered{Kind: Person, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, RegisteredAt: first.Start(far).UTC()}
	newly = []Event{known}
	// buying has bought on the first day.
	buying = history(newly, bought("o1", first), []Event{byOrder(lifecycle.Active, lifecycle.Potential, TriggerOrder, "o1", ten(first))})
	// risky and lost did not come back.
	risky = history(buying, []Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30)})
	lost  = history(risky, []Event{byDay(lifecycle.Churned, lifecycle.AtRisk, first+60)})
)

func manual(to, from string, day domain.Date) StageEntered {
	e := StageEntered{Stage: to, From: from, Trigger: TriggerManual, ReasonCode: "r", EnteredAt: day.Start(far).UTC()}
	if to == lifecycle.Active || to == lifecycle.Reactivating {
		e.IdleSince = &day
	}
	return e
}

func TestChangeStage(t *testing.T) {
	change := func(to string) ChangeStage { return ChangeStage{Subject: on(first + 70), To: to, ReasonCode: "r"} }
	move := func(name string, given []Event, from, to string) spec {
		return spec{Name: name, Given: given, When: change(to), Then: []Event{manual(to, from, first+70)}}
	}
	refuse := func(given []Event, from, to string, want error) spec {
		return spec{Name: from + " to " + to, Given: given, When: change(to), Error: want}
	}
	converting := history(newly, []Event{manual(lifecycle.Converting, lifecycle.Potential, first+1)})
	winning := history(lost, []Event{manual(lifecycle.Reactivating, lifecycle.Churned, first+61)})
	gaveUp := history(newly, []Event{manual(lifecycle.Churned, lifecycle.Potential, first+1)})
	returned := history(buying, []Event{OrderCancelled{OrderID: "o1", CancelledAt: ten(first), PaidOrdersLeft: ptr(0)}, byDay(lifecycle.AtRisk, lifecycle.Active, first+30)})
	specs := []spec{
		move("somebody is interested", newly, lifecycle.Potential, lifecycle.Converting),
		move("somebody will never buy", newly, lifecycle.Potential, lifecycle.Churned),
		move("or not after all", converting, lifecycle.Converting, lifecycle.Churned),
		move("a customer complains", buying, lifecycle.Active, lifecycle.AtRisk),
		move("a customer leaves", buying, lifecycle.Active, lifecycle.Churned),
		move("a customer who is at risk is not", risky, lifecycle.AtRisk, lifecycle.Active),
		move("a customer who is at risk leaves", risky, lifecycle.AtRisk, lifecycle.Churned),
		move("a win-back begins", lost, lifecycle.Churned, lifecycle.Reactivating),
		move("also of who never bought", gaveUp, lifecycle.Churned, lifecycle.Reactivating),
		move("a win-back succeeds", winning, lifecycle.Reactivating, lifecycle.Active),
		move("a win-back fails", winning, lifecycle.Reactivating, lifecycle.Churned),

		refuse(newly, lifecycle.Potential, lifecycle.AtRisk, ErrStageNotAllowed),
		refuse(newly, lifecycle.Potential, lifecycle.Reactivating, ErrStageNotAllowed),
		refuse(newly, lifecycle.Potential, lifecycle.Active, ErrStageNeedsOrder),
		refuse(converting, lifecycle.Converting, lifecycle.Potential, ErrStageNotAllowed),
		refuse(converting, lifecycle.Converting, lifecycle.AtRisk, ErrStageNotAllowed),
		refuse(converting, lifecycle.Converting, lifecycle.Active, ErrStageNeedsOrder),
		refuse(buying, lifecycle.Active, lifecycle.Potential, ErrStageNotAllowed),
		refuse(buying, lifecycle.Active, lifecycle.Converting, ErrStageNotAllowed),
		refuse(buying, lifecycle.Active, lifecycle.Reactivating, ErrStageNotAllowed),
		refuse(risky, lifecycle.AtRisk, lifecycle.Converting, ErrStageNotAllowed),
		refuse(risky, lifecycle.AtRisk, lifecycle.Reactivating, ErrStageNotAllowed),
		refuse(returned, "returned the only order and "+lifecycle.AtRisk, lifecycle.Active, ErrStageNeedsOrder),
		refuse(lost, lifecycle.Churned, lifecycle.Active, ErrStageNeedsOrder),
		refuse(lost, lifecycle.Churned, lifecycle.AtRisk, ErrStageNotAllowed),
		refuse(winning, lifecycle.Reactivating, lifecycle.AtRisk, ErrStageNotAllowed),
		refuse(nil, "nobody", lifecycle.Converting, ErrNotFound),
		{
			Name: "active without an order, because somebody says so", Given: newly,
			When: with(change(lifecycle.Active), func(c *ChangeStage) { c.Override, c.Note = true, "pays by contract" }),
			Then: []Event{func() Event {
				e := manual(lifecycle.Active, lifecycle.Potential, first+70)
				e.Override, e.Note = true, "pays by contract"
				return e
			}()},
		}, {
			Name: "override does not take a churned customer back", Given: lost,
			When:  with(change(lifecycle.Active), func(c *ChangeStage) { c.Override = true }),
			Error: ErrStageNeedsOrder,
		}, {
			Name: "override that overrides nothing is not kept", Given: risky,
			When: with(change(lifecycle.Active), func(c *ChangeStage) { c.Override = true }),
			Then: []Event{manual(lifecycle.Active, lifecycle.AtRisk, first+70)},
		}, {
			Name: "never before the stage before", Given: buying,
			When: with(change(lifecycle.AtRisk), func(c *ChangeStage) { c.Subject = on(first) }),
			Then: []Event{func() Event {
				e := manual(lifecycle.AtRisk, lifecycle.Active, first)
				e.EnteredAt = ten(first)
				return e
			}()},
		},
		{Name: "no such stage", Given: newly, When: change("dormant"), Error: domain.ErrValidation, Fields: []string{"/to"}},
		{Name: "no stage", Given: newly, When: change(""), Error: domain.ErrValidation, Fields: []string{"/to"}},
		{
			Name: "lost without a reason", Given: buying, When: with(change(lifecycle.Churned), func(c *ChangeStage) { c.ReasonCode = "" }),
			Error: domain.ErrValidation, Fields: []string{"/reason_code"},
		}, {
			Name: "override without a reason", Given: newly,
			When:  with(change(lifecycle.Active), func(c *ChangeStage) { c.ReasonCode, c.Override = "", true }),
			Error: domain.ErrValidation, Fields: []string{"/reason_code"},
		}, {
			Name: "a novel for a reason", Given: buying,
			When: with(change(lifecycle.AtRisk), func(c *ChangeStage) {
				c.ReasonCode, c.Note = strings.Repeat("x", 101), strings.Repeat("x", 2001)
			}),
			Error: domain.ErrValidation, Fields: []string{"/reason_code", "/note"},
		},
	}
	for stage, given := range map[string][]Event{
		lifecycle.Potential: newly, lifecycle.Converting: converting, lifecycle.Active: buying,
		lifecycle.AtRisk: risky, lifecycle.Churned: lost, lifecycle.Reactivating: winning,
	} {
		specs = append(specs, spec{Name: stage + " already", Given: given, When: change(stage)})
	}
	run(t, specs)
}

func TestARefusedStageNamesThoseThatAreAllowed(t *testing.T) {
	_, err := ChangeStage{Subject: at, To: lifecycle.AtRisk}.Decide(State{}.Evolve(registered))
	var refusal *domain.Error
	if want := "a customer who is potential can become converting or active or churned, not at_risk"; !errors.As(err, &refusal) || refusal.Detail != want {
		t.Fatal(err)
	}
}

func TestAssessStage(t *testing.T) {
	assess := func(day domain.Date, more ...policy.Published) AssessStage {
		return AssessStage{Subject: on(day), Known: closed(stagePolicies(more...), day-1)}
	}
	winning := history(lost, []Event{manual(lifecycle.Reactivating, lifecycle.Churned, first+100)})
	shorter := policy.Published{Kind: policy.KindLifecycle, Version: 2, EffectiveFrom: first + 20, Lifecycle: &lifecycle.Policy{AtRiskAfterDays: 5, ChurnedAfterDays: 40}}
	second := func(e StageEntered) StageEntered { e.PolicyVersion = 2; return e }
	run(t, []spec{
		{Name: "the day before", Given: buying, When: assess(first + 29)},
		{Name: "idle for long enough", Given: buying, When: assess(first + 30), Then: []Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30)}},
		{Name: "again", Given: risky, When: assess(first + 30)},
		{Name: "when it fell due, and not when it is looked at", Given: buying, When: assess(first + 59), Then: []Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30)}},
		{Name: "and lost", Given: risky, When: assess(first + 60), Then: []Event{byDay(lifecycle.Churned, lifecycle.AtRisk, first+60)}},
		{Name: "both at once", Given: buying, When: assess(first + 500), Then: []Event{
			byDay(lifecycle.AtRisk, lifecycle.Active, first+30), byDay(lifecycle.Churned, lifecycle.AtRisk, first+60),
		}},
		{Name: "lost for good", Given: lost, When: assess(first + 5000)},
		{Name: "who never bought stays", Given: newly, When: assess(first + 5000)},
		{Name: "a later order counts", Given: history(buying, bought("o2", first+20)), When: assess(first + 49)},
		{Name: "and an earlier one does not", Given: history(buying, bought("o2", first-20)), When: assess(first + 29)},
		{Name: "a policy that begins later decides from then on", Given: buying, When: assess(first+30, shorter), Then: []Event{
			second(byDay(lifecycle.AtRisk, lifecycle.Active, first+20)),
		}},
		{Name: "and not before", Given: buying, When: assess(first+19, shorter)},
		{Name: "at both its ends", Given: buying, When: assess(first+100, shorter), Then: []Event{
			second(byDay(lifecycle.AtRisk, lifecycle.Active, first+20)), second(byDay(lifecycle.Churned, lifecycle.AtRisk, first+40)),
		}},
		{Name: "a win-back that is under way", Given: winning, When: assess(first + 129)},
		{Name: "a win-back that brought nothing", Given: winning, When: assess(first + 130), Then: []Event{byDay(lifecycle.Churned, lifecycle.Reactivating, first+130)}},
		{
			Name: "who was made active counts from then", Given: history(risky, []Event{manual(lifecycle.Active, lifecycle.AtRisk, first+40)}),
			When: assess(first + 70), Then: []Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+70)},
		},
		{
			Name: "never before the stage before", Given: history(buying, []Event{manual(lifecycle.AtRisk, lifecycle.Active, first+80)}),
			When: assess(first + 81), Then: []Event{byDay(lifecycle.Churned, lifecycle.AtRisk, first+80)},
		},
		{
			Name: "a customer of a log that has no stages yet", Given: history(newly, bought("o1", first)), When: assess(first + 31), Then: []Event{
				StageEntered{Stage: lifecycle.Active, From: lifecycle.Potential, Trigger: TriggerOrder, Cause: StageCause{Type: CauseOrder}, EnteredAt: first.Start(far).UTC()},
				byDay(lifecycle.AtRisk, lifecycle.Active, first+30),
			},
		},
		{Name: "without a policy", Given: buying, When: AssessStage{Subject: on(first + 500)}},
		{Name: "nobody is there", When: assess(first), Error: ErrNotFound},
	})
}

func TestThePolicyOfADecisionIsNamed(t *testing.T) {
	k, paid := closed(stagePolicies(), first), ten(first)
	for name, uses := range map[string][]domain.PolicyRef{
		"assess-stage": AssessStage{Subject: on(first), Known: k}.Uses(),
		"pay-order":    PayOrder{Subject: on(first), Known: k}.Uses(),
		"record-order": RecordOrder{Subject: on(first), Known: k, PaidAt: &paid}.Uses(),
	} {
		if diff := cmp.Diff([]domain.PolicyRef{{Kind: policy.KindLifecycle, Version: 1}}, uses); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if uses := (RecordOrder{Subject: on(first), Known: k}).Uses(); uses != nil {
		t.Error("an order that is not paid moves nobody", uses)
	}
}

// What a paid order does to the stage, told in time and told late.
func TestAPaidOrderMovesTheStage(t *testing.T) {
	k := closed(stagePolicies(), first)
	unpaid := history(newly, bought("o1", first)[:1])
	winning := history(lost, []Event{manual(lifecycle.Reactivating, lifecycle.Churned, first+70)})
	converting := history(newly, []Event{manual(lifecycle.Converting, lifecycle.Potential, first)})
	order := func(name, order string, given []Event, day, now domain.Date, moves ...Event) spec {
		return spec{
			Name: name, Given: given, When: buy(order, day, on(now), closed(stagePolicies(), now-1)),
			Then: history(bought(order, day), moves),
		}
	}
	late := func(stage, from, order string, at time.Time, day domain.Date) StageEntered {
		e := byOrder(stage, from, TriggerLateOrder, order, at)
		e.Cause.Day = ptr(day - 1)
		return e
	}
	run(t, []spec{
		order("the first", "o1", newly, first, first, byOrder(lifecycle.Active, lifecycle.Potential, TriggerOrder, "o1", ten(first))),
		order("of who was on the way", "o1", converting, first, first, byOrder(lifecycle.Active, lifecycle.Converting, TriggerOrder, "o1", ten(first))),
		order("another", "o2", buying, first+10, first+10),
		order("another, late", "o2", buying, first+3, first+10),
		order("before it is too late", "o2", risky, first+40, first+40, byOrder(lifecycle.Active, lifecycle.AtRisk, TriggerOrder, "o2", ten(first+40))),
		order("of a lost customer", "o2", lost, first+80, first+80, byOrder(lifecycle.Active, lifecycle.Churned, TriggerOrder, "o2", ten(first+80))),
		order("of who was being won back", "o2", winning, first+80, first+80, byOrder(lifecycle.Active, lifecycle.Reactivating, TriggerOrder, "o2", ten(first+80))),

		order("late: at risk, and is not", "o2", risky, first+20, first+40, byOrder(lifecycle.Active, lifecycle.AtRisk, TriggerLateOrder, "o2", (first+40).Start(far))),
		order("late: still at risk", "o2", risky, first+5, first+40),
		order("late: lost, and is not", "o2", lost, first+50, first+70, byOrder(lifecycle.Active, lifecycle.Churned, TriggerLateOrder, "o2", (first+70).Start(far))),
		order("late: lost, and only at risk", "o2", lost, first+35, first+70,
			byOrder(lifecycle.Active, lifecycle.Churned, TriggerLateOrder, "o2", (first+70).Start(far)),
			late(lifecycle.AtRisk, lifecycle.Active, "o2", (first+70).Start(far), first+70)),
		order("late: lost all the same", "o2", lost, first+5, first+70),
		order("late: being won back all the same", "o2", winning, first+5, first+71),
		order("late: the first", "o1", newly, first, first+10, byOrder(lifecycle.Active, lifecycle.Potential, TriggerLateOrder, "o1", ten(first))),
		order("late: the first, long ago", "o1", newly, first, first+70,
			byOrder(lifecycle.Active, lifecycle.Potential, TriggerLateOrder, "o1", ten(first)),
			late(lifecycle.AtRisk, lifecycle.Active, "o1", (first+30).Start(far), first+30),
			late(lifecycle.Churned, lifecycle.AtRisk, "o1", (first+60).Start(far), first+60)),
		{
			Name: "what was due comes before", Given: buying, When: buy("o2", first+65, on(first+65), closed(stagePolicies(), first+64)),
			Then: history(
				[]Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30), byDay(lifecycle.Churned, lifecycle.AtRisk, first+60)},
				bought("o2", first+65),
				[]Event{byOrder(lifecycle.Active, lifecycle.Churned, TriggerOrder, "o2", ten(first+65))}),
		}, {
			Name: "a past is lived through as it is told, before the first day is closed", Given: buying,
			When: buy("o2", first+65, domain.Subject{Customer: id, Now: noon, Zone: far}, stagePolicies()),
			Then: history(
				[]Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30), byDay(lifecycle.Churned, lifecycle.AtRisk, first+60)},
				bought("o2", first+65),
				[]Event{byOrder(lifecycle.Active, lifecycle.Churned, TriggerOrder, "o2", ten(first+65))}),
		}, {
			Name: "in any order", Given: buying,
			When: buy("o2", first-300, domain.Subject{Customer: id, Now: noon, Zone: far}, stagePolicies()),
			Then: bought("o2", first-300),
		}, {
			Name: "an import tells what is yet to come", Given: buying,
			When: buy("o2", first+40, domain.Subject{Customer: id, Now: (first + 5).Start(far), Zone: far}, closed(stagePolicies(), first+4)),
			Then: history(
				[]Event{byDay(lifecycle.AtRisk, lifecycle.Active, first+30)}, bought("o2", first+40),
				[]Event{byOrder(lifecycle.Active, lifecycle.AtRisk, TriggerOrder, "o2", ten(first+40))}),
		}, {
			Name: "not paid, no move", Given: newly,
			When: with(buy("o1", first, on(first), k), func(c *RecordOrder) { c.PaidAt = nil }),
			Then: bought("o1", first)[:1],
		}, {
			Name: "paid later", Given: unpaid, When: PayOrder{Subject: on(first + 2), Known: k, OrderID: "o1"},
			Then: []Event{
				OrderPaid{OrderID: "o1", PaidAt: (first + 2).Start(far).UTC(), PlacedOn: &first},
				byOrder(lifecycle.Active, lifecycle.Potential, TriggerOrder, "o1", (first + 2).Start(far)),
			},
		}, {
			Name: "paid, and told later", Given: unpaid, When: PayOrder{Subject: on(first + 5), Known: k, OrderID: "o1", PaidAt: ptr(ten(first + 2))},
			Then: []Event{
				OrderPaid{OrderID: "o1", PaidAt: ten(first + 2), PlacedOn: &first},
				byOrder(lifecycle.Active, lifecycle.Potential, TriggerLateOrder, "o1", ten(first+2)),
			},
		},
	})
}

// Cancelling or refunding leaves the stage, and says how many paid orders are left.
func TestWhatIsTakenBackLeavesTheStage(t *testing.T) {
	twice := history(buying, bought("o2", first+5))
	refund := func(order string, minor int64) RecordRefund {
		return RecordRefund{Subject: on(first + 6), RefundID: "r", OrderID: order, Amount: eur(minor)}
	}
	back := func(minor int64, left *int) RefundRecorded {
		return RefundRecorded{
			RefundID: "r", OrderID: "o1", Amount: eur(minor), RefundedAt: (first + 6).Start(far).UTC(), RefundedOn: first + 6, PaidOrdersLeft: left,
		}
	}
	partly := RefundRecorded{RefundID: "q", OrderID: "o1", Amount: eur(40), RefundedAt: ten(first)}
	cancel := CancelOrder{Subject: on(first + 6), OrderID: "o1"}
	gone := func(left *int) OrderCancelled {
		return OrderCancelled{OrderID: "o1", CancelledAt: (first + 6).Start(far).UTC(), PaidOrdersLeft: left}
	}
	run(t, []spec{
		{Name: "the only order is refunded", Given: buying, When: refund("o1", 100), Then: []Event{back(100, ptr(0))}},
		{Name: "one of two", Given: twice, When: refund("o1", 100), Then: []Event{back(100, ptr(1))}},
		{Name: "in part", Given: buying, When: refund("o1", 40), Then: []Event{back(40, nil)}},
		{Name: "the rest", Given: history(buying, []Event{partly}), When: refund("o1", 60), Then: []Event{back(60, ptr(0))}},
		{Name: "the only order is cancelled", Given: buying, When: cancel, Then: []Event{gone(ptr(0))}},
		{Name: "one of two is cancelled", Given: twice, When: cancel, Then: []Event{gone(ptr(1))}},
		{Name: "one that was never paid", Given: history(newly, bought("o1", first)[:1]), When: cancel, Then: []Event{gone(nil)}},
		{Name: "money of a cancelled order", Given: history(buying, []Event{gone(ptr(0))}), When: refund("o1", 100), Then: []Event{back(100, nil)}},
	})
	var s State
	for _, e := range history(buying, []Event{back(100, ptr(0))}) {
		s = s.Evolve(e)
	}
	if s.Stage != lifecycle.Active || !s.NoPaidOrder || s.PaidOrders != 0 {
		t.Errorf("%+v", s.Standing)
	}
	for _, e := range bought("o3", first+7) {
		s = s.Evolve(e)
	}
	if s.NoPaidOrder || s.PaidOrders != 1 || *s.FirstPaidOn != first || *s.LastPaidOn != first+7 {
		t.Errorf("%+v", s.Standing)
	}
}

func TestAStandingSaysWhy(t *testing.T) {
	event := func(n byte) uuid.UUID { return uuid.UUID{15: n} }
	var x Standing
	for i, e := range risky {
		x.Fold(Record{Event: e, ID: event(byte(i)), Causation: event(99)})
	}
	want := Standing{
		Stage: lifecycle.AtRisk, Since: (first + 30).Start(far).UTC(), Trigger: TriggerDayClosed,
		Cause: StageCause{Type: CauseDay, Day: ptr(first + 29), EventID: event(99)}, EventID: event(4), PolicyVersion: 1,
		PaidOrders: 1, FirstPaidOn: &first, LastPaidOn: &first, Paid: &Payment{"o1", event(2)},
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
	x = Standing{}
	for i, e := range buying {
		x.Fold(Record{Event: e, ID: event(byte(i)), Causation: event(99)})
	}
	if x.Cause.EventID != event(2) {
		t.Errorf("the payment is the cause: %+v", x.Cause)
	}
}

// Whether every day is looked at when it begins, only some are, or none: the moves
// are the same, to the instant, whatever is ordered and whichever policies come.
func TestCatchingUpIsLivingThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := domain.Date(rapid.IntRange(1, 300).Draw(t, "days"))
		orders := rapid.MapOfN(rapid.Map(rapid.IntRange(0, int(days)), func(n int) domain.Date { return first + domain.Date(n) }), rapid.Just(true), 0, 8).Draw(t, "orders")
		var policies []policy.Published
		from := first
		for n := range rapid.IntRange(0, 3).Draw(t, "policies") {
			from += domain.Date(rapid.IntRange(0, 120).Draw(t, "from"))
			risk := rapid.IntRange(1, 60).Draw(t, "at risk")
			policies = append(policies, policy.Published{
				Kind: policy.KindLifecycle, Version: n + 2, EffectiveFrom: from,
				Lifecycle: &lifecycle.Policy{AtRiskAfterDays: risk, ChurnedAfterDays: risk + rapid.IntRange(1, 60).Draw(t, "churned")},
			})
		}
		live := func(look func(day domain.Date) bool) (moves []Event) {
			s := State{}.Evolve(known)
			decide := func(cmd domain.Command[State, Event]) {
				events, err := domain.Decide(s, cmd)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					s = s.Evolve(e)
					if m, ok := e.(StageEntered); ok {
						moves = append(moves, m)
					}
				}
			}
			for day := first; day <= first+days; day++ {
				var published []policy.Published
				for _, p := range policies {
					if p.EffectiveFrom <= day {
						published = append(published, p)
					}
				}
				k := closed(stagePolicies(published...), day-1)
				if look(day) {
					decide(AssessStage{Subject: on(day), Known: k})
				}
				if orders[day] {
					decide(buy(fmt.Sprint(day), day, on(day), k))
				}
			}
			decide(AssessStage{Subject: on(first + days), Known: closed(stagePolicies(policies...), first+days-1)})
			return moves
		}
		some := rapid.Uint64().Draw(t, "some")
		daily := live(func(domain.Date) bool { return true })
		for name, moves := range map[string][]Event{
			"never":    live(func(domain.Date) bool { return false }),
			"at times": live(func(day domain.Date) bool { return some>>(day%64)&1 == 1 }),
		} {
			if diff := cmp.Diff(daily, moves); diff != "" {
				t.Fatalf("looked at %s (-daily +%s):\n%s", name, name, diff)
			}
		}
		before := known.RegisteredAt
		stage := lifecycle.Potential
		for _, m := range daily {
			m := m.(StageEntered)
			if m.From != stage || !lifecycle.Allowed(m.From, m.Stage) || m.EnteredAt.Before(before) {
				t.Fatalf("%+v after %s since %s", m, stage, before)
			}
			stage, before = m.Stage, m.EnteredAt
		}
	})
}
