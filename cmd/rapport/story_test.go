package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a newcomer does, in the order of the README: a customer, an order, its
// effect, the history and its proof, a rebuild.
func TestStory(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")

	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"given":"Ada","family":"Berg"},"source":{"channel":"store"},
		"external_ids":[{"system":"shop","id":"C1"}],"registered_at":"2026-01-05T10:00:00Z"}`, "Idempotency-Key", "first", "Rapport-Actor", "user:lena")
	if a.status != 201 || a.field("changed") != "true" {
		t.Fatalf("register: %d %s", a.status, a.body)
	}
	id := a.field("customer_id")
	again := s.call("POST", "/v1/customers", `{"kind":"person","name":{"given":"Ada","family":"Berg"},"source":{"channel":"store"},
		"external_ids":[{"system":"shop","id":"C1"}],"registered_at":"2026-01-05T10:00:00Z"}`, "Idempotency-Key", "first", "Rapport-Actor", "user:lena")
	if !bytes.Equal(again.body, a.body) {
		t.Errorf("the same key gives\n%s, first it gave\n%s", again.body, a.body)
	}
	customer := "/v1/customers/" + id

	for _, step := range []struct {
		command, body string
		status        int
	}{
		{"record-order", `{"order_id":"o1","lines":[{"sku":"TEA","quantity":2,"unit_price_minor":1250}],"total":{"amount_minor":2500,"currency":"USD"},"placed_at":"2026-01-06T09:00:00Z"}`, 201},
		{"pay-order", `{"order_id":"o1","paid_at":"2026-01-06T09:05:00Z"}`, 200},
		{"record-refund", `{"refund_id":"r1","order_id":"o1","amount":{"amount_minor":500,"currency":"USD"},"refunded_at":"2026-01-09T09:00:00Z"}`, 201},
		{"record-order", `{"order_id":"o2","total":{"amount_minor":990,"currency":"USD"},"placed_at":"2026-01-10T09:00:00Z"}`, 201},
		{"cancel-order", `{"order_id":"o2","cancelled_at":"2026-01-10T10:00:00Z"}`, 200},
		{"update-profile", `{"name":{"given":"Ada","family":"Lund"}}`, 200},
		{"link-external-id", `{"system":"till","id":"T-9"}`, 200},
	} {
		if a = s.call("POST", customer+"/"+step.command, step.body, "Rapport-Actor", "user:lena", "Rapport-Reason", "she said so"); a.status != step.status {
			t.Fatalf("%s: %d %s", step.command, a.status, a.body)
		}
	}
	position := a.header.Get("Rapport-Position")
	revision := a.field("revision")

	a = s.call("GET", customer+"?min_position="+position, "")
	if a.status != 200 || !strings.Contains(string(a.body), "Lund") || a.header.Get("ETag") != `"`+revision+`"` {
		t.Errorf("the customer: %d, ETag %s, want revision %s: %s", a.status, a.header.Get("ETag"), revision, a.body)
	}
	if a = s.call("GET", "/v1/customers?external_id=till:T-9&min_position="+position, ""); !strings.Contains(string(a.body), id) {
		t.Errorf("found by external id: %d %s", a.status, a.body)
	}
	if a = s.call("POST", customer+"/update-profile", `{"locale":"de"}`, "If-Match", `"0"`); a.status != 412 {
		t.Errorf("an old revision: %d %s", a.status, a.body)
	}
	if a = s.call("POST", customer+"/update-profile", `{"name":{"given":"Ada","family":"Lund"}}`, "If-Match", `"`+revision+`"`); a.field("changed") != "false" {
		t.Errorf("nothing to do: %d %s", a.status, a.body)
	}

	if out := s.must("calendar", "close", "2026-01-31"); out != "closed 2026-01-31; 1 customer scored\n" {
		t.Errorf("close: %s", out)
	}
	if out, want := s.must("rfm", "--source", "shop"), "customer,recency_days,transactions,amount,r,f,m,score,label\nC1,21,2,34.90,"; !strings.HasPrefix(out, want) {
		t.Errorf("rfm: %s want %s…", out, want)
	}
	// An order comes late; cut points are asked for again, and it is in them.
	if a = s.call("POST", customer+"/record-order", `{"order_id":"late","total":{"amount_minor":100,"currency":"USD"},"placed_at":"2026-01-20T09:00:00Z"}`); a.status != 201 {
		t.Fatalf("a late order: %d %s", a.status, a.body)
	}
	if out := s.must("calendar", "calibrate"); out != "1 customer scored as of 2026-01-31\n" {
		t.Errorf("calibrate: %s", out)
	}
	if out, want := s.must("rfm", "--source", "shop"), "C1,11,3,35.90,"; !strings.Contains(out, want) {
		t.Errorf("rfm after a late order: %s want %s…", out, want)
	}
	if out := s.must("rfm", "--format", "json"); !strings.Contains(out, id) {
		t.Errorf("rfm as json: %s", out)
	}
	if _, stderr, code := s.rapport("calendar", "close", "2026-01-01"); code != exitFailed || !strings.Contains(stderr, "2026-01-31") {
		t.Errorf("an earlier day: %d %s", code, stderr)
	}

	history := s.must("history", id)
	for _, want := range []string{"customer.registered", "customer.order_paid", "customer.refund_recorded", "user:lena", "she said so"} {
		if !strings.Contains(history, want) {
			t.Errorf("the history lacks %q:\n%s", want, history)
		}
	}
	if out := s.must("replay", "shop:C1", "--json"); strings.Count(out, "\n") < 9 {
		t.Errorf("replay: %s", out)
	}
	s.must("state", "till:T-9")
	s.must("verify", "history", "--customer", "shop:C1")

	export := filepath.Join(t.TempDir(), "history.ndjson")
	exported := s.must("history", id, "--json")
	if err := os.WriteFile(export, []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("verify", "history", "--file", export)
	flipped := []byte(strings.Replace(exported, "order_paid", "order_said", 1))
	if err := os.WriteFile(export, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := s.rapport("verify", "history", "--file", export); code != exitDifference || !strings.Contains(stderr, "line") {
		t.Errorf("a flipped letter: exit code %d, %s", code, stderr)
	}

	before := s.call("GET", customer, "")
	s.must("rebuild", "all")
	after := s.call("GET", customer, "")
	if before.field("position") == "" || string(before.body) != string(after.body) {
		t.Errorf("rebuilt:\n%s\nwas:\n%s", after.body, before.body)
	}
	s.must("verify", "read-models")
	if _, stderr, code := s.rapport("rebuild", "nothing"); code != exitFailed || !strings.Contains(stderr, "nothing") {
		t.Errorf("a view that is not there: %d %s", code, stderr)
	}

	whole := s.must("export")
	if err := os.WriteFile(export, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("verify", "history", "--file", export)
	if strings.Contains(whole, "Lund") {
		t.Error("the exported log shows a name in the clear")
	}

	// Stopped and started, everything is as it was.
	s.stop()
	s.start()
	eventually(t, func() string {
		if a := s.call("GET", customer, ""); a.status != 200 || a.field("revision") != after.field("revision") {
			return fmt.Sprintf("after a restart: %d %s", a.status, a.body)
		}
		return ""
	})
}

// What a person can get wrong is named, and changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"display":"Ada"},"source":{"channel":"web"},"registered_at":"2026-01-01T00:00:00Z"}`)
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := a.field("customer_id")
	customer := "/v1/customers/" + id
	order := `{"order_id":"o1","total":{"amount_minor":1000,"currency":"USD"},"placed_at":"2026-01-02T00:00:00Z","paid_at":"2026-01-02T00:00:00Z"}`
	if a = s.call("POST", customer+"/record-order", order); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	position := a.header.Get("Rapport-Position")
	events := recorded(t, s, id)

	for _, test := range []struct {
		name, path, body string
		status           int
		code, pointer    string
	}{
		{"not JSON", customer + "/record-order", `{"order_id":`, 400, "", ""},
		{"text after the end", customer + "/record-order", order + `x`, 400, "", ""},
		{"unknown field", customer + "/record-order", strings.Replace(order, "order_id", "orderid", 1), 422, "validation_failed", "/orderid"},
		{"wrong type", customer + "/record-order", strings.Replace(order, "1000", `"1000"`, 1), 422, "validation_failed", "/total/amount_minor"},
		{"negative amount", customer + "/record-order", strings.Replace(order, "1000", "-1", 1), 422, "validation_failed", "/total/amount_minor"},
		{"total that is not the sum", customer + "/record-order", `{"order_id":"o2","lines":[{"sku":"A","quantity":2,"unit_price_minor":300}],"total":{"amount_minor":700,"currency":"USD"},"placed_at":"2026-01-02T00:00:00Z"}`, 422, "", "/total/amount_minor"},
		{"unknown currency", customer + "/record-order", strings.Replace(order, "USD", "UST", 1), 422, "validation_failed", "/total/currency"},
		{"the same order, other content", customer + "/record-order", strings.Replace(order, "1000", "1001", 1), 409, "order_exists", ""},
		{"refund above the order", customer + "/record-refund", `{"refund_id":"r1","order_id":"o1","amount":{"amount_minor":1001,"currency":"USD"}}`, 409, "", ""},
		{"too large", customer + "/update-profile", `{"name":{"display":"` + strings.Repeat("x", 2<<20) + `"}}`, 413, "", ""},
		{"nobody", "/v1/customers/00000000-0000-4000-8000-000000000000/record-order", order, 404, "customer_not_found", ""},
		{"no command", customer + "/fly", `{}`, 404, "", ""},
		{"nobody to identify", "/v1/customers", `{"kind":"person","source":{"channel":"web"}}`, 422, "", ""},
		{"no source", "/v1/customers", `{"kind":"person","name":{"display":"B"}}`, 422, "validation_failed", "/source"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.t = t
			a := s.call("POST", test.path, test.body)
			if a.status != test.status || a.header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d %s %s", a.status, a.header.Get("Content-Type"), a.body)
			}
			if test.code != "" && a.field("code") != test.code {
				t.Errorf("code %q, want %q", a.field("code"), test.code)
			}
			if test.pointer != "" && !strings.Contains(string(a.body), `"`+test.pointer+`"`) {
				t.Errorf("%s does not point at %s", a.body, test.pointer)
			}
			if a.field("trace_id") == "" || a.field("title") == "" || a.field("detail") == "" {
				t.Errorf("the problem lacks a title, a detail or a trace id: %s", a.body)
			}
		})
	}
	s.t = t
	if got := recorded(t, s, id); fmt.Sprint(got) != fmt.Sprint(events) {
		t.Errorf("after all that the history is %v, want %v", got, events)
	}
	eventually(t, func() string { // the projections may be starting still
		if a := s.call("GET", "/readyz", ""); a.status != 200 {
			return string(a.body)
		}
		return ""
	})
	if a := s.call("GET", "/v1/projections", ""); !strings.Contains(string(a.body), `"head":`+position) {
		t.Errorf("something was appended after position %s: %s", position, a.body)
	}
}

