package segment

import (
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// Archive takes a segment out of use. Rules of other segments must not ask for it.
type Archive struct {
	domain.Subject `json:"-"`

	SegmentID string `json:"segment_id"`

	// Segments are all others.
	Segments *Set `json:"-"`
}

// SetSegments tells what the other segments are.
func (c *Archive) SetSegments(s *Set) { c.Segments = s }

// Stream implements domain.Command.
func (c Archive) Stream() string { return Stream(c.SegmentID) }

// Refuses lists the refusals that are the command's own.
func (Archive) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrInUse} }

// Decide implements domain.Command.
func (c Archive) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if CheckID(&p, "/segment_id", c.SegmentID); p.Err() != nil {
		return nil, p.Err()
	}
	switch users := c.Segments.users(c.SegmentID); {
	case s.Version == 0:
		return nil, unknown(c.SegmentID)
	case s.Archived:
		return nil, nil
	case len(users) > 0:
		return nil, ErrInUse.With("the rules of other segments ask for %q: %s; archive them first, or publish rules that do not", c.SegmentID, strings.Join(users, ", "))
	}
	return []Event{Archived{c.SegmentID}}, nil
}
