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
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
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
		dice: dice{rand.New(rand.NewPCG(seed, 11))}, t: t, seed: seed, view: segments.New(nil), examples: examples,
		ends: map[string]uint64{}, chains: map[string]eventschema.Chain{}, keys: map[uuid.UUID]*eventschema.DataKey{},
		stored: map[uuid.UUID]projections.KeyDocument{}, erased: map[uuid.UUID]bool{}, world: new(projections.World),
		past: map[uuid.UUID][]projections.Event{}, known: map[uuid.UUID]*segments.Document{},
		stays: map[uuid.UUID]map[string][]stay{}, orders: map[uuid.UUID][]string{}, made: map[string]int{},
	}
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

func (w *town) noon(on domain.Date) time.Time {
	zone, _ := time.LoadLocation(w.zone)
	return on.Start(zone).Add(time.Duration(w.IntN(23*60)) * time.Minute).UTC()
}

// someday is a day near today, mostly before it.
func (w *town) someday() domain.Date {
	return w.closed + 1 - domain.Date(w.IntN(pick(w.dice, 2, 40, 400)))
}

func (w *town) register(n int) {
	id := partitiontest.CustomerID(n)
	keyID, wrapped, key, err := partitiontest.Keyring.NewDataKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.say(datakey.Stream(id), id, datakey.Created{KeyID: keyID, MasterKey: "test", Wrapped: wrapped})
	w.keys[id], w.stored[id] = key, projections.KeyDocument{KeyID: keyID, Wrapped: wrapped}
	w.say(customer.Stream(id), id, customer.Registered{
		Kind: pick(w.dice, customer.Person, customer.Organisation), Name: customer.Name{Display: "Somebody"},
		Source: customer.Source{Channel: pick(w.dice, "web", "store")}, Locale: "de-DE", RegisteredAt: w.noon(w.someday()),
	})
}

