package readapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
)

// ErrNoProjections answers an operation on the read models where nothing keeps them.
var ErrNoProjections = &domain.Error{Kind: domain.Unavailable, Code: "projections_elsewhere",
	Detail: "This process does not keep the read models; ask one that does."}

// Projections is what keeps the read models; *projections.Manager does. Safe for
// concurrent use.
type Projections interface {
	// Nudge asks for the checkpoints of idle lanes to be written at once.
	Nudge()
	Status() projections.Status
	StartRebuild(ctx context.Context, view string) (id string, err error)
	RebuildStatus(ctx context.Context, id string) (projections.RebuildStatus, error)
	Verify(ctx context.Context, views ...string) ([]projections.Report, error)
}

// ProjectionStatus is how the read models are.
type ProjectionStatus struct {
	Views  []ViewStatus  `json:"views"`
	Parked []ParkedEvent `json:"parked"`          // passed over because an operator said so
	Error  string        `json:"error,omitempty"` // why the last look at them failed
}

// ViewStatus is how a view is.
type ViewStatus struct {
	Name       string  `json:"name"`
	Generation int     `json:"generation"` // the one that queries read; 0: the first is being built
	Position   uint64  `json:"position"`   // the log is reflected up to here
	Head       uint64  `json:"head"`       // and known up to here
	Lag        uint64  `json:"lag"`        // positions between the two: at least as many as events
	LagSeconds float64 `json:"lag_seconds"`
	Partitions int     `json:"partitions"`
	// Lanes are the partitions that do not just go on with the others.
	Lanes   []LaneStatus `json:"lanes"`
	Rebuild *Rebuild     `json:"rebuild,omitempty"`
}

