package esdb

import (
	"context"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/eventschema"
)

// A page of Follow is no larger than this, but for a single event that is.
const (
	pageEvents = 4096
	pageBytes  = 1 << 20
)

// linger is how long a page that is not full waits for more while the follower is
// behind, or for the word that it no longer is; and how long that word waits for
// an event to go with. A live event does not wait.
const linger = 20 * time.Millisecond

// pages collects what a subscription sends into pages: put fills the next one
// while the last is delivered, and take cuts it. One goroutine puts, one takes.
// A full page makes put wait, which holds back the subscription.
type pages struct {
	mu     sync.Mutex
	events []eventschema.Raw
	bytes  int
	end    uint64 // the log was considered up to here
	full   bool   // put waits
	live   bool   // the store said that nothing more was there
	err    error  // why nothing more comes

	data, space chan struct{} // capacity 1: something changed for take, for put

	// Of the taking side only.
	takenEnd  uint64
	takenLive bool
	capacity  int
}

func newPages(after uint64) *pages {
	return &pages{end: after, takenEnd: after, data: make(chan struct{}, 1), space: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds an event. What was considered before is left out, so that nothing is
// ever delivered twice.
func (p *pages) put(ctx context.Context, e eventschema.Raw) error {
	size := len(e.Data) + len(e.Metadata) + len(e.Type) + len(e.Stream)
	p.mu.Lock()
	if e.Position <= p.end {
		p.mu.Unlock()
		return nil
	}
	for len(p.events) > 0 && (len(p.events) == pageEvents || p.bytes+size > pageBytes) {
		p.full = true
		p.mu.Unlock()
		signal(p.data)
		select {
		case <-p.space:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.mu.Lock()
	}
	p.events = append(p.events, e)
	p.bytes += size
	p.end = e.Position
	first := len(p.events) == 1
	p.mu.Unlock()
	if first {
		signal(p.data)
	}
	return nil
}

// consider says that nothing up to a position is left to send.
func (p *pages) consider(position uint64) {
	p.mu.Lock()
	news := position > p.end
	if news {
		p.end = position
	}
	p.mu.Unlock()
	if news {
		signal(p.data)
	}
}

// setLive says whether the store has more.
func (p *pages) setLive(live bool) {
	p.mu.Lock()
	p.live = live
	p.mu.Unlock()
	signal(p.data)
}

// resume prepares for a new subscription. What the last one left is kept.
func (p *pages) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.live = nil, false
}

// finish says why nothing more comes; take answers it after what is there.
func (p *pages) finish(err error) {
	p.mu.Lock()
	p.err = err
	p.live = false
	p.mu.Unlock()
	signal(p.data)
}

// take waits for something to deliver and cuts a page of it.
func (p *pages) take(ctx context.Context) (eventschema.Page, error) {
	var late <-chan time.Time
	overdue := false
	for {
		if err := ctx.Err(); err != nil {
			return eventschema.Page{}, err
		}
		p.mu.Lock()
		news := len(p.events) > 0 || p.end > p.takenEnd
		caughtUp := p.live && !p.takenLive
		switch {
		case news && (p.live || p.full || p.err != nil), (news || caughtUp) && overdue:
			page := p.cut()
			p.mu.Unlock()
			return page, nil
		case p.err != nil:
			err := p.err
			p.mu.Unlock()
			return eventschema.Page{}, err
		}
		p.mu.Unlock()
		if (news || caughtUp) && late == nil {
			late = time.After(linger)
		}
		select {
		case <-p.data:
		case <-late:
			overdue = true
		case <-ctx.Done():
		}
	}
}

// cut takes what there is. The caller holds the lock.
func (p *pages) cut() eventschema.Page {
	page := eventschema.Page{Events: p.events, End: p.end, Live: p.live && !p.full}
	p.takenEnd, p.takenLive = page.End, page.Live
	// The next page is likely to be as large.
	p.capacity = len(page.Events)
	p.events, p.bytes = nil, 0
	if p.capacity > 64 {
		p.events = make([]eventschema.Raw, 0, min(p.capacity+p.capacity/8, pageEvents))
	}
	if p.full {
		p.full = false
		signal(p.space)
	}
	return page
}
