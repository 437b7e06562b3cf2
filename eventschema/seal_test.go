package eventschema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain/customer"
)

// An event comes back as it was, personal or not.
func TestSealOpen(t *testing.T) {
	key := dataKey()
	m := envelope()
	m.Reason = "asked by phone"
	for _, data := range []any{order(), registered()} {
		raw, chain, err := Events.Seal(Chain{}, customer.Stream(alice), 0, m, data, key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		want := m
		want.Key, want.Chain = key.ID(), chain
		if diff := cmp.Diff(Event{ID: raw.ID, Stream: raw.Stream, Type: got.Type, Meta: want, Data: data}, got); diff != "" {
			t.Errorf("-sealed +opened:\n%s", diff)
		}
		t.Logf("%s\n%s", raw.Data, raw.Metadata)
	}
}
