package commands_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// ask is what a client asks of an account of points.
type ask struct {
	command uuid.UUID // the same one again is the same command, delivered again
	what    string    // its name
	id      string    // of the order, the hold or the redemption
	ref     string    // of the refund, the reversal, or the redemption that a capture is
	points  int64     // 0: all there are
}

// reply is what a client is told.
type reply struct {
	code     string           // changed, unchanged, or that of the refusal
	revision int64            // of the account's last event, unless it is a refusal
	appended int64            // events of the command
	balance  customer.Balance // that a refusal for want of points names
}

const (
	changed   = "changed"
	unchanged = "unchanged"
	want      = "insufficient_points"
	never     = math.MaxInt64 // there is no answer
)

// delivery is an ask on its way: sent at from, answered at to.
type delivery struct {
	ask
	reply
	from, to int64
}

// ledger is an account of points as a client may understand it: what was said under
// which id, and how much there is. It is made from the description of the commands
// and shares no code with them.
type ledger struct {
	customer.Balance
	revision int64
	said     map[name]entry
	done     map[uuid.UUID]reply // commands that changed something
	blind    bool                // to revisions
}

// name is under what something was said.
type name struct{ kind, id string }

// entry is what became of an order, a refund, a hold, a redemption or a reversal.
type entry struct {
	points int64
	moved  int64  // of these: refunded or reversed
	of     string // the order of a refund, the redemption of a reversal or a capture
	state  string // of a hold
}

const (
	held     = "held"
	released = "released"
	captured = "captured"
)

// credit adds points: first they pay what is owed.
func (l *ledger) credit(points int64) {
	paid := min(points, l.Deficit)
	l.Deficit -= paid
	l.Spendable += points - paid
}

// debit takes points; those that are not there are owed.
func (l *ledger) debit(points int64) {
	there := min(points, l.Spendable)
	l.Spendable -= there
	l.Deficit += points - there
}

// settle says what would be answered, and what would be different then.
func (l *ledger) settle(q ask) (code string, change func(*ledger)) {
	switch q.what {
	case "record-order":
		return l.once("order", q.id, entry{points: q.points}, "order_exists", func(l *ledger) { l.credit(q.points) })
	case "record-refund":
		return l.refund(q)
	case "redeem-points":
		if e, known := l.said[name{"redemption", q.id}]; known {
			return again(e.points == q.points, "redemption_exists"), nil
		}
		if q.points > l.Spendable {
			return want, nil
		}
		return changed, func(l *ledger) {
			l.Spendable -= q.points
			l.said[name{"redemption", q.id}] = entry{points: q.points}
		}
	case "reverse-redemption":
		return l.reverse(q)
	}
	return l.settleHold(q)
}

func again(same bool, code string) string {
	if same {
		return unchanged
	}
	return code
}

// once is something that is said once under an id.
func (l *ledger) once(kind, id string, e entry, code string, change func(*ledger)) (string, func(*ledger)) {
	if before, known := l.said[name{kind, id}]; known {
		return again(before.points == e.points && before.of == e.of, code), nil
	}
	return changed, func(l *ledger) {
		l.said[name{kind, id}] = e
		change(l)
	}
}

func (l *ledger) refund(q ask) (string, func(*ledger)) {
	o, known := l.said[name{"order", q.id}]
	if !known {
		return "order_not_found", nil
	}
	code, change := l.once("refund", q.ref, entry{points: q.points, of: q.id}, "refund_exists", func(l *ledger) {
		o.moved += q.points
		l.said[name{"order", q.id}] = o
		l.debit(q.points)
	})
	if code == changed && q.points > o.points-o.moved {
		return "refund_exceeds_order", nil
	}
	return code, change
}

