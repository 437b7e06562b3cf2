package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ErrFenced says that another writer moved a checkpoint or the catalogue. The
// caller must forget what it knows and open again.
var ErrFenced = errors.New("projections: another writer was here")

// Generation is one filling of a view. Queries read the serving one while the
// next is built beside it.
type Generation struct {
	View   string
	Number int
}

func (g Generation) String() string { return fmt.Sprintf("%s@%d", g.View, g.Number) }

// Checkpoint says how far a generation has applied the log in one partition.
// Cursor is not empty while a broadcast event at the next position is being
// applied in slices: documents of customers up to and including it are done. It is
// not empty either while a sweep is on its way (see Cause): no two states of a
// partition have the same checkpoint.
type Checkpoint struct {
	Position uint64
	Cursor   string
}

// Saved is what the store holds of one generation in one partition beside the
// documents.
type Saved struct {
	Checkpoint Checkpoint
	World      []byte           // the partition's broadcast document, nil at the start
	Metrics    map[string]int64 // totals of the partition
}

// Entry stands in an index: Member is a sort key, a NUL byte, and the customer's id,
// so that members of one index order by key and then by customer, in byte order.
type Entry struct{ Index, Member string }

// Change is what one generation becomes in one partition.
type Change struct {
	Generation Generation
	From, To   Checkpoint
	World      []byte               // nil: unchanged
	Documents  map[uuid.UUID][]byte // nil bytes: deleted
	Remove     []Entry
	Add        []Entry
	Metrics    map[string]int64  // new totals of those that changed; zero removes
	Notes      map[string][]byte // small named values for cross-partition jobs; nil removes
}

// Slot says which generations of a view exist. Zero means none.
type Slot struct {
	Serving  int
	Building int   // being filled from the log by a rebuild
	Retired  []int // no longer read; to be dropped
	Last     int   // the highest number ever given; numbers are not used again
}

// Catalogue is what a Redis holds: of which log, cut into how many partitions,
// in which generations. The zero value is an empty Redis.
type Catalogue struct {
	LogID      string
	Partitions int
	Views      map[string]Slot
	Version    uint64 // counts changes; Save compares it
}

// Store keeps what the views make of the log. All keys of one partition change
// together or not at all. Every write is absolute, so that a write that is sent
// twice is harmless. Safe for concurrent use.
type Store interface {
	// Catalogue returns what the store holds; SaveCatalogue replaces it if its
	// Version is still the one given, and increments it (ErrFenced otherwise).
	Catalogue(ctx context.Context) (Catalogue, error)
	SaveCatalogue(ctx context.Context, c Catalogue) error

	// Open returns what is saved of each generation in a partition.
	Open(ctx context.Context, partition int, generations []Generation) ([]Saved, error)
	// Load returns the documents of customers, nil where there is none: result[i][j]
	// is generation i, customer j. One round trip.
	Load(ctx context.Context, partition int, generations []Generation, customers []uuid.UUID) ([][][]byte, error)
	// Customers returns who has a document in a generation, ascending by the id's text.
	Customers(ctx context.Context, partition int, g Generation) ([]uuid.UUID, error)
	// Standing returns who stands in an index of a generation under a key of at most
	// upTo, in byte order of the keys. Keys contain no byte below a space.
	Standing(ctx context.Context, partition int, g Generation, index, upTo string) ([]uuid.UUID, error)
	// Commit compares every change's From with what is stored and writes all
	// changes, atomically; ErrFenced if one differs. After any other error the
	// outcome is unknown: open again.
	Commit(ctx context.Context, partition int, changes []Change) error
	// Advance moves the checkpoints of many partitions that have nothing to
	// write, each fenced for itself; the result says which were fenced.
	Advance(ctx context.Context, g []Generation, partitions map[int][2]Checkpoint) (fenced []int, err error)
	// Notes returns a note of a generation from every partition, nil where absent.
	Notes(ctx context.Context, g Generation, partitions int, name string) ([][]byte, error)
	// Drop deletes a generation in slices, in all partitions. Safe to repeat.
	Drop(ctx context.Context, g Generation, partitions int) error
}
