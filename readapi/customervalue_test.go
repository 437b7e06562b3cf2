package readapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/readapi"
)

func (s *shop) value(c uuid.UUID, query string) (got readapi.CustomerValue) {
	s.t.Helper()
	s.get("/v1/customers/" + c.String() + "/value" + query).status(http.StatusOK).json(&got)
	return got
}

func TestTheValueOfACustomer(t *testing.T) {
	s := newSegmentClub(t)
	s.project()
	got := s.get("/v1/customers/" + s.ann.String() + "/value").status(http.StatusOK)
	s.golden("customer_value.json", got.Body.Bytes())
	anns := s.value(s.ann, "")
	if anns.Contribution.AmountMinor != 5500 || anns.Band != value.Top || anns.Parts.Costs[value.Service].AmountMinor != 500 || anns.PolicyVersion != 1 {
		t.Errorf("%+v", anns)
	}
	percentiles := map[string]int{value.Revenue: 99, value.Contributed: 99}
	for _, m := range anns.Measures {
		if want, ok := percentiles[m.Name]; ok != (m.Percentile != nil) || ok && *m.Percentile != want {
			t.Errorf("%+v", m)
		}
	}
	bobs := s.value(s.bob, "")
	if bobs.Contribution != nil || bobs.Reason != value.NoCosts || bobs.Band != value.Unknown || bobs.BandReason != value.NoCosts || bobs.Measures[0].Reason != value.NoOrder {
		t.Errorf("%+v", bobs)
	}

	// On the first nothing was closed, and the cost of the second had not come.
	first := s.value(s.ann, "?as_of=2026-03-01")
	if first.Contribution.AmountMinor != 6000 || first.Calibration != nil || first.Band != value.Unknown || first.BandReason != "not_calibrated" || first.Then == nil || len(first.Costs) != 0 {
		t.Errorf("%+v", first)
	}
	if third := s.value(s.ann, "?as_of=2026-03-03"); third.Contribution.AmountMinor != 5500 || third.Calibration.EventID != s.events["worth"].ID || third.Band != value.Top {
		t.Errorf("%+v", third)
	}
	s.get("/v1/customers/" + someone(99).String() + "/value").status(http.StatusNotFound)
	s.get("/v1/customers/" + s.ann.String() + "/value?when=now").status(http.StatusBadRequest)
}

func TestTheValuePyramid(t *testing.T) {
	s := newSegmentClub(t)
	// Cid costs more than he brings; Bob pays, and what the goods cost is not known.
	s.customer(s.cid, customer.CostRecorded{
		CostID: "c2", Kind: value.Campaign, Amount: domain.Money{AmountMinor: 700, Currency: "EUR"}, IncurredAt: tenIn(dated("2026-03-02")), IncurredOn: dated("2026-03-02"),
	})
	s.pays(s.bob, "o2", dated("2026-03-01"))
	s.project()
	got := s.get("/v1/value/pyramid").status(http.StatusOK)
	s.golden("value_pyramid.json", got.Body.Bytes())
	var pyramid readapi.ValuePyramid
	got.json(&pyramid)
	want := map[string][3]int64{value.Top: {1, 10000, 5500}, value.Negative: {1, 0, -700}, value.Unknown: {1, 2000, 0}}
	for _, b := range pyramid.Bands {
		if (b.Contribution == nil) != (b.Band == value.Unknown) {
			t.Errorf("%s: %+v", b.Band, b)
		}
		contribution := int64(0)
		if b.Contribution != nil {
			contribution = b.Contribution.AmountMinor
		}
		if got := [3]int64{b.Customers, b.Revenue.AmountMinor, contribution}; got != want[b.Band] {
			t.Errorf("%s: %v, not %v", b.Band, got, want[b.Band])
		}
		if own := s.value(map[string]uuid.UUID{value.Top: s.ann, value.Negative: s.cid, value.Unknown: s.bob, value.Middle: s.ann, value.Base: s.ann}[b.Band], ""); b.Customers > 0 && own.Band != b.Band {
			t.Errorf("%s: %+v", b.Band, own)
		}
	}
	s.get("/v1/value/pyramid?min_position=x").status(http.StatusBadRequest)
	refused := s.get("/v1/value/pyramid?band=top").status(http.StatusBadRequest).Body.String()
	if want := `"band is not a parameter of this query, which has min_position"`; !strings.Contains(refused, want) {
		t.Errorf("%s", refused)
	}
}

// Where no rule asks what customers are worth, nobody was put into a band.
func TestThePyramidOfWhatNobodyAsked(t *testing.T) {
	s := valuingShop(t)
	var pyramid readapi.ValuePyramid
	s.get("/v1/value/pyramid").status(http.StatusOK).json(&pyramid)
	if pyramid.Calibration != nil || len(pyramid.Bands) != 5 || pyramid.Customers != 1 || pyramid.Currency != "EUR" || pyramid.PolicyVersion != 1 {
		t.Errorf("%+v", pyramid)
	}
	for _, b := range pyramid.Bands {
		if b.Customers != 0 || b.Share != nil {
			t.Errorf("%+v", b)
		}
	}
	if got := s.value(someone(1), ""); got.BandReason != value.NoCosts || got.Calibration != nil || got.From != nil {
		t.Errorf("%+v", got)
	}
}

// Before the first calibration a customer is in the band in which rules find them: that
// of who is not known, also who costs more than they bring.
func TestTheBandBeforeTheFirstCalibration(t *testing.T) {
	s := valuingShop(t)
	s.dynamic("costly", `value.band == "negative"`)
	s.dynamic("puzzling", `value.band == "unknown"`)
	s.customer(someone(1), customer.CostRecorded{
		CostID: "c1", Kind: value.Campaign, Amount: domain.Money{AmountMinor: 700, Currency: "EUR"}, IncurredAt: tenIn(dated("2026-03-01")), IncurredOn: dated("2026-03-01"),
	})
	s.project()
	var in readapi.CustomerSegments
	s.get("/v1/customers/" + someone(1).String() + "/segments").status(http.StatusOK).json(&in)
	if got := s.value(someone(1), ""); got.Band != value.Unknown || got.BandReason != "not_calibrated" || got.Contribution.AmountMinor != -700 ||
		len(in.Segments) != 1 || in.Segments[0].SegmentID != "puzzling" {
		t.Errorf("%+v, %+v", got, in.Segments)
	}
}

// valuingShop is a shop with a policy of values and one customer.
func valuingShop(t testing.TB) *shop {
	s := newShop(t)
	p := value.Default("EUR")
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 1, EffectiveFrom: policy.Always, Value: &p})
	s.register(someone(1), customer.Name{Given: "Ann"}, "web")
	s.project()
	return s
}

func TestTheValueWithoutAPolicy(t *testing.T) {
	s := newShop(t)
	s.register(someone(1), customer.Name{Given: "Ann"}, "web")
	s.project()
	if got := s.value(someone(1), ""); got.Reason != "no_policy" || got.Band != value.Unknown {
		t.Errorf("%+v", got)
	}
	s.get("/v1/value/pyramid").status(http.StatusOK)
}
