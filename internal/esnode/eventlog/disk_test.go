package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

func open(t *testing.T, o eventlog.Options) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func proposed(data string) eventlog.Proposed {
	return eventlog.Proposed{ID: uuid.New(), Type: "happened", Data: []byte(data)}
}

func mustAppend(t *testing.T, l *eventlog.Log, stream string, events ...eventlog.Proposed) eventlog.Result {
	t.Helper()
	r, err := l.Append(t.Context(), stream, eventlog.Any, events)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func count(t *testing.T, l *eventlog.Log) (n int) {
	t.Helper()
	if _, err := l.ScanAll(1, func(*eventlog.Record) bool { n++; return true }); err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestWritesAreRefusedBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	fs := newFullFS(vfs.NewMem())
	l := open(t, eventlog.Options{Dir: "data", FS: fs, CompactAfter: -1})
	mustAppend(t, l, "a", proposed("1"))
	fs.avail.Store(1 << 20)
	eventually(t, "writes are refused", func() bool {
		_, err := l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("x")})
		return errors.Is(err, eventlog.ErrNoRoom)
	})
	stored := count(t, l)
	for _, err := range []error{
		second(l.Delete(t.Context(), "a", eventlog.Any)),
		second(l.Tombstone(t.Context(), "a", eventlog.Any)),
		l.Compact(t.Context()),
	} {
		if !errors.Is(err, eventlog.ErrNoRoom) {
			t.Errorf("got %v", err)
		}
	}
	if n := count(t, l); n != stored {
		t.Errorf("%d events, want %d", n, stored)
	}
	fs.avail.Store(1 << 40)
	eventually(t, "writes go on", func() bool {
		_, err := l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("x")})
		return err == nil
	})
}

func second[T any](_ T, err error) error { return err }

func TestFullDiskIsNotOpened(t *testing.T) {
	t.Parallel()
	fs := newFullFS(vfs.NewMem())
	fs.avail.Store(1 << 20)
	if _, err := eventlog.Open(eventlog.Options{Dir: "data", FS: fs}); !errors.Is(err, eventlog.ErrNoRoom) {
		t.Errorf("got %v", err)
	}
	fs.avail.Store(1 << 40)
	fs.noRoom.Store(true)
	if _, err := eventlog.Open(eventlog.Options{Dir: "data", FS: fs}); err == nil {
		t.Error("opened on a disk that is full though it says otherwise")
	}
	fs.noRoom.Store(false)
	open(t, eventlog.Options{Dir: "data", FS: fs})
}

// The disk fills up without warning: what was under way is unknown and is
// stored when there is room, what comes later is refused, reading goes on.
func TestDiskFullInTheMiddleOfAWrite(t *testing.T) {
	t.Parallel()
	inner := vfs.NewMem()
	fs := newFullFS(inner)
	l := open(t, eventlog.Options{Dir: "data", FS: fs, CompactAfter: -1})
	mustAppend(t, l, "a", proposed("before"))
	fs.noRoom.Store(true)
	events := []eventlog.Proposed{proposed("during")}
	_, err := l.Append(t.Context(), "a", eventlog.Any, events)
	if !errors.Is(err, eventlog.ErrOutcomeUnknown) {
		t.Fatalf("during: %v", err)
	}
	_, err = l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("later")})
	if !errors.Is(err, eventlog.ErrNoRoom) {
		t.Errorf("later: %v", err)
	}
	if n := count(t, l); n != 1 {
		t.Errorf("%d events are shown, want the durable one", n)
	}
	s, err := l.Stream("a")
	if err != nil || s.Last != 0 {
		t.Errorf("stream %+v, %v", s, err)
	}
	fs.noRoom.Store(false)
	eventually(t, "the write is finished", func() bool { return count(t, l) == 2 })
	eventually(t, "writes go on", func() bool {
		_, err := l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("after")})
		return err == nil
	})
	if r, err := l.Append(t.Context(), "a", eventlog.Any, events); err != nil || r.Revision != 1 {
		t.Errorf("the unknown one repeated: %+v, %v", r, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, eventlog.Options{Dir: "data", FS: inner, CompactAfter: -1})
	if n := count(t, l); n != 3 {
		t.Errorf("%d events after opening again, want 3", n)
	}
}

