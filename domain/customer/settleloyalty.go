package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// SettledAtOnce is how many events SettleLoyalty books at most, so that they fit an
// append. Given again it books the next.
const SettledAtOnce = 500

// SettleLoyalty books what fell due by business now, each at the instant at which
// it did: points that became spendable or lapsed, holds and tiers that ended.
// It is no command that anybody sends: a job does, when days are closed.
type SettleLoyalty struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`
}

// Stream implements domain.Command.
func (c SettleLoyalty) Stream() string { return Stream(c.Customer) }

// AfterErasure implements domain.AfterErasure: points that came back from a
// transfer are no exception.
func (SettleLoyalty) AfterErasure() {}

// WhileRestricted implements domain.WhileRestricted: time does not stand still.
func (SettleLoyalty) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (SettleLoyalty) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Uses names the policies by which it is decided.
func (c SettleLoyalty) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command.
func (c SettleLoyalty) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	due := newBooker(c.Subject, c.Known, s, c.Now).due
	return due[:min(len(due), SettledAtOnce)], nil
}
