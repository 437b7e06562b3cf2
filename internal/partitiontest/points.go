package partitiontest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
)

// Points is a document that broadcast events change by themselves: points lapse on
// days, calibrations say who has many, and each policy divides the customers anew.
type Points struct {
	Lots  []Lot  `json:"lots,omitempty"`
	Level string `json:"level,omitempty"`
	// Versions are the scoring policies that there were when the level was looked at:
	// they change nothing by themselves.
	Versions int `json:"versions,omitempty"`
	// Moves say at which position of the log what became true or false.
	Moves []string `json:"moves,omitempty"`
}

// Lot is the points of an order, and the day at whose end they lapse.
type Lot struct {
	Order  string      `json:"order"`
	Points int64       `json:"points"`
	Lapses domain.Date `json:"lapses"`
}

// What changes the documents of the view.
const (
	byDay    = "day"
	byLevels = "levels"
	byParts  = "parts" // several of them go together
)

// NewPoints returns a view whose documents change by what holds for all customers.
func NewPoints() *projections.View[Points] {
	return &projections.View[Points]{
		Name:   "points",
		FoldIn: foldPoints,
		Caused: func(e projections.Event, _, after *projections.World) (projections.Cause, bool) {
			c := projections.Cause{Event: e.ID, Position: e.Position, RecordedAt: e.Meta.RecordedAt, On: after.Closed}
			switch d := e.Data.(type) {
			case calendar.DayClosed:
				c.Kind, c.Due = byDay, d.Date.String()
				return c, true
			case rfm.Calibrated:
				c.Kind = byLevels
				return c, true
			case policy.Published:
				c.Kind, c.Subject = byParts, strconv.Itoa(d.Version)
				return c, d.Kind == policy.KindCare
			}
			return c, false
		},
		Joins: func(pending, next projections.Cause) bool { return pending.Kind == byParts && next.Kind == byParts },
		Change: func(d *Points, c projections.Cause, w *projections.World) bool {
			if c.Kind == byParts {
				changed := false
				for _, c := range append([]projections.Cause{c}, c.Joined...) {
					n, _ := strconv.Atoi(c.Subject)
					changed = d.part(n, c.Position) || changed
				}
				return changed
			}
			changed := d.lapse(w)
			if len(d.Lots) == 0 && changed {
				*d = Points{}
				return true
			}
			if c.Kind == byDay {
				for n := 1; n <= parts(w); n++ {
					changed = d.part(n, c.Position) || changed
				}
			}
			return d.level(w, c.Position) || changed
		},
		Due: func(d *Points) string {
			if len(d.Lots) == 0 {
				return ""
			}
			first := d.Lots[0].Lapses
			for _, l := range d.Lots {
				first = min(first, l.Lapses)
			}
			return first.String()
		},
		Indexes: func(d *Points, w *projections.World) []projections.Place {
			return []projections.Place{{Index: "level", Key: fmt.Sprint(d.Level, "|", d.Versions)}}
		},
		Metrics: func(d *Points, w *projections.World) []projections.Metric {
			return []projections.Metric{{Name: "points", Value: d.points()}, {Name: "level:" + d.Level, Value: 1}, {Name: "moves", Value: int64(len(d.Moves))}}
		},
	}
}

func foldPoints(d *Points, e projections.Event, w *projections.World) bool {
	switch o := e.Data.(type) {
	case customer.OrderRecorded:
		d.Lots = append(d.Lots, Lot{o.OrderID, o.Total.AmountMinor, o.PlacedOn + domain.Date(o.Total.AmountMinor%7) - 1})
	case customer.OrderCancelled:
		at := slices.IndexFunc(d.Lots, func(l Lot) bool { return l.Order == o.OrderID })
		if at < 0 {
			return false
		}
		d.Lots = slices.Delete(d.Lots, at, at+1)
	default:
		return false
	}
	if d.lapse(w); len(d.Lots) == 0 {
		*d = Points{}
		return true
	}
	d.level(w, e.Position)
	for n := 1; n <= parts(w); n++ {
		d.part(n, e.Position)
	}
	return true
}

// parts is how many policies divide the customers.
func parts(w *projections.World) int { return len(w.Policies[policy.KindCare]) }

func (d *Points) points() (sum int64) {
	for _, l := range d.Lots {
		sum += l.Points
	}
	return sum
}

// lapse takes away what has lapsed.
func (d *Points) lapse(w *projections.World) bool {
	before := len(d.Lots)
	d.Lots = slices.DeleteFunc(d.Lots, func(l Lot) bool { return w.Closed != nil && l.Lapses <= *w.Closed })
	return len(d.Lots) != before
}

// level says whether the points are many, by the calibration that stands.
func (d *Points) level(w *projections.World, position uint64) (changed bool) {
	level, versions := "", len(w.Policies[policy.KindRFM])
	if c := w.Calibration; c != nil {
		if level = "low"; d.points() >= c.Monetary[0] {
			level = "high"
		}
	}
	changed = d.Level != level || d.Versions != versions
	if d.Level != level {
		d.Moves = append(d.Moves, fmt.Sprintf("%s at %d", level, position))
	}
	d.Level, d.Versions = level, versions
	return changed
}

// part says on which side of the n-th policy the customer stands.
func (d *Points) part(n int, position uint64) bool {
	was, of := false, "part "+strconv.Itoa(n)+" "
	for _, m := range d.Moves {
		if side, ok := strings.CutPrefix(m, of); ok {
			was = strings.HasPrefix(side, "true")
		}
	}
	is := d.points()%int64(n+1) == 0
	if is == was {
		return false
	}
	d.Moves = append(d.Moves, fmt.Sprintf("part %d %t at %d", n, is, position))
	return true
}
