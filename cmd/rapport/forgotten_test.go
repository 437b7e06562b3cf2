package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
)

// Whoever folded a customer's history with the key, and then the erasure, must
// hold the same, to the byte, as who never saw the key: in every read model and
// in what the write side remembers, whatever the history. The events are made
// from the frozen examples, so that a new type of event is in it by itself.
func TestWhatWasErasedIsAsIfItHadNeverBeenKnown(t *testing.T) {
	histories := 300
	if testing.Short() {
		histories = 30
	}
	g := newHistories(t)
	used, seen := map[string]bool{}, map[string]bool{}
	for seed := range histories {
		h := g.history(rand.New(rand.NewPCG(uint64(seed), 34)))
		for _, e := range h.facts {
			used[fmt.Sprintf("%T", e)] = true
		}
		with, without := h.fold(t, true), h.fold(t, false)
		if diff := cmp.Diff(without, with); diff != "" {
			t.Errorf("seed %d: the read models remember (- never known, + erased):\n%s", seed, diff)
		}
		exported := cmp.Exporter(func(reflect.Type) bool { return true })
		if diff := cmp.Diff(h.state(t, eventschema.Erased), h.state(t, h.key), exported); diff != "" {
			t.Errorf("seed %d: the write side remembers (- never known, + erased):\n%s", seed, diff)
		}
		for _, stored := range with.Documents {
			if strings.Contains(stored, secret) {
				t.Errorf("seed %d: a document still holds something personal: %s", seed, stored)
			}
		}
		for entry := range with.Entries {
			if strings.Contains(entry, secret) {
				t.Errorf("seed %d: an index still holds something personal: %q", seed, entry)
			}
		}
		// The test sees what there is to be forgotten.
		for name, stored := range h.known(t).Documents {
			if strings.Contains(stored, secret) {
				seen[strings.Split(name, " ")[0]] = true
			}
		}
		if t.Failed() {
			t.Fatalf("the history was:\n%s", h)
		}
	}
	for _, typ := range g.types {
		if !used[typ.Go.String()] {
			t.Errorf("no history had a %s", typ.Name)
		}
	}
	if !seen["profile"] {
		t.Error("no profile ever held anything personal: the test proves nothing")
	}
}

// The test above sees a read model that remembers.
func TestARememberingReadModelIsFound(t *testing.T) {
	h := newHistories(t).history(rand.New(rand.NewPCG(1, 34)))
	h.views = func() []projections.Projection {
		return []projections.Projection{projections.NewKeys(), &projections.View[memory]{
			Name: "remembers",
			Fold: func(d *memory, e projections.Event) bool {
				if r, ok := e.Data.(customer.Registered); ok {
					d.Name = r.Name
				}
				return true
			},
		}}
	}
	if with, without := h.fold(t, true), h.fold(t, false); cmp.Equal(with, without) {
		t.Errorf("%v is taken for %v", with, without)
	}
}

type memory struct{ Name customer.Name }

// secret is in every personal text of a history.
const secret = "zqsecret"

// histories makes random histories of one customer.
type histories struct {
	t         *testing.T
	types     []*eventschema.Type // of customers
	broadcast []*eventschema.Type
	examples  map[string][]byte
	ring      *eventschema.Keyring
}

func newHistories(t *testing.T) *histories {
	g := &histories{t: t, examples: map[string][]byte{}, ring: eventschema.NewKeyring([32]byte{1}, [32]byte{2})}
	for _, typ := range eventschema.Events.Types() {
		var err error
		if g.examples[typ.Name], err = os.ReadFile(filepath.Join("../../eventschema/testdata", typ.Wire()+".json")); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(typ.Name, "customer."):
			g.types = append(g.types, typ)
		case typ.Broadcast:
			g.broadcast = append(g.broadcast, typ)
		}
	}
	return g
}

