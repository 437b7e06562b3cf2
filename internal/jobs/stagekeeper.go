package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/lifecycle"
	"golang.org/x/sync/errgroup"
)

// StageKeeper moves customers from stage to stage when time alone does: when a
// day is closed, and when a policy is published. Who may have to move, the
// lifecycle view says; whether they do, and since when, their own stream decides.
type StageKeeper struct {
	ReadModels interface {
		Catalogue(ctx context.Context) (projections.Catalogue, error)
	}
	// Members returns up to limit members of an index that lie after `after`, over
	// all partitions, in byte order, and the lowest checkpoint of the partitions.
	Members func(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) (members []string, at uint64, err error)
	Log     Follower
	Writer  *commands.Writer // its World is kept up to date by somebody else
	Logger  *slog.Logger     // nil: the default

	Parallel int // customers moved at a time; 0: 64

	target atomic.Uint64 // up to where the log was seen to ask for a look
	wake   chan struct{} // the target has moved
}

const (
	keptAtOnce = 64
	duePage    = 2000
)

// Run works until ctx ends, and returns its error. Outages of the log and the
// read models are logged and waited for.
func (k *StageKeeper) Run(ctx context.Context) error {
	k.wake = make(chan struct{}, 1)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.listen(ctx) })
	group.Go(func() error { return k.work(ctx) })
	return group.Wait()
}

// listen follows the log, to know when to look and how far the read models must
// have come then. It begins where they are: the first look needs nothing else.
func (k *StageKeeper) listen(ctx context.Context) error {
	after, ready, err := k.position(ctx)
	for failures := 0; !ready && ctx.Err() == nil; after, ready, err = k.position(ctx) {
		pause := longest
		if err != nil {
			pause, failures = backoff(failures), failures+1
		}
		wait(ctx, pause, nil)
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		err := k.Log.Follow(ctx, after, triggers, func(p eventschema.Page) error {
			failures, after = 0, max(after, p.End)
			if n := len(p.Events); n > 0 {
				k.target.Store(p.Events[n-1].Position)
				select {
				case k.wake <- struct{}{}:
				default:
				}
			}
			return nil
		})
		if ctx.Err() == nil {
			logger(k.Logger).Warn("the stage keeper lost the log", "error", err)
			wait(ctx, backoff(failures), nil)
		}
	}
	return ctx.Err()
}

// position returns how far the view is, false while none serves.
func (k *StageKeeper) position(ctx context.Context) (at uint64, ready bool, err error) {
	g, partitions, err := k.serving(ctx)
	if err != nil || g.Number == 0 {
		return 0, false, err
	}
	_, at, err = k.Members(ctx, g, partitions, lifecycle.IndexDue, "", 1)
	return at, err == nil, err
}

func (k *StageKeeper) serving(ctx context.Context) (projections.Generation, int, error) {
	catalogue, err := k.ReadModels.Catalogue(ctx)
	if err != nil {
		return projections.Generation{}, 0, fmt.Errorf("catalogue: %w", err)
	}
	g := projections.Generation{View: lifecycle.Name, Number: catalogue.Views[lifecycle.Name].Serving}
	if catalogue.Partitions == 0 {
		g.Number = 0
	}
	return g, catalogue.Partitions, nil
}

// work looks at who is due once at the start, and then whenever the log asks for it.
func (k *StageKeeper) work(ctx context.Context) error {
	failures, pause := 0, shortest
	for ctx.Err() == nil {
		target := k.target.Load()
		there, err := k.round(ctx, target)
		switch {
		case err != nil && ctx.Err() == nil:
			logger(k.Logger).Error("customers could not be moved to their stages; it is tried again", "error", err)
			wait(ctx, backoff(failures), nil)
			failures++
		case !there:
			wait(ctx, pause, k.wake)
			pause = min(2*pause, longest)
		case k.target.Load() == target:
			failures, pause = 0, shortest
			select {
			case <-k.wake:
			case <-ctx.Done():
			}
		default:
			failures, pause = 0, shortest
		}
	}
	return ctx.Err()
}

