package customer_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/world"
)

// naiveProfile is a profile as a map from paths to what is there, as JSON says it.
type naiveProfile map[string]any

// flat makes a naive profile of a real one.
func flat(t *rapid.T, p Profile) naiveProfile {
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	out := naiveProfile{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, v := range m {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
			return
		}
		out[path] = v
	}
	walk("", tree)
	return out
}

func (n naiveProfile) put(path string, v any, empty bool) {
	if empty {
		delete(n, path)
	} else {
		n[path] = v
	}
}

// profileStep draws a command and returns what it does to a naive profile. What is
// drawn is always right, so that nothing is refused.
func profileStep(t *rapid.T, of domain.Subject, schema world.Known) (domain.Command[State, Event], func(naiveProfile)) {
	maybe := func(name string, values ...string) *string {
		return rapid.Ptr(rapid.SampledFrom(append(values, "")), true).Draw(t, name)
	}
	fields := map[string]*string{}
	field := func(path string, values ...string) *string {
		v := maybe(path, values...)
		fields[path] = v
		return v
	}
	put := func(n naiveProfile) {
		for path, v := range fields {
			if v != nil {
				n.put(path, *v, *v == "")
			}
		}
	}
	switch rapid.IntRange(0, 8).Draw(t, "command") {
	case 0:
		c := UpdateProfile{Subject: of, Locale: field("locale", "en", "de"), Currency: field("currency", "EUR", "USD"), TimeZone: field("time_zone", "Europe/Berlin")}
		if rapid.Bool().Draw(t, "name?") {
			c.Name = &NamePatch{Given: field("name.given", "Ada", "Zoë"), Family: field("name.family", "Berg"), Title: field("name.title", "Dr.")}
		}
		if rapid.Bool().Draw(t, "organisation?") {
			c.Organisation = &OrganisationPatch{Industry: field("organisation.industry", "tea"), Size: field("organisation.size", OrganisationSizes...)}
		}
		return c, put
	case 1:
		return UpdateDemographics{Subject: of, DemographicsPatch: DemographicsPatch{
			BirthDate: field("demographics.birth_date", "1984-02-29", "2026-03-01"), Gender: field("demographics.gender", Genders...),
			City: field("demographics.city", "Cork", "Dublin"), Country: field("demographics.country", "IE", "DE"),
		}}, put
	case 2:
		c := UpdatePsychographics{Subject: of}
		lists := map[string]*[]string{}
		for name, place := range map[string]**[]string{"interests": &c.Interests, "lifestyle": &c.Lifestyle, "values": &c.Values} {
			if rapid.Bool().Draw(t, name+"?") {
				list := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(t, name)
				*place, lists["psychographics."+name] = &list, &list
			}
		}
		c.Preferences = rapid.MapOfN(rapid.SampledFrom([]string{"milk", "colour"}), rapid.SampledFrom([]string{"", "x", "y"}), 0, 2).Draw(t, "preferences")
		return c, func(n naiveProfile) {
			for path, list := range lists {
				n.put(path, anything(*list), len(*list) == 0)
			}
			for name, v := range c.Preferences {
				n.put("psychographics.preferences."+name, v, v == "")
			}
		}
	case 3:
		c := RecordMarketAttitude{Subject: of, Method: "survey"}
		at := placed.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "minutes")) * time.Minute)
		c.ObservedAt, c.PriceSensitivity, c.Dependency = &at, ptr(rapid.IntRange(0, 100).Draw(t, "price")), rapid.Ptr(rapid.IntRange(0, 100), true).Draw(t, "dependency")
		return c, func(n naiveProfile) {
			if last, ok := n["market_attitude.observed_at"].(string); ok && at.Format(time.RFC3339) < last {
				return
			}
			maps.DeleteFunc(n, func(path string, _ any) bool { return strings.HasPrefix(path, "market_attitude.") })
			n["market_attitude.method"], n["market_attitude.observed_at"] = "survey", at.Format(time.RFC3339)
			n["market_attitude.price_sensitivity"] = json.Number(fmt.Sprint(*c.PriceSensitivity))
			if c.Dependency != nil {
				n["market_attitude.dependency"] = json.Number(fmt.Sprint(*c.Dependency))
			}
		}
	case 4, 5:
		tag := rapid.SampledFrom([]string{"vip", "tea", "büro", "a b"}).Draw(t, "tag")
		tags := func(n naiveProfile, add bool) {
			have, _ := n["tags"].([]any)
			have = slices.DeleteFunc(slices.Clone(have), func(v any) bool { return v == tag })
			if add {
				have = append(have, tag)
			}
			slices.SortFunc(have, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			n.put("tags", have, len(have) == 0)
		}
		if rapid.Bool().Draw(t, "add?") {
			return AddTag{Subject: of, Tag: tag}, func(n naiveProfile) { tags(n, true) }
		}
		return RemoveTag{Subject: of, Tag: tag}, func(n naiveProfile) { tags(n, false) }
	case 6:
		c := Classify{Subject: of, Type: rapid.SampledFrom(CustomerTypes).Draw(t, "type"), Basis: rapid.SampledFrom([]string{"", "why"}).Draw(t, "basis")}
		return c, func(n naiveProfile) {
			n["classification.type"], n["classification.at"] = c.Type, noon.Format(time.RFC3339)
			n.put("classification.basis", c.Basis, c.Basis == "")
		}
	case 7:
		key := rapid.SampledFrom([]string{"shoe_size", "passport"}).Draw(t, "key")
		return ClearAttribute{Subject: of, Known: schema, Key: key}, func(n naiveProfile) { delete(n, "attributes."+key) }
	}
	if rapid.Bool().Draw(t, "number?") {
		number := rapid.SampledFrom([]string{"1.5", "0.1", "123456789012345678901234567.25"}).Draw(t, "value")
		return SetAttribute{Subject: of, Known: schema, Key: "shoe_size", Value: attribute.Value(number)}, func(n naiveProfile) { n["attributes.shoe_size"] = json.Number(number) }
	}
	word := rapid.SampledFrom([]string{"C01X", `<"&">`}).Draw(t, "value")
	return SetAttribute{Subject: of, Known: schema, Key: "passport", Value: attribute.Of(attribute.Text, word)}, func(n naiveProfile) { n["attributes.passport"] = word }
}

