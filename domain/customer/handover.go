package customer

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/portfolio"
)

// The steps of a handover in the customer's own stream. They are the commands of
// the handover itself, not of a caller; each may come again.

// OpenHandover keeps the customer, and a seat with the successor, for a handover.
type OpenHandover struct {
	domain.Subject `json:"-"`

	HandoverID uuid.UUID
	From, To   string

	seat string
}

// Stream implements domain.Command.
func (c OpenHandover) Stream() string { return Stream(c.Customer) }

// WithSeat returns the command with the claim on a seat in the successor's portfolio.
func (c OpenHandover) WithSeat(claim string) domain.Command[State, Event] {
	c.seat = claim
	return c
}

// WhileRestricted implements domain.WhileRestricted: who looks after a customer
// is no use of their data.
func (OpenHandover) WhileRestricted() {}

// Decide implements domain.Command.
func (c OpenHandover) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.Ownership
	switch {
	case is.Handover != nil && is.Handover.HandoverID == c.HandoverID:
		return nil, nil
	case is.Handover != nil:
		return nil, is.free()
	case is.Owner != c.From:
		return nil, owned(ErrNotOwned, is.Owner)
	}
	return []Event{HandoverOpened{HandoverID: c.HandoverID, From: c.From, To: c.To, Seat: c.seat, OpenedAt: s.ownedAt(c.Subject)}}, nil
}

// CloseHandover lets go of a customer who stays with their owner.
type CloseHandover struct {
	domain.Subject `json:"-"`

	HandoverID uuid.UUID
}

// Stream implements domain.Command.
func (c CloseHandover) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (CloseHandover) WhileRestricted() {}

// Decide implements domain.Command.
func (c CloseHandover) Decide(s State) ([]Event, error) {
	is := s.Ownership.Handover
	if is == nil || is.HandoverID != c.HandoverID {
		return nil, nil
	}
	return []Event{HandoverClosed{HandoverID: c.HandoverID, To: is.To, LeftSeat: is.Seat, ClosedAt: s.ownedAt(c.Subject)}}, nil
}

// TakeOver makes the successor the owner.
type TakeOver struct {
	domain.Subject `json:"-"`

	HandoverID uuid.UUID
}

// Stream implements domain.Command.
func (c TakeOver) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted.
func (TakeOver) WhileRestricted() {}

// Decide implements domain.Command.
func (c TakeOver) Decide(s State) ([]Event, error) {
	is := s.Ownership
	if is.Handover == nil || is.Handover.HandoverID != c.HandoverID {
		return nil, nil
	}
	return []Event{OwnerAssigned{
		From: is.Owner, To: is.Handover.To, Role: is.Role, HandoverID: c.HandoverID,
		Seat: is.Handover.Seat, LeftSeat: is.Seat, AssignedAt: s.ownedAt(c.Subject),
	}}, nil
}

// AbandonSeat tells a customer that the seat an employee had for them is given
// to somebody else, because nothing confirmed it in time. Appended before the
// seat is free, it makes a sleeping confirmation stale, so that it decides again.
type AbandonSeat struct {
	domain.Subject `json:"-"`
	portfolio.Seat
}

// Stream implements domain.Command.
func (c AbandonSeat) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure.
func (AbandonSeat) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted.
func (AbandonSeat) WhileRestricted() {}

// ErrSeated says that a seat is confirmed.
var ErrSeated = &domain.Error{Kind: domain.Conflict, Code: "seat_confirmed"}

// Decide implements domain.Command. A confirmed seat is refused.
func (c AbandonSeat) Decide(s State) ([]Event, error) {
	switch {
	case s.Ownership.Sits(c.Employee):
		return nil, ErrSeated
	case s.Abandoned(c.Claim), !s.Registered:
		return nil, nil
	}
	return []Event{ClaimAbandoned{Kind: portfolio.KindSeat, Lookup: c.Employee, Claim: c.Claim}}, nil
}
