package readapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/readapi"
)

// post sends a body; the answer is held against the document.
func (s *shop) post(path, body string, header ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.http.ServeHTTP(w, r)
	path, _, _ = strings.Cut(path, "?")
	if err := s.document.Check(http.MethodPost, path, w.Code, w.Header(), w.Body.Bytes()); err != nil {
		s.t.Errorf("POST %s: %v\n%s", path, err, w.Body)
	}
	return answer{s.t, w}
}

// draft is the body of a study by a policy.
func draft(t testing.TB, p rules.Policy) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"policy": p})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const inCSV, inLines = "text/csv", "application/x-ndjson"

// If nothing came since the last day was closed, the study of that day by the current
// policy is what the read models say, to the byte.
func TestAStudyOfTheLastClosedDayIsTheLiveExport(t *testing.T) {
	s := town(t)
	before := s.position
	for _, query := range []string{"", "?source=till", "?source=moon"} {
		for _, accept := range []string{inCSV, inLines} {
			live := s.get("/v1/rfm/export"+query, "Accept", accept).status(200)
			study := s.get("/v1/rfm/study"+query, "Accept", accept).status(200)
			if diff := cmp.Diff(live.Body.String(), study.Body.String()); diff != "" {
				t.Errorf("%s %s (-live +study):\n%s", query, accept, diff)
			}
			if study.Header().Get("Rapport-Position") != itoa(before) {
				t.Errorf("%v", study.Header())
			}
		}
	}
	var live readapi.Distribution
	var study readapi.Study
	s.get("/v1/rfm/distribution").status(200).json(&live)
	s.get("/v1/rfm/study?as_of=2026-02-28").status(200).json(&study)
	want := readapi.Study{
		Of:         readapi.StudyOf{AsOf: domain.NewDate(2026, 2, 28), PolicyVersion: 1, Policy: "default", Currency: "EUR"},
		Population: 5, CutPoints: live.CutPoints, Spread: live.Spread, Stamp: live.Stamp,
	}
	if diff := cmp.Diff(want, study); diff != "" {
		t.Errorf("summary (-live +study):\n%s", diff)
	}
	// A draft of the same policy says the same; it has no version.
	p := rules.Policy{
		Name: "draft", Currency: "EUR", Method: rules.Quantiles, Bins: 5, Orders: rules.CountRecorded, Amounts: rules.Gross,
		Labels: rules.LabelTable(rules.Segment11), Otherwise: "Others",
	}
	var drafted readapi.Study
	s.post("/v1/rfm/study", draft(t, p)).status(200).json(&drafted)
	want.Of.Policy, want.Of.PolicyVersion = "draft", 0
	if diff := cmp.Diff(want, drafted); diff != "" {
		t.Errorf("a draft of the same (-want +got):\n%s", diff)
	}
	if s.log.Head() != before {
		t.Error("a study left something in the log")
	}
	if rows := s.get("/v1/rfm/study?as_of=2025-06-29", "Accept", inCSV).status(200).Body.String(); strings.Count(rows, "\n") != 1 {
		t.Errorf("before the first order: %s", rows)
	}
	s.get("/v1/rfm/study?as_of=2025-06-29").status(200).json(&study)
	if study.Population != 0 || study.CutPoints != nil || study.Customers != 0 || len(study.ByLabel) != 0 {
		t.Errorf("before the first order: %+v", study)
	}
}

