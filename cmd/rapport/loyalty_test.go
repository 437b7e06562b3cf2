package main

import (
	"encoding/csv"
	"fmt"
	"os"
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

// Every customer of the CDNOW sample has the points that others computed: live,
// when the past is lived through in stages, and afterwards as of each of the dates.
func TestPointsEqualTheReference(t *testing.T) {
	t.Parallel()
	file := shared(t, "cdnow_sample.csv.gz")
	text, err := os.ReadFile(shared(t, "expected/cdnow_sample_loyalty.csv"))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, t.TempDir(), "--calendar", "manual")
	if a := s.call("POST", "/v1/policies/loyalty/publish-policy", fmt.Sprintf(wholeDollars, `{"kind":"never"}`)); a.status != 201 {
		t.Fatalf("publish: %d %s", a.status, a.body)
	}
	orders := []string{"import", "orders", file, "--source", "cdnow", "--currency", "USD", "--map", "customer=sample_id,date=date,amount=amount"}
	dates := []string{"1997-03-31", "1997-09-30", "1997-12-31", "1998-06-30"}
	columns := make([]string, len(dates))
	for i, date := range dates {
		columns[i] = "points_" + strings.ReplaceAll(date, "-", "")
	}
	want := table(t, string(text), columns...)
	for i, date := range dates {
		s.must(append(orders, "--until", date)...)
		s.must("calendar", "close", date)
		live := table(t, s.must("loyalty", "--source", "cdnow", "--format", "csv"), "points")
		if diff := cmp.Diff(points(want, i), points(live, 0)); diff != "" {
			t.Errorf("points live at %s (-reference +ours):\n%s", date, diff)
		}
	}
	for i, date := range dates {
		then := table(t, s.must("loyalty", "--source", "cdnow", "--as-of", date, "--format", "csv"), "points")
		if diff := cmp.Diff(points(want, i), points(then, 0)); diff != "" {
			t.Errorf("points as of %s (-reference +ours):\n%s", date, diff)
		}
		for _, customer := range []string{"0001", "0002", "0047", "1516"} {
			id := s.call("GET", "/v1/customers?external_id=cdnow:"+customer, "").id(t)
			a := s.call("GET", "/v1/customers/"+id+"/loyalty?as_of="+date, "")
			if got := a.field("balance", "spendable"); a.status != 200 || got != want[customer][i] {
				t.Errorf("%s as of %s: %s points, want %s: %.300s", customer, date, got, want[customer][i], a.body)
			}
		}
	}
}

// Points that lapse a year after the order's day are gone at midnight, whether they
// were booked as lapsed or not.
func TestPointsThatLapseEqualTheReference(t *testing.T) {
	t.Parallel()
	file := shared(t, "cdnow_sample.csv.gz")
	s := serve(t, t.TempDir(), "--calendar", "manual")
	if a := s.call("POST", "/v1/policies/loyalty/publish-policy", fmt.Sprintf(wholeDollars, `{"kind":"months","months":12}`)); a.status != 201 {
		t.Fatalf("publish: %d %s", a.status, a.body)
	}
	s.must("import", "orders", file, "--source", "cdnow", "--currency", "USD", "--map", "customer=sample_id,date=date,amount=amount")
	s.must("calendar", "close", "1998-06-30")
	for _, args := range [][]string{{"--as-of", "1998-06-30"}, {"--source", "cdnow", "--as-of", "1998-06-30"}} {
		earned, spendable, above := 0, 0, 0
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
		if earned != 239_444 || spendable != 96_083 || above != 812 {
			t.Errorf("%v: earned %d, spendable %d, %d customers above 0", args, earned, spendable, above)
		}
	}
	if out := s.must("verify", "read-models"); !strings.Contains(out, "loyalty") {
		t.Errorf("verify: %s", out)
	}
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
