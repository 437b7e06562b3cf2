// Package diskguard keeps a full or failing disk from ending the process.
//
// The storage engine takes any error of its write-ahead log or manifest for the
// end of the world. A Guard stands between the engine and the file system:
//
//   - No room (ENOSPC, EDQUOT) on such a file: the call waits, and goes on by
//     itself when there is room. Nothing is lost and nothing is reported to the
//     engine; Stalled says so meanwhile, so that the owner can refuse new work.
//   - Any other error on such a file: what was written since the last sync may
//     be lost, and no later success would prove the opposite. The call never
//     returns, and Failed says why. Reading goes on; a restart recovers.
//   - No room for a table: the error is passed on after a pause. The engine
//     drops the half-written table, which frees room, and tries again.
//
// A Guard also never lets a log file be written over in place: a recycled file
// would keep deleted bytes beyond its new end.
package diskguard

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// retryEvery is how often a call that found no room tries again.
const retryEvery = 50 * time.Millisecond

// Guard is a file system over another one. Until Arm is called it passes every
// error on, so that opening a database on a full disk fails instead of waiting.
type Guard struct {
	vfs.FS

	onFailure func(error)
	armed     atomic.Bool
	waiting   atomic.Int32
	failed    atomic.Pointer[error]
	failOnce  sync.Once

	mu      sync.Mutex
	trouble chan struct{} // closed while some call waits for room, or after a failure
	lock    io.Closer
	dead    atomic.Bool
}

// New returns a Guard over a file system. onFailure, which may be nil, is
// called once if a file the log depends on fails for good.
func New(inner vfs.FS, onFailure func(error)) *Guard {
	return &Guard{FS: inner, onFailure: onFailure, trouble: make(chan struct{})}
}

// Arm ends the time of opening: from now on errors of files the log depends on
// wait for room or stop their caller for good.
func (g *Guard) Arm() { g.armed.Store(true) }

// Stalled reports whether some write waits for room, or never returns because
// the disk failed.
func (g *Guard) Stalled() bool { return g.waiting.Load() > 0 }

// Trouble returns a channel that is closed while Stalled reports true.
func (g *Guard) Trouble() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trouble
}

// Failed returns the error that ended writing for good, or nil.
func (g *Guard) Failed() error {
	if p := g.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Fail ends writing for good with an error found elsewhere.
func (g *Guard) Fail(err error) {
	g.failOnce.Do(func() {
		g.failed.Store(&err)
		g.enter() // and never leave
		if g.onFailure != nil {
			g.onFailure(err)
		}
	})
}

// NoRoom reports whether an error says that the disk, or a quota, is full.
func NoRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// vital reports whether the engine takes an error on this file as fatal.
func vital(name string) bool {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	return strings.HasSuffix(base, ".log") || strings.HasPrefix(base, "MANIFEST") ||
		strings.HasPrefix(base, "marker.") || base == "" || !strings.Contains(base, ".")
}

// enter counts a call that waits for room.
func (g *Guard) enter() {
	if g.waiting.Add(1) == 1 {
		g.mu.Lock()
		select {
		case <-g.trouble:
		default:
			close(g.trouble)
		}
		g.mu.Unlock()
	}
}

// leave counts it out again.
func (g *Guard) leave() {
	if g.waiting.Add(-1) == 0 {
		g.mu.Lock()
		g.trouble = make(chan struct{})
		g.mu.Unlock()
	}
}

// Lock takes a lock file, and remembers it for Abandon.
func (g *Guard) Lock(name string) (io.Closer, error) {
	lock, err := g.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lock = &onceCloser{c: lock}
	return g.lock, nil
}

// Abandon gives the folder up while calls wait or have failed: they, and every
// later write, never return, and the lock file is free for another.
func (g *Guard) Abandon() error {
	g.dead.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lock == nil {
		return nil
	}
	return g.lock.Close()
}

// onceCloser closes once.
type onceCloser struct {
	c    io.Closer
	once sync.Once
	err  error
}

func (o *onceCloser) Close() error {
	o.once.Do(func() { o.err = o.c.Close() })
	return o.err
}

// try runs a write operation by the rules of the package.
func (g *Guard) try(name string, op func() error) error {
	if g.dead.Load() {
		select {}
	}
	err := op()
	if err == nil || !g.armed.Load() || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		return err
	}
	if !vital(name) {
		if NoRoom(err) {
			time.Sleep(10 * retryEvery)
		}
		return err
	}
	if NoRoom(err) {
		g.enter()
		for NoRoom(err) {
			time.Sleep(retryEvery)
			if g.dead.Load() {
				select {}
			}
			err = op()
		}
		g.leave()
		if err == nil {
			return nil
		}
	}
	g.Fail(err)
	select {} // the engine must not see this error: it would end the process
}

// Create creates a file for writing, waiting for room if the log needs it.
func (g *Guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	var f vfs.File
	err := g.try(name, func() (err error) {
		f, err = g.FS.Create(name, category)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{File: f, g: g, name: name}, nil
}

// OpenReadWrite opens a file for writing in place.
func (g *Guard) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := g.FS.OpenReadWrite(name, category, opts...)
	if err != nil {
		return nil, err
	}
	return &file{File: f, g: g, name: name}, nil
}

// OpenDir opens a folder for syncing.
func (g *Guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &file{File: f, g: g, name: ""}, nil
}

// ReuseForWrite removes the old file and creates a new one, so that nothing of
// the old one stays on the disk.
func (g *Guard) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.FS.Remove(oldname); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return g.Create(newname, category)
}

// Link makes a second name for a file.
func (g *Guard) Link(oldname, newname string) error {
	return g.try(newname, func() error { return g.FS.Link(oldname, newname) })
}

// Rename gives a file another name.
func (g *Guard) Rename(oldname, newname string) error {
	return g.try(newname, func() error { return g.FS.Rename(oldname, newname) })
}

// Unwrap returns the file system beneath.
func (g *Guard) Unwrap() vfs.FS { return g.FS }

// file is a file written under the rules of its Guard.
type file struct {
	vfs.File
	g    *Guard
	name string
}

// Write writes all of p, going on where room ran out.
func (f *file) Write(p []byte) (int, error) {
	done := 0
	err := f.g.try(f.name, func() error {
		n, err := f.File.Write(p[done:])
		done += n
		if err == nil && done < len(p) {
			return io.ErrShortWrite
		}
		return err
	})
	return done, err
}

// WriteAt writes all of p at an offset.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	n := 0
	err := f.g.try(f.name, func() (err error) {
		n, err = f.File.WriteAt(p, off)
		return err
	})
	return n, err
}

// Preallocate asks for room ahead. It is a wish: to be refused is no error.
func (f *file) Preallocate(offset, length int64) error {
	if err := f.File.Preallocate(offset, length); err != nil && !NoRoom(err) {
		return err
	}
	return nil
}

// Sync makes what was written durable. It is never repeated after an error,
// not even for lack of room: the system may have dropped the bytes.
func (f *file) Sync() error { return f.sync(f.File.Sync) }

// SyncData makes what was written durable.
func (f *file) SyncData() error { return f.sync(f.File.SyncData) }

// SyncTo asks for a prefix to be written out.
func (f *file) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func (f *file) sync(op func() error) error {
	if f.g.dead.Load() {
		select {}
	}
	err := op()
	if err == nil || !f.g.armed.Load() || !vital(f.name) {
		return err
	}
	f.g.Fail(err)
	select {} // see try
}
