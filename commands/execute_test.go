package commands_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a wall clock that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.IsZero() {
		c.now = noon
	}
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func keyring() *eventschema.Keyring {
	return eventschema.NewKeyring([32]byte{1}, [32]byte{2})
}

// writer is a process of its own over a log.
func writer(log commands.Log, c *clock) *commands.Writer {
	return &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{Clock: c.Now}}
}

// faulty is a log whose calls a test counts and breaks.
type faulty struct {
	commands.Log
	reads, appends atomic.Int64
	// before is called before an append and after says what it answers then;
	// both may be nil.
	before func(stream string) error
	after  func(stream string) error
}

func (f *faulty) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	f.reads.Add(1)
	return f.Log.Read(ctx, stream, from)
}

func (f *faulty) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	f.appends.Add(1)
	if f.before != nil {
		if err := f.before(stream); err != nil {
			return 0, err
		}
	}
	position, err := f.Log.Append(ctx, stream, after, events)
	if f.after != nil && err == nil {
		if err := f.after(stream); err != nil {
			return 0, err
		}
	}
	return position, err
}

func request(name string) commands.Request {
	return commands.Request{Command: uuid.New(), Name: name, Actor: eventschema.Actor{Kind: "user", ID: "anna"}}
}

func register(t *testing.T, w *commands.Writer, id uuid.UUID, externalIDs ...customer.ExternalID) (commands.Result, error) {
	t.Helper()
	r := request("register-customer")
	r.New = true
	return commands.Execute(t.Context(), w, r, customer.Register{
		Subject:     w.World.Subject(id),
		Name:        customer.Name{Given: "Ada"},
		Source:      customer.Source{Channel: "shop"},
		ExternalIDs: externalIDs,
	})
}

func mustRegister(t *testing.T, w *commands.Writer, id uuid.UUID) {
	t.Helper()
	if _, err := register(t, w, id); err != nil {
		t.Fatal(err)
	}
}

func order(w *commands.Writer, id uuid.UUID, orderID string, minor int64) customer.RecordOrder {
	return customer.RecordOrder{
		Subject: w.World.Subject(id), OrderID: orderID, PlacedAt: noon.Add(-time.Hour),
		Total: domain.Money{AmountMinor: minor, Currency: "EUR"},
	}
}

func count(t *testing.T, log commands.Log, stream string) int {
	t.Helper()
	n := 0
	for _, err := range log.Read(t.Context(), stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAWarmCommandIsOneRoundTrip(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w, id := writer(log, new(clock)), uuid.New()
	mustRegister(t, w, id)
	if r, a := log.reads.Load(), log.appends.Load(); r != 0 || a != 2 {
		t.Errorf("registering: %d reads, %d appends, want 0 and 2", r, a)
	}
	log.reads.Store(0)
	log.appends.Store(0)
	for i := range 10 {
		if _, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, fmt.Sprint(i), 100)); err != nil {
			t.Fatal(err)
		}
	}
	if r, a := log.reads.Load(), log.appends.Load(); r != 0 || a != 10 {
		t.Errorf("10 orders: %d reads, %d appends, want 0 and 10", r, a)
	}
}

