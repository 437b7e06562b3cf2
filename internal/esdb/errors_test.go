package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type appendHandler = func(int, *streams.AppendReq_Options, []*streams.AppendReq_ProposedMessage, streams.Streams_AppendServer) error

func answerAppend(err error) appendHandler {
	return func(int, *streams.AppendReq_Options, []*streams.AppendReq_ProposedMessage, streams.Streams_AppendServer) error {
		return err
	}
}

// The append errors a caller tells apart.
func TestAppendErrors(t *testing.T) {
	stale := func(_ int, _ *streams.AppendReq_Options, _ []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error {
		return wrongVersion(s)
	}
	deleted := func(_ int, _ *streams.AppendReq_Options, _ []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error {
		s.SetTrailer(metadata.Pairs("exception", "stream-deleted", "stream-name", "s"))
		return status.Error(codes.FailedPrecondition, "gone")
	}
	for _, test := range []struct {
		name   string
		handle appendHandler
		want   error // nil: none of the known ones
	}{
		{"wrong expected version", stale, commands.ErrStale},
		{"stream deleted", deleted, commands.ErrDestroyed},
		{"too large", answerAppend(status.Error(codes.InvalidArgument, "Maximum Append Size of 1000 Exceeded.")), esdb.ErrTooLarge},
		{"access denied", answerAppend(status.Error(codes.PermissionDenied, "no")), nil},
		{"unauthenticated", answerAppend(status.Error(codes.Unauthenticated, "no")), nil},
		{"invalid", answerAppend(status.Error(codes.InvalidArgument, "no")), nil},
		{"a defect of the server", answerAppend(status.Error(codes.Internal, "oops")), commands.ErrUnknownOutcome},
		{"an error nobody knows", answerAppend(status.Error(codes.Unknown, "oops")), commands.ErrUnknownOutcome},
		{"a deadline of the server", answerAppend(status.Error(codes.DeadlineExceeded, "late")), commands.ErrUnknownOutcome},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fake{append: test.handle}
			_, err := faked(t, f).Append(t.Context(), "s", 3, []eventschema.Raw{event(1)})
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("%v, want %v", err, test.want)
			}
			if test.want == nil {
				for _, known := range []error{commands.ErrStale, commands.ErrDestroyed, commands.ErrUnknownOutcome} {
					if errors.Is(err, known) {
						t.Errorf("%v is %v", err, known)
					}
				}
			}
			if n, _ := f.counts(); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// A store that breaks off after it had the events is asked again with the same
// ids, and its answer then is the answer.
func TestAppendIsSentAgainWithTheSameIDs(t *testing.T) {
	var ids []string
	f := &fake{append: func(call int, o *streams.AppendReq_Options, events []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error {
		if o.GetRevision() != 3 {
			t.Errorf("expected revision %d", o.GetRevision())
		}
		ids = append(ids, fmt.Sprint(events[0].GetId().GetStructured()))
		switch call {
		case 1:
			return errUnavailable
		case 2:
			return status.Error(codes.Aborted, "prepare timeout")
		}
		return stored(s, 42)
	}}
	position, err := faked(t, f).Append(t.Context(), "s", 3, []eventschema.Raw{event(1)})
	if err != nil || position != 42 {
		t.Fatalf("%d, %v", position, err)
	}
	if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("ids %q", ids)
	}
}

// When another writer was first in the meantime, that is certain too.
func TestAppendSentAgainMayBeStale(t *testing.T) {
	f := &fake{append: func(call int, _ *streams.AppendReq_Options, _ []*streams.AppendReq_ProposedMessage, s streams.Streams_AppendServer) error {
		if call == 1 {
			return errUnavailable
		}
		return wrongVersion(s)
	}}
	if _, err := faked(t, f).Append(t.Context(), "s", 3, []eventschema.Raw{event(1)}); !errors.Is(err, commands.ErrStale) {
		t.Errorf("%v", err)
	}
}

// A store that breaks off again and again leaves the outcome open.
func TestAppendThatStaysUnavailableHasAnUnknownOutcome(t *testing.T) {
	path := socket(t)
	serve(t, &fake{append: answerAppend(errUnavailable)}, path)
	store := open(t, esdb.Config{Address: "unix://" + path, Patience: 300 * time.Millisecond})
	if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{event(1)}); !errors.Is(err, commands.ErrUnknownOutcome) {
		t.Errorf("%v", err)
	}
}

// A context that ends while the store has the events leaves the outcome open, at once.
func TestAppendReturnsWhenItsContextEnds(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	f := &fake{append: func(int, *streams.AppendReq_Options, []*streams.AppendReq_ProposedMessage, streams.Streams_AppendServer) error {
		close(arrived)
		<-release
		return nil
	}}
	store := faked(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := store.Append(ctx, "s", 3, []eventschema.Raw{event(1)})
		failed <- err
	}()
	<-arrived
	cancel()
	if err := within(t, failed); !errors.Is(err, commands.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// within receives from c, and fails the test if that takes longer than any call may.
func within[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
	return v
}

// Nothing was stored by a store that is away: that is no unknown outcome.
func TestAppendWhileTheStoreIsAway(t *testing.T) {
	for name, context := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"until the patience ends": context.WithCancel,
		"until the deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, esdb.Config{Address: "unix://" + socket(t), Patience: 200 * time.Millisecond})
			ctx, cancel := context(t.Context())
			defer cancel()
			_, err := store.Append(ctx, "s", 3, []eventschema.Raw{event(1)})
			var refusal *domain.Error
			if !errors.As(err, &refusal) || refusal.Kind != domain.Unavailable || refusal.Code != "log_unavailable" {
				t.Errorf("%v", err)
			}
			if errors.Is(err, commands.ErrUnknownOutcome) || ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
				t.Errorf("%v, context %v", err, ctx.Err())
			}
			if _, err := collect(ctx, store, "s"); err == nil {
				t.Error("a read succeeded")
			}
			if err := store.Ping(t.Context()); !errors.Is(err, esdb.ErrUnavailable) {
				t.Errorf("ping: %v", err)
			}
		})
	}
}

