package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

type thing struct {
	ID    uuid.UUID   `json:"id"`
	On    domain.Date `json:"on"`
	Inner *inner      `json:"inner"`
	Any   any         `json:"any,omitempty"`
}

var errTaken = &domain.Error{Kind: domain.Conflict, Code: "thing_taken", Detail: "it is somebody's", Holder: "ada"}

func routes(get web.Handler) []web.Route {
	return []web.Route{{
		Method: "GET", Path: "/v1/things/{thing_id}", Summary: "A thing", Tag: "things",
		Params:  []web.Param{{Name: "limit", In: "query", Type: "integer", Detail: "at most 500"}},
		Answers: []web.Answer{{Status: 200, Body: thing{}, Headers: []string{"ETag"}}, {Status: 204, Detail: "none"}},
		Refuses: []string{errTaken.Code}, Handler: get,
	}, {
		Method: "POST", Path: "/v1/things/{thing_id}", Summary: "Change a thing", Tag: "things", Body: body{},
		Answers: []web.Answer{{Status: 200, ContentType: "application/x-ndjson", Body: thing{}}}, Handler: get,
	}}
}

func serve(get web.Handler) (http.Handler, *bytes.Buffer) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	return web.Router(routes(get), web.Config{Title: "Things", Log: log}), &logged
}

const one = "/v1/things/018e4a7e-5b1c-7c3a-9d2f-000000000001"

