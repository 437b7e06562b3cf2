package customer_test

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/audit"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

// Programmes of all kinds. All give one point for a unit of money at least.
var programmes = []loyalty.Policy{
	{
		Currency: "EUR", Enrolment: loyalty.FirstOrder, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Expiry: loyalty.Expiry{Kind: loyalty.Never}, Redemption: loyalty.Redemption{Points: 100, ValueMinor: 50},
	},
	{
		Currency: "EUR", Enrolment: loyalty.FirstOrder, PendingDays: 3, Stacking: loyalty.Product,
		Earn: []loyalty.Rule{
			{ID: "shoes", Points: 7, Categories: []string{"shoes"}, Exclusive: true},
			{ID: "base", Points: 3, PerMinor: 70, Rounding: loyalty.HalfUp, MaxPoints: 400},
		},
		Multipliers: []loyalty.Multiplier{
			{ID: "gold", Factor: "1.5", Tiers: []string{"gold"}}, {ID: "spring", Factor: "1.1", From: ptr(domain.NewDate(2026, 3, 15))},
			{ID: "friends", Factor: "2", Tags: []string{"friend"}, Rules: []string{"base"}},
		},
		Caps:       []loyalty.Cap{{Period: loyalty.Day, Points: 300}, {Period: loyalty.Month, Points: 700}},
		Expiry:     loyalty.Expiry{Kind: loyalty.Months, Months: 1},
		Redemption: loyalty.Redemption{Points: 3, ValueMinor: 2, Minimum: 2}, Manual: loyalty.Manual{BonusLimit: 50, DeficitLimit: 40},
	},
	{
		Currency: "EUR", Enrolment: loyalty.FirstOrder, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 33, Rounding: loyalty.Ceiling}},
		Multipliers: []loyalty.Multiplier{{ID: "gold", Factor: "2", Tiers: []string{"gold", "silver"}}, {ID: "march", Factor: "1.25", Until: ptr(domain.NewDate(2026, 3, 31))}},
		Activities:  []loyalty.Activity{{ID: "review", Points: 25}},
		Expiry:      loyalty.Expiry{Kind: loyalty.Inactivity, Months: 1}, Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1, Step: 5, Rewards: []loyalty.Reward{{ID: "mug", Name: "Mug", Points: 33}}},
		Reversal: loyalty.Reversal{Earn: loyalty.Clamp, Redemptions: loyalty.FullOnly}, Manual: loyalty.Manual{BonusLimit: 1000, DeficitLimit: 1000},
		Transfer: loyalty.Transfer{Allowed: true},
	},
	{
		Currency: "KWD", Enrolment: loyalty.Explicit, PendingDays: 10, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 10, Rounding: loyalty.HalfEven}},
		Activities: []loyalty.Activity{{ID: "review", Points: 11}},
		Expiry:     loyalty.Expiry{Kind: loyalty.EndOfYear}, Redemption: loyalty.Redemption{Points: 10, ValueMinor: 7, HoldMinutes: 3 * 24 * 60},
		Reversal: loyalty.Reversal{Earn: loyalty.OnlyPending, GraceDays: 5}, Caps: []loyalty.Cap{{Period: loyalty.Order, Points: 90}, {Period: loyalty.Year, Points: 2000}},
	},
	{
		Currency: "JPY", Enrolment: loyalty.FirstOrder, PendingDays: 1, Earn: []loyalty.Rule{{ID: "base", Points: 2, PerMinor: 15, MinimumOrder: 100}, {ID: "piece", Points: 1}},
		Expiry: loyalty.Expiry{Kind: loyalty.Months, Months: 2}, Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1, HoldMinutes: 60 * 24 * 60},
		Reversal: loyalty.Reversal{GraceDays: 7, Redemptions: loyalty.ProRata}, Manual: loyalty.Manual{BonusLimit: 1}, Transfer: loyalty.Transfer{Allowed: true},
	},
}

