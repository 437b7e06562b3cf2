package segments

import (
	"reflect"

	"github.com/goccy/go-json"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
)

// Stand computes what follows from calibrations, in a world other than that in which
// the document was evaluated last.
func (d *Document) Stand(w *projections.World) { d.stand(w) }

// Decide decides on every segment from scratch, for a document that Take made. Its
// stays begin nowhere in the log: they only say to what the customer belongs.
func (d *Document) Decide(w *projections.World) {
	d.Segments = nil
	d.stand(w)
	d.evaluate(func(string) Mark { return Mark{On: w.Closed} }, w, func(*segment.Planned) bool { return true })
}

// Valuing returns by which policy, and as of which day, customers are valued: that of
// the calibration that stands, before it that of the last closed day.
func Valuing(w *projections.World) (p *value.Policy, day value.Day, ok bool) { return valuing(w) }

// Field is a field of an event that rules can ask for.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"` // text, whole number, or true or false
}

// orderFields are those of orders recorded; see happened.
var orderFields = []Field{
	{"order_id", typeText}, {"channel", typeText}, {"store_id", typeText}, {"total_minor", typeWhole}, {"total_currency", typeText},
}

const (
	typeText  = segment.FieldText
	typeWhole = segment.FieldWhole
	typeTruth = segment.FieldTruth
)

// FieldsOf returns the fields of an event that rules can ask for, by its name and
// type.
func FieldsOf(wire string, event reflect.Type) []Field {
	if wire == wireOrder {
		return orderFields
	}
	var fields []Field
	for _, t := range takersOf(event) {
		of := event.Field(t.field).Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		zero := reflect.New(of).Elem()
		fields = append(fields, shapeOf(t, zero)...)
	}
	return fields
}

// shapeOf asks a taker what it makes of a value that has something in it.
func shapeOf(t taker, v reflect.Value) (fields []Field) {
	if v.Kind() == reflect.Struct { // an amount of money is the only one there is
		return []Field{{t.name + "_minor", typeWhole}, {t.name + "_currency", typeText}}
	}
	switch v.Interface().(type) {
	case interface{ MarshalText() ([]byte, error) }: // a date or an id
		return []Field{{t.name, typeText}}
	}
	switch v.Kind() {
	case reflect.Bool:
		return []Field{{t.name, typeTruth}}
	case reflect.Int, reflect.Int64, reflect.Int32:
		return []Field{{t.name, typeWhole}}
	}
	return []Field{{t.name, typeText}}
}

// sparse is a stored document of which the large parts were not read yet.
type sparse struct {
	There       bool                 `json:"there"`
	Profile     json.RawMessage      `json:"profile"`
	Contacts    json.RawMessage      `json:"contacts"`
	Permissions json.RawMessage      `json:"permissions"`
	Standing    json.RawMessage      `json:"lifecycle"`
	Ownership   json.RawMessage      `json:"ownership"`
	Rights      json.RawMessage      `json:"rights"`
	Loyalty     json.RawMessage      `json:"loyalty"`
	Lists       json.RawMessage      `json:"lists"`
	Books       json.RawMessage      `json:"books"`
	Particulars json.RawMessage      `json:"particulars"`
	Facts       json.RawMessage      `json:"facts"`
	Segments    map[string]*Standing `json:"segments"`
	Stood       Stood                `json:"stood"`
}

// Reader reads stored documents as far as a rule needs them.
type Reader struct {
	profile, contacts, permissions, stage, owner, loyalty, orders, facts bool
}

// ReaderFor returns what reads the documents for a rule.
func ReaderFor(u segment.Uses) (r Reader) {
	for _, part := range u.Parts {
		switch part {
		case "contact_points":
			r.contacts = true
		case "suppressed", "consents":
			r.permissions = true
		case "stage":
			r.stage = true
		case "owner":
			r.owner = true
		case "loyalty":
			r.loyalty = true
		case "orders":
			r.orders = true
		case "events":
			r.facts, r.orders = true, true
		case "rfm", "value", "percentiles", "clusters":
			r.profile, r.loyalty, r.orders = true, true, true
		case "segments":
		default:
			r.profile = true
		}
	}
	return r
}

// Read reads a stored document.
func (r Reader) Read(stored []byte) (*Document, error) {
	var s sparse
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, err
	}
	d := &Document{There: s.There, Segments: s.Segments, Stood: s.Stood}
	for _, part := range []struct {
		needed bool
		stored json.RawMessage
		into   any
	}{
		{r.profile, s.Profile, &d.Profile},
		{r.contacts, s.Contacts, &d.Contacts},
		{r.permissions, s.Permissions, &d.Permissions},
		{r.stage, s.Standing, &d.Standing},
		{r.owner, s.Ownership, &d.Ownership},
		{true, s.Rights, &d.Rights},
		{r.loyalty, s.Loyalty, &d.Loyalty},
		{true, s.Lists, &d.Lists},
		{r.orders, s.Books, &d.Books},
		{r.orders, s.Particulars, &d.Particulars},
		{r.facts, s.Facts, &d.Facts},
	} {
		if !part.needed || part.stored == nil {
			continue
		}
		if err := json.Unmarshal(part.stored, part.into); err != nil {
			return nil, err
		}
	}
	return d, nil
}
