package readapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/readapi"
)

func TestTheJobsTellHowFarTheyAre(t *testing.T) {
	s := newShop(t)
	if p := s.get("/v1/jobs").status(503).problem(); p.Code != "jobs_elsewhere" {
		t.Errorf("%+v", p)
	}
	if p := s.get("/v1/jobs?min_position=1").status(400).problem(); p.Code != "parameter_invalid" {
		t.Errorf("%+v", p)
	}
	s.api.Jobs = func() []readapi.Job { return []readapi.Job{} }
	if got := strings.TrimSpace(s.get("/v1/jobs").status(200).Body.String()); got != `{"jobs":[]}` {
		t.Error(got)
	}
	want := readapi.Jobs{Jobs: []readapi.Job{{Name: "stage-keeper", Position: 12, Through: 15}, {Name: "loyalty-keeper", Failing: true}}}
	s.api.Jobs = func() []readapi.Job { return want.Jobs }
	var got readapi.Jobs
	s.get("/v1/jobs").status(200).json(&got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
