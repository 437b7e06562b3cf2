package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// What the command line shows of the past of a customer.
func TestThePastOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	startProgram(s, `{"kind":"never"}`)
	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"given":"Ada","family":"Berg"},"source":{"channel":"store"},
		"external_ids":[{"system":"shop","id":"C1"}],"registered_at":"2026-01-05T10:00:00Z"}`, "Rapport-Actor", "user:lena")
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	customer := "/v1/customers/" + a.field("customer_id")
	for _, step := range [][2]string{
		{"record-order", `{"order_id":"o1","total":{"amount_minor":2500,"currency":"USD"},"placed_at":"2026-01-06T09:00:00Z","paid_at":"2026-01-06T09:05:00Z"}`},
		{"update-profile", `{"name":{"given":"Ada","family":"Lund"}}`},
		{"record-order", `{"order_id":"o2","total":{"amount_minor":1000,"currency":"USD"},"placed_at":"2026-01-10T09:00:00Z"}`},
	} {
		if a = s.call("POST", customer+"/"+step[0], step[1], "Rapport-Actor", "user:lena", "Rapport-Reason", "she said so"); a.status >= 300 {
			t.Fatalf("%s: %d %s", step[0], a.status, a.body)
		}
	}
	s.call("GET", customer+"?min_position="+a.header.Get("Rapport-Position"), "")

	has := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("it lacks %q:\n%s", w, out)
			}
		}
	}
	lacks := func(out string, unwanted ...string) {
		t.Helper()
		for _, u := range unwanted {
			if strings.Contains(out, u) {
				t.Errorf("it has %q:\n%s", u, out)
			}
		}
	}
	history := s.must("history", "shop:C1")
	has(history, "customer.registered  by user:lena", "name.family: - -> \"Berg\"", "name.family: \"Berg\" -> \"Lund\"", "orders.count: 1 -> 2", "she said so")
	filtered := s.must("history", "shop:C1", "--module", "orders", "--to", "2026-01-06")
	has(filtered, "customer.order_recorded", "customer.order_paid")
	lacks(filtered, "registered", "orders.count: 1 -> 2")
	has(s.must("history", "shop:C1", "--field", "name.family", "--by", "user:lena"), "Lund")
	for _, none := range [][]string{{"history", "shop:C1", "--by", "nobody"}, {"diff", "shop:C1", "--from", "1", "--to", "1"}} {
		if out, stderr, code := s.rapport(none...); code != exitDone || out != "" || stderr == "" {
			t.Errorf("%v: nothing is to be shown, and that is said: %d %q %q", none, code, out, stderr)
		}
	}

	then := s.must("state", "shop:C1", "--as-of", "2026-01-06", "--json")
	has(then, `"count":1`, `"Berg"`, `"then":{"as_of":"2026-01-06T23:59:59`)
	lacks(then, "Lund")
	has(s.must("state", "shop:C1", "--revision", "0"), `"revision": 0`)
	if _, stderr, code := s.rapport("state", "shop:C1", "--as-of", "2025-12-31"); code != exitFailed || !strings.Contains(stderr, "then") {
		t.Errorf("before everything: %d %s", code, stderr)
	}
	if _, stderr, code := s.rapport("state", "shop:C1", "--as-of", "once"); code != exitFailed || !strings.Contains(stderr, "as_of") {
		t.Errorf("no date: %d %s", code, stderr)
	}

	difference := s.must("diff", "shop:C1", "--from", "2026-01-06", "--field", "name")
	has(difference, `name.family: "Berg" -> "Lund"  (event `)
	lacks(difference, "orders")
	has(s.must("diff", "shop:C1", "--from", "0", "--json"), `"field":"orders.count"`)

	replay := s.must("replay", "shop:C1", "--from", "2")
	has(replay, "orders.count: 1 -> 2", `profile {`, `"family": "Lund"`, "rfm {")
	lacks(replay, "customer.registered")

	export := filepath.Join(t.TempDir(), "history.ndjson")
	has(s.must("history", "shop:C1", "--export", export), "wrote ")
	has(s.must("verify", "history", "--file", export), "in 1 stream")
	text, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), "customer.order_recorded")
	text[at] ^= 1
	if err := os.WriteFile(export, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := s.rapport("verify", "history", "--file", export); code != exitDifference || !strings.Contains(stderr, "event 2 of customer-") && !strings.Contains(stderr, "event 3 of customer-") {
		t.Errorf("one flipped bit: %d %s", code, stderr)
	}
	if _, _, code := s.rapport("history", "shop:C1", "--json", "--type", "customer.registered"); code != exitUsage {
		t.Errorf("an export with a filter: %d", code)
	}

	has(s.must("verify", "history", "--customer", "shop:C1"), "the points follow from the events: 25 spendable")
	has(s.must("verify", "history", "--all"), "the points of 1 customer follow from the events")
	// The export of a history whose chain was made to fit after a redemption of more
	// points than there were.
	has(s.must("verify", "history", "--file", filepath.Join("testdata", "ledger.ndjson")), "the points of 1 customer follow from the events")
	if _, stderr, code := s.rapport("verify", "history", "--file", filepath.Join("testdata", "ledger-overspent.ndjson")); code != exitDifference ||
		!strings.Contains(stderr, "customer.points_redeemed") || !strings.Contains(stderr, "lot_overdrawn: of the lot order:A:base 70 points are left, not 71") {
		t.Errorf("an overspent lot: %d %s", code, stderr)
	}

	// Somebody changes the account in the read model by hand.
	c := s.redis()
	defer c.Close()
	id := a.field("customer_id")
	keys, err := c.Keys(t.Context(), "rapport:*:loyalty@*:d").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		document, err := c.HGet(t.Context(), key, id).Result()
		if err == nil {
			err = c.HSet(t.Context(), key, id, strings.Replace(document, `"earned":25`, `"earned":26`, 1)).Err()
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	}
	if _, stderr, code := s.rapport("verify", "read-models", "--view", "loyalty"); code != exitDifference || !strings.Contains(stderr, "document of customer "+id) {
		t.Errorf("a changed document: %d %s", code, stderr)
	}
	if _, stderr, code := s.rapport("verify", "history", "--customer", "shop:C1"); code != exitDifference || !strings.Contains(stderr, "the sums: ") {
		t.Errorf("a changed account: %d %s", code, stderr)
	}
}
