package commands_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

func TestSegmentsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall) // it is noon of 1 March 2026
	at := s.register(t)
	steps := func(steps ...[3]string) {
		t.Helper()
		for _, step := range steps {
			path := "/v1/segments/" + step[0]
			if strings.HasPrefix(step[0], "/") {
				path = step[0]
			}
			if got := told(t, s.Post(path, step[1])); got != step[2] {
				t.Errorf("%s %s: %s, want %s", step[0], step[1], got, step[2])
			}
		}
	}
	const vips = `{"segment_id":"vips","kind":"dynamic","name":"VIPs","labels":["behaviour"],"rule":"\"vip\" in tags"}`
	steps(
		[3]string{"define-segment", vips, "201 segment.defined"},
		[3]string{"define-segment", vips, "200 unchanged"},
		[3]string{"define-segment", strings.Replace(vips, "VIPs", "Others", 1), "409 segment_exists"},
		[3]string{"define-segment", `{"segment_id":"guests","kind":"static","name":"Guests"}`, "201 segment.defined"},
		[3]string{"define-segment", `{"segment_id":"The Guests","kind":"list","name":"","description":"\u0007","labels":["a","a"]}`, "422 validation_failed /segment_id /kind /name /description /labels/1"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"kind = 1"}`, "422 validation_failed /rule"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"in_segment(\"x\")"}`, "409 segment_cycle"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"cluster(\"habits\") == 1"}`, "422 validation_failed /rule"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"attributes.colour == \"red\""}`, "422 validation_failed /rule"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"events(\"policy.published\").count() > 0"}`, "422 validation_failed /rule"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","members":[]}`, "422 validation_failed /members"},
		// What was answered is known to the next.
		[3]string{"/v1/schema/define-attribute", `{"key":"colour","type":"text"}`, "201 schema.attribute_defined"},
		[3]string{"/v1/clusters/habits/fit-clusters", `{}`, "409 no_day_closed"},
		[3]string{"define-segment", `{"segment_id":"x","kind":"dynamic","name":"X","rule":"attributes.colour == \"red\" && in_segment(\"vips\") && events(\"customer.tag_added\").count() > 0"}`, "201 segment.defined"},
		[3]string{"publish-version", `{"segment_id":"vips","name":"VIPs","rule":"in_segment(\"x\")"}`, "409 segment_cycle"},
		[3]string{"publish-version", `{"segment_id":"vips","name":"VIPs","rule":"\"vip\" in tags && in_segment(\"guests\")"}`, "201 segment.version_published"},
		[3]string{"publish-version", `{"segment_id":"vips","name":"VIPs","rule":"\"vip\" in tags && in_segment(\"guests\")"}`, "200 unchanged"},
		[3]string{"publish-version", `{"segment_id":"nobody","name":"N","rule":"suppressed"}`, "404 segment_not_found"},
		[3]string{"publish-version", `{"segment_id":"guests","name":"Guests","rule":"suppressed"}`, "422 validation_failed /rule"},
		[3]string{at + "/add-to-segment", `{"segment_id":"guests"}`, "200 added_to_segment"},
		[3]string{at + "/add-to-segment", `{"segment_id":"guests"}`, "200 unchanged"},
		[3]string{at + "/add-to-segment", `{"segment_id":"vips"}`, "409 segment_not_static"},
		[3]string{at + "/add-to-segment", `{"segment_id":"nobody"}`, "404 segment_not_found"},
		[3]string{at + "/add-to-segment", `{}`, "422 validation_failed /segment_id"},
		[3]string{"/v1/customers/" + uuid.NewString() + "/add-to-segment", `{"segment_id":"guests"}`, "404 customer_not_found"},
		[3]string{"archive-segment", `{"segment_id":"guests"}`, "409 segment_in_use"},
		[3]string{"archive-segment", `{"segment_id":"x"}`, "200 segment.archived"},
		[3]string{"archive-segment", `{"segment_id":"x"}`, "200 unchanged"},
		[3]string{"archive-segment", `{"segment_id":"vips"}`, "200 segment.archived"},
		[3]string{"archive-segment", `{"segment_id":"guests"}`, "200 segment.archived"},
		[3]string{"archive-segment", `{"segment_id":"nobody"}`, "404 segment_not_found"},
		[3]string{"archive-segment", `{"segment_id":""}`, "422 validation_failed /segment_id"},
		[3]string{at + "/remove-from-segment", `{"segment_id":"guests"}`, "200 removed_from_segment"},
		[3]string{at + "/remove-from-segment", `{"segment_id":"guests"}`, "200 unchanged"},
		[3]string{at + "/remove-from-segment", `{"segment_id":"vips"}`, "409 segment_not_static"},
		[3]string{at + "/add-to-segment", `{"segment_id":"guests"}`, "409 segment_archived"},
		[3]string{"publish-version", `{"segment_id":"x","name":"X","rule":"in_segment(\"vips\")"}`, "422 validation_failed /rule"},
		[3]string{"freeze-audience", `{"segment_id":"vips"}`, "503 log_unavailable"},
	)
	// The place in the rule and the reason reach the caller.
	p := decode(t, s.Post("/v1/segments/define-segment", `{"segment_id":"y","kind":"dynamic","name":"Y","rule":"kind == \"person\"\n  && shoe_size > 40"}`)).Problem
	if len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Detail, `line 2, column 6: "shoe_size" is not `) || !strings.HasSuffix(p.Detail, p.Errors[0].Detail) {
		t.Errorf("%+v", p)
	}
	// What comes with the program is taken as it is.
	var shipped commands.ShippedSegments
	a := s.Get("/v1/segments/shipped?label=consent")
	if err := a.JSON(&shipped); err != nil || a.Status != 200 || len(shipped.Segments) != 3 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, ready := range shipped.Segments {
		body, err := json.Marshal(ready)
		if err != nil {
			t.Fatal(err)
		}
		steps([3]string{"define-segment", string(body), map[bool]string{true: "422 validation_failed /rule", false: "201 segment.defined"}[ready.SegmentID == "win-back"]})
	}
	if a := s.Get("/v1/segments/shipped?labels=rfm"); a.Status != 400 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Get("/v1/segments/shipped"); a.Status != 200 || a.JSON(&shipped) != nil || len(shipped.Segments) != len(segment.Shipped()) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	// Lines of many are decided one after the other, each knowing those before it.
	lines := s.bulk(t, strings.Join([]string{
		`{"command":"define-segment","body":{"segment_id":"first","kind":"static","name":"First"}}`,
		`{"command":"define-segment","body":{"segment_id":"second","kind":"dynamic","name":"Second","rule":"in_segment(\"first\")"}}`,
		`{"command":"publish-version","body":{"segment_id":"second","name":"Second","rule":"in_segment(\"second\")"}}`,
		`{"command":"archive-segment","body":{"segment_id":"first"}}`,
		`{"command":"add-to-segment","customer_id":"` + strings.TrimPrefix(at, "/v1/customers/") + `","body":{"segment_id":"nobody"}}`,
		`{"command":"freeze-audience","body":{"segment_id":"second"}}`,
	}, "\n"))
	for i, want := range []string{"", "", "segment_cycle", "segment_in_use", "segment_not_found", "log_unavailable"} {
		if lines[i].Code != want || want == "" && lines[i].Status != 201 {
			t.Errorf("line %d: %+v, want %q", i+1, lines[i], want)
		}
	}
}

