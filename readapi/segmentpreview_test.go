package readapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/readapi"
)

func (s *shop) preview(body any) answer {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post("/v1/segments/preview", string(b))
}

func idsOf(sample []readapi.SegmentSample) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, is := range sample {
		ids = append(ids, is.CustomerID)
	}
	return ids
}

func TestPreview(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	head := s.log.Head()
	for _, c := range []struct {
		rule    string
		members []uuid.UUID
	}{
		{`kind == "person"`, []uuid.UUID{s.ann, s.bob, s.cid}},
		{`orders.count() == 0`, []uuid.UUID{s.cid}},
		{`in_segment("recent") && !in_segment("loved")`, []uuid.UUID{s.bob}},
		{`attributes.colour == "red"`, []uuid.UUID{s.ann}},
		{`events("customer.attribute_set").exists(e, e.fields.value == "red")`, []uuid.UUID{s.ann}},
		{`events("customer.order_recorded").exists(e, e.fields.total_minor == 2000)`, []uuid.UUID{s.bob}},
		{`percentile("contribution") >= 99`, []uuid.UUID{s.ann}}, // nobody asked for this one before
		{`percentile("revenue") < 80`, []uuid.UUID{}},            // whose revenue is not known is below nothing
		{`value.contribution < 6000 && rfm.scored`, []uuid.UUID{s.ann}},
		{`has(contact_points)`, []uuid.UUID{}},
	} {
		var got readapi.SegmentPreview
		s.preview(map[string]any{"rule": c.rule}).status(http.StatusOK).json(&got)
		if got.Customers != 3 || got.Members != int64(len(c.members)) || !slices.Equal(idsOf(got.Sample), c.members) || got.Compared != nil || len(got.Missing) > 0 {
			t.Errorf("%s: %+v", c.rule, got)
		}
	}
	var got readapi.SegmentPreview
	s.preview(map[string]any{"rule": `orders.map(o, o.amount).sum() / orders.filter(o, o.paid).count() > 10`, "limit": 1}).status(http.StatusOK).json(&got)
	if got.Members != 1 || got.Failing != 2 || got.Failure.CustomerID != s.bob || got.Failure.Code != "division_by_zero" || got.Sample[0].Name.Given != "Ann" {
		t.Errorf("%+v", got)
	}
	got = readapi.SegmentPreview{}
	s.preview(map[string]any{"rule": `kind != ""`, "limit": 2, "segment_id": "loved"}).status(http.StatusOK).json(&got)
	if x := got.Compared; got.Members != 3 || len(got.Sample) != 2 || x.Members != 1 || x.Enter != 2 || x.Leave != 0 || x.Stay != 1 || x.Filling ||
		!slices.Equal(idsOf(x.Entering), []uuid.UUID{s.bob, s.cid}) || x.Entering[0].Name != nil {
		t.Errorf("%+v", got)
	}
	got = readapi.SegmentPreview{}
	s.preview(map[string]any{"rule": `orders.count() == 0`, "segment_id": "hand"}).status(http.StatusOK).json(&got)
	if x := got.Compared; x.Enter != 1 || x.Leave != 1 || x.Leaving[0].CustomerID != s.ann {
		t.Errorf("%+v", got)
	}
	if s.log.Head() != head {
		t.Error("a preview was recorded")
	}
}

// What a preview says is what publishing the rule brings.
func TestAPreviewIsWhatPublishingBrings(t *testing.T) {
	s := newSegmentClub(t)
	s.customer(s.cid, customer.ProcessingRestricted{Ground: "objection", RestrictedAt: s.clock})
	s.project()
	for i, f := range segment.Language().Functions {
		if strings.Contains(f.Example, "in_segment") || strings.Contains(f.Example, "attributes") || strings.Contains(f.Example, "cluster") {
			continue // of what there is not here
		}
		var got readapi.SegmentPreview
		s.preview(map[string]any{"rule": f.Example}).status(http.StatusOK).json(&got)
		id := fmt.Sprint("published-", i)
		s.dynamic(id, f.Example)
		s.project()
		in := []uuid.UUID{}
		for _, c := range []uuid.UUID{s.ann, s.bob, s.cid} {
			if _, ids := s.of(c, ""); slices.Contains(ids, id) {
				in = append(in, c)
			}
		}
		if !slices.Equal(in, idsOf(got.Sample)) {
			t.Errorf("%s: would find %v, finds %v", f.Example, idsOf(got.Sample), in)
		}
	}
}