// Tables and new write-ahead files meet the full disk as well.
func TestDiskFullAgainAndAgain(t *testing.T) {
	t.Parallel()
	fs := newFullFS(vfs.NewMem())
	l := open(t, eventlog.Options{Dir: "data", FS: fs, CompactAfter: -1, MemTableSize: 256 << 10})
	var acknowledged []uint64
	for round := range 6 {
		for i := range 400 {
			r, err := l.Append(t.Context(), fmt.Sprint("s", i%7), eventlog.Any, []eventlog.Proposed{proposed(strings.Repeat("x", 500))})
			if err == nil {
				acknowledged = append(acknowledged, r.Position)
			}
			if round%2 == 0 && i == 200+round*10 {
				fs.noRoom.Store(true)
			}
			if err != nil && !errors.Is(err, eventlog.ErrOutcomeUnknown) && !errors.Is(err, eventlog.ErrNoRoom) {
				t.Fatal(err)
			}
		}
		if round%2 == 0 {
			fs.awaitRefusal(t)
			fs.noRoom.Store(false)
			eventually(t, "writes go on", func() bool {
				_, err := l.Append(t.Context(), "x", eventlog.Any, []eventlog.Proposed{proposed("x")})
				return err == nil
			})
		}
	}
	there := map[uint64]bool{}
	if _, err := l.ScanAll(1, func(r *eventlog.Record) bool { there[r.Position] = true; return true }); err != nil {
		t.Fatal(err)
	}
	for _, p := range acknowledged {
		if !there[p] {
			t.Fatalf("position %d was acknowledged and is not there", p)
		}
	}
}

// A disk that fails to sync may have lost what it was given: writing ends,
// reading goes on, and after a restart what was acknowledged is there.
func TestBrokenDiskEndsWriting(t *testing.T) {
	t.Parallel()
	inner := vfs.NewCrashableMem()
	fs := newFullFS(inner)
	failed := make(chan error, 1)
	l, err := eventlog.Open(eventlog.Options{Dir: "data", FS: fs, CompactAfter: -1, OnFailure: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "a", proposed("before"))
	fs.broken.Store(true)
	_, err = l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("during")})
	if !errors.Is(err, eventlog.ErrOutcomeUnknown) {
		t.Errorf("during: %v", err)
	}
	<-failed
	fs.broken.Store(false)
	_, err = l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("after")})
	if !errors.Is(err, eventlog.ErrFailed) {
		t.Errorf("after: %v", err)
	}
	if n := count(t, l); n != 1 {
		t.Errorf("%d events are shown", n)
	}
	if err := l.Close(); !errors.Is(err, eventlog.ErrOutcomeUnknown) {
		t.Errorf("close: %v", err)
	}
	l = open(t, eventlog.Options{Dir: "data", FS: inner.CrashClone(vfs.CrashCloneCfg{}), CompactAfter: -1})
	if n := count(t, l); n != 1 {
		t.Errorf("%d events after a restart, want 1", n)
	}
	mustAppend(t, l, "a", proposed("again"))
}

const lockVariable = "EVENTLOG_TEST_OPEN"

// A second process is refused, in words a person understands.
func TestSecondProcessIsRefused(t *testing.T) {
	if dir := os.Getenv(lockVariable); dir != "" { // the second process
		_, err := eventlog.Open(eventlog.Options{Dir: dir})
		fmt.Println(errors.Is(err, eventlog.ErrLocked), err)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	if _, err := eventlog.Open(eventlog.Options{Dir: dir}); !errors.Is(err, eventlog.ErrLocked) {
		t.Errorf("in one process: %v", err)
	}
	second := func() string {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^TestSecondProcessIsRefused$", "-test.v")
		cmd.Env = append(os.Environ(), lockVariable+"="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := second(); !strings.Contains(out, "true the data folder is in use: another process has "+dir+" open; stop it, or choose another folder") {
		t.Errorf("in another process:\n%s", out)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out := second(); !strings.Contains(out, "false <nil>") {
		t.Errorf("after the first has closed:\n%s", out)
	}
}

func TestFolderThatCannotBeWrittenIsNotTakenForLocked(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := eventlog.Open(eventlog.Options{Dir: file + "/data"})
	if err == nil || errors.Is(err, eventlog.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

func TestClosedLogRefuses(t *testing.T) {
	t.Parallel()
	l := open(t, eventlog.Options{Dir: "data", FS: vfs.NewMem()})
	mustAppend(t, l, "a", proposed("1"))
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(t.Context(), "a", eventlog.Any, []eventlog.Proposed{proposed("2")})
	_, scanErr := l.ScanAll(1, nil)
	_, streamErr := l.Stream("a")
	for _, err := range []error{err, scanErr, streamErr, l.Compact(t.Context())} {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}
