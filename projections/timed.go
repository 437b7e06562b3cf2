package projections

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// timed gives up what a store does not answer in time. Each call has the time to
// itself: a batch may take as long as it needs.
type timed struct {
	Store
	within time.Duration
}

func (t timed) Open(ctx context.Context, partition int, generations []Generation) ([]Saved, error) {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	return t.Store.Open(ctx, partition, generations)
}

func (t timed) Load(ctx context.Context, partition int, generations []Generation, customers []uuid.UUID) ([][][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	return t.Store.Load(ctx, partition, generations, customers)
}

func (t timed) Customers(ctx context.Context, partition int, g Generation) ([]uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	return t.Store.Customers(ctx, partition, g)
}

func (t timed) Standing(ctx context.Context, partition int, g Generation, index, upTo string) ([]uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	return t.Store.Standing(ctx, partition, g, index, upTo)
}

func (t timed) Commit(ctx context.Context, partition int, changes []Change) error {
	ctx, cancel := context.WithTimeout(ctx, t.within)
	defer cancel()
	return t.Store.Commit(ctx, partition, changes)
}
