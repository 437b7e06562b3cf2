package readapi_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/readapi"
)

func total(b customer.Balance) int64 { return b.Spendable + b.Pending + b.Held - b.Deficit }

// ledger reads all pages of a ledger, and checks that it adds up.
func (c *club) ledger(of uuid.UUID, query, limit string) (readapi.Ledger, []readapi.LedgerEntry) {
	c.t.Helper()
	var page readapi.Ledger
	var all []readapi.LedgerEntry
	for next := ""; ; {
		c.get("/v1/customers/" + of.String() + "/ledger?limit=" + limit + query + next).status(200).json(&page)
		all = append(all, page.Entries...)
		if page.NextCursor == "" {
			break
		}
		next, page = "&cursor="+url.QueryEscape(page.NextCursor), readapi.Ledger{}
	}
	return page, all
}

// inOrder checks that each movement follows from the one before, and does to its lots
// what it says.
func inOrder(t testing.TB, entries []readapi.LedgerEntry) (last customer.Balance) {
	t.Helper()
	for i, x := range entries {
		next := customer.Balance{
			Spendable: last.Spendable + x.Change.Spendable, Pending: last.Pending + x.Change.Pending,
			Held: last.Held + x.Change.Held, Deficit: last.Deficit + x.Change.Deficit,
		}
		if next != x.Balance || total(x.Change) != x.Points || x.Balance.Spendable < 0 || x.Balance.Pending < 0 || x.Balance.Held < 0 || x.Balance.Deficit < 0 {
			t.Errorf("movement %d: %+v after %+v", i, x, last)
		}
		lots := -x.Change.Deficit
		for _, l := range x.Lots {
			lots += l.Points + l.Held
		}
		if lots != x.Points {
			t.Errorf("movement %d: its lots change by %d: %+v", i, lots, x)
		}
		if i > 0 && x.At.Before(entries[i-1].At) || x.Because == "" || (x.EventID == uuid.Nil) == x.Booked || (x.Revision == nil) == x.Booked {
			t.Errorf("movement %d: %+v", i, x)
		}
		last = x.Balance
	}
	return last
}

// holdsTogether checks that everything that is said of the points of a customer is
// the same thing.
func (c *club) holdsTogether(of uuid.UUID, asOf, knownAt string) {
	c.t.Helper()
	path, query := "/v1/customers/"+of.String(), ""
	for name, value := range map[string]string{"as_of": asOf, "known_at": knownAt} {
		if value != "" {
			query += "&" + name + "=" + value
		}
	}
	page, entries := c.ledger(of, query, "4")
	last := inOrder(c.t, entries)
	var account readapi.CustomerLoyalty
	c.get(path + "/loyalty?" + query).status(200).json(&account)
	if last != page.Balance || account.Balance != last || account.Sums.Net() != total(last) {
		c.t.Errorf("%v%s: the ledger ends with %+v, it says %+v; the account has %+v and sums of %d", of, query, last, page.Balance, account.Balance, account.Sums.Net())
	}
	if asOf == "" && knownAt == "" {
		var shown struct{ Loyalty *readapi.Membership }
		c.get(path).status(200).json(&shown)
		if m := shown.Loyalty; m == nil != (account.MemberSince == nil) || m != nil && (m.Spendable != last.Spendable || m.Member != account.Member) {
			c.t.Errorf("%v: %+v of %+v", of, m, account)
		}
	}
	c.lotsAddUp(of, query, account)

	// A statement of any time adds up, and begins with the balance before it.
	for _, from := range []string{"", "2026-02-01", "2026-02-10", "2026-03-02", "2026-12-31"} {
		var s readapi.Statement
		if asOf != "" && from > asOf || asOf == "" && from > c.world.Closed.String() {
			continue
		}
		bounds := ""
		for name, value := range map[string]string{"from": from, "to": asOf, "known_at": knownAt} {
			if value != "" {
				bounds += "&" + name + "=" + value
			}
		}
		c.get(path + "/statement?" + bounds).status(200).json(&s)
		if s.Opening.Total+s.Credits-s.Debits != s.Closing.Total || s.Closing.Total != total(s.Closing.Balance) || s.Opening.Total != total(s.Opening.Balance) || s.Closing.Balance != last {
			c.t.Errorf("%v%s from %s does not add up: %+v", of, query, from, s)
		}
		var credits, debits int64
		for _, sum := range s.Totals {
			credits, debits = credits+sum.Credits, debits+sum.Debits
		}
		if credits != s.Credits || debits != s.Debits {
			c.t.Errorf("%v%s from %s: the kinds add up to %d and %d: %+v", of, query, from, credits, debits, s)
		}
		if from == "" {
			continue
		}
		day, _ := domain.ParseDate(from)
		var before readapi.CustomerLoyalty
		if a := c.get(path + "/loyalty?as_of=" + (day - 1).String() + strings.ReplaceAll(query, "&as_of="+asOf, "")); a.Code == 200 {
			a.json(&before)
			if s.Opening.Balance != before.Balance {
				c.t.Errorf("%v%s from %s begins with %+v; the day before there were %+v", of, query, from, s.Opening.Balance, before.Balance)
			}
		}
	}
}

