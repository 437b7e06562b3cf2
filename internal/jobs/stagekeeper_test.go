package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	daily "github.com/rapport-crm/rapport/domain/deployment"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode/esnodetest"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/memstore"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/lifecycle"
	"github.com/rapport-crm/rapport/readapi"
	"golang.org/x/sync/errgroup"
)

// population is a deployment whose customers go from stage to stage, with read
// models that are as far as it wants. It lives in a synctest bubble.
type population struct {
	deployment
	stop   func()
	begun  domain.Date // the first order of anybody
	berlin *time.Location
}

func newPopulation(t *testing.T) *population {
	d := &population{deployment: deployment{T: t, log: &memlog.Log{}, store: memstore.New()}, begun: domain.NewDate(1999, 1, 10)}
	d.must(d.store.SaveCatalogue(t.Context(), projections.Catalogue{
		Partitions: partitions, Views: map[string]projections.Slot{lifecycle.Name: {Serving: 1, Last: 1}},
	}))
	rules := projections.Rules{Schema: eventschema.Events, Keys: keyring()}
	for p := range partitions {
		d.lanes = append(d.lanes, projections.NewPartition(p, d.store, rules,
			projections.Filling{View: lifecycle.New(), Number: 1}, projections.Filling{View: projections.NewKeys(), Number: 1}))
	}
	var err error
	d.berlin, err = time.LoadLocation("Europe/Berlin")
	d.must(err)
	d.writer, d.stop = d.process()
	return d
}

// process is a writer whose world is kept up to date.
func (d *population) process() (*commands.Writer, func()) {
	w := &commands.Writer{Log: d.log, Keys: keyring(), World: &commands.World{}}
	_, position, err := w.EnsureDeployment(d.Context(), commands.Deployment{Partitions: partitions, Zone: "Europe/Berlin", Calendar: daily.Manual})
	d.must(err)
	ctx, cancel := context.WithCancel(d.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := w.World.Follow(ctx, d.log, eventschema.Events); !errors.Is(err, context.Canceled) {
			d.Error(err)
		}
	})
	d.must(w.World.WaitFor(ctx, position))
	return w, func() { cancel(); group.Wait() }
}

