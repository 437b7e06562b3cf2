package customer

import "github.com/rapport-crm/rapport/domain"

// IntroduceSuccessor says that the new owner made themselves known to a customer
// who was handed over to them.
type IntroduceSuccessor struct {
	domain.Subject `json:"-"`

	Channel string `json:"channel"` // such as phone or visit
}

// Stream implements domain.Command.
func (c IntroduceSuccessor) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (IntroduceSuccessor) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotOwner, ErrNotHandedOver}
}

// Decide implements domain.Command. A successor is introduced once.
func (c IntroduceSuccessor) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if p.Required("/channel", c.Channel, maxShort); p.Err() != nil {
		return nil, p.Err()
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.Ownership
	switch {
	case is.Owner == "" || Employee(c.Actor) != is.Owner:
		return nil, owned(ErrNotOwner, is.Owner)
	case is.HandedOver == nil:
		return nil, ErrNotHandedOver.With("the customer did not come to %s by a handover", is.Owner)
	case !is.HandedOver.IntroducedAt.IsZero():
		return nil, nil
	}
	return []Event{SuccessorIntroduced{is.HandedOver.HandoverID, is.Owner, c.Channel, s.ownedAt(c.Subject)}}, nil
}
