package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/rapport-crm/rapport/eventschema"
	"golang.org/x/sync/errgroup"
)

// Group keeps some fillings at the end of the log: a feed, a Watermill router,
// and one partition behind each of its handlers.
//
// Groups of several processes may run over the same generations. In each
// partition one of them goes on; the others stand by and take over when its
// checkpoint stands still.
type Group struct {
	Store      Store
	Source     Source
	Rules      Rules
	Partitions int
	Fillings   []Filling
	Settings   Settings
	Metrics    *Metrics     // optional
	Logger     *slog.Logger // optional
	// Observe is shown every event once, before it is applied. Optional; it must be quick.
	Observe func(raw *eventschema.Raw)

	once  sync.Once
	feed  *Feed
	lanes []*seat
	pages pages
	swept chan struct{} // there may be a sweep to go on with
}

// seat is a partition and its place in the group.
type seat struct {
	mu        sync.Mutex // one user at a time, also when a handler is given up
	partition *Partition
	batch     []eventschema.Raw
	last      time.Time // commit
	committed atomic.Uint64
	failure   atomic.Pointer[error]
	owes      bool // a sweep broke off
}

func (g *Group) init() {
	g.once.Do(func() {
		g.Settings, g.Rules = g.Settings.withDefaults(), g.Rules.withDefaults()
		g.swept = make(chan struct{}, 1)
		if g.Logger == nil {
			g.Logger = slog.New(slog.DiscardHandler)
		}
		for n := range g.Partitions {
			g.lanes = append(g.lanes, &seat{partition: NewPartition(n, timed{g.Store, g.Settings.CommitTimeout}, g.Rules, g.Fillings...)})
		}
		g.feed = newFeed(g.Source, g.Rules, g, g.Partitions, g.Settings, g.Logger)
	})
}

// Run applies the log until ctx ends, then lets what is under way finish,
// commits what is in memory, and returns nil. It returns an error if it could not
// start, and after an outage of the store in which most partitions failed: a new
// group is the quickest way back. A group runs once.
func (g *Group) Run(ctx context.Context) error {
	g.init()
	// What is under way when ctx ends is to be finished: it has a deadline of its own.
	work, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	if err := g.feed.start(ctx, work); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer g.feed.stopNow()
	router, err := g.router()
	if err != nil {
		return err
	}
	// The router's own context only tells it to expect its end: messages carry
	// work, so that nothing under way is cut off.
	routing, expectEnd := context.WithCancel(work)
	defer expectEnd()
	var running errgroup.Group
	routed := make(chan struct{})
	running.Go(func() error {
		defer close(routed)
		defer g.feed.stopNow()
		return router.Run(routing)
	})
	running.Go(g.feed.pump)
	running.Go(func() error { g.feed.advancing(); return nil })
	running.Go(func() error { g.sweeping(); return nil })

	select {
	case <-ctx.Done():
	case <-g.feed.stop.Done(): // the router failed, or begin anew
	}
	stuck := time.AfterFunc(g.Settings.DrainTimeout, giveUp)
	defer stuck.Stop()
	select {
	case <-router.Running(): // all lanes have begun
	case <-routed:
	}
	expectEnd()
	g.feed.stopNow() // and end when their message is done
	err = running.Wait()
	g.feed.running.Wait()
	g.flush(work)
	if err == nil && g.feed.rewound.Load() && ctx.Err() == nil {
		return errRewind
	}
	return err
}

// errRewind says that a group ended because most of its partitions had failed,
// and that the store answers again: beginning anew is the quickest way back.
var errRewind = errors.New("projections: most partitions failed and begin anew together")

// flush commits what partitions hold that were behind.
func (g *Group) flush(ctx context.Context) {
	var flushing errgroup.Group
	flushing.SetLimit(8)
	for n, s := range g.lanes {
		flushing.Go(func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if err := s.partition.Flush(ctx); err != nil && !errors.Is(err, ErrFenced) {
				g.Logger.Warn("projections: last commit", "partition", n, "error", err)
			}
			s.committed.Store(max(s.committed.Load(), s.partition.Committed()))
			return nil
		})
	}
	_ = flushing.Wait()
}

// router returns a Watermill router with a handler for each lane.
func (g *Group) router() (*message.Router, error) {
	logger := watermill.NewSlogLoggerWithLevelMapping(g.Logger, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 2 * g.Settings.DrainTimeout}, logger)
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	retry := middleware.Retry{
		MaxRetries: 3, InitialInterval: 20 * time.Millisecond, MaxInterval: time.Second, Multiplier: 3,
		ShouldRetry: func(p middleware.RetryParams) bool { return passing(p.Err) },
	}
	router.AddMiddleware(retry.Middleware, middleware.Recoverer)
	for n, s := range g.lanes {
		topic := strconv.Itoa(n)
		router.AddConsumerHandler("partition/"+topic, topic, g.feed, func(m *message.Message) error {
			err := g.handle(m, s)
			s.failure.Store(&err)
			return err
		})
	}
	return router, nil
}

