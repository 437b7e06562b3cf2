// Package tally is how often which value comes among the customers of a partition:
// as a partition writes it into its contribution to a calibration, and as a
// calibration reads those of all partitions, as one. Whose values they are does not
// matter to a calibration.
package tally

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"iter"
	"math"
	"slices"

	"github.com/rapport-crm/rapport/domain/rfm"
)

// Runs is values and how many customers have each, ascending, as they are stored:
// each as the difference to the one before and a count, both as varints.
type Runs []byte

// Append adds values to a contribution, and their length before them. It sorts them.
func Append(b []byte, values []int64) []byte {
	var runs Runs
	last := int64(0)
	slices.Sort(values)
	for run := range rfm.Runs(values) {
		runs = binary.AppendVarint(runs, run.Value-last) // wraps, and so does next
		runs = binary.AppendUvarint(runs, uint64(run.Count))
		last = run.Value
	}
	b = binary.AppendUvarint(b, uint64(len(runs)))
	return append(b, runs...)
}

// Size returns how many customers the values are of; false: these are no runs.
func (r Runs) Size() (n int64, ok bool) {
	u := Reader{rest: r}
	for last, first := int64(0), true; len(u.rest) > 0; first = false {
		value, count := last+u.Varint(), u.Uvarint()
		if u.bad || count == 0 || count > uint64(math.MaxInt64-n) || !first && value <= last {
			return 0, false
		}
		n, last = n+int64(count), value
	}
	return n, true
}

// Merge yields the values of all, ascending, in memory for nothing but a place in
// each. One value may come in several runs. What is no runs ends early.
func Merge(all []Runs) iter.Seq[rfm.Run] {
	return func(yield func(rfm.Run) bool) {
		var q queue
		for _, r := range all {
			if h := (head{rest: Reader{rest: r}}); h.next() {
				q = append(q, h)
			}
		}
		heap.Init(&q)
		for len(q) > 0 {
			if !yield(q[0].run) {
				return
			}
			if q[0].next() {
				heap.Fix(&q, 0)
			} else {
				heap.Pop(&q)
			}
		}
	}
}

// head is the first run not yet taken of one partition.
type head struct {
	run  rfm.Run
	rest Reader
}

func (h *head) next() bool {
	if len(h.rest.rest) == 0 {
		return false
	}
	h.run.Value += h.rest.Varint()
	h.run.Count = int64(h.rest.Uvarint())
	return !h.rest.bad
}

// queue is a heap of heads, the least value first.
type queue []head

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return cmp.Less(q[i].run.Value, q[j].run.Value) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(head)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	*q = (*q)[:last]
	return h
}

// Reader reads a contribution, part by part. What is not there is zero.
type Reader struct {
	rest []byte
	bad  bool
}

// Read returns a reader of a stored contribution. What it returns shares the bytes.
func Read(note []byte) *Reader { return &Reader{rest: note} }

// Bad says whether something else was there than was asked for.
func (r *Reader) Bad() bool { return r.bad }

// Done says whether all that was asked for was there, and nothing is left.
func (r *Reader) Done() bool { return !r.bad && len(r.rest) == 0 }

func (r *Reader) take(n int) []byte {
	if n <= 0 || n > len(r.rest) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Varint reads a number with a sign.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.rest)
	r.take(n)
	return v
}

// Uvarint reads a number.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.take(n)
	return v
}

// Count reads a number of things.
func (r *Reader) Count() int64 {
	v := r.Uvarint()
	if v > math.MaxInt64 {
		r.bad, r.rest = true, nil
		return 0
	}
	return int64(v)
}

// Bytes reads bytes that have their length before them.
func (r *Reader) Bytes() []byte {
	n := r.Uvarint()
	if n == 0 || r.bad {
		return nil
	}
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	return r.take(int(n))
}

// Runs reads what Append added, and of how many customers it is.
func (r *Reader) Runs() (Runs, int64) {
	runs := Runs(r.Bytes())
	n, ok := runs.Size()
	if !ok {
		r.bad, r.rest = true, nil
		return nil, 0
	}
	return runs, n
}
