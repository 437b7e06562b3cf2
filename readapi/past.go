package readapi

import (
	"bytes"
	"context"
	"fmt"

	"github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// folded is a document in the making, by the view's own code.
type folded[D any] struct {
	view   *projections.View[D]
	doc    D
	stale  bool   // the document has moved since it was stored
	stored []byte // the document as the view stores it; nil if it does not exist
}

// apply folds an event; it costs nothing but the fold.
func (f *folded[D]) apply(e eventschema.Event) {
	if f.view.Fold(&f.doc, e) {
		f.stale = true
	}
}

// document returns the document as the view stores it, nil if it does not exist.
func (f *folded[D]) document() ([]byte, error) {
	if !f.stale {
		return f.stored, nil
	}
	stored, err := json.Marshal(&f.doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.view.Name, err)
	}
	absent, err := json.Marshal(new(D))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.view.Name, err)
	}
	if f.stale, f.stored = false, stored; bytes.Equal(stored, absent) {
		f.stored = nil
	}
	return f.stored, nil
}

// clone returns a document that goes its own way from here.
func (f *folded[D]) clone() (*folded[D], error) {
	c := &folded[D]{view: f.view}
	stored, err := f.document()
	if err == nil && stored != nil {
		c.stored = stored
		err = json.Unmarshal(stored, &c.doc)
	}
	return c, err
}

func newProfile() *folded[profile.Document] { return &folded[profile.Document]{view: profileView} }

// past is a customer's documents as of some event, and what the event changed.
type past struct {
	profile *folded[profile.Document]
	rfm     folded[rfm.Document]
}

func newPast() *past {
	return &past{profile: newProfile(), rfm: folded[rfm.Document]{view: rfmView}}
}

func (d *past) apply(e eventschema.Event) {
	d.profile.apply(e)
	d.rfm.apply(e)
}

// step applies an event and returns the fields of the customer that it changed.
func step(f *folded[profile.Document], e eventschema.Event) ([]FieldChange, error) {
	before, err := f.document()
	if err != nil {
		return nil, err
	}
	f.apply(e)
	after, err := f.document()
	if err != nil {
		return nil, err
	}
	return fieldChanges(before, after), nil
}

// events yields the events of a customer's stream, opened. yield returns false to stop.
func (a *API) events(ctx context.Context, id uuid.UUID, from uint64, yield func(eventschema.Raw, eventschema.Event) (bool, error)) error {
	key, err := a.dataKey(ctx, id)
	if err != nil {
		return err
	}
	for raw, err := range a.Log.Read(ctx, customer.Stream(id), from) {
		if err != nil {
			return err
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		if more, err := yield(raw, e); err != nil || !more {
			return err
		}
	}
	return nil
}

// then folds the events of a moment, in the order of the stream. It returns the
// position of the last of them, 0 if there is none.
func (a *API) then(ctx context.Context, id uuid.UUID, m moment) (d *past, position uint64, err error) {
	d = newPast()
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		if m.before(raw) {
			return false, nil
		}
		if m.has(raw, e.Meta) {
			d.apply(e)
			position = raw.Position
		}
		return true, nil
	})
	return d, position, err
}
