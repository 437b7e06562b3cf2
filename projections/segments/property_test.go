package segments_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// customerEvents returns an event of every type that a customer has, as they are frozen
// beside the registry.
func customerEvents(t testing.TB) (list []customer.Event) {
	t.Helper()
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") || slices.Contains([]string{"customer.erasure_completed", "customer.personal_data_erased"}, typ.Name) {
			continue // these have an order of their own
		}
		data, err := os.ReadFile(filepath.Join("..", "..", "eventschema", "testdata", typ.Wire()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(eventschema.Raw{Type: typ.Wire(), Data: data, Metadata: []byte("{}")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Data.(customer.Event))
	}
	return list
}

// town is a random history, and what everybody belongs to by evaluating every rule
// from scratch whenever anything happens.
type town struct {
	dice
	t        testing.TB
	seed     uint64
	view     *projections.View[segments.Document]
	examples []customer.Event

	log    []eventschema.Raw
	ends   map[string]uint64
	chains map[string]eventschema.Chain
	keys   map[uuid.UUID]*eventschema.DataKey
	stored map[uuid.UUID]projections.KeyDocument
	erased map[uuid.UUID]bool // as a reader of today finds them

	zone   string
	closed domain.Date
	world  *projections.World
	past   map[uuid.UUID][]projections.Event
	known  map[uuid.UUID]*segments.Document // folded from scratch, without evaluations
	stays  map[uuid.UUID]map[string][]stay
	orders map[uuid.UUID][]string
	made   map[string]int // versions of segments and policies
	static []string
	dyn    []string
	trials int // of rules
}

// stay is a stay as evaluating from scratch finds it.
type stay struct {
	From, To         uint64 // no To: it goes on
	FromKind, ToKind string
	Version          int
}

func (w *town) Key(_ context.Context, c uuid.UUID) (string, []byte, bool, error) {
	d := w.stored[c]
	return d.KeyID, d.Wrapped, w.erased[c], nil
}

func newTown(t testing.TB, seed uint64, examples []customer.Event) *town {
	w := &town{
		dice: dice{Rand: rand.New(rand.NewPCG(seed, 11))}, t: t, seed: seed, view: segments.New(nil), examples: examples,
		ends: map[string]uint64{}, chains: map[string]eventschema.Chain{}, keys: map[uuid.UUID]*eventschema.DataKey{},
		stored: map[uuid.UUID]projections.KeyDocument{}, erased: map[uuid.UUID]bool{}, world: new(projections.World),
		past: map[uuid.UUID][]projections.Event{}, known: map[uuid.UUID]*segments.Document{},
		stays: map[uuid.UUID]map[string][]stay{}, orders: map[uuid.UUID][]string{}, made: map[string]int{},
	}
	w.theme = pick(w.dice, "", "", worth, worth, points, reach, deeds)
	w.zone = pick(w.dice, "UTC", "Europe/Berlin", "Pacific/Auckland")
	w.closed = domain.NewDate(2024, 2, 10) + domain.Date(w.IntN(25))
	return w
}

// say appends an event and works out what everybody belongs to after it.
func (w *town) say(stream string, of uuid.UUID, data any) {
	w.t.Helper()
	now := w.noon(w.closed + 1)
	m := eventschema.Meta{
		Customer: of, Command: uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint64(nil, uint64(len(w.log)))),
		Actor: eventschema.Actor{Kind: "system"}, Channel: "test", OccurredAt: now, RecordedAt: now,
	}
	if d, ok := data.(domain.Dated); ok {
		if m.OccurredAt = d.Occurred(); m.OccurredAt.IsZero() {
			m.OccurredAt = now
		}
	}
	raw, chain, err := eventschema.Events.Seal(w.chains[stream], stream, w.ends[stream], m, data, w.keys[of])
	if err != nil {
		w.t.Fatal(err)
	}
	w.chains[stream], w.ends[stream] = chain, w.ends[stream]+1
	raw.Position = 1
	if n := len(w.log); n > 0 {
		raw.Position = w.log[n-1].Position + 1 + w.Uint64N(2)
	}
	w.log = append(w.log, raw)
	e, err := eventschema.Events.Open(raw, w.keys[of])
	if err != nil {
		w.t.Fatal(err)
	}
	w.follow(e)
}

// follow evaluates every rule from scratch on everybody whom an event may concern.
func (w *town) follow(e projections.Event) {
	w.world = w.view.Evolve(w.world, e)
	kind := segments.ByEvent
	if of := e.Meta.Customer; of != uuid.Nil {
		w.past[of] = append(w.past[of], e)
		d := new(segments.Document)
		for _, e := range w.past[of] {
			d.Take(e)
		}
		w.known[of] = d
		if _, gone := e.Data.(customer.PersonalDataErased); gone {
			delete(w.stays, of)
		}
		w.belong(of, e.Position, kind)
		return
	}
	switch e.Data.(type) {
	case calendar.DayClosed:
		kind = segments.ByDay
	case rfm.Calibrated, value.Calibrated, cluster.Fitted:
		kind = segments.ByCalibration
	case segment.Defined:
		kind = segments.ByNew
	case segment.VersionPublished, segment.Archived:
		kind = segments.ByDefinition
	default:
		kind = "nothing"
	}
	for of := range w.known {
		w.belong(of, e.Position, kind)
	}
}

