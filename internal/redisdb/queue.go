package redisdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/rapport-crm/rapport/projections"
)

// errClosed refuses commits to a store that was closed.
var errClosed = errors.New("redisdb: the store is closed")

// request is a commit on its way to Redis.
type request struct {
	partition int
	call      call
	bytes     int
	taken     atomic.Bool // by a sender, or by a caller who gave up
	done      chan struct{}
	err       error // when done
}

func newRequest(partition int, p *program) *request {
	return &request{partition: partition, call: p.call(commitScript), bytes: p.bytes, done: make(chan struct{})}
}

// wait returns what became of a request. A caller whose ctx ends leaves only
// while the request was not sent: afterwards the sender reads the caller's
// bytes, and soon knows.
func (r *request) wait(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
		}
	}
	if r.taken.CompareAndSwap(false, true) {
		return ctx.Err()
	}
	<-r.done
	return r.err
}

// maxPipeline bounds what travels in one pipeline, so that small commits do not
// wait behind many large ones.
const maxPipeline = 4 << 20

// queue holds the requests that no sender has taken.
type queue struct {
	mu     sync.Mutex
	ready  sync.Cond
	list   []*request
	closed bool
}

func (q *queue) init() { q.ready.L = &q.mu }

// put queues requests for a sender, unless their caller has gone already.
func (q *queue) put(ctx context.Context, rs ...*request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.list = append(q.list, rs...)
	q.ready.Signal()
	return nil
}

// take waits for requests and returns a pipeline full; nil when the queue is
// closed and empty.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for len(q.list) == 0 {
			if q.closed {
				return nil
			}
			q.ready.Wait()
		}
		var batch []*request
		n, bytes := 0, 0
		for ; n < len(q.list) && (bytes == 0 || bytes+q.list[n].bytes <= maxPipeline); n++ {
			if r := q.list[n]; r.taken.CompareAndSwap(false, true) {
				batch = append(batch, r)
				bytes += r.bytes
			}
		}
		if n == len(q.list) {
			q.list = nil
		} else {
			q.list = q.list[n:]
			q.ready.Signal()
		}
		if len(batch) > 0 {
			return batch
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// send is a sender: it sends pipelines until the queue is closed. Time-outs are
// the client's own.
func (s *Store) send() {
	ctx := context.Background()
	for {
		batch := s.queue.take()
		if batch == nil {
			return
		}
		calls := make([]call, len(batch))
		for i, r := range batch {
			calls[i] = r.call
		}
		run(ctx, s.write, calls)
		for i, r := range batch {
			switch done, err := calls[i].Int(); {
			case err != nil:
				r.err = fmt.Errorf("commit of partition %d, outcome unknown: %w", r.partition, err)
			case done == 0:
				r.err = projections.ErrFenced
			}
			r.call = call{}
			close(r.done)
		}
	}
}
