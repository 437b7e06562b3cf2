package eventschema

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// reader takes a JSON text apart. It accepts what RFC 8259 allows and no more:
// strings are valid UTF-8 without lone surrogates, nesting is bounded. The first
// error sticks; after it every method returns a zero value and more returns
// false, so that callers look at err once, at the end.
type reader struct {
	b       []byte
	i       int
	depth   int
	err     error
	scratch []byte // holds the last string that had an escape
}

var (
	errSyntax    = errors.New("malformed JSON")
	errType      = errors.New("a member has the wrong JSON type")
	errRange     = errors.New("a number is out of range")
	errDepth     = errors.New("JSON is nested too deep")
	errUTF8      = errors.New("a string is not valid UTF-8")
	errDuplicate = errors.New("a member stands there twice")
	errValue     = errors.New("a member has a malformed value")
)

const maxDepth = 200

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.i = len(r.b)
}

// peek skips white space and returns the next byte without taking it, 0 at the end.
func (r *reader) peek() byte {
	if r.i < len(r.b) && r.b[r.i] > ' ' {
		return r.b[r.i]
	}
	return r.space()
}

func (r *reader) space() byte {
	for ; r.i < len(r.b); r.i++ {
		if c := r.b[r.i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// open takes the bracket that begins an object or array and says whether it
// has a first element.
func (r *reader) open(bracket byte) bool {
	if r.peek() != bracket {
		r.unexpected()
		return false
	}
	if r.depth++; r.depth > maxDepth {
		r.fail(errDepth)
		return false
	}
	r.i++
	if r.peek() == bracket+2 { // '{'+2 == '}', '['+2 == ']'
		r.i++
		r.depth--
		return false
	}
	return r.err == nil
}

// more takes a comma, or the bracket that ends what the other bracket began,
// and says whether there is another element.
func (r *reader) more(bracket byte) bool {
	switch r.peek() {
	case ',':
		r.i++
		return r.err == nil
	case bracket + 2:
		r.i++
		r.depth--
		return false
	}
	r.fail(errSyntax)
	return false
}

// key takes the name of a member and the colon. It is valid until the next string is read.
func (r *reader) key() []byte {
	if r.peek() != '"' {
		r.fail(errSyntax)
		return nil
	}
	k := r.str()
	if r.peek() != ':' {
		r.fail(errSyntax)
		return nil
	}
	r.i++
	return k
}

// members are the names of an object's members, in the order in which they are
// written.
type members struct {
	quoted []string // `"name":`
	index  map[string]int
}

func membersOf(names ...string) *members {
	m := &members{index: map[string]int{}}
	for i, name := range names {
		quoted, err := appendString(nil, name)
		if err != nil {
			panic(err)
		}
		m.quoted = append(m.quoted, string(quoted)+":")
		m.index[name] = i
	}
	return m
}

// take takes the name of a member and the colon, and returns which one it is,
// -1 for another, whose name is key. next is the one that would be next if none
// were left out.
func (m *members) take(r *reader, next int) (i int, key []byte) {
	if r.peek() == '"' {
		rest := r.b[r.i:]
		for i, quoted := range m.quoted[min(next, len(m.quoted)):] {
			if len(rest) >= len(quoted) && string(rest[:len(quoted)]) == quoted {
				r.i += len(quoted)
				return next + i, nil
			}
		}
	}
	key = r.key()
	if i, ok := m.index[string(key)]; ok && r.err == nil {
		return i, nil
	}
	return -1, key
}

// once notes in seen that member i was there, and fails if it was before.
func (r *reader) once(seen *uint64, i int) {
	if *seen&(1<<i) != 0 {
		r.fail(errDuplicate)
	}
	*seen |= 1 << i
}

// end says that nothing but white space may follow.
func (r *reader) end() error {
	if r.err == nil && r.peek() != 0 || r.err == nil && r.i < len(r.b) {
		r.fail(errSyntax)
	}
	return r.err
}

// null takes a null, if that is the next value.
func (r *reader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	r.literal("null")
	return r.err == nil
}

func (r *reader) bool() bool {
	switch r.peek() {
	case 't':
		r.literal("true")
		return r.err == nil
	case 'f':
		r.literal("false")
	default:
		r.unexpected()
	}
	return false
}

func (r *reader) literal(s string) {
	if len(r.b)-r.i < len(s) || string(r.b[r.i:r.i+len(s)]) != s {
		r.fail(errSyntax)
		return
	}
	r.i += len(s)
}

// unexpected fails with the right error for a value of the wrong type.
func (r *reader) unexpected() {
	switch c := r.peek(); {
	case c == '"', c == '{', c == '[', c == 't', c == 'f', c == 'n', c == '-', c >= '0' && c <= '9':
		r.fail(errType)
	default:
		r.fail(errSyntax)
	}
}

// str takes a string and returns its bytes: a part of the input if it has no
// escapes, else of a buffer that the next such string overwrites.
func (r *reader) str() []byte {
	if r.peek() != '"' {
		r.unexpected()
		return nil
	}
	start := r.i + 1
	b := r.b
	ascii := true
	for i := start; i < len(b); {
		if i+8 <= len(b) {
			n := ordinary(binary.LittleEndian.Uint64(b[i:]))
			i += n
			if n == 8 {
				continue
			}
		}
		switch c := b[i]; {
		case c == '"':
			r.i = i + 1
			if !ascii && !utf8.Valid(b[start:i]) {
				r.fail(errUTF8)
				return nil
			}
			return b[start:i:i]
		case c == '\\':
			return r.escaped(start, i)
		case c < ' ':
			r.fail(errSyntax)
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		}
		i++
	}
	r.fail(errSyntax)
	return nil
}

// ordinary returns how many of eight bytes, from the lowest, are ASCII and
// neither a quote nor a backslash nor a control character.
func ordinary(w uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^('"'*ones), w^('\\'*ones)
	// A borrow can only raise a flag above one that is rightly raised.
	flags := ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w | w) & highs
	return bits.TrailingZeros64(flags) / 8 // 64 without a flag
}

// escaped continues a string at its first backslash.
func (r *reader) escaped(start, i int) []byte {
	buf := append(r.scratch[:0], r.b[start:i]...)
	for i < len(r.b) {
		c := r.b[i]
		switch {
		case c == '"':
			r.i = i + 1
			r.scratch = buf
			if !utf8.Valid(buf) {
				r.fail(errUTF8)
				return nil
			}
			return buf
		case c < ' ':
			r.fail(errSyntax)
			return nil
		case c != '\\':
			buf = append(buf, c)
			i++
			continue
		}
		if i+1 >= len(r.b) {
			break
		}
		if c = r.b[i+1]; c == 'u' {
			rune1 := hex4(r.b, i+2)
			if rune1 < 0 {
				break
			}
			i += 6
			if utf16.IsSurrogate(rune1) {
				rune2 := rune(-1)
				if i+1 < len(r.b) && r.b[i] == '\\' && r.b[i+1] == 'u' {
					rune2 = hex4(r.b, i+2)
				}
				if rune1 = utf16.DecodeRune(rune1, rune2); rune1 == utf8.RuneError {
					r.fail(errUTF8)
					return nil
				}
				i += 6
			}
			buf = utf8.AppendRune(buf, rune1)
			continue
		}
		const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		k := bytes.IndexByte([]byte(from), c)
		if k < 0 {
			break
		}
		buf = append(buf, to[k])
		i += 2
	}
	r.fail(errSyntax)
	return nil
}

// hex4 returns the value of four hexadecimal digits, -1 if they are none.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	var v rune
	for _, c := range b[i : i+4] {
		d := unhex[c]
		if d > 15 {
			return -1
		}
		v = v<<4 | rune(d)
	}
	return v
}

// number takes a number and returns its text; integer says that it has neither
// fraction nor exponent.
func (r *reader) number() (text []byte, integer bool) {
	if c := r.peek(); c != '-' && (c < '0' || c > '9') {
		r.unexpected()
		return nil, false
	}
	b, start := r.b, r.i
	i := start
	if b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		r.fail(errSyntax)
		return nil, false
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		i++
		if integer = false; !digits() {
			r.fail(errSyntax)
			return nil, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if integer = false; !digits() {
			r.fail(errSyntax)
			return nil, false
		}
	}
	r.i = i
	return b[start:i], integer
}

// int takes an integer that fits in so many bits.
func (r *reader) int(size int) int64 {
	text, integer := r.number()
	if r.err != nil {
		return 0
	}
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	u, ok := decimal(text)
	limit := uint64(1) << (size - 1)
	switch {
	case !integer:
		r.fail(errType)
	case !ok, !negative && u >= limit, negative && u > limit:
		r.fail(errRange)
	case negative:
		return -int64(u)
	default:
		return int64(u)
	}
	return 0
}

// uint takes an unsigned integer that fits in so many bits.
func (r *reader) uint(size int) uint64 {
	text, integer := r.number()
	if r.err != nil {
		return 0
	}
	if !integer {
		r.fail(errType)
		return 0
	}
	u, ok := decimal(text)
	if !ok || size < 64 && u>>size != 0 {
		r.fail(errRange)
		return 0
	}
	return u
}

// decimal reads digits; a sign makes it fail.
func decimal(text []byte) (u uint64, ok bool) {
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || u > (1<<64-1)/10 || u == (1<<64-1)/10 && d > (1<<64-1)%10 {
			return 0, false
		}
		u = u*10 + d
	}
	return u, true
}

// raw takes any value and returns its text.
func (r *reader) raw() []byte {
	r.peek()
	start := r.i
	r.skip()
	if r.err != nil {
		return nil
	}
	return r.b[start:r.i:r.i]
}

// skip takes any value.
func (r *reader) skip() {
	switch r.peek() {
	case '{':
		for more := r.open('{'); more; more = r.more('{') {
			r.key()
			r.skip()
		}
	case '[':
		for more := r.open('['); more; more = r.more('[') {
			r.skip()
		}
	case '"':
		r.str()
	case 't', 'f':
		r.bool()
	case 'n':
		r.null()
	default:
		r.number()
	}
}

// unhex maps a hexadecimal digit to its value, everything else to 255.
var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()
