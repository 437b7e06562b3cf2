package segment

import (
	"strings"
	"unicode/utf8"
)

// token is a piece of the text of a rule, as far as taking it apart needs to know.
type token struct {
	text     string // empty for what is none of ( ) [ ] { } && || ! ? :
	from, to int    // in bytes
}

// tokenize finds the brackets and logical operators of a rule; texts and comments
// hide theirs.
func tokenize(s string) (tokens []token) {
	for i := 0; i < len(s); {
		from := i
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '/' && strings.HasPrefix(s[i:], "//"):
			end := strings.IndexByte(s[i:], '\n')
			if end < 0 {
				return tokens
			}
			i += end
			continue
		case c == '"' || c == '\'':
			i = quoted(s, i)
			tokens = append(tokens, token{"", from, i})
		case strings.HasPrefix(s[i:], "&&") || strings.HasPrefix(s[i:], "||"):
			i += 2
			tokens = append(tokens, token{s[from:i], from, i})
		case c == '!' && !strings.HasPrefix(s[i:], "!="), strings.IndexByte("()[]{}?:", c) >= 0:
			i++
			tokens = append(tokens, token{s[from:i], from, i})
		case strings.HasPrefix(s[i:], "!="):
			i += 2
			tokens = append(tokens, token{"", from, i})
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			i += n
			tokens = append(tokens, token{"", from, i})
		}
	}
	return tokens
}

// quoted returns the end of a text that begins at i.
func quoted(s string, i int) int {
	quote, raw := s[i:i+1], i > 0 && (s[i-1] == 'r' || s[i-1] == 'R')
	if strings.HasPrefix(s[i:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for i += len(quote); i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\\' && !raw:
			i++
		}
	}
	return len(s)
}

// deepest returns how deep brackets are nested.
func deepest(tokens []token) (most int) {
	depth := 0
	for _, t := range tokens {
		switch t.text {
		case "(", "[", "{":
			depth++
			most = max(most, depth)
		case ")", "]", "}":
			depth--
		}
	}
	return most
}

// written is a clause as it was written.
type written struct {
	op    string
	text  string
	parts []*written
}

// split takes a rule apart at its logical operators. It trusts that it is one.
func split(s string) *written { return splitTokens(s, tokenize(s)) }

func splitTokens(s string, ts []token) *written {
	if len(ts) == 0 {
		return &written{}
	}
	w := &written{text: s[ts[0].from:ts[len(ts)-1].to]}
	if inner := unwrapped(ts); len(inner) < len(ts) {
		return splitTokens(s, inner)
	}
	if q := top(ts, "?"); len(q) > 0 { // c ? a : b, where b may be another
		if colon := matching(ts, q[0]); colon > 0 {
			w.op = "if"
			w.parts = []*written{splitTokens(s, ts[:q[0]]), splitTokens(s, ts[q[0]+1:colon]), splitTokens(s, ts[colon+1:])}
			return w
		}
	}
	for _, op := range []struct{ sign, name string }{{"||", "or"}, {"&&", "and"}} {
		at := top(ts, op.sign)
		if len(at) == 0 {
			continue
		}
		w.op = op.name
		from := 0
		for _, to := range append(at, len(ts)) {
			p := splitTokens(s, ts[from:to])
			if p.op == op.name { // (a || b) || c
				w.parts = append(w.parts, p.parts...)
			} else {
				w.parts = append(w.parts, p)
			}
			from = to + 1
		}
		return w
	}
	if ts[0].text == "!" {
		n := 0
		for n < len(ts) && ts[n].text == "!" {
			n++
		}
		if n%2 == 0 { // the parser leaves out what has no effect
			in := splitTokens(s, ts[n:])
			in.text = w.text
			return in
		}
		w.op = "not"
		w.parts = []*written{splitTokens(s, ts[n:])}
	}
	return w
}

// top returns where a token stands outside of brackets.
func top(ts []token, text string) (at []int) {
	depth := 0
	for i, t := range ts {
		switch t.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case text:
			if depth == 0 {
				at = append(at, i)
			}
		}
	}
	return at
}

// matching returns where the : of the ? at a place stands.
func matching(ts []token, question int) int {
	depth, open := 0, 0
	for i := question; i < len(ts); i++ {
		switch ts[i].text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case "?":
			if depth == 0 {
				open++
			}
		case ":":
			if depth == 0 {
				if open--; open == 0 {
					return i
				}
			}
		}
	}
	return -1
}

// unwrapped leaves out brackets around everything.
func unwrapped(ts []token) []token {
	for len(ts) > 2 && ts[0].text == "(" {
		depth := 0
		for i, t := range ts {
			switch t.text {
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
			if depth == 0 && i < len(ts)-1 {
				return ts
			}
		}
		ts = ts[1 : len(ts)-1]
	}
	return ts
}
