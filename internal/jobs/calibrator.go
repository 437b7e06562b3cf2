package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"golang.org/x/sync/errgroup"
)

// ReadModels is what the calibrator needs of the read models; projections.Store has it.
type ReadModels interface {
	Catalogue(ctx context.Context) (projections.Catalogue, error)
	Open(ctx context.Context, partition int, generations []projections.Generation) ([]projections.Saved, error)
	Notes(ctx context.Context, g projections.Generation, partitions int, name string) ([][]byte, error)
}

// Follower is what the calibrator needs of the log; commands.Log has it.
type Follower interface {
	Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error
}

// Calibrator answers the calibrations of one kind that are asked for, in the order of
// the log: when every partition has contributed, it computes the cut points and
// records them. A population that cannot be computed is recorded as a failure, and
// the cut points that stood go on to stand.
type Calibrator struct {
	Of         Calibration
	ReadModels ReadModels
	Log        Follower
	Writer     *commands.Writer
	Logger     *slog.Logger // nil: the default

	target atomic.Uint64 // up to where the read models must come before there can be nothing to do
	wake   chan struct{} // the target has moved
}

// triggers are the events by which something may fall due.
var triggers = []string{"calendar.", "policy."}

// Run works until ctx ends, and returns its error. Outages of the log and the
// read models are logged and waited for.
func (c *Calibrator) Run(ctx context.Context) error {
	c.wake = make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.listen(ctx) })
	group.Go(func() error { return c.work(ctx) })
	return group.Wait()
}

// listen follows the log from where the read models are, to know how far they
// must come.
func (c *Calibrator) listen(ctx context.Context) error {
	s, err := c.look(ctx)
	for failures := 0; s == nil && ctx.Err() == nil; s, err = c.look(ctx) {
		pause := longest
		if err != nil {
			pause, failures = backoff(failures), failures+1
		}
		wait(ctx, pause, nil)
	}
	if s == nil {
		return ctx.Err()
	}
	after := s.at
	c.reach(after) // what is asked for up to there is in the world that work looks at next
	for failures := 0; ctx.Err() == nil; failures++ {
		err := c.Log.Follow(ctx, after, c.Of.triggers, func(p eventschema.Page) error {
			failures, after = 0, max(after, p.End)
			if n := len(p.Events); n > 0 {
				c.reach(p.Events[n-1].Position)
			}
			return nil
		})
		if ctx.Err() == nil {
			logger(c.Logger).Warn("the calibrator lost the log", "of", c.Of.view, "error", err)
			wait(ctx, backoff(failures), nil)
		}
	}
	return ctx.Err()
}

// reach says that the read models must come up to a position.
func (c *Calibrator) reach(position uint64) {
	c.target.Store(position)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// work answers what is asked for, and rests when the read models are as far as
// the log and ask for nothing.
func (c *Calibrator) work(ctx context.Context) error {
	done, failures := uint64(0), 0
	for pause := shortest; ctx.Err() == nil; {
		target := c.target.Load()
		s, err := c.look(ctx)
		if err == nil && s != nil {
			var answered uint64
			answered, err = c.answer(ctx, s, done)
			if answered > done {
				done, pause = answered, shortest
			}
		}
		switch {
		case err != nil && ctx.Err() == nil:
			logger(c.Logger).Error("the calibration could not be made; it is tried again", "of", c.Of.view, "error", err)
			wait(ctx, backoff(failures), nil)
			failures++
		case s != nil && len(c.Of.asked(s.world)) == 0 && s.at >= target:
			failures = 0
			select {
			case <-c.wake:
				pause = shortest
			case <-ctx.Done():
			}
		default:
			failures = 0
			wait(ctx, pause, c.wake)
			pause = min(2*pause, longest)
		}
	}
	return ctx.Err()
}

// situation is what the serving read model says in its first partition.
type situation struct {
	generation projections.Generation
	partitions int
	world      *projections.World
	at         uint64
}

// look returns nil while no generation serves.
func (c *Calibrator) look(ctx context.Context) (*situation, error) {
	catalogue, err := c.ReadModels.Catalogue(ctx)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	s := &situation{
		generation: projections.Generation{View: c.Of.view, Number: catalogue.Views[c.Of.view].Serving},
		partitions: catalogue.Partitions,
	}
	if s.generation.Number == 0 || s.partitions == 0 {
		return nil, nil
	}
	saved, err := c.ReadModels.Open(ctx, 0, []projections.Generation{s.generation})
	if err != nil {
		return nil, fmt.Errorf("world of %s: %w", s.generation, err)
	}
	s.at = saved[0].Checkpoint.Position
	s.world, err = projections.DecodeWorld(saved[0].World)
	return s, err
}

// answer answers what is asked for after a position, in order, as far as every
// partition has contributed, and returns how far it came.
func (c *Calibrator) answer(ctx context.Context, s *situation, done uint64) (uint64, error) {
	for _, asked := range c.Of.asked(s.world) {
		if asked.Position <= done {
			continue // answered, and not applied yet
		}
		notes, err := c.ReadModels.Notes(ctx, s.generation, s.partitions, c.Of.note(asked.Position))
		if err != nil {
			return done, fmt.Errorf("contributions of %s: %w", s.generation, err)
		}
		if slices.ContainsFunc(notes, func(n []byte) bool { return n == nil }) {
			return done, nil
		}
		p, ok := s.world.PolicyVersion(c.Of.kind, asked.PolicyVersion)
		if !ok {
			return done, fmt.Errorf("version %d of the %s policy is not in the world that asks for it", asked.PolicyVersion, c.Of.kind)
		}
		if err = c.Of.answer(ctx, c.Writer, c.request(asked), question{asked, p, notes}); err != nil {
			return done, err
		}
		done = asked.Position
	}
	return done, nil
}

// request is the same in every process that answers.
func (c *Calibrator) request(asked projections.AskedCalibration) commands.Request {
	return commands.Request{
		Command:     uuid.NewSHA1(asked.Event, []byte(c.Of.salt+strconv.Itoa(asked.PolicyVersion))),
		Name:        "calibrate",
		Actor:       eventschema.Actor{Kind: "system", ID: "calibrator"},
		Channel:     "system",
		Correlation: asked.Event,
		Causation:   asked.Event,
	}
}
