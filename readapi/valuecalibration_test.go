package readapi_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/readapi"
)

// Who closed a day learns here when the percentiles are applied and the lists follow.
func TestValueCalibration(t *testing.T) {
	s := newShop(t)
	p := value.Default("EUR")
	s.append(policy.Stream(policy.KindValue), uuid.Nil, policy.Published{Kind: policy.KindValue, Version: 1, EffectiveFrom: policy.Always, Value: &p})
	for n := range uint64(8) {
		s.register(someone(n), customer.Name{Given: "Ada"}, "web")
	}
	look := func() (a readapi.ValueCalibration) {
		t.Helper()
		s.get("/v1/value/calibration?min_position=" + itoa(s.position)).status(200).json(&a)
		return a
	}
	state := func() string {
		t.Helper()
		a := look()
		return fmt.Sprint(a.State, " ", a.Sweeping)
	}
	close := func(day string) readapi.AskedPercentiles {
		t.Helper()
		closed := s.append(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: dated(day), Zone: "Europe/Berlin"})
		return readapi.AskedPercentiles{Trigger: closed.ID.String(), TriggerPosition: closed.Position, AsOf: dated(day), PolicyVersion: 1}
	}
	s.project()
	close("2026-03-01")
	s.project()
	if got := look(); got.State != "none" || got.Sweeping != 0 || got.Asked != nil || got.Calibration != nil || *got.AsOf != dated("2026-03-01") {
		t.Errorf("no rule wants to know: %+v", got)
	}
	s.append(segment.Stream("best"), uuid.Nil, segment.Defined{SegmentID: "best", Kind: segment.Dynamic, Name: "Best", Rule: `percentile("revenue") >= 90`})
	s.apply()
	if got := state(); got != fmt.Sprint("pending ", partitions) {
		t.Error("a rule was published:", got)
	}
	s.project()
	asked := *look().Asked
	if got := state(); got != "pending 0" || asked.AsOf != dated("2026-03-01") {
		t.Errorf("%s, asked %+v", got, asked)
	}
	next := close("2026-03-02")

	calibrated := func(q readapi.AskedPercentiles) value.Calibrated {
		return value.Calibrated{
			Trigger: q.Trigger, TriggerPosition: q.TriggerPosition, AsOf: q.AsOf, PolicyVersion: 1, Currency: "EUR", Denominator: 100,
			Measures: []value.Cuts{{Name: value.Revenue, Population: 3, Unknown: 1, Cuts: []int64{100, 250}}, {Name: value.Contributed, Unknown: 4, Cuts: []int64{}}},
		}
	}
	s.append(value.CalibrationStream, uuid.Nil, calibrated(asked))
	s.project()
	if got := look(); got.State != "pending" || *got.Asked != next || got.Calibration.AskedPercentiles != asked {
		t.Errorf("the next day is still to come: %+v", got)
	}
	s.append(value.CalibrationStream, uuid.Nil, calibrated(next))
	s.project(0)
	s.get("/v1/value/calibration?min_position=" + itoa(s.position)).status(503)
	behind := readapi.ValueCalibration{}
	if s.get("/v1/value/calibration").status(200).json(&behind); behind.State != "pending" {
		t.Errorf("applied in one partition only: %+v", behind)
	}
	s.apply()
	if got := state(); got != fmt.Sprint("applied ", partitions-1) {
		t.Error("who is not reached yet has not taken their place:", got)
	}
	s.project()
	got := look()
	want := readapi.ValueCalibration{State: "applied", Stamp: got.Stamp, Calibration: &readapi.StandingPercentiles{
		AskedPercentiles: next, Currency: "EUR", Denominator: 100, Measures: []readapi.MeasurePercentiles{
			{Name: "revenue", Population: 3, Unknown: 1, Cuts: []int64{100, 250}}, {Name: "contribution", Unknown: 4, Cuts: []int64{}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" || got.Position != s.position || *got.AsOf != dated("2026-03-02") {
		t.Error(diff)
	}

	third := close("2026-03-03")
	s.append(value.CalibrationStream, uuid.Nil, value.CalibrationFailed{
		Trigger: third.Trigger, TriggerPosition: third.TriggerPosition, AsOf: third.AsOf, PolicyVersion: 1, Code: "too_large", Detail: "too many",
	})
	s.project()
	if got := look(); got.State != "failed" || got.Calibration.AskedPercentiles != next ||
		*got.Failed != (readapi.FailedValueCalibration{AskedPercentiles: third, Code: "too_large", Detail: "too many"}) {
		t.Errorf("%+v", got)
	}
	s.get("/v1/value/calibration?min_position=x").status(400)
}
