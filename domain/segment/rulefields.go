package segment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"github.com/rapport-crm/rapport/domain"
)

// What a field of an event can be.
const (
	FieldText  = "text"
	FieldWhole = "whole number"
	FieldTruth = "true or false"
)

// What a field is asked to be and never is: dates are texts, and what is nested is not
// kept.
const (
	fieldDate = "date"
	fieldList = "list"
)

// EventField is a field of an event that a rule asks for.
type EventField struct {
	Events []string `json:"events"` // the types of event of which it may be
	Name   string   `json:"name"`
}

// FieldUse is a place of a rule that asks for a field of an event.
type FieldUse struct {
	EventField
	Place string `json:"place"`           // "line 1, column 7"
	Needs string `json:"needs,omitempty"` // what it has to be there: FieldText and so on; empty: anything
	// Like are fields of which one has to be as it is: it is compared with them.
	Like []EventField `json:"like,omitempty"`
}

// asks notes that a rule asks for a field of events.
func (c *compiler) asks(e ast.Expr, of *part, name string, out *part) {
	if of.events == nil || of.typ.Kind() != types.MapKind {
		return
	}
	l := c.ast.SourceInfo().GetStartLocation(e.ID())
	out.fields = []int{len(c.fields)}
	c.fields = append(c.fields, FieldUse{EventField: EventField{of.events, name}, Place: c.problems.place(l.Line(), l.Column())})
}

// need notes what the fields from which something stems have to be.
func (c *compiler) need(p *part, kind string) {
	if p == nil || kind == "" {
		return
	}
	for _, i := range p.fields {
		if c.fields[i].Needs == "" {
			c.fields[i].Needs = kind
		}
	}
}

// compared notes what the fields in a have to be so that they compare with b, which
// is of a type or stems from fields itself.
func (c *compiler) compared(a, b *part, typ *types.Type) {
	if a == nil || b == nil {
		return
	}
	c.need(a, fieldKind(typ))
	for _, i := range a.fields {
		for _, j := range b.fields {
			c.fields[i].Like = append(c.fields[i].Like, c.fields[j].EventField)
		}
	}
}

// fieldKind is what a field has to be to compare with a value of a type; empty:
// nobody knows.
func fieldKind(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return FieldText
	case types.IntKind, types.DoubleKind:
		return FieldWhole
	case types.BoolKind:
		return FieldTruth
	case types.ListKind:
		return fieldList
	case types.OpaqueKind:
		if t.TypeName() == "date" {
			return fieldDate
		}
		return FieldWhole // days, years and percentiles
	}
	return ""
}

// elementOf is the type of the elements of a list.
func elementOf(t *types.Type) *types.Type {
	if t.Kind() == types.ListKind && len(t.Parameters()) == 1 {
		return t.Parameters()[0]
	}
	return types.DynType
}

// needed is what functions need of their arguments, the one on which they are called
// among them.
var needed = map[string]string{
	"_&&_": FieldTruth, "_||_": FieldTruth, "!_": FieldTruth,
	"_+_": FieldWhole, "_-_": FieldWhole, "_*_": FieldWhole, "_/_": FieldWhole, "_%_": FieldWhole, "-_": FieldWhole,
	"sum": FieldWhole, "avg": FieldWhole, "geo_within": FieldWhole,
	"contains": FieldText, "startsWith": FieldText, "endsWith": FieldText, "matches": FieldText, "lowerAscii": FieldText, "consent": FieldText,
	"days_since": fieldDate, "age": fieldDate, "held_for": fieldDate, "before": fieldDate, "since": fieldDate, "between": fieldDate,
}

