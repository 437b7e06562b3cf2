package customer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/rapport-crm/rapport/domain"
)

// Limits of tags.
const (
	MaxTags = 100
	maxTag  = 50
)

// ErrTooManyTags refuses one more tag.
var ErrTooManyTags = &domain.Error{Kind: domain.Conflict, Code: "too_many_tags"}

// AddTag puts a tag on the customer.
type AddTag struct {
	domain.Subject `json:"-"`

	Tag string `json:"tag"`
}

// RemoveTag takes a tag off the customer.
type RemoveTag struct {
	domain.Subject `json:"-"`

	Tag string `json:"tag"`
}

// Stream implements domain.Command.
func (c AddTag) Stream() string { return Stream(c.Customer) }

// Stream implements domain.Command.
func (c RemoveTag) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (AddTag) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrTooManyTags} }

// Refuses lists the refusals that are the command's own.
func (RemoveTag) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c AddTag) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkTag(&p, "/tag", c.Tag)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	switch {
	case s.HasTag(c.Tag):
		return nil, nil
	case len(s.Tags) >= MaxTags:
		return nil, ErrTooManyTags.With("the customer has %d tags, and more are not allowed; remove-tag makes room", len(s.Tags))
	}
	return []Event{TagAdded{Tag: norm.NFC.String(c.Tag), At: s.decidedAt(c.Subject)}}, nil
}

// Decide implements domain.Command.
func (c RemoveTag) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkTag(&p, "/tag", c.Tag)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	i, found := s.tag(c.Tag)
	if !found {
		return nil, nil
	}
	return []Event{TagRemoved{Tag: s.Tags[i], At: s.decidedAt(c.Subject)}}, nil
}

// TagKey returns what a tag is recognised by: tags that differ in case only are one.
func TagKey(tag string) string {
	for i := 0; i < len(tag); i++ {
		if tag[i] >= utf8.RuneSelf {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(tag)))
		}
	}
	return strings.ToLower(tag)
}

// checkTag notes what is wrong with a tag.
func checkTag(p *domain.Problems, pointer, tag string) {
	switch {
	case tag == "":
		p.Add(pointer, "is required")
	case utf8.RuneCountInString(tag) > maxTag:
		p.Add(pointer, "must have at most %d characters", maxTag)
	case strings.TrimSpace(tag) != tag:
		p.Add(pointer, "must not begin or end with a space")
	case strings.ContainsFunc(tag, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(" -_.:/&+#@'", r)
	}):
		p.Add(pointer, "may have letters, digits, spaces and - _ . : / & + # @ ' only")
	}
}
