// Package webtest holds every answer of an HTTP API against the document that
// the API publishes of itself.
package webtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is a published OpenAPI document that answers are checked against.
// Safe for concurrent use.
type Document struct {
	Paths map[string]map[string]operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // by pointer
}

type operation struct {
	Responses map[string]struct {
		Content map[string]json.RawMessage
		Headers map[string]json.RawMessage
	}
	Codes []string `json:"x-problem-codes"`
}

const location = "http://rapport.test/openapi.json"

// Parse reads a document.
func Parse(document []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, err
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	d.compiler, d.compiled = jsonschema.NewCompiler(), map[string]*jsonschema.Schema{}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	return &d, d.compiler.AddResource(location, tree)
}

// Load reads the document that a handler serves at /openapi.json.
func Load(t testing.TB, h http.Handler) *Document {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /openapi.json: %d", w.Code)
	}
	d, err := Parse(w.Body.Bytes())
	if err != nil {
		t.Fatalf("GET /openapi.json: %v", err)
	}
	return d
}

// Check says how an answer differs from what the document promises: its status,
// its content type, the headers it must have and its body.
func (d *Document) Check(method, path string, status int, header http.Header, body []byte) error {
	template, op, err := d.operation(method, path)
	if err != nil {
		if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
			return d.problem(header, body, nil)
		}
		return err
	}
	promised, ok := op.Responses[fmt.Sprint(status)]
	key := fmt.Sprint(status)
	if !ok {
		if status < 400 {
			return fmt.Errorf("%s %s answers %d, which the document does not promise", method, template, status)
		}
		return d.problem(header, body, op.Codes)
	}
	for name := range promised.Headers {
		if header.Get(name) == "" {
			return fmt.Errorf("%s %s: the header %s is missing", method, template, name)
		}
	}
	if len(promised.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("%s %s: a body where none is promised", method, template)
		}
		return nil
	}
	given := header.Get("Content-Type")
	for contentType := range promised.Content {
		if !sameType(contentType, given) {
			continue
		}
		pointer := "/paths/" + escape(template) + "/" + strings.ToLower(method) + "/responses/" + key + "/content/" + escape(contentType) + "/schema"
		return d.body(pointer, contentType, body)
	}
	return fmt.Errorf("%s %s: content type %q is not promised", method, template, given)
}

func sameType(a, b string) bool {
	x, _, _ := mime.ParseMediaType(a)
	y, _, _ := mime.ParseMediaType(b)
	return x == y
}

func (d *Document) problem(header http.Header, body []byte, codes []string) error {
	if got := header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("a problem of content type %q", got)
	}
	if err := d.validate("/components/schemas/Problem", body); err != nil {
		return err
	}
	var p struct{ Code string }
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	if codes != nil && !slices.Contains(codes, p.Code) {
		return fmt.Errorf("the problem %s is not promised", p.Code)
	}
	return nil
}

func (d *Document) body(pointer, contentType string, body []byte) error {
	switch {
	case strings.Contains(contentType, "ndjson"):
		for i, line := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			if err := d.validate(pointer, line); err != nil {
				return fmt.Errorf("line %d: %w", i+1, err)
			}
		}
		return nil
	case strings.Contains(contentType, "json"):
		return d.validate(pointer, body)
	}
	return nil
}

func (d *Document) validate(pointer string, body []byte) error {
	schema, err := d.schema(pointer)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %w: %.200s", err, body)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("the body is not as promised: %w\n%.500s", err, body)
	}
	return nil
}

func (d *Document) schema(pointer string) (schema *jsonschema.Schema, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema = d.compiled[pointer]; schema != nil {
		return schema, nil
	}
	if schema, err = d.compiler.Compile(location + "#" + pointer); err == nil {
		d.compiled[pointer] = schema
	}
	return schema, err
}

// operation finds what the document says of a request. A path that is written
// out goes before one with parameters.
func (d *Document) operation(method, path string) (string, operation, error) {
	best, found := "", operation{}
	for template, operations := range d.Paths {
		if !matches(template, path) || best != "" && strings.Count(best, "{") <= strings.Count(template, "{") {
			continue
		}
		if op, ok := operations[strings.ToLower(method)]; ok {
			best, found = template, op
		}
	}
	if best == "" {
		return "", found, fmt.Errorf("%s %s is not in the document", method, path)
	}
	return best, found, nil
}

func matches(template, path string) bool {
	a, b := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(t, p string) bool { return strings.HasPrefix(t, "{") && p != "" || t == p })
}

func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

// Client sends requests to a handler and checks every answer.
type Client struct {
	t        testing.TB
	handler  http.Handler
	document *Document
}

// NewClient makes a client for a handler that serves its own document.
func NewClient(t testing.TB, h http.Handler) *Client {
	t.Helper()
	return &Client{t: t, handler: h, document: Load(t, h)}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request; headers come as name, value pairs.
func (c *Client) Do(method, target, body string, headers ...string) Answer {
	c.t.Helper()
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader).WithContext(c.t.Context())
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	if err := c.document.Check(method, r.URL.Path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
		c.t.Errorf("%s %s: %v", method, target, err)
	}
	return Answer{w.Code, w.Header(), w.Body.Bytes()}
}

// Get is Do with GET.
func (c *Client) Get(target string, headers ...string) Answer {
	c.t.Helper()
	return c.Do(http.MethodGet, target, "", headers...)
}

// Post is Do with POST.
func (c *Client) Post(target, body string, headers ...string) Answer {
	c.t.Helper()
	return c.Do(http.MethodPost, target, body, headers...)
}

// JSON reads the body into v.
func (a Answer) JSON(v any) error {
	if len(a.Body) == 0 {
		return errors.New("webtest: the body is empty")
	}
	return json.Unmarshal(a.Body, v)
}

// Transport checks every answer that passes through a real connection.
type Transport struct {
	T        testing.TB
	Document *Document
	Base     http.RoundTripper // nil: http.DefaultTransport
}

// RoundTrip implements http.RoundTripper. Streams are passed on unread.
func (c Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := c.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err != nil || strings.Contains(resp.Header.Get("Content-Type"), "ndjson") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil {
		if err := c.Document.Check(r.Method, r.URL.Path, resp.StatusCode, resp.Header, body); err != nil {
			c.T.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	return resp, err
}
