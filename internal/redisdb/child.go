//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package redisdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Child is a redis-server of our own on a private unix socket, which keeps its
// data in a folder. It is watched: if it dies it is started again, and clients
// that connect with Dial find it.
//
// Two locks of the kernel keep order in the folder, and both end with the
// processes that hold them, however those end. redis-server itself holds
// "server.lock", inherited at its start, so there are never two on one file. Every
// Child holds "users.lock" shared; the last to leave stops the server. A Child
// that finds a server running, because another process uses it or because the
// process that started it was killed, uses that one.
type Child struct {
	dir     string
	program string
	log     *slog.Logger
	users   *os.File // holds a shared lock

	patience time.Duration // with a server that is silent

	stop    context.CancelFunc
	watcher sync.WaitGroup
	reapers sync.WaitGroup

	mu     sync.Mutex
	now    running
	starts int
}

// running is what "server.json" records of the server in the folder. While one
// is being started only its socket is known.
type running struct {
	PID    int    `json:"pid,omitempty"`
	RunID  string `json:"run_id,omitempty"`
	Socket string `json:"socket"`
}

const (
	lockFile   = "server.lock"
	usersFile  = "users.lock"
	recordFile = "server.json"
	logFile    = "redis.log"
)

// socketLimit is the room for the path of a socket and its NUL, where it is smallest.
const socketLimit = 104

// stopTimeout is how long a server may take to end in good order.
const stopTimeout = 20 * time.Second

// StartChild starts program (a redis-server) in dir, or takes over the one that
// runs there, and returns when it answers. It creates dir, and keeps it to the
// user (0700). A large append-only file takes a while to load: ctx bounds it.
func StartChild(ctx context.Context, dir, program string, log *slog.Logger) (*Child, error) {
	return startChild(ctx, dir, program, log, stopTimeout)
}

func startChild(ctx context.Context, dir, program string, log *slog.Logger, patience time.Duration) (*Child, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Child{dir: dir, program: program, log: log, patience: patience}
	if c.users, err = lock(ctx, filepath.Join(dir, usersFile), syscall.LOCK_SH); err != nil {
		return nil, fmt.Errorf("redis-server in %s: %w", dir, err)
	}
	if err := c.ensure(ctx); err != nil {
		c.users.Close()
		return nil, fmt.Errorf("redis-server in %s: %w", dir, err)
	}
	watch, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.watcher.Go(func() { c.watch(watch) })
	return c, nil
}

// Dial connects to the server that runs now; the address is ignored.
func (c *Child) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", c.state().Socket)
}

// PID returns the process id of the server.
func (c *Child) PID() int { return c.state().PID }

