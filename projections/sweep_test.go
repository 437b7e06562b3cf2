package projections_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
)

// crowd is how many customers a sweep has to go through, in one lane.
const crowd = 200

// swept is a store that tells of every slice of a sweep of lane 1, before it is
// written, and of all else that is written while one is on its way.
type swept struct {
	projections.Store
	mu     sync.Mutex
	slices int
	onEach func(slice int) error // may refuse it
	during []uint64              // positions that were reached while the sweep went on
}

func (s *swept) Commit(ctx context.Context, n int, changes []projections.Change) error {
	for _, c := range changes {
		if n != 1 || !strings.HasPrefix(c.To.Cursor, "~") {
			continue
		}
		if c.To.Position > c.From.Position {
			s.mu.Lock()
			s.during = append(s.during, c.To.Position)
			s.mu.Unlock()
			continue
		}
		s.mu.Lock()
		s.slices++
		slice, onEach := s.slices, s.onEach
		s.mu.Unlock()
		for range 500 {
			runtime.Gosched() // others have work to do as well
		}
		if onEach != nil {
			if err := onEach(slice); err != nil {
				return err
			}
		}
	}
	return s.Store.Commit(ctx, n, changes)
}

// inLane1 returns the n-th customer of lane 1.
func inLane1(n int) uuid.UUID {
	for i := 0; ; i++ {
		if id := partitiontest.CustomerID(i); projections.PartitionOf(id, lanes) == 1 {
			if n--; n < 0 {
				return id
			}
		}
	}
}

// gather fills lane 1 with customers who have points.
func (s *shop) gather() (position uint64) {
	s.rules.Sweep = 1
	for n := range crowd {
		id := inLane1(n)
		s.append(s.write.Register(id, fmt.Sprint("Customer ", n))...)
		position = s.append(s.write.Order(id, fmt.Sprint("o", n), int64(n), today))
	}
	return position
}

// divide appends what sweeps through the view of points.
func (s *shop) divide(version int) (position uint64) {
	return s.append(s.write.Publish(policy.KindCare, version, today))
}

func (s *shop) points(store projections.Store) *projections.Group {
	return s.group(store, projections.Filling{View: partitiontest.NewPoints(), Number: 1}, projections.Filling{View: projections.NewKeys(), Number: 1})
}

// differs says how the points in the store differ from the fold of the log.
func (s *shop) differs() string {
	v := partitiontest.NewPoints()
	want := partitiontest.Expect(s.t, v, lanes, s.write.Opened(s.raws))
	return cmp.Diff(want, partitiontest.Read(s.t.Context(), s.t, s.store, projections.Generation{View: v.Name, Number: 1}, lanes, nil))
}

func (s *shop) same() {
	s.t.Helper()
	if diff := s.differs(); diff != "" {
		s.t.Errorf("the store is not the fold of the log (-want +got):\n%s", diff)
	}
}

// An event that comes while a sweep goes on is applied between two slices of it.
func TestEventsDuringASweep(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.gather()
		var lone uint64
		var turn sync.Mutex // of who appends
		store := &swept{Store: s.store}
		store.onEach = func(slice int) error {
			if slice == 3 { // of somebody whom the sweep reaches at the end
				turn.Lock()
				defer turn.Unlock()
				lone = s.append(s.write.Order(inLane1(crowd-1), "lone", 8, today))
			}
			return nil
		}
		g := s.points(store)
		defer s.start(g)()
		s.wait(g, p)
		turn.Lock()
		s.divide(1)
		turn.Unlock()
		elapse(time.Minute)
		turn.Lock()
		defer turn.Unlock()
		store.mu.Lock()
		defer store.mu.Unlock()
		if store.slices < crowd-1 {
			t.Errorf("%d slices for %d customers", store.slices, crowd)
		}
		found := false
		for _, at := range store.during {
			found = found || at >= lone
		}
		if !found || lone == 0 {
			t.Errorf("the event at %d waited for the end of the sweep: %v came between", lone, store.during)
		}
		s.same()
	})
}

// A sweep goes on in the next process, though nothing happens any more.
func TestASweepGoesOnAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.gather()
		store := &swept{Store: s.store}
		stopped := make(chan struct{})
		store.onEach = func(slice int) error {
			if slice == 5 {
				close(stopped)
			}
			if slice >= 5 {
				return errors.New("gone")
			}
			return nil
		}
		g := s.points(store)
		stop := s.start(g)
		s.wait(g, p)
		s.divide(1)
		<-stopped
		stop()
		if s.differs() == "" {
			t.Fatal("the sweep was done already")
		}
		defer s.start(s.points(s.store))()
		elapse(time.Minute)
		s.same()
	})
}

// A sweep that the store breaks off is tried again, though nothing happens.
func TestASweepOutlivesTheStore(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		p := s.gather()
		store := &swept{Store: s.store}
		var broken atomic.Bool
		broken.Store(true)
		store.onEach = func(slice int) error {
			if slice > 5 && broken.Load() {
				return errors.New("out of order")
			}
			return nil
		}
		g := s.points(store)
		defer s.start(g)()
		s.wait(g, p)
		s.divide(1)
		elapse(time.Minute)
		if s.differs() == "" {
			t.Fatal("the sweep was done already")
		}
		broken.Store(false)
		elapse(time.Minute)
		s.same()
	})
}

// Two processes may be at the same sweep: one of them does a slice.
func TestTwoAtOneSweep(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.gather()
		a, b := s.points(s.store), s.points(s.store)
		stopA, stopB := s.start(a), s.start(b)
		defer stopB()
		s.wait(b, s.divide(1))
		s.append(s.write.Order(inLane1(7), "meanwhile", 5, today))
		elapse(time.Minute)
		s.same()
		stopA()
		s.divide(2)
		s.wait(b, s.append(s.write.Order(inLane1(8), "afterwards", 6, today)))
		elapse(time.Minute)
		s.same()
	})
}

// A verification that meets a sweep says that it could not compare, or is right.
func TestVerifyDuringASweep(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.gather()
		s.rules.Sweep = 5
		store := &busy{Store: s.store}
		m := s.manager(store)
		m.Views = append(m.Views, partitiontest.NewPoints())
		stop := s.manage(m)
		s.caughtUp(m)
		stop()
		s.divide(1)
		fillings := []projections.Filling{{View: partitiontest.NewPoints(), Number: 1}}
		p := projections.NewPartition(1, s.store, s.rules, fillings...)
		if err := p.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(t.Context(), projections.Batch{After: p.Position(), Events: s.raws[len(s.raws)-1:], End: s.log.Head(), Live: true}); err != nil {
			t.Fatal(err)
		}
		outcomes := map[string]int{}
		look := func() {
			t.Helper()
			reports, err := m.Verify(t.Context(), "points")
			if err != nil {
				t.Fatal(err)
			}
			switch r := reports[0]; {
			case len(r.Differences) > 0:
				t.Fatalf("the sweep is taken for a fault: %+v", r.Differences[0])
			case r.OK():
				outcomes["right"]++
			case fmt.Sprint(r.Unsettled) == "[1]":
				outcomes["unsettled"]++
			default:
				t.Fatalf("%+v", r)
			}
		}
		look()
		slices := 0
		store.onLoad = func() {
			if _, err := p.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			slices++
		}
		for p.Sweeping() {
			look()
		}
		store.onLoad = nil
		if look(); outcomes["unsettled"] == 0 || outcomes["right"] == 0 || slices < crowd/s.rules.Sweep {
			t.Errorf("%v, %d slices", outcomes, slices)
		}
	})
}
