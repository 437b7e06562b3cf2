package customer_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	ann = domain.Actor{Kind: "user", ID: "ann"}
	bob = domain.Actor{Kind: "user", ID: "bob"}

	deskAnn, deskBob = seat(ann), seat(bob)

	joined = ProgramJoined{Trigger: TriggerRequest, JoinedAt: placed}
	never  = loyalty.Expiry{Kind: loyalty.Never}
)

// seat is noon on 1 March 2026, with an employee at the desk.
func seat(who domain.Actor) domain.Subject {
	s := at
	s.Actor = who
	return s
}

// later is a subject at another time.
func later(s domain.Subject, t time.Time) domain.Subject {
	s.Now, s.Latest = t, t.Add(5*time.Minute)
	return s
}

// desks is a world with a programme in which one alone may grant 100 points and a
// balance may be 50 below nothing. Dora, who works there, is the customer herself.
func desks(change ...func(*loyalty.Policy)) world.Known {
	p := loyalty.Policy{
		Name: "x", Currency: "EUR", Enrolment: loyalty.Explicit, Expiry: never,
		Earn:     []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Manual:   loyalty.Manual{BonusLimit: 100, DeficitLimit: 50},
		Transfer: loyalty.Transfer{Allowed: true, Minimum: 10, Maximum: 500},
	}
	for _, f := range change {
		f(&p)
	}
	w := new(world.World).With(uuid.Nil, policy.Published{Kind: policy.KindLoyalty, Version: 4, EffectiveFrom: domain.NewDate(2020, 1, 1), Loyalty: &p})
	for _, e := range []staff.EmployeeEnrolled{{EmployeeID: "dora", Name: "Dora", CustomerID: id}, {EmployeeID: "ann", Name: "Ann", CustomerID: uuid.UUID{1}}} {
		w = w.With(uuid.Nil, e)
	}
	return world.Known{World: w}
}

// lot is a lot that never lapses.
func lot(kind, ref string, points int64) Lot {
	return Lot{LotID: kind + ":" + ref, Points: points, EarnedAt: noon, AvailableAt: noon, Source: LotSource{Kind: kind, Ref: ref}}
}

func bonus(ref string, points int64) PointsGranted {
	return PointsGranted{Lot: lot(LotBonus, ref, points), Expiry: never, PlacedOn: today, PolicyVersion: 4, GrantedBy: ann, GrantedAt: noon}
}

// owes is a member who spent points that were taken back since.
func owes(points int64) []Event {
	return []Event{registered, joined, PointsAdjusted{AdjustmentID: "a0", Points: -points, Deficit: points, ProposedBy: ann, ApprovedBy: bob, PolicyVersion: 4, AdjustedAt: noon}}
}

