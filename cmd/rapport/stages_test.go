package main

import (
	"fmt"
	"strings"
	"testing"
)

// An imported past and the days that follow: the keeper moves who is idle, also
// when the program was killed before it could, and each move says why.
func TestStages(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual", "--zone", "Europe/Berlin")
	const id = "018e4a7e-5b1c-7c3a-9d2f-000000000009"
	post := func(path, body string) answer {
		t.Helper()
		a := s.call("POST", path, body)
		if a.status > 201 {
			t.Fatalf("POST %s: %d %s", path, a.status, a.body)
		}
		return a
	}
	post("/v1/customers", `{"customer_id":"`+id+`","name":{"given":"Ada"},"source":{"channel":"shop"},"registered_at":"2026-01-05T10:00:00Z"}`)
	post("/v1/customers/"+id+"/record-order", `{"order_id":"o1","total":{"amount_minor":100,"currency":"USD"},"placed_at":"2026-01-10T10:00:00Z","paid_at":"2026-01-10T10:05:00Z"}`)
	s.must("calendar", "close", "2026-01-10")
	stage := func(want string, fields ...string) {
		t.Helper()
		eventually(t, func() string {
			a := s.call("GET", "/v1/customers/"+id+"/lifecycle", "")
			for i := 0; i+1 < len(fields); i += 2 {
				if got := a.field("next", fields[i]); got != fields[i+1] {
					return fmt.Sprintf("next %s is %q: %s", fields[i], got, a.body)
				}
			}
			if got := a.field("stage"); got != want {
				return fmt.Sprintf("the stage is %q, want %s: %s", got, want, a.body)
			}
			return ""
		})
	}
	stage("active", "stage", "at_risk", "on", "2026-04-10")
	s.must("calendar", "close", "2026-04-09", "--settled")
	if a := s.call("GET", "/v1/customers/"+id, ""); a.field("lifecycle", "stage") != "at_risk" { // at once
		t.Errorf("%s", a.body)
	}
	stage("at_risk", "stage", "churned", "on", "2026-07-09")
	s.must("calendar", "close", "2026-07-20")
	s.kill()
	s.start("--calendar", "manual", "--zone", "Europe/Berlin")
	stage("churned")
	if a := s.call("GET", "/v1/customers/"+id, ""); a.field("lifecycle", "since") != "2026-07-08T22:00:00Z" { // midnight in Berlin
		t.Errorf("%s", a.body)
	}
	post("/v1/customers/"+id+"/change-stage", `{"to":"reactivating","reason_code":"campaign"}`)
	stage("reactivating", "stage", "churned", "on", "2026-10-19")
	post("/v1/customers/"+id+"/record-order", `{"order_id":"o2","total":{"amount_minor":100,"currency":"USD"},"placed_at":"2026-07-21T10:00:00Z","paid_at":"2026-07-21T10:05:00Z"}`)
	stage("active", "stage", "at_risk", "on", "2026-10-19")
	if a := s.call("GET", "/v1/lifecycle/at?date=2026-05-01", ""); !strings.Contains(string(a.body), `{"stage":"at_risk","customers":1}`) {
		t.Errorf("%s", a.body)
	}
	if a := s.call("GET", "/v1/customers?stage=active", ""); !strings.Contains(string(a.body), id) {
		t.Errorf("%s", a.body)
	}
}
