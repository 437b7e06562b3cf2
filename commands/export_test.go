package commands

import (
	"context"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
)

// Remembered returns the cached state of a customer, and the same folded afresh.
func Remembered(ctx context.Context, w *Writer, id uuid.UUID) (cached, folded customer.State, ok bool, err error) {
	m, ok := recall[customer.State](w, customer.Stream(id))
	fresh := &memory[customer.State]{tail: noTail}
	err = fold[customer.State, customer.Event](ctx, w, fresh, customer.Stream(id), id)
	return m.state, fresh.state, ok && m.revision == fresh.revision, err
}
