package segment

import (
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/parser"
)

// signature is one way in which a function may be called.
type signature struct {
	name   string
	member bool // called on its first argument
	args   []*types.Type
	result *types.Type
}

var (
	elementType   = types.NewTypeParamType("A")
	listOfElement = types.NewListType(elementType)
	mapOfElement  = types.NewMapType(types.StringType, elementType)
)

// signatures is every function and operator of the language.
func signatures() (all []signature) {
	function := func(name string, result *types.Type, args ...*types.Type) {
		all = append(all, signature{name, false, args, result})
	}
	method := func(name string, result *types.Type, args ...*types.Type) {
		all = append(all, signature{name, true, args, result})
	}
	b, i, d, s, date := types.BoolType, types.IntType, types.DoubleType, types.StringType, dateType

	function("_&&_", b, b, b)
	function("_||_", b, b, b)
	function("!_", b, b)
	function("_?_:_", elementType, b, elementType, elementType)
	function("@not_strictly_false", b, b)
	function("@has", b, elementType)

	same := [][2]*types.Type{{s, s}, {i, i}, {d, d}, {i, d}, {d, i}, {date, date}}
	for _, op := range []string{"_==_", "_!=_"} {
		function(op, b, b, b)
		for _, t := range same {
			function(op, b, t[0], t[1])
		}
	}
	for op := range relations {
		for _, t := range same {
			function(op, b, t[0], t[1])
		}
		for _, t := range []*types.Type{daysType, yearsType, percentileType} {
			function(op, b, t, i)
			function(op, b, i, t)
		}
	}
	for _, op := range []string{"_+_", "_-_", "_*_", "_/_"} {
		for _, t := range [][3]*types.Type{{i, i, i}, {d, d, d}, {i, d, d}, {d, i, d}} {
			function(op, t[2], t[0], t[1])
		}
	}
	function("_%_", i, i, i)
	function("-_", i, i)
	function("-_", d, d)
	function("_+_", listOfElement, listOfElement, listOfElement) // of the macros filter and map
	for _, t := range [][2]*types.Type{{s, s}, {i, i}, {d, d}, {i, d}, {d, i}, {date, date}} {
		function("@in", b, t[0], types.NewListType(t[1]))
	}
	function("@in", b, s, mapOfElement)
	function("_[_]", elementType, listOfElement, i)
	function("_[_]", elementType, mapOfElement, s)

	for _, t := range []*types.Type{listOfElement, mapOfElement, s} {
		function("size", i, t)
		method("size", i, t)
	}
	method("count", i, listOfElement)
	method("first", elementType, listOfElement)
	method("last", elementType, listOfElement)
	for _, t := range []*types.Type{i, d} {
		method("sum", t, types.NewListType(t))
		method("avg", d, types.NewListType(t))
	}
	for _, t := range []*types.Type{i, d, date} {
		method("min", t, types.NewListType(t))
		method("max", t, types.NewListType(t))
	}
	for _, l := range []*types.Type{ordersType, eventsType} {
		method("within", l, l, i)
		method("between", l, l, date, date)
		method("before", l, l, date)
		method("since", l, l, date)
		for _, m := range []*types.Type{ordersType, eventsType} {
			method("followed_by", b, l, m, i)
			method("not_followed_by", b, l, m, i)
		}
	}
	method("contains", b, s, s)
	method("startsWith", b, s, s)
	method("endsWith", b, s, s)
	method("matches", b, s, s)
	method("lowerAscii", s, s)

	function("date", date, s)
	function("days_since", daysType, date)
	function("age", yearsType, date)
	function("held_for", b, date, i)
	function("held_for", b, stageType, i)
	function("consent", b, s, s)
	function("events", eventsType, s)
	function("percentile", percentileType, s)
	function("cluster", i, s)
	function("in_segment", b, s)
	function("geo_within", b, types.DynType, types.DynType, types.DynType, types.DynType, types.DynType)
	return all
}

// declared is what the type checker knows, whatever the attributes are.
var declared = func() *checker.Env {
	env, err := checker.NewEnv(containers.DefaultContainer, provider{})
	if err != nil {
		panic(err)
	}
	for _, m := range records[customerType] {
		if err := env.AddIdents(decls.NewVariable(m.name, m.typ)); err != nil {
			panic(err)
		}
	}
	functions, names := map[string][]decls.FunctionOpt{}, []string(nil)
	for _, s := range signatures() {
		if functions[s.name] == nil {
			names = append(names, s.name)
		}
		id := s.name + overloadSuffix(s)
		o := decls.Overload(id, s.args, s.result)
		if s.member {
			o = decls.MemberOverload(id, s.args, s.result)
		}
		functions[s.name] = append(functions[s.name], o)
	}
	for _, name := range names {
		fn, err := decls.NewFunction(name, functions[name]...)
		if err != nil {
			panic(err)
		}
		if err := env.AddFunctions(fn); err != nil {
			panic(err)
		}
	}
	return env
}()

func overloadSuffix(s signature) (id string) {
	if s.member {
		id = "."
	}
	for _, a := range s.args {
		id += "(" + a.String() + ")"
	}
	return id
}

// language parses the texts of rules.
var language = func() *parser.Parser {
	p, err := parser.NewParser(
		parser.EnablePrattParser(true),
		parser.Macros(append([]parser.Macro{parser.NewGlobalMacro("has", 1, expandHas)},
			parser.AllMacro, parser.ExistsMacro, parser.ExistsOneMacro, parser.MapMacro, parser.MapFilterMacro, parser.FilterMacro)...),
		parser.MaxRecursionDepth(maxNesting),
		parser.ExpressionSizeCodePointLimit(MaxRule),
		parser.MaxExpressionNodeCount(20*MaxRule),
		parser.ErrorRecoveryLimit(1),
		parser.ErrorReportingLimit(3),
	)
	if err != nil {
		panic(err)
	}
	return p
}()

// expandHas is the macro has: of a member of a record or of the customer.
func expandHas(eh parser.ExprHelper, target ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	if args[0].Kind() == ast.IdentKind {
		return eh.NewCall("@has", args[0]), nil
	}
	return parser.MakeHas(eh, target, args)
}
