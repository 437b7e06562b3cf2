package segments_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// examples is an event of every type that customers have, with every field set.
func examples(t testing.TB) (all []projections.Event, types []*eventschema.Type) {
	t.Helper()
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") {
			continue
		}
		b, err := os.ReadFile(filepath.Join("..", "..", "eventschema", "testdata", typ.Wire()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		data := reflect.New(typ.Go)
		if err := json.Unmarshal(b, data.Interface()); err != nil {
			t.Fatal(err)
		}
		e := projections.Event{
			ID: uuid.UUID{1, 15: byte(len(all))}, Type: typ.Name, Revision: uint64(len(all)), Position: uint64(len(all) + 1), Data: data.Elem().Interface(),
		}
		e.Meta.OccurredAt = time.Date(2026, 3, 1, 12, 0, len(all), 0, time.UTC)
		all, types = append(all, e), append(types, typ)
	}
	return all, types
}

// What the language says of the fields of events is what the view keeps of them.
func TestFieldsOf(t *testing.T) {
	events, types := examples(t)
	for i, e := range events {
		if e.Type == "customer.order_recorded" || e.Type == "customer.personal_data_erased" {
			continue // those stand elsewhere, and nothing is kept
		}
		d := segments.Document{There: true}
		d.Take(e)
		kept := map[string]string{}
		for name, v := range d.Facts[len(d.Facts)-1].Fields {
			switch {
			case v == "true" || v == "false":
				kept[name] = "true or false"
			case strings.HasPrefix(string(v), `"`):
				kept[name] = "text"
			default:
				kept[name] = "whole number"
			}
		}
		said := map[string]string{}
		for _, f := range segments.FieldsOf(e.Type, types[i].Go) {
			said[f.Name] = f.Type
		}
		for name, is := range kept {
			if said[name] != is {
				t.Errorf("%s: %s is said to be %q and is %q", e.Type, name, said[name], is)
			}
		}
	}
}

// A rule says the same of a document that was read as far as the rule needs it, and of
// one that was read whole.
func TestReaderReadsWhatARuleNeeds(t *testing.T) {
	events, _ := examples(t)
	var d segments.Document
	for _, e := range events {
		switch e.Data.(type) {
		case customer.PersonalDataErased, customer.ProcessingRestricted, customer.TagRemoved, customer.AttributeCleared, customer.OrderCancelled,
			customer.ContactPointRemoved, customer.ConsentWithdrawn, customer.CostCancelled:
			continue
		}
		d.Take(e)
	}
	closed := domain.NewDate(2026, 3, 2)
	w := &projections.World{Zone: "UTC", Closed: &closed}
	attributes := segment.Attributes{}
	for key := range d.Profile.Attributes {
		attributes[key] = attribute.Text
	}
	attributes["colour"], attributes["latitude"], attributes["longitude"] = attribute.Text, attribute.Number, attribute.Number
	var rules []string
	language := segment.Language()
	for _, f := range language.Functions {
		rules = append(rules, f.Example)
	}
	for _, m := range language.Members {
		if m.Of == "customer" && !strings.Contains(m.Name, "<") {
			rules = append(rules, "has("+m.Name+")")
		}
	}
	for key := range attributes {
		rules = append(rules, "has(attributes."+key+")")
	}
	rules = append(rules, `events("customer.order_recorded").count() > 0`, `!suppressed`)
	stored, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, text := range rules {
		world := w.Trying(segment.Defined{Kind: segment.Dynamic, Rule: text, Attributes: attributes})
		p := world.Plan().Planned("")
		if p == nil {
			if strings.Contains(text, "in_segment") {
				continue // of segments that there are not here
			}
			t.Fatalf("%s: %v", text, world.Plan().Broken)
		}
		read, err := segments.ReaderFor(p.Uses).Read(stored)
		if err != nil {
			t.Fatal(err)
		}
		whole := d
		read.Stand(world)
		whole.Stand(world)
		m := segment.Moment{On: &closed}
		want, got := p.Rule.Explain(whole.Customer(world), m), p.Rule.Explain(read.Customer(world), m)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if want[0].Is == "true" {
			known++
		}
	}
	if known < len(rules)/3 {
		t.Errorf("only %d of %d rules hold: they show little", known, len(rules))
	}
}
