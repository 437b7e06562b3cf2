// Package eventlog is the log of an embedded EventStoreDB node: streams of
// events in one total order, on disk.
//
// Every event has a position in the log (dense from 1, strictly increasing) and
// a revision in its stream (dense from 0). A write is sequenced and applied
// without a sync under one lock, and answered when a sync has made it durable;
// one sync serves all writes that wait. Readers, followers and the answers to
// repeated writes see only what is durable.
//
// The rules of expectations, idempotency, truncation and deletion are those of
// EventStoreDB 24.2.
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rapport-crm/rapport/internal/esnode/diskguard"
)

// Options say where a Log is and what it is given. Only Dir is needed.
type Options struct {
	Dir    string
	FS     vfs.FS           // nil: the operating system's
	Logger *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now

	// OnFailure, if not nil, is called once if the disk fails and writing ends.
	OnFailure func(error)

	// Reserve is how much room on the disk writes leave free. 0: 128 MiB; a
	// negative value turns the check off.
	Reserve int64
	// CompactAfter is how long after a tombstone the stream's events are
	// removed from the disk. 0: 30 seconds; negative: only by Compact.
	CompactAfter time.Duration
	// MemTableSize is how much the storage engine gathers before it writes a
	// table. 0: 32 MiB.
	MemTableSize uint64
	// CacheSize is how much of the tables is held in memory. 0: 64 MiB.
	CacheSize int64
}

// Log is an event log on disk. It is safe for concurrent use.
type Log struct {
	opts  Options
	guard *diskguard.Guard
	lock  *pebble.Lock
	db    *pebble.DB

	life    life
	closing context.Context // ends when Close begins
	stop    context.CancelFunc
	drained context.CancelFunc // lets the committer end

	mu     sync.Mutex // the sequencing lock: guards what follows
	next   uint64     // position of the next event
	turns  uint64     // how often something entered or moved in heads
	heads  *heads
	recent *recent

	tail      tail
	durable   watermark
	streams   watchers
	committer *committer
	space     space

	compacting  sync.Mutex
	compactSoon chan struct{} // capacity 1
	background  sync.WaitGroup
}

// Open opens the log in a folder, creating both if need be. ErrLocked if
// somebody else has it open.
func Open(opts Options) (_ *Log, err error) {
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Reserve == 0 {
		opts.Reserve = 128 << 20
	}
	if opts.CompactAfter == 0 {
		opts.CompactAfter = 30 * time.Second
	}
	if opts.MemTableSize == 0 {
		opts.MemTableSize = 32 << 20
	}
	if opts.CacheSize == 0 {
		opts.CacheSize = 64 << 20
	}
	l := &Log{opts: opts, heads: newHeads(headsCapacity), recent: newRecent(recentCapacity),
		compactSoon: make(chan struct{}, 1)}
	l.guard = diskguard.New(opts.FS, func(err error) {
		opts.Logger.Error("the disk failed: writing has ended until a restart", "dir", opts.Dir, "error", err)
		if opts.OnFailure != nil {
			opts.OnFailure(err)
		}
	})
	l.space = space{fs: opts.FS, dir: opts.Dir, reserve: opts.Reserve, now: time.Now}
	if err := l.guard.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the data folder: %w", err)
	}
	if !l.space.enough() {
		return nil, fmt.Errorf("open %s: %w", opts.Dir, ErrNoRoom)
	}
	l.lock, err = pebble.LockDirectory(opts.Dir, l.guard)
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return nil, fmt.Errorf("lock the data folder: %w", err) // the file cannot even be made
	} else if err != nil {
		return nil, fmt.Errorf("%w: another process has %s open; stop it, or choose another folder (%v)", ErrLocked, opts.Dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.lock.Close())
		}
	}()
	if l.db, err = openDB(opts, l.guard, l.lock); err != nil {
		return nil, fmt.Errorf("open %s: %w", opts.Dir, err)
	}
	if err := l.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the end of %s: %w", opts.Dir, err), l.db.Close())
	}
	l.guard.Arm()
	l.closing, l.stop = context.WithCancel(context.Background())
	draining, drained := context.WithCancel(context.Background())
	l.drained = drained
	l.committer = newCommitter(l.db, &l.durable, &l.streams)
	l.background.Go(func() { l.committer.run(draining, l.guard.Fail) })
	l.background.Go(l.compactInBackground)
	return l, nil
}

func openDB(opts Options, fs vfs.FS, lock *pebble.Lock) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the storage engine cannot open it: %v", p)
		}
	}()
	o := &pebble.Options{
		FS:                          fs,
		Lock:                        lock,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                opts.MemTableSize,
		MemTableStopWritesThreshold: 4,
		CacheSize:                   opts.CacheSize,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       32,
		Logger:                      engineLogger{opts.Logger},
		// Removed events have to leave the disk, not to linger in a queue.
		TargetByteDeletionRate: 0,
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return pebble.Open(opts.Dir, o)
}

// recover finds the end of the log and remembers the last events' ids.
func (l *Log) recover() error {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{tableLog}, UpperBound: []byte{tableLog + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	l.next = 1
	if it.Last() {
		l.next = logPosition(it.Key()) + 1
	}
	l.durable.position.Store(l.next - 1)
	const remember = 1 << 13
	n := 1
	for ; n < remember && it.Prev(); n++ {
	}
	if !it.Valid() {
		it.First()
	}
	var rec Record
	for ; it.Valid(); it.Next() {
		if err := rec.parse(logPosition(it.Key()), it.Value()); err != nil {
			return err
		}
		l.recent.add(rec.ID, recentEvent{string(rec.Stream), rec.Revision, rec.Position})
	}
	return it.Error()
}

// Durable returns the position up to which everything is stored for good and
// shown to readers; 0 if the log is empty.
func (l *Log) Durable() uint64 { return l.durable.position.Load() }

// Signal returns a channel that is closed when Durable next grows. Ask for it
// first, then look, then wait.
func (l *Log) Signal() <-chan struct{} { return l.durable.signal() }

// Watch waits for one stream to grow.
func (l *Log) Watch(stream string) *Watch { return l.streams.open(stream) }

// Close waits for calls under way, makes what was sequenced durable and
// releases the folder. If the disk is full or has failed it does not wait: all
// that was ever acknowledged is stored, and the error says that the rest is not
// known. A second Close does nothing.
func (l *Log) Close() error {
	idle, first := l.life.end()
	if !first {
		return nil
	}
	l.stop()
	select {
	case <-idle:
	case <-l.guard.Trouble():
	}
	l.drained()
	select {
	case <-l.committer.stopped:
	case <-l.guard.Trouble():
		return errors.Join(fmt.Errorf("close %s: %w", l.opts.Dir, ErrOutcomeUnknown), l.guard.Abandon())
	}
	l.background.Wait()
	return errors.Join(l.db.Close(), l.lock.Close())
}

// begin starts a call; the caller ends it with l.life.leave.
func (l *Log) begin() error {
	if !l.life.enter() {
		return ErrClosed
	}
	return nil
}

// engineLogger passes the storage engine's messages on. Most are of interest
// only to its authors.
type engineLogger struct{ *slog.Logger }

func (e engineLogger) Infof(format string, args ...any) {
	e.Debug(fmt.Sprintf(format, args...), "from", "pebble")
}

func (e engineLogger) Errorf(format string, args ...any) {
	e.Error(fmt.Sprintf(format, args...), "from", "pebble")
}

// Fatalf is called when the engine finds its own state broken. Disk errors do
// not come here (see diskguard).
func (e engineLogger) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}
