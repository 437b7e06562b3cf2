package readapi_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

func poisoned() projections.Status {
	poison := &projections.Poison{EventID: id(0xee, 3), Position: 77, Stream: "customer-x", Type: "customer.sneezed.v1", Reason: errors.New("unknown")}
	return projections.Status{
		Views: []projections.ViewStatus{{
			View: "rfm", Generation: 2, Position: 70, Head: 99, Lag: 29, LagSeconds: 3,
			Partitions: []projections.LaneStatus{
				{Partition: 0, Position: 99, State: projections.LaneLive},
				{Partition: 1, Position: 70, State: projections.LanePoison, Poison: poison, Error: poison.Error(), Attempts: 4, Since: time.Unix(0, 0).UTC()},
			},
			Rebuild: &projections.RebuildStatus{ID: "rfm@3", State: projections.RebuildRunning, Done: 10, Total: 99},
		}},
		Parked: []operations.EventParked{{EventID: id(0xee, 1), Position: 12, Reason: "broken"}},
	}
}

func TestTheStateOfTheReadModelsIsShown(t *testing.T) {
	s := newShop(t)
	s.machine.status = poisoned()
	s.golden("projections.json", s.get("/v1/projections").status(200).Body.Bytes())
}

func TestARebuildTellsHowItGoes(t *testing.T) {
	s := newShop(t)
	a := s.do("POST", "/v1/projections/rfm/rebuild").status(202)
	location := a.Header().Get("Location")
	if location != "/v1/projections/rebuilds/rfm@2" {
		t.Fatal(location)
	}
	var r readapi.Rebuild
	s.get(location).status(200).json(&r)
	if r.Done != 5 || r.Total != 20 || r.Rate != 5 || *r.ETASeconds != 3 {
		t.Errorf("%+v", r)
	}
	if p := s.do("POST", "/v1/projections/nothing/rebuild").status(404).problem(); p.Code != "projection_not_found" {
		t.Errorf("%+v", p)
	}
	if p := s.get("/v1/projections/rebuilds/rfm@9").status(404).problem(); p.Code != "rebuild_not_found" {
		t.Errorf("%+v", p)
	}
}

func TestAViewIsComparedWithTheLog(t *testing.T) {
	s := newShop(t)
	s.machine.status.Views = []projections.ViewStatus{{View: "profile"}, {View: "rfm"}}
	var one, all readapi.ViewVerification
	s.do("POST", "/v1/projections/profile/verify").status(200).json(&one)
	if !one.OK || one.Position != 70 || one.Documents != 3 || len(one.Differences) != 0 {
		t.Errorf("%+v", one)
	}
	s.do("POST", "/v1/projections/all/verify").status(200).json(&all)
	if all.OK || len(all.Views) != 2 || all.Documents != 6 || all.Entries != 10 || len(all.Differences) != 1 || all.Differences[0].Want != "5" {
		t.Errorf("%+v", all)
	}
	if p := s.do("POST", "/v1/projections/nothing/verify").status(404).problem(); p.Code != "projection_not_found" {
		t.Errorf("%+v", p)
	}
}

func TestAProcessWithoutProjectionsSaysSo(t *testing.T) {
	s := town(t)
	s.api.Projections = nil
	for _, request := range [][2]string{
		{"GET", "/v1/projections"}, {"POST", "/v1/projections/rfm/rebuild"}, {"GET", "/v1/projections/rebuilds/x"}, {"POST", "/v1/projections/rfm/verify"},
	} {
		if p := s.do(request[0], request[1]).status(503).problem(); p.Code != "projections_elsewhere" {
			t.Errorf("%v: %+v", request, p)
		}
	}
	s.get("/readyz").status(200)
	s.get("/v1/customers").status(200)
}

// away stands for a log and read models that are away, or hang.
type away struct {
	documents
	readapi.Log
	hangs bool
}

type documents = readapi.Documents

func (a away) wait(ctx context.Context) error {
	if a.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("dial tcp 10.0.0.7:6379: connection refused")
}

func (a away) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	return projections.Catalogue{}, a.wait(ctx)
}

func (a away) Read(ctx context.Context, _ string, _ uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) { yield(eventschema.Raw{}, a.wait(ctx)) }
}

func TestReadinessSaysWhatIsWrong(t *testing.T) {
	behind := projections.Status{Views: []projections.ViewStatus{{View: "rfm", Position: 5, Head: 50, LagSeconds: 31}}}
	for name, c := range map[string]struct {
		change func(*shop)
		check  string
		detail string
	}{
		"log away":       {func(s *shop) { s.api.Log = away{} }, "log", "answer"},
		"log hangs":      {func(s *shop) { s.api.Log = away{hangs: true} }, "log", "answer"},
		"redis away":     {func(s *shop) { s.api.Documents = away{} }, "read_models", "answer"},
		"redis hangs":    {func(s *shop) { s.api.Documents = away{hangs: true} }, "read_models", "answer"},
		"poison":         {func(s *shop) { s.machine.status = poisoned() }, "projections", "partition 1 of rfm has stopped at event " + uuid.UUID(id(0xee, 3)).String()},
		"behind":         {func(s *shop) { s.machine.status = behind }, "projections", "31 seconds behind"},
		"cannot be kept": {func(s *shop) { s.machine.status.Error = "dial tcp" }, "projections", "cannot be kept"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop(t)
				c.change(s)
				a := s.get("/readyz").status(503)
				var r readapi.Readiness
				a.json(&r)
				for _, check := range r.Checks {
					if check.OK == (check.Name == c.check) || !check.OK && !strings.Contains(check.Detail, c.detail) {
						t.Errorf("%+v", check)
					}
				}
				if strings.Contains(a.Body.String(), "10.0.0.7") {
					t.Error("an address leaks")
				}
				s.get("/livez").status(200)
			})
		})
	}
}

// A failure in the middle of a long answer must not look like its end.
func TestALongAnswerThatFailsIsCut(t *testing.T) {
	s := city(t, 60)
	for _, after := range []int{0, 3} {
		s.api.Log = breaking{s.log, after}
		func() {
			defer func() { recover() }()
			a := s.get("/v1/log")
			if a.Code != 500 || strings.Contains(a.Body.String(), `"end"`) {
				t.Errorf("after %d: %d %s", after, a.Code, a.Body)
			}
		}()
	}
}

// breaking is a log that fails after some events.
type breaking struct {
	readapi.Log
	after int
}

func (b breaking) Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error {
	return b.Log.Follow(ctx, after, prefixes, func(p eventschema.Page) error {
		p.Events, p.Live, p.End = p.Events[:b.after], false, after
		if err := deliver(p); err != nil {
			return err
		}
		return errors.New("the log is away")
	})
}

func TestMetricsAreServed(t *testing.T) {
	if body := newShop(t).get("/metrics").status(200).Body.String(); body != "rapport_up 1\n" {
		t.Error(body)
	}
}
