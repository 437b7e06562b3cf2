package eventschema

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
)

// Fixed values that the tests share.
var (
	alice     = uuid.MustParse("0197b6a2-4c1e-7d3a-9f10-2b6a5a3c8e01")
	command1  = uuid.MustParse("5b0c6f0e-8a0d-4e0f-9c58-1d2f3a4b5c6d")
	noon      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	firstDate = domain.NewDate(2026, 3, 1)

	testRing = NewKeyring([32]byte{1, 2, 3}, [32]byte{4, 5, 6})
)

func ptr[T any](v T) *T { return &v }

// order is a typical order: about 300 bytes of data.
func order() customer.OrderRecorded {
	return customer.OrderRecorded{
		OrderID: "2026-000417",
		Lines: []customer.Line{
			{SKU: "TEA-ASSAM-250", Quantity: 2, UnitPriceMinor: ptr[int64](1250), AmountMinor: 2500},
			{SKU: "POT-IRON-08", Quantity: 1, UnitPriceMinor: ptr[int64](5900), AmountMinor: 5900},
		},
		Total:    domain.Money{AmountMinor: 8400, Currency: "EUR"},
		Channel:  "online",
		PlacedAt: noon,
		PlacedOn: firstDate,
	}
}

func envelope() Meta {
	return Meta{
		Customer:     alice,
		Command:      command1,
		Digest:       mac([]byte("key"), []byte("body")),
		Correlation:  uuid.MustParse("c0ffee00-0000-4000-8000-000000000001"),
		Causation:    uuid.MustParse("c0ffee00-0000-4000-8000-000000000002"),
		Actor:        Actor{Kind: "user", ID: "staff-7", Asserted: true},
		Channel:      "api",
		OccurredAt:   noon,
		RecordedAt:   noon.Add(1234567 * time.Nanosecond),
		BusinessDate: firstDate,
		Policies:     []PolicyRef{{Kind: "rfm", Version: 3}},
	}
}

// dataKey returns a data key that is always the same.
func dataKey() *DataKey {
	var secret [secretLen]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	k, err := newDataKey("0e9f4c5e-7d0a-4b8e-9d55-3f1f7f1b2c3d", secret[:])
	if err != nil {
		panic(err)
	}
	return k
}

func registered() customer.Registered {
	return customer.Registered{
		Kind:         customer.Person,
		Name:         customer.Name{Given: "Zoë", Family: "O'Brien", Display: "Zoë O'Brien"},
		Source:       customer.Source{Channel: "web", CampaignID: "spring"},
		Locale:       "en-IE",
		Currency:     "EUR",
		RegisteredAt: noon,
	}
}
