package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

var lists = projections.Generation{View: segments.Name, Number: 1}

// newWorth is a deployment with a rule that asks who brings the most.
func newWorth(t *testing.T) *deployment {
	d := newGrouping(t)
	execute(d, policy.PublishValue{
		Publication: policy.Publication{Subject: d.writer.World.Subject(uuid.Nil), EffectiveFrom: &policy.Always}, Policy: value.Default("EUR"),
	})
	d.append(segment.Stream("best"), segment.Defined{SegmentID: "best", Kind: segment.Dynamic, Name: "Best", Rule: `percentile("revenue") >= 75`})
	return d
}

// append stores an event that no command of this deployment makes.
func (d *deployment) append(stream string, data any) {
	d.Helper()
	m := eventschema.Meta{Command: uuid.New(), Actor: eventschema.Actor{Kind: "system"}, Channel: "test", OccurredAt: noon, RecordedAt: noon}
	raw, _, err := eventschema.Events.Seal(eventschema.Chain{}, stream, 0, m, data, nil)
	d.must(err)
	_, err = d.log.Append(d.Context(), stream, -1, []eventschema.Raw{raw})
	d.must(err)
}

// paid records a paid order of a customer of its own.
func (d *deployment) paid(on domain.Date, minor int64, currency string) {
	d.Helper()
	s, at := d.writer.World.Subject(uuid.New()), on.Start(time.UTC).Add(time.Hour)
	execute(d, customer.Register{Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}})
	execute(d, customer.RecordOrder{
		Subject: s, OrderID: "1", PlacedAt: at, PaidAt: &at, Total: domain.Money{AmountMinor: minor, Currency: currency},
	})
}

