// Package owners is the read model of who owned whom when: of each customer the
// stretches of time in which somebody owned them, without gaps in what is known
// and without overlaps.
package owners

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "owners"

// The indexes of the view. The key of both begins with the owner: Prefix.
const (
	IndexHeld    = "held"    // who is owned now, by owner and by since when
	IndexPeriods = "periods" // every period, also those that are over: Key
)

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{Name: Name, Fold: fold, Indexes: indexes}
}

// Document is the periods in which a customer was owned, the first one first.
type Document struct {
	Periods []Period `json:"periods,omitempty"`
}

// Period is a stretch of time in which one employee owned the customer, in one
// role. It is theirs at From, and no more at Until.
type Period struct {
	Owner      string    `json:"owner"`
	Role       string    `json:"role,omitempty"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until,omitzero"` // zero: still
	EventID    uuid.UUID `json:"event_id"`       // what began it
	HandoverID uuid.UUID `json:"handover_id,omitzero"`
}

// At returns the period in which somebody owned the customer at an instant.
func (d *Document) At(t time.Time) (Period, bool) {
	for _, p := range d.Periods {
		if p.covers(t) {
			return p, true
		}
	}
	return Period{}, false
}

func (p Period) covers(t time.Time) bool {
	return !t.Before(p.From) && (p.Until.IsZero() || t.Before(p.Until))
}

func fold(d *Document, event projections.Event) bool {
	switch e := event.Data.(type) {
	case customer.OwnerAssigned:
		d.begin(Period{Owner: e.To, Role: e.Role, From: e.AssignedAt, EventID: event.ID, HandoverID: e.HandoverID})
	case customer.CustomerClaimed:
		d.begin(Period{Owner: e.By, Role: e.Role, From: e.ClaimedAt, EventID: event.ID})
	case customer.CustomerReleased:
		d.end(e.ReleasedAt)
	case customer.PersonalDataErased:
		return d.end(e.ErasedAt)
	default:
		return false
	}
	return true
}

func (d *Document) begin(p Period) {
	d.end(p.From)
	d.Periods = append(d.Periods, p)
}

// end ends the period that lasts, if one does.
func (d *Document) end(at time.Time) bool {
	n := len(d.Periods) - 1
	if n < 0 || !d.Periods[n].Until.IsZero() {
		return false
	}
	if !at.After(d.Periods[n].From) { // it was none
		if d.Periods = d.Periods[:n]; n == 0 {
			d.Periods = nil
		}
		return true
	}
	d.Periods[n].Until = at
	return true
}

func indexes(d *Document, _ *projections.World) []projections.Place {
	var places []projections.Place
	for _, p := range d.Periods {
		places = append(places, projections.Place{Index: IndexPeriods, Key: Key(p)})
		if p.Until.IsZero() {
			places = append(places, projections.Place{Index: IndexHeld, Key: Prefix(p.Owner) + Instant(p.From)})
		}
	}
	return places
}

const (
	separator = "\x01"
	lasting   = "~" // after every instant
)

// Prefix is how the keys of an owner begin.
func Prefix(owner string) string { return owner + separator }

// Instant is an instant as keys have it: as text it orders like time.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// Key returns the key of a period in IndexPeriods: owner, beginning and end.
func Key(p Period) string {
	until := lasting
	if !p.Until.IsZero() {
		until = Instant(p.Until)
	}
	return Prefix(p.Owner) + Instant(p.From) + separator + until
}

// Bounds returns from when until when the period of a key lasts, as keys have it.
func Bounds(key string) (from, until string) {
	_, rest, _ := strings.Cut(key, separator)
	from, until, _ = strings.Cut(rest, separator)
	return from, until
}
