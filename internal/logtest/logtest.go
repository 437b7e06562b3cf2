// Package logtest is the conformance suite of commands.Log. An implementation
// that does not pass it is not used.
package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
)

// Subject is a log under test. It may hold events of others: the suite uses
// stream names of its own. Destroy tombstones a stream; nil skips what needs it.
type Subject struct {
	Log     commands.Log
	Destroy func(ctx context.Context, stream string) error
}

// Run runs the suite. open is called once for each subtest and may return the
// same log each time.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"a stream that does not exist reads as empty":        emptyStream,
		"what is appended is read back":                      readBack,
		"reading starts at the revision asked for":           readFrom,
		"an append needs the expected revision":              staleAppend,
		"an append is all or nothing":                        atomicAppend,
		"the same events sent again are stored once":         idempotentAppend,
		"other events at an old revision are stale":          conflictingAppend,
		"one of many writers wins each revision":             racingAppend,
		"a destroyed stream is gone for good":                destroyed,
		"a reader follows the log from a position":           follow,
		"a follower gets what happens later":                 followLive,
		"a follower gets only the types it asked for":        followPrefixes,
		"a page is bounded and order is kept":                followPages,
		"a follower resumes without a gap or a repetition":   followResume,
		"an error of the follower ends following":            followError,
		"the end of the context ends following":              followCancel,
		"a context that ended reads and writes nothing more": cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func stream() string { return "logtest-" + uuid.NewString() }

// event makes an event of the suite. Type begins with a word of its own per
// stream, so that a follower can ask for it alone.
func event(kind string, n int) eventschema.Raw {
	return eventschema.Raw{
		ID: uuid.New(), Type: kind + ".v1",
		Data:     fmt.Appendf(nil, `{"n":%d}`, n),
		Metadata: fmt.Appendf(nil, `{"meta":%d}`, n),
	}
}

func events(kind string, from, n int) []eventschema.Raw {
	list := make([]eventschema.Raw, n)
	for i := range list {
		list[i] = event(kind, from+i)
	}
	return list
}

func read(t *testing.T, log commands.Log, stream string, from uint64) []eventschema.Raw {
	t.Helper()
	var list []eventschema.Raw
	for e, err := range log.Read(t.Context(), stream, from) {
		if err != nil {
			t.Fatalf("read %s: %v", stream, err)
		}
		list = append(list, e)
	}
	return list
}

func appendOK(t *testing.T, log commands.Log, stream string, after int64, list []eventschema.Raw) uint64 {
	t.Helper()
	position, err := log.Append(t.Context(), stream, after, list)
	if err != nil {
		t.Fatalf("append after %d: %v", after, err)
	}
	return position
}

func same(t *testing.T, got, want eventschema.Raw) {
	t.Helper()
	if got.ID != want.ID || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Metadata, want.Metadata) {
		t.Errorf("got %s %s %s %s, want %s %s %s %s", got.ID, got.Type, got.Data, got.Metadata, want.ID, want.Type, want.Data, want.Metadata)
	}
}

func emptyStream(t *testing.T, s Subject) {
	name := stream()
	if got := read(t, s.Log, name, 0); len(got) != 0 {
		t.Errorf("%d events in a stream that does not exist", len(got))
	}
	if got := read(t, s.Log, name, 5); len(got) != 0 {
		t.Errorf("%d events from revision 5 of a stream that does not exist", len(got))
	}
}

func readBack(t *testing.T, s Subject) {
	name, list := stream(), events("logtest.read", 0, 3)
	position := appendOK(t, s.Log, name, commands.NewStream, list)
	more := events("logtest.read", 3, 2)
	later := appendOK(t, s.Log, name, 2, more)
	if later <= position {
		t.Errorf("position %d after %d", later, position)
	}
	got := read(t, s.Log, name, 0)
	if len(got) != 5 {
		t.Fatalf("%d events, want 5", len(got))
	}
	last := uint64(0)
	for i, e := range got {
		same(t, e, append(list, more...)[i])
		if e.Stream != name || e.Revision != uint64(i) || e.Position <= last {
			t.Errorf("event %d: stream %s, revision %d, position %d after %d", i, e.Stream, e.Revision, e.Position, last)
		}
		last = e.Position
	}
	if got[2].Position != position || got[4].Position != later {
		t.Errorf("append answered positions %d and %d, the events stand at %d and %d", position, later, got[2].Position, got[4].Position)
	}
}

