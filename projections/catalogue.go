package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// partitionsError says that a deployment was cut into another number of
// partitions, which never changes.
type partitionsError struct{ stored, asked int }

func (e *partitionsError) Error() string {
	return fmt.Sprintf("the read models are cut into %d partitions, not %d: the number of a deployment never changes", e.stored, e.asked)
}

// prepare returns the catalogue, made fit for this log and these views: an empty
// store gets its first generations; what is of another log, or knows more than
// this one holds, is dropped and filled from the start; a view that is new is
// built beside the others.
func (m *Manager) prepare(ctx context.Context) (Catalogue, error) {
	cat, err := m.Store.Catalogue(ctx)
	if err != nil {
		return cat, fmt.Errorf("read the catalogue: %w", err)
	}
	foreign := cat.LogID != "" && cat.LogID != m.LogID
	if !foreign && cat.LogID != "" {
		if cat.Partitions != m.Partitions {
			return cat, &partitionsError{cat.Partitions, m.Partitions}
		}
		if foreign, err = m.beyond(ctx, cat); err != nil {
			return cat, err
		}
	}
	if foreign {
		return m.reset(ctx, cat)
	}
	missing := func(c Catalogue) bool {
		return slices.ContainsFunc(m.Views, func(v Projection) bool {
			s := c.Views[v.String()]
			return s.Serving == 0 && s.Building == 0
		})
	}
	if !missing(cat) {
		return cat, nil
	}
	return m.change(ctx, func(c *Catalogue) {
		first := c.LogID == ""
		c.LogID, c.Partitions = m.LogID, m.Partitions
		for _, v := range m.Views {
			slot := c.Views[v.String()]
			if slot.Serving != 0 || slot.Building != 0 {
				continue
			}
			if slot.Last++; first {
				slot.Serving = slot.Last
			} else {
				slot.Building = slot.Last
			}
			c.Views[v.String()] = slot
		}
	})
}

// beyond says whether the store knows more than the log holds: the log was
// restored from an older copy. It asks once for each manager, and believes it
// only if the answer stays the same: a replica of a log may be behind.
func (m *Manager) beyond(ctx context.Context, cat Catalogue) (bool, error) {
	if m.checked {
		return false, nil
	}
	var highest uint64
	for _, v := range m.Views {
		slot := cat.Views[v.String()]
		for _, n := range []int{slot.Serving, slot.Building} {
			if n == 0 {
				continue
			}
			at, err := m.checkpoints(ctx, Generation{v.String(), n})
			if err != nil {
				return false, err
			}
			for _, c := range at {
				highest = max(highest, c.Position)
			}
		}
	}
	for range 3 {
		head, err := m.Source.Head(ctx)
		if err != nil {
			return false, fmt.Errorf("head of the log: %w", err)
		}
		if highest <= head {
			m.checked = true
			return false, nil
		}
		t := time.NewTimer(m.Every)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false, ctx.Err()
		}
	}
	m.Logger.Warn("projections: the read models know more than the log holds; they are filled from the start", "position", highest)
	return true, nil
}

// reset drops everything and begins anew.
func (m *Manager) reset(ctx context.Context, cat Catalogue) (Catalogue, error) {
	if cat.LogID != m.LogID {
		m.Logger.Warn("projections: the read models are of another log; they are filled from the start", "log", cat.LogID)
	}
	m.stop(&m.rebuild)
	m.stop(&m.live)
	for view, slot := range cat.Views {
		for _, n := range append(slices.Clone(slot.Retired), slot.Serving, slot.Building) {
			if n == 0 {
				continue
			}
			if err := m.Store.Drop(ctx, Generation{view, n}, max(cat.Partitions, m.Partitions)); err != nil {
				return cat, fmt.Errorf("drop %s@%d: %w", view, n, err)
			}
		}
	}
	next := Catalogue{LogID: m.LogID, Partitions: m.Partitions, Views: map[string]Slot{}, Version: cat.Version}
	for view, slot := range cat.Views { // numbers are not used again
		next.Views[view] = Slot{Last: slot.Last}
	}
	for _, v := range m.Views {
		slot := next.Views[v.String()]
		slot.Last++
		slot.Serving = slot.Last
		next.Views[v.String()] = slot
	}
	if err := m.Store.SaveCatalogue(ctx, next); err != nil {
		return cat, fmt.Errorf("save the catalogue: %w", err)
	}
	next.Version++
	m.checked = true
	return next, nil
}

