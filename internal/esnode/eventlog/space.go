package eventlog

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// space watches the room on the disk, so that writes are refused while the
// storage engine still has enough to finish what it has taken.
type space struct {
	fs      vfs.FS
	dir     string
	reserve int64
	now     func() time.Time

	checked atomic.Int64 // when, in Unix nanoseconds
	short   atomic.Bool
}

// spaceEvery is how long an answer of the file system is relied on.
const spaceEvery = 100 * time.Millisecond

// enough reports whether there is room to write. A file system that does not
// tell has room.
func (s *space) enough() bool {
	if s.reserve < 0 {
		return true
	}
	now := s.now().UnixNano()
	last := s.checked.Load()
	if now-last > int64(spaceEvery) && s.checked.CompareAndSwap(last, now) {
		usage, err := s.fs.GetDiskUsage(s.dir)
		s.short.Store(err == nil && usage.AvailBytes < uint64(s.reserve))
	}
	return !s.short.Load()
}
