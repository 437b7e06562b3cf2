package commands_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// server is the write side over a log in memory.
type server struct {
	*webtest.Client
	handler http.Handler
	writer  *commands.Writer
	log     *memlog.Log
	clock   *clock
}

func serve(t testing.TB, calendar string) *server {
	t.Helper()
	log := new(memlog.Log)
	s := serveLog(t, log, calendar)
	s.log = log
	return s
}

func serveLog(t testing.TB, log commands.Log, calendar string) *server {
	t.Helper()
	s := &server{clock: new(clock)}
	s.writer = writer(log, s.clock)
	_, position, err := s.writer.EnsureDeployment(t.Context(), commands.Deployment{Calendar: calendar, Zone: "Europe/Berlin"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.writer.World.Follow(ctx, log, eventschema.Events) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the world ended with %v", err)
		}
	})
	if err := s.writer.World.WaitFor(t.Context(), position); err != nil {
		t.Fatal(err)
	}
	s.handler = web.Router((&commands.API{Writer: s.writer}).Routes(), web.Config{Title: "Rapport"})
	s.Client = webtest.NewClient(t, s.handler)
	return s
}

type answer struct {
	commands.Answer
	web.Problem
}

func decode(t testing.TB, a webtest.Answer) (v answer) {
	t.Helper()
	if err := a.JSON(&v.Answer); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	if a.Status >= 400 {
		_ = a.JSON(&v.Problem)
	}
	return v
}

const ada = `{"name":{"given":"Ada"},"source":{"channel":"shop"}}`

