package segment

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/value"
)

// call compiles an operator or function.
func (c *compiler) call(e ast.Expr) *part {
	x := e.AsCall()
	name := x.FunctionName()
	args := x.Args()
	if x.IsMemberFunction() {
		args = append([]ast.Expr{x.Target()}, args...)
	}
	if r, ok := relations[name]; ok {
		return c.comparison(e, r, args)
	}
	if make := callers[name]; make != nil {
		return make(c, e, args)
	}
	parts, out := c.arguments(args)
	make := functions[name]
	if make == nil {
		return c.refuse(e, "there is no function %q", name)
	}
	make(c, e, args, parts, out)
	if out.eval == nil {
		out.eval = func(*frame) val { return val{} }
	}
	return out
}

// arguments compiles arguments; the part has their cost.
func (c *compiler) arguments(args []ast.Expr) ([]*part, *part) {
	out := &part{weight: 1}
	parts := make([]*part, len(args))
	for i, a := range args {
		parts[i] = c.part(a)
		out.weight += parts[i].weight
		out.loops = atMost(out.loops + parts[i].loops)
	}
	return parts, out
}

// callers compile calls whose arguments are not simply evaluated. It is filled by
// init: those that are compiled look at it again.
var callers map[string]func(*compiler, ast.Expr, []ast.Expr) *part

func init() {
	callers = map[string]func(*compiler, ast.Expr, []ast.Expr) *part{
		"date": func(c *compiler, e ast.Expr, args []ast.Expr) *part {
			s, ok := literalText(args[0])
			d, err := domain.ParseDate(s)
			if !ok || err != nil {
				return c.refuse(args[0], "date needs a date that is written out and exists, such as date(\"2026-02-28\")")
			}
			return fixed(dated(d))
		},
		"events": func(c *compiler, e ast.Expr, args []ast.Expr) *part {
			name, ok := literalText(args[0])
			if !ok || !wireName.MatchString(name) {
				return c.refuse(args[0], "events needs the name of an event that is written out, such as events(\"customer.tag_added\")")
			}
			c.events[name], c.members["events"] = true, true
			path := ""
			if c.depth == 0 {
				path = "events(\"" + name + "\")"
			}
			return &part{size: assumedEvents, loops: assumedEvents / 2, events: []string{name}, eval: func(f *frame) val {
				v := f.named(name)
				if v.k == kList {
					v.p.(*list).path = path
				}
				return v
			}}
		},
		"in_segment": func(c *compiler, e ast.Expr, args []ast.Expr) *part {
			id, ok := literalText(args[0])
			if !ok || !slug.MatchString(id) {
				return c.refuse(args[0], "in_segment needs the id of a segment that is written out, such as in_segment(\"regulars\")")
			}
			c.segments[id], c.members["segments"] = true, true
			return c.traced("in_segment(\""+id+"\")", &part{eval: func(f *frame) val {
				return boolean(f.c.Member != nil && f.c.Member(id))
			}})
		},
		"cluster": func(c *compiler, e ast.Expr, args []ast.Expr) *part {
			id, ok := literalText(args[0])
			if !ok || !slug.MatchString(id) {
				return c.refuse(args[0], "cluster needs the id of a clustering that is written out, such as cluster(\"habits\")")
			}
			c.clusters[id], c.members["clusters"] = true, true
			return c.traced("cluster(\""+id+"\")", &part{eval: func(f *frame) val {
				if f.c.Cluster == nil {
					return integer(0)
				}
				return integer(int64(f.c.Cluster(id)))
			}})
		},
		"percentile": func(c *compiler, e ast.Expr, args []ast.Expr) *part {
			return c.refuse(e, "a percentile has to be compared with a number that is written out: percentile(\"revenue\") >= 95")
		},
		"_==_": func(c *compiler, e ast.Expr, args []ast.Expr) *part { return c.equality(args, false) },
		"_!=_": func(c *compiler, e ast.Expr, args []ast.Expr) *part { return c.equality(args, true) },
		"_&&_": func(c *compiler, e ast.Expr, args []ast.Expr) *part { return c.logic(args, false) },
		"_||_": func(c *compiler, e ast.Expr, args []ast.Expr) *part { return c.logic(args, true) },
	}
}

