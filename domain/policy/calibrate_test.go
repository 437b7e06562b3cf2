package policy_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/policy"
)

func TestCalibrate(t *testing.T) {
	day := domain.NewDate(2026, time.March, 1)
	requested := CalibrationRequested{Kind: KindRFM, AsOf: day}
	domaintest.Run(t, []domaintest.Spec[State, Event]{{
		Name: "cut points are asked for as of the last closed day",
		When: Calibrate{Closed: &day},
		Then: []Event{requested},
	}, {
		Name:  "again, as often as one likes",
		Given: []Event{requested},
		When:  Calibrate{Closed: &day},
		Then:  []Event{requested},
	}, {
		Name:  "no day was closed yet",
		When:  Calibrate{},
		Error: ErrNoDayClosed,
	}})
}

func TestCalibrateValue(t *testing.T) {
	day := domain.NewDate(2026, time.March, 1)
	requested := CalibrationRequested{Kind: KindValue, AsOf: day}
	domaintest.Run(t, []domaintest.Spec[State, Event]{{
		Name:  "percentiles are asked for as of the last closed day, as often as one likes",
		Given: []Event{requested},
		When:  CalibrateValue{Closed: &day},
		Then:  []Event{requested},
	}, {
		Name:  "no day was closed yet",
		Given: []Event{Published{Kind: KindValue, Version: 1}},
		When:  CalibrateValue{},
		Error: ErrNoDayClosed,
	}})
	if at := (CalibrateValue{}).Stream(); at != "policy-value" {
		t.Errorf("in %s", at)
	}
}
