package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rapport-crm/rapport/commands"
)

// Store keeps the log in EventStoreDB. It is safe for concurrent use. Open
// makes one, Close ends it.
type Store struct {
	log      *slog.Logger
	patience time.Duration

	lines  []*line // for reads and appends, in turn
	feed   *line   // for subscriptions, which would fill the windows of the others
	next   atomic.Uint32
	cancel context.CancelFunc
	runs   sync.WaitGroup
}

var _ commands.Log = (*Store)(nil)

// Open returns a Store for the event store at c. It fails only if c cannot be
// understood: the store itself may be away and come later (see Ping).
func Open(c Config) (*Store, error) {
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conf, err := c.client(log)
	if err != nil {
		return nil, err
	}
	s := &Store{log: log, patience: c.Patience}
	if s.patience <= 0 {
		s.patience = DefaultPatience
	}
	n := c.Connections
	if n <= 0 {
		n = DefaultConnections
	}
	for range n {
		s.lines = append(s.lines, newLine(conf, log))
	}
	s.feed = newLine(conf, log)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, l := range append(s.lines[:n:n], s.feed) {
		s.runs.Go(func() { l.run(ctx) })
	}
	return s, nil
}

// Close ends the connections. Calls that run are cancelled, and later ones
// fail. It may be called more than once.
func (s *Store) Close() error {
	s.cancel()
	s.runs.Wait()
	return nil
}

// Head returns the position of the last event of the whole log, 0 for an empty one.
func (s *Store) Head(ctx context.Context) (uint64, error) {
	head, err := do(ctx, s, readHead)
	if err != nil {
		return 0, fmt.Errorf("read the head of the log: %w", err)
	}
	return head, nil
}

// Ping returns nil if the store answers now, without waiting for one that is away.
func (s *Store) Ping(ctx context.Context) error {
	for i := range s.lines {
		if session := s.lines[i].try(); session != nil {
			if _, err := call(s.lines[i].leader(ctx), session, readHead); err != nil {
				return fmt.Errorf("ping the event store: %w", unavailable(err))
			}
			return nil
		}
	}
	s.lines[0].mu.Lock()
	defer s.lines[0].mu.Unlock()
	if s.lines[0].cause == nil {
		return fmt.Errorf("ping the event store: %w", ErrUnavailable)
	}
	return fmt.Errorf("ping the event store: %w", unavailable(s.lines[0].cause))
}

// Destroy tombstones a stream: it can never be read or written again, and the
// store removes its events from its files (a cluster at its next scavenge).
// Destroying a stream twice, or one that never was, succeeds.
func (s *Store) Destroy(ctx context.Context, stream string) error {
	_, err := do(ctx, s, func(ctx context.Context, c *esdb.Client) (*esdb.DeleteResult, error) {
		return c.TombstoneStream(ctx, stream, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	})
	if err != nil && !is(err, esdb.ErrorCodeStreamDeleted) {
		return fmt.Errorf("destroy %s: %w", stream, err)
	}
	return nil
}

func readHead(ctx context.Context, c *esdb.Client) (uint64, error) {
	all, err := c.ReadAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err != nil {
		return 0, err
	}
	defer all.Close()
	last, err := all.Recv()
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return last.OriginalEvent().Position.Commit, nil
}

// enter enters a session of any line. It waits while there is none, until ctx or patience ends.
func (s *Store) enter(ctx, patience context.Context) (*session, *line, error) {
	n := uint32(len(s.lines))
	first := s.next.Add(1)
	for i := range n {
		l := s.lines[(first+i)%n]
		if session := l.try(); session != nil {
			return session, l, nil
		}
	}
	l := s.lines[first%n]
	session, err := l.enter(patience)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return nil, nil, unavailable(err)
	}
	return session, l, nil
}

// do makes a call that may be made twice, again and again while the store is
// away or moving, until ctx or the patience ends.
func do[T any](ctx context.Context, s *Store, f func(context.Context, *esdb.Client) (T, error)) (T, error) {
	var none T
	patience, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for delay := leastDelay; ; delay = min(2*delay, mostDelay) {
		session, l, err := s.enter(ctx, patience)
		if err != nil {
			return none, err
		}
		v, err := call(l.leader(ctx), session, f)
		if err == nil || !again(err) {
			return v, err
		}
		if !pause(patience, delay) {
			return none, unavailable(err)
		}
	}
}

// pause waits for d and answers true, or false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
