package esnode

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// appendMessage is one message of an append, decoded by hand: the generated
// code would make a map and a dozen objects of each. Exactly one of options and
// event is set, or neither if the message is empty.
type appendMessage struct {
	options *appendOptions
	event   *proposedEvent
	err     error // why it could not be read
}

type appendOptions struct {
	stream   string
	expected eventlog.Expected
	valid    bool // expected was given, and is possible
}

type proposedEvent struct {
	eventlog.Proposed
	hasType, hasContentType bool
}

var errMalformed = status.Error(codes.InvalidArgument, "a message of the request cannot be read")

// fields calls visit for every field of a message: value holds the bytes of a
// length-delimited field, number those of a varint. Other wire types are
// passed over.
func fields(b []byte, visit func(n protowire.Number, value []byte, number uint64) error) error {
	for len(b) > 0 {
		n, kind, w := protowire.ConsumeTag(b)
		if w < 0 {
			return errMalformed
		}
		b = b[w:]
		var err error
		switch kind {
		case protowire.BytesType:
			var value []byte
			if value, w = protowire.ConsumeBytes(b); w >= 0 {
				err = visit(n, value, 0)
			}
		case protowire.VarintType:
			var number uint64
			if number, w = protowire.ConsumeVarint(b); w >= 0 {
				err = visit(n, nil, number)
			}
		default:
			w = protowire.ConsumeFieldValue(n, kind, b)
		}
		if w < 0 {
			return errMalformed
		}
		if err != nil {
			return err
		}
		b = b[w:]
	}
	return nil
}

// decode reads an AppendReq. The event's slices point into b.
func (m *appendMessage) decode(b []byte) error {
	*m = appendMessage{}
	return fields(b, func(n protowire.Number, value []byte, _ uint64) error {
		switch {
		case n == 1 && value != nil:
			m.event = nil
			m.options = &appendOptions{}
			return m.options.decode(value)
		case n == 2 && value != nil:
			m.options = nil
			m.event = &proposedEvent{}
			return m.event.decode(value)
		}
		return nil
	})
}

func (o *appendOptions) decode(b []byte) error {
	return fields(b, func(n protowire.Number, value []byte, number uint64) error {
		switch n {
		case 1:
			return fields(value, func(n protowire.Number, value []byte, _ uint64) error {
				if n == 3 {
					o.stream = string(value)
				}
				return nil
			})
		case 2:
			o.expected, o.valid = eventlog.Expected(number), int64(number) >= 0
		case 3:
			o.expected, o.valid = eventlog.NoStream, true
		case 4:
			o.expected, o.valid = eventlog.Any, true
		case 5:
			o.expected, o.valid = eventlog.StreamExists, true
		}
		return nil
	})
}

func (e *proposedEvent) decode(b []byte) error {
	return fields(b, func(n protowire.Number, value []byte, _ uint64) error {
		switch n {
		case 1:
			return decodeID(&e.ID, value)
		case 2:
			return e.decodeEntry(value)
		case 3:
			e.Metadata = value
		case 4:
			e.Data = value
		}
		return nil
	})
}

// decodeEntry reads one entry of the metadata map.
func (e *proposedEvent) decodeEntry(b []byte) error {
	var key, value []byte
	err := fields(b, func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case 1:
			key = v
		case 2:
			value = v
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !utf8.Valid(value): // it would end every client that reads it
		return errMalformed
	case string(key) == "type":
		e.Type, e.hasType = string(value), true
	case string(key) == "content-type":
		e.JSON, e.hasContentType = string(value) == contentJSON, true
	}
	return nil
}

// decodeID reads an event id in either form.
func decodeID(id *uuid.UUID, b []byte) error {
	return fields(b, func(n protowire.Number, value []byte, _ uint64) error {
		switch n {
		case 1:
			*id = uuid.UUID{}
			return fields(value, func(n protowire.Number, _ []byte, number uint64) error {
				switch n {
				case 1:
					binary.BigEndian.PutUint64(id[:8], number)
				case 2:
					binary.BigEndian.PutUint64(id[8:], number)
				}
				return nil
			})
		case 2:
			parsed, err := uuid.ParseBytes(value)
			if err != nil {
				return status.Error(codes.InvalidArgument, "an event's id is not a UUID")
			}
			*id = parsed
		}
		return nil
	})
}