// belong brings a customer's stays up to date by evaluating every rule.
func (w *town) belong(of uuid.UUID, position uint64, kind string) {
	d := w.known[of]
	if !d.There {
		return
	}
	was, is := map[string]bool{}, map[string]bool{}
	for id, all := range w.stays[of] {
		was[id] = all[len(all)-1].To == 0
	}
	if !d.Out() {
		segments.Afresh(d, w.world)
		c := d.Customer(w.world)
		c.Member = func(id string) bool { return is[id] }
		for _, p := range w.world.Plan().Order {
			if p.Kind == segment.Static {
				is[p.ID] = d.Lists.Has(p.ID)
				continue
			}
			w.trials++
			outcome, err := p.Rule.Eval(c, segment.Moment{On: w.world.Closed})
			if is[p.ID] = outcome.Member; err != nil {
				is[p.ID] = was[p.ID]
			}
		}
	}
	for _, s := range w.world.Segments.All() {
		if is[s.ID] == was[s.ID] {
			continue
		}
		if w.stays[of] == nil {
			w.stays[of] = map[string][]stay{}
		}
		if is[s.ID] {
			w.stays[of][s.ID] = append(w.stays[of][s.ID], stay{From: position, FromKind: kind, Version: s.Version})
			continue
		}
		all := w.stays[of][s.ID]
		all[len(all)-1].To, all[len(all)-1].ToKind = position, kind
	}
}

// live applies the log event by event, and looks at everybody after each.
type live struct {
	store *memstore.Store
	p     *projections.Partition
	done  int
}

var generation = projections.Generation{View: segments.Name, Number: 1}

func (w *town) rules(source projections.KeySource) projections.Rules {
	return projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: source}
}

func (w *town) partition(store projections.Store, rules projections.Rules) *projections.Partition {
	return projections.NewPartition(0, store, rules, projections.Filling{View: w.view, Number: 1})
}

// check applies what is new and compares everybody.
func (w *town) check(l *live) {
	w.t.Helper()
	for l.done < len(w.log) {
		b := projections.Batch{Events: w.log[l.done : l.done+1], End: w.log[l.done].Position, Live: true}
		if l.done > 0 {
			b.After = w.log[l.done-1].Position
		}
		if err := l.p.Apply(w.t.Context(), b); err != nil {
			w.t.Fatal(err)
		}
		l.done++
	}
	ids := slices.Collect(maps.Keys(w.known))
	docs, err := l.store.Load(w.t.Context(), 0, []projections.Generation{generation}, ids)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, id := range ids {
		var d segments.Document
		if docs[0][i] != nil {
			if err := json.Unmarshal(docs[0][i], &d); err != nil {
				w.t.Fatal(err)
			}
		}
		if d.There && len(w.world.Plan().Order) > 0 && segments.Afresh(&d, w.world) {
			w.t.Fatalf("town %d: after %s at %d (closed %v), what calibrations and policies say of %s is not up to date", w.seed, w.log[len(w.log)-1].Type, w.log[len(w.log)-1].Position, w.closed, id)
		}
		got := map[string][]stay{}
		for name, s := range d.Segments {
			for _, x := range s.Stays {
				one := stay{From: x.From.Position, FromKind: x.From.Kind, Version: x.Version}
				if x.To != nil {
					one.To, one.ToKind = x.To.Position, x.To.Kind
				}
				got[name] = append(got[name], one)
			}
		}
		want := w.stays[id]
		if want == nil {
			want = map[string][]stay{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			last := w.log[len(w.log)-1]
			rules := ""
			for _, p := range w.world.Plan().Order {
				rules += fmt.Sprintf("\n%s v%d: %s", p.ID, p.Version, p.Segment.Rule)
			}
			w.t.Fatalf("town %d: after %s at %d (closed %v), %s belongs to other segments than its rules say (-want +got):\n%s\n%s\n%s", w.seed, last.Type, last.Position, w.closed, id, diff, rules, last.Data)
		}
	}
}

// content is all that a store holds.
func (w *town) content(s *memstore.Store) map[string]string {
	w.t.Helper()
	ctx, all := w.t.Context(), map[string]string{}
	customers, err := s.Customers(ctx, 0, generation)
	if err != nil {
		w.t.Fatal(err)
	}
	docs, err := s.Load(ctx, 0, []projections.Generation{generation}, customers)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, id := range customers {
		all["document "+id.String()] = string(docs[0][i])
	}
	entries, err := s.Entries(ctx, 0, generation)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		all["entry "+e.Index+" "+e.Member] = ""
	}
	saved, err := s.Open(ctx, 0, []projections.Generation{generation})
	if err != nil {
		w.t.Fatal(err)
	}
	all["world"], all["at"] = string(saved[0].World), fmt.Sprint(saved[0].Checkpoint)
	for name, n := range saved[0].Metrics {
		all["total "+name] = fmt.Sprint(n)
	}
	return all
}

