package eventschema

import (
	"encoding/hex"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// errYear refuses a time or date that RFC 3339 cannot say.
var errYear = errors.New("a time is outside the years 0 to 9999")

// ErrText refuses an event that holds a string that is not valid UTF-8: it
// could not be read back as it was written.
var ErrText = &domain.Error{
	Kind: domain.Invalid, Code: "text_not_utf8",
	Detail: "a text is not valid UTF-8; send it again in UTF-8",
}

// plain has true for every byte that a JSON string holds as it is. Beyond what
// JSON demands nothing is escaped but U+2028 and U+2029, as encoding/json does.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

const hexDigits = "0123456789abcdef"

func appendString[T string | []byte](dst []byte, s T) ([]byte, error) {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && n == 1 {
				return dst, ErrText
			}
			if r == '\u2028' || r == '\u2029' {
				dst = append(dst, s[done:i]...)
				dst = append(dst, `\u202`...)
				dst = append(dst, hexDigits[r&15])
				done = i + n
			}
			i += n
			continue
		}
		dst = append(dst, s[done:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"'), nil
}

// appendUUID appends the 36 characters of an id.
func appendUUID(dst []byte, id uuid.UUID) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = hex.AppendEncode(append(dst, '-'), id[4:6])
	dst = hex.AppendEncode(append(dst, '-'), id[6:8])
	dst = hex.AppendEncode(append(dst, '-'), id[8:10])
	return hex.AppendEncode(append(dst, '-'), id[10:16])
}

// parseUUID reads the 36 characters of an id, and no other form of it.
func parseUUID[T string | []byte](s T) (id uuid.UUID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return uuid.UUID{}, false
	}
	bad, k := byte(0), 0
	for i := range id {
		if k == 8 || k == 13 || k == 18 || k == 23 {
			k++
		}
		hi, lo := unhex[s[k]], unhex[s[k+1]]
		bad |= hi | lo
		id[i] = hi<<4 | lo&15
		k += 2
	}
	if bad > 15 {
		return uuid.UUID{}, false
	}
	return id, true
}

// appendTime appends the instant in UTC, with quotes.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return dst, errYear
	}
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"'), nil
}

// parseTime reads an instant of RFC 3339 and returns it in UTC.
func parseTime(b []byte) (time.Time, bool) {
	if t, ok := parseUTC(b); ok {
		return t, true
	}
	var t time.Time
	if err := t.UnmarshalText(b); err != nil {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// parseUTC reads what appendTime writes, and leaves all other forms to the
// time package.
func parseUTC(b []byte) (t time.Time, ok bool) {
	if len(b) < 20 || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return t, false
	}
	date, ok1 := parseDate(b[:10])
	hour, ok2 := digits(b[11:13])
	minute, ok3 := digits(b[14:16])
	second, ok4 := digits(b[17:19])
	if !ok1 || !ok2 || !ok3 || !ok4 || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	nanos := 0
	if fraction := b[19 : len(b)-1]; len(fraction) > 0 {
		n, ok := digits(fraction[1:])
		if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 || !ok {
			return t, false
		}
		for i := len(fraction); i < 10; i++ {
			n *= 10
		}
		nanos = n
	}
	return time.Unix(int64(date)*86400+int64(hour*3600+minute*60+second), int64(nanos)).UTC(), true
}

// digits reads a few decimal digits.
func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// appendDate appends "2006-01-02", with quotes.
func appendDate(dst []byte, d domain.Date) ([]byte, error) {
	year, month, day := time.Unix(int64(d)*86400, 0).UTC().Date()
	if year < 0 || year > 9999 {
		return dst, errYear
	}
	digit := func(n int) byte { return byte('0' + n%10) }
	return append(dst, '"',
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-',
		digit(day/10), digit(day), '"'), nil
}

// parseDate reads "2006-01-02".
func parseDate(b []byte) (domain.Date, bool) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	year, ok1 := digits(b[:4])
	month, ok2 := digits(b[5:7])
	day, ok3 := digits(b[8:])
	if !ok1 || !ok2 || !ok3 || month < 1 || month > 12 || day < 1 || day > daysIn(month, year) {
		return 0, false
	}
	// Days since 1970-01-01, with years that begin in March so that a leap day
	// comes last.
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	y += 400 // not negative: a whole cycle of leap years is 146097 days
	return domain.Date(365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + day - 1 - 719468 - 146097), true
}

func daysIn(month, year int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
}
