package projections

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
)

// evolveSegments returns what Evolve made of a world, with what only views with
// Segments know of the event.
func (w *World) evolveSegments(e Event) *World {
	next := *w
	switch d := e.Data.(type) {
	case calendar.DayClosed:
		if !w.UsesValue() {
			return w
		}
		next.askValue(e, 0)
	case policy.Published:
		if d.Kind != policy.KindValue || !w.UsesValue() {
			return w
		}
		next.askValue(e, d.Version)
	case policy.CalibrationRequested:
		if d.Kind != policy.KindValue {
			return w
		}
		next.askValue(e, 0)
	case segment.Event:
		set := w.Segments.With(d, e.ID, e.Position)
		if set == w.Segments {
			return w
		}
		next.Segments, next.plan = set, &plan{of: set}
		if !w.UsesValue() && next.UsesValue() && !next.valuedLately() { // somebody wants to know again
			next.askValue(e, 0)
		}
	case value.Calibrated:
		if w.valueAnswered(d.TriggerPosition) {
			return w
		}
		next.Value, next.ValueFailed = &d, nil
		next.answerValue(e, d.TriggerPosition)
	case value.CalibrationFailed:
		if w.valueAnswered(d.TriggerPosition) {
			return w
		}
		next.ValueFailed = &d
		next.answerValue(e, d.TriggerPosition)
	case cluster.Requested:
		next.clustering(d.ClusterID, func(c *Clustering) {
			c.Asked, c.AskedAt = &d, e.Position
			rfm, _ := w.Policy(policy.KindRFM, d.AsOf+1)
			worth, _ := w.Policy(policy.KindValue, d.AsOf+1)
			if c.By = maps.Clone(c.By); c.By == nil {
				c.By = map[uint64]GroupedBy{}
			}
			c.By[e.Position] = GroupedBy{rfm.Version, worth.Version}
		})
	case cluster.Fitted:
		if w.Clusterings[d.ClusterID].AnsweredTo >= d.TriggerPosition {
			return w
		}
		next.clustering(d.ClusterID, func(c *Clustering) { c.answered(d.TriggerPosition); c.FittedAt, c.Failed = e.Position, nil })
		next.Clusters = maps.Clone(w.Clusters)
		if next.Clusters == nil {
			next.Clusters = map[string]*cluster.Fitted{}
		}
		next.Clusters[d.ClusterID] = &d
	case cluster.FitFailed:
		if w.Clusterings[d.ClusterID].AnsweredTo >= d.TriggerPosition {
			return w
		}
		next.clustering(d.ClusterID, func(c *Clustering) { c.answered(d.TriggerPosition); c.Failed = &d })
	default:
		return w
	}
	return &next
}

// clustering changes what is known of a clustering, of this world only.
func (w *World) clustering(id string, change func(*Clustering)) {
	c := w.Clusterings[id]
	change(&c)
	w.Clusterings = maps.Clone(w.Clusterings)
	if w.Clusterings == nil {
		w.Clusterings = map[string]Clustering{}
	}
	w.Clusterings[id] = c
}

// answered takes off what was asked for up to a trigger.
func (c *Clustering) answered(trigger uint64) {
	if c.AnsweredTo = trigger; c.AskedAt <= trigger {
		c.Asked, c.AskedAt = nil, 0
	}
}

// askValue notes the calibration of the customers' worth that e asks for; see asking.
// What no rule uses is asked for by nobody but who wants to see it.
func (w *World) askValue(e Event, version int) {
	w.ValueAsked = w.asking(w.ValueAsked, e, policy.KindValue, version)
}

// valuedLately says whether the worth of the customers as of the last closed day, by
// the policy of the day that begins then, is known, or asked for.
func (w *World) valuedLately() bool {
	if w.Closed == nil {
		return true // the first day closed asks
	}
	p, _ := w.Policy(policy.KindValue, *w.Closed+1)
	if n := len(w.ValueAsked); n > 0 {
		return w.ValueAsked[n-1].AsOf == *w.Closed && w.ValueAsked[n-1].PolicyVersion == p.Version
	}
	return w.Value != nil && !w.ValueOutdated()
}

