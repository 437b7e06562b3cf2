package readapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/readapi"
)

func TestCouponsAreShownInTheirStates(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	path := "/v1/customers/" + c.String() + "/coupons"
	s.register(c, customer.Name{Given: "Ann"}, "web")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	until := func(day int) time.Time { return domain.NewDate(2026, 3, day+1).Start(berlin).UTC() }
	gift := customer.CouponBenefit{Kind: customer.CouponGift, Gift: "tea"}
	issue := func(id string, last int) {
		s.customer(c, customer.CouponIssued{CouponID: id, Code: "code " + id, Lookup: "l" + id, Claim: "c" + id, Benefit: gift, ExpiresAt: until(last), Uses: 1, IssuedAt: s.clock})
	}
	issue("open", 31)
	issue("short", 2)
	issue("used", 31)
	issue("voided", 31)
	issue("booked", 1)
	early := "?as_of=" + s.clock.Format(time.RFC3339)
	s.order(c, "o1", "2026-03-01", 1000)
	redeemed := s.customer(c, customer.CouponRedeemed{CouponID: "used", OrderID: "o1", Use: 1, Of: 1, Gift: "tea", Lookup: "lused", Claim: "cused", RedeemedAt: s.clock})
	s.customer(c, customer.CouponVoided{CouponID: "voided", Reason: "fraud", Lookup: "lvoided", Claim: "cvoided", VoidedAt: s.clock})
	s.closeDay("2026-03-01")
	s.customer(c, customer.CouponExpired{CouponID: "booked", Lookup: "lbooked", Claim: "cbooked", ExpiredAt: until(1)})
	s.project()

	states := func(query string) map[string]string {
		t.Helper()
		var a readapi.CustomerCoupons
		s.get(path + query).status(200).json(&a)
		found := map[string]string{}
		for _, coupon := range a.Coupons {
			found[coupon.ID] = coupon.State
		}
		return found
	}
	all := map[string]string{"open": "open", "short": "open", "used": "used", "voided": "voided", "booked": "expired"}
	for query, want := range map[string]map[string]string{
		"": all, "?state=open": {"open": "open", "short": "open"}, "?state=used": {"used": "used"}, "?state=voided": {"voided": "voided"}, "?state=expired": {"booked": "expired"},
		early:                             {"open": "open", "short": "open", "used": "open", "voided": "open", "booked": "open"},
		"?revision=5":                     {"open": "open", "short": "open", "used": "open", "voided": "open", "booked": "expired"}, // at business now
		"?as_of=2026-03-01":               {"open": "open", "short": "open", "used": "used", "voided": "voided", "booked": "open"},
		"?as_of=2026-03-03":               {"open": "open", "short": "expired", "used": "used", "voided": "voided", "booked": "expired"},
		"?as_of=2026-03-03&state=expired": {"short": "expired", "booked": "expired"},
	} {
		if diff := cmp.Diff(want, states(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	var a readapi.CustomerCoupons
	s.get(path + "?state=used").status(200).json(&a)
	want := readapi.CouponState{State: "used", Coupon: customer.Coupon{
		ID: "used", Code: "code used", Used: 1, Ended: "used", EndedAt: redeemedAt(t, s, redeemed.Revision),
		CouponTerms: customer.CouponTerms{Benefit: gift, ExpiresAt: until(31), Uses: 1, IssuedAt: a.Coupons[0].IssuedAt},
		Redemptions: []customer.CouponUse{{OrderID: "o1", RedeemedAt: redeemedAt(t, s, redeemed.Revision)}},
	}}
	if diff := cmp.Diff([]readapi.CouponState{want}, a.Coupons); diff != "" || a.CustomerID != c || !a.At.Equal(until(1)) || a.Then != nil || a.Position != s.position {
		t.Errorf("%+v\n%s", a, diff)
	}

	// Nothing books that the short one is over: it is all the same.
	s.closeDay("2026-03-02")
	s.project()
	if got := states("?state=expired"); len(got) != 2 || got["short"] != "expired" {
		t.Errorf("%v", got)
	}
	if p := s.get(path + "?state=lost").status(400).problem(); p.Code != "parameter_invalid" || p.Errors[0].Pointer != "/state" {
		t.Errorf("%+v", p)
	}
	for _, query := range []string{"", "?as_of=2026-03-01"} {
		if p := s.get("/v1/customers/" + someone(9).String() + "/coupons" + query).status(404).problem(); p.Code != "customer_not_found" {
			t.Errorf("%+v", p)
		}
	}

	// The history says what changed, and of what finds a coupon nothing.
	var h readapi.History
	s.get("/v1/customers/" + c.String() + "/history?module=coupons&type=customer.coupon_redeemed").status(200).json(&h)
	if len(h.Events) != 1 {
		t.Fatalf("%+v", h.Events)
	}
	fields := map[string]string{}
	for _, change := range h.Events[0].Changes {
		fields[change.Field] = string(change.Was) + " " + string(change.Became)
		if strings.Contains(change.Field, "lookup") || strings.Contains(change.Field, "claim") {
			t.Errorf("%s", change.Field)
		}
	}
	if fields["coupons.ended[used].ended"] != `null "used"` || fields["coupons.open[used].coupon_id"] != `"used" null` || fields["coupons.ended[used].redemptions[o1].order_id"] != `null "o1"` {
		t.Errorf("%v", fields)
	}

	s.ask(c, "2026-04-01")
	s.approve(c)
	s.erase(c)
	s.project()
	for _, query := range []string{"", "?as_of=2026-03-02"} {
		if body := s.get(path + query).status(200).Body.String(); strings.Contains(body, "code ") || !strings.Contains(body, `"coupon_id":"open"`) {
			t.Errorf("of an erased customer%s: %s", query, body)
		}
	}
}

// redeemedAt is when an event of the first customer happened.
func redeemedAt(t *testing.T, s *shop, revision uint64) time.Time {
	t.Helper()
	var h readapi.History
	s.get("/v1/customers/" + someone(1).String() + "/history?limit=500").status(200).json(&h)
	for _, e := range h.Events {
		if e.Revision == revision {
			return e.OccurredAt
		}
	}
	t.Fatalf("no revision %d", revision)
	return time.Time{}
}
