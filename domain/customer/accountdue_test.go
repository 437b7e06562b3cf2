package customer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
)

// What fell due is told as the events that would book it, in the order in which it
// did, and the account itself stays as it is.
func TestWhatFellDue(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return start.AddDate(0, 0, n) }
	var a Account
	for _, e := range []Event{
		ProgramJoined{JoinedAt: start},
		PointsEarned{Lot: Lot{LotID: "a", Points: 10, AvailableAt: start, ExpiresAt: new(day(5))}, PlacedOn: domain.DateOf(start, time.UTC), BookedAt: start},
		PointsEarned{Lot: Lot{LotID: "b", Points: 7, AvailableAt: day(2), ExpiresAt: new(day(9))}, PlacedOn: domain.DateOf(start, time.UTC), BookedAt: start},
		PointsHeld{HoldID: "h", Points: 4, From: []Portion{{"a", 4}}, HeldAt: start, ExpiresAt: new(day(1))},
	} {
		a.Fold(Record{Event: e})
	}
	want := []Event{
		HoldReleased{HoldID: "h", Points: 4, Returned: []Portion{{"a", 4}}, Cause: ReleaseExpired, ReleasedAt: day(1)},
		PointsActivated{LotID: "b", Points: 7, ActivatedAt: day(2)},
		PointsExpired{LotID: "a", Points: 10, ExpiredAt: day(5)},
	}
	if diff := cmp.Diff(want, a.Due(day(8), time.UTC, nil)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if due := a.Due(start, time.UTC, nil); len(due) != 0 {
		t.Errorf("at once: %v", due)
	}
	after := a.At(day(8), time.UTC, nil)
	for _, e := range want {
		a.Fold(Record{Event: e})
	}
	if diff := cmp.Diff(after, a); diff != "" {
		t.Errorf("booked (-want +got):\n%s", diff)
	}
}

// A past may know of a hold and not of the lot. What it does not know is not held.
func TestAHoldOfAnUnknownLotEnds(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var a Account
	a.Fold(Record{Event: PointsHeld{HoldID: "h", Points: 4, From: []Portion{{"a", 4}}, HeldAt: at, ExpiresAt: new(at.Add(time.Hour))}})
	if b := a.Balance(); b != (Balance{}) {
		t.Errorf("%+v", b)
	}
	if is := a.At(at.Add(time.Hour), time.UTC, nil); len(is.Holds) != 0 {
		t.Errorf("%+v", is.Holds)
	}
}
