package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/eventschema"
)

// Writer is what commands are executed with. The fields are set once, before
// the first use; Log, Keys and World are required. Safe for concurrent use.
type Writer struct {
	Log    Log
	Keys   *eventschema.Keyring
	World  *World
	Events *eventschema.Registry // nil: eventschema.Events
	// CacheBytes bounds what the folded states take, roughly. 0: 64 MiB.
	CacheBytes int
	// ClaimLapse is how long a claim on a name stands unconfirmed. 0: one minute.
	ClaimLapse time.Duration

	cache  cache
	gates  gates
	healed healings
}

// Limits of the write side.
const (
	// MaxAppend is what one append may take in the log. It is the limit of the
	// event store, too: what it would refuse is not sent.
	MaxAppend = 1 << 20
	// attempts is how often a command is decided on a stream that keeps moving.
	attempts = 16
	// appendPatience is how long an append may take. A caller who goes away
	// does not end it: its outcome would be unknown for nothing.
	appendPatience = 15 * time.Second
	// readPatience is how long reading a stream may take.
	readPatience = 15 * time.Second

	defaultCacheBytes = 64 << 20
	defaultClaimLapse = time.Minute
)

// Why the write side refuses a command, whatever it is.
var (
	ErrKeyReused   = &domain.Error{Kind: domain.Invalid, Code: "idempotency_key_reused", Detail: "the same key was used with another command or another body"}
	ErrRevision    = &domain.Error{Kind: domain.Precondition, Code: "revision_conflict"}
	ErrTooLarge    = &domain.Error{Kind: domain.TooLarge, Code: "command_too_large"}
	ErrContended   = &domain.Error{Kind: domain.Conflict, Code: "contended", Detail: "others keep changing the same subject; try again"}
	ErrUnavailable = &domain.Error{Kind: domain.Unavailable, Code: "log_unavailable", Detail: "the event store does not answer; try again with the same Idempotency-Key"}
)

func (w *Writer) events() *eventschema.Registry {
	if w.Events != nil {
		return w.Events
	}
	return eventschema.Events
}

// tail is the end of a stream as far as it is known.
type tail struct {
	revision   int64  // of the last event; NewStream if there is none
	position   uint64 // of the last event
	chain      eventschema.Chain
	recordedAt time.Time
}

var noTail = tail{revision: NewStream}

// advance moves the tail over a stored event.
func (t *tail) advance(raw eventschema.Raw, recordedAt time.Time) error {
	if raw.Revision != uint64(t.revision+1) {
		return fmt.Errorf("%s: revision %d follows %d", raw.Stream, raw.Revision, t.revision)
	}
	chain, ok := eventschema.ChainOf(raw)
	if !ok {
		return fmt.Errorf("%s: revision %d has no chain value", raw.Stream, raw.Revision)
	}
	*t = tail{int64(raw.Revision), raw.Position, chain, later(t.recordedAt, recordedAt)}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// append seals events and appends them after t. It returns the tail after them,
// and of the raw events all but their positions. Its errors can be answered as
// they are, but for ErrStale, ErrDestroyed and ErrUnknownOutcome; after others
// nothing was stored.
func (w *Writer) append(ctx context.Context, stream string, t tail, m eventschema.Meta, events []any, key *eventschema.DataKey) (tail, []eventschema.Raw, error) {
	m.RecordedAt = later(w.World.wall(), t.recordedAt)
	now := m.OccurredAt
	raws, size := make([]eventschema.Raw, len(events)), 0
	for i, e := range events {
		m.OccurredAt = now
		if d, ok := e.(domain.Dated); ok {
			m.OccurredAt = d.Occurred()
		}
		var err error
		raws[i], t.chain, err = w.events().Seal(t.chain, stream, uint64(t.revision+1), m, e, key)
		if err != nil {
			return t, nil, fmt.Errorf("append to %s: %w", stream, err)
		}
		t.revision++
		size += len(raws[i].Data) + len(raws[i].Metadata) + 2*len(raws[i].Type)
	}
	if size > MaxAppend {
		return t, nil, ErrTooLarge.With("it would take %d bytes in the log; at most %d are allowed", size, MaxAppend)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendPatience)
	defer cancel()
	position, err := w.Log.Append(ctx, stream, t.revision-int64(len(events)), raws)
	switch {
	case errors.Is(err, ErrStale), errors.Is(err, ErrDestroyed), errors.Is(err, ErrUnknownOutcome):
		return t, nil, err
	case err != nil:
		return t, nil, unavailable("append to", stream, err)
	}
	t.position, t.recordedAt = position, m.RecordedAt
	return t, raws, nil
}

// unavailable makes of a failure of the log what a caller can understand; the
// cause stays in it for the log file.
func unavailable(what, stream string, err error) error {
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("%s %s: %w: %w", what, stream, ErrUnavailable, err)
}

// Command ids and the ids of registered customers are made in these name spaces. They can never change.
var (
	commandSpace  = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:command"))
	customerSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:customer"))
)
