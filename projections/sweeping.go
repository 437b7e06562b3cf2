package projections

import (
	"context"
	"errors"
	"time"
)

// sweeping goes on with the sweeps of partitions that are live, one slice of one
// partition after the other, so that events need not wait long. A partition that is
// behind ends its sweeps itself, before it has caught up.
func (g *Group) sweeping() {
	stop := g.feed.stop
	var again <-chan time.Time
	for {
		select {
		case <-g.swept:
		case <-again:
		case <-stop.Done():
			return
		}
		again = nil
		for more := true; more && stop.Err() == nil; {
			more = false
			for n := range g.lanes {
				left, err := g.sweep(n)
				if more = more || left; err != nil {
					g.Logger.Warn("projections: a sweep failed and is tried again", "partition", n, "error", err)
					again = time.After(g.Settings.Backoff(5))
				}
				if stop.Err() != nil {
					return
				}
			}
		}
	}
}

// sweep goes on with the sweep of one partition, and says whether more is left.
func (g *Group) sweep(n int) (more bool, err error) {
	s := g.lanes[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.partition.Sweeping() || s.partition.behind {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(g.feed.work, g.Settings.CommitTimeout)
	defer cancel()
	if more, err = s.partition.Sweep(ctx); errors.Is(err, ErrFenced) {
		return false, nil // somebody else does it
	}
	s.committed.Store(max(s.committed.Load(), s.partition.Committed()))
	return more, err
}
