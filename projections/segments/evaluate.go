package segments

import (
	"errors"
	"slices"

	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// evaluate decides on the segments that are concerned, and on those whose rules ask
// for one that changed, in the order of the plan. What changes of a segment is
// marked as mark says. It reports whether the document changed.
func (d *Document) evaluate(mark func(id string) Mark, w *projections.World, concerned func(*segment.Planned) bool) (changed bool) {
	plan, moved := w.Plan(), map[string]bool{}
	for id, s := range d.Segments { // those that are in use no more, or cannot be decided
		is, _ := w.Segments.Segment(id)
		switch {
		case is.Archived:
			moved[id] = d.In(id) // somebody else may have asked for it meanwhile
			changed = d.settle(id, false, mark(id), is.Version) || changed
		case s.Due != nil && plan.Planned(id) == nil: // no day can change it
			s.Due, changed = nil, true
			d.tidy(id)
		}
	}
	if d.Out() {
		for id := range d.Segments { // also those that cannot be decided any more
			changed = d.settle(id, false, mark(id), 0) || changed
		}
		return changed
	}
	var c *segment.Customer
	for _, p := range plan.Order {
		if !concerned(p) && !slices.ContainsFunc(p.Asks, func(id string) bool { return moved[id] }) {
			continue
		}
		before, m := d.In(p.ID), mark(p.ID)
		if p.Kind == segment.Static {
			changed = d.settle(p.ID, d.Lists.Has(p.ID), m, p.Version) || changed
		} else {
			if c == nil {
				c = d.Customer(w)
			}
			outcome, err := p.Rule.Eval(c, segment.Moment{On: w.Closed})
			if err != nil {
				changed = d.fail(p, outcome, m, err) || changed
			} else {
				changed = d.decide(p, outcome, m) || changed
			}
		}
		if d.In(p.ID) != before {
			moved[p.ID] = true
		}
	}
	return changed
}

// settle lets a customer belong to a segment, or not, whatever may come.
func (d *Document) settle(id string, in bool, m Mark, version int) (changed bool) {
	s := d.Segments[id]
	if s == nil && !in {
		return false
	}
	s = d.standing(id)
	changed = s.Due != nil || s.Failed != nil
	s.Due, s.Failed = nil, nil
	return d.move(id, s, in, m, version) || changed
}

// decide takes the outcome of a rule.
func (d *Document) decide(p *segment.Planned, o segment.Outcome, m Mark) (changed bool) {
	s := d.Segments[p.ID]
	if s == nil && !o.Member && o.Due == nil {
		return false
	}
	s = d.standing(p.ID)
	changed = s.Failed != nil || (s.Due == nil) != (o.Due == nil) || o.Due != nil && *s.Due != *o.Due
	s.Due, s.Failed = o.Due, nil
	return d.move(p.ID, s, o.Member, m, p.Version) || changed
}

// fail notes that a rule could not be evaluated: the membership stays as it was.
func (d *Document) fail(p *segment.Planned, o segment.Outcome, m Mark, err error) (changed bool) {
	failure := Failure{Code: "failed", Detail: err.Error(), Mark: m}
	if f := (*segment.Failure)(nil); errors.As(err, &f) {
		failure.Code, failure.Detail = f.Code, f.Detail
	}
	s := d.standing(p.ID)
	if was := s.Failed; was != nil && was.Code == failure.Code && was.Detail == failure.Detail {
		failure.Mark = was.Mark // it failed already
	}
	changed = s.Failed == nil || s.Failed.Mark.Position != failure.Mark.Position || s.Failed.Detail != failure.Detail ||
		(s.Due == nil) != (o.Due == nil) || o.Due != nil && *s.Due != *o.Due
	s.Failed, s.Due = &failure, o.Due
	return changed
}

func (d *Document) standing(id string) *Standing {
	s := d.Segments[id]
	if s == nil {
		if d.Segments == nil {
			d.Segments = map[string]*Standing{}
		}
		s = new(Standing)
		d.Segments[id] = s
	}
	return s
}

// move begins or ends a stay, if the customer belongs to the segment and did not, or
// the other way round. A stay that would end where it began never was.
func (d *Document) move(id string, s *Standing, in bool, m Mark, version int) (changed bool) {
	switch n := len(s.Stays); {
	case in == s.in():
	case in:
		s.Stays, changed = append(s.Stays, Stay{From: m, Version: version}), true
	case s.Stays[n-1].From.Position == m.Position:
		s.Stays, changed = s.Stays[:n-1], true
	default:
		s.Stays[n-1].To, changed = &m, true
	}
	d.tidy(id)
	return changed
}

// tidy forgets how the customer stands to a segment if that says nothing.
func (d *Document) tidy(id string) {
	if s := d.Segments[id]; len(s.Stays) == 0 && s.Due == nil && s.Failed == nil {
		delete(d.Segments, id)
		if len(d.Segments) == 0 {
			d.Segments = nil
		}
	}
}

// calibrated says whether a rule rests on a calibration.
func calibrated(p *segment.Planned) bool {
	return p.Has("rfm") || p.Has("value") || p.Has("percentiles") || p.Has("clusters")
}

// stand computes what follows from calibrations and what totals add up, and says
// whether any of it changed.
func (d *Document) stand(w *projections.World) (changed bool) {
	next := Stood{}
	orders := d.Orders()
	if s := rfm.Of(&orders, w); s.Reason == "" {
		next.Scores, next.Label, next.Frequency, next.Monetary = s.Scores, s.Label, s.Values.Frequency, s.Values.MonetaryMinor
	}
	if w.UsesValue() {
		next.Band = value.Unknown
	}
	counted, revenueMinor, unvalued := int64(0), int64(0), false
	if p, day, ok := valuing(w); ok {
		measures := value.MeasuresOf(&d.Books.Inputs, p, day)
		counted = measures.Of(value.Orders).Value
		revenue := measures.Of(value.Revenue)
		revenueMinor, unvalued = revenue.Value, revenue.Reason == value.CurrencyMixed
		if next.Band != "" && w.Value != nil { // before the first calibration the window moves with every day, and nobody would look
			d.valued(&next, &measures, p, w)
		}
	}
	points := d.Loyalty.Balance().Spendable
	for id, fitted := range w.Clusters {
		if number, ok := fitted.Assign(d.Features(fitted, w)); ok {
			if next.Clusters == nil {
				next.Clusters = map[string]int{}
			}
			next.Clusters[id] = number
		}
	}
	if next.equal(&d.Stood) && counted == d.Counted && revenueMinor == d.RevenueMinor && unvalued == d.Unvalued && points == d.Points {
		return false
	}
	d.Stood, d.Counted, d.RevenueMinor, d.Unvalued, d.Points = next, counted, revenueMinor, unvalued, points
	return true
}

// valuing returns by which policy, and as of which day, customers are valued: that of
// the calibration that stands, before it that of the last closed day.
func valuing(w *projections.World) (p *value.Policy, day value.Day, ok bool) {
	day = value.Day{AsOf: w.Closed, Zone: w.Location()}
	on := policy.Always
	if w.Closed != nil {
		on = *w.Closed + 1
	}
	published, ok := w.Policy(policy.KindValue, on)
	if w.Value != nil {
		day.AsOf = &w.Value.AsOf
		published, ok = w.PolicyVersion(policy.KindValue, w.Value.PolicyVersion)
	}
	if !ok || published.Value == nil {
		return nil, day, false
	}
	return published.Value, day, true
}

// valued notes the band and the percentiles of a customer.
func (d *Document) valued(next *Stood, measures *value.Measures, p *value.Policy, w *projections.World) {
	contribution := measures.Of(value.Contributed)
	if contribution.Known {
		next.Contribution = &contribution.Value
	}
	next.Band = w.Value.Band(p, value.Result{ContributionMinor: contribution.Value, Known: contribution.Known})
	asked := w.Percentiles()
	if len(asked) == 0 {
		return
	}
	reached := make([]byte, len(asked))
	for i, x := range asked {
		reached[i] = '-'
		if m := measures.Of(x.Measure); m.Known && w.Value.Of(x.Measure) != nil {
			if reached[i] = 'n'; w.Value.Reaches(x.Measure, m.Value, x.Percent) {
				reached[i] = 'y'
			}
		}
	}
	next.Reached = string(reached)
}

func (s *Stood) equal(o *Stood) bool {
	if s.Scores != o.Scores || s.Label != o.Label || s.Frequency != o.Frequency || s.Monetary != o.Monetary ||
		s.Band != o.Band || s.Reached != o.Reached || (s.Contribution == nil) != (o.Contribution == nil) ||
		s.Contribution != nil && *s.Contribution != *o.Contribution || len(s.Clusters) != len(o.Clusters) {
		return false
	}
	for id, n := range s.Clusters {
		if o.Clusters[id] != n {
			return false
		}
	}
	return true
}

// parts are members of the customer document by which rules are told apart; nil is
// all of them.
type parts []string

// concerns says whether a rule may say something else after an event that changed
// these parts.
func (c parts) concerns(p *segment.Planned, wire string) bool {
	if c == nil {
		return true
	}
	for _, part := range c {
		if p.Has(part) {
			return true
		}
	}
	return slices.Contains(p.Uses.Events, wire)
}

// partsOf says what of a customer an event can change, as rules see it. What is not
// listed may change anything.
func partsOf(e customer.Event) parts {
	switch e.(type) {
	case customer.OrderRecorded, customer.OrderPaid, customer.OrderCancelled, customer.RefundRecorded:
		return parts{"orders", "rfm", "value", "percentiles", "clusters", "loyalty"}
	case customer.CostRecorded, customer.CostCancelled:
		return parts{"value", "percentiles", "clusters"}
	case customer.PointsEarned, customer.PointsGranted, customer.PointsActivated, customer.PointsHeld, customer.HoldReleased,
		customer.HoldCaptured, customer.PointsRedeemed, customer.RedemptionReversed, customer.PointsEarnReversed,
		customer.PointsExpired, customer.ExpiryExtended, customer.PointsAdjusted, customer.PointsForfeited,
		customer.PointsTransferredIn, customer.PointsTransferredOut, customer.ProgramJoined, customer.ProgramLeft,
		customer.TierUpgraded, customer.TierRetained, customer.TierDowngraded, customer.TierOverridden, customer.TierOverrideLifted:
		return parts{"loyalty", "value", "percentiles", "clusters"}
	case customer.TagAdded, customer.TagRemoved:
		return parts{"tags"}
	case customer.AttributeSet, customer.AttributeCleared:
		return parts{"attributes"}
	case customer.StageEntered:
		return parts{"stage"}
	case customer.ConsentGranted, customer.ConsentWithdrawn:
		return parts{"consents"}
	case customer.ContactPointAdded, customer.ContactPointVerified, customer.ContactPointMadePrimary,
		customer.ContactPointRemoved, customer.ContactPointInvalidated:
		return parts{"contact_points", "suppressed"}
	case customer.ContactRecorded, customer.CareActionDone:
		return parts{"events"}
	}
	return nil
}
