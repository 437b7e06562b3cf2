package readapi

import (
	"context"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
)

// Documents is what the queries need of the read models. Safe for concurrent use.
type Documents interface {
	// Catalogue returns which generation of each view serves.
	Catalogue(ctx context.Context) (projections.Catalogue, error)
	// Document returns a customer's document (nil if there is none), the
	// partition's world, and the checkpoint both reflect, all of one moment.
	Document(ctx context.Context, g projections.Generation, partition int, customer uuid.UUID) (doc, world []byte, at projections.Checkpoint, err error)
	// Together returns what Document returns of each generation, all of one
	// moment and in one round trip.
	Together(ctx context.Context, g []projections.Generation, partition int, customer uuid.UUID) ([]Found, error)
	// Documents returns the documents of customers of any partitions, in the order asked.
	Documents(ctx context.Context, g projections.Generation, partitions int, customers []uuid.UUID) ([][]byte, error)
	// Range returns up to limit members of an index that lie after `after` ("" for the start)
	// and begin with prefix, over all partitions, in byte order, ascending or descending,
	// and the lowest checkpoint among the partitions read.
	Range(ctx context.Context, g projections.Generation, partitions int, q RangeQuery) (members []string, at uint64, err error)
	// Metrics returns the totals over all partitions, and the lowest checkpoint among them.
	Metrics(ctx context.Context, g projections.Generation, partitions int) (totals map[string]int64, at uint64, err error)
	// Checkpoints returns the checkpoint of every partition.
	Checkpoints(ctx context.Context, g projections.Generation, partitions int) ([]projections.Checkpoint, error)
	// World returns the broadcast document of one partition.
	World(ctx context.Context, g projections.Generation, partition int) (world []byte, at projections.Checkpoint, err error)
}

// RangeQuery asks for a piece of an index.
type RangeQuery struct {
	Index      string
	Prefix     string
	After      string
	Descending bool
	Limit      int
}

// Found is a customer's document, its partition's world and the checkpoint both
// reflect.
type Found struct {
	Document []byte // nil if there is none
	World    []byte
	At       projections.Checkpoint
}