// change changes the catalogue, again if somebody else was quicker.
func (m *Manager) change(ctx context.Context, f func(*Catalogue)) (Catalogue, error) {
	for {
		c, err := m.Store.Catalogue(ctx)
		if err != nil {
			return c, fmt.Errorf("read the catalogue: %w", err)
		}
		if c.Views = maps.Clone(c.Views); c.Views == nil {
			c.Views = map[string]Slot{}
		}
		f(&c)
		switch err := m.Store.SaveCatalogue(ctx, c); {
		case err == nil:
			c.Version++
			return c, nil
		case !errors.Is(err, ErrFenced):
			return c, fmt.Errorf("save the catalogue: %w", err)
		}
	}
}

// promote lets generations serve that were being built.
func promote(c *Catalogue, finished map[string]int) {
	for view, n := range finished {
		slot := c.Views[view]
		if slot.Building != n {
			continue
		}
		if slot.Serving != 0 {
			slot.Retired = append(slices.Clone(slot.Retired), slot.Serving)
		}
		slot.Serving, slot.Building = n, 0
		c.Views[view] = slot
	}
}

// compare says whether a generation that is being built has come near the
// serving one, so that both can go on together (it is where the other was when
// we last looked), and whether it has reached it.
func (m *Manager) compare(ctx context.Context, serving, building Filling) (near, there bool, err error) {
	g := building.Generation()
	green, err := m.checkpoints(ctx, g)
	if err != nil {
		return false, false, err
	}
	goal := make([]uint64, len(green))
	if serving.Number != 0 {
		blue, err := m.checkpoints(ctx, serving.Generation())
		if err != nil {
			return false, false, err
		}
		for p, c := range blue {
			goal[p] = c.Position
		}
	} else {
		head, err := m.Source.Head(ctx)
		if err != nil {
			return false, false, fmt.Errorf("head of the log: %w", err)
		}
		for p := range goal {
			goal[p] = head
		}
	}
	before := m.before[g]
	m.before[g] = goal
	near, there = before != nil, true
	for p, c := range green {
		near = near && c.Position >= before[p]
		there = there && c.Position >= goal[p] && c.Cursor == ""
	}
	return near, there, nil
}

// checkpoints returns where a generation is in each partition.
func (m *Manager) checkpoints(ctx context.Context, g Generation) ([]Checkpoint, error) {
	at := make([]Checkpoint, m.Partitions)
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(8)
	for p := range at {
		asking.Go(func() error {
			saved, err := m.Store.Open(ctx, p, []Generation{g})
			if err != nil {
				return fmt.Errorf("checkpoint of %s in partition %d: %w", g, p, err)
			}
			at[p] = saved[0].Checkpoint
			return nil
		})
	}
	return at, asking.Wait()
}

// drop deletes retired generations that nobody can be reading any more.
func (m *Manager) drop(ctx context.Context, cat Catalogue) error {
	for view, slot := range cat.Views {
		for _, n := range slot.Retired {
			g := Generation{view, n}
			if _, seen := m.retired[g]; !seen {
				m.retired[g] = time.Now()
			}
			if time.Since(m.retired[g]) < m.RetireAfter {
				continue
			}
			if err := m.Store.Drop(ctx, g, m.Partitions); err != nil {
				return fmt.Errorf("drop %s: %w", g, err)
			}
			if _, err := m.change(ctx, func(c *Catalogue) {
				slot := c.Views[g.View]
				slot.Retired = slices.DeleteFunc(slices.Clone(slot.Retired), func(r int) bool { return r == g.Number })
				c.Views[g.View] = slot
			}); err != nil {
				return err
			}
			delete(m.retired, g)
		}
	}
	return nil
}
