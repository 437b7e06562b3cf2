package esdb

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

func unconnected(t *testing.T) *session {
	t.Helper()
	conf, err := Config{Address: "unix:///nowhere"}.client(nil)
	if err != nil {
		t.Fatal(err)
	}
	conf.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	return newSession(client, time.Millisecond)
}

// A retired session takes no calls, and is over when the last one has ended.
func TestRetiredSession(t *testing.T) {
	s := unconnected(t)
	release, started := make(chan struct{}), make(chan struct{})
	for range 2 {
		if !s.enter() {
			t.Fatal("a new session takes no calls")
		}
		go func() {
			_, _ = call(t.Context(), s, func(context.Context, *esdb.Client) (int, error) {
				started <- struct{}{}
				<-release
				return 0, nil
			})
		}()
		<-started
	}
	s.retire(errors.New("first"))
	s.retire(errors.New("second"))
	if s.enter() {
		t.Error("a retired session takes calls")
	}
	if s.cause.Error() != "first" {
		t.Errorf("cause %v", s.cause)
	}
	release <- struct{}{}
	select {
	case <-s.over:
		t.Error("closed under a call")
	case <-s.ctx.Done(): // the grace is over, the second call is told
	}
	release <- struct{}{}
	<-s.over
}

// A call returns when its context ends, though the library does not.
func TestCallIsLeftBehind(t *testing.T) {
	s := unconnected(t)
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	s.enter()
	_, err := call(ctx, s, func(context.Context, *esdb.Client) (int, error) {
		cancel()
		<-release
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.retire(errors.New("test"))
	close(release)
	<-s.over
}

// However a call of the Store ends, it leaves its session.
func TestCallsAreCounted(t *testing.T) {
	address, _ := esnodetest.Start(t)
	s, err := Open(Config{Address: address, Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fail := errors.New("enough")
	for _, ctx := range []context.Context{t.Context(), ended} {
		_, _ = s.Head(ctx)
		_ = s.Ping(ctx)
		_, _ = s.Append(ctx, "s", -1, []eventschema.Raw{{}})
		for range s.Read(ctx, "s", 0) {
		}
		for range s.Read(ctx, "never", 0) {
			break
		}
		_ = s.Follow(ctx, 0, nil, func(eventschema.Page) error { return fail })
		_ = s.Destroy(ctx, "s")
	}
	sessions := []*session{s.lines[0].try(), s.feed.try()}
	for _, session := range sessions {
		session.leave()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i, session := range sessions {
		select {
		case <-session.over:
		case <-time.After(10 * time.Second):
			t.Errorf("line %d: %d calls are still counted", i, session.calls)
		}
	}
}
