package readapi_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

// The customers of the fixture.
var (
	segAnn = someone(1) // bought on the 2nd of March, on the list of vips
	segBob = someone(2) // bought on the 3rd, on the list of vips
	segCyd = someone(3) // bought on the 10th, which nobody knew until April
	segDan = someone(4) // never bought
)

// segmentShop is a shop with segments and what happened in them.
type segmentShop struct {
	*shop
	events map[string]eventschema.Raw // by what they are called here
}

func (s *segmentShop) define(name string, data segment.Event) {
	s.t.Helper()
	var id string
	switch d := data.(type) {
	case segment.Defined:
		id = d.SegmentID
	case segment.VersionPublished:
		id = d.SegmentID
	case segment.Archived:
		id = d.SegmentID
	case segment.AudienceFrozen:
		id = d.SegmentID
	}
	s.events[name] = s.append(segment.Stream(id), uuid.Nil, data)
}

// over closes a day; what follows happens on the next one.
func (s *segmentShop) over(day string) {
	s.t.Helper()
	d, err := domain.ParseDate(day)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock = (d + 1).Start(time.UTC).Add(9 * time.Hour)
	s.events["over "+day] = s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: d, Zone: "Europe/Berlin"})
}

// buys records an order that is paid at once.
func (s *segmentShop) buys(name string, c uuid.UUID, day string, minor int64) {
	s.t.Helper()
	s.events[name] = s.order(c, name, day, minor)
	s.customer(c, customer.OrderPaid{OrderID: name, PaidAt: s.clock})
}

func newSegmentShop(t *testing.T) *segmentShop {
	s := &segmentShop{newShop(t), map[string]eventschema.Raw{}}
	s.policy()
	worth := value.Default("EUR")
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 1, EffectiveFrom: policy.Always, Value: &worth})
	for i, name := range []string{"Ann", "Bob", "Cyd", "Dan"} {
		s.register(someone(uint64(i+1)), customer.Name{Given: name}, "store")
	}
	s.define("recent", segment.Defined{
		SegmentID: "recent", Kind: segment.Dynamic, Name: "Recent", Description: "Bought within thirty days.",
		Labels: []string{"behaviour"}, Rule: `orders.within(30).count() > 0`,
	})
	s.define("vip", segment.Defined{SegmentID: "vip", Kind: segment.Static, Name: "Very important", Labels: []string{"key-account", "behaviour"}})
	s.define("both", segment.Defined{
		SegmentID: "both", Kind: segment.Dynamic, Name: "Both", Rule: `in_segment("recent") && in_segment("vip")`, Asks: []string{"recent", "vip"},
	})
	s.define("ratio", segment.Defined{SegmentID: "ratio", Kind: segment.Dynamic, Name: "Ratio", Rule: `6 / orders.count() > 2`})
	s.over("2026-03-01")
	s.buys("a1", segAnn, "2026-03-02", 3000)
	s.customer(segAnn, customer.AddedToSegment{SegmentID: "vip", AddedAt: s.clock})
	s.customer(segBob, customer.AddedToSegment{SegmentID: "vip", AddedAt: s.clock})
	s.over("2026-03-02")
	s.buys("b1", segBob, "2026-03-03", 1001)
	s.over("2026-03-03")
	return s
}

// april lets a month pass: Ann's order is out of the window, and Cyd's is known at last.
func (s *segmentShop) april() {
	s.t.Helper()
	s.over("2026-04-01")
	s.buys("c1", segCyd, "2026-03-10", 500)
}

// members asks for members and returns who they are.
func (s *segmentShop) members(path string) (ids []uuid.UUID, answer readapi.SegmentMembers) {
	s.t.Helper()
	s.get("/v1/segments/" + path).status(200).json(&answer)
	ids = []uuid.UUID{}
	for _, m := range answer.Members {
		ids = append(ids, m.CustomerID)
	}
	return ids, answer
}