var ladders = []tier.Policy{
	{
		Measure: tier.Points, Levels: []tier.Level{{ID: "base"}, {ID: "silver", From: 60}, {ID: "gold", From: 200}}, Window: tier.Window{Kind: tier.Rolling, Months: 1},
		Validity: tier.Validity{Kind: tier.Months, Months: 1}, Downgrade: tier.OneDown, GraceDays: 4,
	},
	{
		Measure: tier.Spend, Levels: []tier.Level{{ID: "base"}, {ID: "gold", From: 9000}}, Window: tier.Window{Kind: tier.CalendarYear},
		Validity: tier.Validity{Kind: tier.EndOfYear}, Downgrade: tier.ToBalance, OnRefund: tier.AtEnd,
	},
	{
		Measure: tier.Orders, Levels: []tier.Level{{ID: "base"}, {ID: "silver", From: 2}, {ID: "gold", From: 4}}, Window: tier.Window{Kind: tier.Lifetime},
		Validity: tier.Validity{Kind: tier.Unlimited}, Downgrade: tier.ToBalance,
	},
}

// shopper is one long history, checked after every event.
type shopper struct {
	*rapid.T
	subject domain.Subject
	world   *world.World
	past    time.Time // a past that is told as it was lived through has come so far; zero: no past is told
	state   State
	history []Event
	orders  []OrderRecorded
	read    Account // stored and read again after every event
	blind   Account // of events without their personal fields
	rules   *audit.Rules
	audit   *audit.Ledger
	alone   *audit.Ledger // which knows no policy and no time zone
	steps   int
	seen    map[string]int
}

