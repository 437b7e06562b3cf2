package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// RejectPoints says that points that were proposed are not booked. Who proposed them
// may do it, too.
type RejectPoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	ProposalID string `json:"proposal_id"` // the bonus_id or adjustment_id
	Reason     string `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c RejectPoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RejectPoints) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrProposalNotFound, ErrProposalDecided, ErrOwnAccount}
}

// Decide implements domain.Command. What was rejected already is nothing to do.
func (c RejectPoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/proposal_id", c.ProposalID, maxID)
	p.Required("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	b, err := s.manual(c.Subject, c.Known)
	if err != nil {
		return nil, err
	}
	e, decided, err := s.proposed(c.ProposalID, false)
	if err != nil || decided {
		return nil, err
	}
	b.book(ProposalRejected{ProposalID: e.ProposalID, Reason: c.Reason, RejectedBy: c.Actor, RejectedAt: b.now})
	return b.all(), nil
}
