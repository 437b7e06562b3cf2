package eventschema_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/eventschema"
)

// What is stored of the event that closes a day.
func ExampleRegistry_Seal() {
	day := domain.NewDate(2026, 3, 1)
	evening := time.Date(2026, 3, 2, 0, 0, 5, 0, time.UTC)
	raw, _, err := eventschema.Events.Seal(eventschema.Chain{}, calendar.Stream, 0, eventschema.Meta{
		Command:      uuid.MustParse("5b0c6f0e-8a0d-4e0f-9c58-1d2f3a4b5c6d"),
		Actor:        eventschema.Actor{Kind: "system", ID: "day-closer"},
		OccurredAt:   evening,
		RecordedAt:   evening,
		BusinessDate: day + 1,
	}, calendar.DayClosed{Date: day, Zone: "Europe/Dublin"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(raw.Type)
	fmt.Printf("%s\n%s\n", raw.Data, raw.Metadata)

	event, err := eventschema.Events.Open(raw, nil)
	fmt.Println(event.Type, event.Data.(calendar.DayClosed).Date, err)
	// Output:
	// calendar.day_closed.v1
	// {"date":"2026-03-01","zone":"Europe/Dublin"}
	// {"command_id":"5b0c6f0e-8a0d-4e0f-9c58-1d2f3a4b5c6d","actor":{"kind":"system","id":"day-closer"},"occurred_at":"2026-03-02T00:00:05Z","recorded_at":"2026-03-02T00:00:05Z","business_date":"2026-03-02","chain":"e9d53b0e75f858c0d3148368fa7cba603774999c4a65842b0a19b45bf920cedf"}
	// calendar.day_closed 2026-03-01 <nil>
}
