package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// bodyField is a field of a request body as people read of it.
type bodyField struct {
	Name     string // with a dot before a field of an object, and [] behind a list
	Required bool
	Type     string // what it is, and which values there are
}

// bodyDepth is how many objects within each other are shown.
const bodyDepth = 3

// bodyFields returns the fields of a body: of each object those that are required
// first, in the order of their names.
func bodyFields(body any) []bodyField {
	if body == nil {
		return nil
	}
	s := newSchemas()
	return s.fields(s.of(body), "", bodyDepth)
}

func (s *schemas) fields(schema map[string]any, prefix string, depth int) (list []bodyField) {
	schema = s.resolve(schema)
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	type property struct {
		name     string
		optional int
	}
	var order []property
	for name := range maps.Keys(properties) {
		p := property{name, 1}
		if slices.Contains(required, any(name)) {
			p.optional = 0
		}
		order = append(order, p)
	}
	slices.SortFunc(order, func(a, b property) int {
		return cmp.Or(a.optional-b.optional, strings.Compare(a.name, b.name))
	})
	for _, p := range order {
		of, _ := properties[p.name].(map[string]any)
		of = s.resolve(of)
		name, inner := prefix+p.name, of
		if items, ok := of["items"].(map[string]any); ok {
			name, inner = name+"[]", s.resolve(items)
		}
		list = append(list, bodyField{Name: name, Required: p.optional == 0, Type: typeOf(inner)})
		if depth > 1 {
			list = append(list, s.fields(inner, name+".", depth-1)...)
		}
	}
	return list
}

// resolve follows references.
func (s *schemas) resolve(schema map[string]any) map[string]any {
	for {
		ref, _ := schema["$ref"].(string)
		if ref == "" {
			return schema
		}
		schema, _ = s.all[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
}

// typeOf is the type of a value for people, and its values where they are given.
func typeOf(schema map[string]any) string {
	text, _ := schema["type"].(string)
	if format, _ := schema["format"].(string); format != "" {
		text = format
	}
	if values, _ := schema["enum"].([]any); len(values) > 0 {
		var words []string
		for _, v := range values {
			words = append(words, fmt.Sprint(v))
		}
		return strings.Join(words, ", ")
	}
	if text == "" {
		return "any"
	}
	return text
}
