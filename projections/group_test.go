package projections_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

const lanes = 4

// shop is a log and a store, both in memory, and who writes to them.
type shop struct {
	t     *testing.T
	log   *memlog.Log
	store *memstore.Store
	write *partitiontest.Writer
	raws  []eventschema.Raw
	rules projections.Rules
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, log: new(memlog.Log), store: memstore.New(), write: partitiontest.NewWriter(t)}
	s.rules = projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: s.write}
	return s
}

// source makes the log's head a question that can fail.
type source struct{ *memlog.Log }

func (s source) Head(context.Context) (uint64, error) { return s.Log.Head(), nil }

// append stores events, one by one, and returns the position of the last one.
func (s *shop) append(raws ...eventschema.Raw) (position uint64) {
	s.t.Helper()
	for _, raw := range raws {
		var err error
		if position, err = s.log.Append(s.t.Context(), raw.Stream, int64(raw.Revision)-1, []eventschema.Raw{raw}); err != nil {
			s.t.Fatal(err)
		}
		raw.Position = position
		s.raws = append(s.raws, raw)
	}
	return position
}

// inLane returns the id of a customer of a lane.
func inLane(n int) uuid.UUID {
	for i := 0; ; i++ {
		if id := partitiontest.CustomerID(i); projections.PartitionOf(id, lanes) == n {
			return id
		}
	}
}

func (s *shop) group(store projections.Store, fillings ...projections.Filling) *projections.Group {
	if len(fillings) == 0 {
		fillings = []projections.Filling{
			{View: partitiontest.NewSpend(), Number: 1},
			{View: partitiontest.NewCount(), Number: 1},
			{View: projections.NewKeys(), Number: 1},
		}
	}
	return &projections.Group{Store: store, Source: source{s.log}, Rules: s.rules, Partitions: lanes, Fillings: fillings}
}

// start runs a group until the returned function is called.
func (s *shop) start(g *projections.Group) (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return sync.OnceFunc(func() {
		s.t.Helper()
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
}

func (s *shop) wait(g *projections.Group, position uint64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := g.WaitCaughtUp(ctx, position); err != nil {
		s.t.Fatalf("waiting for %d: %v; %+v", position, err, g.Status())
	}
}

// check compares the store with the fold of the log.
func (s *shop) check(number int) {
	s.t.Helper()
	check(s, partitiontest.NewSpend(), number)
	check(s, partitiontest.NewCount(), number)
	check(s, projections.NewKeys(), number)
}

func check[D any](s *shop, v *projections.View[D], number int) {
	s.t.Helper()
	want := partitiontest.Expect(s.t, v, lanes, s.write.Opened(s.raws))
	got := partitiontest.Read(s.t.Context(), s.t, s.store, projections.Generation{View: v.Name, Number: number}, lanes, partitiontest.NoteNames(s.raws))
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s@%d is not the fold of the log (-want +got):\n%s", v.Name, number, diff)
	}
}

var today = domain.NewDate(2024, 3, 1)

func (s *shop) registerAll() (position uint64) {
	for n := range lanes {
		position = s.append(s.write.Register(inLane(n), fmt.Sprint("Lane ", n))...)
	}
	return position
}

// bubble runs a test on a clock of its own, in which waiting takes no time.
func bubble(t *testing.T, test func(*testing.T, *shop)) {
	synctest.Test(t, func(t *testing.T) { test(t, newShop(t)) })
}

// elapse lets time go by on the bubble's clock, and what then happens happen.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// What is in the log before and after the start is in the store, and idle
// partitions say so too.
func TestGroupFollows(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		g := s.group(s.store)
		stop := s.start(g)
		for i := range 40 {
			p := s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), int64(i), today))
			if i%7 == 0 {
				s.wait(g, p)
			}
		}
		s.wait(g, s.append(s.write.Close(today)))
		s.check(1)
		stop()
		s.check(1)
		if st := g.Status(); st.LagSeconds != 0 || st.Position != s.log.Head() {
			t.Errorf("status %+v", st)
		}
	})
}

// A lone event is committed without waiting for anything, and idle partitions
// follow within 50 ms without anybody asking.
func TestIdleLanesFollow(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.registerAll()
		g := s.group(s.store)
		defer s.start(g)()
		s.wait(g, p)
		begun := time.Now()
		p = s.append(s.write.Order(inLane(1), "o", 1, today))
		synctest.Wait()
		at, _ := s.store.Checkpoints(t.Context(), projections.Generation{View: "spend", Number: 1}, lanes)
		if at[1].Position != p || time.Since(begun) != 0 {
			t.Errorf("the event's partition is at %d after %v, not at once at %d", at[1].Position, time.Since(begun), p)
		}
		elapse(50 * time.Millisecond)
		if got := g.Status().Position; got != p {
			t.Errorf("idle partitions are at %d, not at %d", got, p)
		}
	})
}

// gate holds or fails the commits of one partition.
type gate struct {
	projections.Store
	lane    int
	blocked chan struct{} // while open, commits of the lane wait
	fail    atomic.Pointer[error]
}

func (g *gate) Commit(ctx context.Context, n int, changes []projections.Change) error {
	if n == g.lane {
		if g.blocked != nil {
			select {
			case <-g.blocked:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := g.fail.Load(); err != nil {
			return *err
		}
	}
	return g.Store.Commit(ctx, n, changes)
}

// A lane that is slow does not hold up the others, and gets what waited in one
// message when it goes on.
func TestSlowLane(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		slow := &gate{Store: s.store, lane: 2, blocked: make(chan struct{})}
		g := s.group(slow)
		defer s.start(g)()
		var last uint64
		for i := range 100 {
			last = s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
		}
		synctest.Wait()
		elapse(time.Second)
		for _, l := range g.Status().Lanes {
			if (l.Position == last) == (l.Partition == 2) {
				t.Errorf("lane %d is at %d of %d", l.Partition, l.Position, last)
			}
		}
		close(slow.blocked)
		s.wait(g, last)
		s.check(1)
	})
}

