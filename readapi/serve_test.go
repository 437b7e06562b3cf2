package readapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/readapi"
)

func views() []projections.Projection {
	return []projections.Projection{profile.New(), rfm.New()}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// machine stands for the machinery that keeps the read models.
type machine struct {
	shop    *shop
	nudged  func() // called by Nudge
	status  readapi.ProjectionStatus
	err     error
	rebuild readapi.Rebuild
}

func (m *machine) Nudge() {
	if m.nudged != nil {
		m.nudged()
	}
}

func (m *machine) Status(context.Context) (readapi.ProjectionStatus, error) { return m.status, m.err }

func (m *machine) StartRebuild(_ context.Context, view string) (string, error) {
	m.rebuild = readapi.Rebuild{ID: "1", Views: []string{view}, State: "running", StartedAt: m.shop.clock}
	return "1", m.err
}

func (m *machine) Rebuild(_ context.Context, id string) (readapi.Rebuild, error) {
	if id != m.rebuild.ID {
		return readapi.Rebuild{}, readapi.ErrRebuildNotFound
	}
	return m.rebuild, nil
}

func (m *machine) Verify(_ context.Context, view string) (readapi.ViewVerification, error) {
	return readapi.ViewVerification{OK: true, Views: []string{view}, Differences: []readapi.Difference{}}, m.err
}

func serve(_ testing.TB, a *readapi.API) http.Handler {
	statuses := map[domain.Kind]int{domain.Malformed: 400, domain.Invalid: 422, domain.NotFound: 404, domain.Conflict: 409, domain.Unavailable: 503}
	m := mux.NewRouter()
	for _, route := range a.Routes() {
		m.Methods(route.Method).Path(route.Path).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := route.Handler(w, r)
			if err == nil {
				return
			}
			e := new(domain.Error)
			if !errors.As(err, &e) {
				e = &domain.Error{Code: "internal", Detail: err.Error()}
			}
			w.Header().Set("Content-Type", "application/problem+json")
			status := statuses[e.Kind]
			if status == 0 {
				status = 500
			}
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"status": status, "code": e.Code, "detail": e.Detail, "errors": e.Fields})
		})
	}
	return m
}