func (l *ledger) reverse(q ask) (string, func(*ledger)) {
	r, known := l.said[name{"redemption", q.id}]
	points := q.points
	if points == 0 {
		points = r.points - r.moved
	}
	if !known {
		return "redemption_not_found", nil
	}
	if v, known := l.said[name{"reversal", q.ref}]; known {
		return again(v.of == q.id && (q.points == 0 || v.points == q.points), "reversal_exists"), nil
	}
	switch {
	case points == 0:
		return unchanged, nil
	case points > r.points-r.moved:
		return "reversal_exceeds_redemption", nil
	}
	return changed, func(l *ledger) {
		r.moved += points
		l.said[name{"redemption", q.id}] = r
		l.said[name{"reversal", q.ref}] = entry{points: points, of: q.id}
		l.credit(points)
	}
}

func (l *ledger) settleHold(q ask) (string, func(*ledger)) {
	h, known := l.said[name{"hold", q.id}]
	switch {
	case q.what == "hold-points" && known && h.points == q.points && h.state == released:
		return "points_hold_expired", nil
	case q.what == "hold-points" && known:
		return again(h.points == q.points, "points_hold_exists"), nil
	case q.what == "hold-points" && q.points > l.Spendable:
		return want, nil
	case q.what == "hold-points":
		return changed, func(l *ledger) {
			l.Spendable -= q.points
			l.Held += q.points
			l.said[name{"hold", q.id}] = entry{points: q.points, state: held}
		}
	case !known:
		return "points_hold_not_found", nil
	case q.what == "release-hold":
		switch h.state {
		case released:
			return unchanged, nil
		case captured:
			return "points_hold_captured", nil
		}
		return changed, func(l *ledger) { l.release(q.id) }
	}
	points := q.points
	if points == 0 {
		points = h.points
	}
	redemption, exists := l.said[name{"redemption", q.ref}]
	switch {
	case h.state == captured:
		return again(h.of == q.ref && redemption.points == points, "points_hold_captured"), nil
	case h.state == released:
		return "points_hold_expired", nil
	case points > h.points:
		return "capture_exceeds_hold", nil
	case exists:
		return "redemption_exists", nil
	}
	return changed, func(l *ledger) {
		l.Held -= h.points
		l.credit(h.points - points)
		l.said[name{"redemption", q.ref}] = entry{points: points}
		l.said[name{"hold", q.id}] = entry{points: h.points, state: captured, of: q.ref}
	}
}

func (l *ledger) release(id string) {
	h := l.said[name{"hold", id}]
	l.Held -= h.points
	l.credit(h.points)
	h.state = released
	l.said[name{"hold", id}] = h
}

// expire ends all holds: their time is over.
func (l *ledger) expire() {
	for n, h := range l.said {
		if n.kind == "hold" && h.state == held {
			l.release(n.id)
		}
	}
}

// agrees says whether an ask would be answered just so, and what would be different
// then; nil: nothing.
func (l *ledger) agrees(q ask, r reply) (ok bool, change func(*ledger)) {
	if before, done := l.done[q.command]; done {
		return r == before || l.blind && r.code == changed, nil
	}
	code, effect := l.settle(q)
	switch {
	case r.code != code:
		return false, nil
	case code == want:
		return r.balance == l.Balance, nil
	case code == unchanged:
		return l.blind || r.revision == l.revision, nil
	case code != changed:
		return true, nil
	case l.blind:
	case r.revision != l.revision+r.appended || r.appended < 1:
		return false, nil
	}
	return true, func(l *ledger) {
		effect(l)
		l.done[q.command] = r
		if !l.blind {
			l.revision = r.revision
		}
	}
}

func (l *ledger) clone() *ledger {
	c := *l
	c.said, c.done = maps.Clone(l.said), maps.Clone(l.done)
	return &c
}

