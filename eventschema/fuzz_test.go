package eventschema

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever stands in a log, opening it answers an event or an error; an event
// can be written again, and then reads the same.
func FuzzOpen(f *testing.F) {
	for _, raw := range history(f) {
		f.Add(raw.Type, raw.Stream, raw.Data, raw.Metadata)
	}
	for _, typ := range Events.Types() {
		f.Add(typ.Wire(), "s", []byte(readExample(f, typ.Wire())), []byte(`{"customer_id":"`+alice.String()+`"}`))
	}
	f.Add("sale.made.v1", "s", []byte(`{"amount":500,"name":"x"}`), []byte(`{}`))
	f.Add("sale.made.v2", "s", []byte(`{"cents":500,"personal":"AA=="}`), []byte(`{}`))
	f.Add("customer.registered.v1", "s", []byte(`{"personal":"AQ=="}`), []byte(`{"key":"0e9f4c5e-7d0a-4b8e-9d55-3f1f7f1b2c3d"}`))
	key := dataKey()
	f.Fuzz(func(t *testing.T, wire, stream string, data, metadata []byte) {
		raw := Raw{Type: wire, Stream: stream, Data: data, Metadata: metadata}
		var v Verifier
		_ = v.Add(raw)
		for _, registry := range []*Registry{Events, sales} {
			for _, k := range []*DataKey{nil, Erased, key} {
				e, err := registry.Open(raw, k)
				if err != nil {
					if e.Data != nil {
						t.Fatalf("%+v and %v", e, err)
					}
					continue
				}
				if _, ok := registry.byGo[reflect.TypeOf(e.Data)]; !ok {
					t.Fatalf("it reads as %T", e.Data)
				}
				e.Meta.Customer = alice
				again, chain, err := registry.Seal(Chain{}, "s", 0, e.Meta, e.Data, key)
				if err != nil {
					t.Fatalf("%+v cannot be written: %v", e, err)
				}
				want, err := registry.Open(again, key)
				if err != nil {
					t.Fatal(err)
				}
				e.Meta.Chain, e.Meta.Key = chain, want.Meta.Key
				if diff := cmp.Diff(want.Meta, e.Meta, emptyIsNil); diff != "" {
					t.Fatalf("-written again +read:\n%s", diff)
				}
				if diff := cmp.Diff(want.Data, e.Data, emptyIsNil); diff != "" {
					t.Fatalf("-written again +read:\n%s", diff)
				}
			}
		}
	})
}

// emptyIsNil takes an empty slice and none for the same: one that is left out
// when empty comes back as none.
var emptyIsNil = cmp.FilterValues(func(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	return x.IsValid() && y.IsValid() && x.Kind() == reflect.Slice && y.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0
}, cmp.Ignore())
