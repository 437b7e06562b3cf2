package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	"github.com/rapport-crm/rapport/domain/loyalty"
	. "github.com/rapport-crm/rapport/domain/policy"
)

func TestPublishLoyalty(t *testing.T) {
	closed := domain.NewDate(2026, 2, 28)
	today := domain.Subject{Now: (closed + 1).Start(time.UTC)}
	programme := func(points int64) loyalty.Policy {
		return loyalty.Policy{
			Name: "points", Currency: "EUR", Enrolment: loyalty.FirstOrder, Earn: []loyalty.Rule{{ID: "base", Points: points, PerMinor: 100}},
			Expiry: loyalty.Expiry{Kind: loyalty.Never}, Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1},
			Examples: []loyalty.Example{{Order: loyalty.Purchase{AmountMinor: 999, Currency: "EUR"}, Points: 9 * points}},
		}
	}
	first, second, wrong := programme(1), programme(2), programme(2)
	second.Examples[0].Points = 19 // 9.99 times two, rounded once
	wrong.Currency = ""
	dollars := programme(1)
	dollars.Currency, dollars.Examples = "USD", nil
	published := func(version int, from domain.Date, p loyalty.Policy) Published {
		return Published{Kind: KindLoyalty, Version: version, EffectiveFrom: from, Loyalty: &p}
	}
	from := func(d domain.Date) Publication {
		return Publication{Subject: today, Closed: &closed, EffectiveFrom: &d}
	}
	now := Publication{Subject: today, Closed: &closed}
	given := []Event{published(1, closed-400, first)}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "before the calendar begins the first programme holds from the beginning", When: PublishLoyalty{Publication{Subject: today}, first}, Then: []Event{published(1, Always, first)}},
		{Name: "afterwards from today", When: PublishLoyalty{now, first}, Then: []Event{published(1, closed+1, first)}},
		{Name: "the first one may hold from a day that is closed", When: PublishLoyalty{from(closed - 400), first}, Then: given},
		{Name: "the second may not", Given: given, When: PublishLoyalty{from(closed), second}, Error: ErrBackDated},
		{Name: "nor from before the first", Given: given, When: PublishLoyalty{from(closed - 401), second}, Error: ErrOverlaps},
		{Name: "the second holds from today", Given: given, When: PublishLoyalty{now, second}, Then: []Event{published(2, closed+1, second)}},
		{Name: "or from a later day", Given: given, When: PublishLoyalty{from(closed + 9), second}, Then: []Event{published(2, closed+9, second)}},
		{
			Name: "in another currency", Given: given, When: PublishLoyalty{now, dollars}, Error: domain.ErrValidation, Fields: []string{"/policy/currency"},
		},
		{Name: "the programme that holds already is nothing to do", Given: given, When: PublishLoyalty{now, programme(1)}},
		{Name: "one that contradicts its examples", When: PublishLoyalty{now, programme(2)}, Error: domain.ErrValidation, Fields: []string{"/policy/examples/0/points"}},
		{Name: "one that is wrong is not tried", When: PublishLoyalty{now, wrong}, Error: domain.ErrValidation, Fields: []string{"/policy/currency"}},
	})

	set := Set{}.With(published(1, 10, first)).With(Published{Kind: KindOwnership, Version: 1}).With(published(2, 20, second))
	want := []loyalty.Version{{From: 10, Version: 1, Policy: &first}, {From: 20, Version: 2, Policy: &second}}
	if diff := cmp.Diff(want, set.Loyalties()); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if none := (Set{}).Loyalties(); len(none) != 0 {
		t.Errorf("versions of nothing: %v", none)
	}
	if body := published(1, 10, first).Body(); body.(*loyalty.Policy).Name != "points" {
		t.Errorf("the body is %v", body)
	}
}
