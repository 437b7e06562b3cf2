package projections

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// World is what holds for all customers: the fold of the broadcast events. Every
// partition has one, so that what a document means is decided inside the
// partition. The zero value is the world before anything was said.
//
// It is a value: Evolve leaves the old one as it was.
type World struct {
	Zone   string       `json:"zone,omitempty"`   // the business time zone, once known
	Closed *domain.Date `json:"closed,omitempty"` // the last closed business day
	// Policies holds every version published, by kind, oldest first.
	Policies map[string][]policy.Published `json:"policies,omitempty"`
	// Calibration is the one that stands; Failed the attempt after it, if that failed.
	Calibration *rfm.Calibrated        `json:"calibration,omitempty"`
	Failed      *rfm.CalibrationFailed `json:"calibration_failed,omitempty"`
}

// DecodeWorld reads a stored world; nil is the zero world.
func DecodeWorld(stored []byte) (*World, error) {
	w := new(World)
	if stored == nil {
		return w, nil
	}
	if err := json.Unmarshal(stored, w); err != nil {
		return nil, fmt.Errorf("world: %w", err)
	}
	return w, nil
}

// Encode returns the stored form, the same bytes for the same world.
func (w *World) Encode() ([]byte, error) { return json.Marshal(w) }

// Evolve returns the world after e; w itself if e does not change it.
func (w *World) Evolve(e Event) *World {
	next := *w
	switch d := e.Data.(type) {
	case deployment.Created:
		next.Zone = d.Zone
	case calendar.DayClosed:
		next.Zone, next.Closed = d.Zone, &d.Date
	case policy.Published:
		versions := w.Policies[d.Kind]
		next.Policies = maps.Clone(w.Policies)
		if next.Policies == nil {
			next.Policies = map[string][]policy.Published{}
		}
		next.Policies[d.Kind] = append(versions[:len(versions):len(versions)], d)
	case rfm.Calibrated:
		if w.answered(d.TriggerPosition) {
			return w
		}
		next.Calibration, next.Failed = &d, nil
	case rfm.CalibrationFailed:
		if w.answered(d.TriggerPosition) {
			return w
		}
		next.Failed = &d
	default:
		return w
	}
	return &next
}

// answered says whether a trigger at or after a position has its calibration or failure.
func (w *World) answered(position uint64) bool {
	return w.Calibration != nil && w.Calibration.TriggerPosition >= position ||
		w.Failed != nil && w.Failed.TriggerPosition >= position
}

// Policy returns the version of a kind that is in force on a business date: the
// last one published whose effective date has come.
func (w *World) Policy(kind string, on domain.Date) (policy.Published, bool) {
	versions := w.Policies[kind]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].EffectiveFrom <= on {
			return versions[i], true
		}
	}
	return policy.Published{}, false
}

// PolicyVersion returns a version of a kind by its number.
func (w *World) PolicyVersion(kind string, version int) (policy.Published, bool) {
	for _, p := range w.Policies[kind] {
		if p.Version == version {
			return p, true
		}
	}
	return policy.Published{}, false
}
