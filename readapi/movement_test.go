package readapi_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/readapi"
)

// step writes a cell of a movement for comparison.
func step(s readapi.MovementStep) string {
	side := func(label *string, reason string) string {
		if label != nil {
			return *label
		}
		return "-" + reason
	}
	return side(s.FromLabel, s.FromReason) + " > " + side(s.ToLabel, s.ToReason)
}

// checkMovement holds a movement, and the customers of all its cells, against the
// scores of two days.
func (m *market) checkMovement(query, body string, days [2][]readapi.RFMRow) {
	m.t.Helper()
	type total struct{ customers, from, to int64 }
	want, who := map[string]total{}, map[string][]uuid.UUID{}
	then := map[string]readapi.RFMRow{}
	for _, row := range days[0] {
		then[row.Customer] = row
	}
	cents := func(row readapi.RFMRow) (n int64) {
		if row.Amount != nil {
			var whole, part int64
			if _, err := fmt.Sscanf(*row.Amount, "%d.%d", &whole, &part); err != nil {
				m.t.Fatal(err)
			}
			if n = whole*100 + part; (*row.Amount)[0] == '-' {
				n = whole*100 - part
			}
		}
		return n
	}
	for _, row := range days[1] {
		before, ordered := then[row.Customer]
		if !ordered {
			before.Reason = readapi.NoOrder
		}
		s := step(readapi.MovementStep{FromLabel: before.Label, FromReason: before.Reason, ToLabel: row.Label, ToReason: row.Reason})
		sum := want[s]
		want[s] = total{sum.customers + 1, sum.from + cents(before), sum.to + cents(row)}
		who[s] = append(who[s], uuid.MustParse(row.Customer))
	}
	var answer readapi.Movement
	m.post("/v1/rfm/movement"+query, body).status(200).json(&answer)
	got := map[string]total{}
	for _, c := range answer.Cells {
		got[step(c.MovementStep)] = total{c.Customers, c.RevenueFrom.AmountMinor, c.Revenue.AmountMinor}
		filter := url.Values{}
		for name, value := range map[string]*string{"from_label": c.FromLabel, "to_label": c.ToLabel, "from_reason": &c.FromReason, "to_reason": &c.ToReason} {
			if value != nil && *value != "" {
				filter.Set(name, *value)
			}
		}
		var ids []uuid.UUID
		for cursor := ""; ; {
			var page readapi.MovedCustomers
			m.post("/v1/rfm/movement/customers"+query+"&limit=2&cursor="+cursor+"&"+filter.Encode(), body).status(200).json(&page)
			for _, one := range page.Customers {
				ids = append(ids, one.CustomerID)
				if s := step(readapi.MovementStep{FromLabel: one.From.Label, FromReason: one.From.Reason, ToLabel: one.To.Label, ToReason: one.To.Reason}); s != step(c.MovementStep) {
					m.t.Fatalf("%s of %s", s, step(c.MovementStep))
				}
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(who[step(c.MovementStep)], ids); diff != "" {
			m.t.Fatalf("%s of %s (-want +got):\n%s", step(c.MovementStep), query, diff)
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(total{})); diff != "" {
		m.t.Fatalf("%s (-naive +movement):\n%s", query, diff)
	}
}

func TestAMovementInTheOrderOfThePolicy(t *testing.T) {
	s := town(t)
	var m readapi.Movement
	s.get("/v1/rfm/movement?from=2026-02-09").status(200).json(&m)
	var cells []string
	for _, c := range m.Cells {
		cells = append(cells, fmt.Sprint(step(c.MovementStep), ": ", c.Customers, ", ", c.RevenueFrom.AmountMinor, " then ", c.Revenue.AmountMinor))
	}
	want := []string{
		"Champions > Champions: 1, 17800 then 26700",
		"New Customers > Hibernating: 1, 1250 then 1250",
		"Can't Lose Them > Can't Lose Them: 1, 100000 then 100000",
		"Hibernating > Potential Loyalist: 1, 4300 then 8600",
		"-no_order > Promising: 1, 0 then 1400",
	}
	if diff := cmp.Diff(want, cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if m.Customers != 5 || m.Stayed != 2 || m.Moved != 2 || m.From.Population != 4 || m.To.Population != 5 || m.From.CutPoints == nil || m.To.PolicyVersion != 1 {
		t.Errorf("%+v", m)
	}
	var page readapi.MovedCustomers
	s.get("/v1/rfm/movement/customers?from=2026-02-09&from_reason=no_order").status(200).json(&page)
	if len(page.Customers) != 1 || page.Customers[0].CustomerID != someone(6) || page.Customers[0].ExternalIDs[0].ID != "ä" {
		t.Errorf("%+v", page)
	}
}

// A list goes on in the log as it was when it began, and by the same policy.
func TestAListOfTheMovedGoesOn(t *testing.T) {
	s := town(t)
	const path = "/v1/rfm/movement/customers?from=2026-01-31&limit=3"
	var first, second, whole readapi.MovedCustomers
	s.get(path).status(200).json(&first)
	s.get("/v1/rfm/movement/customers?from=2026-01-31").status(200).json(&whole)
	s.order(someone(6), "new", "2026-01-01", 999_999)
	s.get(path + "&cursor=" + first.NextCursor).status(200).json(&second)
	if diff := cmp.Diff(whole.Customers, append(first.Customers, second.Customers...)); diff != "" || second.Position != first.Position || second.NextCursor != "" {
		t.Errorf("%+v (-whole +pages):\n%s", second.Stamp, diff)
	}
	p := rules.Default("EUR")
	var drafted readapi.MovedCustomers
	s.post(path, draft(t, p)).status(200).json(&drafted)
	p.Name = "another"
	if e := s.post(path+"&cursor="+drafted.NextCursor, draft(t, p)).status(400).problem().Errors; len(e) != 1 || e[0].Pointer != "/cursor" {
		t.Errorf("%+v", e)
	}
}