// linearizable asks porcupine whether one after the other could have been answered
// so, each between its sending and its answer. If it is blind, it is not shown the
// revisions, and has to find an order of what changed something, too: its search
// grows out of hand when more than a few clients do that at a time.
func linearizable(start *ledger, deliveries []delivery, blind bool) porcupine.CheckResult {
	start = start.clone()
	start.blind = blind
	next := successors{known: map[step]*ledger{}}
	model := porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, output any) (bool, any) {
			l, q := state.(*ledger), input.(ask)
			ok, change := l.agrees(q, output.(reply))
			if change != nil {
				l = next.of(step{l, q.command}, change)
			}
			return ok, l
		},
		Equal: func(a, b any) bool {
			x, y := a.(*ledger), b.(*ledger)
			return x == y || blind && x.Balance == y.Balance && maps.Equal(x.said, y.said) && maps.Equal(x.done, y.done)
		},
		Hash: func(state any) uint64 {
			l := state.(*ledger)
			return uint64(l.revision)*0x9e3779b97f4a7c15 ^ uint64(l.Spendable)<<40 ^ uint64(l.Held)<<20 ^ uint64(l.Deficit)
		},
	}
	if !blind {
		model.Partition = fewReads
	}
	operations := make([]porcupine.Operation, len(deliveries))
	for i, d := range deliveries {
		operations[i] = porcupine.Operation{Input: d.ask, Output: d.reply, Call: d.from, Return: d.to}
	}
	return porcupine.CheckOperationsTimeout(model, operations, time.Minute)
}

// successors are the ledgers that were met, each once.
type successors struct {
	mu    sync.Mutex
	known map[step]*ledger
}

type step struct {
	from    *ledger
	command uuid.UUID
}

func (s *successors) of(at step, change func(*ledger)) *ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.known[at]
	if l == nil {
		l = at.from.clone()
		change(l)
		s.known[at] = l
	}
	return l
}

// fewReads makes of a history several, each with every command that changed
// something and some deliveries that did not: neighbours in time. The
// revisions leave one order to the commands, so few others are soon placed among them;
// all at once would be tried in every order.
func fewReads(history []porcupine.Operation) (parts [][]porcupine.Operation) {
	const few = 8
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var writes, reads []porcupine.Operation
	at := map[uuid.UUID]int{}
	for _, o := range history {
		i, twice := at[o.Input.(ask).command]
		switch {
		case o.Output.(reply).code != changed:
			reads = append(reads, o)
		case !twice || writes[i].Output != o.Output:
			at[o.Input.(ask).command] = len(writes)
			writes = append(writes, o)
		default: // it was done by the first answer, by whichever delivery
			writes[i].Return = min(writes[i].Return, o.Return)
			reads = append(reads, o)
		}
	}
	for i := 0; i == 0 || i < len(reads); i += few {
		parts = append(parts, slices.Concat(writes, reads[i:min(i+few, len(reads))]))
	}
	return parts
}

// byRevision lives through deliveries in the order that their answers name, and
// returns the ledger after them. It is an error if an answer does not follow, or
// was given before the sending or after the answer that real time allows.
//
// What changed something is where its revision is. Everything else is as early as it
// can be, which leaves most room for the others.
func byRevision(start *ledger, deliveries []delivery) (*ledger, error) {
	l := start.clone()
	type command struct {
		delivery       // the first one
		answered int64 // by when it was answered first
	}
	var changes []*command // that change something, in the order of their revisions
	named := map[uuid.UUID]*command{}
	var others []delivery // what finds something as it is; among them commands that were delivered again
	for _, d := range slices.SortedFunc(slices.Values(deliveries), func(a, b delivery) int { return int(a.from - b.from) }) {
		_, done := start.done[d.command]
		switch first := named[d.command]; {
		case d.code != changed || done:
			others = append(others, d)
		case first == nil:
			named[d.command] = &command{d, d.to}
			changes = append(changes, named[d.command])
		default:
			first.answered = min(first.answered, d.to)
			others = append(others, d)
		}
	}
	slices.SortFunc(changes, func(a, b *command) int { return int(a.revision - b.revision) })

	for {
		// Nothing is placed before all that was answered before it was sent.
		for placed := true; placed; {
			placed = false
			earliest := int64(never)
			for _, c := range changes {
				earliest = min(earliest, c.answered)
			}
			for _, d := range others {
				earliest = min(earliest, d.to)
			}
			others = slices.DeleteFunc(others, func(d delivery) bool {
				if d.from > earliest {
					return false
				}
				ok, change := l.agrees(d.ask, d.reply)
				ok = ok && change == nil
				placed = placed || ok
				return ok
			})
		}
		if len(changes) == 0 {
			break
		}
		next := changes[0]
		changes = changes[1:]
		for _, c := range changes {
			if c.answered < next.from {
				return nil, fmt.Errorf("%+v was answered before %+v was sent", *c, next.delivery)
			}
		}
		for _, d := range others {
			if d.to < next.from {
				return nil, fmt.Errorf("%+v was answered before %+v was sent, but with %+v", d, next.delivery, *l)
			}
		}
		ok, change := l.agrees(next.ask, next.reply)
		if !ok || change == nil {
			return nil, fmt.Errorf("%+v with %+v", next.delivery, l.Balance)
		}
		change(l)
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("%+v, and %d more, at no time with %+v", others[0], len(others)-1, l.Balance)
	}
	return l, nil
}

