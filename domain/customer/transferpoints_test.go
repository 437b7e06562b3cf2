package customer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	move  = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000f1")
	other = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-0000000000f2")

	april, may = day(31), day(61)

	onWay = PointsHeld{
		HoldID: TransferHold(move), Points: 120, From: []Portion{{"bonus:soon", 50}, {"bonus:b1", 70}}, Transfer: move, HeldAt: noon,
	}
	arrived = PointsTransferredIn{
		TransferID: move, From: other, Points: 120, Lots: moved(), Of: []string{"bonus:soon", "bonus:b1"}, TransferredAt: noon,
	}
	departed = PointsTransferredOut{
		TransferID: move, HoldID: onWay.HoldID, To: other, Points: 120, From: onWay.From, TransferredAt: noon,
	}
	givenBack = HoldReleased{HoldID: onWay.HoldID, Points: 120, Returned: onWay.From, Cause: ReleaseCancelled, ReleasedAt: noon}
)

// day is the first instant of a day that is so many days after 1 March 2026.
func day(after domain.Date) time.Time { return (today + after).Start(time.UTC) }

// soon is a bonus that lapses in April.
func soon(points int64) PointsGranted {
	return with(bonus("soon", points), func(e *PointsGranted) { e.Lot.ExpiresAt = &april })
}

// giver is a member who has 50 points that lapse in April and 100 that do not.
func giver(more ...Event) []Event {
	return append([]Event{registered, joined, bonus("b1", 100), soon(50)}, more...)
}

// moved is the lots of a giver as they are the recipient's.
func moved() []Lot {
	lots := []Lot{lot(LotTransfer, move.String(), 50), lot(LotTransfer, move.String(), 70)}
	lots[0].ExpiresAt = &april
	lots[0].LotID += ":1"
	lots[1].LotID += ":2"
	return lots
}

func heldLots() []HeldLot {
	return []HeldLot{{Points: 50, Lot: soon(50).Lot}, {Points: 70, Lot: bonus("b1", 100).Lot}}
}

func declined(role, code string) []Event {
	return []Event{TransferDeclined{TransferID: move, Role: role, With: other, Points: 120, Code: code, DeclinedAt: noon}}
}

func TestHoldForTransfer(t *testing.T) {
	cmd := HoldForTransfer{Subject: at, Known: desks(), TransferID: move, To: other, Points: 120}
	when := func(change func(*HoldForTransfer)) HoldForTransfer { return with(cmd, change) }
	no := func(code string) []Event { return declined(RoleSender, code) }
	many := []Event{registered, joined}
	for i := range 1001 {
		many = append(many, bonus(fmt.Sprintf("m%04d", i), 1))
	}
	run(t, []spec{
		{Name: "points are held until the transfer has ended", Given: giver(), When: cmd, Then: []Event{onWay}},
		{Name: "what fell due comes first", Given: giver(), When: when(func(c *HoldForTransfer) { c.Subject, c.Points = later(at, april), 100 }),
			Then: []Event{
				PointsExpired{LotID: "bonus:soon", Points: 50, ExpiredAt: april},
				with(onWay, func(e *PointsHeld) { e.Points, e.From, e.HeldAt = 100, []Portion{{"bonus:b1", 100}}, april }),
			}},
		{Name: "not enough", Given: giver(), When: when(func(c *HoldForTransfer) { c.Points = 151 }),
			Then: []Event{with(no("insufficient_points")[0].(TransferDeclined), func(e *TransferDeclined) { e.Points = 151 })}},
		{Name: "the programme forbids it", Given: giver(), When: when(func(c *HoldForTransfer) {
			c.Known = desks(func(p *loyalty.Policy) { p.Transfer.Allowed = false })
		}), Then: no("transfer_not_allowed")},
		{Name: "too few", Given: giver(), When: when(func(c *HoldForTransfer) {
			c.Known = desks(func(p *loyalty.Policy) { p.Transfer.Minimum = 121 })
		}), Then: no("below_minimum")},
		{Name: "too many", Given: giver(), When: when(func(c *HoldForTransfer) {
			c.Known = desks(func(p *loyalty.Policy) { p.Transfer.Maximum = 119 })
		}), Then: no("above_maximum")},
		{Name: "from too many lots", Given: many, When: when(func(c *HoldForTransfer) {
			c.Known, c.Points = desks(func(p *loyalty.Policy) { p.Transfer.Maximum = 0 }), 1001
		}), Then: []Event{with(no("transfer_of_too_many_lots")[0].(TransferDeclined), func(e *TransferDeclined) { e.Points = 1001 })}},
		{Name: "without a maximum", Given: giver(), When: when(func(c *HoldForTransfer) {
			c.Known = desks(func(p *loyalty.Policy) { p.Transfer = loyalty.Transfer{Allowed: true} })
		}), Then: []Event{onWay}},
		{Name: "there is no programme any more", Given: giver(), When: when(func(c *HoldForTransfer) { c.Known = world.Known{} }), Then: no("no_program")},
		{Name: "not a member", Given: giver(ProgramLeft{LeftAt: noon}), When: cmd, Then: no("not_enrolled")},
		{Name: "a restricted customer", Given: giver(locked), When: cmd, Then: no("processing_restricted")},
		{Name: "a customer who is about to be erased", Given: giver(asked, approved), When: cmd, Then: no("customer_erased")},
		{Name: "an erased customer", Given: giver(asked, approved, erasedNow), When: cmd, Then: no("customer_erased")},
		{Name: "again", Given: giver(onWay), When: cmd},
		{Name: "again when they have gone", Given: giver(onWay, departed), When: cmd},
		{Name: "again when they came back", Given: giver(onWay, givenBack), When: cmd},
		{Name: "again when it was declined", Given: giver(declined(RoleSender, "insufficient_points")...), When: cmd},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
	})
}