// keep runs keepers, each in a process of its own, until the returned function is called.
func (d *population) keep(processes int, change ...func(*jobs.Keeper)) (stop func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var group sync.WaitGroup
	var worlds []func()
	for range processes {
		w, stop := d.process()
		worlds = append(worlds, stop)
		k := &jobs.Keeper{Duty: jobs.Stages(), ReadModels: d.store, Members: d.members, Log: d.log, Writer: w, Logger: slog.New(slog.DiscardHandler)}
		for _, f := range change {
			f(k)
		}
		group.Go(func() {
			if err := k.Run(ctx); !errors.Is(err, context.Canceled) {
				d.Error(err)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
		for _, f := range worlds {
			f()
		}
	}
}

func (d *population) members(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) ([]string, uint64, error) {
	return d.store.Range(ctx, g, partitions, readapi.RangeQuery{Index: index, After: after, Limit: limit})
}

func buyer(n int) uuid.UUID { return uuid.UUID{0: 0xbb, 6: 0x40, 8: 0x80, 15: byte(n)} }

// buy lets a customer buy on a day, before the first day is closed or on an open one.
func (d *population) buy(n int, on domain.Date, importing bool) {
	d.Helper()
	s := d.writer.World.Subject(buyer(n))
	if importing {
		s.Latest = time.Time{}
	}
	at := on.Start(d.berlin).Add(10 * time.Hour)
	if _, err := commands.Execute(d.Context(), d.writer, commands.Request{Command: uuid.NewSHA1(s.Customer, nil), Name: "register"},
		domain.Command[customer.State, customer.Event](customer.Register{
			Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}, RegisteredAt: &at,
		})); err != nil && !errors.Is(err, commands.ErrKeyReused) {
		d.Fatal(err)
	}
	order := customer.RecordOrder{Subject: s, OrderID: on.String(), PlacedAt: at, PaidAt: &at, Total: domain.Money{AmountMinor: 100, Currency: "EUR"}}
	d.writer.World.Tell(&order)
	execute(&d.deployment, order)
}

func (d *population) closeDay(day domain.Date) {
	d.Helper()
	r := execute(&d.deployment, calendar.CloseDay{Subject: d.writer.World.Subject(uuid.Nil), Date: day})
	d.must(d.writer.World.WaitFor(d.Context(), r.Position))
}

// settle lets the read models and the keepers come to rest.
func (d *population) settle() {
	d.Helper()
	d.apply(all()...)
	elapse(time.Second)
	synctest.Wait()
	d.apply(all()...)
}

// moves returns the moves of all customers, as they are stored, and the causes
// of those that a keeper made.
func (d *population) moves() (moves map[uuid.UUID][]customer.StageEntered, metas []eventschema.Meta) {
	d.Helper()
	moves = map[uuid.UUID][]customer.StageEntered{}
	for _, raw := range d.events() {
		if raw.Type != "customer.stage_entered.v1" {
			continue
		}
		e, err := eventschema.Events.Open(raw, nil)
		d.must(err)
		m := e.Data.(customer.StageEntered)
		moves[e.Meta.Customer] = append(moves[e.Meta.Customer], m)
		if m.Trigger == customer.TriggerDayClosed {
			metas = append(metas, e.Meta)
		}
	}
	return moves, metas
}

// live closes days one by one or in one go, after a history of a few weeks.
func (d *population) live(days domain.Date, oneByOne bool) map[uuid.UUID][]customer.StageEntered {
	d.Helper()
	for n := range 20 {
		d.buy(n, d.begun+domain.Date(n*3), true)
		if n%4 == 0 {
			d.buy(n, d.begun+domain.Date(n*3+20+n), true)
		}
	}
	d.closeDay(d.begun + 80)
	d.settle()
	if oneByOne {
		for day := d.begun + 81; day <= d.begun+80+days; day++ {
			d.closeDay(day)
			d.settle()
		}
	} else {
		d.closeDay(d.begun + 80 + days)
		d.settle()
	}
	moves, _ := d.moves()
	return moves
}

func TestDaysClosedAtOnceMoveAsDaysClosedOneByOne(t *testing.T) {
	var daily, atOnce, after map[uuid.UUID][]customer.StageEntered
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		stop := d.keep(3)
		daily = d.live(150, true)
		stop()
		_, metas := d.moves()
		commandsOf := map[uuid.UUID]bool{}
		for _, m := range metas {
			if commandsOf[m.Command] {
				t.Errorf("command %v moved twice", m.Command)
			}
			commandsOf[m.Command] = true
			if m.Actor != (eventschema.Actor{Kind: "system", ID: "stage-keeper"}) || m.Causation == uuid.Nil ||
				!cmp.Equal(m.Policies, []domain.PolicyRef{{Kind: policy.KindLifecycle, Version: 1}}) {
				t.Errorf("%+v", m)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		defer d.keep(2)()
		atOnce = d.live(150, false)
	})
	synctest.Test(t, func(t *testing.T) { // a keeper that starts when all is over
		d := newPopulation(t)
		defer d.stop()
		d.live(150, false)
		defer d.keep(1)()
		d.settle()
		after, _ = d.moves()
	})
	if diff := cmp.Diff(daily, atOnce); diff != "" {
		t.Errorf("at once (-daily):\n%s", diff)
	}
	if diff := cmp.Diff(daily, after); diff != "" {
		t.Errorf("after all (-daily):\n%s", diff)
	}
	// The default policy: at risk after 90 days, lost after 180.
	berlin, _ := time.LoadLocation("Europe/Berlin")
	first := domain.NewDate(1999, 1, 10)
	for n := range 20 {
		bought, got := first+domain.Date(n*3), daily[buyer(n)]
		last := bought
		if n%4 == 0 {
			last += domain.Date(20 + n)
		}
		want := 1
		for i, day := range []domain.Date{last + 90, last + 180} {
			if day > first+231 { // business today at the end
				break
			}
			want++
			if m := got[i+1]; !m.EnteredAt.Equal(day.Start(berlin)) || m.Stage != []string{stages.AtRisk, stages.Churned}[i] || *m.Cause.Day != day-1 {
				t.Errorf("customer %d: %+v, want %s", n, m, day)
			}
		}
		if len(got) != want {
			t.Errorf("customer %d moved %d times, want %d: %+v", n, len(got), want, got)
		}
	}
}

func TestTheKeeperWaitsUntilTheReadModelsHaveTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun)
		d.settle()
		defer d.keep(1)()
		synctest.Wait() // its first look is over
		d.closeDay(d.begun + 100)
		d.apply(0, 1, 2, 3)
		elapse(time.Minute)
		synctest.Wait()
		if _, metas := d.moves(); len(metas) != 0 {
			t.Error("one partition is behind")
		}
		d.apply(4)
		elapse(time.Second)
		synctest.Wait()
		if _, metas := d.moves(); len(metas) != 1 {
			t.Error(metas)
		}
	})
}

