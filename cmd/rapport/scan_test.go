package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
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
		{"add-to-segment", `{"segment_id":"guests"}`},
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
		{"record-cost", f(`{"cost_id":"c1","kind":"service","amount":{"amount_minor":300,"currency":"USD"},"order_id":"o1","note":%q}`, p.text())},
		{"record-cost", f(`{"cost_id":"c2","kind":"shipping","amount":{"amount_minor":100,"currency":"USD"},"note":%q}`, p.text())},
		{"cancel-cost", f(`{"cost_id":"c2","reason":%q}`, p.text())},
		{"issue-coupon", f(`{"coupon_id":"K1","code":%q,"benefit":{"kind":"percent","percent":10},"valid_until":"2999-12-31","reason":%q}`, p.text(), p.text())},
		{"redeem-coupon", f(`{"code":%q,"order_id":"o1"}`, p.values[len(p.values)-2])},
		{"issue-coupon", f(`{"coupon_id":"K2","code":%q,"benefit":{"kind":"gift","gift":"tea"},"valid_until":"2999-12-31"}`, p.text())},
		{"void-coupon", f(`{"coupon_id":"K2","reason":%q}`, p.text())},
		{"issue-coupon", f(`{"coupon_id":"K3","code":%q,"benefit":{"kind":"gift","gift":"tea"},"valid_until":"2999-12-31"}`, p.text())},
		{"redeem-points", `{"redemption_id":"x1","points":4}`},
		{"reverse-redemption", f(`{"redemption_id":"x1","reason":%q}`, p.text())},
		{"reverse-points-earn", f(`{"order_id":"o1","points":1,"reversal_id":"v1","reason":%q}`, p.text())},
		{"extend-expiry", f(`{"lots":["order:o1:base"],"to":"2999-01-01","reason":%q}`, p.text())},
		{"grant-consent", f(`{"purpose":"service","channel":"phone","text_version":"1","evidence":%q}`, p.text())},
		{"record-care-action", f(`{"occasion":"new_year","year":2026,"channel":"phone","moment_at":"2026-01-15T10:00:00Z","note":%q}`, p.text())},
		{"grant-annual-reward", f(`{"kind":"reward","period":2025,"value":{"gift":"calendar"},"note":%q}`, p.text())},
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
		{"grant-bonus", f(`{"bonus_id":"b1","points":5,"reason":%q}`, p.text())},
		{"grant-bonus", f(`{"bonus_id":"b2","points":50,"reason":%q}`, p.text())},
		{"reject-points", f(`{"proposal_id":"b2","reason":%q}`, p.text())},
		{"adjust-points", f(`{"adjustment_id":"a1","points":-1,"reason":%q}`, p.text())},
		{"approve-points", `{"proposal_id":"a1"}`},
		{"adjust-points", f(`{"adjustment_id":"a2","points":1,"reason":%q}`, p.text())}, // nobody has decided yet
		{"override-tier", f(`{"tier":"gold","until":%q,"reason":%q}`, time.Now().AddDate(1, 0, 0).Format(time.DateOnly), p.text())},
		{"lift-tier-override", f(`{"reason":%q}`, p.text())},
		{"leave-program", f(`{"reason":%q}`, p.text())},
		{"request-erasure", f(`{"requester":"customer","evidence":%q}`, p.text())},
		{"refuse-erasure", f(`{"ground":"identity_not_proven","note":%q}`, p.text())},
		{"request-export", `{}`},
	}
}

// tell gives every command of everything to a new customer.
func (s *server) tell(p *planted, digit string) (id, position string) {
	s.t.Helper()
	registration, rest := everything(p, digit)
	if a := s.call("POST", "/v1/segments/define-segment", `{"segment_id":"guests","kind":"static","name":"Guests"}`); a.status >= 300 {
		s.t.Fatalf("define-segment: %d %s", a.status, a.body)
	}
	a := s.call("POST", "/v1/customers", registration, "Rapport-Reason", p.text(), "Rapport-Actor", "e-17")
	if a.status != 201 {
		s.t.Fatalf("register: %d %s", a.status, a.body)
	}
	id = a.field("customer_id")
	for _, c := range rest {
		actor := "e-17"
		if c.command == "approve-points" { // as another than who proposed them
			actor = "e-18"
		}
		a = s.call("POST", "/v1/customers/"+id+"/"+c.command, c.body, "Rapport-Reason", p.text(), "Rapport-Actor", actor)
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

// redis returns a client of the server's own Redis.
func (s *server) redis() *redis.Client {
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
	return redis.NewClient(&redis.Options{Network: "unix", Addr: running.Socket})
}

// redisContent is every key of the server's own Redis, with its value.
func (s *server) redisContent() haystack {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c := s.redis()
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
	ask("/v1/rfm/study?source=till", "Accept", "text/csv")
	ask("/v1/rfm/movement/customers?from=2025-01-01")
	for _, sort := range []string{"name", "-name", "registered_at", "last_order"} {
		ask("/v1/customers?limit=500&sort=" + sort)
	}
	ask("/v1/customers?q=zq")
	return h
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