// An audience is what the read models say at the moment; an id that the command
// chooses itself is the same when the command is sent again.
func TestFreezeAudienceOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.publishes(t, "/v1/segments/define-segment", `{"segment_id":"guests","kind":"static","name":"Guests"}`)
	now, err := segment.Audience{Version: 1, Position: 7, Count: 2, Digest: "ab"}, error(nil)
	var asked []string
	api := &commands.API{Writer: s.writer, Audience: func(_ context.Context, id string) (segment.Audience, error) {
		asked = append(asked, id)
		return now, err
	}}
	client := webtest.NewClient(t, web.Router(api.Routes(), web.Config{Title: "Rapport"}))
	const path, guests = "/v1/segments/freeze-audience", `{"segment_id":"guests"}`
	one := `{"segment_id":"guests","audience_id":"` + uuid.UUID{1}.String() + `"}`
	expect := func(want string, a webtest.Answer) {
		t.Helper()
		if got := told(t, a); got != want {
			t.Errorf("%s, want %s: %s", got, want, a.Body)
		}
	}
	first := client.Post(path, guests, "Idempotency-Key", "k")
	expect("201 segment.audience_frozen", first)
	now.Count = 3
	if again := client.Post(path, guests, "Idempotency-Key", "k"); string(again.Body) != string(first.Body) {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	expect("201 segment.audience_frozen", client.Post(path, guests))
	expect("201 segment.audience_frozen", client.Post(path, one))
	err = segment.ErrFilling.With("50 of 100 customers were looked at")
	expect("200 unchanged", client.Post(path, one))
	expect("409 segment_filling", client.Post(path, guests))
	expect("404 segment_not_found", client.Post(path, `{"segment_id":"nobody"}`))
	err = errors.New("the read models are away")
	expect("503 log_unavailable", client.Post(path, guests))
	n := len(asked)
	expect("422 validation_failed /segment_id", client.Post(path, `{"segment_id":"Guests"}`))
	expect("422 validation_failed /audience_id", client.Post(path, `{"segment_id":"guests","audience_id":"one"}`))
	expect("422 validation_failed /count", client.Post(path, `{"segment_id":"guests","count":7}`))
	if len(asked) != n {
		t.Errorf("asked of %v", asked[n:])
	}
	now, err = segment.Audience{Version: 2}, nil
	expect("409 segment_filling", client.Post(path, guests))

	state := stateOf[segment.State, segment.Event](t, s.log, segment.Stream("guests"), nil)
	counts := map[int64]int{}
	for _, a := range state.Audiences {
		counts[a.Count]++
		if a.Position != 7 || a.Digest != "ab" || a.Version != 1 || a.SegmentID != "guests" || !a.FrozenAt.Equal(s.writer.World.Subject(uuid.Nil).Now) {
			t.Errorf("%+v", a)
		}
	}
	if counts[2] != 1 || counts[3] != 2 || len(state.Audiences) != 3 {
		t.Errorf("%+v", state.Audiences)
	}
	if state.Audiences[uuid.UUID{1}].Count != 3 {
		t.Error("the id that was chosen is not the audience's")
	}
}