// A past that is told before the first day is closed is nobody's present.
func TestNobodyMovesBeforeTheFirstDayIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		defer d.keep(1)()
		d.buy(1, d.begun-2000, true)
		d.settle()
		if _, metas := d.moves(); len(metas) != 0 {
			t.Error(metas)
		}
		d.closeDay(d.begun)
		d.settle()
		if _, metas := d.moves(); len(metas) != 2 {
			t.Errorf("%d moves, want both", len(metas))
		}
	})
}

func TestAPolicyMovesOnTheDayItIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		defer d.keep(2)()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun + 49)
		d.settle()
		publish := func(risk, churned int) {
			cmd := policy.PublishLifecycle{
				Publication: policy.Publication{Subject: d.writer.World.Subject(uuid.Nil)},
				Policy:      stages.Policy{Name: "strict", AtRiskAfterDays: risk, ChurnedAfterDays: churned, Retention: stages.Retention{Orders: 1}},
			}
			d.writer.World.Tell(&cmd)
			d.must(d.writer.World.WaitFor(t.Context(), execute(&d.deployment, cmd).Position))
			d.settle()
		}
		publish(20, 60)
		publish(20, 50) // again on the same day: the same customer, another version
		moves, _ := d.moves()
		today := (d.begun + 50).Start(d.berlin)
		got := moves[buyer(1)][1:]
		if len(got) != 2 || got[0].Stage != stages.AtRisk || !got[0].EnteredAt.Equal(today) || got[0].PolicyVersion != 2 ||
			got[1].Stage != stages.Churned || !got[1].EnteredAt.Equal(today) || got[1].PolicyVersion != 3 {
			t.Errorf("%+v", got)
		}
	})
}

// Who may not be moved does not stop the others, and moves when they may be, to
// the day on which it fell due. An outage is waited for.
func TestWhoIsRestrictedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		var looks atomic.Int32
		defer d.keep(1, func(k *jobs.Keeper) {
			k.Members = func(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) ([]string, uint64, error) {
				if looks.Add(1) <= 2 {
					return nil, 0, errors.New("not now")
				}
				return d.members(ctx, g, partitions, index, after, limit)
			}
			k.Parallel = 2
		})()
		for n := range 5 {
			d.buy(n, d.begun, true)
		}
		d.closeDay(d.begun)
		d.settle()
		execute(&d.deployment, customer.RestrictProcessing{Subject: d.writer.World.Subject(buyer(2)), Ground: "accuracy_contested"})
		d.closeDay(d.begun + 95)
		d.settle()
		moved := func() (list []int) {
			moves, _ := d.moves()
			for n := range 5 {
				list = append(list, len(moves[buyer(n)]))
			}
			return list
		}
		if diff := cmp.Diff([]int{2, 2, 1, 2, 2}, moved()); diff != "" {
			t.Fatal(diff)
		}
		execute(&d.deployment, customer.LiftRestriction{Subject: d.writer.World.Subject(buyer(2)), Ground: "corrected"})
		d.closeDay(d.begun + 96)
		d.settle()
		moves, _ := d.moves()
		if got := moves[buyer(2)]; len(got) != 2 || !got[1].EnteredAt.Equal((d.begun + 90).Start(d.berlin)) {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff([]int{2, 2, 2, 2, 2}, moved()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// garbled is a log in which a stream cannot be read.
type garbled struct {
	commands.Log
	stream string
}

func (g garbled) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) {
		for raw, err := range g.Log.Read(ctx, stream, from) {
			if stream == g.stream {
				err = errRead
			}
			if !yield(raw, err) {
				return
			}
		}
	}
}

// One who cannot be moved at all stops nobody, however many are due behind them.
func TestWhoCannotBeReadStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		d.buy(1, d.begun, true)
		d.buy(2, d.begun, true)
		d.closeDay(d.begun + 95)
		d.settle()
		due := []string{fmt.Sprintf("%s\x00%s", d.begun, buyer(1))}
		for range 2000 { // a page of customers who are there no more
			due = append(due, fmt.Sprintf("%s\x00%s", d.begun, uuid.New()))
		}
		due = append(due, fmt.Sprintf("%s\x00%s", d.begun+90, buyer(2)))
		slices.Sort(due)
		defer d.keep(1, func(k *jobs.Keeper) {
			k.Writer.Log = garbled{d.log, customer.Stream(buyer(1))}
			k.Members = among(due)
		})()
		d.settle()
		moves, _ := d.moves()
		if len(moves[buyer(1)]) != 1 || len(moves[buyer(2)]) != 2 {
			t.Errorf("%+v", moves)
		}
	})
}

