package cluster_test

import (
	"slices"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/domaintest"
)

var day = domain.NewDate(2026, 2, 28)

func requested(change func(*Requested)) Requested {
	e := Requested{ClusterID: "shoppers", AsOf: day, Features: Default(), MinK: 2, MaxK: 8, MaxIterations: 100}
	if change != nil {
		change(&e)
	}
	return e
}

func TestFit(t *testing.T) {
	fit := func(change func(*Fit)) Fit {
		c := Fit{Named: Named{ClusterID: "shoppers"}, Closed: &day}
		if change != nil {
			change(&c)
		}
		return c
	}
	seven := requested(func(e *Requested) { e.Seed = 7 })
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "customers are grouped as of the last closed day", When: fit(nil), Then: []Event{requested(nil)}},
		{
			Name: "by a number of clusters",
			When: fit(func(c *Fit) {
				c.K, c.Features, c.Seed, c.MaxIterations = 4, []string{Monetary, TenureDays}, MaxSeed, 1000
			}),
			Then: []Event{Requested{ClusterID: "shoppers", AsOf: day, Features: []string{Monetary, TenureDays}, K: 4, Seed: MaxSeed, MaxIterations: 1000}},
		},
		{Name: "at least so many", When: fit(func(c *Fit) { c.MinK = 10 }), Then: []Event{requested(func(e *Requested) { e.MinK, e.MaxK = 10, 10 })}},
		{Name: "at most so many", When: fit(func(c *Fit) { c.MaxK = 3 }), Then: []Event{requested(func(e *Requested) { e.MaxK = 3 })}},
		{Name: "the same again, while it is not answered, is nothing to do", Given: []Event{seven, requested(nil)}, When: fit(nil)},
		{Name: "other clusters meanwhile", Given: []Event{seven}, When: fit(nil), Then: []Event{requested(nil)}},
		{
			Name: "the same again, when it was answered", Given: []Event{requested(nil), Fitted{Version: 1, TriggerPosition: 3}},
			When: fit(nil), Then: []Event{requested(nil)},
		},
		{
			Name: "the same again, when it failed", Given: []Event{requested(nil), FitFailed{TriggerPosition: 3}},
			When: fit(nil), Then: []Event{requested(nil)},
		},
		{Name: "no day was closed yet", When: fit(func(c *Fit) { c.Closed = nil }), Error: ErrNoDayClosed},
		{
			Name: "without a name", When: fit(func(c *Fit) { c.ClusterID = "" }), Error: domain.ErrValidation, Fields: []string{"/cluster_id"},
		},
		{
			Name: "with a name that is none", When: fit(func(c *Fit) { c.ClusterID = "7up" }), Error: domain.ErrValidation, Fields: []string{"/cluster_id"},
		},
		{
			Name: "with the name of something else", When: fit(func(c *Fit) { c.ClusterID = "features" }), Error: domain.ErrValidation, Fields: []string{"/cluster_id"},
		},
		{
			Name:  "by features that are none",
			When:  fit(func(c *Fit) { c.Features = []string{"", Monetary, "shoe_size", Monetary} }),
			Error: domain.ErrValidation, Fields: []string{"/features/0", "/features/2", "/features/3"},
		},
		{
			Name:  "by more features than there are",
			When:  fit(func(c *Fit) { c.Features = append(all(), "x") }),
			Error: domain.ErrValidation, Fields: []string{"/features"},
		},
		{
			Name:  "out of bounds",
			When:  fit(func(c *Fit) { c.K, c.MaxIterations, c.Seed = 1, 1001, MaxSeed+1 }),
			Error: domain.ErrValidation, Fields: []string{"/k", "/max_iterations", "/seed"},
		},
		{
			Name:  "out of bounds, where the number of clusters is chosen",
			When:  fit(func(c *Fit) { c.MinK, c.MaxK = -1, 21 }),
			Error: domain.ErrValidation, Fields: []string{"/min_k", "/max_k"},
		},
		{
			Name:  "fewer at most than at least",
			When:  fit(func(c *Fit) { c.MinK, c.MaxK = 5, 4 }),
			Error: domain.ErrValidation, Fields: []string{"/max_k"},
		},
		{
			Name: "a choice where there is none", When: fit(func(c *Fit) { c.K, c.MinK = 4, 3 }),
			Error: domain.ErrValidation, Fields: []string{"/min_k"},
		},
		{
			Name: "likewise", When: fit(func(c *Fit) { c.K, c.MaxK = 4, 5 }),
			Error: domain.ErrValidation, Fields: []string{"/max_k"},
		},
	})
	if refuses := (Fit{}).Refuses(); !slices.Equal(refuses, []*domain.Error{ErrNoDayClosed}) {
		t.Errorf("%v", refuses)
	}
}

func all() (names []string) {
	for _, f := range Features() {
		names = append(names, f.Name)
	}
	return names
}

func TestAnswer(t *testing.T) {
	fitted := Fitted{ClusterID: "shoppers", TriggerPosition: 5, K: 2}
	second := fitted
	second.TriggerPosition, second.Version = 6, 2
	first := fitted
	first.Version = 1
	failed := FitFailed{ClusterID: "shoppers", TriggerPosition: 5, Code: CodeTooFew}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "the first clusters", Given: []Event{requested(nil)}, When: Answer{Fitted: &fitted}, Then: []Event{first}},
		{Name: "the next ones", Given: []Event{requested(nil), first}, When: Answer{Fitted: &second}, Then: []Event{second}},
		{Name: "a failure is no version", Given: []Event{requested(nil), failed}, When: Answer{Fitted: &Fitted{ClusterID: "shoppers", TriggerPosition: 6, K: 2}}, Then: []Event{
			Fitted{ClusterID: "shoppers", TriggerPosition: 6, K: 2, Version: 1},
		}},
		{Name: "why there are none", Given: []Event{requested(nil)}, When: Answer{Failed: &failed}, Then: []Event{failed}},
		{Name: "a second answer is nothing to do", Given: []Event{requested(nil), first}, When: Answer{Fitted: &fitted}},
		{Name: "nor is a failure after it", Given: []Event{requested(nil), first}, When: Answer{Failed: &failed}},
		{Name: "nor an answer after a failure", Given: []Event{requested(nil), failed}, When: Answer{Fitted: &fitted}},
	})
	for _, a := range []Answer{{Fitted: &fitted}, {Failed: &failed}} {
		if a.Stream() != "cluster-shoppers" || a.Stream() != (Named{ClusterID: "shoppers"}).Stream() {
			t.Error(a.Stream())
		}
	}
}
