package domain

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text notes in p what is wrong with a text of a request: longer than most
// characters, or control characters in it. An empty text is right.
func (p *Problems) Text(pointer, text string, most int) {
	if len(text) > most && utf8.RuneCountInString(text) > most {
		p.Add(pointer, "must have at most %d characters", most)
		return
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			p.Add(pointer, "must not contain control characters")
			return
		}
	}
}

// Required notes in p what is wrong with a text that must be there.
func (p *Problems) Required(pointer, text string, most int) {
	if text == "" {
		p.Add(pointer, "is required")
		return
	}
	p.Text(pointer, text, most)
}

// OneOf notes in p that a text is none of those allowed. An empty text is right.
func (p *Problems) OneOf(pointer, text string, allowed ...string) {
	if text != "" && !slices.Contains(allowed, text) {
		p.Add(pointer, "must be one of %s", strings.Join(allowed, ", "))
	}
}

// Currency notes in p what is wrong with a currency code.
func (p *Problems) Currency(pointer, code string) {
	if _, ok := MinorUnits(code); !ok {
		p.Add(pointer, "%q is not a currency of ISO 4217", clip(code))
	}
}

// Amount notes in p what is wrong with an amount that must not be negative.
func (p *Problems) Amount(pointer string, minor int64) {
	switch {
	case minor < 0:
		p.Add(pointer, "must not be negative")
	case minor > MaxAmountMinor:
		p.Add(pointer, "must be at most %d", int64(MaxAmountMinor))
	}
}

// clip shortens a text of a request that an answer repeats.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	for i := range s {
		if i > most {
			return s[:i] + "…"
		}
	}
	return s
}
