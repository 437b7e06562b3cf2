package commands_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
)

// A company without a ladder has none, and the first may begin before it was said.
func TestPublishingTheLadder(t *testing.T) {
	s := serve(t, deployment.Manual)
	list := func(want string) {
		t.Helper()
		if a := s.Get("/v1/policies/tier"); a.Status != 200 || !strings.HasPrefix(string(a.Body), want) {
			t.Errorf("%d %s, want %s", a.Status, a.Body, want)
		}
	}
	const publish = "/v1/policies/tier/publish-policy"
	body := func(extra string) string {
		return `{"policy":{"name":"metals","measure":"orders","levels":[{"id":"member","name":"Member","from":0},{"id":"gold","name":"Gold","from":5}],` +
			`"window":{"kind":"lifetime"},"validity":{"kind":"unlimited"},"downgrade":"to_balance"` + extra
	}
	list(`{"kind":"tier","current":0,"versions":[],`)
	s.must(t, 200, "", "/v1/calendar/close-day", `{"date":"1998-06-30"}`)
	if a := s.must(t, 422, "", publish, body(`,"examples":[{"qualifying":5,"level":"member"}]}}`)); a.Errors[0].Pointer != "/policy/examples/0" {
		t.Errorf("%+v", a.Errors)
	}
	s.must(t, 201, "", publish, body(`},"effective_from":"1997-01-01"}`))
	if a := s.must(t, 200, "", publish, body(`}}`)); a.Changed {
		t.Error("the ladder that holds already is published again")
	}
	if a := s.must(t, 409, "", publish, body(`,"grace_days":1},"effective_from":"1998-06-30"}`)); a.Code != "policy_back_dated" {
		t.Errorf("the second version: %s", a.Code)
	}
	if a := s.must(t, 409, "", publish, body(`,"grace_days":1},"effective_from":"1996-12-31"}`)); a.Code != "policy_overlaps" {
		t.Errorf("before the first version: %s", a.Code)
	}
	list(`{"kind":"tier","current":1,"versions":[{"version":1,"effective_from":"1997-01-01","policy":{"name":"metals","measure":"orders",`)
}
