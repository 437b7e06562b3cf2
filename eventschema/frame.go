package eventschema

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/google/uuid"
)

// ErrFrame says that a payload was not made by AppendFrame, or was cut.
var ErrFrame = errors.New("eventschema: malformed frame")

// AppendFrame appends an event to the payload of a message: its length as a
// varint, then id, position and revision in 16, 8 and 8 bytes, then stream,
// type, data and metadata, each after its length as a varint. Frames reads it.
// It is a form between goroutines, not one that is stored.
func AppendFrame(dst []byte, raw Raw) []byte {
	dst = binary.AppendUvarint(dst, uint64(bodyLen(raw)))
	dst = append(dst, raw.ID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, raw.Position)
	dst = binary.BigEndian.AppendUint64(dst, raw.Revision)
	dst = append(binary.AppendUvarint(dst, uint64(len(raw.Stream))), raw.Stream...)
	dst = append(binary.AppendUvarint(dst, uint64(len(raw.Type))), raw.Type...)
	dst = append(binary.AppendUvarint(dst, uint64(len(raw.Data))), raw.Data...)
	return append(binary.AppendUvarint(dst, uint64(len(raw.Metadata))), raw.Metadata...)
}

// FrameLen returns the number of bytes that AppendFrame appends.
func FrameLen(raw Raw) int {
	n := bodyLen(raw)
	return uvarintLen(n) + n
}

func bodyLen(raw Raw) int {
	n := 16 + 8 + 8
	for _, l := range [...]int{len(raw.Stream), len(raw.Type), len(raw.Data), len(raw.Metadata)} {
		n += uvarintLen(l) + l
	}
	return n
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

// Frames yields the events of a payload, ErrFrame once at the end if it is
// malformed. Data and Metadata are parts of the payload, which must not change
// while they are in use.
func Frames(payload []byte) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		for rest := payload; len(rest) > 0; {
			body, after, ok := cutPart(rest)
			if !ok || len(body) < 32 {
				yield(Raw{}, ErrFrame)
				return
			}
			rest = after
			raw := Raw{
				ID:       uuid.UUID(body[:16]),
				Position: binary.BigEndian.Uint64(body[16:]),
				Revision: binary.BigEndian.Uint64(body[24:]),
			}
			stream, b, ok1 := cutPart(body[32:])
			wire, b, ok2 := cutPart(b)
			data, b, ok3 := cutPart(b)
			metadata, b, ok4 := cutPart(b)
			if !ok1 || !ok2 || !ok3 || !ok4 || len(b) > 0 {
				yield(Raw{}, ErrFrame)
				return
			}
			raw.Stream, raw.Data, raw.Metadata = string(stream), data, metadata
			if v, known := Events.byWire[string(wire)]; known {
				raw.Type = v.wire // no copy
			} else {
				raw.Type = string(wire)
			}
			if !yield(raw, nil) {
				return
			}
		}
	}
}

// cutPart takes bytes that follow their length.
func cutPart(b []byte) (part, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	end := k + int(n)
	return b[k:end:end], b[end:], true
}
