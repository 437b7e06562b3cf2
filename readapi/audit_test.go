package readapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

// A hundred fields are changed within one second: a hundred entries say so, each
// with the field, what it was and what it became.
func TestAHundredFieldsInOneSecond(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.register(c, customer.Name{Given: "Ann"}, "web")
	second := s.clock.Add(time.Minute)
	key := func(i int) string { return fmt.Sprintf("size_%02d", i) }
	for round := range 2 {
		for i := range 100 {
			at := second.Add(time.Duration(round)*time.Second + time.Duration(i)*10*time.Millisecond)
			s.customer(c, customer.AttributeSet{Key: key(i), Type: attribute.Text, Value: fmt.Sprint("v", round, "-", i), At: at}, func(m *eventschema.Meta) {
				m.RecordedAt, m.Actor = at, eventschema.Actor{Kind: "user", ID: fmt.Sprint("clerk", i)}
				m.Reason = fmt.Sprint("reason ", i)
			})
		}
	}
	s.project()
	from := second.Add(time.Second).Format(time.RFC3339Nano)
	path := "/v1/customers/" + c.String() + "/history?type=customer.attribute_set&from=" + url.QueryEscape(from)
	var entries []readapi.Entry
	for next := ""; ; {
		var page readapi.History
		s.get(path + "&limit=37" + next).status(200).json(&page)
		entries = append(entries, page.Events...)
		if page.NextCursor == "" {
			break
		}
		next = "&cursor=" + url.QueryEscape(page.NextCursor)
	}
	if len(entries) != 100 {
		t.Fatalf("%d entries", len(entries))
	}
	for i, e := range entries {
		want := []readapi.FieldChange{{
			Field: "attributes." + key(i), Was: json.RawMessage(fmt.Sprintf(`"v0-%d"`, i)), Became: json.RawMessage(fmt.Sprintf(`"v1-%d"`, i)),
		}}
		if diff := cmp.Diff(want, e.Changes); diff != "" {
			t.Errorf("entry %d:\n%s", i, diff)
		}
		if e.Actor.ID != fmt.Sprint("clerk", i) || e.Reason != fmt.Sprint("reason ", i) || e.CommandID == uuid.Nil || e.Channel != "api" || e.Module != "profile" {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	// One field alone has two entries.
	var one readapi.History
	s.get("/v1/customers/" + c.String() + "/history?field=attributes." + key(42)).status(200).json(&one)
	if len(one.Events) != 2 || string(one.Events[1].Changes[0].Became) != `"v1-42"` {
		t.Errorf("%+v", one.Events)
	}
}

func TestEveryFilterOfAHistory(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	day := func(n int) func(*eventschema.Meta) {
		return func(m *eventschema.Meta) { m.BusinessDate = domain.NewDate(2026, 3, n) }
	}
	s.register(c, customer.Name{Given: "Ann", Family: "Archer"}, "web")
	s.append("calendar", uuid.Nil, calendar.DayClosed{Date: domain.NewDate(2026, 3, 1), Zone: "Europe/Berlin"})
	s.order(c, "o1", "2026-02-10", 500)
	s.customer(c, customer.OrderPaid{OrderID: "o1", PaidAt: time.Date(2026, 2, 11, 12, 0, 0, 0, time.UTC)}, day(2))
	s.customer(c, customer.ProfileUpdated{Fields: []string{"name.given"}, Changes: []customer.Change{{Field: "name.given", Was: "Ann", Became: "Anne"}}}, day(3),
		func(m *eventschema.Meta) {
			m.Actor, m.Channel, m.Correlation = eventschema.Actor{Kind: "ai", ID: "cleaner"}, "batch", id(0xaa, 1)
		})
	s.link(c, "till", "T1")
	s.project()
	path := "/v1/customers/" + c.String() + "/history?"
	recorded := s.events[len(s.events)-2] // the profile update
	meta, err := eventschema.Events.Meta(recorded)
	if err != nil {
		t.Fatal(err)
	}
	p := s.get(path+"type=customer.order_paid&field=name", "Accept", "application/x-ndjson").status(400).problem()
	if p.Code != "parameter_invalid" || len(p.Errors) != 2 || p.Errors[0].Pointer != "/field" || p.Errors[1].Pointer != "/type" {
		t.Errorf("a whole history with filters: %+v", p)
	}
	for query, want := range map[string][]int{
		"":                              {0, 1, 2, 3, 4},
		"type=customer.order_paid":      {2},
		"module=orders":                 {1, 2},
		"module=orders,contacts":        {1, 2, 4},
		"module=consent":                {},
		"actor=ann":                     {0, 1, 2, 4},
		"actor=ai":                      {3},
		"actor=user:ann":                {0, 1, 2, 4},
		"actor_kind=ai":                 {3},
		"channel=batch":                 {3},
		"from=2026-02-11&to=2026-02-11": {2},
		"to=2026-02-28":                 {1, 2},
		"recorded_from=2026-03-03":      {3},
		"recorded_to=2026-03-02":        {0, 1, 2, 4},
		"recorded_from=2026-03-02&recorded_to=2026-03-02":                            {2},
		"recorded_from=" + url.QueryEscape(meta.RecordedAt.Format(time.RFC3339Nano)): {3, 4},
		"recorded_to=" + url.QueryEscape(meta.RecordedAt.Format(time.RFC3339Nano)):   {0, 1, 2, 3},
		"correlation_id=" + id(0xaa, 1).String():                                     {3},
		"command_id=" + meta.Command.String():                                        {3},
		"field=name":                                                                 {0, 3},
		"field=name.given":                                                           {0, 3},
		"field=name.giv":                                                             {},
		"field=external_ids":                                                         {4},
		"field=orders.paid&actor=ann":                                                {1, 2},
		"module=profile&from=2026-03-01T09:04:00Z":                                   {3},
	} {
		for _, limit := range []string{"500", "1"} {
			got := []int{}
			for next := ""; ; {
				var page readapi.History
				s.get(path + strings.Trim(query+"&limit="+limit, "&") + next).status(200).json(&page)
				for _, e := range page.Events {
					got = append(got, int(e.Revision))
				}
				if page.NextCursor == "" {
					break
				}
				next = "&cursor=" + url.QueryEscape(page.NextCursor)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, limit %s: revisions %v, want %v", query, limit, got, want)
			}
		}
	}
}

// Every type of event that a customer's stream holds belongs to a module.
func TestEveryEventBelongsToAModule(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.register(c, customer.Name{Given: "Ann"}, "web")
	for _, e := range examples(t) {
		s.customer(c, e)
	}
	s.project()
	var h readapi.History
	s.get("/v1/customers/" + c.String() + "/history?limit=500").status(200).json(&h)
	for _, e := range h.Events {
		if e.Module == "" {
			t.Errorf("%s is of no module", e.Type)
		}
	}
}

func TestTwoPastsAreCompared(t *testing.T) {
	s := newShop(t)
	c := someone(1)
	s.register(c, customer.Name{Given: "Ann", Family: "Archer"}, "web")
	rename := func(became string, at time.Time) uuid.UUID {
		return s.customer(c, customer.ProfileUpdated{Fields: []string{"name.given"}, Changes: []customer.Change{{Field: "name.given", Became: became}}},
			func(m *eventschema.Meta) { m.OccurredAt = at }).ID
	}
	first := rename("Anna", time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC))
	second := rename("Anne", time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC))
	order := s.order(c, "o1", "2026-02-20", 500).ID
	s.project()
	path := "/v1/customers/" + c.String() + "/diff?"
	type change struct {
		field, was, became string
		events             []uuid.UUID
	}
	for query, want := range map[string][]change{
		"from=0&to=2":                            {{"name.given", `"Ann"`, `"Anne"`, []uuid.UUID{first, second}}},
		"from=2&to=0":                            {{"name.given", `"Anne"`, `"Ann"`, []uuid.UUID{first, second}}},
		"from=1&to=1":                            {},
		"from=2026-03-05&to=2026-03-07":          {{"name.given", `"Anna"`, `"Anne"`, []uuid.UUID{second}}},
		"from=2026-03-05&field=name":             {{"name.given", `"Anna"`, `"Anne"`, []uuid.UUID{second}}},
		"from=2026-03-05&module=orders":          {},
		"from=0&module=orders&field=orders.paid": {{"orders.paid", `null`, `0`, []uuid.UUID{order}}},
		"from=0&to=2&to_known=1999-01-01T00:00:00Z&field=name.given": {{"name.given", `"Ann"`, `null`, []uuid.UUID{s.events[2].ID}}},
	} {
		var d readapi.Diff
		s.get(path + query).status(200).json(&d)
		got := []change{}
		for _, c := range d.Changes {
			got = append(got, change{c.Field, string(c.Was), string(c.Became), c.Events})
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(change{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestNothingWasKnownThen(t *testing.T) {
	s := town(t)
	path := "/v1/customers/" + someone(1).String()
	for _, query := range []string{"?as_of=1999-12-31", "?known_at=1999-12-31T00:00:00Z", "?as_of=2026-03-01T09:02:00Z&known_at=2026-03-01T00:00:00Z"} {
		if code := s.get(path + query).status(404).problem().Code; code != "customer_not_found" {
			t.Errorf("%s: %s", query, code)
		}
	}
}
