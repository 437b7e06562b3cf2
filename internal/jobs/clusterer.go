package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
	"golang.org/x/sync/errgroup"
)

// Clusterer groups the customers where that was asked for: when every partition
// has contributed, it computes the clusters and records them, or why there are
// none; those that stood go on to stand then.
type Clusterer struct {
	ReadModels ReadModels
	Log        Follower
	Writer     *commands.Writer
	Logger     *slog.Logger // nil: the default

	mu   sync.Mutex
	open []askedFit    // in the order of the log
	wake chan struct{} // something was asked for
}

// askedFit is a request that was not answered yet.
type askedFit struct {
	event    uuid.UUID
	position uint64
	cluster.Requested
}

// Run works until ctx ends, and returns its error. Outages of the log and the
// read models are logged and waited for.
func (c *Clusterer) Run(ctx context.Context) error {
	c.wake = make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.listen(ctx) })
	group.Go(func() error { return c.work(ctx) })
	return group.Wait()
}

// listen learns from the log what is asked for and what is answered: from its
// beginning, unless nothing was ever asked for.
func (c *Clusterer) listen(ctx context.Context) error {
	var after uint64
	if facts := c.Writer.World.Facts(); len(facts.Clusters) == 0 {
		after = facts.Position
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		err := c.Log.Follow(ctx, after, []string{"cluster."}, func(p eventschema.Page) error {
			for _, raw := range p.Events {
				e, err := eventschema.Events.Open(raw, nil)
				if err != nil {
					return fmt.Errorf("%s at %d: %w", raw.Type, raw.Position, err)
				}
				c.learn(askedFit{event: raw.ID, position: raw.Position}, e.Data)
				after = raw.Position
			}
			failures, after = 0, max(after, p.End)
			return nil
		})
		if ctx.Err() == nil {
			logger(c.Logger).Warn("the clusterer lost the log", "error", err)
			wait(ctx, backoff(failures), nil)
		}
	}
	return ctx.Err()
}

func (c *Clusterer) learn(asked askedFit, data any) {
	switch d := data.(type) {
	case cluster.Requested:
		asked.Requested = d
		c.mu.Lock()
		c.open = append(c.open, asked)
		c.mu.Unlock()
		select {
		case c.wake <- struct{}{}:
		default:
		}
	case cluster.Fitted:
		c.close(d.ClusterID, d.TriggerPosition)
	case cluster.FitFailed:
		c.close(d.ClusterID, d.TriggerPosition)
	}
}

// close takes off what was asked of a clustering up to a position: a request is
// not answered after a later one.
func (c *Clusterer) close(id string, position uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(a askedFit) bool { return a.ClusterID == id && a.position <= position })
}

func (c *Clusterer) asked() []askedFit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.open)
}

// work answers what is asked for, and rests where nothing is.
func (c *Clusterer) work(ctx context.Context) error {
	failures := 0
	for pause := shortest; ctx.Err() == nil; {
		open := c.asked()
		if len(open) == 0 {
			select {
			case <-c.wake:
				pause = shortest
			case <-ctx.Done():
			}
			continue
		}
		answered, err := c.answer(ctx, open)
		switch {
		case err != nil && ctx.Err() == nil:
			logger(c.Logger).Error("the clusters could not be made; it is tried again", "error", err)
			wait(ctx, backoff(failures), nil)
			failures++
		case answered:
			failures, pause = 0, shortest
		default:
			failures = 0
			wait(ctx, pause, c.wake)
			pause = min(2*pause, longest)
		}
	}
	return ctx.Err()
}

// answer answers those requests that every partition has contributed to, and says
// whether there were any. One that was parked is passed over.
func (c *Clusterer) answer(ctx context.Context, open []askedFit) (answered bool, err error) {
	catalogue, err := c.ReadModels.Catalogue(ctx)
	if err != nil {
		return false, fmt.Errorf("catalogue: %w", err)
	}
	generation := projections.Generation{View: segments.Name, Number: catalogue.Views[segments.Name].Serving}
	if generation.Number == 0 || catalogue.Partitions == 0 {
		return false, nil
	}
	parked := c.Writer.World.Facts().Parked
	for _, asked := range open {
		if _, ok := parked[asked.event]; ok {
			c.close(asked.ClusterID, asked.position)
			continue
		}
		notes, err := c.ReadModels.Notes(ctx, generation, catalogue.Partitions, cluster.NoteName(asked.position))
		if err != nil {
			return answered, fmt.Errorf("contributions of %s: %w", generation, err)
		}
		if slices.ContainsFunc(notes, func(n []byte) bool { return n == nil }) {
			continue
		}
		what, err := asked.solve(ctx, notes)
		if err != nil {
			return answered, fmt.Errorf("clusters %s as of %s: %w", asked.ClusterID, asked.AsOf, err)
		}
		_, err = commands.Execute(ctx, c.Writer, asked.request(), what)
		if err != nil && !errors.Is(err, commands.ErrKeyReused) { // reused: answered long ago, by another program, in other words
			return answered, fmt.Errorf("record the clusters %s as of %s: %w", asked.ClusterID, asked.AsOf, err)
		}
		c.close(asked.ClusterID, asked.position)
		answered = true
	}
	return answered, nil
}

// solve computes what came of a request from the contributions of all partitions.
// It takes a while with many customers, and is not waited for when ctx ends.
func (a askedFit) solve(ctx context.Context, notes [][]byte) (cluster.Answer, error) {
	contributions := make([]*cluster.Note, len(notes))
	for i, n := range notes {
		var err error
		if contributions[i], err = cluster.DecodeNote(n); err != nil {
			return cluster.Answer{}, fmt.Errorf("partition %d: %w", i, err)
		}
	}
	population, err := cluster.Merge(contributions)
	if err != nil {
		return cluster.Answer{}, err
	}
	if population.AsOf != a.AsOf || !slices.Equal(population.Features, a.Features) {
		return cluster.Answer{}, cluster.ErrDiffer
	}
	solved := make(chan cluster.Answer, 1)
	go func() { solved <- cluster.Solve(a.Requested, a.event.String(), a.position, population) }()
	select {
	case answer := <-solved:
		return answer, nil
	case <-ctx.Done():
		return cluster.Answer{}, ctx.Err()
	}
}

// request is the same in every process that answers.
func (a askedFit) request() commands.Request {
	return commands.Request{
		Command:     uuid.NewSHA1(a.event, []byte("fit")),
		Name:        "fit-clusters",
		Actor:       eventschema.Actor{Kind: "system", ID: "clusterer"},
		Channel:     "system",
		Correlation: a.event,
		Causation:   a.event,
	}
}
