// Package segment is groups of customers: who belongs to one is decided by a rule
// over what is known of a customer, or by hand. A segment has a stream of its own
// with every version of its definition and every audience that was frozen of it.
//
// customer.go is the typed document that rules speak of, rule.go the rules, set.go
// all segments together, in the order in which they can be decided.
package segment

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Kinds of segment.
const (
	Dynamic = "dynamic" // a rule says who belongs to it
	Static  = "static"  // a list of customers
)

// Kinds is every kind of segment.
var Kinds = []string{Dynamic, Static}

// Event is one of the facts of a segment.
//
//sumtype:decl
type Event interface{ segmentEvent() }

// Defined says that there is a segment, and what its first version is.
type Defined struct {
	SegmentID   string   `json:"segment_id"`
	Kind        string   `json:"kind"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels,omitempty"` // what the segment is listed under
	Rule        string   `json:"rule,omitempty"`   // of a dynamic segment
	// Attributes are the types of the deployment's own attributes that the rule uses.
	Attributes map[string]string `json:"attributes,omitempty"`
	Asks       []string          `json:"asks,omitempty"` // the segments that the rule asks for, by id
}

// VersionPublished says what a segment is from now on.
type VersionPublished struct {
	SegmentID   string            `json:"segment_id"`
	Version     int               `json:"version"` // 2, 3, …
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Labels      []string          `json:"labels,omitempty"`
	Rule        string            `json:"rule,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Asks        []string          `json:"asks,omitempty"`
}

// Archived says that a segment is out of use: nobody belongs to it any more. What
// is known of who did stays.
type Archived struct {
	SegmentID string `json:"segment_id"`
}

// AudienceFrozen says who belonged to a segment at a position of the log. The list
// itself is not stored: it can be made again at any time, and its digest says
// whether it is the same.
type AudienceFrozen struct {
	AudienceID uuid.UUID    `json:"audience_id"`
	SegmentID  string       `json:"segment_id"`
	Version    int          `json:"version"`
	Position   uint64       `json:"position"`
	AsOf       *domain.Date `json:"as_of,omitempty"` // the last day closed then
	Count      int64        `json:"count"`
	Digest     string       `json:"digest"` // SHA-256, in hexadecimal, of the members' ids in ascending order, each followed by a line feed
	FrozenAt   time.Time    `json:"frozen_at"`
}

func (Defined) segmentEvent()          {}
func (VersionPublished) segmentEvent() {}
func (Archived) segmentEvent()         {}
func (AudienceFrozen) segmentEvent()   {}

// Stream names the stream of a segment.
func Stream(id string) string { return "segment-" + id }

// Segment is a segment as its events so far make it.
type Segment struct {
	ID          string            `json:"segment_id"`
	Kind        string            `json:"kind"`
	Version     int               `json:"version"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Labels      []string          `json:"labels,omitempty"`
	Rule        string            `json:"rule,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Asks        []string          `json:"asks,omitempty"` // the segments that the rule asks for, by id
	Archived    bool              `json:"archived,omitempty"`
	Event       uuid.UUID         `json:"event,omitzero"`     // that made it what it is
	Position    uint64            `json:"position,omitempty"` // of that event
}

// State is what is remembered of one segment to decide about it.
type State struct {
	Segment
	Audiences map[uuid.UUID]AudienceFrozen
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	if e, ok := e.(AudienceFrozen); ok {
		next := make(map[uuid.UUID]AudienceFrozen, len(s.Audiences)+1)
		for id, a := range s.Audiences {
			next[id] = a
		}
		next[e.AudienceID] = e
		s.Audiences = next
		return s
	}
	s.Segment = s.Segment.with(e)
	return s
}

// with returns the segment after an event of it.
func (s Segment) with(e Event) Segment {
	switch e := e.(type) {
	case Defined:
		return Segment{
			ID: e.SegmentID, Kind: e.Kind, Version: 1, Name: e.Name, Description: e.Description, Labels: e.Labels,
			Rule: e.Rule, Attributes: e.Attributes, Asks: e.Asks,
		}
	case VersionPublished:
		s.Version, s.Name, s.Description, s.Labels = e.Version, e.Name, e.Description, e.Labels
		s.Rule, s.Attributes, s.Asks, s.Archived = e.Rule, e.Attributes, e.Asks, false
	case Archived:
		s.Archived = true
	case AudienceFrozen: // changes nothing of the definition
	}
	return s
}

// Why a segment is refused.
var (
	ErrNotFound = &domain.Error{Kind: domain.NotFound, Code: "segment_not_found"}
	ErrExists   = &domain.Error{Kind: domain.Conflict, Code: "segment_exists"}
	ErrArchived = &domain.Error{Kind: domain.Conflict, Code: "segment_archived"}
	ErrInUse    = &domain.Error{Kind: domain.Conflict, Code: "segment_in_use"}
	ErrCycle    = &domain.Error{Kind: domain.Conflict, Code: "segment_cycle"}
	ErrNotList  = &domain.Error{Kind: domain.Conflict, Code: "segment_not_static"}
	ErrTooMany  = &domain.Error{Kind: domain.Conflict, Code: "too_many_segments"}
)

// Limits of segments.
const (
	MaxSegments = 1000 // that are not archived
	maxID       = 64
	maxName     = 200
	maxText     = 2000
	maxLabels   = 20
	maxLabel    = 50
)

// CheckID notes in p what is wrong with the id of a segment or a clustering.
func CheckID(p *domain.Problems, pointer, id string) {
	if !IsID(id) {
		p.Add(pointer, "must have 1 to %d lower-case letters, digits or hyphens and begin with a letter", maxID)
	}
}

// IsID says whether a text can be the id of a segment.
func IsID(id string) bool {
	if id == "" || len(id) > maxID || id[0] < 'a' || id[0] > 'z' {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
