package customer

import "github.com/rapport-crm/rapport/domain"

// VoidCoupon says that a coupon cannot be redeemed any more. What it gave already
// stays.
type VoidCoupon struct {
	domain.Subject `json:"-"`

	CouponID string `json:"coupon_id" jsonschema:"maxLength=64"`
	Reason   string `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c VoidCoupon) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (VoidCoupon) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrCouponNotFound, ErrCouponUsed, ErrCouponExpired}
}

// Decide implements domain.Command. A coupon that was voided is nothing to do.
func (c VoidCoupon) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/coupon_id", c.CouponID, maxID)
	p.Required("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	k, err := s.coupon(c.Subject, c.CouponID)
	if err != nil {
		return nil, err
	}
	if k.Ended == CouponWasVoided {
		return nil, nil
	}
	at := c.At(&p, "", nil, k.last, "the coupon")
	if err := k.over(at); err != nil {
		return nil, err
	}
	return []Event{CouponVoided{CouponID: k.ID, Reason: c.Reason, Lookup: k.Lookup, Claim: k.Claim, VoidedAt: at}}, nil
}
