package eventschema

import (
	"encoding"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// codec writes and reads the values of one Go type, compiled from the type when
// the table of events is built. Values it reads into are addressable.
//
// It speaks the JSON that encoding/json speaks, by the same struct tags, with
// these differences: names match exactly, a member may stand there only once, strings must be
// valid UTF-8, instants are written in UTC. What it has no own way for (maps,
// floats, types with their own JSON) goes through go-json-experiment/json.
type codec struct {
	enc   func(dst []byte, v reflect.Value) ([]byte, error)
	dec   func(r *reader, v reflect.Value)
	empty func(v reflect.Value) bool // as of omitempty
}

// structCodec is the members of a struct, in their order.
type structCodec struct {
	fields  []fieldCodec
	members *members
}

type fieldCodec struct {
	codec
	name     string
	index    int
	personal bool
	omit     func(reflect.Value) bool // nil: never
}

// compiler remembers what it has compiled, so that recursive types end.
type compiler map[reflect.Type]*structCodec

var (
	timeType      = reflect.TypeFor[time.Time]()
	dateType      = reflect.TypeFor[domain.Date]()
	uuidType      = reflect.TypeFor[uuid.UUID]()
	bytesType     = reflect.TypeFor[[]byte]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	textReader    = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonMarshaler = reflect.TypeFor[interface{ MarshalJSON() ([]byte, error) }]()
)

// structOf compiles a struct. It panics on what an event cannot have: that is a
// wrong table.
func (c compiler) structOf(t reflect.Type, top bool) *structCodec {
	if s, ok := c[t]; ok {
		return s
	}
	s := new(structCodec)
	c[t] = s
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" && options == "" {
			continue
		}
		personal := f.Tag.Get("personal") == "true"
		if f.Anonymous || !f.IsExported() || name == "" {
			panic(fmt.Sprintf("eventschema: %v.%s: a field of an event is exported, named by a json tag and not embedded", t, f.Name))
		}
		if personal && !top {
			panic(fmt.Sprintf("eventschema: %v.%s: only top-level fields of an event are personal", t, f.Name))
		}
		if top && name == personalMember {
			panic(fmt.Sprintf("eventschema: %v.%s: the name %q is taken", t, f.Name, name))
		}
		if slices.Contains(names, name) {
			panic(fmt.Sprintf("eventschema: %v has two members %q", t, name))
		}
		fc := fieldCodec{codec: c.of(f.Type), name: name, index: i, personal: personal}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "":
			case "omitempty":
				fc.omit = fc.empty
			case "omitzero":
				fc.omit = zeroOf(f.Type)
			default:
				panic(fmt.Sprintf("eventschema: %v.%s: json option %q is not supported", t, f.Name, option))
			}
		}
		names = append(names, name)
		s.fields = append(s.fields, fc)
	}
	s.members = membersOf(names...)
	if len(s.fields) > 64 {
		panic(fmt.Sprintf("eventschema: %v has more than 64 fields", t))
	}
	return s
}

func zeroOf(t reflect.Type) func(reflect.Value) bool {
	if t.Implements(reflect.TypeFor[interface{ IsZero() bool }]()) && t.Kind() != reflect.Pointer {
		return func(v reflect.Value) bool { return v.Interface().(interface{ IsZero() bool }).IsZero() }
	}
	return reflect.Value.IsZero
}

