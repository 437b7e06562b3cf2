package reservation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/reservation"
)

func TestTake(t *testing.T) {
	var (
		until = time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)
		a     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
		b     = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
		byA   = Claimed{Claim: "1", Customer: a, Until: until}
		cmd   = Take{Claim: Claim{Kind: KindExternalID, Lookup: "abc", ID: "2"}, Customer: b, Until: until}
		taken = Claimed{Claim: "2", Customer: b, Until: until}
		over  = cmd
		mine  = cmd
	)
	minesAnew := taken
	minesAnew.Customer = a
	over.Over = "1"
	mine.Customer = a
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "a free name is claimed", When: cmd, Then: []Event{taken}},
		{Name: "a name that is free again", Given: []Event{byA, Released{Customer: a}}, When: cmd, Then: []Event{taken}},
		{Name: "a name of somebody else", Given: []Event{byA}, When: cmd, Error: ErrTaken(KindExternalID)},
		{Name: "the same claim is nothing to do", Given: []Event{taken}, When: cmd},
		{Name: "one's own name is claimed anew", Given: []Event{byA}, When: mine, Then: []Event{minesAnew}},
		{Name: "a claim that somebody else gave back changes nothing", Given: []Event{byA, Released{Customer: b}}, When: cmd, Error: ErrTaken(KindExternalID)},
		{Name: "a claim that was given up is taken over", Given: []Event{byA}, When: over, Then: []Event{taken}},
		{Name: "but not the claim after it", Given: []Event{byA, Claimed{Claim: "3", Customer: a, Until: until}}, When: over, Error: ErrTaken(KindExternalID)},
	})
}
