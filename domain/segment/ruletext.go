package segment

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// Functions of texts, and of places.

func textNeeded(v val) val {
	if v.k == kFailed || v.k == kUnknown {
		return v
	}
	return failed("type_mismatch", "%s stands where a text is needed", kindNames[v.k])
}

func textual(holds func(s, t string) bool) func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	return func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
		out.weight += assumedText / 16
		out.eval = func(f *frame) val {
			s, t := p[0].eval(f), p[1].eval(f)
			if s.k != kText {
				return textNeeded(s)
			}
			if t.k != kText {
				return textNeeded(t)
			}
			if !f.spend(len(s.s)/16 + 1) {
				return f.stopped()
			}
			return boolean(holds(s.s, t.s))
		}
	}
}

// matches compiles a regular expression.
func matches(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	pattern, ok := literalText(args[1])
	if !ok {
		c.refuse(args[1], "a regular expression has to be written out")
		return
	}
	if len(pattern) > maxRegex {
		c.refuse(args[1], "a regular expression has at most %d characters", maxRegex)
		return
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		c.refuse(args[1], "this is not a regular expression of RE2: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	size := automaton(tree)
	if size > maxRegexSize {
		c.refuse(args[1], "this regular expression repeats too much")
		return
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.refuse(args[1], "this is not a regular expression of RE2: %v", err)
		return
	}
	cost := func(length int) int { return (length + 4) * size / 2 }
	out.weight += cost(assumedText)
	out.eval = func(f *frame) val {
		s := p[0].eval(f)
		if s.k != kText {
			return textNeeded(s)
		}
		if !f.spend(cost(len(s.s))) {
			return f.stopped()
		}
		return boolean(re.MatchString(s.s))
	}
}

// automaton is about the size of what a regular expression is compiled to.
func automaton(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)/8
	for _, sub := range re.Sub {
		size = atMost(size + automaton(sub))
	}
	if re.Op == syntax.OpRepeat {
		size = atMost(size * max(re.Max, re.Min, 1))
	}
	return size
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// geoWithin compiles geo_within(lat, lon, lat0, lon0, km): whether a place is so near
// to another, over the sphere of the earth.
func geoWithin(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	for i, x := range p {
		switch x.typ.Kind() {
		case types.IntKind, types.DoubleKind, types.DynKind:
		default:
			c.refuse(args[i], "geo_within needs numbers: latitude, longitude, latitude and longitude of the centre, kilometres; this is %s", typeWords(x.typ))
		}
	}
	out.eval = func(f *frame) val {
		var n [5]float64
		for i, x := range p {
			v := x.eval(f)
			switch {
			case v.k == kFailed:
				return v
			case v.k == kUnknown:
				return boolean(false)
			case !v.numeric():
				return failed("type_mismatch", "%s stands where a number is needed", kindNames[v.k])
			}
			n[i] = v.real()
		}
		return boolean(distance(n[0], n[1], n[2], n[3]) <= n[4])
	}
}

// distance returns the kilometres between two places (haversine formula).
func distance(lat1, lon1, lat2, lon2 float64) float64 {
	const earth, degree = 6371.0088, math.Pi / 180
	square := func(x float64) float64 { return x * x }
	h := square(math.Sin((lat2-lat1)*degree/2)) +
		math.Cos(lat1*degree)*math.Cos(lat2*degree)*square(math.Sin((lon2-lon1)*degree/2))
	return 2 * earth * math.Asin(math.Sqrt(min(h, 1)))
}