// pieces applies the log in random pieces, with sweeps at random moments.
func (w *town) pieces() map[string]string {
	w.t.Helper()
	store, rules := memstore.New(), w.rules(w)
	rules.Slice, rules.Sweep, rules.DirtyBytes, rules.CacheBytes = 1+w.IntN(4), 1+w.IntN(2), 1+w.IntN(20_000), 1+w.IntN(50_000)
	p := w.partition(store, rules)
	for at := 0; at < len(w.log); {
		end := min(len(w.log), at+1+w.IntN(12))
		b := projections.Batch{Events: w.log[at:end], End: w.log[end-1].Position, Live: w.IntN(2) == 0 || end == len(w.log)}
		if at > 0 {
			b.After = w.log[at-1].Position
		}
		if err := p.Apply(w.t.Context(), b); err != nil {
			w.t.Fatal(err)
		}
		at = end
		for p.Sweeping() && w.IntN(3) > 0 {
			if _, err := p.Sweep(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
		}
		if b.Live && w.IntN(6) == 0 {
			p = w.partition(store, rules) // another process
		}
	}
	for more := true; more; {
		var err error
		if more, err = p.Sweep(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.content(store)
}

// rebuilt applies the log at once.
func (w *town) rebuilt(source projections.KeySource) map[string]string {
	w.t.Helper()
	store := memstore.New()
	rules := w.rules(source)
	rules.AtOnce = true
	if err := w.partition(store, rules).Apply(w.t.Context(), projections.Batch{Events: w.log, End: w.log[len(w.log)-1].Position, Live: true}); err != nil {
		w.t.Fatal(err)
	}
	return w.content(store)
}

// unerased is a source of keys before anybody was erased.
type unerased struct{ *town }

func (u unerased) Key(_ context.Context, c uuid.UUID) (string, []byte, bool, error) {
	d := u.stored[c]
	return d.KeyID, d.Wrapped, false, nil
}

// TestAnyTown holds the view, for random segments and histories, to what evaluating
// every rule on everybody after every event gives: who belongs to what, and the
// position of every entering and leaving. RAPPORT_TOWNS says how many histories,
// RAPPORT_TOWN which one.
func TestAnyTown(t *testing.T) {
	towns, first := 15, 0
	if n, err := strconv.Atoi(os.Getenv("RAPPORT_TOWNS")); err == nil {
		towns = n
	}
	if n, err := strconv.Atoi(os.Getenv("RAPPORT_TOWN")); err == nil {
		first, towns = n, 1
	}
	all := customerEvents(t)
	stays, events, trials, erased := 0, 0, 0, 0
	for seed := first; seed < first+towns; seed++ {
		w := newTown(t, uint64(seed), all)
		l := &live{store: memstore.New()}
		rules := w.rules(unerased{w})
		rules.AtOnce = true
		l.p = w.partition(l.store, rules)
		w.say(deployment.Stream, uuid.Nil, deployment.Created{Zone: w.zone})
		if w.IntN(4) > 0 {
			w.publish(policy.KindRFM)
			w.publish(policy.KindValue)
		}
		customers := 0
		for len(w.log) < 90 {
			switch n := w.IntN(10); {
			case customers == 0 || n == 0 && customers < 5:
				w.register(customers)
				customers++
			case n < 4:
				w.all()
			default:
				w.one(partitiontest.CustomerID(w.IntN(customers)))
			}
			w.check(l)
		}
		for _, s := range w.stays {
			for _, x := range s {
				stays += len(x)
			}
		}
		events, trials, erased = events+len(w.log), trials+w.trials, erased+len(w.erased)
		want := w.content(l.store)
		for _, other := range []struct {
			name string
			got  map[string]string
		}{
			{"in pieces, with sweeps between", w.pieces()},
			{"rebuilt", w.rebuilt(unerased{w})},
			{"rebuilt without the keys of those who were erased", w.rebuilt(w)},
		} {
			if diff := cmp.Diff(want, other.got); diff != "" {
				t.Fatalf("town %d %s is another one (-live +other):\n%s", seed, other.name, diff)
			}
		}
	}
	t.Logf("%d towns: %d events, %d rules evaluated from scratch, %d stays, %d customers erased", towns, events, trials, stays, erased)
}
