package eventlog

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// watermark is the position up to which everything is durable. Nothing beyond
// it is shown to anybody.
type watermark struct {
	position atomic.Uint64

	mu      sync.Mutex
	changed chan struct{} // closed at the next advance; nil if nobody waits
}

func (w *watermark) advance(position uint64) {
	w.position.Store(position)
	w.mu.Lock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
	w.mu.Unlock()
}

// signal returns a channel that is closed at the next advance. Ask for it
// first, then look at the position, then wait.
func (w *watermark) signal() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// pending is a sequenced write that waits to be durable.
type pending struct {
	stream   string
	also     string        // a second stream the write touched; empty if none
	position uint64        // of the last event written
	done     chan struct{} // receives one value; capacity 1
}

var pendings = sync.Pool{New: func() any { return &pending{done: make(chan struct{}, 1)} }}

// committer makes sequenced writes durable: one sync serves all that were
// sequenced while the one before was under way.
type committer struct {
	db      *pebble.DB
	durable *watermark
	streams *watchers

	mu      sync.Mutex
	queue   []*pending
	wake    chan struct{} // capacity 1
	stopped chan struct{} // closed when run has ended
}

func newCommitter(db *pebble.DB, durable *watermark, streams *watchers) *committer {
	return &committer{db: db, durable: durable, streams: streams,
		wake: make(chan struct{}, 1), stopped: make(chan struct{})}
}

// enqueue adds a write. Calls come in the order of positions.
func (c *committer) enqueue(stream, also string, position uint64) *pending {
	p := pendings.Get().(*pending)
	p.stream, p.also, p.position = stream, also, position
	c.mu.Lock()
	c.queue = append(c.queue, p)
	first := len(c.queue) == 1
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return p
}

// run syncs until ctx ends, and then what is still queued.
func (c *committer) run(ctx context.Context, fail func(error)) {
	defer close(c.stopped)
	var group []*pending
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			c.mu.Lock()
			left := len(c.queue)
			c.mu.Unlock()
			if left == 0 {
				return
			}
		}
		c.mu.Lock()
		group, c.queue = c.queue, group[:0]
		c.mu.Unlock()
		if len(group) == 0 {
			continue
		}
		if err := c.db.LogData(nil, pebble.Sync); err != nil {
			fail(err)
			return
		}
		c.durable.advance(group[len(group)-1].position)
		for i, p := range group {
			c.streams.notify(p.stream)
			if p.also != "" {
				c.streams.notify(p.also)
			}
			p.done <- struct{}{}
			group[i] = nil
		}
	}
}

// watchers are those who wait for a stream to grow.
type watchers struct {
	count atomic.Int64
	mu    sync.Mutex
	by    map[string]*watch
}

type watch struct {
	changed chan struct{}
	refs    int
}

// Watch is a wait for a stream to grow. Close it when done.
type Watch struct {
	all    *watchers
	stream string
}

func (w *watchers) open(stream string) *Watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = map[string]*watch{}
	}
	if w.by[stream] == nil {
		w.by[stream] = &watch{changed: make(chan struct{})}
	}
	w.by[stream].refs++
	w.count.Add(1)
	return &Watch{w, stream}
}

// Signal returns a channel that is closed when the stream next grows. Ask for
// it first, then read, then wait.
func (w *Watch) Signal() <-chan struct{} {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.all.by[w.stream].changed
}

// Close ends the wait.
func (w *Watch) Close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	w.all.count.Add(-1)
	if s := w.all.by[w.stream]; s.refs > 1 {
		s.refs--
	} else {
		delete(w.all.by, w.stream)
	}
}

func (w *watchers) notify(stream string) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.by[stream]; s != nil {
		close(s.changed)
		s.changed = make(chan struct{})
	}
}
