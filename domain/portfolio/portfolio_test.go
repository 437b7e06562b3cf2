package portfolio_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/portfolio"
)

var (
	until = time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)
	a     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
	b     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
	hers  = SeatTaken{EmployeeID: "ann", Customer: a, Claim: "1", Until: until}
	freed = SeatFreed{EmployeeID: "ann", Customer: a, Claim: "1"}
)

func TestSeats(t *testing.T) {
	take := func(of uuid.UUID, claim string, capacity int) TakeSeat {
		return TakeSeat{Seat: Seat{Employee: "ann", Claim: claim}, Of: of, Until: until, Capacity: capacity}
	}
	free := func(of uuid.UUID, claim string) FreeSeat {
		return FreeSeat{Seat: Seat{Employee: "ann", Claim: claim}, Of: of}
	}
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "a seat is taken", When: take(a, "1", 1), Then: []Event{hers}},
		{Name: "the last one", Given: []Event{hers}, When: take(b, "2", 2), Then: []Event{SeatTaken{"ann", b, "2", until}}},
		{Name: "none is left", Given: []Event{hers}, When: take(b, "2", 1), Error: ErrFull},
		{Name: "more are taken than there are now", Given: []Event{hers, SeatTaken{"ann", b, "2", until}}, When: take(uuid.New(), "3", 1), Error: ErrFull},
		{Name: "without a limit", Given: []Event{hers}, When: take(b, "2", 0), Then: []Event{SeatTaken{"ann", b, "2", until}}},
		{Name: "the same claim again", Given: []Event{hers}, When: take(a, "1", 1)},
		{Name: "another claim for the same customer needs no other seat", Given: []Event{hers}, When: take(a, "2", 1), Then: []Event{SeatTaken{"ann", a, "2", until}}},
		{Name: "a seat is freed", Given: []Event{hers}, When: free(a, "1"), Then: []Event{freed}},
		{Name: "one of two claims on it", Given: []Event{hers, SeatTaken{"ann", a, "2", until}}, When: free(a, "1"), Then: []Event{freed}},
		{Name: "somebody else's claim stays", Given: []Event{hers}, When: free(a, "2")},
		{Name: "a free seat is free", Given: []Event{hers, freed}, When: free(a, "1")},
		{Name: "and may be taken", Given: []Event{hers, freed}, When: take(b, "2", 1), Then: []Event{SeatTaken{"ann", b, "2", until}}},
		{Name: "not while another claim on it stands", Given: []Event{hers, SeatTaken{"ann", a, "2", until}, freed}, When: take(b, "3", 1), Error: ErrFull},
		{Name: "but with the last one", Given: []Event{hers, SeatTaken{"ann", a, "2", until}, freed, SeatFreed{"ann", a, "2"}}, When: take(b, "3", 1), Then: []Event{SeatTaken{"ann", b, "3", until}}},
	})
}

func TestPolicy(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for _, p := range []Policy{{ClaimCoolDownDays: 1}, {Name: "x", ClaimCoolDownDays: -1}, {Name: "x", ClaimCoolDownDays: 3661}} {
		if err := p.Validate(); !errors.Is(err, domain.ErrValidation) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
