package eventlog_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

var body = []byte(`{"order_id":"3f0c1b7e","amount":"129.90","currency":"EUR","lines":[{"sku":"A-1","qty":2},{"sku":"B-7","qty":1}],"channel":"web"}`)
var envelope = []byte(`{"customer_id":"7d444840-9dc0-11d1-b245-5ffdce74fad2","command_id":"7d444840-9dc0-11d1-b245-5ffdce74fad3","actor":{"kind":"api","id":"shop"},"occurred_at":"2026-01-01T10:00:00Z","recorded_at":"2026-01-01T10:00:00Z","chain":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`)

// BenchmarkDurableAppend measures appends of one event that are on disk when
// they return, by 64 writers, each to streams of its own.
func BenchmarkDurableAppend(b *testing.B) {
	l, err := eventlog.Open(eventlog.Options{Dir: b.TempDir(), CompactAfter: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const writers = 64
	b.SetParallelism((writers + 1) / 2) // times GOMAXPROCS, two here
	var writer atomic.Int64
	b.ReportAllocs()
	before := cpu()
	b.RunParallel(func(pb *testing.PB) {
		w := writer.Add(1)
		stream, last := "", eventlog.NoStream
		for i := 0; pb.Next(); i++ {
			if i%20 == 0 { // streams are short
				stream, last = fmt.Sprintf("customer-%d-%d", w, i), eventlog.NoStream
			}
			r, err := l.Append(context.Background(), stream, last, []eventlog.Proposed{
				{ID: uuid.New(), Type: "customer.order_recorded.v1", JSON: true, Data: body, Metadata: envelope}})
			if err != nil {
				b.Error(err)
				return
			}
			last = eventlog.Expected(r.Revision)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/append")
}

// BenchmarkScanAll measures reading the log in the process.
func BenchmarkScanAll(b *testing.B) {
	l, err := eventlog.Open(eventlog.Options{Dir: b.TempDir(), CompactAfter: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const n = 200_000
	for i := range n / 500 {
		events := make([]eventlog.Proposed, 500)
		for k := range events {
			events[k] = eventlog.Proposed{ID: uuid.New(), Type: "customer.order_recorded.v1", JSON: true, Data: body, Metadata: envelope}
		}
		if _, err := l.Append(context.Background(), fmt.Sprint("customer-", i), eventlog.Any, events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for range b.N {
		seen := 0
		for from := uint64(1); from <= n; {
			to, err := l.ScanAll(from, func(r *eventlog.Record) bool {
				seen++
				return seen%300 != 0
			})
			if err != nil {
				b.Fatal(err)
			}
			from = to + 1
		}
		if seen != n {
			b.Fatal(seen)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/n, "cpu-ns/event")
}

// cpu is the processor time the process has used: what other programs do on the
// machine changes it less than the time of the clock.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
