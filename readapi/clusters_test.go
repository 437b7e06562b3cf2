package readapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
	"github.com/rapport-crm/rapport/readapi"
)

// fit asks for clusters of the customers.
func (s *shop) fit(id string, k int) eventschema.Raw {
	s.t.Helper()
	r := cluster.Requested{ClusterID: id, AsOf: domain.NewDate(2026, 2, 28), Features: cluster.Default(), K: k, Seed: 7, MaxIterations: 100}
	if k == 0 {
		r.MinK, r.MaxK = 2, 4
	}
	return s.append(cluster.Stream(id), uuid.Nil, r)
}

// fitted answers a request from what the partitions contributed to it.
func (s *shop) fitted(asked eventschema.Raw, version int) eventschema.Raw {
	s.t.Helper()
	stored, err := s.store.Notes(s.t.Context(), projections.Generation{View: segments.Name, Number: 1}, partitions, cluster.NoteName(asked.Position))
	if err != nil {
		s.t.Fatal(err)
	}
	notes := make([]*cluster.Note, len(stored))
	for i, n := range stored {
		if notes[i], err = cluster.DecodeNote(n); err != nil {
			s.t.Fatal(err)
		}
	}
	population, err := cluster.Merge(notes)
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := eventschema.Events.Open(asked, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r := e.Data.(cluster.Requested)
	f := cluster.Solve(r, asked.ID.String(), asked.Position, population).Fitted
	f.Version = version
	return s.append(cluster.Stream(r.ClusterID), uuid.Nil, *f)
}

// habits is a shop with nine customers who bought: 0 to 2 much and of late, 3 to 5 now
// and then, 6 to 8 once, long ago; and 9, who never did.
func habits(t *testing.T) *shop {
	s := newShop(t)
	s.policy()
	s.append(segment.Stream("best"), uuid.Nil, segment.Defined{SegmentID: "best", Kind: segment.Dynamic, Name: "Best", Rule: `cluster("habits") == 1`})
	for n := range uint64(10) {
		c := someone(n)
		s.register(c, customer.Name{Given: "C"}, "web")
		if n%4 == 0 {
			s.link(c, "till", fmt.Sprint("t", n))
		}
		orders, last, minor := []int{9, 4, 1, 0}[n/3], 28-int(n/3)*9, []int64{20_000, 5_000, 1_000, 0}[n/3]
		for i := range orders {
			s.order(c, fmt.Sprint(n, "-", i), fmt.Sprintf("2026-02-%02d", max(1, last-i)), minor+int64(n)*10)
		}
	}
	s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: domain.NewDate(2026, 2, 28), Zone: "Europe/Berlin"})
	return s
}

func (s *shop) clustering(id string) (a readapi.ClusteringAnswer) {
	s.t.Helper()
	s.get("/v1/clusters/" + id).status(200).json(&a)
	return a
}

