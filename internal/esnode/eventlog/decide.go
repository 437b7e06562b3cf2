package eventlog

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// decide applies the rules of expectations and idempotency, in EventStoreDB's
// order. The sequencing lock is held.
func (l *Log) decide(w *write, expected Expected) verdict {
	h, err := l.head(w, w.stream)
	if err != nil {
		return verdict{err: err}
	}
	if IsMetastream(w.stream) {
		// Cached, so that the write can move it: see sequence.
		if _, err := l.head(w, originalOf(w.stream)); err != nil {
			return verdict{err: err}
		}
	}
	deletedNow, err := l.tombstoned(w, h)
	if err != nil {
		return verdict{err: err}
	}
	if deletedNow {
		return verdict{err: &StreamDeletedError{w.stream}, visible: l.next - 1}
	}
	wrong := verdict{err: &WrongVersionError{w.stream, expected, h.last}, visible: h.lastPosition}
	if expected == StreamExists {
		if h.softDeleted() {
			return verdict{err: &StreamDeletedError{w.stream}, visible: l.next - 1}
		}
		if h.last < 0 && !h.hasMetadata {
			return wrong
		}
	}
	switch {
	case expected == Any || expected == StreamExists:
		return l.decideByID(w, h, wrong)
	case int64(expected) == h.last:
		return l.store(w, h)
	case int64(expected) > h.last || len(w.events) == 0:
		return wrong
	}
	// Below the end: a repetition, or a writer that lost a race.
	wrong.compare, wrong.from, wrong.head = true, int64(expected)+1, h
	if expected == NoStream && h.softDeleted() {
		wrong.compare = false
		switch same, err := l.sameAsStored(w, wrong.from); {
		case err != nil:
			return verdict{err: err}
		case same == 0:
			return l.store(w, h)
		case same < len(w.events):
			return wrong
		}
		wrong.compare = true
	}
	return wrong
}

// tombstoned reports whether a stream is, or its metadata's stream.
func (l *Log) tombstoned(w *write, h *head) (bool, error) {
	if h.tombstoned || !IsMetastream(w.stream) {
		return h.tombstoned, nil
	}
	original, err := l.head(w, originalOf(w.stream))
	if err != nil {
		return false, err
	}
	return original.tombstoned, nil
}

// store is the verdict to store the events, or to answer an empty write.
func (l *Log) store(w *write, h *head) verdict {
	if len(w.events) == 0 {
		return verdict{result: Result{Revision: h.last}, visible: h.lastPosition}
	}
	return verdict{write: true, head: h}
}

// decideByID decides a write that does not name a revision: new if its first
// event is not remembered, a repetition if all are, wrong if only some are.
func (l *Log) decideByID(w *write, h *head, wrong verdict) verdict {
	if len(w.events) == 0 {
		return l.store(w, h)
	}
	var last recentEvent
	for i := range w.events {
		e, known := l.recent.find(w.events[i].ID, w.stream)
		switch {
		case !known && i == 0:
			return l.store(w, h)
		case !known:
			return wrong
		}
		last = e
	}
	return verdict{result: Result{last.revision, last.position}, visible: last.position}
}

// compareStored decides a write below the stream's end by the ids stored
// there. What is below the end never changes, so it needs no lock.
func (l *Log) compareStored(w *write, v verdict) verdict {
	same, err := l.sameAsStored(w, v.from)
	if err != nil {
		return verdict{err: err}
	}
	if same < len(w.events) {
		return v
	}
	revision := v.from + int64(same) - 1
	at, err := get(l.db, streamKey(nil, w.stream, uint64(revision)))
	if err != nil || at == nil {
		return v
	}
	position := binary.BigEndian.Uint64(at)
	return verdict{result: Result{revision, position}, visible: position}
}

// sameAsStored counts how many of the events, from the first on, stand in the
// stream from a revision on.
func (l *Log) sameAsStored(w *write, from int64) (int, error) {
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: streamKey(nil, w.stream, uint64(from)),
		UpperBound: streamKey(nil, w.stream, tombstoneRevision),
	})
	if err != nil {
		return 0, err
	}
	defer it.Close()
	var rec Record
	n := 0
	for ok := it.First(); ok && n < len(w.events); ok = it.Next() {
		position := binary.BigEndian.Uint64(it.Value())
		raw, err := get(l.db, logKey(nil, position))
		if err != nil {
			return 0, err
		}
		if raw == nil || rec.parse(position, raw) != nil || rec.ID != w.events[n].ID {
			break
		}
		n++
	}
	return n, it.Error()
}
