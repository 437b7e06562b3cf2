package segment

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Audience is who belonged to a segment at a position of the log, as the read
// models know it.
type Audience struct {
	Version  int
	Position uint64
	AsOf     *domain.Date
	Count    int64
	Digest   string
}

// Freeze records who belongs to a segment now, so that later anybody can tell
// whether a list of them is that list. The same audience id again is nothing to do.
type Freeze struct {
	domain.Subject `json:"-"`

	SegmentID  string    `json:"segment_id"`
	AudienceID uuid.UUID `json:"audience_id,omitzero"` // absent: made from the Idempotency-Key, or new

	// Audience is who belongs to it; Refusal why that could not be found out.
	Audience Audience `json:"-"`
	Refusal  error    `json:"-"`
}

// Stream implements domain.Command.
func (c Freeze) Stream() string { return Stream(c.SegmentID) }

// Refuses lists the refusals that are the command's own.
func (Freeze) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrArchived, ErrFilling} }

// ErrFilling refuses to freeze an audience while it is being found out who belongs
// to a new version of the segment.
var ErrFilling = &domain.Error{Kind: domain.Conflict, Code: "segment_filling"}

// Decide implements domain.Command.
func (c Freeze) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if CheckID(&p, "/segment_id", c.SegmentID); p.Err() != nil {
		return nil, p.Err()
	}
	switch _, frozen := s.Audiences[c.AudienceID]; {
	case s.Version == 0:
		return nil, unknown(c.SegmentID)
	case frozen:
		return nil, nil
	case s.Archived:
		return nil, ErrArchived.With("the segment %q is archived", c.SegmentID)
	case c.Refusal != nil:
		return nil, c.Refusal
	case c.Audience.Version != s.Version:
		return nil, ErrFilling.With("version %d of %q was published meanwhile; freeze its audience when everybody was looked at", s.Version, c.SegmentID)
	}
	return []Event{AudienceFrozen{
		AudienceID: c.AudienceID, SegmentID: c.SegmentID, Version: c.Audience.Version, Position: c.Audience.Position, AsOf: c.Audience.AsOf,
		Count: c.Audience.Count, Digest: c.Audience.Digest, FrozenAt: c.Now,
	}}, nil
}
