package eventlog

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// A record is how an event stands in the log:
//
//	0      version of the layout (1)
//	1      flags: bit 0 = the data is JSON
//	2:18   event id
//	18:26  created, .NET ticks (100 ns) since the Unix epoch, big endian
//	26:34  revision, big endian
//	then   stream, type and data, each with its length as a uvarint before it
//	rest   metadata
const (
	recordVersion  = 1
	flagJSON       = 1
	offsetID       = 2
	offsetCreated  = 18
	offsetRevision = 26
	offsetStream   = 34
)

var errCorrupt = errors.New("eventlog: a stored record cannot be read")

// Record is an event as it is stored. The byte slices point into the storage
// engine's memory and are valid only while the visitor that got them runs.
type Record struct {
	Position uint64
	Revision int64
	ID       uuid.UUID
	Created  int64 // .NET ticks since the Unix epoch
	JSON     bool
	Stream   []byte
	Type     []byte
	Data     []byte
	Metadata []byte
}

// ticks gives a time in .NET ticks since the Unix epoch.
func ticks(t time.Time) int64 { return t.UnixNano() / 100 }

// appendRecord adds an event's record to dst. Created and revision are filled
// in by seal when the event is sequenced.
func appendRecord(dst []byte, stream string, e *Proposed) []byte {
	flags := byte(0)
	if e.JSON {
		flags = flagJSON
	}
	dst = append(dst, recordVersion, flags)
	dst = append(dst, e.ID[:]...)
	dst = append(dst, make([]byte, offsetStream-offsetCreated)...)
	dst = binary.AppendUvarint(dst, uint64(len(stream)))
	dst = append(dst, stream...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Type)))
	dst = append(dst, e.Type...)
	dst = binary.AppendUvarint(dst, uint64(len(e.Data)))
	dst = append(dst, e.Data...)
	return append(dst, e.Metadata...)
}

// recordSize is a bound on the length of an event's record.
func recordSize(stream string, e *Proposed) int {
	return offsetStream + 3*binary.MaxVarintLen32 + len(stream) + len(e.Type) + len(e.Data) + len(e.Metadata)
}

// seal fills in what only the sequencer knows.
func seal(rec []byte, created, revision int64) {
	binary.BigEndian.PutUint64(rec[offsetCreated:], uint64(created))
	binary.BigEndian.PutUint64(rec[offsetRevision:], uint64(revision))
}

// parse reads a record. Its slices point into raw.
func (r *Record) parse(position uint64, raw []byte) error {
	if len(raw) < offsetStream || raw[0] != recordVersion {
		return errCorrupt
	}
	r.Position = position
	r.JSON = raw[1]&flagJSON != 0
	copy(r.ID[:], raw[offsetID:])
	r.Created = int64(binary.BigEndian.Uint64(raw[offsetCreated:]))
	r.Revision = int64(binary.BigEndian.Uint64(raw[offsetRevision:]))
	rest := raw[offsetStream:]
	var ok bool
	if r.Stream, rest, ok = field(rest); !ok {
		return errCorrupt
	}
	if r.Type, rest, ok = field(rest); !ok {
		return errCorrupt
	}
	if r.Data, rest, ok = field(rest); !ok {
		return errCorrupt
	}
	r.Metadata = rest
	return nil
}

// field cuts a length-prefixed field off.
func field(b []byte) (value, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	end := w + int(n)
	return b[w:end:end], b[end:], true
}
