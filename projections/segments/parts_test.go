package segments_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// look returns what rules see of a customer, by part, as text.
func look(d *segments.Document) map[string]string {
	c := d.Customer(new(projections.World))
	v, parts := reflect.ValueOf(*c), map[string]string{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("cel"); name != "-" {
			parts[name] = fmt.Sprintf("%+v", readable(v.Field(i)))
		}
	}
	for _, purpose := range []string{"marketing", "service", "newsletter"} {
		for _, channel := range []string{"email", "phone", "post", "sms"} {
			given, until := c.Consented(purpose, channel)
			parts["consents"] += fmt.Sprint(given, readable(reflect.ValueOf(until)), " ")
		}
	}
	return parts
}

// readable is a value with what its pointers point to.
func readable(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "unknown"
		}
		return readable(v.Elem())
	case reflect.Struct:
		var fields []any
		for i := range v.NumField() {
			fields = append(fields, readable(v.Field(i)))
		}
		return fields
	case reflect.Slice:
		var elements []any
		for i := range v.Len() {
			elements = append(elements, readable(v.Index(i)))
		}
		return elements
	}
	return v.Interface()
}

// No event changes a part of a customer of which the view does not know that it can:
// rules about that part would not be looked at.
func TestPartsAreComplete(t *testing.T) {
	r, all := rand.New(rand.NewPCG(3, 9)), customerEvents(t)
	changed := map[string]map[string]bool{} // by type of event
	for range 1500 {
		d, position := new(segments.Document), uint64(0)
		take := func(e customer.Event) {
			position++
			m := eventschema.Meta{OccurredAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			d.Take(projections.Event{ID: uuid.NewSHA1(uuid.Nil, []byte{byte(position)}), Type: "customer.example", Position: position, Meta: m, Data: e})
		}
		take(customer.Registered{Kind: customer.Person, RegisteredAt: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)})
		for range r.IntN(12) {
			take(all[r.IntN(len(all))])
		}
		e := all[r.IntN(len(all))]
		before := look(d)
		take(e)
		kind := fmt.Sprintf("%T", e)
		known := segments.PartsOf(e)
		for part, now := range look(d) {
			if now == before[part] {
				continue
			}
			if known != nil && !slices.Contains(known, part) {
				t.Errorf("%s changed %s, which is none of %v:\n%s\n%s", kind, part, known, before[part], now)
			}
			if changed[kind] == nil {
				changed[kind] = map[string]bool{}
			}
			changed[kind][part] = true
		}
	}
	for _, e := range []customer.Event{customer.TagAdded{}, customer.StageEntered{}, customer.OrderRecorded{}, customer.ConsentGranted{}, customer.ContactPointAdded{}, customer.AttributeSet{}, customer.PointsEarned{}} {
		if len(changed[fmt.Sprintf("%T", e)]) == 0 {
			t.Errorf("%T never changed anything", e)
		}
	}
}
