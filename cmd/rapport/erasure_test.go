package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/redisdb"
)

// Erasing a customer takes everything personal out of everything that can be
// looked at, and leaves what can be counted and proven. Each scan finds the
// customer before, and afterwards still finds another one who stayed.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual", "--partitions", "4", "--log-level", "debug")
	setup := func(path, body string) {
		t.Helper()
		if a := s.call("POST", path, body, "Rapport-Actor", "e-1"); a.status >= 300 {
			t.Fatalf("%s %s: %d %s", path, body, a.status, a.body)
		}
	}
	setup("/v1/staff/enrol-employee", `{"employee_id":"e-1","name":"One","roles":["sales"]}`)
	setup("/v1/schema/define-attribute", `{"key":"hobby","label":"Hobby","type":"text","personal":true}`)
	const programme = `{"policy":{"name":"x","currency":"USD","enrolment":"first_order","earn":[{"id":"base","points":1,"per_minor":100}],
		"expiry":{"kind":"end_of_year","years":20},"redemption":{"points":100,"value_minor":100},"manual":{"bonus_limit":10},"reversal":{"earn":%q}}}`
	setup("/v1/policies/loyalty/publish-policy", fmt.Sprintf(programme, "deficit"))
	setup("/v1/policies/tier/publish-policy", `{"policy":{"name":"x","measure":"orders","levels":[{"id":"member","name":"Member","from":0},
		{"id":"gold","name":"Gold","from":100}],"window":{"kind":"lifetime"},"validity":{"kind":"unlimited"},"downgrade":"to_balance"}}`)
	setup("/v1/policies/care/publish-policy", `{"policy":{"name":"x","occasions":[{"id":"new_year","kind":"festival",
		"festival":{"calendar":"solar","month":1,"day":1},"channels":["phone"],"purpose":"service","follow_days":14}]}}`)
	gone, stays := &planted{name: "gone"}, &planted{name: "stay"}
	id, _ := s.tell(gone, "31")
	other, position := s.tell(stays, "42")
	setup("/v1/policies/loyalty/publish-policy", fmt.Sprintf(programme, "only_pending"))
	setup("/v1/customers/"+id+"/reverse-points-earn", `{"order_id":"o1","reason":"`+gone.text()+`"}`)
	setup("/v1/calendar/close-day", `{"date":"2026-01-31"}`)
	one := "/v1/customers/" + id
	eventually(t, func() string {
		if a := s.call("GET", "/v1/rfm/distribution", ""); a.status != 200 || a.field("as_of") != "2026-01-31" {
			return fmt.Sprintf("no calibration: %s", a.body)
		}
		return ""
	})
	if a := s.call("GET", one+"?min_position="+position, ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	everyFieldIsPlanted(t, s.call("GET", one+"/history", "", "Accept", "application/x-ndjson").body)

	// Before: each scan finds both.
	distribution := s.call("GET", "/v1/rfm/distribution", "").field("population")
	verified := s.call("GET", one+"/history/verify", "")
	export := s.call("GET", one+"/export", "")
	exportIsWhatWasRecorded(t, s, id)
	for scan, h := range map[string]haystack{"redis": s.redisContent(), "files": files(t, filepath.Join(s.data, redisFolder)), "answers": s.answers(id)} {
		for name, p := range map[string]*planted{"who goes": gone, "who stays": stays} {
			found := h.with(p)
			if len(found) == 0 {
				t.Errorf("the scan of %s does not find %s: it proves nothing", scan, name)
			}
			t.Logf("%s, %s: %d of %d pieces hold something", scan, name, len(found), len(h))
		}
	}
	for _, route := range []string{one, one + "/history", one + "/replay", one + "/export", "/v1/customers"} {
		if len(gone.in(s.answers(id)["GET "+route+" "])) == 0 {
			t.Errorf("GET %s shows nothing of the customer: the scan proves nothing", route)
		}
	}
	if len(gone.in(export.body)) < len(gone.values)-10 {
		t.Errorf("the export has only %d of %d planted values", len(gone.in(export.body)), len(gone.values))
	}
	log := filepath.Join(s.data, logFolder)
	if found := files(t, log).with(gone); len(found) > 0 {
		t.Errorf("the log holds personal data in clear: %v", found)
	}
	wrapped, kept := s.wrappedKey(id), s.wrappedKey(other)
	for name, key := range map[string]*planted{"who goes": wrapped, "who stays": kept} {
		if found := files(t, log).with(key); len(found) == 0 {
			t.Errorf("the files of the log do not hold the key of %s: the scan proves nothing", name)
		}
	}

	// Two people decide, and it is done.
	for _, step := range []struct{ command, body, actor string }{
		{"request-erasure", `{"requester":"customer","evidence":"` + gone.text() + `"}`, "e-17"},
		{"approve-erasure", `{"note":"` + gone.text() + `"}`, "e-18"},
	} {
		if a := s.call("POST", one+"/"+step.command, step.body, "Rapport-Actor", step.actor, "Rapport-Reason", gone.text()); a.status != 200 {
			t.Fatalf("%s: %d %s", step.command, a.status, a.body)
		}
	}
	var certificate answer
	eventually(t, func() string {
		certificate = s.call("GET", one+"/erasure", "")
		if state := certificate.field("erasure", "state"); state != "completed" {
			return "the erasure is " + state
		}
		return ""
	})
	for member, want := range map[string]string{
		"store": "compacted", "read_models": "append_only_file_rewritten",
		"purged_read_models": fmt.Sprint(viewNames()), "key_ids": fmt.Sprint(s.keysNamed(id)),
	} {
		if got := certificate.field("erasure", "certificate", member); got != want {
			t.Errorf("the certificate says %s %q, want %q", member, got, want)
		}
	}

	// After: none finds the one, and all find the other.
	scan := func(when string) {
		t.Helper()
		eventually(t, func() string { // Redis deletes the old file a moment after it has written the new one
			if found := files(t, filepath.Join(s.data, redisFolder)).with(gone); len(found) > 0 {
				return fmt.Sprintf("%s: the files of Redis hold %v", when, found)
			}
			return ""
		})
		for name, h := range map[string]haystack{
			"redis": s.redisContent(), "answers": s.answers(id), "the log's files": files(t, log), "what the server said": {"log": []byte(s.log.String())},
		} {
			for piece, values := range h.with(gone) {
				t.Errorf("%s: %s: %s holds %v", when, name, piece, values)
			}
			for piece := range h.with(wrapped) {
				t.Errorf("%s: %s: %s holds the wrapped key", when, name, piece)
			}
		}
		if len(s.redisContent().with(stays)) == 0 || len(s.answers(other).with(stays)) == 0 || len(files(t, log).with(kept)) == 0 {
			t.Errorf("%s: the scans do not find who stays: they prove nothing", when)
		}
	}
	scan("after the erasure")
	if len(files(t, filepath.Join(s.data, redisFolder)).with(stays)) == 0 {
		t.Error("the scan of Redis' files does not find who stays: it proves nothing")
	}
	s.log.Write([]byte(stays.values[0]))
	if len((haystack{"log": []byte(s.log.String())}).with(stays)) == 0 {
		t.Error("the scan of what the server said finds nothing: it proves nothing")
	}

	// What can be counted and proven is as before.
	if got := s.call("GET", "/v1/rfm/distribution", "").field("population"); got != distribution {
		t.Errorf("the population of the scores is %s, was %s", got, distribution)
	}
	if a := s.call("GET", one+"/rfm", ""); a.status != 200 || a.field("transactions") == "" {
		t.Errorf("the scores of the erased customer: %d %s", a.status, a.body)
	}
	after := s.call("GET", one+"/history/verify", "")
	if after.field("valid") != verified.field("valid") || after.field("bad") != "" {
		t.Errorf("the history verifies to %s, before %s", after.body, verified.body)
	}
	s.must("verify", "history", "--all")
	s.must("verify", "read-models")

	// The customer is gone, and says so.
	registration, rest := everything(gone, "31")
	if a := s.call("POST", "/v1/customers", strings.Replace(registration, "{", `{"customer_id":"`+id+`",`, 1)); a.status != http.StatusGone {
		t.Errorf("registered again under the same id: %d %s", a.status, a.body)
	}
	for _, c := range rest {
		a := s.call("POST", one+"/"+c.command, c.body, "Rapport-Actor", "e-17")
		want := http.StatusGone
		if c.command == "request-erasure" {
			want = http.StatusOK // the first certificate stands
		}
		if a.status != want {
			t.Errorf("%s of the erased: %d %s, want %d", c.command, a.status, a.body, want)
		}
	}
	if a := s.call("GET", one+"/export", ""); a.status != http.StatusGone {
		t.Errorf("the export of the erased: %d %s", a.status, a.body)
	}
	if a := s.call("POST", one+"/pay-order", `{"order_id":"o3"}`, "Rapport-Reason", gone.text()); a.status != 200 || a.field("changed") != "true" {
		t.Errorf("what is due is settled: %d %s", a.status, a.body)
	}
	if a := s.call("POST", one+"/withdraw-consent", `{}`); a.status != 200 {
		t.Errorf("unsubscribing the erased: %d %s", a.status, a.body)
	}

	// The names are free again, and the objection binds who comes with them.
	again := s.call("POST", "/v1/customers", registration, "Rapport-Actor", "e-17")
	if again.status != 201 {
		t.Fatalf("registered again: %d %s", again.status, again.body)
	}
	back := "/v1/customers/" + again.field("customer_id")
	eventually(t, func() string {
		a := s.call("GET", back+"/contactability?purpose=marketing&channel=email&min_position="+again.header.Get("Rapport-Position"), "")
		if a.status != 200 || !strings.Contains(string(a.body), "earlier objection") {
			return fmt.Sprintf("the objection is forgotten: %d %s", a.status, a.body)
		}
		return ""
	})
	for _, step := range []struct{ command, actor string }{{"request-erasure", "e-17"}, {"approve-erasure", "e-18"}} {
		body := `{}`
		if step.command == "request-erasure" {
			body = `{"requester":"customer"}`
		}
		if a := s.call("POST", back+"/"+step.command, body, "Rapport-Actor", step.actor); a.status != 200 {
			t.Fatalf("%s: %d %s", step.command, a.status, a.body)
		}
	}
	eventually(t, func() string {
		return strings.TrimPrefix(s.call("GET", back+"/erasure", "").field("erasure", "state"), "completed")
	})

	// Neither a rebuild nor a restart brings anything back.
	s.must("rebuild", "all")
	s.stop()
	s.start()
	eventually(t, func() string {
		if a := s.call("GET", one, ""); a.status != 200 {
			return fmt.Sprintf("%d %s", a.status, a.body)
		}
		return ""
	})
	scan("after a rebuild and a restart")
	if again := s.call("GET", one+"/erasure", ""); again.field("erasure", "certificate", "erased_at") != certificate.field("erasure", "certificate", "erased_at") {
		t.Errorf("the certificate was %s and is %s", certificate.body, again.body)
	}
}

