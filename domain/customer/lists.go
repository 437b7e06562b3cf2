package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/world"
)

// AddedToSegment says that the customer stands on the list of a static segment.
type AddedToSegment struct {
	SegmentID string    `json:"segment_id"`
	AddedAt   time.Time `json:"added_at"`
}

// RemovedFromSegment says that the customer stands on the list no more.
type RemovedFromSegment struct {
	SegmentID string    `json:"segment_id"`
	RemovedAt time.Time `json:"removed_at"`
}

func (AddedToSegment) customerEvent()     {}
func (RemovedFromSegment) customerEvent() {}

// Occurred implements domain.Dated.
func (e AddedToSegment) Occurred() time.Time     { return e.AddedAt }
func (e RemovedFromSegment) Occurred() time.Time { return e.RemovedAt }

// Lists are the static segments on whose lists a customer stands.
type Lists struct {
	On []string `json:"lists,omitempty"` // by id
}

// Fold brings the lists up to date with an event.
func (l *Lists) Fold(r Record) {
	switch e := r.Event.(type) {
	case AddedToSegment:
		if at, found := slices.BinarySearch(l.On, e.SegmentID); !found {
			l.On = slices.Insert(l.On, at, e.SegmentID)
		}
	case RemovedFromSegment:
		if at, found := slices.BinarySearch(l.On, e.SegmentID); found {
			l.On = slices.Delete(l.On, at, at+1)
		}
		if len(l.On) == 0 {
			l.On = nil
		}
	case PersonalDataErased:
		l.On = nil
	}
}

// Has says whether the customer stands on the list of a segment.
func (l *Lists) Has(id string) bool {
	_, found := slices.BinarySearch(l.On, id)
	return found
}

// AddToSegment puts the customer on the list of a static segment.
type AddToSegment struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	SegmentID string `json:"segment_id"`
}

// RemoveFromSegment takes the customer off the list of a static segment.
type RemoveFromSegment struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	SegmentID string `json:"segment_id"`
}

// Stream implements domain.Command.
func (c AddToSegment) Stream() string { return Stream(c.Customer) }

// Stream implements domain.Command.
func (c RemoveFromSegment) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (AddToSegment) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, segment.ErrNotFound, segment.ErrNotList, segment.ErrArchived}
}

// Refuses lists the refusals that are the command's own.
func (RemoveFromSegment) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, segment.ErrNotFound, segment.ErrNotList}
}

// Decide implements domain.Command.
func (c AddToSegment) Decide(s State) ([]Event, error) {
	is, err := listed(s, c.Subject, c.Known, c.SegmentID)
	switch {
	case err != nil:
		return nil, err
	case s.Lists.Has(c.SegmentID):
		return nil, nil
	case is.Archived:
		return nil, segment.ErrArchived.With("the segment %q is archived", c.SegmentID)
	}
	return []Event{AddedToSegment{c.SegmentID, s.decidedAt(c.Subject)}}, nil
}

// Decide implements domain.Command.
func (c RemoveFromSegment) Decide(s State) ([]Event, error) {
	if _, err := listed(s, c.Subject, c.Known, c.SegmentID); err != nil || !s.Lists.Has(c.SegmentID) {
		return nil, err
	}
	return []Event{RemovedFromSegment{c.SegmentID, s.decidedAt(c.Subject)}}, nil
}

// listed returns the static segment that a command about a customer names.
func listed(s State, of domain.Subject, known world.Known, id string) (is segment.Segment, err error) {
	var p domain.Problems
	if segment.CheckID(&p, "/segment_id", id); p.Err() != nil {
		return is, p.Err()
	}
	if err := s.exists(of); err != nil {
		return is, err
	}
	is, ok := known.Segments().Segment(id)
	switch {
	case !ok:
		return is, segment.ErrNotFound.With("there is no segment %q; GET /v1/segments lists them", id)
	case is.Kind != segment.Static:
		return is, segment.ErrNotList.With("a rule says who belongs to %q, not a list: %s", id, is.Rule)
	}
	return is, nil
}