// A lane whose store fails leaves the others alone, and heals by itself.
func TestFailingLaneHeals(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.registerAll()
		broken := errors.New("out of order")
		failing := &gate{Store: s.store, lane: 1}
		g := s.group(failing)
		defer s.start(g)()
		s.wait(g, p)
		failing.fail.Store(&broken)
		for i := range 50 {
			p = s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
		}
		elapse(time.Minute)
		for _, l := range g.Status().Lanes {
			if l.Partition == 1 {
				if l.State != projections.LaneFailing || l.Attempts < 4 || l.Error == "" {
					t.Errorf("the failing lane says %+v", l)
				}
			} else if l.Position != p || l.State != projections.LaneLive {
				t.Errorf("another lane says %+v", l)
			}
		}
		failing.fail.Store(nil)
		s.wait(g, p)
		s.wait(g, s.append(s.write.Order(inLane(1), "after", 1, today)))
		s.check(1)
		for _, l := range g.Status().Lanes {
			if l.State != projections.LaneLive || l.Error != "" {
				t.Errorf("healed, a lane says %+v", l)
			}
		}
	})
}

// An event that cannot be applied stops its partition and no other, says which
// it is, and is passed over once an operator parks it.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.registerAll()
		var parked sync.Map
		s.rules.Parked = func(id uuid.UUID) bool { _, ok := parked.Load(id); return ok }
		g := s.group(s.store)
		defer s.start(g)()
		s.wait(g, p)

		before := s.append(s.write.Order(inLane(3), "before", 1, today))
		bad := s.write.Order(inLane(3), "bad", 1, today)
		bad.Data = []byte(`{"order_id":`)
		at := s.append(bad)
		good := len(s.raws)
		var last uint64
		for n := range lanes {
			last = s.append(s.write.Order(inLane(n), "after", 1, today))
		}
		elapse(time.Minute)
		for _, l := range g.Status().Lanes {
			if l.Partition != 3 {
				if l.Position != last {
					t.Errorf("another lane says %+v", l)
				}
				continue
			}
			if l.State != projections.LanePoison || l.Poison == nil || l.Poison.EventID != bad.ID || l.Poison.Position != at || l.Position < before || l.Position >= at {
				t.Errorf("the poisoned lane says %+v (%+v)", l, l.Poison)
			}
		}
		parked.Store(bad.ID, true)
		g.Heal()
		s.wait(g, last)
		s.raws = append(s.raws[:good-1], s.raws[good:]...) // as if it had never been
		s.check(1)
	})
}

// A type that a program does not know stops it where the event matters, and is
// nothing to it elsewhere.
func TestUnknownTypes(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		foreign := s.write.Close(today)
		foreign.Type, foreign.Stream, foreign.Revision = "weather.changed.v1", "weather", 0
		p := s.append(foreign)
		g := s.group(s.store)
		defer s.start(g)()
		s.wait(g, p)
		later := s.write.Close(today)
		later.Type, later.Stream, later.Revision = "calendar.week_closed.v1", "calendar-weeks", 0
		s.append(later)
		elapse(time.Second)
		for _, l := range g.Status().Lanes {
			if l.State != projections.LanePoison {
				t.Errorf("lane %d passed an unknown event that holds for all: %+v", l.Partition, l)
			}
		}
	})
}

// Two processes over one store: one of them projects a partition, the other
// stands by and takes over when it has gone. Nothing is applied twice.
func TestStandby(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		a, b := s.group(s.store), s.group(s.store)
		stopA, stopB := s.start(a), s.start(b)
		defer stopB()
		for i := range 200 {
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
			elapse(20 * time.Millisecond)
		}
		s.wait(a, s.log.Head())
		s.wait(b, s.log.Head())
		working := func(g *projections.Group) (n int) {
			for _, l := range g.Status().Lanes {
				if l.State == projections.LaneLive {
					n++
				}
			}
			return n
		}
		if n := working(a) + working(b); n != lanes {
			t.Errorf("%d lanes are projected, in two processes, not %d", n, lanes)
		}
		s.check(1)
		stopA()
		last := s.append(s.write.Close(today))
		s.wait(b, last)
		s.check(1)
		if n := working(b); n != lanes {
			t.Errorf("the one that is left projects %d of %d", n, lanes)
		}
	})
}

// What waits for a slow lane is bounded: the others wait too, and nobody forever.
func TestBudget(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		slow := &gate{Store: s.store, lane: 2, blocked: make(chan struct{})}
		g := s.group(slow)
		g.Settings.FeedBytes = 3000 // some events
		defer s.start(g)()
		var last uint64
		for i := range 100 {
			last = s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
			synctest.Wait()
		}
		elapse(time.Second)
		for _, l := range g.Status().Lanes {
			if l.Position == last {
				t.Errorf("lane %d went on past the budget", l.Partition)
			}
		}
		close(slow.blocked)
		s.wait(g, last)
		s.check(1)
	})
}

// Any number of groups may start and stop, at any time.
func TestStartAndStop(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.registerAll()
		for i := range 60 {
			g := s.group(s.store)
			stop := s.start(g)
			s.append(s.write.Order(inLane(i%lanes), fmt.Sprint("o", i), 1, today))
			if i%3 == 0 {
				synctest.Wait()
			}
			elapse(time.Duration(i) * time.Millisecond)
			stop()
		}
		g := s.group(s.store)
		defer s.start(g)()
		s.wait(g, s.log.Head())
		s.check(1)
	})
}