func TestSegmentsAndTheirNumbers(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	s.define("old", segment.Defined{SegmentID: "old", Kind: segment.Static, Name: "Old"})
	s.define("no more", segment.Archived{SegmentID: "old"})
	s.project()
	s.golden("segments.json", s.get("/v1/segments").status(200).Body.Bytes())
	s.golden("segment.json", s.get("/v1/segments/recent").status(200).Body.Bytes())
	s.golden("segment_failing.json", s.get("/v1/segments/ratio").status(200).Body.Bytes())
	for query, want := range map[string]string{
		"labels=behaviour":              "recent vip",
		"labels=nothing,key-account":    "vip",
		"kind=static":                   "vip",
		"archived=true":                 "old",
		"archived=all&kind=static":      "old vip",
		"labels=behaviour&kind=dynamic": "recent",
		"labels=nothing":                "",
	} {
		var list readapi.Segments
		s.get("/v1/segments?" + query).status(200).json(&list)
		var ids []string
		for _, one := range list.Segments {
			ids = append(ids, one.SegmentID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if p := s.get("/v1/segments/nobody").status(404).problem(); p.Code != "segment_not_found" {
		t.Error(p)
	}
}

func TestSegmentMembers(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	s.project()
	at := func(name string) string { return itoa(s.events[name].Position) }
	for _, test := range []struct {
		path string
		want []uuid.UUID
	}{
		{"recent/members", []uuid.UUID{segBob, segCyd}},
		{"recent/members?sort=-entered", []uuid.UUID{segCyd, segBob}},
		{"recent/members?sort=customer", []uuid.UUID{segBob, segCyd}},
		{"recent/members?sort=revenue", []uuid.UUID{segCyd, segBob}},
		{"recent/members?sort=-revenue", []uuid.UUID{segBob, segCyd}},
		{"vip/members", []uuid.UUID{segAnn, segBob}},
		{"both/members", []uuid.UUID{segBob}},
		{"ratio/members", []uuid.UUID{segAnn, segBob, segCyd}},
		// What the system held then.
		{"recent/members?at=0", nil},
		{"recent/members?at=" + at("a1"), []uuid.UUID{segAnn}},
		{"recent/members?at=" + itoa(s.events["a1"].Position-1), nil},
		{"recent/members?at=2026-03-01", nil},
		{"recent/members?at=2026-03-02", []uuid.UUID{segAnn}},
		{"recent/members?at=2026-03-03", []uuid.UUID{segAnn, segBob}},
		{"recent/members?at=2026-03-10", []uuid.UUID{segAnn, segBob}}, // passed over: nobody knew of Cyd
		{"recent/members?at=2026-04-01", []uuid.UUID{segBob}},
		{"recent/members?at=2026-04-02", []uuid.UUID{segBob, segCyd}},
		{"recent/members?at=2026-02-01", nil},
		{"recent/members?at=2026-03-03T09:01:30Z&sort=-entered", []uuid.UUID{segAnn}},
		{"recent/members?at=2026-03-04T09:01:00Z&sort=-entered", []uuid.UUID{segBob, segAnn}},
		{"recent/members?at=2026-03-04T09:01:00Z&sort=-revenue", []uuid.UUID{segAnn, segBob}},
		{"recent/members?at=2027-01-01T00:00:00Z", []uuid.UUID{segBob, segCyd}},
		// What was true then.
		{"recent/members?as_of=2026-03-01", nil},
		{"recent/members?as_of=2026-03-02", []uuid.UUID{segAnn}},
		{"recent/members?as_of=2026-03-10", []uuid.UUID{segAnn, segBob, segCyd}},
		{"recent/members?as_of=2026-03-10&known_at=2026-03-20", []uuid.UUID{segAnn, segBob}},
		{"recent/members?as_of=2026-04-01", []uuid.UUID{segBob, segCyd}},
		{"both/members?as_of=2026-03-10&sort=customer", []uuid.UUID{segAnn, segBob}},
		{"recent/members?version=1", []uuid.UUID{segBob, segCyd}},
	} {
		if test.want == nil {
			test.want = []uuid.UUID{}
		}
		if got, _ := s.members(test.path); !cmp.Equal(test.want, got) {
			t.Errorf("%s: %s", test.path, cmp.Diff(test.want, got))
		}
	}
	s.golden("segment_members.json", s.get("/v1/segments/recent/members?fields=name,label,revenue").status(200).Body.Bytes())
	s.golden("segment_members_at.json", s.get("/v1/segments/recent/members?at=2026-04-01").status(200).Body.Bytes())
	s.golden("segment_members_as_of.json", s.get("/v1/segments/ratio/members?as_of=2026-03-10&limit=1&fields=name,revenue").status(200).Body.Bytes())
}

func TestSegmentMembersPageByPage(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	for i := range 9 {
		c := someone(uint64(20 + i))
		s.register(c, customer.Name{Given: "N"}, "store")
		s.buys(fmt.Sprint("n", i), c, "2026-04-02", int64(100*(i%3)))
	}
	s.project()
	for _, query := range []string{"", "sort=-entered", "sort=customer", "sort=revenue", "sort=-revenue", "at=2026-04-02", "at=2026-04-02&sort=-entered"} {
		whole, _ := s.members("recent/members?" + query)
		if len(whole) != 11 {
			t.Fatalf("%s: %d members", query, len(whole))
		}
		var found []uuid.UUID
		for cursor := ""; ; {
			page, answer := s.members("recent/members?limit=2&cursor=" + cursor + "&" + query)
			if found = append(found, page...); len(page) > 2 {
				t.Fatalf("%s: a page of %d", query, len(page))
			}
			if cursor = answer.NextCursor; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(whole, found); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
		lines, err := csv.NewReader(s.get("/v1/segments/recent/members?"+query, "Accept", "text/csv").status(200).Body).ReadAll()
		if err != nil || len(lines) != 12 {
			t.Fatalf("%s: %d lines, %v", query, len(lines), err)
		}
		for i, line := range lines[1:] {
			if line[0] != whole[i].String() {
				t.Errorf("%s: line %d is of %s, not of %v", query, i, line[0], whole[i])
			}
		}
	}
	defer readapi.JudgeAtOnce(readapi.JudgeAtOnce(3)) // which reads the log five times
	rows := s.get("/v1/segments/recent/members?as_of=2026-04-02&fields=revenue", "Accept", "application/x-ndjson").status(200).Body.String()
	if n := strings.Count(rows, "\n"); n != 11 {
		t.Errorf("%d rows: %s", n, rows)
	}
	byID, _ := s.members("recent/members?sort=customer")
	if again, answer := s.members("recent/members?as_of=2026-04-02"); !cmp.Equal(byID, again) || *answer.Customers != 11 {
		t.Errorf("%v, of %d: %s", again, *answer.Customers, cmp.Diff(byID, again))
	}
}

// While customers are looked at by a new version, the one before answers.
func TestSegmentsThatAreBeingFilled(t *testing.T) {
	s := newSegmentShop(t)
	s.project()
	next := segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: `orders.within(1).count() > 0`}
	s.define("second", next)
	s.apply()
	before := []uuid.UUID{segAnn, segBob}
	looksBefore := func(done int64) {
		t.Helper()
		for _, path := range []string{"recent/members", "recent/members?sort=customer", "both/members"} {
			got, answer := s.members(path)
			if !cmp.Equal(before, got) || answer.Filling == nil || answer.Position != s.events["second"].Position-1 {
				t.Errorf("%s: %v, %+v", path, got, answer)
			}
		}
		_, answer := s.members("recent/members")
		if diff := cmp.Diff(&readapi.SegmentFilling{Version: 2, Serving: 1, Done: done, Total: 4}, answer.Filling); diff != "" || answer.Version != 1 {
			t.Errorf("version %d, %s", answer.Version, diff)
		}
		var list readapi.Segments
		s.get("/v1/segments?labels=").status(200).json(&list)
		for _, one := range list.Segments {
			if one.Customers != map[string]int64{"recent": 2, "both": 2, "vip": 2, "ratio": 2}[one.SegmentID] ||
				(one.Filling != nil) != (one.SegmentID == "recent" || one.SegmentID == "both") || (one.Revenue == nil) != (one.Filling != nil) {
				t.Errorf("%+v", one)
			}
		}
		var one readapi.SegmentAnswer
		if s.get("/v1/segments/recent").status(200).json(&one); one.Metrics != nil || one.Filling == nil || one.Version != 2 {
			t.Errorf("%+v", one)
		}
		var overlap readapi.SegmentOverlap
		s.get("/v1/segments/overlap?a=recent&b=vip").status(200).json(&overlap)
		if diff := cmp.Diff([]string{"recent"}, overlap.Filling); diff != "" || overlap.Both != 2 {
			t.Errorf("%+v", overlap)
		}
		var customers readapi.Customers
		if s.get("/v1/customers?segment=recent").status(200).json(&customers); len(customers.Customers) != 2 {
			t.Errorf("%+v", customers)
		}
		var history readapi.SegmentHistory
		s.get("/v1/segments/recent/history").status(200).json(&history)
		if last := history.Events[len(history.Events)-1]; history.Filling == nil || last.Version != 1 || last.Kind != "entered" {
			t.Errorf("%+v", last)
		}
	}
	looksBefore(0)
	// Nothing of it holds up the others.
	if _, vips := s.members("vip/members?min_position=" + itoa(s.position)); vips.Filling != nil {
		t.Errorf("%+v", vips.Filling)
	}
	if _, err := s.lanes[0].Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	looksBefore(1) // a lane of four
	s.project()
	for path, want := range map[string][]uuid.UUID{
		"recent/members": {segBob},
		"both/members":   {segBob},
		"recent/members?at=" + itoa(s.events["second"].Position-1): before,
		"recent/members?version=1&as_of=2026-03-03":                before,
		"recent/members?version=2&as_of=2026-03-02":                {segAnn},
	} {
		if got, answer := s.members(path); !cmp.Equal(want, got) || answer.Filling != nil {
			t.Errorf("%s: %v, %+v", path, got, answer)
		}
	}
	// A first version has none before it.
	s.define("new", segment.Defined{SegmentID: "new", Kind: segment.Dynamic, Name: "New", Rule: `orders.count() == 0`})
	s.apply()
	if got, answer := s.members("new/members"); len(got) != 0 || answer.Version != 0 || answer.Filling == nil || answer.Filling.Serving != 0 {
		t.Errorf("%v, %+v", got, answer)
	}
	s.project()
	if got, answer := s.members("new/members"); !cmp.Equal([]uuid.UUID{segCyd, segDan}, got) || answer.Version != 1 || answer.Members[0].Since.Cause != "new" {
		t.Errorf("%v, %+v", got, answer)
	}
}

// Who asks for the position of a version waits for it, two seconds, which pass at once here.
func TestSegmentsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSegmentShop(t)
		s.define("second", segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: `orders.within(1).count() > 0`})
		s.apply()
		for _, path := range []string{"recent", "recent/members", "both/members", "recent/history"} {
			if p := s.get("/v1/segments/" + path + "?min_position=" + itoa(s.position)).status(503).problem(); p.Code != "projection_behind" {
				t.Error(path, p)
			}
		}
		s.get("/v1/segments/recent/members?at=" + itoa(s.position)).status(503)
		if _, err := s.api.Audience(t.Context(), "recent"); !errors.Is(err, segment.ErrFilling) {
			t.Error(err)
		}
		s.machine.nudged = func() { s.project() }
		if got, _ := s.members("recent/members?min_position=" + itoa(s.position)); !cmp.Equal([]uuid.UUID{segBob}, got) {
			t.Error(got)
		}
	})
}

