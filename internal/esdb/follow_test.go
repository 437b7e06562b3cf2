package esdb_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type readHandler = func(int, *streams.ReadReq_Options, streams.Streams_ReadServer) error

// subscription confirms and then sends what script says, until the follower goes.
func subscription(script func(call int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error) readHandler {
	return func(call int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		if err := confirm(s); err != nil {
			return err
		}
		if err := script(call, o, s); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}
}

// pagesUntil follows until enough says so, and returns what was delivered.
func pagesUntil(t *testing.T, store *esdb.Store, after uint64, prefixes []string, enough func(eventschema.Page) bool) []eventschema.Page {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var pages []eventschema.Page
	done := errors.New("done")
	err := store.Follow(ctx, after, prefixes, func(p eventschema.Page) error {
		pages = append(pages, p)
		if enough(p) {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("%v after %d pages", err, len(pages))
	}
	return pages
}

func send(s streams.Streams_ReadServer, positions ...uint64) error {
	for _, p := range positions {
		if err := sendEvent(s, recorded("s", "test.v1", p, 1)); err != nil {
			return err
		}
	}
	return nil
}

func positions(pages []eventschema.Page) (list []uint64) {
	for _, p := range pages {
		for _, e := range p.Events {
			list = append(list, e.Position)
		}
	}
	return list
}

// However a subscription ends, the next one begins after the last event, and
// what it sends twice is delivered once.
func TestFollowResumesAfterTheLastEvent(t *testing.T) {
	for name, end := range map[string]error{
		"unavailable": errUnavailable, "a defect": status.Error(codes.Internal, "oops"), "without a reason": nil,
		"no more access": status.Error(codes.PermissionDenied, "no"), "too slow": status.Error(codes.Aborted, "slow"),
	} {
		t.Run(name, func(t *testing.T) {
			var asked []uint64
			f := &fake{read: func(call int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
				if o.GetAll().GetStart() != nil {
					asked = append(asked, 0)
				} else {
					asked = append(asked, o.GetAll().GetPosition().GetCommitPosition())
				}
				if err := confirm(s); err != nil {
					return err
				}
				switch call {
				case 1:
					_ = send(s, 10, 20, 30)
					return end
				case 2:
					return end
				}
				_ = send(s, 20, 30, 40, 50)
				_ = caughtUp(s)
				<-s.Context().Done()
				return nil
			}}
			pages := pagesUntil(t, faked(t, f), 0, nil, func(p eventschema.Page) bool { return p.End >= 50 })
			if got := positions(pages); !slices.Equal(got, []uint64{10, 20, 30, 40, 50}) {
				t.Errorf("events at %d", got)
			}
			if !slices.Equal(asked, []uint64{0, 30, 30}) {
				t.Errorf("asked for what comes after %d", asked)
			}
		})
	}
}

// What the store keeps for itself is not delivered, but moves the end on; links,
// also broken ones, are such.
func TestFollowLeavesOutSystemEvents(t *testing.T) {
	f := &fake{read: subscription(func(_ int, _ *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		_ = send(s, 10)
		_ = sendEvent(s, recorded("$$s", "$metadata", 20, 1))
		broken := &streams.ReadResp_ReadEvent{Link: recorded("links", "$>", 30, 1)}
		_ = s.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: broken}})
		return caughtUp(s)
	})}
	pages := pagesUntil(t, faked(t, f), 0, nil, func(p eventschema.Page) bool { return p.End >= 30 })
	if got := positions(pages); !slices.Equal(got, []uint64{10}) {
		t.Errorf("events at %d", got)
	}
}

// Checkpoints move the end on; one without a position does not.
func TestFollowWithAFilter(t *testing.T) {
	f := &fake{read: subscription(func(_ int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		if got := o.GetFilter().GetEventType().GetPrefix(); !slices.Equal(got, []string{"a.", "b."}) {
			t.Errorf("prefixes %q", got)
		}
		_ = checkpoint(s, math.MaxUint64)
		_ = send(s, 1010)
		_ = checkpoint(s, 1005) // behind the event: older servers do that
		_ = checkpoint(s, 5000)
		return caughtUp(s)
	})}
	pages := pagesUntil(t, faked(t, f), 1000, []string{"a.", "b."}, func(p eventschema.Page) bool { return p.Live })
	if last := pages[len(pages)-1]; last.End != 5000 {
		t.Errorf("the end is %d", last.End)
	}
	if got := positions(pages); !slices.Equal(got, []uint64{1010}) {
		t.Errorf("events at %d", got)
	}
}

