package commands_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// facts returns the events of a customer's stream from a revision on, and the
// bytes in which they are stored.
func facts(t *testing.T, log *memlog.Log, id uuid.UUID, from uint64) (events []eventschema.Event, stored []byte) {
	t.Helper()
	key := dataKey(t, log, id)
	for raw, err := range log.Read(t.Context(), customer.Stream(id), from) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		events, stored = append(events, e), append(append(stored, raw.Data...), raw.Metadata...)
	}
	return events, stored
}

// The clock stands still: nothing but the order of the log tells the changes apart.
func TestAHundredChangesInOneSecond(t *testing.T) {
	var log memlog.Log
	w, id := writer(&log, new(clock)), uuid.New()
	mustRegister(t, w, id)
	var want []customer.ProfileUpdated
	commanded := map[uuid.UUID]bool{}
	was := map[string]string{"name.given": "Ada"}
	for i := range 100 {
		name := []string{"name.given", "name.family", "locale", "currency", "organisation.industry"}[i%5]
		became := []string{fmt.Sprint("given ", i), fmt.Sprint("family ", i), []string{"en", "de"}[i/5%2], []string{"EUR", "USD"}[i/5%2], fmt.Sprint("industry ", i)}[i%5]
		cmd := customer.UpdateProfile{Subject: w.World.Subject(id)}
		switch name {
		case "name.given":
			cmd.Name = &customer.NamePatch{Given: &became}
		case "name.family":
			cmd.Name = &customer.NamePatch{Family: &became}
		case "locale":
			cmd.Locale = &became
		case "currency":
			cmd.Currency = &became
		default:
			cmd.Organisation = &customer.OrganisationPatch{Industry: &became}
		}
		r := request("update-profile")
		if _, err := commands.Execute(t.Context(), w, r, cmd); err != nil {
			t.Fatal(err)
		}
		commanded[r.Command] = true
		want = append(want, customer.ProfileUpdated{Fields: []string{name}, Changes: []customer.Change{{Field: name, Was: was[name], Became: became}}})
		was[name] = became
	}
	var got []customer.ProfileUpdated
	events, _ := facts(t, &log, id, 0)
	for i, e := range events {
		change, ok := e.Data.(customer.ProfileUpdated)
		if !ok {
			continue
		}
		got = append(got, change)
		if !e.Meta.RecordedAt.Equal(noon) || e.Revision != uint64(i) || e.Meta.Actor.ID != "anna" || !commanded[e.Meta.Command] {
			t.Errorf("change %d: %+v", i, e.Meta)
		}
		delete(commanded, e.Meta.Command)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 100 || len(commanded) != 0 {
		t.Errorf("%d changes, %d commands without one (-want +got):\n%s", len(got), len(commanded), diff)
	}
}

func (s *server) define(t testing.TB, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if a := s.Post("/v1/schema/define-attribute", body); a.Status != 201 {
			t.Fatalf("%s: %d %s", body, a.Status, a.Body)
		}
	}
}

func TestTheProfileOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	id := uuid.MustParse(strings.TrimPrefix(at, "/v1/customers/"))
	_, before := facts(t, s.log, id, 0)
	score := 83
	first := uint64(bytes.Count(before, []byte(`"chain"`)))
	for _, c := range []struct {
		path, body string
		event      any
	}{
		{"/update-profile", `{"name":{"title":"Dr.","middle":"K-ONE"},"organisation":{"industry":"I-TWO","size":"small"}}`, customer.ProfileUpdated{
			Fields: []string{"name.title", "name.middle", "organisation.industry", "organisation.size"},
			Changes: []customer.Change{
				{Field: "name.title", Became: "Dr."}, {Field: "name.middle", Became: "K-ONE"}, {Field: "organisation.industry", Became: "I-TWO"}, {Field: "organisation.size", Became: "small"},
			},
		}},
		{"/update-demographics", `{"birth_date":"1984-02-29","city":"C-THREE","country":"IE"}`, customer.DemographicsUpdated{
			Fields: []string{"demographics.birth_date", "demographics.city", "demographics.country"},
			Changes: []customer.Change{
				{Field: "demographics.birth_date", Became: "1984-02-29"}, {Field: "demographics.city", Became: "C-THREE"}, {Field: "demographics.country", Became: "IE"},
			}, At: noon,
		}},
		{"/update-psychographics", `{"interests":["X-FOUR"],"preferences":{"P-FIVE":"V-SIX"}}`, customer.PsychographicsUpdated{
			Fields:      []string{"psychographics.interests", "psychographics.preferences"},
			Lists:       []customer.ListChange{{Field: "psychographics.interests", Became: []string{"X-FOUR"}}},
			Preferences: []customer.Change{{Field: "P-FIVE", Became: "V-SIX"}}, At: noon,
		}},
		{"/record-market-attitude", `{"method":"survey","price_sensitivity":83}`, customer.MarketAttitudeRecorded{
			Scores: customer.MarketScores{PriceSensitivity: &score}, Method: "survey", ObservedAt: noon,
		}},
		{"/add-tag", `{"tag":"T-SEVEN"}`, customer.TagAdded{Tag: "T-SEVEN", At: noon}},
		{"/remove-tag", `{"tag":"t-seven"}`, customer.TagRemoved{Tag: "T-SEVEN", At: noon}},
		{"/classify-customer", `{"type":"business","basis":"B-EIGHT"}`, customer.Classified{Type: "business", Basis: "B-EIGHT", At: noon}},
	} {
		a := s.Post(at+c.path, c.body)
		if answer := decode(t, a); a.Status != 200 || !answer.Changed || len(answer.Events) != 1 {
			t.Fatalf("%s: %d %s", c.path, a.Status, a.Body)
		}
		events, stored := facts(t, s.log, id, first)
		if diff := cmp.Diff(c.event, events[len(events)-1].Data); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
		for _, secret := range []string{"K-ONE", "I-TWO", "C-THREE", "1984-02-29", "X-FOUR", "P-FIVE", "V-SIX", "price_sensitivity", "T-SEVEN", "B-EIGHT"} {
			if bytes.Contains(stored, []byte(secret)) {
				t.Errorf("%s: %s stands in the log in the clear", c.path, secret)
			}
		}
		if c.path == "/add-tag" || c.path == "/remove-tag" {
			continue // what follows undoes it
		}
		if a := s.Post(at+c.path, c.body); c.path != "/record-market-attitude" && (a.Status != 200 || decode(t, a).Changed) {
			t.Errorf("%s again: %d %s", c.path, a.Status, a.Body)
		}
	}
	for _, c := range []struct{ path, body, pointer string }{
		{"/update-profile", `{"kind":"organisation"}`, "/kind"},
		{"/update-profile", `{"registered_at":"2020-01-01T00:00:00Z"}`, "/registered_at"},
		{"/update-profile", `{"name":{"nick":"x"}}`, "/name/nick"},
		{"/update-profile", `{"organisation":{"size":7}}`, "/organisation/size"},
		{"/update-profile", `{"organisation":{"size":"huge"}}`, "/organisation/size"},
		{"/update-demographics", `{"age":7}`, "/age"},
		{"/update-demographics", `{"birth_date":"2026-03-02"}`, "/birth_date"},
		{"/update-demographics", `{"birth_date":19840229}`, "/birth_date"},
		{"/update-demographics", `{"gender":"x"}`, "/gender"},
		{"/update-demographics", `{"country":"UK"}`, "/country"},
		{"/update-psychographics", `{"interests":"tea"}`, "/interests"},
		{"/update-psychographics", `{"interests":["tea",7]}`, "/interests/1"},
		{"/update-psychographics", `{"preferences":{"tea":7}}`, "/preferences/tea"},
		{"/record-market-attitude", `{"method":"survey","price_sensitivity":"83"}`, "/price_sensitivity"},
		{"/record-market-attitude", `{"method":"survey","price_sensitivity":83.5}`, "/price_sensitivity"},
		{"/record-market-attitude", `{"price_sensitivity":83}`, "/method"},
		{"/record-market-attitude", `{"method":"model","price_sensitivity":83}`, "/model_version"},
		{"/add-tag", `{"tag":"a,b"}`, "/tag"},
		{"/add-tag", `{}`, "/tag"},
		{"/classify-customer", `{"type":"king"}`, "/type"},
	} {
		a := s.Post(at+c.path, c.body)
		if p := decode(t, a).Problem; a.Status != 422 || len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.Status, a.Body)
		}
	}
	for _, name := range []string{"update-demographics", "update-psychographics", "add-tag", "remove-tag", "classify-customer", "record-market-attitude"} {
		body := map[string]string{"add-tag": `{"tag":"x"}`, "remove-tag": `{"tag":"x"}`, "classify-customer": `{"type":"consumer"}`, "record-market-attitude": `{"method":"survey","dependency":1}`}[name]
		if body == "" {
			body = "{}"
		}
		if a := s.Post("/v1/customers/"+uuid.NewString()+"/"+name, body); a.Status != 404 || decode(t, a).Code != "customer_not_found" {
			t.Errorf("%s of nobody: %d %s", name, a.Status, a.Body)
		}
	}
	for n := range customer.MaxTags {
		if a := s.Post(at+"/add-tag", fmt.Sprintf(`{"tag":"tag %d"}`, n)); a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	if a := s.Post(at+"/add-tag", `{"tag":"one more"}`); a.Status != 409 || decode(t, a).Code != "too_many_tags" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestTheSchemaOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	list := func() (l commands.AttributeList) {
		if err := s.Get("/v1/schema/attributes").JSON(&l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := list(); l.Version != 0 || len(l.Attributes) != 0 {
		t.Errorf("%+v", l)
	}
	shirt := `{"key":"shirt","type":"enum","enum":["S","M"]}`
	s.define(t, shirt, `{"key":"passport","type":"text","personal":true,"label":"Passport"}`)
	if a := s.Post("/v1/schema/define-attribute", shirt); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("the same again: %d %s", a.Status, a.Body)
	}
	for _, c := range []struct {
		path, body, code string
		status           int
	}{
		{"define-attribute", `{"key":"shirt","type":"text"}`, "attribute_exists", 409},
		{"define-attribute", `{"key":"shirt","type":"enum","enum":["S"]}`, "attribute_value_removed", 409},
		{"define-attribute", `{"key":"passport","type":"text"}`, "attribute_personal", 409},
		{"define-attribute", `{"key":"Shirt","type":"text"}`, "validation_failed", 422},
		{"define-attribute", `{"key":"shirt","type":"text","pii":true}`, "validation_failed", 422},
		{"retire-attribute", `{"key":"shoe"}`, "attribute_unknown", 422},
		{"retire-attribute", `{}`, "validation_failed", 422},
	} {
		if a := s.Post("/v1/schema/"+c.path, c.body); a.Status != c.status || decode(t, a).Code != c.code {
			t.Errorf("%s: %d %s", c.body, a.Status, a.Body)
		}
	}
	s.define(t, `{"key":"shirt","type":"enum","enum":["S","M","L"]}`)
	a := s.Post("/v1/schema/retire-attribute", `{"key":"passport"}`)
	if a.Status != 200 || !decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post("/v1/schema/retire-attribute", `{"key":"passport"}`); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	var got commands.AttributeList
	if err := s.Get(fmt.Sprintf("/v1/schema/attributes?min_position=%d", decode(t, a).Position)).JSON(&got); err != nil {
		t.Fatal(err)
	}
	want := commands.AttributeList{Version: 4, Position: got.Position, Attributes: []commands.AttributeInfo{
		{Key: "passport", Type: "text", Personal: true, Retired: true, Label: "Passport", Version: 4},
		{Key: "shirt", Type: "enum", Enum: []string{"S", "M", "L"}, Version: 3},
	}}
	if diff := cmp.Diff(want, got); diff != "" || got.Position < decode(t, a).Position {
		t.Errorf("at %d (-want +got):\n%s", got.Position, diff)
	}
}

func TestAttributesOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	at := s.register(t)
	id := uuid.MustParse(strings.TrimPrefix(at, "/v1/customers/"))
	s.define(t, `{"key":"height","type":"number"}`, `{"key":"passport","type":"text","personal":true}`, `{"key":"seats","type":"integer"}`,
		`{"key":"member","type":"boolean"}`, `{"key":"since","type":"date"}`, `{"key":"shirt","type":"enum","enum":["S","M"],"required":true}`)
	for _, c := range []struct {
		key, value string
		event      customer.AttributeSet
	}{
		{"height", "1.80", customer.AttributeSet{Type: "number", Value: "1.8"}},
		{"passport", `"C01X-SECRET"`, customer.AttributeSet{Type: "text", PersonalValue: "C01X-SECRET"}},
		{"seats", "9007199254740993", customer.AttributeSet{Type: "integer", Value: "9007199254740993"}},
		{"member", "false", customer.AttributeSet{Type: "boolean", Value: "false"}},
		{"since", `"2020-02-29"`, customer.AttributeSet{Type: "date", Value: "2020-02-29"}},
		{"shirt", `"M"`, customer.AttributeSet{Type: "enum", Value: "M"}},
	} {
		body := fmt.Sprintf(`{"key":%q,"value":%s}`, c.key, c.value)
		if a := s.Post(at+"/set-attribute", body); a.Status != 200 || !decode(t, a).Changed {
			t.Fatalf("%s: %d %s", body, a.Status, a.Body)
		}
		events, stored := facts(t, s.log, id, 0)
		last := events[len(events)-1]
		c.event.Key, c.event.At = c.key, noon
		if diff := cmp.Diff(any(c.event), last.Data); diff != "" || bytes.Contains(stored, []byte("SECRET")) {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
		if p := last.Meta.Policies; len(p) != 1 || p[0].Kind != "schema" || p[0].Version != 6 {
			t.Errorf("decided by %+v", p)
		}
		if a := s.Post(at+"/set-attribute", body); a.Status != 200 || decode(t, a).Changed {
			t.Errorf("%s again: %d %s", body, a.Status, a.Body)
		}
	}
	refuse := func(path, body, code, pointer string, status int) {
		t.Helper()
		a := s.Post(path, body)
		p := decode(t, a).Problem
		if a.Status != status || p.Code != code || pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != pointer) {
			t.Errorf("%s %s: %d %s", path, body, a.Status, a.Body)
		}
	}
	refuse(at+"/set-attribute", `{"key":"colour","value":"red"}`, "attribute_unknown", "/key", 422)
	refuse(at+"/set-attribute", `{"key":"height","value":"1.80"}`, "validation_failed", "/value", 422)
	refuse(at+"/set-attribute", `{"key":"height","value":null}`, "validation_failed", "/value", 422)
	refuse(at+"/set-attribute", `{"key":"height","value":[1]}`, "validation_failed", "/value", 422)
	refuse(at+"/set-attribute", `{"key":"height","value":{"n":1}}`, "validation_failed", "/value", 422)
	refuse(at+"/set-attribute", `{"key":"height"}`, "validation_failed", "/value", 422)
	refuse(at+"/set-attribute", `{"key":"shirt","value":"XL"}`, "validation_failed", "/value", 422)
	refuse(at+"/clear-attribute", `{"key":"shirt"}`, "attribute_required", "", 409)
	refuse(at+"/clear-attribute", `{"key":"colour"}`, "attribute_unknown", "/key", 422)
	if a := s.Post(at+"/clear-attribute", `{"key":"passport"}`); a.Status != 200 || !decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post(at+"/clear-attribute", `{"key":"passport"}`); a.Status != 200 || decode(t, a).Changed {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Post("/v1/schema/retire-attribute", `{"key":"seats"}`); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	refuse(at+"/set-attribute", `{"key":"seats","value":1}`, "attribute_retired", "", 409)

	refuse("/v1/customers", ada, "validation_failed", "/attributes/shirt", 422)
	refuse("/v1/customers", `{"attributes":{"shirt":"M","colour":"red"},`+ada[1:], "validation_failed", "/attributes/colour", 422)
	refuse("/v1/customers", `{"attributes":{"shirt":7},`+ada[1:], "validation_failed", "/attributes/shirt", 422)
	refuse("/v1/customers", `{"attributes":{"shirt":"M","shirt":"S"},`+ada[1:], "malformed_json", "", 400)
	refuse("/v1/customers", `{"attributes":{"shirt":"M"},"demographics":{"age":7},`+ada[1:], "validation_failed", "/demographics/age", 422)
	a := s.Post("/v1/customers", `{"attributes":{"shirt":"M","height":1.80,"passport":"C02X-SECRET"},"tags":["VIP"],"demographics":{"birth_date":"1984-02-29"},`+ada[1:])
	if a.Status != 201 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	events, stored := facts(t, s.log, *decode(t, a).CustomerID, 0)
	var got []any
	for _, e := range events {
		switch e.Data.(type) {
		case customer.DemographicsUpdated, customer.TagAdded, customer.AttributeSet:
			got = append(got, e.Data)
		}
	}
	if diff := cmp.Diff([]any{
		customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: "1984-02-29"}}, At: noon},
		customer.TagAdded{Tag: "VIP", At: noon},
		customer.AttributeSet{Key: "height", Type: "number", Value: "1.8", At: noon},
		customer.AttributeSet{Key: "passport", Type: "text", PersonalValue: "C02X-SECRET", At: noon},
		customer.AttributeSet{Key: "shirt", Type: "enum", Value: "M", At: noon},
	}, got); diff != "" || bytes.Contains(stored, []byte("SECRET")) || bytes.Contains(stored, []byte("1984-02-29")) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A key names one body: the attributes are part of it.
func TestARegistrationWithAttributesIsIdempotent(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.define(t, `{"key":"height","type":"number"}`)
	body := `{"attributes":{"height":1.80},` + ada[1:]
	first := s.Post("/v1/customers", body, "Idempotency-Key", "k")
	s.clock.Set(noon.Add(time.Minute))
	if again := s.Post("/v1/customers", body, "Idempotency-Key", "k"); !bytes.Equal(first.Body, again.Body) {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	if a := s.Post("/v1/customers", strings.Replace(body, "1.80", "1.81", 1), "Idempotency-Key", "k"); a.Status != 422 || decode(t, a).Code != "idempotency_key_reused" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
