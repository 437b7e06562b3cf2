package esnode

import (
	"encoding/binary"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// The messages of a read are encoded by hand, straight from the stored record:
// a read of the whole log is mostly this. Numbers are those of streams.proto;
// a test compares with the generated code.

// A length-delimited field's tag is number<<3 | 2, a varint's number<<3.
const (
	tagRespEvent      = 1<<3 | 2 // ReadResp
	tagRespCheckpoint = 3<<3 | 2
	tagRespCaughtUp   = 8<<3 | 2

	tagEvent  = 1<<3 | 2 // ReadEvent
	tagLink   = 2<<3 | 2
	tagCommit = 3 << 3

	tagID         = 1<<3 | 2 // RecordedEvent
	tagStream     = 2<<3 | 2
	tagRevision   = 3 << 3
	tagPrepareAt  = 4 << 3
	tagCommitAt   = 5 << 3
	tagMetadata   = 6<<3 | 2
	tagCustom     = 7<<3 | 2
	tagData       = 8<<3 | 2
	tagStructured = 1<<3 | 2 // UUID
	tagString     = 2<<3 | 2
	tagMost       = 1 << 3 // UUID.Structured
	tagLeast      = 2 << 3
	tagStreamName = 3<<3 | 2 // StreamIdentifier
)

// The metadata map's entries: key "type", "content-type" or "created" (field 1)
// and, up to its length, the value (field 2).
const (
	entryType    = "\x0a\x04type\x12"
	entryContent = "\x0a\x0ccontent-type\x12"
	entryCreated = "\x0a\x07created\x12"

	contentJSON  = "application/json"
	contentBytes = "application/octet-stream"
)

// appendEvent adds a ReadResp with an event, or with a link and the event it
// leads to (nil if that is missing).
func appendEvent(dst []byte, event, link *eventlog.Record, idAsString bool) []byte {
	var eventSize, linkSize, size int
	position := uint64(0)
	if event != nil {
		eventSize = recordedSize(event, idAsString)
		size += fieldSize(eventSize)
		position = event.Position
	}
	if link != nil {
		linkSize = recordedSize(link, idAsString)
		size += fieldSize(linkSize)
		position = link.Position
	}
	size += 1 + protowire.SizeVarint(position)

	dst = appendLength(dst, tagRespEvent, size)
	if event != nil {
		dst = appendRecorded(appendLength(dst, tagEvent, eventSize), event, idAsString)
	}
	if link != nil {
		dst = appendRecorded(appendLength(dst, tagLink, linkSize), link, idAsString)
	}
	return appendVarint(dst, tagCommit, position)
}

// appendCheckpoint adds a ReadResp with a checkpoint.
func appendCheckpoint(dst []byte, position uint64) []byte {
	dst = appendLength(dst, tagRespCheckpoint, 2*(1+protowire.SizeVarint(position)))
	dst = appendVarint(dst, 1<<3, position)
	return appendVarint(dst, 2<<3, position)
}

// appendCaughtUp adds a ReadResp that says that the subscription is live.
func appendCaughtUp(dst []byte) []byte { return appendLength(dst, tagRespCaughtUp, 0) }

// recordedSize is the length of a RecordedEvent.
func recordedSize(r *eventlog.Record, idAsString bool) int {
	n := fieldSize(idSize(&r.ID, idAsString)) + fieldSize(fieldSize(len(r.Stream))) +
		1 + protowire.SizeVarint(uint64(r.Revision)) + 2*(1+protowire.SizeVarint(r.Position)) +
		fieldSize(entrySize(entryType, len(r.Type))) +
		fieldSize(entrySize(entryContent, len(contentType(r)))) +
		fieldSize(entrySize(entryCreated, decimalSize(r.Created)))
	if len(r.Metadata) > 0 {
		n += fieldSize(len(r.Metadata))
	}
	if len(r.Data) > 0 {
		n += fieldSize(len(r.Data))
	}
	return n
}

// appendRecorded adds a RecordedEvent's fields.
func appendRecorded(dst []byte, r *eventlog.Record, idAsString bool) []byte {
	dst = appendID(appendLength(dst, tagID, idSize(&r.ID, idAsString)), &r.ID, idAsString)
	dst = appendLength(dst, tagStream, fieldSize(len(r.Stream)))
	dst = append(appendLength(dst, tagStreamName, len(r.Stream)), r.Stream...)
	dst = appendVarint(dst, tagRevision, uint64(r.Revision))
	dst = appendVarint(dst, tagPrepareAt, r.Position)
	dst = appendVarint(dst, tagCommitAt, r.Position)

	dst = appendEntry(dst, entryType, len(r.Type))
	dst = append(dst, r.Type...)
	dst = appendEntry(dst, entryContent, len(contentType(r)))
	dst = append(dst, contentType(r)...)
	dst = appendEntry(dst, entryCreated, decimalSize(r.Created))
	dst = strconv.AppendInt(dst, r.Created, 10)

	if len(r.Metadata) > 0 {
		dst = append(appendLength(dst, tagCustom, len(r.Metadata)), r.Metadata...)
	}
	if len(r.Data) > 0 {
		dst = append(appendLength(dst, tagData, len(r.Data)), r.Data...)
	}
	return dst
}

func contentType(r *eventlog.Record) string {
	if r.JSON {
		return contentJSON
	}
	return contentBytes
}

const uuidTextSize = 36

func idSize(id *uuid.UUID, asString bool) int {
	if asString {
		return fieldSize(uuidTextSize)
	}
	return fieldSize(structuredSize(id))
}

func structuredSize(id *uuid.UUID) int {
	return 2 + protowire.SizeVarint(binary.BigEndian.Uint64(id[:8])) + protowire.SizeVarint(binary.BigEndian.Uint64(id[8:]))
}

func appendID(dst []byte, id *uuid.UUID, asString bool) []byte {
	if asString {
		dst = appendLength(dst, tagString, uuidTextSize)
		return append(dst, id.String()...)
	}
	dst = appendLength(dst, tagStructured, structuredSize(id))
	dst = appendVarint(dst, tagMost, binary.BigEndian.Uint64(id[:8]))
	return appendVarint(dst, tagLeast, binary.BigEndian.Uint64(id[8:]))
}

// fieldSize is the length of a length-delimited field with a small number.
func fieldSize(n int) int { return 1 + protowire.SizeVarint(uint64(n)) + n }

func entrySize(entry string, value int) int {
	return len(entry) + protowire.SizeVarint(uint64(value)) + value
}

func appendEntry(dst []byte, entry string, value int) []byte {
	dst = append(appendLength(dst, tagMetadata, entrySize(entry, value)), entry...)
	return protowire.AppendVarint(dst, uint64(value))
}

func appendLength(dst []byte, tag byte, n int) []byte {
	return protowire.AppendVarint(append(dst, tag), uint64(n))
}

func appendVarint(dst []byte, tag byte, v uint64) []byte {
	return protowire.AppendVarint(append(dst, tag), v)
}

// decimalSize is the number of characters of a number in decimal.
func decimalSize(v int64) int {
	n := 1
	u := uint64(v)
	if v < 0 {
		n++
		u = -u
	}
	for ; u >= 10; u /= 10 {
		n++
	}
	return n
}
