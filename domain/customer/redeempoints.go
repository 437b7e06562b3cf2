package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// RedeemPoints spends points: of the lots that lapse first, first.
type RedeemPoints struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	RedemptionID string `json:"redemption_id" jsonschema:"maxLength=200"` // unique within the customer
	Points       int64  `json:"points" jsonschema:"minimum=1"`
	Reward       string `json:"reward,omitempty"`   // of the programme; the points are its price
	OrderID      string `json:"order_id,omitempty"` // that they are spent on
}

// Stream implements domain.Command.
func (c RedeemPoints) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RedeemPoints) Refuses() []*domain.Error {
	return append([]*domain.Error{ErrNotFound, ErrNotEnrolled, ErrNoProgram, ErrRedemptionExists, ErrInsufficientPoints}, redemptionRefusals...)
}

// redemptionRefusals refuse what the programme does not sell, or not for an order.
var redemptionRefusals = []*domain.Error{
	ErrBelowMinimum, ErrNotAStep, ErrRewardUnavailable, ErrOrderNotFound, ErrOrderCancelled, ErrOrderRefunded,
}

// Uses names the policies by which it is decided.
func (c RedeemPoints) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. The same redemption again is nothing to do,
// also when it was reversed.
func (c RedeemPoints) Decide(s State) ([]Event, error) {
	var p domain.Problems
	checkCode(&p, "/redemption_id", c.RedemptionID, maxID)
	checkPoints(&p, "/points", c.Points)
	p.Text("/reward", c.Reward, maxID)
	p.Text("/order_id", c.OrderID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if r := s.ledger.redemptions[c.RedemptionID]; r != nil {
		if r.Points == c.Points && r.Reward == c.Reward && r.OrderID == c.OrderID {
			return nil, nil
		}
		return nil, ErrRedemptionExists.With("the customer has a redemption %q with other content; choose another redemption_id", c.RedemptionID)
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	if err := b.redeemable(v.Policy, c.Points, c.Reward); err != nil {
		return nil, err
	}
	if err := s.payable(c.Subject, c.OrderID); err != nil {
		return nil, err
	}
	from, err := b.spend(c.Points)
	if err != nil {
		return nil, err
	}
	e := b.spending(v, c.RedemptionID, c.Points, from)
	e.Reward, e.OrderID = c.Reward, c.OrderID
	b.book(e)
	return b.all(), nil
}
