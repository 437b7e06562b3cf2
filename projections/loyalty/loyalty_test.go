package loyalty

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/projections"
)

var (
	ann = domain.Actor{Kind: "user", ID: "ann"}
	// In Berlin it is the 11th already.
	joined = time.Date(2026, 1, 10, 23, 30, 0, 0, time.UTC)
)

func id(n int) uuid.UUID { return uuid.UUID{15: byte(n)} }

func events(data ...any) []projections.Event {
	var es []projections.Event
	for i, d := range data {
		e := projections.Event{ID: id(i + 1), Data: d, Revision: uint64(i)}
		e.Meta.Actor = ann
		es = append(es, e)
	}
	return es
}

// berlin is a world whose days begin an hour or two before those of UTC.
var berlin = &projections.World{Zone: "Europe/Berlin"}

// day returns the beginning of a day in Berlin in winter.
func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d-1, 23, 0, 0, 0, time.UTC)
}

func end(year int, month time.Month, d int) *time.Time { return new(day(year, month, d)) }

func lot(lotID string, points int64, available time.Time, expires *time.Time) customer.Lot {
	return customer.Lot{
		LotID: lotID, Points: points, EarnedAt: joined, AvailableAt: available, ExpiresAt: expires,
		Source: customer.LotSource{Kind: customer.LotOrder, Ref: lotID, Rule: "base"},
	}
}

func earned(l customer.Lot, at time.Time) customer.PointsEarned {
	return customer.PointsEarned{Lot: l, PlacedOn: domain.NewDate(2026, 1, 11), BookedAt: at, PolicyVersion: 1}
}

var (
	evaluation = customer.Evaluation{Measure: tier.Points, Qualifying: 700, From: domain.NewDate(2025, 1, 12), To: domain.NewDate(2026, 1, 11), PolicyVersion: 3}
	cause      = customer.TierCause{Type: customer.TierOrder, OrderID: "a"}

	// life is a member who has everything.
	life = []any{
		customer.ProgramJoined{Trigger: customer.TriggerRequest, JoinedAt: joined},
		customer.OrderPaid{OrderID: "a", PaidAt: joined, Qualifying: &customer.Qualifying{On: domain.NewDate(2026, 1, 11), SpendMinor: 700, Orders: 1}},
		earned(lot("a", 300, joined, end(2027, 1, 11)), joined),
		earned(lot("b", 200, joined, end(2027, 1, 11)), joined.Add(time.Hour)),
		earned(lot("c", 150, day(2026, 1, 25), end(2027, 2, 1)), joined.Add(time.Hour)),
		earned(lot("d", 50, joined, nil), joined.Add(time.Hour)),
		customer.TierUpgraded{From: "member", To: "silver", ValidUntil: end(2027, 1, 11), Evaluation: evaluation, Cause: cause, ChangedAt: joined.Add(time.Hour)},
		customer.PointsHeld{HoldID: "h", Points: 40, From: []customer.Portion{{LotID: "a", Points: 40}}, HeldAt: joined.Add(2 * time.Hour), ExpiresAt: new(joined.Add(26 * time.Hour))},
		customer.PointsRedeemed{RedemptionID: "r", Points: 100, From: []customer.Portion{{LotID: "a", Points: 100}}, RedeemedAt: joined.Add(50 * time.Hour)},
		customer.TierOverridden{From: "silver", To: "gold", Until: day(2026, 6, 1), Reason: "secret", OverriddenBy: ann, PolicyVersion: 3, OverriddenAt: joined.Add(51 * time.Hour)},
	}
)

func document(t *testing.T, data ...any) Document {
	t.Helper()
	d, ok := New().Of(events(data...)...)
	if !ok {
		t.Fatal("there is no document")
	}
	return d
}

func places(d *Document, w *projections.World) map[string][]string {
	all := map[string][]string{}
	for _, p := range New().Indexes(d, w) {
		if strings.Contains(p.Key, "\x00") || slices.Contains(all[p.Index], p.Key) {
			panic(p.Key)
		}
		all[p.Index] = append(all[p.Index], p.Key)
	}
	return all
}

func totals(d *Document, w *projections.World) map[string]int64 {
	all := map[string]int64{}
	for _, m := range New().Metrics(d, w) {
		if _, twice := all[m.Name]; twice || m.Value == 0 {
			panic(m.Name)
		}
		all[m.Name] = m.Value
	}
	return all
}

