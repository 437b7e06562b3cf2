package eventlog_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// The power fails at thousands of random moments while many write, delete and
// compact. At each, with any part of what was not synced surviving, the log
// opens again and keeps its promises.

// written is an append as its writer knows it.
type written struct {
	stream   string
	ids      []uuid.UUID
	revision int64  // of the last event, once acknowledged
	position uint64 // likewise
}

// history is what the writers of a run know.
type history struct {
	mu           sync.Mutex
	submitted    map[uuid.UUID]*written // by any of its ids
	acknowledged []*written
	tombstoned   map[string]bool // acknowledged
	doomed       map[string]bool // asked for
}

// snapshot is what must be true of every crash after it.
type snapshot struct {
	acknowledged []*written
	tombstoned   map[string]bool
}

func (h *history) snapshot() snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := snapshot{acknowledged: h.acknowledged[:len(h.acknowledged):len(h.acknowledged)], tombstoned: map[string]bool{}}
	for k := range h.tombstoned {
		s.tombstoned[k] = true
	}
	return s
}

func TestPowerLoss(t *testing.T) {
	limit := 15 * time.Second
	target := 2500
	if v, err := strconv.Atoi(os.Getenv("RAPPORT_TEST_CRASHES")); err == nil {
		limit, target = time.Hour, v
	}
	deadline := time.Now().Add(limit)
	crashes := 0
	var seed uint64
	for seed = 1; crashes < target && time.Now().Before(deadline); seed++ {
		crashes += crashRun(t, seed, deadline)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d crashes in %d runs", crashes, seed-1)
	if crashes < 50 {
		t.Errorf("only %d crashes were tried", crashes)
	}
}

// crashRun writes for a while and crashes often; it returns how often.
func crashRun(t *testing.T, seed uint64, deadline time.Time) (crashes int) {
	random := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	options := eventlog.Options{Dir: "data", CompactAfter: -1, MemTableSize: 64 << 10, CacheSize: 1 << 20, FS: fs}
	l, err := eventlog.Open(options)
	if err != nil {
		t.Error(err)
		return 0
	}
	h := &history{submitted: map[uuid.UUID]*written{}, tombstoned: map[string]bool{}, doomed: map[string]bool{}}
	// The writers take a few steps from crash to crash, and are in the middle of
	// them when it comes.
	steps := make(chan struct{}, 16)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w+1)))
			for range steps {
				h.step(t, l, random)
			}
		})
	}
	for range 60 {
		if t.Failed() || time.Now().After(deadline) {
			break
		}
		for range 1 + random.IntN(12) {
			steps <- struct{}{}
		}
		for range random.IntN(200) {
			runtime.Gosched()
		}
		before := h.snapshot()
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 90, 100}[random.IntN(5)], RNG: random})
		after := options
		after.FS = clone
		h.check(t, before, after)
		crashes++
	}
	close(steps)
	writers.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	return crashes
}

// step does one thing to the log, and records what it was told.
func (h *history) step(t *testing.T, l *eventlog.Log, random *rand.Rand) {
	stream := fmt.Sprint("s", random.IntN(12))
	switch n := random.IntN(200); {
	case n == 0:
		stream = fmt.Sprint("doomed", random.IntN(40))
		h.mu.Lock()
		h.doomed[stream] = true
		h.mu.Unlock()
		if _, err := l.Tombstone(context.Background(), stream, eventlog.Any); err == nil {
			h.mu.Lock()
			h.tombstoned[stream] = true
			h.mu.Unlock()
		}
		return
	case n == 1:
		if err := l.Compact(context.Background()); err != nil {
			t.Error(err)
		}
		return
	case n < 6:
		_, _ = l.Delete(context.Background(), stream, eventlog.Any)
		return
	case n < 30:
		stream = fmt.Sprint("doomed", random.IntN(40))
	}
	w := &written{stream: stream}
	events := make([]eventlog.Proposed, 1+random.IntN(4))
	for i := range events {
		id := uuid.New()
		events[i] = eventlog.Proposed{ID: id, Type: "t", Data: make([]byte, random.IntN(600)), Metadata: []byte(stream)}
		w.ids = append(w.ids, id)
	}
	h.mu.Lock()
	for _, id := range w.ids {
		h.submitted[id] = w
	}
	h.mu.Unlock()
	r, err := l.Append(context.Background(), stream, eventlog.Any, events)
	if err != nil {
		return // deleted
	}
	h.mu.Lock()
	w.revision, w.position = r.Revision, r.Position
	h.acknowledged = append(h.acknowledged, w)
	h.mu.Unlock()
}