func (c *club) lotsAddUp(of uuid.UUID, query string, account readapi.CustomerLoyalty) {
	c.t.Helper()
	var left, held int64
	for next := ""; ; {
		var page readapi.CustomerLots
		c.get("/v1/customers/" + of.String() + "/lots?limit=2" + query + next).status(200).json(&page)
		for _, l := range page.Lots {
			if l.Points != l.Remaining+l.Held+l.Spent+l.Lapsed+l.TakenBack+l.Forfeited+l.Sent+l.Adjusted+l.Paid {
				c.t.Errorf("%v%s: a lot does not add up: %+v", of, query, l)
			}
			var moved, inHold int64
			for _, m := range l.Movements {
				moved, inHold = moved+m.Points, inHold+m.Held
			}
			if moved != l.Remaining || inHold != l.Held || l.State == "" {
				c.t.Errorf("%v%s: %d and %d are left by the movements of %+v", of, query, moved, inHold, l)
			}
			left, held = left+l.Remaining, held+l.Held
		}
		if page.NextCursor == "" {
			break
		}
		next = "&cursor=" + url.QueryEscape(page.NextCursor)
	}
	if b := account.Balance; left != b.Spendable+b.Pending || held != b.Held {
		c.t.Errorf("%v%s: %d and %d are left of the lots, and %+v", of, query, left, held, b)
	}
}