// one lets something happen to a customer.
func (w *town) one(id uuid.UUID) {
	say := func(data any) { w.say(customer.Stream(id), id, data) }
	at := w.noon(w.someday())
	orders := w.orders[id]
	n := w.IntN(30)
	if w.erased[id] { // what may still come has nothing personal
		if n = pick(w.dice, 8, 11, 12, 19, 21, 22); n < 13 && len(orders) == 0 {
			return
		}
	}
	switch {
	case n < 8:
		on := w.someday()
		if w.IntN(8) == 0 {
			on = w.closed + domain.Date(w.IntN(20)) // dated ahead
		}
		name := fmt.Sprint("o", len(orders))
		w.orders[id] = append(orders, name)
		var cost *int64
		if w.IntN(2) == 0 {
			cost = new(int64)
			*cost = w.Int64N(800)
		}
		amount := w.Int64N(1500)
		say(customer.OrderRecorded{
			OrderID: name, Total: domain.Money{AmountMinor: amount, Currency: pick(w.dice, "EUR", "EUR", "EUR", "EUR", "USD")},
			Lines:   []customer.Line{{SKU: pick(w.dice, "a", "b"), Category: pick(w.dice, "tea", "cups"), Quantity: 1 + w.Int64N(3), AmountMinor: amount, CostMinor: cost}},
			Channel: pick(w.dice, "web", "store"), PlacedOn: on, PlacedAt: w.noon(on),
		})
	case n < 11 && len(orders) > 0:
		say(customer.OrderPaid{OrderID: pick(w.dice, orders...), PaidAt: at})
	case n == 11 && len(orders) > 0:
		say(customer.OrderCancelled{OrderID: pick(w.dice, orders...), CancelledAt: at})
	case n == 12 && len(orders) > 0:
		on := w.someday()
		say(customer.RefundRecorded{
			RefundID: fmt.Sprint("r", len(w.log)), OrderID: pick(w.dice, orders...), Amount: domain.Money{AmountMinor: w.Int64N(500), Currency: "EUR"},
			RefundedAt: w.noon(on), RefundedOn: on,
		})
	case n < 15:
		say(customer.TagAdded{Tag: pick(w.dice, "vip", "new", "old"), At: at})
	case n == 15:
		say(customer.TagRemoved{Tag: pick(w.dice, "vip", "new", "old"), At: at})
	case n == 16 || n == 17:
		key := pick(w.dice, slices.Sorted(maps.Keys(attributes))...)
		text := map[string]string{
			attribute.Text: pick(w.dice, "red", "blue"), attribute.Enum: pick(w.dice, "L", "M"), attribute.Number: fmt.Sprint(w.IntN(3), ".75"),
			attribute.Integer: strconv.Itoa(w.IntN(3)), attribute.Boolean: pick(w.dice, "true", "false"), attribute.Date: w.someday().String(),
		}[attributes[key]]
		set := customer.AttributeSet{Key: key, Type: attributes[key], Value: text, At: at}
		if key == "colour" {
			set.Value, set.PersonalValue = "", text
		}
		say(set)
	case n == 18:
		say(customer.AttributeCleared{Key: pick(w.dice, slices.Sorted(maps.Keys(attributes))...), At: at})
	case n == 19:
		say(customer.StageEntered{Stage: pick(w.dice, "active", "at_risk", "churned"), From: "potential", Trigger: customer.TriggerManual, EnteredAt: at})
	case n == 20:
		granted := customer.ConsentGranted{Purpose: pick(w.dice, "marketing", "service"), Channel: pick(w.dice, "email", "phone", customer.Every), LegalBasis: "consent", GrantedAt: at}
		if w.IntN(2) == 0 {
			until := at.AddDate(0, 0, w.IntN(60))
			granted.ExpiresAt = &until
		}
		say(granted)
	case n == 21:
		say(customer.ConsentWithdrawn{Purpose: pick(w.dice, "marketing", customer.Every), Channel: pick(w.dice, "email", customer.Every), WithdrawnAt: at})
	case n == 22:
		on := w.someday()
		say(customer.CostRecorded{CostID: fmt.Sprint("c", len(w.log)), Kind: "service", Amount: domain.Money{AmountMinor: w.Int64N(900), Currency: "EUR"}, IncurredAt: w.noon(on), IncurredOn: on})
	case n == 23:
		say(customer.DemographicsUpdated{Fields: []string{"demographics.birth_date"}, Changes: []customer.Change{{Field: "demographics.birth_date", Became: w.birth().String()}}, At: at})
	case n == 24 && len(w.static) > 0:
		list := pick(w.dice, w.static...)
		if w.IntN(3) > 0 {
			say(customer.AddedToSegment{SegmentID: list, AddedAt: at})
		} else {
			say(customer.RemovedFromSegment{SegmentID: list, RemovedAt: at})
		}
	case n == 25:
		if w.IntN(2) == 0 {
			say(customer.ProcessingRestricted{Ground: "accuracy_contested", RestrictedAt: at})
		} else {
			say(customer.RestrictionLifted{Ground: "verified", LiftedAt: at})
		}
	case n == 26 && w.IntN(5) == 0:
		say(customer.PersonalDataErased{Requester: "customer", ErasedAt: at})
		w.erased[id] = true
	default:
		say(pick(w.dice, w.examples...))
	}
}

// all lets something happen that holds for everybody.
func (w *town) all() {
	switch n := w.IntN(20); {
	case n < 10:
		w.closed += domain.Date(pick(w.dice, 1, 1, 1, 1, 2, 7, 30, 366))
		w.say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: w.closed, Zone: w.zone})
	case n < 13:
		id := fmt.Sprint("s", len(w.dyn)+len(w.static))
		x := w.definition(id, w.dyn)
		if x.Kind == segment.Static {
			w.static = append(w.static, id)
		} else {
			w.dyn = append(w.dyn, id)
		}
		w.made[id] = 1
		w.say(segment.Stream(id), uuid.Nil, x)
	case n < 15 && len(w.dyn) > 0:
		at := w.IntN(len(w.dyn))
		id := w.dyn[at]
		x := w.definition(id, w.dyn[:at])
		if x.Kind == segment.Static {
			return
		}
		w.made[id]++
		w.say(segment.Stream(id), uuid.Nil, segment.VersionPublished{SegmentID: id, Version: w.made[id], Name: id, Rule: x.Rule, Attributes: x.Attributes, Asks: x.Asks})
	case n == 15 && len(w.dyn)+len(w.static) > 0:
		id := pick(w.dice, slices.Concat(w.dyn, w.static)...)
		w.say(segment.Stream(id), uuid.Nil, segment.Archived{SegmentID: id})
	case n == 16:
		w.publish(pick(w.dice, policy.KindRFM, policy.KindValue))
	default:
		w.calibrate()
	}
}

