package web

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Document makes the OpenAPI 3.1 document of routes. The same routes give the
// same bytes. It panics on a table that makes no sense.
func Document(routes []Route, c Config) []byte {
	d := documentation{schemas: newSchemas(), paths: map[string]any{}}
	var tags []string
	for _, r := range routes {
		d.add(r)
		if !slices.Contains(tags, r.Tag) {
			tags = append(tags, r.Tag)
		}
	}
	components := d.schemas.components()
	components["Problem"].(map[string]any)["properties"].(map[string]any)["code"] = map[string]any{
		"type": "string", "enum": Codes(routes),
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": c.Title, "version": version(c), "description": about},
		"tags":    named(tags),
		"paths":   d.paths,
		"components": map[string]any{
			"schemas": components,
		},
	}
	body, err := json.Marshal(doc, json.Deterministic(true), jsontext.Multiline(true))
	if err != nil {
		panic(err)
	}
	return body
}

const about = "Errors are problem documents (RFC 9457); their `code` is stable. Times are RFC 3339, " +
	"money is in minor units of an ISO 4217 currency. A POST with an `Idempotency-Key` can be sent again: it does nothing new."

func version(c Config) string {
	if c.Version == "" {
		return "0"
	}
	return c.Version
}

func named(names []string) (list []any) {
	for _, n := range names {
		list = append(list, map[string]any{"name": n})
	}
	return list
}

// Codes returns every problem code that the routes may answer, in order.
func Codes(routes []Route) []string {
	all := map[string]bool{}
	for _, code := range Common {
		all[code] = true
	}
	for _, r := range routes {
		for _, code := range r.Refuses {
			all[code] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

type documentation struct {
	schemas *schemas
	paths   map[string]any
}

var pathParam = regexp.MustCompile(`\{([a-z_]+)(:[^}]*)?\}`)

// Template returns a route's path without the patterns of its parameters.
func (r Route) Template() string { return pathParam.ReplaceAllString(r.Path, "{$1}") }

// ID names a route in the document.
func (r Route) ID() string {
	words := strings.FieldsFunc(r.Template(), func(c rune) bool { return strings.ContainsRune("/{}-_.", c) })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.ToLower(r.Method) + strings.Join(words, "")
}

func (d *documentation) add(r Route) {
	template := r.Template()
	path, _ := d.paths[template].(map[string]any)
	if path == nil {
		path = map[string]any{}
		d.paths[template] = path
	}
	method := strings.ToLower(r.Method)
	if path[method] != nil {
		panic(fmt.Sprintf("web: two routes for %s %s", r.Method, template))
	}
	op := map[string]any{
		"operationId": r.ID(), "summary": r.Summary, "tags": []string{r.Tag},
		"responses":       d.responses(r),
		"x-problem-codes": slices.Sorted(maps.Keys(codesOf(r))),
	}
	if r.Detail != "" {
		op["description"] = r.Detail
	}
	if params := d.params(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.Body != nil {
		contentType := "application/json"
		if r.BodyType != "" {
			contentType = r.BodyType
		}
		op["requestBody"] = map[string]any{
			"required": true,
			"content":  map[string]any{contentType: map[string]any{"schema": d.schemas.of(r.Body)}},
		}
	}
	path[method] = op
}

func codesOf(r Route) map[string]bool {
	codes := map[string]bool{}
	for _, code := range append(slices.Clone(Common), r.Refuses...) {
		codes[code] = true
	}
	return codes
}

func (d *documentation) responses(r Route) map[string]any {
	responses := map[string]any{
		"default": map[string]any{
			"description": "A problem: why not.",
			"content":     map[string]any{ContentType: map[string]any{"schema": d.schemas.of(Problem{})}},
		},
	}
	for _, a := range r.Answers {
		detail := a.Detail
		if detail == "" {
			detail = http.StatusText(a.Status)
		}
		response, _ := responses[strconv.Itoa(a.Status)].(map[string]any)
		if response == nil {
			response = map[string]any{"description": detail}
			responses[strconv.Itoa(a.Status)] = response
		}
		if len(a.Headers) > 0 {
			headers := map[string]any{}
			for _, h := range a.Headers {
				headers[h] = map[string]any{"schema": map[string]any{"type": "string"}}
			}
			response["headers"] = headers
		}
		contentType := a.ContentType
		if contentType == "" && a.Body != nil {
			contentType = "application/json"
		}
		if contentType == "" {
			continue
		}
		content, _ := response["content"].(map[string]any)
		if content == nil {
			content = map[string]any{}
			response["content"] = content
		}
		schema := map[string]any{"type": "string"}
		if a.Body != nil {
			schema = d.schemas.of(a.Body)
		}
		content[contentType] = map[string]any{"schema": schema}
	}
	return responses
}

func (d *documentation) params(r Route) (list []any) {
	declared := map[string]bool{}
	for _, p := range r.Params {
		declared[p.In+" "+p.Name] = true
	}
	params := slices.Clone(r.Params)
	for _, m := range pathParam.FindAllStringSubmatch(r.Path, -1) {
		if !declared["path "+m[1]] {
			p := Param{Name: m[1], In: "path", Required: true, Type: "string"}
			if strings.HasSuffix(m[1], "_id") {
				p.Format = "uuid"
			}
			params = append(params, p)
		}
	}
	for _, p := range params {
		schema := map[string]any{"type": "string"}
		if p.Type != "" {
			schema["type"] = p.Type
		}
		if p.Format != "" {
			schema["format"] = p.Format
		}
		if len(p.Enum) > 0 {
			schema["enum"] = p.Enum
		}
		one := map[string]any{"name": p.Name, "in": p.In, "required": p.Required || p.In == "path", "schema": schema}
		if p.Detail != "" {
			one["description"] = p.Detail
		}
		list = append(list, one)
	}
	return list
}

// SchemaOf returns the JSON Schema of a Go value's type, complete in itself.
func SchemaOf(v any) map[string]any {
	s := newSchemas()
	root := s.of(v)
	defs := s.definitions("#/$defs/")
	schema := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema"}
	maps.Copy(schema, rewrite(root, "#/components/schemas/", "#/$defs/").(map[string]any))
	if name, ok := strings.CutPrefix(fmt.Sprint(schema["$ref"]), "#/$defs/"); ok && reflect.TypeOf(v).Kind() == reflect.Struct {
		delete(schema, "$ref")
		maps.Copy(schema, defs[name].(map[string]any))
		delete(defs, name)
	}
	if len(defs) > 0 {
		schema["$defs"] = defs
	}
	return schema
}