func readFrom(t *testing.T, s Subject) {
	name, list := stream(), events("logtest.from", 0, 5)
	appendOK(t, s.Log, name, commands.NewStream, list)
	for from := range uint64(7) {
		got := read(t, s.Log, name, from)
		if want := max(0, 5-int(from)); len(got) != want {
			t.Errorf("%d events from %d, want %d", len(got), from, want)
		} else if want > 0 {
			same(t, got[0], list[from])
		}
	}
	for e, err := range s.Log.Read(t.Context(), name, 0) { // a reader may stop early
		if err != nil || e.Revision != 0 {
			t.Errorf("revision %d, %v", e.Revision, err)
		}
		break
	}
}

func staleAppend(t *testing.T, s Subject) {
	name := stream()
	refuse := func(after int64) {
		t.Helper()
		if _, err := s.Log.Append(t.Context(), name, after, events("logtest.stale", 9, 1)); !errors.Is(err, commands.ErrStale) {
			t.Errorf("append after %d: %v, want %v", after, err, commands.ErrStale)
		}
	}
	refuse(0)
	refuse(7)
	appendOK(t, s.Log, name, commands.NewStream, events("logtest.stale", 0, 2))
	refuse(commands.NewStream)
	refuse(0)
	refuse(2)
	appendOK(t, s.Log, name, 1, events("logtest.stale", 2, 1))
	if got := read(t, s.Log, name, 0); len(got) != 3 {
		t.Errorf("%d events, want 3", len(got))
	}
}

func atomicAppend(t *testing.T, s Subject) {
	name := stream()
	appendOK(t, s.Log, name, commands.NewStream, events("logtest.atomic", 0, 1))
	if _, err := s.Log.Append(t.Context(), name, commands.NewStream, events("logtest.atomic", 1, 3)); !errors.Is(err, commands.ErrStale) {
		t.Fatalf("error %v, want %v", err, commands.ErrStale)
	}
	if got := read(t, s.Log, name, 0); len(got) != 1 {
		t.Errorf("%d events after a refused append, want 1", len(got))
	}
}

func idempotentAppend(t *testing.T, s Subject) {
	name, first, second := stream(), events("logtest.again", 0, 2), events("logtest.again", 2, 2)
	p1 := appendOK(t, s.Log, name, commands.NewStream, first)
	p2 := appendOK(t, s.Log, name, 1, second)
	for range 2 {
		if p := appendOK(t, s.Log, name, commands.NewStream, first); p != p1 {
			t.Errorf("the first again: position %d, was %d", p, p1)
		}
		if p := appendOK(t, s.Log, name, 1, second); p != p2 {
			t.Errorf("the second again: position %d, was %d", p, p2)
		}
	}
	if got := read(t, s.Log, name, 0); len(got) != 4 {
		t.Errorf("%d events, want 4", len(got))
	}
}

func conflictingAppend(t *testing.T, s Subject) {
	name, first := stream(), events("logtest.conflict", 0, 2)
	appendOK(t, s.Log, name, commands.NewStream, first)
	for what, list := range map[string][]eventschema.Raw{
		"other events":            events("logtest.conflict", 0, 2),
		"the second differs":      {first[0], event("logtest.conflict", 1)},
		"more than was stored":    {first[0], first[1], event("logtest.conflict", 2)},
		"the same in wrong order": {first[1], first[0]},
	} {
		if _, err := s.Log.Append(t.Context(), name, commands.NewStream, list); !errors.Is(err, commands.ErrStale) {
			t.Errorf("%s: %v, want %v", what, err, commands.ErrStale)
		}
	}
	if got := read(t, s.Log, name, 0); len(got) != 2 {
		t.Errorf("%d events, want 2", len(got))
	}
}