func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestErrorsBecomeProblems(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, c := range []struct {
		err    error
		status int
		code   string
		logged bool
	}{
		{errTaken, 409, "thing_taken", false},
		{fmt.Errorf("wrapped: %w", errTaken), 409, "thing_taken", false},
		{&domain.Error{Kind: domain.Malformed, Code: "malformed_json"}, 400, "malformed_json", false},
		{&domain.Error{Kind: domain.Invalid, Code: "validation_failed"}, 422, "validation_failed", false},
		{&domain.Error{Kind: domain.Forbidden, Code: "forbidden"}, 403, "forbidden", false},
		{&domain.Error{Kind: domain.NotFound, Code: "not_found"}, 404, "not_found", false},
		{&domain.Error{Kind: domain.Precondition, Code: "revision_conflict"}, 412, "revision_conflict", false},
		{&domain.Error{Kind: domain.Gone, Code: "customer_erased"}, 410, "customer_erased", false},
		{&domain.Error{Kind: domain.Restricted, Code: "restricted"}, 423, "restricted", false},
		{&domain.Error{Kind: domain.TooLarge, Code: "body_too_large"}, 413, "body_too_large", false},
		{&domain.Error{Kind: domain.Unavailable, Code: "log_unavailable"}, 503, "log_unavailable", true},
		{errors.New("password=secret"), 500, "internal", true},
	} {
		h, logged := serve(func(http.ResponseWriter, *http.Request) error { return c.err })
		w := get(h, "GET", one, "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
		text := w.Body.String()
		if w.Code != c.status || w.Header().Get("Content-Type") != web.ContentType || !strings.Contains(text, `"code":"`+c.code+`"`) || !strings.Contains(text, trace) {
			t.Errorf("%v: %d %s", c.err, w.Code, text)
		}
		if strings.Contains(text, "secret") {
			t.Errorf("it leaks: %s", text)
		}
		if got := strings.Contains(logged.String(), trace); got != c.logged {
			t.Errorf("%v: logged %v, want %v: %s", c.err, got, c.logged, logged)
		}
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	h, logged := serve(func(http.ResponseWriter, *http.Request) error { panic("oh no: secret") })
	if w := get(h, "GET", one); w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(logged.String(), "oh no") {
		t.Errorf("%d %s; logged %s", w.Code, w.Body, logged)
	}
}

func TestABegunAnswerIsCut(t *testing.T) {
	h, _ := serve(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte(`{"half":`))
		return errors.New("broken")
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("it ended with %v", p)
		}
	}()
	get(h, "GET", one)
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	h, _ := serve(func(w http.ResponseWriter, r *http.Request) error {
		if mux.Vars(r)["thing_id"] == "" {
			t.Error("the path has no parameter")
		}
		w.WriteHeader(204)
		return nil
	})
	if w := get(h, "GET", "/v2"); w.Code != 404 || !strings.Contains(w.Body.String(), `"code":"not_found"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(h, "PUT", one); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" || !strings.Contains(w.Body.String(), `"code":"method_not_allowed"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := get(h, "HEAD", one); w.Code != 204 {
		t.Errorf("%d", w.Code)
	}
}

func TestTheDocument(t *testing.T) {
	h, _ := serve(nil)
	w := get(h, "GET", "/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	op := doc.Paths.Value("/v1/things/{thing_id}").Get
	if op.OperationID != "getV1ThingsThingId" || op.Parameters.GetByInAndName("path", "thing_id").Schema.Value.Format != "uuid" {
		t.Errorf("%+v", op)
	}
	if got := doc.Components.Schemas["web_test.body"].Value.Required; strings.Join(got, " ") != "e text inner" {
		t.Errorf("required are %v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("two routes for one address are published")
		}
	}()
	web.Document(append(routes(nil), routes(nil)...), web.Config{Title: "Things"})
}

// A check that lets everything pass is none.
func TestAnswersAreHeldAgainstTheDocument(t *testing.T) {
	h, _ := serve(nil)
	d := webtest.Load(t, h)
	const good = `{"id":"018e4a7e-5b1c-7c3a-9d2f-000000000001","on":"2026-03-01","inner":{"a":1}}`
	const problem = `{"type":"/docs#thing_taken","title":"Thing taken","status":409,"code":"thing_taken","trace_id":"x"}`
	for _, c := range []struct {
		name, method, contentType, etag, body string
		status                                int
		ok                                    bool
	}{
		{"as promised", "GET", "application/json", "1", good, 200, true},
		{"no header", "GET", "application/json", "", good, 200, false},
		{"another content type", "GET", "text/plain", "1", good, 200, false},
		{"an unknown member", "GET", "application/json", "1", `{"more":1,` + good[1:], 200, false},
		{"a missing member", "GET", "application/json", "1", strings.Replace(good, `"on":"2026-03-01",`, "", 1), 200, false},
		{"a bad date", "GET", "application/json", "1", strings.Replace(good, "03-01", "13-01", 1), 200, false},
		{"a bad id", "GET", "application/json", "1", strings.Replace(good, "018e", "xxxx", 1), 200, false},
		{"null for an object", "GET", "application/json", "1", strings.Replace(good, `{"a":1}`, "null", 1), 200, false},
		{"no JSON", "GET", "application/json", "1", good + "}", 200, false},
		{"another status", "GET", "application/json", "1", good, 201, false},
		{"no body", "GET", "", "", "", 204, true},
		{"a body where none is", "GET", "", "", "x", 204, false},
		{"lines", "POST", "application/x-ndjson", "", good + "\n" + good + "\n", 200, true},
		{"a bad line", "POST", "application/x-ndjson", "", good + "\n{}\n", 200, false},
		{"a problem", "GET", "application/problem+json", "", problem, 409, true},
		{"a problem of another route", "POST", "application/problem+json", "", problem, 409, false},
		{"a problem nobody knows", "GET", "application/problem+json", "", strings.ReplaceAll(problem, "thing_taken", "odd"), 409, false},
		{"a problem as JSON", "GET", "application/json", "", problem, 409, false},
	} {
		header := http.Header{}
		for name, value := range map[string]string{"Content-Type": c.contentType, "ETag": c.etag} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if err := d.Check(c.method, one, c.status, header, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := d.Check("GET", "/v2", 200, http.Header{}, nil); err == nil {
		t.Error("an address that is not in the document passes")
	}
}

// The page for people names the fields of a body, those of objects within it and
// in its lists as well.
func TestThePageNamesTheFieldsOfABody(t *testing.T) {
	answer := httptest.NewRecorder()
	web.Router(routes(nil), web.Config{Title: "Things"}).ServeHTTP(answer, httptest.NewRequest("GET", "/docs", nil))
	for _, want := range []string{
		"<code>text</code></td><td>body, required</td><td>string<",
		"<code>inner.a</code></td><td>body, required</td><td>integer<",
		"<code>many[].a</code></td><td>body, required</td><td>integer<",
		"<code>on</code></td><td>body</td><td>date<",
	} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