func TestGrantBonus(t *testing.T) {
	cmd := GrantBonus{Subject: deskAnn, Known: desks(), BonusID: "b1", Points: 100, Reason: "waited"}
	when := func(change func(*GrantBonus)) GrantBonus { return with(cmd, change) }
	member := []Event{registered, joined}
	e := with(bonus("b1", 100), func(e *PointsGranted) { e.Reason = "waited" })
	proposal := PointsProposed{ProposalID: "b1", Kind: LotBonus, Points: 101, Reason: "waited", ProposedBy: ann, ProposedAt: noon}
	much := when(func(c *GrantBonus) { c.Points = 101 })
	invalid := func(name string, change func(*GrantBonus), fields ...string) spec {
		return spec{Name: name, Given: member, When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	march := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	run(t, []spec{
		{Name: "what one alone may give", Given: member, When: cmd, Then: []Event{e}},
		{Name: "of a campaign", Given: member, When: when(func(c *GrantBonus) { c.CampaignID = "spring" }),
			Then: []Event{with(e, func(e *PointsGranted) { e.CampaignID = "spring" })}},
		{Name: "what lapses", Given: member,
			When: when(func(c *GrantBonus) {
				c.Known = desks(func(p *loyalty.Policy) {
					p.Expiry, p.PendingDays = loyalty.Expiry{Kind: loyalty.Months, Months: 12}, 14
				})
			}),
			Then: []Event{with(e, func(e *PointsGranted) {
				e.Expiry, e.Lot.ExpiresAt = loyalty.Expiry{Kind: loyalty.Months, Months: 12}, &march
			})}},
		{Name: "what somebody else must agree to", Given: member, When: much, Then: []Event{proposal}},
		{Name: "in a programme where nobody gives alone", Given: member,
			When: when(func(c *GrantBonus) { c.Known = desks(func(p *loyalty.Policy) { p.Manual.BonusLimit = 0 }) }),
			Then: []Event{with(proposal, func(e *PointsProposed) { e.Points = 100 })}},
		{Name: "what is owed is paid first", Given: owes(30), When: cmd, Then: []Event{with(e, func(e *PointsGranted) { e.DeficitPaid = 30 })}},
		{Name: "all of it is owed", Given: owes(300), When: cmd, Then: []Event{with(e, func(e *PointsGranted) { e.DeficitPaid = 100 })}},
		{Name: "what fell due comes first", When: when(func(c *GrantBonus) { c.BonusID = "b2"; c.Subject = later(deskAnn, march) }),
			Given: append(member, with(bonus("b1", 7), func(e *PointsGranted) { e.Lot.ExpiresAt = &march })),
			Then: []Event{
				PointsExpired{LotID: "bonus:b1", Points: 7, ExpiredAt: march},
				with(e, func(e *PointsGranted) {
					e.Lot.LotID, e.Lot.Source.Ref, e.Lot.EarnedAt, e.Lot.AvailableAt = "bonus:b2", "b2", march, march
					e.PlacedOn, e.GrantedAt = domain.NewDate(2027, 3, 1), march
				}),
			}},
		{Name: "the same again", Given: append(member, e), When: when(func(c *GrantBonus) { c.Reason = "other words" })},
		{Name: "the same again when it was proposed", Given: append(member, proposal), When: much},
		{Name: "the same again when it was rejected", Given: append(member, proposal, ProposalRejected{ProposalID: "b1", RejectedAt: noon}), When: much},
		{Name: "the same again when it was approved", Given: append(member, proposal, bonus("b1", 101)), When: much},
		{Name: "other points", Given: append(member, e), When: when(func(c *GrantBonus) { c.Points = 99 }), Error: ErrBonusExists},
		{Name: "another campaign", Given: append(member, e), When: when(func(c *GrantBonus) { c.CampaignID = "spring" }), Error: ErrBonusExists},
		{Name: "other points than proposed", Given: append(member, proposal), When: cmd, Error: ErrBonusExists},
		{Name: "the id of an adjustment", Given: append(member, with(proposal, func(e *PointsProposed) { e.Kind = LotAdjustment })), When: much, Error: ErrBonusExists},
		{Name: "a care moment of that name is something else", When: cmd, Then: []Event{e},
			Given: append(member, with(bonus("b1", 5), func(e *PointsGranted) { e.Lot.LotID, e.Lot.Source.Kind = "care:b1", LotCare }))},
		{Name: "on one's own account", Given: member, When: when(func(c *GrantBonus) { c.Actor.ID = "dora" }), Error: ErrOwnAccount},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "not a member", Given: member[:1], When: cmd, Error: ErrNotEnrolled},
		{Name: "not a member any more", Given: append(member, ProgramLeft{LeftAt: paid}), When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: member, When: when(func(c *GrantBonus) { c.Known = world.Known{} }), Error: ErrNoProgram},
		{Name: "of an erased customer", Given: []Event{registered, joined, asked, approved, erasedNow}, When: cmd, Error: ErrErased},
		{Name: "of a restricted customer", Given: append(member, locked), When: cmd, Error: ErrRestricted},
		invalid("nothing said", func(c *GrantBonus) { c.BonusID, c.Points, c.Reason = "", 0, "" }, "/bonus_id", "/reason", "/points"),
		invalid("an id in words", func(c *GrantBonus) { c.BonusID = "for Ada" }, "/bonus_id"),
		invalid("too much", func(c *GrantBonus) {
			c.Points, c.Reason, c.CampaignID = loyalty.MaxPoints+1, strings.Repeat("x", 2001), strings.Repeat("x", 201)
		}, "/reason", "/points", "/campaign_id"),
	})
}

func TestAdjustPoints(t *testing.T) {
	cmd := AdjustPoints{Subject: deskAnn, Known: desks(), AdjustmentID: "a1", Points: 40, Reason: "counted twice"}
	when := func(change func(*AdjustPoints)) AdjustPoints { return with(cmd, change) }
	down := func(points int64) AdjustPoints { return when(func(c *AdjustPoints) { c.Points = -points }) }
	member := []Event{registered, joined, bonus("b1", 100)}
	e := PointsProposed{ProposalID: "a1", Kind: LotAdjustment, Points: 40, Reason: "counted twice", ProposedBy: ann, ProposedAt: noon}
	taken := func(points int64) []Event { return []Event{with(e, func(e *PointsProposed) { e.Points = -points })} }
	invalid := func(name string, change func(*AdjustPoints), fields ...string) spec {
		return spec{Name: name, Given: member, When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{
		{Name: "up", Given: member, When: cmd, Then: []Event{e}},
		{Name: "down", Given: member, When: down(100), Then: taken(100)},
		{Name: "down as far as may be", Given: member, When: down(150), Then: taken(150)},
		{Name: "further down", Given: member, When: down(151), Error: ErrDeficitLimit},
		{Name: "what is owed counts", Given: append(owes(20), bonus("b1", 0)), When: down(31), Error: ErrDeficitLimit},
		{Name: "held points are not there", When: down(91), Error: ErrDeficitLimit,
			Given: append(member, PointsHeld{HoldID: "h", Points: 60, From: []Portion{{"bonus:b1", 60}}, HeldAt: noon})},
		{Name: "the same again", Given: append(member, e), When: cmd},
		{Name: "the same again when it was rejected", Given: append(member, e, ProposalRejected{ProposalID: "a1", RejectedAt: noon}), When: cmd},
		{Name: "other points", Given: append(member, e), When: down(40), Error: ErrProposalExists},
		{Name: "the id of a bonus", Given: member, When: when(func(c *AdjustPoints) { c.AdjustmentID = "b1" }), Error: ErrProposalExists},
		{Name: "the id of a proposed bonus", Given: append(member, with(e, func(e *PointsProposed) { e.Kind = LotBonus })), When: cmd, Error: ErrProposalExists},
		{Name: "on one's own account", Given: member, When: when(func(c *AdjustPoints) { c.Actor.ID = "dora" }), Error: ErrOwnAccount},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "not a member", Given: member[:1], When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: member, When: when(func(c *AdjustPoints) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *AdjustPoints) { c.AdjustmentID, c.Points, c.Reason = "", 0, "" }, "/adjustment_id", "/reason", "/points"),
		invalid("too much", func(c *AdjustPoints) { c.Points = loyalty.MaxPoints + 1 }, "/points"),
		invalid("too much down", func(c *AdjustPoints) { c.Points = -loyalty.MaxPoints - 1 }, "/points"),
	})
}

func TestApprovePoints(t *testing.T) {
	cmd := ApprovePoints{Subject: deskBob, Known: desks(), ProposalID: "p1"}
	when := func(change func(*ApprovePoints)) ApprovePoints { return with(cmd, change) }
	proposal := func(kind string, points int64) PointsProposed {
		return PointsProposed{ProposalID: "p1", Kind: kind, Points: points, CampaignID: "spring", Reason: "waited", ProposedBy: ann, ProposedAt: noon}
	}
	member := []Event{registered, joined, bonus("b1", 100)}
	granted := with(bonus("p1", 500), func(e *PointsGranted) { e.CampaignID, e.Reason, e.ApprovedBy = "spring", "waited", &bob })
	adjusted := PointsAdjusted{AdjustmentID: "p1", Reason: "waited", ProposedBy: ann, ApprovedBy: bob, PolicyVersion: 4, AdjustedAt: noon}
	up := with(adjusted, func(e *PointsAdjusted) {
		e.Points, e.Lot, e.Expiry = 40, ptr(lot(LotAdjustment, "p1", 40)), &never
	})
	down := func(points, deficit int64, from ...Portion) []Event {
		return []Event{with(adjusted, func(e *PointsAdjusted) { e.Points, e.Deficit, e.From = -points, deficit, from })}
	}
	soon := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	run(t, []spec{
		{Name: "a bonus", Given: append(member, proposal(LotBonus, 500)), When: cmd, Then: []Event{granted}},
		{Name: "a bonus pays what is owed", Given: append(owes(30), proposal(LotBonus, 500)), When: cmd,
			Then: []Event{with(granted, func(e *PointsGranted) { e.DeficitPaid = 30 })}},
		{Name: "an adjustment up", Given: append(member, proposal(LotAdjustment, 40)), When: cmd, Then: []Event{up}},
		{Name: "an adjustment up pays what is owed", Given: append(owes(30), proposal(LotAdjustment, 40)), When: cmd,
			Then: []Event{with(up, func(e *PointsAdjusted) { e.DeficitPaid = 30 })}},
		{Name: "an adjustment down", Given: append(member, proposal(LotAdjustment, -70)), When: cmd, Then: down(70, 0, Portion{"bonus:b1", 70})},
		{Name: "from lots in order", When: cmd, Then: down(70, 0, Portion{"bonus:b2", 30}, Portion{"bonus:b1", 40}),
			Given: append(member, with(bonus("b2", 30), func(e *PointsGranted) { e.Lot.ExpiresAt = &soon }), proposal(LotAdjustment, -70))},
		{Name: "not from what is pending", Given: append(owes(0), with(bonus("b1", 100), func(e *PointsGranted) { e.Lot.AvailableAt = soon }), proposal(LotAdjustment, -40)),
			When: cmd, Then: down(40, 40)},
		{Name: "on credit", Given: append(member, proposal(LotAdjustment, -150)), When: cmd, Then: down(150, 50, Portion{"bonus:b1", 100})},
		{Name: "on more credit than there is now", Given: append(owes(10), proposal(LotAdjustment, -41)), When: cmd, Error: ErrDeficitLimit},
		{Name: "what is owed already does not stand against taking what is there", When: cmd, Then: down(40, 0, Portion{"bonus:b1", 40}),
			Given: append(append(owes(500), bonus("b1", 100)), proposal(LotAdjustment, -40))},
		{Name: "as the programme is by now", Given: append(member, proposal(LotAdjustment, -101)), Error: ErrDeficitLimit,
			When: when(func(c *ApprovePoints) { c.Known = desks(func(p *loyalty.Policy) { p.Manual.DeficitLimit = 0 }) })},
		{Name: "what one proposed oneself", Given: append(member, proposal(LotBonus, 500)), When: when(func(c *ApprovePoints) { c.Actor = ann }), Error: ErrFourEyes},
		{Name: "on one's own account", Given: append(member, proposal(LotBonus, 500)), When: when(func(c *ApprovePoints) { c.Actor.ID = "dora" }), Error: ErrOwnAccount},
		{Name: "a bonus again", Given: append(member, proposal(LotBonus, 500), granted), When: cmd},
		{Name: "an adjustment again, by whomever", Given: append(member, proposal(LotAdjustment, 40), up), When: when(func(c *ApprovePoints) { c.Actor = ann })},
		{Name: "what was rejected", Given: append(member, proposal(LotBonus, 500), ProposalRejected{ProposalID: "p1", RejectedAt: noon}), When: cmd, Error: ErrProposalDecided},
		{Name: "what nobody proposed", Given: member, When: cmd, Error: ErrProposalNotFound},
		{Name: "a bonus that was never proposed", Given: member, When: when(func(c *ApprovePoints) { c.ProposalID = "b1" }), Error: ErrProposalNotFound},
		{Name: "not a member any more", Given: append(member, proposal(LotBonus, 500), ProgramLeft{LeftAt: noon}), When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: append(member, proposal(LotBonus, 500)), When: when(func(c *ApprovePoints) { c.Known = world.Known{} }), Error: ErrNoProgram},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "of an erased customer", Given: []Event{registered, joined, proposal(LotBonus, 500), asked, approved, erasedNow}, When: cmd, Error: ErrErased},
		{Name: "nothing said", Given: member, When: when(func(c *ApprovePoints) { c.ProposalID = "" }), Error: domain.ErrValidation, Fields: []string{"/proposal_id"}},
	})
}