// history is the history of a customer up to their erasure, and a little beyond.
type history struct {
	of      uuid.UUID
	ring    *eventschema.Keyring
	key     *eventschema.DataKey
	created datakey.Created
	facts   []any
	raws    []eventschema.Raw // with the broadcast events between them
	erased  int               // the index of the erasure in raws
	views   func() []projections.Projection
}

func (h *history) String() string {
	var b strings.Builder
	for _, f := range h.facts {
		fmt.Fprintf(&b, "%T %+v\n", f, f)
	}
	return b.String()
}

func (g *histories) history(r *rand.Rand) *history {
	h := &history{of: uuid.UUID{6: 0x40, 8: 0x80, 15: 7}, ring: g.ring, views: func() []projections.Projection { return readModels(nil) }}
	id, wrapped, key, err := g.ring.NewDataKey()
	if err != nil {
		g.t.Fatal(err)
	}
	h.key, h.created = key, datakey.Created{KeyID: id, Wrapped: wrapped}
	var chain eventschema.Chain
	revision := uint64(0)
	add := func(typ *eventschema.Type, personal bool) {
		v := reflect.New(typ.Go)
		if err := json.Unmarshal(g.examples[typ.Name], v.Interface()); err != nil {
			g.t.Fatalf("%s: %v", typ.Name, err)
		}
		if !typ.Broadcast {
			g.vary(r, v.Elem(), "", false)
			for i := range typ.Go.NumField() {
				f := typ.Go.Field(i)
				switch {
				case f.Tag.Get("personal") != "true":
				case personal:
					g.vary(r, v.Elem().Field(i), "", true)
				default:
					v.Elem().Field(i).SetZero()
				}
			}
		}
		if a, ok := v.Interface().(*customer.AttributeSet); ok {
			a.Type = "text" // or the value would have to be of the type
		}
		data := v.Elem().Interface()
		position := uint64(10 * (len(h.raws) + 1))
		at := start.Add(time.Duration(len(h.raws)) * time.Hour)
		m := eventschema.Meta{
			Command: uuid.NewSHA1(h.of, fmt.Append(nil, position)), OccurredAt: at, RecordedAt: at, BusinessDate: domain.DateOf(at, time.UTC),
			Actor: domain.Actor{Kind: "user", ID: "e-17"}, Policies: []domain.PolicyRef{{Kind: "lifecycle", Version: 1}},
		}
		if d, ok := data.(domain.Dated); ok {
			m.OccurredAt = d.Occurred()
		}
		stream, prev, rev := "other", eventschema.Chain{}, uint64(0)
		if !typ.Broadcast {
			m.Customer, stream, prev, rev = h.of, customer.Stream(h.of), chain, revision
			if personal && r.IntN(3) == 0 {
				m.Reason = secret + " reason"
			}
			h.facts = append(h.facts, data)
			revision++
		}
		raw, next, err := eventschema.Events.Seal(prev, stream, rev, m, data, h.key)
		if err != nil {
			g.t.Fatalf("%s: %v", typ.Name, err)
		}
		if !typ.Broadcast {
			chain = next
		}
		raw.Position = position
		h.raws = append(h.raws, raw)
	}
	named := func(name string) *eventschema.Type {
		for _, typ := range slices.Concat(g.types, g.broadcast) {
			if typ.Name == name {
				return typ
			}
		}
		g.t.Fatalf("no type of event %s", name)
		return nil
	}
	after := []string{"customer.refund_recorded", "customer.order_paid", "customer.order_cancelled", "customer.erasure_completed", "customer.claim_abandoned"}
	add(named("customer.registered"), true)
	for range r.IntN(40) {
		typ := g.types[r.IntN(len(g.types))]
		switch typ.Name {
		case "customer.registered", "customer.personal_data_erased":
			continue
		}
		add(typ, true)
		if r.IntN(8) == 0 {
			typ := g.broadcast[r.IntN(len(g.broadcast))]
			if typ.Name == "rfm.calibrated" { // it follows the policy by which it was made
				add(named("policy.published"), false)
			}
			add(typ, false)
		}
	}
	h.erased = len(h.raws)
	add(named("customer.personal_data_erased"), false)
	for range r.IntN(4) {
		add(named(after[r.IntN(len(after))]), false)
	}
	return h
}

