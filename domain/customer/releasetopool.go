package customer

import "github.com/rapport-crm/rapport/domain"

// ReleaseToPool takes the customer from their owner, so that others may claim
// them.
type ReleaseToPool struct {
	domain.Subject `json:"-"`
}

// Stream implements domain.Command.
func (c ReleaseToPool) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ReleaseToPool) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrHandoverOpen} }

// Decide implements domain.Command. A customer in the pool is nothing to do.
func (c ReleaseToPool) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.Ownership
	if is.InPool() {
		return nil, nil
	}
	if err := is.free(); err != nil {
		return nil, err
	}
	return []Event{CustomerReleased{From: is.Owner, LeftSeat: is.Seat, ReleasedAt: s.ownedAt(c.Subject)}}, nil
}
