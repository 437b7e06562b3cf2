// Package portfolio is what keeps the number of customers of an employee within
// their capacity. Each employee has a stream of seats, one for each customer they
// own or are about to own. A seat is taken before the customer's own stream says
// whose the customer is, and that stream is the confirmation: a seat it does not
// confirm can be freed once its time has passed.
package portfolio

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Event is one of the facts of a portfolio.
//
//sumtype:decl
type Event interface{ portfolioEvent() }

// SeatTaken says that an employee has a seat for a customer. Several claims on it,
// of commands that want the same at once, are one seat.
type SeatTaken struct {
	EmployeeID string    `json:"employee_id"`
	Customer   uuid.UUID `json:"customer"`
	Claim      string    `json:"claim"` // what the customer's stream confirms
	Until      time.Time `json:"until"` // how long it stands unconfirmed
}

// SeatFreed says that a claim on the seat for a customer ended. With the last one
// the seat is free again.
type SeatFreed struct {
	EmployeeID string    `json:"employee_id"`
	Customer   uuid.UUID `json:"customer"`
	Claim      string    `json:"claim"`
}

func (SeatTaken) portfolioEvent() {}
func (SeatFreed) portfolioEvent() {}

// KindSeat is the kind under which a customer's stream says of a seat that it was
// given up.
const KindSeat = "seat"

// Stream names the stream of an employee's seats.
func Stream(employee string) string { return "portfolio-" + employee }

// Seat is a seat as a customer's stream knows it.
type Seat struct{ Employee, Claim string }

// Taken is a claim on a seat as the portfolio knows it.
type Taken struct {
	Claim string
	Until time.Time
}

// State is the claims on the seats that are taken, by customer.
type State struct{ Seats map[uuid.UUID][]Taken }

// Evolve returns the state after e. It reuses the receiver's map.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case SeatTaken:
		if s.Seats == nil {
			s.Seats = map[uuid.UUID][]Taken{}
		}
		s.Seats[e.Customer] = append(s.Seats[e.Customer], Taken{e.Claim, e.Until})
	case SeatFreed:
		claims := slices.DeleteFunc(s.Seats[e.Customer], func(t Taken) bool { return t.Claim == e.Claim })
		if s.Seats[e.Customer] = claims; len(claims) == 0 {
			delete(s.Seats, e.Customer)
		}
	}
	return s
}

// holds says whether a claim on the seat for a customer stands.
func (s State) holds(of uuid.UUID, claim string) bool {
	return slices.ContainsFunc(s.Seats[of], func(t Taken) bool { return t.Claim == claim })
}

// Customers returns those who have a seat, by id.
func (s State) Customers() []uuid.UUID {
	return slices.SortedFunc(maps.Keys(s.Seats), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

// ErrFull refuses a customer to an employee who has as many as they may have.
var ErrFull = &domain.Error{Kind: domain.Conflict, Code: "owner_over_capacity"}

// TakeSeat takes a seat for a customer.
type TakeSeat struct {
	domain.Subject `json:"-"`
	Seat
	Of       uuid.UUID // the customer
	Until    time.Time
	Capacity int // of the employee; 0: no limit
}

// Stream implements domain.Command.
func (c TakeSeat) Stream() string { return Stream(c.Employee) }

// Decide implements domain.Command. A customer who has a seat there needs no other.
func (c TakeSeat) Decide(s State) ([]Event, error) {
	_, has := s.Seats[c.Of]
	if s.holds(c.Of, c.Claim) {
		return nil, nil
	}
	if n := len(s.Seats); !has && c.Capacity > 0 && n >= c.Capacity {
		return nil, ErrFull.With("%s has %d customers, those of open handovers included, and may have %d; change-employee allows more", c.Employee, n, c.Capacity)
	}
	return []Event{SeatTaken{c.Employee, c.Of, c.Claim, c.Until.UTC()}}, nil
}

// FreeSeat gives a claim on a seat back. A seat that others claimed as well stays taken.
type FreeSeat struct {
	domain.Subject `json:"-"`
	Seat
	Of uuid.UUID
}

// Stream implements domain.Command.
func (c FreeSeat) Stream() string { return Stream(c.Employee) }

// Decide implements domain.Command.
func (c FreeSeat) Decide(s State) ([]Event, error) {
	if !s.holds(c.Of, c.Claim) {
		return nil, nil
	}
	return []Event{SeatFreed{c.Employee, c.Of, c.Claim}}, nil
}