func newShopper(t *rapid.T, seen map[string]int) *shopper {
	zone, err := time.LoadLocation(rapid.SampledFrom([]string{"Europe/Berlin", "UTC", "Pacific/Auckland"}).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	m := &shopper{T: t, subject: at, world: &world.World{}, rules: &audit.Rules{Zone: zone}, seen: seen}
	m.audit, m.alone = audit.New(m.rules), audit.New(new(audit.Rules))
	m.subject.Zone = zone
	m.subject.Now = domain.NewDate(2026, 3, 1).Start(zone)
	if m.pick("told?", 4) == 0 {
		m.past, m.subject.Latest = m.subject.Now, time.Time{}
		m.subject.Now = m.subject.Now.AddDate(1, 0, 0)
	}
	m.clock(0)
	m.publish(policy.KindLoyalty)
	if rapid.Bool().Draw(t, "ladder?") {
		m.publish(policy.KindTier)
	}
	m.tell(registered)
	if m.pick("enrol?", 3) > 0 {
		m.decide(EnrolInProgram{Subject: m.subject, Known: m.known(), JoinedAt: ptr(m.subject.Now.AddDate(-2, 0, 0))})
	}
	return m
}

// clock moves business time on.
func (m *shopper) clock(by time.Duration) {
	if !m.past.IsZero() && m.past.Add(by).Before(m.subject.Now) {
		m.past = m.past.Add(by)
		return
	}
	m.past = time.Time{}
	m.subject.Now = m.subject.Now.Add(by)
	m.subject.Latest = m.subject.Now
	closed := m.subject.Today() - 1
	next := *m.world
	next.Closed = &closed
	m.world = &next
}

// publish publishes the next version of a kind of policy, from today or tomorrow on.
func (m *shopper) publish(kind string) {
	p := policy.Published{Kind: kind, Version: len(m.world.Policies[kind]) + 1, EffectiveFrom: policy.Always}
	if p.Version > 1 {
		p.EffectiveFrom = max(m.subject.Today()+domain.Date(m.pick("from", 2)), m.world.Policies[kind][p.Version-2].EffectiveFrom)
	}
	if kind == policy.KindTier {
		p.Tier = ptr(rapid.SampledFrom(ladders).Draw(m.T, "ladder"))
	} else {
		p.Loyalty = ptr(rapid.SampledFrom(programmes).Draw(m.T, "programme"))
		if p.Version > 1 { // an account has one currency at a time, and all of them convert into it
			p.Loyalty.Currency = m.world.Policies[kind][0].Loyalty.Currency
		}
	}
	next := *m.world
	next.Policies = m.world.Policies.With(p)
	m.world = &next
	m.rules.With(p)
}

func (m *shopper) known() world.Known { return world.Known{World: m.world} }

// decide gives a command, and checks what it brings about.
func (m *shopper) decide(cmd domain.Command[State, Event]) {
	events, err := domain.Decide(m.state, cmd)
	if refusal := (*domain.Error)(nil); err != nil && (!errors.As(err, &refusal) || len(events) > 0) {
		m.Fatalf("%+v: %v", cmd, err)
	}
	m.tell(events...)
}

// tell appends events, and checks the invariants after each.
func (m *shopper) tell(events ...Event) {
	m.steps++
	command := uuid.UUID{15: 1}
	binary.BigEndian.PutUint32(command[:], uint32(m.steps))
	for _, e := range events {
		m.seen[fmt.Sprintf("%T", e)]++
		id := uuid.UUID{}
		binary.BigEndian.PutUint32(id[:], uint32(len(m.history)))
		r := Record{Event: e, ID: id, Revision: uint64(len(m.history))}
		m.history = append(m.history, e)
		m.state = m.state.Evolve(e)
		for _, l := range []*audit.Ledger{m.audit, m.alone} {
			if found := l.Add(audit.Entry{Record: r, Command: command}); found != nil {
				m.Fatalf("the auditor: %v\n%s", found, m.tail())
			}
		}
		m.check(e)
	}
	if found := cmp.Or(m.audit.Done(), m.alone.Done()); found != nil {
		m.Fatalf("the auditor: %v\n%s", found, m.tail())
	}
}

// pick draws one of the first n numbers, all of them equally often.
func (m *shopper) pick(label string, n int) int {
	return rapid.SampledFrom(numbers[:n]).Draw(m.T, label)
}

var numbers = func() []int {
	n := make([]int, 12001)
	for i := range n {
		n[i] = i
	}
	return n
}()

// tail is the last events, for whoever looks into a failure.
func (m *shopper) tail() string {
	last := m.history[max(0, len(m.history)-6):]
	var b strings.Builder
	for _, e := range last {
		text, _ := json.Marshal(e)
		fmt.Fprintf(&b, "%T %s\n", e, text)
	}
	return b.String()
}

func (m *shopper) check(e Event) {
	account := &m.state.Loyalty
	m.read.Fold(Record{Event: e})
	m.blind.Fold(Record{Event: withoutKey(e)})
	want := text(m, *account)
	for what, is := range map[string]*Account{"stored and read again": &m.read, "without personal fields": &m.blind} {
		if got := text(m, *is); got != want {
			m.Fatalf("%s, after %T:\n%s", what, e, gocmp.Diff(want, got))
		}
	}
	m.read = Account{}
	if err := json.Unmarshal([]byte(want), &m.read); err != nil {
		m.Fatal(err)
	}
	if diff := m.audit.Differs(account); diff != "" {
		m.Fatalf("the auditor, after %T: %s\n%s", e, diff, m.tail())
	}

	n := look(m.history)
	left, held := n.all()
	n.check(n.owed >= 0, "%d are owed", n.owed)
	n.check(n.credits-n.debits == left+held-n.owed, "credits %d less debits %d are not %d left, %d held, less %d owed", n.credits, n.debits, left, held, n.owed)
	b := account.Balance()
	n.check(b.Spendable >= 0 && b.Spendable+b.Pending == left && b.Held == held && b.Deficit == n.owed && account.Sums.Net() == n.credits-n.debits,
		"%+v is not %d left, %d held, %d owed", b, left, held, n.owed)
	open := n.open()
	n.check(len(open) == len(account.Lots), "%d lots are open, not %d", len(open), len(account.Lots))
	for i, l := range account.Lots[:min(len(open), len(account.Lots))] {
		o := open[i]
		n.check(l.LotID == o.LotID && l.Remaining == o.left && gocmp.Equal(l.ExpiresAt, o.ExpiresAt), "%+v is %+v", l, o)
	}
	if len(n.wrong) > 0 {
		m.Fatalf("after %T: %v\n%s", e, n.wrong, m.tail())
	}
}

// same compares what means the same.
var same = []gocmp.Option{gocmp.Comparer(func(a, b uuid.UUID) bool { return a == b })}

func text(t *shopper, a Account) string {
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func reread(t *shopper, a Account) (again Account) {
	if err := json.Unmarshal([]byte(text(t, a)), &again); err != nil {
		t.Fatal(err)
	}
	return again
}

// settled checks that time does by itself what settling books: at once, or day by day.
func (m *shopper) settled() {
	from := reread(m, m.state.Loyalty)
	days := m.pick("days", 71)
	until := m.subject.Now.Add(time.Duration(days)*24*time.Hour + time.Duration(m.pick("minutes", 1441))*time.Minute)
	zone, policies := m.subject.Zone, m.world.Policies
	at := from.At(until, zone, policies)
	later := *m.world
	later.Closed = ptr(domain.DateOf(until, zone) - 1)
	events, err := domain.Decide(m.state, domain.Command[State, Event](SettleLoyalty{Subject: domain.Subject{Customer: id, Now: until, Latest: until, Zone: zone}, Known: world.Known{World: &later}}))
	if err != nil {
		m.Fatal(err)
	}
	once := reread(m, from)
	for _, e := range events {
		once.Fold(Record{Event: e})
	}
	if diff := gocmp.Diff(at, once, same...); diff != "" {
		m.Fatalf("at %s, and settled at %s:\n%s", until, until, diff)
	}
	daily := reread(m, from)
	var one []Event
	for day := domain.DateOf(m.subject.Now, zone); ; day++ {
		t := day.Start(zone)
		if t.After(until) {
			t = until
		}
		for _, e := range daily.Due(t, zone, policies) {
			one = append(one, e)
			daily.Fold(Record{Event: e})
		}
		if t.Equal(until) {
			break
		}
	}
	if diff := gocmp.Diff(events, one, same...); diff != "" {
		m.Fatalf("settled at once and daily until %s:\n%s", until, diff)
	}
	n, balance := look(slices.Concat(m.history, events)), at.Balance()
	if spendable := n.spendable(until); spendable != balance.Spendable || balance.Spendable < 0 {
		m.Fatalf("%d can be spent at %s, not %d", spendable, until, balance.Spendable)
	}
}

// order records an order, perhaps late, perhaps not paid, perhaps with lines and in
// another currency.
func (m *shopper) order() {
	c := RecordOrder{Subject: m.subject, Known: m.known(), OrderID: fmt.Sprint("o", len(m.orders))}
	programme := m.world.Policies[policy.KindLoyalty][0].Loyalty.Currency
	c.Total.Currency = rapid.SampledFrom([]string{programme, programme, "EUR", "JPY", "KWD"}).Draw(m.T, "currency")
	if c.Total.Currency != programme && m.pick("fx?", 10) > 0 {
		c.FX = &FX{Rate: rapid.SampledFrom([]string{"1", "0.0061", "3.07", "163.25"}).Draw(m.T, "rate"), Base: programme, AsOf: m.subject.Today()}
	}
	if rapid.Bool().Draw(m.T, "lines?") {
		for range 1 + m.pick("lines", 3) {
			l := OrderLine{SKU: "s", Quantity: int64(1 + m.pick("pieces", 4)), AmountMinor: ptr(int64(m.pick("amount", 8001)))}
			l.Category = rapid.SampledFrom([]string{"", "shoes", "hats"}).Draw(m.T, "category")
			if m.pick("eligible?", 5) == 0 {
				l.PointsEligible = ptr(false)
			}
			c.Lines = append(c.Lines, l)
			c.Total.AmountMinor += *l.AmountMinor
		}
	} else {
		c.Total.AmountMinor = int64(m.pick("total", 12001))
	}
	c.PlacedAt = m.earlier()
	if m.pick("elsewhere?", 8) == 0 { // the date is that of another zone
		c.PlacedOn = ptr(domain.DateOf(c.PlacedAt, time.UTC) + domain.Date(m.pick("date", 3)-1))
	}
	if m.pick("paid?", 6) > 0 {
		c.PaidAt = &c.PlacedAt
		if m.past.IsZero() && rapid.Bool().Draw(m.T, "paid now?") {
			c.PaidAt = &m.subject.Now
		}
	}
	if holds := m.state.Loyalty.Holds; len(holds) > 0 && m.pick("hold?", 4) == 0 {
		c.HoldID = holds[0].HoldID
	}
	before := len(m.history)
	m.decide(c)
	for _, e := range m.history[before:] {
		if o, ok := e.(OrderRecorded); ok {
			m.orders = append(m.orders, o)
		}
	}
}

// earlier is now, or some time before.
func (m *shopper) earlier() time.Time {
	now := m.subject.Now
	if !m.past.IsZero() {
		now = m.past
	}
	return now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 30, 24 * 20, 24 * 70}).Draw(m.T, "hours late")) * time.Hour)
}