// passing says whether the same message may succeed if it is tried again soon.
func passing(err error) bool {
	var poisoned *Poison
	return !errors.As(err, &poisoned) && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrGap) && !errors.Is(err, context.Canceled)
}

func (g *Group) handle(m *message.Message, s *seat) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if cause := recover(); cause != nil { // Recoverer reports it; nothing half done may stay
			s.partition.Forget()
			panic(cause)
		}
	}()
	started := time.Now()
	ctx := m.Context()
	var b Batch
	if b.After, err = strconv.ParseUint(m.Metadata.Get(metaAfter), 10, 64); err != nil {
		return fmt.Errorf("message %s: %w", m.UUID, err)
	}
	if b.End, err = strconv.ParseUint(m.Metadata.Get(metaEnd), 10, 64); err != nil {
		return fmt.Errorf("message %s: %w", m.UUID, err)
	}
	b.Live = m.Metadata.Get(metaLive) != "" || g.Settings.CommitEvery > 0 && started.Sub(s.last) >= g.Settings.CommitEvery
	s.batch = s.batch[:0]
	for raw, err := range eventschema.Frames(m.Payload) {
		if err != nil {
			return fmt.Errorf("message %s: %w", m.UUID, err)
		}
		s.batch = append(s.batch, raw)
	}
	b.Events = s.batch
	before := s.partition.Committed()
	err = s.partition.Apply(ctx, b)
	clear(s.batch)
	if err != nil {
		return err
	}
	if at := s.partition.Committed(); at > before {
		s.last = time.Now()
		s.committed.Store(at)
		g.Metrics.committed(s.last.Sub(started))
	}
	g.Metrics.applied(len(b.Events))
	if s.partition.Sweeping() {
		signal(g.swept)
	}
	return nil
}

// reopen implements laneOwner.
func (g *Group) reopen(ctx context.Context, n int) (uint64, error) {
	s := g.lanes[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partition.Forget()
	if err := s.partition.Open(ctx); err != nil {
		return 0, err
	}
	s.committed.Store(s.partition.Committed())
	s.last = time.Now()
	if s.partition.Sweeping() {
		signal(g.swept)
	}
	return s.partition.Position(), nil
}

// committed implements laneOwner.
func (g *Group) committed(n int) uint64 { return g.lanes[n].committed.Load() }

// failure implements laneOwner.
func (g *Group) failure(n int) error {
	if err := g.lanes[n].failure.Load(); err != nil {
		return *err
	}
	return nil
}

// observe implements laneOwner.
func (g *Group) observe(raw *eventschema.Raw) {
	if g.Observe != nil {
		g.Observe(raw)
	}
	g.pages.add(raw, g.Rules.Schema)
}

// advance implements laneOwner: one round trip for all lanes whose fillings
// stand at one position with nothing to write. The others get a message.
func (g *Group) advance(ctx context.Context, lanes []int, to uint64) []advanced {
	results := make([]advanced, len(lanes))
	moves := make(map[int][2]Checkpoint, len(lanes))
	for i, n := range lanes {
		s := g.lanes[n]
		if !s.mu.TryLock() { // it sweeps: the others do not wait for it
			continue
		}
		defer s.mu.Unlock()
		switch at, idle := s.partition.idle(); {
		case idle && at.Position >= to:
			results[i].done = true
		case idle:
			moves[n] = [2]Checkpoint{at, {Position: to}}
		}
	}
	if len(moves) == 0 {
		return results
	}
	ctx, cancel := context.WithTimeout(ctx, g.Settings.CommitTimeout)
	defer cancel()
	fenced, err := g.Store.Advance(ctx, g.lanes[0].partition.generations(), moves)
	lost := make(map[int]bool, len(fenced))
	for _, n := range fenced {
		lost[n] = true
	}
	for i, n := range lanes {
		if _, asked := moves[n]; !asked {
			continue
		}
		p := g.lanes[n].partition
		switch {
		case err != nil:
			results[i].err = fmt.Errorf("advance checkpoints: %w", err)
			p.Forget()
		case lost[n]:
			results[i].err = ErrFenced
			p.Forget()
		default:
			results[i].done = true
			p.advanced(Checkpoint{Position: to})
			g.lanes[n].committed.Store(to)
		}
	}
	return results
}

// Nudge makes idle partitions say at once how far they are.
func (g *Group) Nudge() { g.init(); g.feed.Nudge() }

// Heal makes partitions that wait after a failure try again at once, for
// example because an event was parked.
func (g *Group) Heal() { g.init(); g.feed.Heal() }

// WaitCaughtUp waits until every partition has committed the log up to a position.
func (g *Group) WaitCaughtUp(ctx context.Context, position uint64) error {
	g.init()
	for {
		g.feed.mu.Lock()
		progress, reached := g.feed.progress, true
		for _, l := range g.feed.lanes {
			reached = reached && l.committed >= position
		}
		g.feed.mu.Unlock()
		if reached {
			return nil
		}
		g.Nudge()
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
