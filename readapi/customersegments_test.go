package readapi_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/readapi"
)

// dynamic defines a segment by a rule.
func (s *shop) dynamic(id, rule string, asks ...string) eventschema.Raw {
	s.t.Helper()
	d := segment.Defined{SegmentID: id, Kind: segment.Dynamic, Name: "The " + id, Rule: rule, Asks: asks}
	compiled, err := segment.Compile(rule, segment.Attributes{"colour": attribute.Text})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(compiled.Uses().Attributes) > 0 {
		d.Attributes = map[string]string{"colour": attribute.Text}
	}
	return s.append(segment.Stream(id), uuid.Nil, d)
}

// worth answers what the last event asked: what customers are worth, by their revenue
// and contribution.
func (s *shop) worth(asOf string, trigger eventschema.Raw, revenue, contribution []int64) eventschema.Raw {
	s.t.Helper()
	d, err := domain.ParseDate(asOf)
	if err != nil {
		s.t.Fatal(err)
	}
	of := func(values []int64) value.Population {
		slices.Sort(values)
		return value.Population{Size: int64(len(values)), Values: func(yield func(rules.Run) bool) {
			for _, v := range values {
				if !yield(rules.Run{Value: v, Count: 1}) {
					return
				}
			}
		}}
	}
	var populations [len(value.MeasureNames)]value.Population
	for i, name := range value.MeasureNames {
		switch populations[i] = of(nil); name {
		case value.Revenue:
			populations[i] = of(revenue)
		case value.Contributed:
			populations[i] = of(contribution)
		}
	}
	return s.append(value.CalibrationStream, uuid.Nil, value.Calibrate(value.Calibrated{
		Trigger: trigger.ID.String(), TriggerPosition: trigger.Position, AsOf: d, PolicyVersion: 1, Currency: "EUR",
	}, populations))
}

// club is a shop with segments: 1 is Ann, whom most of them know, 2 is Bob, who is a
// stranger to most, 3 is Cid, who came with the third.
type segmentClub struct {
	*shop
	ann, bob, cid uuid.UUID
	events        map[string]eventschema.Raw
}

func newSegmentClub(t testing.TB) *segmentClub {
	s := &segmentClub{shop: newShop(t), ann: someone(1), bob: someone(2), cid: someone(3), events: map[string]eventschema.Raw{}}
	s.policy()
	p := value.Default("EUR")
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 1, EffectiveFrom: policy.Always, Value: &p})
	s.append(attribute.Stream, uuid.Nil, attribute.Defined{Key: "colour", Type: attribute.Text, Label: "Colour"})
	s.dynamic("recent", `orders.within(30).count() > 0`)
	s.dynamic("loved", `"vip" in tags && in_segment("recent")`, "recent")
	s.dynamic("red", `attributes.colour == "red" || stage.name == "active" && days_since(stage.since) >= 10`)
	s.dynamic("best", `percentile("revenue") >= 50 || value.band == "top"`)
	s.dynamic("scored", `rfm.r >= 1`)
	s.dynamic("odd", `orders.map(o, o.amount).sum() / orders.filter(o, o.paid).count() > 10`)
	s.append(segment.Stream("hand"), uuid.Nil, segment.Defined{SegmentID: "hand", Kind: segment.Static, Name: "By hand"})
	s.dynamic("old", `kind == "person"`)
	s.events["archived"] = s.append(segment.Stream("old"), uuid.Nil, segment.Archived{SegmentID: "old"})

	s.register(s.ann, customer.Name{Given: "Ann", Family: "Berg"}, "store")
	s.events["bob"] = s.customer(s.bob, customer.Registered{Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: s.clock})
	s.register(s.cid, customer.Name{Given: "Cid"}, "web")
	cost := int64(4000)
	s.events["order"] = s.customer(s.ann, customer.OrderRecorded{
		OrderID: "o1", Total: domain.Money{AmountMinor: 10000, Currency: "EUR"}, Channel: "store",
		Lines:    []customer.Line{{SKU: "TEA", Quantity: 1, AmountMinor: 10000, CostMinor: &cost}},
		PlacedAt: tenIn(dated("2026-03-01")), PlacedOn: dated("2026-03-01"),
	})
	s.events["paid"] = s.pays(s.ann, "o1", dated("2026-03-01"))
	s.events["tag"] = s.customer(s.ann, customer.TagAdded{Tag: "vip", At: tenIn(dated("2026-03-02"))})
	s.events["colour"] = s.customer(s.ann, customer.AttributeSet{Key: "colour", Type: attribute.Text, Value: "red", At: tenIn(dated("2026-03-02"))})
	s.events["stage"] = s.enters(s.ann, stages.Potential, stages.Active, tenIn(dated("2026-03-02")))
	s.events["listed"] = s.customer(s.ann, customer.AddedToSegment{SegmentID: "hand", AddedAt: tenIn(dated("2026-03-02"))})
	s.events["cost"] = s.customer(s.ann, customer.CostRecorded{
		CostID: "c1", Kind: value.Service, Amount: domain.Money{AmountMinor: 500, Currency: "EUR"}, IncurredAt: tenIn(dated("2026-03-02")), IncurredOn: dated("2026-03-02"),
	})
	s.order(s.bob, "o2", "2026-03-01", 2000)
	s.closes("2026-03-03")
	return s
}

