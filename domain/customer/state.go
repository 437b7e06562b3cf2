package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// State is what decisions about a customer need to know, and the profile as it
// is. It folds events without their personal fields as well.
type State struct {
	Registered  bool
	Since       time.Time // the earliest fact known of the customer
	Kind        string
	Name        Name
	Source      Source
	Locale      string
	Currency    string
	TimeZone    string
	ExternalIDs []ExternalIDLinked
	abandoned   []ClaimAbandoned
	orders      map[string]*Order
	refunds     map[string]RefundRecorded
}

// Order is what is known of one order.
type Order struct {
	OrderRecorded
	Paid        bool
	PaidAt      time.Time
	Cancelled   bool
	CancelledAt time.Time
	// Refunded is what went back, in all and of each line.
	Refunded      int64
	RefundedLines map[int]RefundLine
}

// Order returns what is known of an order, nil if nothing is.
func (s State) Order(id string) *Order { return s.orders[id] }

// Holds says whether the customer has confirmed a reserved name.
func (s State) Holds(kind, lookup string) bool {
	return slices.ContainsFunc(s.ExternalIDs, func(e ExternalIDLinked) bool { return e.Lookup == lookup })
}

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
	switch e := e.(type) {
	case Registered:
		s.Registered = true
		s.Kind, s.Name, s.Source = e.Kind, e.Name, e.Source
		s.Locale, s.Currency, s.TimeZone = e.Locale, e.Currency, e.TimeZone
	case ProfileUpdated:
		for _, c := range e.Changes {
			if field := s.field(c.Field); field != nil {
				*field = c.Became
			}
		}
	case ExternalIDLinked:
		s.ExternalIDs = append(s.ExternalIDs, e)
	case ClaimAbandoned:
		s.abandoned = append(s.abandoned, e)
	case OrderRecorded:
		if s.orders == nil {
			s.orders = map[string]*Order{}
		}
		s.orders[e.OrderID] = &Order{OrderRecorded: e}
	case OrderPaid:
		if o := s.orders[e.OrderID]; o != nil {
			o.Paid, o.PaidAt = true, e.PaidAt
		}
	case OrderCancelled:
		if o := s.orders[e.OrderID]; o != nil {
			o.Cancelled, o.CancelledAt = true, e.CancelledAt
		}
	case RefundRecorded:
		s.refund(e)
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
	o.Refunded += e.Amount.AmountMinor
	for _, l := range e.Lines {
		if o.RefundedLines == nil {
			o.RefundedLines = map[int]RefundLine{}
		}
		sum := o.RefundedLines[l.Line]
		o.RefundedLines[l.Line] = RefundLine{l.Line, sum.Quantity + l.Quantity, sum.AmountMinor + l.AmountMinor}
	}
}

// field returns the place of a profile field by its name in ProfileUpdated.
func (s *State) field(name string) *string {
	switch name {
	case "name.given":
		return &s.Name.Given
	case "name.family":
		return &s.Name.Family
	case "name.display":
		return &s.Name.Display
	case "name.organisation":
		return &s.Name.Organisation
	case "locale":
		return &s.Locale
	case "currency":
		return &s.Currency
	case "time_zone":
		return &s.TimeZone
	}
	return nil
}

// Why a customer refuses a command.
var (
	ErrNotFound       = &domain.Error{Kind: domain.NotFound, Code: "customer_not_found"}
	ErrExists         = &domain.Error{Kind: domain.Conflict, Code: "customer_exists"}
	ErrErased         = &domain.Error{Kind: domain.Gone, Code: "customer_erased"}
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
)
