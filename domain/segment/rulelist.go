package segment

import (
	"cmp"
	"math"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// list is a list while a rule is evaluated: all of one of the lists below, or those
// of it whose indexes are given.
type list struct {
	base   base
	some   bool    // only those of index
	index  []int32 // in order
	orders []Order
	events []Happening
	texts  []string
	values []val
	of     *list  // while a clause is explained: what its values were made of
	path   string // likewise: how what it began as is called
}

type base uint8

const (
	ofValues base = iota
	ofOrders
	ofEvents
	ofTexts
)

// list returns memory for a list.
func (f *frame) list(l list) *list {
	if f.listed < len(f.lists) {
		f.listed++
		f.lists[f.listed-1] = l
		return &f.lists[f.listed-1]
	}
	more := new(list) // not &l, which would move every list to the heap
	*more = l
	return more
}

func (f *frame) listVal(l list) val { return val{k: kList, p: f.list(l)} }

// room returns memory for so many indexes.
func (f *frame) room(n int) []int32 {
	if cap(f.indexes)-len(f.indexes) < n {
		f.indexes = make([]int32, 0, max(n, 2*cap(f.indexes)))
	}
	at := len(f.indexes)
	f.indexes = f.indexes[:at+n]
	return f.indexes[at : at : at+n]
}

func (l *list) len() int {
	if l.some {
		return len(l.index)
	}
	switch l.base {
	case ofOrders:
		return len(l.orders)
	case ofEvents:
		return len(l.events)
	case ofTexts:
		return len(l.texts)
	}
	return len(l.values)
}

// place returns the index of an element in what the list is of.
func (l *list) place(i int) int {
	if l.some {
		return int(l.index[i])
	}
	return i
}

func (l *list) at(i int) val {
	i = l.place(i)
	switch l.base {
	case ofOrders:
		return val{k: kRecord, p: &l.orders[i]}
	case ofEvents:
		return val{k: kRecord, p: &l.events[i]}
	case ofTexts:
		return text(l.texts[i])
	}
	return l.values[i]
}

// moment is when an order or event was: its date and its place in the log.
type moment struct {
	on       domain.Date
	position uint64
}

func (l *list) moment(i int) (moment, bool) {
	i = l.place(i)
	switch l.base {
	case ofOrders:
		return moment{l.orders[i].On, l.orders[i].Position}, true
	case ofEvents:
		return moment{l.events[i].On, l.events[i].Position}, true
	}
	switch x := l.values[i].p.(type) {
	case *Order:
		return moment{x.On, x.Position}, true
	case *Happening:
		return moment{x.On, x.Position}, true
	}
	return moment{}, false
}

// only returns those of a list whose indexes are given.
func (f *frame) only(l *list, index []int32) val {
	s := *l
	s.some, s.index = true, index
	return f.listVal(s)
}

// pick returns those of a list of orders or events whose date is right.
func (f *frame) pick(l *list, right func(domain.Date) bool) val {
	n := l.len()
	if !f.spend(n) {
		return f.stopped()
	}
	index := f.room(n)
	for i := range n {
		if at, ok := l.moment(i); ok && right(at.on) {
			index = append(index, int32(l.place(i)))
		}
	}
	return f.only(l, index)
}

// named returns the events of a type.
func (f *frame) named(name string) val {
	n := len(f.c.Events)
	if !f.spend(n/2 + 1) {
		return f.stopped()
	}
	count := 0
	for i := range f.c.Events {
		if f.c.Events[i].Type == name {
			count++
		}
	}
	index := f.room(count)
	for i := range f.c.Events {
		if f.c.Events[i].Type == name {
			index = append(index, int32(i))
		}
	}
	return f.listVal(list{base: ofEvents, events: f.c.Events, some: true, index: index, path: "events"})
}

// follows says whether some of a list is followed by one of another within so many
// days, or, if not is set, whether some is not, and the days have passed. What was
// recorded later on the same day follows.
func (f *frame) follows(a, b *list, days int64, not bool) val {
	n, m := a.len(), b.len()
	if !f.spend(8 * (n + m)) {
		return f.stopped()
	}
	before, after := moments(a, b.base), moments(b, a.base)
	slices.SortFunc(after, compareMoments)
	for _, x := range before {
		if x.position == 0 { // of another list: which came first on a day is not known
			x.position = math.MaxUint64
		}
		i, _ := slices.BinarySearchFunc(after, x, func(e, t moment) int {
			if compareMoments(e, t) <= 0 {
				return -1
			}
			return 1
		})
		found := i < len(after) && int64(after[i].on)-int64(x.on) <= days
		switch {
		case found && !not:
			return boolean(true)
		case !found && not && f.reached(int64(x.on)+days):
			return boolean(true)
		}
	}
	return boolean(false)
}

func compareMoments(a, b moment) int {
	return cmp.Or(cmp.Compare(a.on, b.on), cmp.Compare(a.position, b.position))
}

// moments returns when those of a list were. Of orders and events alike, those of a
// day stand in the order of their list where their place in the log is not known.
func moments(l *list, other base) []moment {
	all := make([]moment, 0, l.len())
	for i := range l.len() {
		if at, ok := l.moment(i); ok {
			if at.position == 0 && l.base == other && l.base != ofValues {
				at.position = uint64(l.place(i)) + 1
			}
			all = append(all, at)
		}
	}
	return all
}

// sum adds what is known of a list.
func (f *frame) sum(l *list) val {
	total := integer(0)
	if !f.spend(l.len()) {
		return f.stopped()
	}
	for i := range l.len() {
		v := l.at(i)
		if v.k == kUnknown {
			continue
		}
		if total = calculate('+', total, v); total.k == kFailed {
			return total
		}
	}
	return total
}

// average divides the sum of what is known of a list by their number; of nothing it
// is not known.
func (f *frame) average(l *list) val {
	total, known := f.sum(l), 0
	for i := range l.len() {
		if l.at(i).k != kUnknown {
			known++
		}
	}
	if total.k == kFailed || known == 0 {
		if total.k != kFailed {
			return val{}
		}
		return total
	}
	return number(total.real() / float64(known))
}

// extreme returns the least (sign -1) or the largest (sign 1) of what is known of a
// list; of nothing it is not known.
func (f *frame) extreme(l *list, sign int) val {
	if !f.spend(l.len()) {
		return f.stopped()
	}
	var best val
	for i := range l.len() {
		v := l.at(i)
		switch {
		case v.k == kUnknown:
			continue
		case best.k == kUnknown:
			best = v
			continue
		}
		c, ok := order(v, best)
		if !ok {
			return failed("type_mismatch", "%s cannot be compared with %s", kindNames[v.k], kindNames[best.k])
		}
		if c == sign {
			best = v
		}
	}
	return best
}

// has says whether a value is among a list.
func (f *frame) has(l *list, v val) val {
	if v.k == kUnknown {
		return boolean(false)
	}
	if !f.spend(l.len()/4 + 1) {
		return f.stopped()
	}
	if l.base == ofTexts && !l.some {
		return boolean(v.k == kText && slices.Contains(l.texts, v.s))
	}
	for i := range l.len() {
		if same, _ := equal(v, l.at(i)); same {
			return boolean(true)
		}
	}
	return boolean(false)
}
