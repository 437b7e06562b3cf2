package readapi

import (
	"context"
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// ErrBehind answers a query that asks for a position the read models do not
// reflect in time.
var ErrBehind = &domain.Error{Kind: domain.Unavailable, Code: "projection_behind"}

const (
	patience  = 2 * time.Second // how long a query waits for min_position
	firstLook = time.Millisecond
	restLooks = 25 * time.Millisecond
)

// atLeast calls read until the position it answers reaches least, for at most
// two seconds. Between two looks it asks the projections to say how far they are.
func (a *API) atLeast(ctx context.Context, least uint64, read func(context.Context) (uint64, error)) error {
	at, err := read(ctx)
	if err != nil || at >= least {
		return err
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for pause := firstLook; ; pause = min(2*pause, restLooks) {
		if a.Projections != nil {
			a.Projections.Nudge()
		}
		look := time.NewTimer(pause)
		select {
		case <-look.C:
		case <-deadline.C:
			look.Stop()
			return ErrBehind.With("You asked for position %d; after %v the read models are at %d, %d behind. Ask again.",
				least, patience, at, least-at)
		case <-ctx.Done():
			look.Stop()
			return ctx.Err()
		}
		if at, err = read(ctx); err != nil || at >= least {
			return err
		}
	}
}
