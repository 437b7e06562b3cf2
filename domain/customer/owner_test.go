package customer_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	process  = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000aa")
	another  = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000ab")
	assigned = OwnerAssigned{To: "ann", Role: "sales", Seat: "s1", AssignedAt: noon.Add(-time.Hour)}
	released = CustomerReleased{From: "ann", LeftSeat: "s1", ReleasedAt: noon.Add(-time.Minute)}
	kept     = HandoverOpened{HandoverID: process, From: "ann", To: "bob", Seat: "s2", OpenedAt: noon.Add(-time.Minute)}
	takenBy  = OwnerAssigned{From: "ann", To: "bob", Role: "sales", HandoverID: process, Seat: "s2", LeftSeat: "s1", AssignedAt: noon}
	key      = KeyAccountDesignated{Level: "A", Criteria: "a third of the revenue", DesignatedAt: noon}
)

// office is a world in which ann and bob sell, carl has left, and dora is the
// customer herself.
func office() world.Known {
	w := new(world.World)
	for _, e := range []staff.Event{
		staff.EmployeeEnrolled{EmployeeID: "ann", Name: "Ann", Roles: []string{"sales"}},
		staff.EmployeeEnrolled{EmployeeID: "bob", Name: "Bob", Roles: []string{"sales"}},
		staff.EmployeeEnrolled{EmployeeID: "carl", Name: "Carl"}, staff.EmployeeDeactivated{EmployeeID: "carl"},
		staff.EmployeeEnrolled{EmployeeID: "dora", Name: "Dora", CustomerID: id},
	} {
		w = w.With(uuid.Nil, e)
	}
	w = w.With(uuid.Nil, policy.Published{Kind: policy.KindOwnership, Version: 1, EffectiveFrom: policy.Always, Ownership: &portfolio.Policy{Name: "x", ClaimCoolDownDays: 7}})
	return world.Known{World: w}
}

func by(employee string) domain.Subject {
	s := at
	s.Actor = domain.Actor{Kind: "user", ID: employee}
	return s
}

func TestAssignOwner(t *testing.T) {
	cmd := func(employee, role string) AssignOwner {
		return AssignOwner{Subject: at, Known: office(), EmployeeID: employee, Role: role}
	}
	run(t, []spec{
		{Name: "from the pool", Given: []Event{registered}, When: cmd("ann", "sales").WithSeat("s1"), Then: []Event{OwnerAssigned{To: "ann", Role: "sales", Seat: "s1", AssignedAt: noon}}},
		{Name: "from somebody else", Given: []Event{registered, assigned}, When: cmd("bob", "").WithSeat("s2"), Then: []Event{OwnerAssigned{From: "ann", To: "bob", Seat: "s2", LeftSeat: "s1", AssignedAt: noon}}},
		{Name: "in another role", Given: []Event{registered, OwnerAssigned{To: "ann", Seat: "s1", AssignedAt: placed}}, When: cmd("ann", "sales").WithSeat("s2"), Then: []Event{OwnerAssigned{From: "ann", To: "ann", Role: "sales", AssignedAt: noon}}},
		{Name: "the owner already", Given: []Event{registered, assigned}, When: cmd("ann", "sales")},
		{Name: "whatever the role", Given: []Event{registered, assigned}, When: cmd("ann", "")},
		{Name: "never before what was decided last", Given: []Event{registered, with(assigned, func(e *OwnerAssigned) { e.AssignedAt = noon.Add(time.Hour) })}, When: cmd("bob", ""), Then: []Event{OwnerAssigned{From: "ann", To: "bob", LeftSeat: "s1", AssignedAt: noon.Add(time.Hour)}}},
		{Name: "nobody", When: cmd("ann", ""), Error: ErrNotFound},
		{Name: "an unknown employee", Given: []Event{registered}, When: cmd("emil", ""), Error: staff.ErrUnknown},
		{Name: "an employee who left", Given: []Event{registered}, When: cmd("carl", ""), Error: staff.ErrInactive},
		{Name: "an employee without the role", Given: []Event{registered}, When: cmd("ann", "service"), Error: staff.ErrRole},
		{Name: "the customer herself", Given: []Event{registered}, When: cmd("dora", ""), Error: ErrOwnRecord},
		{Name: "during a handover", Given: []Event{registered, assigned, kept}, When: cmd("bob", ""), Error: ErrHandoverOpen},
		{Name: "after it", Given: []Event{registered, assigned, kept, HandoverClosed{HandoverID: process, To: "bob", LeftSeat: "s2", ClosedAt: noon}}, When: cmd("bob", ""), Then: []Event{OwnerAssigned{From: "ann", To: "bob", LeftSeat: "s1", AssignedAt: noon}}},
		{Name: "no employee", Given: []Event{registered}, When: cmd("", "a b"), Error: domain.ErrValidation, Fields: []string{"/employee_id", "/role"}},
	})
}

