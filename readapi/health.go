package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

const (
	// healthPatience is how long a part may take to answer before it counts as away.
	healthPatience = time.Second
	// readyLag is how far behind the read models may be before the process is not
	// ready: queries would show a past that surprises.
	readyLag = 30 * time.Second
)

// Check is the state of one part.
type Check struct {
	Name   string `json:"name"` // log, read_models, projections
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Readiness says whether the process should be sent requests, and why not.
type Readiness struct {
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// Ready checks the log, the read models and the projections, at the same time.
func (a *API) Ready(ctx context.Context) Readiness {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	checks := []struct {
		name  string
		check func(context.Context) error
	}{
		{"log", a.logAnswers},
		{"read_models", a.readModelsAnswer},
		{"projections", a.projectionsRun},
	}
	r := Readiness{Ready: true, Checks: make([]Check, len(checks))}
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			r.Checks[i] = Check{Name: c.name, OK: true}
			if err := within(ctx, c.check); err != nil {
				r.Checks[i].OK, r.Checks[i].Detail = false, err.Error()
			}
		})
	}
	wg.Wait()
	for _, c := range r.Checks {
		r.Ready = r.Ready && c.OK
	}
	return r
}

// within calls f and does not wait for it longer than ctx lasts.
func within(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("no answer within %v", healthPatience)
	}
}

func (a *API) logAnswers(ctx context.Context) error {
	for _, err := range a.Log.Read(ctx, deployment.Stream, 0) {
		if err != nil {
			return fmt.Errorf("the log does not answer")
		}
		return nil
	}
	return fmt.Errorf("the log holds no deployment")
}

func (a *API) readModelsAnswer(ctx context.Context) error {
	c, err := a.Documents.Catalogue(ctx)
	if err != nil {
		return fmt.Errorf("the read models do not answer")
	}
	for _, view := range []string{profile.Name, rfm.Name} {
		if c.Views[view].Serving == 0 {
			return fmt.Errorf("the read model %q is being built", view)
		}
	}
	return nil
}

func (a *API) livez(w http.ResponseWriter, _ *http.Request) error {
	return writePlain(w, 200, Liveness{Live: true})
}

// Liveness says that the process answers.
type Liveness struct {
	Live bool `json:"live"`
}

func (a *API) readyz(w http.ResponseWriter, r *http.Request) error {
	ready := a.Ready(r.Context())
	status := 200
	if !ready.Ready {
		status = 503
	}
	return writePlain(w, status, ready)
}

// writePlain answers what reflects no position.
func writePlain(w http.ResponseWriter, status int, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(append(b, '\n'))
	return err
}

// HealthRoutes returns what every process answers, whatever its role.
func (a *API) HealthRoutes() []web.Route {
	routes := []web.Route{
		{
			Method: "GET", Path: "/livez", Tag: "operations", Summary: "Say that the process is alive",
			Answers: []web.Answer{{Status: 200, Detail: "It is.", Body: Liveness{}}},
			Handler: a.livez,
		},
		{
			Method: "GET", Path: "/readyz", Tag: "operations", Summary: "Say whether the process is ready for requests, and why not",
			Detail: "Not ready while the log or the read models do not answer, while a lane of the projections has stopped at an event it cannot apply, " +
				"and while one is far behind.",
			Answers: []web.Answer{
				{Status: 200, Detail: "Ready.", Body: Readiness{}},
				{Status: 503, Detail: "Not ready; the checks say why.", Body: Readiness{}},
			},
			Handler: a.readyz,
		},
	}
	if a.Metrics != nil {
		routes = append(routes, web.Route{
			Method: "GET", Path: "/metrics", Tag: "operations", Summary: "Serve the metrics in the text format of Prometheus",
			Answers: []web.Answer{{Status: 200, Detail: "The metrics.", ContentType: "text/plain"}},
			Handler: func(w http.ResponseWriter, r *http.Request) error {
				a.Metrics.ServeHTTP(w, r)
				return nil
			},
		})
	}
	return routes
}
