package readapi_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/web/webtest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

const partitions = 4

// The published document is the same for every shop.
var (
	published sync.Once
	document  *webtest.Document
)

// shop is a deployment in memory: a log, the read models of it, and the API.
type shop struct {
	t     testing.TB
	ring  *eventschema.Keyring
	log   *memlog.Log
	store *memstore.Store
	api   *readapi.API
	http  http.Handler
	lanes []*projections.Partition

	streams  map[string]*tail
	keys     map[uuid.UUID]*eventschema.DataKey
	wrapped  map[uuid.UUID]datakey.Created
	events   []eventschema.Raw // in log order
	position uint64
	clock    time.Time
	commands uint64
	machine  *machine
	document *webtest.Document // every answer is held against it
}

// tail is the end of a stream.
type tail struct {
	chain eventschema.Chain
	next  uint64
}

// id returns a fixed id.
func id(kind byte, n uint64) uuid.UUID {
	u := uuid.UUID{6: 0x40, 8: 0x80, 0: kind}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func someone(n uint64) uuid.UUID { return id(0xc0, n) }

func newShop(t testing.TB) *shop {
	s := &shop{
		t: t, ring: eventschema.NewKeyring([32]byte{1}, [32]byte{2}), log: new(memlog.Log), store: memstore.New(),
		streams: map[string]*tail{}, keys: map[uuid.UUID]*eventschema.DataKey{}, wrapped: map[uuid.UUID]datakey.Created{},
		clock: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
	}
	s.openStore()
	s.machine = new(machine)
	s.api = &readapi.API{
		Documents: s.store, Log: s.log, Head: func(context.Context) (uint64, error) { return s.log.Head(), nil }, Keys: s.ring, KeySource: s, Projections: s.machine,
		Lookup: s.ring.Lookup, Secret: [32]byte{3},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "rapport_up 1\n") }),
	}
	s.http = serve(t, s.api)
	published.Do(func() { document = webtest.Load(t, s.http) })
	s.document = document
	s.append(deployment.Stream, uuid.Nil, deployment.Created{LogID: "log", Partitions: partitions, Zone: "Europe/Berlin", Calendar: deployment.Manual, CreatedAt: s.clock})
	return s
}

func (s *shop) openStore() {
	c := projections.Catalogue{LogID: "log", Partitions: partitions, Views: map[string]projections.Slot{}}
	views := views()
	for _, v := range views {
		c.Views[v.String()] = projections.Slot{Serving: 1, Last: 1}
	}
	if err := s.store.SaveCatalogue(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
	r := projections.Rules{Schema: eventschema.Events, Keys: s.ring, KeySource: s}
	for p := range partitions {
		var fillings []projections.Filling
		for _, v := range views {
			fillings = append(fillings, projections.Filling{View: v, Number: 1})
		}
		s.lanes = append(s.lanes, projections.NewPartition(p, s.store, r, fillings...))
	}
}

// Key implements projections.KeySource.
func (s *shop) Key(_ context.Context, c uuid.UUID) (string, []byte, bool, error) {
	w, ok := s.wrapped[c]
	return w.KeyID, w.Wrapped, ok && w.KeyID == "", nil
}

// append seals an event and appends it to the log; it returns what is stored.
func (s *shop) append(stream string, c uuid.UUID, data any, change ...func(*eventschema.Meta)) eventschema.Raw {
	s.t.Helper()
	at := s.streams[stream]
	if at == nil {
		at = new(tail)
		s.streams[stream] = at
	}
	s.clock = s.clock.Add(time.Minute)
	s.commands++
	m := eventschema.Meta{
		Customer: c, Command: id(0xcd, s.commands), Correlation: id(0xcd, s.commands),
		Actor: eventschema.Actor{Kind: "user", ID: "ann", Asserted: true}, Channel: "api",
		OccurredAt: s.clock, RecordedAt: s.clock, BusinessDate: domain.DateOf(s.clock, time.UTC),
	}
	if d, ok := data.(domain.Dated); ok {
		m.OccurredAt = d.Occurred()
	}
	for _, f := range change {
		f(&m)
	}
	raw, chain, err := eventschema.Events.Seal(at.chain, stream, at.next, m, data, s.keys[c])
	if err != nil {
		s.t.Fatal(err)
	}
	if raw.Position, err = s.log.Append(s.t.Context(), stream, int64(at.next)-1, []eventschema.Raw{raw}); err != nil {
		s.t.Fatal(err)
	}
	at.chain, at.next = chain, at.next+1
	s.events, s.position = append(s.events, raw), raw.Position
	return raw
}

// customer appends an event of a customer.
func (s *shop) customer(c uuid.UUID, data any, change ...func(*eventschema.Meta)) eventschema.Raw {
	s.t.Helper()
	if s.keys[c] == nil {
		keyID, wrapped, key, err := s.ring.NewDataKey()
		if err != nil {
			s.t.Fatal(err)
		}
		s.keys[c], s.wrapped[c] = key, datakey.Created{KeyID: keyID, Wrapped: wrapped}
		s.append(datakey.Stream(c), c, s.wrapped[c])
	}
	return s.append(customer.Stream(c), c, data, change...)
}

func (s *shop) register(c uuid.UUID, name customer.Name, source string) {
	s.t.Helper()
	s.customer(c, customer.Registered{Kind: customer.Person, Name: name, Source: customer.Source{Channel: source}, RegisteredAt: s.clock})
}

func (s *shop) link(c uuid.UUID, system, external string) {
	s.t.Helper()
	name := customer.ExternalID{System: system, ID: external}.ReservedName()
	s.customer(c, customer.ExternalIDLinked{System: system, ID: external, Claim: "claim", Lookup: s.ring.Lookup(name.Kind, name.Value), LinkedAt: s.clock.Add(time.Minute)})
}

func (s *shop) order(c uuid.UUID, orderID, day string, minor int64) eventschema.Raw {
	s.t.Helper()
	on, err := domain.ParseDate(day)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.customer(c, customer.OrderRecorded{OrderID: orderID, Total: domain.Money{AmountMinor: minor, Currency: "EUR"},
		PlacedAt: on.Start(time.UTC).Add(12 * time.Hour), PlacedOn: on})
}

// policy publishes the default policy.
func (s *shop) policy() {
	s.t.Helper()
	s.append(policy.Stream(policy.KindRFM), uuid.Nil, policy.Published{Kind: policy.KindRFM, Version: 1, RFM: &rules.Policy{
		Name: "default", Currency: "EUR", Method: rules.Quantiles, Bins: 5, Orders: rules.CountRecorded, Amounts: rules.Gross,
		Labels: rules.LabelTable(rules.Segment11), Otherwise: "Others",
	}})
}

// closeDay closes a day and calibrates with the given values.
func (s *shop) closeDay(day string, values ...rules.Values) {
	s.t.Helper()
	d, err := domain.ParseDate(day)
	if err != nil {
		s.t.Fatal(err)
	}
	closed := s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: d, Zone: "Europe/Berlin"})
	p := &rules.Policy{Method: rules.Quantiles, Bins: 5, Currency: "EUR"}
	cuts := rules.Calibrate(p, rules.Of(values))
	s.append(rules.CalibrationStream, uuid.Nil, rules.Calibrated{
		Trigger: closed.ID.String(), TriggerPosition: closed.Position, AsOf: d, PolicyVersion: 1, Currency: "EUR",
		Population: len(values), Denominator: cuts.Denominator, Recency: cuts.Recency, Frequency: cuts.Frequency, Monetary: cuts.Monetary,
	})
}