func TestReleaseToPool(t *testing.T) {
	cmd := ReleaseToPool{Subject: at}
	run(t, []spec{
		{Name: "an owner gives a customer up", Given: []Event{registered, assigned}, When: cmd, Then: []Event{CustomerReleased{From: "ann", LeftSeat: "s1", ReleasedAt: noon}}},
		{Name: "a new customer is in the pool", Given: []Event{registered}, When: cmd},
		{Name: "and one who was released", Given: []Event{registered, assigned, released}, When: cmd},
		{Name: "during a handover", Given: []Event{registered, assigned, kept}, When: cmd, Error: ErrHandoverOpen},
		{Name: "nobody", When: cmd, Error: ErrNotFound},
	})
}

func TestClaimFromPool(t *testing.T) {
	cmd := func(as, employee string) ClaimFromPool {
		return ClaimFromPool{Subject: by(as), Known: office(), EmployeeID: employee}
	}
	later := func(days int, as string) ClaimFromPool {
		c := cmd(as, "")
		c.Now, c.Latest = noon.AddDate(0, 0, days), time.Time{}
		return c
	}
	run(t, []spec{
		{Name: "who asks has the customer", Given: []Event{registered}, When: cmd("ann", "").WithSeat("s1"), Then: []Event{CustomerClaimed{By: "ann", Seat: "s1", ClaimedAt: noon}}},
		{Name: "or whom they name", Given: []Event{registered, assigned, released}, When: cmd("ann", "bob"), Then: []Event{CustomerClaimed{By: "bob", ClaimedAt: noon}}},
		{Name: "one's own is nothing to do", Given: []Event{registered, assigned}, When: cmd("ann", "")},
		{Name: "claimed meanwhile", Given: []Event{registered, CustomerClaimed{By: "ann", ClaimedAt: noon}}, When: cmd("bob", ""), Error: ErrOwned},
		{Name: "who had the customer before waits", Given: []Event{registered, assigned, released}, When: cmd("ann", ""), Error: ErrCoolDown},
		{Name: "to the last day", Given: []Event{registered, assigned, released}, When: later(6, "ann"), Error: ErrCoolDown},
		{Name: "and not longer", Given: []Event{registered, assigned, released}, When: later(7, "ann"), Then: []Event{CustomerClaimed{By: "ann", ClaimedAt: noon.AddDate(0, 0, 7)}}},
		{Name: "an employee who left", Given: []Event{registered}, When: cmd("carl", ""), Error: staff.ErrInactive},
		{Name: "an unknown employee", Given: []Event{registered}, When: cmd("emil", ""), Error: staff.ErrUnknown},
		{Name: "in a role of others", Given: []Event{registered}, When: with(cmd("ann", ""), func(c *ClaimFromPool) { c.Role = "service" }), Error: staff.ErrRole},
		{Name: "the customer herself", Given: []Event{registered}, When: cmd("dora", ""), Error: ErrOwnRecord},
		{Name: "nobody", When: cmd("ann", ""), Error: ErrNotFound},
		{Name: "a program claims for nobody", Given: []Event{registered}, When: ClaimFromPool{Subject: at, Known: office(), Role: "a b"}, Error: domain.ErrValidation, Fields: []string{"/employee_id", "/role"}},
	})
	if diff := cmp.Diff([]domain.PolicyRef{{Kind: policy.KindOwnership, Version: 1}}, cmd("ann", "").Uses()); diff != "" {
		t.Error(diff)
	}
}

