package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// RemoveContactPoint says that the customer has a contact point no more. An
// e-mail address or a phone number is free for others then.
type RemoveContactPoint struct {
	domain.Subject `json:"-"`

	ContactPointID string `json:"contact_point_id"`
}

// Stream implements domain.Command.
func (c RemoveContactPoint) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RemoveContactPoint) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrContactPointNotFound, ErrContactPointNeeded}
}

// Decide implements domain.Command. The last contact point of a channel for
// which the customer has given a consent that stands is refused, and the last one at
// all where it is for every channel: a consent to be contacted nowhere would come to
// life with the next contact point.
func (c RemoveContactPoint) Decide(s State) ([]Event, error) {
	var p domain.Problems
	point, err := s.point(c.Subject, &p, c.ContactPointID)
	if err != nil {
		return nil, err
	}
	last := !slices.ContainsFunc(s.ContactPoints, func(o ContactPoint) bool { return o.Type == point.Type && o.ID != point.ID })
	for _, channel := range channelsOf(point.Type) {
		if last && s.consents(channel, c.Now) {
			return nil, ErrContactPointNeeded.With("it is the last one of the channel %s, for which the customer has given a consent: withdraw that first", channel)
		}
	}
	if len(s.ContactPoints) == 1 && s.consents(Every, c.Now) {
		return nil, ErrContactPointNeeded.With("it is the last one, and the customer has given a consent for every channel: withdraw that first")
	}
	return []Event{ContactPointRemoved{
		ContactPointID: point.ID, Type: point.Type, Lookup: point.Lookup, Claim: s.claimOf(point.Type, point.Lookup),
		RemovedAt: c.At(&p, "", nil, point.settled(), "the contact point"),
	}}, nil
}

// consents says whether a consent of the customer to be contacted on a channel
// stands at an instant.
func (s State) consents(channel string, at time.Time) bool {
	return slices.ContainsFunc(s.Consents, func(c Consent) bool {
		return c.Channel == channel && s.Consented(c.Purpose, c.Channel, at)
	})
}
