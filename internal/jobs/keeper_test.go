package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/customer"
	stages "github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
)

// newSpace is a name space as a duty makes it, from what its ids have been made
// of since its first day.
func newSpace(url string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(url)) }

// tally is a duty that books a tag, over a view of its own.
func tally(asked *atomic.Int32) jobs.Duty {
	return jobs.Duty{
		Name: "tally keeper", Actor: "tally-keeper", View: "tally", Index: "soon",
		Kinds: []string{policy.KindRFM, policy.KindContact},
		Space: newSpace("rapport:tally-keeper"), Wire: "tally",
		Command: func(s domain.Subject, w *world.World) domain.Command[customer.State, customer.Event] {
			asked.Add(1)
			return customer.AssessStage{Subject: s, Known: world.Known{World: w}}
		},
		Done: "tallied", Failed: "nothing was tallied",
	}
}

// lateCatalogue is read models in which a view comes to serve while one looks.
type lateCatalogue struct {
	mu    sync.Mutex
	views map[string]projections.Slot
}

func (c *lateCatalogue) Catalogue(context.Context) (projections.Catalogue, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return projections.Catalogue{Partitions: partitions, Views: c.views}, nil
}

func (c *lateCatalogue) serve(view string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = map[string]projections.Slot{view: {Serving: 3, Last: 3}}
}

// A duty is kept over its own view, index, actor and ids, when its own policies
// ask for it. A view that is not there is waited for.
func TestADutyIsKeptByItsOwnTerms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		var asked, looks atomic.Int32
		var catalogue lateCatalogue
		var k *jobs.Keeper
		defer d.keep(1, func(keeper *jobs.Keeper) {
			k = keeper
			k.Duty, k.ReadModels = tally(&asked), &catalogue
			k.Members = func(_ context.Context, g projections.Generation, _ int, index, after string, limit int) ([]string, uint64, error) {
				if (g != projections.Generation{View: "tally", Number: 3}) || index != "soon" {
					return nil, 0, fmt.Errorf("asked for %s of %v", index, g)
				}
				if limit > 1 {
					looks.Add(1)
				}
				return among([]string{fmt.Sprintf("%s\x00%s", d.begun+90, buyer(1))})(t.Context(), g, partitions, index, after, limit)
			}
		})()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun + 95)
		d.settle()
		if looks.Load() != 0 || k.Kept() != (jobs.Kept{}) {
			t.Errorf("%d looks at a view that is not there, %+v", looks.Load(), k.Kept())
		}
		catalogue.serve("tally")
		d.settle()
		day := d.writer.World.Facts()
		_, metas := d.moves()
		id := func(versions int) uuid.UUID {
			return uuid.NewSHA1(newSpace("rapport:tally-keeper"), fmt.Appendf(nil, "%v %v %d", day.ClosedBy, buyer(1), versions))
		}
		own := len(day.Policies[policy.KindRFM]) + len(day.Policies[policy.KindContact])
		if len(metas) != 1 || metas[0].Actor.ID != "tally-keeper" || metas[0].Command != id(own) || metas[0].Causation != day.ClosedBy {
			t.Fatalf("%+v, want the command %v", metas, id(own))
		}
		if closed := d.last("calendar."); k.Kept() != (jobs.Kept{Position: closed, Through: d.last("customer.stage_entered.")}) {
			t.Errorf("%+v, after the day was closed at %d", k.Kept(), closed)
		}

		before := looks.Load()
		publish := func(cmd domain.Command[policy.State, policy.Event]) {
			d.must(d.writer.World.WaitFor(t.Context(), execute(&d.deployment, cmd).Position))
			d.settle()
		}
		p := policy.Publication{Subject: d.writer.World.Subject(uuid.Nil)}
		publish(policy.PublishLifecycle{Publication: p, Policy: stricter()})
		if looks.Load() != before {
			t.Error("a policy that is not its own asked for a look")
		}
		calls := asked.Load()
		quiet, scores := contact.Default(), rfm.Default("USD")
		quiet.Name, scores.Name = "quiet", "scores"
		publish(policy.PublishContact{Publication: p, Policy: quiet})
		publish(policy.PublishRFM{Publication: p, Policy: scores})
		if got := looks.Load() - before; got != 2 || asked.Load()-calls != 2 {
			t.Errorf("%d looks at policies of its own", got)
		}
		if world := d.writer.World.Facts(); len(world.Policies[policy.KindRFM])+len(world.Policies[policy.KindContact]) != own+2 {
			t.Errorf("%+v", world.Policies)
		}
	})
}

