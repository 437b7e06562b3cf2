package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Compact removes the events of tombstoned streams, and of their metadata, and
// returns when they have left the disk: the tables that held them are
// rewritten and the write-ahead files turned over. The tombstones stay. It
// does nothing when nothing is tombstoned since the last time.
func (l *Log) Compact(ctx context.Context) error {
	if err := l.begin(); err != nil {
		return err
	}
	defer l.life.leave()
	if err := l.writable(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.closing, cancel)()
	l.compacting.Lock()
	defer l.compacting.Unlock()
	doomed, err := l.doomed()
	if err != nil || len(doomed) == 0 {
		return err
	}
	var spans []span
	for _, stream := range doomed {
		for _, s := range []string{stream, metastreamOf(stream)} {
			if spans, err = l.removeRecords(ctx, s, spans); err != nil {
				return fmt.Errorf("remove the events of %q: %w", s, err)
			}
		}
	}
	l.tail.clear()
	if err := l.rewrite(ctx, spans); err != nil {
		return fmt.Errorf("rewrite tables: %w", err)
	}
	if err := l.turnOver(ctx); err != nil {
		return fmt.Errorf("turn the write-ahead files over: %w", err)
	}
	if err := l.awaitCleaning(ctx); err != nil {
		return err
	}
	// Only now is it done; had the process ended before, the index would still
	// tell which records to remove.
	for _, stream := range doomed {
		if err := errors.Join(l.removeIndex(stream), l.removeIndex(metastreamOf(stream)),
			l.db.Delete(doomedKey(nil, stream), pebble.NoSync)); err != nil {
			return err
		}
	}
	l.opts.Logger.Info("removed tombstoned streams from the disk", "streams", len(doomed))
	return l.db.LogData(nil, pebble.Sync)
}

// span is a range of keys, the end exclusive.
type span struct{ start, end []byte }

// maxSpans is how many ranges are rewritten one by one before it is cheaper to
// rewrite all between the first and the last.
const maxSpans = 256

// doomed lists the tombstoned streams whose events are still stored.
func (l *Log) doomed() ([]string, error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{tableDoomed}, UpperBound: []byte{tableDoomed + 1}})
	if err != nil {
		return nil, err
	}
	var streams []string
	for ok := it.First(); ok; ok = it.Next() {
		streams = append(streams, string(it.Key()[1:]))
	}
	return streams, it.Close()
}

// removeRecords deletes a stream's events but the tombstone, and adds the
// ranges of keys that held them. The index stays.
func (l *Log) removeRecords(ctx context.Context, stream string, spans []span) ([]span, error) {
	err := l.deleteEach(ctx, stream, func(_, position []byte) []byte {
		key := logKey(nil, binary.BigEndian.Uint64(position))
		spans = append(spans, span{key, append(slices.Clone(key), 0)})
		return key
	})
	return spans, err
}

// removeIndex deletes the index of a stream but the tombstone's entry.
func (l *Log) removeIndex(stream string) error {
	return l.deleteEach(context.Background(), stream, func(key, _ []byte) []byte { return key })
}

// deleteEach deletes one key for every entry of a stream's index but the
// tombstone's.
func (l *Log) deleteEach(ctx context.Context, stream string, key func(indexKey, position []byte) []byte) error {
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: streamKey(nil, stream, 0), UpperBound: streamKey(nil, stream, tombstoneRevision)})
	if err != nil {
		return err
	}
	defer it.Close()
	batch := l.db.NewBatch()
	defer func() { batch.Close() }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := batch.Delete(key(it.Key(), it.Value()), nil); err != nil {
			return err
		}
		if batch.Count() < 2000 {
			continue
		}
		if err := errors.Join(l.db.Apply(batch, pebble.NoSync), ctx.Err()); err != nil {
			return err
		}
		batch.Close()
		batch = l.db.NewBatch()
	}
	if err := it.Error(); err != nil || batch.Count() == 0 {
		return err
	}
	return l.db.Apply(batch, pebble.NoSync)
}

// rewrite makes the storage engine write the tables of some ranges anew.
func (l *Log) rewrite(ctx context.Context, spans []span) error {
	if err := l.db.Flush(); err != nil {
		return err
	}
	if len(spans) > maxSpans {
		hulls := map[byte]span{}
		for _, s := range spans {
			h, ok := hulls[s.start[0]]
			if !ok {
				hulls[s.start[0]] = s
				continue
			}
			if string(s.start) < string(h.start) {
				h.start = s.start
			}
			if string(s.end) > string(h.end) {
				h.end = s.end
			}
			hulls[s.start[0]] = h
		}
		spans = spans[:0]
		for _, s := range hulls {
			spans = append(spans, s)
		}
	}
	for _, s := range spans {
		if err := l.db.Compact(ctx, s.start, s.end, false); err != nil {
			return err
		}
	}
	return nil
}

// turnOver retires every write-ahead file there is now. The engine keeps some
// for later use, so it takes a few rounds.
func (l *Log) turnOver(ctx context.Context) error {
	old, err := l.walFiles()
	if err != nil {
		return err
	}
	for range 64 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.db.Set([]byte{tableTurn}, nil, pebble.NoSync); err != nil {
			return err
		}
		if err := l.db.Flush(); err != nil {
			return err
		}
		now, err := l.walFiles()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(now, func(f string) bool { return slices.Contains(old, f) }) {
			return nil
		}
	}
	return errors.New("old files are still there")
}

func (l *Log) walFiles() ([]string, error) {
	names, err := l.guard.List(l.opts.Dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".log") }), nil
}

// awaitCleaning waits until the tables that were replaced are gone from the
// disk. A reader may hold one for the moment of a page.
func (l *Log) awaitCleaning(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		m := l.db.Metrics()
		if m.Table.ObsoleteCount == 0 && m.Table.ZombieCount == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// compactInBackground runs Compact some time after a tombstone, and at the
// start for those of the last run.
func (l *Log) compactInBackground() {
	if l.opts.CompactAfter < 0 {
		return
	}
	timer := time.NewTimer(l.opts.CompactAfter)
	defer timer.Stop()
	for {
		select {
		case <-l.closing.Done():
			return
		case <-timer.C:
		}
		if err := l.Compact(l.closing); err != nil && l.closing.Err() == nil {
			l.opts.Logger.Warn("tombstoned streams are still on the disk; trying again later", "error", err)
			timer.Reset(10 * l.opts.CompactAfter)
			continue
		}
		select {
		case <-l.closing.Done():
			return
		case <-l.compactSoon:
			timer.Reset(l.opts.CompactAfter)
		}
	}
}
