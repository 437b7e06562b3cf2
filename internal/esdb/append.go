package esdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
)

// MaxAppend is how many bytes the events of one append may have, counted as the
// strictest server counts them: data, metadata, and the type twice.
const MaxAppend = 1 << 20

// cuts is how often an append is sent again that was cut off while it was sent.
const cuts = 3

// Append implements commands.Log. While the store is away it waits for the
// patience of the Store. An append whose outcome is unknown is sent again until then:
// at an exact revision and with the same ids the store recognises it, so that
// most outages end in a plain answer.
func (s *Store) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	batch, err := proposed(events)
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	options := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
	if after != commands.NewStream {
		options.ExpectedRevision = esdb.Revision(uint64(after))
	}
	position, err := s.append(ctx, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.AppendToStream(ctx, stream, options, batch...)
	})
	if err != nil && !errors.Is(err, commands.ErrStale) && !errors.Is(err, commands.ErrDestroyed) {
		err = fmt.Errorf("append to %s: %w", stream, err)
	}
	return position, err
}

func (s *Store) append(ctx context.Context, send func(context.Context, *esdb.Client) (*esdb.WriteResult, error)) (uint64, error) {
	patience, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	maybe := false // an attempt may have stored the events
	failed := func(err error) (uint64, error) {
		if maybe {
			return 0, fmt.Errorf("%w: %w", commands.ErrUnknownOutcome, err)
		}
		return 0, err
	}
	for attempt, delay := 1, leastDelay; ; attempt, delay = attempt+1, min(2*delay, mostDelay) {
		session, l, err := s.enter(ctx, patience)
		if err != nil {
			return failed(err)
		}
		result, err := call(l.leader(ctx), session, send)
		switch {
		case err == nil:
			return result.CommitPosition, nil
		case is(err, esdb.ErrorCodeWrongExpectedVersion):
			return 0, commands.ErrStale
		case is(err, esdb.ErrorCodeStreamDeleted):
			return 0, commands.ErrDestroyed
		case tooLarge(err):
			return failed(fmt.Errorf("%w (%w)", ErrTooLarge, err))
		}
		maybe = maybe || outcomeOf(err) == unknown
		switch {
		case again(err):
		case cutOff(err) && attempt < cuts:
		case cutOff(err):
			return failed(unavailable(err))
		default:
			return failed(err)
		}
		if !pause(patience, delay) {
			return failed(unavailable(err))
		}
	}
}

// proposed turns events into the library's.
func proposed(events []eventschema.Raw) ([]esdb.EventData, error) {
	if len(events) == 0 {
		return nil, errors.New("there is nothing to append")
	}
	batch, size := make([]esdb.EventData, len(events)), 0
	for i, e := range events {
		if e.ID == uuid.Nil || e.Type == "" {
			// The library would give the event a new id with each attempt.
			return nil, fmt.Errorf("event %d has no id or no type", i)
		}
		size += len(e.Data) + len(e.Metadata) + 2*len(e.Type)
		batch[i] = esdb.EventData{EventID: e.ID, EventType: e.Type, ContentType: esdb.ContentTypeJson, Data: e.Data, Metadata: e.Metadata}
	}
	if size > MaxAppend {
		return nil, ErrTooLarge.With("%d events of one change are %d bytes together, and at most %d can be stored; send less at once", len(events), size, MaxAppend)
	}
	return batch, nil
}
