package commands_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

const carePolicy = `{"policy":{"name":"x","occasions":[
	{"id":"birthday","kind":"birthday","channels":["email"],"purpose":"marketing","lead_days":7,"follow_days":7},
	{"id":"anniversary","kind":"anniversary","channels":["email"],"purpose":"marketing"},
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
}