func dated(text string) domain.Date {
	d, err := domain.ParseDate(text)
	if err != nil {
		panic(err)
	}
	return d
}

// closes closes a day and answers both calibrations that it asks for.
func (s *segmentClub) closes(on string) {
	s.t.Helper()
	s.closeDay(on, rules.Values{RecencyDays: 1, Frequency: 1, MonetaryMinor: 2000}, rules.Values{RecencyDays: 2, Frequency: 1, MonetaryMinor: 10000})
	calibrated := s.shop.events[len(s.shop.events)-1]
	s.events["closed"], s.events["scores"] = s.shop.events[len(s.shop.events)-2], calibrated
	s.events["worth"] = s.worth(on, s.events["closed"], []int64{10000, 2000, 1000}, []int64{5500, 100, -100})
}

func (s *segmentClub) of(c uuid.UUID, query string) (got readapi.CustomerSegments, ids []string) {
	s.t.Helper()
	s.get("/v1/customers/" + c.String() + "/segments" + query).status(http.StatusOK).json(&got)
	ids = []string{}
	for _, is := range got.Segments {
		ids = append(ids, is.SegmentID)
	}
	return got, ids
}

func (s *segmentClub) explain(id string, c uuid.UUID, query string) (got readapi.SegmentExplanation) {
	s.t.Helper()
	s.get("/v1/segments/" + id + "/explain/" + c.String() + query).status(http.StatusOK).json(&got)
	return got
}

func TestTheSegmentsOfACustomer(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	got := s.get("/v1/customers/" + s.ann.String() + "/segments?why=true").status(http.StatusOK)
	s.golden("customer_segments.json", got.Body.Bytes())

	whole, ids := s.of(s.ann, "")
	if diff := cmp.Diff([]string{"best", "hand", "loved", "odd", "recent", "red", "scored"}, ids); diff != "" {
		t.Error(diff)
	}
	since := map[string]uint64{
		"best": s.events["worth"].Position, "hand": s.events["listed"].Position, "loved": s.events["tag"].Position, "odd": s.events["paid"].Position,
		"recent": s.events["order"].Position, "red": s.events["colour"].Position, "scored": s.events["scores"].Position,
	}
	for _, is := range whole.Segments {
		if is.Since.Position != since[is.SegmentID] || is.Why != nil {
			t.Errorf("%s: %+v, not since %d", is.SegmentID, is.Since, since[is.SegmentID])
		}
	}
	bobs, ids := s.of(s.bob, "")
	if diff := cmp.Diff([]string{"recent", "scored"}, ids); diff != "" {
		t.Error(diff)
	}
	if len(bobs.Outside) != 1 || bobs.Outside[0].SegmentID != "odd" || bobs.Outside[0].Failed.Code != "division_by_zero" ||
		bobs.Outside[0].Failed.Since.Position != s.events["bob"].Position {
		t.Errorf("%+v", bobs.Outside)
	}
	if _, ids := s.of(s.cid, "?history=true"); len(ids) != 0 {
		t.Error(ids)
	}

	// The thirty days of the order are over with the last of March.
	s.closes("2026-03-31")
	s.project()
	whole, ids = s.of(s.ann, "?history=true")
	if diff := cmp.Diff([]string{"best", "hand", "odd", "red", "scored"}, ids); diff != "" {
		t.Error(diff)
	}
	if len(whole.Former) != 2 {
		t.Fatalf("%+v", whole.Former)
	}
	for i, id := range []string{"recent", "loved"} {
		is := whole.Former[i]
		if is.SegmentID != id || is.From.Position != since[id] || is.To.Position != s.events["closed"].Position || is.To.Cause != "day" || *is.To.Day != dated("2026-03-31") {
			t.Errorf("%+v to %+v", is.From, is.To)
		}
	}
	if got := s.explain("recent", s.ann, ""); got.Member || got.Since != nil || got.Left.Position != s.events["closed"].Position {
		t.Errorf("%+v", got)
	}
}

