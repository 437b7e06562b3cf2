package eventlog

import "github.com/google/uuid"

// recentCapacity is how many of the last events are known by id for the
// idempotency of writes that expect Any or StreamExists.
const recentCapacity = 1 << 17

// recent remembers where the last events stand, by id. It is guarded by the
// Log's sequencing lock.
type recent struct {
	byID map[uuid.UUID]recentEvent
	ring []uuid.UUID
	next int
}

type recentEvent struct {
	stream   string
	revision int64
	position uint64
}

func newRecent(capacity int) *recent {
	return &recent{byID: map[uuid.UUID]recentEvent{}, ring: make([]uuid.UUID, 0, capacity)}
}

// add remembers an event and forgets the oldest one beyond capacity.
func (r *recent) add(id uuid.UUID, e recentEvent) {
	if len(r.ring) < cap(r.ring) {
		r.ring = append(r.ring, id)
	} else {
		// An id that was written again has a younger entry of its own.
		delete(r.byID, r.ring[r.next])
		r.ring[r.next] = id
		r.next = (r.next + 1) % len(r.ring)
	}
	r.byID[id] = e
}

// find tells where an event stands in a stream, if that is remembered.
func (r *recent) find(id uuid.UUID, stream string) (recentEvent, bool) {
	e, ok := r.byID[id]
	return e, ok && e.stream == stream
}
