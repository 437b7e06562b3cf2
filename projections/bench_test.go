package projections_test

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	json2 "github.com/go-json-experiment/json"
	goccy "github.com/goccy/go-json"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// orders returns a log of customers and their orders.
func orders(b *testing.B, customers, orders int) (*partitiontest.Writer, []eventschema.Raw) {
	w := partitiontest.NewWriter(b)
	var log []eventschema.Raw
	for i := range customers {
		log = append(log, w.Register(partitiontest.CustomerID(i), fmt.Sprint("Customer ", i))...)
	}
	for i := range orders {
		log = append(log, w.Order(partitiontest.CustomerID(i*7919%customers), fmt.Sprint("o", i), int64(i), today))
	}
	for i := range log {
		log[i].Position = uint64(i + 1)
	}
	return w, log
}

// served returns the views that are served.
func served() []projections.Filling {
	return []projections.Filling{
		{View: projections.NewKeys(), Number: 1}, {View: profile.New(), Number: 1}, {View: rfm.New(), Number: 1},
	}
}

// cpu returns the processor time spent so far: on a busy machine it tells more
// than the clock.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkApply folds a log of orders into two views and the keys, on one
// goroutine: pages of a thousand while behind.
func BenchmarkApply(b *testing.B) {
	w, log := orders(b, 2000, 50_000)
	rules := projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w, CacheBytes: 64 << 20, DirtyBytes: 32 << 20}
	b.ReportAllocs()
	n, begun := 0, cpu()
	for b.Loop() {
		p := projections.NewPartition(0, memstore.New(), rules,
			served()...)
		for i := 0; i < len(log); i += 1000 {
			end := min(len(log), i+1000)
			if err := p.Apply(b.Context(), projections.Batch{After: uint64(i), Events: log[i:end], End: uint64(end), Live: end == len(log)}); err != nil {
				b.Fatal(err)
			}
		}
		n += len(log)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n)/(cpu()-begun).Seconds(), "events/cpu-s")
}

// BenchmarkApplyLive commits every event for itself.
func BenchmarkApplyLive(b *testing.B) {
	w, log := orders(b, 2000, 50_000)
	rules := projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w}
	p := projections.NewPartition(0, memstore.New(), rules,
		served()...)
	b.ReportAllocs()
	i, one := 0, make([]eventschema.Raw, 1)
	for b.Loop() {
		raw := log[i%len(log)]
		raw.Position = uint64(i + 1)
		one[0] = raw
		if err := p.Apply(b.Context(), projections.Batch{After: uint64(i), Events: one, End: uint64(i + 1), Live: true}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkGroup runs a log of orders through feed, router and 16 partitions.
func BenchmarkGroup(b *testing.B) {
	w, raws := orders(b, 4000, 100_000)
	log := new(memlog.Log)
	for _, raw := range raws {
		if _, err := log.Append(b.Context(), raw.Stream, int64(raw.Revision)-1, []eventschema.Raw{raw}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n, begun := 0, cpu()
	for b.Loop() {
		g := &projections.Group{
			Store: memstore.New(), Source: source{log}, Partitions: 16,
			Rules:    projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w},
			Fillings: served(),
			Settings: projections.Settings{CommitEvery: -1},
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		if err := g.WaitCaughtUp(ctx, log.Head()); err != nil {
			b.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		n += len(raws)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n)/(cpu()-begun).Seconds(), "events/cpu-s")
}

// BenchmarkLive measures how long it takes from an append until all partitions
// have committed it: one message through feed and router, one commit, and the
// idle partitions advanced together.
func BenchmarkLive(b *testing.B) {
	w, raws := orders(b, 2000, 100_000)
	log := new(memlog.Log)
	add := func(raw eventschema.Raw) uint64 {
		position, err := log.Append(b.Context(), raw.Stream, int64(raw.Revision)-1, []eventschema.Raw{raw})
		if err != nil {
			b.Fatal(err)
		}
		return position
	}
	next := 4000 // the orders
	for _, raw := range raws[:next] {
		add(raw)
	}
	g := &projections.Group{
		Store: memstore.New(), Source: source{log}, Partitions: 64, Fillings: served(),
		Rules: projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w},
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	begun := cpu()
	for b.Loop() {
		if next == len(raws) {
			b.Fatal("more events needed")
		}
		if err := g.WaitCaughtUp(ctx, add(raws[next])); err != nil {
			b.Fatal(err)
		}
		next++
	}
	b.ReportMetric(float64((cpu()-begun).Microseconds())/float64(b.N), "cpu-µs/op")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCodec measures the ways to write and read a document of 20 orders.
func BenchmarkCodec(b *testing.B) {
	var d rfm.Document
	for i := range 20 {
		d.Orders = append(d.Orders, rfm.Order{ID: fmt.Sprint("order-", i), On: today, AmountMinor: int64(i) * 999, Currency: "EUR", Paid: i%2 == 0})
	}
	stored, _ := json.Marshal(&d)
	for _, c := range []struct {
		name   string
		encode func(any) ([]byte, error)
		decode func([]byte, any) error
	}{
		{"std", json.Marshal, json.Unmarshal},
		{"goccy", goccy.Marshal, goccy.Unmarshal},
		{"v2", func(v any) ([]byte, error) { return json2.Marshal(v) }, func(b []byte, v any) error { return json2.Unmarshal(b, v) }},
	} {
		b.Run(c.name+"/encode", func(b *testing.B) {
			for b.Loop() {
				c.encode(&d)
			}
		})
		b.Run(c.name+"/decode", func(b *testing.B) {
			for b.Loop() {
				var d rfm.Document
				c.decode(stored, &d)
			}
		})
	}
}
