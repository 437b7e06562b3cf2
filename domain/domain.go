// Package domain holds what every aggregate shares: the shape of a command,
// the kinds of refusal, money and dates. It imports nothing of ours and knows
// no clock, no randomness and no I/O: time and ids come in as fields.
package domain

import (
	"fmt"
	"time"
)

// State is what an aggregate remembers: the left fold of its events.
// The zero value is the state of an aggregate that has no events.
//
// Evolve may reuse the receiver's maps and slices: a caller that keeps the old
// value must not look at it again.
type State[S, E any] interface {
	Evolve(E) S
}

// Command is a request to change one aggregate. Decide is pure: it reads the
// state and its own fields, and returns the events to append or a refusal.
// No events and no refusal mean that there is nothing to do.
type Command[S, E any] interface {
	Stream() string
	Decide(S) ([]E, error)
}

// Decide decides cmd on s, unless s takes no such command at all. It is how a
// command is decided; Decide of the command itself does not ask the state first.
func Decide[S State[S, E], E any](s S, cmd Command[S, E]) ([]E, error) {
	if g, ok := any(s).(Guard); ok {
		if err := g.Admit(cmd); err != nil {
			return nil, err
		}
	}
	return cmd.Decide(s)
}

// Guard is a state that refuses some commands as a whole, whatever they ask for.
type Guard interface{ Admit(cmd any) error }

// AfterErasure marks a command that an erased customer still takes. It must not
// carry personal data: there is no key to keep it with.
type AfterErasure interface{ AfterErasure() }

// Personal is a command that an erased customer takes as long as it says nothing
// in words: words are personal data.
type Personal interface{ SaysPersonal() bool }

// SaysPersonal says whether a command carries something that would be kept as
// personal data.
func SaysPersonal(cmd any) bool {
	p, ok := cmd.(Personal)
	return ok && p.SaysPersonal()
}

// WhileRestricted marks a command that is taken while the processing of a
// customer's data is restricted.
type WhileRestricted interface{ WhileRestricted() }

// Dated is an event that carries its own business time. Others occur when they
// are decided.
type Dated interface{ Occurred() time.Time }

// Kind says what a caller can do about an error.
type Kind uint8

// The kinds of refusal. Only the edges (HTTP, retries) look at them.
const (
	Internal     Kind = iota // a defect or an outage of ours; retry may help
	Malformed                // the request cannot be read at all
	Invalid                  // the request can never succeed as written
	NotFound                 // the subject does not exist
	Forbidden                // the actor may not do this
	Conflict                 // the state of the subject forbids it
	Precondition             // the subject is not at the revision the caller named
	Gone                     // the subject existed and was erased
	Restricted               // the law or its owner has locked the subject
	TooLarge                 // the request is larger than the limit
	Unavailable              // not now; retry later
)

// Error is a refusal a caller is meant to understand. Code is stable and
// documented; Detail is for a person and says what to do next.
type Error struct {
	Kind   Kind
	Code   string
	Detail string
	Fields []FieldError
	// Holder is the id of who holds what was asked for, if that is the reason.
	Holder string
}

// FieldError says what is wrong with one field of a request. Pointer is a JSON
// pointer into the body, such as "/lines/0/quantity".
type FieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code
	}
	return e.Code + ": " + e.Detail
}

// Is makes errors.Is compare refusals by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// With returns a copy of e whose detail is made from format and args.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// ErrValidation refuses a request whose fields are wrong, each by name.
var ErrValidation = &Error{Kind: Invalid, Code: "validation_failed"}

// Problems collects what is wrong with the fields of a command.
// The zero value is ready.
type Problems struct{ fields []FieldError }

// Add notes a problem of the field at pointer.
func (p *Problems) Add(pointer, format string, args ...any) {
	p.fields = append(p.fields, FieldError{pointer, fmt.Sprintf(format, args...)})
}

// Err returns ErrValidation with the problems noted, nil if there are none.
func (p *Problems) Err() error {
	if len(p.fields) == 0 {
		return nil
	}
	e := *ErrValidation
	e.Detail = p.fields[0].Pointer + ": " + p.fields[0].Detail
	if p.fields[0].Pointer == "" { // all of it
		e.Detail = "the body " + p.fields[0].Detail
	}
	if n := len(p.fields); n > 1 {
		e.Detail += fmt.Sprintf(" (and %d more)", n-1)
	}
	e.Fields = p.fields
	return &e
}
