package contact

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// SharableKinds are the kinds of contact point that a policy may let be shared.
var SharableKinds = []string{"email", "phone"}

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, 100)
	names(&e, "/policy/channels", p.Channels)
	purposes := make([]string, len(p.Purposes))
	for i, q := range p.Purposes {
		purposes[i] = q.Name
		pointer := fmt.Sprintf("/policy/purposes/%d", i)
		e.Required(pointer+"/basis", q.Basis, 100)
		e.OneOf(pointer+"/basis", q.Basis, Bases...)
		for j, text := range q.Texts {
			e.Required(fmt.Sprintf("%s/texts/%d", pointer, j), text, 100)
		}
	}
	names(&e, "/policy/purposes", purposes)
	if p.Quiet != nil {
		p.Quiet.Check(&e, "/policy/quiet_hours")
	}
	if p.Cap != nil {
		p.Cap.Check(&e, "/policy/frequency_cap")
	}
	for i, kind := range p.Shared {
		pointer := fmt.Sprintf("/policy/shared/%d", i)
		e.Required(pointer, kind, 100)
		e.OneOf(pointer, kind, SharableKinds...)
	}
	return e.Err()
}

// names notes what is wrong with a list of names that people refer to.
func names(e *domain.Problems, pointer string, list []string) {
	if len(list) == 0 || len(list) > 100 {
		e.Add(pointer, "must have 1 to 100 entries")
		return
	}
	for i, name := range list {
		at := fmt.Sprintf("%s/%d", pointer, i)
		if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			e.Add(at, "must have 1 to 64 lower-case letters, digits or underscores")
		}
		if slices.Contains(list[:i], name) {
			e.Add(at, "is listed twice")
		}
	}
}
