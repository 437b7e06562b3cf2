package customer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Limits of psychographics.
const (
	maxEntries         = 50 // entries of a list, and preferences
	maxPreferenceName  = 64 // characters of a preference's name
	maxPreferenceValue = 500
)

// UpdatePsychographics changes how the customer lives and thinks. A list that
// is absent stays as it is; one that is given replaces the old one. Of the
// preferences those given change, an empty one is cleared.
type UpdatePsychographics struct {
	domain.Subject `json:"-"`

	Interests   *[]string         `json:"interests,omitempty" jsonschema:"maxItems=50"`
	Lifestyle   *[]string         `json:"lifestyle,omitempty" jsonschema:"maxItems=50"`
	Values      *[]string         `json:"values,omitempty" jsonschema:"maxItems=50"`
	Preferences map[string]string `json:"preferences,omitempty"`
}

// Stream implements domain.Command.
func (c UpdatePsychographics) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (UpdatePsychographics) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c UpdatePsychographics) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	e := PsychographicsUpdated{At: s.decidedAt(c.Subject)}
	for _, l := range c.lists() {
		name := "psychographics." + l.name
		if l.to == nil {
			continue
		}
		if was := *s.Psychographics.list(name); !slices.Equal(was, *l.to) {
			e.Fields = append(e.Fields, name)
			e.Lists = append(e.Lists, ListChange{name, slices.Clone(was), slices.Clone(*l.to)})
		}
	}
	have := len(s.Psychographics.Preferences)
	for _, name := range slices.Sorted(maps.Keys(c.Preferences)) {
		was, became := s.Psychographics.Preferences[name], c.Preferences[name]
		switch {
		case was == became:
			continue
		case was == "":
			have++
		case became == "":
			have--
		}
		e.Preferences = append(e.Preferences, Change{name, was, became})
	}
	if have > maxEntries && len(e.Preferences) > 0 {
		var p domain.Problems
		p.Add("/preferences", "would be %d; at most %d are allowed", have, maxEntries)
		return nil, p.Err()
	}
	if len(e.Preferences) > 0 {
		e.Fields = append(e.Fields, "psychographics.preferences")
	}
	if len(e.Fields) == 0 {
		return nil, nil
	}
	return []Event{e}, nil
}

type givenList struct {
	name string
	to   *[]string
}

func (c UpdatePsychographics) lists() []givenList {
	return []givenList{{"interests", c.Interests}, {"lifestyle", c.Lifestyle}, {"values", c.Values}}
}

func (c UpdatePsychographics) check() error {
	var p domain.Problems
	for _, l := range c.lists() {
		if l.to == nil {
			continue
		}
		if len(*l.to) > maxEntries {
			p.Add("/"+l.name, "must have at most %d entries", maxEntries)
			continue
		}
		for i, entry := range *l.to {
			pointer := fmt.Sprintf("/%s/%d", l.name, i)
			p.Required(pointer, entry, maxShort)
			if strings.TrimSpace(entry) != entry {
				p.Add(pointer, "must not begin or end with a space")
			}
			if slices.Contains((*l.to)[:i], entry) {
				p.Add(pointer, "is listed twice")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Preferences)) {
		pointer := "/preferences/" + pointerToken(name)
		switch {
		case name == "" || strings.TrimSpace(name) != name:
			p.Add(pointer, "must have a name that neither begins nor ends with a space")
		case len([]rune(name)) > maxPreferenceName:
			p.Add("/preferences", "must have names of at most %d characters", maxPreferenceName)
		default:
			p.Text(pointer, name, maxPreferenceName)
			p.Text(pointer, c.Preferences[name], maxPreferenceValue)
		}
	}
	return p.Err()
}

// pointerToken writes a name as a part of a JSON pointer.
func pointerToken(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
