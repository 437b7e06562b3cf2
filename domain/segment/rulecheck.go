package segment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/types"
	"github.com/rapport-crm/rapport/domain"
)

// compile checks a rule and makes it ready to be evaluated.
func compile(text string, attributes Attributes) (*Rule, error) {
	problems := &problems{text: text, attributes: attributes}
	if problem := unreadable(text); problem != "" {
		return nil, problems.refusal(problem)
	}
	source := common.NewTextSource(text)
	parsed, errs := language.Parse(source)
	if problems.all(errs, nil); problems.found() {
		return nil, problems.err()
	}
	// The checker changes the tree that it checks; what is wrong is explained by the
	// tree that was written.
	env, err := checker.NewEnv(containers.DefaultContainer, provider{attributes}, checker.ValidatedDeclarations(declared))
	if err != nil {
		return nil, fmt.Errorf("the declarations of the language: %w", err)
	}
	checked, errs := checker.Check(parsed, source, env)
	if problems.all(errs, parsed); problems.found() {
		return nil, problems.err()
	}
	c := newCompiler(checked, attributes, problems)
	root := c.part(checked.Expr())
	if problems.found() {
		return nil, problems.err()
	}
	if k := root.typ.Kind(); k != types.BoolKind {
		return nil, problems.refusal("a rule has to be true or false, but this is " + typeWords(root.typ))
	}
	if cost := atMost(root.loops + root.weight); cost > maxSteps {
		return nil, problems.refusal(fmt.Sprintf("the rule is too costly: %d steps for a customer with %d orders and %d events, of %d that are allowed. Go through a list once, or through less of it",
			cost, assumedOrders, assumedEvents, maxSteps))
	}
	return &Rule{text: text, eval: root.eval, clause: c.clauses(text), uses: c.uses()}, nil
}

// unreadable says why a text is not even parsed.
func unreadable(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "is required"
	case len(text) > MaxRule && utf8.RuneCountInString(text) > MaxRule:
		return fmt.Sprintf("must have at most %d characters", MaxRule)
	case !utf8.ValidString(text):
		return "must be UTF-8"
	}
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f {
			return "must not contain control characters"
		}
	}
	if tokens := tokenize(text); deepest(tokens) > maxNesting {
		return fmt.Sprintf("is nested more than %d levels deep", maxNesting)
	}
	return ""
}

// problems collects what is wrong with a rule.
type problems struct {
	domain.Problems
	text       string
	attributes Attributes
	said       []string
}

func (p *problems) found() bool { return len(p.said) > 0 }
func (p *problems) err() error  { return p.Err() }

// refusal is the error of a rule that is wrong as a whole.
func (p *problems) refusal(detail string) error {
	p.Add("/rule", "%s", detail)
	return p.Err()
}

// maxProblems is how many places of a rule a refusal names.
const maxProblems = 5

// say notes what is wrong at a place: its line from 1 on, its column from 0 on.
func (p *problems) say(line, column int, detail string) {
	s := p.place(line, column) + ": " + detail
	if len(p.said) < maxProblems && !slices.Contains(p.said, s) {
		p.said = append(p.said, s)
		p.Add("/rule", "%s", s)
	}
}

// place says in words where a place is.
func (p *problems) place(line, column int) string {
	return fmt.Sprintf("line %d, column %d", max(line, 1), max(p.called(line, column), 0)+1)
}

// called returns the place of the name of a call, whose place is that of its bracket.
func (p *problems) called(line, column int) int {
	rest := lineOf(p.text, line)
	if column < 1 || column >= len(rest) || rest[column] != '(' {
		return column
	}
	at := column
	for at > 0 && inWord(rest[at-1]) {
		at--
	}
	return at
}

// at notes what is wrong with an expression.
func (p *problems) at(a *ast.AST, id int64, detail string) {
	l := a.SourceInfo().GetStartLocation(id)
	p.say(l.Line(), l.Column(), detail)
}

// all notes what cel-go found, in our words.
func (p *problems) all(errs *common.Errors, parsed *ast.AST) {
	if errs == nil {
		return
	}
	type problem struct {
		at    common.Location
		words string
	}
	var found []problem
	for _, e := range errs.GetErrors() {
		found = append(found, problem{e.Location, p.words(e, parsed)})
	}
	// What was only misspelt comes first: the others may follow from it.
	slices.SortStableFunc(found, func(a, b problem) int { return hint(a.words) - hint(b.words) })
	for _, f := range found {
		p.say(f.at.Line(), f.at.Column(), f.words)
	}
}

