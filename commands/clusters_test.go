package commands_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/deployment"
)

func TestClustersOverHTTP(t *testing.T) {
	s := serve(t, deployment.Manual)
	const path = "/v1/clusters/shoppers/fit-clusters"
	if got := told(t, s.Post(path, `{}`)); got != "409 no_day_closed" {
		t.Error(got)
	}
	s.must(t, 200, "", "/v1/calendar/close-day", `{"date":"2026-02-28"}`)
	for _, step := range []struct{ path, body, want string }{
		{path, `{}`, "200 cluster.requested"},
		{path, `{"cluster_id":"shoppers"}`, "200 unchanged"},
		{path, `{"k":4,"features":["monetary"],"seed":7}`, "200 cluster.requested"},
		{path, `{"cluster_id":"others"}`, "422 validation_failed /cluster_id"},
		{path, `{"k":99,"features":["shoe_size"]}`, "422 validation_failed /features/0 /k"},
		{path, `{"kk":1}`, "422 validation_failed /kk"},
		{"/v1/clusters/Shoppers/fit-clusters", `{}`, "422 validation_failed /cluster_id"},
		{"/v1/clusters/others/fit-clusters", `{}`, "200 cluster.requested"},
	} {
		if got := told(t, s.Post(step.path, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.path, step.body, got, step.want)
		}
	}
	lines := s.bulk(t, `{"command":"fit-clusters","body":{"cluster_id":"thirds","k":3}}`+"\n"+`{"command":"fit-clusters","body":{}}`)
	if lines[0].Status != 200 || lines[1].Status != 422 || len(lines[1].Errors) != 1 {
		t.Errorf("%+v", lines)
	}
	for id, want := range map[string]int{"shoppers": 2, "others": 1, "thirds": 1} {
		if state := stateOf[cluster.State, cluster.Event](t, s.log, cluster.Stream(id), nil); len(state.Open) != want {
			t.Errorf("%s: %d requests, want %d", id, len(state.Open), want)
		}
	}
}
