package attribute

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rapport-crm/rapport/domain"
)

// Value is a value as JSON says it: a string in its quotes, a number with all
// its digits, true or false. It reads and writes itself as that, so that no
// number passes through a float. What else a request says (null, an array, an
// object) stands in it as it came, and is no value of any type.
type Value string

// Of returns the value of a type that is kept as a text; see Defined.Take.
func Of(kind, text string) Value {
	switch kind {
	case Number, Integer, Boolean:
		return Value(text)
	}
	return Value(quote(text))
}

// Text returns the value without quotes: the text that it is kept and found by.
func (v Value) Text() string {
	if strings.HasPrefix(string(v), `"`) {
		return unquote(string(v))
	}
	return string(v)
}

// MarshalJSON writes the value.
func (v Value) MarshalJSON() ([]byte, error) {
	if v == "" {
		return []byte("null"), nil
	}
	return []byte(v), nil
}

// UnmarshalJSON reads the value. It trusts that it is JSON.
func (v *Value) UnmarshalJSON(b []byte) error {
	text := strings.TrimSpace(string(b))
	if strings.HasPrefix(text, `"`) {
		text = quote(unquote(text))
	}
	*v = Value(text)
	return nil
}

// Take returns the text by which a value of the attribute is kept, or what is
// wrong with the value.
func (d Defined) Take(v Value) (text, problem string) {
	isText := strings.HasPrefix(string(v), `"`)
	isNumber := v != "" && strings.IndexByte("-0123456789", v[0]) >= 0
	switch d.Type {
	case Text:
		if !isText {
			return "", "must be a string"
		}
		return v.Text(), textProblem(v.Text())
	case Enum:
		if text = v.Text(); !isText || !slices.Contains(d.Enum, text) {
			return "", "must be one of " + strings.Join(d.Enum, ", ")
		}
		return text, ""
	case Date:
		day, err := domain.ParseDate(v.Text())
		if !isText || err != nil {
			return "", "must be a date such as 2026-03-01"
		}
		return day.String(), ""
	case Boolean:
		if v != "true" && v != "false" {
			return "", "must be true or false"
		}
		return string(v), ""
	case Integer:
		text, ok := Decimal(string(v))
		if _, err := strconv.ParseInt(text, 10, 64); !isNumber || !ok || err != nil {
			return "", "must be an integer of 64 bits"
		}
		return text, ""
	case Number:
		text, ok := Decimal(string(v))
		if !isNumber || !ok {
			return "", "must be a number of at most " + strconv.Itoa(maxDigits) + " digits before and after the point"
		}
		return text, ""
	}
	return "", "is of a type that is not known"
}

func textProblem(text string) string {
	if text == "" {
		return "must not be empty; clear-attribute takes a value away"
	}
	var p domain.Problems
	if p.Text("", text, maxText); p.Err() != nil {
		return p.Err().(*domain.Error).Fields[0].Detail
	}
	return ""
}

// maxDigits bounds the digits of a number before and after the point.
const maxDigits = 30

// Decimal returns the one way to write a decimal number: 1.50, 15e-1 and 1.5 are
// all 1.5. ok is false for what is no number of JSON, and for one with too many digits.
func Decimal(number string) (text string, ok bool) {
	rest, negative := strings.CutPrefix(number, "-")
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(rest), "e")
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !digits(whole) || point && !digits(fraction) || len(whole) > 1 && whole[0] == '0' {
		return "", false
	}
	if scientific {
		shift, err := strconv.Atoi(exponent)
		if err != nil || shift < -4*maxDigits || shift > 4*maxDigits || len(whole)+len(fraction) > 8*maxDigits {
			return "", false
		}
		for ; shift > 0; shift-- {
			fraction += "0"
			whole, fraction = whole+fraction[:1], fraction[1:]
		}
		for ; shift < 0; shift++ {
			whole = "0" + whole
			whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
		}
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(whole) > maxDigits || len(fraction) > maxDigits {
		return "", false
	}
	text = whole
	if whole == "" {
		text = "0"
	}
	if fraction != "" {
		text += "." + fraction
	}
	if negative && text != "0" {
		text = "-" + text
	}
	return text, true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// quote writes a string of JSON, with the escapes that encoding/json makes.
func quote(text string) string {
	const hex = "0123456789abcdef"
	b := append(make([]byte, 0, len(text)+2), '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r < ' ' || r == '<' || r == '>' || r == '&':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '\u2028' || r == '\u2029':
			b = append(b, `\u202`...)
			b = append(b, hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}

// unquote reads a string of JSON. It trusts that it is one.
func unquote(text string) string {
	text = strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	b := make([]byte, 0, len(text))
	for {
		plain, escape, found := strings.Cut(text, `\`)
		b = append(b, plain...)
		if !found || escape == "" {
			return string(b)
		}
		c := escape[0]
		text = escape[1:]
		switch c {
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'u':
			r := unit(text)
			text = text[min(4, len(text)):]
			if utf16.IsSurrogate(r) {
				if pair, ok := strings.CutPrefix(text, `\u`); ok {
					if both := utf16.DecodeRune(r, unit(pair)); both != utf8.RuneError {
						r, text = both, pair[min(4, len(pair)):]
					}
				}
			}
			b = utf8.AppendRune(b, r) // a surrogate that is alone becomes U+FFFD
			continue
		}
		b = append(b, c)
	}
}

// unit reads the four digits of an escape.
func unit(text string) rune {
	n, err := strconv.ParseUint(text[:min(4, len(text))], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}
