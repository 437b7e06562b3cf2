// Package duplicates is the read model of who may be one and the same customer:
// of each customer what others may share with them, in a form that can be
// compared, and who was found not to be the same.
//
// Two customers are candidates if they share a key of IndexMatch. A key is a hash
// of what is shared: of one length whatever that is, and not to be read in passing
// by who looks at an index. It is no secret, because the documents beside it hold the
// same data in clear, and it goes when they go: with the erasure of the customer.
// What a key says is confirmed by comparing the documents, so that two values of
// one hash would do no harm.
package duplicates

import (
	"bytes"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/duplicate"
	"github.com/rapport-crm/rapport/projections"
)

// Name is the name of the view.
const Name = "duplicates"

// The indexes of the view, and their keys.
const (
	IndexMatch    = "match"    // what may be shared: Traits.Keys
	IndexRejected = "rejected" // pairs found to be two, under the lower id: the higher one
)

// MetricRejected counts the pairs found to be two.
const MetricRejected = "rejected"

// New returns the view.
func New() *projections.View[Document] {
	return &projections.View[Document]{Name: Name, Fold: fold, Indexes: indexes, Metrics: metrics}
}

// Document is what a customer may share with others. Everybody who is registered
// and was not erased has one.
type Document struct {
	Registered   bool          `json:"registered,omitempty"`
	Organisation bool          `json:"organisation,omitempty"` // of the kind organisation
	Name         customer.Name `json:"name,omitzero"`
	NameFrom     NameEvents    `json:"name_from,omitzero"`
	BirthDate    string        `json:"birth_date,omitempty"`
	BirthFrom    uuid.UUID     `json:"birth_from,omitzero"`
	Points       []Point       `json:"points,omitempty"`   // in the order they were added
	Rejected     []Rejection   `json:"rejected,omitempty"` // by id
}

// NameEvents are the events that the parts of a name come from.
type NameEvents struct {
	Given        uuid.UUID `json:"given,omitzero"`
	Family       uuid.UUID `json:"family,omitzero"`
	Display      uuid.UUID `json:"display,omitzero"`
	Organisation uuid.UUID `json:"organisation,omitzero"`
}

// Point is a contact point as it is compared.
type Point struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Value   string    `json:"value,omitempty"`   // normalised
	Postal  string    `json:"postal,omitempty"`  // of an address: the postal code
	Country string    `json:"country,omitempty"` // of an address
	From    uuid.UUID `json:"from,omitzero"`     // the event that added it
}

// Rejection says that the customer and one of a higher id are two.
type Rejection struct {
	With uuid.UUID `json:"with"`
	From uuid.UUID `json:"from"` // the event that said so
}

// RejectedWith returns the event that said that the customer and one of a higher
// id are two.
func (d *Document) RejectedWith(other uuid.UUID) (event uuid.UUID, ok bool) {
	i, ok := slices.BinarySearchFunc(d.Rejected, other, byID)
	if !ok {
		return uuid.Nil, false
	}
	return d.Rejected[i].From, true
}

func byID(r Rejection, id uuid.UUID) int { return bytes.Compare(r.With[:], id[:]) }

func fold(d *Document, event projections.Event) bool {
	switch e := event.Data.(type) {
	case customer.Registered:
		d.Registered, d.Organisation, d.NameFrom = true, e.Kind == customer.Organisation, NameEvents{}
		d.Name = customer.Name{Given: e.Name.Given, Family: e.Name.Family, Display: e.Name.Display, Organisation: e.Name.Organisation}
		for _, part := range d.parts() {
			part.changed(event.ID)
		}
	case customer.ProfileUpdated:
		return d.rename(e, event.ID)
	case customer.DemographicsUpdated:
		return d.born(e, event.ID)
	case customer.ContactPointAdded:
		d.add(e, event.ID)
	case customer.ContactPointRemoved:
		kept := slices.DeleteFunc(d.Points, func(p Point) bool { return p.ID == e.ContactPointID })
		if len(kept) == 0 {
			kept = nil
		}
		d.Points = kept
	case customer.PersonalDataErased:
		*d = Document{}
	case duplicate.Rejected:
		i, known := slices.BinarySearchFunc(d.Rejected, e.B, byID)
		if known || e.Verdict != duplicate.NotDuplicate {
			return false
		}
		d.Rejected = slices.Insert(d.Rejected, i, Rejection{With: e.B, From: event.ID})
	default:
		return false
	}
	return true
}

// part is one part of a name and the event it comes from.
type part struct {
	field string // as ProfileUpdated names it
	value *string
	from  *uuid.UUID
}

func (p part) changed(by uuid.UUID) {
	if *p.from = by; *p.value == "" {
		*p.from = uuid.Nil
	}
}

func (d *Document) parts() [4]part {
	return [4]part{
		{"name.given", &d.Name.Given, &d.NameFrom.Given},
		{"name.family", &d.Name.Family, &d.NameFrom.Family},
		{"name.display", &d.Name.Display, &d.NameFrom.Display},
		{"name.organisation", &d.Name.Organisation, &d.NameFrom.Organisation},
	}
}

// born takes over the date of birth if it changed.
func (d *Document) born(e customer.DemographicsUpdated, by uuid.UUID) (changed bool) {
	for _, c := range e.Changes {
		if c.Field == "birth_date" {
			d.BirthDate = c.Became
			part{value: &d.BirthDate, from: &d.BirthFrom}.changed(by)
			changed = true
		}
	}
	return changed
}

// rename takes over the parts of the name that changed.
func (d *Document) rename(e customer.ProfileUpdated, by uuid.UUID) (changed bool) {
	parts := d.parts()
	for _, c := range e.Changes {
		for _, part := range parts {
			if part.field == c.Field {
				*part.value = c.Became
				part.changed(by)
				changed = true
			}
		}
	}
	return changed
}

func (d *Document) add(e customer.ContactPointAdded, by uuid.UUID) {
	p := Point{ID: e.ContactPointID, Type: e.Type, Value: e.Normalized, From: by}
	if p.Value == "" {
		p.Value = e.Value
	}
	if a := e.Address; a != nil {
		p.Value, p.Postal, p.Country = "", a.PostalCode, a.Country
	}
	d.Points = append(d.Points, p)
}

func indexes(d *Document, _ *projections.World) []projections.Place {
	keys := d.Traits().Keys()
	places := make([]projections.Place, 0, len(keys)+len(d.Rejected))
	for _, key := range keys {
		places = append(places, projections.Place{Index: IndexMatch, Key: key})
	}
	for _, r := range d.Rejected {
		places = append(places, projections.Place{Index: IndexRejected, Key: r.With.String()})
	}
	return places
}

func metrics(d *Document, _ *projections.World) []projections.Metric {
	if len(d.Rejected) == 0 {
		return nil
	}
	return []projections.Metric{{Name: MetricRejected, Value: int64(len(d.Rejected))}}
}