// A host that takes connections and never answers holds nobody past a context,
// nor Close.
func TestASilentStoreHoldsNobody(t *testing.T) {
	listener, err := net.Listen("unix", socket(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
		}
	}()
	store := open(t, esdb.Config{Address: "unix://" + listener.Addr().String(), Patience: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan error, 4)
	go func() { _, err := store.Append(ctx, "s", 3, []eventschema.Raw{event(1)}); ended <- err }()
	go func() { _, err := collect(ctx, store, "s"); ended <- err }()
	go func() { _, err := store.Head(ctx); ended <- err }()
	go func() {
		ended <- store.Follow(ctx, 0, nil, func(eventschema.Page) error { return nil })
	}()
	for range 4 {
		if err := within(t, ended); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	go func() { ended <- store.Close() }()
	if err := within(t, ended); err != nil {
		t.Error(err)
	}
}

// An append over the limit is answered before it is sent, and one at the limit is sent.
func TestAppendSize(t *testing.T) {
	f := &fake{}
	store := faked(t, f)
	e := event(1)
	e.Data = make([]byte, esdb.MaxAppend-len(e.Metadata)-2*len(e.Type))
	if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{e}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	e.Data = append(e.Data, 0)
	_, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{e})
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Kind != domain.TooLarge || !errors.Is(err, esdb.ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	for what, e := range map[string]eventschema.Raw{"no id": {Type: "t"}, "no type": {ID: uuid.New()}} {
		if _, err := store.Append(t.Context(), "s", 3, []eventschema.Raw{e}); err == nil {
			t.Errorf("%s: stored", what)
		}
	}
	if _, err := store.Append(t.Context(), "s", 3, nil); err == nil {
		t.Error("nothing: stored")
	}
	if n, _ := f.counts(); n != 1 {
		t.Errorf("%d appends were sent", n)
	}
}

// A gRPC status NotFound comes from something before the store; taking it for
// an empty stream would let a command decide on no past.
func TestNotFoundOfAProxyIsNoEmptyStream(t *testing.T) {
	f := &fake{read: func(int, *streams.ReadReq_Options, streams.Streams_ReadServer) error {
		return status.Error(codes.NotFound, "no such route")
	}}
	if list, err := collect(t.Context(), faked(t, f), "s"); err == nil {
		t.Errorf("%d events and no error", len(list))
	}
}

// Destroy is repeated through an outage, and succeeds on what is destroyed.
func TestDestroy(t *testing.T) {
	f := &fake{tombstone: func(call int, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
		if call == 1 {
			return nil, errUnavailable
		}
		if req.GetOptions().GetAny() == nil {
			t.Errorf("options %v", req.GetOptions())
		}
		return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: &streams.TombstoneResp_Position{}}}, nil
	}}
	if err := faked(t, f).Destroy(t.Context(), "s"); err != nil {
		t.Error(err)
	}
}

// Errors shown to a caller never carry what the library says of the connection.
func TestUnavailableDetailIsForThePublic(t *testing.T) {
	store := open(t, esdb.Config{Address: "unix:///nowhere/secret.sock", Patience: 20 * time.Millisecond})
	_, err := store.Head(t.Context())
	var refusal *domain.Error
	if !errors.As(err, &refusal) || strings.Contains(refusal.Error(), "secret") {
		t.Errorf("%v", refusal)
	}
}
