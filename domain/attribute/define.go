package attribute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Define says what an attribute is. An attribute that is there already is
// defined anew as a whole; its type stays, the values of an enumeration can only
// become more, and what was personal once stays personal.
type Define struct {
	domain.Subject `json:"-"`

	Key         string   `json:"key"` // lower-case letters, digits, underscores; begins with a letter
	Type        string   `json:"type" jsonschema:"enum=text,enum=number,enum=integer,enum=boolean,enum=date,enum=enum"`
	Enum        []string `json:"enum,omitempty" jsonschema:"maxItems=200"` // the values of type enum
	Personal    bool     `json:"personal,omitempty"`                       // encrypt values, forget them with the customer
	Required    bool     `json:"required,omitempty"`                       // from now on nobody is registered without it
	Label       string   `json:"label,omitempty"`
	Description string   `json:"description,omitempty"`
}

// Stream implements domain.Command.
func (Define) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (Define) Refuses() []*domain.Error {
	return []*domain.Error{ErrExists, ErrPersonal, ErrValueRemoved, ErrTooMany}
}

// Decide implements domain.Command.
func (c Define) Decide(s Schema) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	next := Defined{Key: c.Key, Type: c.Type, Enum: c.Enum, Personal: c.Personal, Required: c.Required, Label: c.Label, Description: c.Description}
	is, exists := s.attributes[c.Key]
	switch {
	case !exists && len(s.attributes) >= MaxAttributes:
		return nil, ErrTooMany.With("a schema has at most %d attributes, retired ones included", MaxAttributes)
	case !exists:
	case is.Type != c.Type:
		return nil, ErrExists.With("the attribute %q is there with the type %s; what was recorded with it cannot become a %s", c.Key, is.Type, c.Type)
	case is.Personal && !c.Personal:
		return nil, ErrPersonal.With("the attribute %q is personal and stays so", c.Key)
	case !is.Retired && same(is.Defined, next):
		return nil, nil
	default:
		for _, v := range is.Enum {
			if !slices.Contains(c.Enum, v) {
				return nil, ErrValueRemoved.With("the value %q of the attribute %q cannot be taken back: customers may have it", v, c.Key)
			}
		}
	}
	return []Event{next}, nil
}

func same(a, b Defined) bool {
	values := slices.Equal(a.Enum, b.Enum)
	a.Enum, b.Enum = nil, nil
	return values && a.Key == b.Key && a.Type == b.Type && a.Personal == b.Personal && a.Required == b.Required &&
		a.Label == b.Label && a.Description == b.Description
}

func (c Define) check() error {
	var p domain.Problems
	checkKey(&p, c.Key)
	p.Required("/type", c.Type, maxLabel)
	p.OneOf("/type", c.Type, Types...)
	p.Text("/label", c.Label, maxLabel)
	p.Text("/description", c.Description, maxText)
	switch {
	case c.Type == Enum && (len(c.Enum) == 0 || len(c.Enum) > maxEnum):
		p.Add("/enum", "must have 1 to %d values", maxEnum)
	case c.Type != Enum && len(c.Enum) > 0:
		p.Add("/enum", "only an attribute of type %s has values to choose from", Enum)
	default:
		for i, v := range c.Enum {
			pointer := fmt.Sprintf("/enum/%d", i)
			p.Required(pointer, v, maxValue)
			if strings.TrimSpace(v) != v {
				p.Add(pointer, "must not begin or end with a space")
			}
			if slices.Contains(c.Enum[:i], v) {
				p.Add(pointer, "is listed twice")
			}
		}
	}
	return p.Err()
}

func checkKey(p *domain.Problems, key string) {
	if key == "" || len(key) > maxKey || strings.Trim(key, letters+"0123456789_") != "" || !strings.ContainsRune(letters, rune(key[0])) {
		p.Add("/key", "must have 1 to %d lower-case letters, digits or underscores and begin with a letter", maxKey)
	}
}

const letters = "abcdefghijklmnopqrstuvwxyz"