// The ids stand in logs: they can never change.
func TestTheIDsOfTheStageKeeper(t *testing.T) {
	if got, want := jobs.Stages().Space.String(), newSpace("rapport:stage-keeper").String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		defer d.keep(1)()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun + 95)
		d.settle()
		_, metas := d.moves()
		want := uuid.NewSHA1(newSpace("rapport:stage-keeper"), fmt.Appendf(nil, "%v %v 1", d.writer.World.Facts().ClosedBy, buyer(1)))
		if len(metas) != 1 || metas[0].Command != want {
			t.Errorf("%+v, want the command %v", metas, want)
		}
	})
}

// What the log asked for while nobody listened is in the first look, also where
// the read models are ahead of the world that the process knows.
func TestADayThatWasClosedBeforeTheProcessKnewIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun + 95)
		d.settle()
		w := &commands.Writer{Log: d.log, Keys: keyring(), World: &commands.World{}}
		k := &jobs.Keeper{Duty: jobs.Stages(), ReadModels: d.store, Members: d.members, Log: d.log, Writer: w, Logger: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		defer func() { cancel(); group.Wait() }()
		group.Go(func() { _ = k.Run(ctx) })
		elapse(time.Second)
		synctest.Wait()
		if _, metas := d.moves(); len(metas) != 0 {
			t.Errorf("%+v", metas)
		}
		group.Go(func() { _ = w.World.Follow(ctx, d.log, eventschema.Events) })
		d.settle()
		if _, metas := d.moves(); len(metas) != 1 {
			t.Errorf("%+v", metas)
		}
	})
}

// How far a keeper is moves on when all is booked, and not before.
func TestAKeeperSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newPopulation(t)
		defer d.stop()
		d.buy(1, d.begun, true)
		d.closeDay(d.begun)
		d.settle()
		var broken atomic.Bool
		var k *jobs.Keeper
		defer d.keep(1, func(keeper *jobs.Keeper) {
			k = keeper
			k.Members = func(ctx context.Context, g projections.Generation, n int, index, after string, limit int) ([]string, uint64, error) {
				if broken.Load() {
					return nil, 0, errors.New("not now")
				}
				return d.members(ctx, g, n, index, after, limit)
			}
		})()
		d.settle()
		first := k.Kept()
		d.closeDay(d.begun + 100)
		closed := d.last("calendar.")
		d.apply(0, 1, 2, 3)
		elapse(time.Second)
		synctest.Wait()
		if first.Position >= closed || k.Kept() != first {
			t.Errorf("%+v, then %+v: one partition is behind %d", first, k.Kept(), closed)
		}
		broken.Store(true)
		elapse(time.Second)
		synctest.Wait()
		if kept := k.Kept(); kept.Position != first.Position || !kept.Failing {
			t.Errorf("%+v", kept)
		}
		broken.Store(false)
		elapse(time.Minute)
		d.settle()
		if diff := cmp.Diff(jobs.Kept{Position: closed, Through: d.last("customer.stage_entered.")}, k.Kept()); diff != "" {
			t.Error(diff)
		}
	})
}

// last returns the position of the last event whose type begins so.
func (d *population) last(prefix string) uint64 {
	d.Helper()
	for _, raw := range slices.Backward(d.events()) {
		if strings.HasPrefix(raw.Type, prefix) {
			return raw.Position
		}
	}
	d.Fatal("no ", prefix)
	return 0
}

func stricter() stages.Policy {
	return stages.Policy{Name: "strict", AtRiskAfterDays: 20, ChurnedAfterDays: 60, Retention: stages.Retention{Orders: 1}}
}
