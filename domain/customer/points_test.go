package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// scheme is a world with a programme: a point for every euro, which lapses after a
// year, and ten points are worth five cents. It is the second version; the first
// one gave nothing and ended with 2025.
func scheme(change ...func(*loyalty.Policy)) world.Known {
	first := loyalty.Policy{
		Name: "first", Currency: "EUR", Enrolment: loyalty.Explicit, Expiry: loyalty.Expiry{Kind: loyalty.Never},
		Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1},
	}
	p := loyalty.Policy{
		Name: "second", Currency: "EUR", Enrolment: loyalty.Explicit,
		Earn:       []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Activities: []loyalty.Activity{{ID: "review", Points: 40}},
		Expiry:     loyalty.Expiry{Kind: loyalty.Months, Months: 12},
		Redemption: loyalty.Redemption{
			Points: 10, ValueMinor: 5, HoldMinutes: 60,
			Rewards: []loyalty.Reward{{ID: "mug", Name: "Mug", Points: 50, From: ptr(today - 1), Until: ptr(today)}, {ID: "old", Name: "Old", Points: 50, Until: ptr(today - 1)}},
		},
	}
	for _, f := range change {
		f(&p)
	}
	w := new(world.World)
	for i, p := range []policy.Published{{EffectiveFrom: domain.NewDate(2020, 1, 1), Loyalty: &first}, {EffectiveFrom: domain.NewDate(2026, 1, 1), Loyalty: &p}} {
		p.Kind, p.Version = policy.KindLoyalty, i+1
		w = w.With(uuid.Nil, p)
	}
	return world.Known{World: w}
}

// enrolled is somebody who joined two hours ago, and what happened since.
func enrolled(more ...Event) []Event {
	return append([]Event{registered, ProgramJoined{Trigger: TriggerRequest, JoinedAt: placed}}, more...)
}

// gained is points of an order, spendable, that lapse with a date; none: never.
func gained(order string, points int64, lapses ...domain.Date) PointsEarned {
	e := PointsEarned{
		Lot: Lot{
			LotID: "order:" + order + ":base", Points: points, EarnedAt: placed, AvailableAt: placed,
			Source: LotSource{Kind: LotOrder, Ref: order, Rule: "base"},
		},
		Inputs:   loyalty.Inputs{Quantity: points * 100, Currency: "EUR", Points: 1, PerMinor: 100, Rounding: loyalty.Floor},
		PlacedOn: today, PolicyVersion: 2, BookedAt: paid,
	}
	for _, d := range lapses {
		e.Lot.ExpiresAt = ptr(d.Start(time.UTC))
	}
	return e
}

// part is points of an order's lot.
func part(order string, points int64) Portion {
	return Portion{LotID: "order:" + order + ":base", Points: points}
}

// moment is what a command is told at a time.
func moment(t time.Time) domain.Subject {
	s := at
	s.Now, s.Latest = t, t.Add(5*time.Minute)
	return s
}

func midnight(d domain.Date) time.Time { return d.Start(time.UTC) }

// locking returns the refusals that every command about points has: of who is not
// there, erased, restricted.
func locking(cmd domain.Command[State, Event]) []spec {
	return []spec{
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "of an erased customer", Given: enrolled(asked, approved, erasedNow), When: cmd, Error: ErrErased},
		{Name: "of a restricted customer", Given: enrolled(locked), When: cmd, Error: ErrRestricted},
	}
}

