package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
	"github.com/rapport-crm/rapport/internal/logtest"
)

// The Store keeps the promises of commands.Log on the embedded node, and on a
// real server when RAPPORT_TEST_EVENTSTORE is its connection string.
func TestConformance(t *testing.T) {
	suite := func(t *testing.T, c esdb.Config) {
		store := open(t, c)
		logtest.Run(t, func(*testing.T) logtest.Subject { return logtest.Subject{Log: store, Destroy: store.Destroy} })
	}
	t.Run("embedded node", func(t *testing.T) {
		address, _ := esnodetest.Start(t)
		suite(t, esdb.Config{Address: address})
	})
	t.Run("one connection", func(t *testing.T) {
		address, _ := esnodetest.Start(t)
		suite(t, esdb.Config{Address: address, Connections: 1})
	})
	t.Run("server", func(t *testing.T) {
		url := os.Getenv("RAPPORT_TEST_EVENTSTORE")
		if url == "" {
			t.Skip("RAPPORT_TEST_EVENTSTORE is not set")
		}
		suite(t, esdb.Config{URL: url})
	})
}

// Head is where the last append ended, 0 before the first; a stream can be
// destroyed twice.
func TestHeadAndDestroy(t *testing.T) {
	address, _ := esnodetest.Start(t)
	store := open(t, esdb.Config{Address: address})
	if head, err := store.Head(t.Context()); head != 0 || err != nil {
		t.Errorf("an empty log: %d, %v", head, err)
	}
	position, err := store.Append(t.Context(), "s", commands.NewStream, []eventschema.Raw{event(1), event(2)})
	if err != nil {
		t.Fatal(err)
	}
	if head, err := store.Head(t.Context()); head != position || err != nil {
		t.Errorf("%d, %v, want %d", head, err, position)
	}
	for range 2 {
		if err := store.Destroy(t.Context(), "s"); err != nil {
			t.Error(err)
		}
	}
	if _, err := collect(t.Context(), store, "s"); !errors.Is(err, commands.ErrDestroyed) {
		t.Errorf("%v", err)
	}
	if _, err := store.Append(t.Context(), "s", 1, []eventschema.Raw{event(3)}); !errors.Is(err, commands.ErrDestroyed) {
		t.Errorf("%v", err)
	}
	if head, err := store.Head(t.Context()); head <= position || err != nil {
		t.Errorf("%d, %v, want more than %d", head, err, position)
	}
}

// A follower with prefixes is told how far the log was considered, up to the head.
func TestFollowConsidersWhatItDoesNotWant(t *testing.T) {
	address, _ := esnodetest.Start(t)
	store := open(t, esdb.Config{Address: address})
	var head uint64
	for i := range 200 {
		var err error
		if head, err = store.Append(t.Context(), "s", 5*int64(i)-1, []eventschema.Raw{event(5 * i), event(5*i + 1), event(5*i + 2), event(5*i + 3), event(5*i + 4)}); err != nil {
			t.Fatal(err)
		}
	}
	pages := pagesUntil(t, store, 0, []string{"other."}, func(p eventschema.Page) bool { return p.End >= head })
	if n := len(positions(pages)); n > 0 {
		t.Errorf("%d events of other types", n)
	}
}

