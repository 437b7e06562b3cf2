package readapi

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// origins finds the events that made values what they are: it folds the customer's
// stream, and after each event asks what the values would be now, by the calibrations
// and as of the day that the values were read by.
type origins struct {
	attributes segment.Attributes
	paths      map[string]bool // false: it follows from a calibration
	found      map[string]EventBehind
}

func newOrigins() *origins {
	return &origins{attributes: segment.Attributes{}, paths: map[string]bool{}, found: map[string]EventBehind{}}
}

// ask adds the values of clauses to what is looked for. Orders and events name theirs
// themselves, and another segment says what changed it.
func (o *origins) ask(clauses []ExplainedClause, attributes segment.Attributes) {
	maps.Copy(o.attributes, attributes)
	for _, c := range clauses {
		for _, v := range c.Values {
			if v.Path == "orders" || strings.HasPrefix(v.Path, "events") || strings.HasPrefix(v.Path, "in_segment(") {
				continue
			}
			o.paths[v.Path] = calibratedBy(v.Path) == ""
		}
	}
}

// probe is a rule that reads one value.
type probe struct {
	path string
	rule *segment.Rule
	last string // what it read, as JSON
}

// probes returns the rules that read values.
func (o *origins) probes(plain bool) (list []*probe) {
	for _, path := range slices.Sorted(maps.Keys(o.paths)) {
		if o.paths[path] != plain {
			continue
		}
		text := path // consent and percentile are conditions themselves
		switch {
		case strings.HasPrefix(path, "cluster("):
			text += " > 0"
		case !strings.Contains(path, "("):
			text = "has(" + path + ")"
		}
		if rule, err := segment.Compile(text, o.attributes); err == nil { // what cannot be asked alone has no origin
			list = append(list, &probe{path: path, rule: rule})
		}
	}
	return list
}

// read asks for the value, and says whether it is another than the last time.
func (p *probe) read(c *segment.Customer, m segment.Moment) (changed bool) {
	is := ""
	for _, clause := range p.rule.Explain(c, m) {
		for _, v := range clause.Values {
			if v.Path == p.path {
				if text, err := json.Marshal(v.Value); err == nil {
					is = string(text)
				}
			}
		}
	}
	changed = is != p.last
	p.last = is
	return changed
}

// visits bounds how many orders are looked at to find the events behind scores and
// worth, which follow from all orders again after each event. Of a customer with very
// many orders it is only looked for among the last events.
var visits = 1_000_000

// find folds the stream.
func (o *origins) find(stream []eventschema.Event, w *projections.World, orders int) {
	plain, weighed := o.probes(true), o.probes(false)
	if len(plain)+len(weighed) == 0 {
		return
	}
	weighing := 0 // events that scores and worth may follow from
	for _, e := range stream {
		if weighs(e.Data) {
			weighing++
		}
	}
	from := max(0, weighing-visits/(orders+1)) // up to this one of them nobody is asked
	var d segments.Document
	moment := segment.Moment{On: w.Closed}
	look := func(e *eventschema.Event, probes []*probe) {
		if len(probes) == 0 {
			return
		}
		c := d.Glance(w)
		for _, p := range probes {
			if p.read(c, moment) && e != nil {
				o.found[p.path] = behindOf(*e)
			}
		}
	}
	look(nil, plain)
	look(nil, weighed)
	n := 0
	for i := range stream {
		e := &stream[i]
		d.Take(*e)
		look(e, plain)
		if len(weighed) == 0 || !weighs(e.Data) {
			continue
		}
		switch n++; {
		case n < from:
		case n == from:
			d.Stand(w)
			look(nil, weighed)
		default:
			d.Stand(w)
			look(e, weighed)
		}
	}
}

// weighs says whether scores, worth or clusters may follow from an event.
func weighs(data any) bool {
	switch data.(type) {
	case customer.Registered, customer.OrderRecorded, customer.OrderPaid, customer.OrderCancelled, customer.RefundRecorded,
		customer.CostRecorded, customer.CostCancelled,
		customer.PointsEarned, customer.PointsGranted, customer.PointsActivated, customer.PointsHeld, customer.HoldReleased,
		customer.HoldCaptured, customer.PointsRedeemed, customer.RedemptionReversed, customer.PointsEarnReversed,
		customer.PointsExpired, customer.PointsAdjusted, customer.PointsForfeited,
		customer.PointsTransferredIn, customer.PointsTransferredOut:
		return true
	}
	return false
}

// calibrationsBehind returns the events of the calibrations that values were compared
// with, by what calibratedBy calls them.
func (a *API) calibrationsBehind(ctx context.Context, w *projections.World, o *origins) (map[string]*CalibrationBehind, error) {
	found := map[string]*CalibrationBehind{}
	for path, plain := range o.paths {
		by := calibratedBy(path)
		if plain || found[by] != nil {
			continue
		}
		c, err := a.calibrationBehind(ctx, w, by)
		if err != nil {
			return nil, err
		}
		found[by] = c
	}
	return found, nil
}

// calibrationBehind returns the event of a calibration that stands in a world, nil if
// none does.
func (a *API) calibrationBehind(ctx context.Context, w *projections.World, by string) (*CalibrationBehind, error) {
	if id, ok := strings.CutPrefix(by, byClusters); ok {
		stands := w.Clusters[id]
		if stands == nil {
			return nil, nil
		}
		fits, err := a.fits(ctx, id)
		for _, f := range fits {
			if f.TriggerPosition == stands.TriggerPosition {
				return &CalibrationBehind{f.id, f.position, f.Trigger, f.TriggerPosition, f.AsOf, 0, f.Version}, nil
			}
		}
		return nil, err
	}
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, err
	}
	if by == byScores && w.Calibration != nil {
		c := w.Calibration
		x := &CalibrationBehind{uuid.Nil, 0, c.Trigger, c.TriggerPosition, c.AsOf, c.PolicyVersion, 0}
		for _, known := range t.calibrations {
			if known.TriggerPosition == c.TriggerPosition {
				x.EventID, x.Position = known.id, known.position
			}
		}
		return x, nil
	}
	if by == byWorth && w.Value != nil {
		c := w.Value
		x := &CalibrationBehind{uuid.Nil, 0, c.Trigger, c.TriggerPosition, c.AsOf, c.PolicyVersion, 0}
		for _, known := range t.worths {
			if known.TriggerPosition == c.TriggerPosition {
				x.EventID, x.Position = known.id, known.position
			}
		}
		return x, nil
	}
	return nil, nil
}
