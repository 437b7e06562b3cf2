package projections_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	goccy "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/lifecycle"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// Documents are written by a quicker library, and are what encoding/json would
// have written and would read, whatever is in them.
func TestDocumentsAreOrdinaryJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		events := life(r)
		same(t, profile.New(), events)
		same(t, rfm.New(), events)
		same(t, lifecycle.New(), events)
		same(t, projections.NewKeys(), events)
	}
}

func same[D any](t *testing.T, v *projections.View[D], events []projections.Event) {
	t.Helper()
	d, ok := v.Of(events...)
	if !ok {
		return
	}
	want, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := goccy.Marshal(&d)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%s, %v:\n%s\n%s", v, err, got, want)
	}
	var a, b D
	if err := json.Unmarshal(want, &a); err != nil {
		t.Fatal(err)
	}
	if err := goccy.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Fatalf("%s is read differently:\n%s", v, diff)
	}
	again, _ := json.Marshal(&a)
	if string(again) != string(want) {
		t.Fatalf("%s means something else after it was stored:\n%s\n%s", v, again, want)
	}
}

// texts are what names and ids can look like: valid UTF-8, the schema sees to it.
var texts = []string{"", "Ann", "Łukasz \"Quote\"", "<script>&", "日本語", "\u2028\u2029", "a\x00b\x1f\x7f", "🜁", "back\\slash/", "tab\tnew\nline"}

func life(r *rand.Rand) []projections.Event {
	text := func() string { return texts[r.IntN(len(texts))] }
	date := func() domain.Date { return domain.Date(r.IntN(40000) - 5000) }
	instant := func() time.Time { return time.Unix(r.Int64N(4e9)-1e9, r.Int64N(1e9)).UTC() }
	money := func() domain.Money { return domain.Money{AmountMinor: r.Int64N(1e15) - 5e14, Currency: "EUR"} }
	var events []projections.Event
	for range r.IntN(12) {
		var data any
		order := fmt.Sprint("o", r.IntN(4), text())
		switch r.IntN(8) {
		case 0:
			data = customer.Registered{Kind: customer.Person, Name: customer.Name{Given: text(), Family: text()}, Source: customer.Source{Channel: text()}, RegisteredAt: instant()}
		case 1:
			data = customer.ExternalIDLinked{System: text(), ID: text(), Lookup: fmt.Sprint(r.IntN(3))}
		case 2:
			data = customer.OrderPaid{OrderID: order, PaidAt: instant()}
		case 3:
			data = customer.OrderCancelled{OrderID: order}
		case 4:
			data = customer.RefundRecorded{OrderID: order, Amount: money(), RefundedOn: date()}
		case 6:
			on := date()
			data = customer.StageEntered{
				Stage: text(), From: text(), Trigger: text(), ReasonCode: text(), Override: r.IntN(2) == 0, PolicyVersion: r.IntN(2), EnteredAt: instant(),
				Cause: customer.StageCause{Type: text(), OrderID: order, Day: &on}, IdleSince: &on,
			}
		case 5:
			data = datakey.Created{KeyID: text(), Wrapped: []byte(text())}
		default:
			data = customer.OrderRecorded{OrderID: order, Total: money(), PlacedOn: date(), FX: &customer.FX{Rate: "1.25", Base: "USD"}}
		}
		events = append(events, projections.Event{ID: uuid.UUID{15: byte(r.IntN(2))}, Data: data, Meta: projections.Event{}.Meta})
	}
	return events
}

// The manager's metrics are well formed, and there from the start.
func TestMetrics(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		registry := prometheus.NewPedanticRegistry()
		m := s.manager(s.store)
		m.Metrics = projections.NewMetrics(registry)
		registry.MustRegister(m)
		if families, err := registry.Gather(); err != nil || len(families) == 0 {
			t.Errorf("%d metrics before the start, %v", len(families), err)
		}
		s.registerAll()
		defer s.manage(m)()
		s.caughtUp(m)
		families, err := registry.Gather()
		if err != nil {
			t.Error(err)
		}
		for _, f := range families {
			first := f.GetMetric()[0]
			switch got := first.GetCounter().GetValue() + first.GetGauge().GetValue(); f.GetName() {
			case "rapport_projection_events_applied_total":
				if got != 2*lanes {
					t.Errorf("%v events counted, not %d", got, 2*lanes)
				}
			case "rapport_projection_position":
				if got != float64(s.log.Head()) {
					t.Errorf("position %v, not %d", got, s.log.Head())
				}
			case "rapport_projection_lag":
				if got != 0 {
					t.Errorf("lag %v", got)
				}
			}
		}
		if len(families) < 6 {
			t.Errorf("only %d metrics", len(families))
		}
	})
}
