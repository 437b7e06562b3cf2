package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
)

// Eraser does the erasures that were approved: it destroys the customer's data
// key, certifies it in the customer's stream, gives the customer's names back,
// waits until the read models have forgotten, makes the stores write anew the
// files in which it all stood, and certifies that too.
//
// Each step can be done twice and in several processes at once: what was done
// is found in the log, and every command has an id that follows from the approval.
type Eraser struct {
	Log        ErasureLog
	Writer     *commands.Writer
	ReadModels ReadModels
	// Open lists the customers whose erasure was approved and is not completed, as
	// the read models know them, and up to which position of the log they do. ok is
	// false while no read model serves.
	Open func(ctx context.Context) (customers []uuid.UUID, at uint64, ok bool, err error)
	// Views names the read models for the certificate.
	Views []string
	// Compact removes what was destroyed from the files of the log; nil: the log
	// is somebody else's, who does it in their own time.
	Compact func(ctx context.Context) error
	// Rewrite removes what was purged from the files of the read models, and
	// returns how, for the certificate.
	Rewrite func(ctx context.Context) (how string, err error)
	Logger  *slog.Logger // nil: the default

	mu      sync.Mutex
	pending map[uuid.UUID]bool
	wake    chan struct{}
}

// ErasureLog is what the eraser needs of the log.
type ErasureLog interface {
	commands.Log
	// Destroy makes a stream unreadable for ever. Destroying it twice succeeds.
	Destroy(ctx context.Context, stream string) error
}

// Run works until ctx ends, and returns its error. Outages are logged and waited for.
func (e *Eraser) Run(ctx context.Context) error {
	e.wake = make(chan struct{}, 1)
	var group sync.WaitGroup
	group.Go(func() { e.listen(ctx) })
	group.Go(func() { e.work(ctx) })
	group.Wait()
	return ctx.Err()
}

// listen finds what is to be done: what the read models know, and then what the
// log brings after the position up to which they know it.
func (e *Eraser) listen(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		after, err := e.catchUp(ctx)
		if err == nil {
			err = e.Log.Follow(ctx, after, []string{erasureApproved}, func(p eventschema.Page) error {
				failures = 0
				for _, raw := range p.Events {
					if c, ok := eventschema.CustomerOf(raw); ok {
						e.add(c)
					}
				}
				return nil
			})
		}
		if ctx.Err() == nil {
			logger(e.Logger).Warn("the eraser lost the log or the read models", "error", err)
			wait(ctx, backoff(failures), nil)
		}
	}
}

// erasureApproved begins the wire type of the event that asks for the work.
const erasureApproved = "customer.erasure_approved."

