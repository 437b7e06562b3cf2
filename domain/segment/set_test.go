package segment_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	. "github.com/rapport-crm/rapport/domain/segment"
)

func TestSet(t *testing.T) {
	var none *Set
	if _, there := none.Segment("vips"); there || len(none.All()) != 0 || none.With(AudienceFrozen{SegmentID: "vips"}, uuid.Nil, 7) != nil {
		t.Error("no set has segments")
	}
	one := none.With(vips, uuid.UUID{1}, 10)
	two := one.With(guests, uuid.UUID{2}, 20)
	three := two.With(changed, uuid.UUID{3}, 30).With(AudienceFrozen{SegmentID: "vips"}, uuid.UUID{4}, 40)
	four := three.With(gone, uuid.UUID{5}, 50)
	list := Segment{ID: "guests", Kind: Static, Version: 1, Name: guests.Name, Event: uuid.UUID{2}, Position: 20}
	rule := Segment{ID: "vips", Kind: Dynamic, Version: 1, Name: "VIPs", Labels: vips.Labels, Rule: vips.Rule, Event: uuid.UUID{1}, Position: 10}
	next := Segment{ID: "vips", Kind: Dynamic, Version: 2, Name: "VIPs", Rule: changed.Rule, Event: uuid.UUID{3}, Position: 30}
	past := with(next, func(s *Segment) { s.Archived, s.Event, s.Position = true, uuid.UUID{5}, 50 })
	for i, c := range []struct {
		set  *Set
		want []Segment
	}{{one, []Segment{rule}}, {two, []Segment{list, rule}}, {three, []Segment{list, next}}, {four, []Segment{list, past}}} {
		if diff := cmp.Diff(c.want, c.set.All()); diff != "" {
			t.Errorf("set %d: %s", i+1, diff)
		}
	}
	if _, there := four.Segment("visitors"); there {
		t.Error("nobody defined it")
	}
}

func TestPlan(t *testing.T) {
	broken := Defined{SegmentID: "broken", Kind: Dynamic, Name: "Broken", Rule: "shoe_size > 40"}
	for name, c := range map[string]struct {
		events []Event
		order  string
		broken string
		after  map[string]string
	}{
		"nothing": {},
		"those that stand alone, by id": {
			events: []Event{vips, guests, asking("a")},
			order:  "a guests vips",
		},
		"those that others ask for come first": {
			events: []Event{guests, asking("a", "b", "c"), asking("b", "d"), asking("c", "d", "guests"), asking("d")},
			order:  "d b guests c a",
			after:  map[string]string{"d": "a b c", "b": "a", "guests": "a c", "c": "a"},
		},
		"an archived one is in no plan": {
			events: []Event{vips, gone, guests},
			order:  "guests",
		},
		"an archived one that is asked for has nobody": {
			events: []Event{asking("a", "vips"), vips, gone},
			order:  "a",
		},
		"a rule that does not compile does not stop the others": {
			events: []Event{broken, asking("c", "broken"), asking("d", "c")},
			order:  "c d",
			broken: "broken",
			after:  map[string]string{"c": "d"},
		},
		"a segment that is not there": {
			events: []Event{asking("a", "nobody"), asking("b")},
			order:  "b",
			broken: "a",
		},
		"two processes made a cycle of two": {
			events: []Event{asking("a", "b"), asking("b", "a"), asking("c", "a"), asking("d")},
			order:  "a c d",
			broken: "b",
			after:  map[string]string{"a": "c"},
		},
		"two processes made a cycle of three": {
			events: []Event{asking("a", "b"), asking("b", "c"), asking("c", "a"), asking("d", "c")},
			order:  "b a d",
			broken: "c",
			after:  map[string]string{"b": "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, events := range [][]Event{c.events, reversed(c.events)} {
				p := together(events...).Plan(Compile)
				var order []string
				after := map[string]string{}
				for _, s := range p.Order {
					order = append(order, s.ID)
					if p.Planned(s.ID) != s || (s.Rule == nil) != (s.Kind == Static) {
						t.Errorf("%s: %+v", s.ID, s)
					}
					if len(s.After) > 0 {
						after[s.ID] = strings.Join(slices.Sorted(maps.Keys(s.After)), " ")
					}
				}
				if got := strings.Join(order, " "); got != c.order {
					t.Errorf("order %q, want %q", got, c.order)
				}
				if got := strings.Join(slices.Sorted(maps.Keys(p.Broken)), " "); got != c.broken {
					t.Errorf("broken %v, want %q", p.Broken, c.broken)
				}
				if diff := cmp.Diff(c.after, after); diff != "" && len(c.after)+len(after) > 0 {
					t.Errorf("after: %s", diff)
				}
				if p.Planned(c.broken) != nil || p.Planned("nobody") != nil {
					t.Error("it is in the plan")
				}
			}
		})
	}
}

// reversed is events in another order, as long as each segment keeps its own.
func reversed(events []Event) []Event {
	if slices.Contains(events, Event(gone)) {
		return events
	}
	other := slices.Clone(events)
	slices.Reverse(other)
	return other
}

// What is wrong with a broken segment is said in words.
func TestWhyASegmentIsBroken(t *testing.T) {
	p := together(
		asking("a", "b"), asking("b", "c"), asking("c", "a"), asking("x", "nobody"),
		Defined{SegmentID: "y", Kind: Dynamic, Name: "Y", Rule: "shoe_size > 40"},
	).Plan(Compile)
	for id, want := range map[string]string{
		"c": "the rules ask for each other: a, b, c, a",
		"x": `there is no segment "nobody"; GET /v1/segments lists them`,
		"y": `line 1, column 1: "shoe_size" is not `,
	} {
		if !strings.Contains(p.Broken[id], want) {
			t.Errorf("%s: %q, want %q", id, p.Broken[id], want)
		}
	}
}

// A plan asks for the rules by text and types, so that what was compiled before may
// be used again.
func TestAPlanUsesRulesAgain(t *testing.T) {
	typed := Defined{SegmentID: "t", Kind: Dynamic, Name: "T", Rule: `attributes.colour == "red"`, Attributes: Attributes{"colour": "text"}}
	var asked []string
	p := together(typed, guests, vips).Plan(func(text string, a Attributes) (*Rule, error) {
		asked = append(asked, text)
		if text == vips.Rule {
			return nil, errors.New("no")
		}
		return Compile(text, a)
	})
	if diff := cmp.Diff([]string{typed.Rule, vips.Rule}, asked); diff != "" {
		t.Error(diff)
	}
	if !p.Planned("t").Has("attributes") || p.Planned("t").Has("orders") || p.Broken["vips"] != "no" {
		t.Errorf("%+v", p)
	}
}