// Who a rule fails on stays what they were, as when it is published.
func TestAPreviewKeepsWhomARuleFailsOn(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	rule := `6 / orders.filter(o, o.paid).count() > 5` // fails on Bob, who paid nothing, and on Cid
	var got readapi.SegmentPreview
	s.preview(map[string]any{"rule": rule, "segment_id": "recent"}).status(http.StatusOK).json(&got)
	if x := got.Compared; got.Failing != 2 || got.Members != 2 || x.Stay != 2 || x.Enter != 0 || x.Leave != 0 {
		t.Errorf("%+v, %+v", got, x)
	}
	s.append(segment.Stream("recent"), uuid.Nil, segment.VersionPublished{SegmentID: "recent", Version: 2, Name: "Recent", Rule: rule})
	s.project()
	var members readapi.SegmentMembers
	s.get("/v1/segments/recent/members?sort=customer").status(http.StatusOK).json(&members)
	in := []uuid.UUID{}
	for _, m := range members.Members {
		in = append(in, m.CustomerID)
	}
	if !slices.Equal(in, idsOf(got.Sample)) {
		t.Errorf("would keep %v, keeps %v", idsOf(got.Sample), in)
	}
}

func TestAPreviewIsRefusedAsPublishingIs(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	invalid := func(rule, detail string) {
		t.Helper()
		p := s.preview(map[string]any{"rule": rule}).status(http.StatusUnprocessableEntity).problem()
		if p.Code != domain.ErrValidation.Code || len(p.Errors) != 1 || p.Errors[0].Pointer != "/rule" || !strings.Contains(p.Errors[0].Detail, detail) {
			t.Errorf("%s: %+v", rule, p)
		}
	}
	invalid(`kind == "person" && colour == "red"`, "colour")
	invalid(`orders.count(`, "line 1")
	invalid(``, "required")
	invalid(`attributes.size == "L"`, "size")
	invalid(`in_segment("nobody")`, "nobody")
	invalid(`in_segment("old")`, "archived")
	invalid(`events("customer.sneezed").count() > 0`, "customer.sneezed")
	invalid(`cluster("habits") == 1`, "habits")
	invalid(`events("customer.contact_recorded").exists(e, e.fields.chanel == "email")`, `line 1, column 55: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`)
	invalid(`events("customer.tag_added").exists(e, e.fields.tag == "vip")`, "customer.tag_added") // personal, and not in the language
	invalid(`events("customer.order_recorded").exists(e, e.fields.total_minor == "much")`, "is a whole number, but a text is needed here")
	s.preview(map[string]any{"rule": `!suppressed`, "limit": 501}).status(http.StatusUnprocessableEntity)
	s.preview(map[string]any{"rule": `!suppressed`, "as_of": "2026-01-01"}).status(http.StatusUnprocessableEntity)
	if p := s.preview(map[string]any{"rule": `!suppressed`, "segment_id": "none"}).status(http.StatusNotFound).problem(); p.Code != segment.ErrNotFound.Code {
		t.Errorf("%+v", p)
	}
	if p := s.preview(map[string]any{"rule": `in_segment("loved")`, "segment_id": "recent"}).status(http.StatusConflict).problem(); p.Code != segment.ErrCycle.Code {
		t.Errorf("%+v", p)
	}
	s.post("/v1/segments/preview", `{"rule":`).status(http.StatusBadRequest)
}

// Who goes away is not computed for.
func TestAPreviewEndsWithItsRequest(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/segments/preview", strings.NewReader(`{"rule":"!suppressed"}`))
	w := httptest.NewRecorder()
	s.http.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		t.Error(w.Body)
	}
	s.preview(map[string]any{"rule": `!suppressed`}).status(http.StatusOK)
}

// Before anything is calibrated the answer says what is missing.
func TestAPreviewSaysWhatIsMissing(t *testing.T) {
	s := newShop(t)
	s.register(someone(1), customer.Name{Given: "Ann"}, "web")
	s.project()
	var got readapi.SegmentPreview
	s.preview(map[string]any{"rule": `rfm.scored || percentile("orders") >= 10 || value.band == "top"`}).status(http.StatusOK).json(&got)
	if got.Members != 0 || got.Customers != 1 || !slices.Equal(got.Missing, []string{"rfm", "value"}) {
		t.Errorf("%+v", got)
	}
	// A clustering that was asked for can be published with, so that it can be tried too.
	s.append(cluster.Stream("habits"), uuid.Nil, cluster.Requested{ClusterID: "habits", AsOf: dated("2026-03-01"), Features: cluster.Default(), K: 2, MaxIterations: 100})
	s.project()
	got = readapi.SegmentPreview{}
	s.preview(map[string]any{"rule": `cluster("habits") == 1`}).status(http.StatusOK).json(&got)
	if got.Members != 0 || got.Customers != 1 || !slices.Equal(got.Missing, []string{"cluster:habits"}) {
		t.Errorf("%+v", got)
	}
}