func TestRejectPoints(t *testing.T) {
	cmd := RejectPoints{Subject: deskBob, Known: desks(), ProposalID: "p1", Reason: "too much"}
	when := func(change func(*RejectPoints)) RejectPoints { return with(cmd, change) }
	proposal := PointsProposed{ProposalID: "p1", Kind: LotBonus, Points: 500, ProposedBy: ann, ProposedAt: noon}
	given := []Event{registered, joined, proposal}
	e := ProposalRejected{ProposalID: "p1", Reason: "too much", RejectedBy: bob, RejectedAt: noon}
	run(t, []spec{
		{Name: "by somebody else", Given: given, When: cmd, Then: []Event{e}},
		{Name: "by who proposed it", Given: given, When: when(func(c *RejectPoints) { c.Actor = ann }), Then: []Event{with(e, func(e *ProposalRejected) { e.RejectedBy = ann })}},
		{Name: "of who is no member any more", Given: append(given, ProgramLeft{LeftAt: paid}), When: cmd, Then: []Event{e}},
		{Name: "again", Given: append(given, e), When: when(func(c *RejectPoints) { c.Reason = "other words" })},
		{Name: "what was approved", Given: append(given, bonus("p1", 500)), When: cmd, Error: ErrProposalDecided},
		{Name: "what nobody proposed", Given: given[:2], When: cmd, Error: ErrProposalNotFound},
		{Name: "on one's own account", Given: given, When: when(func(c *RejectPoints) { c.Actor.ID = "dora" }), Error: ErrOwnAccount},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "nothing said", Given: given, When: RejectPoints{Subject: deskBob}, Error: domain.ErrValidation, Fields: []string{"/proposal_id", "/reason"}},
	})
}