// LaneStatus is how a partition is that does not just go on.
type LaneStatus struct {
	Partition int        `json:"partition"`
	State     string     `json:"state" jsonschema:"enum=catching,enum=poison,enum=failing,enum=standby"`
	Position  uint64     `json:"position"`
	EventID   uuid.UUID  `json:"event_id,omitzero"` // the event it stopped at
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

// Rebuild is how far a rebuild has come. Done and total are positions of the log.
type Rebuild struct {
	ID         string       `json:"id"`
	State      string       `json:"state" jsonschema:"enum=running,enum=switching,enum=done"`
	Done       uint64       `json:"done"`
	Total      uint64       `json:"total"`
	Rate       float64      `json:"rate"` // positions a second; 0: not known yet
	ETASeconds *float64     `json:"eta_seconds" jsonschema:"nullable"`
	Stuck      []LaneStatus `json:"stuck"` // partitions that do not go on
	Begun      *time.Time   `json:"begun,omitempty"`
	Detail     string       `json:"detail,omitempty"`
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
	Position    uint64       `json:"position"` // compared at this position of the log, or later
	Documents   int          `json:"documents"`
	Entries     int          `json:"entries"`   // of indexes
	Indexes     bool         `json:"indexes"`   // whether the store could list its indexes to compare them
	Unsettled   int          `json:"unsettled"` // partitions that moved on all the time and were not compared
	Differences []Difference `json:"differences"`
	More        bool         `json:"more,omitempty"` // there are more differences than are listed
}

// Difference is something that a read model holds and the log does not say, or
// the other way round.
type Difference struct {
	View      string    `json:"view"`
	Partition int       `json:"partition"`
	What      string    `json:"what" jsonschema:"enum=document,enum=index,enum=metric,enum=world"`
	Customer  uuid.UUID `json:"customer_id,omitzero"`
	Name      string    `json:"name,omitempty"` // of the index or the total
	Want      string    `json:"want,omitempty"` // what the log says; absent: nothing
	Got       string    `json:"got,omitempty"`  // what is stored
}

func (v *ViewVerification) add(r projections.Report) {
	v.OK = v.OK && r.OK()
	v.Views = append(v.Views, r.View)
	v.Position = min(v.Position, r.Position)
	v.Documents, v.Entries = v.Documents+r.Documents, v.Entries+r.Entries
	v.Indexes, v.More = v.Indexes && r.Indexes, v.More || r.More > 0
	v.Unsettled += len(r.Unsettled)
	for _, d := range r.Differences {
		v.Differences = append(v.Differences, Difference{r.View, d.Partition, d.Kind, d.Customer, d.Name, d.Expected, d.Stored})
	}
}

func statusOf(s projections.Status) ProjectionStatus {
	answer := ProjectionStatus{Views: []ViewStatus{}, Parked: []ParkedEvent{}, Error: s.Error}
	for _, v := range s.Views {
		view := ViewStatus{
			Name: v.View, Generation: v.Generation, Position: v.Position, Head: v.Head, Lag: v.Lag, LagSeconds: v.LagSeconds,
			Partitions: len(v.Partitions), Lanes: lanesOf(v.Partitions),
		}
		if v.Rebuild != nil {
			r := rebuildOf(*v.Rebuild)
			view.Rebuild = &r
		}
		answer.Views = append(answer.Views, view)
	}
	for _, p := range s.Parked {
		answer.Parked = append(answer.Parked, ParkedEvent(p))
	}
	return answer
}

// lanesOf lists the lanes that do not just go on.
func lanesOf(lanes []projections.LaneStatus) []LaneStatus {
	list := []LaneStatus{}
	for _, l := range lanes {
		if l.State == projections.LaneLive {
			continue
		}
		lane := LaneStatus{Partition: l.Partition, State: l.State, Position: l.Position, Error: l.Error, Attempts: l.Attempts}
		if !l.Since.IsZero() {
			lane.Since = &l.Since
		}
		if l.Poison != nil {
			lane.EventID, lane.EventType = l.Poison.EventID, l.Poison.Type
		}
		list = append(list, lane)
	}
	return list
}

func rebuildOf(s projections.RebuildStatus) Rebuild {
	r := Rebuild{ID: s.ID, State: s.State, Done: s.Done, Total: s.Total, Rate: s.Rate, Stuck: lanesOf(s.Stuck), Detail: s.Detail}
	if s.ETA > 0 {
		seconds := s.ETA.Seconds()
		r.ETASeconds = &seconds
	}
	if !s.Begun.IsZero() {
		r.Begun = &s.Begun
	}
	return r
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
	return writePlain(w, 200, statusOf(m.Status()))
}

func (a *API) startRebuild(w http.ResponseWriter, r *http.Request) error {
	m, err := a.machinery()
	if err != nil {
		return err
	}
	id, err := m.StartRebuild(r.Context(), mux.Vars(r)["name"])
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
	s, err := m.RebuildStatus(r.Context(), mux.Vars(r)["rebuild_id"])
	if err != nil {
		return err
	}
	return writePlain(w, 200, rebuildOf(s))
}

func (a *API) verifyView(w http.ResponseWriter, r *http.Request) error {
	m, err := a.machinery()
	if err != nil {
		return err
	}
	views := []string{mux.Vars(r)["name"]}
	if views[0] == projections.AllViews {
		views = nil
		for _, v := range m.Status().Views {
			views = append(views, v.View)
		}
	}
	found := ViewVerification{OK: true, Indexes: true, Views: []string{}, Position: math.MaxUint64, Differences: []Difference{}}
	reports, err := m.Verify(r.Context(), views...)
	if err != nil {
		return err
	}
	for _, report := range reports {
		found.add(report)
	}
	if len(views) == 0 {
		found.Position = 0
	}
	return writePlain(w, 200, found)
}

// projectionsRun says which lane does not go on.
func (a *API) projectionsRun(context.Context) error {
	if a.Projections == nil {
		return nil // some other process keeps the read models
	}
	s := a.Projections.Status()
	if s.Error != "" {
		return errors.New("the read models cannot be kept; the log of the process says why")
	}
	for _, v := range s.Views {
		for _, l := range v.Partitions {
			switch l.State {
			case projections.LanePoison:
				return fmt.Errorf("partition %d of %s has stopped at event %v (%s), position %d", l.Partition, v.View, l.Poison.EventID, l.Poison.Type, l.Poison.Position)
			case projections.LaneFailing:
				return fmt.Errorf("partition %d of %s has failed %d times at position %d", l.Partition, v.View, l.Attempts, l.Position)
			}
		}
		if v.LagSeconds > readyLag.Seconds() {
			return fmt.Errorf("the read model %q is %.0f seconds behind, at position %d of %d", v.View, v.LagSeconds, v.Position, v.Head)
		}
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
			Refuses: []string{ErrNoProjections.Code, projections.ErrNoView.Code},
			Handler: a.startRebuild,
		},
		{
			Method: "GET", Path: "/v1/projections/rebuilds/{rebuild_id}", Tag: "operations",
			Summary: "Show how a rebuild goes",
			Params:  []web.Param{{Name: "rebuild_id", In: "path", Required: true, Type: "string", Detail: "The rebuild."}},
			Answers: []web.Answer{{Status: 200, Detail: "How it goes.", Body: Rebuild{}}},
			Refuses: []string{ErrNoProjections.Code, projections.ErrNoRebuild.Code},
			Handler: a.rebuild,
		},
		{
			Method: "POST", Path: "/v1/projections/{name}/verify", Tag: "operations",
			Summary: "Compare a view with the log",
			Detail:  "Recomputes documents, indexes and totals from the log, while everything goes on, and names what differs.",
			Params:  []web.Param{view},
			Answers: []web.Answer{{Status: 200, Detail: "What was found.", Body: ViewVerification{}}},
			Refuses: []string{ErrNoProjections.Code, projections.ErrNoView.Code},
			Handler: a.verifyView,
		},
	}
}
