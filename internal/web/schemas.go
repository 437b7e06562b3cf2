package web

import (
	stdjson "encoding/json"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/invopop/jsonschema"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
)

// schemas collects the schemas of Go types under #/components/schemas/.
type schemas struct {
	reflector *jsonschema.Reflector
	all       map[string]any
}

func newSchemas() *schemas {
	return &schemas{
		reflector: &jsonschema.Reflector{Anonymous: true, Mapper: known, Namer: nameOf},
		all:       map[string]any{},
	}
}

// known are the schemas of types that write themselves.
func known(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[uuid.UUID]():
		return &jsonschema.Schema{Type: "string", Format: "uuid"}
	case reflect.TypeFor[domain.Date]():
		return &jsonschema.Schema{Type: "string", Format: "date"}
	case reflect.TypeFor[attribute.Value]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
	case reflect.TypeFor[stdjson.RawMessage](), reflect.TypeFor[jsontext.Value](), reflect.TypeFor[any]():
		return &jsonschema.Schema{Description: "any JSON value"}
	}
	return nil
}

// nameOf names a type in the document: package and type, but for the types of this package.
func nameOf(t reflect.Type) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]/*, ", r) {
			return '_'
		}
		return r
	}, t.Name())
	path := strings.Split(t.PkgPath(), "/")
	if pkg := path[len(path)-1]; pkg != "" && pkg != "web" && name != "" {
		return pkg + "." + name
	}
	return name
}

// of returns the schema of a value's type; types of ours become references.
func (s *schemas) of(v any) map[string]any {
	made := s.reflector.ReflectFromType(reflect.TypeOf(v))
	defs := made.Definitions
	made.Definitions, made.Version = nil, ""
	for name, def := range defs {
		if s.all[name] == nil {
			s.all[name] = rewrite(plain(def), "#/$defs/", "#/components/schemas/")
		}
	}
	schema, _ := rewrite(plain(made), "#/$defs/", "#/components/schemas/").(map[string]any)
	if schema == nil {
		schema = map[string]any{}
	}
	return schema
}

func (s *schemas) components() map[string]any { return s.all }

func (s *schemas) definitions(prefix string) map[string]any {
	defs := map[string]any{}
	for name, def := range s.all {
		defs[name] = rewrite(def, "#/components/schemas/", prefix)
	}
	return defs
}

// plain turns a schema into maps and slices.
func plain(s *jsonschema.Schema) any {
	body, err := stdjson.Marshal(s)
	if err != nil {
		panic(err)
	}
	var v any
	if err := stdjson.Unmarshal(body, &v); err != nil {
		panic(err)
	}
	return v
}

// rewrite returns a copy of v in which every reference begins with to instead of from.
func rewrite(v any, from, to string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if ref, ok := e.(string); ok && k == "$ref" {
				e = strings.Replace(ref, from, to, 1)
			}
			out[k] = rewrite(e, from, to)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = rewrite(e, from, to)
		}
		return out
	}
	return v
}
