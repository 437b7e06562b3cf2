//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/internal/storetest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
	"github.com/redis/go-redis/v9"
)

// small is what a lone event changes: a document, its place in an index, a total.
func small(customer uuid.UUID, from, to uint64) projections.Change {
	doc := fmt.Appendf(nil, `{"cents":%d,"rest":"%0280d"}`, to, to)
	return projections.Change{
		Generation: spend, From: at(from), To: at(to),
		Documents: map[uuid.UUID][]byte{customer: doc},
		Remove:    []projections.Entry{{Index: "cents", Member: storetest.Member(fmt.Sprintf("%012d", from), customer)}},
		Add:       []projections.Entry{{Index: "cents", Member: storetest.Member(fmt.Sprintf("%012d", to), customer)}},
		Metrics:   map[string]int64{"cents": int64(to)},
	}
}

// cpu returns the seconds of processor time that this process and Redis have
// used: unlike the time on the clock it does not depend on what else runs.
func cpu(b *testing.B, c redis.UniversalClient) float64 {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	seconds := float64(own.Utime.Nano()+own.Stime.Nano()) / 1e9
	add := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "cpu").Result()
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
			n, _ := strconv.ParseFloat(infoField(info, name), 64)
			seconds += n
		}
		return err
	}
	_ = (&Store{read: c}).masters(b.Context(), add) // miniredis does not tell: it is this process
	return seconds
}

// lanes runs b.N commits on 64 partitions at once.
func lanes(b *testing.B, c redis.UniversalClient, commit func(ctx context.Context, partition int, ch projections.Change) error) {
	const partitions = 64
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	before := cpu(b, c)
	b.ResetTimer()
	for p := range partitions {
		wg.Go(func() {
			for i := uint64(0); left.Add(-1) >= 0; i++ {
				if err := commit(b.Context(), p, small(storetest.Customer(p), i, i+1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric((cpu(b, c)-before)*1e6/float64(b.N), "cpu-µs/commit")
}

func BenchmarkCommit(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := open(b, k.name)
			lanes(b, s.write, func(ctx context.Context, p int, ch projections.Change) error {
				return s.Commit(ctx, p, []projections.Change{ch})
			})
		})
	}
	// What it is compared with: a script call of its own per commit, and WATCH/MULTI.
	b.Run("server, alone", func(b *testing.B) {
		c := benchClient(b)
		lanes(b, c, func(ctx context.Context, p int, ch projections.Change) error {
			prog := commitProgram(p, []projections.Change{ch})
			calls := []call{prog.call(commitScript)}
			run(ctx, c, calls)
			return calls[0].Err()
		})
	})
	b.Run("server, WATCH", func(b *testing.B) {
		c := benchClient(b)
		lanes(b, c, func(ctx context.Context, p int, ch projections.Change) error { return watched(ctx, c, p, ch) })
	})
}

func benchClient(b *testing.B) *redis.Client {
	o := redistest.Start(b)
	o.PoolSize = 80
	c := redis.NewClient(o)
	b.Cleanup(func() { c.Close() })
	return c
}

// watched is a commit of one small change by WATCH, MULTI and EXEC.
func watched(ctx context.Context, c *redis.Client, partition int, ch projections.Change) error {
	state := key(partition, ch.Generation, partState)
	err := c.Watch(ctx, func(tx *redis.Tx) error {
		v, err := tx.HMGet(ctx, state, "position", "cursor").Result()
		if err != nil {
			return err
		}
		if now, err := checkpoint(v[0], v[1]); err != nil || now != ch.From {
			return errors.Join(err, projections.ErrFenced)
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, state, "position", position(ch.To.Position), "cursor", ch.To.Cursor)
			for id, doc := range ch.Documents {
				p.HSet(ctx, key(partition, ch.Generation, partDocuments), id.String(), doc)
			}
			p.ZRem(ctx, key(partition, ch.Generation, partIndex+"cents"), ch.Remove[0].Member)
			p.ZAdd(ctx, key(partition, ch.Generation, partIndex+"cents"), redis.Z{Member: ch.Add[0].Member})
			p.SAdd(ctx, key(partition, ch.Generation, partNames), "cents")
			p.HSet(ctx, key(partition, ch.Generation, partMetrics), "cents", ch.Metrics["cents"])
			return nil
		})
		return err
	}, state)
	return err
}

func BenchmarkAdvance(b *testing.B) {
	const partitions = 64
	s := open(b, "server")
	for b.Loop() {
		moves := make(map[int][2]projections.Checkpoint, partitions)
		now, err := s.Checkpoints(b.Context(), spend, partitions)
		if err != nil {
			b.Fatal(err)
		}
		for p := range partitions {
			moves[p] = [2]projections.Checkpoint{now[p], at(now[p].Position + 1)}
		}
		if fenced, err := s.Advance(b.Context(), []projections.Generation{spend}, moves); err != nil || len(fenced) > 0 {
			b.Fatal(fenced, err)
		}
	}
	b.ReportMetric(float64(b.N*partitions)/b.Elapsed().Seconds(), "checkpoints/s")
}

// BenchmarkLargeCommit is a rebuild: documents of 500 bytes, three entries each,
// from two partitions at once.
func BenchmarkLargeCommit(b *testing.B) {
	const docs, writers = 5_000, 2
	for _, kind := range []string{"server", "cluster", "mini"} {
		b.Run(kind, func(b *testing.B) {
			s := open(b, kind)
			var wg sync.WaitGroup
			changes := make([]projections.Change, writers)
			for w := range writers {
				ch := projections.Change{Generation: spend, Documents: map[uuid.UUID][]byte{}}
				for i := range docs {
					id := storetest.Customer(i)
					ch.Documents[id] = fmt.Appendf(nil, "%0500d", i)
					for _, index := range []string{"a", "b", "c"} {
						ch.Add = append(ch.Add, projections.Entry{Index: index, Member: storetest.Member(fmt.Sprintf("%08d", i*7919%docs), id)})
					}
				}
				changes[w] = ch
			}
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						// A partition of its own each time: new entries are what costs.
						ch := changes[w]
						ch.To = at(1)
						if err := s.Commit(b.Context(), i, []projections.Change{ch}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N*docs)/b.Elapsed().Seconds(), "documents/s")
		})
	}
}

