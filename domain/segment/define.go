package segment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
)

// Definition is what defining a segment and publishing a version of it have in
// common. Commands embed it.
type Definition struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels,omitempty" jsonschema:"maxItems=20"`
	// Rule says who belongs to a dynamic segment; GET /v1/segments/language has the
	// words. A static segment has none.
	Rule string `json:"rule,omitempty"`

	// Segments are all others, Schema what attributes there are, KnowsEvent which
	// types of event, KnowsCluster which clusterings. KnowsFields tells the fields of a
	// type of event that rules can ask for, by name, and what they are (FieldText and so
	// on), nil of one that there is not.
	Segments     *Set              `json:"-"`
	Schema       attribute.Schema  `json:"-"`
	KnowsEvent   func(string) bool `json:"-"`
	KnowsCluster func(string) bool `json:"-"`

	KnowsFields func(event string) map[string]string `json:"-"`
}

// SetSegments tells what the rule can ask for.
func (d *Definition) SetSegments(s *Set, schema attribute.Schema) { d.Segments, d.Schema = s, schema }

// SetKnows tells which types of event and which clusterings there are.
func (d *Definition) SetKnows(event, cluster func(string) bool) {
	d.KnowsEvent, d.KnowsCluster = event, cluster
}

// SetFields tells which fields a type of event has; see KnowsFields.
func (d *Definition) SetFields(of func(event string) map[string]string) { d.KnowsFields = of }

// check returns the types of the attributes that the rule uses, and the segments
// that it asks for.
func (d Definition) check(p *domain.Problems, id, kind string) (Attributes, []string, error) {
	p.Required("/name", d.Name, maxName)
	p.Text("/description", d.Description, maxText)
	if len(d.Labels) > maxLabels {
		p.Add("/labels", "must be at most %d", maxLabels)
	}
	for i, l := range d.Labels {
		pointer := fmt.Sprintf("/labels/%d", i)
		p.Required(pointer, l, maxLabel)
		if slices.Contains(d.Labels[:i], l) {
			p.Add(pointer, "is listed twice")
		}
	}
	switch {
	case kind == Static && d.Rule != "":
		p.Add("/rule", "a static segment is a list and has no rule")
	case kind == Dynamic && d.Rule == "":
		p.Add("/rule", "is required of a dynamic segment")
	}
	if err := p.Err(); err != nil || kind != Dynamic {
		return nil, nil, err
	}
	return d.compile(p, id)
}

func (d Definition) compile(p *domain.Problems, id string) (Attributes, []string, error) {
	types := AttributesOf(d.Schema)
	rule, err := Compile(d.Rule, types)
	if err != nil {
		return nil, nil, err
	}
	uses := rule.Uses()
	for _, other := range uses.Segments {
		switch is, ok := d.Segments.Segment(other); {
		case other == id:
			return nil, nil, ErrCycle.With("the rule of %q asks for %q itself", id, id)
		case !ok:
			p.Add("/rule", "there is no segment %q; GET /v1/segments lists them", other)
		case is.Archived:
			p.Add("/rule", "the segment %q is archived", other)
		}
	}
	for _, name := range uses.Events {
		if d.KnowsEvent != nil && !d.KnowsEvent(name) {
			p.Add("/rule", "there is no type of event %q; GET /v1/segments/language lists them", name)
		}
	}
	d.checkFields(p, uses.Fields)
	for _, name := range uses.Clusters {
		if d.KnowsCluster != nil && !d.KnowsCluster(name) {
			p.Add("/rule", "there is no clustering %q; fit one first", name)
		}
	}
	if err := p.Err(); err != nil {
		return nil, nil, err
	}
	if way := d.Segments.cycle(id, uses.Segments); way != nil {
		return nil, nil, ErrCycle.With("the rules would ask for each other: %s", strings.Join(way, ", "))
	}
	if len(uses.Attributes) == 0 {
		return nil, uses.Segments, nil
	}
	used := Attributes{}
	for _, key := range uses.Attributes {
		used[key] = types[key]
	}
	return used, uses.Segments, nil
}

// AttributesOf returns the types of a schema's attributes, the retired ones too:
// customers have their values still.
func AttributesOf(schema attribute.Schema) Attributes {
	types := Attributes{}
	for _, a := range schema.All() {
		types[a.Key] = a.Type
	}
	return types
}

// Define makes a segment. One that is there just so is nothing to do.
type Define struct {
	domain.Subject `json:"-"`
	Definition

	SegmentID string `json:"segment_id"` // lower-case letters, digits and hyphens
	Kind      string `json:"kind" jsonschema:"enum=dynamic,enum=static"`
}

// Stream implements domain.Command.
func (c Define) Stream() string { return Stream(c.SegmentID) }

// Refuses lists the refusals that are the command's own.
func (Define) Refuses() []*domain.Error { return []*domain.Error{ErrExists, ErrCycle, ErrTooMany} }

// addresses are what else is found where a segment is found by its id.
var addresses = []string{"shipped", "language", "overlap", "preview"}

// Decide implements domain.Command.
func (c Define) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if CheckID(&p, "/segment_id", c.SegmentID); slices.Contains(addresses, c.SegmentID) {
		p.Add("/segment_id", "is an address of its own below /v1/segments; choose another")
	}
	if c.Kind == "" {
		p.Add("/kind", "is required")
	}
	p.OneOf("/kind", c.Kind, Kinds...)
	attributes, asks, err := c.check(&p, c.SegmentID, c.Kind)
	if err != nil {
		return nil, err
	}
	next := Defined{
		SegmentID: c.SegmentID, Kind: c.Kind, Name: c.Name, Description: c.Description, Labels: c.Labels, Rule: c.Rule,
		Attributes: attributes, Asks: asks,
	}
	if s.Version > 0 {
		if !s.Archived && same(s.Segment, Segment{}.with(next)) {
			return nil, nil
		}
		return nil, ErrExists.With("there is a segment %q already, at version %d; publish-version changes it", c.SegmentID, s.Version)
	}
	if err := c.Segments.room(); err != nil {
		return nil, err
	}
	return []Event{next}, nil
}

// same says whether two segments say the same.
func same(a, b Segment) bool {
	return a.Kind == b.Kind && a.Name == b.Name && a.Description == b.Description && slices.Equal(a.Labels, b.Labels) && a.Rule == b.Rule
}
