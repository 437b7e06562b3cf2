package duplicate_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/duplicate"
)

var (
	a = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
	b = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
)

func reject(x, y uuid.UUID, reason string, first, second Party) Reject {
	c := Reject{A: x, B: y, Reason: reason}
	c.SetParties(first, second)
	return c
}

func TestReject(t *testing.T) {
	var (
		there      = Party{Registered: true}
		erased     = Party{Registered: true, Rights: customer.Rights{Erased: true}}
		restricted = Party{Registered: true, Rights: customer.Rights{Restricted: true}}
		rejected   = Rejected{A: a, B: b, Verdict: NotDuplicate, Reason: "household"}
	)
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "two customers are two", When: reject(a, b, "household", there, there), Then: []Event{rejected}},
		{Name: "named the other way round it is the same pair", When: reject(b, a, "household", there, there), Then: []Event{rejected}},
		{Name: "without a reason", When: reject(a, b, "", there, there), Then: []Event{Rejected{A: a, B: b, Verdict: NotDuplicate}}},
		{Name: "said once it is remembered", Given: []Event{rejected}, When: reject(b, a, "verified", there, there)},
		{Name: "nobody is named", When: Reject{}, Error: domain.ErrValidation, Fields: []string{"/a", "/b"}},
		{Name: "a customer and themselves", When: reject(a, a, "", there, there), Error: domain.ErrValidation, Fields: []string{"/b"}},
		{Name: "a reason in words, which no erasure of both would reach", When: reject(a, b, "father and son", there, there), Error: domain.ErrValidation, Fields: []string{"/reason"}},
		{Name: "the first is unknown", When: reject(a, b, "", Party{}, there), Error: customer.ErrNotFound},
		{Name: "the second is unknown", When: reject(a, b, "", there, Party{}), Error: customer.ErrNotFound},
		{Name: "the first was erased", When: reject(a, b, "", erased, there), Error: customer.ErrErased},
		{Name: "the second was erased", When: reject(a, b, "", there, erased), Error: customer.ErrErased},
		{Name: "one of them is restricted", When: reject(a, b, "", there, restricted), Error: customer.ErrRestricted},
	})
}

func TestTheStreamOfAPair(t *testing.T) {
	want := "duplicatepair-018e4a7e-5b1c-7c3a-9d2f-00000000000a-018e4a7e-5b1c-7c3a-9d2f-00000000000b"
	for _, p := range []Pair{PairOf(a, b), PairOf(b, a)} {
		if got := p.Stream(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
