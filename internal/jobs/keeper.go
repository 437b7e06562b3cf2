package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"golang.org/x/sync/errgroup"
)

// Duty is what a keeper books when time alone brings it about.
type Duty struct {
	Name string // in the log of the process, such as stage keeper
	// Actor is the id of the system actor in the history, such as stage-keeper.
	Actor string
	// View has an Index of who may be due, and when: "2026-03-01\x00customer".
	View, Index string
	// Kinds of policy by which it is decided. A version that is published asks for
	// a look, as a closed day does.
	Kinds []string
	// Space is the name space of the command ids. It can never change.
	Space uuid.UUID
	// Wire is the name of the command in the history, such as assess-stage.
	Wire string
	// Command books what is due of the subject's customer by business now, and
	// nothing if nothing is.
	Command func(domain.Subject, *world.World) domain.Command[customer.State, customer.Event]
	// AtOnce is how many events the command books at most; then it is given again.
	// 0: it books everything.
	AtOnce int

	Done   string // what the log of the process says of a round that booked something
	Failed string // and of one that could not
}

// Keeper books what falls due when time alone brings it about: when a day is
// closed, and when a policy is published. For whom something may be due, a view
// says; whether it is, and since when, their own stream decides.
type Keeper struct {
	Duty

	ReadModels interface {
		Catalogue(ctx context.Context) (projections.Catalogue, error)
	}
	// Members returns up to limit members of an index that lie after `after`, over
	// all partitions, in byte order, and the lowest checkpoint of the partitions.
	Members func(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) (members []string, at uint64, err error)
	Log     Follower
	Writer  *commands.Writer // its World is kept up to date by somebody else
	Logger  *slog.Logger     // nil: the default

	Parallel int // customers at a time; 0: 64

	target atomic.Uint64 // up to where the log was seen to ask for a look
	wake   chan struct{} // the target has moved

	mu   sync.Mutex
	kept Kept
}

// Kept is how far a keeper is.
type Kept struct {
	// Position of the log: what was due by the days closed and the policies
	// published up to it is booked, by this keeper or another. It moves on when the
	// log asks for a look, not with every event.
	Position uint64
	// Through is a position from which on all that this keeper found booked is in the log.
	Through uint64
	Failing bool // since the last look
}

const (
	keptAtOnce = 64
	duePage    = 2000
)

// Kept returns how far the keeper is. Safe for concurrent use.
func (k *Keeper) Kept() Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}

// Run works until ctx ends, and returns its error. Outages of the log and the
// read models are logged and waited for, and so is a view that is not there yet.
func (k *Keeper) Run(ctx context.Context) error {
	k.wake = make(chan struct{}, 1)
	after, err := k.begin(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return k.listen(ctx, after) })
	group.Go(func() error { return k.work(ctx) })
	return group.Wait()
}

// begin waits for the view and returns a position that both the view and the
// world have reached: the first look, which comes after, covers what the log
// asked for up to there.
func (k *Keeper) begin(ctx context.Context) (after uint64, err error) {
	for failures := 0; ctx.Err() == nil; {
		known := k.Writer.World.Facts().Position
		at, ready, err := k.position(ctx)
		if ready {
			return min(at, known), nil
		}
		pause := longest
		if err != nil {
			pause, failures = backoff(failures), failures+1
		}
		wait(ctx, pause, nil)
	}
	return 0, ctx.Err()
}

// listen follows the log, to know when to look and how far the read models must
// have come then.
func (k *Keeper) listen(ctx context.Context, after uint64) error {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := k.Log.Follow(ctx, after, triggers, func(p eventschema.Page) error {
			failures, after = 0, max(after, p.End)
			for _, raw := range slices.Backward(p.Events) {
				if !k.asks(raw) {
					continue
				}
				k.target.Store(raw.Position)
				select {
				case k.wake <- struct{}{}:
				default:
				}
				break
			}
			return nil
		})
		if ctx.Err() == nil {
			logger(k.Logger).Warn("the "+k.Name+" lost the log", "error", err)
			wait(ctx, backoff(failures), nil)
		}
	}
	return ctx.Err()
}

// asks says whether an event may make something due.
func (k *Keeper) asks(raw eventschema.Raw) bool {
	return raw.Stream == calendar.Stream || slices.ContainsFunc(k.Kinds, func(kind string) bool { return raw.Stream == policy.Stream(kind) })
}

// position returns how far the view is, false while none serves.
func (k *Keeper) position(ctx context.Context) (at uint64, ready bool, err error) {
	g, partitions, err := k.serving(ctx)
	if err != nil || g.Number == 0 {
		return 0, false, err
	}
	_, at, err = k.Members(ctx, g, partitions, k.Index, "", 1)
	return at, err == nil, err
}

func (k *Keeper) serving(ctx context.Context) (projections.Generation, int, error) {
	catalogue, err := k.ReadModels.Catalogue(ctx)
	if err != nil {
		return projections.Generation{}, 0, fmt.Errorf("catalogue: %w", err)
	}
	g := projections.Generation{View: k.View, Number: catalogue.Views[k.View].Serving}
	if catalogue.Partitions == 0 {
		g.Number = 0
	}
	return g, catalogue.Partitions, nil
}

