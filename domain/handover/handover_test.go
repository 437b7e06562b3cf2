package handover_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

type spec = domaintest.Spec[State, Event]

var (
	run  = domaintest.Run[State, Event]
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	process = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000aa")
	another = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000ab")
	a       = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
	b       = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
	one     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000011")
	two     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000012")

	dossiers = []Dossier{
		{CustomerID: a, Items: []Item{{ID: one, Kind: KindKeyAccount, Ref: "A"}, {ID: two, Kind: KindPendingVerification, Ref: "c1"}}},
		{CustomerID: b},
	}
	requested = Requested{
		HandoverID: process, From: "ann", To: "bob", Reason: "leaver", Customers: dossiers, DossierHash: "hash", Position: 7, RequestedAt: noon,
	}
	opened    = Opened{process}
	accepted  = Accepted{HandoverID: process, AcceptedAt: noon}
	rejected  = Rejected{process, "workload", noon}
	failed    = Failed{HandoverID: process, CustomerID: b, Code: "handover_open"}
	started   = CompletionStarted{HandoverID: process}
	completed = Completed{HandoverID: process, CompletedAt: noon}
	closed    = Closed{process}
	seen      = ItemsAcknowledged{process, []uuid.UUID{one, two}}
)

func by(employee string) Named {
	return Named{Subject: domain.Subject{Now: noon, Actor: domain.Actor{Kind: "user", ID: employee}}, HandoverID: process}
}

// office has ann and bob, who may have three customers; carl has left, and dora is
// customer a herself.
func office(events ...staff.Event) world.Known {
	w := new(world.World)
	for _, e := range append([]staff.Event{
		staff.EmployeeEnrolled{EmployeeID: "ann", Name: "Ann"}, staff.EmployeeEnrolled{EmployeeID: "bob", Name: "Bob", Capacity: 3},
		staff.EmployeeEnrolled{EmployeeID: "carl", Name: "Carl"}, staff.EmployeeDeactivated{EmployeeID: "carl"},
		staff.EmployeeEnrolled{EmployeeID: "dora", Name: "Dora", CustomerID: a},
	}, events...) {
		w = w.With(uuid.Nil, e)
	}
	return world.Known{World: w}
}

