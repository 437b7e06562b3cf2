package readapi_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/readapi"
)

func TestTheAccountOfAMember(t *testing.T) {
	c := metalClub(t)
	var a readapi.CustomerLoyalty
	c.get("/v1/customers/" + someone(3).String() + "/loyalty").status(200).json(&a)
	worth := func(minor int64) *domain.Money { return &domain.Money{AmountMinor: minor, Currency: "EUR"} }
	lot := customer.Lot{
		LotID: "order:o1:base", Points: 50, EarnedAt: tenIn(clubOpened + 31), AvailableAt: tenIn(clubOpened + 31), ExpiresAt: new(domain.NewDate(2027, 2, 1).Start(c.zone).UTC()),
		Source: customer.LotSource{Kind: customer.LotOrder, Ref: "o1", Rule: "base"},
	}
	end := domain.NewDate(2026, 3, 3).Start(c.zone).UTC()
	want := readapi.CustomerLoyalty{
		CustomerID: someone(3), At: new(c.now().UTC()), Member: true, MemberSince: &lot.EarnedAt, Balance: customer.Balance{Spendable: 30, Held: 20}, Value: worth(29),
		Program: &readapi.ProgramShown{Name: "a point a euro", Version: 1, From: policy.Always, Redemption: customer.Rate{Points: 100, ValueMinor: 99}, Currency: "EUR"},
		Lots: []readapi.LotShown{{OpenLot: customer.OpenLot{Lot: lot, Remaining: 30}, State: "open", Value: worth(29),
			Because: "Order o1, rule base: 50 points on 2026-02-01. They lapse on 2027-02-01, 12 months after 2026-02-01."}},
		Holds: []customer.Hold{{HoldID: "h1", Points: 20, From: []customer.HeldLot{{Points: 20, Lot: lot}}, HeldAt: c.now().UTC(), ExpiresAt: &end}},
		Next: []readapi.DueShown{
			{At: end, On: domain.NewDate(2026, 3, 3), What: "hold_ends", Points: 20, HoldID: "h1"},
			{At: *lot.ExpiresAt, On: domain.NewDate(2027, 2, 1), What: "points_lapse", Points: 30, LotID: lot.LotID},
		},
		Sums: customer.Sums{Earned: 50}, Proposals: []customer.Proposal{}, LastActiveAt: &lot.EarnedAt,
		Tier: &readapi.TierShown{
			Level: "member", Name: "Member", Since: lot.EarnedAt, PolicyVersion: 1,
			Progress: readapi.TierProgress{
				Measure: tier.Points, Qualifying: 50, From: clubOpened, To: domain.NewDate(2026, 3, 2), Next: &metals.Levels[1], Missing: 50,
				By: new(domain.NewDate(2026, 12, 31)), Because: "50 points qualified from 2026-01-01 to 2026-03-02. Silver begins at 100 points: 50 points are missing.",
			},
		},
		Policies: []domain.PolicyRef{{Kind: policy.KindLoyalty, Version: 1}, {Kind: policy.KindTier, Version: 1}},
		Stamp:    readapi.Stamp{Position: c.position, AsOf: new(domain.NewDate(2026, 3, 1))},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for of, check := range map[uint64]func(a readapi.CustomerLoyalty) bool{
		5: func(a readapi.CustomerLoyalty) bool {
			return a.Erased && !a.Member && a.MemberSince != nil && a.Tier == nil
		},
		6: func(a readapi.CustomerLoyalty) bool { return a.LeftAt != nil && !a.Member && a.Sums.Forfeited == 70 },
		8: func(a readapi.CustomerLoyalty) bool {
			return !a.Member && a.MemberSince == nil && a.Balance == (customer.Balance{}) && len(a.Lots)+len(a.Next) == 0
		},
	} {
		var a readapi.CustomerLoyalty
		c.get("/v1/customers/" + someone(of).String() + "/loyalty").status(200).json(&a)
		if !check(a) {
			t.Errorf("%d: %+v", of, a)
		}
	}
	var shown readapi.CustomerAnswer
	c.get("/v1/customers/" + someone(2).String()).status(200).json(&shown)
	if diff := cmp.Diff(&readapi.Membership{Member: true, MemberSince: tenIn(clubOpened + 4), Spendable: 490, Tier: "gold"}, shown.Loyalty); diff != "" {
		t.Error(diff)
	}
	// In 2029 all has lapsed, and gold is gone: what was booked of it is none.
	c.get("/v1/customers/" + someone(2).String() + "?as_of=2029-03-01").status(200).json(&shown)
	if diff := cmp.Diff(&readapi.Membership{Member: true, MemberSince: tenIn(clubOpened + 4), Tier: "member"}, shown.Loyalty); diff != "" {
		t.Error(diff)
	}
	var export, replay struct{ Loyalty json.RawMessage }
	c.get("/v1/customers/" + someone(2).String() + "/export").status(200).json(&export)
	steps := bytes.Split(bytes.TrimSpace(c.get("/v1/customers/"+someone(2).String()+"/replay", "Accept", "application/x-ndjson").status(200).Body.Bytes()), []byte("\n"))
	if err := json.Unmarshal(steps[len(steps)-1], &replay); err != nil || !bytes.Contains(export.Loyalty, []byte(`"lot_id":"order:o2:base"`)) || !bytes.Equal(export.Loyalty, replay.Loyalty) {
		t.Errorf("exported %s, replayed %s", export.Loyalty, replay.Loyalty)
	}
	// A ladder that nobody knew of then is none.
	c.get("/v1/customers/" + someone(2).String() + "/tier?known_at=2000-01-01T00:00:00Z").status(404)
}

// Why did I lose gold?
func TestTheTierOfAMember(t *testing.T) {
	c := metalClub(t)
	of := someone(2)
	path := "/v1/customers/" + of.String() + "/tier"
	told := func(query string) (readapi.CustomerTier, []string) {
		var a readapi.CustomerTier
		c.get(path + query).status(200).json(&a)
		var list []string
		for _, x := range a.Changes {
			booked := map[bool]string{true: "", false: " (not booked)"}[x.Booked]
			list = append(list, x.Kind+" "+x.From+" "+x.To+booked+": "+x.Because)
		}
		return a, list
	}
	up := "upgraded member gold: Up from member to gold: the order o2 was paid. 640 points qualified from 2026-01-01 to 2026-02-01. gold begins at 500 points by version 1 of the ladder. It is valid until 2027-01-01, exclusive."
	a, list := told("")
	if diff := cmp.Diff([]string{up}, list); diff != "" || a.Tier.Level != "gold" || a.Tier.AtEnd.Kind != "retained" || a.Tier.AtEnd.Level != "gold" {
		t.Errorf("%+v\n%s", a.Tier, diff)
	}
	if want := "gold is kept: the validity of gold ends on 2027-01-01. 640 points qualified from 2026-01-01 to 2026-12-31. gold begins at 500 points by version 1 of the ladder. It is valid until 2028-01-01, exclusive."; a.Tier.AtEnd.Because != want {
		t.Error(a.Tier.AtEnd.Because)
	}
	if p := a.Tier.Progress; p.Next != nil || p.Missing != 0 || p.Because != "640 points qualified from 2026-01-01 to 2026-03-02. There is no higher level." {
		t.Errorf("%+v", p)
	}

	// Two years later, which nothing has booked.
	c.close(domain.NewDate(2028, time.January, 4))
	c.project()
	lost := []string{
		up,
		"retained gold gold (not booked): gold is kept: the validity of gold ended on 2027-01-01. 640 points qualified from 2026-01-01 to 2026-12-31. gold begins at 500 points by version 1 of the ladder. It is valid until 2028-01-01, exclusive.",
		"downgraded gold silver (not booked): Down from gold to silver: the validity of gold ended on 2028-01-01. 0 points qualified from 2027-01-01 to 2027-12-31. gold begins at 500 points by version 1 of the ladder. " +
			"The ladder goes down by one level at a time. It is valid until 2029-01-01, exclusive.",
	}
	a, list = told("")
	if diff := cmp.Diff(lost, list); diff != "" || a.Tier.Level != "silver" || a.Tier.Since != domain.NewDate(2028, 1, 1).Start(c.zone).UTC() {
		t.Errorf("%+v\n%s", a.Tier, diff)
	}
	if end := a.Tier.AtEnd; end.On != domain.NewDate(2029, 1, 1) || end.Kind != "downgraded" || end.Level != "member" || end.Missing != 100 {
		t.Errorf("%+v", end)
	}
	c.settle(of)
	c.project()
	_, list = told("")
	for i := range lost {
		lost[i] = strings.ReplaceAll(lost[i], " (not booked)", "")
	}
	if diff := cmp.Diff(lost, list); diff != "" {
		t.Error(diff)
	}
	if a, list := told("?as_of=2027-06-01"); len(list) != 2 || a.Tier.Level != "gold" || a.Then == nil {
		t.Errorf("%+v", a)
	}
	if a, _ := told("?as_of=2026-01-20"); a.Tier.Level != "member" || a.Tier.Progress.Missing != 60 || a.Tier.AtEnd != nil {
		t.Errorf("%+v", a)
	}
}

// A ladder that counts spend of the last months, by which a refund takes a level away
// at once, and one that somebody gives by hand.
func TestATierBySpend(t *testing.T) {
	c := newClub(t)
	c.programme(aPoint(), tier.Policy{
		Name: "spend", Measure: tier.Spend, Window: tier.Window{Kind: tier.Rolling, Months: 6}, Validity: tier.Validity{Kind: tier.Unlimited}, Downgrade: tier.ToBalance,
		Levels: []tier.Level{{ID: "blue", Name: "Blue"}, {ID: "red", Name: "Red", From: 10000}, {ID: "black", Name: "Black", From: 50000}},
	})
	of := someone(1)
	c.joins(of, "")
	c.close(clubOpened)
	c.buys(of, "o1", clubOpened+1, 40)
	c.close(clubOpened + 30)
	c.buys(of, "o2", clubOpened+31, 90)
	c.project()
	var a readapi.CustomerTier
	path := "/v1/customers/" + of.String() + "/tier"
	c.get(path).status(200).json(&a)
	p := a.Tier.Progress
	if a.Tier.Level != "red" || a.Tier.AtEnd != nil || p.Missing != 37000 || *p.By != domain.NewDate(2026, 7, 1) ||
		p.Because != "130.00 EUR qualified from 2025-08-02 to 2026-02-01. Black begins at 500.00 EUR: 370.00 EUR are missing." {
		t.Errorf("%+v", a.Tier)
	}
	c.do(of, &customer.RecordRefund{RefundID: "b1", OrderID: "o2", Amount: domain.Money{AmountMinor: 9000, Currency: "EUR"}})
	c.fact(of, customer.TierOverridden{From: "blue", To: "black", Until: domain.NewDate(2026, 3, 1).Start(c.zone), Reason: "a friend", OverriddenBy: domain.Actor{Kind: "user", ID: "ann"}, PolicyVersion: 1, OverriddenAt: c.now()})
	c.project()
	a = readapi.CustomerTier{}
	c.get(path).status(200).json(&a)
	var because []string
	for _, x := range a.Changes[1:] {
		because = append(because, x.Because)
	}
	want := []string{
		"Down from red to blue: money of the order o2 went back with the refund b1. 40.00 EUR qualified from 2025-08-02 to 2026-02-01. red begins at 100.00 EUR by version 1 of the ladder.",
		"black was given by hand. It is valid until 2026-03-01, exclusive.",
	}
	if diff := cmp.Diff(want, because); diff != "" || a.Tier.Level != "black" || a.Tier.Override == nil || a.Tier.AtEnd.Level != "blue" || a.Tier.AtEnd.Kind != "downgraded" {
		t.Errorf("%+v\n%s", a.Tier, diff)
	}
	if body := c.get(path).Body.String(); strings.Contains(body, "friend") {
		t.Error("what was said of it stands in the history only")
	}
	// Who comes back begins anew.
	c.do(of, &customer.LeaveProgram{})
	c.do(of, &customer.EnrolInProgram{})
	c.project()
	a = readapi.CustomerTier{}
	c.get(path).status(200).json(&a)
	if p := a.Tier.Progress; a.Tier.Level != "blue" || p.Because != "0.00 EUR qualified from 2026-02-01 to 2026-02-01. Red begins at 100.00 EUR: 100.00 EUR are missing." || p.By != nil {
		t.Errorf("%+v", a.Tier)
	}
	// Without a ladder there is no tier.
	bare := newClub(t)
	bare.publish(policy.Published{Kind: policy.KindLoyalty, Loyalty: aPoint()}, policy.Always)
	bare.joins(of, "")
	bare.close(clubOpened)
	bare.buys(of, "o1", clubOpened+1, 40)
	bare.project()
	a = readapi.CustomerTier{}
	bare.get(path).status(200).json(&a)
	if a.Tier != nil || len(a.Changes) != 0 || !a.Member {
		t.Errorf("%+v", a)
	}
}

// Every kind of movement, in words.
func TestEveryMovementIsToldInWords(t *testing.T) {
	c := newClub(t)
	c.programme(aPoint(), metals)
	of, other := someone(1), someone(2)
	c.joins(of, "")
	c.close(domain.NewDate(2026, 3, 5))
	ann, bob := domain.Actor{Kind: "user", ID: "ann"}, domain.Actor{Kind: "user", ID: "bob"}
	start := c.now().UTC()
	at := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
	end := domain.NewDate(2026, 4, 1).Start(c.zone).UTC()
	lot := func(id string, points int64, kind, ref string, expires *time.Time) customer.Lot {
		return customer.Lot{LotID: id, Points: points, EarnedAt: start, AvailableAt: start, ExpiresAt: expires, Source: customer.LotSource{Kind: kind, Ref: ref}}
	}
	on := domain.NewDate(2026, 3, 6)
	inactive := programme.Expiry{Kind: programme.Inactivity, Months: 3}
	from := func(lot string, points int64) []customer.Portion {
		return []customer.Portion{{LotID: lot, Points: points}}
	}
	value := domain.Money{AmountMinor: 20, Currency: "EUR"}
	rate := customer.Rate{Points: 100, ValueMinor: 99}
	cancelled := customer.ReversalCause{Type: customer.ReversalCancelled, OrderID: "o9"}
	source := customer.LotSource{Kind: customer.LotOrder, Ref: "o9", Rule: "base"}
	transfer := uuid.UUID{15: 7}
	activity := lot("review", 5, customer.LotActivity, "review", nil)
	activity.Source.Rule = "review"
	grace := lot("grace:r:a", 4, customer.LotBonus, "a", new(end.AddDate(0, 1, 0)))
	events := []customer.Event{
		customer.ProgramJoined{Trigger: customer.TriggerRequest, JoinedAt: start},
		customer.PointsGranted{Lot: lot("a", 100, customer.LotBonus, "a", &end), Expiry: inactive, PlacedOn: on, Reason: "welcome", GrantedBy: ann, ApprovedBy: &bob, GrantedAt: at(0)},
		customer.PointsEarned{Lot: activity, Inputs: programme.Inputs{Quantity: 1, Points: 5, Rounding: programme.HalfEven}, PlacedOn: on, PolicyVersion: 1, BookedAt: at(1)},
		customer.ExpiryExtended{Lots: []string{"a"}, To: end.AddDate(0, 0, 1), Reason: "sorry", ExtendedAt: at(2)},
		customer.PointsHeld{HoldID: "h", Points: 30, From: from("a", 30), HeldAt: at(3)},
		customer.HoldCaptured{HoldID: "h", RedemptionID: "r", Points: 20, From: from("a", 20), Value: value, Rate: rate, Reward: "mug", OrderID: "o9", PolicyVersion: 1, CapturedAt: at(4)},
		customer.HoldReleased{HoldID: "h", Points: 10, Returned: from("a", 10), Cause: customer.ReleaseCaptured, ReleasedAt: at(4)},
		customer.EarnReversalDeclined{Source: source, LotID: "x", Points: 3, Cause: cancelled, PolicyVersion: 1, DeclinedAt: at(5)},
		customer.PointsAdjusted{AdjustmentID: "down", Points: -100, From: append(from("a", 80), from("review", 5)...), Deficit: 15, Reason: "wrong", ProposedBy: ann, ApprovedBy: bob, AdjustedAt: at(6)},
		customer.PointsAdjusted{
			AdjustmentID: "up", Points: 60, Lot: new(lot("up", 60, customer.LotAdjustment, "up", nil)), Expiry: new(programme.Expiry{Kind: programme.Never}),
			DeficitPaid: 15, ProposedBy: ann, ApprovedBy: bob, AdjustedAt: at(7),
		},
		customer.PointsHeld{HoldID: "t", Points: 10, From: from("up", 10), Transfer: transfer, HeldAt: at(8)},
		customer.PointsTransferredOut{TransferID: transfer, HoldID: "t", To: other, Points: 10, From: from("up", 10), TransferredAt: at(9)},
		customer.PointsTransferredIn{TransferID: transfer, From: other, Points: 8, Lots: []customer.Lot{lot("in", 8, customer.LotTransfer, "t2", &end)}, Of: []string{"z"}, TransferredAt: at(10)},
		customer.PointsEarned{Lot: lot("coupon", 7, customer.LotCoupon, "k:1/o9", nil), Inputs: programme.Inputs{Quantity: 1, Points: 7, Rounding: programme.Floor}, PlacedOn: on, PolicyVersion: 1, BookedAt: at(10)},
		customer.PointsEarnReversed{
			Source: customer.LotSource{Kind: customer.LotCoupon, Ref: "k:1/o9"}, LotID: "coupon", Points: 5, Kept: 2, From: from("coupon", 5), PlacedOn: on,
			Cause: customer.ReversalCause{Type: customer.ReversalRequested}, PolicyVersion: 1, ReversedAt: at(10),
		},
		customer.PointsEarnReversed{
			Source: customer.LotSource{Kind: customer.LotCoupon, Ref: "k:1/o9"}, LotID: "coupon", Points: 2, From: from("coupon", 2), PlacedOn: on, Remaining: "0",
			Cause: cancelled, PolicyVersion: 1, ReversedAt: at(10),
		},
		customer.PointsHeld{HoldID: "l", Points: 8, From: from("in", 8), HeldAt: at(11), ExpiresAt: new(end.Add(time.Hour))},
		customer.HoldReleased{HoldID: "l", Points: 8, Lapsed: from("in", 8), Cause: customer.ReleaseExpired, ReleasedAt: end.Add(time.Hour)},
		customer.RedemptionReversed{
			RedemptionID: "r", Points: 10, Restored: []customer.Restored{{LotID: "a", Points: 4, Lot: grace, Grace: true}}, Lapsed: from("a", 6), Cause: cancelled, Reason: "late",
			PolicyVersion: 1, ReversedAt: end.Add(2 * time.Hour),
		},
		customer.PointsForfeited{Points: 39, From: append(from("up", 35), from("grace:r:a", 4)...), Cause: customer.ForfeitLeft, ForfeitedAt: end.Add(3 * time.Hour)},
		customer.ProgramLeft{LeftAt: end.Add(3 * time.Hour)},
	}
	for _, e := range events {
		c.fact(of, e)
	}
	c.project()
	_, entries := c.ledger(of, "", "500")
	want := []string{
		"granted 100: 100 points granted by user ann, approved by user bob: bonus a. They lapse on 2026-04-01, or 3 months after the customer last earned or redeemed, if that is later.",
		"earned 5: 5 points: 5 for the activity. Activity review, rule review, on 2026-03-06, by version 1 of the programme. They never lapse.",
		"extended 0: 1 lot lapses on 2026-04-02 only.",
		"held 0: 30 points set aside as h, until they are released.",
		"captured -20: 20 points of the hold h spent: redemption r, for the order o9, on the reward mug, by version 1 of the programme.",
		"released 0: 10 points of the hold h released: they are the rest of what was spent in part.",
		"declined 0: 3 points are not taken back, though the order o9 was cancelled: version 1 of the programme takes back only what cannot be spent yet.",
		"adjusted -100: 100 points taken by the adjustment down, proposed by user ann and approved by user bob. 15 points were not there and are owed.",
		"adjusted 60: 60 points added by the adjustment up, proposed by user ann and approved by user bob. They never lapse. 15 points of it paid what was owed.",
		"held 0: 10 points set aside as t, until they are released.",
		"transferred_out -10: 10 points went to the customer " + other.String() + ".",
		"transferred_in 8: 8 points came from the customer " + other.String() + "; they lapse when they would have there.",
		"earned 7: 7 points: 7 for the coupon. Coupon k/1 with the order o9, on 2026-03-06, by version 1 of the programme. They never lapse.",
		"taken_back -5: 5 points of lot coupon taken back by hand. Of what it gave, 2 stay.",
		"taken_back -2: 2 points of lot coupon taken back: the order o9 was cancelled. Of what it gave, 0 stay.",
		"held 0: 8 points set aside as l, until 2026-04-01 01:00.",
		"released -8: 8 points of the hold l released: its time was over. 8 points lapsed: the end of their lots came while they were held.",
		"restored 4: 10 points of the redemption r come back: the order o9 was cancelled. 6 points did not come back: their lots have lapsed meanwhile.",
		"forfeited -39: 39 points lost: the customer left the programme.",
	}
	var got []string
	for _, x := range entries {
		got = append(got, x.Kind+" "+strconv.FormatInt(x.Points, 10)+": "+x.Because)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if inOrder(t, entries) != (customer.Balance{}) {
		t.Error("something is left")
	}
	c.holdsTogether(of, "", "")
	var lots readapi.CustomerLots
	c.get("/v1/customers/" + of.String() + "/lots").status(200).json(&lots)
	states := map[string]string{}
	for _, l := range lots.Lots {
		states[l.LotID] = l.State
	}
	if diff := cmp.Diff(map[string]string{"a": "adjusted", "review": "adjusted", "coupon": "taken_back", "up": "forfeited", "in": "lapsed", "grace:r:a": "forfeited"}, states); diff != "" {
		t.Error(diff)
	}
	c.get("/v1/customers/" + of.String() + "/lots?state=lapsed").status(200).json(&lots)
	if len(lots.Lots) != 1 || lots.Lots[0].LotID != "in" || lots.Lots[0].Lapsed != 8 || len(lots.Lots[0].Movements) != 3 {
		t.Errorf("%+v", lots.Lots)
	}
	if x := entries[11]; x.TransferID != transfer || x.OtherCustomer != other {
		t.Errorf("%+v", x)
	}
	if x := entries[0]; x.Reason != "welcome" {
		t.Errorf("%+v", x)
	}
}
