package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// image is one partition of one generation in memory: what the store should
// hold.
type image struct {
	saved     Saved
	documents map[uuid.UUID][]byte
	entries   map[Entry]bool
	due       map[string]bool // the members of IndexDue among them
}

// images is one partition of some generations, written by an ordinary Partition.
// What it reads of others comes from the store.
type images struct {
	kept   map[Generation]*image
	others Store
}

var errImage = errors.New("projections: not kept in memory")

func newImages(generations []Generation, others Store) images {
	is := images{map[Generation]*image{}, others}
	for _, g := range generations {
		is.kept[g] = &image{saved: Saved{Metrics: map[string]int64{}}, documents: map[uuid.UUID][]byte{}, entries: map[Entry]bool{}, due: map[string]bool{}}
	}
	return is
}

func (is images) Open(_ context.Context, _ int, generations []Generation) ([]Saved, error) {
	saved := make([]Saved, len(generations))
	for n, g := range generations {
		saved[n] = is.kept[g].saved
		saved[n].Metrics = maps.Clone(saved[n].Metrics)
	}
	return saved, nil
}

func (is images) Load(ctx context.Context, p int, generations []Generation, customers []uuid.UUID) ([][][]byte, error) {
	all := make([][][]byte, len(generations))
	for n, g := range generations {
		kept := is.kept[g]
		if kept == nil { // the keys, where they are not folded
			return is.others.Load(ctx, p, generations, customers)
		}
		all[n] = make([][]byte, len(customers))
		for i, c := range customers {
			all[n][i] = kept.documents[c]
		}
	}
	return all, nil
}

func (is images) Customers(_ context.Context, _ int, g Generation) ([]uuid.UUID, error) {
	return slices.SortedFunc(maps.Keys(is.kept[g].documents), compareCustomers), nil
}

func (is images) Standing(_ context.Context, _ int, g Generation, index, upTo string) ([]uuid.UUID, error) {
	if index == IndexDue {
		return Standing(maps.Keys(is.kept[g].due), upTo)
	}
	return nil, errImage
}

// Standing returns who stands under a key of at most upTo, of the members of an
// index in any order.
func Standing(members iter.Seq[string], upTo string) ([]uuid.UUID, error) {
	var found []string
	for m := range members {
		if m < upTo+"\x01" {
			found = append(found, m)
		}
	}
	slices.Sort(found)
	ids := make([]uuid.UUID, len(found))
	for i, m := range found {
		_, id, _ := strings.Cut(m, "\x00")
		var err error
		if ids[i], err = uuid.Parse(id); err != nil {
			return nil, fmt.Errorf("%q names no customer", m)
		}
	}
	return ids, nil
}

func (is images) Commit(_ context.Context, _ int, changes []Change) error {
	for _, c := range changes {
		is.kept[c.Generation].apply(c)
	}
	return nil
}

func (i *image) apply(c Change) {
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
		if delete(i.entries, e); e.Index == IndexDue {
			delete(i.due, e.Member)
		}
	}
	for _, e := range c.Add {
		if i.entries[e] = true; e.Index == IndexDue {
			i.due[e.Member] = true
		}
	}
	for name, n := range c.Metrics {
		if i.saved.Metrics[name] = n; n == 0 {
			delete(i.saved.Metrics, name)
		}
	}
}

func (is images) Catalogue(context.Context) (Catalogue, error)   { return Catalogue{}, errImage }
func (is images) SaveCatalogue(context.Context, Catalogue) error { return errImage }
func (is images) Drop(context.Context, Generation, int) error    { return errImage }
func (is images) Notes(context.Context, Generation, int, string) ([][]byte, error) {
	return nil, errImage
}

func (is images) Advance(context.Context, []Generation, map[int][2]Checkpoint) ([]int, error) {
	return nil, errImage
}
