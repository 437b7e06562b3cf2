package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rapport-crm/rapport/commands"
)

// Transfers goes on with transfers of points that a crash or an outage left half
// done. A command does what it causes before it answers; this is for when it could not.
type Transfers struct {
	Writer *commands.Writer // its World is kept up to date by somebody else
	Logger *slog.Logger     // nil: the default
}

// Run works until ctx ends, and returns its error.
func (t *Transfers) Run(ctx context.Context) error {
	return pursue(ctx, t.Writer.World, t.drive, func(err error) {
		logger(t.Logger).Error("a transfer of points stands still; it is tried again", "error", err)
	})
}

// drive ends every transfer that has not ended. One that cannot be does not hold up
// the others.
func (t *Transfers) drive(ctx context.Context) (failed error) {
	for _, s := range t.Writer.World.PendingTransfers() {
		if _, err := t.Writer.DriveTransfer(ctx, s.TransferID); err != nil {
			failed = fmt.Errorf("transfer %s: %w", s.TransferID, err)
		}
	}
	return failed
}
