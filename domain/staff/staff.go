// Package staff is the people who work for us: who they are to the rules, not to
// a personnel department. One stream holds them all. Every refusal that names an
// employee goes by it.
package staff

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Stream is the name of the only stream.
const Stream = "staff"

// Event is one of the facts of the staff.
//
//sumtype:decl
type Event interface{ staffEvent() }

// EmployeeEnrolled says that somebody works for us.
type EmployeeEnrolled struct {
	EmployeeID string    `json:"employee_id"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles,omitempty"`      // ascending
	Capacity   int       `json:"capacity,omitempty"`   // how many customers they may own at once; 0: no limit
	CustomerID uuid.UUID `json:"customer_id,omitzero"` // their own record as a customer
}

// EmployeeChanged says what is different about an employee from now on; what is
// absent stays.
type EmployeeChanged struct {
	EmployeeID string     `json:"employee_id"`
	Name       *string    `json:"name,omitempty"`
	Roles      *[]string  `json:"roles,omitempty"`
	Capacity   *int       `json:"capacity,omitempty"`
	CustomerID *uuid.UUID `json:"customer_id,omitempty"`
}

// EmployeeDeactivated says that an employee takes nothing on any more.
type EmployeeDeactivated struct {
	EmployeeID string `json:"employee_id"`
}

// EmployeeReactivated says that an employee is back.
type EmployeeReactivated struct {
	EmployeeID string `json:"employee_id"`
}

func (EmployeeEnrolled) staffEvent()    {}
func (EmployeeChanged) staffEvent()     {}
func (EmployeeDeactivated) staffEvent() {}
func (EmployeeReactivated) staffEvent() {}

// Employee is what is known of an employee.
type Employee struct {
	ID         string    `json:"employee_id"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles"`                // ascending
	Capacity   int       `json:"capacity"`             // 0: no limit
	CustomerID uuid.UUID `json:"customer_id,omitzero"` // their own record as a customer
	Active     bool      `json:"active"`
}

// In says whether the employee has a role, active or not.
func (e Employee) In(role string) bool { return slices.Contains(e.Roles, role) }

// State is everybody who ever worked for us. The zero value is nobody. It is not
// changed: Evolve returns another one.
type State struct{ shards *[shards]map[string]Employee }

// shards keeps what an event copies small.
const shards = 256

// shard is where an id is kept: FNV-1a.
func shard(id string) int {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % shards)
}

// Employee returns what is known of an employee.
func (s State) Employee(id string) (Employee, bool) {
	if s.shards == nil {
		return Employee{}, false
	}
	e, ok := s.shards[shard(id)][id]
	return e, ok
}

// Person returns the employee who has an id in letters of any case.
func (s State) Person(id string) (Employee, bool) {
	if e, ok := s.Employee(id); ok || s.shards == nil {
		return e, ok
	}
	for _, m := range s.shards {
		for _, e := range m {
			if strings.EqualFold(e.ID, id) {
				return e, true
			}
		}
	}
	return Employee{}, false
}

// Active says whether somebody works for us now.
func (s State) Active(id string) bool {
	e, _ := s.Employee(id)
	return e.Active
}

// Has says whether an active employee has a role.
func (s State) Has(id, role string) bool {
	e, _ := s.Employee(id)
	return e.Active && e.In(role)
}

// Capacity returns how many customers an employee may own at once; 0 is no limit.
func (s State) Capacity(id string) int {
	e, _ := s.Employee(id)
	return e.Capacity
}

