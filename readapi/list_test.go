package readapi_test

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/readapi"
	"pgregory.net/rapid"
)

// city is a shop with many customers, made from a few names, sources and days so
// that filters find several.
func city(t testing.TB, people int) *shop {
	s := newShop(t)
	s.policy()
	given := []string{"Ann", "anna", "Änne", "Bo", "", "Zoë"}
	family := []string{"Archer", "Bell", "", "O'Brien", "annan"}
	closed, _ := domain.ParseDate("2026-02-28")
	var values []rules.Values
	for n := range people {
		c := someone(uint64(n))
		s.register(c, customer.Name{Given: given[n%len(given)], Family: family[n/2%len(family)]}, []string{"web", "shop", "fair"}[n%7%3])
		if n%3 == 0 {
			s.link(c, "till", fmt.Sprintf("t%d", n))
		}
		v := rules.Values{}
		for i := range n % 5 {
			on := closed - domain.Date(n*7%40+i*11)
			minor := int64(n*137%9000 + 1)
			s.order(c, fmt.Sprintf("o%d-%d", n, i), on.String(), minor)
			if v.Frequency++; i == 0 {
				v.RecencyDays = int64(closed - on)
			}
			v.MonetaryMinor += minor
		}
		if v.Frequency > 0 {
			values = append(values, v)
		}
	}
	s.closeDay(closed.String(), values...)
	s.project()
	return s
}

// pages walks through a list by its cursors.
func pages(t *rapid.T, s *shop, path string, q url.Values, limit int) (all []readapi.Customer) {
	q = url.Values(map[string][]string(q))
	q.Set("limit", fmt.Sprint(limit))
	q.Del("cursor")
	for n := 0; ; n++ {
		var page readapi.Customers
		a := s.get(path + "?" + q.Encode())
		if a.Code != 200 {
			t.Fatalf("%s: %s", q.Encode(), a.Body)
		}
		a.json(&page)
		if len(page.Customers) > limit {
			t.Fatalf("%d customers on a page of %d", len(page.Customers), limit)
		}
		if page.NextCursor != "" && len(page.Customers) == 0 {
			t.Fatal("an empty page in the middle")
		}
		all = append(all, page.Customers...)
		if page.NextCursor == "" {
			return all
		}
		if n > 1000 {
			t.Fatal("the list does not end")
		}
		q.Set("cursor", page.NextCursor)
	}
}

func ids(cs []readapi.Customer) (list []uuid.UUID) {
	for _, c := range cs {
		list = append(list, c.CustomerID)
	}
	return list
}

