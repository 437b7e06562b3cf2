package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// CouponIssued says that the customer was given a coupon.
type CouponIssued struct {
	CouponID     string        `json:"coupon_id"`
	Code         string        `json:"code,omitempty" personal:"true"` // what the customer shows
	Lookup       string        `json:"lookup,omitempty"`               // keyed hash of the normalised code; none where there is no code
	Claim        string        `json:"claim,omitempty"`                // the reservation claim that this confirms
	Benefit      CouponBenefit `json:"benefit"`
	ValidFrom    *time.Time    `json:"valid_from,omitempty"` // absent: since it was issued
	ExpiresAt    time.Time     `json:"expires_at"`           // exclusive: the start of the business day behind the last
	Uses         int           `json:"uses"`                 // with how many orders it may be redeemed
	MinimumOrder *domain.Money `json:"minimum_order,omitempty"`
	Stackable    bool          `json:"stackable,omitempty"` // beside another coupon that is, too
	CampaignID   string        `json:"campaign_id,omitempty"`
	Reason       string        `json:"reason,omitempty" personal:"true"`
	IssuedAt     time.Time     `json:"issued_at"`
}

// CouponBenefit is what a coupon is good for: of the members beside the kind it
// has the one that is named like it.
type CouponBenefit struct {
	Kind    string        `json:"kind" jsonschema:"enum=percent,enum=amount,enum=points,enum=gift"`
	Percent int           `json:"percent,omitempty" jsonschema:"minimum=1,maximum=100"` // of the order's total
	Amount  *domain.Money `json:"amount,omitempty"`
	Points  int64         `json:"points,omitempty"`
	Gift    string        `json:"gift,omitempty"` // a code
}

// CouponRedeemed says that a coupon was redeemed with an order, and what that gave.
type CouponRedeemed struct {
	CouponID string `json:"coupon_id"`
	OrderID  string `json:"order_id"`
	Use      int    `json:"use"` // counted from 1
	Of       int    `json:"of"`
	// Discount is in the order's currency. The discounts of an order are never more
	// than its total.
	Discount   *domain.Money `json:"discount,omitempty"`
	Points     int64         `json:"points,omitempty"`
	Gift       string        `json:"gift,omitempty"`
	Lookup     string        `json:"lookup,omitempty"` // of the code that is free with the last use
	Claim      string        `json:"claim,omitempty"`  // the reservation claim that ends
	RedeemedAt time.Time     `json:"redeemed_at"`
}

// CouponRestored says that a use was given back, because the order was cancelled.
type CouponRestored struct {
	CouponID string `json:"coupon_id"`
	OrderID  string `json:"order_id"`
	Used     int    `json:"used"` // how many uses are left that count
	// Reopened is the coupon that was used up and can be redeemed again. Its code
	// was free meanwhile and is not reserved any more.
	Reopened   *CouponTerms `json:"reopened,omitempty"`
	RestoredAt time.Time    `json:"restored_at"`
}

// CouponTerms is what a coupon is, as it was issued.
type CouponTerms struct {
	Benefit      CouponBenefit `json:"benefit"`
	ValidFrom    *time.Time    `json:"valid_from,omitempty"` // absent: since it was issued
	ExpiresAt    time.Time     `json:"expires_at"`           // exclusive
	Uses         int           `json:"uses"`                 // with how many orders it may be redeemed
	MinimumOrder *domain.Money `json:"minimum_order,omitempty"`
	Stackable    bool          `json:"stackable,omitempty"` // beside another coupon that is, too
	CampaignID   string        `json:"campaign_id,omitempty"`
	IssuedAt     time.Time     `json:"issued_at"`
}

// CouponVoided says that a coupon cannot be redeemed any more, because somebody
// decided so.
type CouponVoided struct {
	CouponID string    `json:"coupon_id"`
	Reason   string    `json:"reason,omitempty" personal:"true"`
	Lookup   string    `json:"lookup,omitempty"` // of the code that is free now
	Claim    string    `json:"claim,omitempty"`  // the reservation claim that ends
	VoidedAt time.Time `json:"voided_at"`
}

// CouponExpired says that a coupon was not used up when its time was over. It
// could not be redeemed from that instant on, whenever this was recorded.
type CouponExpired struct {
	CouponID  string    `json:"coupon_id"`
	Lookup    string    `json:"lookup,omitempty"` // of the code that is free now
	Claim     string    `json:"claim,omitempty"`  // the reservation claim that ends
	ExpiredAt time.Time `json:"expired_at"`
}

func (CouponIssued) customerEvent()   {}
func (CouponRedeemed) customerEvent() {}
func (CouponRestored) customerEvent() {}
func (CouponVoided) customerEvent()   {}
func (CouponExpired) customerEvent()  {}

// Occurred implements domain.Dated.
func (e CouponIssued) Occurred() time.Time   { return e.IssuedAt }
func (e CouponRedeemed) Occurred() time.Time { return e.RedeemedAt }
func (e CouponRestored) Occurred() time.Time { return e.RestoredAt }
func (e CouponVoided) Occurred() time.Time   { return e.VoidedAt }
func (e CouponExpired) Occurred() time.Time  { return e.ExpiredAt }

// Frees returns the reservation that ends with the event.
func (e CouponRedeemed) Frees() (reservation.Claim, bool) { return freesCode(e.Lookup, e.Claim) }

// Frees returns the reservation that ends with the event.
func (e CouponVoided) Frees() (reservation.Claim, bool) { return freesCode(e.Lookup, e.Claim) }

// Frees returns the reservation that ends with the event.
func (e CouponExpired) Frees() (reservation.Claim, bool) { return freesCode(e.Lookup, e.Claim) }

func freesCode(lookup, claim string) (reservation.Claim, bool) {
	return reservation.Claim{Kind: reservation.KindCouponCode, Lookup: lookup, ID: claim}, claim != ""
}

// Kinds of benefit of a coupon.
const (
	CouponPercent = "percent"
	CouponAmount  = "amount"
	CouponPoints  = "points"
	CouponGift    = "gift"
)