func (s *server) register(t testing.TB) string {
	t.Helper()
	a := s.Post("/v1/customers", ada)
	if a.Status != http.StatusCreated {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return "/v1/customers/" + decode(t, a).CustomerID.String()
}

func TestAPurchaseOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	a := s.Post("/v1/customers", ada)
	registered := decode(t, a)
	if a.Status != http.StatusCreated || registered.Revision != 0 || !registered.Changed || a.Header.Get("ETag") != `"0"` ||
		a.Header.Get("Rapport-Position") != fmt.Sprint(registered.Position) || a.Header.Get("Location") != "/v1/customers/"+registered.CustomerID.String() {
		t.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
	}
	at := "/v1/customers/" + registered.CustomerID.String()
	order := `{"order_id":"o1","total":{"amount_minor":1299,"currency":"EUR"},"placed_at":"2026-03-01T10:00:00+01:00","paid_at":"2026-03-01T09:05:00Z",
		"lines":[{"sku":"a","quantity":2,"unit_price_minor":600},{"sku":"b","quantity":1,"amount_minor":99}]}`
	a = s.Post(at+"/record-order", order)
	recorded := decode(t, a)
	if a.Status != http.StatusCreated || recorded.Revision != 3 || len(recorded.Events) != 3 || recorded.Events[1].Type != "customer.order_paid" || recorded.Events[2].Type != "customer.stage_entered" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	a = s.Post(at+"/record-order", order)
	if again := decode(t, a); a.Status != http.StatusOK || again.Changed || again.Position != recorded.Position || again.Revision != 3 {
		t.Errorf("the same content again: %d %s", a.Status, a.Body)
	}
	a = s.Post(at+"/record-refund", `{"refund_id":"r1","order_id":"o1","amount":{"amount_minor":99,"currency":"EUR"},"lines":[{"line":1,"amount_minor":99}]}`)
	if a.Status != http.StatusCreated {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for name, c := range map[string]struct {
		path, body, code string
		status           int
		pointer          string
	}{
		"refund above the order": {"/record-refund", `{"refund_id":"r2","order_id":"o1","amount":{"amount_minor":1201,"currency":"EUR"}}`, "refund_exceeds_order", 409, ""},
		"other content":          {"/record-order", strings.Replace(order, "1299", "1298", 1), "validation_failed", 422, "/total/amount_minor"},
		"other line":             {"/record-order", strings.Replace(order, `"b"`, `"c"`, 1), "order_exists", 409, ""},
		"negative":               {"/record-order", strings.Replace(order, "1299", "-1", 1), "validation_failed", 422, "/total/amount_minor"},
		"unknown currency":       {"/record-order", strings.Replace(order, "EUR", "EUX", 1), "validation_failed", 422, "/total/currency"},
		"unknown field":          {"/pay-order", `{"order_id":"o1","paid":true}`, "validation_failed", 422, "/paid"},
		"wrong type":             {"/pay-order", `{"order_id":1}`, "validation_failed", 422, "/order_id"},
		"missing":                {"/pay-order", `{}`, "validation_failed", 422, "/order_id"},
		"null":                   {"/pay-order", `{"order_id":null}`, "validation_failed", 422, "/order_id"},
		"wrong JSON":             {"/pay-order", `{"order_id":`, "malformed_json", 400, "/order_id"},
		"trailing garbage":       {"/pay-order", `{"order_id":"o1"} x`, "malformed_json", 400, ""},
		"twice":                  {"/pay-order", `{"order_id":"o1","order_id":"o1"}`, "malformed_json", 400, "/order_id"},
		"not UTF-8":              {"/pay-order", "{\"order_id\":\"\xff\"}", "malformed_json", 400, "/order_id"},
		"empty":                  {"/pay-order", ``, "malformed_json", 400, ""},
		"2 MiB":                  {"/pay-order", `{"order_id":"` + strings.Repeat("x", 2<<20) + `"}`, "body_too_large", 413, ""},
		"no such order":          {"/pay-order", `{"order_id":"o2"}`, "order_not_found", 404, ""},
		"no such command":        {"/buy", `{}`, "not_found", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.log.Len()
			a := s.Post(at+c.path, c.body)
			p := decode(t, a).Problem
			if a.Status != c.status || p.Code != c.code || p.Status != c.status || p.TraceID == "" {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if c.pointer != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer) {
				t.Errorf("it names %v, want %s", p.Errors, c.pointer)
			}
			if s.log.Len() != before {
				t.Error("something was appended")
			}
			if strings.Contains(string(a.Body), "Go") || strings.Contains(string(a.Body), "json:") {
				t.Errorf("internal words: %s", a.Body)
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	s := serve(t, deployment.Wall)
	first := s.Post("/v1/customers", ada, "Idempotency-Key", "k1")
	again := s.Post("/v1/customers", ada, "Idempotency-Key", "k1")
	if !bytes.Equal(first.Body, again.Body) || again.Status != http.StatusCreated {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	other := s.Post("/v1/customers", strings.Replace(ada, "Ada", "Eve", 1), "Idempotency-Key", "k1")
	if p := decode(t, other).Problem; other.Status != 422 || p.Code != "idempotency_key_reused" {
		t.Errorf("another body: %d %s", other.Status, other.Body)
	}
	if a := s.Post("/v1/customers", ada, "Idempotency-Key", "k1", "Rapport-Actor", "user:eve"); decode(t, a).CustomerID.String() == decode(t, first).CustomerID.String() {
		t.Error("a key counts within its principal")
	}
	if a := s.Post("/v1/customers", ada, "Idempotency-Key", strings.Repeat("k", 201)); a.Status != 400 {
		t.Errorf("a key that is too long: %d", a.Status)
	}
	id := uuid.NewString()
	chosen := s.Post("/v1/customers", `{"customer_id":"`+id+`",`+ada[1:], "Idempotency-Key", "k2")
	if decode(t, chosen).CustomerID.String() != id {
		t.Errorf("the body's id wins: %s", chosen.Body)
	}
	if a := s.Post("/v1/customers", `{"customer_id":"`+id+`",`+ada[1:]); decode(t, a).Code != "customer_exists" {
		t.Errorf("%s", a.Body)
	}
}

func TestPreconditionsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	if a := s.Post(at+"/update-profile", `{"locale":"de-DE"}`, "If-Match", `"3"`); a.Status != 412 || decode(t, a).Code != "revision_conflict" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post(at+"/update-profile", `{"locale":"de-DE"}`, "If-Match", `"0"`); a.Status != 200 || a.Header.Get("ETag") != `"1"` {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post(at+"/update-profile", `{"locale":"de-DE"}`, "If-Match", `7`); a.Status != 400 || decode(t, a).Code != "invalid_header" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Do("DELETE", at+"/update-profile", ""); a.Status != 405 || a.Header.Get("Allow") != "POST" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := s.Post("/v1/customers/4711/update-profile", `{}`); a.Status != 404 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestTheEnvelopeComesFromHeaders(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	a := s.Post(at+"/update-profile", `{"locale":"de-DE"}`, "Rapport-Actor", "import:crm", "Rapport-Channel", "phone", "Rapport-Reason", "she said so",
		"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	id := uuid.MustParse(strings.TrimPrefix(at, "/v1/customers/"))
	key := dataKey(t, s.log, id)
	for raw, err := range s.log.Read(t.Context(), customer.Stream(id), 1) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		want := eventschema.Actor{Kind: "import", ID: "crm", Asserted: true}
		if m := e.Meta; m.Actor != want || m.Channel != "phone" || m.Reason != "she said so" || m.Correlation.String() != "0af76519-16cd-43dd-8448-eb211c80319c" {
			t.Errorf("%+v", m)
		}
	}
	if a := s.Post("/v1/calendar/close-day", `{"date":"2026-02-28"}`, "Rapport-Reason", "because"); a.Status != 400 {
		t.Errorf("a reason where nothing could erase it: %d %s", a.Status, a.Body)
	}
}

func TestTheManualCalendar(t *testing.T) {
	s := serve(t, deployment.Manual)
	at := s.register(t)
	order := func(id, placed string) webtest.Answer {
		return s.Post(at+"/record-order", fmt.Sprintf(`{"order_id":%q,"total":{"amount_minor":1,"currency":"EUR"},"placed_at":%q}`, id, placed))
	}
	if a := order("o1", "2031-01-01T00:00:00Z"); a.Status != 201 {
		t.Errorf("before the first close nothing is future: %d %s", a.Status, a.Body)
	}
	a := s.Post("/v1/calendar/close-day", `{"date":"1998-06-30"}`)
	if a.Status != 200 || len(decode(t, a).Events) != 1 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	var now commands.CalendarInfo
	if err := s.Get("/v1/calendar").JSON(&now); err != nil {
		t.Fatal(err)
	}
	if now.Mode != "manual" || now.Today.String() != "1998-07-01" || now.LastClosed.String() != "1998-06-30" || now.BusinessNow.Format("2006-01-02T15:04Z07:00") != "1998-06-30T22:00Z" {
		t.Errorf("%+v", now)
	}
	if a := order("o2", "1998-07-01T21:59:59Z"); a.Status != 201 {
		t.Errorf("in the open day: %d %s", a.Status, a.Body)
	}
	if a := order("o3", "1998-07-01T22:00:00Z"); a.Status != 422 || decode(t, a).Errors[0].Pointer != "/placed_at" {
		t.Errorf("after the open day: %d %s", a.Status, a.Body)
	}
	if a := s.Post("/v1/calendar/close-day", `{"date":"1998-06-30"}`); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("closed again: %d %s", a.Status, a.Body)
	}
	if a := s.Post("/v1/calendar/close-day", `{"date":"1998-06-29"}`); a.Status != 409 || decode(t, a).Code != "day_closed" {
		t.Errorf("an earlier day: %d %s", a.Status, a.Body)
	}
	a = s.Post("/v1/calendar/close-day", `{"date":"2005-01-01"}`, "Idempotency-Key", "k")
	if closed := decode(t, a); a.Status != 200 || len(closed.Events) != 2377 || closed.Revision != 2377 {
		t.Errorf("years at once: %d, %d events, revision %d", a.Status, len(closed.Events), closed.Revision)
	}
	if again := s.Post("/v1/calendar/close-day", `{"date":"2005-01-01"}`, "Idempotency-Key", "k"); !bytes.Equal(again.Body, a.Body) {
		t.Error("sent again it answers otherwise")
	}
}

func TestPublishingAPolicy(t *testing.T) {
	s := serve(t, deployment.Manual)
	type policies struct {
		Current  int `json:"current"`
		Versions []struct {
			Policy rfm.Policy `json:"policy"`
		} `json:"versions"`
	}
	list := func() (l policies) {
		if err := s.Get("/v1/policies/rfm").JSON(&l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := list()
	if first.Current != 1 || len(first.Versions) != 1 {
		t.Fatalf("%+v", first)
	}
	p := first.Versions[0].Policy
	body := func(extra string) string {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return `{"policy":` + string(text) + extra + `}`
	}
	if a := s.Post("/v1/policies/rfm/publish-policy", body("")); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("the same again: %d %s", a.Status, a.Body)
	}
	p.Name, p.Currency = "dollars", "USD"
	if a := s.Post("/v1/policies/rfm/publish-policy", body("")); a.Status != 201 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if l := list(); l.Current != 2 || l.Versions[1].Policy.Currency != "USD" {
		t.Errorf("%+v", l)
	}
	s.Post("/v1/calendar/close-day", `{"date":"1998-06-30"}`)
	p.Name = "later"
	if a := s.Post("/v1/policies/rfm/publish-policy", body(`,"effective_from":"1998-06-30"`)); a.Status != 409 || decode(t, a).Code != "policy_back_dated" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	p.Bins = 1
	if a := s.Post("/v1/policies/rfm/publish-policy", body("")); a.Status != 422 || decode(t, a).Errors[0].Pointer != "/policy/bins" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestParkingAnEvent(t *testing.T) {
	s := serve(t, deployment.Wall)
	body := `{"event_id":"` + uuid.NewString() + `","position":7,"reason":"it does not decode"}`
	if a := s.Post("/v1/operations/park-event", body); a.Status != 200 || !decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post("/v1/operations/park-event", body); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if n := len(s.writer.World.Facts().Parked); n != 1 {
		t.Errorf("%d events are parked", n)
	}
}

func TestTheCatalogue(t *testing.T) {
	s := serve(t, deployment.Wall)
	var list commands.CommandList
	if err := s.Get("/v1/commands").JSON(&list); err != nil {
		t.Fatal(err)
	}
	if len(list.Commands) != len(commands.Catalogue) {
		t.Errorf("%d commands", len(list.Commands))
	}
	for _, c := range list.Commands {
		if c.Body["type"] != "object" || c.Body["additionalProperties"] != false || c.Summary == "" || len(c.Refuses) == 0 {
			t.Errorf("%+v", c)
		}
	}
	if a := s.Get("/docs"); !strings.Contains(string(a.Body), "record-order") {
		t.Error("the page does not tell of record-order")
	}
}

func TestTheDocumentIsOpenAPI(t *testing.T) {
	s := serve(t, deployment.Wall)
	a := s.Get("/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %s", doc.OpenAPI)
	}
	if again := s.Get("/openapi.json"); !bytes.Equal(a.Body, again.Body) {
		t.Error("the document changes")
	}
}