func hint(words string) int {
	if strings.Contains(words, "did you mean") {
		return 0
	}
	return 1
}

var (
	undeclared  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined   = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
	noSelection = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
	notBoolean  = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'`)
	notARange   = regexp.MustCompile(`^expression of type '([^']*)' cannot be range`)
	expecting   = regexp.MustCompile(` expecting .*$`)
)

// words says in plain words what cel-go found.
func (p *problems) words(e *common.Error, parsed *ast.AST) string {
	message := e.Message
	if i := strings.Index(message, "; did you mean"); i > 0 {
		message = message[:i]
	}
	if m := undeclared.FindStringSubmatch(message); m != nil {
		return p.unknownName(strings.TrimPrefix(m[1], "."))
	}
	if m := undefined.FindStringSubmatch(message); m != nil {
		return p.unknownMember(m[1], parsed, e.ExprID)
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		return misapplied(m[1], m[2])
	}
	if m := noSelection.FindStringSubmatch(message); m != nil {
		if name := wordAt(p.text, e.Location.Line(), e.Location.Column()+1); slices.Contains(declaredFunctions, name) {
			return fmt.Sprintf("%s is a function: write .%s(…)", name, name)
		}
		return wordsOf(m[1]) + " has no members"
	}
	if m := notBoolean.FindStringSubmatch(message); m != nil {
		return wordsOf(m[1]) + " is needed here, but this is " + wordsOf(m[2])
	}
	if m := notARange.FindStringSubmatch(message); m != nil {
		return "only lists can be gone through, not " + wordsOf(m[1])
	}
	switch {
	case strings.HasPrefix(message, "expression recursion limit"), strings.Contains(message, "recursion limit exceeded"):
		return fmt.Sprintf("the rule is nested more than %d levels deep", maxNesting)
	case strings.Contains(message, "invalid argument to has()"):
		return "has needs a member, such as has(stage.since)"
	case strings.Contains(message, "must be a simple name"), strings.Contains(message, "is not an identifier"):
		return "the first argument names the element: orders.filter(o, o.paid)"
	}
	message = strings.TrimPrefix(message, "Syntax error: ")
	switch message {
	case "unterminated string literal":
		return "the text does not end"
	case "invalid int literal":
		return "this is no whole number of 64 bits"
	case "invalid double literal":
		return "this is no number that can be kept"
	}
	if strings.Contains(message, "<EOF>") {
		return "the rule ends too early"
	}
	if strings.HasPrefix(message, "expected identifier") {
		return "a name is missing; one that is a word of the language is written attributes.`in`"
	}
	for _, stray := range []string{"unexpected token", "mismatched input", "unexpected character", "reserved identifier"} {
		word := wordAt(p.text, e.Location.Line(), e.Location.Column())
		if !strings.Contains(message, stray) || word == "" {
			continue
		}
		if advice[word] != "" {
			return advice[word]
		}
		return fmt.Sprintf("%q is not expected here", cut(word))
	}
	return expecting.ReplaceAllString(message, "")
}

// wordAt returns the word or sign at a place of a text.
func wordAt(text string, line, column int) string {
	rest := lineOf(text, line)
	if column < 0 || column >= len(rest) {
		return ""
	}
	rest = rest[column:]
	n := 0
	for n < len(rest) && inWord(rest[n]) {
		n++
	}
	return string(rest[:max(n, 1)])
}

