package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What a company does with one customer, in the order of docs/customer.md: who
// they are, where they are reached, what they agreed to, how they drift away, who
// looks after them, what was known when.
func TestCustomerStory(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	const id = "018e4a7e-5b1c-7c3a-9d2f-000000000001"
	const customer = "/v1/customers/" + id
	var position string
	post := func(actor, path, body string, status int) answer {
		t.Helper()
		a := s.call("POST", path, body, "Rapport-Actor", "user:"+actor)
		if a.status != status {
			t.Fatalf("POST %s: %d, want %d: %s", path, a.status, status, a.body)
		}
		if p := a.header.Get("Rapport-Position"); p != "" {
			position = p
		}
		return a
	}
	get := func(path string) answer {
		t.Helper()
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		a := s.call("GET", path+join+"min_position="+position, "")
		if a.status != 200 {
			t.Fatalf("GET %s: %d %s", path, a.status, a.body)
		}
		return a
	}
	says := func(a answer, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("%s is not in\n%s", text, a.body)
			}
		}
	}

	// The profile, with an attribute of our own that is personal.
	post("root", "/v1/schema/define-attribute", `{"key":"shoe_size","type":"number","personal":true}`, 201)
	post("lena", "/v1/customers", `{"customer_id":"`+id+`","kind":"person","name":{"given":"Ada","family":"Berg"},"source":{"channel":"store"},
		"external_ids":[{"system":"shop","id":"C1"}],"tags":["tea"],"demographics":{"birth_date":"1990-02-03"},"attributes":{"shoe_size":38.5},
		"contact_points":[{"type":"email","value":"Ada.Berg@Example.com"},{"type":"phone","value":"030 1234567","region":"DE"}],
		"consents":[{"purpose":"marketing","channel":"email","text_version":"2026-01"}],"registered_at":"2026-01-05T10:00:00Z"}`, 201)
	says(get(customer), `"shoe_size":38.5`, `"+49301234567"`, `"birth_date":"1990-02-03"`, `"stage":"potential"`)
	for _, query := range []string{"email=ada.berg@example.com", "phone=%2B49301234567", "external_id=shop:C1", "tag=tea", "stage=potential"} {
		says(get("/v1/customers?"+query), id)
	}
	if a := post("lena", customer+"/set-attribute", `{"key":"shoe_size","value":"large"}`, 422); a.field("code") == "" {
		t.Errorf("a wrong type: %s", a.body)
	}

	// An order makes them active; days without one make them drift away.
	post("lena", customer+"/record-order", `{"order_id":"o1","total":{"amount_minor":2500,"currency":"USD"},"placed_at":"2026-01-06T09:00:00Z","paid_at":"2026-01-06T09:05:00Z"}`, 201)
	says(get(customer), `"stage":"active"`)
	s.must("calendar", "close", "2026-05-31")
	eventually(t, func() string {
		if a := s.call("GET", customer, ""); a.field("lifecycle", "stage") != "at_risk" {
			return fmt.Sprintf("the stage is not at_risk: %s", a.body)
		}
		return ""
	})
	says(get(customer+"/lifecycle"), `"trigger":"day_closed"`, `"next":{"stage":"churned"`)
	says(get("/v1/lifecycle/at?date=2026-03-01"), `{"stage":"active","customers":1}`)
	says(get("/v1/lifecycle/funnel?from=2026-01-01&to=2026-05-31"), `{"from":"active","to":"at_risk","count":1}`)

	// May we write to them? It says why, and names the events.
	says(get(customer+"/contactability?purpose=marketing&channel=email&at=2026-06-01T10:00:00Z"), `"allowed":true`, `"code":"consent"`, `"event_ids":["`)
	post("lena", customer+"/withdraw-consent", `{"purpose":"marketing","channel":"email","via":"link"}`, 200)
	says(get(customer+"/contactability?purpose=marketing&channel=email&at=2026-06-01T10:00:00Z"), `"allowed":false`, `"consent_withdrawn"`)
	post("lena", customer+"/record-contact", `{"purpose":"marketing","channel":"email","contact_id":"m1"}`, 409)

	// Lena looks after them; she leaves, and Otto takes over what is open.
	for _, name := range []string{"lena", "otto"} {
		post("root", "/v1/staff/enrol-employee", `{"employee_id":"`+name+`","name":"`+name+`","roles":["sales"],"capacity":10}`, 201)
	}
	post("root", customer+"/assign-owner", `{"employee_id":"lena","role":"sales"}`, 200)
	post("root", customer+"/designate-key-account", `{"level":"A","criteria":"buys tea by the chest"}`, 200)
	handover := "/v1/handovers/" + post("root", "/v1/handovers", `{"from":"lena","to":"otto","reason":"leaver"}`, 201).field("handover_id")
	post("root", customer+"/assign-owner", `{"employee_id":"otto","role":"sales"}`, 409)
	post("lena", handover+"/accept-handover", `{}`, 403)
	post("otto", handover+"/accept-handover", `{}`, 200)
	post("otto", handover+"/complete-handover", `{}`, 409)
	var dossier struct {
		Dossier struct {
			Customers []struct {
				Items []struct {
					ID string `json:"id"`
				} `json:"items"`
			} `json:"customers"`
		} `json:"dossier"`
	}
	if err := json.Unmarshal(get(handover).body, &dossier); err != nil {
		t.Fatal(err)
	}
	var items []string
	for _, c := range dossier.Dossier.Customers {
		for _, item := range c.Items {
			items = append(items, item.ID)
		}
	}
	seen, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		t.Fatal(err)
	}
	post("otto", handover+"/acknowledge-items", string(seen), 200)
	post("otto", handover+"/complete-handover", `{}`, 200)
	eventually(t, func() string {
		if a := s.call("GET", customer, ""); a.field("ownership", "owner") != "otto" {
			return fmt.Sprintf("otto is not the owner: %s", a.body)
		}
		return ""
	})
	says(get("/v1/owners/otto/portfolio"), id)

	// What was known when, what changed, and the proof of it.
	if a := get(customer + "?as_of=2026-03-01"); a.field("lifecycle", "stage") != "active" {
		t.Errorf("as of March: %s", a.body)
	}
	says(get(customer+"/diff?from=2026-03-01&to=2026-05-31"), `"field":"lifecycle.stage","was":"active","became":"at_risk"`)
	export := filepath.Join(t.TempDir(), "history.ndjson")
	s.must("history", "shop:C1", "--export", export)
	s.must("verify", "history", "--file", export)
	stored, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	stored[len(stored)/2] ^= 1
	if err := os.WriteFile(export, stored, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := s.rapport("verify", "history", "--file", export); code != exitDifference {
		t.Errorf("a flipped bit: exit code %d, %s", code, stderr)
	}
	s.must("verify", "read-models")
}

// Fifty tills register the same address at the same moment: one customer comes
// to be, and the others are told who it is.
func TestOneAddressHasOneCustomer(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	const tills = 50
	answers := make([]answer, tills)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			var err error
			answers[i], err = s.try("POST", "/v1/customers", fmt.Sprintf(`{"name":{"given":"Till %d"},"source":{"channel":"store"},
				"contact_points":[{"type":"email","value":"same@example.com"}]}`, i))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var winner string
	for _, a := range answers {
		if a.status == 201 {
			if winner != "" {
				t.Errorf("%s and %s have one address", winner, a.field("customer_id"))
			}
			winner = a.field("customer_id")
		}
	}
	if winner == "" {
		t.Fatalf("nobody has the address: %s", answers[0].body)
	}
	for _, a := range answers {
		if a.status != 201 && (a.status != 409 || a.field("code") != "email_taken" || a.field("holder") != winner) {
			t.Errorf("%d %s, want 409 email_taken held by %s", a.status, a.body, winner)
		}
	}
}
