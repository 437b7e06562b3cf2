package eventschema

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// The end of every metadata: `,"chain":"<64 hexadecimal digits>"}`.
const (
	chainMember = `,"chain":"`
	chainLen    = len(chainMember) + 2*sha256.Size + len(`"}`)
)

// buffers holds scratch space for sealing and verifying.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4096)) }}

// next returns the value after an event: SHA-256 over, each preceded by its
// length as 8 bytes big-endian, the value before, the stream, the revision (8
// bytes big-endian), the wire type, the data, and the metadata up to the chain.
func (prev Chain) next(stream string, revision uint64, wire string, data, metadata []byte) Chain {
	p := buffers.Get().(*[]byte)
	b := binary.BigEndian.AppendUint64((*p)[:0], uint64(len(prev)))
	b = append(b, prev[:]...)
	b = append(binary.BigEndian.AppendUint64(b, uint64(len(stream))), stream...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 8), revision)
	b = append(binary.BigEndian.AppendUint64(b, uint64(len(wire))), wire...)
	b = append(binary.BigEndian.AppendUint64(b, uint64(len(data))), data...)
	b = append(binary.BigEndian.AppendUint64(b, uint64(len(metadata))), metadata...)
	sum := sha256.Sum256(b)
	*p = b
	buffers.Put(p)
	return sum
}

// NextChain returns the chain value that raw must carry when prev is the value
// of the event before it in its stream (zero for the first).
func NextChain(prev Chain, raw Raw) Chain {
	covered, _, ok := cutChain(raw.Metadata)
	if !ok {
		covered = raw.Metadata
	}
	return prev.next(raw.Stream, raw.Revision, raw.Type, raw.Data, covered)
}

// ChainOf returns the chain value that raw carries as the last member of its
// metadata; false if there is none.
func ChainOf(raw Raw) (Chain, bool) {
	_, chain, ok := cutChain(raw.Metadata)
	return chain, ok
}

// cutChain parts the metadata into what the chain covers and the chain.
func cutChain(metadata []byte) (covered []byte, chain Chain, ok bool) {
	n := len(metadata) - chainLen
	if n < 1 {
		return nil, Chain{}, false
	}
	digits, ok := bytes.CutPrefix(metadata[n:], []byte(chainMember))
	if !ok || string(digits[2*sha256.Size:]) != `"}` {
		return nil, Chain{}, false
	}
	if !chain.parse(digits[:2*sha256.Size]) {
		return nil, Chain{}, false
	}
	return metadata[:n], chain, true
}

// parse reads hexadecimal digits, lower-case only: the chain does not cover its
// own digits, so there must be one way to write them.
func (c *Chain) parse(digits []byte) bool {
	return !unhexAll(c[:], digits) && !slices.ContainsFunc(digits, func(c byte) bool { return c >= 'A' && c <= 'F' })
}

// String returns the value in hexadecimal.
func (c Chain) String() string { return hex.EncodeToString(c[:]) }

// EventID returns the id of an event: UUIDv5 in the name space of the command's
// id, over the chain value. One attempt sent twice has the same id; two
// attempts that differ in a byte have different ones.
func EventID(command uuid.UUID, chain Chain) uuid.UUID {
	var b [16 + sha256.Size]byte
	copy(b[copy(b[:], command[:]):], chain[:])
	sum := sha1.Sum(b[:])
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 5<<4
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ChainError says which event of a stream is the first that does not fit to
// those before it.
type ChainError struct {
	Stream   string
	Revision uint64 // as the event says
	ID       uuid.UUID
	Problem  string
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("event %s at revision %d of stream %s: %s", e.ID, e.Revision, e.Stream, e.Problem)
}

// Verifier checks the events of one stream, one after the other. The zero value
// begins at the first event of a stream; Begin lets it begin in the middle.
type Verifier struct {
	Chain  Chain  // of the last event that fits
	Next   uint64 // the revision that must follow
	stream string // "" before the first event
}

// Add checks the next event: its stream, that no revision is missing, its chain
// value, and that its id follows from its command and the chain. The error is a
// *ChainError, and the Verifier stays at the event before.
func (v *Verifier) Add(raw Raw) error {
	if v.stream != "" && raw.Stream != v.stream {
		return chainError(raw, "it stands among those of stream %s", v.stream)
	}
	if raw.Revision != v.Next {
		return chainError(raw, "revision %d was to follow", v.Next)
	}
	covered, chain, ok := cutChain(raw.Metadata)
	if !ok {
		return chainError(raw, "its metadata does not end with a chain value")
	}
	if want := v.Chain.next(raw.Stream, raw.Revision, raw.Type, raw.Data, covered); chain != want {
		return chainError(raw, "it carries chain value %v, but its bytes and those before it give %v", chain, want)
	}
	return v.accept(raw, chain)
}

// Begin takes the first event that is there of a stream whose beginning is not:
// its place and its chain value are taken on trust, and everything after it is
// proven against it. Its id is checked. The error is a *ChainError.
func (v *Verifier) Begin(raw Raw) error {
	_, chain, ok := cutChain(raw.Metadata)
	if !ok {
		return chainError(raw, "its metadata does not end with a chain value")
	}
	return v.accept(raw, chain)
}

// accept moves on to an event whose chain value is known, if its id fits.
func (v *Verifier) accept(raw Raw, chain Chain) error {
	m, err := decodeMeta(raw.Metadata)
	if err != nil {
		return chainError(raw, "its metadata cannot be read: %v", err)
	}
	if id := EventID(m.Command, chain); id != raw.ID {
		return chainError(raw, "its command and chain value give the id %s", id)
	}
	v.Chain, v.Next, v.stream = chain, raw.Revision+1, raw.Stream
	return nil
}

func chainError(raw Raw, format string, args ...any) *ChainError {
	return &ChainError{raw.Stream, raw.Revision, raw.ID, fmt.Sprintf(format, args...)}
}

// VerifyChain checks a whole stream from its first event and returns the last
// chain value and the number of events. The first event that does not fit is
// named by a *ChainError; any other error is one of the iterator's.
func VerifyChain(events iter.Seq2[Raw, error]) (last Chain, n uint64, err error) {
	var v Verifier
	for raw, err := range events {
		if err == nil {
			err = v.Add(raw)
		}
		if err != nil {
			return v.Chain, v.Next, err
		}
	}
	return v.Chain, v.Next, nil
}
