package esnode_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
)

// The rules are tested through the official client, on a node of the test's
// own, or on the server that RAPPORT_TEST_EVENTSTORE names (esdb://...). Stream
// names are unique, so that the server may have any content.

const serverVariable = "RAPPORT_TEST_EVENTSTORE"

// store is a connection to a node, for one test.
type store struct {
	*esdb.Client
	t       *testing.T
	address string
	real    bool
}

// connect gives a test its store.
func connect(t *testing.T) *store {
	t.Helper()
	t.Parallel()
	if url := os.Getenv(serverVariable); url != "" {
		config, err := esdb.ParseConnectionString(url)
		if err != nil {
			t.Fatal(err)
		}
		client, err := esdb.NewClient(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		address := ""
		if config.DisableTLS {
			address = config.Address
		}
		return &store{client, t, address, true}
	}
	address, client := esnodetest.Start(t)
	return &store{client, t, address, false}
}

// embedded gives a test a node of its own, and skips it on a real server.
func embedded(t *testing.T) *store {
	t.Helper()
	if os.Getenv(serverVariable) != "" {
		t.Skip("about the embedded node only")
	}
	return connect(t)
}

// raw is a connection below the client, for what the client cannot say.
func (s *store) raw() api.StreamsClient { return api.NewStreamsClient(s.conn()) }

func (s *store) conn() *grpc.ClientConn {
	s.t.Helper()
	if s.address == "" {
		s.t.Skip("needs a server without TLS")
	}
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// name is a stream name nobody has used.
func name(prefix string) string { return prefix + "-" + uuid.NewString() }

// event is a new event with some data.
func event(data string) esdb.EventData {
	return esdb.EventData{EventID: uuid.New(), EventType: "happened", ContentType: esdb.ContentTypeJson, Data: []byte(data)}
}

// events are n new events with their number as data.
func events(n int) []esdb.EventData {
	out := make([]esdb.EventData, n)
	for i := range out {
		out[i] = event(fmt.Sprint(i))
	}
	return out
}

// tryAppend appends and gives the answer.
func (s *store) tryAppend(stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) (*esdb.WriteResult, error) {
	return s.AppendToStream(s.t.Context(), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
}

// append appends, and the test fails if that fails.
func (s *store) append(stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) *esdb.WriteResult {
	s.t.Helper()
	r, err := s.tryAppend(stream, expected, events...)
	if err != nil {
		s.t.Fatalf("append to %s: %v", stream, err)
	}
	return r
}

// appendN appends n events one by one.
func (s *store) appendN(stream string, n int) {
	s.t.Helper()
	for i := range n {
		s.append(stream, esdb.Any{}, event(fmt.Sprint(i)))
	}
}

func (s *store) setMetadata(stream, json string) {
	s.t.Helper()
	s.append("$$"+stream, esdb.Any{}, esdb.EventData{EventType: "$metadata", ContentType: esdb.ContentTypeJson, Data: []byte(json)})
}

func (s *store) delete(stream string) esdb.Position {
	s.t.Helper()
	r, err := s.DeleteStream(s.t.Context(), stream, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
	if err != nil {
		s.t.Fatalf("delete %s: %v", stream, err)
	}
	return r.Position
}

func (s *store) tombstone(stream string) esdb.Position {
	s.t.Helper()
	r, err := s.TombstoneStream(s.t.Context(), stream, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
	if err != nil {
		s.t.Fatalf("tombstone %s: %v", stream, err)
	}
	return r.Position
}

const plenty = 1 << 20

// tryRead reads a stream.
func (s *store) tryRead(stream string, o esdb.ReadStreamOptions, count uint64) ([]*esdb.ResolvedEvent, error) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	r, err := s.ReadStream(ctx, stream, o, count)
	if err != nil {
		return nil, err
	}
	return drain(r)
}

func drain(r *esdb.ReadStream) (out []*esdb.ResolvedEvent, err error) {
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
}

// read reads a stream, and the test fails if that fails.
func (s *store) read(stream string, o esdb.ReadStreamOptions, count uint64) []*esdb.ResolvedEvent {
	s.t.Helper()
	out, err := s.tryRead(stream, o, count)
	if err != nil {
		s.t.Fatalf("read %s: %v", stream, err)
	}
	return out
}

// readAll reads $all.
func (s *store) readAll(o esdb.ReadAllOptions, count uint64) []*esdb.ResolvedEvent {
	s.t.Helper()
	r, err := s.ReadAll(s.t.Context(), o, count)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	out, err := drain(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// revisions are the numbers of events.
func revisions(events []*esdb.ResolvedEvent) []uint64 {
	out := []uint64{}
	for _, e := range events {
		out = append(out, e.OriginalEvent().EventNumber)
	}
	return out
}

// wantRevisions reads a whole stream forwards.
func (s *store) wantRevisions(stream string, want ...uint64) {
	s.t.Helper()
	if diff := cmp.Diff(append([]uint64{}, want...), revisions(s.read(stream, esdb.ReadStreamOptions{}, plenty))); diff != "" {
		s.t.Errorf("revisions of %s (-want +got):\n%s", stream, diff)
	}
}

// wantCode checks the client's code of an error.
func wantCode(t *testing.T, err error, want esdb.ErrorCode) {
	t.Helper()
	var e *esdb.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want an error of the client with code %v", err, want)
	} else if e.Code() != want {
		t.Errorf("got code %v (%v), want %v", e.Code(), err, want)
	}
}

// wantStatus checks the gRPC code of an error, however wrapped.
func wantStatus(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := statusOf(err); got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func statusOf(err error) codes.Code {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if st, ok := status.FromError(e); ok {
			return st.Code()
		}
		var client *esdb.Error
		if errors.As(e, &client) {
			e = client.Unwrap()
			if st, ok := status.FromError(e); ok {
				return st.Code()
			}
		}
	}
	return codes.Unknown
}

// wantTrailer checks a trailer.
func wantTrailer(t *testing.T, trailer metadata.MD, key, want string) {
	t.Helper()
	if got := strings.Join(trailer.Get(key), "|"); got != want {
		t.Errorf("trailer %s = %q, want %q", key, got, want)
	}
}

// rawAppend sends messages below the client and gives the answer.
func (s *store) rawAppend(messages ...*api.AppendReq) (*api.AppendResp, metadata.MD, error) {
	s.t.Helper()
	stream, err := s.raw().Append(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.Send(m); err != nil {
			break // CloseAndRecv tells why
		}
	}
	resp, err := stream.CloseAndRecv()
	return resp, stream.Trailer(), err
}

func optionsMessage(stream string) *api.AppendReq {
	return &api.AppendReq{Content: &api.AppendReq_Options_{Options: &api.AppendReq_Options{
		StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(stream)},
		ExpectedStreamRevision: &api.AppendReq_Options_Any{Any: &shared.Empty{}},
	}}}
}

func eventMessage(id uuid.UUID, metadata map[string]string, data string) *api.AppendReq {
	return &api.AppendReq{Content: &api.AppendReq_ProposedMessage_{ProposedMessage: &api.AppendReq_ProposedMessage{
		Id: &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}, Metadata: metadata, Data: []byte(data),
	}}}
}

func jsonEvent() map[string]string {
	return map[string]string{"type": "happened", "content-type": "application/json"}
}

// subscription gives the messages of one as they come.
type subscription struct {
	t *testing.T
	*esdb.Subscription
	messages chan *esdb.SubscriptionEvent
}

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func (s *store) subscribeAll(o esdb.SubscribeToAllOptions) *subscription {
	s.t.Helper()
	sub, err := s.SubscribeToAll(s.t.Context(), o)
	return s.pump(sub, err)
}

func (s *store) subscribe(stream string, o esdb.SubscribeToStreamOptions) *subscription {
	s.t.Helper()
	sub, err := s.SubscribeToStream(s.t.Context(), stream, o)
	return s.pump(sub, err)
}

func (s *store) pump(sub *esdb.Subscription, err error) *subscription {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("subscribe: %v", err)
	}
	out := &subscription{s.t, sub, make(chan *esdb.SubscriptionEvent)}
	quit := make(chan struct{})
	s.t.Cleanup(func() {
		close(quit)
		_ = sub.Close()
	})
	go func() {
		for {
			m := sub.Recv()
			select {
			case out.messages <- m:
			case <-quit:
				return
			}
			if m.SubscriptionDropped != nil {
				return
			}
		}
	}()
	return out
}

// next is the next message.
func (s *subscription) next() *esdb.SubscriptionEvent {
	s.t.Helper()
	select {
	case m := <-s.messages:
		return m
	case <-time.After(patience):
		s.t.Fatal("no message came")
		return nil
	}
}

// event is the next event; other messages but the end are passed over.
func (s *subscription) event() *esdb.ResolvedEvent {
	s.t.Helper()
	for {
		m := s.next()
		if m.SubscriptionDropped != nil {
			s.t.Fatalf("dropped: %v", m.SubscriptionDropped.Error)
		}
		if m.EventAppeared != nil {
			return m.EventAppeared
		}
	}
}

// wantNext checks the kinds of the next messages: a revision in its stream,
// "checkpoint", "caught up" or "dropped".
func (s *subscription) wantNext(want ...string) {
	s.t.Helper()
	got := []string{}
	for range want {
		got = append(got, kind(s.next()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func kind(m *esdb.SubscriptionEvent) string {
	switch {
	case m.EventAppeared != nil:
		return fmt.Sprint(m.EventAppeared.OriginalEvent().EventNumber)
	case m.CheckPointReached != nil:
		return "checkpoint"
	case m.CaughtUp != nil:
		return "caught up"
	case m.SubscriptionDropped != nil:
		return "dropped"
	}
	return "unknown"
}
