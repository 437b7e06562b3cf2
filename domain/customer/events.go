// Package customer is everything whose invariants touch one customer: who they
// are, what they ordered, paid and got back. One stream holds it all, so that
// what happens together is appended together.
//
// events.go is the stored contract, state.go the fold; each command has a file
// of its own.
package customer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Event is one of the facts of a customer. Fields tagged personal:"true" are
// stored encrypted with the customer's data key and are zero after an erasure.
//
//sumtype:decl
type Event interface{ customerEvent() }

// Registered says that a customer became known to us.
type Registered struct {
	Kind         string    `json:"kind"` // Person or Organisation
	Name         Name      `json:"name,omitzero" personal:"true"`
	Source       Source    `json:"source"`
	Locale       string    `json:"locale,omitempty"`    // BCP 47
	Currency     string    `json:"currency,omitempty"`  // ISO 4217
	TimeZone     string    `json:"time_zone,omitempty"` // IANA
	RegisteredAt time.Time `json:"registered_at"`
}

// Name is what a person or an organisation is called.
type Name struct {
	Salutation   string `json:"salutation,omitempty"` // Ms
	Title        string `json:"title,omitempty"`      // Dr.
	Given        string `json:"given,omitempty"`
	Middle       string `json:"middle,omitempty"`
	Family       string `json:"family,omitempty"`
	Display      string `json:"display,omitempty"`
	Organisation string `json:"organisation,omitempty"`
}

// Source says where a customer came from.
type Source struct {
	Channel    string `json:"channel"`
	Detail     string `json:"detail,omitempty"`
	CampaignID string `json:"campaign_id,omitempty"`
}

// Kinds of customer.
const (
	Person       = "person"
	Organisation = "organisation"
)

// ExternalIDLinked says under which id another system knows the customer.
type ExternalIDLinked struct {
	System string `json:"system"`
	ID     string `json:"id,omitempty" personal:"true"`
	Lookup string `json:"lookup"` // keyed hash of system and id: finds the customer, reveals nothing
	Claim  string `json:"claim"`  // the reservation claim that this confirms
	// Objected says that the customer whom the system knew under the id before
	// objected to being contacted, and was erased since. The objection holds on.
	Objected bool      `json:"objected,omitempty"`
	LinkedAt time.Time `json:"linked_at"`
}

// ClaimAbandoned says that a reservation claim of this customer lapsed before it
// was confirmed and was given to somebody else.
type ClaimAbandoned struct {
	Kind   string `json:"kind"`
	Lookup string `json:"lookup"`
	Claim  string `json:"claim"`
}

// OrderRecorded says that the customer ordered something.
type OrderRecorded struct {
	OrderID  string       `json:"order_id"`
	Lines    []Line       `json:"lines,omitempty"`
	Total    domain.Money `json:"total"`
	FX       *FX          `json:"fx,omitempty"`
	StoreID  string       `json:"store_id,omitempty"`
	Channel  string       `json:"channel,omitempty"`
	PlacedAt time.Time    `json:"placed_at"`
	PlacedOn domain.Date  `json:"placed_on"` // the business date of PlacedAt
}

// Line is one position of an order.
type Line struct {
	SKU            string `json:"sku"`
	Category       string `json:"category,omitempty"`
	Quantity       int64  `json:"quantity"`
	UnitPriceMinor *int64 `json:"unit_price_minor,omitempty"`
	AmountMinor    int64  `json:"amount_minor"` // quantity × unit price, or the row's own amount
	CostMinor      *int64 `json:"cost_minor,omitempty"`
	PointsEligible *bool  `json:"points_eligible,omitempty"` // absent: yes
}

// FX is the rate an order's currency had against a base currency.
type FX struct {
	Rate string      `json:"rate"` // decimal: one unit of the order's currency in base units
	Base string      `json:"base"` // ISO 4217
	AsOf domain.Date `json:"as_of"`
}

// OrderPaid says that an order was paid in full.
type OrderPaid struct {
	OrderID  string       `json:"order_id"`
	PaidAt   time.Time    `json:"paid_at"`
	PlacedOn *domain.Date `json:"placed_on,omitempty"` // of the order
	// FX is the rate of an order that was recorded without one.
	FX *FX `json:"fx,omitempty"`
	// Qualifying is what the order adds to the tier of a member.
	Qualifying *Qualifying `json:"qualifying,omitempty"`
}

// OrderCancelled says that an order will not be delivered.
type OrderCancelled struct {
	OrderID     string    `json:"order_id"`
	Reason      string    `json:"reason,omitempty" personal:"true"`
	CancelledAt time.Time `json:"cancelled_at"`
	// PaidOrdersLeft is how many paid orders the customer has after it; absent if
	// that is as many as before.
	PaidOrdersLeft *int `json:"paid_orders_left,omitempty"`
	// Qualifying is what the tier of a member loses.
	Qualifying *Qualifying `json:"qualifying,omitempty"`
}

// RefundRecorded says that money of a paid order went back.
type RefundRecorded struct {
	RefundID   string       `json:"refund_id"`
	OrderID    string       `json:"order_id"`
	Lines      []RefundLine `json:"lines,omitempty"`
	Amount     domain.Money `json:"amount"`
	Reason     string       `json:"reason,omitempty" personal:"true"`
	RefundedAt time.Time    `json:"refunded_at"`
	RefundedOn domain.Date  `json:"refunded_on"`
	// PaidOrdersLeft is how many paid orders the customer has that are not refunded
	// in full; absent if that is as many as before.
	PaidOrdersLeft *int `json:"paid_orders_left,omitempty"`
	// Qualifying is what the tier of a member loses.
	Qualifying *Qualifying `json:"qualifying,omitempty"`
}

// RefundLine is what of one line of the order (counted from 0) went back.
type RefundLine struct {
	Line        int   `json:"line"`
	Quantity    int64 `json:"quantity,omitempty"`
	AmountMinor int64 `json:"amount_minor"`
}

func (Registered) customerEvent()       {}
func (ExternalIDLinked) customerEvent() {}
func (ClaimAbandoned) customerEvent()   {}
func (OrderRecorded) customerEvent()    {}
func (OrderPaid) customerEvent()        {}
func (OrderCancelled) customerEvent()   {}
func (RefundRecorded) customerEvent()   {}

// Occurred implements domain.Dated.
func (e Registered) Occurred() time.Time       { return e.RegisteredAt }
func (e ExternalIDLinked) Occurred() time.Time { return e.LinkedAt }
func (e OrderRecorded) Occurred() time.Time    { return e.PlacedAt }
func (e OrderPaid) Occurred() time.Time        { return e.PaidAt }
func (e OrderCancelled) Occurred() time.Time   { return e.CancelledAt }
func (e RefundRecorded) Occurred() time.Time   { return e.RefundedAt }

// Stream names the stream of a customer.
func Stream(id uuid.UUID) string { return "customer-" + id.String() }