func (c *Child) state() running {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// ensure makes sure that a server runs and answers: one that is there, or else a
// new one.
func (c *Child) ensure(ctx context.Context) error {
	ask := time.NewTicker(20 * time.Millisecond)
	defer ask.Stop()
	silent := time.Now()
	for {
		held, err := tryLock(filepath.Join(c.dir, lockFile), syscall.LOCK_EX)
		if err != nil {
			return err
		}
		if held != nil {
			err := c.launch(ctx, held)
			held.Close() // the child has it
			return err
		}
		// Somebody's server runs here, or is about to.
		rec, err := c.adopt(ctx)
		if err == nil {
			c.log.Info("using the redis-server that runs already", "pid", rec.PID, "dir", c.dir)
			return nil
		}
		if isLoading(err) {
			silent = time.Now()
		}
		if time.Since(silent) > c.patience {
			// It holds the lock and cannot be reached: its socket was removed.
			if !c.holdsLock(rec.PID) {
				return fmt.Errorf("a redis-server holds %s but does not answer (%w); end it and start again", filepath.Join(c.dir, lockFile), err)
			}
			c.log.Warn("ending a redis-server that cannot be reached", "pid", rec.PID, "dir", c.dir)
			if err := syscall.Kill(rec.PID, syscall.SIGTERM); err != nil {
				return fmt.Errorf("end redis-server %d: %w", rec.PID, err)
			}
			silent = time.Now().Add(stopTimeout)
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (waiting for a redis-server: %w)", ctx.Err(), err)
		}
	}
}

// adopt uses the server that is recorded, if it answers and its folder is ours.
// Only who starts a server writes the record, and may not live to complete it:
// who the server is, the server knows.
func (c *Child) adopt(ctx context.Context) (running, error) {
	var rec running
	text, err := os.ReadFile(filepath.Join(c.dir, recordFile))
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(text, &rec); err != nil {
		return rec, fmt.Errorf("%s: %w", recordFile, err)
	}
	found, err := c.identify(ctx, rec.Socket)
	if err != nil {
		return rec, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = found
	return found, nil
}

// launch starts a server that inherits the lock, waits until it answers, and
// records it.
func (c *Child) launch(ctx context.Context, held *os.File) error {
	socket, err := c.socketPath()
	if err != nil {
		return err
	}
	cmd := exec.Command(c.program,
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--dir", c.dir, "--logfile", filepath.Join(c.dir, logFile), "--daemonize", "no", "--databases", "1",
		"--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
	)
	cmd.Dir = c.dir
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for us, we stop it in turn
	if err := c.record(running{Socket: socket}); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.program, err)
	}
	gone := make(chan struct{})
	c.reapers.Go(func() {
		_ = cmd.Wait()
		close(gone)
	})
	rec, err := c.answering(ctx, socket, gone)
	if err == nil {
		err = c.record(rec)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		<-gone
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = rec
	c.starts++
	return nil
}

// answering waits until a server has loaded its data.
func (c *Child) answering(ctx context.Context, socket string, gone <-chan struct{}) (running, error) {
	ask := time.NewTicker(5 * time.Millisecond)
	defer ask.Stop()
	for {
		rec, err := c.identify(ctx, socket)
		if err == nil {
			return rec, nil
		}
		select {
		case <-ask.C:
		case <-gone:
			return rec, fmt.Errorf("it ended at once; %s ends with: %s (the read models may be deleted with the folder, they are made again from the log)",
				filepath.Join(c.dir, logFile), tail(filepath.Join(c.dir, logFile)))
		case <-ctx.Done():
			return rec, fmt.Errorf("%w (it does not answer yet: %w)", ctx.Err(), err)
		}
	}
}

// record writes the record whole or not at all.
func (c *Child) record(rec running) error {
	text, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, recordFile+".")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.dir, recordFile))
}

// socketPath is in the folder, or in a short temporary one if that is too deep.
func (c *Child) socketPath() (string, error) {
	path := filepath.Join(c.dir, "redis.sock")
	if len(path) < socketLimit {
		return path, nil
	}
	c.removeShort()
	dir, err := os.MkdirTemp("", "rapport-")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "redis.sock"), nil
}

// removeShort removes the temporary folder of the server recorded last, which
// does not run any more.
func (c *Child) removeShort() {
	var rec running
	text, err := os.ReadFile(filepath.Join(c.dir, recordFile))
	if err != nil || json.Unmarshal(text, &rec) != nil {
		return
	}
	dir := filepath.Dir(rec.Socket)
	if dir == c.dir || !strings.HasPrefix(filepath.Base(dir), "rapport-") {
		return
	}
	_ = os.Remove(rec.Socket)
	_ = os.Remove(dir)
}

// watch starts the server again when it dies. A connection that ends tells. One
// that keeps dying, or does not start, is started less and less often.
func (c *Child) watch(ctx context.Context) {
	const shortest, longest = 50 * time.Millisecond, 5 * time.Second
	wait := shortest
	for ctx.Err() == nil {
		since := time.Now()
		c.attend(ctx)
		if time.Since(since) > longest {
			wait = shortest
		}
		before := c.state()
		err := c.ensure(ctx)
		now := c.state()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.log.Error("redis-server does not start; trying again", "error", err, "dir", c.dir)
		case now.RunID != before.RunID:
			c.log.Warn("redis-server died and was started again", "was", before.PID, "pid", now.PID, "dir", c.dir)
			if wait == shortest {
				wait *= 2
				continue // the first time, at once
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, longest)
	}
}

