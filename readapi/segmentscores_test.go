package readapi_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/policy"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/readapi"
)

// The mean scores of a segment follow a calibration though no rule asks for scores.
func TestMeanScoresFollowACalibrationThatNoRuleAsksFor(t *testing.T) {
	s := newSegmentShop(t)
	s.closeDay("2026-03-04", rules.Values{RecencyDays: 2, Frequency: 1, MonetaryMinor: 3000}, rules.Values{RecencyDays: 1, Frequency: 1, MonetaryMinor: 1001})
	s.project()
	for id, scored := range map[string]int64{"recent": 2, "vip": 2} {
		var got readapi.SegmentAnswer
		s.get("/v1/segments/" + id).status(200).json(&got)
		if got.Metrics.Scored != scored || got.Metrics.MeanR == nil || got.Metrics.MeanF == nil || got.Metrics.MeanM == nil {
			t.Errorf("%s: %+v", id, got.Metrics)
		}
	}
	if _, answer := s.members("vip/members?fields=label"); answer.Members[0].Label == "" {
		t.Errorf("%+v", answer.Members)
	}
}

// Revenue is told by the policy in force, also where no rule asks what customers are
// worth, and no calibration follows.
func TestRevenueFollowsAPolicyThatNoRuleAsksFor(t *testing.T) {
	s := newSegmentShop(t)
	s.project()
	dollars := value.Default("USD")
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 2, EffectiveFrom: policy.Always, Value: &dollars})
	s.project()
	var got readapi.SegmentAnswer
	s.get("/v1/segments/recent").status(200).json(&got)
	if m := got.Metrics; m.Customers != 2 || m.Unvalued != 2 || m.Revenue.AmountMinor != 0 || m.Revenue.Currency != "USD" || m.AverageRevenue != nil {
		t.Errorf("%+v of %+v", m, m.Revenue)
	}
}
