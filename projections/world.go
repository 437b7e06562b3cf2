package projections

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
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
	Policies policy.Set `json:"policies,omitempty"`
	// Calibration is the one that stands; Failed the attempt after it, if that failed.
	Calibration *rfm.Calibrated        `json:"calibration,omitempty"`
	Failed      *rfm.CalibrationFailed `json:"calibration_failed,omitempty"`
	// Asked are the calibrations that have neither come nor failed yet, in the
	// order of the log; AnsweredAt is the position of the last that came or failed.
	Asked      []AskedCalibration `json:"asked,omitempty"`
	AnsweredAt uint64             `json:"answered_at,omitempty"`

	// The rest only views with Segments have.

	Segments *segment.Set `json:"segments,omitempty"`
	// Value is the calibration of the customers' worth that stands, ValueFailed the
	// attempt after it, if that failed, ValueAsked those still to come, and
	// ValueAnsweredAt the position of the last that came or failed.
	Value           *value.Calibrated        `json:"value,omitempty"`
	ValueFailed     *value.CalibrationFailed `json:"value_failed,omitempty"`
	ValueAsked      []AskedCalibration       `json:"value_asked,omitempty"`
	ValueAnsweredAt uint64                   `json:"value_answered_at,omitempty"`
	// Clusters are the fits that stand, by the id of the clustering.
	Clusters map[string]*cluster.Fitted `json:"clusters,omitempty"`
	// Clusterings are all that were ever asked for, by id.
	Clusterings map[string]Clustering `json:"clusterings,omitempty"`
	// Sweep is what is on its way through the documents of the partition.
	Sweep *Sweep `json:"sweep,omitempty"`

	plan *plan
}

// AskedCalibration is a calibration that an event asked for: a day was closed,
// or a policy published that is in force at once.
type AskedCalibration struct {
	Event         uuid.UUID   `json:"event"`
	Position      uint64      `json:"position"`
	AsOf          domain.Date `json:"as_of"` // the last closed day
	PolicyVersion int         `json:"policy_version"`
}

// Clustering is how far a clustering is, beside the fit that stands.
type Clustering struct {
	// Asked is the last request, and where it stands in the log, if it was not answered
	// yet.
	Asked   *cluster.Requested `json:"asked,omitempty"`
	AskedAt uint64             `json:"asked_at,omitempty"`
	// AnsweredTo is the position of the last request that was answered.
	AnsweredTo uint64             `json:"answered_to,omitempty"`
	FittedAt   uint64             `json:"fitted_at,omitempty"` // the position of the fit that stands; 0: none does
	Failed     *cluster.FitFailed `json:"failed,omitempty"`    // the attempt after it, if that failed
	// By is the policies by which customers are grouped, by the position of the request:
	// one that is published later on the same day does not change what a fit means.
	By map[uint64]GroupedBy `json:"by,omitempty"`
}

// GroupedBy is versions of policies, 0 where none was in force.
type GroupedBy struct {
	RFM   int `json:"rfm,omitempty"`
	Value int `json:"value,omitempty"`
}

// GroupedBy returns the policies by which customers are grouped as a request asked
// for it.
func (w *World) GroupedBy(clusterID string, trigger uint64) (rfm, value policy.Published) {
	by := w.Clusterings[clusterID].By[trigger]
	rfm, _ = w.PolicyVersion(policy.KindRFM, by.RFM)
	value, _ = w.PolicyVersion(policy.KindValue, by.Value)
	return rfm, value
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
	w.plan = &plan{of: w.Segments}
	return w, nil
}

// Encode returns the stored form, the same bytes for the same world. The segments,
// which are much and hardly ever change, are encoded once.
func (w *World) Encode() ([]byte, error) {
	if w.Segments == nil {
		return json.Marshal(w)
	}
	segments, err := w.remembered().encode()
	if err != nil {
		return nil, err
	}
	rest := *w
	rest.Segments = nil
	stored, err := json.Marshal(&rest)
	if err != nil {
		return nil, err
	}
	if stored = stored[:len(stored)-1]; len(stored) > 1 {
		stored = append(stored, ',')
	}
	stored = append(append(stored, `"segments":`...), segments...)
	return append(stored, '}'), nil
}

// Evolve returns the world after e; w itself if e does not change it.
func (w *World) Evolve(e Event) *World {
	next := *w
	switch d := e.Data.(type) {
	case deployment.Created:
		next.Zone = d.Zone
	case calendar.DayClosed:
		next.Zone, next.Closed = d.Zone, &d.Date
		next.ask(e, 0)
	case policy.Published:
		next.Policies = w.Policies.With(d)
		if d.Kind == policy.KindRFM {
			next.ask(e, d.Version)
		}
	case policy.CalibrationRequested:
		if d.Kind == policy.KindRFM {
			next.ask(e, 0)
		}
	case rfm.Calibrated:
		if w.answered(d.TriggerPosition) {
			return w
		}
		next.Calibration, next.Failed = &d, nil
		next.answer(e, d.TriggerPosition)
	case rfm.CalibrationFailed:
		if w.answered(d.TriggerPosition) {
			return w
		}
		next.Failed = &d
		next.answer(e, d.TriggerPosition)
	default:
		return w
	}
	return &next
}

// ask notes the calibration of the scores that e asks for; see asking.
func (w *World) ask(e Event, version int) {
	w.Asked = w.asking(w.Asked, e, policy.KindRFM, version)
}

// answer takes off what was asked for up to a trigger.
func (w *World) answer(e Event, trigger uint64) {
	w.AnsweredAt, w.Asked = e.Position, unanswered(w.Asked, trigger)
}

// asking returns what is asked for once e asks for a calibration by a kind of policy:
// as of the last closed day, if there is one, by the policy of the day that begins
// then. A version says that only this one is asked for.
func (w *World) asking(asked []AskedCalibration, e Event, kind string, version int) []AskedCalibration {
	if w.Closed == nil {
		return asked
	}
	p, ok := w.Policy(kind, *w.Closed+1)
	if !ok || kind == policy.KindRFM && p.RFM == nil || kind == policy.KindValue && p.Value == nil || version != 0 && p.Version != version {
		return asked
	}
	return append(slices.Clip(asked), AskedCalibration{e.ID, e.Position, *w.Closed, p.Version})
}

// unanswered returns what is still asked for after the answer to a trigger; nil is
// nothing.
func unanswered(asked []AskedCalibration, trigger uint64) []AskedCalibration {
	for len(asked) > 0 && asked[0].Position <= trigger {
		asked = asked[1:]
	}
	if len(asked) == 0 {
		return nil
	}
	return asked
}

// answered says whether a trigger at or after a position has its calibration or failure.
func (w *World) answered(position uint64) bool {
	return w.Calibration != nil && w.Calibration.TriggerPosition >= position ||
		w.Failed != nil && w.Failed.TriggerPosition >= position
}

// Policy returns the version of a kind that is in force on a business date: the
// last one published whose effective date has come.
func (w *World) Policy(kind string, on domain.Date) (policy.Published, bool) {
	return w.Policies.On(kind, on)
}

// PolicyVersion returns a version of a kind by its number.
func (w *World) PolicyVersion(kind string, version int) (policy.Published, bool) {
	return w.Policies.Version(kind, version)
}
