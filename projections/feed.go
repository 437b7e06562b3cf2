package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/rapport-crm/rapport/eventschema"
)

// Source is the log as the read side needs it.
type Source interface {
	// Follow is commands.Log.Follow: every event after a position, in order,
	// page by page, until ctx ends or deliver fails.
	Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error
	// Head returns the position of the last event, 0 for an empty log.
	Head(ctx context.Context) (uint64, error)
}

// laneOwner has the partitions behind the lanes.
type laneOwner interface {
	// reopen forgets what a partition has in memory and returns how far it is.
	reopen(ctx context.Context, lane int) (position uint64, err error)
	// committed returns how far a partition is in the store.
	committed(lane int) uint64
	// failure returns why the last message of a lane was refused.
	failure(lane int) error
	// advance moves the checkpoints of lanes that have nothing to apply.
	advance(ctx context.Context, lanes []int, to uint64) []advanced
	// observe is shown every event that is delivered for the first time.
	observe(raw *eventschema.Raw)
}

// advanced says what became of an idle lane.
type advanced struct {
	done bool  // the checkpoint is there
	err  error // not done and nil: a message must do it
}

// Feed hands the log to partitions as a Watermill subscriber. A topic is a lane,
// named by the partition's number; a message is the lane's part of the log since
// its last message, as frames (eventschema.Frames), with the positions it spans
// in its metadata; the next one is sent when it is acked, so that order is kept
// and a lane that is slow gets larger messages, not more of them.
//
// One Follow of the log serves all lanes. A lane whose message is refused leaves
// it, waits, and reads on from its checkpoint by a Follow of its own until it
// has caught up; the others do not notice. What waits to be sent is bounded by
// one budget for all lanes.
type Feed struct {
	source  Source
	rules   Rules
	owner   laneOwner
	log     *slog.Logger
	budget  int // bytes waiting or being applied, over all lanes
	message int // bytes after which a message is full
	tick    time.Duration
	standby time.Duration
	backoff func(attempt int) time.Duration

	stop    context.Context // ends when no more messages are to be sent
	stopNow context.CancelFunc
	work    context.Context // ends when those sent must be given up
	running sync.WaitGroup  // of lanes

	mu       sync.Mutex
	lanes    []*lane
	end      uint64 // the log was split up to here
	known    uint64 // the log holds at least this
	live     bool
	bytes    int
	progress chan struct{} // closed when any lane moves; then replaced
	free     [][]byte      // buffers of messages that were acked
	spare    int           // their bytes

	room    chan struct{} // bytes were freed
	idle    chan struct{} // some lane may have to be advanced
	nudged  chan struct{} // somebody waits
	started bool
	rewound atomic.Bool // ended to begin anew
}

func newFeed(source Source, rules Rules, owner laneOwner, lanes int, s Settings, log *slog.Logger) *Feed {
	f := &Feed{
		log:    log,
		source: source, rules: rules, owner: owner,
		budget: s.FeedBytes, message: s.MessageBytes, tick: s.AdvanceEvery, standby: s.Standby, backoff: s.Backoff,
		progress: make(chan struct{}),
		room:     make(chan struct{}, 1), idle: make(chan struct{}, 1), nudged: make(chan struct{}, 1),
	}
	for n := range lanes {
		f.lanes = append(f.lanes, &lane{
			n: n, topic: strconv.Itoa(n), out: make(chan *message.Message),
			wake: make(chan struct{}, 1), heal: make(chan struct{}, 1),
		})
	}
	return f
}

// start finds out where the lanes are. Lanes far behind the others begin
// detached, so that the others need not wait for them.
func (f *Feed) start(ctx, work context.Context) error {
	f.stop, f.stopNow = context.WithCancel(work)
	f.work = work
	at := make([]uint64, len(f.lanes))
	for i, l := range f.lanes {
		p, err := f.owner.reopen(ctx, l.n)
		if err != nil {
			return err
		}
		at[i] = p
	}
	head, err := f.source.Head(ctx)
	if err != nil {
		return fmt.Errorf("head of the log: %w", err)
	}
	sorted := slices.Clone(at)
	slices.Sort(sorted)
	median := sorted[len(sorted)/2]
	far := uint64(stragglerLead)
	if head > median {
		far += 2 * (head - median)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = median
	for i, l := range f.lanes {
		if head > at[i] && head-at[i] > far {
			l.late = true
			l.position = at[i]
			continue
		}
		f.end = min(f.end, at[i])
		l.attach(at[i])
	}
	f.live, f.known = f.end >= head, max(f.known, head)
	f.started = true
	f.moved()
	return nil
}

// stragglerLead is how much of the log, in positions, a lane may always lag.
const stragglerLead = 1 << 16

// Subscribe implements message.Subscriber. The topic is a partition's number;
// each can be subscribed to once.
func (f *Feed) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	n, err := strconv.Atoi(topic)
	if err != nil || n < 0 || n >= len(f.lanes) {
		return nil, fmt.Errorf("projections: there is no lane %q", topic)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lanes[n]
	if !f.started || l.subscribed {
		return nil, fmt.Errorf("projections: lane %s cannot be subscribed to now", topic)
	}
	l.subscribed = true
	f.running.Add(1)
	go f.run(l)
	return l.out, nil
}

// Close implements message.Subscriber: no more messages are sent. Those that
// were sent may still be acked.
func (f *Feed) Close() error {
	if f.stopNow != nil {
		f.stopNow()
	}
	return nil
}

// pump splits the log until the feed is closed.
func (f *Feed) pump() error {
	for attempt := 0; ; attempt++ {
		f.mu.Lock()
		from := f.end
		f.mu.Unlock()
		err := f.source.Follow(f.stop, from, nil, func(p eventschema.Page) error {
			attempt = 0
			return f.deliver(p)
		})
		if f.stop.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("the log ended")
		}
		f.note(fmt.Errorf("follow the log after %d: %w", from, err))
		if !f.sleep(f.backoff(attempt)) {
			return nil
		}
	}
}

