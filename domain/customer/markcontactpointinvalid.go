package customer

import (
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// MarkContactPointInvalid says that the customer is not reached there: a letter
// came back, a message bounced. It is not the primary contact point any more.
type MarkContactPointInvalid struct {
	domain.Subject `json:"-"`

	ContactPointID string     `json:"contact_point_id"`
	BounceCode     string     `json:"bounce_code,omitempty"` // such as 5.1.1
	Reason         string     `json:"reason,omitempty"`
	InvalidatedAt  *time.Time `json:"invalidated_at,omitempty"` // now if absent
}

// Stream implements domain.Command.
func (c MarkContactPointInvalid) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (MarkContactPointInvalid) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrContactPointNotFound}
}

// Decide implements domain.Command. An invalid contact point is nothing to do.
func (c MarkContactPointInvalid) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Text("/bounce_code", c.BounceCode, maxShort)
	p.Text("/reason", c.Reason, maxText)
	if strings.TrimSpace(c.BounceCode) == "" && strings.TrimSpace(c.Reason) == "" {
		p.Add("/bounce_code", "is required where there is no reason")
	}
	point, err := s.point(c.Subject, &p, c.ContactPointID)
	if err != nil {
		return nil, err
	}
	if point.Invalid {
		return nil, nil
	}
	at := c.At(&p, "/invalidated_at", c.InvalidatedAt, point.settled(), "the contact point was added, verified or made primary")
	if err := p.Err(); err != nil {
		return nil, err
	}
	return []Event{ContactPointInvalidated{
		ContactPointID: point.ID, Type: point.Type, BounceCode: c.BounceCode, Reason: c.Reason, InvalidatedAt: at,
	}}, nil
}
