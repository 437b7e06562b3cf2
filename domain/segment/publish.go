package segment

import "github.com/rapport-crm/rapport/domain"

// Publish changes what a segment is. The version before serves until everybody is
// looked at by the new one. A segment that was archived is in use again. The
// version that is there already is nothing to do.
type Publish struct {
	domain.Subject `json:"-"`
	Definition

	SegmentID string `json:"segment_id"`
}

// Stream implements domain.Command.
func (c Publish) Stream() string { return Stream(c.SegmentID) }

// Refuses lists the refusals that are the command's own.
func (Publish) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrCycle, ErrTooMany} }

// Decide implements domain.Command.
func (c Publish) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if CheckID(&p, "/segment_id", c.SegmentID); p.Err() != nil {
		return nil, p.Err()
	}
	if s.Version == 0 {
		return nil, unknown(c.SegmentID)
	}
	attributes, asks, err := c.check(&p, c.SegmentID, s.Kind)
	if err != nil {
		return nil, err
	}
	next := VersionPublished{
		SegmentID: c.SegmentID, Version: s.Version + 1, Name: c.Name, Description: c.Description, Labels: c.Labels, Rule: c.Rule,
		Attributes: attributes, Asks: asks,
	}
	if !s.Archived && same(s.Segment, s.Segment.with(next)) {
		return nil, nil
	}
	if s.Archived {
		if err := c.Segments.room(); err != nil {
			return nil, err
		}
	}
	return []Event{next}, nil
}

func unknown(id string) error {
	return ErrNotFound.With("there is no segment %q; GET /v1/segments lists them", id)
}