func TestSegmentHistory(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	s.define("second", segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: `orders.within(25).count() > 0`})
	s.define("no more", segment.Archived{SegmentID: "recent"})
	s.project()
	s.golden("segment_history.json", s.get("/v1/segments/recent/history").status(200).Body.Bytes())
	tell := func(query string) (told []string, next string) {
		t.Helper()
		var h readapi.SegmentHistory
		s.get("/v1/segments/recent/history?" + query).status(200).json(&h)
		names := map[uuid.UUID]string{segAnn: "ann", segBob: "bob", segCyd: "cyd"}
		for _, e := range h.Events {
			if e.CustomerID != nil {
				e.Kind = names[*e.CustomerID] + " " + e.Kind
			}
			told = append(told, e.Kind)
		}
		return told, h.NextCursor
	}
	whole := []string{"defined", "ann entered", "bob entered", "ann left", "cyd entered", "published", "bob left", "archived", "cyd left"}
	at := func(name string) string { return itoa(s.events[name].Position) }
	for query, want := range map[string][]string{
		"":                                  whole,
		"kind=entered":                      {"ann entered", "bob entered", "cyd entered"},
		"kind=published":                    {"published"},
		"cause=definition":                  {"bob left", "cyd left"},
		"cause=day":                         {"ann left"},
		"customer_id=" + segAnn.String():    {"ann entered", "ann left"},
		"since=" + at("b1"):                 whole[2:],
		"since=" + at("a1") + "&kind=left":  {"ann left", "bob left", "cyd left"},
		"until=" + at("b1"):                 whole[:3],
		"since=2026-03-03&until=2026-03-03": {"bob entered"},
		"until=2026-04-01":                  whole[:4],
		"since=2026-04-01":                  whole[3:],
		"since=2026-04-02":                  whole[4:],
		"since=2026-04-02T09:01:00Z":        whole[3:],
		"since=2026-05-01T00:00:00Z":        nil,
	} {
		if got, _ := tell(query); !cmp.Equal(want, got) {
			t.Errorf("%s: %s", query, cmp.Diff(want, got))
		}
		for _, limit := range []string{"1", "2"} {
			var pages []string
			for cursor := ""; ; {
				page, next := tell("limit=" + limit + "&cursor=" + cursor + "&" + query)
				if pages = append(pages, page...); next == "" {
					break
				}
				cursor = next
			}
			if !cmp.Equal(want, pages) {
				t.Errorf("%s by %s: %s", query, limit, cmp.Diff(want, pages))
			}
		}
	}
}