// viewNames are the views in the order of the program.
func viewNames() (names []string) {
	for _, v := range readModels(nil) {
		names = append(names, v.String())
	}
	return names
}

// everyFieldIsPlanted fails if there is an event type of customers with a
// personal field that nothing was planted in.
func everyFieldIsPlanted(t *testing.T, history []byte) {
	t.Helper()
	said := map[string]bool{}
	for line := range bytes.Lines(history) {
		var e struct {
			Event struct {
				Type string
				Data map[string]json.RawMessage
			}
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		for member := range e.Event.Data {
			said[e.Event.Type+" "+member] = true
		}
	}
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") || typ.Name == "customer.erasure_approved" { // there is no time to look at that
			continue
		}
		for _, member := range typ.Personal {
			if !said[typ.Name+" "+member] {
				t.Errorf("%s: nothing personal was planted in %q: let everything say it", typ.Name, member)
			}
		}
	}
}

// exportIsWhatWasRecorded checks that the export of a revision is what
// request-export has recorded, and that its digest is right.
func exportIsWhatWasRecorded(t *testing.T, s *server, id string) {
	t.Helper()
	var history struct {
		Events []struct {
			Type string
			Data struct {
				Revision int64
				Digest   string
			}
		}
	}
	a := s.call("GET", "/v1/customers/"+id+"/history?type=customer.personal_data_exported", "")
	if err := json.Unmarshal(a.body, &history); err != nil || len(history.Events) != 1 {
		t.Fatalf("%v: %s", err, a.body)
	}
	recorded := history.Events[0].Data
	body := s.call("GET", fmt.Sprintf("/v1/customers/%s/export?revision=%d", id, recorded.Revision), "").body
	covered, rest, ok := bytes.Cut(body, []byte(`,"digest":`))
	digest := sha256.Sum256(covered)
	if sum := hex.EncodeToString(digest[:]); !ok || sum != recorded.Digest || string(rest) != `"`+sum+"\"}\n" {
		t.Errorf("the digest is %s, recorded %s, in the export %s", sum, recorded.Digest, rest)
	}
}

