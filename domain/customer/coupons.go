package customer

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
	"golang.org/x/text/unicode/norm"
)

// Coupons is the coupons of a customer, as far as they are shown: all that may
// still be redeemed, and the last that may not.
type Coupons struct {
	Open  []Coupon `json:"open,omitempty"`  // in the order they were issued, or reopened
	Ended []Coupon `json:"ended,omitempty"` // the last 50, in the order they ended
}

// Coupon is one coupon and what became of it.
type Coupon struct {
	ID   string `json:"coupon_id"`
	Code string `json:"code,omitempty"` // what the customer shows
	CouponTerms
	Used int `json:"used"`
	// Redemptions are those of the last 20 that were not given back.
	Redemptions []CouponUse `json:"redemptions,omitempty"`
	Ended       string      `json:"ended,omitempty"` // how: CouponUsed, CouponWasVoided or CouponLapsed
	EndedAt     time.Time   `json:"ended_at,omitzero"`
	// Lookup and Claim are the reservation of the code, while the coupon has it.
	Lookup string `json:"lookup,omitempty"`
	Claim  string `json:"claim,omitempty"`
}

// CouponUse is one redemption of a coupon.
type CouponUse struct {
	OrderID    string        `json:"order_id"`
	Discount   *domain.Money `json:"discount,omitempty"`
	RedeemedAt time.Time     `json:"redeemed_at"`
}

// States of a coupon.
const (
	CouponOpen      = "open"
	CouponUsed      = "used" // up
	CouponWasVoided = "voided"
	CouponLapsed    = "expired"
)

// CouponStates is every state of a coupon.
var CouponStates = []string{CouponOpen, CouponUsed, CouponWasVoided, CouponLapsed}

// State returns the state of the coupon at an instant that is not before what is
// known of it. One whose time is over has expired, whether or not that is recorded.
func (c *Coupon) State(now time.Time) string {
	switch {
	case c.Ended != "":
		return c.Ended
	case !now.Before(c.ExpiresAt):
		return CouponLapsed
	}
	return CouponOpen
}

// Due returns what is to be recorded at an instant of the coupons whose time is
// over: one event each, by when they expired and then by id.
func (x *Coupons) Due(now time.Time) []Event {
	var due []CouponExpired
	for i := range x.Open {
		if c := &x.Open[i]; !now.Before(c.ExpiresAt) {
			due = append(due, CouponExpired{CouponID: c.ID, Lookup: c.Lookup, Claim: c.Claim, ExpiredAt: c.ExpiresAt})
		}
	}
	slices.SortFunc(due, func(a, b CouponExpired) int {
		return cmp.Or(a.ExpiredAt.Compare(b.ExpiredAt), strings.Compare(a.CouponID, b.CouponID))
	})
	var events []Event
	for _, e := range due {
		events = append(events, e)
	}
	return events
}

// NextDue returns the first instant at which Due has something, false if there is none.
func (x *Coupons) NextDue() (next time.Time, ok bool) {
	for i := range x.Open {
		if at := x.Open[i].ExpiresAt; !ok || at.Before(next) {
			next, ok = at, true
		}
	}
	return next, ok
}

// Fold brings the coupons up to date with an event.
func (x *Coupons) Fold(r Record) {
	switch e := r.Event.(type) {
	case CouponIssued:
		if couponIn(x.Open, e.CouponID) < 0 && couponIn(x.Ended, e.CouponID) < 0 {
			x.Open = append(x.Open, e.coupon())
		}
	case CouponRedeemed:
		x.change(e.CouponID, func(c *Coupon) { c.redeemed(e) })
	case CouponVoided:
		x.change(e.CouponID, func(c *Coupon) { c.end(CouponWasVoided, e.VoidedAt) })
	case CouponExpired:
		x.change(e.CouponID, func(c *Coupon) { c.end(CouponLapsed, e.ExpiredAt) })
	case CouponRestored:
		x.restore(e)
	case PersonalDataErased:
		for _, list := range [][]Coupon{x.Open, x.Ended} {
			for i := range list {
				list[i].Code, list[i].Lookup, list[i].Claim = "", "", ""
			}
		}
	}
}