// What nobody asks for is not computed anew every day, so that a preview may rest on
// what was true long ago.
func TestAPreviewSaysWhatIsOutdated(t *testing.T) {
	s := newSegmentClub(t)
	outdated := func(rule string, want ...string) {
		t.Helper()
		s.project()
		var got readapi.SegmentPreview
		s.preview(map[string]any{"rule": rule}).status(http.StatusOK).json(&got)
		if got.Outdated == nil || !slices.Equal(got.Outdated, want) || len(got.Missing) > 0 {
			t.Errorf("%s: %q %q, want %q", rule, got.Outdated, got.Missing, want)
		}
	}
	outdated(`value.band == "top"`)
	s.append(segment.Stream("best"), uuid.Nil, segment.Archived{SegmentID: "best"})
	outdated(`value.band == "top"`) // as of the last closed day still
	s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: dated("2026-03-04"), Zone: "Europe/Berlin"})
	outdated(`value.band == "top"`, "value")
	outdated(`percentile("revenue") >= 50 && kind != ""`, "value")
	outdated(`kind != ""`)
	// Nor is it as of the day if a policy is that was not when it was made.
	s = newSegmentClub(t)
	p := value.Default("EUR")
	p.TopPercent++
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 2, EffectiveFrom: dated("2026-03-04"), Value: &p})
	outdated(`value.band == "top"`, "value")
}

func TestTheLanguageOfRules(t *testing.T) {
	s := newSegmentClub(t)
	asked := s.append(cluster.Stream("habits"), uuid.Nil, cluster.Requested{ClusterID: "habits", AsOf: dated("2026-03-03"), Features: cluster.Default()})
	s.append(cluster.Stream("habits"), uuid.Nil, cluster.Fitted{
		ClusterID: "habits", Version: 1, Trigger: asked.ID.String(), TriggerPosition: asked.Position, AsOf: dated("2026-03-03"), Currency: "EUR", K: 1,
		Clusters: []cluster.Cluster{{Number: 1, Name: "Regulars"}},
	})
	s.project()
	var got readapi.SegmentLanguage
	s.get("/v1/segments/language").status(http.StatusOK).json(&got)
	if len(got.Attributes) != 1 || got.Attributes[0].Key != "colour" || len(got.Segments) != 7 || len(got.Clusterings) != 1 || got.Clusterings[0].Clusters[0].Name != "Regulars" {
		t.Errorf("%+v %+v %+v", got.Attributes, got.Segments, got.Clusterings)
	}
	if len(got.Members) == 0 || len(got.Functions) == 0 || len(got.Types) == 0 || len(got.Limits) == 0 || len(got.Measures) != 6 || len(got.Bands) != 5 {
		t.Errorf("%+v", got.Doc)
	}
	fields := map[string]string{}
	for _, e := range got.Events {
		rule := fmt.Sprintf("events(%q).count() > 0", e.Name)
		if _, err := segment.Compile(rule, nil); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
		for _, f := range e.Fields {
			fields[e.Name+" "+f.Name] = f.Type
		}
	}
	for name, typ := range map[string]string{
		"customer.tag_added tag": "", "customer.attribute_set value": "text", "customer.order_recorded total_minor": "whole number", "customer.cost_recorded amount_currency": "text",
		"customer.cost_recorded incurred_on": "text", "customer.cost_recorded note": "", "customer.attribute_set personal_value": "",
	} {
		if fields[name] != typ {
			t.Errorf("%s is %q, not %q", name, fields[name], typ)
		}
	}
	for _, ready := range segment.Shipped() {
		if ready.Rule == "" {
			continue
		}
		rule, err := segment.Compile(ready.Rule, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range rule.Uses().Fields {
			if is := readapi.EventFields(u.Events[0])[u.Name]; is != u.Needs {
				t.Errorf("%s: %q of %s is %q, not %q", ready.SegmentID, u.Name, u.Events[0], is, u.Needs)
			}
		}
	}
	s.get("/v1/segments/language?limit=3").status(http.StatusBadRequest)
}
