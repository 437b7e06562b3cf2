package profile

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
)

// places returns the keys of a document in the indexes of what it is.
func places(d *Document) map[string][]string {
	found := map[string][]string{}
	for _, p := range particulars(nil, d) {
		found[p.Index] = append(found[p.Index], p.Key)
	}
	for _, keys := range found {
		slices.Sort(keys)
	}
	return found
}

func TestACustomerIsFoundByWhatItIs(t *testing.T) {
	company := registered
	company.Kind = customer.Organisation
	d, _ := New().Of(events(company,
		customer.TagAdded{Tag: "VIP"}, customer.TagAdded{Tag: "Büro"}, customer.TagAdded{Tag: "old"}, customer.TagRemoved{Tag: "old"},
		customer.AttributeSet{Key: "height", Type: attribute.Number, Value: "1.8"},
		customer.AttributeSet{Key: "passport", Type: attribute.Text, PersonalValue: `C"01`},
		customer.AttributeSet{Key: "story", Type: attribute.Text, Value: "a\nb" + strings.Repeat("ä", 900)},
		customer.AttributeSet{Key: "gone", Type: attribute.Boolean, Value: "true"}, customer.AttributeCleared{Key: "gone"},
	)...)
	if diff := cmp.Diff(map[string][]string{
		IndexKind:      {"organisation"},
		IndexTag:       {"büro", "vip"},
		IndexAttribute: {"height=1.8", `passport=C"01`, "story=a\nb" + strings.Repeat("ä", maxKey-3)},
	}, places(&d)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		key, text string
		want      bool
	}{
		{"height", "1.8", true}, {"height", "1.80", true}, {"height", "18e-1", true}, {"height", "1.81", false}, {"height", "", false},
		{"passport", `C"01`, true}, {"passport", `c"01`, false}, {"story", "a\nb", false}, {"gone", "true", false}, {"none", "1", false},
	} {
		if d.HasAttribute(c.key, c.text) != c.want {
			t.Errorf("%s=%s: %v", c.key, c.text, !c.want)
		}
	}
	text, _ := New().Of(events(registered, customer.AttributeSet{Key: "code", Type: attribute.Text, Value: "1.8"})...)
	if text.HasAttribute("code", "1.80") || !text.HasAttribute("code", "1.8") {
		t.Error("a text is compared as a number")
	}
	person, _ := New().Of(events(registered)...)
	if found := places(&person); len(found) != 0 {
		t.Errorf("%v", found)
	}
	erased, _ := New().Of(events(company, customer.TagAdded{Tag: "VIP"}, customer.AttributeSet{Key: "height", Type: attribute.Number, Value: "1.8"},
		customer.PersonalDataErased{ErasedAt: registered.RegisteredAt})...)
	if diff := cmp.Diff(map[string][]string{IndexKind: {"organisation"}}, places(&erased)); diff != "" {
		t.Error(diff)
	}
}

// The document is stored by goccy/go-json and must be what encoding/json makes of it.
func TestTheProfileIsStoredAsItIs(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	score := 70
	es := events(registered,
		customer.ProfileUpdated{Changes: []customer.Change{{Field: "organisation.size", Became: "small"}, {Field: "name.title", Became: "Dr."}}},
		customer.DemographicsUpdated{Changes: []customer.Change{{Field: "demographics.birth_date", Became: "1984-02-29"}}, At: at},
		customer.PsychographicsUpdated{
			Lists:       []customer.ListChange{{Field: "psychographics.interests", Became: []string{"<tea>", "sailing"}}},
			Preferences: []customer.Change{{Field: "milk", Became: "none"}, {Field: "colour", Became: "blue & red"}}, At: at,
		},
		customer.MarketAttitudeRecorded{Scores: customer.MarketScores{PriceSensitivity: &score}, Method: "survey", ObservedAt: at},
		customer.TagAdded{Tag: "VIP", At: at},
		customer.Classified{Type: "business", Basis: "says so", At: at},
		customer.AttributeSet{Key: "height", Type: attribute.Number, Value: "123456789012345678901234567.25"},
		customer.AttributeSet{Key: "big", Type: attribute.Integer, Value: "9007199254740993"},
		customer.AttributeSet{Key: "member", Type: attribute.Boolean, Value: "false"},
		customer.AttributeSet{Key: "a_text", Type: attribute.Text, Value: "<a> & \"b\"\u2028"},
	)
	for i := range es {
		es[i].ID = uuid.UUID{15: byte(i)}
	}
	d, _ := New().Of(es...)
	want, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := goccy.Marshal(&d)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n%s\n%s", err, got, want)
	}
	for _, decode := range []func([]byte, any) error{json.Unmarshal, goccy.Unmarshal} {
		var back Document
		if err := decode(got, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, back); diff != "" {
			t.Error(diff)
		}
	}
	for _, part := range []string{
		`"attributes":{"a_text":"\u003ca\u003e \u0026 \"b\"\u2028","big":9007199254740993,"height":123456789012345678901234567.25,"member":false}`,
		`"organisation":{"size":"small"}`, `"demographics":{"birth_date":"1984-02-29"}`, `"tags":["VIP"]`,
		`"psychographics":{"interests":["\u003ctea\u003e","sailing"],"preferences":{"colour":"blue \u0026 red","milk":"none"}}`,
		`"market_attitude":{"price_sensitivity":70,"method":"survey","observed_at":"2026-03-01T12:00:00Z","event_id":"00000000-0000-0000-0000-000000000004"}`,
		`"classification":{"type":"business","basis":"says so","at":"2026-03-01T12:00:00Z","event_id":"00000000-0000-0000-0000-000000000006"}`,
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	plain, _ := New().Of(events(registered)...)
	if text, err := goccy.Marshal(&plain); err != nil || strings.Contains(string(text), "demographics") || strings.Contains(string(text), "attributes") || strings.Contains(string(text), "market_attitude") {
		t.Errorf("what is not known stands there: %s, %v", text, err)
	}
}
