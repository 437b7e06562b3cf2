package commands_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

const carePolicy = `{"policy":{"name":"x","occasions":[
	{"id":"birthday","kind":"birthday","channels":["email"],"purpose":"marketing","lead_days":7,"follow_days":7},
	{"id":"anniversary","kind":"anniversary","channels":["email"],"purpose":"marketing","gift_points":50},
	{"id":"spring_festival","kind":"festival","festival":{"calendar":"chinese_lunar","month":1,"day":1},"channels":["email","visit"],"purpose":"service","follow_days":14}]}}`

// publishes sends a command of a stream of its own and waits until the world knows of it.
func (s *server) publishes(t testing.TB, path, body string) webtest.Answer {
	t.Helper()
	a := s.Post(path, body)
	if a.Status >= 400 {
		t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
	if err := s.writer.World.WaitFor(t.Context(), decode(t, a).Position); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCareOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall) // it is noon of 1 March 2026, 13:00 in Berlin
	a := s.Post("/v1/customers", reachable)
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	at := "/v1/customers/" + decode(t, a).CustomerID.String() + "/"
	type step struct{ command, body, want string }
	steps := func(steps ...step) {
		t.Helper()
		for _, step := range steps {
			if got := told(t, s.Post(at+step.command, step.body)); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.command, step.body, got, step.want)
			}
		}
	}
	steps(step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email"}`, "409 care_policy_missing"})
	if got := told(t, s.Post("/v1/policies/care/publish-policy", `{"policy":{"name":"x","occasions":[{"id":"Easter","kind":"festival","channels":[],"purpose":"service"}]}}`)); got != "422 validation_failed /policy/occasions/0/id /policy/occasions/0/festival /policy/occasions/0/channels" {
		t.Error(got)
	}
	s.publishes(t, "/v1/policies/care/publish-policy", carePolicy)
	if a := s.Get("/v1/policies/care"); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	steps(
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email"}`, "409 care_no_birth_date"},
		step{"update-demographics", `{"birth_date":"1984-03-08"}`, "200 demographics_updated"},
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email"}`, "409 contact_not_allowed /occasion"},
		step{"grant-consent", `{"purpose":"marketing","channel":"email"}`, "200 consent_granted"},
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"sms"}`, "422 validation_failed /channel"},
		step{"record-care-action", `{"occasion":"birthday","year":2025,"channel":"email"}`, "409 care_not_due"},
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email","note":"a card"}`, "201 care_action_done"},
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email"}`, "200 unchanged"},
		step{"record-care-action", `{"occasion":"birthday","year":2026,"channel":"email","moment_at":"2026-03-01T11:00:00Z"}`, "409 care_done"},
		step{"record-care-action", `{"occasion":"wedding","year":2026,"channel":"email"}`, "409 care_unknown"},
		step{"record-care-action", `{"occasion":"anniversary","year":2026,"channel":"email"}`, "409 care_not_member"},
		step{"record-care-action", `{"occasion":"spring_festival","year":2026,"channel":"visit"}`, "201 care_action_done"},
		step{"record-care-action", `{}`, "422 validation_failed /occasion /year /channel"},
		step{"grant-annual-reward", `{"kind":"reward","period":2025,"value":{"gift":"calendar"}}`, "409 not_enrolled"},
		step{"grant-annual-reward", `{"kind":"bonus","period":2027,"value":{}}`, "422 validation_failed /kind /period /value"},
	)
	s.publishes(t, "/v1/policies/loyalty/publish-policy", `{"policy":{"name":"x","currency":"EUR","enrolment":"first_order",
		"earn":[{"id":"base","points":1,"per_minor":100}],"expiry":{"kind":"never"},"redemption":{"points":100,"value_minor":100},"manual":{"bonus_limit":200}}}`)
	steps(
		step{"record-order", `{"order_id":"o1","total":{"amount_minor":500,"currency":"EUR"},"placed_at":"2025-03-01T10:00:00Z","paid_at":"2025-03-01T10:00:00Z"}`, "201 order_recorded order_paid program_joined points_earned stage_entered stage_entered stage_entered"},
		step{"record-care-action", `{"occasion":"anniversary","year":2026,"channel":"email"}`, "201 care_action_done points_granted"},
		step{"record-care-action", `{"occasion":"anniversary","year":2026,"channel":"email"}`, "200 unchanged"},
		step{"grant-annual-reward", `{"kind":"reward","period":2025,"value":{"points":201}}`, "409 annual_reward_not_allowed"},
		step{"grant-annual-reward", `{"kind":"reward","period":2025,"value":{"points":200},"note":"thanks"}`, "201 annual_reward_granted points_granted"},
		step{"grant-annual-reward", `{"kind":"reward","period":2025,"value":{"points":200}}`, "200 unchanged"},
		step{"grant-annual-reward", `{"kind":"reward","period":2025,"value":{"gift":"calendar"}}`, "409 annual_reward_granted"},
		step{"grant-annual-reward", `{"kind":"dividend","period":2025,"value":{"amount":{"amount_minor":500,"currency":"EUR"}}}`, "201 annual_reward_granted"},
	)
	customer := decode(t, a).CustomerID.String()
	s.publishes(t, "/v1/staff/enrol-employee", `{"employee_id":"ann","name":"Ann","customer_id":"`+customer+`"}`)
	if got := told(t, s.Post(at+"grant-annual-reward", `{"kind":"reward","period":2024,"value":{"points":5}}`, "Rapport-Actor", "user:ann")); got != "403 own_account" {
		t.Error(got)
	}
}