func TestEnrolInProgram(t *testing.T) {
	cmd := EnrolInProgram{Subject: at, Known: scheme()}
	when := func(change func(*EnrolInProgram)) EnrolInProgram { return with(cmd, change) }
	joins := func(at time.Time) ProgramJoined { return ProgramJoined{Trigger: TriggerRequest, JoinedAt: at} }
	since := func(at time.Time) EnrolInProgram { return when(func(c *EnrolInProgram) { c.JoinedAt = &at }) }
	left := ProgramLeft{LeftAt: paid}
	run(t, append(locking(cmd), []spec{
		{Name: "now", Given: []Event{registered}, When: cmd, Then: []Event{joins(noon)}},
		{Name: "since a date that is over", Given: []Event{registered}, When: since(midnight(today - 400)), Then: []Event{joins(midnight(today - 400))}},
		{Name: "of an import, before the calendar begins", Given: []Event{registered},
			When: when(func(c *EnrolInProgram) { c.Latest, c.JoinedAt = time.Time{}, ptr(noon.AddDate(1, 0, 0)) }), Then: []Event{joins(noon.AddDate(1, 0, 0))}},
		{Name: "a member already", Given: enrolled(), When: cmd},
		{Name: "a member already, since when does not matter", Given: enrolled(), When: since(midnight(today - 400))},
		{Name: "a member again", Given: enrolled(left), When: cmd, Then: []Event{joins(noon)}},
		{Name: "with the instant of leaving", Given: enrolled(left), When: since(paid), Then: []Event{joins(paid)}},
		{Name: "what is there of a membership before lapses first", Given: enrolled(left, gained("o1", 7, today)),
			When: cmd, Then: []Event{PointsExpired{LotID: "order:o1:base", Points: 7, ExpiredAt: midnight(today)}, joins(noon)}},
		{Name: "before the customer left", Given: enrolled(left), When: since(paid.Add(-1)), Error: domain.ErrValidation, Fields: []string{"/joined_at"}},
		{Name: "in the future", Given: []Event{registered}, When: since(noon.Add(time.Hour)), Error: domain.ErrValidation, Fields: []string{"/joined_at"}},
		{Name: "before there was a programme", Given: []Event{registered}, When: since(midnight(domain.NewDate(2019, 12, 31))), Error: ErrNoProgram},
		{Name: "there is no programme", Given: []Event{registered}, When: EnrolInProgram{Subject: at}, Error: ErrNoProgram},
	}...))
}

func TestLeaveProgram(t *testing.T) {
	cmd := LeaveProgram{Subject: at, Known: scheme(), Reason: "moved away"}
	left := ProgramLeft{Reason: "moved away", LeftAt: noon}
	hold := PointsHeld{HoldID: "h1", Points: 30, From: []Portion{part("o1", 30)}, HeldAt: paid, ExpiresAt: ptr(noon)}
	longer := with(hold, func(e *PointsHeld) { e.ExpiresAt = ptr(noon.Add(1)) })
	transfer := with(hold, func(e *PointsHeld) { e.HoldID, e.Transfer, e.ExpiresAt = "transfer:1", id, nil })
	pending := with(gained("o2", 5, today+30), func(e *PointsEarned) { e.Lot.AvailableAt = midnight(today + 1) })
	run(t, append(locking(cmd), []spec{
		{Name: "without points", Given: enrolled(), When: cmd, Then: []Event{left}},
		{Name: "all points are lost, pending ones too", Given: enrolled(gained("o1", 100, today+60), pending), When: cmd,
			Then: []Event{left, PointsForfeited{Points: 105, From: []Portion{part("o2", 5), part("o1", 100)}, Cause: ForfeitLeft, ForfeitedAt: noon}}},
		{Name: "a hold whose time is over comes back first", Given: enrolled(gained("o1", 100), hold), When: cmd,
			Then: []Event{
				HoldReleased{HoldID: "h1", Points: 30, Returned: []Portion{part("o1", 30)}, Cause: ReleaseExpired, ReleasedAt: noon},
				left, PointsForfeited{Points: 100, From: []Portion{part("o1", 100)}, Cause: ForfeitLeft, ForfeitedAt: noon},
			}},
		{Name: "not before the beginning", Given: []Event{registered, ProgramJoined{JoinedAt: noon.Add(time.Hour)}}, When: cmd,
			Then: []Event{ProgramLeft{Reason: "moved away", LeftAt: noon.Add(time.Hour)}}},
		{Name: "something is held", Given: enrolled(gained("o1", 100), longer), When: cmd, Error: ErrOpenHolds},
		{Name: "something is on its way to somebody else", Given: enrolled(gained("o1", 100), transfer), When: cmd, Error: ErrOpenHolds},
		{Name: "no member", Given: []Event{registered}, When: cmd, Error: ErrNotEnrolled},
		{Name: "no member any more", Given: enrolled(left), When: cmd, Error: ErrNotEnrolled},
		{Name: "a reason that is too long", Given: enrolled(), When: with(cmd, func(c *LeaveProgram) { c.Reason = strings.Repeat("x", 2001) }),
			Error: domain.ErrValidation, Fields: []string{"/reason"}},
	}...))
}
