package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	daily "github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// closers runs day closers, each in a process of its own, until the returned
// function is called.
func closers(t *testing.T, log commands.Log, calendar string, processes int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range processes {
		w := &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{}}
		_, position, err := w.EnsureDeployment(ctx, commands.Deployment{Zone: "Europe/Berlin", Calendar: calendar})
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			if err := w.World.Follow(ctx, log, eventschema.Events); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		if err := w.World.WaitFor(ctx, position); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			if err := (&jobs.DayCloser{Writer: w}).Run(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

func closed(t *testing.T, log commands.Log) (days []string) {
	t.Helper()
	for raw, err := range log.Read(t.Context(), calendar.Stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		days = append(days, e.Data.(calendar.DayClosed).Date.String())
	}
	return days
}

// elapse lets time pass in a synctest bubble, whose clock moves when all is quiet.
func elapse(d time.Duration) { <-time.After(d) }

func TestDaysAreClosedByTheClockEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		today := domain.DateOf(time.Now(), berlin)
		days := func(from, to domain.Date) (days []string) {
			for d := today + from; d <= today+to; d++ {
				days = append(days, d.String())
			}
			return days
		}
		log := &memlog.Log{}
		stop := closers(t, log, daily.Wall, 3)
		synctest.Wait()
		if diff := cmp.Diff(days(-1, -1), closed(t, log)); diff != "" {
			t.Fatal("a fresh log begins with yesterday:\n" + diff)
		}

		midnight := (today + 1).Start(berlin)
		elapse(time.Until(midnight) - time.Second)
		synctest.Wait()
		if diff := cmp.Diff(days(-1, -1), closed(t, log)); diff != "" {
			t.Fatal("the day is not over in the business zone:\n" + diff)
		}
		elapse(time.Second)
		synctest.Wait()
		if diff := cmp.Diff(days(-1, 0), closed(t, log)); diff != "" {
			t.Fatal("at midnight of the business zone:\n" + diff)
		}
		elapse(48 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff(days(-1, 2), closed(t, log)); diff != "" {
			t.Fatal(diff)
		}

		stop() // an outage of three years: more than one append can hold
		elapse(3 * 365 * 24 * time.Hour)
		stop = closers(t, log, daily.Wall, 2)
		synctest.Wait()
		if diff := cmp.Diff(days(-1, domain.DateOf(time.Now(), berlin)-today-1), closed(t, log)); diff != "" {
			t.Fatal("after an outage:\n" + diff)
		}
		stop()
	})
}

func TestAManualCalendarIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memlog.Log{}
		stop := closers(t, log, daily.Manual, 1)
		elapse(72 * time.Hour)
		synctest.Wait()
		if days := closed(t, log); len(days) != 0 {
			t.Fatal(days)
		}
		stop()
	})
}
