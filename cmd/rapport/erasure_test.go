package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/redis/go-redis/v9"
)

// planted is personal values that stand nowhere else in the world, so that
// whoever finds one has found the customer.
type planted struct {
	name   string
	values []string
}

// text plants a text.
func (p *planted) text() string {
	s := fmt.Sprintf("zq%s%02dqz", p.name, len(p.values))
	p.values = append(p.values, s)
	return s
}

// as plants a value of another form.
func (p *planted) as(value string) string {
	p.values = append(p.values, value)
	return value
}

// in returns the planted values that stand in bytes, in whatever case.
func (p *planted) in(b []byte) (found []string) {
	b = bytes.ToLower(b)
	for _, v := range p.values {
		if bytes.Contains(b, []byte(strings.ToLower(v))) {
			found = append(found, v)
		}
	}
	return found
}

// told is a command about a customer that plants something.
type told struct{ command, body string }

// everything says something personal in every personal field of every command
// about a customer. It leaves them in a state in which an erasure can be asked for.
func everything(p *planted, digit string) (registration string, rest []told) {
	mail, phone := p.as("zq"+p.name+"@PLANTED.example"), p.as("3090182"+digit)
	registration = fmt.Sprintf(`{"name":{"salutation":%q,"title":%q,"given":%q,"middle":%q,"family":%q,"display":%q,"organisation":%q},
		"source":{"channel":"web"},"registered_at":"2026-01-01T00:00:00Z","external_ids":[{"system":"till","id":%q}],
		"contact_points":[{"contact_point_id":"mail","type":"email","value":%q,"label":%q,"verification":{"method":"link","evidence":%q}},
			{"contact_point_id":"phone","type":"phone","value":"+49%s"},
			{"contact_point_id":"home","type":"post","address":{"recipient":%q,"street":%q,"extra":%q,"postal_code":"D-%s","city":%q,"region":%q,"country":"DE"}}],
		"demographics":{"birth_date":%q,"occupation":%q,"address":%q,"city":%q,"region":%q},
		"tags":[%q],"attributes":{"hobby":%q},
		"consents":[{"purpose":"marketing","channel":"email","text_version":"1","evidence":%q}]}`,
		p.text(), p.text(), p.text(), p.text(), p.text(), p.text(), p.text(), p.text(), mail, p.text(), p.text(), phone,
		p.text(), p.text(), p.text(), p.as("77"+digit+"77"), p.text(), p.text(), p.as("19"+digit+"-08-29"), p.text(), p.text(), p.text(), p.text(),
		p.text(), p.text(), p.text())
	f := fmt.Sprintf
	return registration, []told{
		{"update-profile", f(`{"name":{"given":%q},"organisation":{"industry":%q,"legal_form":%q,"registration_number":%q,"tax_number":%q,"website":"https://%s.example"}}`,
			p.text(), p.text(), p.text(), p.text(), p.text(), p.text())},
		{"update-demographics", f(`{"occupation":%q}`, p.text())},
		{"update-psychographics", f(`{"interests":[%q],"lifestyle":[%q],"values":[%q],"preferences":{"colour":%q}}`, p.text(), p.text(), p.text(), p.text())},
		{"record-market-attitude", `{"method":"survey","price_sensitivity":73}`},
		{"add-tag", f(`{"tag":%q}`, p.text())},
		{"remove-tag", f(`{"tag":%q}`, p.values[len(p.values)-1])},
		{"set-attribute", f(`{"key":"hobby","value":%q}`, p.text())},
		{"classify-customer", f(`{"type":"business","basis":%q}`, p.text())},
		{"link-external-id", f(`{"system":"shop","id":%q}`, p.text())},
		{"add-contact-point", f(`{"contact_point_id":"chat","type":"wechat","value":%q,"label":%q}`, p.text(), p.text())},
		{"verify-contact-point", f(`{"contact_point_id":"chat","method":"call","evidence":%q}`, p.text())},
		{"mark-contact-point-invalid", f(`{"contact_point_id":"chat","bounce_code":"5.1.1","reason":%q}`, p.text())},
		{"record-order", `{"order_id":"o1","total":{"amount_minor":1000,"currency":"USD"},"placed_at":"2026-01-10T00:00:00Z","paid_at":"2026-01-10T00:00:00Z"}`},
		{"record-order", `{"order_id":"o2","total":{"amount_minor":500,"currency":"USD"},"placed_at":"2026-01-12T00:00:00Z"}`},
		{"record-order", `{"order_id":"o3","total":{"amount_minor":700,"currency":"USD"},"placed_at":"2026-01-13T00:00:00Z"}`},
		{"cancel-order", f(`{"order_id":"o2","reason":%q}`, p.text())},
		{"record-refund", f(`{"refund_id":"r1","order_id":"o1","amount":{"amount_minor":100,"currency":"USD"},"reason":%q}`, p.text())},
		{"grant-consent", f(`{"purpose":"service","channel":"phone","text_version":"1","evidence":%q}`, p.text())},
		{"suppress-contact", f(`{"id":"s1","scope":"channel","channel":"sms","reason":%q}`, p.text())},
		{"lift-suppression", f(`{"id":"s1","reason":%q}`, p.text())},
		{"suppress-contact", f(`{"id":"s2","scope":"all","reason":%q}`, p.text())},
		{"change-stage", f(`{"to":"at_risk","reason_code":"said_so","note":%q}`, p.text())},
		{"assign-owner", `{"employee_id":"e-1"}`},
		{"designate-key-account", f(`{"level":"A","criteria":%q}`, p.text())},
		{"place-legal-hold", f(`{"hold_id":"LG-1","ground":"legal_claim","note":%q}`, p.text())},
		{"lift-legal-hold", f(`{"hold_id":"LG-1","ground":"settled","note":%q}`, p.text())},
		{"restrict-processing", f(`{"ground":"accuracy_contested","note":%q}`, p.text())},
		{"lift-restriction", f(`{"ground":"accuracy_verified","note":%q}`, p.text())},
		{"request-erasure", f(`{"requester":"customer","evidence":%q}`, p.text())},
		{"refuse-erasure", f(`{"ground":"identity_not_proven","note":%q}`, p.text())},
		{"request-export", `{}`},
	}
}

