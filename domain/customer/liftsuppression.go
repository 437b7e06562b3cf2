package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// LiftSuppression ends a suppression. One that the law demanded is lifted by an
// employee in the role it names, and by nobody else.
type LiftSuppression struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"`
}

// Stream implements domain.Command.
func (c LiftSuppression) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (LiftSuppression) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrSuppressionNotFound, ErrSuppressionLegal}
}

// Decide implements domain.Command.
func (c LiftSuppression) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/id", c.ID, maxID)
	p.Text("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	standing := s.suppression(c.ID)
	switch {
	case standing == nil:
		return nil, ErrSuppressionNotFound.With("the customer has no suppression %q; GET /v1/customers/%s lists them", c.ID, c.Customer)
	case standing.LiftedAt != nil:
		return nil, nil
	case standing.Legal && !c.holds(standing.Role):
		return nil, ErrSuppressionLegal.With("the law demanded the suppression %q: only an employee in the role %s can lift it", c.ID, standing.Role)
	}
	at := c.At(&p, "", nil, standing.From, "the suppression")
	return []Event{SuppressionLifted{SuppressionID: c.ID, Reason: c.Reason, LiftedAt: at}}, nil
}

// holds says whether the actor is an employee in a role.
func (c LiftSuppression) holds(role string) bool {
	return c.World != nil && c.Actor.Kind == "user" && c.World.Staff.Has(c.Actor.ID, role)
}