func TestWhoMustNotBeUsedBelongsToNothing(t *testing.T) {
	s := newSegmentClub(t)
	s.customer(s.ann, customer.ProcessingRestricted{Ground: "objection", RestrictedAt: tenIn(dated("2026-03-03"))})
	s.erase(s.bob)
	s.project()
	for c, out := range map[uuid.UUID]string{s.ann: "restricted", s.bob: "erased"} {
		got, ids := s.of(c, "?why=true")
		if got.Out != out || len(ids) != 0 || len(got.Outside) != 0 {
			t.Errorf("%s: %+v", out, got)
		}
		if got := s.explain("recent", c, ""); got.Member || got.Out != out || len(got.Clauses) != 0 {
			t.Errorf("%s: %+v", out, got)
		}
	}
	if got, _ := s.of(s.ann, "?history=true"); len(got.Former) != 7 {
		t.Errorf("%+v", got.Former)
	}
	// Before that she belonged; of who is erased nothing can be said.
	if _, ids := s.of(s.ann, "?as_of=2026-03-02T23:30:00Z"); !slices.Equal(ids, []string{"hand", "loved", "odd", "recent", "red"}) {
		t.Error(ids)
	}
	if got, ids := s.of(s.bob, "?as_of=2026-03-01"); got.Out != "erased" || len(ids) != 0 {
		t.Errorf("%+v", got)
	}
	if got, _ := s.of(s.bob, "?history=true"); got.Former != nil {
		t.Errorf("%+v", got.Former)
	}
}

// Not even to a segment whose rule cannot be decided any more, where all others stay.
func TestWhoMustNotBeUsedBelongsToNothingBroken(t *testing.T) {
	s := newSegmentClub(t)
	s.append(segment.Stream("recent"), uuid.Nil, segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: "what_was_once_a_word"})
	s.customer(s.bob, customer.ProcessingRestricted{Ground: "objection", RestrictedAt: s.clock})
	s.project()
	if _, ids := s.of(s.ann, ""); !slices.Contains(ids, "recent") {
		t.Error(ids)
	}
	if got, ids := s.of(s.bob, ""); len(ids) > 0 || got.Out != "restricted" {
		t.Errorf("%+v", got)
	}
}

// What nobody could be decided on while rules asked for each other is decided when they
// do so no more, also if nobody moved in the segment that was changed.
func TestASegmentThatCanBeDecidedAgain(t *testing.T) {
	s := newSegmentClub(t)
	s.dynamic("asked", `kind == "person"`)
	s.dynamic("asks", `!in_segment("asked") || "keen" in tags`, "asked")
	publish := func(version int, rule string, asks ...string) {
		s.append(segment.Stream("asked"), uuid.Nil, segment.VersionPublished{SegmentID: "asked", Version: version, Name: "Asked", Rule: rule, Asks: asks})
	}
	publish(2, `kind == "person" || in_segment("asks")`, "asks") // as two who publish at once can
	s.customer(s.bob, customer.TagAdded{Tag: "keen", At: s.clock})
	s.project()
	if got := s.explain("asks", s.bob, ""); got.Member || got.Broken == "" {
		t.Errorf("%+v", got)
	}
	publish(3, `kind == "person"`)
	s.project()
	if got := s.explain("asks", s.bob, ""); !got.Member || got.Broken != "" || got.Since.Cause != "definition" {
		t.Errorf("%+v", got)
	}
}

// What is on its way through the documents is made of one that is read.
func TestWhatSweepsIsMadeOfTheCustomerWhoIsAskedFor(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	at := s.dynamic("people", `kind == "person"`)
	s.apply()
	got, ids := s.of(s.cid, "?min_position="+itoa(at.Position))
	if !slices.Equal(ids, []string{"people"}) || got.Segments[0].Since.Position != at.Position || got.Segments[0].Since.Cause != "new" || got.Position < at.Position {
		t.Errorf("%+v", got)
	}
	s.project()
	if after, _ := s.of(s.cid, ""); !cmp.Equal(got, after) {
		t.Error(cmp.Diff(got, after))
	}
}