// All yields everybody by id, ascending.
func (s State) All() iter.Seq[Employee] {
	var all []Employee
	if s.shards != nil {
		for _, m := range s.shards {
			all = slices.AppendSeq(all, maps.Values(m))
		}
	}
	slices.SortFunc(all, func(a, b Employee) int { return strings.Compare(a.ID, b.ID) })
	return slices.Values(all)
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case EmployeeEnrolled:
		return s.with(Employee{ID: e.EmployeeID, Name: e.Name, Roles: e.Roles, Capacity: e.Capacity, CustomerID: e.CustomerID, Active: true})
	case EmployeeChanged:
		is, _ := s.Employee(e.EmployeeID)
		assign(&is.Name, e.Name)
		assign(&is.Roles, e.Roles)
		assign(&is.Capacity, e.Capacity)
		assign(&is.CustomerID, e.CustomerID)
		return s.with(is)
	case EmployeeDeactivated:
		is, _ := s.Employee(e.EmployeeID)
		is.Active = false
		return s.with(is)
	case EmployeeReactivated:
		is, _ := s.Employee(e.EmployeeID)
		is.Active = true
		return s.with(is)
	}
	return s
}

func assign[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s State) with(e Employee) State {
	next := new([shards]map[string]Employee)
	if s.shards != nil {
		*next = *s.shards
	}
	n := shard(e.ID)
	m := maps.Clone(next[n])
	if m == nil {
		m = map[string]Employee{}
	}
	m[e.ID] = e
	next[n] = m
	return State{next}
}

// Why an employee is refused.
var (
	ErrUnknown  = &domain.Error{Kind: domain.NotFound, Code: "employee_unknown"}
	ErrInactive = &domain.Error{Kind: domain.Conflict, Code: "employee_inactive"}
	ErrRole     = &domain.Error{Kind: domain.Conflict, Code: "employee_without_role"}
	ErrExists   = &domain.Error{Kind: domain.Conflict, Code: "employee_exists"}
)

// Known returns what is known of an employee, or refuses.
func (s State) Known(id string) (Employee, error) {
	e, ok := s.Employee(id)
	if !ok {
		return e, ErrUnknown.With("nobody is enrolled as %q; enrol-employee comes first", id)
	}
	return e, nil
}

// Working returns what is known of an employee who is active, or refuses.
func (s State) Working(id string) (Employee, error) {
	e, err := s.Known(id)
	if err == nil && !e.Active {
		err = ErrInactive.With("%s (%s) is not active; reactivate-employee ends that", e.Name, id)
	}
	return e, err
}

// InRole returns what is known of an active employee who has a role, or refuses.
func (s State) InRole(id, role string) (Employee, error) {
	e, err := s.Working(id)
	if err == nil && !e.In(role) {
		err = ErrRole.With("%s (%s) does not have the role %s; change-employee gives it", e.Name, id, role)
	}
	return e, err
}

// Limits of what a request may carry.
const (
	maxID       = 100
	maxName     = 200
	maxRoles    = 20
	maxCapacity = 100_000
)

// CheckID notes what is wrong with the id of an employee. It is part of the
// names of streams and routes, and is stored in the clear.
func CheckID(p *domain.Problems, pointer, id string) {
	switch {
	case id == "":
		p.Add(pointer, "is required")
	case len(id) > maxID || !plain(id, "._@+-"):
		p.Add(pointer, "must be letters, digits and . _ @ + -, at most %d", maxID)
	}
}

// CheckRole notes what is wrong with the name of a role.
func CheckRole(p *domain.Problems, pointer, role string) {
	if role == "" || len(role) > maxID || !plain(role, "._-") {
		p.Add(pointer, "must be letters, digits and . _ -, at most %d", maxID)
	}
}

func plain(s, more string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(more, r) {
			return false
		}
	}
	return true
}

// checkRoles notes what is wrong with roles and returns them as stored.
func checkRoles(p *domain.Problems, roles []string) []string {
	if len(roles) > maxRoles {
		p.Add("/roles", "must have at most %d entries", maxRoles)
		return nil
	}
	for i, role := range roles {
		CheckRole(p, fmt.Sprintf("/roles/%d", i), role)
	}
	roles = append([]string{}, roles...) // none is a list, too
	slices.Sort(roles)
	return slices.Compact(roles)
}

func checkCapacity(p *domain.Problems, capacity int) {
	if capacity < 0 || capacity > maxCapacity {
		p.Add("/capacity", "must be between 0, which is no limit, and %d", maxCapacity)
	}
}
