package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rapport-crm/rapport/commands"
)

// Handovers goes on with handovers that a crash or an outage left half done. A
// command does what it causes before it answers; this is for when it could not.
type Handovers struct {
	Writer *commands.Writer // its World is kept up to date by somebody else
	Logger *slog.Logger     // nil: the default
}

// Run works until ctx ends, and returns its error.
func (h *Handovers) Run(ctx context.Context) error {
	return pursue(ctx, h.Writer.World, h.drive, func(err error) {
		logger(h.Logger).Error("a handover stands still; it is tried again", "error", err)
	})
}

// pursue drives what is under way whenever the world has moved on, and again after
// a failure, until ctx ends.
func pursue(ctx context.Context, world *commands.World, drive func(context.Context) error, failed func(error)) error {
	failures := 0
	for ctx.Err() == nil {
		at := world.Facts().Position
		if err := drive(ctx); err != nil && ctx.Err() == nil {
			failed(err)
			wait(ctx, backoff(failures), nil)
			failures++
			continue
		}
		failures = 0
		if err := world.WaitFor(ctx, at+1); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// drive does what every handover asks for now.
func (h *Handovers) drive(ctx context.Context) (failed error) {
	for _, id := range h.Writer.World.PendingHandovers() {
		if _, err := h.Writer.DriveHandover(ctx, id); err != nil {
			failed = fmt.Errorf("handover %s: %w", id, err)
		}
	}
	return failed
}