func TestSegmentsOfAPast(t *testing.T) {
	s := newSegmentClub(t)
	s.closes("2026-03-20")
	before := s.clock.Format(time.RFC3339)
	s.customer(s.ann, customer.TagRemoved{Tag: "vip", At: tenIn(dated("2026-03-15"))})
	s.project()
	for query, want := range map[string][]string{
		"?as_of=2026-03-01":                    {"odd", "recent"},
		"?as_of=2026-03-02":                    {"hand", "loved", "odd", "recent", "red"},
		"?as_of=2026-03-03":                    {"best", "hand", "loved", "odd", "recent", "red", "scored"},
		"?as_of=2026-03-31":                    {"best", "hand", "odd", "recent", "red", "scored"}, // the 20th was the last day
		"?as_of=2026-03-16&known_at=" + before: {"best", "hand", "loved", "odd", "recent", "red", "scored"},
	} {
		got, ids := s.of(s.ann, query)
		if got.Then == nil || !slices.Equal(ids, want) {
			t.Errorf("%s: %v, not %v", query, ids, want)
		}
		for _, is := range got.Segments {
			if is.Since != nil {
				t.Errorf("%s: %+v", query, is.Since)
			}
		}
	}
	// As of the eleventh of March the stage has held for nine days, though that day was closed with others.
	for on, want := range map[string]string{"2026-03-11": "false", "2026-03-12": "true"} {
		got := s.explain("red", s.ann, "?as_of="+on)
		if last := got.Clauses[len(got.Clauses)-1]; last.Text != "days_since(stage.since) >= 10" || last.Is != want || *got.AsOf != dated(on) {
			t.Errorf("%s: %+v", on, last)
		}
	}
	path := "/v1/customers/" + s.ann.String() + "/segments"
	s.get(path + "?as_of=2026-02-01").status(http.StatusNotFound)
	s.get("/v1/segments/red/explain/" + s.ann.String() + "?as_of=2026-02-01").status(http.StatusNotFound)
	if p := s.get(path + "?as_of=2026-03-02&history=true").status(http.StatusBadRequest).problem(); len(p.Errors) != 1 || p.Errors[0].Pointer != "/history" {
		t.Errorf("%+v", p)
	}
	s.get(path + "?wy=true").status(http.StatusBadRequest)
	s.get("/v1/customers/" + someone(99).String() + "/segments").status(http.StatusNotFound)
	s.get("/v1/customers/nobody/segments").status(http.StatusNotFound)
}

func TestWhyAndWhyNot(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	// read returns what a clause looked at.
	read := func(got readapi.SegmentExplanation, path string) (clause readapi.ExplainedClause, r readapi.ExplainedRead) {
		t.Helper()
		for _, c := range got.Clauses {
			for _, v := range c.Values {
				if v.Path == path {
					return c, v
				}
			}
		}
		t.Fatalf("%s is not in %+v", path, got.Clauses)
		return clause, r
	}
	behind := func(name string, r readapi.ExplainedRead) {
		t.Helper()
		raw := s.events[name]
		if len(r.Events) != 1 || r.Events[0].ID != raw.ID || r.Events[0].Position != raw.Position {
			t.Errorf("%s comes from %+v, not from the event %q at %d", r.Path, r.Events, name, raw.Position)
		}
	}
	loved := s.explain("loved", s.ann, "")
	c, tags := read(loved, "tags")
	if behind("tag", tags); c.Is != "true" || c.Text != `"vip" in tags` || c.Depth != 1 || loved.Clauses[0].Op != "and" || !loved.Member {
		t.Errorf("%+v", loved)
	}
	if _, nested := read(loved, `in_segment("recent")`); nested.Changed == nil || nested.Changed.Position != s.events["order"].Position {
		t.Errorf("%+v", nested)
	}
	if not := s.explain("loved", s.bob, ""); not.Member || not.Since != nil || not.Clauses[1].Is != "false" || not.Clauses[2].Is != "true" {
		t.Errorf("%+v", not)
	}
	recent := s.explain("recent", s.ann, "")
	c, orders := read(recent, "orders")
	if behind("order", orders); *c.Flips != dated("2026-03-31") || *recent.Next != dated("2026-03-31") {
		t.Errorf("%+v", recent)
	}
	red := s.explain("red", s.ann, "")
	_, colour := read(red, "attributes.colour")
	behind("colour", colour)
	_, since := read(red, "stage.since")
	if behind("stage", since); since.Value != "2026-03-02" {
		t.Errorf("%+v", since)
	}
	if _, stranger := read(s.explain("red", s.bob, ""), "attributes.colour"); stranger.Value != nil || stranger.Events != nil {
		t.Errorf("%+v", stranger)
	}
	scored := s.explain("scored", s.ann, "")
	_, r := read(scored, "rfm.r")
	if behind("order", r); r.Calibration.EventID != s.events["scores"].ID || r.Calibration.Position != s.events["scores"].Position ||
		r.Calibration.TriggerPosition != s.events["closed"].Position || r.Calibration.AsOf != dated("2026-03-03") {
		t.Errorf("%+v", r.Calibration)
	}
	best := s.explain("best", s.ann, "")
	_, reached := read(best, `percentile("revenue") >= 50`)
	if behind("paid", reached); reached.Calibration.EventID != s.events["worth"].ID {
		t.Errorf("%+v", reached)
	}
	_, band := read(best, "value.band")
	behind("paid", band)
	odd := s.explain("odd", s.bob, "")
	if odd.Failed == nil || odd.Clauses[0].Is != "failed" || odd.Clauses[0].Reason == "" || odd.Member {
		t.Errorf("%+v", odd)
	}
	hand := s.explain("hand", s.ann, "")
	_, on := read(hand, "list")
	if behind("listed", on); hand.Clauses[0].Is != "true" || hand.Since.Position != s.events["listed"].Position {
		t.Errorf("%+v", hand)
	}
	if _, off := read(s.explain("hand", s.bob, ""), "list"); off.Value != false || off.Events != nil {
		t.Errorf("%+v", off)
	}
	if old := s.explain("old", s.ann, ""); !old.Archived || old.Member || len(old.Clauses) != 0 {
		t.Errorf("%+v", old)
	}
	s.get("/v1/segments/none/explain/" + s.ann.String()).status(http.StatusNotFound)
	s.get("/v1/segments/red/explain/" + someone(99).String()).status(http.StatusNotFound)
}