func racingAppend(t *testing.T, s Subject) {
	const writers = 16
	name := stream()
	var wg sync.WaitGroup
	won := make(chan int, writers)
	for i := range writers {
		wg.Go(func() {
			_, err := s.Log.Append(t.Context(), name, commands.NewStream, events("logtest.race", i, 2))
			switch {
			case err == nil:
				won <- i
			case !errors.Is(err, commands.ErrStale):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d writers won, want 1", len(won))
	}
	if got := read(t, s.Log, name, 0); len(got) != 2 {
		t.Errorf("%d events, want 2", len(got))
	}
}

func destroyed(t *testing.T, s Subject) {
	if s.Destroy == nil {
		t.Skip("this log cannot destroy a stream")
	}
	name, never := stream(), stream()
	list := events("logtest.destroyed", 0, 2)
	appendOK(t, s.Log, name, commands.NewStream, list)
	for _, name := range []string{name, never} {
		if err := s.Destroy(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		var got error
		n := 0
		for _, err := range s.Log.Read(t.Context(), name, 0) {
			got = err
			n++
		}
		if n != 1 || !errors.Is(got, commands.ErrDestroyed) {
			t.Errorf("reading yields %d times, %v; want once, %v", n, got, commands.ErrDestroyed)
		}
		for _, after := range []int64{commands.NewStream, 1} {
			if _, err := s.Log.Append(t.Context(), name, after, list); !errors.Is(err, commands.ErrDestroyed) {
				t.Errorf("append after %d: %v, want %v", after, err, commands.ErrDestroyed)
			}
		}
	}
}

// kind returns an event type that no other test uses.
func kind() string { return "logtest" + uuid.NewString()[:8] + ".happened" }

// collect follows until n events came, and returns them with the pages' ends checked.
func collect(t *testing.T, log commands.Log, after uint64, prefixes []string, n int) []eventschema.Raw {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []eventschema.Raw
	end, done := after, errors.New("enough")
	err := log.Follow(ctx, after, prefixes, func(p eventschema.Page) error {
		if p.End < end {
			t.Errorf("a page ends at %d after one that ended at %d", p.End, end)
		}
		for _, e := range p.Events {
			if e.Position <= end || e.Position > p.End {
				t.Errorf("an event at %d in a page from %d to %d", e.Position, end, p.End)
			}
			end = e.Position
		}
		end = p.End
		got = append(got, p.Events...)
		if len(got) >= n {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("following ended with %v after %d of %d events", err, len(got), n)
	}
	if len(got) != n {
		t.Fatalf("%d events, want %d", len(got), n)
	}
	return got
}

func follow(t *testing.T, s Subject) {
	name, k := stream(), kind()
	list := events(k, 0, 5)
	p := appendOK(t, s.Log, name, commands.NewStream, list[:2])
	appendOK(t, s.Log, name, 1, list[2:])
	for i, e := range collect(t, s.Log, 0, []string{k}, 5) {
		same(t, e, list[i])
		if e.Stream != name || e.Revision != uint64(i) {
			t.Errorf("event %d: stream %s, revision %d", i, e.Stream, e.Revision)
		}
	}
	for i, e := range collect(t, s.Log, p, []string{k}, 3) {
		same(t, e, list[2+i])
	}
	for i, e := range collect(t, s.Log, p, nil, 3) { // the suite's own events are the last ones
		same(t, e, list[2+i])
	}
}

func followLive(t *testing.T, s Subject) {
	name, k := stream(), kind()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen := make(chan eventschema.Page, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Log.Follow(ctx, 0, []string{k}, func(p eventschema.Page) error {
			if len(p.Events) > 0 {
				seen <- p
			}
			return nil
		})
		if ctx.Err() == nil {
			t.Errorf("following ended with %v", err)
		}
	})
	for i := range 5 {
		e := event(k, i)
		position := appendOK(t, s.Log, name, int64(i)-1, []eventschema.Raw{e})
		select {
		case p := <-seen:
			if len(p.Events) != 1 || p.Events[0].Position != position || !p.Live {
				t.Errorf("page %d: %d events, live %v", i, len(p.Events), p.Live)
			}
			same(t, p.Events[0], e)
		case <-ctx.Done():
			t.Fatalf("event %d never came", i)
		}
	}
	cancel()
	wg.Wait()
}

func followPrefixes(t *testing.T, s Subject) {
	name, a, b, c := stream(), kind(), kind(), kind()
	list := []eventschema.Raw{event(a, 0), event(b, 1), event(c, 2), event(a, 3), event(b, 4)}
	appendOK(t, s.Log, name, commands.NewStream, list)
	for i, e := range collect(t, s.Log, 0, []string{a, c}, 3) {
		same(t, e, list[[]int{0, 2, 3}[i]])
	}
	for i, e := range collect(t, s.Log, 0, []string{b}, 2) {
		same(t, e, list[[]int{1, 4}[i]])
	}
}

func followPages(t *testing.T, s Subject) {
	name, k := stream(), kind()
	const n, batch = 60, 10
	list := events(k, 0, n)
	for i := range list {
		list[i].Data = fmt.Appendf(nil, `{"n":%d,"pad":%q}`, i, bytes.Repeat([]byte{'x'}, 50_000))
	}
	for i := 0; i < n; i += batch {
		appendOK(t, s.Log, name, int64(i)-1, list[i:i+batch])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := errors.New("enough")
	got := 0
	err := s.Log.Follow(ctx, 0, []string{k}, func(p eventschema.Page) error {
		size := 0
		for _, e := range p.Events {
			same(t, e, list[got])
			got++
			size += len(e.Data) + len(e.Metadata)
		}
		if len(p.Events) > 1 && size > 1<<20 {
			t.Errorf("a page of %d bytes", size)
		}
		if p.Live && got < n {
			t.Errorf("a page says it is live after %d of %d events", got, n)
		}
		if got == n {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("following ended with %v after %d of %d", err, got, n)
	}
}

func followResume(t *testing.T, s Subject) {
	name, k := stream(), kind()
	const n = 50
	list := events(k, 0, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range list {
			if _, err := s.Log.Append(t.Context(), name, int64(i)-1, list[i:i+1]); err != nil {
				t.Errorf("append %d: %v", i, err)
				return
			}
		}
	})
	after := uint64(0)
	for i := range n {
		e := collectFirst(t, s.Log, after, k)
		same(t, e, list[i])
		after = e.Position
	}
	wg.Wait()
}

func collectFirst(t *testing.T, log commands.Log, after uint64, kind string) (first eventschema.Raw) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := errors.New("enough")
	err := log.Follow(ctx, after, []string{kind}, func(p eventschema.Page) error {
		if len(p.Events) == 0 {
			return nil
		}
		first = p.Events[0]
		return done
	})
	if !errors.Is(err, done) {
		t.Fatalf("following ended with %v", err)
	}
	return first
}

func followError(t *testing.T, s Subject) {
	name, k := stream(), kind()
	appendOK(t, s.Log, name, commands.NewStream, events(k, 0, 2))
	want := errors.New("no more")
	calls := 0
	err := s.Log.Follow(t.Context(), 0, []string{k}, func(p eventschema.Page) error {
		if len(p.Events) == 0 {
			return nil
		}
		calls++
		return want
	})
	if !errors.Is(err, want) || calls != 1 {
		t.Errorf("ended with %v after %d calls, want %v after 1", err, calls, want)
	}
}

func followCancel(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Log.Follow(ctx, 0, []string{kind()}, func(eventschema.Page) error { return nil })
	}()
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("following ended without an error")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("following goes on after its context ended")
	}
}

func cancelled(t *testing.T, s Subject) {
	name := stream()
	appendOK(t, s.Log, name, commands.NewStream, events("logtest.cancelled", 0, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Log.Append(ctx, name, 0, events("logtest.cancelled", 1, 1)); err == nil {
		t.Error("an append succeeded after its context ended")
	}
	var got error
	for _, err := range s.Log.Read(ctx, name, 0) {
		got = err
	}
	if got == nil {
		t.Error("a read succeeded after its context ended")
	}
}
