package staff

import (
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// EnrolEmployee says that somebody works for us, and as what.
type EnrolEmployee struct {
	domain.Subject `json:"-"`

	EmployeeID string    `json:"employee_id"` // as in the Rapport-Actor of their requests, after "user:"
	Name       string    `json:"name"`
	Roles      []string  `json:"roles,omitempty" jsonschema:"maxItems=20"`
	Capacity   int       `json:"capacity,omitempty"`   // how many customers they may own at once; 0 or absent: no limit
	CustomerID uuid.UUID `json:"customer_id,omitzero"` // their own record as a customer, which they must not own
}

// Stream implements domain.Command.
func (EnrolEmployee) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (EnrolEmployee) Refuses() []*domain.Error { return []*domain.Error{ErrExists} }

// Decide implements domain.Command. Somebody who is enrolled just so is nothing to do.
func (c EnrolEmployee) Decide(s State) ([]Event, error) {
	var p domain.Problems
	CheckID(&p, "/employee_id", c.EmployeeID)
	p.Required("/name", c.Name, maxName)
	roles := checkRoles(&p, c.Roles)
	checkCapacity(&p, c.Capacity)
	if err := p.Err(); err != nil {
		return nil, err
	}
	is, ok := s.Employee(c.EmployeeID)
	switch {
	case !ok && len(roles) == 0:
		return []Event{EmployeeEnrolled{c.EmployeeID, c.Name, nil, c.Capacity, c.CustomerID}}, nil
	case !ok:
		return []Event{EmployeeEnrolled{c.EmployeeID, c.Name, roles, c.Capacity, c.CustomerID}}, nil
	case is.Active && is.Name == c.Name && slices.Equal(is.Roles, roles) && is.Capacity == c.Capacity && is.CustomerID == c.CustomerID:
		return nil, nil
	}
	return nil, ErrExists.With("%s is enrolled as %s already; change-employee and reactivate-employee change that", is.Name, is.ID)
}
