package segments

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

// Fact is an event of the customer, as rules can ask for it: without what is
// personal, and without what is nested, but for amounts of money.
type Fact struct {
	Type     string                     `json:"type"` // the wire name after "customer."
	ID       uuid.UUID                  `json:"id"`
	Position uint64                     `json:"position"`
	At       time.Time                  `json:"at"`
	On       *domain.Date               `json:"on,omitempty"` // the business date, if the event has one of its own
	Fields   map[string]attribute.Value `json:"fields,omitempty"`
}

const wirePrefix = "customer."

func (f *Fact) wire() string { return wirePrefix + f.Type }

// fields returns the fields with the types that rules know.
func (f *Fact) fields() map[string]any {
	fields := make(map[string]any, len(f.Fields))
	for name, v := range f.Fields {
		switch v {
		case "true", "false":
			fields[name] = v == "true"
		default:
			if strings.HasPrefix(string(v), `"`) {
				fields[name] = v.Text()
			} else {
				fields[name] = number(string(v))
			}
		}
	}
	return fields
}

// note keeps an event.
func (d *Document) note(e projections.Event) {
	f := Fact{Type: strings.TrimPrefix(e.Type, wirePrefix), ID: e.ID, Position: e.Position, At: e.Meta.OccurredAt, On: datedOn(e.Data)}
	v := reflect.ValueOf(e.Data)
	for _, take := range takersOf(v.Type()) {
		take.take(v.Field(take.field), take.name, &f)
	}
	d.Facts = append(d.Facts, f)
}

// datedOn returns the business date that an event has beside the instant at which it
// occurred, nil if it has none: the date of where it occurred need not be that of the
// business zone. Orders recorded have one too, and stand in no fact.
func datedOn(data any) *domain.Date {
	switch e := data.(type) {
	case customer.RefundRecorded:
		return new(e.RefundedOn)
	case customer.CostRecorded:
		return new(e.IncurredOn)
	case customer.CostCancelled:
		return new(e.CancelledOn)
	}
	return nil
}

// date returns the business date of an event.
func (f *Fact) date(zone *time.Location) domain.Date {
	if f.On != nil {
		return *f.On
	}
	return domain.DateOf(f.At, zone)
}

// maxFact bounds a text that is kept of an event, in bytes; a longer one is left out.
const maxFact = 100

// taker takes one field of an event.
type taker struct {
	name  string
	field int
	take  func(v reflect.Value, name string, f *Fact)
}

// takers knows the fields of each type of event that are kept.
var takers sync.Map // of reflect.Type, []taker

func takersOf(t reflect.Type) []taker {
	if known, ok := takers.Load(t); ok {
		return known.([]taker)
	}
	var all []taker
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" || field.Tag.Get("personal") != "" {
			continue
		}
		if take := takerOf(field.Type); take != nil {
			all = append(all, taker{name, i, take})
		}
	}
	takers.Store(t, all)
	return all
}

func takerOf(t reflect.Type) func(reflect.Value, string, *Fact) {
	switch t {
	case reflect.TypeFor[domain.Money]():
		return func(v reflect.Value, name string, f *Fact) {
			m := v.Interface().(domain.Money)
			f.set(name+"_minor", attribute.Value(strconv.FormatInt(m.AmountMinor, 10)))
			f.text(name+"_currency", m.Currency)
		}
	case reflect.TypeFor[domain.Date]():
		return func(v reflect.Value, name string, f *Fact) { f.text(name, v.Interface().(domain.Date).String()) }
	case reflect.TypeFor[uuid.UUID]():
		return func(v reflect.Value, name string, f *Fact) {
			if id := v.Interface().(uuid.UUID); id != uuid.Nil {
				f.text(name, id.String())
			}
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value, name string, f *Fact) { f.text(name, v.String()) }
	case reflect.Bool:
		return func(v reflect.Value, name string, f *Fact) {
			f.set(name, attribute.Value(strconv.FormatBool(v.Bool())))
		}
	case reflect.Int, reflect.Int64, reflect.Int32:
		return func(v reflect.Value, name string, f *Fact) {
			f.set(name, attribute.Value(strconv.FormatInt(v.Int(), 10)))
		}
	case reflect.Pointer:
		if inner := takerOf(t.Elem()); inner != nil {
			return func(v reflect.Value, name string, f *Fact) {
				if !v.IsNil() {
					inner(v.Elem(), name, f)
				}
			}
		}
	}
	return nil
}

func (f *Fact) text(name, text string) {
	if text != "" && len(text) <= maxFact {
		f.set(name, attribute.Of(attribute.Text, text))
	}
}

func (f *Fact) set(name string, v attribute.Value) {
	if f.Fields == nil {
		f.Fields = map[string]attribute.Value{}
	}
	f.Fields[name] = v
}
