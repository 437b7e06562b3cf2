package domain

import "strings"

// Actor is who is responsible for a command and what came of it.
type Actor struct {
	Kind       string `json:"kind"` // one of ActorKinds
	ID         string `json:"id,omitempty"`
	OnBehalfOf string `json:"on_behalf_of,omitempty"`
	Version    string `json:"version,omitempty"`  // of the model or rule
	Asserted   bool   `json:"asserted,omitempty"` // the caller said so; nobody checked
}

// ActorKinds are the kinds of actors.
var ActorKinds = []string{"user", "api", "rule", "ai", "rpa", "import", "system"}

// Same says whether two actors are one and the same.
func (a Actor) Same(b Actor) bool { return a.Kind == b.Kind && a.ID == b.ID }

// SamePerson says whether two actors may be one person: they have the same id,
// whatever the case of its letters and whatever kind of actor they say they are.
func (a Actor) SamePerson(b Actor) bool {
	if a.ID == "" || b.ID == "" {
		return a.Same(b)
	}
	return strings.EqualFold(a.ID, b.ID)
}

// String is how an actor is named: kind:id.
func (a Actor) String() string {
	if a.ID == "" {
		return a.Kind
	}
	return a.Kind + ":" + a.ID
}

// PolicyRef names a version of a policy.
type PolicyRef struct {
	Kind    string `json:"kind"`
	Version int    `json:"version"`
}