func (c compiler) of(t reflect.Type) codec {
	switch t {
	case timeType:
		return codec{encTime, decTime, never}
	case dateType:
		return codec{encDate, decDate, func(v reflect.Value) bool { return v.Int() == 0 }}
	case uuidType:
		return codec{encUUID, decUUID, never}
	case bytesType:
		return codec{encBytes, decBytes, noLength}
	}
	if t.Implements(jsonMarshaler) || reflect.PointerTo(t).Implements(jsonMarshaler) {
		return other(t)
	}
	if t.Kind() != reflect.Pointer && t.Implements(textMarshaler) && reflect.PointerTo(t).Implements(textReader) {
		return codec{encText, decText, other(t).empty}
	}
	switch t.Kind() {
	case reflect.String:
		return codec{encString, decString, noLength}
	case reflect.Bool:
		return codec{encBool, decBool, reflect.Value.IsZero}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return codec{encInt, decInt(t.Bits()), reflect.Value.IsZero}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return codec{encUint, decUint(t.Bits()), reflect.Value.IsZero}
	case reflect.Pointer:
		elem := c.of(t.Elem())
		return codec{encPointer(elem), decPointer(t.Elem(), elem), reflect.Value.IsNil}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return other(t)
		}
		elem := c.of(t.Elem())
		return codec{encSlice(elem), decSlice(elem), noLength}
	case reflect.Struct:
		s := c.structOf(t, false)
		return codec{
			func(dst []byte, v reflect.Value) ([]byte, error) {
				dst, err := s.append(append(dst, '{'), v, nil)
				return append(dst, '}'), err
			},
			func(r *reader, v reflect.Value) { s.read(r, v, nil) },
			never,
		}
	}
	return other(t)
}

// append appends the members of v that which accepts (nil: all), without the
// braces.
func (s *structCodec) append(dst []byte, v reflect.Value, which func(*fieldCodec, reflect.Value) bool) ([]byte, error) {
	for i := range s.fields {
		f := &s.fields[i]
		fv := v.Field(f.index)
		if which != nil && !which(f, fv) || f.omit != nil && f.omit(fv) {
			continue
		}
		if c := dst[len(dst)-1]; c != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, s.members.quoted[i]...)
		var err error
		if dst, err = f.enc(dst, fv); err != nil {
			return dst, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return dst, nil
}

// read takes an object into v. Unknown members are passed over. With block not
// nil the member "personal" is put there as it stands.
func (s *structCodec) read(r *reader, v reflect.Value, block *[]byte) {
	if r.null() {
		return
	}
	var seen uint64
	next := 0
	for more := r.open('{'); more; more = r.more('{') {
		i, key := s.members.take(r, next)
		switch {
		case i >= 0:
			r.once(&seen, i)
			next = i + 1
			s.fields[i].dec(r, v.Field(s.fields[i].index))
		case block == nil || string(key) != personalMember:
			r.skip()
		case *block != nil:
			r.fail(errDuplicate)
		default:
			*block = append([]byte{}, r.str()...)
		}
	}
}

func never(reflect.Value) bool      { return false }
func noLength(v reflect.Value) bool { return v.Len() == 0 }

func encString(dst []byte, v reflect.Value) ([]byte, error) { return appendString(dst, v.String()) }
func decString(r *reader, v reflect.Value) {
	if !r.null() {
		v.SetString(string(r.str()))
	}
}

func encBool(dst []byte, v reflect.Value) ([]byte, error) {
	return strconv.AppendBool(dst, v.Bool()), nil
}
func decBool(r *reader, v reflect.Value) {
	if !r.null() {
		v.SetBool(r.bool())
	}
}

func encInt(dst []byte, v reflect.Value) ([]byte, error) {
	return strconv.AppendInt(dst, v.Int(), 10), nil
}
func decInt(bits int) func(*reader, reflect.Value) {
	return func(r *reader, v reflect.Value) {
		if !r.null() {
			v.SetInt(r.int(bits))
		}
	}
}

func encUint(dst []byte, v reflect.Value) ([]byte, error) {
	return strconv.AppendUint(dst, v.Uint(), 10), nil
}
func decUint(bits int) func(*reader, reflect.Value) {
	return func(r *reader, v reflect.Value) {
		if !r.null() {
			v.SetUint(r.uint(bits))
		}
	}
}

func encTime(dst []byte, v reflect.Value) ([]byte, error) {
	return appendTime(dst, *v.Addr().Interface().(*time.Time))
}
func decTime(r *reader, v reflect.Value) {
	if r.null() {
		return
	}
	t, ok := parseTime(r.str())
	if !ok {
		r.fail(errValue)
	}
	*v.Addr().Interface().(*time.Time) = t
}

func encDate(dst []byte, v reflect.Value) ([]byte, error) {
	return appendDate(dst, domain.Date(v.Int()))
}
func decDate(r *reader, v reflect.Value) {
	if r.null() {
		return
	}
	d, ok := parseDate(r.str())
	if !ok {
		r.fail(errValue)
	}
	v.SetInt(int64(d))
}

func encUUID(dst []byte, v reflect.Value) ([]byte, error) {
	return append(appendUUID(append(dst, '"'), *v.Addr().Interface().(*uuid.UUID)), '"'), nil
}
func decUUID(r *reader, v reflect.Value) {
	if r.null() {
		return
	}
	id, ok := parseUUID(r.str())
	if !ok {
		r.fail(errValue)
	}
	*v.Addr().Interface().(*uuid.UUID) = id
}

func encBytes(dst []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return append(dst, "null"...), nil
	}
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
}
func decBytes(r *reader, v reflect.Value) {
	if r.null() {
		return
	}
	b, err := base64.StdEncoding.AppendDecode([]byte{}, r.str())
	if err != nil {
		r.fail(errValue)
	}
	v.SetBytes(b)
}