// refund gives money of an order back: all of it, some, or of a line.
func (m *shopper) refund() {
	if len(m.orders) == 0 {
		return
	}
	o := m.state.Order(rapid.SampledFrom(m.orders).Draw(m.T, "order").OrderID)
	c := RecordRefund{Subject: m.subject, Known: m.known(), RefundID: fmt.Sprint("r", m.steps), OrderID: o.OrderID, Amount: o.Total}
	if !m.past.IsZero() || m.pick("late?", 6) == 0 {
		c.RefundedAt = ptr(m.earlier())
	}
	left := o.Total.AmountMinor - o.Refunded
	part := func(of int64) int64 {
		return of * int64(rapid.SampledFrom([]int{100, 100, 50, 33, 7}).Draw(m.T, "percent")) / 100
	}
	if c.Amount.AmountMinor = part(left); len(o.Lines) > 0 && rapid.Bool().Draw(m.T, "by line?") {
		i := rapid.IntRange(0, len(o.Lines)-1).Draw(m.T, "line")
		gone := o.RefundedLines[i]
		c.Amount.AmountMinor = part(min(left, o.Lines[i].AmountMinor-gone.AmountMinor))
		c.Lines = []RefundLine{{Line: i, AmountMinor: c.Amount.AmountMinor, Quantity: rapid.Int64Range(0, o.Lines[i].Quantity-gone.Quantity).Draw(m.T, "pieces")}}
	}
	m.decide(c)
}