// tell gives every command of everything to a new customer.
func (s *server) tell(p *planted, digit string) (id, position string) {
	s.t.Helper()
	registration, rest := everything(p, digit)
	a := s.call("POST", "/v1/customers", registration, "Rapport-Reason", p.text(), "Rapport-Actor", "e-17")
	if a.status != 201 {
		s.t.Fatalf("register: %d %s", a.status, a.body)
	}
	id = a.field("customer_id")
	for _, c := range rest {
		a = s.call("POST", "/v1/customers/"+id+"/"+c.command, c.body, "Rapport-Reason", p.text(), "Rapport-Actor", "e-17")
		if a.status >= 300 || a.field("changed") != "true" {
			s.t.Fatalf("%s %s: %d %s", c.command, c.body, a.status, a.body)
		}
	}
	return id, a.header.Get("Rapport-Position")
}

// haystack is all there is to look through, piece by piece.
type haystack map[string][]byte

// with returns which pieces hold something planted.
func (h haystack) with(p *planted) (found map[string][]string) {
	found = map[string][]string{}
	for name, b := range h {
		if values := p.in(b); len(values) > 0 {
			found[name] = values
		}
	}
	return found
}

// files are the files below a folder.
func files(t testing.TB, dir string) haystack {
	t.Helper()
	h := haystack{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it went while we looked
		}
		if b, err := os.ReadFile(path); err == nil {
			h[path] = b
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// redisContent is every key of the server's own Redis, with its value.
func (s *server) redisContent() haystack {
	s.t.Helper()
	var running struct {
		Socket string `json:"socket"`
	}
	for path, b := range files(s.t, filepath.Join(s.data, redisFolder)) {
		if strings.HasSuffix(path, ".json") && json.Unmarshal(b, &running) == nil && running.Socket != "" {
			break
		}
	}
	if running.Socket == "" {
		s.t.Fatalf("no Redis runs in %s", s.data)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: running.Socket})
	defer c.Close()
	h := haystack{}
	keys := c.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		key := keys.Val()
		var value any
		var err error
		switch kind := c.Type(ctx, key).Val(); kind {
		case "string":
			value, err = c.Get(ctx, key).Result()
		case "hash":
			value, err = c.HGetAll(ctx, key).Result()
		case "zset":
			value, err = c.ZRange(ctx, key, 0, -1).Result()
		case "set":
			value, err = c.SMembers(ctx, key).Result()
		default:
			err = fmt.Errorf("a %s", kind)
		}
		if err != nil {
			s.t.Fatalf("key %s: %v", key, err)
		}
		h["redis "+key] = fmt.Append([]byte(key), " ", value)
	}
	if err := keys.Err(); err != nil {
		s.t.Fatal(err)
	}
	return h
}