// A follower that is behind gets large pages, the last of which is live; one
// that has nothing to get is told so; a live event comes alone.
func TestFollowPages(t *testing.T) {
	const n = 10_000
	live := make(chan struct{})
	f := &fake{read: subscription(func(_ int, o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		if o.GetAll().GetStart() == nil {
			return caughtUp(s)
		}
		for i := range uint64(n) {
			_ = send(s, 10*(i+1))
		}
		_ = caughtUp(s)
		<-live
		return send(s, 10*(n+1))
	})}
	store := faked(t, f)
	pages := pagesUntil(t, store, 0, nil, func(p eventschema.Page) bool {
		if p.Live && p.End == 10*n {
			close(live)
		}
		return p.End > 10*n
	})
	for i, p := range pages {
		if p.Live != (p.End >= 10*n) {
			t.Errorf("page %d of %d events up to %d: live %v", i, len(p.Events), p.End, p.Live)
		}
		if len(p.Events) > 4096 {
			t.Errorf("page %d has %d events", i, len(p.Events))
		}
	}
	if len(pages) > n/50 {
		t.Errorf("%d pages for %d events", len(pages), n)
	}
	if last := pages[len(pages)-1]; len(last.Events) != 1 || !last.Live {
		t.Errorf("the live event came in a page of %d, live %v", len(last.Events), last.Live)
	}
	if got := positions(pages); len(got) != n+1 || !slices.IsSorted(got) {
		t.Errorf("%d events", len(got))
	}
	pages = pagesUntil(t, store, 70, nil, func(eventschema.Page) bool { return true })
	if p := pages[0]; !p.Live || len(p.Events) != 0 || p.End != 70 {
		t.Errorf("a follower with nothing to get is told %+v", p)
	}
}

// A slow follower holds the store back: what is read ahead is bounded.
func TestFollowHoldsBack(t *testing.T) {
	const size = 10_000
	var sent atomic.Int64
	f := &fake{read: subscription(func(_ int, _ *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		for i := uint64(1); s.Context().Err() == nil; i++ {
			if sendEvent(s, recorded("s", "test.v1", 10*i, size)) == nil {
				sent.Add(1)
			}
		}
		return nil
	})}
	store := faked(t, f)
	got := int64(0)
	pagesUntil(t, store, 0, nil, func(p eventschema.Page) bool {
		got += int64(len(p.Events))
		for before := int64(-1); before != sent.Load(); time.Sleep(100 * time.Millisecond) { // until the store is held back
			before = sent.Load()
		}
		// One page is filled, and the windows of the connection.
		if ahead := (sent.Load() - got) * size; ahead > 24<<20 {
			t.Errorf("%d MiB were read ahead", ahead>>20)
		}
		return got > 500
	})
}

// The error of deliver is Follow's own, also when it comes late; after a
// context ended nothing is delivered.
func TestFollowEnds(t *testing.T) {
	f := &fake{read: subscription(func(_ int, _ *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		for i := uint64(1); s.Context().Err() == nil; i++ {
			_ = send(s, 10*i)
		}
		return nil
	})}
	store := faked(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := store.Follow(ctx, 0, nil, func(eventschema.Page) error {
		if calls++; calls == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
	late := errors.New("late")
	ctx, cancel = context.WithCancel(t.Context())
	if err := store.Follow(ctx, 0, nil, func(eventschema.Page) error { cancel(); return late }); err != late {
		t.Errorf("%v", err)
	}
	ended := make(chan error, 1)
	first := make(chan struct{})
	go func() {
		begun := false
		ended <- store.Follow(t.Context(), 0, nil, func(eventschema.Page) error {
			if !begun {
				close(first)
				begun = true
			}
			return nil
		})
	}()
	<-first
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if err := within(t, ended); !errors.Is(err, esdb.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
