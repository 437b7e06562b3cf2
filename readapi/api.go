// Package readapi answers queries: from the read models, which are as far as
// their position says, and from the log, for a customer's history.
//
// A query never waits unless it asks to: min_position names the position of a
// command whose effect it must show. Every answer says which position of the
// log it reflects, and which business day was the last one closed.
package readapi

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
)

// API answers queries over HTTP. Safe for concurrent use; not to be copied.
type API struct {
	// Documents should remember the catalogue for up to a second: every query asks for it.
	Documents   Documents
	Log         Log
	Head        func(ctx context.Context) (uint64, error) // the position of the log's last event, 0 for an empty one
	Keys        projections.Keys
	KeySource   projections.KeySource
	Projections Projections
	// Jobs says how far the jobs of this process are that book what falls due; nil:
	// it runs none.
	Jobs func() []Job
	// Lookup is the keyed hash under which a value can be found that is not
	// stored in the clear; (*eventschema.Keyring).Lookup.
	Lookup func(kind, value string) string
	// Secret tells the cursors of deployments with one keyring apart. Every
	// process of a deployment has the same.
	Secret [32]byte
	// Clock is the wall clock; nil: time.Now.
	Clock func() time.Time
	// Metrics serves /metrics. Optional.
	Metrics http.Handler

	worlds  worlds
	past    timeline
	reading turnstile // of who reads the accounts of all members from the log
	trying  turnstile // of who tries a rule on everybody
	sealing sync.Once
	sealed  cursors
}

// Routes returns the operations of the API.
func (a *API) Routes() []web.Route {
	return slices.Concat(
		a.customerRoutes(),
		a.rightsRoutes(),
		a.couponRoutes(),
		a.contactabilityRoutes(),
		a.historyRoutes(),
		a.replayRoutes(),
		[]web.Route{a.ledgerVerifyRoute()},
		a.diffRoutes(),
		a.rfmRoutes(),
		a.segmentQueryRoutes(),
		a.segmentRoutes(),
		a.clusterRoutes(),
		a.lifecycleRoutes(),
		[]web.Route{a.calibrationRoute(), a.valueCalibrationRoute()},
		a.duplicateRoutes(),
		a.ownerRoutes(),
		a.careRoutes(),
		a.accountRoutes(),
		a.programmeRoutes(),
		a.projectionRoutes(),
		[]web.Route{a.jobRoute()},
		a.logRoutes(),
		a.HealthRoutes(),
	)
}

func (a *API) cursors() cursors {
	a.sealing.Do(func() {
		// Lookup is keyed: what it makes is known to the deployment only.
		a.sealed = newCursors(sha256.Sum256(append(a.Secret[:], a.Lookup("cursor", "")...)))
	})
	return a.sealed
}
