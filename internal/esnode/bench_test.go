package esnode_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

const (
	benchData     = `{"order_id":"3f0c1b7e","amount":"129.90","currency":"EUR","lines":[{"sku":"A-1","qty":2},{"sku":"B-7","qty":1}],"channel":"web"}`
	benchMetadata = `{"customer_id":"7d444840-9dc0-11d1-b245-5ffdce74fad2","command_id":"7d444840-9dc0-11d1-b245-5ffdce74fad3","actor":{"kind":"api","id":"shop"},"occurred_at":"2026-01-01T10:00:00Z","recorded_at":"2026-01-01T10:00:00Z","chain":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}`
)

func benchEvent() esdb.EventData {
	return esdb.EventData{EventType: "customer.order_recorded.v1", ContentType: esdb.ContentTypeJson,
		Data: []byte(benchData), Metadata: []byte(benchMetadata)}
}

// BenchmarkDurableAppendThroughClient measures appends of one event through the
// official client, by 64 goroutines that share it.
func BenchmarkDurableAppendThroughClient(b *testing.B) {
	_, client := esnodetest.Start(b)
	b.SetParallelism(32) // times GOMAXPROCS, two here
	var writer atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	b.RunParallel(func(pb *testing.PB) {
		w := writer.Add(1)
		var stream string
		var next esdb.ExpectedRevision
		for i := 0; pb.Next(); i++ {
			if i%20 == 0 {
				stream, next = fmt.Sprintf("customer-%d-%d", w, i), esdb.NoStream{}
			}
			r, err := client.AppendToStream(context.Background(), stream, esdb.AppendToStreamOptions{ExpectedRevision: next}, benchEvent())
			if err != nil {
				b.Error(err)
				return
			}
			next = esdb.Revision(r.NextExpectedVersion)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/append")
}

const benchLog = 200_000

func fill(b *testing.B, client *esdb.Client) {
	b.Helper()
	for i := range benchLog / 500 {
		events := make([]esdb.EventData, 500)
		for k := range events {
			events[k] = benchEvent()
		}
		if _, err := client.AppendToStream(context.Background(), fmt.Sprint("customer-", i), esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, events...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadAllThroughClient measures a bare read of the whole log through
// the official client.
func BenchmarkReadAllThroughClient(b *testing.B) {
	_, client := esnodetest.Start(b)
	fill(b, client)
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for range b.N {
		r, err := client.ReadAll(context.Background(), esdb.ReadAllOptions{From: esdb.Start{}}, plenty)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for {
			if _, err := r.Recv(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchLog {
			b.Fatal(n)
		}
	}
	b.ReportMetric(benchLog*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/benchLog, "cpu-ns/event")
}

// rawBytes takes a message as it comes.
type rawBytes struct{ n int }

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error { v.(*rawBytes).n = len(b); return nil }
func (rawCodec) Name() string                    { return "proto" }

// BenchmarkReadAllUndecoded measures the same without the client's decoding:
// what the node and the transport take of it.
func BenchmarkReadAllUndecoded(b *testing.B) {
	address, client := esnodetest.Start(b)
	fill(b, client)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	// all from the start, forwards, count 2^20, no filter, structured ids
	request := []byte{0x0a, 14, 0x12, 2, 0x12, 0, 0x28, 0x80, 0x80, 0x40, 0x42, 0, 0x4a, 2, 0x0a, 0}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for range b.N {
		stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, "/event_store.client.streams.Streams/Read")
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil {
			b.Fatal(err)
		}
		n := 0
		var m rawBytes
		for {
			if err := stream.RecvMsg(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchLog {
			b.Fatal(n)
		}
	}
	b.ReportMetric(benchLog*float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/benchLog, "cpu-ns/event")
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
