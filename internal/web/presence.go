package web

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rapport-crm/rapport/domain"
)

// shape is which members a JSON value of a Go type must have.
type shape struct {
	members  map[string]int // name to index; nil if it is no object of ours
	names    []string
	required []bool
	shapes   []*shape
	element  *shape // of an array
	trivial  bool   // nothing inside it can be missing
}

var shapes sync.Map // reflect.Type to *shape

func shapeOf(t reflect.Type) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{trivial: true}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
	case t.Kind() == reflect.Slice:
		s.element = shapeOf(t.Elem())
		s.trivial = s.element.trivial
	case t.Kind() == reflect.Struct:
		s.members = map[string]int{}
		s.add(t)
	}
	shapes.Store(t, s)
	return s
}

func (s *shape) add(t reflect.Type) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			s.add(f.Type)
			continue
		case name == "":
			name = f.Name
		}
		inner := shapeOf(f.Type)
		required := !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		s.members[name] = len(s.names)
		s.names = append(s.names, name)
		s.required = append(s.required, required)
		s.shapes = append(s.shapes, inner)
		s.trivial = s.trivial && !required && inner.trivial
	}
}

// checkPresence notes which required members of a valid body are not there, or null.
func checkPresence(body []byte, t reflect.Type, p *domain.Problems) {
	if s := shapeOf(t); !s.trivial {
		s.check(jsontext.NewDecoder(bytes.NewBuffer(body)), "", p)
	}
}

// check walks over the next value. Errors cannot happen: it was decoded before.
func (s *shape) check(d *jsontext.Decoder, pointer string, p *domain.Problems) {
	switch kind := d.PeekKind(); {
	case kind == '[' && s.element != nil:
		_, _ = d.ReadToken()
		for i := 0; d.PeekKind() != ']' && d.PeekKind() > 0; i++ {
			if s.element.trivial {
				_ = d.SkipValue()
				continue
			}
			s.element.check(d, fmt.Sprintf("%s/%d", pointer, i), p)
		}
		_, _ = d.ReadToken()
	case kind == '{' && s.members != nil:
		s.object(d, pointer, p)
	default:
		_ = d.SkipValue()
	}
}

func (s *shape) object(d *jsontext.Decoder, pointer string, p *domain.Problems) {
	var few [32]bool
	seen := few[:]
	if len(s.names) > len(few) {
		seen = make([]bool, len(s.names))
	}
	_, _ = d.ReadToken()
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return
		}
		i, known := s.members[token.String()]
		if !known {
			_ = d.SkipValue()
			continue
		}
		seen[i] = d.PeekKind() != 'n'
		if s.shapes[i].trivial {
			_ = d.SkipValue()
			continue
		}
		s.shapes[i].check(d, pointer+"/"+s.names[i], p)
	}
	_, _ = d.ReadToken()
	for i, name := range s.names {
		if s.required[i] && !seen[i] {
			p.Add(pointer+"/"+name, "is required")
		}
	}
}