// appraise runs calibrators of the worth, each in a process of its own, until the
// returned function is called.
func (d *deployment) appraise(processes int) (stop func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var group sync.WaitGroup
	for range processes {
		c := &jobs.Calibrator{Of: jobs.Worth, ReadModels: d.store, Log: d.log, Writer: newWriter(d.log), Logger: slog.New(slog.DiscardHandler)}
		group.Go(func() {
			if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
				d.Error(err)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// worth waits until the worth has been calibrated n times, and returns the answers.
func (d *deployment) worth(n int) (answers []value.Calibrated) {
	d.Helper()
	err := d.log.Follow(d.Context(), 0, []string{"value."}, func(p eventschema.Page) error {
		for _, raw := range p.Events {
			e, err := eventschema.Events.Open(raw, nil)
			if err != nil {
				return err
			}
			answers = append(answers, e.Data.(value.Calibrated))
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

func (d *deployment) closeDays(first, last domain.Date) (positions []uint64) {
	d.Helper()
	for on := first; on <= last; on++ {
		positions = append(positions, d.close(on))
	}
	return positions
}

func (d *deployment) worthWorld() *projections.World {
	d.Helper()
	stored, _, err := d.store.World(d.Context(), lists, 0)
	d.must(err)
	w, err := projections.DecodeWorld(stored)
	d.must(err)
	return w
}

func TestTheWorthOfADayIsCalibratedWhenEveryPartitionHasContributed(t *testing.T) {
	d := newWorth(t)
	var revenue, orders []int64
	for i := range 30 {
		minor := int64(i*i*7 + 1)
		d.paid(day-domain.Date(i%13), minor, "EUR")
		revenue, orders = append(revenue, minor), append(orders, 1)
	}
	d.order(day, 5, "EUR")         // not paid: no buyer
	d.paid(day-500, 20_000, "USD") // without a rate: how much is not known, but not when
	d.paid(day+1, 999_999, "EUR")  // after the day: not of its population
	position := d.close(day)
	d.paid(day, 999_999, "EUR") // told after the day was closed: likewise
	stop := d.appraise(3)
	defer stop()
	d.apply(0, 1, 2, 3)
	if n := len(d.of("value.")); n != 0 {
		t.Error("one partition is behind")
	}
	d.apply(4)
	got := d.worth(1)[0]
	recent := slices.Clone(revenue)
	population := func(values []int64, unknown int64) value.Population {
		return value.Population{Size: int64(len(values)), Unknown: unknown, Values: rfm.Runs(slices.Sorted(slices.Values(values)))}
	}
	// Nobody recorded costs: of no buyer of the window is the contribution known, nor of anybody else.
	want := value.Calibrate(value.Calibrated{TriggerPosition: position, AsOf: day, PolicyVersion: 1, Currency: "EUR"}, [6]value.Population{
		population(revenue, 1), population(append(recent, 0), 0), population(append(orders, 1), 0),
		population(append(orders, 0), 0), population(revenue, 1), population(nil, 33),
	})
	for _, raw := range d.events() {
		if raw.Position == position {
			want.Trigger = raw.ID.String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	d.apply(all()...)
	if w := d.worthWorld(); len(w.ValueAsked) != 0 || w.Value == nil || w.Value.AsOf != day {
		t.Errorf("%+v", w)
	}
	notes, err := d.store.Notes(t.Context(), lists, partitions, segments.NoteName(position))
	d.must(err)
	if slices.ContainsFunc(notes, func(n []byte) bool { return n != nil }) {
		t.Error("a contribution is left")
	}
	for more := true; more; {
		more = false
		for _, lane := range d.lanes {
			left, err := lane.Sweep(t.Context())
			d.must(err)
			more = more || left
		}
	}
	totals, _, err := d.store.Metrics(t.Context(), lists, partitions)
	d.must(err)
	in := int64(2) // those of 999,999
	for _, minor := range revenue {
		if got.Reaches(value.Revenue, minor, 75) {
			in++
		}
	}
	if n := totals["best|"+segments.MetricCustomers]; n != in || in < 9 || in > 11 {
		t.Errorf("%d customers are among the best, want %d", n, in)
	}
	stop()
	if n := len(d.of("value.")); n != 1 {
		t.Errorf("%d answers to one question of three processes", n)
	}
}

// A month is closed at once, and the job is killed in the midst of it, again and
// again: every day is calibrated, in order, and as if nothing had happened.
func TestThirtyDaysAtOnceAreCalibratedInOrder(t *testing.T) {
	const days = 30
	first := domain.NewDate(2026, 1, 20)
	month := func(killed bool) []value.Calibrated {
		d := newWorth(t)
		for i := range 20 {
			d.paid(first+domain.Date(i-5), int64(100*i), "EUR")
		}
		positions := d.closeDays(first, first+days-1)
		if killed {
			d.apply(0, 1, 2)
			stop := d.appraise(2)
			d.apply(3)
			d.apply(4)
			d.worth(3)
			stop()
			for n := 7; n < days; n += 9 {
				stop := d.appraise(1)
				d.worth(n)
				stop()
				d.apply(0, n%partitions) // the one that is asked has heard of it, and not all others
			}
			// The read models are lost as well, and are made again.
			d.must(d.store.Drop(t.Context(), lists, partitions))
			d.must(d.store.Drop(t.Context(), projections.Generation{View: projections.KeysView, Number: 1}, partitions))
			for _, lane := range d.lanes {
				lane.Forget()
			}
		}
		defer d.appraise(2)()
		d.apply(all()...)
		answers := d.worth(days)
		d.apply(all()...)
		if w := d.worthWorld(); len(w.ValueAsked) != 0 || w.Value.AsOf != first+days-1 {
			t.Errorf("asked %+v", w.ValueAsked)
		}
		for i := range answers {
			if a := &answers[i]; a.AsOf != first+domain.Date(i) || a.TriggerPosition != positions[i] || a.Measures[0].Population != int64(min(6+i, 20)) {
				t.Errorf("answer %d: as of %s to %d, of %d customers", i, a.AsOf, a.TriggerPosition, a.Measures[0].Population)
			}
			answers[i].Trigger = fmt.Sprint(i)
		}
		return answers
	}
	if diff := cmp.Diff(month(false), month(true)); diff != "" {
		t.Error(diff)
	}
}

// Who wants to see it asks for it, whether a rule does or not; and where nobody
// wants to know, nothing is done.
func TestWorthIsCalibratedOnDemand(t *testing.T) {
	d := newGrouping(t)
	defer d.appraise(1)()
	execute(d, policy.PublishValue{
		Publication: policy.Publication{Subject: d.writer.World.Subject(uuid.Nil), EffectiveFrom: &policy.Always}, Policy: value.Default("EUR"),
	})
	d.paid(day, 100, "EUR")
	d.close(day)
	d.apply(all()...)
	if w := d.worthWorld(); w.Closed == nil || len(w.ValueAsked) != 0 {
		t.Errorf("asked %+v", w.ValueAsked)
	}
	on := day
	execute(d, policy.CalibrateValue{Closed: &on})
	d.apply(all()...)
	if c := d.worth(1)[0]; c.AsOf != day || c.Measures[0].Population != 1 {
		t.Errorf("%+v", c)
	}
	d.append(segment.Stream("best"), segment.Defined{SegmentID: "best", Kind: segment.Dynamic, Name: "Best", Rule: `value.band == "top"`})
	d.apply(all()...)
	if w := d.worthWorld(); len(w.ValueAsked) != 0 {
		t.Errorf("what is known is asked for again: %+v", w.ValueAsked)
	}
	execute(d, calendar.CloseDay{Subject: d.writer.World.Subject(uuid.Nil), Date: day + 1})
	d.apply(all()...)
	if c := d.worth(2)[1]; c.AsOf != day+1 {
		t.Errorf("%+v", c)
	}
}
