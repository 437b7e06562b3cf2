package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// CaptureHold spends held points: the capture is a redemption. What of them is not
// spent goes back.
type CaptureHold struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	HoldID       string `json:"hold_id" jsonschema:"maxLength=200"`
	Points       *int64 `json:"points,omitempty" jsonschema:"minimum=1"`            // all that are held, if absent
	RedemptionID string `json:"redemption_id,omitempty" jsonschema:"maxLength=200"` // the hold_id if absent
	Reward       string `json:"reward,omitempty"`                                   // of the programme; the points are its price
	OrderID      string `json:"order_id,omitempty"`                                 // that they are spent on
}

// Stream implements domain.Command.
func (c CaptureHold) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (CaptureHold) Refuses() []*domain.Error {
	return append([]*domain.Error{
		ErrNotFound, ErrNoProgram, ErrPointsHoldNotFound, ErrPointsHoldExpired, ErrPointsHoldCaptured, ErrHoldOfTransfer, ErrCaptureExceeds,
		ErrRedemptionExists,
	}, redemptionRefusals...)
}

// Uses names the policies by which it is decided.
func (c CaptureHold) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. The same capture again is nothing to do.
func (c CaptureHold) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/hold_id", c.HoldID, maxID)
	if c.Points != nil {
		checkPoints(&p, "/points", *c.Points)
	}
	if c.RedemptionID != "" {
		checkCode(&p, "/redemption_id", c.RedemptionID, maxID)
	}
	p.Text("/reward", c.Reward, maxID)
	p.Text("/order_id", c.OrderID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	id := c.RedemptionID
	if id == "" {
		id = c.HoldID
	}
	if captured, is := s.ledger.captured[c.HoldID]; is && captured == id && c.same(s.ledger.redemptions[id], s.ledger.holds[c.HoldID]) {
		return nil, nil
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	h, err := b.held(c.HoldID)
	if err != nil {
		return nil, err
	}
	points := h.Points
	if c.Points != nil {
		points = *c.Points
	}
	if points > h.Points {
		return nil, ErrCaptureExceeds.With("%d points are held under %q, not %d", h.Points, c.HoldID, points)
	}
	if err := s.payable(c.Subject, c.OrderID); err != nil {
		return nil, err
	}
	if err := b.captureAs(h, id, points, c.Reward, c.OrderID); err != nil {
		return nil, err
	}
	return b.all(), nil
}

// same says whether a hold was captured with this content.
func (c CaptureHold) same(r *redemption, h PointsHeld) bool {
	points := h.Points
	if c.Points != nil {
		points = *c.Points
	}
	return r != nil && r.Points == points && r.Reward == c.Reward && r.OrderID == c.OrderID
}
