package owners_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/owners"
)

var (
	start   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event   = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000001")
	process = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000002")
)

func day(n int) time.Time { return start.AddDate(0, 0, n) }

func of(facts ...customer.Event) []projections.Event {
	var events []projections.Event
	for _, f := range facts {
		events = append(events, projections.Event{ID: event, Data: f})
	}
	return events
}

func TestPeriods(t *testing.T) {
	for name, c := range map[string]struct {
		given []customer.Event
		want  []owners.Period
	}{
		"assigned": {
			[]customer.Event{customer.OwnerAssigned{To: "ann", Role: "sales", AssignedAt: day(0)}},
			[]owners.Period{{Owner: "ann", Role: "sales", From: day(0), EventID: event}},
		},
		"from hand to hand": {
			[]customer.Event{
				customer.OwnerAssigned{To: "ann", AssignedAt: day(0)},
				customer.OwnerAssigned{From: "ann", To: "bob", HandoverID: process, AssignedAt: day(1)},
				customer.CustomerReleased{From: "bob", ReleasedAt: day(2)},
				customer.CustomerClaimed{By: "ann", ClaimedAt: day(4)},
			},
			[]owners.Period{
				{Owner: "ann", From: day(0), Until: day(1), EventID: event},
				{Owner: "bob", From: day(1), Until: day(2), EventID: event, HandoverID: process},
				{Owner: "ann", From: day(4), EventID: event},
			},
		},
		"what lasted no time is no period": {
			[]customer.Event{
				customer.OwnerAssigned{To: "ann", AssignedAt: day(0)},
				customer.OwnerAssigned{From: "ann", To: "bob", AssignedAt: day(0)},
			},
			[]owners.Period{{Owner: "bob", From: day(0), EventID: event}},
		},
		"an erasure ends it": {
			[]customer.Event{
				customer.OwnerAssigned{To: "ann", AssignedAt: day(0)},
				customer.PersonalDataErased{ErasedAt: day(3)},
			},
			[]owners.Period{{Owner: "ann", From: day(0), Until: day(3), EventID: event}},
		},
		"nobody": {[]customer.Event{customer.Registered{}, customer.PersonalDataErased{ErasedAt: day(3)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := owners.New().Of(of(c.given...)...)
			if diff := cmp.Diff(c.want, d.Periods); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhoWasItThen(t *testing.T) {
	d, _ := owners.New().Of(of(
		customer.OwnerAssigned{To: "ann", AssignedAt: day(0)},
		customer.CustomerReleased{From: "ann", ReleasedAt: day(2)},
		customer.CustomerClaimed{By: "bob", ClaimedAt: day(3)},
	)...)
	for n, want := range []string{"ann", "ann", "", "bob", "bob"} {
		if p, ok := d.At(day(n)); p.Owner != want || ok != (want != "") {
			t.Errorf("on day %d: %q, want %q", n, p.Owner, want)
		}
	}
	want := []projections.Place{
		{Index: "periods", Key: "ann\x012026-03-01T12:00:00.000000000Z\x012026-03-03T12:00:00.000000000Z"},
		{Index: "periods", Key: "bob\x012026-03-04T12:00:00.000000000Z\x01~"},
		{Index: "held", Key: "bob\x012026-03-04T12:00:00.000000000Z"},
	}
	if diff := cmp.Diff(want, owners.New().Indexes(&d, nil)); diff != "" {
		t.Error(diff)
	}
	if from, until := owners.Bounds(want[0].Key); from != "2026-03-01T12:00:00.000000000Z" || until != "2026-03-03T12:00:00.000000000Z" {
		t.Error(from, until)
	}
}
