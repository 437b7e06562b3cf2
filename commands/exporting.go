package commands

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
)

// exporting makes request-export record what the customer's data is at the very
// revision that the record follows: it is found out before, and again when the
// customer moved on meanwhile.
func exporting(d Definition) Definition {
	d.run = func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error) {
		var c customer.RequestExport
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		if a.Export == nil {
			return Result{}, ErrUnavailable.With("this process does not hand out the customers' data")
		}
		c.SetSubject(a.subject(r, of))
		wanted := r.Match
		for range attempts {
			export, err := a.Export(ctx, of)
			if refusal := (*domain.Error)(nil); err != nil && !errors.As(err, &refusal) {
				return Result{}, unavailable("export", c.Stream(), err)
			}
			// A refusal is first left to the customer's own state, which also knows
			// whether the command was executed before.
			c.Export, c.Refusal = export, err
			if err == nil && (wanted == nil || slices.Contains(wanted, export.Revision)) {
				r.Match = []int64{export.Revision}
			}
			result, err := Execute(ctx, a.Writer, r, domain.Command[customer.State, customer.Event](c))
			if wanted != nil || !errors.Is(err, ErrRevision) {
				return result, err
			}
		}
		return Result{}, ErrContended
	}
	return d
}