// maxEndedCoupons and maxCouponUses bound what is shown.
const (
	maxEndedCoupons = 50
	maxCouponUses   = 20
)

// change changes an open coupon, which may end by it.
func (x *Coupons) change(id string, change func(*Coupon)) {
	i := couponIn(x.Open, id)
	if i < 0 {
		return
	}
	c := &x.Open[i]
	if change(c); c.Ended == "" {
		return
	}
	if len(x.Ended) == maxEndedCoupons {
		x.Ended = slices.Delete(x.Ended, 0, 1)
	}
	x.Ended = append(x.Ended, *c)
	if x.Open = slices.Delete(x.Open, i, i+1); len(x.Open) == 0 {
		x.Open = nil
	}
}

// restore gives a use back. A coupon that was used up is open again, also if it
// is not shown any more.
func (x *Coupons) restore(e CouponRestored) {
	if i := couponIn(x.Open, e.CouponID); i >= 0 {
		x.Open[i].restored(e)
		return
	}
	if e.Reopened == nil {
		return
	}
	c := Coupon{ID: e.CouponID, CouponTerms: e.Reopened.clone()}
	if i := couponIn(x.Ended, e.CouponID); i >= 0 {
		c = x.Ended[i]
		if x.Ended = slices.Delete(x.Ended, i, i+1); len(x.Ended) == 0 {
			x.Ended = nil
		}
	}
	c.restored(e)
	x.Open = append(x.Open, c)
}

// couponIn returns the index of a coupon, -1 if it is not there.
func couponIn(list []Coupon, id string) int {
	return slices.IndexFunc(list, func(c Coupon) bool { return c.ID == id })
}

// coupon returns the coupon as it was issued.
func (e CouponIssued) coupon() Coupon {
	return Coupon{ID: e.CouponID, Code: e.Code, CouponTerms: e.terms().clone(), Lookup: e.Lookup, Claim: e.Claim}
}

func (e CouponIssued) terms() CouponTerms {
	return CouponTerms{
		Benefit: e.Benefit, ValidFrom: e.ValidFrom, ExpiresAt: e.ExpiresAt, Uses: e.Uses, MinimumOrder: e.MinimumOrder,
		Stackable: e.Stackable, CampaignID: e.CampaignID, IssuedAt: e.IssuedAt,
	}
}

// clone returns terms that share nothing with t.
func (t CouponTerms) clone() CouponTerms {
	t.Benefit.Amount, t.ValidFrom, t.MinimumOrder = copied(t.Benefit.Amount), copied(t.ValidFrom), copied(t.MinimumOrder)
	return t
}

// same says whether a coupon was issued on these terms. When it was is no part
// of them.
func (t CouponTerms) same(o CouponTerms) bool {
	a, b := t.Benefit, o.Benefit
	return a.Kind == b.Kind && a.Percent == b.Percent && equal(a.Amount, b.Amount) && a.Points == b.Points && a.Gift == b.Gift &&
		(t.ValidFrom == nil) == (o.ValidFrom == nil) && (t.ValidFrom == nil || t.ValidFrom.Equal(*o.ValidFrom)) &&
		t.ExpiresAt.Equal(o.ExpiresAt) && t.Uses == o.Uses && equal(t.MinimumOrder, o.MinimumOrder) &&
		t.Stackable == o.Stackable && t.CampaignID == o.CampaignID
}

// copied returns a pointer to a copy, nil for nil.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func (c *Coupon) redeemed(e CouponRedeemed) {
	c.Used = e.Use
	if len(c.Redemptions) == maxCouponUses {
		c.Redemptions = slices.Delete(c.Redemptions, 0, 1)
	}
	c.Redemptions = append(c.Redemptions, CouponUse{e.OrderID, copied(e.Discount), e.RedeemedAt})
	if e.Use >= e.Of {
		c.end(CouponUsed, e.RedeemedAt)
	}
}

