package partitiontest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// Store is a store of the read models that can be looked at.
type Store interface {
	projections.Store
	readapi.Documents
}

// Content is all that a store holds of one generation, as text.
type Content struct {
	Position  uint64
	World     string
	Documents map[uuid.UUID]string
	Indexes   map[string][]string
	Metrics   map[string]int64
	Notes     map[string]string
}

// Read returns what a store holds of a generation in all partitions. Notes are
// looked for by name.
func Read(ctx context.Context, t testing.TB, s Store, g projections.Generation, partitions int, notes []string) Content {
	t.Helper()
	c := Content{Documents: map[uuid.UUID]string{}, Indexes: map[string][]string{}, Notes: map[string]string{}}
	for p := range partitions {
		customers, err := s.Customers(ctx, p, g)
		check(t, err)
		docs, err := s.Load(ctx, p, []projections.Generation{g}, customers)
		check(t, err)
		for i, id := range customers {
			c.Documents[id] = string(docs[0][i])
		}
	}
	for _, index := range Indexes {
		members, _, err := s.Range(ctx, g, partitions, readapi.RangeQuery{Index: index, Limit: 1 << 20})
		check(t, err)
		if len(members) > 0 {
			c.Indexes[index] = members
		}
	}
	var err error
	c.Metrics, c.Position, err = s.Metrics(ctx, g, partitions)
	check(t, err)
	world, _, err := s.World(ctx, g, 0)
	check(t, err)
	if c.World = string(world); world == nil {
		c.World = "{}"
	}
	for _, name := range notes {
		found, err := s.Notes(ctx, g, partitions, name)
		check(t, err)
		for p, n := range found {
			if n != nil {
				c.Notes[fmt.Sprint(p, " ", name)] = string(n)
			}
		}
	}
	return c
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Opened returns a log as events, every personal field readable.
func (w *Writer) Opened(log []eventschema.Raw) []projections.Event {
	w.tb.Helper()
	events := make([]projections.Event, len(log))
	for i, raw := range log {
		c, _ := eventschema.CustomerOf(raw)
		var err error
		if events[i], err = eventschema.Events.Open(raw, w.keys[c]); err != nil {
			w.tb.Fatal(err)
		}
	}
	return events
}

// Expect is what folding a log from the start gives: no batches, no memory, no
// differences, nothing clever. What a broadcast event changes, it changes at once.
func Expect[D any](t testing.TB, v *projections.View[D], partitions int, events []projections.Event) Content {
	t.Helper()
	w, docs := new(projections.World), map[uuid.UUID]D{}
	absent := text(t, new(D))
	keep := func(id uuid.UUID, d D, changed bool) {
		if !changed {
			return
		}
		if docs[id] = d; text(t, d) == absent {
			delete(docs, id)
		}
	}
	c := Content{Documents: map[uuid.UUID]string{}, Indexes: map[string][]string{}, Metrics: map[string]int64{}, Notes: map[string]string{}}
	for _, e := range events {
		next := v.Evolve(w, e)
		if id := e.Meta.Customer; id != uuid.Nil {
			d := docs[id]
			if v.FoldIn != nil {
				changed := v.FoldIn(&d, e, next)
				keep(id, d, changed)
			} else {
				changed := v.Fold(&d, e)
				keep(id, d, changed)
			}
		}
		if v.Contribution != nil && e.Meta.Customer == uuid.Nil {
			if name, ok := v.Contribution.Settled(e); ok {
				for p := range partitions {
					delete(c.Notes, fmt.Sprint(p, " ", name))
				}
			}
			if name, ok := v.Contribution.Asked(e, next); ok {
				for p := range partitions {
					note, err := v.Contribution.Collect(e, next, sorted(docs, p, partitions))
					check(t, err)
					c.Notes[fmt.Sprint(p, " ", name)] = string(note)
				}
			}
		}
		if v.Caused != nil && e.Meta.Customer == uuid.Nil {
			if cause, ok := v.Caused(e, w, next); ok {
				for id, d := range maps.Clone(docs) {
					if on := v.Due(&d); cause.Due != "" && (on == "" || on > cause.Due) {
						continue
					}
					changed := v.Change(&d, cause, next)
					keep(id, d, changed)
				}
			}
		}
		w, c.Position = next, e.Position
	}
	world, err := w.Encode()
	check(t, err)
	c.World = string(world)
	for id, d := range docs {
		c.Documents[id] = text(t, d)
		if v.Due != nil {
			if on := v.Due(&d); on != "" {
				c.Indexes[projections.IndexDue] = append(c.Indexes[projections.IndexDue], on+"\x00"+id.String())
			}
		}
		if v.Indexes != nil {
			for _, p := range v.Indexes(&d, w) {
				c.Indexes[p.Index] = append(c.Indexes[p.Index], p.Key+"\x00"+id.String())
			}
		}
		if v.Metrics != nil {
			for _, m := range v.Metrics(&d, w) {
				c.Metrics[m.Name] += m.Value
			}
		}
	}
	maps.DeleteFunc(c.Metrics, func(_ string, n int64) bool { return n == 0 })
	for _, members := range c.Indexes {
		slices.Sort(members)
	}
	return c
}

func text(t testing.TB, v any) string {
	t.Helper()
	stored, err := json.Marshal(v)
	check(t, err)
	return string(stored)
}

func sorted[D any](docs map[uuid.UUID]D, p, partitions int) iter.Seq2[uuid.UUID, *D] {
	return func(yield func(uuid.UUID, *D) bool) {
		ids := slices.SortedFunc(maps.Keys(docs), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
		for _, id := range ids {
			if d := docs[id]; projections.PartitionOf(id, partitions) == p && !yield(id, &d) {
				return
			}
		}
	}
}

// NoteNames returns the names of all notes that a log asks of the spend view.
func NoteNames(log []eventschema.Raw) []string {
	var names []string
	for _, raw := range log {
		names = append(names, fmt.Sprintf("spend:%d", raw.Position))
	}
	return names
}
