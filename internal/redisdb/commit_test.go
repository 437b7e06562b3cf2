package redisdb

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/internal/storetest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/redis/go-redis/v9"
)

// line is a connection to Redis that can lose the next answer.
type line struct {
	net.Conn
	lose *atomic.Bool
}

func (l line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.lose.CompareAndSwap(true, false) {
		l.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// After a lost answer the outcome is unknown to the writer: it gets an error, the
// commit was made once, and the same commit is fenced.
func TestLostReply(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nodes := redistest.StartCluster(t)
	for _, kind := range []string{"server", "cluster"} {
		t.Run(kind, func(t *testing.T) {
			var lose atomic.Bool
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				return line{c, &lose}, err
			}
			var c redis.UniversalClient
			if kind == "server" {
				o := *server
				o.Dialer = dial
				c = redis.NewClient(&o)
			} else {
				c = redis.NewClusterClient(&redis.ClusterOptions{Addrs: nodes, Protocol: 2, DisableIdentity: true, Dialer: dial})
			}
			defer c.Close()
			s := store(t, c)
			change := func(from, to uint64) []projections.Change {
				return []projections.Change{{
					Generation: spend, From: at(from), To: at(to), Metrics: map[string]int64{"n": int64(to)},
					Documents: map[uuid.UUID][]byte{storetest.Customer(1): []byte("d")},
				}}
			}
			if err := s.Commit(t.Context(), 0, change(0, 1)); err != nil {
				t.Fatal(err)
			}
			lose.Store(true)
			err := s.Commit(t.Context(), 0, change(1, 2))
			if err == nil || errors.Is(err, projections.ErrFenced) || !strings.Contains(err.Error(), "outcome unknown") {
				t.Fatalf("Commit with its answer lost: %v", err)
			}
			if got := checkpointOf(t, s); got != at(2) {
				t.Fatalf("after that: %v", got)
			}
			if err := s.Commit(t.Context(), 0, change(1, 2)); !errors.Is(err, projections.ErrFenced) {
				t.Fatalf("the same again: %v", err)
			}
			if err := s.Commit(t.Context(), 0, change(2, 3)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A Redis that forgot the scripts is told them again.
func TestScriptsForgotten(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := open(t, k.name)
			for i := range uint64(3) {
				err := s.masters(t.Context(), func(ctx context.Context, c *redis.Client) error { return c.ScriptFlush(ctx).Err() })
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for p := range 32 {
					wg.Go(func() {
						if err := s.Commit(t.Context(), p, []projections.Change{{Generation: spend, From: at(i), To: at(i + 1)}}); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			if _, low, err := s.Metrics(t.Context(), spend, 32); low != 3 || err != nil {
				t.Errorf("Metrics: at %d, %v", low, err)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	s := open(t, "mini")
	big := make([]byte, 1<<20)
	ch := projections.Change{Generation: spend, To: at(1), Documents: map[uuid.UUID][]byte{}}
	for i := range MaxCommitBytes>>20 + 1 {
		ch.Documents[storetest.Customer(i)] = big
	}
	if err := s.Commit(t.Context(), 0, []projections.Change{ch}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many bytes: %v", err)
	}
	many := projections.Change{Generation: spend, To: at(1), Remove: make([]projections.Entry, MaxCommitValues+1)}
	if err := s.Commit(t.Context(), 0, []projections.Change{many}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many values: %v", err)
	}
	if got := checkpointOf(t, s); got != at(0) {
		t.Errorf("something was written: %v", got)
	}
}

// The largest commit that is allowed goes through.
func TestLargest(t *testing.T) {
	t.Parallel()
	s := open(t, "server")
	const n = 150_000
	ch := projections.Change{Generation: spend, To: at(1), Documents: make(map[uuid.UUID][]byte, n)}
	doc := make([]byte, MaxCommitBytes/n-60)
	for i := range n {
		ch.Documents[storetest.Customer(i)] = doc
	}
	if err := s.Commit(t.Context(), 0, []projections.Change{ch}); err != nil {
		t.Fatal(err)
	}
	ids, err := s.Customers(t.Context(), 0, spend)
	if err != nil || len(ids) != n {
		t.Errorf("%d customers, %v", len(ids), err)
	}
}

// A full Redis refuses a commit whole.
func TestFull(t *testing.T) {
	o := redistest.Start(t, "--maxmemory", "20mb", "--maxmemory-policy", "noeviction")
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	s := store(t, c)
	doc := make([]byte, 1<<20)
	var last uint64
	for {
		ch := projections.Change{
			Generation: spend, From: at(last), To: at(last + 1), Metrics: map[string]int64{"n": int64(last + 1)},
			Documents: map[uuid.UUID][]byte{storetest.Customer(int(last)): doc},
		}
		err := s.Commit(t.Context(), 0, []projections.Change{ch})
		if err == nil {
			last++
			continue
		}
		if !strings.Contains(err.Error(), "OOM") {
			t.Fatal(err)
		}
		break
	}
	got, err := s.Open(t.Context(), 0, []projections.Generation{spend})
	if err != nil || got[0].Checkpoint != at(last) || got[0].Metrics["n"] != int64(last) {
		t.Errorf("after %d commits: %+v, %v", last, got, err)
	}
}

// Who gives up before its commit is sent has not committed.
func TestGiveUp(t *testing.T) {
	var s Store // without senders
	s.queue.init()
	ctx, cancel := context.WithCancel(t.Context())
	p := commitProgram(0, []projections.Change{{Generation: spend, To: at(1)}})
	r := newRequest(0, &p)
	if err := s.queue.put(ctx, r); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := r.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("wait: %v", err)
	}
	other := newRequest(1, &p)
	if err := s.queue.put(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got := s.queue.take(); len(got) != 1 || got[0] != other {
		t.Fatalf("a sender took %d requests", len(got))
	}
	s.queue.close()
	if got := s.queue.take(); got != nil {
		t.Errorf("a closed queue gave %d requests", len(got))
	}
	if err := s.Commit(t.Context(), 0, []projections.Change{{Generation: spend, To: at(1)}}); !errors.Is(err, errClosed) {
		t.Errorf("Commit after Close: %v", err)
	}
}

// Writers on two stores of one Redis, as in two processes, get in nobody's way
// but each other's, one at a time.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			c := k.start(t)
			t.Cleanup(func() { c.Close() })
			const partitions, steps = 16, 20
			var wins atomic.Int64
			var wg sync.WaitGroup
			for range 2 {
				s := store(t, c)
				for p := range partitions {
					wg.Go(func() {
						var last projections.Checkpoint
						for last.Position < steps {
							err := s.Commit(t.Context(), p, []projections.Change{{Generation: spend, From: last, To: at(last.Position + 1)}})
							switch {
							case err == nil:
								wins.Add(1)
								last = at(last.Position + 1)
								continue
							case !errors.Is(err, projections.ErrFenced):
								t.Error(err)
								return
							}
							got, err := s.Open(t.Context(), p, []projections.Generation{spend})
							if err != nil {
								t.Error(err)
								return
							}
							last = got[0].Checkpoint
						}
					})
				}
			}
			wg.Wait()
			if n := wins.Load(); n != partitions*steps {
				t.Errorf("%d commits were made, want %d", n, partitions*steps)
			}
		})
	}
}