func anything(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// withoutKey is an event as it is read after its key was destroyed.
func withoutKey(e Event) Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("personal") == "true" {
			v.Field(i).SetZero()
		}
	}
	return v.Interface().(Event)
}

// To fold what commands decide is to apply their patches one after another; what
// was and became is what was and became; and after an erasure nothing tells
// whether the events had their personal data or not.
func TestFoldingIsApplyingPatches(t *testing.T) {
	schema := schemaOf(shoe, passport)
	rapid.Check(t, func(t *rapid.T) {
		s, blind, model := State{}.Evolve(registered), State{}.Evolve(withoutKey(registered)), flat(t, State{}.Evolve(registered).Profile)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			cmd, apply := profileStep(t, at, schema)
			before := maps.Clone(model)
			apply(model)
			events, err := domain.Decide(s, cmd)
			if err != nil {
				t.Fatalf("%+v: %v", cmd, err)
			}
			var changes []Change
			for _, e := range events {
				switch e := e.(type) {
				case ProfileUpdated:
					changes = append(changes, e.Changes...)
				case DemographicsUpdated:
					changes = append(changes, e.Changes...)
				}
				s, blind = s.Evolve(e), blind.Evolve(withoutKey(e))
			}
			for _, c := range changes {
				was, _ := before[c.Field].(string)
				became, _ := model[c.Field].(string)
				if was != c.Was || became != c.Became || was == became {
					t.Fatalf("%+v, but it was %q and became %q", c, was, became)
				}
			}
			if diff := cmp.Diff(model, flat(t, s.Profile)); diff != "" {
				t.Fatalf("after %+v (-patches +fold):\n%s", cmd, diff)
			}
			_, isAttitude := cmd.(RecordMarketAttitude) // an observation that came late is recorded and changes nothing
			if (len(events) == 0) != reflect.DeepEqual(before, model) && !isAttitude && !slices.ContainsFunc(events, func(e Event) bool { _, ok := e.(Classified); return ok }) {
				t.Fatalf("%+v: %d events, and the profile went from %v to %v", cmd, len(events), before, model)
			}
		}
		erased := PersonalDataErased{ErasedAt: noon}
		with, without := s.Evolve(erased).Profile, blind.Evolve(erased).Profile
		a, err := json.Marshal(with)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(without); err != nil || string(a) != string(b) {
			t.Fatalf("with keys %s\nwithout   %s", a, b)
		}
		left := flat(t, with)
		for path := range left {
			if !slices.Contains([]string{"kind", "source.channel", "registered_at", "classification.type", "classification.at"}, path) {
				t.Fatalf("%s is left: %s", path, a)
			}
		}
		if with.Kind != Person || with.Source.Channel != "shop" || !with.RegisteredAt.Equal(placed) {
			t.Fatalf("too little is left: %s", a)
		}
	})
}