// points draws a number of points up to some, which may be too many.
func (m *shopper) points(most int64) int64 {
	switch m.pick("how many", 8) {
	case 0:
		return most + 1
	case 1, 2:
		return max(1, most)
	case 3, 4, 5:
		return max(5, most/2/5*5)
	}
	return rapid.Int64Range(1, max(1, most)).Draw(m.T, "points")
}

// aimed returns an order that points are spent on, "" for none.
func (m *shopper) aimed() string {
	if len(m.orders) == 0 || rapid.Bool().Draw(m.T, "on no order?") {
		return ""
	}
	return rapid.SampledFrom(m.orders).Draw(m.T, "on").OrderID
}

// take receives points of somebody else: of lots that never lapse, lapse, or have.
func (m *shopper) take() {
	c := TakeTransfer{Subject: m.subject, Known: m.known(), TransferID: uuid.UUID{0: 2, 15: byte(m.steps)}, From: uuid.UUID{1}, HeldAt: m.subject.Now}
	for i := range 1 + m.pick("lots", 3) {
		l := Lot{LotID: fmt.Sprint("theirs", i), Points: 500, EarnedAt: m.subject.Now.AddDate(0, -3, i), AvailableAt: m.subject.Now.AddDate(0, -3, i), Source: LotSource{Kind: LotOrder, Ref: "theirs"}}
		if days := m.pick("days", 40); days > 0 {
			d := m.subject.Today() + domain.Date(days-5)
			l.ExpiresAt = ptr(d.Start(m.subject.Zone).UTC())
		}
		c.Lots = append(c.Lots, HeldLot{Points: int64(1 + m.pick("theirs", 60)), Lot: l})
		c.Points += c.Lots[i].Points
	}
	m.decide(c)
}