// check opens the log as the crash has left it.
func (h *history) check(t *testing.T, before snapshot, o eventlog.Options) {
	l, err := eventlog.Open(o)
	if err != nil {
		t.Errorf("open after a crash: %v", err)
		return
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	type place struct {
		stream   string
		revision int64
		position uint64
	}
	all := map[uuid.UUID]place{}
	streams := map[string][]place{}
	last := uint64(0)
	_, err = l.ScanAll(1, func(r *eventlog.Record) bool {
		if r.Position <= last {
			t.Errorf("position %d after %d", r.Position, last)
		}
		last = r.Position
		p := place{string(r.Stream), r.Revision, r.Position}
		all[r.ID] = p
		streams[p.stream] = append(streams[p.stream], p)
		return true
	})
	if err != nil {
		t.Error(err)
		return
	}
	if l.Durable() < last {
		t.Errorf("the end is %d, an event is at %d", l.Durable(), last)
	}
	// Every acknowledged append is there, where it was said to be.
	for _, w := range before.acknowledged {
		for i, id := range w.ids {
			got, ok := all[id]
			want := place{w.stream, w.revision - int64(len(w.ids)-1-i), w.position - uint64(len(w.ids)-1-i)}
			h.mu.Lock()
			doomed := h.doomed[w.stream]
			h.mu.Unlock()
			if !ok && doomed {
				continue // removed with its stream
			}
			if got != want {
				t.Errorf("acknowledged event: got %+v (%v), want %+v", got, ok, want)
				return
			}
		}
	}
	for stream := range before.tombstoned {
		if s, err := l.Stream(stream); err != nil || !s.Tombstoned {
			t.Errorf("%s is not tombstoned any more: %+v, %v", stream, s, err)
		}
	}
	for stream, places := range streams {
		s, err := l.Stream(stream)
		if err != nil {
			t.Error(err)
			return
		}
		// Revisions are dense, and the stream's index agrees with $all.
		if !s.Tombstoned {
			for i, p := range places {
				if p.revision != int64(i) {
					t.Errorf("%s: revision %d at place %d", stream, p.revision, i)
					return
				}
			}
		}
		s.Metadata = eventlog.StreamMetadata{} // show all
		i := 0
		err = l.ScanStream(s, 0, eventlog.TombstoneRevision, func(r *eventlog.Record) bool {
			if i >= len(places) || places[i] != (place{stream, r.Revision, r.Position}) {
				t.Errorf("%s: the index has %d at %d, which is not in $all", stream, r.Revision, r.Position)
				return false
			}
			i++
			return true
		})
		if err != nil || i != len(places) {
			t.Errorf("%s: %d of %d events through the index, %v", stream, i, len(places), err)
		}
	}
	// No append is there by half.
	for id, p := range all {
		h.mu.Lock()
		w := h.submitted[id]
		doomed := h.doomed[p.stream]
		h.mu.Unlock()
		if w == nil {
			continue // metadata or a tombstone
		}
		for _, other := range w.ids {
			if _, ok := all[other]; !ok && !doomed {
				t.Errorf("an append to %s is there by half", w.stream)
				return
			}
		}
	}
	// And it goes on.
	if r, err := l.Append(context.Background(), "next", eventlog.Any, []eventlog.Proposed{{ID: uuid.New(), Type: "t"}}); err != nil || r.Position <= last {
		t.Errorf("append after a crash: %+v, %v", r, err)
	}
}
