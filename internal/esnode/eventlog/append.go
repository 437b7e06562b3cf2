package eventlog

import (
	"context"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"
)

// MaxAppendSize bounds what one write may hold: data, metadata and twice the
// type names of all its events. EventStoreDB 24.2 counts the data only, later
// versions count as here; what is accepted here is accepted by both.
const MaxAppendSize = 1 << 20

// Proposed is an event to be stored.
type Proposed struct {
	ID       uuid.UUID
	Type     string
	JSON     bool
	Data     []byte
	Metadata []byte
}

// Result tells where a write's last event stands. Position 0: the write was empty.
type Result struct {
	Revision int64 // -1: the stream has no events
	Position uint64
}

// Append stores events at the end of a stream, all or none, if the stream is
// where the caller expects it. They are durable when Append returns. Writing
// the same events again, by id, answers where they stand.
//
// Errors: *WrongVersionError, *StreamDeletedError, ErrInvalid, ErrNoRoom and
// ErrFailed say that nothing was stored; ErrOutcomeUnknown, or the context's
// error, that it may have been.
func (l *Log) Append(ctx context.Context, stream string, expected Expected, events []Proposed) (Result, error) {
	if err := checkStreamName(stream); err != nil {
		return Result{}, err
	}
	for i := range events {
		if events[i].ID == uuid.Nil {
			return Result{}, invalid("an event has an empty id")
		}
		if events[i].Type == "" {
			return Result{}, invalid("an event has no type")
		}
	}
	if err := l.begin(); err != nil {
		return Result{}, err
	}
	defer l.life.leave()
	if err := l.writable(); err != nil {
		return Result{}, err
	}
	w, err := l.prepare(stream, events)
	if err != nil {
		return Result{}, err
	}
	l.mu.Lock()
	return l.finish(ctx, w, l.decide(w, expected))
}

// write is a write on its way.
type write struct {
	stream  string
	events  []Proposed
	records [][]byte
	loaded  loadedHeads // read before the lock was taken
	seen    uint64      // what turns was then
}

type loadedHeads map[string]*head

// verdict is what the sequencer decided about a write, with the lock held.
type verdict struct {
	err     error
	write   bool   // store the events
	result  Result // otherwise: the answer
	visible uint64 // the answer may be given when this position is durable
	compare bool   // otherwise: it depends on the stored ids from revision `from` on
	from    int64
	head    *head
}

// prepare does, before the lock is taken, what can be done without it.
func (l *Log) prepare(stream string, events []Proposed) (*write, error) {
	w := &write{stream: stream, events: events}
	if len(events) > 0 {
		w.records = make([][]byte, len(events))
		for i := range events {
			// Each by itself: the tail keeps some of them.
			w.records[i] = appendRecord(make([]byte, 0, recordSize(stream, &events[i])), stream, &events[i])
		}
	}
	l.mu.Lock()
	w.seen = l.turns
	missing := make([]string, 0, 2)
	for _, s := range involved(stream) {
		if !l.heads.cache.Contains(s) {
			missing = append(missing, s)
		}
	}
	l.mu.Unlock()
	for _, s := range missing {
		h, err := loadHead(l.db, s)
		if err != nil {
			return nil, err
		}
		if w.loaded == nil {
			w.loaded = loadedHeads{}
		}
		w.loaded[s] = h
	}
	return w, nil
}

// involved names the streams whose ends a write to a stream depends on or moves.
func involved(stream string) []string {
	if IsMetastream(stream) {
		return []string{stream, originalOf(stream)}
	}
	return []string{stream}
}

// head returns the end of a stream. The lock is held.
func (l *Log) head(w *write, stream string) (*head, error) {
	if h, ok := l.heads.cache.Get(stream); ok {
		return h, nil
	}
	h := w.loaded[stream]
	// A stream written since the load is in the cache, unless so much has
	// happened that it could have been pushed out again.
	if h == nil || l.turns-w.seen > headsCapacity/8 {
		var err error
		if h, err = loadHead(l.db, stream); err != nil {
			return nil, err
		}
	}
	l.heads.cache.Add(stream, h)
	l.turns++
	return h, nil
}

// finish carries out a verdict. It is called with the lock held and releases it.
func (l *Log) finish(ctx context.Context, w *write, v verdict) (Result, error) {
	if v.err == nil && v.write && len(w.events) > 0 {
		p, result, err := l.sequence(w, v.head)
		l.mu.Unlock()
		if err != nil {
			return Result{}, err
		}
		return result, l.await(ctx, p)
	}
	l.mu.Unlock()
	if v.compare {
		v = l.compareStored(w, v)
	}
	if err := l.awaitDurable(ctx, v.visible); err != nil {
		return Result{}, err
	}
	return v.result, v.err
}

