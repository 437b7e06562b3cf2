package reservation_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/reservation"
)

func TestRelease(t *testing.T) {
	var (
		until    = time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)
		a        = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000a")
		b        = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-00000000000b")
		byA      = Claimed{Claim: "1", Customer: a, Until: until}
		byB      = Claimed{Claim: "2", Customer: b, Until: until}
		free     = Released{Customer: a}
		objected = Released{Customer: a, Objected: true}
		cmd      = Release{Claim: Claim{Kind: KindEmail, Lookup: "abc"}, Customer: a}
		exact    = cmd
		objects  = cmd
		lasting  = cmd
	)
	exact.ID = "1"
	objects.Objected = true
	lasting.Lasting = true
	domaintest.Run(t, []domaintest.Spec[State, Event]{
		{Name: "one's own name is free", Given: []Event{byA}, When: cmd, Then: []Event{free}},
		{Name: "by the claim", Given: []Event{byA}, When: exact, Then: []Event{free}},
		{Name: "once", Given: []Event{byA, free}, When: cmd},
		{Name: "a name that was never claimed is nothing to do", When: cmd},
		{Name: "a name of somebody else is nothing to do", Given: []Event{byA, free, byB}, When: cmd},
		{Name: "a later claim of one's own is nothing to do", Given: []Event{byA, Claimed{Claim: "3", Customer: a, Until: until}}, When: exact},
		{Name: "an objection is kept", Given: []Event{byA}, When: objects, Then: []Event{objected}},
		{Name: "also of a name that several may have", When: objects, Then: []Event{objected}},
		{Name: "and of one that somebody else has", Given: []Event{byB}, When: objects, Then: []Event{objected}},
		{Name: "an objection once", Given: []Event{byA, objected}, When: objects},
		{Name: "an earlier objection ends with who does not object", Given: []Event{byB, Released{Customer: b, Objected: true}, byA}, When: cmd, Then: []Event{free}},
		{Name: "and stays with who does", Given: []Event{byB, Released{Customer: b, Objected: true}, byA}, When: lasting, Then: []Event{objected}},
	})
	for name, c := range map[string]struct {
		given []Event
		want  State
	}{
		"the next holder is told":                 {[]Event{byA, objected, byB}, State{Held: true, Claim: "2", Customer: b, Until: until, Objected: true}},
		"a holder stays when another one objects": {[]Event{byB, objected}, State{Held: true, Claim: "2", Customer: b, Until: until, Objected: true}},
		"nobody objects":                          {[]Event{byA, free}, State{}},
	} {
		var s State
		for _, e := range c.given {
			s = s.Evolve(e)
		}
		if diff := cmp.Diff(c.want, s); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
