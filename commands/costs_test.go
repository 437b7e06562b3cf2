package commands_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
)

func TestCostsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall) // it is noon of 1 March 2026
	at := s.register(t) + "/"
	for _, step := range []struct{ command, body, want string }{
		{"record-cost", `{"cost_id":"c1","kind":"shipping","amount":{"amount_minor":490,"currency":"EUR"},"order_id":"o1"}`, "404 order_not_found"},
		{"record-order", `{"order_id":"o1","total":{"amount_minor":500,"currency":"EUR"},"placed_at":"2026-03-01T10:00:00Z"}`, "201 order_recorded"},
		{"record-cost", `{"cost_id":"c1","kind":"shipping","amount":{"amount_minor":490,"currency":"EUR"},"order_id":"o1","note":"two parcels"}`, "201 cost_recorded"},
		{"record-cost", `{"cost_id":"c1","kind":"shipping","amount":{"amount_minor":490,"currency":"EUR"},"order_id":"o1","note":"two parcels"}`, "200 unchanged"},
		{"record-cost", `{"cost_id":"c1","kind":"shipping","amount":{"amount_minor":490,"currency":"EUR"}}`, "409 cost_exists"},
		{"record-cost", `{"cost_id":"c2","kind":"campaign","amount":{"amount_minor":5,"currency":"EUR"},"incurred_at":"2026-02-01T00:00:00Z"}`, "201 cost_recorded"},
		{"record-cost", `{"cost_id":"","kind":"fun","amount":{"amount_minor":0,"currency":"X"},"incurred_at":"2027-01-01T00:00:00Z"}`, "422 validation_failed /cost_id /kind /amount/currency /amount/amount_minor /incurred_at"},
		{"cancel-cost", `{"cost_id":"c3","reason":"typed twice"}`, "404 cost_not_found"},
		{"cancel-cost", `{"cost_id":"c1","reason":""}`, "422 validation_failed /reason"},
		{"cancel-cost", `{"cost_id":"c1","reason":"typed twice"}`, "200 cost_cancelled"},
		{"cancel-cost", `{"cost_id":"c1","reason":"typed twice"}`, "200 unchanged"},
	} {
		if got := told(t, s.Post(at+step.command, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
		}
	}
	if got := told(t, s.Post("/v1/policies/value/publish-policy", `{"policy":{"currency":"EUR","window_days":0,"top_percent":60,"middle_percent":40}}`)); got != "422 validation_failed /policy/window_days /policy/middle_percent" {
		t.Error(got)
	}
	if a := s.publishes(t, "/v1/policies/value/publish-policy", `{"policy":{"currency":"EUR","window_days":90,"top_percent":10,"middle_percent":20}}`); a.Status != 201 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Get("/v1/policies/value"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
