package commands_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/internal/memlog"
)

func TestCouponsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	ada, bo := s.register(t)+"/", s.register(t)+"/"
	for _, step := range []struct{ at, command, body, want string }{
		{ada, "issue-coupon", `{"coupon_id":"K1","code":"Spring 10","benefit":{"kind":"percent","percent":10},"valid_until":"2026-03-31","reason":"was late"}`, "201 coupon_issued"},
		{ada, "issue-coupon", `{"coupon_id":"K1","code":"SPRING-10","benefit":{"kind":"percent","percent":10},"valid_until":"2026-03-31"}`, "200 unchanged"},
		{ada, "issue-coupon", `{"coupon_id":"K1","code":"SPRING-10","benefit":{"kind":"percent","percent":20},"valid_until":"2026-03-31"}`, "409 coupon_exists"},
		{ada, "issue-coupon", `{"coupon_id":"K2","code":"spring10","benefit":{"kind":"gift","gift":"tea"},"valid_until":"2026-03-31"}`, "409 coupon_code_taken /code"},
		{bo, "issue-coupon", `{"coupon_id":"K1","code":"spring10","benefit":{"kind":"gift","gift":"tea"},"valid_until":"2026-03-31"}`, "409 coupon_code_taken /code"},
		{bo, "issue-coupon", `{"coupon_id":"K1","benefit":{"kind":"gift","gift":"tea"},"valid_until":"2026-02-28"}`, "422 validation_failed /valid_until"},
		{bo, "issue-coupon", `{"coupon_id":"K1","benefit":{"gift":"tea"},"valid_until":"2026-03-31"}`, "422 validation_failed /benefit/kind"},
		{bo, "issue-coupon", `{"coupon_id":"K1","benefit":{"kind":"gift","gift":"tea"}}`, "422 validation_failed /valid_until"},
		{ada, "redeem-coupon", `{"code":"spring 10","order_id":"o1"}`, "409 coupon_order_unknown"},
		{ada, "record-order", `{"order_id":"o1","total":{"amount_minor":1000,"currency":"EUR"},"placed_at":"2026-03-01T09:00:00Z"}`, "201 order_recorded"},
		{ada, "redeem-coupon", `{"code":"winter","order_id":"o1"}`, "404 coupon_not_found"},
		{bo, "redeem-coupon", `{"code":"spring 10","order_id":"o1"}`, "404 coupon_not_found"},
		{ada, "redeem-coupon", `{"order_id":"o1"}`, "422 validation_failed /coupon_id"},
		{ada, "redeem-coupon", `{"code":"spring 10","order_id":"o1"}`, "200 coupon_redeemed"},
		{ada, "redeem-coupon", `{"coupon_id":"K1","order_id":"o1"}`, "200 unchanged"},
		{ada, "record-order", `{"order_id":"o2","total":{"amount_minor":1000,"currency":"EUR"},"placed_at":"2026-03-01T09:00:00Z"}`, "201 order_recorded"},
		{ada, "redeem-coupon", `{"code":"spring 10","order_id":"o2"}`, "409 coupon_used"},
		{bo, "issue-coupon", `{"coupon_id":"K1","code":"spring10","benefit":{"kind":"gift","gift":"tea"},"valid_until":"2026-03-31","uses":2}`, "201 coupon_issued"}, // it is free
		{ada, "cancel-order", `{"order_id":"o1"}`, "200 order_cancelled coupon_restored"},
		{ada, "redeem-coupon", `{"code":"spring 10","order_id":"o2"}`, "200 coupon_redeemed"}, // Ada's own, and Bo keeps the code
		{ada, "issue-coupon", `{"coupon_id":"K3","code":"spring10","benefit":{"kind":"gift","gift":"cup"},"valid_until":"2026-03-31"}`, "409 coupon_code_taken /code"},
		{bo, "void-coupon", `{"coupon_id":"K1"}`, "422 validation_failed /reason"},
		{bo, "void-coupon", `{"coupon_id":"K2","reason":"fraud"}`, "404 coupon_not_found"},
		{bo, "void-coupon", `{"coupon_id":"K1","reason":"fraud"}`, "200 coupon_voided"},
		{bo, "void-coupon", `{"coupon_id":"K1","reason":"fraud"}`, "200 unchanged"},
		{bo, "redeem-coupon", `{"code":"spring10","order_id":"o1"}`, "409 coupon_voided"},
		{ada, "issue-coupon", `{"coupon_id":"K3","code":"spring10","benefit":{"kind":"gift","gift":"cup"},"valid_until":"2026-03-31"}`, "201 coupon_issued"},
		{ada, "redeem-coupon", `{"coupon_id":"K3","order_id":"o2"}`, "409 coupon_not_stackable"},
	} {
		if got := told(t, s.Post(step.at+step.command, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
		}
	}
	a := decode(t, s.Post(bo+"issue-coupon", `{"coupon_id":"K9","code":"spring10","benefit":{"kind":"gift","gift":"tea"},"valid_until":"2026-03-31"}`))
	if "/v1/customers/"+a.Holder+"/" != ada {
		t.Errorf("held by %q, not %s", a.Holder, ada)
	}
}

func issue(w *commands.Writer, id uuid.UUID, coupon, code string, uses int) customer.IssueCoupon {
	of := w.World.Subject(id)
	return customer.IssueCoupon{
		Subject: of, CouponID: coupon, Code: code, Uses: &uses, Benefit: customer.CouponBenefit{Kind: customer.CouponPercent, Percent: 10}, ValidUntil: of.Today() + 30,
	}
}

