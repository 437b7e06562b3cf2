package partitiontest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
)

// Keyring is the keyring of the logs made here.
var Keyring = eventschema.NewKeyring([32]byte{1}, [32]byte{2})

// Writer makes the events of a log. The zero value is not ready: use NewWriter.
type Writer struct {
	tb     testing.TB
	ends   map[string]end
	keys   map[uuid.UUID]*eventschema.DataKey
	stored map[uuid.UUID]projections.KeyDocument
	made   uint64
}

type end struct {
	chain    eventschema.Chain
	revision uint64
}

// NewWriter returns a writer of an empty log.
func NewWriter(tb testing.TB) *Writer {
	return &Writer{tb, map[string]end{}, map[uuid.UUID]*eventschema.DataKey{}, map[uuid.UUID]projections.KeyDocument{}, 0}
}

// CustomerID returns the id of the n-th customer.
func CustomerID(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint32(id[:], uint32(n+1)*2654435761)
	id[15] = byte(n)
	binary.BigEndian.PutUint32(id[8:], uint32(n))
	return id
}

// Event seals an event of a stream; the zero customer is none. Position is not set.
func (w *Writer) Event(stream string, of uuid.UUID, data any) eventschema.Raw {
	w.tb.Helper()
	w.made++
	at := w.ends[stream]
	m := eventschema.Meta{
		Customer: of, Command: uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint64(nil, w.made)),
		Actor: eventschema.Actor{Kind: "system"}, Channel: "test",
		OccurredAt: time.Unix(int64(w.made), 0).UTC(), RecordedAt: time.Unix(int64(w.made), 0).UTC(),
	}
	raw, chain, err := eventschema.Events.Seal(at.chain, stream, at.revision, m, data, w.keys[of])
	if err != nil {
		w.tb.Fatal(err)
	}
	w.ends[stream] = end{chain, at.revision + 1}
	return raw
}

// Register returns the events that make a customer: a key, and a name under it.
func (w *Writer) Register(id uuid.UUID, name string) []eventschema.Raw {
	w.tb.Helper()
	keyID, wrapped, key, err := Keyring.NewDataKey()
	if err != nil {
		w.tb.Fatal(err)
	}
	created := w.Event(datakey.Stream(id), id, datakey.Created{KeyID: keyID, MasterKey: "test", Wrapped: wrapped})
	w.keys[id], w.stored[id] = key, projections.KeyDocument{KeyID: keyID, Wrapped: wrapped}
	return []eventschema.Raw{created, w.Event(customer.Stream(id), id, customer.Registered{
		Kind: customer.Person, Name: customer.Name{Display: name}, RegisteredAt: time.Unix(1, 0).UTC(),
	})}
}

// Order returns an order.
func (w *Writer) Order(id uuid.UUID, order string, minor int64, on domain.Date) eventschema.Raw {
	w.tb.Helper()
	return w.Event(customer.Stream(id), id, customer.OrderRecorded{
		OrderID: order, Total: domain.Money{AmountMinor: minor, Currency: "EUR"}, PlacedOn: on, PlacedAt: on.Start(time.UTC),
	})
}

// Cancel returns the cancellation of an order.
func (w *Writer) Cancel(id uuid.UUID, order string) eventschema.Raw {
	w.tb.Helper()
	return w.Event(customer.Stream(id), id, customer.OrderCancelled{OrderID: order, Reason: "changed my mind"})
}

// Close returns the close of a day.
func (w *Writer) Close(day domain.Date) eventschema.Raw {
	w.tb.Helper()
	return w.Event(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: day, Zone: "UTC"})
}

// Calibrate returns a calibration that answers the event at a position.
func (w *Writer) Calibrate(trigger uint64, cut int64) eventschema.Raw {
	w.tb.Helper()
	return w.Event(rfm.CalibrationStream, uuid.Nil, rfm.Calibrated{TriggerPosition: trigger, Denominator: 1, Monetary: []int64{cut}})
}

// Publish returns a version of a policy that says nothing but that it is there, or
// one of scores, which a calibration is asked for by.
func (w *Writer) Publish(kind string, version int, from domain.Date) eventschema.Raw {
	w.tb.Helper()
	p := policy.Published{Kind: kind, Version: version, EffectiveFrom: from}
	if kind == policy.KindRFM {
		p.RFM = new(rfm.Policy)
	}
	return w.Event(policy.Stream(kind), uuid.Nil, p)
}

// Key implements projections.KeySource.
func (w *Writer) Key(_ context.Context, c uuid.UUID) (string, []byte, bool, error) {
	d, ok := w.stored[c]
	return d.KeyID, d.Wrapped, !ok, nil
}

// History returns a random log: customers who come, buy and cancel, days that
// close, calibrations that answer some of them, and policies. Positions have gaps.
func (w *Writer) History(r *rand.Rand, events, customers int) []eventschema.Raw {
	var log []eventschema.Raw
	var position uint64
	add := func(raws ...eventschema.Raw) {
		for _, raw := range raws {
			position += 1 + r.Uint64N(3)
			raw.Position = position
			log = append(log, raw)
		}
	}
	day := domain.NewDate(2024, 1, 1)
	var closes []uint64
	open, versions := map[uuid.UUID][]string{}, map[string]int{}
	for len(log) < events {
		c := CustomerID(r.IntN(customers))
		_, known := w.keys[c]
		switch n := r.IntN(20); {
		case n == 0:
			add(w.Close(day))
			closes = append(closes, position)
			day++
		case n == 1 && len(closes) > 0:
			k := r.IntN(len(closes))
			add(w.Calibrate(closes[k], r.Int64N(3000)))
			closes = append(closes[:k], closes[k+1:]...)
		case n == 2:
			kind := []string{policy.KindRFM, policy.KindCare, policy.KindCare}[r.IntN(3)]
			versions[kind]++
			add(w.Publish(kind, versions[kind], day))
		case !known:
			add(w.Register(c, fmt.Sprint("Customer ", c))...)
		case n < 6 && len(open[c]) > 0:
			add(w.Cancel(c, open[c][0]))
			open[c] = open[c][1:]
		default:
			id := fmt.Sprint("o", len(log))
			add(w.Order(c, id, r.Int64N(1000), day))
			open[c] = append(open[c], id)
		}
	}
	return log
}
