package esdb

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// errSessionEnded cancels the calls of a session that is to be closed.
var errSessionEnded = errors.New("the session with the event store ended")

// session is one client of the library, from its first connect to its end. The
// library reacts to an Unavailable by looking for a node again at the next
// call; that leaks its connection if it succeeds and kills the client if it does
// not. A retired session takes no more calls, so that it never comes to that.
type session struct {
	client  *esdb.Client
	ctx     context.Context // ends when what still runs is to stop
	cancel  context.CancelCauseFunc
	retired chan struct{} // closed when no more calls are taken
	over    chan struct{} // closed when the client is
	work    chan func()   // taken by goroutines that have made calls before
	grace   time.Duration // for running calls once retired

	mu    sync.Mutex
	calls int
	cause error // why it was retired; nil before
	timer *time.Timer
}

func newSession(client *esdb.Client, grace time.Duration) *session {
	s := &session{client: client, grace: grace, retired: make(chan struct{}), over: make(chan struct{}), work: make(chan func())}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// enter announces a call; it answers false if the session takes no more.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return false
	}
	s.calls++
	return true
}

// leave ends a call. The last one of a retired session closes it.
func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
	s.closeIdle()
}

// retire takes no more calls. Those that run have the grace to end by
// themselves and are cancelled then. The client is closed when all have ended,
// because closing it under a call that fails panics inside the library. What
// blocks in the library for ever cannot be ended in any other way: then it is
// closed all the same a little later, and call recovers.
func (s *session) retire(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	close(s.retired)
	if s.closeIdle() {
		return
	}
	s.timer = time.AfterFunc(s.grace, s.stop)
}

// stop cancels what runs.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel(errSessionEnded)
	if s.calls > 0 {
		s.timer = time.AfterFunc(stuck, func() { _ = s.client.Close() })
	}
}

// stuck is how long a cancelled call may take to end before it is taken to
// block for ever.
const stuck = time.Second

func (s *session) closeIdle() bool {
	if s.cause == nil || s.calls > 0 {
		return false
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel(errSessionEnded)
	_ = s.client.Close() // idempotent, and never fails
	close(s.over)
	return true
}

// run runs f beside the caller, on a goroutine whose stack has grown already if one
// is idle: the library's calls are deep, and growing a stack for each costs more
// than the rest of the way there. They end with the session.
func (s *session) run(f func()) {
	select {
	case s.work <- f:
	default:
		go func() {
			for {
				f()
				select {
				case f = <-s.work:
				case <-s.ctx.Done():
					return
				}
			}
		}()
	}
}

// judge retires the session if err says that its client is not to be used again.
func (s *session) judge(err error) {
	if err == nil {
		return
	}
	var p *panicked
	if lost(err) || errors.As(err, &p) {
		s.retire(err)
	}
}

// panicked is a panic of the library, such as those on a malformed answer.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("the event store client panicked: %v", p.value) }

// guard calls f and turns a panic of the library into an error.
func guard[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return f()
}

// call runs f on the client of a session that was entered, and leaves it when f
// has ended. It returns when f does or when ctx ends, whichever is first: f may then be
// left behind, and its context has ended.
func call[T any](ctx context.Context, s *session, f func(context.Context, *esdb.Client) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	callers := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(s.ctx, func() { cancel(errSessionEnded) })
	done := make(chan result, 1)
	s.run(func() {
		defer s.leave()
		v, err := guard(func() (T, error) { return f(ctx, s.client) })
		s.judge(err)
		done <- result{v, err}
		detach()
		cancel(nil)
	})
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		select {
		case r = <-done: // both may have happened
		default:
			r.err = context.Cause(ctx)
		}
	}
	if ended := callers.Err(); r.err != nil && ended != nil && !errors.Is(r.err, ended) {
		r.err = fmt.Errorf("%w: %w", ended, r.err) // the library hides that it was the context
	}
	return r.v, r.err
}
