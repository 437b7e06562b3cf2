package readapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/readapi"
)

// points exports the accounts of all members, by the number of someone if they are
// named by their id.
func (s *shop) points(query string) (rows []readapi.LoyaltyRow) {
	s.t.Helper()
	a := s.get("/v1/loyalty/export" + query).status(200)
	for line := range bytes.Lines(a.Body.Bytes()) {
		var row readapi.LoyaltyRow
		if err := json.Unmarshal(line, &row); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		if id, err := uuid.Parse(row.Customer); err == nil {
			row.Customer = nameOf(id)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestPointsOfAllMembers(t *testing.T) {
	s := metalClub(t)
	now := []readapi.LoyaltyRow{
		{Customer: "1", Points: 120, Earned: 120, Tier: "silver"},
		{Customer: "2", Points: 490, Earned: 640, Tier: "gold"},
		{Customer: "3", Points: 30, Held: 20, Earned: 50, Tier: "member"},
		{Customer: "4", Points: 10, Tier: "member"},
		{Customer: "5", Earned: 33},
		{Customer: "6", Earned: 70},
		{Customer: "7", Deficit: 30, Earned: 80, Tier: "member"},
	}
	if diff := gocmp.Diff(now, s.points("")); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	// By the ids of the till, in byte order; nobody knows any more who 5 was.
	csv := "customer,points,pending,held,deficit,earned,tier\nB,0,0,0,30,80,member\na,490,0,0,0,640,gold\nb,120,0,0,0,120,silver\n"
	a := s.get("/v1/loyalty/export?source=till", "Accept", "text/csv").status(200)
	if got := a.Body.String(); got != csv || a.Header().Get("Rapport-Position") != itoa(s.position) {
		t.Errorf("%v\n%s", a.Header(), got)
	}
	if got := s.get("/v1/loyalty/export?source=moon", "Accept", "text/csv").status(200).Body.String(); got != csv[:strings.Index(csv, "B")] {
		t.Errorf("of a source that nobody knows: %s", got)
	}

	// At the end of the day on which 2 spent 200 of 640.
	then := []readapi.LoyaltyRow{
		{Customer: "1", Points: 120, Earned: 120, Tier: "silver"},
		{Customer: "2", Points: 440, Earned: 640, Tier: "gold"},
		{Customer: "3", Points: 50, Earned: 50, Tier: "member"},
		{Customer: "5", Points: 33, Earned: 33, Tier: "member"},
		{Customer: "6", Points: 70, Earned: 70, Tier: "member"},
		{Customer: "7", Points: 80, Earned: 80, Tier: "member"},
	}
	day := clubOpened + 31
	if diff := gocmp.Diff(then, s.points("?as_of="+day.String())); diff != "" {
		t.Errorf("as of %s (-want +got):\n%s", day, diff)
	}
	// Years later, if nothing happens, all has lapsed but what is owed.
	late := []readapi.LoyaltyRow{
		{Customer: "1", Earned: 120, Tier: "member"}, {Customer: "2", Earned: 640, Tier: "member"}, {Customer: "3", Earned: 50, Tier: "member"},
		{Customer: "4", Tier: "member"}, {Customer: "5", Earned: 33}, {Customer: "6", Earned: 70}, {Customer: "7", Deficit: 30, Earned: 80, Tier: "member"},
	}
	if diff := gocmp.Diff(late, s.points("?as_of=2030-01-01")); diff != "" {
		t.Errorf("in 2030 (-want +got):\n%s", diff)
	}
	if rows := s.points("?as_of=2025-12-31"); len(rows) != 0 {
		t.Errorf("before the first order: %v", rows)
	}
	// What was known on the day before nobody had heard of the orders of the day.
	if diff := gocmp.Diff([]readapi.LoyaltyRow{
		{Customer: "1", Points: 120, Earned: 120, Tier: "silver"}, {Customer: "2", Points: 40, Earned: 40, Tier: "member"}, {Customer: "5", Points: 33, Earned: 33, Tier: "member"},
	}, s.points("?known_at="+(day-1).String())); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	for _, q := range []string{"?as_of=x", "?known_at=x", "?revision=3", "?format=csv", "?min_position=x", "?as_of=2026-01-01&as_of=2026-01-02"} {
		if p := s.get("/v1/loyalty/export" + q).status(400).problem(); p.Code != readapi.ErrParameters.Code {
			t.Errorf("%s: %+v", q, p)
		}
	}
}

// What the read models pass over is not in the past of all accounts either.
func TestAParkedEventIsInNoPast(t *testing.T) {
	s := newClub(t)
	s.programme(aPoint(), metals)
	s.joins(someone(1), "")
	s.close(clubOpened)
	s.buys(someone(1), "o1", clubOpened, 70)
	earned := s.events[slices.IndexFunc(s.events, func(raw eventschema.Raw) bool { return strings.HasPrefix(raw.Type, "customer.points_earned.") })]
	if day := "?as_of=" + (clubOpened + 1).String(); s.points(day)[0].Points != 70 {
		t.Fatalf("%v", s.points(day))
	}
	s.append(operations.Stream, uuid.Nil, operations.EventParked{EventID: earned.ID, Position: earned.Position, Reason: "broken"})
	if rows := s.points("?as_of=" + (clubOpened + 1).String()); len(rows) != 1 || rows[0].Points != 0 {
		t.Errorf("%v", rows)
	}
}

// Everything that an account follows from is read from the log: no other event
// changes one.
func TestAllThatAccountsFollowFromIsRead(t *testing.T) {
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") {
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", "eventschema", "testdata", typ.Wire()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(eventschema.Raw{Type: typ.Wire(), Data: data, Metadata: []byte("{}")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := loyalty.Document{Account: customer.Account{
			Joined: true, Ever: true, Proposals: []customer.Proposal{{ProposalID: "p"}},
			Tier: customer.TierStanding{Level: "l", Override: new(customer.Overridden)},
		}}
		before := loyalty.Document{Account: d.Account}
		if loyalty.New().Fold(&d, e); gocmp.Equal(before, d) {
			continue
		}
		if !slices.ContainsFunc(readapi.LoyaltyTypes(), func(prefix string) bool { return strings.HasPrefix(typ.Wire(), prefix) }) {
			t.Errorf("%s changes an account and is not read from the log", typ.Name)
		}
		// It must say the same to whom no key is given.
		if len(typ.Personal) > 0 {
			erased, err := eventschema.Events.Open(eventschema.Raw{Type: typ.Wire(), Data: data, Metadata: []byte("{}")}, eventschema.Erased)
			if err != nil {
				t.Fatal(err)
			}
			x := loyalty.Document{Account: before.Account}
			if loyalty.New().Fold(&x, erased); !gocmp.Equal(d, x) {
				t.Errorf("%s says another thing without its personal data", typ.Name)
			}
		}
	}
}