func TestAllThatIsSaidOfPointsIsTheSame(t *testing.T) {
	c := metalClub(t)
	for n := range uint64(8) {
		for _, asOf := range []string{"", "2026-02-01", "2026-02-10", "2027-01-15", "2028-01-01"} {
			for _, knownAt := range []string{"", "2026-02-10"} {
				if c.get("/v1/customers/"+someone(n+1).String()+"?as_of="+cmpOr(asOf, "2100-01-01")+"&known_at="+cmpOr(knownAt, "2100-01-01")).Code == 200 {
					c.holdsTogether(someone(n+1), asOf, knownAt)
				}
			}
		}
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// line is a movement in short.
type line struct {
	On, Kind  string
	Points    int64
	Balance   customer.Balance
	Because   string
	NotBooked bool
}

func told(entries []readapi.LedgerEntry) (list []line) {
	for _, x := range entries {
		list = append(list, line{x.On.String(), x.Kind, x.Points, x.Balance, x.Because, !x.Booked})
	}
	return list
}

// What was not booked in time is told all the same, and reads the same once it is.
func TestTheLedgerOfAMember(t *testing.T) {
	c := metalClub(t)
	want := []line{
		{"2026-01-05", "earned", 40, customer.Balance{Spendable: 40}, "40 points: 1 for each 1.00 EUR of 40.00. Order o1, rule base, placed on 2026-01-05, by version 1 of the programme. " +
			"They lapse on 2027-01-05, 12 months after 2026-01-05.", false},
		{"2026-02-01", "earned", 600, customer.Balance{Spendable: 640}, "600 points: 1 for each 1.00 EUR of 600.00. Order o2, rule base, placed on 2026-02-01, by version 1 of the programme. " +
			"They lapse on 2027-02-01, 12 months after 2026-02-01.", false},
		{"2026-02-01", "redeemed", -200, customer.Balance{Spendable: 440}, "200 points spent: redemption r1, worth 1.98 EUR: 0.99 EUR for 100 points, by version 1 of the programme.", false},
		{"2026-02-10", "restored", 50, customer.Balance{Spendable: 490}, "50 points of the redemption r1 come back: somebody asked for it.", false},
	}
	_, entries := c.ledger(someone(2), "", "500")
	if diff := cmp.Diff(want, told(entries)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if lots := entries[2].Lots; len(lots) != 2 || lots[0] != (readapi.LotChange{LotID: "order:o1:base", Points: -40}) || lots[1].Points != -160 {
		t.Errorf("the redemption is of %+v", lots)
	}
	if x := entries[0]; x.Inputs == nil || x.Inputs.Quantity != 4000 || x.OrderID != "o1" || x.PolicyVersion != 1 || x.Actor.ID != "ann" || *x.Source != (customer.LotSource{Kind: "order", Ref: "o1", Rule: "base"}) {
		t.Errorf("%+v", x)
	}

	owes := []line{
		{"2026-02-10", "taken_back", -80, customer.Balance{Deficit: 30}, "80 points of lot order:o1:base taken back: money of the order o1 went back with the refund b1. " +
			"For what is left the rule gives 0. Of them 30 were spent and are owed now.", false},
	}
	if _, entries := c.ledger(someone(7), "&kind=taken_back", "500"); !cmp.Equal(owes, told(entries)) {
		t.Errorf("%s", cmp.Diff(owes, told(entries)))
	}
	c.close(domain.NewDate(2027, time.February, 1))
	c.project()
	late := []line{
		{"2026-03-03", "released", 0, customer.Balance{Spendable: 50}, "20 points of the hold h1 released: its time was over.", true},
		{"2027-02-01", "expired", -50, customer.Balance{}, "50 points of lot order:o1:base lapsed.", true},
	}
	page, entries := c.ledger(someone(3), "&from=2026-03-03", "1")
	if diff := cmp.Diff(late, told(entries)); diff != "" || page.Balance != (customer.Balance{}) {
		t.Errorf("not booked (-want +got):\n%s", diff)
	}
	c.settle(someone(3))
	c.project()
	for i := range late {
		late[i].NotBooked = false
	}
	_, entries = c.ledger(someone(3), "&from=2026-03-03&to=2027-02-01", "500")
	if diff := cmp.Diff(late, told(entries)); diff != "" {
		t.Errorf("booked (-want +got):\n%s", diff)
	}
	inOrder(t, func() []readapi.LedgerEntry { _, all := c.ledger(someone(3), "", "500"); return all }())
	for query, pointer := range map[string]string{"kind=lost": "/kind", "from=x": "/from", "from=2026-02-02&to=2026-02-01": "/to", "as_of=x": "/as_of", "cursor=x": "/cursor", "tier=gold": "/tier"} {
		if p := c.get("/v1/customers/" + someone(3).String() + "/ledger?" + query).status(400).problem(); p.Code != "parameter_invalid" || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", query, p)
		}
	}
	for _, route := range []string{"loyalty", "tier", "ledger", "lots", "statement"} {
		for _, query := range []string{"", "?known_at=2026-02-01"} {
			if p := c.get("/v1/customers/" + someone(99).String() + "/" + route + query).status(404).problem(); p.Code != "customer_not_found" {
				t.Errorf("%s%s: %+v", route, query, p)
			}
		}
	}
}

func TestTheStatementOfAMember(t *testing.T) {
	c := metalClub(t)
	path := "/v1/customers/" + someone(2).String() + "/statement?from=2026-02-01&to=2026-12-15"
	var s readapi.Statement
	c.get(path).status(200).json(&s)
	worth := func(minor int64) *domain.Money { return &domain.Money{AmountMinor: minor, Currency: "EUR"} }
	if diff := cmp.Diff(readapi.StatementBalance{Balance: customer.Balance{Spendable: 40}, Total: 40, Value: worth(39)}, s.Opening); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(readapi.StatementBalance{Balance: customer.Balance{Spendable: 490}, Total: 490, Value: worth(485)}, s.Closing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]readapi.StatementTotal{{"earned", 1, 600, 0}, {"redeemed", 1, 0, 200}, {"restored", 1, 50, 0}}, s.Totals); diff != "" || s.Credits != 650 || s.Debits != 200 {
		t.Error(diff, s.Credits, s.Debits)
	}
	expiring := readapi.StatementExpiring{To: domain.NewDate(2027, 3, 15), Points: 490, Dates: []readapi.ExpiringOn{{On: domain.NewDate(2027, 2, 1), Points: 490}}}
	if diff := cmp.Diff(expiring, s.Expiring); diff != "" {
		t.Error(diff)
	}
	rows, err := csv.NewReader(c.get(path, "Accept", "text/csv").status(200).Body).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Fatalf("%q, %v", rows, err)
	}
	for i, want := range []string{
		"on,kind,points,spendable,pending,held,deficit,order,redemption", ",opening,,40,0,0,0,,",
		"2026-02-01,earned,600,640,0,0,0,o2,", "2026-02-01,redeemed,-200,440,0,0,0,,r1", "2026-02-10,restored,50,490,0,0,0,,r1", ",closing,,490,0,0,0,,",
	} {
		if got := strings.Join(rows[i][:9], ","); got != want {
			t.Errorf("row %d: %s, want %s", i, got, want)
		}
	}
	if event := s.Entries[0].EventID.String(); rows[2][9] != event || rows[2][10] != s.Entries[0].Because {
		t.Errorf("%q", rows[2])
	}
}