// inCluster walks through the customers of a cluster, two at a time; 0: of all.
func (s *shop) inCluster(id string, number int) (found []string) {
	s.t.Helper()
	path := "/v1/clusters/" + id + "/customers?limit=2"
	if number != 0 {
		path += fmt.Sprint("&cluster=", number)
	}
	for cursor := ""; ; {
		var page readapi.ClusterCustomers
		s.get(path + cursor).status(200).json(&page)
		for _, c := range page.Customers {
			found = append(found, fmt.Sprint(c.Cluster, ":", c.CustomerID[15]))
		}
		if page.NextCursor == "" {
			return found
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

func (s *shop) counted(id string) (counts []int64) {
	s.t.Helper()
	a := s.clustering(id)
	for _, c := range a.Stands.Clusters {
		counts = append(counts, c.Customers)
	}
	return append(counts, a.Stands.Outside)
}

func TestClusters(t *testing.T) {
	s := habits(t)
	s.project()
	if body := s.get("/v1/clusters").status(200).Body.String(); !strings.Contains(body, `"clusterings":[]`) {
		t.Error(body)
	}
	if p := s.get("/v1/clusters/habits").status(404).problem(); p.Code != "clustering_not_found" {
		t.Error(p)
	}
	s.get("/v1/clusters/habits/customers").status(404)

	asked := s.fit("habits", 0)
	s.project()
	if a := s.clustering("habits"); a.State != "pending" || a.Fit != nil || a.Stands != nil || len(a.Versions) != 1 || a.Versions[0].State != "pending" || a.Versions[0].AskedK != 0 {
		t.Errorf("asked for: %+v", a)
	}
	if got := s.inCluster("habits", 1); got != nil {
		t.Error(got)
	}

	answer := s.fitted(asked, 1)
	s.apply() // it is on its way through the documents
	var list readapi.Clusterings
	s.get("/v1/clusters").status(200).json(&list)
	if c := list.Clusterings; len(c) != 1 || c[0].State != "fitted" || c[0].Fit == nil || !c[0].Fit.Settling || list.Position != answer.Position-1 {
		t.Errorf("on its way: %+v", list)
	}
	s.project()
	s.golden("cluster.json", s.get("/v1/clusters/habits").status(200).Body.Bytes())
	s.golden("cluster_customers.json", s.get("/v1/clusters/habits/customers?limit=3").status(200).Body.Bytes())
	all := []string{"1:0", "1:1", "1:2", "2:3", "2:4", "2:5", "3:6", "3:7", "3:8"}
	if diff := cmp.Diff(all, s.inCluster("habits", 0)); diff != "" {
		t.Error(diff)
	}
	for number, want := range [][]string{1: all[:3], 2: all[3:6], 3: all[6:], 4: nil} {
		if got := s.inCluster("habits", number); number > 0 && !slices.Equal(got, want) {
			t.Errorf("cluster %d: %v, want %v", number, got, want)
		}
	}
	if diff := cmp.Diff([]int64{3, 3, 3, 1}, s.counted("habits")); diff != "" {
		t.Error(diff)
	}

	// Customers move by what they do, and not by a policy that came after the fit.
	score := func(version int, currency string) {
		s.append(policy.Stream(policy.KindRFM), uuid.Nil, policy.Published{Kind: policy.KindRFM, Version: version, RFM: &rules.Policy{
			Name: currency, Currency: currency, Method: rules.Quantiles, Bins: 5, Orders: rules.CountRecorded, Amounts: rules.Gross, Otherwise: "Others",
		}})
	}
	score(2, "USD")
	for i := range 4 {
		s.order(someone(7), fmt.Sprint("more-", i), "2026-02-28", 40_000)
	}
	s.project()
	if diff := cmp.Diff([]string{"1:0", "1:1", "1:2", "1:7"}, s.inCluster("habits", 1)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{4, 3, 2, 1}, s.counted("habits")); diff != "" {
		t.Error(diff)
	}
	var members readapi.SegmentMembers
	s.get("/v1/segments/best/members?sort=customer").status(200).json(&members)
	if len(members.Members) != 4 || members.Members[3].CustomerID != someone(7) {
		t.Errorf("%+v", members.Members)
	}

	// A fit that fails leaves what stands; a later one moves them.
	score(3, "EUR")
	failed := s.fit("habits", 12)
	s.project()
	if a := s.clustering("habits"); a.State != "pending" || a.Fit.Version != 1 {
		t.Errorf("asked again: %+v", a)
	}
	s.append(cluster.Stream("habits"), uuid.Nil, cluster.FitFailed{ClusterID: "habits", Trigger: failed.ID.String(), TriggerPosition: failed.Position, AsOf: domain.NewDate(2026, 2, 28), Code: cluster.CodeTooFew, Detail: "too few"})
	s.project()
	a := s.clustering("habits")
	if a.State != "failed" || a.Code != cluster.CodeTooFew || a.Detail != "too few" || a.Failed == nil || a.Failed.Code != cluster.CodeTooFew || a.Fit.Version != 1 || a.Versions[1].State != "failed" || a.Versions[1].AskedK != 12 {
		t.Errorf("failed: %+v", a)
	}
	again := s.fit("habits", 4)
	s.project()
	s.fitted(again, 2)
	s.project()
	if a = s.clustering("habits"); a.State != "fitted" || a.Failed != nil || a.Fit.Version != 2 || a.Fit.K != 4 || len(a.Versions) != 3 || a.Versions[2].Version != 2 || a.Versions[0].Answer != answer.Position {
		t.Errorf("again: %+v", a)
	}
	first := s.inCluster("habits", 1)
	if all := s.inCluster("habits", 0); len(all) != 9 || len(first) == 4 || s.counted("habits")[0] != int64(len(first)) {
		t.Errorf("%v of %v, %v", first, all, s.counted("habits"))
	}
	members = readapi.SegmentMembers{}
	s.get("/v1/segments/best/members").status(200).json(&members)
	if len(members.Members) != len(first) {
		t.Errorf("%d members, %v", len(members.Members), first)
	}
}

func TestClusterParameters(t *testing.T) {
	s := newShop(t)
	s.fit("habits", 2)
	s.project()
	for path, pointer := range map[string]string{
		"/v1/clusters?x=1":                                "/x",
		"/v1/clusters/features?x=1":                       "/x",
		"/v1/clusters/habits?x=1":                         "/x",
		"/v1/clusters/habits/customers?cluster=0":         "/cluster",
		"/v1/clusters/habits/customers?cluster=21":        "/cluster",
		"/v1/clusters/habits/customers?cursor=x":          "/cursor",
		"/v1/clusters/habits/customers?limit=501":         "/limit",
		"/v1/clusters/habits/customers?min_position=-1":   "/min_position",
		"/v1/clusters/habits/customers?cluster=1&sort=-x": "/sort",
	} {
		if p := s.get(path).status(400).problem(); len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: %+v", path, p)
		}
	}
	var f readapi.ClusterFeatures
	s.get("/v1/clusters/features").status(200).json(&f)
	var defaults []string
	for _, x := range f.Features {
		if x.Default {
			defaults = append(defaults, x.Name)
		}
	}
	if len(f.Features) != len(cluster.Features()) || !slices.Equal(defaults, cluster.Default()) {
		t.Errorf("%+v", f)
	}
}
