package segment

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// part is a part of a rule that was compiled.
type part struct {
	eval   evaluator
	typ    *types.Type
	fixed  *val // what it always is
	weight int  // of one evaluation of itself, loops left out
	loops  int  // what its loops cost with the sizes that are assumed
	size   int  // how many elements are assumed of a list

	variable bool // it is the variable of a loop, in its place
	slot     int

	events []string // of which types of event it is or holds some, or their fields
	fields []int    // from which fields of events it stems, of those of the compiler
}

// Sizes that are assumed of a customer when the cost of a rule is judged.
const (
	assumedOrders = 1000
	assumedEvents = 5000
	assumedOthers = 50
	assumedText   = 40
)

// compiler turns a checked expression into evaluators.
type compiler struct {
	ast        *ast.AST
	attributes Attributes
	problems   *problems
	loopVars   []string // of the loops around
	loopOver   []*part  // what those go through
	parts      map[int64]*part
	depth      int

	attrs, segments, clusters, events, members map[string]bool
	percentiles                                map[Percentile]bool
	fields                                     []FieldUse
	time                                       bool
}

func newCompiler(a *ast.AST, attributes Attributes, p *problems) *compiler {
	set := func() map[string]bool { return map[string]bool{} }
	return &compiler{
		ast: a, attributes: attributes, problems: p, parts: map[int64]*part{},
		attrs: set(), segments: set(), clusters: set(), events: set(), members: set(), percentiles: map[Percentile]bool{},
	}
}

func (c *compiler) uses() Uses {
	u := Uses{
		Attributes: sorted(c.attrs), Segments: sorted(c.segments), Clusters: sorted(c.clusters),
		Events: sorted(c.events), Fields: c.fields, Parts: sorted(c.members), Time: c.time,
	}
	for p := range c.percentiles {
		u.Percentiles = append(u.Percentiles, p)
	}
	slices.SortFunc(u.Percentiles, func(a, b Percentile) int {
		if a.Measure != b.Measure {
			return strings.Compare(a.Measure, b.Measure)
		}
		return a.Percent - b.Percent
	})
	return u
}

// refuse notes what is wrong with an expression. What is compiled of it is not used.
func (c *compiler) refuse(e ast.Expr, format string, args ...any) *part {
	c.problems.at(c.ast, e.ID(), fmt.Sprintf(format, args...))
	return &part{eval: func(*frame) val { return val{} }, typ: types.ErrorType}
}

func (c *compiler) part(e ast.Expr) *part {
	p := c.make(e)
	if p.typ == nil {
		p.typ = c.ast.GetType(e.ID())
	}
	p.weight = max(p.weight, 1)
	c.parts[e.ID()] = p
	return p
}

func (c *compiler) make(e ast.Expr) *part {
	switch e.Kind() {
	case ast.LiteralKind:
		return c.literal(e, e.AsLiteral())
	case ast.IdentKind:
		return c.ident(e)
	case ast.SelectKind:
		return c.selection(e)
	case ast.ListKind:
		return c.listLiteral(e)
	case ast.ComprehensionKind:
		return c.comprehension(e)
	case ast.CallKind:
		p := c.call(e)
		c.follow(e, p)
		return p
	}
	return c.refuse(e, "maps and records cannot be written in a rule")
}

func fixed(v val) *part { return &part{eval: func(*frame) val { return v }, fixed: &v} }

func (c *compiler) literal(e ast.Expr, v ref.Val) *part {
	switch v := v.(type) {
	case types.Bool:
		return fixed(boolean(bool(v)))
	case types.Int:
		return fixed(integer(int64(v)))
	case types.Double:
		return fixed(number(float64(v)))
	case types.String:
		return fixed(text(string(v)))
	case types.Null:
		return c.refuse(e, "there is no null: what is not known is found by !has(…)")
	}
	return c.refuse(e, "%s cannot be used in a rule: write whole numbers, numbers, texts, true or false", typeWords(c.ast.GetType(e.ID())))
}

func (c *compiler) ident(e ast.Expr) *part {
	name := e.AsIdent()
	if slot := c.loopVar(name); slot >= 0 {
		over := c.loopOver[slot]
		return &part{eval: func(f *frame) val { return f.vars[slot] }, variable: true, slot: slot, events: over.events, fields: over.fields}
	}
	return c.customerMember(e, []string{name})
}

