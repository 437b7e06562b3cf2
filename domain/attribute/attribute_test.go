package attribute_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/domaintest"
)

type spec = domaintest.Spec[Schema, Event]

var run = domaintest.Run[Schema, Event]

var (
	size     = Defined{Key: "size", Type: Enum, Enum: []string{"S", "M"}}
	passport = Defined{Key: "passport", Type: Text, Personal: true, Required: true, Label: "Passport", Description: "its number"}
)

func define(d Defined) Define {
	return Define{Key: d.Key, Type: d.Type, Enum: d.Enum, Personal: d.Personal, Required: d.Required, Label: d.Label, Description: d.Description}
}

// with returns a changed copy.
func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

func TestDefine(t *testing.T) {
	invalid := func(name, field string, d Define) spec {
		return spec{Name: name, When: d, Error: domain.ErrValidation, Fields: []string{field}}
	}
	var full []Event
	for i := range MaxAttributes {
		full = append(full, Defined{Key: fmt.Sprintf("a%d", i), Type: Text})
	}
	many := make([]string, 201)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	run(t, []spec{{
		Name: "an attribute comes into being",
		When: define(passport),
		Then: []Event{passport},
	}, {
		Name: "one with values to choose from",
		When: define(size),
		Then: []Event{size},
	}, {
		Name:  "the same again is nothing to do",
		Given: []Event{size, passport},
		When:  define(passport),
	}, {
		Name:  "the values may become more, in another order",
		Given: []Event{size},
		When:  define(with(size, func(d *Defined) { d.Enum = []string{"L", "M", "S"} })),
		Then:  []Event{with(size, func(d *Defined) { d.Enum = []string{"L", "M", "S"} })},
	}, {
		Name:  "it may become personal, required and be called otherwise",
		Given: []Event{size},
		When:  define(with(size, func(d *Defined) { d.Personal, d.Required, d.Label = true, true, "Size" })),
		Then:  []Event{with(size, func(d *Defined) { d.Personal, d.Required, d.Label = true, true, "Size" })},
	}, {
		Name:  "a requirement may end",
		Given: []Event{passport},
		When:  define(with(passport, func(d *Defined) { d.Required = false })),
		Then:  []Event{with(passport, func(d *Defined) { d.Required = false })},
	}, {
		Name:  "what was retired comes back into use",
		Given: []Event{size, Retired{"size"}},
		When:  define(size),
		Then:  []Event{size},
	}, {
		Name:  "a type stays",
		Given: []Event{size},
		When:  Define{Key: "size", Type: Number},
		Error: ErrExists,
	}, {
		Name:  "also that of a retired attribute",
		Given: []Event{size, Retired{"size"}},
		When:  Define{Key: "size", Type: Text},
		Error: ErrExists,
	}, {
		Name:  "what is personal stays so",
		Given: []Event{passport},
		When:  define(with(passport, func(d *Defined) { d.Personal = false })),
		Error: ErrPersonal,
	}, {
		Name:  "also when it comes back",
		Given: []Event{passport, Retired{"passport"}},
		When:  define(with(passport, func(d *Defined) { d.Personal = false })),
		Error: ErrPersonal,
	}, {
		Name:  "a value cannot be taken back",
		Given: []Event{size},
		When:  define(with(size, func(d *Defined) { d.Enum = []string{"S", "L"} })),
		Error: ErrValueRemoved,
	}, {
		Name:  "too many",
		Given: full,
		When:  define(size),
		Error: ErrTooMany,
	}, {
		Name:  "of many one can still be changed",
		Given: full,
		When:  Define{Key: "a7", Type: Text, Required: true},
		Then:  []Event{Defined{Key: "a7", Type: Text, Required: true}},
	},
		invalid("no key", "/key", Define{Type: Text}),
		invalid("a key in capitals", "/key", Define{Key: "Size", Type: Text}),
		invalid("a key that begins with a digit", "/key", Define{Key: "1size", Type: Text}),
		invalid("a key that is too long", "/key", Define{Key: strings.Repeat("k", 65), Type: Text}),
		invalid("no type", "/type", Define{Key: "size"}),
		invalid("an unknown type", "/type", Define{Key: "size", Type: "colour"}),
		invalid("a label that is too long", "/label", Define{Key: "size", Type: Text, Label: strings.Repeat("x", 101)}),
		invalid("a description that is too long", "/description", Define{Key: "size", Type: Text, Description: strings.Repeat("x", 1001)}),
		invalid("nothing to choose from", "/enum", Define{Key: "size", Type: Enum}),
		invalid("too much to choose from", "/enum", Define{Key: "size", Type: Enum, Enum: many}),
		invalid("values of a text", "/enum", Define{Key: "size", Type: Text, Enum: []string{"S"}}),
		invalid("an empty value", "/enum/1", Define{Key: "size", Type: Enum, Enum: []string{"S", ""}}),
		invalid("a value with a space", "/enum/0", Define{Key: "size", Type: Enum, Enum: []string{"S "}}),
		invalid("a value twice", "/enum/1", Define{Key: "size", Type: Enum, Enum: []string{"S", "S"}}),
	})
}

func TestRetire(t *testing.T) {
	run(t, []spec{{
		Name:  "an attribute goes out of use",
		Given: []Event{size},
		When:  Retire{Key: "size"},
		Then:  []Event{Retired{"size"}},
	}, {
		Name:  "once",
		Given: []Event{size, Retired{"size"}},
		When:  Retire{Key: "size"},
	}, {
		Name:  "after it came back again",
		Given: []Event{size, Retired{"size"}, size},
		When:  Retire{Key: "size"},
		Then:  []Event{Retired{"size"}},
	}, {
		Name:  "what is not there",
		When:  Retire{Key: "size"},
		Error: ErrUnknown, Fields: []string{"/key"},
	}})
}

func TestASchemaIsNotChanged(t *testing.T) {
	var none Schema
	one := none.Evolve(size)
	two := one.Evolve(passport)
	three := two.Evolve(Retired{"passport"})
	if len(none.All()) != 0 || len(one.All()) != 1 || len(two.Required()) != 1 {
		t.Error("an older schema changed")
	}
	if three.Version != 3 || three.Ref() != (domain.PolicyRef{Kind: "schema", Version: 3}) || len(three.Required()) != 0 {
		t.Errorf("%+v", three)
	}
	want := []Attribute{{Defined: passport, Retired: true, Version: 3}, {Defined: size, Version: 1}}
	if diff := cmp.Diff(want, three.All()); diff != "" {
		t.Error(diff)
	}
}