func (e *Eraser) catchUp(ctx context.Context) (after uint64, err error) {
	for {
		customers, at, ok, err := e.Open(ctx)
		if err != nil || ok {
			e.add(customers...)
			return at, err
		}
		if wait(ctx, longest, nil); ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

func (e *Eraser) add(customers ...uuid.UUID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending == nil {
		e.pending = map[uuid.UUID]bool{}
	}
	for _, c := range customers {
		e.pending[c] = true
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *Eraser) work(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		batch := e.take()
		if len(batch) == 0 {
			failures = 0
			select {
			case <-e.wake:
			case <-ctx.Done():
			}
			continue
		}
		left, err := e.Erase(ctx, batch)
		e.add(left...)
		switch {
		case err == nil:
			failures = 0
			continue
		case errors.Is(err, errMore):
			continue
		case ctx.Err() == nil:
			logger(e.Logger).Error("an erasure could not be completed; it is tried again", "customers", len(left), "error", err)
		}
		wait(ctx, backoff(failures), nil)
		failures++
	}
}

func (e *Eraser) take() []uuid.UUID {
	e.mu.Lock()
	defer e.mu.Unlock()
	batch := slices.SortedFunc(maps.Keys(e.pending), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	e.pending = nil
	return batch
}

// more says whether somebody is to be erased who is not among these.
func (e *Eraser) more(than []*erasure) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	others := maps.Clone(e.pending)
	for _, d := range than {
		delete(others, d.customer)
	}
	return len(others) > 0
}

// errMore ends a batch before it is complete: it is done again together with
// others, whose keys must not outlive them because a read model is behind.
var errMore = errors.New("others are to be erased as well")

// maxReasons is how many failures are told of a batch: most have the same reason.
const maxReasons = 5

// Erase does the erasures of some customers that were approved, as far as they
// have not been done, and returns those that could not be completed, with the
// first reasons. Whose erasure was not approved is left alone.
func (e *Eraser) Erase(ctx context.Context, customers []uuid.UUID) (left []uuid.UUID, err error) {
	fail := func(c uuid.UUID, why error) {
		if left = append(left, c); len(left) <= maxReasons {
			err = errors.Join(err, fmt.Errorf("erase the customer %s: %w", c, why))
		}
	}
	var erased []*erasure
	for _, c := range customers {
		d, failure := e.erase(ctx, c)
		if failure != nil {
			fail(c, failure)
		} else if d != nil {
			erased = append(erased, d)
		}
	}
	if len(erased) == 0 {
		return left, err
	}
	store, readModels, failure := e.clean(ctx, erased)
	if failure != nil {
		for _, d := range erased {
			left = append(left, d.customer)
		}
		return left, errors.Join(err, failure)
	}
	for _, d := range erased {
		if failure := e.complete(ctx, d, store, readModels); failure != nil {
			fail(d.customer, failure)
			continue
		}
		logger(e.Logger).Info("the personal data of a customer was erased", "customer", d.customer)
	}
	return left, err
}

// erasure is what the customer's stream says of it.
type erasure struct {
	customer uuid.UUID
	state    customer.State
	events   int64
	chain    eventschema.Chain
	keys     []string  // data keys that events were encrypted with
	approval uuid.UUID // the event
	erasedAt uint64    // position of the event that certifies the erasure, 0 before
}

// read folds the customer's stream without the key, which an erasure does not need.
func (e *Eraser) read(ctx context.Context, of uuid.UUID) (*erasure, error) {
	d := &erasure{customer: of}
	for raw, err := range e.Log.Read(ctx, customer.Stream(of), 0) {
		if err != nil {
			return nil, err
		}
		event, err := eventschema.Events.Open(raw, eventschema.Erased)
		if err != nil {
			return nil, err
		}
		fact, ok := event.Data.(customer.Event)
		if !ok {
			return nil, fmt.Errorf("%s holds a %s", raw.Stream, raw.Type)
		}
		d.state = d.state.Evolve(fact)
		d.events++
		d.chain = event.Meta.Chain
		if k := event.Meta.Key; k != "" && !slices.Contains(d.keys, k) {
			d.keys = append(d.keys, k)
		}
		switch fact.(type) {
		case customer.ErasureApproved:
			d.approval = event.ID
		case customer.PersonalDataErased:
			d.erasedAt = raw.Position
		}
	}
	return d, nil
}

// request is the same in every process that does a step.
func (d *erasure) request(step string) commands.Request {
	return commands.Request{
		Command:     uuid.NewSHA1(d.approval, []byte(step)),
		Name:        step,
		Actor:       eventschema.Actor{Kind: "system", ID: "eraser"},
		Channel:     "system",
		Correlation: d.approval,
		Causation:   d.approval,
	}
}

// erase destroys the key, certifies it and gives the names back. It returns nil
// if there is nothing to do, or nothing left.
func (e *Eraser) erase(ctx context.Context, of uuid.UUID) (*erasure, error) {
	for {
		d, err := e.read(ctx, of)
		if err != nil {
			return nil, err
		}
		if !d.state.Erasing() || d.state.Erasure.State == customer.ErasureStateCompleted {
			return nil, nil
		}
		if d.erasedAt == 0 {
			if err := e.certify(ctx, d); errors.Is(err, commands.ErrRevision) {
				continue // an order was paid meanwhile: the certificate counts it too
			} else if err != nil {
				return nil, err
			}
		}
		err = e.release(ctx, d)
		d.state = customer.State{} // there may be many
		return d, err
	}
}

// certify destroys the key and says so.
func (e *Eraser) certify(ctx context.Context, d *erasure) error {
	stream := datakey.Stream(d.customer)
	for raw, err := range e.Log.Read(ctx, stream, 0) {
		if errors.Is(err, commands.ErrDestroyed) {
			break // by us, before
		}
		if err != nil {
			return err
		}
		event, err := eventschema.Events.Open(raw, nil)
		if err != nil {
			return err
		}
		if k, ok := event.Data.(datakey.Created); ok && !slices.Contains(d.keys, k.KeyID) {
			d.keys = append(d.keys, k.KeyID)
		}
	}
	if err := e.Log.Destroy(ctx, stream); err != nil {
		return err
	}
	r := d.request("erase")
	r.Match = []int64{d.events - 1}
	result, err := commands.Execute(ctx, e.Writer, r, customer.Erase{
		Subject:    e.Writer.World.Subject(d.customer),
		EventCount: d.events, ChainHead: d.chain.String(), KeyIDs: d.keys, ReadModels: e.Views,
	})
	d.erasedAt = result.Position
	return err
}

// release gives the names back that the customer held, so that somebody else may
// have them.
func (e *Eraser) release(ctx context.Context, d *erasure) error {
	objected := d.state.Permissions.Objects()
	for _, name := range d.state.Names() {
		if err := e.Writer.Release(ctx, d.request("release"), name.Kind, name.Lookup, d.customer, objected); err != nil {
			return fmt.Errorf("release a name: %w", err)
		}
	}
	return nil
}

// clean waits until the read models have forgotten, and takes what was destroyed
// out of the files. It gives up with errMore when others are to be erased.
func (e *Eraser) clean(ctx context.Context, erased []*erasure) (store, readModels string, err error) {
	store = customer.StoreScavenge
	if e.Compact != nil {
		store = customer.StoreCompacted
		if err := e.Compact(ctx); err != nil {
			return "", "", fmt.Errorf("compact the log: %w", err)
		}
	}
	for pause := shortest; ; pause = min(2*pause, longest) {
		purged, err := e.purged(ctx, erased)
		if err != nil {
			return "", "", fmt.Errorf("look whether the read models have forgotten: %w", err)
		}
		if purged {
			break
		}
		if wait(ctx, pause, e.wake); ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		if e.more(erased) {
			return "", "", errMore
		}
	}
	readModels, err = e.Rewrite(ctx)
	if err != nil {
		return "", "", fmt.Errorf("write the files of the read models anew: %w", err)
	}
	return store, readModels, nil
}

// purged says whether no generation of a read model, serving or not, can hold
// anything of the customers any more.
func (e *Eraser) purged(ctx context.Context, erased []*erasure) (bool, error) {
	catalogue, err := e.ReadModels.Catalogue(ctx)
	if err != nil || catalogue.Partitions == 0 {
		return false, err
	}
	var generations []projections.Generation
	for view, slot := range catalogue.Views {
		if len(slot.Retired) > 0 {
			return false, nil // soon to be dropped
		}
		for _, n := range []int{slot.Serving, slot.Building} {
			if n != 0 {
				generations = append(generations, projections.Generation{View: view, Number: n})
			}
		}
	}
	needed := map[int]uint64{}
	for _, d := range erased {
		p := projections.PartitionOf(d.customer, catalogue.Partitions)
		needed[p] = max(needed[p], d.erasedAt)
	}
	for p, position := range needed {
		saved, err := e.ReadModels.Open(ctx, p, generations)
		if err != nil {
			return false, err
		}
		for _, s := range saved {
			if s.Checkpoint.Position < position {
				return false, nil
			}
		}
	}
	return true, nil
}

// complete certifies that the key has left the files.
func (e *Eraser) complete(ctx context.Context, d *erasure, store, readModels string) error {
	_, err := commands.Execute(ctx, e.Writer, d.request("complete-erasure"), customer.CompleteErasure{
		Subject: e.Writer.World.Subject(d.customer), Store: store, ReadModels: readModels,
	})
	if errors.Is(err, commands.ErrKeyReused) {
		return nil // by another process, in other words
	}
	return err
}
