package segment_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	. "github.com/rapport-crm/rapport/domain/segment"
)

// plain generates an expression of what every CEL has, of a type: b (true or false),
// i, d (numbers) or s (text).
func (d dice) plain(typ byte, depth int) string {
	if depth == 0 {
		switch typ {
		case 'b':
			return pick(d, "true", "false")
		case 'i':
			return pick(d, "0", "1", "2", "3", "7", "9223372036854775807")
		case 'd':
			return pick(d, "0.0", "1.0", "2.5", "1e300")
		}
		return pick(d, `""`, `"a"`, `'abc'`, `"\u00e4\n"`, `r"\d"`)
	}
	x := func(typ byte) string { return "(" + d.plain(typ, depth-1) + ")" }
	list := func(typ byte) string {
		var elements []string
		for range d.IntN(4) {
			elements = append(elements, x(typ))
		}
		return "[" + strings.Join(append(elements, x(typ)), ", ") + "]"
	}
	switch typ {
	case 'i':
		return pick(d, x('i')+pick(d, "+", "-", "*", "/", "%")+x('i'), "-"+x('i'), "size("+x('s')+")", x('b')+"?"+x('i')+":"+x('i'),
			list('i')+".filter(x, x > "+x('i')+").size()", list('i')+"["+pick(d, "0", "0 * 3")+"]", list('i')+".map(x, x + "+x('i')+")[0]",
			list('i')+".map(x, x != "+x('i')+", x * 2).size()")
	case 'd':
		return pick(d, x('d')+pick(d, "+", "-", "*")+x('d'), "-"+x('d'), x('b')+"?"+x('d')+":"+x('d'))
	case 's':
		return pick(d, x('b')+"?"+x('s')+":"+x('s'), list('s')+"[0]")
	}
	op := pick(d, "==", "!=", "<", "<=", ">", ">=")
	same := pick(d, byte('i'), 'd', 's')
	return pick(d, x(same)+op+x(same), x('i')+pick(d, "<", "<=", ">", ">=")+x('d'), x('b')+pick(d, "&&", "||")+x('b'), x('b')+pick(d, "&&", "||")+x('b'),
		"!"+x('b'), x('b')+"?"+x('b')+":"+x('b'), x(same)+" in "+list(same), x('s')+pick(d, ".contains(", ".startsWith(", ".endsWith(")+x('s')+")",
		list('i')+pick(d, ".exists", ".all", ".exists_one")+"(x, 10 / (x - 1) > "+x('i')+")", x('s')+`.matches("^a.c|\\d$")`)
}

// TestPlain holds what is left of CEL against the evaluation of cel-go.
func TestPlain(t *testing.T) {
	env, err := cel.NewEnv(cel.CrossTypeNumericComparisons(true))
	if err != nil {
		t.Fatal(err)
	}
	d := dice{rand.New(rand.NewPCG(11, 4))}
	failures := 0
	for range 120 {
		rule := d.plain('b', 3)
		ast, issues := env.Compile(rule)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", rule, issues.Err())
		}
		program, err := env.Program(ast)
		if err != nil {
			t.Fatal(err)
		}
		want, _, failure := program.Eval(cel.NoVars())
		r, err := Compile(rule, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "may stand within each other") {
				t.Errorf("%s: %v", rule, err)
			}
			continue
		}
		got, err := r.Eval(&Customer{}, Moment{})
		if (err != nil) != (failure != nil) || err == nil && fmt.Sprint(got.Member) != fmt.Sprint(want.Equal(types.True)) {
			t.Errorf("%s: %v (%v), cel-go says %v (%v)", rule, got.Member, err, want, failure)
		}
		if failure != nil {
			failures++
		}
		if c := r.Explain(&Customer{}, Moment{}); err == nil && c[0].Is != fmt.Sprint(got.Member) || c[0].Text != rule {
			t.Errorf("%s is %v and explained as %s: %s", rule, got.Member, c[0].Text, c[0].Is)
		}
	}
	if failures < 5 || failures > 75 {
		t.Errorf("%d of 120 rules fail", failures)
	}
}
