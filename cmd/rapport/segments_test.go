package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// shop is a server with a manual calendar and a few customers with orders.
type shop struct {
	*server
	ids map[string]string // customers by name
}

func (s shop) customer(name string) {
	s.t.Helper()
	s.ids[name] = uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String()
	s.do("/v1/customers", fmt.Sprintf(`{"customer_id":%q,"kind":"person","name":{"given":%q},"source":{"channel":"store"},"registered_at":"2026-01-01T10:00:00Z"}`, s.ids[name], name))
}

// order records a paid order, and returns the position after it.
func (s shop) order(name, id, on string, minor int) string {
	s.t.Helper()
	return s.do("/v1/customers/"+s.ids[name]+"/record-order",
		fmt.Sprintf(`{"order_id":%q,"total":{"amount_minor":%d,"currency":"USD"},"placed_at":"%sT12:00:00Z","paid_at":"%sT12:00:00Z"}`, id, minor, on, on))
}

// do sends a command that has to be executed, and returns the position after it.
func (s shop) do(path, body string) string {
	s.t.Helper()
	a := s.call("POST", path, body)
	if a.status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s", path, body, a.status, a.body)
	}
	return a.header.Get("Rapport-Position")
}

// members returns the names of who belongs to a segment, as a query says.
func (s shop) members(id, query string) (names []string) {
	s.t.Helper()
	a := s.call("GET", "/v1/segments/"+id+"/members"+query, "")
	var list struct {
		Members []struct {
			CustomerID string `json:"customer_id"`
		} `json:"members"`
	}
	if err := json.Unmarshal(a.body, &list); err != nil || a.status != 200 {
		s.t.Fatalf("%s%s: %d %s", id, query, a.status, a.body)
	}
	for _, m := range list.Members {
		for name, is := range s.ids {
			if is == m.CustomerID {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (s shop) expect(id, query string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.members(id, query)); diff != "" {
		s.t.Errorf("members of %s%s:\n%s", id, query, diff)
	}
}

// A segment from its definition to an audience that is proven after a rebuild.
func TestSegmentStory(t *testing.T) {
	s := shop{serve(t, t.TempDir(), "--calendar", "manual"), map[string]string{}}
	for _, name := range []string{"Ada", "Bob", "Eve"} {
		s.customer(name)
	}
	s.order("Ada", "a1", "2026-01-05", 5000)
	s.order("Ada", "a2", "2026-01-20", 6000)
	s.order("Bob", "b1", "2026-01-10", 1000)

	// A rule that cannot be right is refused where it is wrong.
	for rule, words := range map[string]string{
		`orders.within(60).cuont() >= 2`:          "count",
		`demografics.city == \"Bonn\"`:            "demographics",
		`in_segment(\"nobody\")`:                  "there is no segment",
		`events(\"customer.bought\").count() > 0`: "there is no type of event",
		`days_since(registered) == 3`:             "are compared by",
		`events(\"customer.contact_recorded\").exists(e, e.fields.chanel == \"email\")`: "did you mean",
		`orders.all(a, orders.all(b, a.on == b.on))`:                                    "too",
	} {
		a := s.call("POST", "/v1/segments/define-segment", `{"segment_id":"wrong","kind":"dynamic","name":"Wrong","rule":"`+rule+`"}`)
		if a.status != 422 || !strings.Contains(string(a.body), `"/rule"`) || !strings.Contains(string(a.body), words) {
			t.Errorf("%s: %d %s", rule, a.status, a.body)
		}
	}

	s.must("segments", "install", "--all")
	s.do("/v1/segments/define-segment", `{"segment_id":"regulars","kind":"dynamic","name":"Regulars","rule":"orders.within(60).count() >= 2"}`)
	s.do("/v1/segments/define-segment", `{"segment_id":"staff","kind":"static","name":"Staff"}`)
	asked := s.do("/v1/segments/define-segment", `{"segment_id":"guests","kind":"dynamic","name":"Guests","rule":"in_segment(\"regulars\") && !in_segment(\"staff\")"}`)
	s.must("calendar", "close", "2026-01-31")
	s.expect("guests", "?min_position="+asked, "Ada")

	// Once there was a second order, it is the reason, whenever the segment was filled.
	one := "/v1/customers/" + s.ids["Bob"] + "/segments"
	bought := s.order("Bob", "b2", "2026-01-31", 2000)
	a := s.call("GET", one+"?why=true&min_position="+bought, "")
	if !strings.Contains(string(a.body), `"regulars"`) || !strings.Contains(string(a.body), "customer.order_recorded") {
		t.Errorf("Bob after his second order: %s", a.body)
	}
	s.expect("guests", "?min_position="+bought, "Ada", "Bob")
	s.do("/v1/customers/"+s.ids["Ada"]+"/add-to-segment", `{"segment_id":"staff"}`)
	s.order("Eve", "e1", "2026-01-02", 900)
	back := s.order("Eve", "e2", "2026-01-03", 900)
	s.expect("guests", "?min_position="+back, "Bob", "Eve")
	s.expect("regulars", "?min_position="+back+"&sort=revenue", "Ada", "Bob", "Eve")

	// What the system held, and what was true: Eve's orders of January were not known then.
	s.expect("regulars", "?at="+bought, "Ada", "Bob")
	s.expect("regulars", "?as_of=2026-01-25", "Ada", "Eve")

	// An audience is frozen, the world goes on, and the audience is still that one.
	frozen := s.call("POST", "/v1/segments/freeze-audience", `{"segment_id":"guests","audience_id":"018f2a4e-7b1c-7d3e-8a90-0f1e2d3c4b5a"}`)
	if frozen.status != 201 {
		t.Fatalf("freeze: %d %s", frozen.status, frozen.body)
	}
	s.must("calendar", "close", "2026-03-10")
	s.expect("guests", "", "Bob") // the window of sixty days begins after the 9th of January
	story := s.call("GET", "/v1/segments/guests/history", "").body
	if !strings.Contains(string(story), `"cause":"day"`) {
		t.Errorf("history of guests: %s", story)
	}
	audience := func() string {
		return string(s.call("GET", "/v1/segments/guests/audiences/018f2a4e-7b1c-7d3e-8a90-0f1e2d3c4b5a", "").body)
	}
	if got := audience(); !strings.Contains(got, `"matches":true`) || !strings.Contains(got, `"count":2`) {
		t.Errorf("the audience: %s", got)
	}

	// A rule is tried before it is published; then the whole read model comes back the same.
	preview := s.call("POST", "/v1/segments/preview", `{"rule":"orders.count() >= 2","segment_id":"guests"}`)
	if preview.status != 200 || preview.field("customers") != "3" {
		t.Errorf("preview: %d %s", preview.status, preview.body)
	}
	s.do("/v1/segments/publish-version", `{"segment_id":"guests","name":"Guests","rule":"orders.count() >= 2 && !in_segment(\"staff\")"}`)
	eventually(t, func() string {
		if a := s.call("GET", "/v1/segments/guests", ""); a.field("filling") != "" || a.field("metrics", "customers") != "2" {
			return string(a.body)
		}
		return ""
	})
	s.expect("guests", "", "Bob", "Eve")
	explained := s.call("GET", "/v1/segments/guests/explain/"+s.ids["Ada"], "")
	if explained.status != 200 || !strings.Contains(string(explained.body), `in_segment(\"staff\")`) {
		t.Errorf("why not Ada: %d %s", explained.status, explained.body)
	}
	lists := func() (all []string) {
		for _, path := range []string{"/v1/segments", "/v1/segments/guests/members", "/v1/segments/guests/history", one + "?history=true"} {
			all = append(all, string(s.call("GET", path, "").body))
		}
		return all
	}
	before := lists()
	s.must("rebuild", "segments")
	if diff := cmp.Diff(before, lists()); diff != "" {
		t.Errorf("after a rebuild:\n%s", diff)
	}
	if got := audience(); !strings.Contains(got, `"matches":true`) {
		t.Errorf("the audience after a rebuild: %s", got)
	}
	s.must("verify", "read-models")
	if out := s.must("segments"); !strings.Contains(out, "guests") {
		t.Errorf("rapport segments:\n%s", out)
	}
	s.kill()
	s.start()
	if diff := cmp.Diff(before[1:], lists()[1:]); diff != "" {
		t.Errorf("after a kill:\n%s", diff)
	}
}
