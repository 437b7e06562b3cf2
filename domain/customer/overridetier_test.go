package customer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

func TestOverrideTier(t *testing.T) {
	known := func() world.Known {
		return world.Known{World: desks().World.With(uuid.Nil, policy.Published{Kind: policy.KindTier, Version: 3, EffectiveFrom: ymd("2020-01-01"), Tier: metals()})}
	}
	cmd := OverrideTier{Subject: deskAnn, Known: known(), Tier: "gold", Until: ymd("2026-06-30"), Reason: "long-standing"}
	when := func(change func(*OverrideTier)) OverrideTier { return with(cmd, change) }
	member := []Event{registered, joined}
	e := TierOverridden{From: "member", To: "gold", Until: ymd("2026-07-01").Start(time.UTC), Reason: "long-standing", OverriddenBy: ann, PolicyVersion: 3, OverriddenAt: noon}
	invalid := func(name string, change func(*OverrideTier), fields ...string) spec {
		return spec{Name: name, Given: member, When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	east := time.FixedZone("east", 9*3600)
	run(t, []spec{
		{Name: "a member is given a level", Given: member, When: cmd, Then: []Event{e}},
		{Name: "until the end of a day where the business is", Given: member, When: when(func(c *OverrideTier) { c.Zone = east }),
			Then: []Event{with(e, func(e *TierOverridden) { e.Until = ymd("2026-07-01").Start(east).UTC() })}},
		{Name: "today", Given: member, When: when(func(c *OverrideTier) { c.Until = today }), Then: []Event{with(e, func(e *TierOverridden) { e.Until = (today + 1).Start(time.UTC) })}},
		{Name: "for five years", Given: member, When: when(func(c *OverrideTier) { c.Until = ymd("2031-03-01") }), Then: []Event{with(e, func(e *TierOverridden) { e.Until = ymd("2031-03-02").Start(time.UTC) })}},
		{Name: "longer than before", Given: append(member, e), When: when(func(c *OverrideTier) { c.Until++ }),
			Then: []Event{with(e, func(e *TierOverridden) { e.From, e.Until = "gold", ymd("2026-07-02").Start(time.UTC) })}},
		{Name: "again when it is over", Given: append(member, e), When: when(func(c *OverrideTier) { c.Subject, c.Until = later(deskAnn, e.Until), ymd("2026-07-31") }),
			Then: []Event{
				TierDowngraded{From: "gold", To: "member", Evaluation: Evaluation{tier.Points, 0, ymd("2025-07-01"), ymd("2026-06-30"), 3}, Cause: TierCause{Type: TierPeriodEnd}, ChangedAt: e.Until},
				with(e, func(x *TierOverridden) { x.Until, x.OverriddenAt = ymd("2026-08-01").Start(time.UTC), e.Until }),
			}},
		{Name: "the same again", Given: append(member, e), When: when(func(c *OverrideTier) { c.Reason = "other words" })},
		{Name: "a level that there is not", Given: member, When: when(func(c *OverrideTier) { c.Tier = "wood" }), Error: ErrTierUnknown},
		{Name: "no ladder", Given: member, When: when(func(c *OverrideTier) { c.Known = desks() }), Error: ErrNoLadder},
		{Name: "not a member", Given: member[:1], When: cmd, Error: ErrNotEnrolled},
		{Name: "on one's own account", Given: member, When: when(func(c *OverrideTier) { c.Actor.ID = "dora" }), Error: ErrOwnAccount},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "of an erased customer", Given: []Event{registered, joined, asked, approved, erasedNow}, When: cmd, Error: ErrErased},
		invalid("a day that is over", func(c *OverrideTier) { c.Until = today - 1 }, "/until"),
		invalid("for good", func(c *OverrideTier) { c.Until = ymd("2031-03-02") }, "/until"),
		invalid("nothing said", func(c *OverrideTier) { c.Tier, c.Reason = "", "" }, "/tier", "/reason"),
	})
}

func TestLiftAndEvaluateRefuse(t *testing.T) {
	l := newLife(t, metals())
	none := State{}.Evolve(registered)
	dora := upon("2026-03-01")
	dora.Actor.ID = "dora"
	for name, c := range map[string]struct {
		state State
		cmd   domain.Command[State, Event]
		want  error
	}{
		"lift: nobody is there":         {State{}, LiftTierOverride{Subject: upon("2026-03-01"), Known: l.known(), Reason: "x"}, ErrNotFound},
		"lift: not a member":            {none, LiftTierOverride{Subject: upon("2026-03-01"), Known: l.known(), Reason: "x"}, ErrNotEnrolled},
		"lift: no ladder":               {l.state, LiftTierOverride{Subject: upon("2026-03-01"), Known: desks(), Reason: "x"}, ErrNoLadder},
		"lift: no reason":               {l.state, LiftTierOverride{Subject: upon("2026-03-01"), Known: l.known()}, domain.ErrValidation},
		"lift: own account":             {l.state, LiftTierOverride{Subject: dora, Known: l.known(), Reason: "x"}, ErrOwnAccount},
		"lift: there is none":           {l.state, LiftTierOverride{Subject: upon("2026-03-01"), Known: l.known(), Reason: "x"}, nil},
		"evaluate: nobody is there":     {State{}, EvaluateTier{Subject: upon("2026-03-01"), Known: l.known()}, ErrNotFound},
		"evaluate: not a member":        {none, EvaluateTier{Subject: upon("2026-03-01"), Known: l.known()}, ErrNotEnrolled},
		"evaluate: no ladder":           {l.state, EvaluateTier{Subject: upon("2026-03-01"), Known: desks()}, ErrNoLadder},
		"evaluate: nothing has changed": {l.state, EvaluateTier{Subject: upon("2026-03-01"), Known: l.known()}, nil},
	} {
		if events, err := domain.Decide(c.state, c.cmd); !errors.Is(err, c.want) || len(events) > 0 {
			t.Errorf("%s: %v, %v, want %v", name, events, err, c.want)
		}
	}
}
