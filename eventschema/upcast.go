package eventschema

import (
	"encoding/json"
	"fmt"
)

// An Upcaster turns the JSON object of one version of an event's data into the
// next. It is frozen once shipped. The personal members stand in the object
// like the others; after an erasure they are absent, and it must do without.
type Upcaster func(object map[string]json.RawMessage) error

// rename gives a member another name.
func rename(from, to string) Upcaster {
	return func(o map[string]json.RawMessage) error {
		if v, ok := o[from]; ok {
			o[to] = v
			delete(o, from)
		}
		return nil
	}
}

// add sets a member that the version before did not have to a JSON value.
func add(field, value string) Upcaster {
	return func(o map[string]json.RawMessage) error {
		if _, ok := o[field]; ok {
			return fmt.Errorf("%s is there already", field)
		}
		o[field] = json.RawMessage(value)
		return nil
	}
}

// drop removes a member.
func drop(field string) Upcaster {
	return func(o map[string]json.RawMessage) error {
		delete(o, field)
		return nil
	}
}

// each makes one step of several.
func each(steps ...Upcaster) Upcaster {
	return func(o map[string]json.RawMessage) error {
		for _, step := range steps {
			if err := step(o); err != nil {
				return err
			}
		}
		return nil
	}
}

// Steps in use by no event yet, ready for the first change.
var _ = []any{rename, add, drop, each}

// upcast leads the data of an old version to the current one. The personal
// members, if any, are merged into it first.
func (v version) upcast(data []byte, personal []byte) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, errSyntax
	}
	if object == nil {
		return nil, errType
	}
	delete(object, personalMember)
	if personal != nil {
		if err := json.Unmarshal(personal, &object); err != nil {
			return nil, errSyntax
		}
	}
	for i, step := range v.steps[v.number-1:] {
		if err := step(object); err != nil {
			return nil, fmt.Errorf("step from version %d: %w", v.number+i, err)
		}
	}
	return json.Marshal(object)
}
