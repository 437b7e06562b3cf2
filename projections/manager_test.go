package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

func (s *shop) manager(store projections.Store) *projections.Manager {
	return &projections.Manager{
		Store: store, Source: source{s.log}, Streams: s.log, LogID: "log-1", Partitions: lanes, Rules: s.rules,
		Views: []projections.Projection{partitiontest.NewSpend(), partitiontest.NewCount(), projections.NewKeys()},
	}
}

func (s *shop) manage(m *projections.Manager) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return sync.OnceFunc(func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
}

func (s *shop) caughtUp(m *projections.Manager) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := m.WaitCaughtUp(ctx, s.log.Head()); err != nil {
		s.t.Fatalf("%v: %+v", err, m.Status())
	}
}

func (s *shop) catalogue() projections.Catalogue {
	s.t.Helper()
	c, err := s.store.Catalogue(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// rebuilt waits until a rebuild is done.
func (s *shop) rebuilt(m *projections.Manager, id string) {
	s.t.Helper()
	for range 1000 {
		st, err := m.RebuildStatus(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		if st.State == projections.RebuildDone {
			return
		}
		elapse(100 * time.Millisecond)
	}
	s.t.Fatalf("the rebuild does not end: %+v", m.Status())
}

// An empty store is filled, and a restart goes on where it was.
func TestManagerStarts(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		m := s.manager(s.store)
		if m.Status().Error == "" {
			t.Error("a manager that has not started looks as if it had")
		}
		stop := s.manage(m)
		s.append(s.write.Order(inLane(1), "a", 5, today))
		s.caughtUp(m)
		s.check(1)
		stop()
		s.append(s.write.Close(today))
		m = s.manager(s.store)
		defer s.manage(m)()
		s.caughtUp(m)
		s.check(1)
		want := map[string]projections.Slot{"spend": {Serving: 1, Last: 1}, "count": {Serving: 1, Last: 1}, "keys": {Serving: 1, Last: 1}}
		if diff := cmp.Diff(want, s.catalogue().Views); diff != "" {
			t.Error(diff)
		}
		for _, v := range m.Status().Views {
			if v.Generation != 1 || v.Position != s.log.Head() || v.Lag != 0 || v.Rebuild != nil {
				t.Errorf("status %+v", v)
			}
		}
	})
}

// A rebuild under writes ends in a switch; queries see the serving generation
// complete at any moment; what is rebuilt equals what was live, to the byte; the
// old one goes, but not at once.
func TestRebuild(t *testing.T) {
	for _, view := range []string{"spend", projections.AllViews} {
		t.Run(view, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) { rebuild(t, s, view) })
		})
	}
}

func rebuild(t *testing.T, s *shop, view string) {
	s.registerAll()
	for i := range 300 {
		s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
		if i%50 == 0 {
			s.append(s.write.Close(today))
		}
	}
	m := s.manager(s.store)
	defer s.manage(m)()
	s.caughtUp(m)
	elapse(0) // nothing wakes m by itself until its clock goes on
	if _, err := m.StartRebuild(t.Context(), "nothing"); !errors.Is(err, projections.ErrNoView) || !strings.Contains(err.Error(), `There is no view "nothing"; there are all, `) {
		t.Errorf("no view: %v", err)
	}
	id, err := s.manager(s.store).StartRebuild(t.Context(), view)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.StartRebuild(t.Context(), view); err != nil || again != id {
		t.Errorf("asked again, %q, %v, not %q", again, err, id)
	}
	switched := time.Time{}
	for i := 300; i < 500; i++ {
		p := s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
		s.caughtUp(m)
		for _, v := range m.Status().Views { // also while one group takes the place of another
			if v.Position < p {
				t.Fatalf("the status of %s went back to %d", v.View, v.Position)
			}
		}
		serving := s.catalogue().Views["spend"].Serving
		if serving == 2 && switched.IsZero() {
			switched = time.Now()
		}
		at, _ := s.store.Checkpoints(t.Context(), projections.Generation{View: "spend", Number: serving}, lanes)
		for n, c := range at {
			if c.Position < p {
				t.Fatalf("what serves is at %d in partition %d, and %d was there before", c.Position, n, p)
			}
		}
		elapse(20 * time.Millisecond)
	}
	s.rebuilt(m, id)
	if switched.IsZero() {
		t.Error("it did not switch while there were writes")
	}
	s.append(s.write.Close(today + 1))
	s.caughtUp(m)
	check(s, partitiontest.NewSpend(), 2)
	if view == projections.AllViews {
		s.check(2)
	}
	if retired := s.catalogue().Views["spend"].Retired; time.Since(switched) < 10*time.Second && len(retired) != 1 {
		t.Errorf("retired %v right after the switch", retired)
	}
	elapse(12 * time.Second)
	if slot := s.catalogue().Views["spend"]; slot.Serving != 2 || slot.Building != 0 || len(slot.Retired) != 0 {
		t.Errorf("at the end %+v", slot)
	}
	old := partitiontest.Read(t.Context(), t, s.store, projections.Generation{View: "spend", Number: 1}, lanes, nil)
	if len(old.Documents) > 0 {
		t.Errorf("%d old documents are left", len(old.Documents))
	}
}

