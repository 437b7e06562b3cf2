package commands

import (
	"context"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cache keeps what was folded of the streams used last, up to a weight. The zero
// value is ready.
type cache struct {
	mu     sync.Mutex
	lru    *simplelru.LRU[string, weighed]
	weight int
}

type weighed interface{ weight() int }

// take returns what is remembered of a stream and forgets it: who holds the
// stream's gate puts it back.
func (c *cache) take(stream string) (weighed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru == nil {
		return nil, false
	}
	m, ok := c.lru.Peek(stream)
	if ok {
		c.lru.Remove(stream)
	}
	return m, ok
}

// maxStream is how much of one stream is remembered, beyond the limit of the
// cache if need be: the longest streams are those that are dear to fold again.
const maxStream = 256 << 20

// put remembers a stream and forgets those not used for the longest time, until
// all together are within the limit. The stream itself is the last to go.
func (c *cache) put(stream string, m weighed, limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lru == nil {
		c.lru, _ = simplelru.NewLRU(1<<31-1, func(_ string, m weighed) { c.weight -= m.weight() })
	}
	c.lru.Remove(stream)
	c.weight += m.weight()
	c.lru.Add(stream, m)
	for c.weight > limit && (c.lru.Len() > 1 || c.weight > maxStream && c.lru.Len() > 0) {
		c.lru.RemoveOldest()
	}
}

// gates let one command at a time work on a stream, first come first served.
// The zero value is ready.
type gates struct {
	mu   sync.Mutex
	open map[string]*gate
}

type gate struct {
	turn  chan struct{}
	users int
}

// enter waits for the stream's turn; leave must be called when err is nil.
func (g *gates) enter(ctx context.Context, stream string) (leave func(), err error) {
	g.mu.Lock()
	if g.open == nil {
		g.open = map[string]*gate{}
	}
	one := g.open[stream]
	if one == nil {
		one = &gate{turn: make(chan struct{}, 1)}
		g.open[stream] = one
	}
	one.users++
	g.mu.Unlock()

	forget := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(g.open, stream)
		}
	}
	select {
	case one.turn <- struct{}{}:
		return func() { <-one.turn; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}