func (c *Coupon) restored(e CouponRestored) {
	c.Used, c.Ended, c.EndedAt = e.Used, "", time.Time{}
	c.Redemptions = slices.DeleteFunc(c.Redemptions, func(u CouponUse) bool { return u.OrderID == e.OrderID })
	if len(c.Redemptions) == 0 {
		c.Redemptions = nil
	}
}

// end ends the coupon; its code is free.
func (c *Coupon) end(how string, at time.Time) {
	c.Ended, c.EndedAt, c.Lookup, c.Claim = how, at, "", ""
}

// issuedCoupon is what decisions need to know of a coupon for ever.
type issuedCoupon struct {
	Coupon           // without the code
	lookup string    // of the code, whether or not it is reserved
	number int       // of the coupon: later ones have higher numbers
	last   time.Time // when something last happened to it
}

// orderCoupon is a coupon that counts with an order.
type orderCoupon struct {
	id         string
	discount   int64 // in minor units of the order
	redeemedAt time.Time
}

// foldCoupons brings what decisions need of coupons up to date: all of them, and
// which count with which order.
func (s *State) foldCoupons(e Event) {
	switch e := e.(type) {
	case CouponIssued:
		if s.coupons == nil {
			s.coupons = map[string]*issuedCoupon{}
		}
		if s.coupons[e.CouponID] == nil {
			c := &issuedCoupon{Coupon: e.coupon(), lookup: e.Lookup, number: len(s.coupons), last: e.IssuedAt}
			c.Code = ""
			s.coupons[e.CouponID] = c
		}
	case CouponRedeemed:
		if c := s.coupons[e.CouponID]; c != nil {
			c.redeemed(e)
			c.happened(e.RedeemedAt)
			use := orderCoupon{id: e.CouponID, redeemedAt: e.RedeemedAt}
			if e.Discount != nil {
				use.discount = e.Discount.AmountMinor
			}
			if s.couponsWith == nil {
				s.couponsWith = map[string][]orderCoupon{}
			}
			s.couponsWith[e.OrderID] = append(s.couponsWith[e.OrderID], use)
		}
	case CouponRestored:
		if c := s.coupons[e.CouponID]; c != nil {
			c.restored(e)
			c.happened(e.RestoredAt)
			left := slices.DeleteFunc(s.couponsWith[e.OrderID], func(u orderCoupon) bool { return u.id == e.CouponID })
			if len(left) == 0 {
				delete(s.couponsWith, e.OrderID)
			} else {
				s.couponsWith[e.OrderID] = left
			}
		}
	case CouponVoided:
		if c := s.coupons[e.CouponID]; c != nil {
			c.end(CouponWasVoided, e.VoidedAt)
			c.happened(e.VoidedAt)
		}
	case CouponExpired:
		if c := s.coupons[e.CouponID]; c != nil {
			c.end(CouponLapsed, e.ExpiredAt)
			c.happened(e.ExpiredAt)
		}
	}
}

func (c *issuedCoupon) happened(at time.Time) {
	if at.After(c.last) {
		c.last = at
	}
}

// counts says whether a coupon was redeemed with an order, and that was not given back.
func (s State) counts(coupon, order string) bool {
	return slices.ContainsFunc(s.couponsWith[order], func(u orderCoupon) bool { return u.id == coupon })
}

// restoreCoupons gives the uses back that count with an order which is cancelled
// at an instant, of the coupons that can still be redeemed.
func (s State) restoreCoupons(of domain.Subject, order string, at time.Time) (events []Event) {
	for _, use := range s.couponsWith[order] {
		c := s.coupons[use.id]
		when := at
		if when.Before(c.last) {
			when = c.last
		}
		if c.Ended != "" && c.Ended != CouponUsed || !of.Now.Before(c.ExpiresAt) || !when.Before(c.ExpiresAt) {
			continue
		}
		e := CouponRestored{CouponID: c.ID, OrderID: order, Used: c.Used - 1, RestoredAt: when.UTC()}
		if c.Ended == CouponUsed {
			e.Reopened = new(c.CouponTerms.clone())
		}
		events = append(events, e)
	}
	return events
}

