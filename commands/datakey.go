package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/eventschema"
)

// keyStream reads the data key of a customer.
func (w *Writer) keyStream(ctx context.Context, of uuid.UUID) (t tail, key *eventschema.DataKey, err error) {
	stream := datakey.Stream(of)
	t = noTail
	for raw, err := range w.Log.Read(ctx, stream, 0) {
		if errors.Is(err, ErrDestroyed) {
			return t, nil, err
		}
		if err != nil {
			return t, nil, unavailable("read", stream, err)
		}
		e, err := w.events().Open(raw, nil)
		if err != nil {
			return t, nil, fmt.Errorf("read %s: %w", stream, err)
		}
		created, ok := e.Data.(datakey.Created)
		if !ok {
			return t, nil, fmt.Errorf("read %s: %s is not one of its events", stream, raw.Type)
		}
		if key, err = w.Keys.Unwrap(created.KeyID, created.Wrapped); err != nil {
			return t, nil, fmt.Errorf("read %s: %w", stream, err)
		}
		if err := t.advance(raw, e.Meta.RecordedAt); err != nil {
			return t, nil, err
		}
	}
	return t, key, nil
}

// createKey gives a customer a data key, or returns the one that somebody else
// created first.
func (w *Writer) createKey(ctx context.Context, of uuid.UUID, m eventschema.Meta) (*eventschema.DataKey, error) {
	stream := datakey.Stream(of)
	id, wrapped, key, err := w.Keys.NewDataKey()
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", stream, err)
	}
	master, _ := w.Keys.Fingerprints()
	m.Customer, m.Reason, m.Digest = of, "", nil
	created := datakey.Created{KeyID: id, MasterKey: master, Wrapped: wrapped}
	_, _, err = w.append(ctx, stream, noTail, m, []any{created}, nil)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, ErrDestroyed):
		return nil, customer.ErrErased.With("the customer %s was erased", of)
	case errors.Is(err, ErrStale), errors.Is(err, ErrUnknownOutcome):
		key, readErr := w.readKey(ctx, of)
		switch {
		case key == nil && readErr == nil:
			return nil, unavailable("create", stream, err)
		case key == eventschema.Erased:
			return nil, customer.ErrErased.With("the customer %s was erased", of)
		}
		return key, readErr
	}
	return nil, err
}
