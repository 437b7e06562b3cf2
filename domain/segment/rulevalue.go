package segment

import (
	"fmt"
	"math"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// kind is what a value is while a rule is evaluated.
type kind uint8

const (
	kUnknown kind = iota // not known of the customer
	kFailed
	kBool
	kInt
	kFloat
	kText
	kDate
	kDays  // since a date
	kYears // likewise
	kList
	kMap    // map[string]string or map[string]any
	kRecord // a pointer to one of the types of the document
)

var kindNames = [...]string{"unknown", "a failure", "a truth value", "a whole number", "a number", "a text", "a date", "days", "years", "a list", "a map", "a record"}

// val is a value. The zero value is unknown.
type val struct {
	k kind
	n int64 // the whole number, truth value, date, or the bits of the number
	s string
	p any // the failure, list, map or record
}

// evaluator is a part of a rule that was compiled.
type evaluator func(*frame) val

func failed(code, format string, args ...any) val {
	return val{k: kFailed, p: &Failure{code, fmt.Sprintf(format, args...)}}
}

func boolean(b bool) val {
	if b {
		return val{k: kBool, n: 1}
	}
	return val{k: kBool}
}

func integer(n int64) val       { return val{k: kInt, n: n} }
func number(f float64) val      { return val{k: kFloat, n: int64(math.Float64bits(f))} }
func text(s string) val         { return val{k: kText, s: s} }
func dated(d domain.Date) val   { return val{k: kDate, n: int64(d)} }
func (v val) float() float64    { return math.Float64frombits(uint64(v.n)) }
func (v val) truth() bool       { return v.k == kBool && v.n != 0 }
func (v val) numeric() bool     { return v.k == kInt || v.k == kFloat }
func (v val) date() domain.Date { return domain.Date(v.n) }

// real returns a whole number or a number as a number.
func (v val) real() float64 {
	if v.k == kInt {
		return float64(v.n)
	}
	return v.float()
}

// condition returns a value where a truth value is needed: what is not known does
// not hold.
func (v val) condition() val {
	switch v.k {
	case kBool, kFailed:
		return v
	case kUnknown:
		return boolean(false)
	}
	return failed("type_mismatch", "%s stands where a truth value is needed", kindNames[v.k])
}

// plain returns a value that the field of an event has.
func plain(x any) val {
	switch x := x.(type) {
	case string:
		return text(x)
	case int64:
		return integer(x)
	case int:
		return integer(int64(x))
	case float64:
		return number(x)
	case bool:
		return boolean(x)
	}
	return val{}
}

// equal says whether two values are the same; ok is false where one is not known.
func equal(a, b val) (same, ok bool) {
	if a.k == kUnknown || b.k == kUnknown {
		return false, false
	}
	if a.k != b.k {
		return a.numeric() && b.numeric() && a.real() == b.real(), true
	}
	switch a.k {
	case kText:
		return a.s == b.s, true
	case kFloat:
		return a.float() == b.float(), true
	}
	return a.n == b.n, true
}

// order compares two values of which both are known: -1, 0 or 1, and 2 for numbers
// that have no order. false: they are not of kinds that compare.
func order(a, b val) (int, bool) {
	switch {
	case a.k == b.k && (a.k == kInt || a.k == kDate):
		switch {
		case a.n < b.n:
			return -1, true
		case a.n > b.n:
			return 1, true
		}
		return 0, true
	case a.k == kText && b.k == kText:
		return strings.Compare(a.s, b.s), true
	case a.numeric() && b.numeric():
		x, y := a.real(), b.real()
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		case x == y:
			return 0, true
		}
		return 2, true
	}
	return 0, false
}

// relation is how two values are compared.
type relation uint8

const (
	less relation = iota
	lessEqual
	greater
	greaterEqual
)

var relations = map[string]relation{"_<_": less, "_<=_": lessEqual, "_>_": greater, "_>=_": greaterEqual}

// turned is the relation with its sides exchanged.
func (r relation) turned() relation { return [...]relation{greater, greaterEqual, less, lessEqual}[r] }

func (r relation) holds(c int) bool {
	switch r {
	case less:
		return c == -1
	case lessEqual:
		return c == -1 || c == 0
	case greater:
		return c == 1
	}
	return c == 1 || c == 0
}

// compare compares two values; what is not known compares with nothing.
func (f *frame) compare(r relation, a, b val) val {
	switch {
	case a.k == kFailed:
		return a
	case b.k == kFailed:
		return b
	case a.k == kUnknown || b.k == kUnknown:
		return boolean(false)
	case (a.k == kDays || a.k == kYears) && b.k == kInt:
		return f.aged(r, a, b.n)
	case (b.k == kDays || b.k == kYears) && a.k == kInt:
		return f.aged(r.turned(), b, a.n)
	}
	c, ok := order(a, b)
	if !ok {
		return failed("type_mismatch", "%s cannot be compared with %s", kindNames[a.k], kindNames[b.k])
	}
	return boolean(r.holds(c))
}

// calculate adds, subtracts, multiplies or divides.
func calculate(op byte, a, b val) val {
	switch {
	case a.k == kFailed:
		return a
	case b.k == kFailed:
		return b
	case a.k == kUnknown || b.k == kUnknown:
		return val{}
	case a.k == kInt && b.k == kInt:
		return calculateInt(op, a.n, b.n)
	case a.numeric() && b.numeric() && op != '%':
		x, y := a.real(), b.real()
		switch op {
		case '+':
			return number(x + y)
		case '-':
			return number(x - y)
		case '*':
			return number(x * y)
		}
		if y == 0 {
			return failed("division_by_zero", "a number was divided by 0")
		}
		return number(x / y)
	}
	return failed("type_mismatch", "%s and %s cannot be reckoned with", kindNames[a.k], kindNames[b.k])
}

func calculateInt(op byte, x, y int64) val {
	r, ok := int64(0), true
	switch op {
	case '+':
		r, ok = add(x, y)
	case '-':
		r = x - y
		ok = (r < x) == (y > 0)
	case '*':
		r = x * y
		ok = x == 0 || y == 0 || (r/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64))
	case '/', '%':
		if y == 0 {
			return failed("division_by_zero", "a whole number was divided by 0")
		}
		if ok = !(x == math.MinInt64 && y == -1); ok {
			if r = x % y; op == '/' {
				r = x / y
			}
		}
	}
	if !ok {
		return failed("overflow", "a whole number grew beyond 64 bits")
	}
	return integer(r)
}

// add adds; false: the sum is too large.
func add(x, y int64) (int64, bool) {
	r := x + y
	return r, (r > x) == (y > 0)
}
