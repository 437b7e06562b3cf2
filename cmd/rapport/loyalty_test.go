package main

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wholeDollars is a programme that gives a point for every whole dollar of an order
// and enrols with the first one.
const wholeDollars = `{"effective_from":"1997-01-01","policy":{"name":"whole dollars","currency":"USD","enrolment":"first_order",` +
	`"earn":[{"id":"base","points":1,"per_minor":100,"rounding":"floor"}],"expiry":%s,"redemption":{"points":100,"value_minor":100},` +
	`"examples":[{"order":{"amount_minor":5899,"currency":"USD","placed_on":"1997-01-02"},"points":58}]}}`

// table reads the columns of a CSV by the value of the first.
func table(t *testing.T, text string, columns ...string) map[string][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%v in\n%.500s", err, text)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	lines := map[string][]string{}
	for _, row := range rows[1:] {
		values := make([]string, len(columns))
		for i, name := range columns {
			n, ok := at[name]
			if !ok {
				t.Fatalf("there is no column %s in %v", name, rows[0])
			}
			values[i] = row[n]
		}
		lines[row[0]] = values
	}
	return lines
}

// points returns the members that have points in a column, as texts.
func points(lines map[string][]string, column int) map[string]string {
	all := map[string]string{}
	for customer, values := range lines {
		if values[column] != "0" {
			all[customer] = values[column]
		}
	}
	return all
}

// startProgram publishes the programme, from before the first order on.
func startProgram(s *server, expiry string) {
	s.t.Helper()
	if a := s.call("POST", "/v1/policies/loyalty/publish-policy", fmt.Sprintf(wholeDollars, expiry)); a.status != 201 {
		s.t.Fatalf("publish: %d %s", a.status, a.body)
	}
}

// pointDates are the dates of the reference.
var pointDates = []string{"1997-03-31", "1997-09-30", "1997-12-31", "1998-06-30"}

// expectedPoints reads the independently computed points, a column for each date.
func expectedPoints(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(shared(t, "expected/cdnow_sample_loyalty.csv"))
	if err != nil {
		t.Fatal(err)
	}
	columns := make([]string, len(pointDates))
	for i, date := range pointDates {
		columns[i] = "points_" + strings.ReplaceAll(date, "-", "")
	}
	return table(t, string(text), columns...)
}

// pointsUntil adds up the whole dollars of the orders of a file up to a date.
func pointsUntil(t *testing.T, file, date string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(plain).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]int{}
	for _, row := range rows[1:] { // master_id, sample_id, date, cds, amount
		dollars, _, _ := strings.Cut(row[4], ".")
		n, err := strconv.Atoi(dollars)
		if err != nil {
			t.Fatal(err)
		}
		if row[2] <= date && n > 0 {
			sums[row[1]] += n
		}
	}
	all := map[string]string{}
	for customer, n := range sums {
		all[customer] = strconv.Itoa(n)
	}
	return all
}

// comparePoints compares what `rapport loyalty` says with what it should.
func comparePoints(s *server, date string, want map[string]string, args ...string) {
	s.t.Helper()
	t := s.t.(*testing.T)
	got := table(t, s.must(append([]string{"loyalty", "--source", "cdnow", "--format", "csv"}, args...)...), "points")
	if diff := cmp.Diff(want, points(got, 0)); diff != "" {
		t.Errorf("points at %s %v (-reference +ours):\n%s", date, args, diff)
	}
}

// sums adds up what `rapport loyalty` says: what was earned, what can be spent, and
// how many have anything to spend.
func sums(s *server, args ...string) (earned, spendable, above int) {
	s.t.Helper()
	t := s.t.(*testing.T)
	for _, values := range table(t, s.must(append([]string{"loyalty", "--format", "csv"}, args...)...), "points", "earned") {
		points, err := strconv.Atoi(values[0])
		if err != nil {
			t.Fatal(err)
		}
		all, err := strconv.Atoi(values[1])
		if err != nil {
			t.Fatal(err)
		}
		earned, spendable = earned+all, spendable+points
		if points > 0 {
			above++
		}
	}
	return earned, spendable, above
}

// id returns the only customer of a list.
func (a answer) id(t *testing.T) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(a.body), `"customer_id":"`)
	if !ok || len(rest) < 36 {
		t.Fatalf("no customer in %s", a.body)
	}
	return rest[:36]
}

