package eventlog_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// filesWith lists the files of a folder that hold some bytes.
func filesWith(t *testing.T, dir string, secret []byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // removed meanwhile
		}
		if bytes.Contains(content, secret) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// secret is 48 random bytes, which no compression changes.
func secret() []byte {
	b := make([]byte, 48)
	_, _ = rand.Read(b)
	return b
}

func withData(data []byte) eventlog.Proposed {
	e := proposed("")
	e.Data = data
	return e
}

func noise(t *testing.T, l *eventlog.Log, n int) {
	t.Helper()
	for i := range n {
		events := make([]eventlog.Proposed, 20)
		for k := range events {
			events[k] = withData(append(secret(), make([]byte, 400)...))
		}
		mustAppend(t, l, fmt.Sprint("noise-", i%50), events...)
	}
}

func TestTombstonedEventsLeaveTheDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, CompactAfter: -1, MemTableSize: 256 << 10})
	inData, inMetadata, inMeta, kept, recent := secret(), secret(), secret(), secret(), secret()
	e := withData(inData)
	e.Metadata = inMetadata
	noise(t, l, 20)
	mustAppend(t, l, "key", e)
	mustAppend(t, l, "$$key", withData(inMeta))
	mustAppend(t, l, "kept", withData(kept))
	noise(t, l, 100) // enough for tables of several levels, and turned-over logs
	mustAppend(t, l, "key", withData(recent))
	// The scan proves itself: it finds what is there.
	planted := filepath.Join(dir, "planted")
	value := secret()
	if err := os.WriteFile(planted, append(secret(), value...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := filesWith(t, dir, value); !slices.Equal(got, []string{"planted"}) {
		t.Fatalf("the scan does not find what was planted: %v", got)
	}
	var inTable bool
	for _, s := range [][]byte{inData, inMetadata, inMeta, kept, recent} {
		got := filesWith(t, dir, s)
		if len(got) == 0 {
			t.Fatal("the scan does not find what was written")
		}
		inTable = inTable || slices.ContainsFunc(got, func(f string) bool { return filepath.Ext(f) == ".sst" })
	}
	if !inTable {
		t.Fatal("nothing stands in a table, so nothing would be proved of tables")
	}
	if _, err := l.Tombstone(t.Context(), "key", eventlog.Any); err != nil {
		t.Fatal(err)
	}
	if got := filesWith(t, dir, inData); len(got) == 0 {
		t.Fatal("it is gone before it was to be")
	}
	total := count(t, l)
	if err := l.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string][]byte{"data": inData, "metadata": inMetadata, "stream metadata": inMeta, "recent data": recent} {
		if got := filesWith(t, dir, s); len(got) > 0 {
			t.Errorf("%s still stands in %v", what, got)
		}
	}
	if got := filesWith(t, dir, kept); len(got) == 0 {
		t.Error("another stream's event is gone as well")
	}
	if n := count(t, l); n != total-3 {
		t.Errorf("%d events in $all, want %d", n, total-3)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, eventlog.Options{Dir: dir, CompactAfter: -1})
	s, err := l.Stream("key")
	if err != nil || !s.Tombstoned {
		t.Errorf("after opening again: %+v, %v", s, err)
	}
	if n := count(t, l); n != total-3 {
		t.Errorf("%d events after opening again, want %d", n, total-3)
	}
}

// A reader in the middle of a page keeps Compact waiting, no longer.
func TestCompactWhileOthersReadAndWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, CompactAfter: -1, MemTableSize: 256 << 10})
	noise(t, l, 40)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() {
		for ctx.Err() == nil {
			if _, err := l.ScanAll(1, func(*eventlog.Record) bool { return true }); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	go func() {
		for ctx.Err() == nil {
			if _, err := l.Append(context.Background(), "w", eventlog.Any, []eventlog.Proposed{withData(secret())}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 5 {
		stream, s := fmt.Sprint("key-", i), secret()
		mustAppend(t, l, stream, withData(s))
		if _, err := l.Tombstone(t.Context(), stream, eventlog.Any); err != nil {
			t.Fatal(err)
		}
		if err := l.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := filesWith(t, dir, s); len(got) > 0 {
			t.Errorf("round %d: still in %v", i, got)
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestTombstonedEventsLeaveTheDiskByThemselves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, CompactAfter: 20 * time.Millisecond})
	s := secret()
	mustAppend(t, l, "key", withData(s))
	if got := filesWith(t, dir, s); len(got) == 0 {
		t.Fatal("the scan does not find what was written")
	}
	if _, err := l.Tombstone(t.Context(), "key", eventlog.Any); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event is gone", func() bool { return len(filesWith(t, dir, s)) == 0 })
}

func TestManyTombstonesAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir, CompactAfter: -1, MemTableSize: 256 << 10})
	var secrets [][]byte
	for i := range 150 {
		s := secret()
		secrets = append(secrets, s)
		mustAppend(t, l, fmt.Sprint("key-", i), withData(s), withData(s), withData(s))
		noise(t, l, 1)
	}
	for i := range 150 {
		if _, err := l.Tombstone(t.Context(), fmt.Sprint("key-", i), eventlog.Any); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, s := range secrets {
		if got := filesWith(t, dir, s); len(got) > 0 {
			t.Fatalf("stream %d: still in %v", i, got)
		}
	}
}
