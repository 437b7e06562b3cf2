package customer

import (
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/lifecycle"
)

// ChangeStage moves the customer to another stage because somebody decided so.
type ChangeStage struct {
	domain.Subject `json:"-"`

	To         string `json:"to" jsonschema:"enum=potential,enum=converting,enum=active,enum=at_risk,enum=churned,enum=reactivating"`
	ReasonCode string `json:"reason_code,omitempty"` // required for churned, and with override
	Note       string `json:"note,omitempty"`
	Override   bool   `json:"override,omitempty"` // active, though there is no paid order
}

// Why a customer does not move to another stage.
var (
	ErrStageNotAllowed = &domain.Error{Kind: domain.Conflict, Code: "stage_not_allowed"}
	ErrStageNeedsOrder = &domain.Error{Kind: domain.Conflict, Code: "stage_needs_order"}
)

// Stream implements domain.Command.
func (c ChangeStage) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ChangeStage) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrStageNotAllowed, ErrStageNeedsOrder}
}

// Decide implements domain.Command.
func (c ChangeStage) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	from := s.Standing.Stage
	switch {
	case from == c.To:
		return nil, nil
	case !lifecycle.Allowed(from, c.To):
		return nil, ErrStageNotAllowed.With("a customer who is %s can become %s, not %s", from, strings.Join(lifecycle.Next(from), " or "), c.To)
	case from == lifecycle.Churned && c.To == lifecycle.Active:
		return nil, ErrStageNeedsOrder.With("a churned customer becomes active by a paid order; to win them back, move them to %s", lifecycle.Reactivating)
	case c.To == lifecycle.Active && s.PaidOrders == 0 && !c.Override:
		return nil, ErrStageNeedsOrder.With("the customer has no paid order; send override and a reason_code to say that they are active nevertheless")
	}
	m := &mover{Subject: c.Subject, Standing: s.Standing}
	e := StageEntered{
		Stage: c.To, Trigger: TriggerManual, ReasonCode: c.ReasonCode, Note: c.Note, EnteredAt: c.Now,
		Override: c.Override && c.To == lifecycle.Active && s.PaidOrders == 0,
	}
	if c.To == lifecycle.Active || c.To == lifecycle.Reactivating {
		e.IdleSince = new(c.Today())
	}
	m.enter(e)
	return m.moves, nil
}

func (c ChangeStage) check() error {
	var p domain.Problems
	if !lifecycle.Known(c.To) {
		p.Add("/to", "must be one of %s", strings.Join(lifecycle.Stages, ", "))
	}
	switch p.Text("/reason_code", c.ReasonCode, maxShort); {
	case c.ReasonCode != "":
	case c.To == lifecycle.Churned:
		p.Add("/reason_code", "is required to say that a customer is lost")
	case c.Override:
		p.Add("/reason_code", "is required with override")
	}
	p.Text("/note", c.Note, maxText)
	return p.Err()
}
