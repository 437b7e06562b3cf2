package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/operations"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// newGrouping is a deployment whose read model is that of segments.
func newGrouping(t *testing.T) *deployment {
	d := &deployment{T: t, log: &memlog.Log{}, store: memstore.New()}
	d.writer = newWriter(d.log)
	d.must(d.store.SaveCatalogue(t.Context(), projections.Catalogue{
		Partitions: partitions, Views: map[string]projections.Slot{segments.Name: {Serving: 1, Last: 1}},
	}))
	rules := projections.Rules{Schema: eventschema.Events, Keys: keyring(), KeySource: keysIn{d.log}}
	for p := range partitions {
		d.lanes = append(d.lanes, projections.NewPartition(p, d.store, rules,
			projections.Filling{View: segments.New(nil), Number: 1}, projections.Filling{View: projections.NewKeys(), Number: 1}))
	}
	d.publish(rfm.Default("EUR"))
	return d
}

// group runs clusterers, each in a process of its own, until the returned function
// is called.
func (d *deployment) group(processes int) (stop func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var group sync.WaitGroup
	for range processes {
		c := &jobs.Clusterer{ReadModels: d.store, Log: d.log, Writer: newWriter(d.log), Logger: slog.New(slog.DiscardHandler)}
		group.Go(func() {
			if err := c.Writer.World.Follow(ctx, d.log, eventschema.Events); !errors.Is(err, context.Canceled) {
				d.Error(err)
			}
		})
		events := d.events()
		d.must(c.Writer.World.WaitFor(ctx, events[len(events)-1].Position))
		group.Go(func() {
			if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
				d.Error(err)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// fit asks for clusters, and returns the event.
func (d *deployment) fit(id string, day domain.Date, seed uint64, k int) eventschema.Raw {
	d.Helper()
	execute(d, cluster.Fit{Named: cluster.Named{ClusterID: id}, Closed: &day, K: k, Seed: seed})
	events := d.events()
	return events[len(events)-1]
}

// grouped waits until a clustering has n answers, and returns them.
func (d *deployment) grouped(id string, n int) (answers []cluster.Event) {
	d.Helper()
	err := d.log.Follow(d.Context(), 0, []string{"cluster."}, func(p eventschema.Page) error {
		for _, raw := range p.Events {
			e, err := eventschema.Events.Open(raw, nil)
			if err != nil {
				return err
			}
			if _, asked := e.Data.(cluster.Requested); raw.Stream == cluster.Stream(id) && !asked {
				answers = append(answers, e.Data.(cluster.Event))
			}
		}
		if len(answers) >= n {
			return errRead
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		d.Fatal(err)
	}
	return answers
}

func TestCustomersAreGroupedWhenEveryPartitionHasContributed(t *testing.T) {
	d := newGrouping(t)
	for i := range 20 {
		d.order(day-domain.Date(30+i), int64(90_000+1_000*i), "EUR")
		d.order(day-domain.Date(300+10*i), int64(900+10*i), "EUR")
	}
	d.close(day)
	d.order(day+1, 1, "EUR") // after the day: not of its population
	stop := d.group(2)
	first := d.fit("shoppers", day, 7, 2)
	d.apply(0, 1, 2, 3)
	second := d.fit("shoppers", day, 8, 0)
	many := d.fit("many", day, 0, 20)
	d.apply(0, 1, 2, 3)
	if n := len(d.of("cluster.")); n != 3 {
		t.Errorf("one partition is behind: %d events", n)
	}
	d.apply(4)
	answers := d.grouped("shoppers", 2)
	d.grouped("many", 1)
	stop()

	for i, asked := range []eventschema.Raw{first, second} {
		f := answers[i].(cluster.Fitted)
		if f.Version != i+1 || f.Trigger != asked.ID.String() || f.TriggerPosition != asked.Position || f.AsOf != day || f.Currency != "EUR" || f.K != 2 || f.Population != 40 || f.Excluded != 1 {
			t.Errorf("%+v", f)
		}
		for number, row := range [][]int64{{31, 1, 90_010}, {301, 1, 910}} {
			if got, ok := f.AssignRow([]int64{row[0], row[2]}); !ok || got != number+1 || f.Clusters[number].Size != 20 {
				t.Errorf("%v is in cluster %d of %+v", row, got, f.Clusters)
			}
		}
		if diff := cmp.Diff([]cluster.Constant{{Name: cluster.Frequency, Value: 1}}, f.Dropped); diff != "" {
			t.Error(diff)
		}
	}
	if f := d.grouped("many", 1)[0].(cluster.Fitted); f.K != 20 || f.Trigger != many.ID.String() {
		t.Errorf("%+v", f)
	}
	d.apply(all()...)
	for _, asked := range []eventschema.Raw{first, second, many} {
		notes, err := d.store.Notes(t.Context(), projections.Generation{View: segments.Name, Number: 1}, partitions, cluster.NoteName(asked.Position))
		d.must(err)
		for p, note := range notes {
			if note != nil {
				t.Errorf("partition %d keeps what it contributed to %d", p, asked.Position)
			}
		}
	}
}

// of returns the events whose types begin like this.
func (d *deployment) of(prefix string) (events []eventschema.Raw) {
	d.Helper()
	for _, raw := range d.events() {
		if strings.HasPrefix(raw.Type, prefix) {
			events = append(events, raw)
		}
	}
	return events
}

// What was asked for while no clusterer ran is answered by the next one; what fails
// is said; and what was parked holds nobody up.
func TestGroupingGoesOnAfterARestart(t *testing.T) {
	d := newGrouping(t)
	d.order(day, 100, "EUR")
	d.close(day)
	parked := d.fit("shoppers", day, 1, 2)
	execute(d, operations.ParkEvent{Subject: d.writer.World.Subject(uuid.Nil), EventID: parked.ID, Position: parked.Position, Reason: "in the way"})
	asked := d.fit("shoppers", day, 2, 2)
	d.apply(all()...)
	stop := d.group(1)
	want := []cluster.Event{cluster.FitFailed{
		ClusterID: "shoppers", Trigger: asked.ID.String(), TriggerPosition: asked.Position, AsOf: day, Code: cluster.CodeTooFew,
		Detail: "too few customers with every feature for 2 clusters: 1 (0 lack one); ask for fewer, or by other features",
	}}
	if diff := cmp.Diff(want, d.grouped("shoppers", 1)); diff != "" {
		t.Error(diff)
	}
	stop()
	again := d.fit("shoppers", day, 2, 2)
	d.apply(all()...)
	stop = d.group(1)
	defer stop()
	if got := d.grouped("shoppers", 2); got[1].(cluster.FitFailed).Trigger != again.ID.String() {
		t.Errorf("%+v", got)
	}
}