var (
	wireName = regexp.MustCompile(`^[a-z]+(-[a-z]+)*\.[a-z_-]{1,60}$`)
	slug     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
)

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func literalInt(e ast.Expr) (int64, bool) {
	if e.Kind() != ast.LiteralKind {
		return 0, false
	}
	n, ok := e.AsLiteral().(types.Int)
	return int64(n), ok
}

// logic compiles && and, if or is set, ||. As everywhere in CEL, one side that
// decides does so even if the other fails.
func (c *compiler) logic(args []ast.Expr, or bool) *part {
	parts, out := c.arguments(args)
	a, b := parts[0].eval, parts[1].eval
	out.eval = func(f *frame) val {
		x := a(f).condition()
		if x.k == kBool && (x.n != 0) == or || f.stop != nil {
			return x
		}
		y := b(f).condition()
		if y.k == kBool && (y.n != 0) == or || x.k == kBool {
			return y
		}
		return x
	}
	return out
}

func (c *compiler) equality(args []ast.Expr, not bool) *part {
	parts, out := c.arguments(args)
	a, b := parts[0].eval, parts[1].eval
	out.eval = func(f *frame) val {
		x := a(f)
		if x.k == kFailed {
			return x
		}
		y := b(f)
		if y.k == kFailed {
			return y
		}
		same, ok := equal(x, y)
		return boolean(ok && same != not)
	}
	return out
}

// comparison compiles < <= > >=.
func (c *compiler) comparison(e ast.Expr, r relation, args []ast.Expr) *part {
	for i, a := range args {
		if a.Kind() == ast.CallKind && a.AsCall().FunctionName() == "percentile" {
			if i == 1 {
				r = r.turned()
			}
			return c.percentile(e, r, a, args[1-i])
		}
	}
	parts, out := c.arguments(args)
	a, b := parts[0].eval, parts[1].eval
	out.eval = func(f *frame) val { return f.compare(r, a(f), b(f)) }
	return out
}

// percentile compiles percentile("revenue") >= 95. More than 94 is the same, less
// than 95 and at most 94 are its opposite.
func (c *compiler) percentile(e ast.Expr, r relation, call, bound ast.Expr) *part {
	name := call.AsCall().Args()[0]
	measure, ok := literalText(name)
	if !ok || !slices.Contains(measures, measure) {
		return c.refuse(name, "percentile needs one of the measures %s", strings.Join(measures, ", "))
	}
	n, ok := literalInt(bound)
	if r == greater || r == lessEqual {
		if n < math.MaxInt64 {
			n++
		}
	}
	if !ok || n < 1 || n > 99 {
		return c.refuse(bound, "a percentile is compared with a whole number that is written out: >= and < with 1 to 99, > and <= with 0 to 98")
	}
	percent, above := int(n), r == greater || r == greaterEqual
	c.percentiles[Percentile{measure, percent}], c.members["percentiles"] = true, true
	return c.traced("percentile(\""+measure+"\") >= "+integer(n).String(), &part{eval: func(f *frame) val {
		return boolean(f.c.Reaches != nil && f.c.Reaches(measure, percent))
	}}).then(func(f *frame, v val) val {
		if above {
			return v
		}
		return boolean(!v.truth() && f.c.Reaches != nil && (f.c.Ranked == nil || f.c.Ranked(measure)))
	})
}

// then makes something else of what a part evaluates to.
func (p *part) then(next func(*frame, val) val) *part {
	eval := p.eval
	p.eval = func(f *frame) val {
		v := eval(f)
		if v.k == kFailed {
			return v
		}
		return next(f, v)
	}
	return p
}

// measures is what a customer has a percentile of.
var measures = value.MeasureNames[:]

// functions compile the other calls: they set what the part evaluates, and correct
// its cost.
var functions map[string]func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part)

