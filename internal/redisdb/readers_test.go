package redisdb

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/redis/go-redis/v9"
)

// Queries see a new catalogue after a second at most; writers at once.
func TestReadersCatalogue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := StartMini()
		c := redis.NewClient(redistest.Options(&redis.Options{Dialer: m.Dial}))
		s := New(c, c)
		readers := s.Readers()
		logID := func(d interface {
			Catalogue(context.Context) (projections.Catalogue, error)
		}) string {
			t.Helper()
			cat, err := d.Catalogue(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return cat.LogID
		}
		if got := logID(readers); got != "" {
			t.Errorf("at the start: %q", got)
		}
		if err := s.SaveCatalogue(t.Context(), projections.Catalogue{LogID: "new"}); err != nil {
			t.Fatal(err)
		}
		if got := logID(s); got != "new" {
			t.Errorf("a writer sees %q", got)
		}
		time.Sleep(catalogueAge - time.Millisecond)
		if got := logID(readers); got != "" {
			t.Errorf("a reader asked again too early: %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := logID(readers); got != "new" {
			t.Errorf("after a second a reader sees %q", got)
		}
		s.Close()
		c.Close()
		m.Close()
	})
}
