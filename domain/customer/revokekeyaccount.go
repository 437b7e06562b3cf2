package customer

import "github.com/rapport-crm/rapport/domain"

// RevokeKeyAccount says that the customer is no key account any more.
type RevokeKeyAccount struct {
	domain.Subject `json:"-"`
}

// Stream implements domain.Command.
func (c RevokeKeyAccount) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RevokeKeyAccount) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c RevokeKeyAccount) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	is := s.Ownership.KeyAccount
	if is == nil {
		return nil, nil
	}
	return []Event{KeyAccountRevoked{is.Level, s.ownedAt(c.Subject)}}, nil
}