// A long stream of large events is read in bounded pages.
func TestReadOfALargeStream(t *testing.T) {
	address, _ := esnodetest.Start(t)
	store := open(t, esdb.Config{Address: address})
	const n = 30
	for i := range n {
		e := event(i)
		e.Data = make([]byte, 500_000)
		if _, err := store.Append(t.Context(), "s", int64(i)-1, []eventschema.Raw{e}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := collect(t.Context(), store, "s")
	if err != nil || len(list) != n {
		t.Fatalf("%d events, %v", len(list), err)
	}
	for i, e := range list {
		if e.Revision != uint64(i) || e.ID != event(i).ID {
			t.Errorf("event %d is at revision %d", i, e.Revision)
		}
	}
}

// restartable is a node that is stopped and started again on the same folder and socket.
type restartable struct {
	t    *testing.T
	dir  string
	path string
	node *esnode.Node
	done chan error
}

func (r *restartable) start() {
	node, err := esnode.Open(esnode.Options{Dir: r.dir, CompactAfter: -1})
	if err != nil {
		r.t.Fatal(err)
	}
	listener, err := net.Listen("unix", r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.node, r.done = node, make(chan error, 1)
	go func() { r.done <- node.Serve(listener) }()
}

func (r *restartable) stop() {
	if err := r.node.Close(); err != nil {
		r.t.Errorf("close the node: %v", err)
	}
	<-r.done
}

// traffic writes to streams of its own, reads them back and follows the log,
// through whatever happens meanwhile, and then checks that each append that was
// acknowledged is there once and in order.
type traffic struct {
	store  *esdb.Store
	acked  atomic.Int64
	unsure atomic.Int64
	last   atomic.Uint64 // the largest position that was acknowledged
}

const writers = 8

func (w *traffic) run(t *testing.T, disturb func()) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	disturbed := make(chan struct{})
	var wg sync.WaitGroup
	streams := make([][]uuid.UUID, writers) // what must be in each, in order
	for i := range writers {
		wg.Go(func() {
			name := fmt.Sprintf("writer-%d", i)
			for n := 0; ; n++ {
				select {
				case <-disturbed:
					return
				default:
				}
				e := eventschema.Raw{ID: uuid.New(), Type: "test.written.v1", Data: fmt.Appendf(nil, `{"n":%d}`, n), Metadata: []byte(`{}`)}
				position, err := w.store.Append(ctx, name, int64(n)-1, []eventschema.Raw{e})
				for errors.Is(err, commands.ErrUnknownOutcome) && ctx.Err() == nil {
					w.unsure.Add(1)
					position, err = w.store.Append(ctx, name, int64(n)-1, []eventschema.Raw{e})
				}
				if err != nil {
					t.Errorf("%s: append %d: %v", name, n, err)
					return
				}
				streams[i] = append(streams[i], e.ID)
				w.acked.Add(1)
				for old := w.last.Load(); position > old && !w.last.CompareAndSwap(old, position); old = w.last.Load() {
				}
			}
		})
	}
	wg.Go(func() { // a reader sees no error and no gap
		for {
			select {
			case <-disturbed:
				return
			default:
			}
			list, err := collect(ctx, w.store, "writer-0")
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			for i, e := range list {
				if e.Revision != uint64(i) {
					t.Errorf("revision %d at %d", e.Revision, i)
				}
			}
		}
	})
	seen := map[string][]uuid.UUID{}
	last := uint64(0)
	following, stopFollowing := context.WithCancel(ctx)
	var follower sync.WaitGroup
	var reached atomic.Uint64
	follower.Go(func() {
		err := w.store.Follow(following, 0, nil, func(p eventschema.Page) error {
			for _, e := range p.Events {
				if e.Position <= last || e.Revision != uint64(len(seen[e.Stream])) {
					t.Errorf("event %d of %s at %d after %d", e.Revision, e.Stream, e.Position, last)
				}
				last = e.Position
				seen[e.Stream] = append(seen[e.Stream], e.ID)
			}
			reached.Store(p.End)
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("follow: %v", err)
		}
	})
	disturb()
	close(disturbed)
	wg.Wait()
	eventually(t, func() error {
		if reached.Load() < w.last.Load() {
			return fmt.Errorf("the follower is at %d of %d", reached.Load(), w.last.Load())
		}
		return nil
	})
	stopFollowing()
	follower.Wait()
	for i, want := range streams {
		got := seen[fmt.Sprintf("writer-%d", i)]
		if len(got) != len(want) {
			t.Errorf("writer %d: %d events were followed, %d acknowledged", i, len(got), len(want))
			continue
		}
		for n := range want {
			if got[n] != want[n] {
				t.Errorf("writer %d: event %d is another one", i, n)
			}
		}
	}
	t.Logf("%d appends, %d asked about again", w.acked.Load(), w.unsure.Load())
}

func (w *traffic) waitFor(t *testing.T, more int64) {
	want := w.acked.Load() + more
	eventually(t, func() error {
		if n := w.acked.Load(); n < want {
			return fmt.Errorf("%d of %d appends", n, want)
		}
		return nil
	})
}

// The node is stopped and started again while everything goes on: no
// acknowledged append is lost, and a follower gets each event once, in order.
func TestTrapNodeRestartsUnderTraffic(t *testing.T) {
	r := &restartable{t: t, dir: t.TempDir(), path: socket(t)}
	r.start()
	store := open(t, esdb.Config{Address: "unix://" + r.path, Patience: 20 * time.Second})
	w := &traffic{store: store}
	w.run(t, func() {
		for range 4 {
			w.waitFor(t, 100)
			r.stop()
			r.start()
		}
		w.waitFor(t, 100)
	})
	_ = store.Close()
	r.stop()
}

// Connections are cut at any moment, in the middle of a message too, so that
// answers to appends that were stored are lost.
func TestTrapConnectionsBreakUnderTraffic(t *testing.T) {
	address, _ := esnodetest.Start(t)
	p := newProxy(t, address[len("unix://"):])
	store := open(t, esdb.Config{Address: "unix://" + p.path, Patience: 20 * time.Second})
	w := &traffic{store: store}
	w.run(t, func() {
		for range 12 {
			w.waitFor(t, 20)
			p.cut()
		}
		w.waitFor(t, 20)
	})
}

// proxy stands between a Store and a node, and cuts.
type proxy struct {
	path  string
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, target string) *proxy {
	p := &proxy{path: socket(t), conns: map[net.Conn]bool{}}
	listener, err := net.Listen("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		wg.Wait()
	})
	pipe := func(to, from net.Conn) {
		wg.Go(func() {
			_, _ = io.Copy(to, from)
			_, _ = to.Close(), from.Close()
		})
	}
	wg.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns[in], p.conns[out] = true, true
			p.mu.Unlock()
			pipe(in, out)
			pipe(out, in)
		}
	})
	return p
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}
