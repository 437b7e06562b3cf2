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
	"github.com/rapport-crm/rapport/projections/loyalty"
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

// person is what a history shows of a customer, as of some event.
type person struct {
	profile *folded[profile.Document]
	loyalty *folded[loyalty.Document]
}

func newPerson() person {
	return person{&folded[profile.Document]{view: profileView}, &folded[loyalty.Document]{view: loyaltyView}}
}

func (d person) apply(e eventschema.Event) {
	d.profile.apply(e)
	d.loyalty.apply(e)
}

// fields returns the document that a history shows the fields of: that of the
// profile, and of the account what tells where it stands. nil: there is nothing.
func (d person) fields() ([]byte, error) {
	shown, err := d.profile.document()
	if err != nil || !d.loyalty.doc.Kept() {
		return shown, err
	}
	account, err := json.Marshal(fieldsOf(&d.loyalty.doc.Account))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.loyalty.view.Name, err)
	}
	if shown == nil {
		shown = []byte("{}")
	}
	merged := make([]byte, 0, len(shown)+len(account)+len(`,"loyalty":`))
	if merged = append(merged, shown[:len(shown)-1]...); len(merged) > 1 {
		merged = append(merged, ',')
	}
	return append(append(append(merged, `"loyalty":`...), account...), '}'), nil
}

func (d person) clone() (c person, err error) {
	if c.profile, err = d.profile.clone(); err == nil {
		c.loyalty, err = d.loyalty.clone()
	}
	return c, err
}

// past is a customer's documents as of some event.
type past struct {
	person
	rfm folded[rfm.Document]
}

func newPast() *past {
	return &past{person: newPerson(), rfm: folded[rfm.Document]{view: rfmView}}
}

func (d *past) apply(e eventschema.Event) {
	d.person.apply(e)
	d.rfm.apply(e)
}

// step applies an event and returns the fields of the customer that it changed.
func step(d person, e eventschema.Event) ([]FieldChange, error) {
	before, err := d.fields()
	if err != nil {
		return nil, err
	}
	d.apply(e)
	after, err := d.fields()
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