func TestKeyAccounts(t *testing.T) {
	cmd := DesignateKeyAccount{Subject: at, Level: "A", Criteria: "a third of the revenue"}
	run(t, []spec{
		{Name: "a key account", Given: []Event{registered, assigned}, When: cmd, Then: []Event{key}},
		{Name: "of another level", Given: []Event{registered, assigned, key}, When: with(cmd, func(c *DesignateKeyAccount) { c.Level = "B" }), Then: []Event{with(key, func(e *KeyAccountDesignated) { e.Level = "B" })}},
		{Name: "just so already", Given: []Event{registered, assigned, key}, When: cmd},
		{Name: "without an owner", Given: []Event{registered, assigned, released}, When: cmd, Error: ErrNoOwner},
		{Name: "nobody", When: cmd, Error: ErrNotFound},
		{Name: "no level", Given: []Event{registered, assigned}, When: DesignateKeyAccount{Subject: at, Criteria: "\x00"}, Error: domain.ErrValidation, Fields: []string{"/level", "/criteria"}},
		{Name: "no more", Given: []Event{registered, assigned, key}, When: RevokeKeyAccount{Subject: at}, Then: []Event{KeyAccountRevoked{Level: "A", RevokedAt: noon}}},
		{Name: "never was", Given: []Event{registered, assigned}, When: RevokeKeyAccount{Subject: at}},
		{Name: "nobody is no key account", When: RevokeKeyAccount{Subject: at}, Error: ErrNotFound},
	})
}

func TestIntroduceSuccessor(t *testing.T) {
	cmd := func(as string) IntroduceSuccessor { return IntroduceSuccessor{Subject: by(as), Channel: "phone"} }
	introduced := SuccessorIntroduced{HandoverID: process, By: "bob", Channel: "phone", IntroducedAt: noon}
	over := []Event{registered, assigned, kept, takenBy}
	run(t, []spec{
		{Name: "the new owner", Given: over, When: cmd("bob"), Then: []Event{introduced}},
		{Name: "once", Given: append(over[:4:4], introduced), When: cmd("bob")},
		{Name: "not the old one", Given: over, When: cmd("ann"), Error: ErrNotOwner},
		{Name: "not a program", Given: over, When: IntroduceSuccessor{Subject: at, Channel: "phone"}, Error: ErrNotOwner},
		{Name: "who came otherwise", Given: []Event{registered, assigned}, When: cmd("ann"), Error: ErrNotHandedOver},
		{Name: "nobody's", Given: []Event{registered}, When: cmd("ann"), Error: ErrNotOwner},
		{Name: "nobody", When: cmd("bob"), Error: ErrNotFound},
		{Name: "no channel", Given: over, When: IntroduceSuccessor{Subject: by("bob")}, Error: domain.ErrValidation, Fields: []string{"/channel"}},
	})
}

