package eventschema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Type is an event type: a stable name, a Go type, and the steps that lead
// old versions to it. Its current version is one more than its steps.
type Type struct {
	Name      string
	Go        reflect.Type
	Broadcast bool     // applied by every partition, not by one customer's
	Personal  []string // names of the members that are stored encrypted

	steps   []Upcaster
	codec   *structCodec
	scratch *sync.Pool // of *E, always zero
	load    func(p, data any)
	value   func(p any) any // as an event's data
	zero    func(p any)
}

// Version is the version written today.
func (t *Type) Version() int { return len(t.steps) + 1 }

// Wire is the wire type written today, such as "customer.order_recorded.v1".
func (t *Type) Wire() string { return wireType(t.Name, t.Version()) }

func wireType(name string, version int) string { return name + ".v" + strconv.Itoa(version) }

// event is a line of the table: the stable name of E and the steps from its
// first version to the current one.
func event[E any](name string, steps ...Upcaster) Type {
	t := Type{
		Name: name, Go: reflect.TypeFor[E](), steps: steps,
		codec:   compiler{}.structOf(reflect.TypeFor[E](), true),
		scratch: &sync.Pool{New: func() any { return new(E) }},
		load:    func(p, data any) { *p.(*E) = data.(E) },
		value:   func(p any) any { return *p.(*E) },
		zero:    func(p any) { *p.(*E) = *new(E) },
	}
	for _, f := range t.codec.fields {
		if f.personal {
			t.Personal = append(t.Personal, f.name)
		}
	}
	return t
}

// broadcast is a line of the table for an event that every partition applies.
func broadcast[E any](name string, steps ...Upcaster) Type {
	t := event[E](name, steps...)
	t.Broadcast = true
	return t
}

// Registry knows every event type by its wire types and by its Go type. It is
// immutable and safe for concurrent use.
type Registry struct {
	types  []*Type
	byName map[string]*Type
	byWire map[string]version
	byGo   map[reflect.Type]version // the current ones
}

// version is one version of a type.
type version struct {
	*Type
	wire   string
	number int
}

// NewRegistry panics on a duplicate, on a malformed name and on a personal field of an event
// that no customer has: a wrong table is a defect, not a condition.
func NewRegistry(types ...Type) *Registry {
	r := &Registry{byName: map[string]*Type{}, byWire: map[string]version{}, byGo: map[reflect.Type]version{}}
	for _, t := range types {
		if subject, fact, ok := strings.Cut(t.Name, "."); !ok || !word(subject) || !word(fact) {
			panic(fmt.Sprintf("eventschema: %q is not a name such as customer.order_recorded", t.Name))
		}
		if _, dup := r.byName[t.Name]; dup {
			panic("eventschema: " + t.Name + " is registered twice")
		}
		if _, dup := r.byGo[t.Go]; dup {
			panic(fmt.Sprintf("eventschema: %v is registered twice", t.Go))
		}
		if t.Broadcast && len(t.Personal) > 0 {
			panic("eventschema: " + t.Name + " is broadcast and cannot have personal fields")
		}
		r.types = append(r.types, &t)
		r.byName[t.Name] = &t
		for n := 1; n <= t.Version(); n++ {
			v := version{&t, wireType(t.Name, n), n}
			r.byWire[v.wire] = v
			r.byGo[t.Go] = v // the last one, the current version, stays
		}
	}
	return r
}

func word(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// Types returns every event type in the order of the table.
func (r *Registry) Types() []*Type { return r.types }

// Known says whether a wire type is in the table, in whatever version.
func (r *Registry) Known(wire string) bool {
	_, ok := r.byWire[wire]
	return ok
}

// Broadcast says whether every partition applies events of a wire type. It is
// true as well for a later version of such a type than this program knows, so
// that Open refuses it where a silent omission would be wrong.
func (r *Registry) Broadcast(wire string) bool {
	if v, ok := r.byWire[wire]; ok {
		return v.Type.Broadcast
	}
	t := r.byName[stableName(wire)]
	return t != nil && t.Broadcast
}

// Wire returns the wire type under which data of this Go type is written today.
func (r *Registry) Wire(data any) (wire string, ok bool) {
	v, ok := r.byGo[reflect.TypeOf(data)]
	return v.wire, ok
}

// Name returns the stable name in a wire type: without the version.
func (r *Registry) Name(wire string) string {
	if v, ok := r.byWire[wire]; ok {
		return v.Type.Name
	}
	return stableName(wire)
}

func stableName(wire string) string {
	if i := strings.LastIndex(wire, ".v"); i > 0 {
		if _, err := strconv.ParseUint(wire[i+2:], 10, 31); err == nil {
			return wire[:i]
		}
	}
	return wire
}