// follow notes what a call needs of the fields of events that it is given, and of
// which events and fields its result is.
func (c *compiler) follow(e ast.Expr, out *part) {
	x := e.AsCall()
	args := x.Args()
	if x.IsMemberFunction() {
		args = append([]ast.Expr{x.Target()}, args...)
	}
	p := make([]*part, len(args))
	for i, a := range args {
		if p[i] = c.parts[a.ID()]; p[i] == nil {
			return // it was read as it is written
		}
	}
	name := x.FunctionName()
	for _, a := range p {
		c.need(a, needed[name])
	}
	switch name {
	case "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_":
		c.compared(p[0], p[1], p[1].typ)
		c.compared(p[1], p[0], p[0].typ)
	case "@in":
		switch key, written := literalText(args[0]); p[1].typ.Kind() {
		case types.MapKind:
			if written {
				c.asks(e, p[1], key, out)
				out.fields = nil // whether it is there is true or false
			}
			c.need(p[0], FieldText)
		case types.ListKind:
			c.compared(p[0], p[1], elementOf(p[1].typ))
			c.compared(p[1], p[0], p[0].typ)
		default:
			c.need(p[1], fieldList)
		}
	case "_[_]":
		switch key, written := literalText(args[1]); p[0].typ.Kind() {
		case types.MapKind:
			if written {
				c.asks(e, p[0], key, out)
			}
		case types.ListKind:
			out.events, out.fields = p[0].events, p[0].fields
		default:
			c.need(p[0], fieldList)
		}
	case "count", "size":
		if p[0].typ.Kind() != types.ListKind {
			c.need(p[0], FieldText)
		}
	case "first", "last", "min", "max", "within", "before", "since", "between":
		out.events, out.fields = p[0].events, p[0].fields
	case "_?_:_":
		c.need(p[0], FieldTruth)
		out.events, out.fields = union(p[1].events, p[2].events), union(p[1].fields, p[2].fields)
	}
}

// union returns what is in either of two lists.
func union[E comparable](a, b []E) []E {
	all := slices.Clip(a)
	for _, x := range b {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

// checkFields checks the fields of events that a rule asks for. Of several types of
// event one has to have the field.
func (d Definition) checkFields(p *domain.Problems, asked []FieldUse) {
	if d.KnowsFields == nil {
		return
	}
	said := 0
	for _, u := range asked {
		if said == maxProblems {
			return
		}
		if problem := d.wrongField(u); problem != "" {
			p.Add("/rule", "%s: %s", u.Place, problem)
			said++
		}
	}
}

// wrongField says what is wrong with a use of a field, "" if nothing is.
func (d Definition) wrongField(u FieldUse) string {
	is, known := d.kindsOf(u.EventField)
	of := strings.Join(u.Events, " or ")
	if known == nil {
		return ""
	}
	if len(is) == 0 {
		names := slices.Sorted(maps.Keys(known))
		hint := nearest(u.Name, names)
		switch {
		case len(names) == 0:
			return of + " has no fields that a rule can ask for"
		case hint == "":
			hint = "; it has " + strings.Join(names, ", ")
		}
		return fmt.Sprintf("%s has no field %q that a rule can ask for%s", of, cut(u.Name), hint)
	}
	wrong := func(needs string) string {
		s := fmt.Sprintf("%q of %s is %s, but %s is needed here", u.Name, of, kindWords[is[0]], kindWords[needs])
		if needs == fieldDate {
			s += ": dates of fields are texts such as \"2026-02-28\", and an event is of the date .on"
		}
		return s
	}
	if u.Needs != "" && !slices.Contains(is, u.Needs) {
		return wrong(u.Needs)
	}
	var others []string
	for _, other := range u.Like {
		kinds, _ := d.kindsOf(other)
		others = append(others, kinds...)
	}
	if len(others) > 0 && !slices.ContainsFunc(is, func(kind string) bool { return slices.Contains(others, kind) }) {
		return wrong(others[0])
	}
	return ""
}

// kindsOf returns what a field is, and all fields that there are beside it; nil if one
// of the types of event is not known.
func (d Definition) kindsOf(f EventField) (is []string, known map[string]string) {
	known = map[string]string{}
	for _, event := range f.Events {
		fields := d.KnowsFields(event)
		if fields == nil {
			return nil, nil
		}
		maps.Copy(known, fields)
		if kind := fields[f.Name]; kind != "" && !slices.Contains(is, kind) {
			is = append(is, kind)
		}
	}
	return is, known
}

var kindWords = map[string]string{
	FieldText: "a text", FieldWhole: "a whole number", FieldTruth: "true or false", fieldDate: "a date", fieldList: "a list",
}
