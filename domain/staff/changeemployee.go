package staff

import (
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// ChangeEmployee changes what is known of an employee. What is absent stays; the
// roles given replace those that were. A capacity below what the employee owns
// takes nothing away; they are given no more.
type ChangeEmployee struct {
	domain.Subject `json:"-"`

	EmployeeID string     `json:"employee_id"`
	Name       *string    `json:"name,omitempty"`
	Roles      *[]string  `json:"roles,omitempty" jsonschema:"maxItems=20"`
	Capacity   *int       `json:"capacity,omitempty"`    // 0: no limit
	CustomerID *uuid.UUID `json:"customer_id,omitempty"` // the nil UUID: none
}

// Stream implements domain.Command.
func (ChangeEmployee) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (ChangeEmployee) Refuses() []*domain.Error { return []*domain.Error{ErrUnknown} }

// Decide implements domain.Command. Only what is different is stored.
func (c ChangeEmployee) Decide(s State) ([]Event, error) {
	var p domain.Problems
	CheckID(&p, "/employee_id", c.EmployeeID)
	if c.Name != nil {
		p.Required("/name", *c.Name, maxName)
	}
	if c.Roles != nil {
		roles := checkRoles(&p, *c.Roles)
		c.Roles = &roles
	}
	if c.Capacity != nil {
		checkCapacity(&p, *c.Capacity)
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	is, err := s.Known(c.EmployeeID)
	if err != nil {
		return nil, err
	}
	changed := EmployeeChanged{EmployeeID: c.EmployeeID, Name: c.Name, Roles: c.Roles, Capacity: c.Capacity, CustomerID: c.CustomerID}
	if c.Name != nil && *c.Name == is.Name {
		changed.Name = nil
	}
	if c.Roles != nil && slices.Equal(*c.Roles, is.Roles) {
		changed.Roles = nil
	}
	if c.Capacity != nil && *c.Capacity == is.Capacity {
		changed.Capacity = nil
	}
	if c.CustomerID != nil && *c.CustomerID == is.CustomerID {
		changed.CustomerID = nil
	}
	if changed == (EmployeeChanged{EmployeeID: c.EmployeeID}) {
		return nil, nil
	}
	return []Event{changed}, nil
}