// A server that dies between the approval and the erasure finds it when it comes
// back, also where the read models were in it and are made anew.
func TestErasureAfterAKill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		how  string
	}{
		"a Redis of its own": {[]string{"--calendar", "manual", "--partitions", "4"}, "append_only_file_rewritten"},
		"in process":         {[]string{"--calendar", "manual", "--partitions", "4", "--in-process-redis"}, "in_memory"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, t.TempDir(), append([]string{"--roles", "commands,queries,projections"}, c.args...)...)
			p := &planted{name: "kill"}
			a := s.call("POST", "/v1/customers", fmt.Sprintf(`{"name":{"given":%q},"source":{"channel":"web"}}`, p.text()))
			one := "/v1/customers/" + a.field("customer_id")
			for _, step := range []struct{ command, body, actor string }{
				{"request-erasure", `{"requester":"customer"}`, "e-17"}, {"approve-erasure", `{}`, "e-18"},
			} {
				if a := s.call("POST", one+"/"+step.command, step.body, "Rapport-Actor", step.actor); a.status != 200 {
					t.Fatalf("%s: %d %s", step.command, a.status, a.body)
				}
			}
			if a := s.call("POST", one+"/add-tag", `{"tag":"vip"}`); a.status != http.StatusGone {
				t.Errorf("between the approval and the erasure: %d %s", a.status, a.body)
			}
			s.kill()
			s.start(c.args...) // with the role jobs
			var certificate answer
			eventually(t, func() string {
				certificate = s.call("GET", one+"/erasure", "")
				if state := certificate.field("erasure", "state"); state != "completed" {
					return "the erasure is " + state
				}
				return ""
			})
			if got := certificate.field("erasure", "certificate", "read_models"); got != c.how {
				t.Errorf("the certificate says %q, want %q", got, c.how)
			}
			if found := s.answers(a.field("customer_id"))["GET "+one+"/history "]; len(found) == 0 || len(p.in(found)) > 0 {
				t.Errorf("the history shows %s", found)
			}
		})
	}
}

// A Redis that does not let us write its file anew is one that somebody else
// looks after.
func TestARedisOfSomebodyElse(t *testing.T) {
	db, err := redisdb.Open(t.Context(), redisdb.Config{InProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if !db.InProcess() {
		t.Error("a Redis in process does not say so")
	}
	if err := db.RewriteAOF(t.Context()); err == nil || !notOurs(err) { // it knows no such command
		t.Errorf("%v is not taken for the refusal of somebody else's Redis", err)
	}
	if !notOurs(errors.New("NOPERM this user has no permissions")) || notOurs(context.DeadlineExceeded) {
		t.Error("an outage is no refusal, and a missing permission is one")
	}
}
