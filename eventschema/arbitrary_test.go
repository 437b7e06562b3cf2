package eventschema

import (
	"math"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"pgregory.net/rapid"
)

// arbitrary draws an event of any type in the table, with any value that its
// fields can have and JSON can say.
func arbitrary(t *rapid.T) any {
	typ := rapid.SampledFrom(Events.Types()).Draw(t, "type")
	p := reflect.New(typ.Go)
	fill(t, p.Elem(), typ.Name)
	return p.Elem().Interface()
}

var (
	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		s := rapid.Int64Range(first.Unix(), last.Unix()).Draw(t, "seconds")
		ns := rapid.SampledFrom([]int64{0, 1, 500_000_000, 999_999_999, 1000}).Draw(t, "nanoseconds")
		return time.Unix(s, ns).UTC()
	})
	anyDate = rapid.Custom(func(t *rapid.T) domain.Date {
		return domain.Date(rapid.Int32Range(int32(domain.NewDate(0, 1, 1)), int32(domain.NewDate(9999, 12, 31))).Draw(t, "days"))
	})
	anyUUID = rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	})
	anyText = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "a", `"`, `\`, "\x00", "\x1f", "\x7f", "\t\n\r\b\f", "<&>", "\u2028\u2029", "Zoë", "日本", "\U0001f600", "\ufffd", "online",
	}))
)

func fill(t *rapid.T, v reflect.Value, name string) {
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(anyTime.Draw(t, name)))
		return
	case dateType:
		v.Set(reflect.ValueOf(anyDate.Draw(t, name)))
		return
	case uuidType:
		v.Set(reflect.ValueOf(anyUUID.Draw(t, name)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(anyText.Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, name) >> (64 - v.Type().Bits()))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, name))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, name)))
	case reflect.Float64:
		v.SetFloat(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, name))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), name)
			if e := v.Elem(); e.Kind() == reflect.Slice && e.IsNil() {
				e.Set(reflect.MakeSlice(e.Type(), 0, 0)) // a list that is there and empty is not one that is absent
			}
		}
	case reflect.Slice:
		// An empty slice that is left out comes back as nil.
		if n := rapid.IntRange(0, 3).Draw(t, name); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i), name)
			}
		}
	case reflect.Map:
		// As of slices: an empty map is left out.
		for range rapid.IntRange(0, 3).Draw(t, name) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(t, key, name)
			fill(t, value, name)
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	default:
		t.Fatalf("%s: fill does not know %v: teach it", name, v.Type())
	}
}

var anyMeta = rapid.Custom(func(t *rapid.T) Meta {
	m := Meta{
		Customer:     alice,
		Command:      anyUUID.Draw(t, "command"),
		Correlation:  anyUUID.Draw(t, "correlation"),
		Causation:    anyUUID.Draw(t, "causation"),
		Reason:       anyText.Draw(t, "reason"),
		Channel:      anyText.Draw(t, "channel"),
		OccurredAt:   anyTime.Draw(t, "occurred at"),
		RecordedAt:   anyTime.Draw(t, "recorded at"),
		BusinessDate: anyDate.Draw(t, "business date"),
	}
	fill(t, reflect.ValueOf(&m.Digest).Elem(), "digest")
	fill(t, reflect.ValueOf(&m.Policies).Elem(), "policies")
	fill(t, reflect.ValueOf(&m.Actor).Elem(), "actor")
	return m
})
