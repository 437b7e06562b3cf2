// Package attribute is the schema of what a deployment wants to know of its
// customers beside what every customer has: attributes of its own, each with a
// key and a type. One stream holds the schema; its versions are counted by its
// events, so that a decision can say by which one it was made.
package attribute

import (
	"maps"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Stream is the name of the schema's only stream.
const Stream = "schema"

// Kind is how the schema is called where a decision names the version it used.
const Kind = "schema"

// Types of attribute.
const (
	Text    = "text"
	Number  = "number"  // a decimal number, kept exactly
	Integer = "integer" // of 64 bits
	Boolean = "boolean"
	Date    = "date" // 2026-03-01
	Enum    = "enum" // one of the values of the definition
)

// Types is every type of attribute.
var Types = []string{Text, Number, Integer, Boolean, Date, Enum}

// Event is one of the facts of the schema.
//
//sumtype:decl
type Event interface{ attributeEvent() }

// Defined says what an attribute is from now on.
type Defined struct {
	Key         string   `json:"key"`
	Type        string   `json:"type"`
	Enum        []string `json:"enum,omitempty"`        // the values of an attribute of type Enum
	Personal    bool     `json:"is_personal,omitempty"` // its values are stored encrypted; "personal" is the name of the encrypted block
	Required    bool     `json:"required,omitempty"`    // nobody is registered without it
	Label       string   `json:"label,omitempty"`
	Description string   `json:"description,omitempty"`
}

// Retired says that an attribute takes no more values. Those that customers
// have stay.
type Retired struct {
	Key string `json:"key"`
}

func (Defined) attributeEvent() {}
func (Retired) attributeEvent() {}

// Attribute is one attribute of the schema.
type Attribute struct {
	Defined
	Retired bool
	Version int // of the schema, when the attribute last changed
}

// Schema is every attribute there ever was. The zero value has none. It is not
// changed: Evolve returns another one.
type Schema struct {
	Version    int // how many events made it; 0: nothing was ever defined
	attributes map[string]Attribute
}

// Evolve returns the schema after e.
func (s Schema) Evolve(e Event) Schema {
	s.Version++
	next := make(map[string]Attribute, len(s.attributes)+1)
	maps.Copy(next, s.attributes)
	s.attributes = next
	switch e := e.(type) {
	case Defined:
		next[e.Key] = Attribute{Defined: e, Version: s.Version}
	case Retired:
		a := next[e.Key]
		a.Retired, a.Version = true, s.Version
		next[e.Key] = a
	}
	return s
}

// Attribute returns the attribute of a key.
func (s Schema) Attribute(key string) (Attribute, bool) {
	a, ok := s.attributes[key]
	return a, ok
}

// All returns every attribute, retired ones too, by key.
func (s Schema) All() []Attribute {
	all := make([]Attribute, 0, len(s.attributes))
	for _, key := range slices.Sorted(maps.Keys(s.attributes)) {
		all = append(all, s.attributes[key])
	}
	return all
}

// Required returns the keys without which nobody is registered, in order.
func (s Schema) Required() (keys []string) {
	for key, a := range s.attributes {
		if a.Required && !a.Retired {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Ref names the version of the schema.
func (s Schema) Ref() domain.PolicyRef { return domain.PolicyRef{Kind: Kind, Version: s.Version} }

// Why the schema, or a customer, refuses an attribute.
var (
	ErrUnknown      = &domain.Error{Kind: domain.Invalid, Code: "attribute_unknown"}
	ErrExists       = &domain.Error{Kind: domain.Conflict, Code: "attribute_exists"}
	ErrPersonal     = &domain.Error{Kind: domain.Conflict, Code: "attribute_personal"}
	ErrValueRemoved = &domain.Error{Kind: domain.Conflict, Code: "attribute_value_removed"}
	ErrTooMany      = &domain.Error{Kind: domain.Conflict, Code: "too_many_attributes"}
	ErrRetired      = &domain.Error{Kind: domain.Conflict, Code: "attribute_retired"}
	ErrRequired     = &domain.Error{Kind: domain.Conflict, Code: "attribute_required"}
)

// Unknown refuses a key that is not in the schema.
func Unknown(key string) error {
	e := ErrUnknown.With("the schema has no attribute %q; GET /v1/schema/attributes lists them", clip(key))
	e.Fields = []domain.FieldError{{Pointer: "/key", Detail: "is not in the schema"}}
	return e
}

// clip shortens a key of a request that an answer repeats.
func clip(key string) string {
	if len(key) <= maxKey {
		return key
	}
	return string([]rune(key)[:min(maxKey, len([]rune(key)))])
}

// Limits of the schema.
const (
	MaxAttributes = 200
	maxKey        = 64
	maxEnum       = 200
	maxValue      = 100 // characters of a value of an enumeration
	maxText       = 1000
	maxLabel      = 100
)