func init() {
	functions = map[string]func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part){
		"!_": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			out.eval = func(f *frame) val {
				v := p[0].eval(f).condition()
				if v.k == kBool {
					v.n ^= 1
				}
				return v
			}
		},
		"_?_:_": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			out.size = max(p[1].size, p[2].size)
			out.eval = func(f *frame) val {
				switch v := p[0].eval(f).condition(); {
				case v.k == kFailed:
					return v
				case v.truth():
					return p[1].eval(f)
				}
				return p[2].eval(f)
			}
		},
		"@has": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) { out.eval = known(p[0].eval) },
		"-_": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			out.eval = func(f *frame) val {
				v := p[0].eval(f)
				if v.k == kFloat {
					return number(-v.float())
				}
				return calculate('-', integer(0), v)
			}
		},
		"@in":  compileIn,
		"_[_]": compileIndex,
		"_+_":  reckon, "_-_": reckon, "_*_": reckon, "_/_": reckon, "_%_": reckon,

		"size": count, "count": count, "first": edge, "last": edge,
		"sum": aggregate(func(f *frame, l *list) val { return f.sum(l) }),
		"avg": aggregate(func(f *frame, l *list) val { return f.average(l) }),
		"min": aggregate(func(f *frame, l *list) val { return f.extreme(l, -1) }),
		"max": aggregate(func(f *frame, l *list) val { return f.extreme(l, 1) }),

		"within": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			days := c.days(args[1])
			c.time = true
			c.list(p, out, func(f *frame, l *list) val { return f.within(l, days) })
		},
		"before": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			c.list(p, out, func(f *frame, l *list) val {
				return f.dates(p[1:], func(d []int64) val {
					return f.pick(l, func(on domain.Date) bool { return int64(on) < d[0] })
				})
			})
		},
		"since": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			c.list(p, out, func(f *frame, l *list) val {
				return f.dates(p[1:], func(d []int64) val {
					return f.pick(l, func(on domain.Date) bool { return int64(on) >= d[0] })
				})
			})
		},
		"between": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			c.list(p, out, func(f *frame, l *list) val {
				return f.dates(p[1:], func(d []int64) val {
					return f.pick(l, func(on domain.Date) bool { return int64(on) >= d[0] && int64(on) <= d[1] })
				})
			})
		},
		"followed_by":     sequence(false),
		"not_followed_by": sequence(true),

		"contains":   textual(func(s, t string) bool { return strings.Contains(s, t) }),
		"startsWith": textual(strings.HasPrefix),
		"endsWith":   textual(strings.HasSuffix),
		"matches":    matches,
		"lowerAscii": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			out.weight += assumedText / 8
			out.eval = func(f *frame) val {
				v := p[0].eval(f)
				if v.k != kText {
					return textNeeded(v)
				}
				if !f.spend(len(v.s)/8 + 1) {
					return f.stopped()
				}
				return text(lowerASCII(v.s))
			}
		},

		"days_since": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			c.time = true
			out.eval = since(p[0].eval, kDays)
		},
		"age": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			c.time = true
			out.eval = since(p[0].eval, kYears)
		},
		"held_for": func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
			days := c.days(args[1])
			c.time = true
			of := p[0]
			if names := c.names(args[0]); p[0].typ.Kind() == types.StructKind && names != nil {
				of = c.customerMember(args[0], append(names, "since"))
			}
			out.eval = func(f *frame) val { return f.heldFor(of.eval(f), days) }
		},
		"consent":    consent,
		"geo_within": geoWithin,
	}
}

// days reads the number of days of a window.
func (c *compiler) days(e ast.Expr) int64 {
	n, ok := literalInt(e)
	if !ok || n < 1 || n > maxDays {
		c.refuse(e, "days are a whole number that is written out, 1 to %d", maxDays)
	}
	return n
}

// list compiles a function of a list.
func (c *compiler) list(p []*part, out *part, eval func(*frame, *list) val) {
	of := asList(p[0].eval)
	out.size = p[0].size
	out.loops = atMost(out.loops + p[0].size)
	out.eval = func(f *frame) val {
		l, bad := of(f)
		if bad.k == kFailed {
			return bad
		}
		return eval(f, l)
	}
}

// dates evaluates dates and goes on with them; where one is not known, with nothing.
func (f *frame) dates(p []*part, next func([]int64) val) val {
	var known [2]int64
	for i, x := range p {
		switch v := x.eval(f); v.k {
		case kDate:
			known[i] = v.n
		case kUnknown:
			return val{k: kList, p: &nothing}
		default:
			return dateNeeded(v)
		}
	}
	return next(known[:])
}

func reckon(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	op := e.AsCall().FunctionName()[1]
	if p[0].typ.Kind() == types.ListKind || p[1].typ.Kind() == types.ListKind {
		c.refuse(e, "lists cannot be put together")
	}
	out.eval = func(f *frame) val { return calculate(op, p[0].eval(f), p[1].eval(f)) }
}

func aggregate(of func(*frame, *list) val) func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	return func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
		c.list(p, out, func(f *frame, l *list) val {
			f.saw(l)
			return of(f, l)
		})
	}
}

