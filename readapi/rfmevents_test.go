package readapi_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/readapi"
	"pgregory.net/rapid"
)

// Every event that an explanation names, taken away, changes the values to what
// the explanation says they would be.
func TestTheEventsBehindAScore(t *testing.T) {
	policies := []*rules.Policy{
		{Orders: rules.CountRecorded, Amounts: rules.Gross},
		{Orders: rules.CountPaid, Amounts: rules.Gross},
		{Orders: rules.CountPaid, Amounts: rules.Net, WindowDays: 20},
	}
	rapid.Check(t, func(rt *rapid.T) {
		src := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 4))
		p := *policies[src.IntN(len(policies))]
		p.Name, p.Currency, p.Method, p.Bins, p.Otherwise, p.Labels = "p", "EUR", rules.Quantiles, 5, "Others", rules.LabelTable(rules.Segment11)
		s := newShop(t)
		published := s.append(policy.Stream(policy.KindRFM), uuid.Nil, policy.Published{Kind: policy.KindRFM, Version: 1, RFM: &p})
		c := someone(1)
		s.register(c, customer.Name{Given: "Ann"}, "web")
		orders := 1 + src.IntN(5)
		for n := range orders {
			currency := "EUR"
			if src.IntN(15) == 0 {
				currency = "USD"
			}
			on := domain.NewDate(2026, 2, 1+src.IntN(28))
			s.customer(c, customer.OrderRecorded{OrderID: strconv.Itoa(n), Total: domain.Money{AmountMinor: int64(src.IntN(9000)), Currency: currency},
				PlacedAt: on.Start(time.UTC).Add(12 * time.Hour), PlacedOn: on})
		}
		for range src.IntN(8) {
			order := strconv.Itoa(src.IntN(orders))
			switch src.IntN(4) {
			case 0, 1:
				s.customer(c, customer.OrderPaid{OrderID: order, PaidAt: s.clock})
			case 2:
				s.customer(c, customer.OrderCancelled{OrderID: order, CancelledAt: s.clock})
			default:
				s.customer(c, customer.RefundRecorded{RefundID: strconv.Itoa(int(s.commands)), OrderID: order, Amount: domain.Money{AmountMinor: 10, Currency: "EUR"}, RefundedAt: s.clock, RefundedOn: domain.NewDate(2026, 3, 1)})
			}
		}
		s.closeDay("2026-02-28", rules.Values{RecencyDays: 1, Frequency: 2, MonetaryMinor: 3}, rules.Values{RecencyDays: 9, Frequency: 1, MonetaryMinor: 5})
		s.project()

		var a readapi.RFMAnswer
		s.get("/v1/customers/" + c.String() + "/rfm?events=true").status(200).json(&a)
		var all []eventschema.Event
		about := 0
		for _, raw := range s.events {
			if raw.Stream == customer.Stream(c) {
				e, err := eventschema.Events.Open(raw, s.keys[c])
				if err != nil {
					rt.Fatal(err)
				}
				all = append(all, e)
				if strings.HasPrefix(e.Type, "customer.order_") || strings.HasPrefix(e.Type, "customer.refund_") {
					about++
				}
			}
		}
		calibrated := s.events[len(s.events)-1]
		if b := a.Behind; b == nil || b.CalibrationEvent != calibrated.ID || b.PolicyEvent != published.ID || b.PolicyVersion != 1 || len(b.Orders) != about {
			rt.Fatalf("%+v", b)
		}
		asOf := domain.NewDate(2026, 2, 28)
		for _, behind := range a.Behind.Orders {
			var rest []eventschema.Event
			for _, e := range all {
				if e.ID != behind.ID {
					rest = append(rest, e)
				}
			}
			doc, _ := rfm.New().Of(rest...)
			var want *readapi.ScoreValues
			if v, reason := rfm.Values(&doc, &p, asOf, rfm.Forever); reason == "" {
				want = &readapi.ScoreValues{RecencyDays: v.RecencyDays, Transactions: v.Frequency, AmountMinor: v.MonetaryMinor}
			}
			if diff := cmp.Diff(want, behind.Without); diff != "" {
				rt.Fatalf("%v, without %s of %s (-want +got):\n%s", p, behind.Type, behind.OrderID, diff)
			}
		}
	})
	s := town(t)
	if body := s.get("/v1/customers/" + someone(1).String() + "/rfm").status(200).Body.String(); strings.Contains(body, "behind") {
		t.Error("events that nobody asked for")
	}
	s.get("/v1/customers/" + someone(1).String() + "/rfm?events=yes").status(400)
}
