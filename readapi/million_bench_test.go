package readapi

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
)

// BenchmarkVerifyMillion verifies the chains of a log of a million events of
// 20,000 customers: from memory, which is the checking alone, and from an
// export, as `rapport verify history --file` does. It runs once, whatever
// -benchtime says, and takes a gigabyte of memory and one of disk.
func BenchmarkVerifyMillion(b *testing.B) {
	const events, customers = 1_000_000, 20_000
	for range b.N {
		if b.N > 1 {
			b.Skip("once is enough: -benchtime 1x")
		}
		export := filepath.Join(b.TempDir(), "export.ndjson")
		frames := millionEvents(b, export, events, customers)

		var inMemory chains
		started := time.Now()
		for raw, err := range eventschema.Frames(frames) {
			if problem := inMemory.add(raw, false); err != nil || problem != "" {
				b.Fatal(err, problem)
			}
		}
		b.ReportMetric(float64(inMemory.found.Events)/time.Since(started).Seconds(), "memory-events/s")

		f, err := os.Open(export)
		if err != nil {
			b.Fatal(err)
		}
		started = time.Now()
		found, err := VerifyExport(f)
		b.ReportMetric(float64(found.Events)/time.Since(started).Seconds(), "export-events/s")
		f.Close()
		if err != nil || !found.OK || found.Events != events || found.Streams != customers {
			b.Fatalf("%+v %v", found, err)
		}
	}
}

// millionEvents makes a log twice: as frames and as an export.
func millionEvents(b *testing.B, export string, events, customers int) (frames []byte) {
	b.Helper()
	f, err := os.Create(export)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	x, err := newExport(out, ExportHeader{Format: FormatLog})
	if err != nil {
		b.Fatal(err)
	}
	_, _, key, err := eventschema.NewKeyring([32]byte{1}, [32]byte{2}).NewDataKey()
	if err != nil {
		b.Fatal(err)
	}
	ends := make([]eventschema.Chain, customers)
	for i := range events {
		c := i % customers
		who, command := numbered(1, c), numbered(2, i)
		at := time.Date(2026, 3, 1, 9, 0, i, 0, time.UTC)
		var data any = customer.OrderRecorded{
			OrderID: fmt.Sprint("order-", i), Total: domain.Money{AmountMinor: 1299, Currency: "EUR"},
			Channel: "web", PlacedAt: at, PlacedOn: domain.DateOf(at, time.UTC),
		}
		if i < customers {
			data = customer.Registered{Kind: customer.Person, Name: customer.Name{Given: "Ada", Family: "Berg"}, Source: customer.Source{Channel: "web"}, RegisteredAt: at}
		}
		m := eventschema.Meta{
			Customer: who, Command: command, Correlation: command, Digest: make([]byte, 32),
			Actor: eventschema.Actor{Kind: "user", ID: "ann"}, Channel: "api", OccurredAt: at, RecordedAt: at, BusinessDate: domain.DateOf(at, time.UTC),
		}
		raw, end, err := eventschema.Events.Seal(ends[c], customer.Stream(who), uint64(i/customers), m, data, key)
		if err != nil {
			b.Fatal(err)
		}
		ends[c], raw.Position = end, uint64(i+1)
		frames = eventschema.AppendFrame(frames, raw)
		if err := x.event(raw, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := x.close(); err != nil {
		b.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	return frames
}

func numbered(kind byte, n int) (id uuid.UUID) {
	id[0] = kind
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}
