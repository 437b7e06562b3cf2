package readapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/duplicates"
	"github.com/rapport-crm/rapport/projections/lifecycle"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/owners"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/projections/segments"
	"github.com/rapport-crm/rapport/readapi"
)

func views() []projections.Projection {
	return []projections.Projection{profile.New(), rfm.New(), duplicates.New(), lifecycle.New(), owners.New(), loyalty.New(), segments.New(nil)}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// machine stands for what keeps the read models.
type machine struct {
	nudged  func() // called by Nudge
	status  projections.Status
	rebuild projections.RebuildStatus
}

func (m *machine) Nudge() {
	if m.nudged != nil {
		m.nudged()
	}
}

func (m *machine) Status() projections.Status { return m.status }

func (m *machine) StartRebuild(_ context.Context, view string) (string, error) {
	if view != rfm.Name {
		return "", projections.ErrNoView.With("There is no view %q.", view)
	}
	m.rebuild = projections.RebuildStatus{ID: "rfm@2", State: projections.RebuildRunning, Done: 5, Total: 20, Rate: 5, ETA: 3 * time.Second}
	return m.rebuild.ID, nil
}

func (m *machine) RebuildStatus(_ context.Context, id string) (projections.RebuildStatus, error) {
	if id != m.rebuild.ID {
		return projections.RebuildStatus{}, projections.ErrNoRebuild
	}
	return m.rebuild, nil
}

func (m *machine) Verify(_ context.Context, views ...string) (reports []projections.Report, err error) {
	for _, view := range views {
		r := projections.Report{View: view, Generation: 1, Position: 70, Documents: 3, Entries: 5, Indexes: true}
		switch view {
		case profile.Name:
		case rfm.Name:
			r.Differences = []projections.Difference{{Partition: 2, Kind: projections.DiffMetric, Name: "cell:555:customers", Stored: "4", Expected: "5"}}
		default:
			return nil, projections.ErrNoView.With("There is no view %q.", view)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func serve(_ testing.TB, a *readapi.API) http.Handler {
	return web.Router(a.Routes(), web.Config{Title: "Rapport", Log: slog.New(slog.DiscardHandler)})
}
