package projections

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/rapport-crm/rapport/eventschema"
)

// lane is what the feed knows of one partition. All but the channels is guarded
// by the feed's mutex.
type lane struct {
	n          int
	topic      string
	out        chan *message.Message
	wake       chan struct{} // there may be something to send
	heal       chan struct{} // try again now
	subscribed bool

	attached  bool    // the shared reader fills it
	late      bool    // it was far behind at the start
	busy      bool    // a message is out, or the checkpoint is being moved
	skip      uint64  // what the shared reader brings up to here is known already
	chunks    []chunk // waiting
	flush     bool    // send a message even if it is empty: something is to be committed
	refused   error   // the checkpoint could not be moved
	sent      uint64  // end of the last message
	position  uint64  // applied
	committed uint64  // in the store

	uncommitted bool // the last message was not live
	err         error
	attempts    int
	since       time.Time
}

// chunk is part of a lane: frames, and the position of the last event in them.
type chunk struct {
	frames []byte
	end    uint64
}

func (l *lane) attach(at uint64) {
	l.attached, l.late, l.busy, l.skip, l.sent, l.position, l.committed = true, false, false, at, at, at, at
	l.chunks, l.flush, l.refused, l.err, l.attempts = nil, false, nil, nil, 0
}

// parcel is what becomes a message.
type parcel struct {
	frames     []byte
	after, end uint64
	live       bool
}

var (
	errStopped  = errors.New("projections: stopped")
	errAttached = errors.New("projections: caught up")
)

// run sends one lane's messages until the feed is closed.
func (f *Feed) run(l *lane) {
	defer f.running.Done()
	defer close(l.out)
	if l.late && f.recover(l, nil) != nil {
		return
	}
	for {
		p, err := f.next(l)
		if err == nil {
			err = f.hand(l, p)
		}
		if err != nil && !errors.Is(err, errStopped) {
			err = f.recover(l, err)
		}
		if err != nil {
			return
		}
	}
}

// next waits for something to send.
func (f *Feed) next(l *lane) (parcel, error) {
	for {
		f.mu.Lock()
		p, ok := f.take(l)
		err := l.refused
		f.mu.Unlock()
		if err != nil {
			return p, err
		}
		if ok {
			return p, nil
		}
		select {
		case <-l.wake:
		case <-f.stop.Done():
			return p, errStopped
		}
	}
}

// take removes the next parcel from a lane.
func (f *Feed) take(l *lane) (p parcel, ok bool) {
	if l.busy || l.refused != nil || len(l.chunks) == 0 && !l.flush {
		return p, false
	}
	p.after, p.end, p.live = l.sent, f.end, f.live || l.flush
	if len(l.chunks) > 0 {
		p.frames = l.chunks[0].frames
		if len(l.chunks) > 1 {
			p.end, p.live = l.chunks[0].end, false
		}
		l.chunks = l.chunks[1:]
	}
	if p.live {
		l.flush = false
	}
	l.busy, l.sent, l.uncommitted = true, p.end, !p.live
	return p, true
}

// hand sends a message and waits for its ack. It returns why it was refused.
func (f *Feed) hand(l *lane, p parcel) error {
	m := message.NewMessage(l.topic+"/"+strconv.FormatUint(p.end, 10), p.frames)
	m.Metadata.Set(metaAfter, strconv.FormatUint(p.after, 10))
	m.Metadata.Set(metaEnd, strconv.FormatUint(p.end, 10))
	if p.live {
		m.Metadata.Set(metaLive, "true")
	}
	m.SetContext(f.work)
	err := errStopped
	select {
	case l.out <- m:
		select {
		case <-m.Acked():
			err = nil
		case <-m.Nacked():
			if err = f.owner.failure(l.n); err == nil {
				err = errors.New("the message was refused")
			}
		case <-f.work.Done():
		}
	case <-f.stop.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l.busy = false
	if l.attached {
		f.bytes -= len(p.frames)
		signal(f.room)
	}
	if err == nil {
		f.recycle(p.frames)
		l.position, l.committed, l.err = p.end, f.owner.committed(l.n), nil
		if l.attached && len(l.chunks) == 0 && l.position < f.end {
			signal(f.idle)
		}
		f.moved()
	}
	return err
}

// The metadata of a message.
const (
	metaAfter = "after"
	metaEnd   = "end"
	metaLive  = "live"
)

// recover brings a lane back that failed: it leaves the shared reader, waits,
// opens its partition again, reads on by itself and joins the others where they
// are. A fenced lane stands by instead, and does so only when the checkpoint
// that somebody else moved stands still while there is something to do. The
// error is errStopped.
func (f *Feed) recover(l *lane, err error) error {
	f.detach(l, err)
	f.report(l, err)
	var still standstill
	for attempt := 0; ; attempt++ {
		fenced := errors.Is(err, ErrFenced)
		wait := f.backoff(attempt)
		switch {
		case err == nil:
			wait = 0
		case fenced:
			wait = f.standby / 4
		}
		if !f.rest(l, wait) {
			return errStopped
		}
		at, failed := f.owner.reopen(f.stop, l.n)
		if f.stop.Err() != nil {
			return errStopped
		}
		if failed != nil {
			f.failed(l, failed, attempt)
			err = failed
			continue
		}
		if f.found(l, at); fenced && !still.look(at, f.head(), f.standby) {
			continue
		}
		if f.manyLost() {
			f.rewind()
			return errStopped
		}
		err = f.catchUp(l, at)
		switch {
		case err == nil:
			f.log.Info("projections: a partition goes on", "partition", l.n, "attempts", attempt+1)
			return nil
		case f.stop.Err() != nil:
			return errStopped
		}
		if still = (standstill{}); f.found(l, f.owner.committed(l.n)) > at {
			attempt = 0
		}
		f.failed(l, err, attempt)
	}
}

// manyLost says whether so many lanes have failed, as after an outage of the
// store, that reading on together is cheaper than each for itself.
func (f *Feed) manyLost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := 0
	for _, l := range f.lanes {
		var poisoned *Poison
		if !l.attached && l.err != nil && !errors.Is(l.err, ErrFenced) && !errors.As(l.err, &poisoned) && f.end > l.position {
			lost++
		}
	}
	return lost >= 4 && 4*lost >= len(f.lanes)
}

