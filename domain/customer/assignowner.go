package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// AssignOwner gives the customer an owner, whoever owned them before.
type AssignOwner struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	EmployeeID string `json:"employee_id"`
	Role       string `json:"role,omitempty"` // as what; one of the employee's roles

	seat string
}

// Stream implements domain.Command.
func (c AssignOwner) Stream() string { return Stream(c.Customer) }

// WithSeat returns the command with the claim on a seat in the employee's portfolio.
func (c AssignOwner) WithSeat(claim string) domain.Command[State, Event] {
	c.seat = claim
	return c
}

// Refuses lists the refusals that are the command's own.
func (AssignOwner) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, staff.ErrUnknown, staff.ErrInactive, staff.ErrRole, ErrOwnRecord, ErrHandoverOpen, portfolio.ErrFull}
}

// Decide implements domain.Command. Who is the owner already, in that role, is nothing to do.
func (c AssignOwner) Decide(s State) ([]Event, error) {
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
	if is.Owner == c.EmployeeID && (c.Role == "" || c.Role == is.Role) {
		return nil, nil
	}
	if err := is.free(); err != nil {
		return nil, err
	}
	if err := mayOwn(c.Known, c.Subject, c.EmployeeID, c.Role); err != nil {
		return nil, err
	}
	e := OwnerAssigned{From: is.Owner, To: c.EmployeeID, Role: c.Role, AssignedAt: s.ownedAt(c.Subject)}
	if e.From != e.To {
		e.Seat, e.LeftSeat = c.seat, is.Seat
	}
	return []Event{e}, nil
}
