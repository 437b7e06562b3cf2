// Package jobs is the work that belongs to no partition and no request: closing
// the days by the clock, calibrating the scores over all partitions, and moving
// customers from stage to stage when they were idle for long enough.
//
// Every process runs them; that is harmless, because they only send commands
// whose ids follow from what caused them, so that the second of two processes
// finds the work done. They keep no checkpoints of their own: the calendar's
// stream says which days are open, and the world in the read models says which
// calibrations were asked for and not answered, the lifecycle view who is due, so that after a restart, or after
// the read models were rebuilt, nothing is missed.
package jobs

import (
	"context"
	"log/slog"
	"time"
)

// What a job waits between two looks at something that nobody announces, and
// after a failure.
const (
	shortest = 5 * time.Millisecond
	longest  = 250 * time.Millisecond
	failed   = 10 * time.Second
)

// wait waits for a while, or less if there is something to do or ctx ends.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// backoff is the pause after the n-th failure in a row.
func backoff(n int) time.Duration {
	return min(longest<<min(n, 10), failed)
}

func logger(l *slog.Logger) *slog.Logger {
	if l != nil {
		return l
	}
	return slog.Default()
}