func TestWhereAMemberStands(t *testing.T) {
	d := document(t, life...)
	want := map[string][]string{
		IndexAll:         {""},
		IndexDue:         {"2026-01-12"}, // the hold ends within that day
		IndexMembers:     {"2026-01-10T23:30:00.000000000Z"},
		IndexJoined:      {"01-11"},
		IndexTier:        {"gold|0000000000000000410"},
		IndexSpendable:   {"0000000000000000410"},
		IndexEarned:      {"0000000000000000700"},
		IndexActivity:    {"2026-01-13"},
		IndexExpiring:    {"2027-01-11|360", "2027-02-01|150"},
		IndexTierChanges: {"2026-01-11T00:30:00.000000000Z|upgraded|member|silver|order|0", "2026-01-13T02:30:00.000000000Z|overridden|silver|gold||1"},
	}
	if diff := cmp.Diff(want, places(&d, berlin)); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	sums := map[string]int64{
		MetricAccounts: 1, MetricMembers: 1, "tier:gold": 1, "outstanding:2027-01-11": 360, "outstanding:never": 50, "pending:2026-01-25:2027-02-01": 150,
		MetricHeld: 40, MetricEarned: 700, MetricRedeemed: 100,
	}
	if diff := cmp.Diff(sums, totals(&d, berlin)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	changes := []TierChange{
		{
			Kind: TierUpgraded, From: "member", To: "silver", At: joined.Add(time.Hour), ValidUntil: end(2027, 1, 11),
			Evaluation: &evaluation, Cause: &cause, EventID: id(7), Actor: ann, PolicyVersion: 3,
		},
		{Kind: TierOverridden, From: "silver", To: "gold", At: joined.Add(51 * time.Hour), ValidUntil: end(2026, 6, 1), EventID: id(10), Actor: ann, PolicyVersion: 3},
	}
	if diff := cmp.Diff(changes, d.TierChanges); diff != "" {
		t.Errorf("tier changes (-want +got):\n%s", diff)
	}
}

// What is due follows from the account, and from nothing that changes from day to day.
func TestWhatIsDue(t *testing.T) {
	member := life[0]
	for _, tc := range []struct {
		name string
		with []any
		want string
	}{
		{"nothing", []any{member}, ""},
		{"points that never lapse", []any{member, earned(lot("a", 5, joined, nil), joined)}, ""},
		{"points that lapse", []any{member, earned(lot("a", 5, joined, end(2027, 1, 11)), joined)}, "2027-01-11"},
		{"points that become spendable", []any{member, earned(lot("a", 5, day(2026, 2, 1), end(2027, 1, 11)), joined)}, "2026-02-01"},
		{"points that were spent", []any{
			member, earned(lot("a", 5, joined, end(2027, 1, 11)), joined),
			customer.PointsRedeemed{RedemptionID: "r", Points: 5, From: []customer.Portion{{LotID: "a", Points: 5}}, RedeemedAt: joined},
		}, ""},
		{"a level that ends", []any{member, customer.TierUpgraded{From: "member", To: "silver", ValidUntil: end(2026, 12, 1), ChangedAt: joined}}, "2026-12-01"},
		{"a level for good", []any{member, customer.TierUpgraded{From: "member", To: "silver", ChangedAt: joined}}, ""},
		{"a level of somebody who left", []any{
			member, customer.TierUpgraded{From: "member", To: "silver", ValidUntil: end(2026, 12, 1), ChangedAt: joined}, customer.ProgramLeft{LeftAt: joined},
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := document(t, tc.with...)
			if got := strings.Join(places(&d, berlin)[IndexDue], " "); got != tc.want {
				t.Errorf("due %q, want %q", got, tc.want)
			}
		})
	}
}

// Who left is no member, but what they owe and what was booked stays in the totals.
func TestWhoLeft(t *testing.T) {
	d := document(t, life[0], earned(lot("a", 5, joined, nil), joined),
		customer.PointsForfeited{Points: 5, From: []customer.Portion{{LotID: "a", Points: 5}}, Cause: customer.ForfeitLeft, ForfeitedAt: joined},
		customer.ProgramLeft{LeftAt: joined},
		customer.PointsEarnReversed{LotID: "a", Points: 5, Deficit: 5, Source: customer.LotSource{Kind: customer.LotOrder, Ref: "a"}, PlacedOn: domain.NewDate(2026, 1, 11), ReversedAt: joined})
	if diff := cmp.Diff(map[string][]string{IndexAll: {""}}, places(&d, berlin)); diff != "" {
		t.Errorf("places of who left (-want +got):\n%s", diff)
	}
	want := map[string]int64{MetricAccounts: 1, MetricEarned: 5, MetricForfeited: 5, MetricReversed: 5, MetricDeficit: 5}
	if diff := cmp.Diff(want, totals(&d, berlin)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// Who never was a member has no document, whatever they order.
func TestWhoHasAnAccount(t *testing.T) {
	for _, data := range [][]any{
		{},
		{customer.Registered{Kind: customer.Person, RegisteredAt: joined}, customer.OrderPaid{OrderID: "a", PaidAt: joined}, customer.OrderCancelled{OrderID: "a"}},
		{customer.RefundRecorded{OrderID: "a"}, customer.PersonalDataErased{}},
		{customer.EarnReversalDeclined{Points: 5}},
	} {
		if d, ok := New().Of(events(data...)...); ok || len(places(&d, berlin))+len(totals(&d, berlin)) > 0 {
			t.Errorf("%+v has %+v", data, d)
		}
	}
}

// Points that lapse on one date stand there together, at whatever time of it.
func TestPointsOfADateStandTogether(t *testing.T) {
	d := document(t, life[0], earned(lot("a", 5, joined, end(2027, 1, 11)), joined), earned(lot("b", 7, joined, new(end(2027, 1, 11).Add(5*time.Hour))), joined),
		earned(lot("c", 1, joined, end(2027, 1, 12)), joined), earned(lot("d", 9, joined, nil), joined))
	if diff := cmp.Diff([]string{"2027-01-11|12", "2027-01-12|1"}, places(&d, berlin)[IndexExpiring]); diff != "" {
		t.Error(diff)
	}
}

// Documents are what encoding/json would have written, and mean the same when they
// are read again: the rest of a life comes to the same end.
func TestDocumentsAreStoredAsTheyAre(t *testing.T) {
	v := New()
	all := events(append(slices.Clone(life), customer.ProgramLeft{Reason: "secret", LeftAt: joined.Add(60 * time.Hour)}, customer.PersonalDataErased{})...)
	var straight, stored Document
	for n, e := range all {
		if !v.Fold(&straight, e) || !v.Fold(&stored, e) {
			t.Fatalf("event %d changes nothing", n)
		}
		want, err := json.Marshal(&straight)
		if err != nil {
			t.Fatal(err)
		}
		got, err := goccy.Marshal(&stored)
		if err != nil || string(got) != string(want) {
			t.Fatalf("after event %d: %v\n%s\n%s", n, err, got, want)
		}
		if strings.Contains(string(got), "secret") {
			t.Fatalf("words are kept: %s", got)
		}
		stored = Document{}
		if err := goccy.Unmarshal(got, &stored); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(totals(&straight, berlin), totals(&stored, berlin)); diff != "" {
			t.Fatal(diff)
		}
	}
	if !straight.Erased || straight.Joined {
		t.Errorf("%+v", straight)
	}
}

func TestKeysAreReadAsTheyWereWritten(t *testing.T) {
	d := document(t, life...)
	for i, key := range places(&d, berlin)[IndexTierChanges] {
		c, n, err := ParseChange(key)
		if is := d.TierChanges[i]; err != nil || n != i || c.Kind != is.Kind || c.From != is.From || c.To != is.To || !c.At.Equal(is.At) || (c.Cause == nil) != (is.Cause == nil) {
			t.Errorf("%q reads %+v, %d, %v", key, c, n, err)
		}
	}
	on := domain.NewDate(2027, 1, 11)
	if got, points, err := ParseExpiring(ExpiringKey(on, 360)); got != on || points != 360 || err != nil {
		t.Error(got, points, err)
	}
	if got, err := ParsePoints(PointsKey(410)); got != 410 || err != nil {
		t.Error(got, err)
	}
	from := domain.NewDate(2026, 1, 25)
	for _, tc := range []struct {
		name               string
		available, expires *domain.Date
		ok                 bool
	}{
		{"outstanding:2027-01-11", nil, &on, true}, {"outstanding:never", nil, nil, true},
		{"pending:2026-01-25:2027-01-11", &from, &on, true}, {"pending:2026-01-25:never", &from, nil, true}, {"held", nil, nil, false},
	} {
		available, expires, ok, err := ParseLot(tc.name)
		if diff := cmp.Diff([]*domain.Date{tc.available, tc.expires}, []*domain.Date{available, expires}); diff != "" || ok != tc.ok || err != nil {
			t.Errorf("%s: %v %v\n%s", tc.name, ok, err, diff)
		}
	}
	for _, bad := range []string{"", "x", "2026-01-11T00:30:00.000000000Z|upgraded|a|b||x", "x|upgraded|a|b||0"} {
		if _, _, err := ParseChange(bad); err == nil {
			t.Errorf("%q is a change", bad)
		}
		if _, _, err := ParseExpiring(bad); err == nil {
			t.Errorf("%q is a date and points", bad)
		}
	}
	for _, bad := range []string{"outstanding:", "pending:2026-01-25", "pending:x:never"} {
		if _, _, _, err := ParseLot(bad); err == nil {
			t.Errorf("%q is a total of lots", bad)
		}
	}
}
