package eventlog

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

// headsCapacity is how many streams the sequencer knows the end of without asking
// the storage engine.
const headsCapacity = 1 << 16

// head is where a stream ends, as sequenced (not yet durable, perhaps).
type head struct {
	last         int64  // last revision; -1: no events
	lastPosition uint64 // of the event at last
	tombstoned   bool

	// Of a stream that is not itself a metastream:
	hasMetadata bool
	metadata    StreamMetadata
	rawMetadata []byte // kept only while the stream is soft-deleted
}

func (h *head) softDeleted() bool { return h.metadata.TruncateBefore == truncatedAll }

// heads are the ends of the streams, cached. The cache is guarded by the Log's
// sequencing lock; load is not.
type heads struct {
	cache *lru.LRU[string, *head]
}

func newHeads(capacity int) *heads {
	cache, err := lru.NewLRU[string, *head](capacity, nil)
	if err != nil {
		panic(err) // the capacity is a constant
	}
	return &heads{cache: cache}
}

// loadHead reads the end of a stream, and its metadata, from the storage engine.
func loadHead(db *pebble.DB, stream string) (*head, error) {
	h := &head{}
	if err := loadEnd(db, stream, h); err != nil {
		return nil, err
	}
	if h.tombstoned {
		return h, nil
	}
	if IsMetastream(stream) {
		original := &head{}
		if err := loadEnd(db, originalOf(stream), original); err != nil {
			return nil, err
		}
		h.tombstoned = original.tombstoned
		return h, nil
	}
	meta := &head{}
	if err := loadEnd(db, metastreamOf(stream), meta); err != nil {
		return nil, err
	}
	if meta.last < 0 {
		return h, nil
	}
	raw, err := get(db, logKey(nil, meta.lastPosition))
	if err != nil {
		return nil, err
	}
	var rec Record
	if err := rec.parse(meta.lastPosition, raw); err != nil {
		return nil, err
	}
	h.setMetadata(rec.Data)
	return h, nil
}

// setMetadata takes over a metadata event's data.
func (h *head) setMetadata(data []byte) {
	h.hasMetadata = true
	h.metadata = parseMetadata(data)
	h.rawMetadata = nil
	if h.softDeleted() {
		h.rawMetadata = append([]byte(nil), data...)
	}
}

// loadEnd finds the last event of a stream. New streams are the common case
// and cost two lookups that the engine's filters answer without reading.
func loadEnd(db *pebble.DB, stream string, h *head) error {
	h.last = -1
	key := streamKey(make([]byte, 0, 64), stream, 0)
	first, err := get(db, key)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint64(key[len(key)-8:], tombstoneRevision)
	tombstone, err := get(db, key)
	if err != nil {
		return err
	}
	if tombstone != nil {
		h.last, h.lastPosition, h.tombstoned = tombstoneRevision, binary.BigEndian.Uint64(tombstone), true
		return nil
	}
	if first == nil {
		return nil
	}
	prefix := streamPrefix(nil, stream)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: key})
	if err != nil {
		return err
	}
	if it.Last() {
		h.last = streamRevision(it.Key())
		h.lastPosition = binary.BigEndian.Uint64(it.Value())
	}
	return it.Close()
}

// get returns a copy of a value, or nil if there is none.
func get(db *pebble.DB, key []byte) ([]byte, error) {
	v, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(v)), v...)
	return out, closer.Close()
}
