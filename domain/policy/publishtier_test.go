package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
)

func TestPublishTier(t *testing.T) {
	closed := domain.NewDate(2026, 2, 28)
	today := domain.Subject{Now: (closed + 1).Start(time.UTC)}
	ladder := func(gold int64) tier.Policy {
		return tier.Policy{
			Name: "metals", Measure: tier.Spend, Levels: []tier.Level{{ID: "member", Name: "Member"}, {ID: "gold", Name: "Gold", From: gold}},
			Window: tier.Window{Kind: tier.CalendarYear}, Validity: tier.Validity{Kind: tier.EndOfNextYear}, Downgrade: tier.OneDown,
		}
	}
	first, second, wrong := ladder(100), ladder(200), ladder(300)
	wrong.Examples = []tier.Example{{Qualifying: 300, Level: "gold"}, {Qualifying: 299, Level: "gold"}}
	published := func(version int, from domain.Date, p tier.Policy) Published {
		return Published{Kind: KindTier, Version: version, EffectiveFrom: from, Tier: &p}
	}
	from := func(d domain.Date) Publication {
		return Publication{Subject: today, Closed: &closed, EffectiveFrom: &d}
	}
	now := Publication{Subject: today, Closed: &closed}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{
			Name: "before the calendar begins the first ladder holds from the beginning",
			When: PublishTier{Publication{Subject: today}, first}, Then: []Event{published(1, Always, first)},
		},
		{
			Name: "afterwards from today",
			When: PublishTier{now, first}, Then: []Event{published(1, closed+1, first)},
		},
		{
			Name: "the first one may hold from a day that is closed",
			When: PublishTier{from(closed - 400), first}, Then: []Event{published(1, closed-400, first)},
		},
		{
			Name: "from the last of them, too",
			When: PublishTier{from(closed), first}, Then: []Event{published(1, closed, first)},
		},
		{
			Name: "the second may not", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{from(closed), second}, Error: ErrBackDated,
		},
		{
			Name: "nor the first again, from another day", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{from(closed - 399), first}, Error: ErrBackDated,
		},
		{
			Name: "nor from before the first", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{from(closed - 401), second}, Error: ErrOverlaps,
		},
		{
			Name: "the second holds from today", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{now, second}, Then: []Event{published(2, closed+1, second)},
		},
		{
			Name: "the ladder that holds already is nothing to do", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{now, first},
		},
		{
			Name: "nor if it is said from when", Given: []Event{published(1, closed-400, first)},
			When: PublishTier{from(closed - 400), first},
		},
		{
			Name: "a ladder that contradicts its examples",
			When: PublishTier{now, wrong}, Error: domain.ErrValidation, Fields: []string{"/policy/examples/1"},
		},
	})

	set := Set{}.With(published(1, 10, first)).With(Published{Kind: KindOwnership, Version: 1}).With(published(2, 20, second))
	want := []tier.Version{{From: 10, Version: 1, Policy: &first}, {From: 20, Version: 2, Policy: &second}}
	if diff := cmp.Diff(want, set.Tiers()); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if none := (Set{}).Tiers(); len(none) != 0 {
		t.Errorf("versions of nothing: %v", none)
	}
	if body := published(1, 10, first).Body(); body.(*tier.Policy).Name != "metals" {
		t.Errorf("the body is %v", body)
	}
}