// Whatever the filters, the order and the length of a page: all pages together
// are the whole list, in order, and nobody stands there twice.
func TestAllPagesTogetherAreTheWholeList(t *testing.T) {
	s := city(t, 90)
	everybody := pages(nil, s, "/v1/customers", url.Values{}, 500)
	if len(everybody) != 90 {
		t.Fatalf("%d customers", len(everybody))
	}
	dates := []string{"2026-01-25", "2026-02-10", "2026-02-20"}
	rapid.Check(t, func(t *rapid.T) {
		q := url.Values{}
		var keep []func(readapi.Customer) bool
		set := func(name string, values ...string) (string, bool) {
			if !rapid.Bool().Draw(t, name+"?") {
				return "", false
			}
			v := rapid.SampledFrom(values).Draw(t, name)
			q.Set(name, v)
			return v, true
		}
		if v, ok := set("q", "an", "ANN", "änn", "o'b", "archer a", "x"); ok {
			prefix := profile.NameKey(v)
			keep = append(keep, func(c readapi.Customer) bool {
				return strings.HasPrefix(profile.NameKey(c.Name.Given+" "+c.Name.Family), prefix) ||
					strings.HasPrefix(profile.NameKey(c.Name.Family+" "+c.Name.Given), prefix)
			})
		}
		if v, ok := set("label", "Champions", "Lost", "Hibernating", "Nobody"); ok {
			keep = append(keep, func(c readapi.Customer) bool { return c.RFM.Label != nil && *c.RFM.Label == v })
		}
		if v, ok := set("source", "web", "shop", "moon"); ok {
			keep = append(keep, func(c readapi.Customer) bool { return c.Source.Channel == v })
		}
		if v, ok := set("last_order_after", dates...); ok {
			keep = append(keep, func(c readapi.Customer) bool { return c.Orders.LastOn != nil && c.Orders.LastOn.String() > v })
		}
		if v, ok := set("last_order_before", dates...); ok {
			keep = append(keep, func(c readapi.Customer) bool { return c.Orders.LastOn != nil && c.Orders.LastOn.String() < v })
		}
		if v, ok := set("external_id", "till:t3", "till:t4", "web:t3"); ok {
			keep = append(keep, func(c readapi.Customer) bool {
				return slices.ContainsFunc(c.ExternalIDs, func(x customer.LinkedID) bool { return x.System+":"+x.ID == v })
			})
		}
		sort, _ := set("sort", "registered_at", "-registered_at", "name", "-name", "last_order", "-last_order")
		var want []uuid.UUID
		for _, c := range everybody {
			if !slices.ContainsFunc(keep, func(f func(readapi.Customer) bool) bool { return !f(c) }) {
				want = append(want, c.CustomerID)
			}
		}
		got := pages(t, s, "/v1/customers", q, rapid.IntRange(1, 40).Draw(t, "limit"))
		if whole := pages(t, s, "/v1/customers", q, 500); !slices.Equal(ids(whole), ids(got)) {
			t.Fatalf("%s: in pages %v, at once %v", q.Encode(), ids(got), ids(whole))
		}
		ordered(t, sort, q.Get("q"), got)
		have := ids(got)
		byID := func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(have, byID)
		slices.SortFunc(want, byID)
		if !slices.Equal(have, want) {
			t.Fatalf("%s: %v, want %v", q.Encode(), have, want)
		}
	})
}

// ordered checks the order of a list; who lacks what it is sorted by comes last.
func ordered(t *rapid.T, sort, q string, list []readapi.Customer) {
	by, descending := strings.CutPrefix(sort, "-")
	key := map[string]func(readapi.Customer) string{
		"registered_at": func(c readapi.Customer) string { return profile.RegisteredKey(c.RegisteredAt) },
		"last_order": func(c readapi.Customer) string {
			if c.Orders.LastOn == nil {
				return ""
			}
			return c.Orders.LastOn.String()
		},
		"name": func(c readapi.Customer) string {
			keys := []string{profile.NameKey(c.Name.Given + " " + c.Name.Family), profile.NameKey(c.Name.Family + " " + c.Name.Given)}
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == "" || !strings.HasPrefix(k, profile.NameKey(q)) })
			if len(keys) == 0 {
				return ""
			}
			if descending {
				return slices.Max(keys)
			}
			return slices.Min(keys)
		},
	}[by]
	if key == nil {
		return
	}
	if !slices.IsSortedFunc(list, func(a, b readapi.Customer) int {
		ka, kb := key(a), key(b)
		switch {
		case (ka == "") != (kb == ""):
			return cmp.Compare(kb, ka)
		case descending:
			return cmp.Compare(kb, ka)
		}
		return cmp.Compare(ka, kb)
	}) {
		t.Fatalf("not ordered by %s", sort)
	}
}