func TestAStudyIsRefused(t *testing.T) {
	s := newShop(t)
	s.policy()
	s.order(someone(1), "o1", "2026-02-01", 100)
	refused := func(a answer, status int, want ...string) {
		t.Helper()
		var got []string
		for _, e := range a.status(status).problem().Errors {
			got = append(got, e.Pointer)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v: %s", got, want, a.Body)
		}
	}
	refused(s.get("/v1/rfm/study"), 400, "/as_of") // nothing was closed yet
	refused(s.get("/v1/rfm/movement?from=2026-01-01"), 400, "/to")
	refused(s.get("/v1/rfm/study?as_of=x"), 400, "/as_of")
	refused(s.get("/v1/rfm/study?as_of=2026-02-01&known_at=x"), 400, "/known_at")
	refused(s.get("/v1/rfm/study?as_of=2026-02-01&policy_version=2"), 400, "/policy_version")
	refused(s.get("/v1/rfm/study?as_of=2026-02-01&source=till"), 400, "/source")
	refused(s.get("/v1/rfm/study?as_of=2026-02-01&format=csv"), 400, "/format")
	s.get("/v1/rfm/study?as_of=2026-02-01&policy_version=1").status(200)
	for _, path := range []string{"/v1/rfm/movement", "/v1/rfm/movement/customers"} {
		refused(s.get(path+"?to=2026-02-01"), 400, "/from", "/from")
		refused(s.get(path+"?from=2026-02-01&to=2026-02-01"), 400, "/from")
	}
	refused(s.get("/v1/rfm/movement?from=2026-01-01&to=2026-02-01&from_label=x"), 400, "/from_label")
	refused(s.get("/v1/rfm/movement/customers?from=2026-01-01&to=2026-02-01&to_label=x&to_reason=y"), 400, "/to_reason")
	refused(s.get("/v1/rfm/movement/customers?from=2026-01-01&to=2026-02-01&cursor=x"), 400, "/cursor")

	// A draft is checked as it would be when it is published.
	p := rules.Default("EUR")
	refused(s.post("/v1/rfm/study?as_of=2026-02-01&policy_version=1", draft(t, p)), 400, "/policy_version")
	p.Examples[0].Label = "Lost"
	p.Name = ""
	for _, path := range []string{"/v1/rfm/study?as_of=2026-02-01", "/v1/rfm/movement?from=2026-01-01&to=2026-02-01", "/v1/rfm/movement/customers?from=2026-01-01&to=2026-02-01"} {
		refused(s.post(path, draft(t, p)), 422, "/policy/name", "/policy/examples/0/label")
		refused(s.post(path, `{"policy":7}`), 422, "/policy")
		s.post(path, `{`).status(400)
	}

	none := newShop(t)
	refused(none.get("/v1/rfm/study?as_of=2026-02-01"), 400, "/policy_version")
	none.post("/v1/rfm/study?as_of=2026-02-01", draft(t, rules.Default("EUR"))).status(200)
}

