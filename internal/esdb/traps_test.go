package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The traps of the protocol and of the client library, each with a test that
// the Store survives it. One cannot be survived: the library ends the process
// when an event has no creation time.

// Two packages of the client register google/rpc a second time, and the program
// panics before main. That this test runs says that nothing imports them now.
func TestTrapStatusProtosAreNotImported(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); strings.HasSuffix(path, "/protos/status") || strings.HasSuffix(path, "/protos/code") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// Servers and what stands before them end connections as they please: by age,
// or for pings they find too many. Nothing is lost and nobody notices.
func TestTrapConnectionsAreCutAllTheTime(t *testing.T) {
	log := &fakeLog{}
	path := socket(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingListener{Listener: listener}
	serveOn(t, &fake{append: log.append, read: log.read}, counting,
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 20 * time.Millisecond, MaxConnectionAgeGrace: 10 * time.Millisecond}))
	store := open(t, esdb.Config{Address: "unix://" + path, Patience: 20 * time.Second})
	const n = 5000
	seen := followed(t, store, n)
	for i := range n {
		position, err := store.Append(t.Context(), "s", int64(i)-1, []eventschema.Raw{event(i)})
		if err != nil || position != uint64(i+1)*10 {
			t.Fatalf("append %d: %d, %v", i, position, err)
		}
	}
	for i, e := range within(t, seen) {
		if e.ID != event(i).ID {
			t.Errorf("event %d is %s", i, e.Data)
		}
	}
	if c := counting.count.Load(); c < 6 {
		t.Errorf("only %d connections were made", c)
	}
}

type countingListener struct {
	net.Listener
	count atomic.Int32
}

func (l *countingListener) Accept() (net.Conn, error) {
	l.count.Add(1)
	return l.Listener.Accept()
}

// followed follows the log until it has n events and sends them.
func followed(t *testing.T, store *esdb.Store, n int) <-chan []eventschema.Raw {
	all := make(chan []eventschema.Raw, 1)
	done := errors.New("done")
	go func() {
		var list []eventschema.Raw
		err := store.Follow(t.Context(), 0, nil, func(p eventschema.Page) error {
			if list = append(list, p.Events...); len(list) >= n {
				return done
			}
			return nil
		})
		if !errors.Is(err, done) {
			t.Errorf("follow: %v", err)
		}
		all <- list
	}()
	return all
}

// The library panics on an answer it did not expect. That is an error of the
// call, and the next one goes well.
func TestTrapUnexpectedAnswers(t *testing.T) {
	for name, answer := range map[string]func(streams.Streams_ReadServer) error{
		"a checkpoint where only events may come": func(s streams.Streams_ReadServer) error { return checkpoint(s, 7) },
		"a deleted stream without a name": func(s streams.Streams_ReadServer) error {
			s.SetTrailer(metadata.Pairs("exception", "stream-deleted"))
			return status.Error(codes.FailedPrecondition, "deleted")
		},
		"an event without an event": func(s streams.Streams_ReadServer) error {
			return s.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{read: func(call int, _ *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
				if call == 1 {
					return answer(s)
				}
				return sendEvent(s, recorded("s", "test.v1", 0, 1))
			}}
			store := faked(t, f)
			if list, err := collect(t.Context(), store, "s"); err == nil || errors.Is(err, commands.ErrDestroyed) {
				t.Errorf("%d events, %v", len(list), err)
			}
			if list, err := collect(t.Context(), store, "s"); err != nil || len(list) != 1 {
				t.Errorf("afterwards: %d events, %v", len(list), err)
			}
		})
	}
}

// The same in a subscription: it starts again.
func TestTrapUnexpectedAnswerWhileFollowing(t *testing.T) {
	f := &fake{read: func(call int, _ *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		if call == 1 {
			return checkpoint(s, 7) // in place of the confirmation
		}
		if err := confirm(s); err != nil {
			return err
		}
		if call == 2 {
			return s.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{}}})
		}
		if err := sendEvent(s, recorded("s", "test.v1", 10, 1)); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}}
	if list := within(t, followed(t, faked(t, f), 1)); len(list) != 1 {
		t.Errorf("%d events", len(list))
	}
}

