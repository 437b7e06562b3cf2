package profile

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
)

// The coupons of a document mean the same after they were stored and read again,
// and stand for nothing where there are none.
func TestCouponsAreStoredAsTheyAre(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	end := time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC)
	euro := func(minor int64) *domain.Money { return &domain.Money{AmountMinor: minor, Currency: "EUR"} }
	d, _ := New().Of(events(registered,
		customer.CouponIssued{CouponID: "a", Code: "<Spring> & \"10\"", Lookup: "la", Claim: "ca", Benefit: customer.CouponBenefit{Kind: customer.CouponAmount, Amount: euro(500)},
			ValidFrom: &at, ExpiresAt: end, Uses: 2, MinimumOrder: euro(2000), Stackable: true, CampaignID: "spring", Reason: "was late", IssuedAt: at},
		customer.CouponIssued{CouponID: "b", Benefit: customer.CouponBenefit{Kind: customer.CouponPercent, Percent: 10}, ExpiresAt: end, Uses: 1, IssuedAt: at},
		customer.CouponRedeemed{CouponID: "a", OrderID: "o1", Use: 1, Of: 2, Discount: euro(500), RedeemedAt: at},
		customer.CouponExpired{CouponID: "b", ExpiredAt: end},
	)...)
	want, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := goccy.Marshal(&d)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n%s\n%s", err, got, want)
	}
	for _, decode := range []func([]byte, any) error{json.Unmarshal, goccy.Unmarshal} {
		var back Document
		if err := decode(got, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, back); diff != "" {
			t.Error(diff)
		}
	}
	var shown struct {
		Coupons json.RawMessage `json:"coupons"`
	}
	if err := json.Unmarshal(want, &shown); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"open":[{"coupon_id":"a","code":"\u003cSpring\u003e \u0026 \"10\"","benefit":{"kind":"amount","amount":{"amount_minor":500,"currency":"EUR"}},`+
		`"valid_from":"2026-03-01T12:00:00Z","expires_at":"2026-03-31T22:00:00Z","uses":2,"minimum_order":{"amount_minor":2000,"currency":"EUR"},"stackable":true,`+
		`"campaign_id":"spring","issued_at":"2026-03-01T12:00:00Z","used":1,"redemptions":[{"order_id":"o1","discount":{"amount_minor":500,"currency":"EUR"},"redeemed_at":"2026-03-01T12:00:00Z"}],`+
		`"lookup":"la","claim":"ca"}],"ended":[{"coupon_id":"b","benefit":{"kind":"percent","percent":10},"expires_at":"2026-03-31T22:00:00Z","uses":1,`+
		`"issued_at":"2026-03-01T12:00:00Z","used":0,"ended":"expired","ended_at":"2026-03-31T22:00:00Z"}]}`, string(shown.Coupons)); diff != "" {
		t.Error(diff)
	}
	none, _ := New().Of(events(registered)...)
	if text, err := goccy.Marshal(&none); err != nil || strings.Contains(string(text), "coupons") {
		t.Errorf("what is not there stands there: %s, %v", text, err)
	}
}

// A customer is found by the date on which a coupon is over, as long as one is open.
func TestWhoseCouponIsOverNext(t *testing.T) {
	end := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	issue := func(id string, ends time.Time) customer.CouponIssued {
		return customer.CouponIssued{CouponID: id, Benefit: customer.CouponBenefit{Kind: customer.CouponPercent, Percent: 5}, Uses: 1, ExpiresAt: ends}
	}
	history := events(registered, issue("late", end.AddDate(0, 1, 0)), issue("soon", end),
		customer.CouponExpired{CouponID: "soon", ExpiredAt: end}, customer.PersonalDataErased{})
	for n, want := range []string{"", "2026-05-01", "2026-04-01", "2026-05-01", ""} {
		d, _ := New().Of(history[:n+1]...)
		got := ""
		for _, p := range indexes(&d, nil) {
			if p.Index == IndexCoupons {
				got += p.Key
			}
		}
		if got != want {
			t.Errorf("after %d events the key is %q, want %q", n+1, got, want)
		}
	}
}
