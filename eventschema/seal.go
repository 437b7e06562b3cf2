package eventschema

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
)

// What Seal and Open answer, to be tested for with errors.Is.
var (
	// ErrNoKey says that there is personal data and no key was given. It is
	// not an erasure: that is said by giving Erased.
	ErrNoKey = errors.New("eventschema: personal data and no data key")
	// ErrWrongKey says that the personal data was encrypted with another key,
	// or is not what was encrypted.
	ErrWrongKey = errors.New("eventschema: the personal data does not open with this data key")
	// ErrErased refuses to write personal data with a destroyed key.
	ErrErased = errors.New("eventschema: the data key is destroyed; nothing personal can be written any more")
	// ErrNoCustomer refuses personal data in an event of no customer: nothing
	// could erase it.
	ErrNoCustomer = errors.New("eventschema: personal data in an event of no customer")
	// ErrUnknownType says that the type is not in the table.
	ErrUnknownType = errors.New("eventschema: unknown event type")
)

// Seal makes the bytes of an event: data as JSON in the current version, its
// personal fields and the reason encrypted with the customer's key, the
// envelope, the chain value after prev, and the id. It returns the chain value
// for the next event of the stream. m.Key and m.Chain are set by Seal itself.
//
// The same arguments give the same bytes, but for personal data, which is
// encrypted with a new nonce each time. key may be nil if there is nothing
// personal. A string that is not valid UTF-8 is refused with ErrText.
func (r *Registry) Seal(prev Chain, stream string, revision uint64, m Meta, data any, key *DataKey) (Raw, Chain, error) {
	v, ok := r.byGo[reflect.TypeOf(data)]
	if !ok {
		return Raw{}, prev, fmt.Errorf("%w: %T", ErrUnknownType, data)
	}
	raw, chain, err := v.seal(prev, stream, revision, &m, data, key)
	if err != nil {
		return Raw{}, prev, fmt.Errorf("seal %s for %s: %w", v.wire, stream, err)
	}
	return raw, chain, nil
}

func (v version) seal(prev Chain, stream string, revision uint64, m *Meta, data any, key *DataKey) (Raw, Chain, error) {
	if !utf8.ValidString(stream) {
		return Raw{}, prev, ErrText
	}
	buf := buffers.Get().(*[]byte)
	p := v.scratch.Get()
	v.load(p, data)
	b, sealed, err := v.appendData((*buf)[:0], reflect.ValueOf(p).Elem(), stream, m, key)
	v.zero(p)
	v.scratch.Put(p)
	*buf = b
	defer buffers.Put(buf)
	if err != nil {
		return Raw{}, prev, err
	}
	if m.Key = ""; sealed {
		m.Key = key.id
	}
	raw := Raw{Stream: stream, Revision: revision, Type: v.wire, Data: slices.Clone(b)}
	if b, err = appendMeta(b[:0], m); err != nil {
		return Raw{}, prev, err
	}
	chain := prev.next(stream, revision, v.wire, raw.Data, b)
	b = append(appendHex(append(b, chainMember...), chain[:]), `"}`...)
	raw.Metadata = slices.Clone(b)
	raw.ID = EventID(m.Command, chain)
	*buf = b
	return raw, chain, nil
}

