// Package jobs is the work that belongs to no partition and no request: closing
// the days by the clock, calibrating scores and worth over all partitions, grouping the
// customers where that was asked for, booking what time alone brings about (such as
// moves from stage to stage of customers who were idle for long enough), going on
// with handovers and transfers that broke off, and erasing whose erasure was
// approved.
//
// Every process runs them; that is harmless, because a step that was done before,
// here or elsewhere, is found done: by a command id that follows from what caused
// it, or in the stream that the step would change. They keep no checkpoints of
// their own. What is to be done stands in the log (days that are open, handovers
// and transfers under way, clusterings that were asked for) or in the read models
// (calibrations that were asked for, who is due, whose erasure is not complete), so
// that after a restart, or after the read models were rebuilt, nothing is missed.
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