func TestTheStepsOfAHandover(t *testing.T) {
	open := OpenHandover{Subject: at, HandoverID: process, From: "ann", To: "bob"}
	over := TakeOver{Subject: at, HandoverID: process}
	let := CloseHandover{Subject: at, HandoverID: process}
	restricted := ProcessingRestricted{Ground: "accuracy", RestrictedAt: noon}
	run(t, []spec{
		{Name: "a customer is kept", Given: []Event{registered, assigned}, When: open.WithSeat("s2"), Then: []Event{with(kept, func(e *HandoverOpened) { e.OpenedAt = noon })}},
		{Name: "once", Given: []Event{registered, assigned, kept}, When: open},
		{Name: "for one handover", Given: []Event{registered, assigned, kept}, When: with(open, func(c *OpenHandover) { c.HandoverID = another }), Error: ErrHandoverOpen},
		{Name: "of who owns them", Given: []Event{registered, assigned, released}, When: open, Error: ErrNotOwned},
		{Name: "nobody", When: open, Error: ErrNotFound},
		{Name: "also while their data is locked", Given: []Event{registered, assigned, restricted}, When: open.WithSeat("s2"), Then: []Event{with(kept, func(e *HandoverOpened) { e.OpenedAt = noon })}},
		{Name: "the successor takes over", Given: []Event{registered, assigned, kept}, When: over, Then: []Event{takenBy}},
		{Name: "once, too", Given: []Event{registered, assigned, kept, takenBy}, When: over},
		{Name: "not what was let go", Given: []Event{registered, assigned}, When: over},
		{Name: "a customer is let go", Given: []Event{registered, assigned, kept}, When: let, Then: []Event{HandoverClosed{HandoverID: process, To: "bob", LeftSeat: "s2", ClosedAt: noon}}},
		{Name: "who was not kept", Given: []Event{registered, assigned}, When: let},
		{Name: "who is kept for another", Given: []Event{registered, assigned, with(kept, func(e *HandoverOpened) { e.HandoverID = another })}, When: let},
		{Name: "a seat that nothing confirms", Given: []Event{registered}, When: AbandonSeat{Subject: at, Seat: portfolio.Seat{Employee: "ann", Claim: "s1"}}, Then: []Event{ClaimAbandoned{Kind: "seat", Lookup: "ann", Claim: "s1"}}},
		{Name: "is given up once", Given: []Event{registered, ClaimAbandoned{Kind: "seat", Lookup: "ann", Claim: "s1"}}, When: AbandonSeat{Subject: at, Seat: portfolio.Seat{Employee: "ann", Claim: "s1"}}},
		{Name: "the owner's seat", Given: []Event{registered, assigned}, When: AbandonSeat{Subject: at, Seat: portfolio.Seat{Employee: "ann", Claim: "s1"}}, Error: ErrSeated},
		{Name: "the successor's seat", Given: []Event{registered, assigned, kept}, When: AbandonSeat{Subject: at, Seat: portfolio.Seat{Employee: "bob", Claim: "s2"}}, Error: ErrSeated},
	})
}

func TestOwnership(t *testing.T) {
	fold := func(events ...Event) (x Ownership) {
		for _, e := range events {
			x.Fold(Record{Event: e, ID: process})
		}
		return x
	}
	for name, c := range map[string]struct {
		got, want Ownership
	}{
		"assigned": {fold(assigned), Ownership{Owner: "ann", Role: "sales", Since: assigned.AssignedAt, EventID: process, Seat: "s1"}},
		"released": {fold(assigned, released), Ownership{EventID: process, PreviousOwner: "ann", ReleasedAt: released.ReleasedAt}},
		"claimed again": {
			fold(assigned, released, CustomerClaimed{By: "bob", Seat: "s3", ClaimedAt: noon}),
			Ownership{Owner: "bob", Since: noon, EventID: process, Seat: "s3", PreviousOwner: "ann"},
		},
		"kept": {
			fold(assigned, kept),
			Ownership{
				Owner: "ann", Role: "sales", Since: assigned.AssignedAt, EventID: process, Seat: "s1",
				Handover: &Handover{HandoverID: process, To: "bob", Seat: "s2", Since: kept.OpenedAt, EventID: process},
			},
		},
		"handed over": {
			fold(assigned, kept, takenBy),
			Ownership{Owner: "bob", Role: "sales", Since: noon, EventID: process, Seat: "s2", PreviousOwner: "ann", HandedOver: &HandedOver{HandoverID: process}},
		},
		"another role": {
			fold(assigned, OwnerAssigned{From: "ann", To: "ann", Role: "service", AssignedAt: noon}),
			Ownership{Owner: "ann", Role: "service", Since: assigned.AssignedAt, EventID: process, Seat: "s1"},
		},
		"a key account": {
			fold(assigned, key),
			Ownership{
				Owner: "ann", Role: "sales", Since: assigned.AssignedAt, EventID: process, Seat: "s1",
				KeyAccount: &KeyAccount{Level: "A", Criteria: "a third of the revenue", Since: noon, EventID: process},
			},
		},
		"erased":                  {fold(assigned, key, kept, PersonalDataErased{ErasedAt: noon}), Ownership{}},
		"erased without its keys": {fold(assigned, KeyAccountDesignated{Level: "A", DesignatedAt: noon}, kept, PersonalDataErased{ErasedAt: noon}), Ownership{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.got); diff != "" {
				t.Error(diff)
			}
			stored, err := json.Marshal(c.got)
			if err != nil {
				t.Fatal(err)
			}
			var again Ownership
			if err := json.Unmarshal(stored, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.got, again); diff != "" {
				t.Errorf("read again: %s", diff)
			}
		})
	}
}
