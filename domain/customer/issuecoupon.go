package customer

import (
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

// IssueCoupon gives the customer a coupon. A code is this coupon's alone, of all
// customers', as long as the coupon can be redeemed.
type IssueCoupon struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	CouponID     string        `json:"coupon_id" jsonschema:"maxLength=64"`      // unique within the customer; kept after an erasure
	Code         string        `json:"code,omitempty" jsonschema:"maxLength=64"` // what the customer shows; case, spaces and dashes do not count
	Benefit      CouponBenefit `json:"benefit"`
	ValidFrom    *domain.Date  `json:"valid_from,omitempty"` // at once if absent
	ValidUntil   domain.Date   `json:"valid_until"`          // the last business day
	Uses         *int          `json:"uses,omitempty" jsonschema:"default=1,minimum=1,maximum=1000"`
	MinimumOrder *domain.Money `json:"minimum_order,omitempty"`
	Stackable    bool          `json:"stackable,omitempty"` // beside another coupon that is, too
	CampaignID   string        `json:"campaign_id,omitempty"`
	Reason       string        `json:"reason,omitempty" jsonschema:"maxLength=2000"`

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c IssueCoupon) Stream() string { return Stream(c.Customer) }

// Names returns the code, if there is one: it must be the coupon's alone.
func (c IssueCoupon) Names() []reservation.Name {
	if c.Code == "" {
		return nil
	}
	return couponName(c.Code, false)
}

// NamedAt is the field that gives the name.
func (IssueCoupon) NamedAt(int) string { return "/code" }

// WithClaims returns the command with the claim on its code.
func (c IssueCoupon) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Refuses lists the refusals that are the command's own.
func (IssueCoupon) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrCouponExists, ErrCouponCodeTaken, ErrTooManyCoupons, ErrOwnAccount, ErrNoProgram, ErrCouponAboveLimit}
}