// start is when the histories begin.
var start = time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)

// pools are values that make events refer to one another and reach the branches
// of the folds, by the name of the member.
var pools = map[string][]string{
	"type": {"email", "phone", "post", "wechat", "string", "number", "text"}, "kind": {"person", "organisation", "external_id", "email"},
	"purpose": {"marketing", "service", "*"}, "channel": {"email", "phone", "*"}, "scope": {"all", "channel", "purpose"},
	"stage": {"potential", "converting", "active", "at_risk", "churned", "reactivating"}, "currency": {"EUR", "GBP"},
	"reason_code": {"objection", "earlier_objection", "complaint", "law"},
	"field":       {"name.given", "name.family", "name.display", "locale", "demographics.birth_date", "demographics.country", "demographics.gender", "psychographics.interests"},
	"fields":      {"name.given", "name.family", "locale", "demographics.birth_date", "psychographics.interests"},
	"from":        {"ann", "bob", "20:00", "active"}, "to": {"ann", "bob", "09:30"}, "by": {"ann", "bob"},
	"system": {"shop", "till"}, "lookup": {strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)}, "claim": {"claim-1", "claim-2"},
	"trigger": {"manual", "order", "late_order", "day_closed"}, "level": {"A", "B"}, "key": {"shoe_size", "hobby"}, "tag": {secret + "-tea", secret + "-coffee"},
}

// ids are shared by the events of a history, so that they meet.
var ids = []string{"one", "two", "three"}

// vary changes a value at random, by its kind and the name of its member.
func (g *histories) vary(r *rand.Rand, v reflect.Value, name string, personal bool) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(start.Add(time.Duration(r.IntN(60*24)) * time.Hour)))
		return
	case reflect.TypeFor[domain.Date]():
		v.Set(reflect.ValueOf(domain.DateOf(start, time.UTC) + domain.Date(r.IntN(60))))
		return
	case reflect.TypeFor[uuid.UUID]():
		v.Set(reflect.ValueOf(uuid.NewSHA1(uuid.Nil, []byte(ids[r.IntN(len(ids))]))))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if r.IntN(3) == 0 {
			v.SetZero()
			return
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(v.Elem())
		g.vary(r, p.Elem(), name, personal)
		v.Set(p)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			member, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() {
				g.vary(r, v.Field(i), member, personal)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.SetLen(v.Len() - r.IntN(v.Len()+1)/2)
		for i := range v.Len() {
			g.vary(r, v.Index(i), name, personal)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(k))
			g.vary(r, e, name, personal)
			v.SetMapIndex(k, e)
		}
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if name == "paid_orders_left" {
			v.SetInt(0) // more would contradict the orders of the history
		} else if r.IntN(2) == 0 {
			v.SetInt(int64(r.IntN(100)))
		}
	case reflect.String:
		switch pool, ok := pools[name]; {
		case ok && r.IntN(4) > 0:
			v.SetString(pool[r.IntN(len(pool))])
		case ok:
		case strings.HasSuffix(name, "_id"), name == "seat", name == "left_seat":
			v.SetString(ids[r.IntN(len(ids))])
		case personal && r.IntN(6) > 0:
			v.SetString(fmt.Sprint(secret, "-", r.IntN(5)))
		case personal:
			v.SetString("")
		}
	}
}

// contents is what a store holds of all generations.
type contents struct {
	Documents map[string]string // by view and customer
	Entries   map[string]bool   // of indexes
	Metrics   map[string]int64
	Worlds    map[string]string
}

