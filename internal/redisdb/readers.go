package redisdb

import (
	"context"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// catalogueAge is how old a reader's catalogue may be. A generation is unlinked
// much later than it is retired, so that nobody reads what is gone.
const catalogueAge = time.Second

// Readers returns the store as queries use it: the catalogue may be up to a
// second old.
func (s *Store) Readers() readapi.Documents {
	return &readers{Store: s, turn: make(chan struct{}, 1)}
}

type readers struct {
	*Store
	turn chan struct{} // held by who asks Redis

	mu   sync.Mutex
	have projections.Catalogue
	at   time.Time // when it was asked for; zero: never
}

// Catalogue implements readapi.Documents. Do not change what it returns.
func (r *readers) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	if c, ok := r.fresh(); ok {
		return c, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return projections.Catalogue{}, ctx.Err()
	}
	if c, ok := r.fresh(); ok {
		return c, nil // somebody asked while we waited
	}
	asked := time.Now()
	c, err := r.Store.Catalogue(ctx)
	if err != nil {
		return c, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.have, r.at = c, asked
	return c, nil
}

func (r *readers) fresh() (projections.Catalogue, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.have, !r.at.IsZero() && time.Since(r.at) < catalogueAge
}