func TestCustomersAreListedByScore(t *testing.T) {
	s := city(t, 90)
	everybody := pages(nil, s, "/v1/customers", url.Values{}, 500)
	rapid.Check(t, func(t *rapid.T) {
		q := url.Values{}
		var keep []func(readapi.RFM) bool
		for i, name := range []string{"r", "f", "m"} {
			if rapid.Bool().Draw(t, name+"?") {
				v := rapid.IntRange(1, 9).Draw(t, name)
				q.Set(name, fmt.Sprint(v))
				keep = append(keep, func(x readapi.RFM) bool { return *[]*int{x.R, x.F, x.M}[i] == v })
			}
		}
		if rapid.Bool().Draw(t, "label?") {
			v := rapid.SampledFrom(append([]string{"Nobody"}, labels()...)).Draw(t, "label")
			q.Set("label", v)
			keep = append(keep, func(x readapi.RFM) bool { return *x.Label == v })
		}
		sort := rapid.SampledFrom([]string{"", "score", "-score"}).Draw(t, "sort")
		q.Set("sort", sort)
		q.Set("limit", fmt.Sprint(rapid.IntRange(1, 30).Draw(t, "limit")))
		want := map[uuid.UUID]bool{}
		for _, c := range everybody {
			if c.RFM.Score != nil && !slices.ContainsFunc(keep, func(f func(readapi.RFM) bool) bool { return !f(c.RFM) }) {
				want[c.CustomerID] = true
			}
		}
		last := 0
		for n := 0; ; n++ {
			var page readapi.ScoredCustomers
			s.get("/v1/rfm/customers?" + q.Encode()).json(&page)
			for _, c := range page.Customers {
				if !want[c.CustomerID] {
					t.Fatalf("%s: %v is not wanted, or stands there twice", q.Encode(), c.CustomerID)
				}
				delete(want, c.CustomerID)
				if last != 0 && (sort == "score") != (*c.Score >= last) && *c.Score != last {
					t.Fatalf("%s: %d after %d", q.Encode(), *c.Score, last)
				}
				last = *c.Score
			}
			if page.NextCursor == "" {
				break
			}
			q.Set("cursor", page.NextCursor)
		}
		if len(want) > 0 {
			t.Fatalf("%s: %d are missing", q.Encode(), len(want))
		}
	})
}

func labels() (names []string) {
	for _, l := range rules.LabelTable(rules.Segment11) {
		names = append(names, l.Name)
	}
	return names
}

func TestADistributionCountsEverybodyOnce(t *testing.T) {
	s := city(t, 90)
	var d readapi.Distribution
	s.get("/v1/rfm/distribution").status(200).json(&d)
	var scored, unscored int64
	revenue := int64(0)
	for _, c := range pages(nil, s, "/v1/customers", url.Values{}, 500) {
		switch {
		case c.RFM.Score != nil:
			scored++
			revenue += c.RFM.Amount.AmountMinor
		case c.Orders.Count > 0:
			unscored++
		}
	}
	sum := func(cells []readapi.Cell) (n, minor int64) {
		for _, c := range cells {
			n, minor = n+c.Customers, minor+c.Revenue.AmountMinor
		}
		return n, minor
	}
	for name, cells := range map[string][]readapi.Cell{"r×f": d.ByRF, "cell": d.ByCell, "label": d.ByLabel} {
		if n, minor := sum(cells); n != scored || minor != revenue {
			t.Errorf("by %s: %d customers and %d, want %d and %d", name, n, minor, scored, revenue)
		}
	}
	if d.Customers != scored || d.Revenue.AmountMinor != revenue || d.Calibration.Population != int(scored) || unscored != 0 {
		t.Errorf("%+v", d)
	}
}

func TestAHistoryComesInPages(t *testing.T) {
	s := town(t)
	path := "/v1/customers/" + someone(1).String()
	for limit := 1; limit < 9; limit++ {
		var events []uuid.UUID
		for cursor := ""; ; {
			var page readapi.History
			s.get(fmt.Sprintf("%s/history?limit=%d&cursor=%s", path, limit, cursor)).status(200).json(&page)
			for _, e := range page.Events {
				events = append(events, e.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		var steps []uuid.UUID
		for cursor := ""; ; {
			var page struct {
				Steps      []struct{ Event struct{ ID uuid.UUID } }
				NextCursor string `json:"next_cursor"`
			}
			s.get(fmt.Sprintf("%s/replay?limit=%d&cursor=%s", path, limit, cursor)).status(200).json(&page)
			for _, e := range page.Steps {
				steps = append(steps, e.Event.ID)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		var want []uuid.UUID
		for _, raw := range s.events {
			if raw.Stream == customer.Stream(someone(1)) {
				want = append(want, raw.ID)
			}
		}
		if !slices.Equal(events, want) || !slices.Equal(steps, want) {
			t.Errorf("limit %d: history %v, replay %v, want %v", limit, events, steps, want)
		}
	}
}
