package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// LeaveProgram ends the customer's membership. All points are lost; what is owed
// stays owed.
type LeaveProgram struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Reason string `json:"reason,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c LeaveProgram) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (LeaveProgram) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrOpenHolds}
}

// Uses names the policies by which it is decided.
func (c LeaveProgram) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command.
func (c LeaveProgram) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Text("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	b := newBooker(since(c.Subject, s.Loyalty.JoinedAt), c.Known, s, c.Now)
	if !b.Joined {
		return nil, ErrNotEnrolled.With("the customer is no member of the loyalty programme")
	}
	if n := len(b.Holds); n > 0 {
		return nil, ErrOpenHolds.With("%d points are held, as %q first of all; release or capture what is held", b.Balance().Held, b.Holds[0].HoldID)
	}
	b.book(ProgramLeft{Reason: c.Reason, LeftAt: b.now})
	b.forfeit(ForfeitLeft)
	return b.all(), nil
}