// Sixty-four tills redeem one coupon at the same time, each with an order of its own.
func TestACouponIsRedeemedAsOftenAsItMayBe(t *testing.T) {
	const tills, uses = 64, 5
	var log memlog.Log
	c := new(clock)
	processes := []*commands.Writer{writer(&log, c), writer(&log, c)}
	id := uuid.New()
	mustRegister(t, processes[0], id)
	execute(t, processes[0], request("issue-coupon"), issue(processes[0], id, "K1", "spring 10", uses))
	for i := range tills {
		execute(t, processes[0], request("record-order"), order(processes[0], id, fmt.Sprint(i), 1000))
	}
	before := count(t, &log, customer.Stream(id))
	var redeemed, used atomic.Int64
	var wg sync.WaitGroup
	for i := range tills {
		wg.Go(func() {
			w, r := processes[i%2], request("redeem-coupon")
			cmd := customer.RedeemCoupon{Subject: w.World.Subject(id), OrderID: fmt.Sprint(i)}
			if i%3 == 0 {
				cmd.CouponID = "K1"
			} else {
				cmd.Code = "Spring-10"
			}
			for {
				result, err := commands.Execute(t.Context(), w, r, domain.Command[customer.State, customer.Event](cmd))
				switch {
				case errors.Is(err, commands.ErrContended):
					continue
				case err == nil && result.Changed:
					redeemed.Add(1)
				case errors.Is(err, customer.ErrCouponUsed):
					used.Add(1)
				default:
					t.Errorf("order %d: %+v, %v", i, result, err)
				}
				return
			}
		})
	}
	wg.Wait()
	if redeemed.Load() != uses || used.Load() != tills-uses {
		t.Errorf("%d redeemed it, %d were told that it is used up; want %d and %d", redeemed.Load(), used.Load(), uses, tills-uses)
	}
	if n := count(t, &log, customer.Stream(id)) - before; n != uses {
		t.Errorf("%d events, want %d", n, uses)
	}
	if s := last(t, &log, reservation.KindCouponCode, "SPRING10"); s.Held {
		t.Errorf("the code is not free: %+v", s)
	}
}

// Fifty customers are to have one code: one has it.
func TestACodeIsOneCouponsOfAllCustomers(t *testing.T) {
	const people = 50
	var log memlog.Log
	c := new(clock)
	processes := []*commands.Writer{writer(&log, c), writer(&log, c)}
	ids, errs := make([]uuid.UUID, people), make([]error, people)
	for i := range ids {
		ids[i] = uuid.New()
		mustRegister(t, processes[i%2], ids[i])
	}
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			w := processes[i%2]
			_, errs[i] = commands.Execute(t.Context(), w, request("issue-coupon"), domain.Command[customer.State, customer.Event](issue(w, id, "K1", "Only-One", 1)))
		})
	}
	wg.Wait()
	holder := last(t, &log, reservation.KindCouponCode, "ONLYONE").Customer
	for i, err := range errs {
		if ids[i] == holder && err != nil || ids[i] != holder && takenBy(err) != holder.String() {
			t.Errorf("customer %d: %v", i, err)
		}
	}

	// It is free when its time is over and that is booked, not before.
	c.Set(noon.Add(40 * 24 * time.Hour))
	w := processes[0]
	other := ids[0]
	if other == holder {
		other = ids[1]
	}
	take := func() error {
		_, err := commands.Execute(t.Context(), w, request("issue-coupon"), domain.Command[customer.State, customer.Event](issue(w, other, "K2", "ONLY ONE", 1)))
		return err
	}
	if err := take(); takenBy(err) != holder.String() {
		t.Errorf("before it is booked: %v", err)
	}
	execute(t, w, request("book"), booking{w.World.Subject(holder)})
	if err := take(); err != nil {
		t.Errorf("after: %v", err)
	}

	// An objection to contact is no matter of the code.
	execute(t, w, request("suppress-contact"), customer.SuppressContact{Subject: w.World.Subject(other), ID: "s1", Scope: customer.SuppressAll, ReasonCode: customer.SuppressedObjection})
	if err := w.Release(t.Context(), request("release"), reservation.KindCouponCode, keyring().Lookup(reservation.KindCouponCode, "ONLYONE"), other, true); err != nil {
		t.Fatal(err)
	}
	if s := last(t, &log, reservation.KindCouponCode, "ONLYONE"); s.Held || s.Objected {
		t.Errorf("%+v", s)
	}
}

// booking records what is due.
type booking struct {
	domain.Subject `json:"-"`
}

func (b booking) Stream() string { return customer.Stream(b.Customer) }

func (b booking) Decide(s customer.State) ([]customer.Event, error) { return s.Coupons.Due(b.Now), nil }

// The process goes away between the last use and the release of the code: who wants it
// next has it all the same.
func TestACodeIsFreeThoughNobodySaidSo(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	c := new(clock)
	w := writer(log, c)
	a, b := uuid.New(), uuid.New()
	mustRegister(t, w, a)
	mustRegister(t, w, b)
	execute(t, w, request("issue-coupon"), issue(w, a, "K1", "once", 1))
	execute(t, w, request("record-order"), order(w, a, "o1", 1000))
	log.before = func(stream string) error {
		if stream != customer.Stream(a) {
			return errors.New("gone")
		}
		return nil
	}
	execute(t, w, request("redeem-coupon"), customer.RedeemCoupon{Subject: w.World.Subject(a), CouponID: "K1", OrderID: "o1"})
	log.before = nil
	if s := last(t, log.Log, reservation.KindCouponCode, "ONCE"); !s.Held {
		t.Fatal("it was released")
	}
	execute(t, w, request("issue-coupon"), issue(w, b, "K1", "once", 1))
	if s := last(t, log.Log, reservation.KindCouponCode, "ONCE"); s.Customer != b {
		t.Errorf("%+v", s)
	}
}
