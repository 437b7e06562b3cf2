package customer

import "github.com/rapport-crm/rapport/domain"

// ExpireCoupons records which coupons are over by business now, each at the instant
// at which it was; their codes are free then. It is no command that anybody sends: a
// job does, when days are closed.
type ExpireCoupons struct {
	domain.Subject `json:"-"`
}

// Stream implements domain.Command.
func (c ExpireCoupons) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted: time does not stand still.
func (ExpireCoupons) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (ExpireCoupons) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c ExpireCoupons) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	return s.Coupons.Due(c.Now), nil
}
