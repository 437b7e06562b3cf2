package readapi_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
)

// town is a shop with six customers, a closed day and scores.
func town(t testing.TB) *shop {
	s := newShop(t)
	s.policy()
	people := []struct {
		name   customer.Name
		source string
		orders []string
		minor  int64
	}{
		{customer.Name{Given: "Ann", Family: "Archer"}, "web", []string{"2026-01-05", "2026-02-01", "2026-02-27"}, 8900},
		{customer.Name{Given: "Bo", Family: "Anders"}, "web", []string{"2026-01-20"}, 1250},
		{customer.Name{Given: "Zoë", Family: "O'Brien"}, "shop", []string{"2025-11-03", "2026-02-10"}, 4300},
		{customer.Name{Organisation: "Änne & Co"}, "fair", []string{"2025-06-30"}, 100000},
		{customer.Name{}, "web", nil, 0},
		{customer.Name{Given: "Ann", Family: "Zander"}, "shop", []string{"2026-02-27", "2026-02-28"}, 700},
	}
	var values []rules.Values
	closed, _ := domain.ParseDate("2026-02-28")
	for i, p := range people {
		c := someone(uint64(i + 1))
		s.register(c, p.name, p.source)
		s.link(c, "till", []string{"b", "a", "C", "10", "9", "ä"}[i])
		if len(p.orders) == 0 {
			continue
		}
		for n, day := range p.orders {
			s.order(c, "order-"+itoa(uint64(i))+"-"+itoa(uint64(n)), day, p.minor)
		}
		last, _ := domain.ParseDate(p.orders[len(p.orders)-1])
		values = append(values, rules.Values{RecencyDays: int64(closed - last), Frequency: int64(len(p.orders)), MonetaryMinor: p.minor * int64(len(p.orders))})
	}
	s.closeDay("2026-02-28", values...)
	s.customer(someone(1), customer.OrderPaid{OrderID: "order-0-0", PaidAt: s.clock})
	s.customer(someone(1), customer.ProfileUpdated{Fields: []string{"name.given"}, Changes: []customer.Change{{Field: "name.given", Was: "Ann", Became: "Anne"}}},
		func(m *eventschema.Meta) {
			m.Reason, m.Actor = "a typing error", eventschema.Actor{Kind: "ai", ID: "cleaner", OnBehalfOf: "ann", Version: "2"}
			m.Causation = id(0xee, 7)
			m.Policies = []eventschema.PolicyRef{{Kind: "rfm", Version: 1}}
		})
	s.project()
	return s
}

func TestAnswersAreAsPromised(t *testing.T) {
	s := town(t)
	first := "/v1/customers/" + someone(1).String()
	for name, path := range map[string]string{
		"customer.json":         first,
		"customer_new.json":     "/v1/customers/" + someone(5).String(),
		"history.json":          first + "/history?limit=4",
		"history_verify.json":   first + "/history/verify",
		"replay.json":           first + "/replay?from=4&limit=2",
		"rfm.json":              first + "/rfm",
		"rfm_new.json":          "/v1/customers/" + someone(5).String() + "/rfm",
		"customers.json":        "/v1/customers?limit=2&label=Champions",
		"rfm_distribution.json": "/v1/rfm/distribution",
		"rfm_customers.json":    "/v1/rfm/customers?limit=2",
		"readyz.json":           "/readyz",
		"livez.json":            "/livez",
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			var pretty any
			if err := json.Unmarshal(s.get(path).status(200).Body.Bytes(), &pretty); err != nil {
				t.Fatal(err)
			}
			b, err := json.MarshalIndent(pretty, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			s.golden(name, append(b, '\n'))
		})
	}
	for name, request := range map[string][2]string{
		"history.ndjson":    {first + "/history", "application/x-ndjson"},
		"replay.ndjson":     {first + "/replay?from=5", "application/x-ndjson"},
		"rfm_export.csv":    {"/v1/rfm/export?source=till", "text/csv"},
		"rfm_export.ndjson": {"/v1/rfm/export", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			body := s.get(request[0], "Accept", request[1]).status(200).Body.Bytes()
			if name == "history.ndjson" { // the stored bytes are random
				return
			}
			s.golden(name, body)
		})
	}
}

func TestNobodyIsNotFound(t *testing.T) {
	s := town(t)
	for _, path := range []string{"", "/history", "/history/verify", "/replay", "/rfm", "/diff"} {
		for _, who := range []string{someone(99).String(), "nobody", "{" + someone(1).String() + "}"} {
			for _, accept := range []string{"application/json", "application/x-ndjson"} {
				a := s.get("/v1/customers/"+url.PathEscape(who)+path, "Accept", accept).status(404)
				if code := a.problem().Code; code != "customer_not_found" {
					t.Errorf("%s%s: %s", who, path, code)
				}
			}
		}
	}
}

func TestAWrongParameterIsNamed(t *testing.T) {
	s := town(t)
	first := "/v1/customers/" + someone(1).String()
	for path, parameter := range map[string]string{
		"/v1/customers?lable=Champions":           "lable",
		"/v1/customers?limit=501":                 "limit",
		"/v1/customers?limit=0":                   "limit",
		"/v1/customers?limit=ten":                 "limit",
		"/v1/customers?sort=age":                  "sort",
		"/v1/customers?cursor=abc":                "cursor",
		"/v1/customers?external_id=7":             "external_id",
		"/v1/customers?q=%20":                     "q",
		"/v1/customers?last_order_after=tomorrow": "last_order_after",
		"/v1/customers?min_position=-1":           "min_position",
		"/v1/customers?source=a&source=b":         "source",
		"/v1/rfm/customers?r=11":                  "r",
		"/v1/rfm/distribution?r=1":                "r",
		first + "?as_of=once":                     "as_of",
		first + "?known_at=later":                 "known_at",
		first + "?revision=-1":                    "revision",
		first + "/diff?to=soon":                   "to",
		first + "/history?module=sneezes":         "module",
		first + "/history?command_id=7":           "command_id",
		first + "/history?type=customer.sneezed":  "type",
		first + "/history?from=yesterday":         "from",
		first + "/replay?from=x":                  "from",
		"/v1/log?after=x":                         "after",
	} {
		a := s.get(path).status(400)
		if p := a.problem(); p.Code != "parameter_invalid" || len(p.Errors) != 1 || p.Errors[0].Pointer != "/"+parameter {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestAHistoryIsFiltered(t *testing.T) {
	s := town(t)
	for query, want := range map[string]int{
		"":                             7,
		"type=customer.order_recorded": 3,
		"type=customer.order_recorded,customer.order_paid": 4,
		"actor=ai":                      1,
		"actor=cleaner":                 1,
		"actor=ai:cleaner":              1,
		"actor=ai:ann":                  0,
		"from=2026-02-27&to=2026-02-27": 1,
		"from=2026-02-02T00:00:00Z&type=customer.order_recorded": 1,
		"to=2026-02-01": 2,
	} {
		var h struct{ Events []any }
		s.get("/v1/customers/" + someone(1).String() + "/history?" + query).status(200).json(&h)
		if len(h.Events) != want {
			t.Errorf("%s: %d events, want %d", query, len(h.Events), want)
		}
	}
}
