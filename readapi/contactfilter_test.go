package readapi_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/readapi"
)

// reached says that a customer is reached somewhere.
func (s *shop) reached(c uuid.UUID, pointID, kind, value string) {
	s.t.Helper()
	normalized, problem := customer.NormalizeContact(kind, value, "")
	if problem != "" {
		s.t.Fatal(value, problem)
	}
	s.customer(c, customer.ContactPointAdded{
		ContactPointID: pointID, Type: kind, Value: value, Normalized: normalized, Lookup: s.ring.Lookup(kind, normalized), Claim: "claim", AddedAt: s.clock,
	})
}

func TestCustomersAreFoundByWhereTheyAreReached(t *testing.T) {
	s := newShop(t)
	s.policy()
	ann, bo, cy := someone(1), someone(2), someone(3)
	for _, c := range []uuid.UUID{ann, bo, cy} {
		s.register(c, customer.Name{Given: "Ann"}, "web")
	}
	s.reached(ann, "e1", "email", "Ann@Example.com")
	s.reached(ann, "e2", "email", "ann@work.example")
	s.reached(ann, "p1", "phone", "+49 30 901820") // shared
	s.reached(bo, "p1", "phone", "+4930901820")
	s.reached(bo, "f1", "fax", "+4930901821")
	s.reached(cy, "e1", "email", "cy@example.com")
	s.customer(cy, customer.ContactPointRemoved{ContactPointID: "e1", Type: "email", Lookup: s.ring.Lookup("email", "cy@example.com"), Claim: "claim", RemovedAt: s.clock})
	s.project()
	found := func(query string) (ids []uuid.UUID) {
		t.Helper()
		var page readapi.Customers
		s.get("/v1/customers?" + query).status(200).json(&page)
		for _, c := range page.Customers {
			ids = append(ids, c.CustomerID)
		}
		return ids
	}
	for query, want := range map[string][]uuid.UUID{
		"email=" + url.QueryEscape("ann@EXAMPLE.com"):   {ann},
		"email=ann@work.example":                        {ann},
		"email=nobody@example.com":                      nil,
		"email=cy@example.com":                          nil,
		"phone=" + url.QueryEscape("+49 (30) 90 18-20"): {ann, bo},
		"phone=+4930901820":                             {ann, bo}, // a plus that was not escaped
		"phone=%2B4930901821":                           nil,       // a fax
		"email=ann@work.example&phone=%2B4930901820":    {ann},
		"email=cy@example.com&phone=%2B4930901820":      nil,
		"phone=%2B4930901820&source=shop":               nil,
		"phone=%2B4930901820&limit=1&q=ann":             {ann},
	} {
		if diff := cmp.Diff(want, found(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"email=x", "email=a@b", "phone=030901820", "phone=x"} {
		s.get("/v1/customers?" + query).status(400)
	}
	s.customer(ann, customer.PersonalDataErased{ErasedAt: s.clock})
	s.project()
	if diff := cmp.Diff([]uuid.UUID{bo}, found("phone=%2B4930901820")); diff != "" || found("email=ann@work.example") != nil {
		t.Errorf("after the erasure (-want +got):\n%s", diff)
	}
}

func TestACustomerShowsTheContactPoints(t *testing.T) {
	s := newShop(t)
	s.policy()
	ann := someone(1)
	s.register(ann, customer.Name{Given: "Ann"}, "web")
	s.reached(ann, "e1", "email", "Ann@Example.com")
	s.customer(ann, customer.ContactPointVerified{ContactPointID: "e1", Type: "email", Method: "link", VerifiedAt: s.clock})
	s.customer(ann, customer.ContactPointMadePrimary{ContactPointID: "e1", Type: "email", MadePrimaryAt: s.clock})
	s.customer(ann, customer.ContactPointAdded{
		ContactPointID: "a1", Type: "post", Lookup: "l", AddedAt: s.clock, Label: "home",
		Address: &customer.PostalAddress{Street: "Lindenstraße 5", City: "Berlin", PostalCode: "10969", Country: "DE"},
	})
	s.customer(ann, customer.ContactPointInvalidated{ContactPointID: "a1", Type: "post", BounceCode: "moved", Reason: "came back", InvalidatedAt: s.clock})
	s.project()
	var got struct {
		ContactPoints []map[string]any `json:"contact_points"`
	}
	s.get("/v1/customers/" + ann.String()).status(200).json(&got)
	want := []map[string]any{
		{
			"id": "e1", "type": "email", "value": "Ann@Example.com", "normalized": "ann@example.com", "lookup": s.ring.Lookup("email", "ann@example.com"),
			"verified_at": "2026-03-01T09:05:00Z", "primary": true, "primary_since": "2026-03-01T09:06:00Z", "invalid": false, "added_at": "2026-03-01T09:04:00Z",
		},
		{
			"id": "a1", "type": "post", "label": "home", "lookup": "l", "primary": false, "invalid": true, "invalid_since": "2026-03-01T09:08:00Z", "bounce_code": "moved",
			"added_at": "2026-03-01T09:07:00Z",
			"address":  map[string]any{"street": "Lindenstraße 5", "city": "Berlin", "postal_code": "10969", "country": "DE"},
		},
	}
	if diff := cmp.Diff(want, got.ContactPoints); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
