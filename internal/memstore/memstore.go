// Package memstore keeps the read models in memory: the store of tests that are
// not about Redis. It passes the same suite as Redis (internal/storetest), and
// is what that suite compares Redis with.
package memstore

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

var (
	_ projections.Store = (*Store)(nil)
	_ readapi.Documents = (*Store)(nil)
)

// Store is a projections.Store and readapi.Documents in memory. The zero value
// is empty and ready. Safe for concurrent use. What goes in and what comes out
// is copied.
type Store struct {
	mu        sync.Mutex
	catalogue projections.Catalogue
	cells     map[place]*cell
}

// New returns an empty store.
func New() *Store { return new(Store) }

// place is where a cell stands: one generation in one partition.
type place struct {
	partition int
	g         projections.Generation
}

type cell struct {
	at        projections.Checkpoint
	world     []byte
	documents map[uuid.UUID][]byte
	indexes   map[string]map[string]bool
	metrics   map[string]int64
	notes     map[string][]byte
}

var empty cell

// look returns a cell to read, which may be the shared empty one.
func (s *Store) look(partition int, g projections.Generation) *cell {
	if c := s.cells[place{partition, g}]; c != nil {
		return c
	}
	return &empty
}

// Catalogue implements projections.Store and readapi.Documents.
func (s *Store) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	if err := ctx.Err(); err != nil {
		return projections.Catalogue{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return copied(s.catalogue), nil
}

// SaveCatalogue implements projections.Store.
func (s *Store) SaveCatalogue(ctx context.Context, c projections.Catalogue) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Version != s.catalogue.Version {
		return projections.ErrFenced
	}
	s.catalogue = copied(c)
	s.catalogue.Version++
	return nil
}

func copied(c projections.Catalogue) projections.Catalogue {
	c.Views = maps.Clone(c.Views)
	for name, slot := range c.Views {
		slot.Retired = slices.Clone(slot.Retired)
		c.Views[name] = slot
	}
	return c
}

// Open implements projections.Store.
func (s *Store) Open(ctx context.Context, partition int, generations []projections.Generation) ([]projections.Saved, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := make([]projections.Saved, len(generations))
	for i, g := range generations {
		c := s.look(partition, g)
		saved[i] = projections.Saved{Checkpoint: c.at, World: bytes.Clone(c.world), Metrics: map[string]int64{}}
		maps.Copy(saved[i].Metrics, c.metrics)
	}
	return saved, nil
}

// Load implements projections.Store.
func (s *Store) Load(ctx context.Context, partition int, generations []projections.Generation, customers []uuid.UUID) ([][][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := make([][][]byte, len(generations))
	for i, g := range generations {
		docs[i] = make([][]byte, len(customers))
		for j, id := range customers {
			docs[i][j] = bytes.Clone(s.look(partition, g).documents[id])
		}
	}
	return docs, nil
}

// Customers implements projections.Store.
func (s *Store) Customers(ctx context.Context, partition int, g projections.Generation) ([]uuid.UUID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.look(partition, g).documents), func(a, b uuid.UUID) int {
		return bytes.Compare(a[:], b[:])
	}), nil
}

// Standing implements projections.Store.
func (s *Store) Standing(ctx context.Context, partition int, g projections.Generation, index, upTo string) ([]uuid.UUID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return projections.Standing(maps.Keys(s.look(partition, g).indexes[index]), upTo)
}

// Commit implements projections.Store.
func (s *Store) Commit(ctx context.Context, partition int, changes []projections.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range changes {
		if s.look(partition, ch.Generation).at != ch.From {
			return projections.ErrFenced
		}
	}
	for _, ch := range changes {
		s.cell(partition, ch.Generation).apply(ch)
	}
	return nil
}

func (s *Store) cell(partition int, g projections.Generation) *cell {
	if s.cells == nil {
		s.cells = map[place]*cell{}
	}
	c := s.cells[place{partition, g}]
	if c == nil {
		c = &cell{
			documents: map[uuid.UUID][]byte{},
			indexes:   map[string]map[string]bool{},
			metrics:   map[string]int64{},
			notes:     map[string][]byte{},
		}
		s.cells[place{partition, g}] = c
	}
	return c
}