func count(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	out.eval = func(f *frame) val {
		switch v := p[0].eval(f); v.k {
		case kFailed, kUnknown:
			if v.k == kUnknown && p[0].typ.Kind() == types.ListKind {
				return integer(0)
			}
			return v
		case kList:
			l := v.p.(*list)
			f.saw(l)
			return integer(int64(l.len()))
		case kMap:
			return integer(int64(mapLen(v)))
		case kText:
			if !f.spend(len(v.s)/8 + 1) {
				return f.stopped()
			}
			return integer(int64(len([]rune(v.s))))
		default:
			return failed("type_mismatch", "%s has no size", kindNames[v.k])
		}
	}
}

// edge compiles first and last: of nothing they are not known.
func edge(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	last := e.AsCall().FunctionName() == "last"
	c.list(p, out, func(f *frame, l *list) val {
		if l.len() == 0 {
			f.saw(l)
			return val{}
		}
		i := 0
		if last {
			i = l.len() - 1
		}
		if f.trace != nil {
			f.sawOnly(l, []int32{int32(l.place(i))})
		}
		return l.at(i)
	})
}

func sequence(not bool) func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	return func(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
		days := c.days(args[2])
		c.time = c.time || not
		second := asList(p[1].eval)
		c.list(p, out, func(f *frame, l *list) val {
			m, bad := second(f)
			if bad.k == kFailed {
				return bad
			}
			f.saw(l)
			f.saw(m)
			return f.follows(l, m, days, not)
		})
		out.loops = atMost(out.loops + 8*(p[0].size+p[1].size))
		out.size = 0
	}
}

func compileIn(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	out.weight += p[1].size / 4
	if p[1].typ.Kind() == types.MapKind {
		out.eval = func(f *frame) val {
			k, m := p[0].eval(f), p[1].eval(f)
			switch {
			case k.k == kFailed:
				return k
			case m.k == kFailed:
				return m
			}
			return boolean(k.k == kText && mapValue(m, k.s).k != kUnknown)
		}
		return
	}
	if set := textSet(p[1].fixed); set != nil {
		out.weight = p[0].weight + 1
		out.eval = func(f *frame) val {
			v := p[0].eval(f)
			if v.k == kFailed {
				return v
			}
			return boolean(v.k == kText && set[v.s])
		}
		return
	}
	of := asList(p[1].eval)
	out.eval = func(f *frame) val {
		v := p[0].eval(f)
		if v.k == kFailed {
			return v
		}
		l, bad := of(f)
		if bad.k == kFailed {
			return bad
		}
		f.saw(l)
		return f.has(l, v)
	}
}

// textSet returns the texts of a long list that is written out, nil for others.
func textSet(v *val) map[string]bool {
	if v == nil || v.k != kList || v.p.(*list).len() < 8 {
		return nil
	}
	set := map[string]bool{}
	for _, x := range v.p.(*list).values {
		if x.k != kText {
			return nil
		}
		set[x.s] = true
	}
	return set
}

// compileIndex compiles list[0] and map["key"]; what is not there is not known.
func compileIndex(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	out.eval = func(f *frame) val {
		of, i := p[0].eval(f), p[1].eval(f)
		switch {
		case of.k == kFailed:
			return of
		case i.k == kFailed:
			return i
		case of.k == kMap && i.k == kText:
			return mapValue(of, i.s)
		case of.k == kList && i.k == kInt:
			l := of.p.(*list)
			f.saw(l)
			if i.n >= 0 && i.n < int64(l.len()) {
				return l.at(int(i.n))
			}
		}
		return val{}
	}
}

func since(of evaluator, k kind) evaluator {
	return func(f *frame) val {
		v := of(f)
		if v.k != kDate {
			return dateNeeded(v)
		}
		v.k = k
		return v
	}
}

func consent(c *compiler, e ast.Expr, args []ast.Expr, p []*part, out *part) {
	c.members["consents"], c.time = true, true
	out.eval = func(f *frame) val {
		purpose, channel := p[0].eval(f), p[1].eval(f)
		if purpose.k != kText {
			return textNeeded(purpose)
		}
		if channel.k != kText {
			return textNeeded(channel)
		}
		v := boolean(f.consents(purpose.s, channel.s))
		if f.trace != nil {
			f.trace.scalar("consent(\""+purpose.s+"\", \""+channel.s+"\")", v)
		}
		return v
	}
}