// The checkers refuse what must not happen, and nothing else.
func TestTheCheckersOfPointsFindWhatIsWrong(t *testing.T) {
	start := &ledger{Balance: customer.Balance{Spendable: 100}, revision: 7, said: map[name]entry{}, done: map[uuid.UUID]reply{}}
	one, two := uuid.UUID{1}, uuid.UUID{2}
	redeem := func(command uuid.UUID, id string, points, from, to int64, r reply) delivery {
		return delivery{ask{command: command, what: "redeem-points", id: id, points: points}, r, from, to}
	}
	at := func(revision int64) reply { return reply{code: changed, revision: revision, appended: 1} }
	lacks := func(spendable int64) reply { return reply{code: want, balance: customer.Balance{Spendable: spendable}} }
	for _, c := range []struct {
		name    string
		history []delivery
		right   bool
		blind   bool // only the revisions are wrong
	}{
		{"one after the other", []delivery{redeem(one, "a", 60, 1, 2, at(8)), redeem(two, "b", 40, 3, 4, at(9))}, true, false},
		{"a double spend", []delivery{redeem(one, "a", 100, 1, 3, at(8)), redeem(two, "b", 100, 2, 4, at(9))}, false, false},
		{"a double spend at one revision", []delivery{redeem(one, "a", 100, 1, 3, at(8)), redeem(two, "b", 100, 2, 4, at(8))}, false, false},
		{"at one revision, though there is enough", []delivery{redeem(one, "a", 10, 1, 3, at(8)), redeem(two, "b", 10, 2, 4, at(8))}, false, true},
		{"a read meanwhile", []delivery{redeem(one, "a", 100, 1, 4, at(8)), redeem(two, "b", 500, 2, 3, lacks(100))}, true, false},
		{"another read meanwhile", []delivery{redeem(one, "a", 100, 1, 4, at(8)), redeem(two, "b", 500, 2, 3, lacks(0))}, true, false},
		{"a stale read", []delivery{redeem(one, "a", 100, 1, 2, at(8)), redeem(two, "b", 500, 3, 4, lacks(100))}, false, false},
		{"a read of what comes", []delivery{redeem(one, "a", 100, 3, 4, at(8)), redeem(two, "b", 500, 1, 2, lacks(0))}, false, false},
		{"two reads that go back", []delivery{
			redeem(one, "a", 100, 1, 6, at(8)), redeem(two, "b", 500, 2, 3, lacks(0)), redeem(uuid.UUID{3}, "c", 500, 4, 5, lacks(100)),
		}, false, false},
		{"a refusal of what there is", []delivery{redeem(one, "a", 100, 1, 2, lacks(99))}, false, false},
		{"revisions against time", []delivery{redeem(one, "a", 10, 1, 2, at(9)), redeem(two, "b", 10, 3, 4, at(8))}, false, true},
		{"a gap", []delivery{redeem(one, "a", 10, 1, 2, at(9))}, false, true},
		{"delivered twice", []delivery{redeem(one, "a", 100, 1, 3, at(8)), redeem(one, "a", 100, 2, 4, at(8)), redeem(one, "a", 100, 5, 6, at(8))}, true, false},
		{"done twice", []delivery{redeem(one, "a", 10, 1, 3, at(8)), redeem(one, "a", 10, 2, 4, at(9))}, false, true},
		{"the same redemption", []delivery{redeem(one, "a", 100, 1, 3, at(8)), redeem(two, "a", 100, 4, 5, reply{code: unchanged, revision: 8})}, true, false},
		{"the same redemption, not seen", []delivery{redeem(one, "a", 10, 1, 3, at(8)), redeem(two, "a", 10, 4, 5, at(9))}, false, false},
		{"the same redemption, too early", []delivery{redeem(one, "a", 100, 4, 5, at(8)), redeem(two, "a", 100, 1, 3, reply{code: unchanged, revision: 8})}, false, false},
		{"never answered, and done", []delivery{redeem(one, "a", 100, 1, never, at(8)), redeem(two, "b", 500, 4, 5, lacks(0))}, true, false},
		{"never answered, seen and not seen", []delivery{
			redeem(one, "a", 100, 1, never, at(8)), redeem(two, "b", 500, 4, 5, lacks(0)), redeem(uuid.UUID{3}, "b", 500, 6, 7, lacks(100)),
		}, false, false},
	} {
		if got := linearizable(start, c.history, false); (got == porcupine.Ok) != c.right || got == porcupine.Unknown {
			t.Errorf("%s: porcupine says %s", c.name, got)
		}
		if got := linearizable(start, c.history, true); (got == porcupine.Ok) != (c.right || c.blind) || got == porcupine.Unknown {
			t.Errorf("%s: porcupine says %s without revisions", c.name, got)
		}
		if _, err := byRevision(start, c.history); (err == nil) != c.right {
			t.Errorf("%s: by revision: %v", c.name, err)
		}
	}
}

