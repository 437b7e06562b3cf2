package segments_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/internal/partitiontest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// A customer's way in and out of segments, through a partition and a store.
func TestMembershipFollowsEventsAndDays(t *testing.T) {
	ctx, store, w := t.Context(), new(memstore.Store), partitiontest.NewWriter(t)
	ann := partitiontest.CustomerID(1)
	day := domain.NewDate(2026, 3, 1)
	var log []eventschema.Raw
	say := func(stream string, of uuid.UUID, data any) (index int) {
		log = append(log, w.Event(stream, of, data))
		return len(log) - 1
	}
	position := func(index int) uint64 { return uint64(index + 1) }
	say(deployment.Stream, uuid.Nil, deployment.Created{Zone: "UTC"})
	say(segment.Stream("recent"), uuid.Nil, segment.Defined{SegmentID: "recent", Kind: segment.Dynamic, Name: "Recent", Rule: `orders.within(30).count() > 0`})
	say(segment.Stream("both"), uuid.Nil, segment.Defined{
		SegmentID: "both", Kind: segment.Dynamic, Name: "Both", Rule: `in_segment("recent") && "vip" in tags`, Asks: []string{"recent"},
	})
	say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: day, Zone: "UTC"})
	log = append(log, w.Register(ann, "Ann")...)
	say(customer.Stream(ann), ann, customer.TagAdded{Tag: "vip", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	log = append(log, w.Order(ann, "o1", 1000, day))
	ordered, left := len(log)-1, 0
	for d := day + 1; d <= day+31; d++ {
		if at := say(calendar.Stream, uuid.Nil, calendar.DayClosed{Date: d, Zone: "UTC"}); d == day+30 {
			left = at
		}
	}
	var causes []string
	view := segments.New(func(cause string) { causes = append(causes, cause) })
	filling := projections.Filling{View: view, Number: 1}
	for i := range log {
		log[i].Position = position(i)
	}
	p := projections.NewPartition(0, store, projections.Rules{Schema: eventschema.Events, Keys: partitiontest.Keyring, KeySource: w}, filling)
	if err := p.Apply(ctx, projections.Batch{Events: log, End: log[len(log)-1].Position, Live: true}); err != nil {
		t.Fatal(err)
	}
	docs, err := store.Load(ctx, 0, []projections.Generation{filling.Generation()}, []uuid.UUID{ann})
	if err != nil {
		t.Fatal(err)
	}
	var d segments.Document
	if err := json.Unmarshal(docs[0][0], &d); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"recent", "both"} {
		s := d.Segments[id]
		if s == nil || len(s.Stays) != 1 || s.Stays[0].To == nil {
			t.Fatalf("%s: %+v", id, s)
		}
		from, to := s.Stays[0].From, *s.Stays[0].To
		if from.Position != position(ordered) || from.Kind != segments.ByEvent || from.Type != "customer.order_recorded" {
			t.Errorf("%s began with %+v, not with the order", id, from)
		}
		// The window of thirty days is (D-30, D]: the order of the 1st is out of it when the 31st ends.
		if to.Position != position(left) || to.Kind != segments.ByDay || *to.On != day+30 {
			t.Errorf("%s ended with %+v, not with the 31st", id, to)
		}
	}
	// Thirty-one days were closed; one concerned Ann.
	if diff := cmp.Diff([]string{segments.ByEvent, segments.ByEvent, segments.ByEvent, segments.ByDay}, causes); diff != "" {
		t.Error(diff)
	}
}
