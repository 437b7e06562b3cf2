package projections

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"
)

// image is one partition of one generation in memory: what the store should
// hold. It is written by an ordinary Partition.
type image struct {
	saved     Saved
	documents map[uuid.UUID][]byte
	entries   map[Entry]bool
}

var errImage = errors.New("projections: not kept in memory")

func newImage() *image {
	return &image{saved: Saved{Metrics: map[string]int64{}}, documents: map[uuid.UUID][]byte{}, entries: map[Entry]bool{}}
}

func (i *image) Open(context.Context, int, []Generation) ([]Saved, error) {
	s := i.saved
	s.Metrics = maps.Clone(s.Metrics)
	return []Saved{s}, nil
}

func (i *image) Load(_ context.Context, _ int, _ []Generation, customers []uuid.UUID) ([][][]byte, error) {
	docs := make([][]byte, len(customers))
	for n, c := range customers {
		docs[n] = i.documents[c]
	}
	return [][][]byte{docs}, nil
}

func (i *image) Customers(context.Context, int, Generation) ([]uuid.UUID, error) {
	return slices.SortedFunc(maps.Keys(i.documents), compareCustomers), nil
}

func (i *image) Commit(_ context.Context, _ int, changes []Change) error {
	for _, c := range changes {
		i.saved.Checkpoint = c.To
		if c.World != nil {
			i.saved.World = c.World
		}
		for id, doc := range c.Documents {
			if doc == nil {
				delete(i.documents, id)
			} else {
				i.documents[id] = doc
			}
		}
		for _, e := range c.Remove {
			delete(i.entries, e)
		}
		for _, e := range c.Add {
			i.entries[e] = true
		}
		for name, n := range c.Metrics {
			if i.saved.Metrics[name] = n; n == 0 {
				delete(i.saved.Metrics, name)
			}
		}
	}
	return nil
}

func (i *image) Catalogue(context.Context) (Catalogue, error)   { return Catalogue{}, errImage }
func (i *image) SaveCatalogue(context.Context, Catalogue) error { return errImage }
func (i *image) Drop(context.Context, Generation, int) error    { return errImage }
func (i *image) Notes(context.Context, Generation, int, string) ([][]byte, error) {
	return nil, errImage
}

func (i *image) Advance(context.Context, []Generation, map[int][2]Checkpoint) ([]int, error) {
	return nil, errImage
}