// lineOf returns a line of a text, counted from 1 on.
func lineOf(text string, line int) []rune {
	for range line - 1 {
		_, text, _ = strings.Cut(text, "\n")
	}
	text, _, _ = strings.Cut(text, "\n")
	return []rune(text)
}

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// advice says what to write instead of what people try.
var advice = map[string]string{
	"now":       "there is no now: time passes in days_since(date), age(date), held_for(date, days) and within(days)",
	"today":     "there is no today: time passes in days_since(date), age(date), held_for(date, days) and within(days)",
	"timestamp": "there are no timestamps: dates are written date(\"2026-02-28\")",
	"duration":  "there are no durations: days are whole numbers, as in days_since(stage.since) >= 30",
	"and":       "and is written &&",
	"or":        "or is written ||",
	"not":       "not is written !",
	"if":        "if is written condition ? this : that",
	"=":         "equality is written ==",
	"customer":  "members of the customer are written by themselves: kind == \"person\"",
	"consents":  "consents are asked for by consent(purpose, channel)",
	"AND":       "and is written &&",
	"OR":        "or is written ||",
	"NOT":       "not is written !",
	"average":   "the mean of a list is avg(): orders.map(o, o.net).avg() >= 7500",
	"name":      personal,
	"email":     personal,
	"phone":     personal,
	"address":   personal,
}

const personal = "names and contact data are personal and not in the language; contact_points says which kinds there are and whether they are verified"

func (p *problems) unknownName(name string) string {
	if a := advice[name]; a != "" {
		return a
	}
	var known []string
	for _, m := range records[customerType] {
		known = append(known, m.name)
	}
	for _, s := range declaredFunctions {
		known = append(known, s)
	}
	if slices.Contains(declaredFunctions, name) {
		return fmt.Sprintf("%s is a function: write %s(…)", name, name)
	}
	if slices.Contains(known, name) {
		return "maps and records cannot be written in a rule"
	}
	return fmt.Sprintf("%q is not a member of a customer nor a function%s", cut(name), nearest(name, known))
}

// unknownMember says that a record has no such member.
func (p *problems) unknownMember(name string, parsed *ast.AST, id int64) string {
	of := ""
	if parsed != nil {
		ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			if e.ID() == id && e.Kind() == ast.SelectKind && e.AsSelect().Operand().Kind() == ast.IdentKind {
				of = e.AsSelect().Operand().AsIdent()
			}
		}))
	}
	var known []string
	if of == "attributes" {
		for key := range p.attributes {
			known = append(known, key)
		}
		return fmt.Sprintf("the schema has no attribute %q that is in use%s", cut(name), nearest(name, known))
	}
	if m := memberOf(customerType, of); m != nil {
		for _, m := range records[m.typ.TypeName()] {
			known = append(known, m.name)
		}
		return fmt.Sprintf("%q is not a member of %s%s", cut(name), of, nearest(name, known))
	}
	for _, ms := range records {
		for _, m := range ms {
			known = append(known, m.name)
		}
	}
	return fmt.Sprintf("%q is not a member here%s", cut(name), nearest(name, known))
}