// answers is what every GET route of the published document answers, of a
// customer where it is about one.
func (s *server) answers(id string) haystack {
	s.t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(s.call("GET", "/openapi.json", "").body, &document); err != nil {
		s.t.Fatal(err)
	}
	h := haystack{}
	ask := func(path string, header ...string) {
		a := s.call("GET", path, "", header...)
		h["GET "+path+" "+strings.Join(header, " ")] = append([]byte(fmt.Sprint(a.status, a.header)), a.body...)
	}
	for path, operations := range document.Paths {
		if operations["get"] == nil {
			continue
		}
		path = strings.NewReplacer("{customer_id}", id, "{owner_id}", "e-1", "{employee_id}", "e-1").Replace(path)
		if strings.Contains(path, "{") {
			continue // about something that is not there
		}
		switch path {
		case "/v1/customers/" + id + "/contactability":
			path += "?purpose=marketing&channel=email"
		case "/v1/customers/" + id + "/diff":
			path += "?from=0&to=9"
		case "/v1/rfm/export":
			path += "?source=till"
		case "/v1/lifecycle/at":
			path += "?date=2026-01-31&stage=at_risk"
		}
		ask(path)
	}
	one := "/v1/customers/" + id
	ask(one + "?as_of=2026-01-15")
	ask(one + "?revision=0")
	ask(one + "?known_at=" + time.Now().UTC().Add(time.Hour).Format(time.RFC3339))
	ask(one + "/history?limit=500")
	ask(one+"/history", "Accept", "application/x-ndjson")
	ask("/v1/rfm/export?source=till", "Accept", "text/csv")
	for _, sort := range []string{"name", "-name", "registered_at", "last_order"} {
		ask("/v1/customers?limit=500&sort=" + sort)
	}
	ask("/v1/customers?q=zq")
	return h
}

// Erasing a customer takes everything personal out of everything that can be
// looked at, and leaves what can be counted and proven. Each scan finds the
// customer before, and afterwards still finds another one who stayed.
func TestErasure(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual", "--partitions", "4")
	setup := func(path, body string) {
		t.Helper()
		if a := s.call("POST", path, body, "Rapport-Actor", "e-1"); a.status >= 300 {
			t.Fatalf("%s %s: %d %s", path, body, a.status, a.body)
		}
	}
	setup("/v1/staff/enrol-employee", `{"employee_id":"e-1","name":"One","roles":["sales"]}`)
	setup("/v1/schema/define-attribute", `{"key":"hobby","label":"Hobby","type":"text","personal":true}`)
	gone, stays := &planted{name: "gone"}, &planted{name: "stay"}
	id, _ := s.tell(gone, "31")
	other, position := s.tell(stays, "42")
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
	for _, v := range readModels() {
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

// keyDocument reads a customer's wrapped key where the read models keep it.
func (s *server) keyDocument(id string) (found struct {
	KeyID   string `json:"key_id"`
	Wrapped []byte `json:"wrapped"`
}) {
	s.t.Helper()
	for name, b := range s.redisContent() {
		_, after, ok := bytes.Cut(b, []byte(id+":{"))
		if !strings.Contains(name, ":keys@") || !ok {
			continue
		}
		if err := json.NewDecoder(bytes.NewReader(append([]byte("{"), after...))).Decode(&found); err != nil {
			s.t.Fatal(err)
		}
		return found
	}
	s.t.Fatalf("no key of %s", id)
	return found
}

// keysNamed are the data keys that a customer's stored events name.
func (s *server) keysNamed(id string) (keys []string) {
	s.t.Helper()
	for line := range bytes.Lines(s.call("GET", "/v1/customers/"+id+"/history", "", "Accept", "application/x-ndjson").body) {
		var e struct{ Metadata string }
		var m struct{ Key string }
		if err := json.Unmarshal(line, &e); err != nil {
			s.t.Fatal(err)
		}
		if json.Unmarshal([]byte(e.Metadata), &m) == nil && m.Key != "" && !slices.Contains(keys, m.Key) {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

// wrappedKey is pieces of a customer's wrapped data key as the log stores it:
// the files may be cut anywhere, but not in all of them.
func (s *server) wrappedKey(id string) *planted {
	s.t.Helper()
	d := s.keyDocument(id)
	if _, err := uuid.Parse(d.KeyID); err != nil {
		s.t.Fatalf("the key of %s is %+v", id, d)
	}
	p := &planted{name: id}
	text := base64.StdEncoding.EncodeToString(d.Wrapped)
	secret := text[16:] // behind what all wrapped keys begin with
	for len(secret) >= 24 {
		p.values = append(p.values, secret[:24])
		secret = secret[24:]
	}
	return p
}