func TestSegmentOverlap(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	s.project()
	s.golden("segment_overlap.json", s.get("/v1/segments/overlap?a=recent&b=vip").status(200).Body.Bytes())
	s.get("/v1/segments/overlap?a=recent&b=nobody").status(404)
	if p := s.get("/v1/segments/overlap?a=recent").status(400).problem(); p.Errors[0].Pointer != "/b" {
		t.Error(p)
	}
}

// An audience is found again whatever has happened since, but for who was erased.
func TestFrozenAudiences(t *testing.T) {
	s := newSegmentShop(t)
	s.project()
	found, err := s.api.Audience(t.Context(), "recent")
	if err != nil {
		t.Fatal(err)
	}
	audience := id(0xad, 1)
	s.define("frozen", segment.AudienceFrozen{
		AudienceID: audience, SegmentID: "recent", Version: found.Version, Position: found.Position, AsOf: found.AsOf,
		Count: found.Count, Digest: found.Digest, FrozenAt: s.clock,
	})
	s.april()
	s.define("second", segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: `orders.within(1).count() > 0`})
	s.project()
	path := "/v1/segments/recent/audiences/" + audience.String()
	s.golden("segment_audiences.json", s.get("/v1/segments/recent/audiences").status(200).Body.Bytes())
	s.golden("segment_audience.json", s.get(path+"?members=true").status(200).Body.Bytes())
	var first, second readapi.AudienceAnswer
	s.get(path + "?members=true&limit=1").status(200).json(&first)
	s.get(path + "?members=true&limit=1&cursor=" + url.QueryEscape(first.NextCursor)).status(200).json(&second)
	if len(first.Members) != 1 || len(second.Members) != 1 || first.Members[0].CustomerID != segAnn || second.Members[0].CustomerID != segBob || second.NextCursor != "" {
		t.Errorf("%+v, %+v", first.Members, second.Members)
	}

	if err := s.log.Destroy(t.Context(), datakey.Stream(segAnn)); err != nil {
		t.Fatal(err)
	}
	s.customer(segAnn, customer.PersonalDataErased{ErasedAt: s.clock})
	s.project()
	var erased readapi.AudienceAnswer
	s.get(path + "?members=true").status(200).json(&erased)
	if erased.Now.Matches || erased.Now.Missing != 1 || erased.Now.Count != 1 || erased.Count != 2 || len(erased.Members) != 1 {
		t.Errorf("%+v", erased)
	}
	if got, _ := s.members("recent/members?as_of=2026-03-03&version=1"); !cmp.Equal([]uuid.UUID{segBob}, got) {
		t.Errorf("of a past: %v", got)
	}
	if p := s.get("/v1/segments/recent/audiences/" + id(0xad, 2).String()).status(404).problem(); p.Code != "audience_not_found" {
		t.Error(p)
	}
	if _, err := s.api.Audience(t.Context(), "nobody"); !errors.Is(err, segment.ErrNotFound) {
		t.Error(err)
	}
}

