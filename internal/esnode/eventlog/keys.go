package eventlog

import "encoding/binary"

// Keys of the storage engine. The first byte names the table.
const (
	tableLog    = 'l' // position -> record
	tableStream = 's' // stream, revision -> position
	tableDoomed = 'd' // stream: tombstoned, its events still to be removed
	tableTurn   = 'w' // written only to turn the write-ahead files over
	tableEnd    = 'z'
)

const (
	maxStreamName = 1 << 12 // bytes of a stream's name

	tombstoneRevision = TombstoneRevision
)

// TombstoneRevision is the revision of the event that ends a stream for good.
const TombstoneRevision = 1<<63 - 1

// logKey is where the record of a position stands.
func logKey(dst []byte, position uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tableLog), position)
}

// logPosition is the inverse of logKey.
func logPosition(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// streamKey is where the position of a stream's revision stands. The name's
// length goes first, so that no name is the beginning of another.
func streamKey(dst []byte, stream string, revision uint64) []byte {
	return binary.BigEndian.AppendUint64(streamPrefix(dst, stream), revision)
}

// streamPrefix is what all of a stream's index keys begin with.
func streamPrefix(dst []byte, stream string) []byte {
	dst = append(dst, tableStream)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(stream)))
	return append(dst, stream...)
}

// streamRevision is the revision an index key is of.
func streamRevision(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[len(key)-8:])) }

// doomedKey marks a tombstoned stream whose events are still stored.
func doomedKey(dst []byte, stream string) []byte {
	return append(append(dst, tableDoomed), stream...)
}

func positionValue(dst []byte, position uint64) []byte {
	return binary.BigEndian.AppendUint64(dst, position)
}