// randomClub is a club of some members with random lives: what they do is decided by
// the domain, what falls due is booked now and then.
func randomClub(t testing.TB, seed uint64, members int) (c *club, ids []uuid.UUID) {
	c = newClub(t)
	src := rand.New(rand.NewPCG(seed, 7))
	months := metals
	months.Window, months.Validity = tier.Window{Kind: tier.Rolling, Months: 1}, tier.Validity{Kind: tier.Months, Months: 1}
	c.programme(aPoint(func(p *programme.Policy) {
		p.PendingDays, p.Expiry.Months = 5, 1
		p.Reversal.GraceDays = int(seed%2) * 3
		if seed%3 == 0 {
			p.Expiry.Kind = programme.Inactivity
		}
	}), months)
	for n := range members {
		ids = append(ids, someone(uint64(n+1)))
		c.joins(ids[n], fmt.Sprintf("t%d", members-n))
	}
	c.close(clubOpened - 1)
	orders := 0
	for range 12 * members {
		of, today := ids[src.IntN(members)], *c.world.Closed+1
		state := c.states[of]
		is := state.Loyalty.At(c.now(), c.zone, c.world.Policies)
		balance := is.Balance()
		switch k := src.IntN(12); {
		case k < 4:
			orders++
			c.buys(of, fmt.Sprint("o", orders), today-domain.Date(src.IntN(4)), int64(1+src.IntN(200)))
		case k < 5 && balance.Spendable > 0:
			c.do(of, &customer.RedeemPoints{RedemptionID: fmt.Sprint("r", src.Uint64()), Points: 1 + src.Int64N(balance.Spendable)})
		case k < 6 && balance.Spendable > 0:
			c.do(of, &customer.HoldPoints{HoldID: fmt.Sprint("h", src.Uint64()), Points: 1 + src.Int64N(balance.Spendable), TTLMinutes: new(1 + src.IntN(1000))})
		case k < 7 && orders > 0:
			id := fmt.Sprint("o", 1+src.IntN(orders))
			if o := c.states[of].Order(id); o != nil && o.Refunded == 0 {
				c.do(of, &customer.RecordRefund{RefundID: fmt.Sprint("b", id), OrderID: id, Amount: domain.Money{AmountMinor: 1 + src.Int64N(o.Total.AmountMinor), Currency: "EUR"}})
			}
		case k < 8:
			c.settle(of)
		case k < 11:
			c.close(today + domain.Date(src.IntN(6)))
		}
	}
	c.close(*c.world.Closed + domain.Date(1+src.IntN(20)))
	c.project()
	return c, ids
}