// project applies what the log holds to the read models, of all lanes or some, and
// ends what sweeps through them.
func (s *shop) project(lanes ...int) {
	s.t.Helper()
	s.apply(lanes...)
	for n, lane := range s.lanes {
		for (len(lanes) == 0 || lanes[0] == n) && lane.Sweeping() {
			if _, err := lane.Sweep(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// apply applies what the log holds, and leaves what sweeps through the documents on its
// way.
func (s *shop) apply(lanes ...int) {
	s.t.Helper()
	for n, lane := range s.lanes {
		if len(lanes) > 0 && lanes[0] != n {
			continue
		}
		if err := lane.Open(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		b := projections.Batch{After: lane.Position(), End: s.position, Live: true}
		for _, raw := range s.events {
			c, ok := eventschema.CustomerOf(raw)
			if ok && projections.PartitionOf(c, partitions) == n || !ok && eventschema.Events.Broadcast(raw.Type) {
				b.Events = append(b.Events, raw)
			}
		}
		if err := lane.Apply(s.t.Context(), b); err != nil {
			s.t.Fatal(err)
		}
	}
}

// answer is what the API answered.
type answer struct {
	t testing.TB
	*httptest.ResponseRecorder
}

func (s *shop) do(method, path string, header ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.ServeHTTP(w, r)
	if path, _, _ := strings.Cut(path, "?"); w.Code < 500 || w.Code == 503 {
		if err := s.document.Check(method, path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
			s.t.Errorf("%s %s: %v\n%s", method, path, err, w.Body)
		}
	}
	return answer{s.t, w}
}

func (s *shop) get(path string, header ...string) answer {
	s.t.Helper()
	return s.do("GET", path, header...)
}

func (a answer) status(want int) answer {
	a.t.Helper()
	if a.Code != want {
		a.t.Fatalf("status %d, want %d: %s", a.Code, want, a.Body)
	}
	return a
}

// stable replaces what is random in a log with personal data (event ids, chain
// values) by their number.
func (s *shop) stable(b []byte) []byte {
	var pairs []string
	for i, raw := range s.events {
		pairs = append(pairs, raw.ID.String(), id(0xee, uint64(i)).String())
		if c, ok := eventschema.ChainOf(raw); ok {
			pairs = append(pairs, c.String(), fmt.Sprintf("%064x", i))
		}
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(b)))
}

// golden compares an answer with a file.
func (s *shop) golden(name string, got []byte) {
	s.t.Helper()
	got = s.stable(got)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		s.t.Errorf("%s differs:\n%s", name, cmp.Diff(string(want), string(got)))
	}
}

func (a answer) json(into any) {
	a.t.Helper()
	if err := json.Unmarshal(a.Body.Bytes(), into); err != nil {
		a.t.Fatalf("%v: %s", err, a.Body)
	}
}

// problem is what is wrong with a request.
type problem struct {
	Code   string
	Detail string
	Errors []domain.FieldError
}

func (a answer) problem() (p problem) {
	a.t.Helper()
	a.json(&p)
	return p
}
