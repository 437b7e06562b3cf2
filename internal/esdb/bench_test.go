package esdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

// sized makes an event of about n bytes.
func sized(n int) eventschema.Raw {
	return eventschema.Raw{
		ID: uuid.New(), Type: "customer.order_recorded.v1",
		Data:     fmt.Appendf(nil, `{"pad":%q}`, bytes.Repeat([]byte{'x'}, n/2)),
		Metadata: fmt.Appendf(nil, `{"customer_id":%q,"pad":%q}`, uuid.NewString(), bytes.Repeat([]byte{'m'}, n/2-100)),
	}
}

// cpuTime is what the process, node and client together, has used: steadier than the
// clock on a machine that does other work too.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend has 64 writers append events of 900 bytes, each to a stream
// of its own, through 1, 2 or 4 connections, and through the bare client.
func BenchmarkAppend(b *testing.B) {
	const writers = 64
	run := func(b *testing.B, send func(stream string, after int64, e eventschema.Raw) error) {
		b.ReportAllocs()
		var left atomic.Int64
		left.Store(int64(b.N))
		var wg sync.WaitGroup
		b.ResetTimer()
		cpu := cpuTime(b)
		for i := range writers {
			wg.Go(func() {
				name := fmt.Sprintf("bench-%d-%d", i, b.N)
				for after := commands.NewStream; left.Add(-1) >= 0; after++ {
					if err := send(name, after, sized(900)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		b.ReportMetric((cpuTime(b)-cpu).Seconds()*1e6/float64(b.N), "cpu-us/append")
	}
	for _, connections := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			address, _ := esnodetest.Start(b)
			store := open(b, esdb.Config{Address: address, Connections: connections})
			run(b, func(stream string, after int64, e eventschema.Raw) error {
				_, err := store.Append(b.Context(), stream, after, []eventschema.Raw{e})
				return err
			})
		})
	}
	b.Run("bare client", func(b *testing.B) {
		_, c := esnodetest.Start(b)
		run(b, func(stream string, after int64, e eventschema.Raw) error {
			options := client.AppendToStreamOptions{ExpectedRevision: client.NoStream{}}
			if after >= 0 {
				options.ExpectedRevision = client.Revision(uint64(after))
			}
			_, err := c.AppendToStream(b.Context(), stream, options, client.EventData{
				EventID: e.ID, EventType: e.Type, ContentType: client.ContentTypeJson, Data: e.Data, Metadata: e.Metadata})
			return err
		})
	})
}

// BenchmarkFollow reads a log of 200,000 events of 900 bytes: with the bare client's
// ReadAll and subscription, and with Follow, into nothing.
func BenchmarkFollow(b *testing.B) {
	const n, batch = 200_000, 500
	address, c := esnodetest.Start(b)
	store := open(b, esdb.Config{Address: address})
	for i := 0; i < n; i += batch {
		events := make([]eventschema.Raw, batch)
		for j := range events {
			events[j] = sized(900)
		}
		if _, err := store.Append(b.Context(), "bench", int64(i)-1, events); err != nil {
			b.Fatal(err)
		}
	}
	var cpu time.Duration
	report := func(b *testing.B) {
		b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "events/s")
		b.ReportMetric((cpuTime(b)-cpu).Seconds()*1e6/float64(b.N)/n, "cpu-us/event")
	}
	b.Run("bare ReadAll", func(b *testing.B) {
		b.ReportAllocs()
		cpu = cpuTime(b)
		for b.Loop() {
			all, err := c.ReadAll(b.Context(), client.ReadAllOptions{}, math.MaxInt64)
			if err != nil {
				b.Fatal(err)
			}
			got := 0
			for ; err == nil; got++ {
				_, err = all.Recv()
			}
			all.Close()
			if got-1 < n {
				b.Fatal(got, err)
			}
		}
		report(b)
	})
	bare := func(filter *client.SubscriptionFilter) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			cpu = cpuTime(b)
			for b.Loop() {
				sub, err := c.SubscribeToAll(b.Context(), client.SubscribeToAllOptions{From: client.Start{}, Filter: filter, MaxSearchWindow: 256})
				if err != nil {
					b.Fatal(err)
				}
				for got := 0; got < n; {
					if e := sub.Recv(); e.EventAppeared != nil {
						got++
					}
				}
				_ = sub.Close()
			}
			report(b)
		}
	}
	b.Run("bare subscription", bare(nil))
	b.Run("bare subscription without system events", bare(client.ExcludeSystemEventsFilter()))
	for name, prefixes := range map[string][]string{"Follow": nil, "Follow with a prefix": {"customer."}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			done := errors.New("done")
			cpu = cpuTime(b)
			for b.Loop() {
				got := 0
				err := store.Follow(b.Context(), 0, prefixes, func(p eventschema.Page) error {
					if got += len(p.Events); got >= n {
						return done
					}
					return nil
				})
				if !errors.Is(err, done) {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}
