// Package world is what holds for all customers, as far as decisions need it: how
// far the calendar has come and which policies were published. It is folded
// from streams of its own and handed to commands as a field.
package world

import (
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/staff"
)

// World is what holds for all customers. The zero value is a world in which
// nothing was said yet. It is not changed: With returns another one.
type World struct {
	Deployment deployment.Created
	Closed     *domain.Date // the last day closed, nil before the first
	ClosedBy   uuid.UUID    // the event that closed it
	Policies   policy.Set
	Staff      staff.State
	Attributes attribute.Schema // what customers have beside what every customer has
	Segments   *segment.Set
	Clusters   []string // the ids of the clusterings that were asked for
}

// Streams are the beginnings of the types of event that With understands.
var Streams = []string{"deployment.", "calendar.", "policy.", "staff.", "schema.", "segment.", "cluster."}

// With returns the world after an event; w itself if the event does not change it.
func (w *World) With(id uuid.UUID, event any) *World {
	next := *w
	switch e := event.(type) {
	case deployment.Created:
		next.Deployment = e
	case calendar.DayClosed:
		next.Closed, next.ClosedBy = &e.Date, id
	case policy.Published:
		next.Policies = w.Policies.With(e)
	case staff.Event:
		next.Staff = w.Staff.Evolve(e)
	case attribute.Event:
		next.Attributes = w.Attributes.Evolve(e)
	case segment.Event:
		next.Segments = w.Segments.With(e, id, 0)
	case cluster.Requested:
		if slices.Contains(w.Clusters, e.ClusterID) {
			return w
		}
		next.Clusters = append(slices.Clip(w.Clusters), e.ClusterID)
	default:
		return w
	}
	return &next
}

// Known is what a command knows of the world beside its body. Commands that need
// to embed it.
type Known struct {
	// World is nil where nothing is known.
	World *World `json:"-"`
}

// SetWorld tells the command of the world.
func (k *Known) SetWorld(w *World) { k.World = w }

// Policy returns the version of a kind of policy that is in force on a date.
func (k Known) Policy(kind string, on domain.Date) (policy.Published, bool) {
	if k.World == nil {
		return policy.Published{}, false
	}
	return k.World.Policies.On(kind, on)
}

// Segments returns every segment.
func (k Known) Segments() *segment.Set {
	if k.World == nil {
		return nil
	}
	return k.World.Segments
}

// Schema returns the schema of the customers' own attributes.
func (k Known) Schema() attribute.Schema {
	if k.World == nil {
		return attribute.Schema{}
	}
	return k.World.Attributes
}
