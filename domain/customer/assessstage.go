package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// AssessStage makes the moves from stage to stage that are due by business now,
// each at the instant at which it fell due. It is no command that anybody sends:
// a job does, when days are closed.
type AssessStage struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`
}

// Stream implements domain.Command.
func (c AssessStage) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (AssessStage) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Uses names the policy by which it is decided.
func (c AssessStage) Uses() []domain.PolicyRef { return stagePolicy(c.Subject, c.Known) }

// Decide implements domain.Command.
func (c AssessStage) Decide(s State) ([]Event, error) {
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	m := newMover(c.Subject, c.Known, s)
	m.elapse(c.Today(), overTime)
	return m.moves, nil
}
