package cluster

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// NoteName names the contributions to the fit that the event at a position asks
// for.
func NoteName(trigger uint64) string { return fmt.Sprintf("cluster:%d", trigger) }

// Note is what one partition contributes to a fit: the values of its customers as
// of one day.
type Note struct {
	AsOf      domain.Date
	Currency  string   // of amounts
	Features  []string // of the values of a customer, in their order
	Excluded  int      // customers who lack a feature
	customers []uuid.UUID
	values    []int64 // those of one customer behind those of the one before
}

// NewNote returns a note without customers.
func NewNote(asOf domain.Date, currency string, features []string) *Note {
	return &Note{AsOf: asOf, Currency: currency, Features: features}
}

// Add counts a customer in. The values are those of the features, in their order;
// nil says that the customer lacks one.
func (n *Note) Add(customer uuid.UUID, values []int64) {
	if values == nil {
		n.Excluded++
		return
	}
	n.customers = append(n.customers, customer)
	n.values = append(n.values, values[:len(n.Features)]...)
}

// noteVersion is the first byte of an encoded note.
const noteVersion = 1

// Encode returns the note as it is stored: customers ascending, numbers as
// varints. The same customers give the same bytes, in whatever order they came.
func (n *Note) Encode() []byte {
	width := len(n.Features)
	b := make([]byte, 0, 64+len(n.customers)*(16+3*width))
	b = append(b, noteVersion)
	b = binary.AppendVarint(b, int64(n.AsOf))
	b = appendText(b, n.Currency)
	b = binary.AppendUvarint(b, uint64(width))
	for _, name := range n.Features {
		b = appendText(b, name)
	}
	b = binary.AppendUvarint(b, uint64(n.Excluded))
	b = binary.AppendUvarint(b, uint64(len(n.customers)))
	for _, i := range ascending(n.customers) {
		b = append(b, n.customers[i][:]...)
		for _, v := range n.values[i*width : (i+1)*width] {
			b = binary.AppendVarint(b, v)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ascending returns the places of customers in the order of their ids.
func ascending(customers []uuid.UUID) []int {
	order := make([]int, len(customers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(customers[a][:], customers[b][:]) })
	return order
}

var errNote = errors.New("cluster: not a contribution to a fit")

// DecodeNote reads a stored note.
func DecodeNote(stored []byte) (*Note, error) {
	r := reader{rest: stored}
	if r.byte() != noteVersion {
		return nil, errNote
	}
	n := &Note{AsOf: domain.Date(r.varint()), Currency: r.text()}
	width := r.count(1)
	for range width {
		n.Features = append(n.Features, r.text())
	}
	n.Excluded = int(r.uvarint())
	size := r.count(16 + width)
	if r.bad || width == 0 || n.Excluded < 0 {
		return nil, errNote
	}
	n.customers, n.values = make([]uuid.UUID, size), make([]int64, size*width)
	for i := range size {
		copy(n.customers[i][:], r.take(16))
		for j := range width {
			n.values[i*width+j] = r.varint()
		}
		if i > 0 && bytes.Compare(n.customers[i-1][:], n.customers[i][:]) >= 0 {
			return nil, errNote
		}
	}
	if r.bad || len(r.rest) > 0 {
		return nil, errNote
	}
	return n, nil
}

// reader reads what Encode wrote; bad says that there was something else.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.took(n)
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.took(n)
	return v
}

// took passes over a number, which has at least one byte.
func (r *reader) took(n int) {
	if n <= 0 {
		n = -1
	}
	r.take(n)
}

// count reads how many things of a size at least follow: no more than there is room for.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.bad, r.rest = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.take(r.count(1))) }

// Population is the customers of a fit, in the order of their ids.
type Population struct {
	AsOf      domain.Date
	Currency  string
	Features  []string
	Excluded  int
	Customers []uuid.UUID
	Values    []int64 // of each customer, one for each feature
}

// Row returns the values of the customer at a place.
func (p *Population) Row(i int) []int64 {
	return p.Values[i*len(p.Features) : (i+1)*len(p.Features)]
}

// ErrDiffer says that notes are not of the same fit.
var ErrDiffer = errors.New("cluster: contributions of different days, currencies or features, or of one customer twice")

// Merge returns the customers of all notes. It is the same in whatever order the
// notes come.
func Merge(notes []*Note) (*Population, error) {
	p := new(Population)
	type place struct{ note, row int }
	var places []place
	for i, n := range notes {
		if i == 0 {
			p.AsOf, p.Currency, p.Features = n.AsOf, n.Currency, n.Features
		} else if n.AsOf != p.AsOf || n.Currency != p.Currency || !slices.Equal(n.Features, p.Features) {
			return nil, ErrDiffer
		}
		p.Excluded += n.Excluded
		for row := range n.customers {
			places = append(places, place{i, row})
		}
	}
	id := func(at place) []byte { return notes[at.note].customers[at.row][:] }
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(bytes.Compare(id(a), id(b)), cmp.Compare(a.note, b.note))
	})
	width := len(p.Features)
	p.Customers, p.Values = make([]uuid.UUID, len(places)), make([]int64, 0, len(places)*width)
	for i, at := range places {
		n := notes[at.note]
		p.Customers[i] = n.customers[at.row]
		if i > 0 && p.Customers[i] == p.Customers[i-1] {
			return nil, ErrDiffer
		}
		p.Values = append(p.Values, n.values[at.row*width:(at.row+1)*width]...)
	}
	return p, nil
}