// sleep waits, and says whether the feed still runs.
func (f *Feed) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.stop.Done():
		return false
	}
}

// deliver splits a page by lane. It waits while too much is waiting already.
func (f *Feed) deliver(page eventschema.Page) error {
	for {
		f.mu.Lock()
		if f.bytes < f.budget {
			break
		}
		f.mu.Unlock()
		select {
		case <-f.room:
		case <-f.stop.Done():
			return f.stop.Err()
		}
	}
	defer f.mu.Unlock()
	for i := range page.Events {
		raw := &page.Events[i]
		f.owner.observe(raw)
		switch n, all, some := f.rules.route(raw, len(f.lanes)); {
		case all:
			for _, l := range f.lanes {
				f.bytes += f.add(l, raw)
			}
		case some:
			f.bytes += f.add(f.lanes[n], raw)
		}
	}
	became := page.Live && !f.live
	f.end, f.live = max(f.end, page.End), page.Live
	for _, l := range f.lanes {
		if became && l.attached && l.uncommitted {
			l.flush = true
		}
		if len(l.chunks) > 0 || l.flush {
			signal(l.wake)
		}
	}
	signal(f.idle)
	return nil
}

// add puts an event at the end of a lane and returns how many bytes it took.
func (f *Feed) add(l *lane, raw *eventschema.Raw) int {
	if !l.attached || raw.Position <= l.skip {
		return 0
	}
	if n := len(l.chunks); n == 0 || len(l.chunks[n-1].frames) >= f.message {
		l.chunks = append(l.chunks, chunk{frames: f.buffer()})
	}
	c := &l.chunks[len(l.chunks)-1]
	before := len(c.frames)
	c.frames, c.end = eventschema.AppendFrame(c.frames, *raw), raw.Position
	return len(c.frames) - before
}

// sparesKept bounds the buffers that wait to be used again.
const sparesKept = 16 << 20

// buffer returns an empty buffer, one that was used before if there is one.
func (f *Feed) buffer() []byte {
	n := len(f.free)
	if n == 0 && f.live {
		return nil
	}
	if n == 0 { // much will follow
		return make([]byte, 0, f.message/4)
	}
	b := f.free[n-1]
	f.free, f.spare = f.free[:n-1], f.spare-cap(b)
	return b[:0]
}

// recycle keeps the buffer of a message that nobody uses any more.
func (f *Feed) recycle(b []byte) {
	if cap(b) > 0 && f.spare+cap(b) <= sparesKept {
		f.free, f.spare = append(f.free, b), f.spare+cap(b)
	}
}

// note shows an error of the log at every lane that has none of its own.
func (f *Feed) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lanes {
		if l.attached {
			l.err = err
		}
	}
}

// moved tells whoever waits that some lane is further, or is not going on.
func (f *Feed) moved() {
	close(f.progress)
	f.progress = make(chan struct{})
}

// Nudge makes idle lanes say at once how far they are, instead of within 50 ms.
func (f *Feed) Nudge() {
	signal(f.nudged)
	signal(f.idle)
}

// Heal makes lanes that wait after a failure try again at once.
func (f *Feed) Heal() {
	for _, l := range f.lanes {
		signal(l.heal)
	}
}

// advancing moves idle lanes on together until the feed is closed.
func (f *Feed) advancing() {
	var last time.Time
	for {
		select {
		case <-f.idle:
		case <-f.stop.Done():
			return
		}
		nudged := false
		if wait := f.tick - time.Since(last); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-f.nudged:
				nudged = true
			case <-f.stop.Done():
				t.Stop()
				return
			}
			t.Stop()
		}
		f.advanceIdle(nudged)
		last = time.Now()
	}
}

func (f *Feed) advanceIdle(nudged bool) {
	f.mu.Lock()
	if !f.live && !nudged {
		f.mu.Unlock()
		return
	}
	to := f.end
	var idle []int
	for _, l := range f.lanes {
		if l.attached && !l.busy && len(l.chunks) == 0 && !l.flush && (l.position < to || l.committed < to) {
			l.busy = true
			idle = append(idle, l.n)
		}
	}
	f.mu.Unlock()
	if len(idle) == 0 {
		return
	}
	results := f.owner.advance(f.work, idle, to)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, n := range idle {
		l := f.lanes[n]
		l.busy = false
		switch r := results[i]; {
		case r.done:
			l.position, l.sent, l.committed = to, to, to
			l.skip, l.err = max(l.skip, to), nil
		case r.err != nil:
			l.refused = r.err
		default:
			l.flush = true
		}
		signal(l.wake)
	}
	f.moved()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
