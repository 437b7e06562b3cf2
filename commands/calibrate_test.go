package commands_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain/deployment"
)

func TestCalibratingOverHTTP(t *testing.T) {
	s := serve(t, deployment.Manual)
	paths := []string{"/v1/policies/rfm/calibrate", "/v1/policies/value/calibrate"}
	for _, path := range paths {
		if got := told(t, s.Post(path, `{}`)); got != "409 no_day_closed" {
			t.Errorf("%s before there is a day: %s", path, got)
		}
	}
	s.must(t, 200, "", "/v1/calendar/close-day", `{"date":"2026-02-28"}`)
	for _, path := range paths {
		for body, want := range map[string]string{
			`{}`: "200 policy.calibration_requested", `{"as_of":"2026-02-28"}`: "422 validation_failed /as_of",
		} {
			if got := told(t, s.Post(path, body)); got != want {
				t.Errorf("%s %s: %s, want %s", path, body, got, want)
			}
		}
	}
}
