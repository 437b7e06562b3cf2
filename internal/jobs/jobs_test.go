package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	rfmview "github.com/rapport-crm/rapport/projections/rfm"
)

const partitions = 5

var (
	noon       = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	generation = projections.Generation{View: rfmview.Name, Number: 1}
)

// deployment is a log, its read models, and one process that writes.
type deployment struct {
	*testing.T
	log    *memlog.Log
	store  *memstore.Store
	writer *commands.Writer
	lanes  []*projections.Partition
}

func keyring() *eventschema.Keyring { return eventschema.NewKeyring([32]byte{1}, [32]byte{2}) }

func newWriter(log commands.Log) *commands.Writer {
	return &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{Clock: func() time.Time { return noon }}}
}

func newDeployment(t *testing.T) *deployment {
	d := &deployment{T: t, log: &memlog.Log{}, store: memstore.New()}
	d.writer = newWriter(d.log)
	d.must(d.store.SaveCatalogue(t.Context(), projections.Catalogue{
		Partitions: partitions, Views: map[string]projections.Slot{rfmview.Name: {Serving: 1, Last: 1}},
	}))
	rules := projections.Rules{Schema: eventschema.Events, Keys: keyring(), KeySource: keysIn{d.log}}
	for p := range partitions {
		d.lanes = append(d.lanes, projections.NewPartition(p, d.store, rules,
			projections.Filling{View: rfmview.New(), Number: 1}, projections.Filling{View: projections.NewKeys(), Number: 1}))
	}
	return d
}

func (d *deployment) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *deployment) publish(p rfm.Policy) {
	d.Helper()
	execute(d, policy.PublishRFM{Publication: policy.Publication{Subject: d.writer.World.Subject(uuid.Nil), EffectiveFrom: &policy.Always}, Policy: p})
}

// order records an order of a customer of its own.
func (d *deployment) order(on domain.Date, minor int64, currency string) {
	d.Helper()
	s := d.writer.World.Subject(uuid.New())
	execute(d, customer.Register{Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}})
	execute(d, customer.RecordOrder{
		Subject: s, OrderID: "1", PlacedAt: on.Start(time.UTC).Add(time.Hour), Total: domain.Money{AmountMinor: minor, Currency: currency},
	})
}

func (d *deployment) close(day domain.Date) uint64 {
	d.Helper()
	return execute(d, calendar.CloseDay{Subject: d.writer.World.Subject(uuid.Nil), Date: day}).Position
}

func execute[S domain.State[S, E], E any](d *deployment, cmd domain.Command[S, E]) commands.Result {
	d.Helper()
	r, err := commands.Execute(d.Context(), d.writer, commands.Request{Command: uuid.New(), Name: fmt.Sprintf("%T", cmd)}, cmd)
	d.must(err)
	return r
}

var errRead = errors.New("all is read")

