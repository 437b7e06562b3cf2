package readapi_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

func TestAQueryDoesNotWaitUnlessItAsksTo(t *testing.T) {
	s := town(t)
	before := s.position
	s.order(someone(1), "late", "2026-03-01", 5000)
	var c readapi.CustomerAnswer
	s.get("/v1/customers/" + someone(1).String()).status(200).json(&c)
	if c.Position != before || c.Orders.Count != 3 {
		t.Errorf("%+v", c)
	}
}

func TestAQueryWaitsForAnEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := town(t)
		s.order(someone(1), "late", "2026-03-01", 5000)
		begun, looks := time.Now(), 0
		s.machine.nudged = func() {
			if looks++; looks == 5 {
				s.project()
			}
		}
		var c readapi.CustomerAnswer
		s.get("/v1/customers/"+someone(1).String(), "Rapport-Position", itoa(s.position)).status(200).json(&c)
		if c.Position != s.position || c.Orders.Count != 4 {
			t.Errorf("%+v", c)
		}
		if took := time.Since(begun); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// A query of one customer waits for that customer's lane only; a list for all.
func TestAQueryOfOneCustomerWaitsForTheirLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := town(t)
		s.order(someone(1), "late", "2026-03-01", 5000)
		lane := projections.PartitionOf(someone(1), partitions)
		s.project(lane)
		at := "?min_position=" + itoa(s.position)
		first := "/v1/customers/" + someone(1).String()
		s.get(first + at).status(200)
		s.get(first + "/rfm" + at).status(200)
		s.get(first + "/history" + at).status(200)
		for _, path := range []string{"/v1/customers", "/v1/rfm/distribution", "/v1/rfm/customers", "/v1/rfm/export", otherLane(lane)} {
			begun := time.Now()
			a := s.get(path + at).status(503)
			if p := a.problem(); p.Code != "projection_behind" || time.Since(begun) != 2*time.Second {
				t.Errorf("%s: %+v after %v", path, p, time.Since(begun))
			}
		}
		s.project()
		for _, path := range []string{"/v1/customers", "/v1/rfm/distribution", "/v1/rfm/customers", "/v1/rfm/export", otherLane(lane)} {
			if a := s.get(path + at).status(200); a.Header().Get("Rapport-Position") != itoa(s.position) {
				t.Errorf("%s: %v", path, a.Header())
			}
		}
	})
}

// otherLane returns the path of a customer of another lane.
func otherLane(lane int) string {
	for n := uint64(1); ; n++ {
		if projections.PartitionOf(someone(n), partitions) != lane {
			return "/v1/customers/" + someone(n).String()
		}
	}
}

func TestTheLagIsToldToWhoWaitedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := town(t)
		p := s.get("/v1/customers/" + someone(1).String() + "?min_position=" + itoa(s.position+9)).status(503).problem()
		want := "You asked for position " + itoa(s.position+9) + "; after 2s the read models are at " + itoa(s.position) + ", 9 behind. Ask again."
		if p.Detail != want {
			t.Errorf("%q, want %q", p.Detail, want)
		}
	})
}

func TestBeforeAnythingIsBuiltNothingIsAnswered(t *testing.T) {
	s := newShop(t)
	c, err := s.store.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Views["profile"] = projections.Slot{Building: 1, Last: 1}
	if err := s.store.SaveCatalogue(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.customer(someone(1), customer.Registered{RegisteredAt: s.clock})
	for _, path := range []string{"/v1/customers", "/v1/customers/" + someone(1).String(), "/v1/rfm/distribution"} {
		if p := s.get(path).status(503).problem(); p.Code != "projection_behind" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if r := s.api.Ready(t.Context()); r.Ready {
		t.Errorf("%+v", r)
	}
}
