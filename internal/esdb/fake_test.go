package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// fake answers the way a test says. What the test does not say is an empty log.
type fake struct {
	streams.UnimplementedStreamsServer
	serverfeatures.UnimplementedServerFeaturesServer

	mu        sync.Mutex
	version   string
	append    func(call int, options *streams.AppendReq_Options, events []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error
	refuse    error // of an append before it is read
	read      func(call int, options *streams.ReadReq_Options, s streams.Streams_ReadServer) error
	tombstone func(call int, req *streams.TombstoneReq) (*streams.TombstoneResp, error)
	headers   []metadata.MD // of every call
	appends   int
	reads     int // without those of $all backwards
	tombs     int
}

func (f *fake) note(ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	f.headers = append(f.headers, md)
}

func (f *fake) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.version == "" {
		f.version = "24.2.0"
	}
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: f.version}, nil
}

func (f *fake) setVersion(v string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version = v
}

func (f *fake) Append(s streams.Streams_AppendServer) error {
	f.mu.Lock()
	f.note(s.Context())
	f.appends++
	n, handle, refuse := f.appends, f.append, f.refuse
	f.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	first, err := s.Recv()
	if err != nil {
		return err
	}
	var events []*streams.AppendReq_ProposedMessage
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		events = append(events, m.GetProposedMessage())
	}
	if handle == nil {
		return stored(s, 10*uint64(n))
	}
	return handle(n, first.GetOptions(), events, s)
}

func (f *fake) Read(req *streams.ReadReq, s streams.Streams_ReadServer) error {
	o := req.GetOptions()
	f.mu.Lock()
	f.note(s.Context())
	if o.GetAll() != nil && o.GetReadDirection() == streams.ReadReq_Options_Backwards {
		f.mu.Unlock()
		return nil
	}
	f.reads++
	n, handle := f.reads, f.read
	f.mu.Unlock()
	if handle == nil {
		if o.GetSubscription() != nil {
			if err := confirm(s); err != nil {
				return err
			}
			<-s.Context().Done()
		}
		return nil
	}
	return handle(n, o, s)
}

func (f *fake) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	f.mu.Lock()
	f.note(ctx)
	f.tombs++
	n, handle := f.tombs, f.tombstone
	f.mu.Unlock()
	if handle == nil {
		return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: &streams.TombstoneResp_Position{CommitPosition: 1, PreparePosition: 1}}}, nil
	}
	return handle(n, req)
}

func (f *fake) counts() (appends, reads int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appends, f.reads
}

func stored(s streams.Streams_AppendServer, position uint64) error {
	return s.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 0},
		PositionOption:        &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: position, PreparePosition: position}},
	}}})
}

func wrongVersion(s streams.Streams_AppendServer) error {
	return s.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: &streams.AppendResp_WrongExpectedVersion{
		CurrentRevisionOption:  &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 7},
		ExpectedRevisionOption: &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: 3},
	}}})
}

func confirm(s streams.Streams_ReadServer) error {
	return s.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}}})
}

func caughtUp(s streams.Streams_ReadServer) error {
	return s.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

func checkpoint(s streams.Streams_ReadServer, at uint64) error {
	return s.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: at, PreparePosition: at}}})
}

// recorded is an event at a position, with a revision a tenth of it.
func recorded(stream, kind string, position uint64, size int) *streams.ReadResp_ReadEvent_RecordedEvent {
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id:               &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, position)).String()}},
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
		StreamRevision:   position / 10, CommitPosition: position, PreparePosition: position,
		Metadata: map[string]string{"type": kind, "content-type": "application/json", "created": "17000000000000000"},
		Data:     make([]byte, size), CustomMetadata: []byte(`{}`),
	}
}

func sendEvent(s streams.Streams_ReadServer, e *streams.ReadResp_ReadEvent_RecordedEvent) error {
	return s.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: e, Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.CommitPosition},
	}}})
}

// socket returns the path of a unix socket to be. Those of t.TempDir may be too long.
func socket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "esdb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "n.sock")
}

// serve serves f on a socket until the returned function is called, at the latest at the end of the test.
func serve(t testing.TB, f *fake, path string, options ...grpc.ServerOption) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, f, listener, options...)
}

func serveOn(t testing.TB, f *fake, listener net.Listener, options ...grpc.ServerOption) (stop func()) {
	server := grpc.NewServer(options...)
	streams.RegisterStreamsServer(server, f)
	serverfeatures.RegisterServerFeaturesServer(server, f)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	stop = sync.OnceFunc(func() {
		server.Stop()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

func open(t testing.TB, c esdb.Config) *esdb.Store {
	t.Helper()
	store, err := esdb.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// faked serves f and returns a Store on it.
func faked(t testing.TB, f *fake) *esdb.Store {
	path := socket(t)
	serve(t, f, path)
	return open(t, esdb.Config{Address: "unix://" + path, Patience: 10 * time.Second})
}

func event(n int) eventschema.Raw {
	return eventschema.Raw{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, "event", n)), Type: "test.happened.v1",
		Data: fmt.Appendf(nil, `{"n":%d}`, n), Metadata: []byte(`{"chain":""}`),
	}
}

func collect(ctx context.Context, s *esdb.Store, stream string) (list []eventschema.Raw, err error) {
	for e, err := range s.Read(ctx, stream, 0) {
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
	return list, nil
}

var errUnavailable = status.Error(codes.Unavailable, "the server is too busy")