// BenchmarkStageKeeper moves 10,000 customers whom nobody has looked at since the
// program began: on the log in memory, which is what the decisions cost, and
// through the client on the embedded node, which reads and syncs.
func BenchmarkStageKeeper(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		benchmarkKeeper(b, func() commands.Log { return &memlog.Log{} })
	})
	b.Run("node", func(b *testing.B) {
		benchmarkKeeper(b, func() commands.Log {
			address, _ := esnodetest.Start(b)
			store, err := esdb.Open(esdb.Config{Address: address})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = store.Close() })
			return store
		})
	})
}

func benchmarkKeeper(b *testing.B, open func() commands.Log) {
	const customers = 10_000
	var spent time.Duration
	for range b.N {
		b.StopTimer()
		log := open()
		ctx, cancel := context.WithCancel(b.Context())
		var group sync.WaitGroup
		process := func() *commands.Writer {
			w := &commands.Writer{Log: log, Keys: keyring(), World: &commands.World{}}
			_, position, err := w.EnsureDeployment(ctx, commands.Deployment{Partitions: partitions, Calendar: daily.Manual})
			if err != nil {
				b.Fatal(err)
			}
			group.Go(func() { _ = w.World.Follow(ctx, log, eventschema.Events) })
			if err := w.World.WaitFor(ctx, position); err != nil {
				b.Fatal(err)
			}
			return w
		}
		due, closed := idlers(b, process(), customers)
		w := process()
		if err := w.World.WaitFor(ctx, closed); err != nil {
			b.Fatal(err)
		}
		k := &jobs.Keeper{
			Duty:       jobs.Stages(),
			ReadModels: catalogueOf(lifecycle.Name), Log: log, Writer: w, Logger: slog.New(slog.DiscardHandler),
			Members: among(due),
		}
		moved := make(chan struct{})
		group.Go(func() {
			n := 0
			_ = log.Follow(ctx, closed, []string{"customer.stage_entered"}, func(p eventschema.Page) error {
				if n += len(p.Events); n == customers {
					close(moved)
				}
				return nil
			})
		})
		before := processorTime()
		b.StartTimer()
		group.Go(func() { _ = k.Run(ctx) })
		<-moved
		b.StopTimer()
		spent += processorTime() - before
		cancel()
		group.Wait()
	}
	b.ReportMetric(customers*float64(b.N)/b.Elapsed().Seconds(), "moves/s")
	b.ReportMetric(float64(spent.Microseconds())/customers/float64(b.N), "cpu-us/move") // where the machine is busy with other things, this tells more
}

// processorTime is what the process has used of all processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// idlers makes customers who bought once, and closes the day on which that is
// too long ago. It returns them as the view has them, and the position of the day.
func idlers(b *testing.B, w *commands.Writer, customers int) (due []string, closed uint64) {
	first := domain.NewDate(1999, 1, 10)
	at := first.Start(time.UTC)
	run := func(name string, cmd domain.Command[customer.State, customer.Event]) error {
		_, err := commands.Execute(b.Context(), w, commands.Request{Command: uuid.New(), Name: name, New: name == "register"}, cmd)
		return err
	}
	var group errgroup.Group
	group.SetLimit(64)
	for range customers {
		s := w.World.Subject(uuid.New())
		due = append(due, fmt.Sprintf("%s\x00%s", first+90, s.Customer))
		group.Go(func() error {
			if err := run("register", customer.Register{Subject: s, Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"}, RegisteredAt: &at}); err != nil {
				return err
			}
			order := customer.RecordOrder{Subject: s, OrderID: "1", PlacedAt: at, PaidAt: &at, Total: domain.Money{AmountMinor: 100, Currency: "EUR"}}
			w.World.Tell(&order)
			return run("order", order)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	r, err := commands.Execute(b.Context(), w, commands.Request{Command: uuid.New(), Name: "close-day"},
		domain.Command[calendar.State, calendar.Event](calendar.CloseDay{Subject: w.World.Subject(uuid.Nil), Date: first + 90}))
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(due)
	return due, r.Position
}

// among is the members of an index that has these, in order, and is up to date.
func among(members []string) func(context.Context, projections.Generation, int, string, string, int) ([]string, uint64, error) {
	return func(_ context.Context, _ projections.Generation, _ int, _, after string, limit int) ([]string, uint64, error) {
		from, _ := slices.BinarySearch(members, after+"\x00")
		return members[from:min(len(members), from+limit)], 1 << 62, nil
	}
}

// catalogueOf is read models in which one view serves.
type catalogueOf string

func (c catalogueOf) Catalogue(context.Context) (projections.Catalogue, error) {
	return projections.Catalogue{Partitions: partitions, Views: map[string]projections.Slot{string(c): {Serving: 1, Last: 1}}}, nil
}
