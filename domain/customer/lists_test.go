package customer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/world"
)

func TestListsOfSegments(t *testing.T) {
	w := new(world.World)
	for _, e := range []segment.Event{
		segment.Defined{SegmentID: "guests", Kind: segment.Static, Name: "Guests"},
		segment.Defined{SegmentID: "past", Kind: segment.Static, Name: "Past guests"}, segment.Archived{SegmentID: "past"},
		segment.Defined{SegmentID: "vips", Kind: segment.Dynamic, Name: "VIPs", Rule: `"vip" in tags`},
	} {
		w = w.With(uuid.Nil, e)
	}
	knows := world.Known{World: w}
	add := func(id string) AddToSegment { return AddToSegment{Subject: at, Known: knows, SegmentID: id} }
	remove := func(id string) RemoveFromSegment {
		return RemoveFromSegment{Subject: at, Known: knows, SegmentID: id}
	}
	added, removed := AddedToSegment{"guests", placed}, RemovedFromSegment{"guests", paid}
	specs := []spec{
		{Name: "on the list", Given: []Event{registered}, When: add("guests"), Then: []Event{AddedToSegment{"guests", noon}}},
		{Name: "on it already", Given: []Event{registered, added}, When: add("guests")},
		{Name: "on it again", Given: []Event{registered, added, removed}, When: add("guests"), Then: []Event{AddedToSegment{"guests", noon}}},
		{Name: "on another", Given: []Event{registered, AddedToSegment{"others", placed}}, When: add("guests"), Then: []Event{AddedToSegment{"guests", noon}}},
		{Name: "off the list", Given: []Event{registered, added}, When: remove("guests"), Then: []Event{RemovedFromSegment{"guests", noon}}},
		{Name: "not on it", Given: []Event{registered}, When: remove("guests")},
		{Name: "off it already", Given: []Event{registered, added, removed}, When: remove("guests")},
		{Name: "on an archived list", Given: []Event{registered}, When: add("past"), Error: segment.ErrArchived},
		{Name: "on an archived list already", Given: []Event{registered, AddedToSegment{"past", placed}}, When: add("past")},
		{Name: "off an archived list", Given: []Event{registered, AddedToSegment{"past", placed}}, When: remove("past"), Then: []Event{RemovedFromSegment{"past", noon}}},
		{Name: "erased", Given: []Event{registered, added, PersonalDataErased{}}, When: add("guests"), Error: ErrErased},
		{Name: "restricted", Given: []Event{registered, added, ProcessingRestricted{}}, When: remove("guests"), Error: ErrRestricted},
	}
	for name, command := range map[string]func(string) domain.Command[State, Event]{
		"add":    func(id string) domain.Command[State, Event] { return add(id) },
		"remove": func(id string) domain.Command[State, Event] { return remove(id) },
	} {
		specs = append(specs,
			spec{Name: name + ": nobody is there", When: command("guests"), Error: ErrNotFound},
			spec{Name: name + ": no such segment", Given: []Event{registered}, When: command("nobody"), Error: segment.ErrNotFound},
			spec{Name: name + ": a rule decides", Given: []Event{registered}, When: command("vips"), Error: segment.ErrNotList},
		)
		for _, id := range []string{"", "Guests", "1st", strings.Repeat("a", 65)} {
			specs = append(specs, spec{Name: name + ": the id " + id, Given: []Event{registered}, When: command(id), Error: domain.ErrValidation, Fields: []string{"/segment_id"}})
		}
	}
	specs = append(specs, spec{
		Name: "a world of which nothing is known", Given: []Event{registered}, When: AddToSegment{Subject: at, SegmentID: "guests"}, Error: segment.ErrNotFound,
	})
	run(t, specs)

	var l Lists
	for _, e := range []Event{AddedToSegment{"c", placed}, AddedToSegment{"a", placed}, AddedToSegment{"b", placed}, AddedToSegment{"a", placed}, RemovedFromSegment{"b", paid}, RemovedFromSegment{"x", paid}} {
		l.Fold(Record{Event: e})
	}
	if diff := cmp.Diff([]string{"a", "c"}, l.On); diff != "" || !l.Has("c") || l.Has("b") {
		t.Error(diff)
	}
	if l.Fold(Record{Event: PersonalDataErased{}}); l.On != nil {
		t.Errorf("after the erasure: %v", l.On)
	}
}