// dying fails all commits once it has let some through: the process is killed.
type dying struct {
	projections.Store
	mu   sync.Mutex
	left int
}

var errKilled = errors.New("killed")

func (d *dying) alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	return d.left >= 0
}

func (d *dying) Commit(ctx context.Context, n int, changes []projections.Change) error {
	if !d.alive() {
		return errKilled
	}
	return d.Store.Commit(ctx, n, changes)
}

func (d *dying) SaveCatalogue(ctx context.Context, c projections.Catalogue) error {
	if !d.alive() {
		return errKilled
	}
	return d.Store.SaveCatalogue(ctx, c)
}

// A rebuild that is killed, again and again, goes on and ends right.
func TestRebuildSurvivesKills(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.rules.DirtyBytes, s.rules.Slice = 2000, 2
		s.registerAll()
		for i := range 300 {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
			if i%50 == 0 {
				s.append(s.write.Close(today))
			}
		}
		m := s.manager(s.store)
		stop := s.manage(m)
		s.caughtUp(m)
		id, err := m.StartRebuild(t.Context(), projections.AllViews)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		for n := range 25 {
			store := &dying{Store: s.store, left: 3 + n}
			stop := s.manage(s.manager(store))
			s.append(s.write.Order(inLane(n%lanes), fmt.Sprint("k", n), 1, today))
			elapse(3 * time.Second)
			stop()
		}
		m = s.manager(s.store)
		defer s.manage(m)()
		s.rebuilt(m, id)
		s.caughtUp(m)
		s.check(2)
	})
}

// A store that was filled from another log, or from more of it than there is
// now, is filled again.
func TestOtherLog(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		s.append(s.write.Order(inLane(0), "a", 1, today))
		m := s.manager(s.store)
		stop := s.manage(m)
		s.caughtUp(m)
		stop()

		other := newShop(t)
		other.store = s.store
		other.registerAll()
		m = other.manager(s.store)
		m.LogID = "log-2"
		stop = other.manage(m)
		other.caughtUp(m)
		other.check(2)
		stop()

		shorter := newShop(t) // the same id, less in it
		shorter.store = s.store
		shorter.append(shorter.write.Register(inLane(0), "only one")...)
		m = shorter.manager(s.store)
		m.LogID = "log-2"
		defer shorter.manage(m)()
		for s.catalogue().Views["spend"].Serving != 3 {
			elapse(time.Second)
		}
		shorter.caughtUp(m)
		shorter.check(3)
	})
}

// A view that is new to a deployment is built beside the others before it serves.
func TestNewView(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		m := s.manager(s.store)
		all := m.Views
		m.Views = all[:2]
		stop := s.manage(m)
		s.caughtUp(m)
		stop()
		m = s.manager(s.store)
		defer s.manage(m)()
		for s.catalogue().Views["keys"].Last == 0 {
			elapse(time.Second)
		}
		s.rebuilt(m, "keys@1")
		s.append(s.write.Order(inLane(0), "a", 1, today))
		s.caughtUp(m)
		s.check(1)
	})
}

// The wrong number of partitions is refused at once.
func TestPartitionsNeverChange(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		m := s.manager(s.store)
		stop := s.manage(m)
		s.caughtUp(m)
		stop()
		m = s.manager(s.store)
		m.Partitions++
		if err := m.Run(t.Context()); err == nil {
			t.Error("another number of partitions is accepted")
		}
	})
}

// An operator parks an event in the log, and the partition goes on by itself;
// a rebuild passes over it as well.
func TestParking(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		m := s.manager(s.store)
		defer s.manage(m)()
		s.caughtUp(m)
		bad := s.write.Order(inLane(2), "bad", 1, today)
		bad.Data = []byte(`{}}`)
		position := s.append(bad)
		s.append(s.write.Order(inLane(2), "good", 1, today))
		s.raws = append(s.raws[:len(s.raws)-2], s.raws[len(s.raws)-1])
		elapse(30 * time.Second)
		v := m.Status().Views[0]
		if l := v.Partitions[2]; l.Poison == nil || l.Poison.EventID != bad.ID {
			t.Errorf("the status does not name the event: %+v", l)
		}
		s.append(s.write.Event(operations.Stream, [16]byte{}, operations.EventParked{EventID: bad.ID, Position: position, Reason: "broken"}))
		s.caughtUp(m)
		s.check(1)
		if parked := m.Status().Parked; len(parked) != 1 || parked[0].EventID != bad.ID {
			t.Errorf("parked %+v", parked)
		}
		id, err := m.StartRebuild(t.Context(), projections.AllViews)
		if err != nil {
			t.Fatal(err)
		}
		s.rebuilt(m, id)
		s.caughtUp(m)
		s.check(2)
	})
}

