// Package policy is the streams of published policies, one for each kind.
package policy

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// Event is one of the facts of a policy stream.
//
//sumtype:decl
type Event interface{ policyEvent() }

// KindRFM is the kind of policy that scores customers.
const KindRFM = "rfm"

// Published says which policy of a kind holds from a date on. The member named
// like the kind holds its body.
type Published struct {
	Kind          string      `json:"kind"`
	Version       int         `json:"version"` // 1, 2, 3, …
	EffectiveFrom domain.Date `json:"effective_from"`
	RFM           *rfm.Policy `json:"rfm,omitempty"`
}

// CalibrationRequested says that somebody wants new cut points as of the last
// closed day, by the policy in force.
type CalibrationRequested struct {
	Kind string      `json:"kind"`
	AsOf domain.Date `json:"as_of"`
}

func (Published) policyEvent()            {}
func (CalibrationRequested) policyEvent() {}

// Stream names the stream of a kind of policy.
func Stream(kind string) string { return "policy-" + kind }

// State is every version published.
type State struct{ Versions []Published }

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Published:
		s.Versions = append(s.Versions, e)
	case CalibrationRequested: // changes nothing a decision needs
	}
	return s
}
