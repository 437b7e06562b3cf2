package esdb

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/metadata"
)

// Between attempts to connect a line waits from the least to the most delay.
const (
	leastDelay = 20 * time.Millisecond
	mostDelay  = time.Second
)

// callGrace is how long the calls of a retired session may go on: as long as
// the library lets an append take.
const callGrace = 10 * time.Second

// probes is how often a new client may be sent on to another leader, probeTime
// how long that may take.
const (
	probes    = 5
	probeTime = 5 * time.Second
)

// ErrClosed says that the Store was closed.
var ErrClosed = errors.New("esdb: the store is closed")

// line is a succession of sessions: one at a time, the next one when it was retired.
type line struct {
	conf  *esdb.Configuration
	log   *slog.Logger
	grace time.Duration

	mu      sync.Mutex
	current *session // nil while there is none
	cause   error    // why there is none
	closed  bool
	changed chan struct{} // closed and replaced when one of these changes
}

func newLine(conf *esdb.Configuration, log *slog.Logger) *line {
	return &line{conf: conf, log: log, grace: callGrace, changed: make(chan struct{}), cause: errors.New("not connected yet")}
}

// run keeps the line up until ctx ends.
func (l *line) run(ctx context.Context) {
	delay, told := leastDelay, false
	for {
		s, err := l.connect(ctx)
		if err == nil {
			if told {
				l.log.Info("the event store is back")
				told = false
			}
			l.set(s, nil)
			up := time.Now()
			select {
			case <-s.retired:
				err = s.cause
			case <-ctx.Done():
				s.retire(ErrClosed)
				s.stop()
				select {
				case <-s.over:
				case <-time.After(stuck):
				}
			}
			if time.Since(up) > delay { // it was worth connecting
				delay = leastDelay
			}
		}
		l.set(nil, err)
		if ctx.Err() != nil {
			break
		}
		if !told {
			l.log.Warn("the event store is away, trying again until it is back", "error", err)
			told = true
		}
		// A random part keeps many processes from coming back at once.
		wait := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		delay = min(2*delay, mostDelay)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wake()
}

// set makes s the current session; nil takes the present one away.
func (l *line) set(s *session, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.cause = s, cause
	l.wake()
}

func (l *line) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// connect makes a client and has it find its node, and the leader if that is
// asked for: the library moves to it when a first call is refused, cutting the
// calls beside it. An abandoned attempt ends by itself, within the time the
// library gives one.
func (l *line) connect(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, err := esdb.NewClient(l.conf)
	if err != nil {
		return nil, err
	}
	found := make(chan error)
	go func() {
		_, err := guard(func() (uint64, error) { return l.probe(ctx, client) })
		select {
		case found <- err:
		case <-ctx.Done():
			_ = client.Close()
		}
	}()
	select {
	case err := <-found:
		if err != nil {
			_ = client.Close()
			return nil, err
		}
		return newSession(client, l.grace), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// probe asks a new client for the end of the log. A refusal shows as well as an
// answer that the store is there.
func (l *line) probe(ctx context.Context, client *esdb.Client) (head uint64, err error) {
	if _, err := client.GetServerVersion(); err != nil { // finds the node
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for range probes {
		head, err = readHead(l.leader(ctx), client)
		if !is(err, esdb.ErrorCodeNotLeader) {
			break
		}
	}
	if err != nil && !again(err) && ctx.Err() == nil {
		err = nil
	}
	return head, err
}

// leader makes the calls of a context be for the leader only, if that is the
// preference: the library puts its header where it is not sent.
func (l *line) leader(ctx context.Context) context.Context {
	if l.conf.NodePreference != esdb.NodePreferenceLeader || strings.HasPrefix(l.conf.Address, "unix:") {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// try enters the current session, if there is one.
func (l *line) try() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && l.current.enter() {
		return l.current
	}
	return nil
}

// enter waits for a session and enters it. When ctx ends it fails with the
// reason why there is none, and with ErrClosed when the line is closed.
func (l *line) enter(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		current, cause, closed, changed := l.current, l.cause, l.closed, l.changed
		l.mu.Unlock()
		if closed {
			return nil, ErrClosed
		}
		if current != nil && current.enter() {
			return current, nil
		}
		if ctx.Err() != nil {
			if cause == nil {
				cause = errSessionEnded
			}
			return nil, cause
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
