package readapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
)

// Refusals of the operations on read models.
var (
	ErrViewNotFound    = &domain.Error{Kind: domain.NotFound, Code: "view_not_found"}
	ErrRebuildNotFound = &domain.Error{Kind: domain.NotFound, Code: "rebuild_not_found"}
	ErrRebuilding      = &domain.Error{Kind: domain.Conflict, Code: "rebuild_running"}
	ErrNoProjections   = &domain.Error{Kind: domain.Unavailable, Code: "projections_elsewhere",
		Detail: "This process does not keep the read models; ask one that does."}
)

// allViews names all of them in a path.
const allViews = "all"

// Projections is what the operations need of what keeps the read models. Safe
// for concurrent use.
type Projections interface {
	// Nudge asks for the checkpoints of idle lanes to be written at once.
	Nudge()
	// Status tells how the views and lanes are.
	Status(ctx context.Context) (ProjectionStatus, error)
	// StartRebuild begins to fill a view anew beside the serving one, or all of
	// them; ErrRebuilding if one of them is being filled.
	StartRebuild(ctx context.Context, view string) (id string, err error)
	// Rebuild tells how a rebuild is; ErrRebuildNotFound.
	Rebuild(ctx context.Context, id string) (Rebuild, error)
	// Verify recomputes a view, or all of them, from the log and compares.
	Verify(ctx context.Context, view string) (ViewVerification, error)
}

// ProjectionStatus is how the read models are.
type ProjectionStatus struct {
	Head       uint64        `json:"head"`       // the log is known up to here
	Position   uint64        `json:"position"`   // every view reflects the log up to here
	LagEvents  uint64        `json:"lag_events"` // positions between the two: at least as many as events
	LagSeconds float64       `json:"lag_seconds"`
	Views      []ViewStatus  `json:"views"`
	Lanes      []LaneStatus  `json:"lanes"`  // those that do not just go on
	Parked     []ParkedEvent `json:"parked"` // passed over because an operator said so
}

// ViewStatus is how a view is.
type ViewStatus struct {
	Name       string `json:"name"`
	Generation int    `json:"generation"`         // the one that serves; 0: none yet
	Building   int    `json:"building,omitempty"` // the one that is being filled
	Position   uint64 `json:"position"`
	LagEvents  uint64 `json:"lag_events"`
}

// LaneStatus is how a lane is that does not just go on.
type LaneStatus struct {
	Partition int        `json:"partition"`
	State     string     `json:"state"`
	Position  uint64     `json:"position"`
	EventID   *uuid.UUID `json:"event_id,omitempty"` // the event it stopped at
	EventType string     `json:"event_type,omitempty"`
	Error     string     `json:"error,omitempty"`
	Attempts  int        `json:"attempts,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
}

// ParkedEvent is an event that the projections pass over.
type ParkedEvent struct {
	EventID  uuid.UUID `json:"event_id"`
	Position uint64    `json:"position"`
	Reason   string    `json:"reason"`
}

// Rebuild is how a rebuild is.
type Rebuild struct {
	ID         string     `json:"id"`
	Views      []string   `json:"views"`
	State      string     `json:"state"` // running, done, failed
	Done       uint64     `json:"done"`  // events
	Total      uint64     `json:"total"` // an estimate until it is done
	Rate       float64    `json:"rate"`  // events a second
	ETASeconds *float64   `json:"eta_seconds"`
	StartedAt  time.Time  `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	Error      string     `json:"error,omitempty"`
}

// RebuildStarted says where to watch a rebuild.
type RebuildStarted struct {
	ID       string `json:"id"`
	Location string `json:"location"`
}

// ViewVerification is what comparing read models with the log found.
type ViewVerification struct {
	OK          bool         `json:"ok"`
	Views       []string     `json:"views"`
	Position    uint64       `json:"position"`  // compared at
	Documents   int          `json:"documents"` // compared
	Differences []Difference `json:"differences"`
	More        bool         `json:"more,omitempty"` // there are more differences than listed
}

// Difference is something in a read model that does not follow from the log.
type Difference struct {
	View      string `json:"view"`
	Partition int    `json:"partition"`
	What      string `json:"what"` // document, index, metric, world
	Name      string `json:"name"` // of the customer, index entry or metric
	Want      string `json:"want,omitempty"`
	Got       string `json:"got,omitempty"`
}

func (a *API) machinery() (Projections, error) {
	if a.Projections == nil {
		return nil, ErrNoProjections
	}
	return a.Projections, nil
}

func (a *API) projectionStatus(w http.ResponseWriter, r *http.Request) error {
	if err := paramsOf(r).err(); err != nil {
		return err
	}
	m, err := a.machinery()
	if err != nil {
		return err
	}
	s, err := m.Status(r.Context())
	if err != nil {
		return err
	}
	return writePlain(w, 200, s)
}

