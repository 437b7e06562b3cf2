package lifecycle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/lifecycle"
)

func TestWhichMovesAreAllowed(t *testing.T) {
	want := map[string]string{
		Potential: "converting active churned", Converting: "active churned", Active: "at_risk churned",
		AtRisk: "active churned", Churned: "reactivating active", Reactivating: "active churned",
	}
	for _, from := range Stages {
		for _, to := range append(Stages, "dormant", "") {
			if got, allowed := Allowed(from, to), slices.Contains(strings.Fields(want[from]), to); got != allowed {
				t.Errorf("%s to %s: %v, want %v", from, to, got, allowed)
			}
		}
		if got := strings.Join(Next(from), " "); got != want[from] {
			t.Errorf("%s may become %s, want %s", from, got, want[from])
		}
		if !Known(from) {
			t.Errorf("%s is not known", from)
		}
	}
	if Known("") || Known("dormant") {
		t.Error("a stage that is none is known")
	}
}

func TestWhatIsDue(t *testing.T) {
	version := func(from domain.Date, n, risk, churned int) Version {
		return Version{From: from, Version: n, Policy: &Policy{AtRiskAfterDays: risk, ChurnedAfterDays: churned}}
	}
	const always = -700000
	one := []Version{version(always, 1, 30, 60)}
	for _, tc := range []struct {
		name        string
		stage       string
		idle, after domain.Date
		versions    []Version
		want        Move
	}{
		{"active", Active, 100, 100, one, Move{AtRisk, 130, 30, 1}},
		{"at risk", AtRisk, 100, 130, one, Move{Churned, 160, 60, 1}},
		{"being won back", Reactivating, 100, 100, one, Move{Churned, 130, 30, 1}},
		{"never before the stage was entered", AtRisk, 100, 200, one, Move{Churned, 200, 60, 1}},
		{"lost", Churned, 100, 100, one, Move{}},
		{"potential", Potential, 100, 100, one, Move{}},
		{"converting", Converting, 100, 100, one, Move{}},
		{"no policy", Active, 100, 100, nil, Move{}},
		{"a policy that comes earlier than the move", Active, 100, 100, []Version{one[0], version(120, 2, 50, 60)}, Move{AtRisk, 150, 50, 2}},
		{"one that makes it due at once", Active, 100, 100, []Version{one[0], version(120, 2, 10, 60)}, Move{AtRisk, 120, 10, 2}},
		{"one that comes on the day of the move", Active, 100, 100, []Version{one[0], version(130, 2, 31, 60)}, Move{AtRisk, 131, 31, 2}},
		{"one that comes later", Active, 100, 100, []Version{one[0], version(131, 2, 31, 60)}, Move{AtRisk, 130, 30, 1}},
		{"two of one day: the later", Active, 100, 100, []Version{one[0], version(120, 2, 10, 60), version(120, 3, 40, 60)}, Move{AtRisk, 140, 40, 3}},
		{"one that had ended before the stage was entered", AtRisk, 100, 300, []Version{one[0], version(200, 2, 1, 500)}, Move{Churned, 600, 500, 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := Due(tc.stage, tc.idle, tc.after, tc.versions)
			if got != tc.want || ok != (tc.want != Move{}) {
				t.Errorf("%+v, %v; want %+v", got, ok, tc.want)
			}
		})
	}
}

func TestWhatIdleDaysSay(t *testing.T) {
	p := Policy{AtRiskAfterDays: 30, ChurnedAfterDays: 60}
	for days, want := range map[int]string{-1: Active, 0: Active, 29: Active, 30: AtRisk, 59: AtRisk, 60: Churned, 5000: Churned} {
		if got := p.Idle(days); got != want {
			t.Errorf("%d days: %s, want %s", days, got, want)
		}
	}
}

func TestFourStages(t *testing.T) {
	p := Policy{Retention: Retention{Orders: 3, Days: 90}}
	for _, tc := range []struct {
		stage        string
		orders, days int
		want         string
	}{
		{Potential, 0, 0, Potential}, {Converting, 0, 0, Acquisition},
		{Active, 1, 0, Development}, {Active, 2, 90, Development}, {Active, 3, 89, Development}, {Active, 3, 90, Retained},
		{AtRisk, 1, 0, Retained}, {Churned, 1, 0, Retained}, {Reactivating, 1, 0, Retained}, {"", 0, 0, ""},
	} {
		got := FourStage(tc.stage, tc.orders, tc.days, p)
		if got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
		if tc.stage != "" && !slices.Contains(FourStages, got) {
			t.Errorf("%s is none of the four", got)
		}
	}
}

func TestPoliciesAreChecked(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for pointer, change := range map[string]func(*Policy){
		"/policy/name":               func(p *Policy) { p.Name = "" },
		"/policy/at_risk_after_days": func(p *Policy) { p.AtRiskAfterDays = 0 },
		"/policy/churned_after_days": func(p *Policy) { p.ChurnedAfterDays = p.AtRiskAfterDays },
		"/policy/retention/orders":   func(p *Policy) { p.Retention.Orders = 0 },
		"/policy/retention/days":     func(p *Policy) { p.Retention.Days = -1 },
	} {
		p := Default()
		change(&p)
		var refusal *domain.Error
		if err := p.Validate(); !errors.As(err, &refusal) || !cmp.Equal(refusal.Fields[0].Pointer, pointer) || len(refusal.Fields) != 1 {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}