// What is personal decides too, of a past as well; and who must be left alone is in nothing.
func TestSegmentsOfWhatIsPersonal(t *testing.T) {
	s := newSegmentShop(t)
	s.define("berlin", segment.Defined{SegmentID: "berlin", Kind: segment.Dynamic, Name: "Berlin", Rule: `demographics.city == "Berlin"`})
	for _, c := range []uuid.UUID{segAnn, segBob} {
		s.customer(c, customer.DemographicsUpdated{Fields: []string{"demographics.city"}, Changes: []customer.Change{{Field: "demographics.city", Became: "Berlin"}}, At: s.clock})
	}
	s.over("2026-03-04")
	s.customer(segBob, customer.ProcessingRestricted{Ground: "disputed", RestrictedAt: s.clock})
	s.project()
	for query, want := range map[string][]uuid.UUID{
		"":                 {segAnn},
		"as_of=2026-03-03": {},
		"as_of=2026-03-04": {segAnn, segBob},
		"as_of=2026-03-05": {segAnn},
		"at=2026-03-04":    {segAnn, segBob},
	} {
		if got, _ := s.members("berlin/members?" + query); !cmp.Equal(want, got) {
			t.Errorf("%s: %s", query, cmp.Diff(want, got))
		}
	}
}

// A calibration on its way holds up those segments only that rest on it.
func TestSegmentsDuringACalibration(t *testing.T) {
	s := newSegmentShop(t)
	s.define("scored", segment.Defined{SegmentID: "scored", Kind: segment.Dynamic, Name: "Scored", Rule: `rfm.r >= 1`})
	s.define("top", segment.Defined{SegmentID: "top", Kind: segment.Dynamic, Name: "Top", Rule: `in_segment("scored")`, Asks: []string{"scored"}})
	s.project()
	s.closeDay("2026-03-04", rules.Values{RecencyDays: 2, Frequency: 1, MonetaryMinor: 3000}, rules.Values{RecencyDays: 1, Frequency: 1, MonetaryMinor: 1001})
	s.apply()
	for id, want := range map[string]uint64{"scored": s.position - 1, "top": s.position - 1, "recent": s.position} {
		if _, answer := s.members(id + "/members"); answer.Position != want || answer.Filling != nil {
			t.Errorf("%s: at %d, want %d; %+v", id, answer.Position, want, answer.Filling)
		}
	}
	s.project()
	if got, answer := s.members("top/members?fields=label"); !cmp.Equal([]uuid.UUID{segAnn, segBob}, got) || answer.Position != s.position ||
		answer.Members[0].Since.Cause != "calibration" || answer.Members[0].Label == "" {
		t.Errorf("%v, %+v", got, answer)
	}
}

