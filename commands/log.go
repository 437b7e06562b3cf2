package commands

import (
	"context"
	"errors"
	"iter"

	"github.com/rapport-crm/rapport/eventschema"
)

// NewStream is the revision of a stream that does not exist yet.
const NewStream int64 = -1

// What a Log answers, to be tested for with errors.Is.
var (
	// ErrStale says that the stream is not at the expected revision.
	ErrStale = errors.New("commands: the stream has moved on")
	// ErrDestroyed says that the stream was tombstoned: it can never be read or written again.
	ErrDestroyed = errors.New("commands: the stream was destroyed")
	// ErrUnknownOutcome says that an append may or may not have been stored
	// (the connection broke, the deadline passed). Reading the stream tells.
	ErrUnknownOutcome = errors.New("commands: the outcome of the append is unknown")
)

// Log is what the write side needs of the event store.
type Log interface {
	// Read yields the events of a stream from a revision on, oldest first. A
	// stream that does not exist yields none; a destroyed one yields
	// ErrDestroyed. Iteration ends after the first error.
	Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error]

	// Append stores events (ID, Type, Data and Metadata are read) if the stream's last revision is
	// `after`, all or nothing, and returns the position of the last one. It is
	// durable when Append returns. Sending the same events (by ID) again at the
	// same place succeeds with the original position. Errors: ErrStale,
	// ErrDestroyed, ErrUnknownOutcome; others are failures before anything was stored.
	Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (position uint64, err error)

	// Follow delivers every event after a position whose type begins with one
	// of the prefixes (none: all), in log order, until ctx ends or deliver
	// fails. It reconnects by itself and never delivers an event twice or out
	// of order. A page is what was there: one event when live, many when
	// behind, 1 MiB at most; a page may be empty when it only says how far the log was considered.
	Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error
}