// Ten thousand lines, every third one bad: each bad line gets its problem, in
// its place, and the others are done.
func TestBulk(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	var customers []string
	for range 50 {
		a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"display":"Ada"},"source":{"channel":"web"},"registered_at":"2026-01-01T00:00:00Z"}`)
		customers = append(customers, a.field("customer_id"))
	}
	const n = 10_000
	var body strings.Builder
	for i := range n {
		amount := fmt.Sprint(i)
		if i%3 == 2 {
			amount = "-1"
		}
		fmt.Fprintf(&body, `{"command":"record-order","customer_id":%q,"body":{"order_id":"o%d","total":{"amount_minor":%s,"currency":"USD"},"placed_at":"2026-01-02T00:00:00Z"}}`+"\n", customers[i%len(customers)], i, amount)
	}
	a := s.call("POST", "/v1/commands", body.String(), "Content-Type", "application/x-ndjson")
	if a.status != 200 {
		t.Fatalf("%d %.300s", a.status, a.body)
	}
	lines := bytes.Split(bytes.TrimSpace(a.body), []byte("\n"))
	if len(lines) != n {
		t.Fatalf("%d results for %d lines", len(lines), n)
	}
	for i, line := range lines {
		var r struct {
			Line   int    `json:"line"`
			Status int    `json:"status"`
			Code   string `json:"code"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		status, code := 201, ""
		if i%3 == 2 {
			status, code = 422, "validation_failed"
		}
		if r.Line != i+1 || r.Status != status || r.Code != code {
			t.Fatalf("line %d: %s", i+1, line)
		}
	}
	done := 0
	for _, id := range customers {
		done += len(recorded(t, s, id)) - 1
	}
	if want := n - n/3; done != want {
		t.Errorf("%d orders recorded, want %d", done, want)
	}
}
