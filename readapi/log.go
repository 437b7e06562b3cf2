package readapi

import (
	"context"
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
)

// ErrCustomerNotFound says that nobody is known under an id.
var ErrCustomerNotFound = customer.ErrNotFound

// Log is what the queries need of the event store.
type Log interface {
	// Read yields the events of a stream from a revision on, oldest first; none
	// if it does not exist. Iteration ends after the first error.
	Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error]
	// Follow delivers every event after a position in log order, in pages, until
	// ctx ends or deliver fails; a page is Live when nothing more was there.
	Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error
}

// dataKey returns the key under which a customer's personal data is stored:
// eventschema.Erased if it was destroyed, nil if the customer never had one.
func (a *API) dataKey(ctx context.Context, of uuid.UUID) (*eventschema.DataKey, error) {
	id, wrapped, erased, err := a.KeySource.Key(ctx, of)
	switch {
	case err != nil:
		return nil, err
	case erased:
		return eventschema.Erased, nil
	case wrapped == nil:
		return nil, nil
	}
	return a.Keys.Unwrap(id, wrapped)
}
