package customer

import (
	"slices"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// EvaluateTier moves a member to the level that they qualify for now, if that is
// higher, and books a period that is over. Both happen by themselves: it is for who
// wants to be sure.
type EvaluateTier struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`
}

// Stream implements domain.Command.
func (c EvaluateTier) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (EvaluateTier) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoLadder}
}

// Uses names the policies by which it is decided.
func (c EvaluateTier) Uses() []domain.PolicyRef { return tierPolicy(c.Subject, c.Known) }

// Decide implements domain.Command.
func (c EvaluateTier) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	b := newBooker(c.Subject, c.Known, s, c.Now)
	if _, err := b.climbing(); err != nil {
		return nil, err
	}
	b.assess(TierCause{Type: TierRequested}, nil)
	if events := b.all(); slices.ContainsFunc(events, ofTier) {
		return events, nil
	}
	return nil, nil
}

// ofTier says whether an event is about the tier.
func ofTier(e Event) bool {
	switch e.(type) {
	case TierUpgraded, TierRetained, TierDowngraded:
		return true
	}
	return false
}
