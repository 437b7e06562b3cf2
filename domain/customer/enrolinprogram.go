package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// EnrolInProgram makes the customer a member of the loyalty programme.
type EnrolInProgram struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	JoinedAt *time.Time `json:"joined_at,omitempty"` // now if absent; earlier orders that become known later count from then on
}

// Stream implements domain.Command.
func (c EnrolInProgram) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (EnrolInProgram) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrNoProgram} }

// Uses names the policies by which it is decided.
func (c EnrolInProgram) Uses() []domain.PolicyRef {
	on := c.Today()
	if c.JoinedAt != nil {
		on = c.DateOf(*c.JoinedAt)
	}
	return pointPolicies(c.Subject, c.Known, on)
}

// Decide implements domain.Command. Who is a member stays one, since when they are.
func (c EnrolInProgram) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if s.Loyalty.Joined {
		return nil, nil
	}
	var p domain.Problems
	at := c.At(&p, "/joined_at", c.JoinedAt, s.Loyalty.LeftAt, "the customer left the programme")
	if err := p.Err(); err != nil {
		return nil, err
	}
	b := newBooker(c.Subject, c.Known, s, at)
	if _, err := b.inForce(c.DateOf(at)); err != nil {
		return nil, err
	}
	b.book(ProgramJoined{Trigger: TriggerRequest, JoinedAt: at})
	return b.all(), nil
}