// loopVar returns the place of a variable of a loop, -1 if there is none.
func (c *compiler) loopVar(name string) int {
	for i := len(c.loopVars) - 1; i >= 0; i-- {
		if c.loopVars[i] == name {
			return i
		}
	}
	return -1
}

// names returns the names of stage.since and the like, nil for other expressions.
func (c *compiler) names(e ast.Expr) []string {
	switch e.Kind() {
	case ast.IdentKind:
		if c.loopVar(e.AsIdent()) < 0 {
			return []string{e.AsIdent()}
		}
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			if names := c.names(s.Operand()); names != nil {
				return append(names, s.FieldName())
			}
		}
	}
	return nil
}

// customerMember compiles a member of the customer, or of one of its records.
func (c *compiler) customerMember(e ast.Expr, names []string) *part {
	c.members[names[0]] = true
	path := strings.Join(names, ".")
	if names[0] == "orders" && len(names) == 1 {
		if c.depth > 0 {
			path = ""
		}
		return &part{size: assumedOrders, eval: func(f *frame) val {
			return f.listVal(list{base: ofOrders, orders: f.c.Orders, path: path})
		}}
	}
	if names[0] == "attributes" {
		if len(names) == 1 {
			return c.refuse(e, "attributes has to be followed by a key: attributes.colour")
		}
		key := names[1]
		kind := c.attributes[key]
		c.attrs[key] = true
		return c.traced(path, &part{eval: func(f *frame) val { return attributeValue(f.c.Attributes[key], kind) }})
	}
	first := memberOf(customerType, names[0])
	eval := func(f *frame) val { return first.get(f.c) }
	typ := first.typ
	for i, name := range names[1:] {
		if typ.Kind() == types.MapKind { // psychographics.preferences.channel
			if i < len(names)-2 {
				return c.refuse(e, "a text has no members")
			}
			inner := eval
			eval, typ = func(f *frame) val { return mapValue(inner(f), name) }, types.StringType
			break
		}
		m, outer := memberOf(typ.TypeName(), name), eval
		eval, typ = func(f *frame) val { return m.read(outer(f)) }, m.typ
	}
	p := &part{eval: eval, typ: typ}
	if typ.Kind() == types.StructKind {
		return p
	}
	if typ.Kind() == types.ListKind {
		p.size = assumedOthers
		if c.depth > 0 {
			path = ""
		}
		p.eval = func(f *frame) val {
			v := eval(f)
			v.p.(*list).path = path
			return v
		}
		return p
	}
	return c.traced(path, p)
}

// traced makes what is evaluated known to who asks what a clause looked at.
func (c *compiler) traced(path string, p *part) *part {
	eval := p.eval
	p.eval = func(f *frame) val {
		v := eval(f)
		if f.trace != nil {
			f.trace.scalar(path, v)
		}
		return v
	}
	return p
}

func (c *compiler) selection(e ast.Expr) *part {
	s := e.AsSelect()
	if s.IsTestOnly() {
		return c.has(e, s)
	}
	if names := c.names(e); names != nil {
		return c.customerMember(e, names)
	}
	of := c.part(s.Operand())
	out := &part{eval: c.field(e, of, s.FieldName()), weight: of.weight + 1, loops: of.loops, size: assumedOthers}
	if of.typ.Kind() == types.StructKind && s.FieldName() == "fields" {
		out.events = of.events
	}
	c.asks(e, of, s.FieldName(), out)
	return out
}

// field reads a member of a record or map.
func (c *compiler) field(e ast.Expr, of *part, name string) evaluator {
	switch of.typ.Kind() {
	case types.StructKind:
		m := memberOf(of.typ.TypeName(), name)
		if m == nil || m.get == nil {
			return c.refuse(e, "%q is not a member here", name).eval
		}
		if of.variable && m.known == nil {
			return func(f *frame) val {
				if v := &f.vars[of.slot]; v.k == kRecord {
					return m.get(v.p)
				}
				return m.read(f.vars[of.slot])
			}
		}
		return func(f *frame) val { return m.read(of.eval(f)) }
	case types.MapKind:
		return func(f *frame) val {
			v := of.eval(f)
			if v.k == kFailed {
				return v
			}
			return mapValue(v, name)
		}
	}
	return c.refuse(e, "%s has no members", typeWords(of.typ)).eval
}

