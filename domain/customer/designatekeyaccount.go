package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/staff"
)

// DesignateKeyAccount makes the customer a key account, or one of another level.
type DesignateKeyAccount struct {
	domain.Subject `json:"-"`

	Level    string `json:"level"`              // such as A or strategic
	Criteria string `json:"criteria,omitempty"` // why, in words
}

// Stream implements domain.Command.
func (c DesignateKeyAccount) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (DesignateKeyAccount) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrNoOwner} }

// Decide implements domain.Command. A key account of that level, for those
// criteria, is nothing to do.
func (c DesignateKeyAccount) Decide(s State) ([]Event, error) {
	var p domain.Problems
	staff.CheckRole(&p, "/level", c.Level)
	p.Text("/criteria", c.Criteria, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if s.Ownership.InPool() {
		return nil, ErrNoOwner.With("a key account needs somebody who looks after it; assign-owner comes first")
	}
	if is := s.Ownership.KeyAccount; is != nil && is.Level == c.Level && is.Criteria == c.Criteria {
		return nil, nil
	}
	return []Event{KeyAccountDesignated{c.Level, c.Criteria, s.ownedAt(c.Subject)}}, nil
}