// naively folds the stream of every member from its beginning and asks each account
// for itself.
func (c *club) naively(ids []uuid.UUID, at time.Time, known func(eventschema.Event) bool) (rows []readapi.LoyaltyRow) {
	for _, of := range ids {
		var a customer.Account
		for _, raw := range c.events {
			if raw.Stream != customer.Stream(of) {
				continue
			}
			e, err := eventschema.Events.Open(raw, c.keys[of])
			if err != nil {
				c.t.Fatal(err)
			}
			if known(e) {
				a.Fold(customer.Record{Event: e.Data.(customer.Event), ID: e.ID})
			}
		}
		if !a.Ever {
			continue
		}
		is := a.At(at, c.zone, c.world.Policies)
		b := is.Balance()
		row := readapi.LoyaltyRow{
			Customer: nameOf(of), Points: b.Spendable, Pending: b.Pending, Held: b.Held, Deficit: b.Deficit, Earned: is.Sums.Earned, Tier: is.Tier.Level,
		}
		if row.Tier == "" {
			row.Tier = "member"
		}
		rows = append(rows, row)
	}
	return rows
}

// A past of all accounts is that of each of them, and the present is the past of now:
// whether or not what fell due is booked.
func TestAPastOfAllAccounts(t *testing.T) {
	for seed := range uint64(4) {
		c, ids := randomClub(t, seed, 5)
		src := rand.New(rand.NewPCG(seed, 8))
		check := func(what string, want, got []readapi.LoyaltyRow) {
			t.Helper()
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, %s (-want +got):\n%s", seed, what, diff)
			}
		}
		days := int(*c.world.Closed - clubOpened)
		for range 8 {
			day, known := clubOpened+domain.Date(src.IntN(days+60)), clubOpened+domain.Date(src.IntN(days))
			end := day.End(c.zone)
			happened := func(e eventschema.Event) bool { return !e.Meta.OccurredAt.After(end) }
			check("as of "+day.String(), c.naively(ids, end, happened), c.points("?as_of="+day.String()))
			check("as of "+day.String()+" known at "+known.String(), c.naively(ids, end, func(e eventschema.Event) bool {
				return happened(e) && e.Meta.BusinessDate <= known
			}), c.points("?as_of="+day.String()+"&known_at="+known.String()))
		}
		now := "?as_of=" + url.QueryEscape(c.now().Format(time.RFC3339))
		live := c.points("")
		check("now", c.naively(ids, c.now(), func(eventschema.Event) bool { return true }), live)
		check("as of now", live, c.points(now))
		var owed, then readapi.Liability
		c.get("/v1/loyalty/liability").status(200).json(&owed)
		c.get("/v1/loyalty/liability" + now).status(200).json(&then)
		then.Then = nil
		if diff := gocmp.Diff(owed, then); diff != "" {
			t.Errorf("seed %d, liability (-now +as of now):\n%s", seed, diff)
		}
		addsUp(t, owed, live)
		c.settle(ids...)
		c.project()
		check("once all is booked", live, c.points(""))
		var booked readapi.Liability
		c.get("/v1/loyalty/liability").status(200).json(&booked)
		booked.Stamp = owed.Stamp
		if diff := gocmp.Diff(owed, booked); diff != "" {
			t.Errorf("seed %d, liability (-before +after it was booked):\n%s", seed, diff)
		}
	}
}

// addsUp holds a liability against the accounts of all members.
func addsUp(t *testing.T, l readapi.Liability, rows []readapi.LoyaltyRow) {
	t.Helper()
	var sum readapi.LoyaltyRow
	for _, r := range rows {
		sum.Points, sum.Pending, sum.Held, sum.Deficit = sum.Points+r.Points, sum.Pending+r.Pending, sum.Held+r.Held, sum.Deficit+r.Deficit
		sum.Earned += r.Earned
	}
	got := readapi.LoyaltyRow{Held: l.Held.Points, Deficit: l.Deficit.Points, Earned: l.Totals.Earned}
	value, tiers := int64(0), int64(0)
	for _, m := range l.ByMonth {
		got.Points, got.Pending, value = got.Points+m.Spendable, got.Pending+m.Pending, value+m.Value.AmountMinor
		if m.Points != m.Spendable+m.Pending {
			t.Errorf("%+v", m)
		}
	}
	for _, n := range l.ByTier {
		tiers += n.Members
	}
	all := sum.Points + sum.Pending + sum.Held
	if got != sum || l.Spendable.Points != sum.Points || l.Pending.Points != sum.Pending || l.Outstanding.Points != all || tiers != l.Members {
		t.Errorf("%+v of %+v", l, sum)
	}
	if value != (sum.Points+sum.Pending)*99/100 || l.Outstanding.Value.AmountMinor != all*99/100 {
		t.Errorf("worth %d and %+v of %d points", value, l.Outstanding, all)
	}
	x := l.Totals
	if net := x.Earned + x.Granted + x.TransferredIn + x.Restored + x.AdjustedUp - x.Redeemed - x.Expired - x.Reversed - x.Forfeited - x.TransferredOut - x.AdjustedDown; net != all-sum.Deficit {
		t.Errorf("credits less debits are %d of %d points", net, all-sum.Deficit)
	}
}
