package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// ClaimFromPool makes an employee the owner of a customer whom nobody owns. Of
// those who claim at once one wins; the others are told who.
type ClaimFromPool struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	EmployeeID string `json:"employee_id,omitempty"` // who claims; absent: the user who asks
	Role       string `json:"role,omitempty"`        // as what; one of the employee's roles

	seat string
}

// Stream implements domain.Command.
func (c ClaimFromPool) Stream() string { return Stream(c.Customer) }

// WithSeat returns the command with the claim on a seat in the employee's portfolio.
func (c ClaimFromPool) WithSeat(claim string) domain.Command[State, Event] {
	c.seat = claim
	return c
}

// Uses names the policy that says how soon somebody may claim again.
func (c ClaimFromPool) Uses() []domain.PolicyRef {
	if p, ok := c.Policy(policy.KindOwnership, c.Today()); ok {
		return []domain.PolicyRef{p.Ref()}
	}
	return nil
}

// Refuses lists the refusals that are the command's own.
func (ClaimFromPool) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, staff.ErrUnknown, staff.ErrInactive, staff.ErrRole, ErrOwnRecord, ErrOwned, ErrCoolDown, portfolio.ErrFull}
}

// Decide implements domain.Command. A customer whom the employee owns is nothing to do.
func (c ClaimFromPool) Decide(s State) ([]Event, error) {
	if c.EmployeeID == "" {
		c.EmployeeID = Employee(c.Actor)
	}
	var p domain.Problems
	staff.CheckID(&p, "/employee_id", c.EmployeeID)
	if c.Role != "" {
		staff.CheckRole(&p, "/role", c.Role)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.Ownership
	switch {
	case is.Owner == c.EmployeeID:
		return nil, nil
	case !is.InPool():
		return nil, owned(ErrOwned, is.Owner)
	}
	if err := mayOwn(c.Known, c.Subject, c.EmployeeID, c.Role); err != nil {
		return nil, err
	}
	if rule, ok := c.Policy(policy.KindOwnership, c.Today()); ok && is.PreviousOwner == c.EmployeeID {
		if from := c.DateOf(is.ReleasedAt) + domain.Date(rule.Ownership.ClaimCoolDownDays); c.Today() < from {
			return nil, ErrCoolDown.With("%s owned the customer before and may claim them again from %s on", c.EmployeeID, from)
		}
	}
	return []Event{CustomerClaimed{By: c.EmployeeID, Role: c.Role, Seat: c.seat, ClaimedAt: s.ownedAt(c.Subject)}}, nil
}