// attend returns when the server closes a connection, or ctx ends.
func (c *Child) attend(ctx context.Context) {
	conn, err := c.Dial(ctx, "", "")
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, _ = conn.Read(make([]byte, 1)) // nothing is asked, so only its end is read
}

// Close leaves the server; the last to leave stops it and waits for its end.
func (c *Child) Close() error {
	c.stop()
	c.watcher.Wait()
	defer c.users.Close()
	// Whoever comes now waits for the exclusive lock, or we find that they came.
	switch err := syscall.Flock(int(c.users.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil // others use it
	case err != nil:
		return fmt.Errorf("redis-server in %s: %w", c.dir, err)
	}
	err := c.shutdown()
	c.removeShort()
	if err != nil {
		return fmt.Errorf("redis-server in %s: %w", c.dir, err)
	}
	return nil
}

// shutdown stops the server and waits until it has let go of the folder.
func (c *Child) shutdown() error {
	rec := c.state()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	client := socketClient(rec.Socket)
	defer client.Close()
	err := client.Shutdown(ctx).Err()
	held, lerr := lock(ctx, filepath.Join(c.dir, lockFile), syscall.LOCK_EX)
	if lerr != nil {
		if c.holdsLock(rec.PID) {
			_ = syscall.Kill(rec.PID, syscall.SIGKILL)
		}
		return fmt.Errorf("it does not stop: %w", errors.Join(err, lerr))
	}
	held.Close()
	c.reapers.Wait()
	return nil
}

// holdsLock says whether a process has the lock file of our folder open: a
// process id alone may be somebody else's by now. It knows on Linux only.
func (c *Child) holdsLock(pid int) bool {
	want := resolved(filepath.Join(c.dir, lockFile))
	fds := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(fds)
	if err != nil || pid <= 0 {
		return false
	}
	for _, e := range entries {
		if path, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && path == want {
			return true
		}
	}
	return false
}

// tryLock returns the locked file, nil if somebody else has the lock.
func tryLock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
}

// lock waits for a lock until ctx ends.
func lock(ctx context.Context, path string, how int) (*os.File, error) {
	ask := time.NewTicker(5 * time.Millisecond)
	defer ask.Stop()
	for {
		f, err := tryLock(path, how)
		if f != nil || err != nil {
			return f, err
		}
		select {
		case <-ask.C:
		case <-ctx.Done():
			return nil, &fs.PathError{Op: "lock", Path: path, Err: ctx.Err()}
		}
	}
}

func socketClient(socket string) *redis.Client {
	return redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket, MaxRetries: -1, PoolSize: 1,
		Protocol: 2, DisableIdentity: true, DialerRetries: 1,
	})
}

// identify asks the server at a socket who it is. It fails while it loads, and
// if its folder is not ours.
func (c *Child) identify(ctx context.Context, socket string) (running, error) {
	rec := running{Socket: socket}
	if _, err := os.Stat(socket); err != nil {
		return rec, err
	}
	client := socketClient(socket)
	defer client.Close()
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return rec, err
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return rec, err
	}
	settings, err := client.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return rec, err
	}
	if dir := settings["dir"]; resolved(dir) != resolved(c.dir) {
		return rec, fmt.Errorf("the server at %s keeps its data in %s", socket, dir)
	}
	rec.RunID = infoField(info, "run_id")
	rec.PID, err = strconv.Atoi(infoField(info, "process_id"))
	return rec, err
}

// resolved is a path without symbolic links, if it exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func isLoading(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "LOADING")
}

// tail returns the last lines of a log.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], " | ")
}