func TestACommandIsExecutedOnce(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w, id := writer(&log, c), uuid.New()
	mustRegister(t, w, id)
	r := request("record-order")
	first, err := commands.Execute(t.Context(), w, r, order(w, id, "o1", 100))
	if err != nil || !first.Changed || first.Revision != 1 || len(first.Events) != 1 || first.Events[0].Type != "customer.order_recorded" {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, "o2", 100)); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]*commands.Writer{"warm": w, "after a restart": writer(&log, c)} {
		again, err := commands.Execute(t.Context(), w, r, order(w, id, "o1", 100))
		if err != nil || again.Revision != first.Revision || again.Position != first.Position || !again.Changed || again.Events[0] != first.Events[0] {
			t.Errorf("%s: %+v, %v; want %+v", name, again, err, first)
		}
		if _, err := commands.Execute(t.Context(), w, r, order(w, id, "o1", 101)); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("%s, another body: %v", name, err)
		}
		other := r
		other.Name = "pay-order"
		if _, err := commands.Execute(t.Context(), w, other, order(w, id, "o1", 100)); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("%s, another command: %v", name, err)
		}
	}
	if n := count(t, &log, customer.Stream(id)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestNothingToDoAnswersTheLastEvent(t *testing.T) {
	var log memlog.Log
	w, id := writer(&log, new(clock)), uuid.New()
	mustRegister(t, w, id)
	first, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, "o1", 100))
	if err != nil {
		t.Fatal(err)
	}
	again, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, "o1", 100))
	if err != nil || again.Changed || again.Revision != first.Revision || again.Position != first.Position || len(again.Events) != 0 {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestAStaleCacheNeverRefuses(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	a, b, id := writer(&log, c), writer(&log, c), uuid.New()
	mustRegister(t, a, id)
	pay := customer.PayOrder{Subject: a.World.Subject(id), OrderID: "o1"}
	if _, err := commands.Execute(t.Context(), b, request("pay-order"), pay); !errors.Is(err, customer.ErrOrderNotFound) {
		t.Fatalf("an order that is not there: %v", err)
	}
	if _, err := commands.Execute(t.Context(), a, request("record-order"), order(a, id, "o1", 100)); err != nil {
		t.Fatal(err)
	}
	if r, err := commands.Execute(t.Context(), b, request("pay-order"), pay); err != nil || !r.Changed {
		t.Errorf("refused on what another process has changed: %+v, %v", r, err)
	}
	if r, err := commands.Execute(t.Context(), a, request("pay-order"), pay); err != nil || r.Changed || r.Revision != 3 {
		t.Errorf("paid twice: %+v, %v", r, err)
	}
	if _, err := register(t, a, id); !errors.Is(err, customer.ErrExists) {
		t.Errorf("registered twice: %v", err)
	}
}

func TestIfMatch(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	a, b, id := writer(&log, c), writer(&log, c), uuid.New()
	mustRegister(t, a, id)
	if _, err := commands.Execute(t.Context(), b, request("record-order"), order(b, id, "o1", 100)); err != nil {
		t.Fatal(err)
	}
	r := request("record-order")
	r.Match = []int64{0}
	if _, err := commands.Execute(t.Context(), a, r, order(a, id, "o2", 100)); !errors.Is(err, commands.ErrRevision) {
		t.Errorf("the stream moved on: %v", err)
	}
	r.Match = []int64{1}
	if _, err := commands.Execute(t.Context(), a, r, order(a, id, "o2", 100)); err != nil {
		t.Error(err)
	}
	if _, err := commands.Execute(t.Context(), a, r, order(a, id, "o2", 100)); err != nil {
		t.Errorf("sent again: %v", err)
	}
}

func TestManyWritersRefundAnOrderNoMoreThanItWas(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w, id := writer(&log, c), uuid.New()
	mustRegister(t, w, id)
	o := order(w, id, "o1", 100)
	o.PaidAt = &o.PlacedAt
	if _, err := commands.Execute(t.Context(), w, request("record-order"), o); err != nil {
		t.Fatal(err)
	}
	processes := []*commands.Writer{w, writer(&log, c), writer(&log, c)}
	var wg sync.WaitGroup
	var done, refused atomic.Int64
	for i := range 51 {
		wg.Go(func() {
			for {
				_, err := commands.Execute(t.Context(), processes[i%3], request("record-refund"), customer.RecordRefund{
					Subject: w.World.Subject(id), RefundID: fmt.Sprint(i), OrderID: "o1", Amount: domain.Money{AmountMinor: 10, Currency: "EUR"},
				})
				switch {
				case err == nil:
					done.Add(1)
				case errors.Is(err, customer.ErrRefundExceeds):
					refused.Add(1)
				case errors.Is(err, commands.ErrContended):
					continue
				default:
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	if done.Load() != 10 || refused.Load() != 41 {
		t.Errorf("%d refunds of a tenth went through and %d were refused, want 10 and 41", done.Load(), refused.Load())
	}
}

func TestAnUnknownOutcomeIsFoundOut(t *testing.T) {
	for name, lost := range map[string]bool{"the append was stored": false, "the append was lost": true} {
		t.Run(name, func(t *testing.T) {
			log := &faulty{Log: &memlog.Log{}}
			w, id := writer(log, new(clock)), uuid.New()
			mustRegister(t, w, id)
			once := false
			fail := func(string) error {
				if once {
					return nil
				}
				once = true
				return commands.ErrUnknownOutcome
			}
			if lost {
				log.before = fail
			} else {
				log.after = fail
			}
			r, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, "o1", 100))
			if err != nil || !r.Changed || r.Revision != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if n := count(t, log, customer.Stream(id)); n != 2 {
				t.Errorf("%d events, want 2", n)
			}
		})
	}
}

func TestAStoreThatIsAwayIsSaidToBe(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w, id := writer(log, new(clock)), uuid.New()
	mustRegister(t, w, id)
	cause := errors.New("connection refused")
	log.before = func(string) error { return cause }
	r := request("record-order")
	_, err := commands.Execute(t.Context(), w, r, order(w, id, "o1", 100))
	if !errors.Is(err, commands.ErrUnavailable) || !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v because of %v", err, commands.ErrUnavailable, cause)
	}
	log.before = func(string) error { return commands.ErrUnknownOutcome }
	if _, err = commands.Execute(t.Context(), w, r, order(w, id, "o1", 100)); !errors.Is(err, commands.ErrUnavailable) {
		t.Fatalf("error %v, want %v", err, commands.ErrUnavailable)
	}
	log.before = nil
	if r, err := commands.Execute(t.Context(), w, r, order(w, id, "o1", 100)); err != nil || !r.Changed {
		t.Errorf("sent again: %+v, %v", r, err)
	}
}

func TestACommandTooLargeForTheLogIsNotSent(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w, id := writer(log, new(clock)), uuid.New()
	mustRegister(t, w, id)
	log.appends.Store(0)
	r := request("update-profile")
	r.Reason = string(make([]byte, 1<<20))
	name := "Eve"
	_, err := commands.Execute(t.Context(), w, r, customer.UpdateProfile{Subject: w.World.Subject(id), Name: &customer.NamePatch{Given: &name}})
	if !errors.Is(err, commands.ErrTooLarge) || log.appends.Load() != 0 {
		t.Errorf("error %v after %d appends, want %v after none", err, log.appends.Load(), commands.ErrTooLarge)
	}
}

func TestAnErasedCustomerIsGone(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w, id := writer(&log, c), uuid.New()
	mustRegister(t, w, id)
	if err := log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
		t.Fatal(err)
	}
	if _, err := commands.Execute(t.Context(), writer(&log, c), request("record-order"), order(w, id, "o1", 1)); !errors.Is(err, customer.ErrErased) {
		t.Errorf("error %v, want %v", err, customer.ErrErased)
	}
}

func TestTheEnvelope(t *testing.T) {
	var log memlog.Log
	c := new(clock)
	w, id := writer(&log, c), uuid.New()
	mustRegister(t, w, id)
	c.Set(noon.Add(-time.Minute)) // a clock that goes back
	r := request("record-order")
	r.Reason, r.Channel, r.Causation = "phoned in", "phone", uuid.New()
	o := order(w, id, "o1", 100)
	paid := noon.Add(-59 * time.Minute)
	o.PaidAt = &paid
	result, err := commands.Execute(t.Context(), w, r, o)
	if err != nil {
		t.Fatal(err)
	}
	key := dataKey(t, &log, id)
	var raws []eventschema.Raw
	for raw, err := range log.Read(t.Context(), customer.Stream(id), 0) {
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	if _, n, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil || n != 4 { // the payment makes the customer active
		t.Errorf("chain of %d events: %v", n, err)
	}
	first, err := eventschema.Events.Open(raws[0], key)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Data.(customer.Registered).Name.Given; got != "Ada" {
		t.Errorf("the name is %q", got)
	}
	for i, at := range []time.Time{o.PlacedAt, paid} {
		e, err := eventschema.Events.Open(raws[i+1], key)
		if err != nil {
			t.Fatal(err)
		}
		m := e.Meta
		if m.Customer != id || m.Command != r.Command || m.Correlation != r.Command || m.Causation != r.Causation ||
			m.Actor != r.Actor || m.Reason != r.Reason || m.Channel != r.Channel || len(m.Digest) == 0 {
			t.Errorf("event %d: %+v", i+1, m)
		}
		if !m.OccurredAt.Equal(at) || !m.RecordedAt.Equal(noon) || m.BusinessDate != domain.NewDate(2026, 3, 1) {
			t.Errorf("event %d occurred %s, recorded %s on %s", i+1, m.OccurredAt, m.RecordedAt, m.BusinessDate)
		}
		if e.ID != result.Events[i].ID || e.ID != eventschema.EventID(r.Command, m.Chain) {
			t.Errorf("event %d has the id %s", i+1, e.ID)
		}
	}
}

func dataKey(t *testing.T, log commands.Log, id uuid.UUID) (key *eventschema.DataKey) {
	t.Helper()
	for raw, err := range log.Read(t.Context(), datakey.Stream(id), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		created := e.Data.(datakey.Created)
		if key, err = keyring().Unwrap(created.KeyID, created.Wrapped); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func TestTheCacheIsBounded(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w := writer(log, new(clock))
	w.CacheBytes = 20_000
	ids := make([]uuid.UUID, 50)
	for i := range ids {
		ids[i] = uuid.New()
		mustRegister(t, w, ids[i])
	}
	for _, id := range ids {
		if _, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, "o1", 100)); err != nil {
			t.Fatal(err)
		}
	}
	if n := log.reads.Load(); n < 50 {
		t.Errorf("%d reads: nothing was evicted", n)
	}
}

// A stream that alone is heavier than the cache stays as long as no other is
// used: the longest streams are those that are dear to fold again.
func TestTheLongestStreamIsRemembered(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w, id := writer(log, new(clock)), uuid.New()
	w.CacheBytes = 1
	mustRegister(t, w, id)
	before := log.reads.Load()
	for i := range 3 {
		if _, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, fmt.Sprint("o", i), 100)); err != nil {
			t.Fatal(err)
		}
	}
	if n := log.reads.Load() - before; n != 0 {
		t.Errorf("%d reads for commands on a stream that was just used", n)
	}
}

func BenchmarkWarmExecute(b *testing.B) {
	var log memlog.Log
	w, id := writer(&log, new(clock)), uuid.New()
	n := 0
	for b.Loop() {
		if n%20 == 0 { // a customer has some orders, not a million
			id = uuid.New()
			r := request("register-customer")
			r.New = true
			if _, err := commands.Execute(b.Context(), w, r, customer.Register{
				Subject: w.World.Subject(id), Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"},
			}); err != nil {
				b.Fatal(err)
			}
		}
		n++
		if _, err := commands.Execute(b.Context(), w, request("record-order"), order(w, id, fmt.Sprint(n), 100)); err != nil {
			b.Fatal(err)
		}
	}
}

// An import under a manual calendar brings who is registered on a day that is still
// to come: nothing that is decided about them today happened before.
func TestNothingHappensBeforeTheCustomerIsKnown(t *testing.T) {
	log := new(memlog.Log)
	w, id := writer(log, new(clock)), uuid.New()
	tomorrow := noon.AddDate(0, 0, 1)
	of := w.World.Subject(id)
	of.Latest = time.Time{}
	execute(t, w, request("register-customer"), customer.Register{
		Subject: of, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "import"}, RegisteredAt: &tomorrow,
	})
	execute(t, w, request("update-profile"), rename(w, id, "Eve"))
	events := stored(t, log, id)
	if len(events) != 2 || !events[1].Meta.OccurredAt.Equal(tomorrow) || !events[0].Meta.OccurredAt.Equal(tomorrow) {
		t.Errorf("%v, %v; want %v", events[0].Meta.OccurredAt, events[1].Meta.OccurredAt, tomorrow)
	}
}
