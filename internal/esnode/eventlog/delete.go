package eventlog

import (
	"context"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
)

// Delete deletes a stream softly: it reads as not found, its events stay in
// the log, and writing to it goes on at the next revision. It returns the
// position of the metadata event that says so.
func (l *Log) Delete(ctx context.Context, stream string, expected Expected) (uint64, error) {
	w, err := l.beginRemoval(stream)
	if err != nil {
		return 0, err
	}
	defer l.life.leave()
	// The deletion is a write to the metastream, decided on the stream itself.
	meta, err := l.prepare(metastreamOf(stream), []Proposed{{ID: uuid.New(), Type: typeMetadata, JSON: true,
		Data: []byte(`{"$tb":` + strconv.Itoa(truncatedAll) + `}`)}})
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	v := l.decide(w, expected)
	if v.err == nil && v.write && v.head.last < 0 && !v.head.hasMetadata {
		v = verdict{err: &WrongVersionError{stream, expected, -1}}
	}
	if v.err != nil || !v.write {
		_, err := l.finish(ctx, w, v)
		return 0, err
	}
	h, err := l.head(meta, meta.stream)
	if err != nil {
		l.mu.Unlock()
		return 0, err
	}
	// A second deletion must not be taken for the end of the first.
	v.head.metadata = StreamMetadata{}
	p, result, err := l.sequence(meta, h)
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return result.Position, l.await(ctx, p)
}

// Tombstone deletes a stream for good, also one that never had an event: it
// can never be read or written again. Its events leave the disk at the next
// Compact. It returns the position of the event that says so.
func (l *Log) Tombstone(ctx context.Context, stream string, expected Expected) (uint64, error) {
	w, err := l.beginRemoval(stream)
	if err != nil {
		return 0, err
	}
	defer l.life.leave()
	l.mu.Lock()
	v := l.decide(w, expected)
	if v.err != nil || !v.write {
		_, err := l.finish(ctx, w, v)
		return 0, err
	}
	p, position, err := l.sequenceTombstone(w, v.head)
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if err := l.await(ctx, p); err != nil {
		return 0, err
	}
	select {
	case l.compactSoon <- struct{}{}:
	default:
	}
	return position, nil
}

// beginRemoval starts a call that removes a stream. Its decision is that of a
// write of one event with an id of its own.
func (l *Log) beginRemoval(stream string) (*write, error) {
	if err := checkStreamName(stream); err != nil {
		return nil, err
	}
	if IsMetastream(stream) {
		return nil, invalid("stream %q holds metadata and cannot be deleted", stream)
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	err := l.writable()
	var w *write
	if err == nil {
		w, err = l.prepare(stream, []Proposed{{ID: uuid.New(), Type: typeStreamDeleted}})
	}
	if err != nil {
		l.life.leave()
		return nil, err
	}
	return w, nil
}

// sequenceTombstone applies a tombstone. The lock is held.
func (l *Log) sequenceTombstone(w *write, h *head) (*pending, uint64, error) {
	batch := l.db.NewBatch()
	defer batch.Close()
	position, rec := l.next, w.records[0]
	seal(rec, ticks(l.opts.Now()), tombstoneRevision)
	if err := l.put(batch, w.stream, tombstoneRevision, position, rec); err != nil {
		return nil, 0, err
	}
	if err := batch.Set(doomedKey(nil, w.stream), nil, nil); err != nil {
		return nil, 0, err
	}
	if err := l.db.Apply(batch, pebble.NoSync); err != nil {
		return nil, 0, err
	}
	h.last, h.lastPosition, h.tombstoned = tombstoneRevision, position, true
	l.next++
	l.turns++
	return l.committer.enqueue(w.stream, metastreamOf(w.stream), position), position, nil
}