// A member's life, as docs/loyalty.md tells it: they earn, wait, spend, give back and
// climb; points lapse; a friend gets some; and everything is proven with a file.
func TestLoyaltyStory(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	do := func(status int, path, body, actor string) answer {
		t.Helper()
		a := s.call("POST", path, body, "Rapport-Actor", actor)
		if a.status != status {
			t.Fatalf("%s: %d, want %d: %s", path, a.status, status, a.body)
		}
		return a
	}
	do(201, "/v1/policies/loyalty/publish-policy", `{"effective_from":"2026-01-01","policy":{"name":"Tea points","currency":"EUR","enrolment":"first_order",
		"earn":[{"id":"base","points":1,"per_minor":100},{"id":"organic","points":1,"per_minor":200,"categories":["organic"]}],
		"multipliers":[{"id":"gold","factor":"1.5","tiers":["gold"]}],"caps":[{"period":"day","points":500}],
		"pending_days":14,"expiry":{"kind":"months","months":2},"redemption":{"points":100,"value_minor":100,"minimum":50,"step":50},
		"manual":{"bonus_limit":200,"deficit_limit":100},"transfer":{"allowed":true,"minimum":10}}}`, "user:mia")
	do(201, "/v1/policies/tier/publish-policy", `{"effective_from":"2026-01-01","policy":{"name":"Metals","measure":"spend",
		"levels":[{"id":"member","name":"Member","from":0},{"id":"gold","name":"Gold","from":30000}],
		"window":{"kind":"rolling","months":12},"validity":{"kind":"months","months":12},"downgrade":"one_down"}}`, "user:mia")
	register := func(key string) string {
		return do(201, "/v1/customers", `{"kind":"person","name":{"given":"Ada"},"source":{"channel":"store"},"external_ids":[{"system":"shop","id":"`+key+`"}],
			"registered_at":"2026-01-05T10:00:00Z"}`, "user:lena").field("customer_id")
	}
	ada, ben := "/v1/customers/"+register("ada"), "/v1/customers/"+register("ben")
	order := func(of, id string, minor int, at string) answer {
		return do(201, of+"/record-order", fmt.Sprintf(`{"order_id":%q,"total":{"amount_minor":%d,"currency":"EUR"},"placed_at":%q,"paid_at":%q}`, id, minor, at, at), "api:till")
	}
	balance := func(of, query string, want ...string) {
		t.Helper()
		a := s.call("GET", of+"/loyalty"+query, "")
		got := []string{a.field("balance", "spendable"), a.field("balance", "pending"), a.field("balance", "held"), a.field("balance", "deficit"), a.field("tier", "level")}
		if diff := cmp.Diff(want, got); a.status != 200 || diff != "" {
			t.Errorf("%s%s: %d (-want +got):\n%s%.900s", of, query, a.status, diff, a.body)
		}
	}
	at := func(a answer) string { return "?min_position=" + a.header.Get("Rapport-Position") }

	do(201, ada+"/record-order", `{"order_id":"a1","total":{"amount_minor":25999,"currency":"EUR"},"placed_at":"2026-01-06T09:00:00Z","paid_at":"2026-01-06T09:05:00Z",
		"lines":[{"sku":"TEA","category":"organic","quantity":2,"amount_minor":15999},{"sku":"POT","quantity":1,"amount_minor":10000}]}`, "api:till")
	balance(ada, at(order(ben, "b1", 5000, "2026-01-06T10:00:00Z")), "0", "338", "0", "0", "member") // 259 and 79
	s.must("calendar", "close", "2026-01-19", "--settled")
	balance(ada, "", "338", "0", "0", "0", "member") // the 20th begins
	balance(ada, "?as_of=2026-01-19", "0", "338", "0", "0", "member")

	// They climb, hold, spend, and cannot spend twice.
	balance(ada, at(order(ada, "a2", 5000, "2026-01-20T09:00:00Z")), "338", "50", "0", "0", "gold")
	do(201, ada+"/hold-points", `{"hold_id":"h1","points":100}`, "api:till")
	do(409, ada+"/redeem-points", `{"redemption_id":"r0","points":300}`, "api:till")
	do(201, ada+"/capture-hold", `{"hold_id":"h1","points":50}`, "api:till")
	balance(ada, at(do(201, ada+"/redeem-points", `{"redemption_id":"r1","points":250,"order_id":"a2"}`, "api:till")), "38", "50", "0", "0", "gold")

	// The order on which they spent goes back, and then the first one: they owe.
	a := do(201, ada+"/record-refund", `{"refund_id":"f2","order_id":"a2","amount":{"amount_minor":5000,"currency":"EUR"}}`, "api:till")
	balance(ada, at(a), "288", "0", "0", "0", "member")
	a = do(201, ada+"/record-refund", `{"refund_id":"f1","order_id":"a1","amount":{"amount_minor":25999,"currency":"EUR"}}`, "api:till")
	balance(ada, at(a), "0", "0", "0", "50", "member")
	// What one may not grant alone another approves, and it pays what is owed.
	do(201, ada+"/grant-bonus", `{"bonus_id":"g1","points":300,"reason":"the kettle exploded"}`, "user:mia")
	do(403, ada+"/approve-points", `{"proposal_id":"g1"}`, "user:mia")
	balance(ada, at(do(200, ada+"/approve-points", `{"proposal_id":"g1"}`, "user:omar")), "250", "0", "0", "0", "member")

	// Some go to a friend, who has them until they would have lapsed.
	a = do(201, "/v1/transfers", fmt.Sprintf(`{"from":%q,"to":%q,"points":100}`, ada[len("/v1/customers/"):], ben[len("/v1/customers/"):]), "user:lena")
	balance(ada, at(a), "150", "0", "0", "0", "member")
	balance(ben, at(a), "150", "0", "0", "0", "member")
	if out := s.must("loyalty", "--source", "shop"); out != "customer,points,pending,held,earned,tier\nada,150,0,0,388,member\nben,150,0,0,50,member\n" {
		t.Errorf("all members:\n%s", out)
	}
	if got := s.call("GET", "/v1/loyalty/liability", "").field("outstanding", "points"); got != "300" {
		t.Errorf("%s points are owed: %s", got, s.call("GET", "/v1/loyalty/liability", "").body)
	}

	// In time all is gone, and every point of it is proven, with no server at all.
	s.must("calendar", "close", "2026-03-20", "--settled")
	balance(ada, "", "0", "0", "0", "0", "member")
	balance(ada, "?as_of=2026-03-19", "150", "0", "0", "0", "member")
	for _, of := range []string{ada, ben} {
		if a := s.call("GET", of+"/ledger/verify", ""); a.field("ok") != "true" {
			t.Errorf("%s: %s", of, a.body)
		}
	}
	file := filepath.Join(t.TempDir(), "log.ndjson")
	if err := os.WriteFile(file, []byte(s.must("export")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := s.must("verify", "history", "--file", file); !strings.Contains(out, "the points of 2 customers follow from the events") {
		t.Errorf("offline: %s", out)
	}
	if out := s.must("verify", "read-models"); !strings.Contains(out, "loyalty") {
		t.Errorf("read models: %s", out)
	}
}
