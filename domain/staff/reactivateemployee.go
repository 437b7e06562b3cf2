package staff

import "github.com/rapport-crm/rapport/domain"

// ReactivateEmployee says that an employee is back.
type ReactivateEmployee struct {
	domain.Subject `json:"-"`

	EmployeeID string `json:"employee_id"`
}

// Stream implements domain.Command.
func (ReactivateEmployee) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (ReactivateEmployee) Refuses() []*domain.Error { return []*domain.Error{ErrUnknown} }

// Decide implements domain.Command.
func (c ReactivateEmployee) Decide(s State) ([]Event, error) {
	is, err := named(s, c.EmployeeID)
	if err != nil || is.Active {
		return nil, err
	}
	return []Event{EmployeeReactivated{c.EmployeeID}}, nil
}