// Decide implements domain.Command. The same coupon again is nothing to do, also
// when it has ended.
func (c IssueCoupon) Decide(s State) ([]Event, error) {
	var p domain.Problems
	e := c.check(&p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if known := s.coupons[c.CouponID]; known != nil {
		if known.lookup == e.Lookup && known.same(e.terms()) {
			return nil, nil
		}
		return nil, ErrCouponExists.With("the customer has a coupon %q with other content; choose another coupon_id", c.CouponID)
	}
	if err := c.allowed(e); err != nil {
		return nil, err
	}
	e.IssuedAt = c.At(&p, "", nil, s.Since, "the customer")
	if !e.IssuedAt.Before(e.ExpiresAt) {
		p.Add("/valid_until", "is over: the business date is %s", c.DateOf(e.IssuedAt))
		return nil, p.Err()
	}
	open := 0
	for i := range s.Coupons.Open {
		if s.Coupons.Open[i].State(e.IssuedAt) == CouponOpen {
			open++
		}
	}
	if open >= maxCoupons {
		return nil, ErrTooManyCoupons.With("the customer has %d coupons that can be redeemed; void-coupon makes room", open)
	}
	if e.Lookup != "" && s.Holds(reservation.KindCouponCode, e.Lookup) {
		return nil, naming(reservation.Taken(reservation.KindCouponCode, c.Customer), c.NamedAt(0))
	}
	return []Event{e}, nil
}

// allowed refuses what one alone may not give away: something to themselves, or more
// points than they might grant.
func (c IssueCoupon) allowed(e CouponIssued) error {
	if ownRecord(c.Subject, c.Known) {
		return ErrOwnAccount.With("the account is that of %s; somebody else has to do it", c.Actor)
	}
	if e.Benefit.Kind != CouponPoints {
		return nil
	}
	p, ok := c.Policy(policy.KindLoyalty, c.Today())
	if !ok {
		return ErrNoProgram.With("no loyalty programme is in force on %s", c.Today())
	}
	if most, all := p.Loyalty.Manual.BonusLimit, e.Benefit.Points*int64(e.Uses); all > most { // at most 10^12 × 1000: fits
		return ErrCouponAboveLimit.With("the coupon is worth %d points in all its uses, and one alone may give %d; grant-bonus asks another person", all, most)
	}
	return nil
}

// check notes what is wrong with the fields and returns the event without its time.
func (c IssueCoupon) check(p *domain.Problems) CouponIssued {
	e := CouponIssued{
		CouponID: c.CouponID, Code: strings.TrimSpace(c.Code), Benefit: c.Benefit, Uses: 1, MinimumOrder: c.MinimumOrder,
		Stackable: c.Stackable, CampaignID: c.CampaignID, Reason: c.Reason,
	}
	checkCode(p, "/coupon_id", c.CouponID, maxCouponID)
	if c.Code != "" {
		checkCouponCode(p, "/code", c.Code)
	}
	if len(c.claims) > 0 {
		e.Lookup, e.Claim = c.claims[0].Lookup, c.claims[0].ID
	}
	c.Benefit.check(p, "/benefit")
	if c.ValidFrom != nil && couponDate(p, "/valid_from", *c.ValidFrom) {
		e.ValidFrom = new(c.start(*c.ValidFrom))
	}
	if couponDate(p, "/valid_until", c.ValidUntil) {
		e.ExpiresAt = c.start(c.ValidUntil + 1)
		if c.ValidFrom != nil && c.ValidUntil < *c.ValidFrom {
			p.Add("/valid_until", "must not be before valid_from")
		}
	}
	if c.Uses != nil {
		e.Uses = *c.Uses
	}
	if e.Uses < 1 || e.Uses > maxCouponUse {
		p.Add("/uses", "must be between 1 and %d", maxCouponUse)
	}
	if m := c.MinimumOrder; m != nil {
		checkPrice(p, "/minimum_order", *m)
		if a := c.Benefit.Amount; a != nil && a.Currency != m.Currency {
			p.Add("/minimum_order/currency", "is not that of the benefit: no order is in two currencies")
		}
	}
	p.Text("/campaign_id", c.CampaignID, maxID)
	p.Text("/reason", c.Reason, maxText)
	return e
}

// start returns the first instant of a business day.
func (c IssueCoupon) start(d domain.Date) time.Time {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	return d.Start(zone).UTC()
}

// couponDate notes in p a date that no calendar of ours has.
func couponDate(p *domain.Problems, pointer string, d domain.Date) bool {
	if d < domain.NewDate(1900, 1, 1) || d > domain.NewDate(2999, 12, 31) {
		p.Add(pointer, "must be between 1900 and 2999")
		return false
	}
	return true
}

// checkPrice notes what is wrong with an amount that must be positive.
func checkPrice(p *domain.Problems, pointer string, m domain.Money) {
	p.Currency(pointer+"/currency", m.Currency)
	if m.AmountMinor == 0 {
		p.Add(pointer+"/amount_minor", "must be positive")
	}
	p.Amount(pointer+"/amount_minor", m.AmountMinor)
}

// check notes what is wrong with the benefit: it has what its kind says, and
// nothing else.
func (b CouponBenefit) check(p *domain.Problems, pointer string) {
	p.Required(pointer+"/kind", b.Kind, maxShort)
	p.OneOf(pointer+"/kind", b.Kind, CouponPercent, CouponAmount, CouponPoints, CouponGift)
	for _, member := range []struct {
		kind  string
		there bool
	}{
		{CouponPercent, b.Percent != 0}, {CouponAmount, b.Amount != nil}, {CouponPoints, b.Points != 0}, {CouponGift, b.Gift != ""},
	} {
		at := pointer + "/" + member.kind
		switch {
		case member.there && b.Kind != member.kind:
			p.Add(at, "is for a benefit of the kind %s only", member.kind)
		case b.Kind != member.kind:
		case !member.there:
			p.Add(at, "is required")
		case b.Kind == CouponPercent && (b.Percent < 1 || b.Percent > 100):
			p.Add(at, "must be between 1 and 100")
		case b.Kind == CouponAmount:
			checkPrice(p, at, *b.Amount)
		case b.Kind == CouponPoints && (b.Points < 1 || b.Points > loyalty.MaxPoints):
			p.Add(at, "must be between 1 and %d", int64(loyalty.MaxPoints))
		case b.Kind == CouponGift:
			checkCode(p, at, b.Gift, maxCouponID)
		}
	}
}

// naming says of the refusal of a name by which field it was asked for.
func naming(refusal *domain.Error, pointer string) *domain.Error {
	refusal.Fields = []domain.FieldError{{Pointer: pointer, Detail: refusal.Detail}}
	return refusal
}