// The value of a path is that of the event that changed it last, whatever came before
// and between.
func TestWhichEventMadeAValue(t *testing.T) {
	s := newSegmentClub(t)
	s.dynamic("asked", `consent("marketing", "email") || owner.id != "" || demographics.city == "Ulm" || has(contact_points) || loyalty.member || registered > date("2020-01-01")`)
	granted := s.customer(s.ann, customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", GrantedAt: s.clock})
	s.customer(s.ann, customer.TagAdded{Tag: "late", At: s.clock})
	city, err := time.Parse(time.RFC3339, "2026-03-02T12:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	moved := s.customer(s.ann, customer.DemographicsUpdated{Fields: []string{"demographics.city"}, Changes: []customer.Change{{Field: "demographics.city", Became: "Ulm"}}, At: city})
	s.customer(s.ann, customer.ConsentGranted{Purpose: "marketing", Channel: "email", LegalBasis: "consent", GrantedAt: s.clock}) // changes nothing
	s.project()
	want := map[string]uint64{`consent("marketing", "email")`: granted.Position, "demographics.city": moved.Position, "registered": 0}
	got := s.explain("asked", s.ann, "")
	for _, c := range got.Clauses {
		for _, v := range c.Values {
			position, asked := want[v.Path]
			switch {
			case !asked:
				if v.Events != nil {
					t.Errorf("%+v", v)
				}
			case len(v.Events) != 1 || position != 0 && v.Events[0].Position != position:
				t.Errorf("%+v", v)
			}
			delete(want, v.Path)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing said of %v in %+v", want, got.Clauses)
	}
}

// Among how many events ever it is looked for it: what is found is the same, or
// nothing.
func TestTheSearchForEventsIsBounded(t *testing.T) {
	s := newSegmentClub(t)
	for i := range 6 {
		s.order(s.ann, "later-"+itoa(uint64(i)), "2026-03-03", 100) // not paid: what she is worth stays
	}
	s.project()
	found := map[int]bool{}
	for _, n := range []int{0, 30, 60, 1000} {
		back := readapi.SetVisits(n)
		got := s.explain("best", s.ann, "")
		back()
		for _, c := range got.Clauses {
			for _, v := range c.Values {
				if len(v.Events) > 0 && v.Events[0].ID != s.events["paid"].ID || v.Calibration == nil {
					t.Errorf("%d: %+v", n, v)
				}
				found[n] = found[n] || len(v.Events) > 0
			}
		}
	}
	if found[0] || found[30] || !found[1000] {
		t.Errorf("%v", found)
	}
}
