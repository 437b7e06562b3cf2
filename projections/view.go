package projections

import (
	"bytes"
	"fmt"
	"iter"
	"reflect"
	"sync/atomic"

	"github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// Event is an event of the log as a view sees it.
type Event = eventschema.Event

// View is a read model: one document of type D for each customer, the fold of
// that customer's events, and what follows from the document.
//
// All its functions are pure: they know no clock, no I/O and nothing but their
// arguments, so that a rebuild gives the same bytes as the live run. D is stored
// as JSON, the same bytes as encoding/json makes (goccy/go-json makes them, two
// to three times as fast), and must mean the same after it was stored and read again (a field
// that is not stored does not exist; an empty map and a missing one are alike).
//
// A document that is stored as the zero value of D would be does not exist: it
// is deleted, and stands in no index and no total. To delete it, set *d = D{}.
type View[D any] struct {
	Name string // stable; a change of the folds needs a rebuild, not another name

	// Fold changes d by an event of its customer and reports whether it did
	// (false means that d was left alone). It must not keep what e.Data points to.
	Fold func(d *D, e Event) bool

	// FoldIn takes the place of Fold in a view whose documents depend on the world in
	// which an event came.
	FoldIn func(d *D, e Event, w *World) bool

	// Segments says that the world of this view knows the segments and what their
	// rules rest on. It is large, and nobody else needs it.
	Segments bool

	// Caused says of a broadcast event that it may change documents by itself, and
	// which: those that are due, or all of them. Change then changes a document, and
	// reports whether it did; it may be asked again after it did, and then does
	// nothing. Due is the date, as text, from which on a document is due, empty for
	// never; the document stands by it in IndexDue. Optional, all three together;
	// a view with them has no Rescores.
	//
	// Joins says that a cause may go through the documents together with those that
	// are on their way: to take them one after the other, each in the world after it,
	// gives the same as to take all in the world after the last. Optional.
	Caused func(e Event, before, after *World) (Cause, bool)
	Joins  func(pending, next Cause) bool
	Change func(d *D, c Cause, w *World) bool
	Due    func(d *D) string

	// Indexes says where the document stands, each place once, in any order. Optional.
	Indexes func(d *D, w *World) []Place

	// Metrics says what the document adds to the partition's totals. Optional.
	Metrics func(d *D, w *World) []Metric

	// Rescores says of a broadcast event that Indexes or Metrics of any document
	// may differ after it, though no document has changed. Optional.
	Rescores func(e Event) bool

	// Contribution lets a job collect values over all partitions. Optional.
	Contribution *Contribution[D]

	zero atomic.Pointer[[]byte] // how the zero value is stored
}

// absent returns the stored form of a document that does not exist.
func (v *View[D]) absent() ([]byte, error) {
	if stored := v.zero.Load(); stored != nil {
		return *stored, nil
	}
	stored, err := json.Marshal(new(D))
	if err != nil {
		return nil, err
	}
	v.zero.Store(&stored)
	return stored, nil
}

// Place is where a document stands in an index: by Key and then by customer, in
// byte order. Neither part contains a NUL byte.
type Place struct{ Index, Key string }

// Metric is what one document adds to a named total.
type Metric struct {
	Name  string
	Value int64
}

// Contribution is what every partition says of its documents when a broadcast
// event asks for it: a note, written together with the checkpoint that passes
// the event, so that it tells of exactly the log up to there.
type Contribution[D any] struct {
	// Asked names the note that e asks for. The world is that after e.
	Asked func(e Event, w *World) (name string, ok bool)
	// Collect makes the note of all documents, which come in the order of the
	// customers' ids. They must not be changed or kept.
	Collect func(e Event, w *World, documents iter.Seq2[uuid.UUID, *D]) ([]byte, error)
	// Settled names the note that nobody needs any more after e.
	Settled func(e Event) (name string, ok bool)
}

// Projection is a *View whatever its document type.
type Projection interface {
	fmt.Stringer // the view's name

	fresh() document
	evolve(*World, Event) *World
	caused(e Event, before, after *World) (Cause, bool)
	joins(pending, next Cause) bool
	weight() int // bytes of memory that an empty document takes, about
	rescores(Event) bool
	asked(Event, *World) (string, bool)
	collect(Event, *World, iter.Seq2[uuid.UUID, document]) ([]byte, error)
	settled(Event) (string, bool)
}

// document is one document of a view, in memory.
type document interface {
	decode(stored []byte) error
	fold(Event, *World) bool
	change(Cause, *World) bool
	due() string
	encode() ([]byte, error) // nil if the document does not exist
	places(*World) []Place
	metrics(*World) []Metric
}

// String returns the view's name.
func (v *View[D]) String() string { return v.Name }

// Of folds the events of one customer, and returns the document and whether it
// exists. It is all that a test of a view, or a look into the past, needs.
func (v *View[D]) Of(events ...Event) (d D, exists bool) {
	h := holder[D]{view: v}
	for _, e := range events {
		h.fold(e, new(World))
	}
	d = h.value
	stored, err := h.encode()
	return d, err == nil && stored != nil
}

// Documents folds events of many customers (by Meta.Customer) into the
// documents that exist.
func (v *View[D]) Documents(events ...Event) map[uuid.UUID]D {
	byCustomer := map[uuid.UUID][]Event{}
	for _, e := range events {
		if e.Meta.Customer != uuid.Nil {
			byCustomer[e.Meta.Customer] = append(byCustomer[e.Meta.Customer], e)
		}
	}
	out := map[uuid.UUID]D{}
	for c, events := range byCustomer {
		if d, ok := v.Of(events...); ok {
			out[c] = d
		}
	}
	return out
}

func (v *View[D]) fresh() document { return &holder[D]{view: v} }

func (v *View[D]) caused(e Event, before, after *World) (c Cause, ok bool) {
	if v.Caused == nil {
		return c, false
	}
	return v.Caused(e, before, after)
}

func (v *View[D]) joins(pending, next Cause) bool { return v.Joins != nil && v.Joins(pending, next) }

func (v *View[D]) weight() int {
	const held = 192 // what a row keeps of a document beside it
	return int(reflect.TypeFor[D]().Size()) + held
}

func (v *View[D]) rescores(e Event) bool { return v.Rescores != nil && v.Rescores(e) }

func (v *View[D]) asked(e Event, w *World) (string, bool) {
	if v.Contribution == nil {
		return "", false
	}
	return v.Contribution.Asked(e, w)
}

func (v *View[D]) settled(e Event) (string, bool) {
	if v.Contribution == nil {
		return "", false
	}
	return v.Contribution.Settled(e)
}

func (v *View[D]) collect(e Event, w *World, documents iter.Seq2[uuid.UUID, document]) ([]byte, error) {
	return v.Contribution.Collect(e, w, func(yield func(uuid.UUID, *D) bool) {
		for c, d := range documents {
			if !yield(c, &d.(*holder[D]).value) {
				return
			}
		}
	})
}

// holder is the one implementation of document.
type holder[D any] struct {
	view  *View[D]
	value D
}

func (h *holder[D]) decode(stored []byte) error { return json.Unmarshal(stored, &h.value) }

func (h *holder[D]) fold(e Event, w *World) bool {
	if h.view.FoldIn != nil {
		return h.view.FoldIn(&h.value, e, w)
	}
	return h.view.Fold(&h.value, e)
}

func (h *holder[D]) change(c Cause, w *World) bool { return h.view.Change(&h.value, c, w) }

func (h *holder[D]) due() string {
	if h.view.Due == nil {
		return ""
	}
	return h.view.Due(&h.value)
}

func (h *holder[D]) encode() ([]byte, error) {
	stored, err := json.Marshal(&h.value)
	if err != nil {
		return nil, err
	}
	absent, err := h.view.absent()
	if err != nil || bytes.Equal(stored, absent) {
		return nil, err
	}
	return stored, nil
}

func (h *holder[D]) places(w *World) (places []Place) {
	if h.view.Indexes != nil {
		places = h.view.Indexes(&h.value, w)
	}
	if due := h.due(); due != "" {
		places = append(places, Place{Index: IndexDue, Key: due})
	}
	return places
}

func (h *holder[D]) metrics(w *World) []Metric {
	if h.view.Metrics == nil {
		return nil
	}
	return h.view.Metrics(&h.value, w)
}

// PartitionOf returns the partition of a customer: FNV-1a over the lower-case
// text of the id, modulo the number of partitions. It never changes.
func PartitionOf(customer uuid.UUID, partitions int) int {
	const offset, prime = 2166136261, 16777619
	const digits = "0123456789abcdef"
	h := uint32(offset)
	for i, b := range customer {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			h = (h ^ '-') * prime
		}
		h = (h ^ uint32(digits[b>>4])) * prime
		h = (h ^ uint32(digits[b&15])) * prime
	}
	return int(h % uint32(partitions))
}
