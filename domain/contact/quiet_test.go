package contact_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rapport-crm/rapport/domain/contact"
)

func TestQuietHours(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	berlin, lordHowe := zone("Europe/Berlin"), zone("Australia/Lord_Howe")
	night, noon, gap := contact.Hours{From: "21:00", To: "08:00"}, contact.Hours{From: "12:00", To: "13:00"}, contact.Hours{From: "22:00", To: "02:30"}
	for _, c := range []struct {
		name      string
		hours     contact.Hours
		at, until string // until is empty where it is not quiet
		zone      *time.Location
	}{
		{"by day", night, "2026-03-02T12:00:00Z", "", berlin},
		{"the first minute", night, "2026-03-02T20:00:00Z", "2026-03-03T07:00:00Z", berlin},
		{"just before it", night, "2026-03-02T19:59:59.999Z", "", berlin},
		{"the last moment", night, "2026-03-02T06:59:59.999Z", "2026-03-02T07:00:00Z", berlin},
		{"the first moment after", night, "2026-03-02T07:00:00Z", "", berlin},
		{"over midnight", night, "2026-03-02T23:30:15.5Z", "2026-03-03T07:00:00Z", berlin},
		{"within a day", noon, "2026-03-02T12:59:59Z", "2026-03-02T13:00:00Z", time.UTC},
		{"within a day, after", noon, "2026-03-02T13:00:00Z", "", time.UTC},
		{"within a day, before", noon, "2026-03-02T11:59:59Z", "", time.UTC},
		// On 29 March 2026 the clocks of Berlin go from 02:00 to 03:00.
		{"the night is an hour shorter in spring", night, "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z", berlin},
		{"the end falls into the hour that is skipped", gap, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", berlin},
		{"what begins in the hour that is skipped begins after it", contact.Hours{From: "02:30", To: "04:00"}, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", berlin},
		{"what lies in the hour that is skipped is no time", contact.Hours{From: "02:10", To: "02:50"}, "2026-03-29T01:00:00Z", "", berlin},
		// On 25 October 2026 they go from 03:00 back to 02:00.
		{"the night is an hour longer in autumn", night, "2026-10-24T19:00:00Z", "2026-10-25T07:00:00Z", berlin},
		{"the end comes once, and then it is quiet again", gap, "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z", berlin},
		{"between the end and the second time it is not quiet", gap, "2026-10-25T00:45:00Z", "", berlin},
		{"the second time", gap, "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z", berlin},
		// Lord Howe Island puts its clocks by half an hour.
		{"clocks go by half an hour", contact.Hours{From: "22:00", To: "02:15"}, "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z", lordHowe},
		{"hours that are none", contact.Hours{From: "x", To: "08:00"}, "2026-03-02T23:30:00Z", "", time.UTC},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, c.at)
			if err != nil {
				t.Fatal(err)
			}
			until, quiet := c.hours.Quiet(at, c.zone)
			if quiet != (c.until != "") {
				t.Fatalf("quiet: %v", quiet)
			}
			if quiet && until.Format(time.RFC3339Nano) != c.until {
				t.Errorf("until %v, want %v", until.Format(time.RFC3339Nano), c.until)
			}
			if _, still := c.hours.Quiet(until, c.zone); quiet && still {
				t.Errorf("it is still quiet at %v", until)
			}
		})
	}
}