// recorder is a store that tells what it was given.
type recorder struct {
	*memstore.Store
	mu  sync.Mutex
	has contents
}

// Commit implements projections.Store.
func (s *recorder) Commit(ctx context.Context, partition int, changes []projections.Change) error {
	if err := s.Store.Commit(ctx, partition, changes); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		v := c.Generation.View + " "
		for id, doc := range c.Documents {
			if s.has.Documents[v+id.String()] = string(doc); doc == nil {
				delete(s.has.Documents, v+id.String())
			}
		}
		for _, e := range c.Remove {
			delete(s.has.Entries, v+e.Index+" "+e.Member)
		}
		for _, e := range c.Add {
			s.has.Entries[v+e.Index+" "+e.Member] = true
		}
		for name, n := range c.Metrics {
			if s.has.Metrics[v+name] = n; n == 0 {
				delete(s.has.Metrics, v+name)
			}
		}
		if c.World != nil {
			s.has.Worlds[v] = string(c.World)
		}
	}
	return nil
}

// keysOf finds the customer's key, or that it was destroyed.
type keysOf struct {
	created datakey.Created
	erased  bool
}

func (k keysOf) Key(context.Context, uuid.UUID) (string, []byte, bool, error) {
	if k.erased {
		return "", nil, true, nil
	}
	return k.created.KeyID, k.created.Wrapped, false, nil
}

// fold applies the history to every read model: as it came, with the key from
// the start, or as a rebuild would after the erasure.
func (h *history) fold(t *testing.T, key bool) contents { return h.apply(t, key, h.raws) }

// known is what the read models held before the erasure.
func (h *history) known(t *testing.T) contents { return h.apply(t, true, h.raws[:h.erased]) }

func (h *history) apply(t *testing.T, key bool, raws []eventschema.Raw) contents {
	t.Helper()
	store := &recorder{Store: memstore.New(), has: contents{map[string]string{}, map[string]bool{}, map[string]int64{}, map[string]string{}}}
	var fillings []projections.Filling
	for _, v := range h.views() {
		fillings = append(fillings, projections.Filling{View: v, Number: 1})
	}
	p := projections.NewPartition(0, store, projections.Rules{Schema: eventschema.Events, Keys: h.ring, KeySource: keysOf{h.created, !key}}, fillings...)
	var log []eventschema.Raw
	if key {
		created, _, err := eventschema.Events.Seal(eventschema.Chain{}, datakey.Stream(h.of), 0,
			eventschema.Meta{Customer: h.of, Command: h.of, OccurredAt: start, RecordedAt: start}, h.created, nil)
		if err != nil {
			t.Fatal(err)
		}
		created.Position = 1
		log = append(log, created)
	}
	log = append(log, raws...)
	// In several batches where it came as it happened, so that what was stored is
	// taken back; in one where it is rebuilt.
	batches := [][]eventschema.Raw{log}
	if key {
		n := len(log) / 2
		batches = [][]eventschema.Raw{log[:n], log[n:]}
	}
	after := uint64(0)
	for _, events := range batches {
		if len(events) == 0 {
			continue
		}
		b := projections.Batch{After: after, Events: events, End: events[len(events)-1].Position, Live: true}
		if err := p.Apply(t.Context(), b); err != nil {
			t.Fatalf("%v\n%s", err, h)
		}
		after = b.End
	}
	return contents{maps.Clone(store.has.Documents), maps.Clone(store.has.Entries), maps.Clone(store.has.Metrics), maps.Clone(store.has.Worlds)}
}

// state is what the write side remembers of the history.
func (h *history) state(t *testing.T, key *eventschema.DataKey) customer.State {
	t.Helper()
	var s customer.State
	for _, raw := range h.raws {
		if c, ok := eventschema.CustomerOf(raw); !ok || c != h.of {
			continue
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		s = s.Evolve(e.Data.(customer.Event))
	}
	return s
}
