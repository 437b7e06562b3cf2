package customer

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/world"
)

// SetAttribute gives an attribute of the schema a value.
type SetAttribute struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Key   string          `json:"key"`
	Value attribute.Value `json:"value"` // of the attribute's type: string, number, true or false
}

// ClearAttribute takes the value of an attribute of the schema away, also of one
// that is retired.
type ClearAttribute struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Key string `json:"key"`
}

// Stream implements domain.Command.
func (c SetAttribute) Stream() string { return Stream(c.Customer) }

// Stream implements domain.Command.
func (c ClearAttribute) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (SetAttribute) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, attribute.ErrUnknown, attribute.ErrRetired}
}

// Refuses lists the refusals that are the command's own.
func (ClearAttribute) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, attribute.ErrUnknown, attribute.ErrRequired}
}

// Uses names the version of the schema that the command was decided by.
func (c SetAttribute) Uses() []domain.PolicyRef { return []domain.PolicyRef{c.Schema().Ref()} }

// Uses names the version of the schema that the command was decided by.
func (c ClearAttribute) Uses() []domain.PolicyRef { return []domain.PolicyRef{c.Schema().Ref()} }

// Decide implements domain.Command.
func (c SetAttribute) Decide(s State) ([]Event, error) {
	a, ok := c.Schema().Attribute(c.Key)
	switch {
	case !ok:
		return nil, attribute.Unknown(c.Key)
	case a.Retired:
		return nil, attribute.ErrRetired.With("the attribute %q is retired and takes no more values; define-attribute brings it back", c.Key)
	}
	value, problem := a.Take(c.Value)
	if problem != "" {
		var p domain.Problems
		p.Add("/value", "%s", problem)
		return nil, p.Err()
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if s.Attributes[c.Key] == attribute.Of(a.Type, value) {
		return nil, nil
	}
	return []Event{attributeSet(a, value, s.decidedAt(c.Subject))}, nil
}

// attributeSet is the event that gives an attribute a value, encrypted if it is personal.
func attributeSet(a attribute.Attribute, value string, at time.Time) AttributeSet {
	e := AttributeSet{Key: a.Key, Type: a.Type, At: at}
	if a.Personal {
		e.PersonalValue = value
	} else {
		e.Value = value
	}
	return e
}

// Decide implements domain.Command.
func (c ClearAttribute) Decide(s State) ([]Event, error) {
	a, ok := c.Schema().Attribute(c.Key)
	switch {
	case !ok:
		return nil, attribute.Unknown(c.Key)
	case a.Required && !a.Retired:
		return nil, attribute.ErrRequired.With("the attribute %q is required; it can be changed, not cleared", c.Key)
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if _, has := s.Attributes[c.Key]; !has {
		return nil, nil
	}
	return []Event{AttributeCleared{c.Key, s.decidedAt(c.Subject)}}, nil
}

// checkParticulars notes what is wrong with what a registration tells beside
// the profile, of a customer who is one from an instant on.
func (c Register) checkParticulars(p *domain.Problems, at time.Time) {
	if c.Demographics != nil {
		c.Demographics.check(p, "/demographics", lastBirth(c.Subject, at))
		c.Demographics.checkKind(p, "/demographics", c.Kind)
	}
	if len(c.Tags) > MaxTags {
		p.Add("/tags", "must have at most %d entries", MaxTags)
		return
	}
	seen := map[string]bool{}
	for i, tag := range c.Tags {
		pointer := "/tags/" + strconv.Itoa(i)
		checkTag(p, pointer, tag)
		if key := TagKey(tag); seen[key] {
			p.Add(pointer, "is listed twice")
		} else {
			seen[key] = true
		}
	}
	schema := c.Schema()
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		pointer := "/attributes/" + pointerToken(key)
		switch a, ok := schema.Attribute(key); {
		case len(key) > maxID:
			p.Add("/attributes", "has a name that is not in the schema")
		case !ok:
			p.Add(pointer, "is not in the schema")
		case a.Retired:
			p.Add(pointer, "is retired and takes no more values")
		default:
			if _, problem := a.Take(c.Attributes[key]); problem != "" {
				p.Add(pointer, "%s", problem)
			}
		}
	}
	for _, key := range schema.Required() {
		if _, given := c.Attributes[key]; !given {
			p.Add("/attributes/"+key, "is required by the schema")
		}
	}
}

// particulars are the events of what a registration tells beside the profile.
// It was checked.
func (c Register) particulars(at time.Time) (events []Event) {
	if c.Demographics != nil {
		if fields, changes := new(Profile).changes(c.Demographics.patch()); len(fields) > 0 {
			events = append(events, DemographicsUpdated{fields, changes, at})
		}
	}
	for _, tag := range c.Tags {
		events = append(events, TagAdded{norm.NFC.String(tag), at})
	}
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		a, _ := c.Schema().Attribute(key)
		value, _ := a.Take(c.Attributes[key])
		events = append(events, attributeSet(a, value, at))
	}
	return events
}

// usesSchema names the version of the schema that a registration is decided by,
// if it has anything to do with one.
func (c Register) usesSchema() []domain.PolicyRef {
	if schema := c.Schema(); len(c.Attributes) > 0 || len(schema.Required()) > 0 {
		return []domain.PolicyRef{schema.Ref()}
	}
	return nil
}