// How points were computed is told in words.
func TestWhyThereAreSoManyPoints(t *testing.T) {
	c := newClub(t)
	c.programme(aPoint(func(p *programme.Policy) {
		p.Earn = []programme.Rule{
			{ID: "base", Points: 1, PerMinor: 100, Rounding: programme.HalfUp}, {ID: "books", Points: 5, Categories: []string{"book"}, MaxPoints: 12},
			{ID: "up", Points: 1, PerMinor: 700, Rounding: programme.Ceiling, SKUs: []string{"x"}}, {ID: "welcome", Points: 3, SKUs: nil},
		}
		p.Multipliers = []programme.Multiplier{{ID: "spring", Factor: "1.5", Rules: []string{"base"}}}
		p.PendingDays = 14
		p.Expiry = programme.Expiry{Kind: programme.EndOfYear, Years: 1}
	}), metals)
	of := someone(1)
	c.joins(of, "")
	c.close(clubOpened)
	at := tenIn(clubOpened + 1)
	line := func(sku, category string, quantity, minor int64) customer.OrderLine {
		return customer.OrderLine{SKU: sku, Category: category, Quantity: quantity, AmountMinor: &minor}
	}
	c.do(of, &customer.RecordOrder{
		OrderID: "o1", Total: domain.Money{AmountMinor: 5806, Currency: "USD"}, FX: &customer.FX{Rate: "0.9", Base: "EUR"}, PlacedAt: at, PaidAt: &at,
		Lines: []customer.OrderLine{line("x", "", 1, 1806), line("y", "book", 3, 4000)},
	})
	c.project()
	_, entries := c.ledger(of, "", "500")
	var got []string
	for _, x := range entries {
		got = append(got, x.Because)
	}
	rest := ", placed on 2026-01-02, by version 1 of the programme. They can be spent from 2026-01-16 on. They lapse on 2028-01-01, when the year 2027 is over."
	want := []string{
		"78 points: 1 for each 1.00 EUR of 58.06 USD at 0.9 EUR in line 0, 1 (counted from 0), times 1.5 (spring), rounded to the nearest, halves up; 381/1000 left. Order o1, rule base" + rest,
		"12 points: 5 for each of 3 pieces in line 1 (counted from 0), limited to 12. Order o1, rule books" + rest,
		"3 points: 1 for each 7.00 EUR of 18.06 USD at 0.9 EUR in line 0 (counted from 0), rounded up; 339/500 added. Order o1, rule up" + rest,
		"12 points: 3 for each of 4 pieces in line 0, 1 (counted from 0). Order o1, rule welcome" + rest,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var a readapi.CustomerLoyalty
	c.get("/v1/customers/" + of.String() + "/loyalty").status(200).json(&a)
	if a.Balance != (customer.Balance{Pending: 105}) || len(a.Next) != 9 || a.Next[0].What != "points_can_be_spent" || a.Next[8].What != "points_lapse" || a.Lots[0].State != "pending" {
		t.Errorf("%+v", a)
	}
	if lot := a.Lots[0].Because; !strings.HasSuffix(lot, "They can be spent from 2026-01-16 on. They lapse on 2028-01-01, when the year 2027 is over.") {
		t.Error(lot)
	}
}

// Whatever members do: the ledger, the lots, the statements and the account say the
// same of every moment.
func TestPointsOfAnyHistoryAddUp(t *testing.T) {
	for seed := range uint64(3) {
		c := newClub(t)
		r := rand.New(rand.NewPCG(seed, 7))
		c.programme(aPoint(func(p *programme.Policy) {
			p.PendingDays = r.IntN(3) * 10
			p.Expiry = []programme.Expiry{{Kind: programme.Months, Months: 2}, {Kind: programme.EndOfYear}, {Kind: programme.Inactivity, Months: 1}}[r.IntN(3)]
			p.Reversal.GraceDays = r.IntN(2) * 20
		}), metals)
		of, day := someone(1), domain.NewDate(2026, 3, 5)
		middle := day
		c.joins(of, "")
		c.close(day)
		for n := range 40 {
			order := fmt.Sprint("o", r.IntN(12))
			at := tenIn(day + 1)
			points := int64(1 + r.IntN(80))
			c.tries(of, []domain.Command[customer.State, customer.Event]{
				&customer.RecordOrder{OrderID: fmt.Sprint("o", n%12), Total: domain.Money{AmountMinor: int64(r.IntN(30000)), Currency: "EUR"}, PlacedAt: at, PaidAt: &at},
				&customer.RedeemPoints{RedemptionID: fmt.Sprint("r", n), Points: points},
				&customer.HoldPoints{HoldID: fmt.Sprint("h", n), Points: points},
				&customer.ReverseRedemption{RedemptionID: fmt.Sprint("r", r.IntN(n+1)), ReversalID: fmt.Sprint("v", n)},
				&customer.RecordRefund{RefundID: fmt.Sprint("b", n), OrderID: order, Amount: domain.Money{AmountMinor: int64(1 + r.IntN(9000)), Currency: "EUR"}},
				&customer.GrantBonus{BonusID: fmt.Sprint("g", n), Points: points, Reason: "welcome"},
				&customer.CancelOrder{OrderID: order},
			}[r.IntN(7)])
			if r.IntN(3) == 0 {
				day += domain.Date(1 + r.IntN(15))
				c.close(day)
				if n < 20 {
					middle = day
				}
			}
		}
		c.project()
		for _, asOf := range []string{"", middle.String(), (day + 200).String()} {
			c.holdsTogether(of, asOf, "")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// tries decides a command, whatever comes of it.
func (c *club) tries(of uuid.UUID, cmd domain.Command[customer.State, customer.Event]) {
	c.t.Helper()
	events, err := c.decide(of, cmd)
	if err != nil {
		return
	}
	for _, e := range slices.Clone(events) {
		c.fact(of, e)
	}
}
