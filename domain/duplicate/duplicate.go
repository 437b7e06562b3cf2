// Package duplicate is what was decided about two customers who may be one: a
// stream for each pair. Who looks alike is found by a read model; what people
// said of a pair is remembered here, for ever.
package duplicate

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Event is one of the facts of a pair.
//
//sumtype:decl
type Event interface{ duplicateEvent() }

// Rejected says that two customers were looked at and are not one. The reason is
// kept with the key of the first of them.
type Rejected struct {
	A       uuid.UUID `json:"a"` // the lower id, as text
	B       uuid.UUID `json:"b"`
	Verdict string    `json:"verdict"`          // NotDuplicate
	Reason  string    `json:"reason,omitempty"` // one of Reasons
}

func (Rejected) duplicateEvent() {}

// NotDuplicate is the verdict that two customers are two.
const NotDuplicate = "not_duplicate"

// Reasons are codes: a text about two customers would outlive the erasure of
// one of them.
var Reasons = []string{"verified", "household", "namesake", "shared_contact", "other"}

// Pair is two customers, the lower id first.
type Pair struct{ A, B uuid.UUID }

// PairOf returns the pair of two customers, in whichever order they are named.
func PairOf(a, b uuid.UUID) Pair {
	if b.String() < a.String() {
		a, b = b, a
	}
	return Pair{a, b}
}

// Stream names the stream of a pair.
func (p Pair) Stream() string { return "duplicatepair-" + p.A.String() + "-" + p.B.String() }

// State is what was decided about a pair; the zero value is a pair nobody decided about.
type State struct {
	Verdict string // NotDuplicate; empty: none
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Rejected:
		s.Verdict = e.Verdict
	}
	return s
}

var _ domain.State[State, Event] = State{}