// viewName reads the view that the path names.
func (a *API) viewName(r *http.Request) (string, error) {
	name := mux.Vars(r)["name"]
	if name == allViews {
		return name, nil
	}
	c, err := a.Documents.Catalogue(r.Context())
	if err != nil {
		return "", err
	}
	if _, ok := c.Views[name]; !ok {
		return "", ErrViewNotFound.With("There is no view %q.", name)
	}
	return name, nil
}

func (a *API) startRebuild(w http.ResponseWriter, r *http.Request) error {
	m, err := a.machinery()
	if err != nil {
		return err
	}
	name, err := a.viewName(r)
	if err != nil {
		return err
	}
	id, err := m.StartRebuild(r.Context(), name)
	if err != nil {
		return err
	}
	location := "/v1/projections/rebuilds/" + id
	w.Header().Set("Location", location)
	return writePlain(w, 202, RebuildStarted{id, location})
}

func (a *API) rebuild(w http.ResponseWriter, r *http.Request) error {
	m, err := a.machinery()
	if err != nil {
		return err
	}
	progress, err := m.Rebuild(r.Context(), mux.Vars(r)["rebuild_id"])
	if err != nil {
		return err
	}
	return writePlain(w, 200, progress)
}

func (a *API) verifyView(w http.ResponseWriter, r *http.Request) error {
	m, err := a.machinery()
	if err != nil {
		return err
	}
	name, err := a.viewName(r)
	if err != nil {
		return err
	}
	found, err := m.Verify(r.Context(), name)
	if err != nil {
		return err
	}
	return writePlain(w, 200, found)
}

// projectionsRun says which lane does not go on.
func (a *API) projectionsRun(ctx context.Context) error {
	if a.Projections == nil {
		return nil // some other process keeps the read models
	}
	s, err := a.Projections.Status(ctx)
	if err != nil {
		return fmt.Errorf("the projections do not say how they are")
	}
	for _, l := range s.Lanes {
		switch l.State {
		case projections.LaneLive, projections.LaneStandby, projections.LaneCatching:
		case projections.LanePoison:
			return fmt.Errorf("partition %d has stopped at event %v (%s), position %d", l.Partition, l.EventID, l.EventType, l.Position)
		case projections.LaneFailing:
			return fmt.Errorf("partition %d fails, at position %d, after %d attempts", l.Partition, l.Position, l.Attempts)
		}
	}
	if s.LagSeconds > readyLag.Seconds() {
		return fmt.Errorf("the read models are %.0f seconds behind, at position %d of %d", s.LagSeconds, s.Position, s.Head)
	}
	return nil
}

func (a *API) projectionRoutes() []web.Route {
	view := web.Param{Name: "name", In: "path", Required: true, Type: "string", Detail: "The view, or all."}
	return []web.Route{
		{
			Method: "GET", Path: "/v1/projections", Tag: "operations",
			Summary: "Show how the read models are",
			Detail:  "Each view with its generation, position and lag; lanes that have stopped or are catching up; events that were parked.",
			Answers: []web.Answer{{Status: 200, Detail: "How they are.", Body: ProjectionStatus{}}},
			Refuses: []string{ErrNoProjections.Code, ErrParameters.Code},
			Handler: a.projectionStatus,
		},
		{
			Method: "POST", Path: "/v1/projections/{name}/rebuild", Tag: "operations",
			Summary: "Rebuild a view from the log",
			Detail:  "A new generation is filled beside the one that serves, which goes on serving until the new one has reached it.",
			Params:  []web.Param{view},
			Answers: []web.Answer{{Status: 202, Detail: "It has begun; Location tells how it goes.", Body: RebuildStarted{}, Headers: []string{"Location"}}},
			Refuses: []string{ErrNoProjections.Code, ErrViewNotFound.Code, ErrRebuilding.Code},
			Handler: a.startRebuild,
		},
		{
			Method: "GET", Path: "/v1/projections/rebuilds/{rebuild_id}", Tag: "operations",
			Summary: "Show how a rebuild goes",
			Params:  []web.Param{{Name: "rebuild_id", In: "path", Required: true, Type: "string", Detail: "The rebuild."}},
			Answers: []web.Answer{{Status: 200, Detail: "How it goes.", Body: Rebuild{}}},
			Refuses: []string{ErrNoProjections.Code, ErrRebuildNotFound.Code},
			Handler: a.rebuild,
		},
		{
			Method: "POST", Path: "/v1/projections/{name}/verify", Tag: "operations",
			Summary: "Compare a view with the log",
			Detail:  "Recomputes documents, indexes and totals from the log and names what differs.",
			Params:  []web.Param{view},
			Answers: []web.Answer{{Status: 200, Detail: "What was found.", Body: ViewVerification{}}},
			Refuses: []string{ErrNoProjections.Code, ErrViewNotFound.Code},
			Handler: a.verifyView,
		},
	}
}
