package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
)

// A stream is read in pages, so that what an outage can interrupt is short and
// what is held in memory is bounded.
const (
	readEvents = 512
	readBytes  = 4 << 20
	readTime   = 30 * time.Second // for one page, if the context allows longer
)

// Read implements commands.Log. An outage while it reads is waited for, up to
// the patience of the Store, and reading goes on where it was. Nothing is held
// open between two events: the caller may take its time.
func (s *Store) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) {
		for {
			if from > math.MaxInt64 { // beyond any revision; a store would take it for a negative one
				return
			}
			page, err := s.readPage(ctx, stream, from)
			if err != nil {
				if !errors.Is(err, commands.ErrDestroyed) {
					err = fmt.Errorf("read %s: %w", stream, err)
				}
				yield(eventschema.Raw{}, err)
				return
			}
			for _, e := range page.events {
				if !yield(e, nil) {
					return
				}
				from = e.Revision + 1
			}
			if !page.more {
				return
			}
		}
	}
}

type streamPage struct {
	events []eventschema.Raw
	more   bool // the page is full
}

func (s *Store) readPage(ctx context.Context, stream string, from uint64) (streamPage, error) {
	if err := ctx.Err(); err != nil {
		return streamPage{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	page, err := do(ctx, s, func(ctx context.Context, c *esdb.Client) (p streamPage, err error) {
		events, err := c.ReadStream(ctx, stream, esdb.ReadStreamOptions{From: esdb.Revision(from)}, readEvents)
		if err != nil {
			return p, err
		}
		defer events.Close()
		for size := 0; ; {
			e, err := events.Recv()
			if errors.Is(err, io.EOF) {
				p.more = len(p.events) == readEvents
				return p, nil
			}
			if err != nil {
				return p, err
			}
			r := raw(e.OriginalEvent())
			p.events = append(p.events, r)
			if size += len(r.Data) + len(r.Metadata); size > readBytes {
				p.more = true
				return p, nil
			}
		}
	})
	switch {
	case err == nil:
		return page, nil
	case notFound(err):
		return streamPage{}, nil
	case is(err, esdb.ErrorCodeStreamDeleted):
		return streamPage{}, commands.ErrDestroyed
	}
	return streamPage{}, err
}

// raw turns the library's event into ours. Both share their bytes.
func raw(e *esdb.RecordedEvent) eventschema.Raw {
	position := e.Position.Commit
	if position == math.MaxUint64 { // an old server does not tell when a stream is read
		position = 0
	}
	return eventschema.Raw{
		ID: e.EventID, Stream: e.StreamID, Revision: e.EventNumber, Position: position,
		Type: e.EventType, Data: e.Data, Metadata: e.UserMetadata,
	}
}