// has compiles has(record.member): whether it is known.
func (c *compiler) has(e ast.Expr, s ast.SelectExpr) *part {
	var of *part
	if names := c.names(s.Operand()); names != nil {
		of = c.customerMember(e, append(names, s.FieldName()))
	} else {
		p := c.part(s.Operand())
		of = &part{eval: c.field(e, p, s.FieldName()), weight: p.weight + 1, loops: p.loops}
		c.asks(e, p, s.FieldName(), of)
	}
	return &part{eval: known(of.eval), typ: types.BoolType, weight: of.weight + 1, loops: of.loops}
}

// known says whether a value is known: a text or list of nothing is not.
func known(of evaluator) evaluator {
	return func(f *frame) val {
		switch v := of(f); v.k {
		case kFailed:
			return v
		case kUnknown:
			return boolean(false)
		case kText:
			return boolean(v.s != "")
		case kList:
			f.saw(v.p.(*list))
			return boolean(v.p.(*list).len() > 0)
		case kMap:
			return boolean(mapLen(v) > 0)
		}
		return boolean(true)
	}
}

func (c *compiler) listLiteral(e ast.Expr) *part {
	elements := e.AsList().Elements()
	if len(elements) > maxLiteral {
		return c.refuse(e, "a list that is written out has at most %d elements", maxLiteral)
	}
	if t := c.ast.GetType(e.ID()); len(t.Parameters()) == 1 && t.Parameters()[0].Kind() == types.ListKind {
		return c.refuse(e, "there are no lists of lists")
	}
	out := &part{size: len(elements)}
	values, constant := make([]val, 0, len(elements)), true
	var evals []evaluator
	for _, x := range elements {
		p := c.part(x)
		out.weight, out.loops = out.weight+p.weight, out.loops+p.loops
		evals = append(evals, p.eval)
		if constant = constant && p.fixed != nil; constant {
			values = append(values, *p.fixed)
		}
	}
	if constant {
		l := &list{values: values}
		v := val{k: kList, p: l}
		out.eval, out.fixed, out.weight = func(*frame) val { return v }, &v, 1
		return out
	}
	out.eval = func(f *frame) val {
		l := list{values: f.cells(len(evals))}
		for _, eval := range evals {
			v := eval(f)
			if v.k == kFailed {
				return v
			}
			l.values = append(l.values, v)
		}
		return f.listVal(l)
	}
	return out
}

// cells returns memory for so many values.
func (f *frame) cells(n int) []val {
	if cap(f.values)-len(f.values) < n {
		f.values = make([]val, 0, max(n, 2*cap(f.values)))
	}
	at := len(f.values)
	f.values = f.values[:at+n]
	return f.values[at : at : at+n]
}

// asList makes an evaluator of lists: what is not known is a list of nothing.
func asList(eval evaluator) func(*frame) (*list, val) {
	return func(f *frame) (*list, val) {
		switch v := eval(f); v.k {
		case kList:
			return v.p.(*list), val{}
		case kUnknown:
			return &nothing, val{}
		case kFailed:
			return nil, v
		default:
			return nil, failed("type_mismatch", "%s stands where a list is needed", kindNames[v.k])
		}
	}
}

var nothing list

