package eventlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Visitor is shown events one by one. The record is valid only during the
// call. It returns false to end the scan after this event.
type Visitor func(*Record) (more bool)

// ScanAll shows the log's events from a position (inclusive) on, oldest first,
// up to what is durable. It returns the position up to which all have been
// shown: that of the event the visitor ended with, or what is durable.
func (l *Log) ScanAll(from uint64, visit Visitor) (uint64, error) {
	if err := l.begin(); err != nil {
		return 0, err
	}
	defer l.life.leave()
	until := l.Durable()
	from = max(from, 1)
	var rec Record
	for ; from <= until; from++ {
		raw := l.tail.get(from)
		if raw == nil {
			break
		}
		if err := rec.parse(from, raw); err != nil {
			return 0, err
		}
		if !visit(&rec) {
			return from, nil
		}
	}
	if from > until {
		return until, nil
	}
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: logKey(make([]byte, 0, 9), from),
		UpperBound: logKey(make([]byte, 0, 9), until+1),
	})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		raw, err := it.ValueAndErr()
		if err == nil {
			err = rec.parse(logPosition(it.Key()), raw)
		}
		if err != nil {
			return 0, errors.Join(err, it.Close())
		}
		if !visit(&rec) {
			until = rec.Position
			break
		}
	}
	return until, it.Close()
}

// ScanAllBack shows the log's events before a position (exclusive), newest
// first, from what is durable.
func (l *Log) ScanAllBack(before uint64, visit Visitor) error {
	if err := l.begin(); err != nil {
		return err
	}
	defer l.life.leave()
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: logKey(nil, 1),
		UpperBound: logKey(nil, min(before, l.Durable()+1)),
	})
	if err != nil {
		return err
	}
	var rec Record
	for ok := it.Last(); ok; ok = it.Prev() {
		raw, err := it.ValueAndErr()
		if err == nil {
			err = rec.parse(logPosition(it.Key()), raw)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if !visit(&rec) {
			break
		}
	}
	return it.Close()
}

// Stream is what readers may know of a stream at one moment.
type Stream struct {
	Name       string
	Last       int64 // last revision; -1: no events
	Tombstoned bool
	Metadata   StreamMetadata
}

// Exists reports whether the stream can be read: it has events and is not
// deleted. It may still read as empty, if truncation hides them all.
func (s Stream) Exists() bool { return s.Last >= 0 && !s.Tombstoned && !s.SoftDeleted() }

// SoftDeleted reports whether the stream was deleted but can be written again.
func (s Stream) SoftDeleted() bool { return s.Metadata.TruncateBefore == truncatedAll }

// First returns the first revision that truncation by count and by revision
// leaves to be read.
func (s Stream) First() int64 {
	first := s.Metadata.TruncateBefore
	if n := s.Metadata.MaxCount; n > 0 && s.Last < math.MaxInt64 {
		first = max(first, s.Last-n+1)
	}
	return max(first, 0)
}

// expired reports whether truncation by age hides an event.
func (s Stream) expired(r *Record, now time.Time) bool {
	return s.Metadata.MaxAge > 0 && ticks(now)-r.Created > int64(s.Metadata.MaxAge/100)
}

// Stream tells what is known of a stream, as far as it is durable.
func (l *Log) Stream(name string) (Stream, error) {
	if err := checkStreamName(name); err != nil {
		return Stream{}, err
	}
	if err := l.begin(); err != nil {
		return Stream{}, err
	}
	defer l.life.leave()
	until := l.Durable()
	s := Stream{Name: name}
	last, _, err := l.lastOf(name, until)
	if err != nil {
		return Stream{}, err
	}
	s.Last, s.Tombstoned = last, last == tombstoneRevision
	if s.Tombstoned {
		return s, nil
	}
	if IsMetastream(name) {
		s.Metadata.MaxCount = 1
		original, _, err := l.lastOf(originalOf(name), until)
		s.Tombstoned = original == tombstoneRevision
		return s, err
	}
	metaLast, position, err := l.lastOf(metastreamOf(name), until)
	if err != nil || metaLast < 0 {
		return s, err
	}
	raw, err := get(l.db, logKey(nil, position))
	if err != nil || raw == nil {
		return s, err
	}
	var rec Record
	if err := rec.parse(position, raw); err != nil {
		return Stream{}, err
	}
	s.Metadata = parseMetadata(rec.Data)
	return s, nil
}

// lastOf finds the last event of a stream up to a position: -1 if there is none.
func (l *Log) lastOf(stream string, until uint64) (revision int64, position uint64, err error) {
	prefix := streamPrefix(make([]byte, 0, 64), stream)
	upper := append(append(make([]byte, 0, 64), prefix...), bytes.Repeat([]byte{0xff}, 9)...)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upper})
	if err != nil {
		return -1, 0, err
	}
	for ok := it.Last(); ok; ok = it.Prev() {
		if position := binary.BigEndian.Uint64(it.Value()); position <= until {
			return streamRevision(it.Key()), position, it.Close()
		}
	}
	return -1, 0, it.Close()
}

// ScanStream shows a stream's events from one revision to another (both
// inclusive), oldest first, without those that truncation hides. A tombstone
// shows as the event of the highest revision there can be.
func (l *Log) ScanStream(s Stream, from, to int64, visit Visitor) error {
	return l.scanStream(s, max(from, s.First()), to, false, visit)
}

// ScanStreamBack shows a stream's events from a revision (inclusive) back,
// newest first, without those that truncation hides.
func (l *Log) ScanStreamBack(s Stream, from int64, visit Visitor) error {
	return l.scanStream(s, s.First(), from, true, visit)
}

func (l *Log) scanStream(s Stream, first, last int64, back bool, visit Visitor) error {
	if first > last {
		return nil
	}
	if err := l.begin(); err != nil {
		return err
	}
	defer l.life.leave()
	until := l.Durable()
	upper := streamKey(make([]byte, 0, 64), s.Name, uint64(last)+1) // never overflows
	index, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: streamKey(make([]byte, 0, 64), s.Name, uint64(first)),
		UpperBound: upper,
	})
	if err != nil {
		return err
	}
	defer index.Close()
	// A clone sees the log as the index iterator does, whatever is removed meanwhile.
	log, err := index.Clone(pebble.CloneOptions{IterOptions: &pebble.IterOptions{
		LowerBound: []byte{tableLog}, UpperBound: []byte{tableLog + 1}}})
	if err != nil {
		return err
	}
	defer log.Close()
	step, ok := index.Next, false
	if back {
		step, ok = index.Prev, index.Last()
	} else {
		ok = index.First()
	}
	now := l.opts.Now()
	var rec Record
	key := make([]byte, 0, 9)
	for ; ok; ok = step() {
		position := binary.BigEndian.Uint64(index.Value())
		if position > until {
			if back {
				continue
			}
			break
		}
		key = logKey(key[:0], position)
		if !log.SeekGE(key) || !bytes.Equal(log.Key(), key) {
			if err := log.Error(); err != nil {
				return err
			}
			continue // removed with its tombstoned stream
		}
		if err := rec.parse(position, log.Value()); err != nil {
			return err
		}
		if s.expired(&rec, now) {
			continue
		}
		if !visit(&rec) {
			return nil
		}
	}
	return index.Error()
}

// Event shows one event of a stream, if it exists and truncation leaves it.
func (l *Log) Event(stream string, revision int64, visit func(*Record)) error {
	s, err := l.Stream(stream)
	if err != nil || !s.Exists() || revision < s.First() || revision > s.Last {
		return err
	}
	return l.scanStream(s, revision, revision, false, func(r *Record) bool {
		visit(r)
		return false
	})
}
