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
				left, later := g.sweep(n)
				if more = more || left; later {
					again = time.After(g.Settings.Backoff(5))
				}
				if stop.Err() != nil {
					return
				}
			}
		}
	}
}

// sweep goes on with the sweep of one partition. It says whether more is left to be
// done now, and whether to look again later.
func (g *Group) sweep(n int) (more, later bool) {
	s := g.lanes[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owes && !s.partition.Sweeping() || s.partition.behind {
		return false, false
	}
	if !g.feed.attached(n) { // it catches up, waits after a failure, or somebody else keeps it
		return false, true
	}
	ctx, cancel := context.WithTimeout(g.feed.work, g.Settings.CommitTimeout)
	defer cancel()
	more, err := s.partition.Sweep(ctx)
	if s.owes = err != nil; s.owes {
		if !errors.Is(err, ErrFenced) { // else somebody else does it, as long as they are there
			g.Logger.Warn("projections: a sweep failed and is tried again", "partition", n, "error", err)
		}
		return false, true
	}
	s.committed.Store(max(s.committed.Load(), s.partition.Committed()))
	return more, false
}

// attached says whether a partition takes part in what the shared reader brings.
func (f *Feed) attached(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lanes[n].attached
}