// What cannot be counted in the policy's currency makes a study fail as it makes a
// calibration fail. An order's own rate, which comes with it or with its payment, is
// that of its day.
func TestAStudyInMixedCurrencies(t *testing.T) {
	s := newShop(t)
	s.policy()
	in := func(c uuid.UUID, id, day string, minor int64, currency string, fx *customer.FX) {
		on, _ := domain.ParseDate(day)
		s.customer(c, customer.OrderRecorded{OrderID: id, Total: domain.Money{AmountMinor: minor, Currency: currency}, FX: fx, PlacedAt: on.Start(time.UTC), PlacedOn: on})
	}
	s.order(someone(1), "a", "2026-01-10", 1000)
	in(someone(2), "b", "2026-01-11", 1000, "USD", &customer.FX{Rate: "0.8", Base: "EUR"})
	in(someone(2), "c", "2026-01-12", 1001, "USD", &customer.FX{Rate: "0.9", Base: "EUR"}) // 9.009
	in(someone(3), "d", "2026-01-13", 500, "JPY", nil)
	s.customer(someone(3), customer.OrderPaid{OrderID: "d", PaidAt: domain.NewDate(2026, 1, 14).Start(time.UTC), FX: &customer.FX{Rate: "0.006", Base: "EUR"}})
	in(someone(4), "e", "2026-01-20", 100, "USD", nil)
	in(someone(4), "f", "2026-01-21", 100, "CHF", &customer.FX{Rate: "1.1", Base: "USD"})
	in(someone(5), "g", "2026-01-22", 100, "USD", nil)
	s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: domain.NewDate(2026, 1, 31), Zone: "Europe/Berlin"})

	amounts := func(day string) (got []string) {
		t.Helper()
		for line := range strings.Lines(s.get("/v1/rfm/study?as_of="+day, "Accept", inCSV).status(200).Body.String()) {
			got = append(got, strings.Split(line, ",")[3])
		}
		return got[1:]
	}
	if diff := cmp.Diff([]string{"10.00", "17.01", "3.00"}, amounts("2026-01-19")); diff != "" {
		t.Errorf("converted (-want +got):\n%s", diff)
	}
	if day := "?as_of=2026-01-13"; s.get("/v1/rfm/study"+day, "Accept", inCSV).status(409).problem().Code != "currency_mixed" {
		t.Error("before the payment brought a rate")
	}
	var study readapi.Study
	s.get("/v1/rfm/study").status(200).json(&study)
	detail := `the policy "default" counts in EUR, but there are orders without a rate to it: CHF of 1 customers, USD of 2 customers; publish a policy in another currency, or record such orders with a rate`
	want := readapi.Study{
		Of:         readapi.StudyOf{AsOf: domain.NewDate(2026, 1, 31), PolicyVersion: 1, Policy: "default", Currency: "EUR"},
		Population: 5, Failed: &readapi.StudyFailure{Code: "currency_mixed", Detail: detail}, Stamp: study.Stamp,
		Spread: readapi.Spread{
			Unscored: map[string]int64{"currency_mixed": 2, "no_calibration": 3}, Currencies: map[string]int64{"EUR": 1, "USD": 3, "JPY": 1, "CHF": 1},
			ByRF: []readapi.Cell{}, ByCell: []readapi.Cell{}, ByLabel: []readapi.Cell{},
		},
	}
	if diff := cmp.Diff(want, study); diff != "" {
		t.Errorf("mixed (-want +got):\n%s", diff)
	}
	for _, path := range []string{"/v1/rfm/study?source=till", "/v1/rfm/movement?from=2026-01-19", "/v1/rfm/movement/customers?from=2026-01-19"} {
		if p := s.get(path, "Accept", inCSV).status(409).problem(); p.Code != "currency_mixed" || p.Detail != "As of 2026-01-31, "+detail+"." {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// Who pays with the order pays on its business date, though the business zone is a day
// ahead of the till; who pays later, on the day that it is in the business zone.
func TestThePaymentOfADay(t *testing.T) {
	s := newShop(t)
	p := rules.Default("EUR")
	p.Orders = rules.CountPaid
	day := domain.NewDate(2026, 1, 31)
	late := (day + 1).Start(time.UTC).Add(3 * time.Hour) // 22:00 on the 31st in New York
	for n, paid := range []time.Time{late, late.Add(time.Minute)} {
		c, id := someone(uint64(n+1)), fmt.Sprint("o", n)
		s.customer(c, customer.OrderRecorded{OrderID: id, Total: domain.Money{AmountMinor: 100, Currency: "EUR"}, PlacedAt: late, PlacedOn: day})
		s.customer(c, customer.OrderPaid{OrderID: id, PaidAt: paid, PlacedOn: &day})
	}
	for asOf, scored := range map[domain.Date]int64{day - 1: 0, day: 1, day + 1: 2} {
		var study readapi.Study
		s.post("/v1/rfm/study?as_of="+asOf.String(), draft(t, p)).status(200).json(&study)
		if study.Customers != scored || asOf == day && study.Unscored["no_counted_order"] != 1 {
			t.Errorf("as of %s: %+v", asOf, study)
		}
	}
}

// What the read models pass over is in no study.
func TestAParkedEventIsInNoStudy(t *testing.T) {
	s := newShop(t)
	s.policy()
	wrong := s.order(someone(1), "a", "2026-01-10", 1000)
	s.order(someone(1), "b", "2026-01-11", 500)
	s.append(operations.Stream, uuid.Nil, operations.EventParked{EventID: wrong.ID, Position: wrong.Position, Reason: "broken"})
	var study readapi.Study
	s.get("/v1/rfm/study?as_of=2026-01-31").status(200).json(&study)
	if study.Orders != 1 || study.Revenue.AmountMinor != 500 {
		t.Errorf("%+v", study)
	}
}

// Everything that scores follow from is read from the log, and says the same to whom
// no key is given.
func TestAllThatScoresFollowFromIsRead(t *testing.T) {
	read := 0
	for _, typ := range eventschema.Events.Types() {
		if !strings.HasPrefix(typ.Name, "customer.") {
			continue
		}
		data, err := os.ReadFile(filepath.Join("..", "eventschema", "testdata", typ.Wire()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		raw := eventschema.Raw{Type: typ.Wire(), Data: data, Metadata: []byte("{}")}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		var ids struct {
			OrderID string `json:"order_id"`
		}
		if err := json.Unmarshal(data, &ids); err != nil {
			t.Fatal(err)
		}
		fold := func(e eventschema.Event) (d rfm.Document, moved bool) {
			d.Orders = []rfm.Order{{ID: ids.OrderID, AmountMinor: 1 << 40, Currency: "EUR"}}
			return d, rfm.New().Fold(&d, e)
		}
		d, moved := fold(e)
		if !moved {
			continue
		}
		read++
		if !slices.ContainsFunc(readapi.OrderTypes(), func(prefix string) bool { return strings.HasPrefix(typ.Wire(), prefix) }) {
			t.Errorf("%s changes scores and is not read from the log", typ.Name)
		}
		if e, err = eventschema.Events.Open(raw, eventschema.Erased); err != nil {
			t.Fatal(err)
		}
		if x, _ := fold(e); !cmp.Equal(d, x) {
			t.Errorf("%s says another thing without its personal data", typ.Name)
		}
	}
	if read != len(readapi.OrderTypes()) {
		t.Errorf("%d of %v change scores", read, readapi.OrderTypes())
	}
}

// market is some customers with random orders, and what became of them, recorded in an
// order of its own while days are closed.
type market struct {
	*shop
	src    *rand.Rand
	zone   *time.Location
	facts  []fact
	closed domain.Date
}

// fact is an event with what a naive reader knows of it.
type fact struct {
	of       uuid.UUID
	data     any
	on       domain.Date // counts from
	recorded domain.Date // by business date
	position uint64
}

var marketOpened = domain.NewDate(2026, 1, 31)

func newMarket(t testing.TB, seed uint64) *market {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	m := &market{shop: newShop(t), src: rand.New(rand.NewPCG(seed, 21)), zone: zone, closed: marketOpened - 40}
	m.policy()
	for n := range 60 {
		if n == 15 || n > 15 && m.src.IntN(6) == 0 {
			m.closed = max(marketOpened, m.closed+1+domain.Date(m.src.IntN(20)))
			m.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: m.closed, Zone: "Europe/Berlin"})
		}
		m.trade(n)
	}
	return m
}

func (m *market) trade(n int) {
	of, day := someone(uint64(1+m.src.IntN(9))), m.closed+1-domain.Date(m.src.IntN(40))
	var orders []fact
	for _, f := range m.facts {
		if _, ok := f.data.(customer.OrderRecorded); ok && f.of == of {
			orders = append(orders, f)
		}
	}
	if len(orders) == 0 || m.src.IntN(2) == 0 {
		at := day.Start(m.zone).Add(time.Duration(m.src.IntN(30)) * time.Hour) // the till can be in another zone
		o := customer.OrderRecorded{OrderID: fmt.Sprint("o", n), Total: domain.Money{AmountMinor: m.src.Int64N(9000), Currency: "EUR"}, PlacedAt: at, PlacedOn: day}
		m.tell(of, o, day)
		if m.src.IntN(2) == 0 {
			m.tell(of, customer.OrderPaid{OrderID: o.OrderID, PaidAt: at, PlacedOn: &day}, day)
		}
		return
	}
	o := orders[m.src.IntN(len(orders))].data.(customer.OrderRecorded)
	day = max(day, o.PlacedOn+2)
	at := day.Start(m.zone).Add(time.Duration(m.src.IntN(23)) * time.Hour)
	switch m.src.IntN(4) {
	case 0, 1:
		m.tell(of, customer.OrderPaid{OrderID: o.OrderID, PaidAt: at, PlacedOn: &o.PlacedOn}, day)
	case 2:
		m.tell(of, customer.OrderCancelled{OrderID: o.OrderID, CancelledAt: at, Reason: "personal"}, day)
	default:
		m.tell(of, customer.RefundRecorded{RefundID: fmt.Sprint("r", n), OrderID: o.OrderID, Amount: domain.Money{AmountMinor: m.src.Int64N(90), Currency: "EUR"}, RefundedAt: at, RefundedOn: day}, day)
	}
}

func (m *market) tell(of uuid.UUID, data any, on domain.Date) {
	raw := m.customer(of, data, func(meta *eventschema.Meta) { meta.BusinessDate = m.closed + 1 })
	m.facts = append(m.facts, fact{of, data, on, m.closed + 1, raw.Position})
}

// known says which facts are older than a bound: of before the calendar began, all.
func (m *market) known(on domain.Date) func(fact) bool {
	opened := uint64(0)
	for _, raw := range m.events {
		if strings.HasPrefix(raw.Type, "calendar.") {
			opened = raw.Position
			break
		}
	}
	return func(f fact) bool { return f.recorded <= on || f.position <= opened }
}

// naively scores everybody at the end of a day by the definition, read word by word.
func (m *market) naively(p *rules.Policy, asOf domain.Date, known func(fact) bool) (rows []readapi.RFMRow) {
	type customerThen struct {
		id      uuid.UUID
		ordered bool
		counted int64
		values  rules.Values
	}
	var people []customerThen
	var population []rules.Values
	for n := range uint64(9) {
		is := customerThen{id: someone(n + 1)}
		last := domain.Date(-1)
		then := slices.DeleteFunc(slices.Clone(m.facts), func(f fact) bool { return f.of != is.id || f.on > asOf || !known(f) })
		for _, f := range then {
			o, ok := f.data.(customer.OrderRecorded)
			if !ok {
				continue
			}
			is.ordered = true
			paid, cancelled, minor := false, false, o.Total.AmountMinor
			for _, f := range then {
				switch d := f.data.(type) {
				case customer.OrderPaid:
					paid = paid || d.OrderID == o.OrderID
				case customer.OrderCancelled:
					cancelled = cancelled || d.OrderID == o.OrderID
				case customer.RefundRecorded:
					if d.OrderID == o.OrderID && p.Amounts == rules.Net {
						minor -= d.Amount.AmountMinor
					}
				}
			}
			if p.Orders == rules.CountPaid && (!paid || cancelled) {
				continue
			}
			is.counted++
			last = max(last, o.PlacedOn)
			if p.WindowDays == 0 || int(asOf-o.PlacedOn) < p.WindowDays {
				is.values.Frequency++
				is.values.MonetaryMinor += minor
			}
		}
		is.values.RecencyDays = int64(asOf - last)
		if is.counted > 0 {
			population = append(population, is.values)
		}
		if is.ordered {
			people = append(people, is)
		}
	}
	cuts := rules.Calibrate(p, rules.Of(population))
	for _, is := range people {
		row := readapi.RFMRow{Customer: is.id.String()}
		switch {
		case len(cuts.Recency) == 0:
			row.Reason = "no_calibration"
		case is.counted == 0:
			row.Reason = "no_counted_order"
		default:
			s := cuts.Score(is.values)
			row.RecencyDays, row.Transactions = &is.values.RecencyDays, &is.values.Frequency
			row.Amount, row.R, row.F, row.M = new(decimal(is.values.MonetaryMinor)), &s.R, &s.F, &s.M
			row.Score, row.Label = new(s.Number()), new(p.Label(s))
		}
		rows = append(rows, row)
	}
	return rows
}

func decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func studied(t testing.TB, a answer) (rows []readapi.RFMRow) {
	t.Helper()
	for line := range bytes.Lines(a.status(200).Body.Bytes()) {
		var row readapi.RFMRow
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// Whatever happened and whenever it was heard of, the study of any day is the plain
// definition over what had happened by then, and a movement is two of them.
func TestAStudyOfAnyDay(t *testing.T) {
	for seed := range uint64(4) {
		m := newMarket(t, seed)
		for range 8 {
			p := rules.Default("EUR")
			p.Examples, p.Bins = nil, 3
			p.Labels = []rules.Label{{Name: "good", Codes: []string{"333", "332"}}, {Name: "new", Recency: &rules.Range{From: 3, To: 3}, Frequency: &rules.Range{From: 1, To: 3}, Monetary: &rules.Range{From: 1, To: 3}}}
			p.Orders = []string{rules.CountRecorded, rules.CountPaid}[m.src.IntN(2)]
			p.Amounts = []string{rules.Gross, rules.Net}[m.src.IntN(2)]
			p.WindowDays = []int{0, 15}[m.src.IntN(2)]
			if m.src.IntN(3) == 0 {
				p.Method, p.Cuts = rules.Thresholds, &rules.Cuts{RecencyDays: []int64{5, 20}, Frequency: []int64{2, 3}, MonetaryMinor: []int64{3000, 9000}}
			}
			known, query := func(fact) bool { return true }, ""
			if m.src.IntN(2) == 0 {
				on := marketOpened + domain.Date(m.src.IntN(int(m.closed-marketOpened)+2)-1)
				known, query = m.known(on), "&known_at="+on.String()
			}
			from := m.closed + 5 - domain.Date(m.src.IntN(70))
			to := from + 1 + domain.Date(m.src.IntN(30))
			days := [2][]readapi.RFMRow{m.naively(&p, from, known), m.naively(&p, to, known)}
			body := draft(t, p)
			for i, day := range []domain.Date{from, to} {
				got := studied(t, m.post("/v1/rfm/study?as_of="+day.String()+query, body, "Accept", inLines))
				if diff := cmp.Diff(days[i], got); diff != "" {
					t.Fatalf("seed %d, as of %s%s by %+v (-naive +study):\n%s", seed, day, query, p, diff)
				}
			}
			m.checkMovement("?from="+from.String()+"&to="+to.String()+query, body, days)
		}
	}
}

// The study of a closed day, known at that day, is the calibration that was made then.
func TestWhatWasKnownWhenADayWasClosed(t *testing.T) {
	s := newShop(t)
	s.policy()
	closes := func(day string) domain.Date {
		d, _ := domain.ParseDate(day)
		s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: d, Zone: "Europe/Berlin"})
		s.clock = (d + 1).Start(time.UTC).Add(9 * time.Hour)
		return d
	}
	closes("2026-01-31")
	s.order(someone(1), "a", "2026-01-20", 1000)
	s.order(someone(2), "b", "2026-02-01", 300)
	first := closes("2026-02-02")
	s.order(someone(2), "late", "2026-01-25", 5000)
	s.order(someone(3), "after", "2026-02-03", 100)
	closes("2026-02-05")
	orders := func(query string) (n int64) {
		var study readapi.Study
		s.get("/v1/rfm/study?as_of=" + first.String() + query).status(200).json(&study)
		if query != "" && study.Of.KnownOn == nil && study.Of.KnownAt == nil {
			t.Errorf("%s: %+v", query, study.Of)
		}
		return study.Orders
	}
	if known, all, then := orders("&known_at=2026-02-02"), orders(""), orders("&known_at=2026-02-02T12:00:00Z"); known != 2 || all != 3 || then != 2 {
		t.Errorf("known then %d, all %d, known by an instant %d", known, all, then)
	}
	// The policy in force today scores, whatever was in force then; any version can be asked for.
	p := rules.Default("EUR")
	p.Name, p.Orders = "paid", rules.CountPaid
	s.append(policy.Stream(policy.KindRFM), uuid.Nil, policy.Published{Kind: policy.KindRFM, Version: 2, EffectiveFrom: domain.NewDate(2026, 2, 6), RFM: &p})
	later := p
	s.append(policy.Stream(policy.KindRFM), uuid.Nil, policy.Published{Kind: policy.KindRFM, Version: 3, EffectiveFrom: domain.NewDate(2026, 3, 6), RFM: &later})
	for query, want := range map[string]int{"": 2, "?policy_version=1": 1, "?policy_version=3": 3} {
		var study readapi.Study
		s.get("/v1/rfm/study" + query).status(200).json(&study)
		if study.Of.PolicyVersion != want {
			t.Errorf("%s: version %d", query, study.Of.PolicyVersion)
		}
	}
}
