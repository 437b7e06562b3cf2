package eventlog_test

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fullFS is a file system whose disk can be made full, or broken.
type fullFS struct {
	vfs.FS
	noRoom   atomic.Bool // writes fail with ENOSPC
	broken   atomic.Bool // syncs fail with EIO
	avail    atomic.Uint64
	refused  atomic.Int64
	observed chan struct{} // receives when a write was refused
}

func newFullFS(inner vfs.FS) *fullFS {
	f := &fullFS{FS: inner, observed: make(chan struct{}, 1)}
	f.avail.Store(1 << 40)
	return f
}

func (f *fullFS) check() error {
	if !f.noRoom.Load() {
		return nil
	}
	f.refused.Add(1)
	select {
	case f.observed <- struct{}{}:
	default:
	}
	return syscall.ENOSPC
}

func (f *fullFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &fullFile{file, f}, nil
}

func (f *fullFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.avail.Load(), TotalBytes: 1 << 40}, nil
}

func (f *fullFS) Unwrap() vfs.FS { return f.FS }

// awaitRefusal waits until a write was refused.
func (f *fullFS) awaitRefusal(t *testing.T) {
	t.Helper()
	select {
	case <-f.observed:
	case <-time.After(20 * time.Second):
		t.Fatal("no write was refused")
	}
}

type fullFile struct {
	vfs.File
	fs *fullFS
}

func (f *fullFile) Write(p []byte) (int, error) {
	if err := f.fs.check(); err != nil {
		n, _ := f.File.Write(p[:len(p)/3]) // a disk fills up in the middle
		return n, err
	}
	return f.File.Write(p)
}

func (f *fullFile) Sync() error {
	if f.fs.broken.Load() {
		return syscall.EIO
	}
	return f.File.Sync()
}

func (f *fullFile) SyncData() error {
	if f.fs.broken.Load() {
		return syscall.EIO
	}
	return f.File.SyncData()
}
