package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/segment"
)

// What is asked of the server for each command line, and what is printed of what it
// answers.
func TestSegmentsPrint(t *testing.T) {
	t.Parallel()
	shipped, err := json.Marshal(commands.ShippedSegments{Segments: segment.Shipped()})
	if err != nil {
		t.Fatal(err)
	}
	const ann = "018e4a7e-5b1c-7c3a-9d2f-000000000001"
	const sends, reads = "POST /v1/commands", "GET /v1/segments/shipped"
	const list = `{"segments":[
		{"segment_id":"a","name":"A","version":2,"labels":["rfm","mine"],"customers":3,"revenue":{"amount_minor":-1234,"currency":"EUR"}},
		{"segment_id":"long-name","name":"B","version":1,"labels":[],"customers":0,"revenue":null,"filling":{"done":5,"total":9}},
		{"segment_id":"x","name":"X","version":1,"labels":[],"broken":"the rules ask for each other: x, y, x"},
		{"segment_id":"z","name":"Z","version":1,"labels":[],"failing":1}]}`
	const explanation = `{"customer_id":"` + ann + `","segment_id":"a","name":"A","version":2,"member":true,
		"since":{"position":7,"at":"2026-06-02T10:00:00Z","cause":"event","type":"customer.order_recorded"},"next":"2026-07-01",
		"clauses":[{"text":"orders.count() >= 2 && kind == \"person\"","op":"and","is":"true"},
			{"text":"orders.count() >= 2","depth":1,"is":"true","flips":"2026-07-01","values":[{"path":"orders","value":{"count":2,"first":[{"id":"o1"},{"id":"o2"}]},"events":[
				{"type":"customer.order_recorded","occurred_at":"2026-06-01T10:00:00Z"},{"type":"customer.order_recorded","occurred_at":"2026-06-02T10:00:00Z"},
				{"type":"customer.order_recorded","occurred_at":"2026-06-03T10:00:00Z"},{"type":"customer.order_recorded","occurred_at":"2026-06-04T10:00:00Z"}]}]},
			{"text":"rfm.r / 0 == 1","depth":1,"is":"failed","reason":"division by zero","values":[{"path":"rfm.r","value":5,"calibration":{"as_of":"2026-05-31"}},
				{"path":"in_segment(\"b\")","value":true,"changed":{"at":"2026-05-31T10:00:00Z","cause":"day","day":"2026-05-31"}}]}]}`
	const preview = `{"customers":9,"members":2,"took_ms":4,"sample":[{"customer_id":"` + ann + `","name":{"given":"Ann","family":"Archer"}}],"missing":["rfm"],"outdated":["value"],
		"failing":1,"failure":{"customer_id":"` + ann + `","code":"overflow","detail":"too much"},
		"compared":{"segment_id":"a","version":2,"enter":1,"leave":0,"stay":1,"entering":[{"customer_id":"` + ann + `","name":null}],"leaving":[]}}`
	commanded := map[string]string{
		"lapsed": `{"status":201,"changed":true}`, "reachable-by-email": `{"status":409,"code":"segment_exists"}`,
		"win-back": `{"status":409,"code":"too_many_segments","detail":"there are too many"}`,
	}
	for name, c := range map[string]struct {
		args   []string
		answer map[string]string
		asks   string // "METHOD path?query body" of every request
		out    string
		code   int
	}{
		"list": {args: []string{"--label", "rfm,mine"}, answer: map[string]string{"/v1/segments": list}, asks: "GET /v1/segments?labels=rfm%2Cmine",
			out: "SEGMENT    CUSTOMERS  REVENUE     VERSION  LABELS    NAME\n" +
				"a          3          -12.34 EUR  2        rfm,mine  A\n" +
				"long-name  0                      1                  B (looking at customers: 5 of 9)\n" +
				"x          0                      1                  X (broken: the rules ask for each other: x, y, x)\n" +
				"z          0                      1                  Z (failing on 1 customer)\n"},
		"list, as it comes": {args: []string{"list", "--json", "--archived"}, answer: map[string]string{"/v1/segments": `{"segments":[]}`}, asks: "GET /v1/segments?archived=true", out: `{"segments":[]}` + "\n"},
		"members": {args: []string{"members", "a", "--at", "2026-06-30", "--fields", "name"}, answer: map[string]string{"/v1/segments/a/members": "customer_id\n1\n"},
			asks: "GET /v1/segments/a/members?at=2026-06-30&fields=name text/csv", out: "customer_id\n1\n"},
		"members, as JSON": {args: []string{"members", "a", "--as-of", "2026-06-30", "--known-at", "2026-07-01", "--format", "json"}, answer: map[string]string{"/v1/segments/a/members": "{}\n"},
			asks: "GET /v1/segments/a/members?as_of=2026-06-30&known_at=2026-07-01 " + ndjson, out: "{}\n"},
		"members in an order": {args: []string{"members", "a", "--sort=-revenue"}, answer: map[string]string{"/v1/segments/a/members": "customer_id\n"},
			asks: "GET /v1/segments/a/members?sort=-revenue text/csv", out: "customer_id\n"},
		"members by a version": {args: []string{"members", "a", "--version", "2", "--sort", "customer"}, answer: map[string]string{"/v1/segments/a/members": "customer_id\n"},
			asks: "GET /v1/segments/a/members?sort=customer&version=2 text/csv", out: "customer_id\n"},
		"members of nothing":     {args: []string{"members", "a"}, asks: "GET /v1/segments/a/members text/csv", code: exitFailed},
		"members in another way": {args: []string{"members", "a", "--format", "xml"}, code: exitUsage},
		"explain": {args: []string{"explain", "a", "shop:1", "--as-of", "2026-06-30"}, answer: map[string]string{
			"/v1/customers": `{"customers":[{"customer_id":"` + ann + `"}]}`, "/v1/segments/a/explain/" + ann: explanation,
		}, asks: "GET /v1/customers?external_id=shop%3A1\nGET /v1/segments/a/explain/" + ann + "?as_of=2026-06-30",
			out: ann + ` is in "A" (a, version 2) since 2026-06-02 10:00:00 (customer.order_recorded, position 7)
  true   orders.count() >= 2 && kind == "person"
  true     orders.count() >= 2   [until 2026-07-01]
             orders = {"count":2}   by customer.order_recorded of 2026-06-01, customer.order_recorded of 2026-06-02, customer.order_recorded of 2026-06-03, 1 more
  failed   rfm.r / 0 == 1
             rfm.r = 5   by the calibration of 2026-05-31
             in_segment("b") = true   since the end of 2026-05-31
             division by zero
time alone may change it at the end of 2026-07-01
`},
		"explain who is not in": {args: []string{"explain", "a", ann}, answer: map[string]string{"/v1/segments/a/explain/" + ann: `{"customer_id":"` + ann + `","segment_id":"a","name":"A","version":1,
			"left":{"position":9,"at":"2026-06-02T10:00:00Z","cause":"definition"},"out":"restricted","broken":"a cycle","archived":true,"failed":{"code":"overflow","detail":"too much"},"clauses":[]}`},
			asks: "GET /v1/segments/a/explain/" + ann,
			out: ann + ` is not in "A" (a, version 1); it was, until 2026-06-02 10:00:00 (definition, position 9)
the customer is restricted and belongs to nothing
nobody can be decided on: a cycle
the segment is archived
the rule fails: too much (overflow)
`},
		"explain, as it comes": {args: []string{"explain", "a", ann, "--json"}, answer: map[string]string{"/v1/segments/a/explain/" + ann: `{"a":1}`}, asks: "GET /v1/segments/a/explain/" + ann, out: "{\"a\":1}\n"},
		"explain nobody":       {args: []string{"explain", "a", "ann"}, code: exitUsage},
		"preview": {args: []string{"preview", `"vip" in tags`, "--segment", "a"}, answer: map[string]string{"/v1/segments/preview": preview},
			asks: `POST /v1/segments/preview {"rule":"\"vip\" in tags","segment_id":"a","limit":10}`,
			out: "2 of 9 customers, looked at in 4 ms\n  " + ann + "  Ann Archer\nthe rule fails on 1 customer, first on " + ann + ": too much (overflow)\n" +
				"compared with version 2 of a: 1 enter, 0 leave, 1 stay\n+ " + ann + "\nnobody has computed yet, so that it is false: rfm\n" +
				"computed before the last day was closed, or by an earlier policy: value\n"},
		"preview, as it comes": {args: []string{"preview", "suppressed", "--json", "--limit", "3"}, answer: map[string]string{"/v1/segments/preview": `{"a":1}`},
			asks: `POST /v1/segments/preview {"rule":"suppressed","limit":3}`, out: "{\"a\":1}\n"},
		"install with what it asks for": {args: []string{"install", "win-back", "lapsed"}, asks: reads + "\n" + sends + " lapsed reachable-by-email win-back",
			out: "SEGMENT             OUTCOME                                NAME\n" +
				"lapsed              defined                                Lapsed\n" +
				"reachable-by-email  yours differs and stays                Reachable by e-mail\n" +
				"win-back            too_many_segments: there are too many  To be won back\n", code: exitFailed},
		"install by label":        {args: []string{"install", "--label", "value"}, asks: reads + "\n" + sends + " value-top value-middle value-base value-negative value-unknown", out: "*unchanged"},
		"install all":             {args: []string{"install", "--all"}, asks: reads + "\n" + sends + "*", out: "*To be won back", code: exitFailed},
		"install nothing":         {args: []string{"install"}, asks: reads, out: "*rfm-champions                rfm          Champions"},
		"install what is not":     {args: []string{"install", "members", "nobody"}, asks: reads, code: exitUsage},
		"install what nobody has": {args: []string{"install", "--label", "mine"}, asks: reads, code: exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				request := r.Method + " " + r.URL.String()
				if accept := r.Header.Get("Accept"); strings.HasSuffix(r.URL.Path, "/members") {
					request += " " + accept
				}
				switch r.URL.Path {
				case "/v1/segments/shipped":
					asked = append(asked, request)
					w.Write(shipped)
				case "/v1/commands":
					for line := range strings.Lines(string(body)) {
						var l struct {
							Command string
							Body    segment.Ready
						}
						if err := json.Unmarshal([]byte(line), &l); err != nil || l.Command != "define-segment" {
							t.Errorf("%s: %v", line, err)
						}
						request += " " + l.Body.SegmentID
						answer, ok := commanded[l.Body.SegmentID]
						if !ok {
							answer = `{"status":200}`
						}
						fmt.Fprintln(w, answer)
					}
					asked = append(asked, request)
				default:
					if r.Method == http.MethodPost {
						request += " " + string(body)
					}
					asked = append(asked, request)
					answer, ok := "", false
					if answer, ok = c.answer[r.URL.Path]; !ok {
						w.WriteHeader(http.StatusNotFound)
						answer = `{"status":404,"code":"segment_not_found"}`
					}
					fmt.Fprint(w, answer)
				}
			}))
			var out, errors bytes.Buffer
			code := run(t.Context(), append(append([]string{"segments"}, c.args...), "--server", s.URL), &out, &errors)
			s.Close()
			if got := strings.Join(asked, "\n"); got != c.asks && !(strings.HasSuffix(c.asks, "*") && strings.HasPrefix(got, strings.TrimSuffix(c.asks, "*"))) {
				t.Errorf("asked\n%s\nwant\n%s", got, c.asks)
			}
			if part, some := strings.CutPrefix(c.out, "*"); code != c.code || !some && out.String() != c.out || !strings.Contains(out.String(), part) {
				t.Errorf("exit code %d, %s\n%s\nwant\n%s", code, &errors, &out, c.out)
			}
		})
	}
}