// step lets something happen.
func (m *shopper) step() {
	of, known, n := m.subject, m.known(), fmt.Sprint(m.steps)
	by := of
	by.Actor = domain.Actor{Kind: "user", ID: rapid.SampledFrom([]string{"ann", "bob"}).Draw(m.T, "by")}
	account := m.state.Loyalty.At(of.Now, of.Zone, m.world.Policies)
	spendable := account.Balance().Spendable
	hold, proposal, redemption := "none", "none", "none"
	if len(account.Holds) > 0 {
		hold = rapid.SampledFrom(account.Holds).Draw(m.T, "hold").HoldID
	}
	if len(account.Proposals) > 0 {
		proposal = rapid.SampledFrom(account.Proposals).Draw(m.T, "proposal").ProposalID
	}
	var spent []string
	for _, e := range m.history {
		switch e := e.(type) {
		case PointsRedeemed:
			spent = append(spent, e.RedemptionID)
		case HoldCaptured:
			spent = append(spent, e.RedemptionID)
		}
	}
	if len(spent) > 0 {
		redemption = rapid.SampledFrom(spent).Draw(m.T, "redemption")
	}
	often := []int{5, 6, 10, 10, 11, 11, 13, 14, 16, 17, 18, 19, 22}
	what := m.pick("what", 38+len(often))
	if what >= 38 {
		what = often[what-38]
	}
	if !m.past.IsZero() && what > 9 && what < 33 && m.pick("today?", 20) > 0 {
		what %= 8 // of a past mostly orders and refunds are told
	}
	switch what {
	case 0, 1, 2, 3, 4:
		m.order()
	case 5, 6, 7:
		m.refund()
	case 8:
		if len(m.orders) > 0 {
			m.decide(CancelOrder{Subject: of, Known: known, OrderID: rapid.SampledFrom(m.orders).Draw(m.T, "order").OrderID})
		}
	case 9:
		for _, o := range m.orders {
			if is := m.state.Order(o.OrderID); !is.Paid && !is.Cancelled {
				m.decide(PayOrder{Subject: of, Known: known, OrderID: o.OrderID})
			}
		}
	case 10, 11, 12:
		c := RedeemPoints{Subject: of, Known: known, RedemptionID: "x" + n, Points: m.points(spendable), OrderID: m.aimed()}
		if m.pick("reward?", 6) == 0 {
			c.Reward, c.Points = "mug", 33
		}
		m.decide(c)
	case 13, 14:
		c := HoldPoints{Subject: of, Known: known, HoldID: "h" + n, Points: m.points(spendable)}
		if rapid.Bool().Draw(m.T, "short?") {
			c.TTLMinutes = ptr(30)
		}
		m.decide(c)
	case 15:
		m.decide(ReleaseHold{Subject: of, Known: known, HoldID: hold})
	case 16, 17:
		c := CaptureHold{Subject: of, Known: known, HoldID: hold, OrderID: m.aimed()}
		if h := account.Hold(hold); h != nil && rapid.Bool().Draw(m.T, "part?") {
			c.Points, c.RedemptionID = ptr(m.points(h.Points)), "c"+n
		}
		m.decide(c)
	case 18, 19:
		c := ReverseRedemption{Subject: of, Known: known, RedemptionID: redemption}
		if rapid.Bool().Draw(m.T, "part?") {
			c.Points, c.ReversalID = ptr(m.points(20)), "v"+n
		}
		m.decide(c)
	case 20:
		m.decide(EarnPoints{Subject: of, Known: known, Activity: "review", Ref: n, HappenedAt: ptr(m.earlier())})
	case 21:
		if len(m.orders) > 0 {
			m.decide(ReversePointsEarn{Subject: of, Known: known, OrderID: rapid.SampledFrom(m.orders).Draw(m.T, "order").OrderID, Points: ptr(m.points(30)), ReversalID: "e" + n})
		}
	case 22:
		m.decide(GrantBonus{Subject: by, Known: known, BonusID: "b" + n, Points: m.points(60), Reason: "so"})
	case 23:
		m.decide(AdjustPoints{Subject: by, Known: known, AdjustmentID: "a" + n, Points: m.points(90) * int64(rapid.SampledFrom([]int{1, -1, -1}).Draw(m.T, "sign")), Reason: "so"})
	case 24:
		m.decide(ApprovePoints{Subject: by, Known: known, ProposalID: proposal})
		m.decide(ApprovePoints{Subject: with(by, func(s *domain.Subject) { s.Actor.ID = "eve" }), Known: known, ProposalID: proposal})
	case 25:
		m.decide(RejectPoints{Subject: by, Known: known, ProposalID: proposal, Reason: "no"})
	case 26:
		c := ExtendExpiry{Subject: of, Known: known, To: of.Today() + domain.Date(1+m.pick("later", 90)), Reason: "so"}
		for _, l := range account.Lots {
			if l.ExpiresAt != nil && rapid.Bool().Draw(m.T, "this?") {
				c.Lots = append(c.Lots, l.LotID)
			}
		}
		m.decide(c)
	case 27:
		m.decide(OverrideTier{Subject: by, Known: known, Tier: rapid.SampledFrom([]string{"base", "silver", "gold"}).Draw(m.T, "tier"), Until: of.Today() + domain.Date(m.pick("days", 41)), Reason: "so"})
	case 28:
		m.decide(LiftTierOverride{Subject: by, Known: known, Reason: "so"})
		m.decide(EvaluateTier{Subject: of, Known: known})
	case 29:
		m.publish(rapid.SampledFrom([]string{policy.KindLoyalty, policy.KindTier}).Draw(m.T, "kind"))
	case 30:
		if m.pick("leave?", 4) == 0 {
			m.decide(LeaveProgram{Subject: of, Known: known})
		}
	case 31:
		m.decide(EnrolInProgram{Subject: of, Known: known, JoinedAt: ptr(m.earlier())})
	case 32:
		m.decide(SettleLoyalty{Subject: of, Known: known})
	case 33:
		m.decide(AddTag{Subject: of, Tag: "friend"})
	case 34:
		m.decide(HoldForTransfer{Subject: of, Known: known, TransferID: uuid.UUID{0: 1, 15: byte(m.steps)}, To: uuid.UUID{1}, Points: m.points(spendable)})
	case 35:
		for _, h := range account.Holds {
			if h.Transfer == uuid.Nil {
				continue
			}
			if rapid.Bool().Draw(m.T, "sent?") {
				m.decide(SendTransfer{Subject: of, Known: known, TransferID: h.Transfer, To: uuid.UUID{1}, TakenAt: of.Now})
			} else {
				m.decide(CancelTransferHold{Subject: of, Known: known, TransferID: h.Transfer, To: uuid.UUID{1}})
			}
		}
	case 36:
		m.take()
	case 37:
		coupon := CouponIssued{CouponID: "k/" + n, Benefit: CouponBenefit{Kind: CouponPoints, Points: m.points(60)}, ExpiresAt: of.Now.AddDate(1, 0, 0), Uses: 2, IssuedAt: of.Now}
		m.tell(coupon)
		for range 2 {
			m.decide(RedeemCoupon{Subject: of, Known: known, CouponID: coupon.CouponID, OrderID: m.aimed()})
		}
	}
	if m.pick("later?", 3) == 0 {
		m.clock(time.Duration(rapid.SampledFrom([]int{1, 7, 24, 24 * 6, 24 * 33}).Draw(m.T, "hours")) * time.Hour)
	}
}