func encText(dst []byte, v reflect.Value) ([]byte, error) {
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		return dst, err
	}
	return appendString(dst, text)
}
func decText(r *reader, v reflect.Value) {
	if r.null() {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(r.str()); err != nil {
		r.fail(errValue)
	}
}

func encPointer(elem codec) func([]byte, reflect.Value) ([]byte, error) {
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return elem.enc(dst, v.Elem())
	}
}
func decPointer(t reflect.Type, elem codec) func(*reader, reflect.Value) {
	return func(r *reader, v reflect.Value) {
		if r.null() {
			return
		}
		p := reflect.New(t)
		elem.dec(r, p.Elem())
		v.Set(p)
	}
}

func encSlice(elem codec) func([]byte, reflect.Value) ([]byte, error) {
	return func(dst []byte, v reflect.Value) ([]byte, error) {
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = elem.enc(dst, v.Index(i)); err != nil {
				return dst, fmt.Errorf("%d: %w", i, err)
			}
		}
		return append(dst, ']'), nil
	}
}
func decSlice(elem codec) func(*reader, reflect.Value) {
	return func(r *reader, v reflect.Value) {
		if r.null() {
			return
		}
		v.Grow(2) // so that it is not nil
		n := 0
		for more := r.open('['); more; more = r.more('[') {
			if n == v.Cap() {
				v.Grow(n)
			}
			v.SetLen(n + 1)
			elem.dec(r, v.Index(n))
			n++
		}
	}
}

// other is the codec of what has no codec of its own here.
func other(t reflect.Type) codec {
	options := jsonv2.JoinOptions(jsonv2.Deterministic(true), jsonv2.FormatNilSliceAsNull(true), jsonv2.FormatNilMapAsNull(true), jsontext.EscapeForJS(true))
	return codec{
		enc: func(dst []byte, v reflect.Value) ([]byte, error) {
			b, err := jsonv2.Marshal(v.Addr().Interface(), options)
			if err != nil && strings.Contains(err.Error(), "UTF-8") {
				err = ErrText
			}
			return append(dst, b...), err
		},
		dec: func(r *reader, v reflect.Value) {
			text := r.raw()
			if r.err == nil && jsonv2.Unmarshal(text, v.Addr().Interface()) != nil {
				r.fail(errValue)
			}
		},
		empty: func(v reflect.Value) bool {
			switch t.Kind() {
			case reflect.Map, reflect.Slice, reflect.Array, reflect.String:
				return v.Len() == 0
			case reflect.Struct:
				return false
			}
			return v.IsZero()
		},
	}
}
