package segment

import (
	"fmt"
	"math"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// Limits of a rule.
const (
	MaxRule      = 4000      // characters
	maxNesting   = 32        // levels
	maxLiteral   = 1000      // elements of a list that is written out
	maxLoops     = 2         // within each other
	maxRegex     = 200       // characters
	maxRegexSize = 5000      // of its automaton, about
	maxSteps     = 1_000_000 // of one evaluation
	maxDays      = 36525     // a hundred years
)

// Attributes is the types of the deployment's own attributes that a rule may use,
// by key (attribute.Text, attribute.Number and so on).
type Attributes map[string]string

// Rule is a rule that was checked. It is safe for concurrent use.
//
// It is an expression of CEL. Its text is parsed and type-checked by cel-go and then
// turned into functions of this package, which know what CEL does not: the day on
// which an outcome may change by time alone, what is not known of a customer, and
// what a clause looked at.
type Rule struct {
	text   string
	eval   evaluator
	clause *clause
	uses   Uses
}

// Uses is what a rule rests on.
type Uses struct {
	Attributes  []string     `json:"attributes,omitempty"`
	Segments    []string     `json:"segments,omitempty"`
	Clusters    []string     `json:"clusters,omitempty"`
	Events      []string     `json:"events,omitempty"` // wire names
	Fields      []FieldUse   `json:"fields,omitempty"` // of those events, in the order of the text
	Percentiles []Percentile `json:"percentiles,omitempty"`
	Parts       []string     `json:"parts,omitempty"` // members of the customer, consents, events, percentiles, clusters and segments
	Time        bool         `json:"time,omitempty"`  // its outcome may change by time alone
}

// Percentile is a percentile of a measure that a rule asks for.
type Percentile struct {
	Measure string `json:"measure"`
	Percent int    `json:"percent"`
}

// Moment is when a rule is evaluated: the last closed business day, nil before
// the first.
type Moment struct{ On *domain.Date }

// Outcome is what a rule says of a customer.
type Outcome struct {
	Member bool
	// Due is the first later evaluation day on which the outcome may be another by time
	// alone; nil: never.
	Due *domain.Date
}

// Failure says why a rule failed on a customer.
type Failure struct {
	Code   string // overflow, division_by_zero, type_mismatch, too_costly or defect
	Detail string
}

func (f *Failure) Error() string { return f.Code + ": " + f.Detail }

// Compile checks a rule. The error is a validation error of the field "/rule" that
// says where the rule is wrong and why.
func Compile(text string, attributes Attributes) (*Rule, error) { return compile(text, attributes) }

// Text returns the rule as it was written.
func (r *Rule) Text() string { return r.text }

// Uses returns what the rule rests on. It must not be changed.
func (r *Rule) Uses() Uses { return r.uses }

// Eval decides whether a customer is a member. The error is a *Failure; the day from
// which on another attempt may end otherwise stands in the outcome also then.
func (r *Rule) Eval(c *Customer, m Moment) (Outcome, error) {
	f := frame{c: c, day: m.day(), due: never, limit: maxSteps}
	v := f.run(r.eval)
	out := Outcome{Due: f.boundary()}
	if v.k == kFailed {
		return out, v.p.(*Failure)
	}
	out.Member = v.truth()
	return out, nil
}

func (m Moment) day() int64 {
	if m.On == nil {
		return beginning
	}
	return int64(*m.On)
}

// Days: those of a frame may lie beyond what a date can say.
const (
	beginning = math.MinInt64 / 4 // before the first closed day nothing has aged
	never     = math.MaxInt64
)

// lastDay is the last day that is announced as due.
var lastDay = int64(domain.NewDate(9999, 12, 31))

// frame is one evaluation.
type frame struct {
	c     *Customer
	day   int64 // the evaluation day
	due   int64 // the first day on which something that was looked at differs
	steps int64
	limit int64    // of steps
	stop  *Failure // the evaluation is over, whatever comes of it
	vars  [maxLoops]val
	trace *trace // nil: nobody asks

	indexes []int32 // memory of lists
	values  []val
	lists   [3]list
	listed  int
}

// run evaluates and turns a panic into a failure: a defect of ours, or of what a
// function of the customer does, must not stop the others.
func (f *frame) run(e evaluator) (v val) {
	defer func() {
		if p := recover(); p != nil {
			v = failed("defect", "%.200v", p)
		}
	}()
	v = e(f)
	if f.stop != nil {
		return val{k: kFailed, p: f.stop}
	}
	return v
}

// note remembers a later day on which something that was looked at differs.
func (f *frame) note(day int64) {
	if day < f.due {
		f.due = day
	}
}

func (f *frame) boundary() *domain.Date {
	if f.due > lastDay {
		return nil
	}
	d := domain.Date(f.due)
	return &d
}

// spend takes the cost of work; false: there has been too much of it.
func (f *frame) spend(steps int) bool {
	if f.steps += int64(steps); f.steps > f.limit {
		f.stop = &Failure{"too_costly", fmt.Sprintf("the rule takes more than %d steps on this customer", f.limit)}
		return false
	}
	return true
}

func (f *frame) stopped() val { return val{k: kFailed, p: f.stop} }

// sorted returns the keys of a set, in order.
func sorted[K interface{ ~string }](set map[K]bool) []K {
	if len(set) == 0 {
		return nil
	}
	keys := make([]K, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
