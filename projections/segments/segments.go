// Package segments is the read model of the segments: who belongs to which, since
// when and why, and who did when.
//
// A document is everything that rules can ask of one customer, and how the customer
// stands to each segment. It is evaluated when something happens to the customer,
// when a day ends that one of its rules named as the day on which it may change,
// when a calibration puts the customer into another band, and when a segment
// changes: each time only that customer, and of the rules only those that may say
// something new. What a membership began or ended with is the event in the log that
// brought it about, wherever the read model was when it looked at it. So a rebuild
// gives the same history as the live run.
package segments

import (
	"fmt"
	"strconv"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "segments"

// Kinds of causes of a change.
const (
	ByEvent       = "event"       // something happened to the customer
	ByDay         = "day"         // a day ended
	ByCalibration = "calibration" // cut points, percentiles or clusters changed
	ByNew         = "new"         // the segment was defined
	ByDefinition  = "definition"  // the segment, or one that its rule asks for, was changed or archived
)

// Causes is every kind of cause.
var Causes = []string{ByEvent, ByDay, ByCalibration, ByNew, ByDefinition}

// New returns the view. Evaluations, if not nil, is told of each customer whose
// rules were evaluated, and why.
func New(evaluations func(cause string)) *projections.View[Document] {
	if evaluations == nil {
		evaluations = func(string) {}
	}
	return &projections.View[Document]{
		Name:     Name,
		Segments: true,
		FoldIn: func(d *Document, e projections.Event, w *projections.World) bool {
			return d.fold(e, w, evaluations)
		},
		Caused: caused,
		Change: func(d *Document, c projections.Cause, w *projections.World) bool {
			return d.change(c, w, evaluations)
		},
		Joins: func(pending, next projections.Cause) bool {
			return pending.Kind == ByNew && next.Kind == ByNew // each of a segment that nothing concerned before
		},
		Due:          due,
		Indexes:      indexes,
		Metrics:      metrics,
		Contribution: contribution(),
	}
}

// caused says which documents a broadcast event may change.
func caused(e projections.Event, before, after *projections.World) (c projections.Cause, ok bool) {
	c = projections.Cause{Event: e.ID, Position: e.Position, RecordedAt: e.Meta.RecordedAt, On: after.Closed}
	switch d := e.Data.(type) {
	case calendar.DayClosed:
		c.Kind, c.Due = ByDay, d.Date.String()
		c.All = revalues(before, after) // the day before which a policy takes effect
		return c, true
	case rfm.Calibrated:
		c.Kind = ByCalibration // whatever rules ask for: every segment tells the mean scores
		return c, after.Calibration != before.Calibration && len(after.Plan().Order) > 0
	case policy.Published: // until the first calibration of values revenue is told by the policy of the day
		c.Kind = ByCalibration
		return c, d.Kind == policy.KindValue && revalues(before, after)
	case value.Calibrated:
		c.Kind = ByCalibration
		return c, after.Value != before.Value
	case cluster.Fitted:
		c.Kind = ByCalibration
		return c, after.Clusters[d.ClusterID] != before.Clusters[d.ClusterID]
	case segment.Event:
		c.Kind = ByDefinition
		switch d := d.(type) {
		case segment.Defined:
			c.Kind, c.Subject = ByNew, d.SegmentID
			return c, d.Kind == segment.Dynamic || len(before.Plan().Order) == 0 // the first: calibrations did not matter before
		case segment.VersionPublished:
			c.Subject = d.SegmentID
			return c, true
		case segment.Archived:
			c.Subject = d.SegmentID
			return c, true
		}
	}
	return c, false
}

// revalues says whether customers are valued by another policy after an event.
func revalues(before, after *projections.World) bool {
	was, _, _ := valuing(before)
	is, _, _ := valuing(after)
	return is != was
}

func due(d *Document) string {
	var first *domain.Date // every day closed asks everybody: a text is made once
	for _, s := range d.Segments {
		if s.Due != nil && (first == nil || *s.Due < *first) {
			first = s.Due
		}
	}
	if first == nil {
		return ""
	}
	return first.String()
}

// The indexes of the view. A position in a key has twenty digits, so that keys
// order by it.
const (
	IndexAll     = "all"     // every customer who can belong to a segment; no key, so that they come by id
	IndexMembers = "members" // who belongs to a segment: MemberKey
	IndexStays   = "stays"   // who belonged to a segment and does not any more: StayKey
	IndexMoves   = "moves"   // every entering and leaving: MoveKey
	IndexFailing = "failing" // whose rule failed: the segment
	IndexRevenue = "revenue" // every customer, by what they brought: RevenueKey
	IndexCluster = "cluster" // who is in a cluster: ClusterKey
)

func at(position uint64) string {
	const digits = 20
	text := strconv.FormatUint(position, 10)
	return "00000000000000000000"[:digits-len(text)] + text
}

// MemberKey is where who belongs to a segment stands: by since when.
func MemberKey(id string, since uint64) string { return id + "|" + at(since) }

// StayKey is where a stay stands that is over: by since when, and until when.
func StayKey(id string, from, to uint64) string { return id + "|" + at(from) + "|" + at(to) }

// MoveKey is where an entering or a leaving stands: by when.
func MoveKey(id string, position uint64, entered bool) string {
	if entered {
		return id + "|" + at(position) + "|entered"
	}
	return id + "|" + at(position) + "|left"
}

// ClusterKey is where who is in a cluster stands: by clustering and number.
func ClusterKey(id string, number int) string { return fmt.Sprintf("%s|%02d", id, number) }

// RevenueKey orders customers by revenue, a negative one too.
func RevenueKey(minor int64) string { return at(uint64(minor) ^ 1<<63) }

func indexes(d *Document, w *projections.World) []projections.Place {
	if !d.There {
		return nil
	}
	places := make([]projections.Place, 0, 3+4*len(d.Segments)+len(d.Stood.Clusters))
	places = append(places, projections.Place{Index: IndexAll}, projections.Place{Index: IndexRevenue, Key: RevenueKey(d.RevenueMinor)})
	for id, number := range d.Stood.Clusters {
		places = append(places, projections.Place{Index: IndexCluster, Key: ClusterKey(id, number)})
	}
	for id, s := range d.Segments {
		for i := range s.Stays {
			stay := &s.Stays[i]
			places = append(places, projections.Place{Index: IndexMoves, Key: MoveKey(id, stay.From.Position, true)})
			if stay.To == nil {
				places = append(places, projections.Place{Index: IndexMembers, Key: MemberKey(id, stay.From.Position)})
				continue
			}
			places = append(places,
				projections.Place{Index: IndexStays, Key: StayKey(id, stay.From.Position, stay.To.Position)},
				projections.Place{Index: IndexMoves, Key: MoveKey(id, stay.To.Position, false)})
		}
		if s.Failed != nil {
			places = append(places, projections.Place{Index: IndexFailing, Key: id})
		}
	}
	return places
}

// The totals of a segment, each after the segment's id and "|".
const (
	MetricCustomers = "customers"
	MetricOrders    = "orders"        // that count
	MetricRevenue   = "revenue_minor" // net, in the currency of the value policy
	MetricUnvalued  = "unvalued"      // customers whose revenue is not known in that currency
	MetricPoints    = "points"        // spendable
	MetricScored    = "scored"        // customers with rfm scores
	MetricR         = "r"             // sums of the scores
	MetricF         = "f"
	MetricM         = "m"
	MetricFailing   = "failing" // customers on whom the rule failed
)

// MetricAll begins the names of the totals of all customers who can belong to a segment.
const MetricAll = "*"

// MetricBand begins the names of the totals of a band of the value pyramid, before the
// band: of those customers who were put into one.
const MetricBand = "band:"

// MetricContribution is a total of a band: what its customers contributed.
const MetricContribution = "contribution_minor"

// ClusterMetric names a total of a cluster: of those customers who are in it.
func ClusterMetric(id string, number int, metric string) string {
	return fmt.Sprintf("cluster:%s:%d|%s", id, number, metric)
}

func metrics(d *Document, w *projections.World) []projections.Metric {
	if d.Out() { // who must not be used is compared with nobody
		return nil
	}
	m := make([]projections.Metric, 0, 8*(len(d.Segments)+1))
	m = d.totals(m, MetricAll)
	m = d.banded(m)
	for id, number := range d.Stood.Clusters {
		m = append(m, projections.Metric{Name: ClusterMetric(id, number, MetricCustomers), Value: 1})
	}
	for id, s := range d.Segments {
		if s.Failed != nil {
			m = append(m, projections.Metric{Name: id + "|" + MetricFailing, Value: 1})
		}
		if s.in() {
			m = d.totals(m, id)
		}
	}
	return m
}

func (d *Document) banded(m []projections.Metric) []projections.Metric {
	if d.Stood.Band == "" {
		return m
	}
	of := MetricBand + d.Stood.Band + "|"
	m = append(m, projections.Metric{Name: of + MetricCustomers, Value: 1})
	if d.RevenueMinor != 0 {
		m = append(m, projections.Metric{Name: of + MetricRevenue, Value: d.RevenueMinor})
	}
	if c := d.Stood.Contribution; c != nil && *c != 0 {
		m = append(m, projections.Metric{Name: of + MetricContribution, Value: *c})
	}
	return m
}

func (d *Document) totals(m []projections.Metric, of string) []projections.Metric {
	add := func(name string, value int64) {
		if value != 0 {
			m = append(m, projections.Metric{Name: of + "|" + name, Value: value})
		}
	}
	add(MetricCustomers, 1)
	add(MetricOrders, d.Counted)
	add(MetricRevenue, d.RevenueMinor)
	if d.Unvalued {
		add(MetricUnvalued, 1)
	}
	add(MetricPoints, d.Points)
	if s := d.Stood.Scores; s.R > 0 {
		add(MetricScored, 1)
		add(MetricR, int64(s.R))
		add(MetricF, int64(s.F))
		add(MetricM, int64(s.M))
	}
	return m
}
