package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
)

// memory is what is known of a stream: its folded state and what every command
// did that ever appended to it. Only who holds the stream's gate touches it.
type memory[S any] struct {
	tail
	state  S
	key    *eventschema.DataKey // of the customer whose stream it is; nil: none is known
	done   outcomes
	weighs int
}

func (m *memory[S]) weight() int { return 1024 + m.weighs }

// note remembers that a stored event belongs to a command.
func (m *memory[S]) note(command uuid.UUID, digest []byte, raw eventschema.Raw, name string) {
	if m.done.note(command, digest, raw, name) {
		m.weighs += outcomeBytes
	}
	m.weighs += outcomeEventBytes + 2*len(raw.Data) // what the state keeps of it is seldom more
}

// fold reads the stream on from the last event known, and, of a customer of
// whom nothing is known yet, the data key beside it.
func fold[S domain.State[S, E], E any](ctx context.Context, w *Writer, m *memory[S], stream string, of uuid.UUID) error {
	if m.key != nil || of == uuid.Nil {
		return m.fold(ctx, w, stream, evolve[S, E], nil)
	}
	// One round trip instead of two: the first event waits for the key.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	arrived := make(chan struct{})
	go func() {
		m.key, failed = w.readKey(ctx, of)
		close(arrived)
	}()
	err := m.fold(ctx, w, stream, evolve[S, E], func() (err error) {
		if <-arrived; failed == nil && m.key == nil {
			// The customer came to be between the two reads: the key was there
			// before the first event.
			m.key, err = w.readKey(ctx, of)
			return err
		}
		return failed
	})
	if err != nil {
		cancel() // nobody waits for the key any more
	}
	if <-arrived; err != nil {
		return err
	}
	return failed
}

// fold reads the stream on. Before the first event is looked at, ready is waited
// for, if there is one.
func (m *memory[S]) fold(ctx context.Context, w *Writer, stream string, evolve func(S, any) (S, bool), ready func() error) error {
	for raw, err := range w.Log.Read(ctx, stream, uint64(m.revision+1)) {
		if errors.Is(err, ErrDestroyed) {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if err != nil {
			return unavailable("read", stream, err)
		}
		if ready != nil {
			if err := ready(); err != nil {
				return err
			}
			ready = nil
		}
		if err := m.apply(w, raw, evolve); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory[S]) apply(w *Writer, raw eventschema.Raw, evolve func(S, any) (S, bool)) error {
	e, err := w.events().Open(raw, m.key)
	if err != nil {
		return fmt.Errorf("read %s: revision %d: %w", raw.Stream, raw.Revision, err)
	}
	if err := m.advance(raw, e.Meta.RecordedAt); err != nil {
		return err
	}
	next, ok := evolve(m.state, e.Data)
	if !ok {
		return fmt.Errorf("read %s: %s is not one of its events", raw.Stream, raw.Type)
	}
	m.state = next
	m.erase(e.Data)
	m.note(e.Meta.Command, e.Meta.Digest, raw, e.Type)
	return nil
}

// erase forgets the data key when an event says that it was destroyed: a memory
// may be older than the erasure, and nothing may be encrypted with that key.
func (m *memory[S]) erase(event any) {
	if _, erased := event.(customer.PersonalDataErased); erased {
		m.key = eventschema.Erased
	}
}

// erasing says whether nothing personal may be stored any more: the data key is
// destroyed, or is about to be.
func (m *memory[S]) erasing() bool {
	s, ok := any(m.state).(interface{ Erasing() bool })
	return m.key == eventschema.Erased || ok && s.Erasing()
}

func evolve[S domain.State[S, E], E any](s S, data any) (S, bool) {
	e, ok := data.(E)
	if !ok {
		return s, false
	}
	return s.Evolve(e), true
}

// readKey returns the data key of a customer: nil if there is none yet, and
// eventschema.Erased if it was destroyed.
func (w *Writer) readKey(ctx context.Context, of uuid.UUID) (*eventschema.DataKey, error) {
	_, key, err := w.keyStream(ctx, of)
	if errors.Is(err, ErrDestroyed) {
		return eventschema.Erased, nil
	}
	return key, err
}
