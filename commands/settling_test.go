package commands_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// So many lots that lapse on one day that what is booked of them does not fit one
// append: the next command books it in several, and is then decided.
func TestWhatFellDueMayBeMoreThanAnAppend(t *testing.T) {
	s := serve(t, deployment.Manual)
	ok := func(a webtest.Answer, want int) {
		t.Helper()
		if a.Status != want {
			t.Fatalf("%d, want %d: %.300s", a.Status, want, a.Body)
		}
	}
	closes := func(date string) { ok(s.Post("/v1/calendar/close-day", `{"date":"`+date+`"}`), http.StatusOK) }
	rules := make([]string, 100)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"id":"r%d","points":1,"per_minor":100}`, i)
	}
	s.publishes(t, "/v1/policies/loyalty/publish-policy", `{"policy":{"name":"x","currency":"EUR","enrolment":"first_order",
		"earn":[`+strings.Join(rules, ",")+`],"expiry":{"kind":"end_of_year"},"redemption":{"points":1,"value_minor":1}}}`)
	closes("2026-12-30")
	at := "/v1/customers/" + decode(t, s.Post("/v1/customers", reachable)).CustomerID.String() + "/"
	const order = `{"order_id":"o%d","total":{"amount_minor":100,"currency":"EUR"},"placed_at":"2026-12-31T10:00:00Z","paid_at":"2026-12-31T10:00:00Z"}`
	for n := range 18 {
		ok(s.Post(at+"record-order", fmt.Sprintf(order, n)), http.StatusCreated)
	}
	closes("2026-12-31")
	if got := told(t, s.Post(at+"redeem-points", `{"redemption_id":"x","points":1}`)); got != "409 insufficient_points" {
		t.Errorf("redeem: %s", got)
	}
	if got := told(t, s.Post(at+"leave-program", `{}`)); got != "200 program_left" {
		t.Errorf("leave: %s", got)
	}
}
