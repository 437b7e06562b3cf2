package readapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
	"pgregory.net/rapid"
)

// crowd is a shop whose customers carry tags and attributes.
func crowd(t testing.TB, people int) *shop {
	s := newShop(t)
	for n := range people {
		c := someone(uint64(n))
		s.register(c, customer.Name{Given: []string{"Ann", "Bo", "Zoë"}[n%3]}, []string{"web", "shop"}[n%2])
		if n%4 == 0 {
			company := someone(uint64(1000 + n))
			s.customer(company, customer.Registered{Kind: customer.Organisation, Name: customer.Name{Organisation: fmt.Sprint("Tea ", n)}, Source: customer.Source{Channel: "fair"}, RegisteredAt: s.clock})
			s.customer(company, customer.TagAdded{Tag: "B2B", At: s.clock})
		}
		if n%2 == 0 {
			s.customer(c, customer.TagAdded{Tag: "VIP", At: s.clock})
		}
		if n%3 == 0 {
			s.customer(c, customer.TagAdded{Tag: "Büro", At: s.clock})
		}
		if n%6 == 0 {
			s.customer(c, customer.TagRemoved{Tag: "VIP", At: s.clock})
		}
		s.customer(c, customer.AttributeSet{Key: "height", Type: attribute.Number, Value: []string{"1.5", "1.8"}[n%2], At: s.clock})
		if n%5 == 0 {
			s.customer(c, customer.AttributeSet{Key: "note", Type: attribute.Text, PersonalValue: strings.Repeat("x", 100) + fmt.Sprint(n%2), At: s.clock})
		}
	}
	s.project()
	return s
}

// Whatever is asked for of what customers are: the list has those who are so, once.
func TestCustomersAreFoundByWhatTheyAre(t *testing.T) {
	s := crowd(t, 40)
	everybody := pages(nil, s, "/v1/customers", url.Values{}, 500)
	if len(everybody) != 50 {
		t.Fatalf("%d customers", len(everybody))
	}
	rapid.Check(t, func(t *rapid.T) {
		q := url.Values{}
		var keep []func(readapi.Customer) bool
		draw := func(name string, values ...string) (string, bool) {
			if !rapid.Bool().Draw(t, name+"?") {
				return "", false
			}
			v := rapid.SampledFrom(values).Draw(t, name)
			q.Set(name, v)
			return v, true
		}
		if v, ok := draw("tag", "VIP", "vip", "büro", "BÜRO", "b2b", "nobody"); ok {
			keep = append(keep, func(c readapi.Customer) bool {
				return slices.ContainsFunc(c.Tags, func(tag string) bool { return strings.EqualFold(tag, v) })
			})
		}
		if v, ok := draw("kind", "person", "organisation"); ok {
			keep = append(keep, func(c readapi.Customer) bool { return c.Kind == v })
		}
		long := strings.Repeat("x", 100)
		if v, ok := draw("attribute", "height:1.5", "height:1.50", "height:18e-1", "height:2", "note:"+long+"0", "note:"+long+"1", "note:"+long, "none:1"); ok {
			key, text, _ := strings.Cut(v, ":")
			if number, ok := map[string]string{"1.50": "1.5", "18e-1": "1.8"}[text]; ok {
				text = number
			}
			keep = append(keep, func(c readapi.Customer) bool { have, ok := c.Attributes[key]; return ok && have.Text() == text })
		}
		draw("sort", "registered_at", "-registered_at", "name")
		draw("source", "web", "shop", "fair")
		if v := q.Get("source"); v != "" {
			keep = append(keep, func(c readapi.Customer) bool { return c.Source.Channel == v })
		}
		var want []uuid.UUID
		for _, c := range everybody {
			if !slices.ContainsFunc(keep, func(f func(readapi.Customer) bool) bool { return !f(c) }) {
				want = append(want, c.CustomerID)
			}
		}
		got := ids(pages(t, s, "/v1/customers", q, rapid.IntRange(1, 30).Draw(t, "limit")))
		byID := func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", q.Encode(), got, want)
		}
	})
}

func TestAWrongParticularIsNamed(t *testing.T) {
	s := crowd(t, 1)
	for _, query := range []string{"kind=robot", "attribute=height", "attribute=:1", "attribute=height:", "attribute=a:1&attribute=b:2", "tag=a&tag=b"} {
		a := s.get("/v1/customers?" + query).status(400)
		name, _, _ := strings.Cut(query, "=")
		if p := a.problem(); p.Code != "parameter_invalid" || p.Errors[0].Pointer != "/"+name {
			t.Errorf("%s: %+v", query, p)
		}
	}
	// What could be meant is listed, and advice that a query cannot follow is not given.
	for query, want := range map[string]string{
		"kind=robot":       `kind "robot" is not one of person, organisation`,
		"phone=030+901820": "phone is not a phone number with its country code, such as +49 30 901820",
	} {
		if p := s.get("/v1/customers?" + query).status(400).problem(); p.Detail != want {
			t.Errorf("%s: %s", query, p.Detail)
		}
	}
}

