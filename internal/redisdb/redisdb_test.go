package redisdb

import (
	"context"
	"testing"

	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/internal/storetest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/redis/go-redis/v9"
)

// kinds are the Redises the suite runs on. start gives a client of an empty one.
var kinds = []struct {
	name  string
	start func(testing.TB) redis.UniversalClient
}{
	{"server", func(tb testing.TB) redis.UniversalClient { return redis.NewClient(redistest.Start(tb)) }},
	{"cluster", func(tb testing.TB) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: redistest.StartCluster(tb), Protocol: 2, DisableIdentity: true})
	}},
	{"mini", func(tb testing.TB) redis.UniversalClient {
		m := StartMini()
		tb.Cleanup(func() { m.Close() })
		return redis.NewClient(redistest.Options(&redis.Options{Dialer: m.Dial}))
	}},
}

// open returns a store on an empty Redis of a kind.
func open(tb testing.TB, kind string) *Store {
	tb.Helper()
	for _, k := range kinds {
		if k.name == kind {
			c := k.start(tb)
			tb.Cleanup(func() { c.Close() })
			return store(tb, c)
		}
	}
	tb.Fatalf("no kind %s", kind)
	return nil
}

func store(tb testing.TB, c redis.UniversalClient) *Store {
	s := New(c, c)
	tb.Cleanup(s.Close)
	return s
}

func TestConformance(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := k.start(t)
			t.Cleanup(func() { c.Close() })
			storetest.Run(t, func(t *testing.T) storetest.Store {
				empty(t, c)
				return store(t, c)
			})
		})
	}
}

// empty empties a Redis that the test started.
func empty(tb testing.TB, c redis.UniversalClient) {
	tb.Helper()
	var err error
	if cluster, ok := c.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(tb.Context(), flush)
	} else {
		err = c.FlushAll(tb.Context()).Err()
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func flush(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() }

var spend = projections.Generation{View: "spend", Number: 1}

func at(n uint64) projections.Checkpoint { return projections.Checkpoint{Position: n} }

func closed(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkpointOf tells what a store has committed of partition 0.
func checkpointOf(t *testing.T, s *Store) projections.Checkpoint {
	t.Helper()
	got, err := s.Open(t.Context(), 0, []projections.Generation{spend})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Checkpoint
}