func TestTakeTransfer(t *testing.T) {
	cmd := TakeTransfer{Subject: at, Known: desks(), TransferID: move, From: other, Points: 120, Lots: heldLots(), HeldAt: noon}
	when := func(change func(*TakeTransfer)) TakeTransfer { return with(cmd, change) }
	no := func(code string) []Event { return declined(RoleRecipient, code) }
	member := []Event{registered, joined}
	in := func(change func(*PointsTransferredIn)) PointsTransferredIn {
		return with(arrived, func(e *PointsTransferredIn) { e.Lots = moved(); change(e) })
	}
	run(t, []spec{
		{Name: "the recipient has the points as the sender had them", Given: member, When: cmd, Then: []Event{arrived}},
		{Name: "never before they were held", Given: member, When: when(func(c *TakeTransfer) { c.HeldAt = noon.Add(time.Second) }),
			Then: []Event{in(func(e *PointsTransferredIn) { e.TransferredAt = noon.Add(time.Second) })}},
		{Name: "what is owed is paid first", Given: owes(60), When: cmd, Then: []Event{in(func(e *PointsTransferredIn) { e.DeficitPaid = 60 })}},
		{Name: "rolling lots roll no more", Given: member,
			When: when(func(c *TakeTransfer) { c.Lots = heldLots(); c.Lots[0].Lot.Rolling = true }), Then: []Event{arrived}},
		{Name: "what lapsed on the way", Given: member, When: when(func(c *TakeTransfer) { c.Subject = later(at, april) }),
			Then: []Event{
				in(func(e *PointsTransferredIn) { e.TransferredAt = april }),
				PointsExpired{LotID: TransferHold(move) + ":1", Points: 50, ExpiredAt: april},
			}},
		{Name: "what lapsed on the way pays nothing", Given: owes(100), When: when(func(c *TakeTransfer) { c.Subject = later(at, april) }),
			Then: []Event{
				in(func(e *PointsTransferredIn) { e.TransferredAt, e.DeficitPaid = april, 70 }),
				PointsExpired{LotID: TransferHold(move) + ":1", Points: 50, ExpiredAt: april},
			}},
		{Name: "not a member", Given: member[:1], When: cmd, Then: no("not_enrolled")},
		{Name: "not a member any more", Given: append(member, ProgramLeft{LeftAt: noon}), When: cmd, Then: no("not_enrolled")},
		{Name: "a restricted customer", Given: append(member, locked), When: cmd, Then: no("processing_restricted")},
		{Name: "a customer who is about to be erased", Given: append(member, asked, approved), When: cmd, Then: no("customer_erased")},
		{Name: "an erased customer", Given: append(member, asked, approved, erasedNow), When: cmd, Then: no("customer_erased")},
		{Name: "again", Given: append(member, arrived), When: cmd},
		{Name: "again when it was declined", Given: append(member, no("not_enrolled")...), When: cmd},
		{Name: "nothing is held", Given: member, When: when(func(c *TakeTransfer) { c.Lots = nil })},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
	})
}

