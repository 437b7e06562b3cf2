package segment_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/segment"
)

type scenario = domaintest.Spec[State, Event]

var decides = domaintest.Run[State, Event]

var (
	vips    = Defined{SegmentID: "vips", Kind: Dynamic, Name: "VIPs", Labels: []string{"behaviour"}, Rule: `"vip" in tags`}
	guests  = Defined{SegmentID: "guests", Kind: Static, Name: "Guests of the party"}
	changed = VersionPublished{SegmentID: "vips", Version: 2, Name: "VIPs", Rule: `"vip" in tags && kind == "person"`}
	gone    = Archived{SegmentID: "vips"}
)

// together is the segments that events make.
func together(events ...Event) (s *Set) {
	for _, e := range events {
		s = s.With(e, uuid.Nil, 0)
	}
	return s
}

// asking is a segment whose rule asks for others.
func asking(id string, others ...string) Defined {
	rule := `kind == "person"`
	for _, other := range others {
		rule += fmt.Sprintf(" && in_segment(%q)", other)
	}
	slices.Sort(others)
	return Defined{SegmentID: id, Kind: Dynamic, Name: id, Rule: rule, Asks: others}
}

// among is as many segments as there may be.
func among(n int) *Set {
	s := &Set{}
	for i := range n {
		s.List = append(s.List, Segment{ID: fmt.Sprintf("s%04d", i), Kind: Static, Version: 1, Name: "one of many"})
	}
	return s
}

// definition is what a command says to make an event, in a world in which there are
// some attributes, types of event and clusterings.
func definition(e Defined, others *Set) Definition {
	schema := attribute.Schema{}.Evolve(attribute.Defined{Key: "colour", Type: attribute.Text}).
		Evolve(attribute.Defined{Key: "height", Type: attribute.Number}).Evolve(attribute.Retired{Key: "height"})
	d := Definition{Name: e.Name, Description: e.Description, Labels: e.Labels, Rule: e.Rule}
	d.SetSegments(others, schema)
	d.SetKnows(func(name string) bool { return name == "customer.tag_added" }, func(id string) bool { return id == "habits" })
	return d
}

func defines(e Defined, others ...Event) Define {
	return Define{Definition: definition(e, together(others...)), SegmentID: e.SegmentID, Kind: e.Kind}
}

func publishes(e VersionPublished, others ...Event) Publish {
	d := Defined{SegmentID: e.SegmentID, Name: e.Name, Description: e.Description, Labels: e.Labels, Rule: e.Rule}
	return Publish{Definition: definition(d, together(others...)), SegmentID: e.SegmentID}
}