// A rule is refused for a field that the events do not have.
func TestFieldsOfEventsOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	api := &commands.API{Writer: s.writer, EventFields: func(event string) map[string]string {
		return map[string]map[string]string{"customer.contact_recorded": {"channel": segment.FieldText}}[event]
	}}
	client := webtest.NewClient(t, web.Router(api.Routes(), web.Config{Title: "Rapport"}))
	for _, step := range [][3]string{
		{"define-segment", `chanel == \"email\"`, "422 validation_failed /rule"},
		{"define-segment", `channel == 3`, "422 validation_failed /rule"},
		{"define-segment", `channel == \"email\"`, "201 segment.defined"},
		{"publish-version", `chanel == \"email\"`, "422 validation_failed /rule"},
		{"publish-version", `channel != \"email\"`, "201 segment.version_published"},
	} {
		body := `{"segment_id":"mailed","name":"Mailed","rule":"events(\"customer.contact_recorded\").exists(e, e.fields.` + step[1] + `)"}`
		if step[0] == "define-segment" {
			body = strings.Replace(body, `"name"`, `"kind":"dynamic","name"`, 1)
		}
		a := client.Post("/v1/segments/"+step[0], body)
		if got := told(t, a); got != step[2] {
			t.Errorf("%s %s: %s, want %s: %s", step[0], step[1], got, step[2], a.Body)
		}
	}
}

// Two processes make a cycle between them: both are taken, and the plan says which
// segment nobody can decide.
func TestTwoProcessesMakeACycle(t *testing.T) {
	s := serve(t, deployment.Wall)
	for _, id := range []string{"a", "b"} {
		s.publishes(t, "/v1/segments/define-segment", `{"segment_id":"`+id+`","kind":"dynamic","name":"`+id+`","rule":"suppressed"}`)
	}
	before := s.writer.World.Facts().Segments
	for id, other := range map[string]string{"a": "b", "b": "a"} {
		c := segment.Publish{SegmentID: id, Definition: segment.Definition{Name: id, Rule: `in_segment("` + other + `")`, Segments: before}}
		c.SetSubject(s.writer.World.Subject(uuid.Nil))
		if _, err := commands.Execute(t.Context(), s.writer, request("publish-version"), domain.Command[segment.State, segment.Event](c)); err != nil {
			t.Fatal(err)
		}
	}
	// The world has both when it has what came after them.
	s.publishes(t, "/v1/segments/define-segment", `{"segment_id":"c","kind":"dynamic","name":"C","rule":"in_segment(\"a\")"}`)
	p := s.writer.World.Facts().Segments.Plan(segment.Compile)
	if len(p.Broken) != 1 || p.Broken["b"] == "" || len(p.Order) != 2 {
		t.Errorf("%+v", p.Broken)
	}
	if got := told(t, s.Post("/v1/segments/publish-version", `{"segment_id":"b","name":"b","rule":"kind == \"person\""}`)); got != "201 segment.version_published" {
		t.Error(got)
	}
	if p := s.writer.World.Facts().Segments.Plan(segment.Compile); len(p.Broken) != 0 || len(p.Order) != 3 {
		t.Errorf("%+v", p.Broken)
	}
}
