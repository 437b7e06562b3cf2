package commands_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
)

// The commands about points are served: what happens, what is refused and with
// which words, and what is nothing to do.
func TestPointsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall) // it is noon of 1 March 2026
	at := "/v1/customers/" + decode(t, s.Post("/v1/customers", reachable)).CustomerID.String() + "/"
	type step struct{ command, body, want string }
	steps := func(steps ...step) {
		t.Helper()
		for _, step := range steps {
			if got := told(t, s.Post(at+step.command, step.body)); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
			}
		}
	}
	steps(step{"enrol-in-program", `{}`, "409 no_program"}, step{"redeem-points", `{"redemption_id":"x1","points":1}`, "409 no_program"})
	const wrong = `{"policy":{"name":"x","currency":"EUR","enrolment":"explicit","earn":[{"id":"base","points":1,"per_minor":100}],"expiry":{"kind":"never"},
		"redemption":{"points":1,"value_minor":1},"examples":[{"order":{"amount_minor":999,"currency":"EUR","placed_on":"2026-03-01"},"points":10}]}}`
	if got := told(t, s.Post("/v1/policies/loyalty/publish-policy", wrong)); got != "422 validation_failed /policy/examples/0/points" {
		t.Error(got)
	}
	s.publishes(t, "/v1/policies/loyalty/publish-policy", strings.NewReplacer(`"points":10}]`, `"points":9}]`, `"earn"`, `"activities":[{"id":"review","points":40}],"earn"`,
		`"never"`, `"months","months":12`, `"value_minor":1}`, `"value_minor":1,"minimum":20,"step":10,"hold_minutes":30,"rewards":[{"id":"mug","name":"Mug","points":25}]}`).Replace(wrong))
	if a := s.Get("/v1/policies/loyalty"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	steps(
		step{"redeem-points", `{"redemption_id":"x1","points":20}`, "409 not_enrolled"},
		step{"leave-program", `{}`, "409 not_enrolled"},
		step{"enrol-in-program", `{"joined_at":"2027-01-01T00:00:00Z"}`, "422 validation_failed /joined_at"},
		step{"enrol-in-program", `{"joined_at":"2026-02-01T00:00:00Z"}`, "201 program_joined"},
		step{"enrol-in-program", `{}`, "200 unchanged"},
		step{"record-order", `{"order_id":"o1","total":{"amount_minor":10000,"currency":"EUR"},"placed_at":"2026-02-02T10:00:00Z","paid_at":"2026-02-02T10:00:00Z"}`,
			"201 order_recorded order_paid points_earned stage_entered"},
		step{"record-order", `{"order_id":"o2","total":{"amount_minor":10000,"currency":"JPY"},"placed_at":"2026-02-02T10:00:00Z","paid_at":"2026-02-02T10:00:00Z"}`, "409 fx_missing"},
		step{"earn-points", `{"activity":"review","ref":"v1"}`, "201 points_earned"},
		step{"earn-points", `{"activity":"review","ref":"v1"}`, "200 unchanged"},
		step{"earn-points", `{"activity":"visit","ref":"v1"}`, "409 activity_unknown"},
		step{"redeem-points", `{"redemption_id":"x1","points":10}`, "409 below_minimum"},
		step{"redeem-points", `{"redemption_id":"x1","points":25}`, "409 not_a_step"},
		step{"redeem-points", `{"redemption_id":"x1","points":25,"reward":"cup"}`, "409 reward_unavailable"},
		step{"redeem-points", `{"redemption_id":"x1","points":25,"reward":"mug","order_id":"o9"}`, "404 order_not_found"},
		step{"redeem-points", `{"redemption_id":"x1","points":25,"reward":"mug"}`, "201 points_redeemed"},
		step{"redeem-points", `{"redemption_id":"x1","points":25,"reward":"mug"}`, "200 unchanged"},
		step{"redeem-points", `{"redemption_id":"x1","points":30}`, "409 redemption_exists"},
		step{"hold-points", `{"hold_id":"h 1","points":0,"ttl_minutes":0}`, "422 validation_failed /hold_id /points /ttl_minutes"},
		step{"hold-points", `{"hold_id":"h1","points":30,"ttl_minutes":31}`, "422 validation_failed /ttl_minutes"},
		step{"hold-points", `{"hold_id":"h1","points":30,"ttl_minutes":30}`, "201 points_held"},
		step{"hold-points", `{"hold_id":"h1","points":30}`, "200 unchanged"},
		step{"hold-points", `{"hold_id":"h1","points":31}`, "409 points_hold_exists"},
		step{"leave-program", `{}`, "409 open_holds"},
		step{"capture-hold", `{"hold_id":"h1","points":40}`, "409 capture_exceeds_hold"},
		step{"capture-hold", `{"hold_id":"h1","points":20}`, "201 points_hold_captured points_hold_released"},
		step{"capture-hold", `{"hold_id":"h1","points":20}`, "200 unchanged"},
		step{"capture-hold", `{"hold_id":"h1","redemption_id":"x1"}`, "409 points_hold_captured"},
		step{"release-hold", `{"hold_id":"h1"}`, "409 points_hold_captured"},
		step{"release-hold", `{"hold_id":"h9"}`, "404 points_hold_not_found"},
		step{"hold-points", `{"hold_id":"h2","points":20}`, "201 points_held"},
		step{"release-hold", `{"hold_id":"h2"}`, "200 points_hold_released"},
		step{"release-hold", `{"hold_id":"h2"}`, "200 unchanged"},
		step{"capture-hold", `{"hold_id":"h2"}`, "409 points_hold_expired"},
		step{"reverse-redemption", `{"redemption_id":"x1","points":5}`, "422 validation_failed /reversal_id"},
		step{"reverse-redemption", `{"redemption_id":"x1","points":5,"reversal_id":"v1","reason":"a chip"}`, "201 redemption_reversed"},
		step{"reverse-redemption", `{"redemption_id":"x1","points":5,"reversal_id":"v1"}`, "200 unchanged"},
		step{"reverse-redemption", `{"redemption_id":"x1","points":6,"reversal_id":"v1"}`, "409 reversal_exists"},
		step{"reverse-redemption", `{"redemption_id":"x1","points":21,"reversal_id":"v2"}`, "409 reversal_exceeds_redemption"},
		step{"reverse-redemption", `{"redemption_id":"x1"}`, "201 redemption_reversed"},
		step{"reverse-redemption", `{"redemption_id":"x1"}`, "200 unchanged"},
		step{"reverse-redemption", `{"redemption_id":"x9"}`, "404 redemption_not_found"},
		step{"extend-expiry", `{"lots":["order:o1:base"],"to":"2026-06-01","reason":"was ill"}`, "422 validation_failed /to"},
		step{"extend-expiry", `{"lots":["order:o1:base"],"to":"2028-01-01","reason":"was ill"}`, "200 expiry_extended"},
		step{"extend-expiry", `{"lots":["order:o1:base"],"to":"2028-01-01","reason":"was ill"}`, "200 unchanged"},
		step{"extend-expiry", `{"lots":["order:o9:base"],"to":"2028-01-01","reason":"was ill"}`, "404 lot_not_found"},
		step{"extend-expiry", `{"lots":[],"to":"2028-01-01","reason":"was ill"}`, "422 validation_failed /lots"},
		step{"reverse-points-earn", `{"activity":"review","ref":"v1","reason":"was none"}`, "201 points_earn_reversed"},
		step{"reverse-points-earn", `{"activity":"review","ref":"v1"}`, "200 unchanged"},
		step{"reverse-points-earn", `{"order_id":"o1","points":101,"reversal_id":"v3"}`, "409 reversal_exceeds_earn"},
		step{"reverse-points-earn", `{"order_id":"o9"}`, "404 earn_not_found"},
		step{"reverse-points-earn", `{}`, "422 validation_failed /order_id"},
	)
	a := s.Post(at+"redeem-points", `{"redemption_id":"x2","points":90}`)
	if v := decode(t, a); a.Status != 409 || v.Code != "insufficient_points" || v.Detail != "80 points can be spent, not 90; 0 are pending, 0 are held, 0 are owed" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	steps(step{"leave-program", `{"reason":"moved"}`, "200 program_left points_forfeited"}, step{"leave-program", `{}`, "409 not_enrolled"})
}