// behind is a log of which a process sees the beginning.
type behind struct {
	commands.Log
	upTo uint64 // the revision
}

func (b *behind) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) {
		for raw, err := range b.Log.Read(ctx, stream, from) {
			if raw.Revision > b.upTo || !yield(raw, err) {
				return
			}
		}
	}
}

// A store that does not keep its promise is found out by what clients are told.
func TestAStoreThatIsBehindIsFoundOut(t *testing.T) {
	var log memlog.Log
	m := enrol(t, &log)
	late := &member{id: m.id, clock: m.clock, known: m.known} // of a process that is behind
	now := &ledger{revision: 1, said: map[name]entry{}, done: map[uuid.UUID]reply{}}
	var history []delivery
	tell := func(m *member, what, id string, points int64) {
		t.Helper()
		n := int64(len(history))
		d := delivery{ask: ask{uuid.UUID{byte(n)}, what, id, "", points}, from: 2 * n, to: 2*n + 1}
		var err error
		if d.reply, err = m.send(t.Context(), 0, d.ask); err != nil {
			t.Fatal(err)
		}
		history = append(history, d)
	}
	check := func(right bool) {
		t.Helper()
		if _, err := byRevision(now, history); (err == nil) != right {
			t.Errorf("by revision: %v", err)
		}
		for _, blind := range []bool{false, true} {
			if got := linearizable(now, history, blind); (got == porcupine.Ok) != right {
				t.Errorf("porcupine says %s", got)
			}
		}
	}
	tell(m, "record-order", "o1", 100)
	late.through(&behind{&log, uint64(history[0].revision)})
	tell(late, "redeem-points", "all", loyalty.MaxPoints)
	tell(m, "redeem-points", "r1", 100)
	tell(m, "redeem-points", "all", loyalty.MaxPoints)
	check(true)
	tell(late, "redeem-points", "all", loyalty.MaxPoints)
	check(false)
}
