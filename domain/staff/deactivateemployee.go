package staff

import "github.com/rapport-crm/rapport/domain"

// DeactivateEmployee says that an employee takes nothing on any more. What they
// own stays theirs until it is handed over.
type DeactivateEmployee struct {
	domain.Subject `json:"-"`

	EmployeeID string `json:"employee_id"`
}

// Stream implements domain.Command.
func (DeactivateEmployee) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (DeactivateEmployee) Refuses() []*domain.Error { return []*domain.Error{ErrUnknown} }

// Decide implements domain.Command.
func (c DeactivateEmployee) Decide(s State) ([]Event, error) {
	is, err := named(s, c.EmployeeID)
	if err != nil || !is.Active {
		return nil, err
	}
	return []Event{EmployeeDeactivated{c.EmployeeID}}, nil
}

// named returns the employee that a command names.
func named(s State, id string) (Employee, error) {
	var p domain.Problems
	if CheckID(&p, "/employee_id", id); p.Err() != nil {
		return Employee{}, p.Err()
	}
	return s.Known(id)
}
