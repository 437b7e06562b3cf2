package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
)

var (
	till    = customer.ExternalID{System: "till", ID: "4711"}
	address = customer.NewContactPoint{Type: customer.TypeEmail, Value: "ada@example.com"}
)

// forgettable registers a customer with names who objects to contact, and has
// their erasure approved.
func (d *deployment) forgettable() uuid.UUID {
	d.Helper()
	id := uuid.New()
	s := d.writer.World.Subject(id)
	execute(d, customer.Register{Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}, ExternalIDs: []customer.ExternalID{till}})
	execute(d, customer.AddContactPoint{Subject: s, NewContactPoint: address})
	execute(d, customer.SuppressContact{Subject: s, Scope: customer.SuppressAll})
	d.approve(id)
	return id
}

// approve has an erasure requested by one and approved by another.
func (d *deployment) approve(id uuid.UUID) {
	d.Helper()
	s := d.writer.World.Subject(id)
	s.Actor = domain.Actor{Kind: "user", ID: "e-17"}
	execute(d, customer.RequestErasure{Subject: s, Requester: customer.RequesterCustomer, Evidence: "letter"})
	s.Actor = domain.Actor{Kind: "user", ID: "e-18"}
	execute(d, customer.ApproveErasure{Subject: s})
}

// keysIn finds whose keys a log has destroyed.
type keysIn struct{ log commands.Log }

// Key implements projections.KeySource.
func (k keysIn) Key(ctx context.Context, of uuid.UUID) (id string, wrapped []byte, erased bool, err error) {
	for raw, err := range k.log.Read(ctx, datakey.Stream(of), 0) {
		if errors.Is(err, commands.ErrDestroyed) {
			return "", nil, true, nil
		}
		if err != nil {
			return "", nil, false, err
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return "", nil, false, err
		}
		created := e.Data.(datakey.Created)
		id, wrapped = created.KeyID, created.Wrapped
	}
	return id, wrapped, false, nil
}

// current is read models that are up to date whenever they are asked.
type current struct {
	*deployment
	mu sync.Mutex
}

func (c *current) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apply(all()...)
	return c.store.Catalogue(ctx)
}

func (c *current) Open(ctx context.Context, partition int, g []projections.Generation) ([]projections.Saved, error) {
	return c.store.Open(ctx, partition, g)
}

func (c *current) Notes(ctx context.Context, g projections.Generation, n int, name string) ([][]byte, error) {
	return c.store.Notes(ctx, g, n, name)
}

var errDied = errors.New("the process died")

// mortal is what an eraser works on, until it dies: at the n-th thing it does,
// before or after that is done.
type mortal struct {
	jobs.ErasureLog
	mu    sync.Mutex
	left  int
	after bool
	did   []string
}

func (m *mortal) step(what string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		return errDied
	}
	if m.left--; m.left == 0 && !m.after {
		return errDied
	}
	m.did = append(m.did, what)
	if err := do(); err != nil {
		return err
	}
	if m.left == 0 {
		return errDied
	}
	return nil
}

func (m *mortal) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (position uint64, err error) {
	err = m.step("append "+events[0].Type, func() error {
		position, err = m.ErasureLog.Append(ctx, stream, after, events)
		return err
	})
	return position, err
}

func (m *mortal) Destroy(ctx context.Context, stream string) error {
	return m.step("destroy the key", func() error { return m.ErasureLog.Destroy(ctx, stream) })
}