// ValueOutdated says whether the worth of the customers that is known is not as of the
// last closed day, by the policy of the day that begins then.
func (w *World) ValueOutdated() bool {
	if w.Value == nil || w.Closed == nil {
		return false
	}
	p, _ := w.Policy(policy.KindValue, *w.Closed+1)
	return w.Value.AsOf != *w.Closed || w.Value.PolicyVersion != p.Version
}

// UsesValue says whether a rule asks what customers are worth.
func (w *World) UsesValue() bool { return w.planned().value }

func (w *World) answerValue(e Event, trigger uint64) {
	w.ValueAnsweredAt, w.ValueAsked = e.Position, unanswered(w.ValueAsked, trigger)
}

func (w *World) valueAnswered(position uint64) bool {
	return w.Value != nil && w.Value.TriggerPosition >= position ||
		w.ValueFailed != nil && w.ValueFailed.TriggerPosition >= position
}

// Percentiles returns every percentile that a rule asks for, in a fixed order.
func (w *World) Percentiles() []segment.Percentile { return w.planned().percentiles }

// EventTypes returns every type of event that a rule asks for, by its wire name.
func (w *World) EventTypes() []string { return w.planned().events }

// Location returns the business time zone; UTC before it is known.
func (w *World) Location() *time.Location {
	if zone, ok := zones.Load(w.Zone); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return time.UTC
	}
	zones.Store(w.Zone, zone)
	return zone
}

// zones are the time zones that were looked up: by name, *time.Location.
var zones sync.Map

// plan is how the segments of a world are decided, and what their rules ask for,
// once it was asked.
type plan struct {
	of *segment.Set // whose it is

	encoded sync.Once
	stored  []byte // the segments
	failed  error

	once        sync.Once
	made        *segment.Plan
	percentiles []segment.Percentile
	events      []string
	value       bool // a rule asks what customers are worth
}

// remembered is what is remembered of the segments of this world.
func (w *World) remembered() *plan {
	if w.plan == nil || w.plan.of != w.Segments { // somebody changed a copy
		return &plan{of: w.Segments}
	}
	return w.plan
}

// encode returns the stored form of the segments.
func (p *plan) encode() ([]byte, error) {
	p.encoded.Do(func() { p.stored, p.failed = json.Marshal(p.of) })
	return p.stored, p.failed
}

// Plan returns how the segments are decided.
func (w *World) Plan() *segment.Plan { return w.planned().made }

func (w *World) planned() *plan {
	p := w.remembered()
	p.once.Do(func() {
		p.made = p.of.Plan(compiled.rule)
		for _, s := range p.made.Order {
			p.percentiles = append(p.percentiles, s.Uses.Percentiles...)
			p.events = append(p.events, s.Uses.Events...)
			p.value = p.value || len(s.Uses.Percentiles) > 0 || s.Has("value")
		}
		slices.SortFunc(p.percentiles, func(a, b segment.Percentile) int {
			return cmp.Or(cmp.Compare(a.Measure, b.Measure), cmp.Compare(a.Percent, b.Percent))
		})
		p.percentiles = slices.Compact(p.percentiles)
		slices.Sort(p.events)
		p.events = slices.Compact(p.events)
	})
	return p
}

// compiled remembers rules: all partitions have the same.
var compiled rules

type rules struct {
	mu    sync.Mutex
	known map[string]*segment.Rule
}

// rulesKept bounds what is remembered.
const rulesKept = 4 * segment.MaxSegments

func (r *rules) rule(text string, attributes segment.Attributes) (*segment.Rule, error) {
	key := fmt.Sprint(text, "\x00", attributes) // maps print in the order of their keys
	r.mu.Lock()
	defer r.mu.Unlock()
	if rule := r.known[key]; rule != nil {
		return rule, nil
	}
	rule, err := segment.Compile(text, attributes)
	if err != nil {
		return nil, err
	}
	if r.known == nil || len(r.known) >= rulesKept {
		r.known = map[string]*segment.Rule{}
	}
	r.known[key] = rule
	return rule, nil
}