// Whatever is bought, refunded, spent, held, given back, granted, corrected and
// published, and however late it becomes known: after every event the account is what
// a look at all events says, the auditor agrees, and the invariants hold.
func TestPointsAreWhatALookAtEveryEventSays(t *testing.T) {
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		m := newShopper(t, seen)
		for range 40 {
			m.step()
			if m.pick("settle?", 8) == 0 {
				m.settled()
			}
		}
		of := m.subject
		of.Actor = domain.Actor{Kind: "user", ID: "ann"}
		m.decide(RequestErasure{Subject: of, Requester: RequesterCustomer})
		of.Actor.ID = "bob"
		m.decide(ApproveErasure{Subject: of})
		m.decide(Erase{Subject: of})
		for i, h := range slices.Clone(m.state.Loyalty.Holds) { // what is on its way to somebody else outlives it
			if i%2 == 0 {
				m.decide(SendTransfer{Subject: of, Known: m.known(), TransferID: h.Transfer, To: uuid.UUID{1}, TakenAt: of.Now})
			} else {
				m.decide(CancelTransferHold{Subject: of, Known: m.known(), TransferID: h.Transfer, To: uuid.UUID{1}})
			}
		}
		if b := m.state.Loyalty.Balance(); !m.state.Erased || b.Spendable+b.Pending+b.Held != 0 {
			t.Fatalf("after the erasure there is %+v", b)
		}
	})
	t.Log(seen)
}