// BenchmarkRead reads an index of 100,000 members in 64 partitions.
func BenchmarkRead(b *testing.B) {
	const customers, partitions = 100_000, 64
	for _, kind := range []string{"server", "cluster", "mini"} {
		s := open(b, kind)
		changes := make([]projections.Change, partitions)
		for i := range customers {
			id := storetest.Customer(i)
			ch := &changes[projections.PartitionOf(id, partitions)]
			if ch.Documents == nil {
				*ch = projections.Change{Generation: spend, To: at(1), World: make([]byte, 2000), Documents: map[uuid.UUID][]byte{}, Metrics: map[string]int64{"a": 1, "b": 2, "c": 3}}
			}
			ch.Documents[id] = fmt.Appendf(nil, "%0500d", i)
			ch.Add = append(ch.Add, projections.Entry{Index: "x", Member: storetest.Member(fmt.Sprintf("%08d", i*7919%customers), id)})
		}
		for p, ch := range changes {
			if err := s.Commit(b.Context(), p, []projections.Change{ch}); err != nil {
				b.Fatal(err)
			}
		}
		for _, limit := range []int{50, 1000} {
			b.Run(fmt.Sprintf("%s/range %d", kind, limit), func(b *testing.B) {
				for b.Loop() {
					members, _, err := s.Range(b.Context(), spend, partitions, readapi.RangeQuery{Index: "x", Limit: limit, After: "00050000"})
					if err != nil || len(members) != limit {
						b.Fatal(len(members), err)
					}
				}
			})
		}
		b.Run(kind+"/document", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				id := storetest.Customer(i % customers)
				doc, _, _, err := s.Document(b.Context(), spend, projections.PartitionOf(id, partitions), id)
				if err != nil || doc == nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind+"/document, 32 readers", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					id := storetest.Customer(i % customers)
					if _, _, _, err := s.Document(b.Context(), spend, projections.PartitionOf(id, partitions), id); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
		b.Run(kind+"/50 documents", func(b *testing.B) {
			ids := make([]uuid.UUID, 50)
			for i := 0; b.Loop(); i++ {
				for j := range ids {
					ids[j] = storetest.Customer((i*50 + j) % customers)
				}
				if _, err := s.Documents(b.Context(), spend, partitions, ids); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind+"/metrics", func(b *testing.B) {
			for b.Loop() {
				if _, _, err := s.Metrics(b.Context(), spend, partitions); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
