package transfer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
	"github.com/rapport-crm/rapport/domain/loyalty"
	. "github.com/rapport-crm/rapport/domain/transfer"
)

type spec = domaintest.Spec[State, Event]

var (
	run  = domaintest.Run[State, Event]
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

	id  = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000aa")
	ada = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
	bo  = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
	ann = domain.Actor{Kind: "user", ID: "ann"}

	named     = Named{Subject: domain.Subject{Now: noon, Actor: ann}, TransferID: id}
	proposed  = Proposed{TransferID: id, From: ada, To: bo, Points: 120, ReasonCode: "gift", ProposedBy: ann, ProposedAt: noon}
	unwanted  = CancellationRequested{id, ann, noon}
	completed = Completed{id, noon}
	cancelled = Cancelled{TransferID: id, Code: "not_enrolled", CustomerID: bo, CancelledAt: noon}
)

func with[C any](c C, change func(*C)) C {
	change(&c)
	return c
}

func TestRequest(t *testing.T) {
	cmd := Request{Named: named, From: ada, To: bo, Points: 120, ReasonCode: "gift"}
	when := func(change func(*Request)) Request { return with(cmd, change) }
	invalid := func(name string, change func(*Request), fields ...string) spec {
		return spec{Name: name, When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	run(t, []spec{
		{Name: "points shall change hands", When: cmd, Then: []Event{proposed}},
		{Name: "for no reason", When: when(func(c *Request) { c.ReasonCode = "" }), Then: []Event{with(proposed, func(e *Proposed) { e.ReasonCode = "" })}},
		{Name: "the same again", Given: []Event{proposed}, When: cmd},
		{Name: "the same again, whatever stands against it by now", Given: []Event{proposed, completed},
			When: when(func(c *Request) { c.Gathered.Sender = customer.ErrInsufficientPoints })},
		{Name: "other points", Given: []Event{proposed}, When: when(func(c *Request) { c.Points++ }), Error: ErrExists},
		{Name: "the other way", Given: []Event{proposed, cancelled}, When: when(func(c *Request) { c.From, c.To = bo, ada }), Error: ErrExists},
		{Name: "another reason", Given: []Event{proposed}, When: when(func(c *Request) { c.ReasonCode = "" }), Error: ErrExists},
		{Name: "the sender cannot", When: when(func(c *Request) { c.Gathered.Sender = customer.ErrInsufficientPoints }),
			Error: customer.ErrInsufficientPoints, Fields: []string{"/from"}},
		{Name: "the recipient cannot", When: when(func(c *Request) { c.Gathered.Recipient = customer.ErrNotEnrolled }),
			Error: customer.ErrNotEnrolled, Fields: []string{"/to"}},
		invalid("nothing said", func(c *Request) { *c = Request{Named: named} }, "/from", "/to", "/points"),
		invalid("to oneself", func(c *Request) { c.To = ada }, "/to"),
		invalid("less than nothing", func(c *Request) { c.Points = -1 }, "/points"),
		invalid("too many", func(c *Request) { c.Points = loyalty.MaxPoints + 1 }, "/points"),
		invalid("a reason in words", func(c *Request) { c.ReasonCode = "for Bo" }, "/reason_code"),
		invalid("a long reason", func(c *Request) { c.ReasonCode = strings.Repeat("x", 65) }, "/reason_code"),
	})
}

func TestCancel(t *testing.T) {
	run(t, []spec{
		{Name: "what is under way", Given: []Event{proposed}, When: Cancel{named}, Then: []Event{unwanted}},
		{Name: "again", Given: []Event{proposed, unwanted}, When: Cancel{named}},
		{Name: "what was cancelled", Given: []Event{proposed, cancelled}, When: Cancel{named}},
		{Name: "too late", Given: []Event{proposed, completed}, When: Cancel{named}, Error: ErrCompleted},
		{Name: "there is none", When: Cancel{named}, Error: ErrNotFound},
	})
}

func TestAdvance(t *testing.T) {
	end := func(e Event) Advance { return Advance{Of: id, Event: e} }
	run(t, []spec{
		{Name: "it ends", Given: []Event{proposed}, When: end(completed), Then: []Event{completed}},
		{Name: "it comes to nothing", Given: []Event{proposed}, When: end(cancelled), Then: []Event{cancelled}},
		{Name: "it ends though somebody wanted to cancel it", Given: []Event{proposed, unwanted}, When: end(completed), Then: []Event{completed}},
		{Name: "again", Given: []Event{proposed, completed}, When: end(completed)},
		{Name: "after its end", Given: []Event{proposed, cancelled}, When: end(completed)},
		{Name: "there is none", When: end(completed)},
	})
}

// What a transfer is, and what is to be done about it, follows from its events.
func TestState(t *testing.T) {
	is := State{TransferID: id, From: ada, To: bo, Points: 120, ReasonCode: "gift", State: StateProposed, ProposedBy: ann, ProposedAt: noon}
	for name, c := range map[string]struct {
		events []Event
		want   State
		next   Step
	}{
		"none":      {nil, State{}, Rest},
		"proposed":  {[]Event{proposed}, is, Deliver},
		"unwanted":  {[]Event{proposed, unwanted}, with(is, func(s *State) { s.State, s.CancelledBy = StateCancelling, ann }), CallOff},
		"completed": {[]Event{proposed, completed}, with(is, func(s *State) { s.State, s.CompletedAt = StateCompleted, noon }), Rest},
		"cancelled": {[]Event{proposed, cancelled}, with(is, func(s *State) {
			s.State, s.CancelledAt, s.Code, s.CustomerID = StateCancelled, noon, "not_enrolled", bo
		}), Rest},
	} {
		var s State
		for _, e := range c.events {
			if Of(e) != id {
				t.Errorf("%T is about %s", e, Of(e))
			}
			s = s.Evolve(e)
		}
		if diff := cmp.Diff(c.want, s); diff != "" || s.Next() != c.next {
			t.Errorf("%s: next %d, want %d (-want +got):\n%s", name, s.Next(), c.next, diff)
		}
	}
}

func TestAtLeavesFailuresOfOursAlone(t *testing.T) {
	failure := errors.New("no log")
	if err := At(failure, "/from"); err != failure {
		t.Error(err)
	}
}