// rewind ends the feed, to begin anew from all checkpoints.
func (f *Feed) rewind() {
	f.rewound.Store(true)
	f.stopNow()
}

// standstill tells whether somebody else has stopped moving a checkpoint.
type standstill struct {
	any   bool
	at    uint64
	since time.Time
}

func (s *standstill) look(at, head uint64, patience time.Duration) bool {
	now := time.Now()
	if !s.any || at != s.at || at >= head {
		*s = standstill{true, at, now}
		return false
	}
	return now.Sub(s.since) >= patience
}

func (f *Feed) head() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

// rest waits before the next attempt, and says whether the feed still runs.
func (f *Feed) rest(l *lane, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.heal:
	case <-f.stop.Done():
		return false
	}
	return true
}

func (f *Feed) detach(l *lane, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range l.chunks {
		f.bytes -= len(c.frames)
	}
	signal(f.room)
	l.attached, l.chunks, l.flush, l.refused = false, nil, false, nil
	l.err, l.attempts, l.since = err, 1, time.Now()
	f.moved()
}

// report tells an operator why a lane does not go on.
func (f *Feed) report(l *lane, err error) {
	var poisoned *Poison
	switch {
	case errors.As(err, &poisoned):
		f.log.Error("projections: a partition stands still at an event it cannot apply; the others go on. Mend the cause and restart, or park the event",
			"partition", l.n, "event", poisoned.EventID, "type", poisoned.Type, "position", poisoned.Position, "error", err)
	case errors.Is(err, ErrFenced):
		f.log.Info("projections: another process keeps this partition; standing by", "partition", l.n)
	case err != nil:
		f.log.Warn("projections: a partition failed and tries again", "partition", l.n, "error", err)
	}
}

func (f *Feed) failed(l *lane, err error, attempt int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.err, l.attempts = err, attempt+2
	f.moved()
}

// found notes where a detached lane is.
func (f *Feed) found(l *lane, at uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.position, l.committed = at, at
	f.moved()
	return at
}

// catchUp reads a detached lane's part of the log until it is where the shared
// reader is, and joins it.
func (f *Feed) catchUp(l *lane, at uint64) error {
	join := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		if at < f.end {
			return false
		}
		l.attach(at)
		f.moved()
		signal(f.idle)
		return true
	}
	if join() {
		return nil
	}
	var frames []byte
	ctx, cancel := context.WithCancel(f.stop)
	defer cancel()
	err := f.source.Follow(ctx, at, nil, func(page eventschema.Page) error {
		for i := range page.Events {
			raw := &page.Events[i]
			if n, all, some := f.rules.route(raw, len(f.lanes)); some && (all || n == l.n) {
				frames = eventschema.AppendFrame(frames, *raw)
			}
		}
		near := page.Live || page.End >= f.head()
		if len(frames) < f.message && !near {
			return nil
		}
		if err := f.hand(l, parcel{frames, at, page.End, near}); err != nil {
			return err
		}
		if at, frames = page.End, nil; join() {
			return errAttached
		}
		return nil
	})
	if errors.Is(err, errAttached) {
		return nil
	}
	return err
}