// A version the library cannot read makes every connect fail: the store is
// unavailable, the reason is told, and it is tried until it goes.
func TestTrapServerVersion(t *testing.T) {
	f := &fake{version: "24.2.0-embedded"}
	path := socket(t)
	serve(t, f, path)
	store := open(t, esdb.Config{Address: "unix://" + path, Patience: 50 * time.Millisecond})
	_, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{event(1)})
	if !errors.Is(err, esdb.ErrUnavailable) || !strings.Contains(err.Error(), "version") {
		t.Errorf("%v", err)
	}
	f.setVersion("24.2.0")
	eventually(t, func() error { return store.Ping(t.Context()) })
}

// eventually waits until try answers nil.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// A server that refuses an append before it has all of it: the library loses
// the reason. What is known is that nothing was stored.
func TestTrapEarlyRefusalLosesItsReason(t *testing.T) {
	f := &fake{refuse: status.Error(codes.InvalidArgument, "bad")}
	store := faked(t, f)
	events := make([]eventschema.Raw, 10)
	for i := range events {
		events[i] = event(i)
		events[i].Data = make([]byte, 100_000)
	}
	for range 10 {
		_, err := store.Append(t.Context(), "s", 3, events)
		if err == nil || errors.Is(err, commands.ErrUnknownOutcome) {
			t.Fatalf("%v", err)
		}
	}
	if n, _ := f.counts(); n > 30 {
		t.Errorf("sent %d times", n)
	}
}

// A client that fails to find its node is dead. The store goes away for longer
// than any client tries, with calls running, and comes back.
func TestTrapClientsDieWhileTheStoreIsAway(t *testing.T) {
	path := socket(t)
	log := &fakeLog{}
	stop := serve(t, &fake{append: log.append, read: log.read}, path)
	store := open(t, esdb.Config{Address: "unix://" + path, Patience: 20 * time.Second})
	followed := followed(t, store, 3)
	if _, err := store.Append(t.Context(), "s", -1, []eventschema.Raw{event(0)}); err != nil {
		t.Fatal(err)
	}
	stop()
	short, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	if _, err := store.Append(short, "s", 0, []eventschema.Raw{event(1)}); !errors.Is(err, esdb.ErrUnavailable) {
		t.Errorf("while it is away: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := store.Append(t.Context(), "s", 0, []eventschema.Raw{event(1)})
		waiting <- err
	}()
	serve(t, &fake{append: log.append, read: log.read}, path)
	if err := within(t, waiting); err != nil {
		t.Errorf("the append that waited: %v", err)
	}
	if _, err := store.Append(t.Context(), "s", 1, []eventschema.Raw{event(2)}); err != nil {
		t.Error(err)
	}
	for i, e := range within(t, followed) {
		if e.ID != event(i).ID {
			t.Errorf("event %d is %s", i, e.Data)
		}
	}
}

// A read that is interrupted goes on behind what it had.
func TestTrapUnavailableInTheMiddleOfARead(t *testing.T) {
	const n = 1300 // more than two pages
	f := &fake{read: func(call int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		from := o.GetStream().GetRevision()
		for i := range min(o.GetCount(), n-from) {
			if call%2 == 1 && i == 100 {
				return errUnavailable
			}
			if err := sendEvent(s, recorded("s", "test.v1", 10*(from+i), 1)); err != nil {
				return err
			}
		}
		return nil
	}}
	list, err := collect(t.Context(), faked(t, f), "s")
	if err != nil || len(list) != n {
		t.Fatalf("%d events, %v", len(list), err)
	}
	for i, e := range list {
		if e.Revision != uint64(i) {
			t.Fatalf("event %d has revision %d", i, e.Revision)
		}
	}
}

// The library never sends requires-leader; the Store does, and follows the
// store to its leader. Without TLS no credentials are sent.
func TestTrapLeaderIsAskedFor(t *testing.T) {
	leader, follower := &fake{}, &fake{}
	addresses := make([]net.Addr, 2)
	for i, f := range []*fake{leader, follower} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = listener.Addr()
		var options []grpc.ServerOption
		if f == follower {
			_, port, _ := net.SplitHostPort(addresses[0].String())
			trailer := metadata.Pairs("exception", "not-leader", "leader-endpoint-host", "127.0.0.1", "leader-endpoint-port", port)
			options = append(options, grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				if md, _ := metadata.FromIncomingContext(s.Context()); !slices.Equal(md.Get("requires-leader"), []string{"true"}) {
					return next(srv, s)
				}
				s.SetTrailer(trailer)
				return status.Error(codes.NotFound, "Leader info available.")
			}))
		}
		serveOn(t, f, listener, options...)
	}
	store := open(t, esdb.Config{URL: "esdb://ann:secret@" + addresses[1].String() + "?tls=false"})
	for range 5 {
		if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{event(1)}); err != nil {
			t.Fatal(err)
		}
	}
	atLeader, _ := leader.counts()
	atFollower, _ := follower.counts()
	if atLeader != 5 || atFollower != 0 {
		t.Errorf("%d appends at the leader, %d at the follower", atLeader, atFollower)
	}
	leader.mu.Lock()
	defer leader.mu.Unlock()
	for _, md := range leader.headers {
		if len(md.Get("authorization")) > 0 {
			t.Error("credentials were sent in the clear")
		}
	}
}

