package web

import (
	"bytes"
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rapport-crm/rapport/domain"
)

// shape is which members a JSON value of a Go type must have.
type shape struct {
	members []member // of an object of ours
	object  bool
	element *shape // of an array
	trivial bool   // nothing inside it can be missing
}

type member struct {
	name     string
	required bool
	shape    *shape
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
		s.object = true
		s.add(t)
		if len(s.members) > 64 {
			panic("web: " + t.String() + " has more than 64 members")
		}
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
		m := member{name: name, shape: shapeOf(f.Type)}
		m.required = !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		s.members = append(s.members, m)
		s.trivial = s.trivial && !m.required && m.shape.trivial
	}
}

// checkPresence notes which required members of a body are not there, or null.
// The body must be valid JSON.
func checkPresence(body []byte, t reflect.Type, p *domain.Problems) {
	s, w := shapeOf(t), presence{json: body, strict: true, problems: p}
	switch {
	case s.object && w.peek() == 'n':
		p.Add("", "must be an object")
	case !s.trivial:
		w.value(s)
	}
}

// presence walks over a valid JSON text. It trusts the text, since it was
// decoded before, but no text makes it panic or walk for ever.
type presence struct {
	json     []byte
	at       int
	path     []string // to the value it is at
	strict   bool     // the value must not be null
	problems *domain.Problems
}

// pointer returns the pointer to the value it is at, and more behind it.
func (w *presence) pointer(more string) string {
	var b strings.Builder
	for _, name := range w.path {
		b.WriteString("/" + name)
	}
	return b.String() + more
}

// peek passes over white space and returns the byte after it, 0 at the end.
func (w *presence) peek() byte {
	for ; w.at < len(w.json); w.at++ {
		switch c := w.json[w.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

// string passes over a string and returns what stands in it.
func (w *presence) string() []byte {
	start := w.at
	for w.at++; w.at < len(w.json) && w.json[w.at] != '"'; w.at++ {
		if w.json[w.at] == '\\' {
			w.at++
		}
	}
	w.at = min(w.at+1, len(w.json))
	text := w.json[start:w.at]
	if bytes.IndexByte(text, '\\') >= 0 {
		text, _ = jsontext.AppendUnquote(nil, text)
		return text
	}
	return bytes.Trim(text, `"`)
}

// skip passes over a value.
func (w *presence) skip() {
	depth := 0
	for {
		switch w.peek() {
		case 0:
			return
		case '"':
			w.string()
		case '{', '[':
			depth++
			w.at++
		case '}', ']':
			depth--
			w.at++
		default: // a number, true, false or null
			for w.at < len(w.json) && !strings.ContainsRune(" \t\r\n,:]}", rune(w.json[w.at])) {
				w.at++
			}
		}
		if depth <= 0 {
			return
		}
	}
}

func (w *presence) value(s *shape) {
	switch c := w.peek(); {
	case s.trivial:
		w.skip()
	case c == '[' && s.element != nil:
		w.at++
		for i := 0; ; i++ {
			if c := w.peek(); c == ']' || c == 0 {
				w.at++
				return
			}
			w.path = append(w.path, strconv.Itoa(i))
			w.strict = true
			w.value(s.element)
			w.path = w.path[:len(w.path)-1]
		}
	case c == '{' && s.object:
		w.object(s)
	case c == 'n' && s.object && w.strict:
		w.problems.Add(w.pointer(""), "must be an object")
		w.skip()
	default:
		w.skip()
	}
}

func (w *presence) object(s *shape) {
	seen := uint64(0) // one bit for each member
	w.at++
	for w.peek() == '"' {
		name := w.string()
		i := 0
		for i < len(s.members) && s.members[i].name != string(name) {
			i++
		}
		if i == len(s.members) {
			w.peek()
			w.skip()
			continue
		}
		if w.peek() != 'n' {
			seen |= 1 << i
		}
		w.path = append(w.path, s.members[i].name)
		w.strict = false // a member that is null is one that is not there
		w.value(s.members[i].shape)
		w.path = w.path[:len(w.path)-1]
	}
	w.at++
	for i, m := range s.members {
		if m.required && seen&(1<<i) == 0 {
			w.problems.Add(w.pointer("/"+m.name), "is required")
		}
	}
}