// nearest suggests the known name that is most like another.
func nearest(name string, known []string) string {
	slices.Sort(known)
	name = cut(name)
	best, least := "", 1+len(name)/3
	for _, k := range known {
		if d := edits(strings.ToLower(name), k); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// edits is the Levenshtein distance of two short texts.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}

func cut(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// misapplied says that an operator or function does not take what it was given.
func misapplied(name, signature string) string {
	method := strings.Contains(signature, ".(")
	types := argumentTypes(signature)
	var words []string
	for _, t := range types {
		words = append(words, wordsOf(t))
	}
	list := strings.Join(words, " and ")
	aging := slices.ContainsFunc(types, func(t string) bool { return t == "days" || t == "years" || t == "percentile" })
	switch {
	case name == "_==_" || name == "_!=_":
		if aging {
			return "days_since, age and percentile are compared by >= and <, not by ==: who is asked on another day would be missed"
		}
		if slices.Contains(types, "null") {
			return "there is no null: what is not known is found by !has(…)"
		}
		return list + " are never equal" + insteadOf(types)
	case relations[name] != 0 || name == "_<_":
		if aging {
			return "days_since, age and percentile are compared with a whole number, not " + list
		}
		return list + " cannot be compared" + insteadOf(types)
	case len(name) == 3 && name[0] == '_' && strings.Contains("+-*/%", name[1:2]):
		if slices.ContainsFunc(types, func(t string) bool { return t == "date" || t == "days" || t == "years" }) {
			return "dates cannot be reckoned with: compare days_since(date) with a number of days, or use within(days)"
		}
		return list + " cannot be reckoned with"
	case name == "_&&_" || name == "_||_" || name == "!_" || name == "_?_:_":
		return operators[name] + " needs true or false, but was given " + list
	case name == "@in":
		return "in needs a value and a list of its kind, but was given " + list
	}
	if name == "_[_]" {
		return "only lists (by a whole number) and maps (by a text) are indexed, not " + list
	}
	if name == "contains" && len(types) == 2 && strings.HasPrefix(types[0], "list(") {
		return "contains is for texts: whether a value is on a list is asked by in, as in \"vip\" in tags"
	}
	if n := strings.TrimSuffix(name, "_"); operators[name] == "" && method {
		if len(words) == 0 {
			return n + " cannot be called here"
		}
		if len(words) == 1 {
			return fmt.Sprintf("%s() is not for %s", n, words[0])
		}
		return fmt.Sprintf("%s is not for %s with %s", n, words[0], strings.Join(words[1:], " and "))
	}
	if onlyMethod(name) {
		return fmt.Sprintf("%s is written behind what it is of, as in orders.%s(…)", name, name)
	}
	if len(words) == 0 {
		return name + " needs arguments"
	}
	return name + " does not take " + list + exampleOf(name)
}

// insteadOf says what to write instead of a comparison with a date.
func insteadOf(types []string) string {
	switch {
	case !slices.Contains(types, "date"):
		return ""
	case slices.Contains(types, "string"):
		return "; dates are written date(\"2026-02-28\")"
	case slices.Contains(types, "int"):
		return "; how many days ago it was is days_since(date)"
	}
	return ""
}

// exampleOf shows how a function is written.
func exampleOf(name string) string {
	for _, f := range docFunctions {
		if f.Name == name {
			return "; an example of it: " + f.Example
		}
	}
	return ""
}

// onlyMethod says whether a function is only called on something.
func onlyMethod(name string) bool {
	method, function := false, false
	for _, s := range signatures() {
		method = method || s.name == name && s.member
		function = function || s.name == name && !s.member
	}
	return method && !function
}

var operators = map[string]string{"_&&_": "&&", "_||_": "||", "!_": "!", "_?_:_": "?:"}

// argumentTypes reads the types out of "list(@Order).(int, string)" or "(int, int)".
func argumentTypes(signature string) (types []string) {
	depth, from := 0, 0
	take := func(to int) {
		if t := strings.TrimSpace(signature[from:to]); t != "" {
			types = append(types, t)
		}
	}
	if i := strings.Index(signature, ".("); i >= 0 {
		take(i)
		from = i + 2
	} else if strings.HasPrefix(signature, "(") {
		from = 1
	}
	for i := from; i < len(signature); i++ {
		switch signature[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				take(i)
				return types
			}
		case ',':
			if depth == 0 {
				take(i)
				from = i + 1
			}
		}
	}
	return types
}

func typeWords(t *types.Type) string { return wordsOf(checker.FormatCELType(t)) }

// wordsOf says in plain words what a type is, and which.
func wordsOf(name string) string {
	switch name {
	case "bool":
		return "a truth value"
	case "int":
		return "a whole number"
	case "double":
		return "a number"
	case "string":
		return "a text"
	case "date":
		return "a date"
	case "days":
		return "a number of days since a date"
	case "years":
		return "an age"
	case "percentile":
		return "a percentile"
	case "null", "null_type":
		return "null"
	case "dyn":
		return "a value of any kind"
	case "uint":
		return "an unsigned number"
	case "bytes":
		return "bytes"
	case "@Order":
		return "an order"
	case "@Happening":
		return "an event"
	case "list(@Order)":
		return "a list of orders"
	case "list(@Happening)":
		return "a list of events"
	case "list(string)":
		return "a list of texts"
	case "list(int)":
		return "a list of whole numbers"
	case "list(double)":
		return "a list of numbers"
	}
	switch {
	case strings.HasPrefix(name, "list("):
		return "a list"
	case strings.HasPrefix(name, "map("):
		return "a map"
	case strings.HasPrefix(name, "@"):
		return "the record " + strings.ToLower(name[1:])
	}
	return name
}

// declaredFunctions is the names of the functions that a rule can call.
var declaredFunctions = func() (names []string) {
	for _, s := range signatures() {
		if r, _ := utf8.DecodeRuneInString(s.name); r >= 'a' && r <= 'z' && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return append(names, "has", "all", "exists", "exists_one", "filter", "map")
}()