func TestRequest(t *testing.T) {
	found := func(change func(*Found)) []Found {
		list := []Found{{Dossier: dossiers[0], Registered: true, Owner: "ann"}, {Dossier: dossiers[1], Registered: true, Owner: "ann"}}
		if change != nil {
			change(&list[1])
		}
		return list
	}
	cmd := func(change func(*Request)) Request {
		c := Request{
			Subject: domain.Subject{Now: noon}, Known: office(), HandoverID: process, From: "ann", To: "bob", Reason: "leaver",
			Gathered: Gathered{Customers: found(nil), Hash: "hash", Position: 7, Seats: 1},
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	with := func(change func(*Found)) Request {
		return cmd(func(c *Request) { c.Gathered.Customers = found(change) })
	}
	run(t, []spec{
		{Name: "customers shall change hands", When: cmd(nil), Then: []Event{requested}},
		{Name: "from somebody who has left", When: cmd(func(c *Request) { c.Known = office(staff.EmployeeDeactivated{EmployeeID: "ann"}) }), Then: []Event{requested}},
		{Name: "the id is taken", Given: []Event{requested}, When: cmd(nil), Error: ErrExists},
		{Name: "from nobody", When: cmd(func(c *Request) { c.From = "emil" }), Error: staff.ErrUnknown},
		{Name: "to nobody", When: cmd(func(c *Request) { c.To = "emil" }), Error: staff.ErrUnknown},
		{Name: "to somebody who has left", When: cmd(func(c *Request) { c.To = "carl" }), Error: staff.ErrInactive},
		{Name: "to the customer herself", When: cmd(func(c *Request) { c.To = "dora" }), Error: customer.ErrOwnRecord},
		{Name: "to somebody who has enough", When: cmd(func(c *Request) { c.Gathered.Seats = 2 }), Error: portfolio.ErrFull},
		{Name: "no customers", When: cmd(func(c *Request) { c.Gathered.Customers = nil }), Error: ErrNoCustomers},
		{Name: "too many", When: cmd(func(c *Request) { c.Gathered.Customers = make([]Found, MaxCustomers+1) }), Error: domain.ErrValidation},
		{Name: "a customer of somebody else", When: with(func(f *Found) { f.Owner = "bob" }), Error: customer.ErrNotOwned},
		{Name: "a customer of nobody", When: with(func(f *Found) { f.Owner = "" }), Error: customer.ErrNotOwned},
		{Name: "a customer in another handover", When: with(func(f *Found) { f.Handover = another }), Error: customer.ErrHandoverOpen},
		{Name: "no customer at all", When: with(func(f *Found) { f.Registered = false }), Error: customer.ErrNotFound},
		{Name: "a customer who was erased", When: with(func(f *Found) { f.Erased = true }), Error: customer.ErrErased},
		{Name: "to oneself", When: cmd(func(c *Request) { c.To = "ann" }), Error: domain.ErrValidation, Fields: []string{"/to"}},
		{Name: "nothing said", When: Request{}, Error: domain.ErrValidation, Fields: []string{"/from", "/to", "/reason"}},
		{Name: "a reason of one's own", When: cmd(func(c *Request) { c.Reason = "boredom" }), Error: domain.ErrValidation, Fields: []string{"/reason"}},
		{Name: "a customer twice", When: cmd(func(c *Request) { c.Customers = []uuid.UUID{a, b, a} }), Error: domain.ErrValidation, Fields: []string{"/customers/2"}},
		{Name: "very many", When: cmd(func(c *Request) { c.Customers = make([]uuid.UUID, MaxCustomers+1) }), Error: domain.ErrValidation, Fields: []string{"/customers"}},
	})
}

func TestAcknowledgeItems(t *testing.T) {
	cmd := func(as string, items ...uuid.UUID) AcknowledgeItems { return AcknowledgeItems{by(as), items} }
	run(t, []spec{
		{Name: "the successor has seen them", Given: []Event{requested, opened}, When: cmd("bob", one, one, two), Then: []Event{seen}},
		{Name: "also after accepting", Given: []Event{requested, opened, accepted}, When: cmd("bob", two), Then: []Event{ItemsAcknowledged{process, []uuid.UUID{two}}}},
		{Name: "the rest", Given: []Event{requested, opened, ItemsAcknowledged{process, []uuid.UUID{one}}}, When: cmd("bob", one, two), Then: []Event{ItemsAcknowledged{process, []uuid.UUID{two}}}},
		{Name: "seen before", Given: []Event{requested, opened, seen}, When: cmd("bob", one)},
		{Name: "somebody else", Given: []Event{requested, opened}, When: cmd("ann", one), Error: ErrNotSuccessor},
		{Name: "a program", Given: []Event{requested, opened}, When: AcknowledgeItems{Named{Subject: domain.Subject{Actor: domain.Actor{Kind: "api", ID: "bob"}}, HandoverID: process}, []uuid.UUID{one}}, Error: ErrNotSuccessor},
		{Name: "before the customers are kept", Given: []Event{requested}, When: cmd("bob", one), Error: ErrNotOpen},
		{Name: "when it is over", Given: []Event{requested, opened, rejected}, When: cmd("bob", one), Error: ErrDecided},
		{Name: "no handover", When: cmd("bob", one), Error: ErrNotFound},
		{Name: "no items", Given: []Event{requested, opened}, When: cmd("bob"), Error: domain.ErrValidation, Fields: []string{"/items"}},
		{Name: "an item of another dossier", Given: []Event{requested, opened}, When: cmd("bob", one, another), Error: domain.ErrValidation, Fields: []string{"/items/1"}},
	})
}

func TestAccept(t *testing.T) {
	cmd := func(as string, items ...uuid.UUID) Accept { return Accept{by(as), items} }
	run(t, []spec{
		{Name: "the successor takes them", Given: []Event{requested, opened}, When: cmd("bob"), Then: []Event{accepted}},
		{Name: "with items", Given: []Event{requested, opened}, When: cmd("bob", one), Then: []Event{Accepted{process, []uuid.UUID{one}, noon}}},
		{Name: "again", Given: []Event{requested, opened, accepted}, When: cmd("bob")},
		{Name: "again, with items", Given: []Event{requested, opened, accepted}, When: cmd("bob", one), Then: []Event{ItemsAcknowledged{process, []uuid.UUID{one}}}},
		{Name: "when all is done", Given: []Event{requested, opened, accepted, seen, started, completed}, When: cmd("bob", one)},
		{Name: "somebody else", Given: []Event{requested, opened}, When: cmd("ann"), Error: ErrNotSuccessor},
		{Name: "too early", Given: []Event{requested}, When: cmd("bob"), Error: ErrNotOpen},
		{Name: "after rejecting", Given: []Event{requested, opened, rejected}, When: cmd("bob"), Error: ErrDecided},
		{Name: "after it failed", Given: []Event{requested, failed}, When: cmd("bob"), Error: ErrDecided},
		{Name: "no handover", When: cmd("bob"), Error: ErrNotFound},
		{Name: "an item of another dossier", Given: []Event{requested, opened}, When: cmd("bob", another), Error: domain.ErrValidation, Fields: []string{"/acknowledged_items/0"}},
	})
}

func TestReject(t *testing.T) {
	cmd := func(as, reason string) Reject { return Reject{by(as), reason} }
	run(t, []spec{
		{Name: "the successor does not take them", Given: []Event{requested, opened}, When: cmd("bob", "workload"), Then: []Event{rejected}},
		{Name: "again", Given: []Event{requested, opened, rejected, closed}, When: cmd("bob", "workload")},
		{Name: "somebody else", Given: []Event{requested, opened}, When: cmd("ann", "workload"), Error: ErrNotSuccessor},
		{Name: "too early", Given: []Event{requested}, When: cmd("bob", "workload"), Error: ErrNotOpen},
		{Name: "after accepting", Given: []Event{requested, opened, accepted}, When: cmd("bob", "workload"), Error: ErrDecided},
		{Name: "no handover", When: cmd("bob", "workload"), Error: ErrNotFound},
		{Name: "no reason", Given: []Event{requested, opened}, When: cmd("bob", ""), Error: domain.ErrValidation, Fields: []string{"/reason"}},
		{Name: "a reason of one's own", Given: []Event{requested, opened}, When: cmd("bob", "mood"), Error: domain.ErrValidation, Fields: []string{"/reason"}},
	})
}

func TestComplete(t *testing.T) {
	cmd := func(resolved ...uuid.UUID) Complete {
		return Complete{Named: by("ann"), Known: office(), Resolved: resolved}
	}
	run(t, []spec{
		{Name: "all was seen", Given: []Event{requested, opened, accepted, seen}, When: cmd(), Then: []Event{started}},
		{Name: "seen or open no more", Given: []Event{requested, opened, Accepted{process, []uuid.UUID{one}, noon}}, When: cmd(one, two), Then: []Event{CompletionStarted{process, []uuid.UUID{two}}}},
		{Name: "an item is open", Given: []Event{requested, opened, accepted}, When: cmd(one), Error: ErrItemsOpen},
		{Name: "under way", Given: []Event{requested, opened, accepted, seen, started}, When: cmd()},
		{Name: "done", Given: []Event{requested, opened, accepted, seen, started, completed}, When: cmd()},
		{Name: "not accepted", Given: []Event{requested, opened}, When: cmd(), Error: ErrNotAccepted},
		{Name: "rejected", Given: []Event{requested, opened, rejected}, When: cmd(), Error: ErrNotAccepted},
		{Name: "the successor has left", Given: []Event{requested, opened, accepted, seen}, When: Complete{Named: by("ann"), Known: office(staff.EmployeeDeactivated{EmployeeID: "bob"})}, Error: staff.ErrInactive},
		{Name: "no handover", When: cmd(), Error: ErrNotFound},
	})
}

func TestAdvance(t *testing.T) {
	cmd := func(e Event) Advance { return Advance{Event: e, Of: process} }
	run(t, []spec{
		{Name: "all are kept", Given: []Event{requested}, When: cmd(opened), Then: []Event{opened}},
		{Name: "one is not", Given: []Event{requested}, When: cmd(failed), Then: []Event{failed}},
		{Name: "somebody else said so", Given: []Event{requested, failed}, When: cmd(opened)},
		{Name: "all are let go", Given: []Event{requested, failed}, When: cmd(closed), Then: []Event{closed}},
		{Name: "all were let go", Given: []Event{requested, opened, rejected, closed}, When: cmd(closed)},
		{Name: "all are the successor's", Given: []Event{requested, opened, accepted, seen, started}, When: cmd(completed), Then: []Event{completed}},
		{Name: "but not before", Given: []Event{requested, opened, accepted}, When: cmd(completed)},
		{Name: "no handover", When: cmd(opened)},
		{Name: "what is no step", Given: []Event{requested}, When: cmd(accepted)},
	})
}

func TestSummary(t *testing.T) {
	var s Summary
	for i, c := range []struct {
		event   Event
		state   string
		open    int
		next    Step
		settled bool
	}{
		{requested, StateRequested, 2, Keep, false},
		{opened, StateOpen, 2, Rest, false},
		{ItemsAcknowledged{process, []uuid.UUID{one}}, StateOpen, 1, Rest, false},
		{accepted, StateAccepted, 1, Rest, false},
		{CompletionStarted{process, []uuid.UUID{two}}, StateCompleting, 0, Assign, false},
		{completed, StateCompleted, 0, Rest, true},
	} {
		s = s.With(c.event)
		if s.State != c.state || s.OpenItems != c.open || s.Next() != c.next || s.Settled != c.settled || Of(c.event) != process {
			t.Errorf("%d: %+v, next %d", i, s, s.Next())
		}
	}
	for _, e := range []Event{rejected, failed} {
		s := Summary{}.With(requested).With(e)
		if s.Next() != LetGo || s.With(closed).Next() != Rest || Of(e) != process || Of(closed) != process {
			t.Errorf("%+v", s)
		}
	}
}

func TestOpenItems(t *testing.T) {
	var s customer.State
	soon, late := noon.AddDate(0, 0, 29), noon.AddDate(0, 0, 31)
	for _, e := range []customer.Event{
		customer.Registered{Kind: customer.Person, RegisteredAt: noon.AddDate(-1, 0, 0)},
		customer.OwnerAssigned{To: "ann", AssignedAt: noon},
		customer.KeyAccountDesignated{Level: "A", Criteria: "hers", DesignatedAt: noon},
		customer.ContactPointAdded{ContactPointID: "c1", Type: customer.TypeEmail, Value: "ada@example.com", Lookup: "l1", AddedAt: noon},
		customer.ContactPointAdded{ContactPointID: "c2", Type: customer.TypeEmail, Value: "ada@example.org", Lookup: "l2", AddedAt: noon},
		customer.ContactPointVerified{ContactPointID: "c2", VerifiedAt: noon},
		customer.ContactPointAdded{ContactPointID: "c3", Type: customer.TypePhone, Value: "1", Lookup: "l3", AddedAt: noon},
		customer.ContactPointInvalidated{ContactPointID: "c3", InvalidatedAt: noon},
		customer.ConsentGranted{Purpose: "marketing", Channel: "email", ExpiresAt: &soon, GrantedAt: noon},
		customer.ConsentGranted{Purpose: "marketing", Channel: "phone", ExpiresAt: &late, GrantedAt: noon},
	} {
		s = s.Evolve(e)
	}
	kinds := map[string]string{}
	items := OpenItems(a, s, noon)
	for i, item := range items {
		kinds[item.Kind] = item.Ref
		if item.ID == uuid.Nil || i > 0 && items[i-1].ID.String() >= item.ID.String() {
			t.Errorf("%+v", items)
		}
		if item.Kind == KindConsentExpiring && !item.Due.Equal(soon) {
			t.Errorf("due %s", item.Due)
		}
	}
	if diff := cmp.Diff(map[string]string{KindKeyAccount: "A", KindPendingVerification: "c1", KindConsentExpiring: "marketing/email"}, kinds); diff != "" || len(items) != 3 {
		t.Error(len(items), diff)
	}
	if diff := cmp.Diff(items, OpenItems(a, s, noon.Add(time.Hour))); diff != "" {
		t.Errorf("the same things are the same items: %s", diff)
	}
}