func (c *cell) apply(ch projections.Change) {
	c.at = ch.To
	if ch.World != nil {
		c.world = bytes.Clone(ch.World)
	}
	replace(c.documents, ch.Documents)
	replace(c.notes, ch.Notes)
	for _, e := range ch.Remove {
		delete(c.indexes[e.Index], e.Member)
	}
	for _, e := range ch.Add {
		if c.indexes[e.Index] == nil {
			c.indexes[e.Index] = map[string]bool{}
		}
		c.indexes[e.Index][e.Member] = true
	}
	for name, n := range ch.Metrics {
		if n == 0 {
			delete(c.metrics, name)
		} else {
			c.metrics[name] = n
		}
	}
}

func replace[K comparable](m, with map[K][]byte) {
	for k, v := range with {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = bytes.Clone(v)
		}
	}
}

// Advance implements projections.Store.
func (s *Store) Advance(ctx context.Context, gs []projections.Generation, partitions map[int][2]projections.Checkpoint) ([]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var fenced []int
	for p, move := range partitions {
		if slices.ContainsFunc(gs, func(g projections.Generation) bool { return s.look(p, g).at != move[0] }) {
			fenced = append(fenced, p)
			continue
		}
		for _, g := range gs {
			s.cell(p, g).at = move[1]
		}
	}
	slices.Sort(fenced)
	return fenced, nil
}

// Notes implements projections.Store.
func (s *Store) Notes(ctx context.Context, g projections.Generation, partitions int, name string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := make([][]byte, partitions)
	for p := range notes {
		notes[p] = bytes.Clone(s.look(p, g).notes[name])
	}
	return notes, nil
}

// Drop implements projections.Store.
func (s *Store) Drop(ctx context.Context, g projections.Generation, partitions int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range partitions {
		delete(s.cells, place{p, g})
	}
	return nil
}

// Document implements readapi.Documents.
func (s *Store) Document(ctx context.Context, g projections.Generation, partition int, customer uuid.UUID) (doc, world []byte, at projections.Checkpoint, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, projections.Checkpoint{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.look(partition, g)
	return bytes.Clone(c.documents[customer]), bytes.Clone(c.world), c.at, nil
}

// Together implements readapi.Documents.
func (s *Store) Together(ctx context.Context, gs []projections.Generation, partition int, customer uuid.UUID) ([]readapi.Found, error) {
	found := make([]readapi.Found, len(gs))
	for i, g := range gs {
		doc, world, at, err := s.Document(ctx, g, partition, customer)
		if err != nil {
			return nil, err
		}
		found[i] = readapi.Found{Document: doc, World: world, At: at}
	}
	return found, nil
}

// Documents implements readapi.Documents.
func (s *Store) Documents(ctx context.Context, g projections.Generation, partitions int, customers []uuid.UUID) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := make([][]byte, len(customers))
	for i, id := range customers {
		docs[i] = bytes.Clone(s.look(projections.PartitionOf(id, partitions), g).documents[id])
	}
	return docs, nil
}

// Range implements readapi.Documents.
func (s *Store) Range(ctx context.Context, g projections.Generation, partitions int, q readapi.RangeQuery) ([]string, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var members []string
	for p := range partitions {
		for m := range s.look(p, g).indexes[q.Index] {
			after := q.After == "" || m > q.After
			if q.Descending {
				after = q.After == "" || m < q.After
			}
			if after && strings.HasPrefix(m, q.Prefix) {
				members = append(members, m)
			}
		}
	}
	slices.SortFunc(members, func(a, b string) int {
		if q.Descending {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	})
	return members[:max(0, min(len(members), q.Limit))], s.lowest(g, partitions), nil
}

func (s *Store) lowest(g projections.Generation, partitions int) uint64 {
	if partitions == 0 {
		return 0
	}
	lowest := uint64(math.MaxUint64)
	for p := range partitions {
		lowest = min(lowest, s.look(p, g).at.Position)
	}
	return lowest
}

// Metrics implements readapi.Documents.
func (s *Store) Metrics(ctx context.Context, g projections.Generation, partitions int) (map[string]int64, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	totals := map[string]int64{}
	for p := range partitions {
		for name, n := range s.look(p, g).metrics {
			totals[name] += n
		}
	}
	return totals, s.lowest(g, partitions), nil
}

// Checkpoints implements readapi.Documents.
func (s *Store) Checkpoints(ctx context.Context, g projections.Generation, partitions int) ([]projections.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := make([]projections.Checkpoint, partitions)
	for p := range at {
		at[p] = s.look(p, g).at
	}
	return at, nil
}

// World implements readapi.Documents.
func (s *Store) World(ctx context.Context, g projections.Generation, partition int) ([]byte, projections.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, projections.Checkpoint{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.look(partition, g)
	return bytes.Clone(c.world), c.at, nil
}