func TestSendTransfer(t *testing.T) {
	cmd := SendTransfer{Subject: at, Known: desks(), TransferID: move, To: other, TakenAt: noon}
	run(t, []spec{
		{Name: "the points have gone", Given: giver(onWay), When: cmd, Then: []Event{departed}},
		{Name: "never before they were taken", Given: giver(onWay), When: with(cmd, func(c *SendTransfer) { c.TakenAt = noon.Add(time.Second) }),
			Then: []Event{with(departed, func(e *PointsTransferredOut) { e.TransferredAt = noon.Add(time.Second) })}},
		{Name: "of a restricted customer", Given: giver(onWay, locked), When: cmd, Then: []Event{departed}},
		{Name: "of an erased customer", Given: giver(onWay, asked, approved, erasedNow), When: cmd, Then: []Event{departed}},
		{Name: "again", Given: giver(onWay, departed), When: cmd},
		{Name: "what came back", Given: giver(onWay, givenBack), When: cmd},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
	})
}

func TestCancelTransferHold(t *testing.T) {
	cmd := CancelTransferHold{Subject: at, Known: desks(), TransferID: move, To: other, Points: 120}
	late := with(cmd, func(c *CancelTransferHold) { c.Subject = later(at, may) })
	run(t, []spec{
		{Name: "the points come back", Given: giver(onWay), When: cmd, Then: []Event{givenBack}},
		{Name: "they pay what is owed meanwhile", When: cmd,
			Given: giver(onWay, PointsAdjusted{AdjustmentID: "a", Points: -50, Deficit: 20, From: []Portion{{"bonus:b1", 30}}, AdjustedAt: noon}),
			Then:  []Event{with(givenBack, func(e *HoldReleased) { e.DeficitPaid = 20 })}},
		{Name: "what lapsed meanwhile does not", Given: giver(onWay), When: late,
			Then: []Event{HoldReleased{
				HoldID: onWay.HoldID, Points: 120, Returned: onWay.From[1:], Lapsed: onWay.From[:1], Cause: ReleaseCancelled, ReleasedAt: may,
			}}},
		{Name: "of a restricted customer", Given: giver(onWay, locked), When: cmd, Then: []Event{givenBack}},
		{Name: "of an erased customer", When: cmd,
			Given: giver(onWay, asked, approved, PointsForfeited{Points: 30, From: []Portion{{"bonus:b1", 30}}, Cause: ForfeitErased, ForfeitedAt: noon}, erasedNow),
			Then:  []Event{givenBack, PointsForfeited{Points: 120, From: onWay.From, Cause: ForfeitErased, ForfeitedAt: noon}}},
		{Name: "again", Given: giver(onWay, givenBack), When: cmd},
		{Name: "what has gone", Given: giver(onWay, departed), When: cmd},
		{Name: "what was declined", Given: giver(declined(RoleSender, "not_enrolled")...), When: cmd},
		{Name: "what was not held yet will not be", Given: giver(), When: cmd, Then: declined(RoleSender, TransferCalledOff)},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
	})
}

func TestDeclineTransfer(t *testing.T) {
	cmd := DeclineTransfer{Subject: at, TransferID: move, From: other, Points: 120}
	no := declined(RoleRecipient, TransferCalledOff)
	run(t, []spec{
		{Name: "it is called off", Given: []Event{registered}, When: cmd, Then: no},
		{Name: "of a restricted customer", Given: []Event{registered, locked}, When: cmd, Then: no},
		{Name: "of an erased customer", Given: []Event{registered, asked, approved, erasedNow}, When: cmd, Then: no},
		{Name: "what was taken", Given: []Event{registered, joined, arrived}, When: cmd},
		{Name: "again", Given: append([]Event{registered}, no...), When: cmd},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
	})
}

// What a transfer is to a customer follows from their events, also when they were
// erased since.
func TestHowFarATransferHasCome(t *testing.T) {
	for name, c := range map[string]struct {
		events []Event
		want   TransferStep
	}{
		"nothing was decided": {giver(), TransferStep{}},
		"held":                {giver(onWay), TransferStep{State: TransferIsHeld, Lots: heldLots(), At: noon}},
		"held by the erased":  {giver(onWay, asked, approved, erasedNow), TransferStep{State: TransferIsHeld, Lots: heldLots(), At: noon}},
		"sent":                {giver(onWay, departed), TransferStep{State: TransferIsSent}},
		"given back":          {giver(onWay, givenBack), TransferStep{State: TransferIsReleased}},
		"declined":            {giver(declined(RoleSender, "x")...), TransferStep{State: TransferIsDeclined, Code: "x"}},
		"received":            {[]Event{registered, joined, arrived}, TransferStep{State: TransferIsReceived, At: noon}},
	} {
		var s State
		for _, e := range c.events {
			s = s.Evolve(e)
		}
		if diff := cmp.Diff(c.want, s.Transfer(move)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
