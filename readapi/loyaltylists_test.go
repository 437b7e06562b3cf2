package readapi_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/readapi"
)

func euros(minor int64) *domain.Money { return &domain.Money{AmountMinor: minor, Currency: "EUR"} }

func worth(points int64) readapi.Worth {
	return readapi.Worth{Points: points, Value: euros(points * 99 / 100)}
}

// What is owed to the club: 1 has 120 that lapse on 5 January, and so has 2 those of
// the 40 that were not spent; the others lapse on 1 February, and the bonus on 2 March.
func TestLiability(t *testing.T) {
	s := metalClub(t)
	var got readapi.Liability
	s.get("/v1/loyalty/liability").status(200).json(&got)
	at := s.now().UTC()
	month := func(name string, points, before int64) readapi.ExpiryMonth {
		w := worth(points)
		w.Value.AmountMinor = (before+points)*99/100 - before*99/100
		return readapi.ExpiryMonth{Month: name, Spendable: points, Worth: w}
	}
	want := readapi.Liability{
		At: &at, PolicyVersion: 1, Accounts: 7, Members: 5,
		Outstanding: worth(670), Spendable: worth(650), Pending: worth(0), Held: worth(20), Deficit: worth(30),
		ByMonth: []readapi.ExpiryMonth{month("2027-01", 120, 0), month("2027-02", 520, 120), month("2027-03", 10, 640)},
		ByTier: []readapi.TierMembers{
			{Tier: "member", Name: "Member", From: new(int64(0)), Members: 3}, {Tier: "silver", Name: "Silver", From: new(int64(100)), Members: 1},
			{Tier: "gold", Name: "Gold", From: new(int64(500)), Members: 1},
		},
		Totals: readapi.ProgrammeTotals{
			Earned: 993, Granted: 10, Restored: 50, Redeemed: 230, Reversed: 80, Forfeited: 103,
			Issued: 923, RedemptionRate: new("0.1950"), BreakageRate: new("0.1116"),
		},
		Stamp: got.Stamp,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	if got.Position != s.position || got.AsOf == nil || *got.AsOf != *s.world.Closed {
		t.Errorf("%+v", got.Stamp)
	}
	// On the evening of 1 February nobody had left or been erased.
	s.get("/v1/loyalty/liability?as_of=" + (clubOpened + 31).String()).status(200).json(&got)
	if got.Spendable.Points != 793 || got.Totals.Redeemed != 200 || got.Members != 6 || got.Then == nil || got.ByMonth[0].Points != 153 {
		t.Errorf("then: %+v", got)
	}
	// On 1 January 2027 gold and silver are kept for another year, and nothing has lapsed.
	s.get("/v1/loyalty/liability?as_of=2027-01-04").status(200).json(&got)
	if got.Spendable.Points != 670 || got.ByTier[2].Members != 1 || got.Totals.Expired != 0 {
		t.Errorf("before points lapse: %+v", got)
	}
	s.get("/v1/loyalty/liability?as_of=2027-01-05").status(200).json(&got)
	if got.Spendable.Points != 550 || got.Totals.Expired != 120 || got.ByMonth[0].Month != "2027-02" {
		t.Errorf("once points have lapsed: %+v", got)
	}
	for _, q := range []string{"?as_of=x", "?revision=1", "?source=till", "?known_at=soon"} {
		if p := s.get("/v1/loyalty/liability" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
}

// A company without a programme owes nothing, whatever the calendar.
func TestLiabilityWithoutAProgramme(t *testing.T) {
	s := newShop(t)
	s.register(someone(1), customer.Name{Given: "Ann"}, "web")
	s.project()
	var got readapi.Liability
	s.get("/v1/loyalty/liability").status(200).json(&got)
	want := readapi.Liability{ByMonth: []readapi.ExpiryMonth{}, ByTier: []readapi.TierMembers{}, Stamp: got.Stamp}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var tiers readapi.Tiers
	s.get("/v1/tiers").status(200).json(&tiers)
	if diff := gocmp.Diff(readapi.Tiers{Tiers: []readapi.TierMembers{}, Stamp: tiers.Stamp}, tiers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, path := range []string{"/v1/loyalty/expiring", "/v1/loyalty/members", "/v1/tiers/changes", "/v1/loyalty/export", "/v1/loyalty/export?source=till"} {
		s.get(path).status(200)
	}
}

func (s *shop) expiring(query string) (got readapi.ExpiringPoints, list []string) {
	s.t.Helper()
	s.get("/v1/loyalty/expiring" + query).status(200).json(&got)
	for _, c := range got.Customers {
		dates := make([]string, len(c.Dates))
		for i, d := range c.Dates {
			dates[i] = fmt.Sprintf("%s %d", d.On, d.Points)
		}
		list = append(list, fmt.Sprintf("%s loses %d (%s)", nameOf(c.CustomerID), c.Points, strings.Join(dates, ", ")))
	}
	return got, list
}

func TestWhoLosesPoints(t *testing.T) {
	s := metalClub(t)
	s.buys(someone(1), "o2", *s.world.Closed, 5)
	s.buys(someone(1), "o3", *s.world.Closed, 6)
	s.project()
	got, list := s.expiring("?days=364")
	if diff := gocmp.Diff([]string{
		"1 loses 131 (2027-01-05 120, 2027-03-01 11)", "3 loses 30 (2027-02-01 30)", "2 loses 490 (2027-02-01 490)",
	}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if today := *s.world.Closed + 1; got.From != today+1 || got.To != today+364 || !gocmp.Equal(got.Total, worth(651)) || got.NextCursor != "" {
		t.Errorf("%+v", got)
	}
	if ids := got.Customers[0].ExternalIDs; len(ids) != 1 || ids[0].ID != "b" {
		t.Errorf("%+v", ids)
	}
	if _, list := s.expiring(""); list != nil {
		t.Errorf("within thirty days: %v", list)
	}
	if got, list = s.expiring("?days=309"); len(list) != 1 || got.Total.Points != 120 || got.To != domain.NewDate(2027, 1, 5) {
		t.Errorf("%v, %+v", list, got.Total)
	}

	// Page by page they are the same, also when a day is closed meanwhile.
	var walked []string
	for query := "?days=365&limit=1"; ; {
		page, list := s.expiring(query)
		walked = append(walked, list...)
		if page.NextCursor == "" {
			break
		}
		if s.close(*s.world.Closed + 1); len(walked) == 1 {
			s.project()
		}
		query = "?days=365&limit=1&cursor=" + page.NextCursor
	}
	if diff := gocmp.Diff([]string{
		"1 loses 131 (2027-01-05 120, 2027-03-01 11)", "3 loses 50 (2027-02-01 50)", "2 loses 490 (2027-02-01 490)", "4 loses 10 (2027-03-02 10)",
	}, walked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// What has lapsed is not about to lapse, whether or not it is booked.
	s.close(domain.NewDate(2027, 1, 4))
	s.project()
	if got, list = s.expiring("?days=60"); !strings.HasPrefix(list[0], "3 loses") || got.Total.Points != 490+50+11+10 {
		t.Errorf("%v, %+v", list, got.Total)
	}
	// Nor is what was held until yesterday, which is not booked either, forgotten.
	s.do(someone(4), &customer.HoldPoints{HoldID: "h1", Points: 10})
	s.close(domain.NewDate(2027, 2, 15))
	s.project()
	if got, list = s.expiring("?days=30"); !gocmp.Equal(list, []string{"1 loses 11 (2027-03-01 11)", "4 loses 10 (2027-03-02 10)"}) || got.Total.Points != 21 {
		t.Errorf("%v, %+v", list, got.Total)
	}
	for _, q := range []string{"?days=0", "?days=3661", "?days=x", "?limit=0", "?cursor=x", "?as_of=2026-01-01"} {
		if p := s.get("/v1/loyalty/expiring" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
}

func (s *shop) members(query string) (got readapi.Members, list string) {
	s.t.Helper()
	s.get("/v1/loyalty/members" + query).status(200).json(&got)
	for _, m := range got.Members {
		list += nameOf(m.CustomerID)
	}
	return got, list
}

func TestMembersOfTheProgramme(t *testing.T) {
	s := metalClub(t)
	for q, want := range map[string]string{
		"": "21347", "?order=top": "21347", "?order=earned": "21734", "?order=recent": "74321", "?order=lapsed": "", "?tier=gold": "2", "?tier=wood": "",
		"?tier=member": "347", "?order=earned&tier=member": "734", "?order=lapsed&inactive_days=20": "12347", "?order=lapsed&inactive_days=29": "123",
		"?order=lapsed&inactive_days=29&tier=silver": "1", "?inactive_days=29": "213", "?order=lapsed&inactive_days=56": "1",
		"?order=recent&limit=2": "74",
	} {
		if _, list := s.members(q); list != want {
			t.Errorf("%s: %s, want %s", q, list, want)
		}
	}
	got, _ := s.members("?limit=1")
	want := readapi.Member{
		CustomerID: someone(2), ExternalIDs: got.Members[0].ExternalIDs, MemberSince: tenIn(clubOpened + 4), Tier: "gold",
		Balance: customer.Balance{Spendable: 490}, Value: euros(485), Earned: 640, Redeemed: 150, LastActiveOn: new(clubOpened + 31), InactiveDays: 29,
	}
	if diff := gocmp.Diff(want, got.Members[0]); diff != "" || len(want.ExternalIDs) != 1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	walked := ""
	for query := "?limit=2"; ; {
		page, list := s.members(query)
		if walked += list; page.NextCursor == "" {
			break
		}
		query = "?limit=2&cursor=" + page.NextCursor
	}
	if walked != "21347" {
		t.Errorf("page by page: %s", walked)
	}
	for _, q := range []string{"?order=last", "?inactive_days=0", "?inactive_days=x", "?limit=501", "?cursor=x", "?tears=1"} {
		if p := s.get("/v1/loyalty/members" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
	// In 2028 the year is over in which 1 and 2 had no orders: nobody booked that they fell.
	s.close(domain.NewDate(2027, 12, 31))
	s.project()
	for q, want := range map[string]string{"?tier=gold": "", "?tier=silver": "2", "?tier=member": "1347", "?order=lapsed&tier=silver": "2"} {
		if _, list := s.members(q); list != want {
			t.Errorf("in 2028, %s: %s, want %s", q, list, want)
		}
	}
}

func TestTheLadderAndItsMembers(t *testing.T) {
	s := metalClub(t)
	var tiers readapi.Tiers
	counts := func() string {
		s.get("/v1/tiers").status(200).json(&tiers)
		list := make([]string, len(tiers.Tiers))
		for i, l := range tiers.Tiers {
			list[i] = fmt.Sprintf("%s %d", l.Tier, l.Members)
		}
		return strings.Join(list, ", ")
	}
	if got := counts(); got != "member 3, silver 1, gold 1" || tiers.Name != "metals" || tiers.PolicyVersion != 1 || tiers.Measure != "points" || tiers.Members != 5 {
		t.Errorf("%s %+v", got, tiers)
	}

	changes := func(query string) (got readapi.TierChanges, list []string) {
		s.get("/v1/tiers/changes" + query).status(200).json(&got)
		for _, c := range got.Changes {
			list = append(list, fmt.Sprintf("%s %s from %s to %s", nameOf(c.CustomerID), c.Kind, c.From, c.To))
		}
		return got, list
	}
	rose := []string{"1 upgraded from member to silver", "2 upgraded from member to gold"}
	got, list := changes("")
	if diff := gocmp.Diff(rose, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c := got.Changes[1]; c.Evaluation == nil || c.Evaluation.Qualifying != 640 || c.Cause.OrderID != "o2" || c.PolicyVersion != 1 || c.EventID == (loyalty.TierChange{}).EventID {
		t.Errorf("%+v", c)
	}
	first, second := (clubOpened + 4).String(), (clubOpened + 31).String()
	for q, want := range map[string][]string{
		"?from=" + second: rose[1:], "?to=" + second: rose, "?to=" + first: rose[:1], "?from=" + second + "&to=" + second: rose[1:],
		"?from=" + (clubOpened + 32).String(): nil, "?kind=upgraded": rose, "?kind=downgraded": nil, "?cause=order": rose, "?cause=period_end": nil,
	} {
		if _, list := changes(q); !gocmp.Equal(want, list) {
			t.Errorf("%s: %v, want %v", q, list, want)
		}
	}
	page, list := changes("?limit=1")
	if _, rest := changes("?limit=1&cursor=" + page.NextCursor); !gocmp.Equal(append(list, rest...), rose) {
		t.Errorf("page by page: %v, %v", list, rest)
	}
	for _, q := range []string{"?kind=x", "?cause=x", "?from=x", "?from=2026-02-02&to=2026-02-01", "?tier=gold"} {
		if p := s.get("/v1/tiers/changes" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}

	// What time did shows in the counts at once, and among the changes when it is booked.
	s.close(domain.NewDate(2027, 12, 31))
	s.project()
	if got := counts(); got != "member 4, silver 1, gold 0" {
		t.Errorf("in 2028: %s", got)
	}
	s.settle(someone(1), someone(2))
	s.project()
	if got := counts(); got != "member 4, silver 1, gold 0" {
		t.Errorf("in 2028, booked: %s", got)
	}
	if _, list := changes("?cause=period_end"); !gocmp.Equal(list, []string{
		"2 retained from gold to gold", "1 retained from silver to silver", "2 downgraded from gold to silver", "1 downgraded from silver to member",
	}) {
		t.Errorf("%v", list)
	}
}

func TestCustomersByTierAndPoints(t *testing.T) {
	s := metalClub(t)
	list := func(query string) (names string) {
		t.Helper()
		for after := ""; ; {
			var page readapi.Customers
			s.get("/v1/customers?limit=2&" + query + after).status(200).json(&page)
			for _, c := range page.Customers {
				names += nameOf(c.CustomerID)
			}
			if page.NextCursor == "" {
				return names
			}
			after = "&cursor=" + page.NextCursor
		}
	}
	check := func(when string, want map[string]string) {
		t.Helper()
		for q, names := range want {
			if got := list(q); got != names {
				t.Errorf("%s, %s: %s, want %s", when, q, got, names)
			}
		}
	}
	check("now", map[string]string{
		"tier=gold": "2", "tier=silver": "1", "tier=member": "743", "tier=wood": "", "spendable_from=11": "312", "spendable_from=31": "12", "spendable_from=490": "2",
		"spendable_from=491": "", "tier=member&spendable_from=10": "43", "tier=member&sort=registered_at": "347", "tier=gold&external_id=till:a": "2", "tier=gold&external_id=till:b": "",
		"tier=silver&source=web": "1", "spendable_from=10&sort=-registered_at": "4321",
	})
	// Gold falls to silver and silver to member, and what 1 had has lapsed: none of it is booked.
	s.close(domain.NewDate(2027, 12, 31))
	s.project()
	late := map[string]string{"tier=gold": "", "tier=silver": "2", "tier=member": "1743", "spendable_from=1": "", "tier=member&sort=registered_at": "1347"}
	check("in 2028", late)
	s.settle(someone(1), someone(2), someone(3), someone(4))
	s.project()
	late["tier=member"] = "1347"
	check("in 2028, booked", late)
	for _, q := range []string{"spendable_from=0", "spendable_from=x", "spendable_from=-1"} {
		if p := s.get("/v1/customers?" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
}
