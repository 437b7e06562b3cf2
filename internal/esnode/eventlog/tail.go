package eventlog

import "sync/atomic"

// The newest records are kept in memory, so that those who follow the log at
// its end share one copy instead of each asking the storage engine.
const (
	tailSlots     = 8192
	tailMaxRecord = 4096 // larger records are read from the engine
)

// tail is a ring of the newest records by position. One writer at a time puts;
// any number read without locks.
type tail struct {
	slots [tailSlots]atomic.Pointer[tailRecord]
}

type tailRecord struct {
	position uint64
	raw      []byte
}

// put keeps a record; raw must never change afterwards.
func (t *tail) put(position uint64, raw []byte) {
	if len(raw) > tailMaxRecord {
		return
	}
	t.slots[position%tailSlots].Store(&tailRecord{position, raw})
}

// get returns the record of a position if it is still here.
func (t *tail) get(position uint64) []byte {
	r := t.slots[position%tailSlots].Load()
	if r == nil || r.position != position {
		return nil
	}
	return r.raw
}

// clear forgets everything, so that removed events are not shown.
func (t *tail) clear() {
	for i := range t.slots {
		t.slots[i].Store(nil)
	}
}
