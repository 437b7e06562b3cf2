package projections

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/eventschema"
)

// States of a partition.
const (
	LaneLive     = "live"     // up to the log, or on its way with the others
	LaneCatching = "catching" // far behind, or reading on after a failure
	LanePoison   = "poison"   // stopped at an event that cannot be applied
	LaneFailing  = "failing"  // trying again after another failure
	LaneStandby  = "standby"  // another process projects it
)

// LaneStatus is how one partition of a group is.
type LaneStatus struct {
	Partition int
	Position  uint64 // committed
	State     string
	Poison    *Poison   // if it is poison
	Error     string    // of the last attempt
	Attempts  int       // since it failed
	Since     time.Time // when it failed
}

// GroupStatus is how a group is.
type GroupStatus struct {
	Position   uint64 // committed everywhere
	Head       uint64 // the log is known up to here
	LagSeconds float64
	Lanes      []LaneStatus

	started bool // the checkpoints were read
}

// Status tells how the group is, without asking anybody.
func (g *Group) Status() GroupStatus {
	g.init()
	g.feed.mu.Lock()
	defer g.feed.mu.Unlock()
	s := GroupStatus{started: g.feed.started, Head: max(g.feed.end, g.feed.known), Lanes: make([]LaneStatus, len(g.feed.lanes))}
	for i, l := range g.feed.lanes {
		s.Lanes[i] = l.status()
		if i == 0 || l.committed < s.Position {
			s.Position = l.committed
		}
	}
	s.LagSeconds = g.pages.lag(s.Position, time.Now()).Seconds()
	return s
}

// saw notes that the log holds at least so much.
func (g *Group) saw(head uint64) {
	g.init()
	g.feed.mu.Lock()
	defer g.feed.mu.Unlock()
	g.feed.known = max(g.feed.known, head)
}

func (l *lane) status() LaneStatus {
	s := LaneStatus{Partition: l.n, Position: l.committed, State: LaneLive, Attempts: l.attempts}
	if l.err != nil {
		s.Error, s.Since = l.err.Error(), l.since
	}
	switch poisoned := (*Poison)(nil); {
	case l.attached && l.err == nil:
	case errors.As(l.err, &poisoned):
		s.State, s.Poison = LanePoison, poisoned
	case errors.Is(l.err, ErrFenced):
		s.State = LaneStandby
	case l.err != nil:
		s.State = LaneFailing
	default:
		s.State = LaneCatching
	}
	return s
}

// pages remembers when some of the last events were recorded, to tell a lag in
// positions as one in time.
type pages struct {
	mu    sync.Mutex
	marks []mark
	skip  int // events to pass over before the next mark
	every int
}

type mark struct {
	position uint64
	recorded time.Time
}

const marksKept = 1024

func (p *pages) add(raw *eventschema.Raw, schema Schema) {
	if p.skip > 0 {
		p.skip--
		return
	}
	m, err := schema.Meta(*raw)
	if err != nil || m.RecordedAt.IsZero() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.every = max(p.every, 1)
	if len(p.marks) == marksKept { // thin out: every second one
		kept := p.marks[:0]
		for i := 0; i < marksKept; i += 2 {
			kept = append(kept, p.marks[i])
		}
		p.marks, p.every = kept, min(2*p.every, 4096)
	}
	p.marks = append(p.marks, mark{raw.Position, m.RecordedAt})
	p.skip = p.every - 1
}

// lag returns how long ago the first event after a position was recorded; zero
// if there is none.
func (p *pages) lag(position uint64, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, _ := slices.BinarySearchFunc(p.marks, position+1, func(m mark, at uint64) int {
		switch {
		case m.position < at:
			return -1
		case m.position > at:
			return 1
		}
		return 0
	})
	// Marks before everybody's position are of no use any more.
	p.marks = slices.Delete(p.marks, 0, i)
	if len(p.marks) == 0 {
		p.every, p.skip = 1, 0
		return 0
	}
	return max(0, now.Sub(p.marks[0].recorded))
}
