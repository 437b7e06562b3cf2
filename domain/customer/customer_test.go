package customer_test

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/domaintest"
	"github.com/rapport-crm/rapport/domain/reservation"
)

type spec = domaintest.Spec[State, Event]

var (
	run = domaintest.Run[State, Event]

	id   = uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000001")
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at   = domain.Subject{
		Customer: id, Now: noon, Latest: noon.Add(5 * time.Minute),
		KnowsZone: func(name string) bool { return name == "Europe/Berlin" },
	}
	today  = domain.NewDate(2026, 3, 1)
	placed = noon.Add(-2 * time.Hour)
	paid   = noon.Add(-time.Hour)

	shop       = ExternalID{System: "shop", ID: "4711"}
	shopClaim  = reservation.Claim{Kind: reservation.KindExternalID, Lookup: "abc", ID: "claim-1"}
	registered = Registered{Kind: Person, Name: Name{Given: "Ada"}, Source: Source{Channel: "shop"}, Locale: "en", RegisteredAt: placed}
	linked     = ExternalIDLinked{System: "shop", ID: "4711", Lookup: "abc", Claim: "claim-1", LinkedAt: placed}
	ordered    = OrderRecorded{
		OrderID: "o1", Total: eur(1000), PlacedAt: placed, PlacedOn: today,
		Lines: []Line{{SKU: "a", Quantity: 2, UnitPriceMinor: ptr(int64(300)), AmountMinor: 600}, {SKU: "b", Quantity: 1, AmountMinor: 400}},
	}
	orderPaid = OrderPaid{OrderID: "o1", PaidAt: paid, PlacedOn: &today}
	refunded  = RefundRecorded{
		RefundID: "r1", OrderID: "o1", Amount: eur(300), RefundedAt: noon, RefundedOn: today,
		Lines: []RefundLine{{Line: 0, Quantity: 1, AmountMinor: 300}},
	}
	cancelled = OrderCancelled{OrderID: "o1", CancelledAt: noon}
)

func ptr[T any](v T) *T { return &v }

func eur(minor int64) domain.Money { return domain.Money{AmountMinor: minor, Currency: "EUR"} }

// with returns a changed copy of a command.
func with[C any](c C, change func(*C)) C {
	change(&c)
	return c
}
