package profile

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
)

func events(data ...any) []projections.Event {
	var es []projections.Event
	for _, d := range data {
		es = append(es, projections.Event{Data: d})
	}
	return es
}

func recorded(id string, on domain.Date, minor int64, currency string) customer.OrderRecorded {
	return customer.OrderRecorded{OrderID: id, PlacedOn: on, Total: domain.Money{AmountMinor: minor, Currency: currency}}
}

var registered = customer.Registered{
	Kind:         customer.Person,
	Name:         customer.Name{Given: "Zoë", Family: "Müller"},
	Source:       customer.Source{Channel: "web"},
	Currency:     "EUR",
	RegisteredAt: time.Date(2024, 2, 29, 13, 30, 0, 0, time.FixedZone("", 3600)),
}

func TestAProfileIsTheCustomerAsItIs(t *testing.T) {
	d, _ := New().Of(events(
		registered,
		customer.ExternalIDLinked{System: "shop", ID: "4711", Lookup: "aa"},
		customer.ExternalIDLinked{System: "shop", ID: "4711", Lookup: "aa"},
		customer.ExternalIDLinked{System: "till", ID: "12", Lookup: "bb"},
		customer.ProfileUpdated{Fields: []string{"name.family", "locale", "unheard_of"}, Changes: []customer.Change{
			{Field: "name.family", Was: "Müller", Became: "Maier"}, {Field: "locale", Became: "de-DE"}, {Field: "unheard_of", Became: "x"},
		}},
		recorded("a", 20, 1000, "EUR"), customer.OrderPaid{OrderID: "a"},
		recorded("b", 10, 500, "USD"),
		recorded("c", 30, 700, "EUR"), customer.OrderPaid{OrderID: "c"}, customer.OrderCancelled{OrderID: "c"},
		recorded("d", 25, 0, "EUR"), customer.OrderCancelled{OrderID: "d"},
		customer.RefundRecorded{OrderID: "a", Amount: domain.Money{AmountMinor: 300, Currency: "EUR"}},
	)...)
	first, last, never := domain.Date(10), domain.Date(30), domain.DateOf(time.Time{}, time.UTC)
	want := Document{
		Profile: customer.Profile{
			Kind: customer.Person, Name: customer.Name{Given: "Zoë", Family: "Maier"}, Source: customer.Source{Channel: "web"},
			Locale: "de-DE", Currency: "EUR", RegisteredAt: registered.RegisteredAt,
		},
		Contacts: customer.Contacts{ExternalIDs: []customer.LinkedID{
			{System: "shop", ID: "4711", Lookup: "aa"}, {System: "till", ID: "12", Lookup: "bb"},
		}},
		Standing: customer.Standing{
			Stage: "potential", Since: registered.RegisteredAt, Trigger: customer.TriggerRegistration,
			PaidOrders: 2, FirstPaidOn: &never, LastPaidOn: &never, Paid: &customer.Payment{OrderID: "c"},
		},
		Orders: Orders{
			Count: 4, Paid: 2, Cancelled: 2, Refunds: 1, FirstOn: &first, LastOn: &last,
			Totals: []Total{{"EUR", 1700, 300}, {"USD", 500, 0}}, Unpaid: []string{"b"},
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	stored, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	var back Document
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Error("a document changes when it is stored:\n" + diff)
	}

	places := map[projections.Place]bool{}
	for _, p := range indexes(&d, nil) {
		if places[p] {
			t.Errorf("%+v twice", p)
		}
		places[p] = true
	}
	if diff := cmp.Diff(map[projections.Place]bool{
		{Index: IndexAll, Key: "2024-02-29T12:30:00.000000Z"}: true,
		{Index: IndexSource, Key: "web"}:                      true,
		{Index: IndexStage, Key: "potential"}:                 true,
		{Index: IndexExternal, Key: "aa"}:                     true,
		{Index: IndexExternal, Key: "bb"}:                     true,
		{Index: IndexName, Key: "zoe maier"}:                  true,
		{Index: IndexName, Key: "maier zoe"}:                  true,
		{Index: IndexLastOrder, Key: "1970-01-31"}:            true,
	}, places); diff != "" {
		t.Error(diff)
	}

	totals := map[string]int64{}
	for _, m := range metrics(&d, nil) {
		totals[m.Name] += m.Value
	}
	if diff := cmp.Diff(map[string]int64{
		"customers": 1, "orders": 4, "revenue_minor:EUR": 1700, "revenue_minor:USD": 500, "refunded_minor:EUR": 300,
	}, totals); diff != "" {
		t.Error(diff)
	}
}

func TestACustomerWithoutAKeyHasNoNameAndIsStillThere(t *testing.T) {
	anonymous := registered
	anonymous.Name = customer.Name{}
	d, exists := New().Of(events(anonymous, customer.ExternalIDLinked{System: "shop", Lookup: "aa"}, customer.ProfileUpdated{Fields: []string{"name.given"}})...)
	if !exists || d.Name != (customer.Name{}) {
		t.Fatalf("%+v", d)
	}
	for _, p := range indexes(&d, nil) {
		if p.Index == IndexName {
			t.Errorf("%+v", p)
		}
	}
}

func TestOrdersThatAreUnknownDoNotDisturb(t *testing.T) {
	d, _ := New().Of(events(customer.OrderPaid{OrderID: "x"}, customer.OrderCancelled{OrderID: "y"})...)
	if d.Orders.Paid != 1 || d.Orders.Cancelled != 1 || len(d.Orders.Unpaid) != 0 {
		t.Fatalf("%+v", d.Orders)
	}
	if _, exists := New().Of(events(customer.ClaimAbandoned{})...); exists {
		t.Error("a customer of whom nothing is known has a document")
	}
}

func TestNamesAreFoundWithoutCaseAccentsAndWhiteSpace(t *testing.T) {
	for name, key := range map[string]string{
		"  Ada   LOVELACE ": "ada lovelace",
		"Élodie Ğüneş":      "elodie gunes",
		"Weiß":              "weiss",
		"ﬁrma":              "firma",
		"Ａｄａ":               "ada",
		"李 小龙":              "李 小龙",
		"A\x00B":            "ab",
		"":                  "",
	} {
		if got := NameKey(name); got != key {
			t.Errorf("%q is found as %q, want %q", name, got, key)
		}
	}
	long := NameKey("é" + strings.Repeat("y", 200))
	if len([]rune(long)) != maxKey {
		t.Errorf("%d characters", len([]rune(long)))
	}
}

func TestRegistrationOrdersLikeTime(t *testing.T) {
	a := time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	if !(RegisteredKey(a) < RegisteredKey(a.Add(time.Microsecond))) || !(RegisteredKey(time.Date(970, 1, 1, 0, 0, 0, 0, time.UTC)) < RegisteredKey(a)) {
		t.Error("text does not order like time")
	}
}
