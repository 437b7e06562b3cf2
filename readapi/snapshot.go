package readapi

import (
	"context"
	"math"
	"net/http"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
	"golang.org/x/sync/errgroup"
)

// serving returns the generation of a view that answers queries, and the number
// of partitions. Documents remembers the catalogue, so that this costs no trip.
func (a *API) serving(ctx context.Context, view string) (projections.Generation, int, error) {
	c, err := a.Documents.Catalogue(ctx)
	if err != nil {
		return projections.Generation{}, 0, err
	}
	g := projections.Generation{View: view, Number: c.Views[view].Serving}
	if g.Number == 0 || c.Partitions == 0 {
		return g, 0, ErrBehind.With("The read model %q is being built for the first time. Ask again.", view)
	}
	return g, c.Partitions, nil
}

// worlds remembers decoded worlds by their bytes: every partition holds the
// same one, and it changes once a day.
type worlds struct {
	mu    sync.Mutex
	known map[string]*projections.World
}

const worldsKept = 32

func (ws *worlds) decode(stored []byte) (*projections.World, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.known[string(stored)]; w != nil {
		return w, nil
	}
	w, err := projections.DecodeWorld(stored)
	if err != nil {
		return nil, err
	}
	if ws.known == nil || len(ws.known) >= worldsKept {
		ws.known = map[string]*projections.World{}
	}
	ws.known[string(stored)] = w
	return w, nil
}

// snapshot is what the read models say of one customer.
type snapshot struct {
	docs     [][]byte // one for each view asked for, nil where there is none
	world    *projections.World
	position uint64 // the lowest of the views'
}

// about reads what some views hold of the customer whom a request names, no
// earlier than it asks for. read takes the parameters that the route has beside
// min_position; nil: it has none.
func (a *API) about(r *http.Request, read func(*params), views ...string) (id uuid.UUID, s snapshot, err error) {
	if id, err = customerID(r); err != nil {
		return id, s, err
	}
	p := paramsOf(r)
	least := p.minPosition()
	if read != nil {
		read(p)
	}
	if err = p.err(); err != nil {
		return id, s, err
	}
	s, err = a.snapshot(r.Context(), id, least, views...)
	return id, s, err
}

// snapshot reads a customer's documents of some views, waiting for the lane of
// that customer to reach a position. The world is that of the last view.
func (a *API) snapshot(ctx context.Context, customer uuid.UUID, least uint64, views ...string) (s snapshot, err error) {
	err = a.atLeast(ctx, least, func(ctx context.Context) (uint64, error) {
		s, err = a.look(ctx, customer, views)
		return s.position, err
	})
	return s, err
}

func (a *API) look(ctx context.Context, customer uuid.UUID, views []string) (snapshot, error) {
	var partition int
	generations := make([]projections.Generation, len(views))
	for i, v := range views {
		g, partitions, err := a.serving(ctx, v)
		if err != nil {
			return snapshot{}, err
		}
		generations[i], partition = g, projections.PartitionOf(customer, partitions)
	}
	found, err := a.Documents.Together(ctx, generations, partition, customer)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{docs: make([][]byte, len(found)), position: found[0].At.Position}
	for i, f := range found {
		s.docs[i] = f.Document
		s.position = min(s.position, f.At.Position)
	}
	s.world, err = a.worlds.decode(found[len(found)-1].World)
	return s, err
}

// world returns the broadcast document as the first partition has it.
func (a *API) world(ctx context.Context, view string) (*projections.World, error) {
	g, _, err := a.serving(ctx, view)
	if err != nil {
		return nil, err
	}
	stored, _, err := a.Documents.World(ctx, g, 0)
	if err != nil {
		return nil, err
	}
	return a.worlds.decode(stored)
}

// across is one view of all customers, at least as far as position.
type across struct {
	generation projections.Generation
	partitions int
	position   uint64
	world      *projections.World
}

func (l across) stamp() Stamp { return stamp(l.position, l.world) }

// across waits for all lanes of a view to reach a position.
func (a *API) across(ctx context.Context, view string, least uint64) (l across, err error) {
	err = a.atLeast(ctx, least, func(ctx context.Context) (uint64, error) {
		if l.generation, l.partitions, err = a.serving(ctx, view); err != nil {
			return 0, err
		}
		checkpoints, err := a.Documents.Checkpoints(ctx, l.generation, l.partitions)
		if err != nil {
			return 0, err
		}
		l.position = math.MaxUint64
		for _, c := range checkpoints {
			l.position = min(l.position, c.Position)
		}
		return l.position, nil
	})
	if err != nil {
		return l, err
	}
	stored, _, err := a.Documents.World(ctx, l.generation, 0)
	if err != nil {
		return l, err
	}
	l.world, err = a.worlds.decode(stored)
	return l, err
}

// overall is the read models of all customers, at least as far as position.
type overall struct {
	profile, rfm projections.Generation
	partitions   int
	position     uint64
	world        *projections.World
}

func (o overall) stamp() Stamp { return stamp(o.position, o.world) }

// overall waits for all lanes to reach a position.
func (a *API) overall(ctx context.Context, least uint64) (o overall, err error) {
	err = a.atLeast(ctx, least, func(ctx context.Context) (uint64, error) {
		o, err = a.lookOver(ctx)
		return o.position, err
	})
	return o, err
}

func (a *API) lookOver(ctx context.Context) (o overall, err error) {
	if o.profile, o.partitions, err = a.serving(ctx, profile.Name); err != nil {
		return o, err
	}
	if o.rfm, _, err = a.serving(ctx, rfm.Name); err != nil {
		return o, err
	}
	var checkpoints [2][]projections.Checkpoint
	var stored []byte
	group, ctx := errgroup.WithContext(ctx)
	for i, g := range []projections.Generation{o.profile, o.rfm} {
		group.Go(func() (err error) {
			checkpoints[i], err = a.Documents.Checkpoints(ctx, g, o.partitions)
			return err
		})
	}
	group.Go(func() (err error) {
		stored, _, err = a.Documents.World(ctx, o.rfm, 0)
		return err
	})
	if err := group.Wait(); err != nil {
		return o, err
	}
	o.position = math.MaxUint64
	for _, c := range slices.Concat(checkpoints[0], checkpoints[1]) {
		o.position = min(o.position, c.Position)
	}
	o.world, err = a.worlds.decode(stored)
	return o, err
}

// Stamp says which past an answer reflects.
type Stamp struct {
	Position uint64       `json:"position"`                    // the log up to here
	AsOf     *domain.Date `json:"as_of" jsonschema:"nullable"` // the last closed business day; null before the first
}

func stamp(position uint64, w *projections.World) Stamp {
	s := Stamp{Position: position}
	if w != nil {
		s.AsOf = w.Closed
	}
	return s
}