func with[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

// mistakes are what is wrong with a definition, whatever command has it.
var mistakes = []struct {
	name   string
	change func(*Defined)
	fields []string
}{
	{"no name", func(d *Defined) { d.Name = "" }, []string{"/name"}},
	{"a long name", func(d *Defined) { d.Name = strings.Repeat("ä", 201) }, []string{"/name"}},
	{"a name that rings", func(d *Defined) { d.Name = "VIP\a" }, []string{"/name"}},
	{"a long description", func(d *Defined) { d.Description = strings.Repeat("x", 2001) }, []string{"/description"}},
	{"too many labels", func(d *Defined) {
		d.Labels = nil
		for i := range 21 {
			d.Labels = append(d.Labels, fmt.Sprint(i))
		}
	}, []string{"/labels"}},
	{"labels that say nothing, too much and the same", func(d *Defined) { d.Labels = []string{"a", "", "a", strings.Repeat("x", 51)} }, []string{"/labels/1", "/labels/2", "/labels/3"}},
	{"no rule", func(d *Defined) { d.Rule = "" }, []string{"/rule"}},
	{"a rule that ends too early", func(d *Defined) { d.Rule = `"vip" in` }, []string{"/rule"}},
	{"a rule that is no condition", func(d *Defined) { d.Rule = `kind` }, []string{"/rule"}},
	{"a rule of something unknown", func(d *Defined) { d.Rule = `shoe_size > 40` }, []string{"/rule"}},
	{"an unknown attribute", func(d *Defined) { d.Rule = `attributes.weight > 40.0` }, []string{"/rule"}},
	{"an attribute of another type", func(d *Defined) { d.Rule = `attributes.colour > 40` }, []string{"/rule"}},
	{"an unknown event, an unknown clustering and an unknown segment", func(d *Defined) {
		d.Rule = `events("customer.sneezed").count() > 0 || cluster("shoes") == 1 || in_segment("nobody")`
	}, []string{"/rule", "/rule", "/rule"}},
	{"an archived segment", func(d *Defined) { d.Rule = `in_segment("past")` }, []string{"/rule"}},
}

func TestDefine(t *testing.T) {
	past := asking("past")
	tables := []scenario{{
		Name: "a segment with a rule",
		When: defines(vips),
		Then: []Event{vips},
	}, {
		Name: "a list",
		When: defines(guests, vips),
		Then: []Event{guests},
	}, {
		Name: "what the rule asks for is noted",
		When: defines(Defined{SegmentID: "a", Kind: Dynamic, Name: "A", Description: "all of it", Rule: `attributes.colour == "red" && attributes.height > 1.8 && in_segment("vips") && !in_segment("guests") && cluster("habits") == 1 && events("customer.tag_added").count() > 0`}, vips, guests),
		Then: []Event{Defined{
			SegmentID: "a", Kind: Dynamic, Name: "A", Description: "all of it", Rule: `attributes.colour == "red" && attributes.height > 1.8 && in_segment("vips") && !in_segment("guests") && cluster("habits") == 1 && events("customer.tag_added").count() > 0`,
			Attributes: Attributes{"colour": attribute.Text, "height": attribute.Number}, Asks: []string{"guests", "vips"},
		}},
	}, {
		Name: "a world of which nothing is known",
		When: Define{Definition: Definition{Name: "VIPs", Labels: vips.Labels, Rule: vips.Rule}, SegmentID: "vips", Kind: Dynamic},
		Then: []Event{vips},
	}, {
		Name:  "the same again",
		Given: []Event{vips},
		When:  defines(vips, vips),
	}, {
		Name:  "the same as a later version",
		Given: []Event{vips, changed},
		When:  defines(Defined{SegmentID: "vips", Kind: Dynamic, Name: changed.Name, Rule: changed.Rule}, vips, changed),
	}, {
		Name:  "another of the same id",
		Given: []Event{vips},
		When:  defines(with(vips, func(d *Defined) { d.Name = "Very important" }), vips),
		Error: ErrExists,
	}, {
		Name:  "what it was once",
		Given: []Event{vips, changed},
		When:  defines(vips, vips, changed),
		Error: ErrExists,
	}, {
		Name:  "a list of the same id and name",
		Given: []Event{guests},
		When:  defines(Defined{SegmentID: "guests", Kind: Dynamic, Name: guests.Name, Rule: vips.Rule}, guests),
		Error: ErrExists,
	}, {
		Name:  "one that is archived",
		Given: []Event{vips, gone},
		When:  defines(vips, vips, gone),
		Error: ErrExists,
	}, {
		Name:  "one that asks for itself",
		When:  defines(asking("a", "a")),
		Error: ErrCycle,
	}, {
		Name:  "no kind, and an id with a capital",
		When:  defines(Defined{SegmentID: "VIPs", Name: "VIPs"}),
		Error: domain.ErrValidation, Fields: []string{"/segment_id", "/kind"},
	}, {
		Name:  "an unknown kind",
		When:  defines(with(vips, func(d *Defined) { d.Kind = "cluster" })),
		Error: domain.ErrValidation, Fields: []string{"/kind"},
	}, {
		Name:  "a list with a rule",
		When:  defines(with(vips, func(d *Defined) { d.Kind = Static })),
		Error: domain.ErrValidation, Fields: []string{"/rule"},
	}, {
		Name:  "one too many",
		When:  Define{Definition: definition(vips, among(MaxSegments)), SegmentID: "vips", Kind: Dynamic},
		Error: ErrTooMany,
	}, {
		Name: "one less than too many",
		When: Define{Definition: definition(vips, among(MaxSegments).With(Archived{SegmentID: "s0001"}, uuid.Nil, 0)), SegmentID: "vips", Kind: Dynamic},
		Then: []Event{vips},
	}}
	for _, id := range []string{"", "1st", "-a", "a_b", "a b", "ä", "Vips", strings.Repeat("a", 65), "shipped", "language"} {
		tables = append(tables, scenario{
			Name: fmt.Sprintf("the id %q", id), When: defines(with(guests, func(d *Defined) { d.SegmentID = id })),
			Error: domain.ErrValidation, Fields: []string{"/segment_id"},
		})
	}
	for _, m := range mistakes {
		tables = append(tables, scenario{Name: m.name, When: defines(with(vips, m.change), past, Archived{SegmentID: "past"}), Error: domain.ErrValidation, Fields: m.fields})
	}
	decides(t, tables)
}

func TestPublish(t *testing.T) {
	past := asking("past")
	tables := []scenario{{
		Name:  "another rule",
		Given: []Event{vips},
		When:  publishes(changed, vips),
		Then:  []Event{changed},
	}, {
		Name:  "another name of a list",
		Given: []Event{guests},
		When:  publishes(VersionPublished{SegmentID: "guests", Name: "Guests of both parties"}, guests),
		Then:  []Event{VersionPublished{SegmentID: "guests", Version: 2, Name: "Guests of both parties"}},
	}, {
		Name:  "what it was once",
		Given: []Event{vips, changed},
		When:  publishes(VersionPublished{SegmentID: "vips", Name: vips.Name, Labels: vips.Labels, Rule: vips.Rule}, vips, changed),
		Then:  []Event{VersionPublished{SegmentID: "vips", Version: 3, Name: vips.Name, Labels: vips.Labels, Rule: vips.Rule}},
	}, {
		Name:  "what it is",
		Given: []Event{vips, changed},
		When:  publishes(changed, vips, changed),
	}, {
		Name:  "what was archived is in use again, as it was",
		Given: []Event{vips, changed, gone},
		When:  publishes(changed, vips, changed, gone),
		Then:  []Event{with(changed, func(e *VersionPublished) { e.Version = 3 })},
	}, {
		Name:  "what was archived, where there are too many",
		Given: []Event{vips, gone},
		When:  Publish{Definition: definition(vips, among(MaxSegments)), SegmentID: "vips"},
		Error: ErrTooMany,
	}, {
		Name:  "what is in use may change where there are as many as there may be",
		Given: []Event{vips},
		When:  Publish{Definition: definition(Defined{Name: changed.Name, Rule: changed.Rule}, among(MaxSegments)), SegmentID: "vips"},
		Then:  []Event{changed},
	}, {
		Name:  "one that nobody defined",
		When:  publishes(changed),
		Error: ErrNotFound,
	}, {
		Name:  "no id",
		When:  publishes(with(changed, func(e *VersionPublished) { e.SegmentID = "" })),
		Error: domain.ErrValidation, Fields: []string{"/segment_id"},
	}, {
		Name:  "a rule of a list",
		Given: []Event{guests},
		When:  publishes(VersionPublished{SegmentID: "guests", Name: "Guests", Rule: vips.Rule}, guests),
		Error: domain.ErrValidation, Fields: []string{"/rule"},
	}, {
		Name:  "a rule that asks for the segment itself",
		Given: []Event{asking("a")},
		When:  publishes(VersionPublished{SegmentID: "a", Name: "A", Rule: `in_segment("a")`}, asking("a")),
		Error: ErrCycle,
	}, {
		Name:  "a cycle of two",
		Given: []Event{asking("a")},
		When:  publishes(VersionPublished{SegmentID: "a", Name: "A", Rule: `in_segment("b")`}, asking("a"), asking("b", "a")),
		Error: ErrCycle,
	}, {
		Name:  "a cycle of three",
		Given: []Event{asking("a")},
		When:  publishes(VersionPublished{SegmentID: "a", Name: "A", Rule: `in_segment("x") || in_segment("c")`}, asking("a"), asking("b", "a"), asking("c", "b"), asking("x")),
		Error: ErrCycle,
	}, {
		Name:  "two that ask for the same are no cycle",
		Given: []Event{asking("a")},
		When:  publishes(VersionPublished{SegmentID: "a", Name: "A", Rule: `in_segment("b") || in_segment("c")`}, asking("a"), asking("b", "x"), asking("c", "b", "x"), asking("x")),
		Then:  []Event{VersionPublished{SegmentID: "a", Version: 2, Name: "A", Rule: `in_segment("b") || in_segment("c")`, Asks: []string{"b", "c"}}},
	}}
	for _, m := range mistakes {
		d := with(vips, m.change)
		tables = append(tables, scenario{
			Name: m.name, Given: []Event{vips},
			When:  publishes(VersionPublished{SegmentID: "vips", Name: d.Name, Description: d.Description, Labels: d.Labels, Rule: d.Rule}, vips, past, Archived{SegmentID: "past"}),
			Error: domain.ErrValidation, Fields: m.fields,
		})
	}
	decides(t, tables)
}

// A refusal says what to do about it.
func TestWhyADefinitionIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		when domain.Command[State, Event]
		want string
	}{
		"a place": {defines(with(vips, func(d *Defined) { d.Rule = "kind == \"person\" &&\n  shoe_size > 40" })),
			`/rule: line 2, column 3: "shoe_size" is not `},
		"a segment": {defines(asking("a", "nobody")), `/rule: there is no segment "nobody"; GET /v1/segments lists them`},
		"an event": {defines(Defined{SegmentID: "a", Kind: Dynamic, Name: "A", Rule: `events("customer.sneezed").count() > 0`}),
			`/rule: there is no type of event "customer.sneezed"; GET /v1/segments/language lists them`},
		"a clustering": {defines(Defined{SegmentID: "a", Kind: Dynamic, Name: "A", Rule: `cluster("shoes") == 1`}), `/rule: there is no clustering "shoes"; fit one first`},
		"itself":       {defines(asking("a", "a")), `the rule of "a" asks for "a" itself`},
		"a cycle": {publishes(VersionPublished{SegmentID: "a", Name: "A", Rule: `in_segment("c")`}, asking("a"), asking("b", "a"), asking("c", "b")),
			"the rules would ask for each other: a, c, b, a"},
		"too many": {Define{Definition: definition(vips, among(MaxSegments)), SegmentID: "vips", Kind: Dynamic}, "there are 1000 segments already; archive those that nobody needs"},
	} {
		state := State{}
		if _, defined := c.when.(Publish); defined {
			state = state.Evolve(asking("a"))
		}
		_, err := c.when.Decide(state)
		if refusal := (*domain.Error)(nil); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Detail, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestArchive(t *testing.T) {
	archives := func(id string, others ...Event) Archive {
		c := Archive{SegmentID: id}
		c.SetSegments(together(others...))
		return c
	}
	decides(t, []scenario{{
		Name:  "nobody needs it",
		Given: []Event{vips},
		When:  archives("vips", vips, asking("a"), asking("b", "a")),
		Then:  []Event{gone},
	}, {
		Name:  "it was so already",
		Given: []Event{vips, gone},
		When:  archives("vips", vips, gone),
	}, {
		Name:  "again, after it was in use again",
		Given: []Event{vips, gone, changed},
		When:  archives("vips", vips, gone, changed),
		Then:  []Event{gone},
	}, {
		Name:  "another asks for it",
		Given: []Event{asking("a")},
		When:  archives("a", asking("a"), asking("b", "a")),
		Error: ErrInUse,
	}, {
		Name:  "one that is archived asked for it",
		Given: []Event{asking("a")},
		When:  archives("a", asking("a"), asking("b", "a"), Archived{SegmentID: "b"}),
		Then:  []Event{Archived{SegmentID: "a"}},
	}, {
		Name:  "one asked for it and does not any more",
		Given: []Event{asking("a")},
		When:  archives("a", asking("a"), asking("b", "a"), VersionPublished{SegmentID: "b", Version: 2, Name: "b", Rule: `kind == "person"`}),
		Then:  []Event{Archived{SegmentID: "a"}},
	}, {
		Name:  "one that nobody defined",
		When:  archives("vips"),
		Error: ErrNotFound,
	}, {
		Name:  "no id",
		When:  archives(""),
		Error: domain.ErrValidation, Fields: []string{"/segment_id"},
	}})
	_, err := archives("a", asking("a"), asking("b", "a"), asking("c", "a")).Decide(State{}.Evolve(asking("a")))
	if want := `segment_in_use: the rules of other segments ask for "a": b, c; archive them first, or publish rules that do not`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestFreeze(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	closed := domain.NewDate(2026, time.February, 28)
	audience := Audience{Version: 1, Position: 4711, AsOf: &closed, Count: 3, Digest: "ab12"}
	one := uuid.UUID{1}
	frozen := AudienceFrozen{AudienceID: one, SegmentID: "vips", Version: 1, Position: 4711, AsOf: &closed, Count: 3, Digest: "ab12", FrozenAt: now}
	freezes := func(change ...func(*Freeze)) Freeze {
		c := Freeze{Subject: domain.Subject{Now: now}, SegmentID: "vips", AudienceID: one, Audience: audience}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	refused := ErrFilling.With("the read models are not there yet")
	decides(t, []scenario{{
		Name:  "who belongs to it now",
		Given: []Event{vips},
		When:  freezes(),
		Then:  []Event{frozen},
	}, {
		Name:  "of a list, before the first closed day",
		Given: []Event{with(guests, func(d *Defined) { d.SegmentID = "vips" })},
		When:  freezes(func(c *Freeze) { c.Audience.AsOf = nil }),
		Then:  []Event{with(frozen, func(e *AudienceFrozen) { e.AsOf = nil })},
	}, {
		Name:  "another audience of the same members",
		Given: []Event{vips, frozen},
		When:  freezes(func(c *Freeze) { c.AudienceID = uuid.UUID{2} }),
		Then:  []Event{with(frozen, func(e *AudienceFrozen) { e.AudienceID = uuid.UUID{2} })},
	}, {
		Name:  "the same audience again, whoever belongs to it meanwhile",
		Given: []Event{vips, frozen, changed, gone},
		When:  freezes(func(c *Freeze) { c.Audience, c.Refusal = Audience{Version: 2, Count: 9}, refused }),
	}, {
		Name:  "one that nobody defined",
		When:  freezes(func(c *Freeze) { c.Refusal = refused }),
		Error: ErrNotFound,
	}, {
		Name:  "an archived one",
		Given: []Event{vips, gone},
		When:  freezes(),
		Error: ErrArchived,
	}, {
		Name:  "who belongs to it is not known",
		Given: []Event{vips},
		When:  freezes(func(c *Freeze) { c.Refusal = refused }),
		Error: ErrFilling,
	}, {
		Name:  "a version was published meanwhile",
		Given: []Event{vips, changed},
		When:  freezes(),
		Error: ErrFilling,
	}, {
		Name:  "an id that cannot be one",
		When:  freezes(func(c *Freeze) { c.SegmentID = "VIPs" }),
		Error: domain.ErrValidation, Fields: []string{"/segment_id"},
	}})
}

// What events make of a segment, and that a state is not changed by a later one.
func TestState(t *testing.T) {
	frozen := AudienceFrozen{AudienceID: uuid.UUID{1}, SegmentID: "vips", Version: 1}
	first := State{}.Evolve(vips)
	second := first.Evolve(frozen)
	last := second.Evolve(changed).Evolve(with(frozen, func(e *AudienceFrozen) { e.AudienceID = uuid.UUID{2} })).Evolve(gone)
	if first.Version != 1 || first.Kind != Dynamic || len(first.Audiences) != 0 || len(second.Audiences) != 1 {
		t.Errorf("%+v\n%+v", first, second)
	}
	want := Segment{ID: "vips", Kind: Dynamic, Version: 2, Name: "VIPs", Rule: changed.Rule, Archived: true}
	if diff := cmp.Diff(want, last.Segment); diff != "" || len(last.Audiences) != 2 {
		t.Errorf("%s %v", diff, last.Audiences)
	}
}