// sequence applies a write: numbers, positions, indexes, caches. It is visible
// to nobody before the committer has made it durable. The lock is held.
func (l *Log) sequence(w *write, h *head) (*pending, Result, error) {
	extra, err := l.undelete(w, h)
	if err != nil {
		return nil, Result{}, err
	}
	batch := l.db.NewBatchWithSize(batchSize(w.records))
	defer batch.Close()
	created := ticks(l.opts.Now())
	revision, position := h.last, l.next
	for i, rec := range w.records {
		revision++
		seal(rec, created, revision)
		if err := l.put(batch, w.stream, revision, position, rec); err != nil {
			return nil, Result{}, err
		}
		l.recent.add(w.events[i].ID, recentEvent{w.stream, revision, position})
		position++
	}
	result := Result{revision, position - 1}
	if extra != nil {
		seal(extra.record, created, extra.head.last+1)
		if err := l.put(batch, extra.stream, extra.head.last+1, position, extra.record); err != nil {
			return nil, Result{}, err
		}
		position++
	}
	if err := l.db.Apply(batch, pebble.NoSync); err != nil {
		return nil, Result{}, err
	}
	h.last, h.lastPosition = result.Revision, result.Position
	also := ""
	if extra != nil {
		also = extra.stream
		extra.head.last, extra.head.lastPosition = extra.head.last+1, position-1
		extra.original.setMetadata(extra.data)
	} else if IsMetastream(w.stream) {
		if original, ok := l.heads.cache.Get(originalOf(w.stream)); ok {
			original.setMetadata(w.events[len(w.events)-1].Data)
		}
	}
	l.next = position
	l.turns++
	return l.committer.enqueue(w.stream, also, position-1), result, nil
}

// put adds one event to a batch and to the tail.
func (l *Log) put(batch *pebble.Batch, stream string, revision int64, position uint64, rec []byte) error {
	d := batch.SetDeferred(9, len(rec))
	logKey(d.Key[:0], position)
	copy(d.Value, rec)
	if err := d.Finish(); err != nil {
		return err
	}
	d = batch.SetDeferred(11+len(stream), 8)
	streamKey(d.Key[:0], stream, uint64(revision))
	positionValue(d.Value[:0], position)
	if err := d.Finish(); err != nil {
		return err
	}
	l.tail.put(position, rec)
	return nil
}

func batchSize(records [][]byte) int {
	n := 64
	for _, r := range records {
		n += 2*len(r) + 64
	}
	return min(n, math.MaxInt32)
}

// metadataWrite is the metadata event the server writes of its own accord.
type metadataWrite struct {
	stream   string
	record   []byte
	data     []byte
	head     *head // of the metastream
	original *head
}

// undelete prepares the metadata event that ends a soft deletion, if this
// write ends one: by events, or by metadata of the client's own.
func (l *Log) undelete(w *write, h *head) (*metadataWrite, error) {
	m := &metadataWrite{stream: metastreamOf(w.stream), original: h}
	var raw []byte
	if IsMetastream(w.stream) {
		original, err := l.head(w, originalOf(w.stream))
		if err != nil {
			return nil, err
		}
		if !original.softDeleted() {
			return nil, nil
		}
		m.stream, m.original = w.stream, original
		m.head = &head{last: h.last + int64(len(w.events))}
		raw = w.events[len(w.events)-1].Data
	} else {
		if !h.softDeleted() {
			return nil, nil
		}
		meta, err := l.head(w, m.stream)
		if err != nil {
			return nil, err
		}
		m.head, raw = meta, h.rawMetadata
	}
	m.data = withTruncateBefore(raw, m.original.last+1)
	m.record = appendRecord(nil, m.stream, &Proposed{ID: uuid.New(), Type: typeMetadata, JSON: true, Data: m.data})
	return m, nil
}

// writable says whether a write may begin.
func (l *Log) writable() error {
	if l.guard.Failed() != nil {
		return ErrFailed
	}
	if l.guard.Stalled() || !l.space.enough() {
		return ErrNoRoom
	}
	return nil
}

// await waits for a sequenced write to be durable.
func (l *Log) await(ctx context.Context, p *pending) error {
	select {
	case <-p.done:
		pendings.Put(p)
		return nil
	default:
	}
	select {
	case <-p.done:
		pendings.Put(p)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.guard.Trouble():
		// The write is finished when there is room, but who knows when.
		return l.lastChance(p)
	case <-l.committer.stopped:
		return l.lastChance(p)
	}
}

// lastChance prefers an answer that came at the same moment as bad news.
func (l *Log) lastChance(p *pending) error {
	select {
	case <-p.done:
		pendings.Put(p)
		return nil
	default:
		return ErrOutcomeUnknown
	}
}

// awaitDurable waits until everything up to a position is durable.
func (l *Log) awaitDurable(ctx context.Context, position uint64) error {
	for l.Durable() < position {
		changed := l.Signal()
		if l.Durable() >= position {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.guard.Trouble():
			return ErrOutcomeUnknown
		case <-l.committer.stopped:
			return ErrOutcomeUnknown
		}
	}
	return nil
}

func checkStreamName(stream string) error {
	switch {
	case stream == "":
		return invalid("the stream has no name")
	case len(stream) > maxStreamName:
		return invalid("the stream's name is longer than %d bytes", maxStreamName)
	case stream == "$all" || stream == metastreamPrefix:
		return invalid("stream %q cannot be written or read by name", stream)
	case IsMetastream(stream) && IsMetastream(originalOf(stream)):
		return invalid("stream %q: metadata has no metadata", stream)
	}
	return nil
}