// work looks at who is due once at the start, and then whenever the log asks for it.
func (k *Keeper) work(ctx context.Context) error {
	failures, pause := 0, shortest
	for ctx.Err() == nil {
		target := k.target.Load()
		there, err := k.round(ctx, target)
		k.mu.Lock()
		k.kept.Failing = err != nil
		k.mu.Unlock()
		switch {
		case err != nil && ctx.Err() == nil:
			logger(k.Logger).Error(k.Failed+"; it is tried again", "error", err)
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

// round books for everybody who is due, as soon as the view is at a position.
// false: it is not there yet.
func (k *Keeper) round(ctx context.Context, target uint64) (there bool, err error) {
	g, partitions, err := k.serving(ctx)
	if err != nil || g.Number == 0 {
		return false, err
	}
	if err := k.Writer.World.WaitFor(ctx, target); err != nil {
		return false, err
	}
	facts := k.Writer.World.Facts()
	today := k.Writer.World.Subject(uuid.Nil).Today().String()
	begin, done, covered := time.Now(), booked{}, facts.Position
	var failure error // the first
	for after := ""; ; {
		members, at, err := k.Members(ctx, g, partitions, k.Index, after, duePage)
		covered = min(covered, at)
		switch {
		case err != nil:
			return false, fmt.Errorf("who is due in %s: %w", g, err)
		case at < target:
			return false, nil
		case facts.Closed == nil: // a past is being told, and nobody lives in it yet
			k.reached(covered, done)
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
		n, err := k.book(ctx, facts, due)
		done.customers, done.through = done.customers+n.customers, max(done.through, n.through)
		if failure = cmp.Or(failure, err); err != nil && n.failures == len(due) {
			return false, failure // nor can it be for anybody else
		}
		if len(due) < duePage {
			break
		}
		after = members[len(members)-1]
	}
	if done.customers > 0 {
		logger(k.Logger).Info(k.Done, "customers", done.customers, "closed", facts.Closed, "took", time.Since(begin))
	}
	if failure != nil {
		return false, failure
	}
	k.reached(covered, done)
	return true, nil
}

func (k *Keeper) reached(position uint64, done booked) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept.Position = max(k.kept.Position, position)
	k.kept.Through = max(k.kept.Through, done.through)
}

// booked is what came of some customers.
type booked struct {
	customers int    // for whom there was something to book
	failures  int    // for whom it could not be
	through   uint64 // all of it is in the log up to here
}

// book executes the command for customers who may be due, many at a time. Those
// for whom it fails do not stop the others; it returns why the first is one of them.
func (k *Keeper) book(ctx context.Context, facts commands.Facts, due []uuid.UUID) (done booked, failure error) {
	group := new(errgroup.Group)
	if group.SetLimit(keptAtOnce); k.Parallel > 0 {
		group.SetLimit(k.Parallel)
	}
	var mu sync.Mutex
	for _, c := range due {
		group.Go(func() error {
			result, err := commands.Result{}, ctx.Err()
			if err == nil {
				result, err = k.execute(ctx, facts, c)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				done.failures++
				return fmt.Errorf("customer %v: %w", c, err)
			}
			done.through = max(done.through, result.Position)
			if result.Changed {
				done.customers++
			}
			return nil
		})
	}
	failure = group.Wait()
	return done, failure
}

func (k *Keeper) execute(ctx context.Context, facts commands.Facts, c uuid.UUID) (commands.Result, error) {
	id := k.commandID(facts, c)
	result, err := k.step(ctx, facts, c, id)
	for n, last := 1, result; err == nil && k.AtOnce > 0 && len(last.Events) == k.AtOnce; n++ {
		if last, err = k.step(ctx, facts, c, uuid.NewSHA1(id, fmt.Appendf(nil, "step %d", n))); err == nil && last.Changed {
			result.Position = last.Position
		}
	}
	return result, err
}

func (k *Keeper) step(ctx context.Context, facts commands.Facts, c, id uuid.UUID) (commands.Result, error) {
	r := commands.Request{
		Command: id, Name: k.Wire,
		Actor: eventschema.Actor{Kind: "system", ID: k.Actor}, Channel: "system",
		Correlation: facts.ClosedBy, Causation: facts.ClosedBy,
	}
	s := k.Writer.World.Subject(c)
	s.Actor = r.Actor
	result, err := commands.Execute(ctx, k.Writer, r, k.Command(s, k.Writer.World.Facts().World))
	var refusal *domain.Error
	switch {
	case errors.Is(err, commands.ErrKeyReused):
		return commands.Result{}, nil // done long ago, by another program
	case errors.As(err, &refusal) && (refusal.Kind == domain.Gone || refusal.Kind == domain.Restricted || refusal.Kind == domain.NotFound):
		return commands.Result{}, nil // nobody is there for whom it could be booked, or may be
	}
	return result, err
}

// commandID is the same in every process. A policy that is published later on the
// same day makes it another one: there may be more to book.
func (k *Keeper) commandID(facts commands.Facts, c uuid.UUID) uuid.UUID {
	versions := 0
	for _, kind := range k.Kinds {
		versions += len(facts.Policies[kind])
	}
	return uuid.NewSHA1(k.Space, fmt.Appendf(nil, "%v %v %d", facts.ClosedBy, c, versions))
}
