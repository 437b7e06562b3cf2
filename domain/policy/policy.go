// Package policy is the streams of published policies, one for each kind. What
// the policies say is said in packages of their own, such as domain/rfm.
package policy

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/care"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/value"
)

// Event is one of the facts of a policy stream.
//
//sumtype:decl
type Event interface{ policyEvent() }

// Kinds of policy.
const (
	KindRFM       = "rfm"       // how customers are scored
	KindLifecycle = "lifecycle" // when customers move from stage to stage
	KindContact   = "contact"   // who may be contacted, how and when
	KindOwnership = "ownership" // how customers change hands
	KindLoyalty   = "loyalty"   // what the loyalty programme gives, and takes
	KindTier      = "tier"      // which levels the members of the loyalty programme reach
	KindCare      = "care"      // at which moments customers are thought of, and how
	KindValue     = "value"     // how customers are valued
)

// Kinds is every kind of policy there is.
var Kinds = []string{KindRFM, KindLifecycle, KindContact, KindOwnership, KindLoyalty, KindTier, KindCare, KindValue}

// Published says which policy of a kind holds from a date on. The member named
// like the kind holds its body.
type Published struct {
	Kind          string            `json:"kind"`
	Version       int               `json:"version"` // 1, 2, 3, …
	EffectiveFrom domain.Date       `json:"effective_from"`
	RFM           *rfm.Policy       `json:"rfm,omitempty"`
	Lifecycle     *lifecycle.Policy `json:"lifecycle,omitempty"`
	Contact       *contact.Policy   `json:"contact,omitempty"`
	Ownership     *portfolio.Policy `json:"ownership,omitempty"`
	Loyalty       *loyalty.Policy   `json:"loyalty,omitempty"`
	Tier          *tier.Policy      `json:"tier,omitempty"`
	Care          *care.Policy      `json:"care,omitempty"`
	Value         *value.Policy     `json:"value,omitempty"`
}

// Ref names the version.
func (p Published) Ref() domain.PolicyRef { return domain.PolicyRef{Kind: p.Kind, Version: p.Version} }

// Body returns the member that holds the body.
func (p Published) Body() any {
	switch p.Kind {
	case KindRFM:
		return p.RFM
	case KindLifecycle:
		return p.Lifecycle
	case KindContact:
		return p.Contact
	case KindOwnership:
		return p.Ownership
	case KindLoyalty:
		return p.Loyalty
	case KindTier:
		return p.Tier
	case KindCare:
		return p.Care
	case KindValue:
		return p.Value
	}
	return nil
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

// Set is every version published, by kind, oldest first.
type Set map[string][]Published

// With returns the set with another version; s stays as it is.
func (s Set) With(p Published) Set {
	next := make(Set, len(s)+1)
	for kind, versions := range s {
		next[kind] = versions
	}
	versions := s[p.Kind]
	next[p.Kind] = append(versions[:len(versions):len(versions)], p)
	return next
}

// On returns the version of a kind that is in force on a date.
func (s Set) On(kind string, date domain.Date) (Published, bool) {
	versions := s[kind]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].EffectiveFrom <= date {
			return versions[i], true
		}
	}
	return Published{}, false
}

// Version returns a version of a kind.
func (s Set) Version(kind string, version int) (Published, bool) {
	for _, p := range s[kind] {
		if p.Version == version {
			return p, true
		}
	}
	return Published{}, false
}