// comprehension compiles the macros all, exists, exists_one, filter and map.
func (c *compiler) comprehension(e ast.Expr) *part {
	x := e.AsComprehension()
	over := c.part(x.IterRange())
	switch over.typ.Kind() {
	case types.ListKind, types.DynKind:
	case types.ErrorKind:
		return over
	default:
		return c.refuse(e, "only lists can be gone through, not %s", typeWords(over.typ))
	}
	if c.depth == maxLoops {
		return c.refuse(e, "at most %d of all, exists, exists_one, filter and map may stand within each other", maxLoops)
	}
	slot := c.depth
	c.depth++
	c.loopVars, c.loopOver = append(c.loopVars, x.IterVar()), append(c.loopOver, over)
	loop := &loop{over: asList(over.eval), slot: slot}
	var body *part
	var made *part // what map makes
	typ := c.ast.GetType(e.ID())
	step := x.LoopStep().AsCall()
	switch step.FunctionName() {
	case "_&&_":
		body = c.part(step.Args()[1])
		loop.kind = loopAll
	case "_||_":
		body = c.part(step.Args()[1])
		loop.kind = loopExists
	case "_+_":
		loop.kind = loopMap
		made = c.part(step.Args()[1].AsList().Elements()[0])
	default: // _?_:_
		body = c.part(step.Args()[0])
		switch yield := step.Args()[1].AsCall().Args()[1]; {
		case yield.Kind() == ast.LiteralKind:
			loop.kind = loopOne
		case yield.AsList().Elements()[0].Kind() == ast.IdentKind && yield.AsList().Elements()[0].AsIdent() == x.IterVar():
			loop.kind = loopFilter
		default:
			loop.kind = loopMap
			made = c.part(yield.AsList().Elements()[0])
		}
	}
	c.depth--
	c.loopVars, c.loopOver = c.loopVars[:slot], c.loopOver[:slot]
	out := &part{typ: typ, weight: over.weight + 1, loops: over.loops, size: over.size}
	switch c.need(body, FieldTruth); loop.kind {
	case loopFilter:
		out.events, out.fields = over.events, over.fields
	case loopMap:
		out.fields = made.fields
	}
	loop.cost = 1
	for _, p := range []*part{body, made} {
		if p != nil {
			loop.cost += p.weight
			out.loops = atMost(out.loops + over.size*p.loops)
		}
	}
	out.loops = atMost(out.loops + over.size*loop.cost)
	if body != nil {
		if body.typ.Kind() != types.BoolKind && body.typ.Kind() != types.DynKind && body.typ.Kind() != types.ErrorKind {
			return c.refuse(e, "the condition in the loop must be true or false, but is %s", typeWords(body.typ))
		}
		loop.test = body.eval
	}
	if made != nil {
		switch made.typ.Kind() {
		case types.ListKind, types.MapKind, types.StructKind:
			return c.refuse(e, "map can make texts, numbers, dates and truth values, but not %s", typeWords(made.typ))
		case types.OpaqueKind:
			if made.typ.TypeName() != "date" {
				return c.refuse(e, "map cannot make %s: compare them where they are", typeWords(made.typ))
			}
		}
		loop.make = made.eval
	}
	out.eval = loop.run
	return out
}

// atMost keeps a cost from overflowing.
func atMost(cost int) int { return min(cost, math.MaxInt32) }

type loopKind uint8

const (
	loopAll loopKind = iota
	loopExists
	loopOne
	loopFilter
	loopMap
)

// loop goes through a list.
type loop struct {
	kind loopKind
	over func(*frame) (*list, val)
	slot int
	test evaluator // nil: every element
	make evaluator // of map
	cost int       // of one element
}

func (lo *loop) run(f *frame) val {
	l, bad := lo.over(f)
	if bad.k == kFailed {
		return bad
	}
	n := l.len()
	var index []int32
	var made []val
	switch lo.kind {
	case loopFilter:
		index = f.room(n)
	case loopMap:
		made = f.cells(n)
	}
	var witness []int32 // while a clause is explained
	found, failure := 0, val{}
	for i := range n {
		if !f.spend(lo.cost) {
			return f.stopped()
		}
		f.vars[lo.slot] = l.at(i)
		ok := boolean(true)
		if lo.test != nil { // what it needs memory for is not needed any more
			indexes, values, lists := len(f.indexes), len(f.values), f.listed
			ok = lo.test(f).condition()
			f.indexes, f.values, f.listed = f.indexes[:min(indexes, len(f.indexes))], f.values[:min(values, len(f.values))], lists
		}
		if ok.k == kFailed {
			if f.stop != nil || lo.kind != loopAll && lo.kind != loopExists {
				return ok
			}
			failure = ok // unless another element decides
			continue
		}
		if !ok.truth() {
			if lo.kind == loopAll {
				f.saw(l)
				return boolean(false)
			}
			continue
		}
		found++
		switch lo.kind {
		case loopExists, loopOne:
			if f.trace != nil {
				witness = append(witness, int32(l.place(i)))
			}
			if lo.kind == loopExists {
				f.sawOnly(l, witness)
				return boolean(true)
			}
		case loopFilter:
			index = append(index, int32(l.place(i)))
		case loopMap:
			v := lo.make(f)
			if v.k == kFailed {
				return v
			}
			made = append(made, v)
			if f.trace != nil {
				witness = append(witness, int32(l.place(i)))
			}
		}
	}
	switch lo.kind {
	case loopFilter:
		return f.only(l, index)
	case loopMap:
		out := list{values: made}
		if f.trace != nil && l.path != "" {
			out.of = f.only(l, witness).p.(*list)
		}
		return f.listVal(out)
	}
	if failure.k == kFailed {
		return failure
	}
	if lo.kind == loopAll {
		f.saw(l)
	} else {
		f.sawOnly(l, witness)
	}
	return boolean(lo.kind == loopAll || lo.kind == loopOne && found == 1)
}