// What waits for an approval is shown until it is decided, and forgotten with the
// customer.
func TestProposals(t *testing.T) {
	one := PointsProposed{ProposalID: "p1", Kind: LotBonus, Points: 500, ProposedBy: ann, ProposedAt: noon}
	two := PointsProposed{ProposalID: "p2", Kind: LotAdjustment, Points: -5, ProposedBy: ann, ProposedAt: noon}
	for name, c := range map[string]struct {
		events []Event
		left   int
	}{
		"both wait":           {[]Event{one, two}, 2},
		"one is approved":     {[]Event{one, two, bonus("p1", 500)}, 1},
		"one is rejected":     {[]Event{one, two, ProposalRejected{ProposalID: "p2"}}, 1},
		"one is booked":       {[]Event{one, two, PointsAdjusted{AdjustmentID: "p2", Points: -5, Deficit: 5}}, 1},
		"another is of care":  {[]Event{one, two, with(bonus("p1", 500), func(e *PointsGranted) { e.Lot.Source.Kind = LotCare })}, 2},
		"the customer is not": {[]Event{one, two, erasedNow}, 0},
	} {
		var s State
		for _, e := range append([]Event{registered, joined}, c.events...) {
			s = s.Evolve(e)
		}
		if n := len(s.Loyalty.Proposals); n != c.left {
			t.Errorf("%s: %d proposals, want %d", name, n, c.left)
		}
	}
}

// What is remembered of proposals after an erasure is the same whether or not their
// words could still be read.
func TestTheWordsOfProposalsAreForgotten(t *testing.T) {
	remembered := func(reason string) (s State) {
		for _, e := range []Event{
			registered, joined,
			PointsProposed{ProposalID: "p1", Kind: LotBonus, Points: 500, Reason: reason}, PointsProposed{ProposalID: "p2", Kind: LotBonus, Points: 500, Reason: reason},
			PointsProposed{ProposalID: "p3", Kind: LotAdjustment, Points: 5, Reason: reason}, PointsProposed{ProposalID: "p4", Kind: LotAdjustment, Points: -5, Reason: reason},
			with(bonus("p1", 500), func(e *PointsGranted) { e.Reason = reason }), ProposalRejected{ProposalID: "p3", Reason: reason},
			PointsAdjusted{AdjustmentID: "p4", Points: -5, From: []Portion{{"bonus:p1", 5}}, Reason: reason}, asked, approved, erasedNow,
		} {
			s = s.Evolve(e)
		}
		return s
	}
	if diff := cmp.Diff(remembered(""), remembered("for Ada"), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("(-without +with words):\n%s", diff)
	}
}