func (d *deployment) events() (events []eventschema.Raw) {
	d.Helper()
	err := d.log.Follow(d.Context(), 0, nil, func(p eventschema.Page) error {
		events = append(events, p.Events...)
		if p.Live {
			return errRead
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		d.Fatal(err)
	}
	return events
}

// apply brings lanes to the end of the log.
func (d *deployment) apply(lanes ...int) {
	d.Helper()
	events := d.events()
	for _, lane := range lanes {
		b := projections.Batch{End: events[len(events)-1].Position, Live: true}
		for _, raw := range events {
			if c, ok := eventschema.CustomerOf(raw); !ok || projections.PartitionOf(c, partitions) == lane {
				b.Events = append(b.Events, raw)
			}
		}
		d.must(d.lanes[lane].Apply(d.Context(), b))
	}
}

func all() (lanes []int) {
	for p := range partitions {
		lanes = append(lanes, p)
	}
	return lanes
}

// answers returns the events of the calibration stream.
func (d *deployment) answers() (answers []any) {
	d.Helper()
	for raw, err := range d.log.Read(d.Context(), rfm.CalibrationStream, 0) {
		d.must(err)
		e, err := eventschema.Events.Open(raw, nil)
		d.must(err)
		answers = append(answers, e.Data)
	}
	return answers
}

// next waits until the calibration stream has n events.
func (d *deployment) next(n int) []any {
	d.Helper()
	err := d.log.Follow(d.Context(), 0, []string{"rfm."}, func(p eventschema.Page) error {
		if n -= len(p.Events); n <= 0 {
			return errRead
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		d.Fatal(err)
	}
	return d.answers()
}

// calibrate runs calibrators, each in a process of its own, until the returned
// function is called.
func (d *deployment) calibrate(processes int) (stop func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var group sync.WaitGroup
	for range processes {
		c := &jobs.Calibrator{Of: jobs.Scores, ReadModels: d.store, Log: d.log, Writer: newWriter(d.log), Logger: slog.New(slog.DiscardHandler)}
		group.Go(func() {
			if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
				d.Error(err)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

func (d *deployment) progress(closed domain.Date) rfmview.Progress {
	d.Helper()
	stored, _, err := d.store.World(d.Context(), generation, 0)
	d.must(err)
	w, err := projections.DecodeWorld(stored)
	d.must(err)
	at, err := d.store.Checkpoints(d.Context(), generation, partitions)
	d.must(err)
	return rfmview.ProgressOf(w, at, &closed)
}

var day = domain.NewDate(2026, 2, 20)

func TestADayIsCalibratedWhenEveryPartitionHasContributed(t *testing.T) {
	d := newDeployment(t)
	d.publish(rfm.Default("EUR"))
	var values []rfm.Values
	for i := range 40 {
		on, minor := day-domain.Date(i%13), int64(i*i*7)
		d.order(on, minor, "EUR")
		values = append(values, rfm.Values{RecencyDays: int64(day - on), Frequency: 1, MonetaryMinor: minor})
	}
	d.order(day+1, 999_999, "EUR") // after the day: not of its population
	position := d.close(day)
	d.order(day, 999_999, "EUR") // told after the day was closed: likewise

	stop := d.calibrate(3)
	defer stop()
	d.apply(0, 1, 2, 3)
	if p := d.progress(day); p.State != rfmview.Pending {
		t.Errorf("one partition is behind: %+v", p)
	}
	d.apply(4)
	got := d.next(1)
	p := rfm.Default("EUR")
	cuts := rfm.Calibrate(&p, rfm.Of(values))
	var trigger uuid.UUID
	for _, raw := range d.events() {
		if raw.Position == position {
			trigger = raw.ID
		}
	}
	want := []any{rfm.Calibrated{
		Trigger: trigger.String(), TriggerPosition: position, AsOf: day, PolicyVersion: 1, Currency: "EUR", Population: 40,
		Denominator: 5, Recency: cuts.Recency, Frequency: cuts.Frequency, Monetary: cuts.Monetary,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}

	d.apply(0)
	if p := d.progress(day); p.State != rfmview.Pending {
		t.Errorf("applied in one partition only: %+v", p)
	}
	d.apply(all()...)
	if p := d.progress(day); p.State != rfmview.Applied || p.Population != 40 || *p.AsOf != day {
		t.Errorf("applied everywhere: %+v", p)
	}
	if p := d.progress(day + 1); p.State != rfmview.Pending {
		t.Errorf("the read models have not heard of the next day: %+v", p)
	}
	notes, err := d.store.Notes(t.Context(), generation, partitions, rfmview.NoteName(position))
	d.must(err)
	for _, n := range notes {
		if n != nil {
			t.Error("a contribution is left")
		}
	}
	totals, _, err := d.store.Metrics(t.Context(), generation, partitions)
	d.must(err)
	if n := rfmview.DistributionOf(totals, mustWorld(d)).All.Customers; n != 42 {
		t.Errorf("%d customers have scores, want all 42", n)
	}
	stop()
	if n := len(d.answers()); n != 1 {
		t.Errorf("%d answers to one question of three processes", n)
	}
}

func mustWorld(d *deployment) *projections.World {
	stored, _, err := d.store.World(d.Context(), generation, 0)
	d.must(err)
	w, err := projections.DecodeWorld(stored)
	d.must(err)
	return w
}

func TestTwoCurrenciesFailVisiblyAndTheOldCutPointsStand(t *testing.T) {
	d := newDeployment(t)
	stop := d.calibrate(1)
	defer stop()
	d.publish(rfm.Default("EUR"))
	d.order(day, 100, "EUR")
	d.close(day)
	d.apply(all()...)
	d.next(1)
	d.order(day, 100, "USD")
	d.order(day, 100, "USD")
	d.order(day, 100, "CHF")
	d.close(day + 1)
	d.apply(all()...)
	failed := d.next(2)[1].(rfm.CalibrationFailed)
	want := `the policy "standard" counts in EUR, but there are orders without a rate to it: CHF of 1 customers, USD of 2 customers; publish a policy in another currency, or record such orders with a rate`
	if failed.Code != rfm.CodeCurrencyMixed || failed.AsOf != day+1 || failed.Detail != want {
		t.Errorf("%+v", failed)
	}
	d.apply(all()...)
	if p := d.progress(day + 1); p.State != rfmview.Failed || p.Detail != want {
		t.Errorf("%+v", p)
	}
	if w := mustWorld(d); w.Calibration.AsOf != day {
		t.Errorf("%+v stands", w.Calibration)
	}
}

// What was asked for while no calibrator ran is answered by the next one, in order.
func TestNothingIsMissedWhileNobodyCalibrates(t *testing.T) {
	d := newDeployment(t)
	d.publish(rfm.Default("EUR"))
	d.order(day, 100, "EUR")
	d.close(day)
	d.apply(all()...)
	d.close(day + 3)
	d.apply(0, 1)

	stop := d.calibrate(1)
	d.next(1)
	stop() // in the middle of it
	d.apply(all()...)
	stop = d.calibrate(2)
	var days []domain.Date
	for _, e := range d.next(4) {
		days = append(days, e.(rfm.Calibrated).AsOf)
	}
	stop()
	if diff := cmp.Diff([]domain.Date{day, day + 1, day + 2, day + 3}, days); diff != "" {
		t.Fatal(diff)
	}
	d.apply(all()...)
	if p := d.progress(day + 3); p.State != rfmview.Applied {
		t.Fatalf("%+v", p)
	}
	// Once more, on read models that were lost and are made again.
	before := len(d.events())
	d.must(d.store.Drop(t.Context(), generation, partitions))
	d.must(d.store.Drop(t.Context(), projections.Generation{View: projections.KeysView, Number: 1}, partitions))
	for _, l := range d.lanes {
		l.Forget()
	}
	stop = d.calibrate(1)
	d.apply(all()...)
	stop()
	if n := len(d.events()); n != before {
		t.Errorf("%d events were added by what was answered before", n-before)
	}
}

func TestAnEmptyPopulationIsAnswered(t *testing.T) {
	d := newDeployment(t)
	d.publish(rfm.Default("EUR"))
	d.close(day)
	d.apply(all()...)
	stop := d.calibrate(1)
	defer stop()
	if c := d.next(1)[0].(rfm.Calibrated); c.Population != 0 || !c.Empty() {
		t.Fatalf("%+v", c)
	}
	d.apply(all()...)
	if p := d.progress(day); p.State != rfmview.Applied {
		t.Fatalf("%+v", p)
	}
}