// Two processes rebuild together: neither is in the other's way.
func TestRebuildInTwoProcesses(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		a, b := s.manager(s.store), s.manager(s.store)
		stop := s.manage(a)
		defer s.manage(b)()
		for i := range 100 {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
		}
		s.caughtUp(a)
		id, err := a.StartRebuild(t.Context(), projections.AllViews)
		if err != nil {
			t.Fatal(err)
		}
		for i := 100; i < 400; i++ {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
			if i == 250 {
				stop()
			}
			elapse(20 * time.Millisecond)
		}
		s.rebuilt(b, id)
		s.caughtUp(b)
		s.check(2)
	})
}

// outage is a store that is away.
type outage struct {
	projections.Store
	away atomic.Bool
}

var errAway = errors.New("connection refused")

func (o *outage) Commit(ctx context.Context, n int, changes []projections.Change) error {
	if o.away.Load() {
		return errAway
	}
	return o.Store.Commit(ctx, n, changes)
}

func (o *outage) Open(ctx context.Context, n int, gs []projections.Generation) ([]projections.Saved, error) {
	if o.away.Load() {
		return nil, errAway
	}
	return o.Store.Open(ctx, n, gs)
}

func (o *outage) Advance(ctx context.Context, gs []projections.Generation, partitions map[int][2]projections.Checkpoint) ([]int, error) {
	if o.away.Load() {
		return nil, errAway
	}
	return o.Store.Advance(ctx, gs, partitions)
}

func (o *outage) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	if o.away.Load() {
		return projections.Catalogue{}, errAway
	}
	return o.Store.Catalogue(ctx)
}

// counting counts how often the log is followed.
type counting struct {
	source
	follows *atomic.Int64
}

func (c counting) Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error {
	c.follows.Add(1)
	return c.source.Follow(ctx, after, prefixes, deliver)
}

// An outage of the store is survived, and afterwards the log is read once for
// all partitions, not once for each.
func TestOutageOfTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		store := &outage{Store: s.store}
		m := s.manager(store)
		var follows atomic.Int64
		m.Source = counting{source{s.log}, &follows}
		defer s.manage(m)()
		s.caughtUp(m)
		store.away.Store(true)
		for i := range 200 {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
			elapse(100 * time.Millisecond)
		}
		if m.Status().Error == "" {
			t.Error("the status does not say that the store is away")
		}
		follows.Store(0)
		store.away.Store(false)
		s.caughtUp(m)
		s.check(1)
		if n := follows.Load(); n > 2 {
			t.Errorf("the log was followed %d times", n)
		}
		elapse(5 * time.Second)
		if st := m.Status(); st.Error != "" {
			t.Errorf("the status still says %q", st.Error)
		}
	})
}

// What a clustering was answered to is not contributed to again, each clustering
// having a stream of its own; what is not answered yet is.
func TestAnsweredClusteringsAreNotContributedTo(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		day := domain.NewDate(2026, 2, 28)
		ask := func(id string) uint64 {
			return s.append(s.write.Event(cluster.Stream(id), uuid.Nil, cluster.Requested{ClusterID: id, AsOf: day, Features: cluster.Default(), K: 2}))
		}
		first := ask("first")
		s.append(s.write.Event(cluster.Stream("first"), uuid.Nil, cluster.FitFailed{ClusterID: "first", TriggerPosition: first, AsOf: day, Code: cluster.CodeTooFew}))
		open := ask("second")
		var collected sync.Map // by position of the request: *atomic.Int32
		view := &projections.View[partitiontest.Count]{
			Name: "asked", Fold: func(*partitiontest.Count, projections.Event) bool { return false },
			Indexes: func(*partitiontest.Count, *projections.World) []projections.Place { return nil },
			Metrics: func(*partitiontest.Count, *projections.World) []projections.Metric { return nil },
			Contribution: &projections.Contribution[partitiontest.Count]{
				Asked: func(e projections.Event, _ *projections.World) (string, bool) {
					_, ok := e.Data.(cluster.Requested)
					return cluster.NoteName(e.Position), ok
				},
				Collect: func(e projections.Event, _ *projections.World, _ iter.Seq2[uuid.UUID, *partitiontest.Count]) ([]byte, error) {
					n, _ := collected.LoadOrStore(e.Position, new(atomic.Int32))
					n.(*atomic.Int32).Add(1)
					return []byte("x"), nil
				},
				Settled: func(e projections.Event) (string, bool) {
					f, ok := e.Data.(cluster.FitFailed)
					return cluster.NoteName(f.TriggerPosition), ok
				},
			},
		}
		m := s.manager(s.store)
		m.Views = []projections.Projection{view, projections.NewKeys()}
		defer s.manage(m)()
		s.caughtUp(m)
		got := map[uint64]int32{}
		collected.Range(func(at, n any) bool { got[at.(uint64)] = n.(*atomic.Int32).Load(); return true })
		if diff := cmp.Diff(map[uint64]int32{open: lanes}, got); diff != "" {
			t.Error(diff)
		}
	})
}