// appendData appends the stored form of an event's data and says whether it has
// a personal block.
func (v version) appendData(dst []byte, data reflect.Value, stream string, m *Meta, key *DataKey) ([]byte, bool, error) {
	personal := m.Reason != ""
	for i := range v.codec.fields {
		if f := &v.codec.fields[i]; f.personal && present(f, data.Field(f.index)) {
			personal = true
		}
	}
	dst, err := v.codec.append(append(dst, '{'), data, inClear)
	if err != nil {
		return dst, false, err
	}
	if !personal {
		return append(dst, '}'), false, nil
	}
	switch {
	case m.Customer == uuid.UUID{}:
		return dst, false, ErrNoCustomer
	case key == nil:
		return dst, false, ErrNoKey
	case key == Erased:
		return dst, false, ErrErased
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	block, err := v.codec.append(append((*buf)[:0], `{"data":{`...), data, present)
	block = append(block, '}')
	if err == nil && m.Reason != "" {
		block, err = appendString(append(block, `,"reason":`...), m.Reason)
	}
	block = append(block, '}')
	if *buf = block; err != nil {
		return dst, false, err
	}
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = key.appendBlock(append(dst, personalKey...), block, stream, v.wire)
	wipe(block)
	return append(dst, '"', '}'), true, nil
}

// inClear picks the fields that are stored as they are.
func inClear(f *fieldCodec, _ reflect.Value) bool { return !f.personal }

// present picks the personal fields that say anything.
func present(f *fieldCodec, v reflect.Value) bool {
	return f.personal && !v.IsZero() && !f.empty(v)
}

// Open reads an event of whatever version as the current one. key is the
// customer's; nil if there is none: that is ErrNoKey if the event has personal
// data. With Erased the personal fields are zero and so is Meta.Reason.
//
// Open does not check the chain. No input makes it panic.
func (r *Registry) Open(raw Raw, key *DataKey) (Event, error) {
	e := Event{ID: raw.ID, Stream: raw.Stream, Revision: raw.Revision, Position: raw.Position}
	err := r.open(&e, raw, key)
	if err != nil {
		return Event{}, fmt.Errorf("open event %s (%s, %s at %d): %w", raw.ID, raw.Type, raw.Stream, raw.Revision, err)
	}
	return e, nil
}

func (r *Registry) open(e *Event, raw Raw, key *DataKey) (err error) {
	v, ok := r.byWire[raw.Type]
	if !ok {
		return ErrUnknownType
	}
	e.Type = v.Type.Name
	if e.Meta, err = decodeMeta(raw.Metadata); err != nil {
		return err
	}
	p := v.scratch.Get()
	if err = v.readData(e, raw, key, reflect.ValueOf(p).Elem()); err == nil {
		e.Data = v.value(p)
	}
	v.zero(p)
	v.scratch.Put(p)
	return err
}

// readData reads the stored form of an event's data.
func (v version) readData(e *Event, raw Raw, key *DataKey, data reflect.Value) error {
	var block []byte
	in := reader{b: raw.Data}
	if in.peek() != '{' {
		in.unexpected()
	}
	old := v.number < v.Version()
	if old {
		block = in.member(personalMember)
	} else {
		v.codec.read(&in, data, &block)
	}
	if err := in.end(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	var personal []byte
	if block != nil {
		switch {
		case e.Meta.Customer == uuid.UUID{}:
			return ErrNoCustomer
		case key == nil:
			return ErrNoKey
		case key == Erased:
			e.Erased = true
		default:
			var err error
			if personal, e.Meta.Reason, err = key.openBlock(block, e.Meta.Key, raw.Stream, raw.Type); err != nil {
				return err
			}
		}
	}
	switch {
	case old:
		current, err := v.upcast(raw.Data, personal)
		if err != nil {
			return fmt.Errorf("upcast: %w", err)
		}
		in = reader{b: current}
		v.codec.read(&in, data, nil)
	case personal != nil:
		in = reader{b: personal}
		v.codec.read(&in, data, nil)
	}
	if err := in.end(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if key == Erased {
		for i := range v.codec.fields {
			if f := &v.codec.fields[i]; f.personal {
				data.Field(f.index).SetZero()
			}
		}
	}
	return nil
}

// member takes an object and returns the string under one of its names, nil if there is none.
func (r *reader) member(name string) (value []byte) {
	for more := r.open('{'); more; more = r.more('{') {
		if string(r.key()) != name {
			r.skip()
			continue
		}
		if value != nil {
			r.fail(errDuplicate)
		}
		value = append([]byte{}, r.str()...)
	}
	return value
}

// Meta reads the envelope only. The reason is not in it: it stands in the
// personal block.
func (r *Registry) Meta(raw Raw) (Meta, error) {
	m, err := decodeMeta(raw.Metadata)
	if err != nil {
		return Meta{}, fmt.Errorf("open event %s (%s, %s at %d): %w", raw.ID, raw.Type, raw.Stream, raw.Revision, err)
	}
	return m, nil
}
