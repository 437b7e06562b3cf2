package projections

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/operations"
)

// What a Manager refuses.
var (
	ErrNoView    = &domain.Error{Kind: domain.NotFound, Code: "projection_not_found"}
	ErrNoRebuild = &domain.Error{Kind: domain.NotFound, Code: "rebuild_not_found"}
)

// AllViews names all views where one is asked for.
const AllViews = "all"

// States of a rebuild.
const (
	RebuildRunning   = "running"   // reading the log from the start
	RebuildSwitching = "switching" // beside the serving generation, about to take its place
	RebuildDone      = "done"      // it serves, or a later one does
)

// RebuildStatus is how far a rebuild has come. Done and Total are positions of
// the log, the mean over partitions and the end.
type RebuildStatus struct {
	ID     string // the generations being built, such as rfm@3,profile@2
	State  string
	Done   uint64
	Total  uint64
	Rate   float64       // positions a second, since this process first saw it; zero: not known yet
	ETA    time.Duration // zero: not known yet
	Stuck  []LaneStatus  // partitions that do not go on
	Begun  time.Time     // when this process first saw it
	Detail string
}

type start struct {
	at   time.Time
	done uint64
}

// StartRebuild fills a new generation of a view (or AllViews) from the log,
// beside the serving one, which goes on until the new one takes its place. A
// rebuild that is under way is not begun again: its id is returned.
func (m *Manager) StartRebuild(ctx context.Context, view string) (id string, err error) {
	m.init()
	var names []string
	for _, v := range m.Views {
		if view == AllViews || view == v.String() {
			names = append(names, v.String())
		}
	}
	if len(names) == 0 {
		return "", m.noView(view)
	}
	var ids []string
	_, err = m.change(ctx, func(c *Catalogue) {
		ids = ids[:0]
		for _, name := range names {
			slot := c.Views[name]
			if slot.Building == 0 {
				slot.Last++
				slot.Building = slot.Last
				c.Views[name] = slot
			}
			ids = append(ids, Generation{name, slot.Building}.String())
		}
	})
	if err != nil {
		return "", err
	}
	signal(m.kick)
	return strings.Join(ids, ","), nil
}

// noView refuses a view that there is not, and says which there are.
func (m *Manager) noView(view string) error {
	names := []string{AllViews}
	for _, v := range m.Views {
		names = append(names, v.String())
	}
	return ErrNoView.With("There is no view %q; there are %s.", view, strings.Join(names, ", "))
}

// RebuildStatus tells how far a rebuild is. Any process can be asked; rate and
// ETA are known to those that run it.
func (m *Manager) RebuildStatus(ctx context.Context, id string) (RebuildStatus, error) {
	m.init()
	cat, err := m.Store.Catalogue(ctx)
	if err != nil {
		return RebuildStatus{}, fmt.Errorf("read the catalogue: %w", err)
	}
	var gs []Generation
	for part := range strings.SplitSeq(id, ",") {
		view, number, _ := strings.Cut(part, "@")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > cat.Views[view].Last {
			return RebuildStatus{}, ErrNoRebuild.With("There is no rebuild %q.", id)
		}
		gs = append(gs, Generation{view, n})
	}
	return m.progress(cat, id, gs), nil
}

// progress tells how far some generations are, from what this process knows.
func (m *Manager) progress(cat Catalogue, id string, gs []Generation) RebuildStatus {
	live, rebuild, _ := m.groups()
	s := RebuildStatus{ID: id, State: RebuildDone}
	var done, total float64
	for _, g := range gs {
		if cat.Views[g.View].Building != g.Number {
			if at := m.position(live); at.Head > 0 {
				done, total = done+float64(at.Head), total+float64(at.Head)
			}
			continue
		}
		in, state := rebuild, RebuildRunning
		if live.fills(g) {
			in, state = live, RebuildSwitching
		}
		if s.State != RebuildRunning {
			s.State = state
		}
		if !in.fills(g) { // about to begin, or another process does it
			total += float64(m.position(live).Head)
			continue
		}
		at := position(in)
		var sum float64
		for _, l := range at.Lanes {
			sum += float64(l.Position)
			if l.State == LanePoison || l.State == LaneFailing {
				s.Stuck = append(s.Stuck, l)
			}
		}
		done, total = done+sum/float64(max(len(at.Lanes), 1)), total+float64(max(at.Head, m.position(live).Head))
	}
	s.Done, s.Total = uint64(done/float64(len(gs))), uint64(total/float64(len(gs)))
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.State == RebuildDone {
		for _, g := range gs {
			delete(m.started, g)
		}
		s.Done = s.Total
		return s
	}
	begun, seen := m.started[gs[0]]
	if !seen {
		begun = start{time.Now(), s.Done}
		m.started[gs[0]] = begun
	}
	s.Begun = begun.at
	if took := time.Since(begun.at).Seconds(); took > 0 && s.Done > begun.done {
		s.Rate = float64(s.Done-begun.done) / took
		s.ETA = time.Duration(float64(max(s.Total, s.Done)-s.Done) / s.Rate * float64(time.Second))
	}
	return s
}

// fills says whether a group is filling a generation.
func (r *running) fills(g Generation) bool {
	return r != nil && slices.ContainsFunc(r.fillings, func(f Filling) bool { return f.Generation() == g })
}

// position returns how the live group is; while one takes the place of another,
// how that was.
func (m *Manager) position(live *running) GroupStatus {
	if at := position(live); at.started {
		return at
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

func position(r *running) GroupStatus {
	if r == nil {
		return GroupStatus{}
	}
	return r.group.Status()
}

// Status is how the projections of this process are.
type Status struct {
	Views  []ViewStatus
	Parked []operations.EventParked
	Error  string // why the last look at the log or the store failed
}

// ViewStatus is how one view is.
type ViewStatus struct {
	View       string
	Generation int    // that queries read; 0: the first one is still being built
	Position   uint64 // applied in every partition
	Head       uint64 // of the log, as far as this process has read it
	Lag        uint64 // positions
	LagSeconds float64
	Partitions []LaneStatus
	Rebuild    *RebuildStatus
}

// Status tells how the views are, without asking the log or the store.
func (m *Manager) Status() Status {
	m.init()
	live, rebuild, _ := m.groups()
	m.mu.Lock()
	cat := m.catalogue
	var s Status
	if m.err != nil {
		s.Error = m.err.Error()
	}
	m.mu.Unlock()
	if s.Error == "" && !m.position(live).started {
		s.Error = "the projections are starting"
	}
	s.Parked = m.parked.list()
	for _, v := range m.Views {
		slot := cat.Views[v.String()]
		vs := ViewStatus{View: v.String(), Generation: slot.Serving}
		at := m.position(live)
		if slot.Serving == 0 && rebuild.fills(Generation{v.String(), slot.Building}) {
			at = position(rebuild)
		}
		vs.Position, vs.Head, vs.LagSeconds, vs.Partitions = at.Position, at.Head, at.LagSeconds, at.Lanes
		vs.Lag = max(vs.Head, vs.Position) - vs.Position
		if slot.Building != 0 {
			g := Generation{v.String(), slot.Building}
			p := m.progress(cat, g.String(), []Generation{g})
			vs.Rebuild = &p
		}
		s.Views = append(s.Views, vs)
	}
	return s
}