// round moves everybody who is due, as soon as the view is at a position. false:
// it is not there yet.
func (k *StageKeeper) round(ctx context.Context, target uint64) (there bool, err error) {
	g, partitions, err := k.serving(ctx)
	if err != nil || g.Number == 0 {
		return false, err
	}
	if err := k.Writer.World.WaitFor(ctx, target); err != nil {
		return false, err
	}
	facts := k.Writer.World.Facts()
	today := k.Writer.World.Subject(uuid.Nil).Today().String()
	begin, moved := time.Now(), 0
	var failure error // the first
	for after := ""; ; {
		members, at, err := k.Members(ctx, g, partitions, lifecycle.IndexDue, after, duePage)
		switch {
		case err != nil:
			return false, fmt.Errorf("who is due in %s: %w", g, err)
		case at < target:
			return false, nil
		case facts.Closed == nil: // a past is being told, and nobody lives in it yet
			return true, nil
		}
		due := make([]uuid.UUID, 0, len(members))
		for _, m := range members {
			date, id, _ := strings.Cut(m, "\x00")
			if date > today {
				break
			}
			c, err := uuid.Parse(id)
			if err != nil {
				return false, fmt.Errorf("member %q of %s: %w", m, g, err)
			}
			due = append(due, c)
		}
		n, failures, err := k.assess(ctx, facts, due)
		moved += n
		if failure = cmp.Or(failure, err); err != nil && failures == len(due) {
			return false, failure // nor can anybody else be moved
		}
		if len(due) < duePage {
			break
		}
		after = members[len(members)-1]
	}
	if moved > 0 {
		logger(k.Logger).Info("customers were idle and have moved to other stages", "customers", moved, "closed", facts.Closed, "took", time.Since(begin))
	}
	return failure == nil, failure
}

// assess lets customers move who may have to, many at a time. Those who cannot be
// moved do not stop the others; it returns how many they are, and why the first is
// one of them.
func (k *StageKeeper) assess(ctx context.Context, facts commands.Facts, due []uuid.UUID) (moved, failures int, failure error) {
	group := new(errgroup.Group)
	if group.SetLimit(keptAtOnce); k.Parallel > 0 {
		group.SetLimit(k.Parallel)
	}
	var mu sync.Mutex
	for _, c := range due {
		group.Go(func() error {
			result, err := commands.Result{}, ctx.Err()
			if err == nil {
				result, err = k.move(ctx, facts, c)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failures++
				return fmt.Errorf("customer %v: %w", c, err)
			case result.Changed:
				moved++
			}
			return nil
		})
	}
	failure = group.Wait()
	return moved, failures, failure
}

func (k *StageKeeper) move(ctx context.Context, facts commands.Facts, c uuid.UUID) (commands.Result, error) {
	cmd := customer.AssessStage{Subject: k.Writer.World.Subject(c)}
	r := commands.Request{
		// A policy that is published later on the same day may move them once more.
		Command: uuid.NewSHA1(keeperSpace, fmt.Appendf(nil, "%v %v %d", facts.ClosedBy, c, len(facts.Policies.Lifecycles()))),
		Name:    "assess-stage", Actor: keeperActor, Channel: "system",
		Correlation: facts.ClosedBy, Causation: facts.ClosedBy,
	}
	cmd.Actor = r.Actor
	k.Writer.World.Tell(&cmd)
	result, err := commands.Execute(ctx, k.Writer, r, domain.Command[customer.State, customer.Event](cmd))
	var refusal *domain.Error
	switch {
	case errors.Is(err, commands.ErrKeyReused):
		return commands.Result{}, nil // done long ago, by another program
	case errors.As(err, &refusal) && (refusal.Kind == domain.Gone || refusal.Kind == domain.Restricted || refusal.Kind == domain.NotFound):
		return commands.Result{}, nil // nobody is there to be moved, or may be
	}
	return result, err
}

var keeperActor = eventschema.Actor{Kind: "system", ID: "stage-keeper"}

// keeperSpace is the name space of the command ids. It can never change.
var keeperSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:stage-keeper"))