func (w *town) publish(kind string) {
	w.made[kind]++
	p := policy.Published{Kind: kind, Version: w.made[kind], EffectiveFrom: w.closed + 1 + domain.Date(w.IntN(5))}
	if p.Version == 1 {
		p.EffectiveFrom = 0
	}
	if kind == policy.KindRFM {
		chosen := pick(w.dice, rfm.Shipped("EUR")...)
		chosen.WindowDays = pick(w.dice, 0, 30, 365)
		p.RFM = &chosen
	} else {
		p.Value = &value.Policy{Currency: "EUR", WindowDays: pick(w.dice, 30, 365), TopPercent: 5, MiddlePercent: 15}
	}
	w.say(policy.Stream(kind), uuid.Nil, p)
}

// calibrate makes a calibration by hand.
func (w *town) calibrate() {
	if w.world.Closed == nil {
		return
	}
	trigger := w.log[len(w.log)-1].Position
	cuts := func(n int, step int64) (all []int64) {
		at := w.Int64N(step)
		for range n {
			all = append(all, at)
			at += 1 + w.Int64N(step)
		}
		return all
	}
	switch w.IntN(3) {
	case 0:
		if w.made[policy.KindRFM] == 0 {
			return
		}
		version := 1 + w.IntN(w.made[policy.KindRFM])
		p, _ := w.world.PolicyVersion(policy.KindRFM, version)
		n := p.RFM.Bins - 1
		w.say(rfm.CalibrationStream, uuid.Nil, rfm.Calibrated{
			TriggerPosition: trigger, AsOf: w.closed, PolicyVersion: version, Currency: "EUR", Population: 5, Denominator: 1,
			Recency: cuts(n, 40), Frequency: cuts(n, 2), Monetary: cuts(n, 900),
		})
	case 1:
		if w.made[policy.KindValue] == 0 {
			return
		}
		c := value.Calibrated{TriggerPosition: trigger, AsOf: w.closed, PolicyVersion: 1 + w.IntN(w.made[policy.KindValue]), Currency: "EUR", Denominator: 100}
		for _, name := range value.MeasureNames {
			step := int64(6000)
			if name == value.Orders || name == value.OrdersWindow {
				step = 10
			}
			c.Measures = append(c.Measures, value.Cuts{Name: name, Population: 99, Cuts: cuts(99, step)})
		}
		w.say(value.CalibrationStream, uuid.Nil, c)
	default:
		id := pick(w.dice, "habits", "money")
		features := []string{cluster.TenureDays, cluster.PointsSpendable}
		if id == "money" {
			features = []string{cluster.RecencyDays, cluster.Monetary, cluster.OrdersWindow}
		}
		w.made[id]++
		f := cluster.Fitted{ClusterID: id, Version: w.made[id], TriggerPosition: trigger, AsOf: w.closed, Currency: "EUR", K: 2}
		for _, name := range features {
			f.Features = append(f.Features, cluster.Scale{Name: name, Transform: cluster.Identity, Unit: 1, Mean: float64(w.IntN(100)), Deviation: float64(1 + w.IntN(50))})
		}
		for n := range 2 {
			c := cluster.Cluster{Number: n + 1}
			for range features {
				c.Centroid = append(c.Centroid, float64(w.IntN(9)-4))
			}
			f.Clusters = append(f.Clusters, c)
		}
		w.say(cluster.Stream(id), uuid.Nil, f)
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
		var d struct {
			Segments map[string]*segments.Standing `json:"segments"`
		}
		if docs[0][i] != nil {
			if err := json.Unmarshal(docs[0][i], &d); err != nil {
				w.t.Fatal(err)
			}
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
	towns, first := 40, 0
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
