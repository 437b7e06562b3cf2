package customer

import (
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// State is what decisions about a customer need to know: parts that the read
// models show as well, and the orders. It folds events without their personal
// fields as well.
type State struct {
	Registered  bool
	Since       time.Time // the earliest fact known of the customer
	Profile               // who they are
	Contacts              // where they are reached, and under which ids others know them
	Permissions           // for what and how they may be contacted
	Standing              // their stage
	Ownership   Ownership // who looks after them
	Rights                // what the law or they themselves locked
	Loyalty     Account   // their points and their tier
	Care        Care      // how they were thought of, as it is shown
	Coupons     Coupons   // those that are shown
	Lists       Lists     // of static segments

	names     []reservation.Claim // held and confirmed; an erasure leaves them
	freed     []string            // claims that were confirmed and ended
	abandoned []ClaimAbandoned
	orders    map[string]*Order
	refunds   map[string]RefundRecorded
	costs     map[string]recordedCost
	ledger    ledger // of points
	cared     cared

	coupons     map[string]*issuedCoupon
	couponsWith map[string][]orderCoupon // by order: those that count with it
}

// Record is an event with what explains it. The write side folds events alone;
// then the rest is zero.
type Record struct {
	Event
	ID         uuid.UUID
	Revision   uint64
	Actor      domain.Actor
	OccurredAt time.Time
	Causation  uuid.UUID
	Policies   []domain.PolicyRef
}

// Policy returns the version of a kind of policy that the decision used; 0 for none.
func (r Record) Policy(kind string) int {
	for _, p := range r.Policies {
		if p.Kind == kind {
			return p.Version
		}
	}
	return 0
}

// Order is what is known of one order.
type Order struct {
	OrderRecorded
	Paid        bool
	PaidAt      time.Time
	RatePaid    bool // FX came with the payment
	Cancelled   bool
	CancelledAt time.Time
	// Refunded is what went back, in all and of each line.
	Refunded      int64
	RefundedLines map[int]RefundLine
	// Qualifying is what the order adds to the tier, after refunds.
	Qualifying *Qualifying
}

// stands says whether the order is paid, and neither cancelled nor refunded in full.
func (o *Order) stands() bool {
	return o.Paid && !o.Cancelled && (o.Refunded == 0 || o.Refunded < o.Total.AmountMinor)
}

// paidBeside counts the other orders of the customer that stand.
func (s State) paidBeside(o *Order) *int {
	n := 0
	for _, other := range s.orders {
		if other != o && other.stands() {
			n++
		}
	}
	return &n
}

// KnownSince returns the time of the earliest fact known of the customer.
func (s State) KnownSince() time.Time { return s.Since }

// Order returns what is known of an order, nil if nothing is.
func (s State) Order(id string) *Order { return s.orders[id] }

// Abandoned says whether a claim of the customer lapsed and was given away.
func (s State) Abandoned(claim string) bool {
	return slices.ContainsFunc(s.abandoned, func(e ClaimAbandoned) bool { return e.Claim == claim })
}

// Evolve returns the state after e. It reuses the receiver's maps and slices.
func (s State) Evolve(e Event) State {
	if d, ok := e.(domain.Dated); ok {
		if at := d.Occurred(); s.Since.IsZero() || at.Before(s.Since) {
			s.Since = at
		}
	}
	r := Record{Event: e}
	s.Profile.Fold(r)
	s.Contacts.Fold(r)
	s.Permissions.Fold(r)
	s.Standing.Fold(r)
	s.Ownership.Fold(r)
	s.Rights.Fold(r)
	s.ledger.fold(e, &s.Loyalty)
	s.Loyalty.Fold(r)
	s.Care.Fold(r, s.Permissions)
	s.cared.fold(e)
	s.Coupons.Fold(r)
	s.Lists.Fold(r)
	s.foldCoupons(e)
	s.foldCosts(e)
	s.foldNames(e)
	switch e := e.(type) {
	case Registered:
		s.Registered = true
	case ClaimAbandoned:
		s.abandoned = append(s.abandoned, e)
	case OrderRecorded:
		if s.orders == nil {
			s.orders = map[string]*Order{}
		}
		s.orders[e.OrderID] = &Order{OrderRecorded: e}
	case OrderPaid:
		if o := s.orders[e.OrderID]; o != nil {
			o.Paid, o.PaidAt, o.Qualifying = true, e.PaidAt, e.Qualifying
			if e.FX != nil {
				o.FX, o.RatePaid = e.FX, true
			}
		}
	case OrderCancelled:
		if o := s.orders[e.OrderID]; o != nil {
			o.Cancelled, o.CancelledAt = true, e.CancelledAt
			o.Qualifying = nil // a refund after it takes nothing away a second time
		}
	case RefundRecorded:
		s.refund(e)
	case PersonalDataErased:
		for id, r := range s.refunds {
			r.Reason = ""
			s.refunds[id] = r
		}
	}
	return s
}

func (s *State) refund(e RefundRecorded) {
	if s.refunds == nil {
		s.refunds = map[string]RefundRecorded{}
	}
	s.refunds[e.RefundID] = e
	o := s.orders[e.OrderID]
	if o == nil {
		return
	}
	o.giveBack(e)
}

// giveBack counts a refund of the order.
func (o *Order) giveBack(e RefundRecorded) {
	o.Refunded += e.Amount.AmountMinor
	for _, l := range e.Lines {
		if o.RefundedLines == nil {
			o.RefundedLines = map[int]RefundLine{}
		}
		sum := o.RefundedLines[l.Line]
		o.RefundedLines[l.Line] = RefundLine{l.Line, sum.Quantity + l.Quantity, sum.AmountMinor + l.AmountMinor}
	}
	if q := e.Qualifying; q != nil && o.Qualifying != nil {
		o.Qualifying = &Qualifying{q.On, o.Qualifying.SpendMinor - q.SpendMinor, o.Qualifying.Orders - q.Orders}
	}
}

// refunded returns the order with another refund.
func (o *Order) refunded(e RefundRecorded) *Order {
	after := *o
	after.RefundedLines = maps.Clone(o.RefundedLines)
	after.giveBack(e)
	return &after
}

// disqualified returns what the tier loses by a refund; nil: nothing. What is left
// qualifies as if it had been the order, by the programme of its placing: however it
// is refunded, it comes to the same.
func (o *Order) disqualified(refund int64, program func(domain.Date) (loyalty.Version, bool)) *Qualifying {
	if o.Qualifying == nil {
		return nil
	}
	left := o.Total.AmountMinor - o.Refunded
	if refund >= left {
		return o.Qualifying
	}
	if v, ok := program(o.PlacedOn); ok {
		return &Qualifying{On: o.Qualifying.On, SpendMinor: o.Qualifying.SpendMinor - v.Policy.Spend(o.purchase(), o.Refunded+refund)}
	}
	// Without one, its share of what was left, rounded down.
	kept := new(big.Int).Mul(big.NewInt(o.Qualifying.SpendMinor), big.NewInt(left-refund))
	kept.Quo(kept, big.NewInt(left))
	return &Qualifying{On: o.Qualifying.On, SpendMinor: o.Qualifying.SpendMinor - kept.Int64()}
}

// Why a customer refuses a command.
var (
	ErrNotFound       = &domain.Error{Kind: domain.NotFound, Code: "customer_not_found"}
	ErrExists         = &domain.Error{Kind: domain.Conflict, Code: "customer_exists"}
	ErrErased         = &domain.Error{Kind: domain.Gone, Code: "customer_erased"}
	ErrRestricted     = &domain.Error{Kind: domain.Restricted, Code: "processing_restricted"}
	ErrOrderNotFound  = &domain.Error{Kind: domain.NotFound, Code: "order_not_found"}
	ErrOrderExists    = &domain.Error{Kind: domain.Conflict, Code: "order_exists"}
	ErrOrderCancelled = &domain.Error{Kind: domain.Conflict, Code: "order_cancelled"}
	ErrOrderNotPaid   = &domain.Error{Kind: domain.Conflict, Code: "order_not_paid"}
	ErrOrderRefunded  = &domain.Error{Kind: domain.Conflict, Code: "order_refunded"}
	ErrRefundExists   = &domain.Error{Kind: domain.Conflict, Code: "refund_exists"}
	ErrRefundExceeds  = &domain.Error{Kind: domain.Conflict, Code: "refund_exceeds_order"}
	ErrRefundCurrency = &domain.Error{Kind: domain.Conflict, Code: "refund_currency_differs"}
)

// exists refuses a command about a customer who is not registered.
func (s State) exists(of domain.Subject) error {
	if !s.Registered {
		return ErrNotFound.With("no customer has the id %s", of.Customer)
	}
	return nil
}

// order finds the order that a command is about.
func (s State) order(of domain.Subject, id string) (*Order, error) {
	if err := s.exists(of); err != nil {
		return nil, err
	}
	if o := s.orders[id]; o != nil {
		return o, nil
	}
	return nil, ErrOrderNotFound.With("the customer has no order %q", id)
}

// Limits of what a request may carry.
const (
	maxID    = 200
	maxName  = 200
	maxShort = 100
	maxText  = 2000
	maxLines = 500
	maxLinks = 20

	maxContactPoints = 100 // of a customer
)
