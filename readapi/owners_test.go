package readapi_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/readapi"
)

// ownedFrom is when the history of the owners begins.
var ownedFrom = time.Date(2026, 1, 5, 11, 0, 0, 0, time.UTC)

func onDay(n int) time.Time { return ownedFrom.AddDate(0, 0, n) }

// ownedShop has six customers: 1 went from ann to bob by a handover, 2 is ann's, 3
// was released by ann, 4 and 5 never had an owner, 6 was erased while she was
// ann's.
func ownedShop(t testing.TB) (s *shop, handover uuid.UUID) {
	s, handover = newShop(t), id(0xaa, 1)
	for n := range uint64(6) {
		s.customer(someone(n+1), customer.Registered{
			Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: ownedFrom.Add(-time.Hour * time.Duration(10-n)),
		})
	}
	assign := func(n uint64, day int) {
		s.customer(someone(n), customer.OwnerAssigned{To: "ann", Role: "sales", Seat: "s", AssignedAt: onDay(day)})
	}
	assign(1, 0)
	assign(2, 1)
	assign(3, 2)
	assign(6, 2)
	s.customer(someone(2), customer.KeyAccountDesignated{Level: "A", Criteria: "hers", DesignatedAt: onDay(2)})
	s.customer(someone(1), customer.HandoverOpened{HandoverID: handover, From: "ann", To: "bob", OpenedAt: onDay(3)})
	s.customer(someone(1), customer.OwnerAssigned{From: "ann", To: "bob", Role: "sales", HandoverID: handover, AssignedAt: onDay(4)})
	s.customer(someone(3), customer.CustomerReleased{From: "ann", ReleasedAt: onDay(5)})
	s.customer(someone(6), customer.PersonalDataErased{KeyIDs: []string{"k"}, ReadModels: []string{"profile"}, ErasedAt: onDay(6)})
	s.project()
	return s, handover
}

func (s *shop) portfolio(employee, query string) (got readapi.Portfolio, names []string) {
	s.t.Helper()
	a := s.get("/v1/owners/" + employee + "/portfolio" + query)
	if a.Code != 200 {
		s.t.Fatalf("%d %s", a.Code, a.Body)
	}
	a.json(&got)
	for _, c := range got.Customers {
		names = append(names, nameOf(c.CustomerID))
	}
	return got, names
}

// nameOf is the number of someone.
func nameOf(c uuid.UUID) string { return fmt.Sprint(c[15]) }

func TestPortfolio(t *testing.T) {
	s, handover := ownedShop(t)
	for _, c := range []struct {
		employee, asOf string
		want           []string
	}{
		{"ann", "", []string{"2"}},
		{"bob", "", []string{"1"}},
		{"carl", "", nil},
		{"an", "", nil}, // a name that begins like hers is another one
		{"ann", onDay(0).Add(-time.Second).Format(time.RFC3339), nil},
		{"ann", onDay(0).Format(time.RFC3339), []string{"1"}},
		{"ann", "2026-01-07", []string{"1", "2", "3", "6"}}, // the day's last instant
		{"ann", onDay(4).Format(time.RFC3339), []string{"2", "3", "6"}},
		{"bob", onDay(4).Format(time.RFC3339), []string{"1"}},
		{"ann", onDay(5).Format(time.RFC3339), []string{"2", "6"}},
		{"ann", onDay(6).Format(time.RFC3339), []string{"2"}},
	} {
		query := ""
		if c.asOf != "" {
			query = "?as_of=" + url.QueryEscape(c.asOf)
		}
		if _, got := s.portfolio(c.employee, query); gocmp.Diff(c.want, got) != "" {
			t.Errorf("%s at %q: %v, want %v", c.employee, c.asOf, got, c.want)
		}
	}
	got, _ := s.portfolio("bob", "")
	if c := got.Customers[0]; c.Role != "sales" || !c.Since.Equal(onDay(4)) || c.Until != nil || c.HandoverID == nil || *c.HandoverID != handover || c.EventID == uuid.Nil {
		t.Errorf("%+v", c)
	}
	got, _ = s.portfolio("ann", "?as_of=2026-01-07")
	if c := got.Customers[0]; c.Until == nil || !c.Until.Equal(onDay(4)) {
		t.Errorf("%+v", c)
	}
	if a := s.get("/v1/owners/ann/portfolio?as_of=then"); a.Code != 400 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestPortfolioPageByPage(t *testing.T) {
	s, _ := ownedShop(t)
	var all []string
	query := "?as_of=2026-01-07&limit=1"
	for cursor := ""; ; {
		page := query
		if cursor != "" {
			page += "&cursor=" + cursor
		}
		got, names := s.portfolio("ann", page)
		all = append(all, names...)
		if cursor = got.NextCursor; cursor == "" {
			break
		}
	}
	if diff := gocmp.Diff([]string{"1", "2", "3", "6"}, all); diff != "" {
		t.Error(diff)
	}
}

func TestPoolAndOwnerFilters(t *testing.T) {
	s, handover := ownedShop(t)
	for query, want := range map[string][]string{
		"/v1/pool":                                 {"3", "5", "4"},
		"/v1/pool?limit=1":                         {"3"},
		"/v1/pool?sort=registered_at":              {"3", "4", "5"},
		"/v1/pool?source=phone":                    nil,
		"/v1/customers?pool=true":                  {"3", "5", "4"},
		"/v1/customers?pool=false":                 {"1", "2"}, // who was erased is neither
		"/v1/customers?owner=ann":                  {"2"},
		"/v1/customers?owner=ann&key_account=B":    nil,
		"/v1/customers?key_account=A":              {"2"},
		"/v1/customers?owner=bob&pool=true":        nil,
		"/v1/customers?owner=bob&sort=-last_order": {"1"},
	} {
		a := s.get(query)
		var got readapi.Customers
		a.json(&got)
		var names []string
		for _, c := range got.Customers {
			names = append(names, nameOf(c.CustomerID))
		}
		if diff := gocmp.Diff(want, names); diff != "" {
			t.Errorf("%s:\n%s", query, diff)
		}
	}
	var one readapi.CustomerAnswer
	s.get("/v1/customers/" + someone(1).String()).json(&one)
	is := one.Ownership
	if is.Owner != "bob" || is.PreviousOwner != "ann" || is.EventID == uuid.Nil || is.HandedOver == nil || is.HandedOver.HandoverID != handover || is.Handover != nil {
		t.Errorf("%+v", is)
	}
	s.get("/v1/customers/" + someone(1).String() + "?as_of=" + onDay(3).Format(time.RFC3339)).json(&one)
	if is := one.Ownership; is.Owner != "ann" || is.Handover == nil || is.Handover.To != "bob" {
		t.Errorf("as of the third day: %+v", is)
	}
}