// eraser is a process of its own that does erasures.
func (d *deployment) eraser(m *mortal, models jobs.ReadModels) *jobs.Eraser {
	m.ErasureLog = d.log
	return &jobs.Eraser{
		Log: m, Writer: newWriter(m), ReadModels: models, Views: []string{"keys", "profile"},
		Open: func(context.Context) ([]uuid.UUID, uint64, bool, error) { return nil, 0, true, nil },
		Compact: func(context.Context) error {
			return m.step("compact", func() error { return nil })
		},
		Rewrite: func(context.Context) (string, error) {
			return customer.RedisRewritten, m.step("rewrite", func() error { return nil })
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// facts are the events of a stream, without their personal fields.
func (d *deployment) facts(stream string) (facts []any) {
	d.Helper()
	for raw, err := range d.log.Read(d.Context(), stream, 0) {
		d.must(err)
		e, err := eventschema.Events.Open(raw, eventschema.Erased)
		d.must(err)
		facts = append(facts, e.Data)
	}
	return facts
}

// erasedOnce checks that the customer was erased, once, and entirely.
func (d *deployment) erasedOnce(id uuid.UUID) {
	d.Helper()
	var certificates []customer.PersonalDataErased
	var completions, at int
	facts := d.facts(customer.Stream(id))
	for i, f := range facts {
		switch f := f.(type) {
		case customer.PersonalDataErased:
			certificates, at = append(certificates, f), i
		case customer.ErasureCompleted:
			completions++
			if f.Store != customer.StoreCompacted || f.ReadModels != customer.RedisRewritten {
				d.Errorf("completed by %+v", f)
			}
		}
	}
	if len(certificates) != 1 || completions != 1 {
		d.Fatalf("%d certificates and %d completions, want one each", len(certificates), completions)
	}
	c := certificates[0]
	if c.EventCount != int64(at) || len(c.KeyIDs) != 1 || c.RequestedBy.ID != "e-17" || c.ApprovedBy.ID != "e-18" || c.Requester != customer.RequesterCustomer {
		d.Errorf("the certificate is %+v, of %d events", c, at)
	}
	if diff := cmp.Diff([]string{"keys", "profile"}, c.ReadModels); diff != "" {
		d.Error(diff)
	}
	var head eventschema.Chain
	for raw, err := range d.log.Read(d.Context(), customer.Stream(id), 0) {
		d.must(err)
		if raw.Revision+1 == uint64(at) {
			head, _ = eventschema.ChainOf(raw)
		}
	}
	if c.ChainHead != head.String() {
		d.Errorf("the certificate's chain head is %s, that of the history %s", c.ChainHead, head)
	}
	if _, n, err := eventschema.VerifyChain(d.log.Read(d.Context(), customer.Stream(id), 0)); err != nil || int(n) != len(facts) {
		d.Errorf("the chain of %d of %d events: %v", n, len(facts), err)
	}
	for _, err := range d.log.Read(d.Context(), datakey.Stream(id), 0) {
		if !errors.Is(err, commands.ErrDestroyed) {
			d.Errorf("the key: %v", err)
		}
	}
	for kind, name := range map[string]reservation.Name{"external id": till.ReservedName(), "address": {Kind: reservation.KindEmail, Value: address.Value}} {
		released := 0
		var last any
		for _, last = range d.facts(reservation.Stream(name.Kind, keyring().Lookup(name.Kind, name.Value))) {
			if _, ok := last.(reservation.Released); ok {
				released++
			}
		}
		if want := (reservation.Released{Customer: id, Objected: true}); released != 1 || last != want {
			d.Errorf("the %s was released %d times, at last %+v, want once %+v", kind, released, last, want)
		}
	}
	d.apply(all()...)
}

// Wherever a process dies, before or after each of its steps, the next one
// brings the erasure to its end, and nothing is done twice.
func TestAnErasureSurvivesTheDeathOfItsProcess(t *testing.T) {
	d := newDeployment(t)
	id := d.forgettable()
	whole := &mortal{left: math.MaxInt}
	if left, err := d.eraser(whole, &current{deployment: d}).Erase(t.Context(), []uuid.UUID{id, uuid.New()}); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	d.erasedOnce(id)
	if diff := cmp.Diff([]string{
		"destroy the key", "append customer.personal_data_erased.v1", "append reservation.released.v1", "append reservation.released.v1",
		"compact", "rewrite", "append customer.erasure_completed.v1",
	}, whole.did); diff != "" {
		t.Fatal(diff)
	}
	for n := range whole.did {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %s %v", n, whole.did[n], after), func(t *testing.T) {
				d := newDeployment(t)
				id := d.forgettable()
				first := d.eraser(&mortal{left: n + 1, after: after}, &current{deployment: d})
				if left, err := first.Erase(t.Context(), []uuid.UUID{id}); err == nil && !(after && n == len(whole.did)-1) {
					t.Fatalf("it did not die: %v", left)
				}
				next := d.eraser(&mortal{left: math.MaxInt}, &current{deployment: d})
				if left, err := next.Erase(t.Context(), []uuid.UUID{id}); err != nil || len(left) > 0 {
					t.Fatal(left, err)
				}
				d.erasedOnce(id)
				idle := &mortal{left: math.MaxInt}
				if left, err := d.eraser(idle, &current{deployment: d}).Erase(t.Context(), []uuid.UUID{id}); err != nil || len(left) > 0 || len(idle.did) > 0 {
					t.Errorf("once more: %v, %v, %v", left, err, idle.did)
				}
			})
		}
	}
}

// Without an approval nothing is destroyed.
func TestNothingIsErasedWithoutAnApproval(t *testing.T) {
	d := newDeployment(t)
	s := d.writer.World.Subject(uuid.New())
	s.Actor = domain.Actor{Kind: "user", ID: "e-17"}
	execute(d, customer.Register{Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}})
	m := &mortal{left: math.MaxInt}
	e := d.eraser(m, &current{deployment: d})
	for range 2 {
		if left, err := e.Erase(t.Context(), []uuid.UUID{s.Customer}); err != nil || len(left) > 0 || len(m.did) > 0 {
			t.Errorf("%v, %v, %v", left, err, m.did)
		}
		execute(d, customer.RequestErasure{Subject: s, Requester: customer.RequesterCustomer})
	}
}

