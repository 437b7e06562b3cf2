// Package deployment is the one stream that says what a deployment is: written
// once, by whoever comes first, and never changed.
package deployment

import "time"

// Stream is the name of the deployment's only stream.
const Stream = "deployment"

// Event is one of the facts of a deployment.
//
//sumtype:decl
type Event interface{ deploymentEvent() }

// Calendar modes.
const (
	Manual = "manual" // days are closed by command; business now follows them
	Wall   = "wall"   // days are closed by the clock
)

// Created fixes what can never change.
type Created struct {
	LogID      string    `json:"log_id"`
	Partitions int       `json:"partitions"`
	Zone       string    `json:"zone"`       // IANA name of the business time zone
	Calendar   string    `json:"calendar"`   // Manual or Wall
	MasterKey  string    `json:"master_key"` // fingerprint of the key that wraps data keys
	LookupKey  string    `json:"lookup_key"` // fingerprint of the key behind all lookups; it never rotates
	CreatedAt  time.Time `json:"created_at"`
}

func (Created) deploymentEvent() {}

// State is the deployment as created; the zero value is none.
type State struct {
	Exists bool
	Created
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Created:
		return State{true, e}
	}
	return s
}
