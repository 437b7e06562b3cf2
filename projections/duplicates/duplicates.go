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
	Registered bool        `json:"registered,omitempty"`
	Company    bool        `json:"company,omitempty"` // of the kind organisation
	Given      Fact        `json:"given,omitzero"`
	Family     Fact        `json:"family,omitzero"`
	Display    Fact        `json:"display,omitzero"`
	Firm       Fact        `json:"firm,omitzero"` // the name of the organisation
	Birth      Fact        `json:"birth,omitzero"`
	Postal     Fact        `json:"postal,omitzero"` // the postal code
	Country    Fact        `json:"country,omitzero"`
	Points     []Point     `json:"points,omitempty"`   // in the order they were added
	Rejected   []Rejection `json:"rejected,omitempty"` // by id
}

// Fact is something known of a customer, and the event it comes from.
type Fact struct {
	Value string    `json:"value,omitempty"`
	From  uuid.UUID `json:"from,omitzero"`
}

// Name returns the name as it is kept.
func (d *Document) Name() customer.Name {
	return customer.Name{Given: d.Given.Value, Family: d.Family.Value, Display: d.Display.Value, Organisation: d.Firm.Value}
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
		d.Registered, d.Company = true, e.Kind == customer.Organisation
		d.Given, d.Family = fact(e.Name.Given, event.ID), fact(e.Name.Family, event.ID)
		d.Display, d.Firm = fact(e.Name.Display, event.ID), fact(e.Name.Organisation, event.ID)
	case customer.ProfileUpdated:
		return d.update(e.Changes, event.ID)
	case customer.DemographicsUpdated:
		return d.update(e.Changes, event.ID)
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

// fact is a value of an event; what is not set comes from nowhere.
func fact(value string, from uuid.UUID) Fact {
	if value == "" {
		return Fact{}
	}
	return Fact{value, from}
}

// field returns the place of a field by its name in events, nil for what is not kept.
func (d *Document) field(name string) *Fact {
	switch name {
	case "name.given":
		return &d.Given
	case "name.family":
		return &d.Family
	case "name.display":
		return &d.Display
	case "name.organisation":
		return &d.Firm
	case "demographics.birth_date":
		return &d.Birth
	case "demographics.postal_code":
		return &d.Postal
	case "demographics.country":
		return &d.Country
	}
	return nil
}

// update takes over what changed of the fields that are kept.
func (d *Document) update(changes []customer.Change, by uuid.UUID) (changed bool) {
	for _, c := range changes {
		if field := d.field(c.Field); field != nil {
			*field, changed = fact(c.Became, by), true
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