// couponSources is what points were credited for that coupons gave with an order.
func (s State) couponSources(order string) (sources []LotSource) {
	for _, use := range s.couponsWith[order] {
		sources = append(sources, couponSource(use.id, order))
	}
	return sources
}

// coupon finds the coupon that a command is about by its id.
func (s State) coupon(of domain.Subject, id string) (*issuedCoupon, error) {
	if err := s.exists(of); err != nil {
		return nil, err
	}
	if c := s.coupons[id]; c != nil {
		return c, nil
	}
	return nil, ErrCouponNotFound.With("the customer has no coupon %q; GET /v1/customers/%s/coupons lists them", id, of.Customer)
}

// NormalizeCouponCode returns the form in which the code of a coupon is compared:
// in capitals, without spaces and dashes. ok is false if nothing is left that can
// be compared.
func NormalizeCouponCode(code string) (normalized string, ok bool) {
	normalized = couponCode(code)
	return normalized, normalized != "" && couponCode(normalized) == normalized
}

func couponCode(code string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return r
	}, strings.ToUpper(norm.NFKC.String(code))))
}

// couponName returns the name under which a code is reserved and looked up, none
// for one that cannot be compared.
func couponName(code string, shared bool) []reservation.Name {
	if len(code) > 4*maxCouponCode {
		return nil
	}
	normalized, ok := NormalizeCouponCode(code)
	if !ok {
		return nil
	}
	return []reservation.Name{{Kind: reservation.KindCouponCode, Value: normalized, Shared: shared}}
}

// checkCouponCode notes what is wrong with a code.
func checkCouponCode(p *domain.Problems, pointer, code string) {
	var text domain.Problems
	if text.Text(pointer, code, maxCouponCode); text.Err() != nil {
		p.Text(pointer, code, maxCouponCode)
	} else if len(couponName(code, true)) == 0 {
		p.Add(pointer, "must have letters or digits that can be compared")
	}
}

// Limits of coupons.
const (
	maxCouponID   = 64
	maxCouponCode = 64
	maxCouponUse  = 1000
	maxCoupons    = 100 // of a customer, that can still be redeemed
)

// Why a coupon is refused.
var (
	ErrCouponExists       = &domain.Error{Kind: domain.Conflict, Code: "coupon_exists"}
	ErrCouponCodeTaken    = reservation.ErrTaken(reservation.KindCouponCode)
	ErrTooManyCoupons     = &domain.Error{Kind: domain.Conflict, Code: "too_many_coupons"}
	ErrCouponAboveLimit   = &domain.Error{Kind: domain.Conflict, Code: "coupon_above_limit"}
	ErrCouponNotFound     = &domain.Error{Kind: domain.NotFound, Code: "coupon_not_found"}
	ErrCouponExpired      = &domain.Error{Kind: domain.Conflict, Code: "coupon_expired"}
	ErrCouponNotYetValid  = &domain.Error{Kind: domain.Conflict, Code: "coupon_not_yet_valid"}
	ErrCouponUsed         = &domain.Error{Kind: domain.Conflict, Code: "coupon_used"}
	ErrCouponVoided       = &domain.Error{Kind: domain.Conflict, Code: "coupon_voided"}
	ErrCouponOrderUnknown = &domain.Error{Kind: domain.Conflict, Code: "coupon_order_unknown"}
	ErrCouponOrderUnpaid  = &domain.Error{Kind: domain.Conflict, Code: "coupon_order_unpaid"}
	ErrCouponNotEligible  = &domain.Error{Kind: domain.Conflict, Code: "coupon_not_eligible"}
	ErrCouponNotStackable = &domain.Error{Kind: domain.Conflict, Code: "coupon_not_stackable"}
)
