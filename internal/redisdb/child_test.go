//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package redisdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/projections"
)

// helperDir, in the environment, makes the test program a process that opens a
// store in that folder, commits, and waits to be killed.
const helperDir = "REDISDB_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(helperDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	db, err := Open(ctx, Config{Dir: dir})
	if err == nil {
		err = db.Commit(ctx, 0, []projections.Change{{Generation: spend, To: at(7), World: []byte("w")}})
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// shortDir has room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openDir(t *testing.T, dir string) *DB {
	t.Helper()
	redistest.Program(t)
	db, err := Open(t.Context(), Config{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// serverRuns says whether a server of ours runs: one that has ended holds no lock.
func serverRuns(t *testing.T, dir string) bool {
	t.Helper()
	f, err := tryLock(filepath.Join(dir, lockFile), syscall.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if f != nil {
		f.Close()
	}
	return f == nil
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it never came about: %s", what)
		}
	}
}

func TestChildKeepsItsData(t *testing.T) {
	dir := filepath.Join(shortDir(t), "redis")
	db := openDir(t, dir)
	t.Log(db.Description)
	if len(db.Warnings) > 0 {
		t.Errorf("warnings: %q", db.Warnings)
	}
	if err := db.Commit(t.Context(), 0, []projections.Change{{Generation: spend, To: at(3)}}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "redis.sock")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v; want 0700", path, info.Mode(), err)
		}
	}
	closed(t, db)
	if serverRuns(t, dir) {
		t.Fatal("the server runs after Close")
	}
	db = openDir(t, dir)
	defer closed(t, db)
	if got := checkpointOf(t, db.Store); got != at(3) {
		t.Errorf("after a restart: %v", got)
	}
}

// A process that is killed leaves its server; the next takes it over.
func TestChildOfAKilledProcess(t *testing.T) {
	dir := shortDir(t)
	redistest.Program(t)
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	if line != "ready\n" {
		t.Fatalf("the helper said %q", line)
	}
	if !serverRuns(t, dir) {
		t.Fatal("the server died with its process")
	}
	db := openDir(t, dir)
	if db.Child.starts != 0 {
		t.Error("a second server was started")
	}
	if got := checkpointOf(t, db.Store); got != at(7) {
		t.Errorf("the other's commit: %v", got)
	}
	closed(t, db)
	if serverRuns(t, dir) {
		t.Fatal("the server runs after Close")
	}
}

// A process that is killed while it starts a server has recorded its socket only;
// an older record names another process.
func TestChildHalfRecorded(t *testing.T) {
	dir := shortDir(t)
	a := openDir(t, dir)
	defer closed(t, a)
	now := a.Child.state()
	for _, rec := range []running{{Socket: now.Socket}, {Socket: now.Socket, PID: 1, RunID: "old"}} {
		if err := a.Child.record(rec); err != nil {
			t.Fatal(err)
		}
		b := openDir(t, dir)
		if got := b.Child.state(); got != now {
			t.Errorf("took over %+v, want %+v", got, now)
		}
		closed(t, b)
	}
}

func TestChildIsShared(t *testing.T) {
	dir := shortDir(t)
	a, b := openDir(t, dir), openDir(t, dir)
	if a.Child.PID() != b.Child.PID() || b.Child.starts != 0 {
		t.Fatalf("two servers, %d and %d, in one folder", a.Child.PID(), b.Child.PID())
	}
	closed(t, a)
	if err := b.Health(t.Context()); err != nil {
		t.Fatalf("after the first left: %v", err)
	}
	closed(t, b)
	if serverRuns(t, dir) {
		t.Fatal("the server runs after the last left")
	}
}

func TestChildIsStartedAgain(t *testing.T) {
	dir := shortDir(t)
	a, b := openDir(t, dir), openDir(t, dir)
	defer closed(t, a)
	defer closed(t, b)
	if err := a.Commit(t.Context(), 0, []projections.Change{{Generation: spend, To: at(1)}}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2) {
		before := a.Child.PID()
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for _, db := range []*DB{a, b} {
			eventually(t, "the server answers again", func() bool {
				return db.Child.PID() != before && db.Health(t.Context()) == nil
			})
		}
		if a.Child.PID() != b.Child.PID() {
			t.Fatalf("two servers, %d and %d", a.Child.PID(), b.Child.PID())
		}
		if got := checkpointOf(t, b.Store); got != at(i+1) {
			t.Fatalf("after a crash: %v", got)
		}
		// A client may find that its connection ended; the commit then is not made twice.
		err := a.Commit(t.Context(), 0, []projections.Change{{Generation: spend, From: at(i + 1), To: at(i + 2)}})
		for err != nil && !errors.Is(err, projections.ErrFenced) {
			err = a.Commit(t.Context(), 0, []projections.Change{{Generation: spend, From: at(i + 1), To: at(i + 2)}})
		}
	}
}

// A server whose socket was removed cannot be reached: it is ended, and another
// started on its data.
func TestChildThatCannotBeReached(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("who holds a file is known on Linux only")
	}
	dir := shortDir(t)
	a := openDir(t, dir)
	if err := a.Commit(t.Context(), 0, []projections.Change{{Generation: spend, To: at(5)}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.Child.state().Socket); err != nil {
		t.Fatal(err)
	}
	b, err := startChild(t.Context(), dir, redistest.Program(t), nil, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, b)
	eventually(t, "the first finds the new server", func() bool { return a.Child.PID() == b.PID() })
	eventually(t, "it has the data", func() bool {
		got, err := a.Open(t.Context(), 0, []projections.Generation{spend})
		return err == nil && got[0].Checkpoint == at(5)
	})
	closed(t, a)
}

func TestChildInADeepFolder(t *testing.T) {
	dir := filepath.Join(shortDir(t), strings.Repeat("deep/", 25))
	db := openDir(t, dir)
	socket := db.Child.state().Socket
	if strings.HasPrefix(socket, dir) {
		t.Fatalf("the socket is at %s", socket)
	}
	other := openDir(t, dir)
	if other.Child.PID() != db.Child.PID() {
		t.Error("the socket was not found")
	}
	closed(t, other)
	closed(t, db)
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the socket is left: %v", err)
	}
	closed(t, openDir(t, dir))
}

func TestChildThatDoesNotStart(t *testing.T) {
	dir := shortDir(t)
	_, err := StartChild(t.Context(), dir, "/bin/false", nil)
	if err == nil || !strings.Contains(err.Error(), "ended at once") {
		t.Errorf("StartChild: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// A program that never answers is ended when the caller has had enough.
	sleeper := filepath.Join(dir, "sleeper")
	if err := os.WriteFile(sleeper, []byte("#!/bin/sh\nexec cat /dev/zero >/dev/null\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := StartChild(ctx, dir, sleeper, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("StartChild: %v", err)
	}
	if serverRuns(t, dir) {
		t.Error("it was left running")
	}
}
