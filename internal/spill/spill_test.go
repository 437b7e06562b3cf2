package spill_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/rapport-crm/rapport/internal/spill"
	"pgregory.net/rapid"
)

// Whatever fits in memory, the map answers like a Go map.
func TestLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := spill.New(rapid.IntRange(0, 5).Draw(t, "bound"))
		defer m.Close()
		want := map[string]string{}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "key"))
			value := rapid.String().Draw(t, "value")
			if err := m.Set(key, value); err != nil {
				t.Fatal(err)
			}
			want[key] = value
		}
		got := map[string]string{}
		for i := range 21 {
			v, ok, err := m.Get(fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got[fmt.Sprint(i)] = v
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}