// Several processes at once, some of whom know of the erasure from the read
// models and some from the log, erase every customer once.
func TestSeveralErasersEraseOnce(t *testing.T) {
	d := newDeployment(t)
	before := d.forgettable()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	models := &current{deployment: d}
	for n := range 3 {
		e := d.eraser(&mortal{left: math.MaxInt}, models)
		asked := 0
		head := d.log.Head()
		e.Open = func(context.Context) ([]uuid.UUID, uint64, bool, error) {
			switch asked++; {
			case asked == 1:
				return nil, 0, false, nil // nothing serves yet
			case asked == 2:
				return nil, 0, false, errDied
			case n == 0:
				return []uuid.UUID{before}, head, true, nil
			}
			return nil, 0, true, nil
		}
		group.Go(func() {
			if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	d.completed(1)
	var others []uuid.UUID
	for range 5 {
		id := uuid.New()
		execute(d, customer.Register{Subject: d.writer.World.Subject(id), Name: customer.Name{Given: "Eve"}, Source: customer.Source{Channel: "shop"}})
		d.approve(id)
		others = append(others, id)
	}
	d.completed(6)
	cancel()
	group.Wait()
	d.erasedOnce(before)
	for _, id := range others {
		n := 0
		for _, f := range d.facts(customer.Stream(id)) {
			if _, ok := f.(customer.PersonalDataErased); ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the customer %s was erased %d times", id, n)
		}
	}
}

// completed waits until n erasures are completed.
func (d *deployment) completed(n int) {
	d.Helper()
	err := d.log.Follow(d.Context(), 0, []string{"customer.erasure_completed."}, func(p eventschema.Page) error {
		if n -= len(p.Events); n <= 0 {
			return errRead
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		d.Fatal(err)
	}
}

// A read model that is behind, one that is being built and one that is not yet
// dropped may all hold what is erased: the erasure is not complete before they
// have forgotten.
func TestAnErasureIsCompleteWhenEveryReadModelHasForgotten(t *testing.T) {
	d := newDeployment(t)
	id := d.forgettable()
	catalogue, err := d.store.Catalogue(t.Context())
	d.must(err)
	for view, slot := range catalogue.Views {
		slot.Retired, slot.Last = []int{1}, 2
		slot.Serving = 2
		catalogue.Views[view] = slot
	}
	d.must(d.store.SaveCatalogue(t.Context(), catalogue))
	ctx, cancel := context.WithCancel(t.Context())
	m := &mortal{left: math.MaxInt}
	asked := 0
	models := watched{d, func() {
		if asked++; asked == 5 {
			cancel()
		}
	}}
	if left, err := d.eraser(m, models).Erase(ctx, []uuid.UUID{id}); !errors.Is(err, context.Canceled) || len(left) != 1 {
		t.Fatal(left, err)
	}
	for _, did := range m.did {
		if did == "rewrite" {
			t.Errorf("the files were written anew too early: %v", m.did)
		}
	}
}

// While a read model is behind, for as long as it may be, the keys of others are destroyed.
func TestNoKeyOutlivesAnApprovalBecauseAReadModelIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeployment(t)
		ctx, cancel := context.WithCancel(t.Context())
		m := &mortal{left: math.MaxInt}
		e := d.eraser(m, watched{d, func() {}})
		var group sync.WaitGroup
		group.Go(func() { _ = e.Run(ctx) })
		for n := 1; n <= 3; n++ {
			id := uuid.New()
			execute(d, customer.Register{Subject: d.writer.World.Subject(id), Source: customer.Source{Channel: "shop"}, Name: customer.Name{Given: "Eve"}})
			d.approve(id)
			elapse(time.Minute)
			synctest.Wait()
			destroyed := 0
			for _, did := range m.did {
				if did == "destroy the key" {
					destroyed++
				}
			}
			if destroyed != n {
				t.Errorf("%d keys were destroyed after %d approvals", destroyed, n)
			}
		}
		for _, did := range m.did {
			if did == "rewrite" {
				t.Errorf("the read models have not forgotten: %v", m.did)
			}
		}
		d.apply(all()...)
		elapse(time.Minute)
		synctest.Wait()
		if n := len(m.did); m.did[n-4] != "rewrite" || m.did[n-1] != "append customer.erasure_completed.v1" {
			t.Errorf("%v", m.did)
		}
		cancel()
		group.Wait()
	})
}

// watched is read models that tell when they are looked at.
type watched struct {
	*deployment
	looked func()
}

func (w watched) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	w.looked()
	return w.store.Catalogue(ctx)
}

func (w watched) Open(ctx context.Context, partition int, g []projections.Generation) ([]projections.Saved, error) {
	return w.store.Open(ctx, partition, g)
}

func (w watched) Notes(ctx context.Context, g projections.Generation, n int, name string) ([][]byte, error) {
	return w.store.Notes(ctx, g, n, name)
}
