package commands_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

var background = context.Background()

func TestTheFirstCreatesTheDeployment(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	got := make([]deployment.Created, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			created, position, err := writer(&log, c).EnsureDeployment(t.Context(), commands.Deployment{Calendar: deployment.Manual, Currency: "USD"})
			if err != nil || position == 0 {
				t.Errorf("%d, %v", position, err)
			}
			got[i] = created
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] || g.LogID == "" || g.Partitions != 64 || g.Zone != "UTC" || g.Calendar != deployment.Manual {
			t.Errorf("%+v", g)
		}
	}
	founding := []string{policy.KindRFM, policy.KindLifecycle, policy.KindContact, policy.KindOwnership, policy.KindValue} // the others are up to the company
	if n := log.Len(); n != 1+len(founding) {
		t.Errorf("%d events, want the deployment and its first policies", n)
	}
	for raw, err := range log.Read(t.Context(), policy.Stream(policy.KindRFM), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p := e.Data.(policy.Published); p.Version != 1 || p.RFM.Currency != "USD" || p.EffectiveFrom != policy.Always {
			t.Errorf("%+v", p)
		}
	}
}

// A deployment that is older than the policy of values has a currency already.
func TestCustomersAreValuedInTheCurrencyTheyAreScoredIn(t *testing.T) {
	var log memlog.Log
	w := writer(&log, new(clock))
	if _, err := commands.Execute(t.Context(), w, request("publish-policy"), domain.Command[policy.State, policy.Event](policy.PublishRFM{Policy: rfm.Default("JPY")})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := w.EnsureDeployment(t.Context(), commands.Deployment{Currency: "USD"}); err != nil {
			t.Fatal(err)
		}
	}
	var found []value.Policy
	for raw, err := range log.Read(t.Context(), policy.Stream(policy.KindValue), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, *e.Data.(policy.Published).Value)
	}
	if diff := cmp.Diff([]value.Policy{value.Default("JPY")}, found); diff != "" {
		t.Error(diff)
	}
}

func TestADeploymentNeverChanges(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w := writer(&log, c)
	if _, _, err := w.EnsureDeployment(t.Context(), commands.Deployment{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.EnsureDeployment(t.Context(), commands.Deployment{Partitions: 64, Zone: "UTC", Calendar: deployment.Wall}); err != nil {
		t.Errorf("the same settings: %v", err)
	}
	other := writer(&log, c)
	other.Keys = eventschema.NewKeyring([32]byte{9}, [32]byte{2})
	for _, f := range []struct {
		w    *commands.Writer
		want commands.Deployment
		word string
	}{
		{w, commands.Deployment{Partitions: 8}, "partitions"},
		{w, commands.Deployment{Zone: "Europe/Berlin"}, "zone"},
		{w, commands.Deployment{Calendar: deployment.Manual}, "calendar"},
		{other, commands.Deployment{}, "master key"},
	} {
		_, _, err := f.w.EnsureDeployment(t.Context(), f.want)
		if !errors.Is(err, commands.ErrDeployment) || !strings.Contains(err.Error(), f.word) {
			t.Errorf("%+v: %v", f.want, err)
		}
	}
	for _, bad := range []commands.Deployment{{Partitions: 5000}, {Zone: "Mars"}, {Calendar: "lunar"}} {
		if _, _, err := writer(new(memlog.Log), c).EnsureDeployment(t.Context(), bad); err == nil {
			t.Errorf("%+v was created", bad)
		}
	}
}

func TestBusinessTime(t *testing.T) {
	c := new(clock)
	wall := &commands.World{Clock: c.Now}
	if s := wall.Subject([16]byte{}); !s.Now.Equal(noon) || !s.Latest.Equal(noon.Add(5*time.Minute)) || !s.Wall || s.Today() != domain.NewDate(2026, 3, 1) {
		t.Errorf("%+v", s)
	}
	s := serve(t, deployment.Manual)
	if got := s.writer.World.Subject([16]byte{}); !got.Latest.IsZero() || !got.Now.Equal(noon) || got.Wall {
		t.Errorf("before the first close: %+v", got)
	}
	s.Post("/v1/calendar/close-day", `{"date":"1998-03-28"}`) // the clocks change on the 29th
	got := s.writer.World.Subject([16]byte{})
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(1998, 3, 29, 0, 0, 0, 0, berlin); !got.Now.Equal(want) || got.Latest.Sub(got.Now).Round(time.Second) != 23*time.Hour {
		t.Errorf("after it: %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.writer.World.WaitFor(ctx, 1<<60); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ended with %v", err)
	}
	if a := s.Get("/v1/calendar?min_position=x"); a.Status != 400 {
		t.Errorf("%d", a.Status)
	}
}