func TestCustomersOfASegment(t *testing.T) {
	s := newSegmentShop(t)
	s.april()
	s.project()
	for query, want := range map[string][]uuid.UUID{
		"segment=recent":                          {segBob, segCyd},
		"segment=recent&sort=-name":               {segCyd, segBob},
		"segment=recent&q=b":                      {segBob},
		"segment=vip&last_order_after=2026-03-02": {segBob},
	} {
		var list readapi.Customers
		s.get("/v1/customers?" + query).status(200).json(&list)
		got := []uuid.UUID{}
		for _, c := range list.Customers {
			got = append(got, c.CustomerID)
		}
		if !cmp.Equal(want, got) {
			t.Errorf("%s: %s", query, cmp.Diff(want, got))
		}
	}
	s.get("/v1/customers?segment=nobody").status(404)
	s.get("/v1/customers?segment=No!").status(400)
}

func TestWhatSegmentQueriesRefuse(t *testing.T) {
	s := newSegmentShop(t)
	s.project()
	for path, pointer := range map[string]string{
		"/v1/segments?kind=cluster":                                           "/kind",
		"/v1/segments?archived=perhaps":                                       "/archived",
		"/v1/segments/recent?version=1":                                       "/version",
		"/v1/segments/recent/members?sort=name":                               "/sort",
		"/v1/segments/recent/members?fields=email":                            "/fields",
		"/v1/segments/recent/members?at=yesterday":                            "/at",
		"/v1/segments/recent/members?at=2026-03-05":                           "/at", // tomorrow
		"/v1/segments/recent/members?at=1&as_of=2026-03-01":                   "/at",
		"/v1/segments/recent/members?as_of=noon":                              "/as_of",
		"/v1/segments/recent/members?as_of=2026-03-01&sort=entered":           "/sort",
		"/v1/segments/recent/members?as_of=2026-03-01&cursor=abc":             "/cursor",
		"/v1/segments/recent/members?version=9":                               "/version",
		"/v1/segments/recent/members?cursor=abc":                              "/cursor",
		"/v1/segments/recent/history?kind=moved":                              "/kind",
		"/v1/segments/recent/history?cause=luck":                              "/cause",
		"/v1/segments/recent/history?since=then":                              "/since",
		"/v1/segments/recent/history?until=then":                              "/until",
		"/v1/segments/recent/history?customer_id=ann":                         "/customer_id",
		"/v1/segments/recent/audiences?limit=1":                               "/limit",
		"/v1/segments/recent/audiences/" + id(0xad, 1).String() + "?cursor=a": "/cursor",
	} {
		p := s.get(path).status(400).problem()
		var pointers []string
		for _, e := range p.Errors {
			pointers = append(pointers, e.Pointer)
		}
		if !cmp.Equal([]string{pointer}, pointers) {
			t.Errorf("%s: %v", path, p)
		}
	}
	for _, path := range []string{"", "/members", "/history", "/audiences", "/members?as_of=2026-03-01"} {
		s.get("/v1/segments/nobody" + path).status(404)
	}
}
