package segment

import (
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Clause is a part of a rule between && || ! and ?:, and what it says of a customer.
type Clause struct {
	Text   string       `json:"text"`
	Op     string       `json:"op,omitempty"` // and, or, not or if: it consists of the clauses one level deeper that follow
	Depth  int          `json:"depth"`
	Is     string       `json:"is"` // true, false or failed
	Values []Read       `json:"values,omitempty"`
	Flips  *domain.Date `json:"flips,omitempty"` // the first later evaluation day on which time alone may change it
	Reason string       `json:"reason,omitempty"`
}

// Read is something of the customer that a clause looked at.
type Read struct {
	Path string `json:"path"`
	// Value is null where it is not known, a date as a text, a list as its first
	// elements and how many more there are; see Listing.
	Value  any         `json:"value"`
	Events []uuid.UUID `json:"events,omitempty"` // of the orders and events that counted
}

// Listing is the value of a list.
type Listing struct {
	Count  int   `json:"count"`
	Amount int64 `json:"amount,omitempty"` // of orders: the sum of their amounts, in minor units
	First  []any `json:"first,omitempty"`
	More   int   `json:"more,omitempty"` // how many are left out of first
}

// Item is an order or event of a Listing.
type Item struct {
	ID     string      `json:"id"`
	On     domain.Date `json:"on"`
	Amount *int64      `json:"amount,omitempty"` // of an order
}

// Limits of an explanation.
const (
	maxListed    = 20
	maxReads     = 50
	maxExplained = 2 * maxSteps
)

// Explain takes the rule apart and says of each clause whether it is true, and what
// of the customer it looked at. Every clause is evaluated, also one that does not
// matter any more.
func (r *Rule) Explain(c *Customer, m Moment) []Clause {
	x := explanation{c: c, m: m}
	x.explain(r.clause, 0)
	return x.clauses
}

// clause is a clause of a rule.
type clause struct {
	op    string
	text  string
	eval  evaluator
	parts []*clause
}

// explanation is a rule being explained.
type explanation struct {
	c       *Customer
	m       Moment
	clauses []Clause
	steps   int64 // taken so far, by all clauses together
}

func (e *explanation) explain(cl *clause, depth int) {
	f := frame{c: e.c, day: e.m.day(), due: never, steps: e.steps, limit: maxExplained}
	if cl.op == "" {
		f.trace = &trace{}
	}
	v := f.run(func(f *frame) val { return cl.eval(f).condition() })
	x := Clause{Text: cl.text, Op: cl.op, Depth: depth, Is: strconv.FormatBool(v.truth()), Flips: f.boundary()}
	if v.k == kFailed {
		x.Is, x.Reason = "failed", v.p.(*Failure).Error()
	}
	if f.trace != nil {
		x.Values = f.trace.reads
	}
	e.steps = f.steps
	e.clauses = append(e.clauses, x)
	for _, p := range cl.parts {
		e.explain(p, depth+1)
	}
}

// trace is what a clause looked at.
type trace struct{ reads []Read }

// scalar notes a value that was read.
func (t *trace) scalar(path string, v val) {
	for _, r := range t.reads {
		if r.Path == path {
			return
		}
	}
	if len(t.reads) < maxReads {
		t.reads = append(t.reads, Read{Path: path, Value: v.shown()})
	}
}

// saw notes a list that was counted, added up or gone through.
func (f *frame) saw(l *list) {
	if f.trace == nil {
		return
	}
	for l.of != nil {
		l = l.of
	}
	if l.path != "" && len(f.trace.reads) < maxReads {
		f.trace.reads = append(f.trace.reads, l.read())
	}
}

// sawOnly notes those of a list that satisfied a condition.
func (f *frame) sawOnly(l *list, index []int32) {
	if f.trace == nil {
		return
	}
	s := *l
	s.some, s.index = true, index
	f.saw(&s)
}

// shown returns a value as JSON can say it.
func (v val) shown() any {
	switch v.k {
	case kBool:
		return v.n != 0
	case kInt:
		return v.n
	case kFloat:
		return v.float()
	case kText:
		return v.s
	case kDate:
		return v.date().String()
	case kList:
		return v.p.(*list).read().Value
	}
	return nil
}

func (v val) String() string {
	if v.k == kInt {
		return strconv.FormatInt(v.n, 10)
	}
	return v.s
}

// read returns a list as it is explained.
func (l *list) read() Read {
	r, n := Read{Path: l.path}, l.len()
	listing := Listing{Count: n, More: max(0, n-maxListed)}
	for i := range n {
		v := l.at(i)
		var shown any
		switch x := v.p.(type) {
		case *Order:
			if x.EventID != uuid.Nil && i < maxListed {
				r.Events = append(r.Events, x.EventID)
			}
			listing.Amount, _ = add(listing.Amount, x.Amount)
			shown = Item{x.ID, x.On, &x.Amount}
		case *Happening:
			if i < maxListed {
				r.Events = append(r.Events, x.ID)
			}
			shown = Item{x.ID.String(), x.On, nil}
		case *ContactPoint:
			shown = x.Type
		default:
			shown = v.shown()
		}
		if i < maxListed {
			listing.First = append(listing.First, shown)
		}
	}
	r.Value = listing
	return r
}

// clauses takes a rule apart: the tree says what belongs together, the text how it
// was written.
func (c *compiler) clauses(text string) *clause {
	root := c.apart(c.ast.Expr())
	written := split(text)
	if !root.write(written) { // they differ: each clause is called by the whole rule
		root = &clause{eval: root.eval}
	}
	root.text = strings.TrimSpace(text)
	return root
}

func (c *compiler) apart(e ast.Expr) *clause {
	cl := &clause{eval: c.parts[e.ID()].eval}
	if e.Kind() != ast.CallKind {
		return cl
	}
	x := e.AsCall()
	switch x.FunctionName() {
	case "_&&_", "_||_":
		cl.op = ops[x.FunctionName()]
		for _, a := range x.Args() {
			p := c.apart(a)
			if p.op == cl.op && a.AsCall().FunctionName() == x.FunctionName() {
				cl.parts = append(cl.parts, p.parts...) // the parser balances long chains
			} else {
				cl.parts = append(cl.parts, p)
			}
		}
	case "!_", "_?_:_":
		cl.op = ops[x.FunctionName()]
		for _, a := range x.Args() {
			cl.parts = append(cl.parts, c.apart(a))
		}
	}
	return cl
}

var ops = map[string]string{"_&&_": "and", "_||_": "or", "!_": "not", "_?_:_": "if"}

// write gives the clauses their texts; false: they do not fit.
func (cl *clause) write(w *written) bool {
	cl.text = w.text
	if cl.op == "" { // such as !a == b, which is no negation
		return true
	}
	if cl.op != w.op || len(cl.parts) != len(w.parts) {
		return false
	}
	for i, p := range cl.parts {
		if !p.write(w.parts[i]) {
			return false
		}
	}
	return true
}