// What commands recorded is what the customer shows, typed, now and in a replay.
func TestTheProfileIsShownInFull(t *testing.T) {
	s := newShop(t)
	c, score := someone(1), 70
	s.register(c, customer.Name{Given: "Ann"}, "web")
	attitude := s.customer(c, customer.MarketAttitudeRecorded{Scores: customer.MarketScores{PriceSensitivity: &score}, Method: "model", ModelVersion: "7", ObservedAt: s.clock})
	classified := s.customer(c, customer.Classified{Type: "business", Basis: "an office", At: s.clock})
	s.customer(c, customer.ProfileUpdated{Fields: []string{"name.title", "organisation.size"}, Changes: []customer.Change{{Field: "name.title", Became: "Dr."}, {Field: "organisation.size", Became: "small"}}})
	s.customer(c, customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: "1984-02-29"}}, At: s.clock})
	s.customer(c, customer.PsychographicsUpdated{Fields: []string{"psychographics.interests"}, Lists: []customer.ListChange{{Field: "psychographics.interests", Became: []string{"tea"}}}, At: s.clock})
	s.customer(c, customer.TagAdded{Tag: "VIP", At: s.clock})
	for _, e := range []customer.AttributeSet{
		{Key: "height", Type: attribute.Number, Value: "1.8"}, {Key: "seats", Type: attribute.Integer, PersonalValue: "9007199254740993"},
		{Key: "member", Type: attribute.Boolean, Value: "true"}, {Key: "since", Type: attribute.Date, Value: "2020-02-29"},
	} {
		e.At = s.clock
		s.customer(c, e, func(m *eventschema.Meta) { m.Policies = []eventschema.PolicyRef{{Kind: "schema", Version: 4}} })
	}
	s.project()
	var got struct {
		Demographics   map[string]any             `json:"demographics"`
		Psychographics map[string]any             `json:"psychographics"`
		Organisation   map[string]any             `json:"organisation"`
		Name           map[string]any             `json:"name"`
		Tags           []string                   `json:"tags"`
		Attributes     map[string]attribute.Value `json:"attributes"`
		MarketAttitude map[string]any             `json:"market_attitude"`
		Classification map[string]any             `json:"classification"`
	}
	want := got
	want.Name = map[string]any{"title": "Dr.", "given": "Ann"}
	want.Organisation = map[string]any{"size": "small"}
	want.Demographics = map[string]any{"birth_date": "1984-02-29"}
	want.Psychographics = map[string]any{"interests": []any{"tea"}}
	want.Tags = []string{"VIP"}
	want.Attributes = map[string]attribute.Value{"height": "1.8", "seats": "9007199254740993", "member": "true", "since": `"2020-02-29"`}
	path := "/v1/customers/" + c.String()
	s.get(path).status(200).json(&got)
	if got.MarketAttitude["event_id"] != attitude.ID.String() || got.MarketAttitude["price_sensitivity"] != 70.0 || got.MarketAttitude["model_version"] != "7" {
		t.Errorf("%v", got.MarketAttitude)
	}
	if got.Classification["event_id"] != classified.ID.String() || got.Classification["type"] != "business" || got.Classification["basis"] != "an office" {
		t.Errorf("%v", got.Classification)
	}
	got.MarketAttitude, got.Classification = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.get(path + "/replay?limit=500").status(200)
	s.get(path + "/history?limit=500").status(200)
	s.get(path + "?revision=9").status(200)
}

// The clock stands still for all of them: each entry says what was and what became.
func TestAHundredChangesInOneSecondAreAHundredEntries(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.register(c, customer.Name{Given: "given 0"}, "web")
	moment := s.clock.Add(1000 * time.Hour)
	still := func(m *eventschema.Meta) { m.OccurredAt, m.RecordedAt = moment, moment }
	type change struct {
		Field       string
		Was, Became any
	}
	var want [][]change
	was := map[string]string{"name.given": "given 0"}
	for n := range 100 {
		field := []string{"name.given", "demographics.city"}[n%2]
		became := fmt.Sprint(field, n)
		changes := []customer.Change{{Field: field, Was: was[field], Became: became}}
		if n%2 == 0 {
			s.customer(c, customer.ProfileUpdated{Fields: []string{field}, Changes: changes}, still)
		} else {
			s.customer(c, customer.DemographicsUpdated{Fields: []string{field}, Changes: changes, At: moment}, still)
		}
		shown := change{field, nil, became}
		if was[field] != "" {
			shown.Was = was[field]
		}
		want = append(want, []change{shown})
		was[field] = became
	}
	s.project()
	var page struct {
		Events []struct {
			Type    string
			Changes []change
		}
	}
	s.get("/v1/customers/" + c.String() + "/history?limit=500&type=customer.profile_updated,customer.demographics_updated").status(200).json(&page)
	var got [][]change
	for _, e := range page.Events {
		got = append(got, e.Changes)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
