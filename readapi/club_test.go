package readapi_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	programme "github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
)

// club is a shop with a loyalty programme, whose members do what the domain decides.
type club struct {
	*shop
	world  *world.World
	states map[uuid.UUID]customer.State
	zone   *time.Location
}

// aPoint gives a point for every euro, and a hundred of them are worth one.
func aPoint(change ...func(*programme.Policy)) *programme.Policy {
	p := &programme.Policy{
		Name: "a point a euro", Currency: "EUR", Enrolment: programme.FirstOrder,
		Earn:       []programme.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Expiry:     programme.Expiry{Kind: programme.Months, Months: 12},
		Redemption: programme.Redemption{Points: 100, ValueMinor: 99},
		Manual:     programme.Manual{BonusLimit: 1000},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

// metals is a ladder that counts points.
var metals = tier.Policy{
	Name: "metals", Measure: tier.Points, Window: tier.Window{Kind: tier.CalendarYear}, Validity: tier.Validity{Kind: tier.EndOfYear}, Downgrade: tier.OneDown,
	Levels: []tier.Level{{ID: "member", Name: "Member"}, {ID: "silver", Name: "Silver", From: 100}, {ID: "gold", Name: "Gold", From: 500}},
}

func newClub(t testing.TB) *club {
	c := &club{shop: newShop(t), world: new(world.World), states: map[uuid.UUID]customer.State{}}
	var err error
	if c.zone, err = time.LoadLocation("Europe/Berlin"); err != nil {
		t.Fatal(err)
	}
	return c
}

// publish publishes a policy that holds from a date on.
func (c *club) publish(p policy.Published, from domain.Date) {
	c.t.Helper()
	p.EffectiveFrom, p.Version = from, len(c.world.Policies[p.Kind])+1
	c.append(policy.Stream(p.Kind), uuid.Nil, p)
	c.world = c.world.With(uuid.Nil, p)
}

// programme publishes a programme and a ladder that always held.
func (c *club) programme(p *programme.Policy, ladder tier.Policy) {
	c.t.Helper()
	c.publish(policy.Published{Kind: policy.KindLoyalty, Loyalty: p}, policy.Always)
	c.publish(policy.Published{Kind: policy.KindTier, Tier: &ladder}, policy.Always)
}

// close closes a day: now is the first instant of the next.
func (c *club) close(day domain.Date) {
	c.t.Helper()
	c.dayOver(day)
	c.world = c.world.With(uuid.Nil, calendar.DayClosed{Date: day, Zone: "Europe/Berlin"})
}

func (c *club) now() time.Time { return (*c.world.Closed + 1).Start(c.zone) }

// do decides a command on a customer, and appends what it brings about.
func (c *club) do(of uuid.UUID, cmd domain.Command[customer.State, customer.Event]) {
	c.t.Helper()
	events, err := c.decide(of, cmd)
	if err != nil {
		c.t.Fatalf("%T: %v", cmd, err)
	}
	for _, e := range events {
		c.fact(of, e)
	}
}

// decide decides a command on a customer.
func (c *club) decide(of uuid.UUID, cmd domain.Command[customer.State, customer.Event]) ([]customer.Event, error) {
	s := domain.Subject{Customer: of, Now: c.clock, Zone: c.zone, Actor: domain.Actor{Kind: "user", ID: "ann"}}
	if closed := c.world.Closed; closed != nil {
		s.Now, s.Latest = c.now().UTC(), (*closed + 1).End(c.zone)
	}
	cmd.(interface{ SetSubject(domain.Subject) }).SetSubject(s)
	if k, ok := cmd.(interface{ SetWorld(*world.World) }); ok {
		k.SetWorld(c.world)
	}
	return domain.Decide(c.states[of], cmd)
}

// fact appends an event of a customer.
func (c *club) fact(of uuid.UUID, e customer.Event) {
	c.t.Helper()
	state := c.states[of]
	c.customer(of, e, func(m *eventschema.Meta) {
		if c.world.Closed != nil {
			m.BusinessDate = *c.world.Closed + 1
		}
	})
	c.states[of] = state.Evolve(e)
}

// joins registers a customer, whom a till knows.
func (c *club) joins(of uuid.UUID, till string) {
	c.t.Helper()
	c.fact(of, customer.Registered{Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: c.clock})
	if till != "" {
		name := customer.ExternalID{System: "till", ID: till}.ReservedName()
		c.fact(of, customer.ExternalIDLinked{System: "till", ID: till, Claim: "claim", Lookup: c.ring.Lookup(name.Kind, name.Value), LinkedAt: c.clock})
	}
}

// buys records an order of so many euros that was placed and paid at ten.
func (c *club) buys(of uuid.UUID, order string, on domain.Date, euros int64) {
	c.t.Helper()
	at := tenIn(on)
	c.do(of, &customer.RecordOrder{OrderID: order, Total: domain.Money{AmountMinor: 100 * euros, Currency: "EUR"}, PlacedAt: at, PaidAt: &at})
}

// settle books what fell due.
func (c *club) settle(members ...uuid.UUID) {
	c.t.Helper()
	for _, of := range members {
		c.do(of, new(customer.SettleLoyalty))
	}
}

var clubOpened = domain.NewDate(2026, time.January, 1)

// metalClub is a club of eight:
//
//	1 earned 120 and is silver, 2 earned 640 and is gold, spent 200 and got 50 of them back,
//	3 earned 50, of which 20 are held, 4 enrolled and did nothing else, 5 was erased,
//	6 left, 7 owes 30 points of a refund, 8 never was a member.
//
// Its last closed day is 1 March. Nobody has a till's id but 1 (b), 2 (a), 5 (e) and 7 (B).
func metalClub(t testing.TB) *club {
	c := newClub(t)
	c.programme(aPoint(), metals)
	for n, till := range []string{"b", "a", "", "", "e", "", "B", ""} {
		c.joins(someone(uint64(n+1)), till)
	}
	c.close(clubOpened - 1)
	open := func(on domain.Date) {
		if *c.world.Closed < on-1 {
			c.close(on - 1)
		}
	}
	day := func(n int) domain.Date { return clubOpened + domain.Date(n) }
	open(day(4))
	c.buys(someone(1), "o1", day(4), 120)
	c.buys(someone(2), "o1", day(4), 40)
	c.buys(someone(5), "o1", day(4), 33)
	open(day(31))
	c.buys(someone(2), "o2", day(31), 600)
	c.do(someone(2), &customer.RedeemPoints{RedemptionID: "r1", Points: 200})
	c.buys(someone(3), "o1", day(31), 50)
	c.buys(someone(6), "o1", day(31), 70)
	c.buys(someone(7), "o1", day(31), 80)
	open(day(40))
	c.do(someone(2), &customer.ReverseRedemption{RedemptionID: "r1", ReversalID: "v1", Points: new(int64(50))})
	c.do(someone(7), &customer.RedeemPoints{RedemptionID: "r1", Points: 30})
	c.do(someone(7), &customer.RecordRefund{RefundID: "b1", OrderID: "o1", Amount: domain.Money{AmountMinor: 8000, Currency: "EUR"}})
	c.do(someone(6), &customer.LeaveProgram{})
	c.do(someone(4), &customer.EnrolInProgram{})
	open(day(60))
	c.do(someone(4), &customer.GrantBonus{BonusID: "welcome", Points: 10, Reason: "welcome"})
	c.do(someone(3), &customer.HoldPoints{HoldID: "h1", Points: 20})
	c.fact(someone(5), customer.PointsForfeited{
		Points: 33, From: []customer.Portion{{LotID: "order:o1:base", Points: 33}}, Cause: customer.ForfeitErased, ForfeitedAt: c.now(),
	})
	c.fact(someone(5), customer.PersonalDataErased{KeyIDs: []string{"k"}, ReadModels: []string{"profile"}, ErasedAt: c.now()})
	c.project()
	return c
}