// A running Store holds what it needs, however often the store went away, and
// nothing after Close.
func TestTrapNothingLeaks(t *testing.T) {
	before := goroutines()
	path := socket(t)
	log := &fakeLog{}
	stop := serve(t, &fake{append: log.append, read: log.read}, path)
	store, err := esdb.Open(esdb.Config{Address: "unix://" + path, Patience: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		_ = store.Follow(ctx, 0, nil, func(eventschema.Page) error { return nil })
	})
	written := 0
	write := func() {
		for range 20 {
			if _, err := store.Append(t.Context(), "s", int64(written)-1, []eventschema.Raw{event(written)}); err != nil {
				t.Fatal(err)
			}
			written++
		}
	}
	write()
	at := goroutines()
	for range 4 {
		stop()
		stop = serve(t, &fake{append: log.append, read: log.read}, path)
		write()
	}
	eventually(t, func() error { return atMost(at + 5) })
	cancel()
	wg.Wait()
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	stop()
	eventually(t, func() error { return atMost(before) })
	if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{event(1)}); !errors.Is(err, esdb.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := store.Follow(t.Context(), 0, nil, nil); !errors.Is(err, esdb.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func goroutines() int { return runtime.NumGoroutine() }

func atMost(n int) error {
	if now := goroutines(); now > n {
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("%d goroutines, want %d at most:\n%s", now, n, stacks[:runtime.Stack(stacks, true)])
	}
	return nil
}

// fakeLog is one stream that can be appended to, read and followed, with
// positions that are ten times as far as the count.
type fakeLog struct {
	mu      sync.Mutex
	events  []*streams.ReadResp_ReadEvent_RecordedEvent
	changed chan struct{}
}

func (l *fakeLog) append(_ int, o *streams.AppendReq_Options, events []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error {
	l.mu.Lock()
	after := -1
	if o.GetNoStream() == nil {
		after = int(o.GetRevision())
	}
	switch {
	case after == len(l.events)-1-len(events) && l.events[after+1].Id.String() == events[0].Id.String(): // again
	case after != len(l.events)-1:
		l.mu.Unlock()
		return wrongVersion(s)
	default:
		for _, e := range events {
			r := recorded("s", e.Metadata["type"], uint64(len(l.events)+1)*10, 0)
			r.Id, r.Data, r.CustomMetadata, r.StreamRevision = e.Id, e.Data, e.CustomMetadata, uint64(len(l.events))
			l.events = append(l.events, r)
		}
		if l.changed != nil {
			close(l.changed)
			l.changed = nil
		}
	}
	position := uint64(len(l.events)) * 10
	l.mu.Unlock()
	return stored(s, position)
}

func (l *fakeLog) read(_ int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
	next := uint64(0)
	if p := o.GetAll().GetPosition(); p != nil {
		next = p.GetCommitPosition() / 10
	}
	if err := confirm(s); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		list, changed := l.events[next:], l.changed
		l.mu.Unlock()
		for _, e := range list {
			if err := sendEvent(s, e); err != nil {
				return err
			}
			next++
		}
		if err := caughtUp(s); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			return nil
		}
	}
}
