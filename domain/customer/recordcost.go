package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/value"
)

// RecordCost records what the customer cost us beside the goods.
type RecordCost struct {
	domain.Subject `json:"-"`

	CostID     string       `json:"cost_id" jsonschema:"maxLength=200"` // unique within the customer
	Kind       string       `json:"kind" jsonschema:"enum=service,enum=compensation,enum=campaign,enum=shipping,enum=payment,enum=other"`
	Amount     domain.Money `json:"amount"`                                        // more than nothing
	OrderID    string       `json:"order_id,omitempty" jsonschema:"maxLength=200"` // of the customer, if it is for one
	IncurredAt *time.Time   `json:"incurred_at,omitempty"`                         // now if absent
	Note       string       `json:"note,omitempty" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c RecordCost) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RecordCost) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrCostExists}
}

// Decide implements domain.Command. A cost that was recorded with the same content is
// nothing to do, though it was cancelled since.
func (c RecordCost) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/cost_id", c.CostID, maxID)
	if c.Kind == "" {
		p.Add("/kind", "is required")
	}
	p.OneOf("/kind", c.Kind, value.CostKinds...)
	p.Currency("/amount/currency", c.Amount.Currency)
	p.Amount("/amount/amount_minor", c.Amount.AmountMinor)
	if c.Amount.AmountMinor == 0 {
		p.Add("/amount/amount_minor", "must be positive")
	}
	p.Text("/order_id", c.OrderID, maxID)
	p.Text("/note", c.Note, maxText)
	at := c.At(&p, "/incurred_at", c.IncurredAt, time.Time{}, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if before, known := s.costs[c.CostID]; known {
		if c.same(before.CostRecorded) {
			return nil, nil
		}
		return nil, ErrCostExists.With("the customer has a cost %q with other content", c.CostID)
	}
	if c.OrderID != "" {
		if _, err := s.order(c.Subject, c.OrderID); err != nil {
			return nil, err
		}
	}
	return []Event{CostRecorded{
		CostID: c.CostID, Kind: c.Kind, Amount: c.Amount, OrderID: c.OrderID,
		IncurredAt: at, IncurredOn: c.DateOf(at), Note: c.Note,
	}}, nil
}

// same says whether a cost was recorded with this content. The time counts only if
// the request names one.
func (c RecordCost) same(e CostRecorded) bool {
	return e.Kind == c.Kind && e.Amount == c.Amount && e.OrderID == c.OrderID && e.Note == c.Note &&
		(c.IncurredAt == nil || e.IncurredAt.Equal(*c.IncurredAt))
}

// CancelCost says that a recorded cost was none. What is right instead is recorded
// under another id.
type CancelCost struct {
	domain.Subject `json:"-"`

	CostID string `json:"cost_id" jsonschema:"maxLength=200"`
	Reason string `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c CancelCost) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (CancelCost) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound, ErrCostNotFound} }

// Decide implements domain.Command. A cost that was cancelled is nothing to do.
func (c CancelCost) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/cost_id", c.CostID, maxID)
	p.Required("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	cost, known := s.costs[c.CostID]
	switch {
	case !known:
		return nil, ErrCostNotFound.With("the customer has no cost %q", c.CostID)
	case cost.cancelled:
		return nil, nil
	}
	at := c.At(&p, "", nil, cost.IncurredAt, "the cost was incurred")
	return []Event{CostCancelled{CostID: c.CostID, Reason: c.Reason, CancelledAt: at, CancelledOn: c.DateOf(at)}}, nil
}

// recordedCost is what decisions need to know of a cost.
type recordedCost struct {
	CostRecorded
	cancelled bool
}

// foldCosts brings the costs up to date with an event.
func (s *State) foldCosts(e Event) {
	switch e := e.(type) {
	case CostRecorded:
		if s.costs == nil {
			s.costs = map[string]recordedCost{}
		}
		s.costs[e.CostID] = recordedCost{CostRecorded: e}
	case CostCancelled:
		if c, known := s.costs[e.CostID]; known {
			c.cancelled = true
			s.costs[e.CostID] = c
		}
	case PersonalDataErased:
		for id, c := range s.costs {
			c.Note = ""
			s.costs[id] = c
		}
	}
}

// Why a customer refuses a command about costs.
var (
	ErrCostExists   = &domain.Error{Kind: domain.Conflict, Code: "cost_exists"}
	ErrCostNotFound = &domain.Error{Kind: domain.NotFound, Code: "cost_not_found"}
)
