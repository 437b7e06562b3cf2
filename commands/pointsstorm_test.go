package commands_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// pointsWorld is a world with a programme that gives a point for a cent, for good.
func pointsWorld() *world.World {
	programme := policy.Published{Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: domain.NewDate(2026, 1, 1), Loyalty: &loyalty.Policy{
		Name: "cents", Currency: "EUR", Enrolment: loyalty.Explicit, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 1}},
		Expiry: loyalty.Expiry{Kind: loyalty.Never}, Redemption: loyalty.Redemption{Points: 100, ValueMinor: 100},
	}}
	return new(world.World).With(uuid.UUID{1}, programme)
}

// member is an account of points, and the processes that work on it.
type member struct {
	id        uuid.UUID
	log       commands.Log
	clock     *clock
	known     world.Known
	processes [3]atomic.Pointer[commands.Writer]
}

// enrol makes a member without points.
func enrol(t *testing.T, log commands.Log) *member {
	t.Helper()
	m := &member{id: uuid.New(), log: log, clock: new(clock), known: world.Known{World: pointsWorld()}}
	m.through(log)
	w := m.process(0)
	mustRegister(t, w, m.id)
	joined := noon.Add(-2 * time.Hour)
	execute(t, w, request("enrol-in-program"), customer.EnrolInProgram{Subject: w.World.Subject(m.id), Known: m.known, JoinedAt: &joined})
	return m
}

func (m *member) process(i int) *commands.Writer { return m.processes[i].Load() }

// restart replaces a process. What it remembered is gone; what it was doing goes on.
func (m *member) restart(i int) { m.processes[i].Store(writer(m.log, m.clock)) }

// through lets all processes work on a log from now on.
func (m *member) through(log commands.Log) {
	m.log = log
	for i := range m.processes {
		m.restart(i)
	}
}

// command makes of an ask the command that it is.
func (m *member) command(w *commands.Writer, q ask) domain.Command[customer.State, customer.Event] {
	of, points := w.World.Subject(m.id), &q.points
	if q.points == 0 {
		points = nil
	}
	money := domain.Money{AmountMinor: q.points, Currency: "EUR"}
	switch q.what {
	case "record-order":
		placed := noon.Add(-time.Hour)
		return customer.RecordOrder{Subject: of, Known: m.known, OrderID: q.id, Total: money, PlacedAt: placed, PaidAt: &placed}
	case "record-refund":
		return customer.RecordRefund{Subject: of, Known: m.known, RefundID: q.ref, OrderID: q.id, Amount: money}
	case "hold-points":
		return customer.HoldPoints{Subject: of, Known: m.known, HoldID: q.id, Points: q.points}
	case "release-hold":
		return customer.ReleaseHold{Subject: of, Known: m.known, HoldID: q.id}
	case "capture-hold":
		return customer.CaptureHold{Subject: of, Known: m.known, HoldID: q.id, RedemptionID: q.ref, Points: points}
	case "reverse-redemption":
		return customer.ReverseRedemption{Subject: of, Known: m.known, RedemptionID: q.id, ReversalID: q.ref, Points: points}
	}
	return customer.RedeemPoints{Subject: of, Known: m.known, RedemptionID: q.id, Points: q.points}
}

// send sends an ask to a process once. The error is one that says nothing.
func (m *member) send(ctx context.Context, i int, q ask) (reply, error) {
	w := m.process(i)
	r := commands.Request{Command: q.command, Name: q.what, Actor: eventschema.Actor{Kind: "user", ID: "anna"}}
	result, err := commands.Execute(ctx, w, r, m.command(w, q))
	refusal := (*domain.Error)(nil)
	switch {
	case errors.Is(err, commands.ErrUnavailable), errors.Is(err, commands.ErrContended):
		return reply{}, err
	case errors.As(err, &refusal):
		a := reply{code: refusal.Code}
		if a.code == want {
			b, asked := &a.balance, int64(0)
			_, err = fmt.Sscanf(refusal.Detail, "%d points can be spent, not %d; %d are pending, %d are held, %d are owed", &b.Spendable, &asked, &b.Pending, &b.Held, &b.Deficit)
			if err != nil || asked != q.points {
				return reply{}, fmt.Errorf("%q: %v", refusal.Detail, err)
			}
		}
		return a, nil
	case err != nil:
		return reply{}, err
	case result.Changed:
		return reply{code: changed, revision: result.Revision, appended: int64(len(result.Events))}, nil
	}
	return reply{code: unchanged, revision: result.Revision}, nil
}

// storm is many clients of one account at once.
type storm struct {
	*member
	seed    uint64
	lossy   bool         // clients do not always wait until they know what became of an ask
	disturb func()       // is called by a client now and then; nil: nothing is
	part    int          // of the storm
	left    atomic.Int64 // how many deliveries may still be made
	instant atomic.Int64 // orders sending and answering

	mu         sync.Mutex
	deliveries []delivery
	ids        map[string][]string // that were asked for, by what they are of
}

// disturbed is after how many deliveries something is disturbed.
const disturbed = 100

// rage lets clients send until a number of deliveries was made, and returns them.
func (s *storm) rage(t *testing.T, clients, deliveries int) []delivery {
	s.deliveries = nil
	s.left.Store(int64(deliveries))
	s.owe(t)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, uint64(s.part*clients+i)))
			var mine []ask
			for {
				q := s.next(r)
				times := 1
				switch n := r.IntN(10); {
				case n == 0 && len(mine) > 0:
					q = mine[r.IntN(len(mine))] // what was answered long ago
				case n == 1:
					times = 2 // at the same time
				}
				var both sync.WaitGroup
				for range times - 1 {
					other := rand.New(rand.NewPCG(r.Uint64(), 0))
					both.Go(func() { s.deliver(t, other, q) })
				}
				more := s.deliver(t, r, q)
				both.Wait()
				if !more {
					return
				}
				mine = append(mine, q)
			}
		})
	}
	wg.Wait()
	s.part++
	return s.deliveries
}

// owe makes the member owe points that are held or spent: what comes back pays first.
func (s *storm) owe(t *testing.T) {
	r := rand.New(rand.NewPCG(^s.seed, uint64(s.part)))
	name := func(kind string) string { return s.name(kind, func(known []string) int { return len(known) }) }
	order, hold, redemption := name("order"), name("hold"), name("redemption")
	for _, q := range []ask{
		{what: "record-order", id: order, points: 60},
		{what: "hold-points", id: hold, points: 24},
		{what: "redeem-points", id: redemption, points: 16},
		{what: "record-refund", id: order, ref: name("refund"), points: 60},
	} {
		q.command = random(r)
		s.deliver(t, r, q)
	}
}

// name returns an id of something that was asked for before, or a new one.
func (s *storm) name(kind string, choose func(known []string) int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string][]string{}
	}
	known := s.ids[kind]
	i := choose(known)
	if i == len(known) {
		s.ids[kind] = append(known, fmt.Sprint(kind, i))
	}
	return s.ids[kind][i]
}

func random(r *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// deliver sends an ask until there is an answer, and notes it. It is false when
// enough was sent.
func (s *storm) deliver(t *testing.T, r *rand.Rand, q ask) bool {
	switch left := s.left.Add(-1); {
	case left < 0:
		return false
	case s.disturb != nil && left%disturbed == 0:
		s.disturb()
	}
	d := delivery{ask: q, from: s.instant.Add(1), to: never}
	for {
		if r.IntN(300) == 0 {
			s.restart(r.IntN(len(s.processes)))
		}
		answer, err := s.send(t.Context(), r.IntN(len(s.processes)), q)
		if err == nil {
			d.reply, d.to = answer, s.instant.Add(1)
			break
		}
		if !errors.Is(err, commands.ErrUnavailable) && !errors.Is(err, commands.ErrContended) {
			t.Errorf("%+v: %v", q, err)
			return false
		}
		if s.lossy && errors.Is(err, commands.ErrUnavailable) && r.IntN(8) == 0 {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(s.deliveries, d)
	return true
}

// next invents what a client asks for: mostly about what somebody asked for before.
func (s *storm) next(r *rand.Rand) ask {
	q := ask{command: random(r), points: 1 + r.Int64N(20)}
	id := func(kind string, new int) string { // new: one of so many
		return s.name(kind, func(known []string) int {
			if len(known) == 0 || r.IntN(new) == 0 {
				return len(known)
			}
			return len(known) - 1 - r.IntN(min(len(known), 30))
		})
	}
	some := func() int64 { return max(0, q.points-10) } // or all
	switch n := r.IntN(100); {
	case n < 22:
		q.what, q.id = "record-order", id("order", 1)
	case n < 36:
		q.what, q.id, q.ref = "record-refund", id("order", 50), id("refund", 2)
	case n < 54:
		q.what, q.id, q.points = "redeem-points", id("redemption", 2), 3*q.points
	case n < 70:
		q.what, q.id, q.points = "hold-points", id("hold", 2), 2*q.points
	case n < 78:
		q.what, q.id, q.ref, q.points = "capture-hold", id("hold", 20), id("redemption", 2), some()
	case n < 86:
		q.what, q.id, q.points = "release-hold", id("hold", 20), 0
	case n < 94:
		q.what, q.id, q.ref, q.points = "reverse-redemption", id("redemption", 20), id("reversal", 2), some()
	default: // how much is there?
		q.what, q.id, q.points = "redeem-points", "all", loyalty.MaxPoints
	}
	if usual := map[string]int64{"record-order": 12, "record-refund": 12, "redeem-points": 16, "hold-points": 24}[q.what]; q.id != "all" && usual > 0 && r.IntN(2) == 0 {
		q.points = usual // so that the same is often asked for again
	}
	return q
}

// confirm compares what was answered with what the log says, and returns what is
// certain then, and the balance: what was not answered and is not in the log did not
// happen.
func confirm(t *testing.T, log commands.Log, id uuid.UUID, deliveries []delivery) (certain []delivery, balance customer.Balance) {
	t.Helper()
	if _, _, err := eventschema.VerifyChain(log.Read(t.Context(), customer.Stream(id), 0)); err != nil {
		t.Fatal(err)
	}
	var state customer.State
	booked := map[uuid.UUID]reply{}
	key := dataKey(t, log, id)
	for raw, err := range log.Read(t.Context(), customer.Stream(id), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		state = state.Evolve(e.Data.(customer.Event))
		r, more := booked[e.Meta.Command]
		if more && r.revision != int64(raw.Revision)-1 {
			t.Errorf("command %s appended at %d and at %d", e.Meta.Command, r.revision, raw.Revision)
		}
		booked[e.Meta.Command] = reply{code: changed, revision: int64(raw.Revision), appended: r.appended + 1}
	}
	for _, d := range deliveries {
		r, is := booked[d.command]
		switch {
		case d.to == never && !is:
			continue
		case d.to == never:
			d.reply = r
		case d.code == changed && d.reply != r:
			t.Errorf("%+v, but in the log it is %+v", d, r)
		}
		certain = append(certain, d)
	}
	return certain, state.Loyalty.Balance()
}

// faults makes a log lose appends, answers and connections, and say at random that
// others were faster.
func faults(log commands.Log, seed uint64) *faultyReads {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1))
	chance := func(of int) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(of) == 0
	}
	f := &faultyReads{faulty: &faulty{Log: log}, chance: chance}
	f.before = func(string) error {
		switch {
		case chance(12):
			return commands.ErrStale
		case chance(40):
			return commands.ErrUnknownOutcome
		case chance(20):
			return errGone
		}
		return nil
	}
	f.after = func(string) error {
		if chance(40) {
			return commands.ErrUnknownOutcome
		}
		return nil
	}
	return f
}

var errGone = errors.New("connection refused")

// faultyReads is a log whose reads fail, too.
type faultyReads struct {
	*faulty
	chance func(of int) bool
}

func (f *faultyReads) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	if f.chance(20) {
		return func(yield func(eventschema.Raw, error) bool) { yield(eventschema.Raw{}, errGone) }
	}
	return f.faulty.Read(ctx, stream, from)
}

// outlive lets storms pass over an account, with a day between them, and checks after
// each that everything that was answered can have happened one after the other. It
// returns how often what was answered.
func (s *storm) outlive(t *testing.T, healthy commands.Log, parts, clients, deliveries int) map[string]int {
	t.Helper()
	answers := map[string]int{}
	now := &ledger{revision: int64(count(t, healthy, customer.Stream(s.id))) - 1, said: map[name]entry{}, done: map[uuid.UUID]reply{}}
	for part := range parts {
		if part > 0 {
			s.clock.Set(s.clock.Now().Add(25 * time.Hour))
			now.expire()
		}
		certain, balance := confirm(t, healthy, s.id, s.rage(t, clients, deliveries))
		after, err := byRevision(now, certain)
		if err != nil {
			t.Fatalf("seed %d, part %d: %v", s.seed, part, err)
		}
		for i := range certain {
			certain[i].to = min(certain[i].to, s.instant.Load()+1)
			answers[certain[i].what+" "+certain[i].code]++
		}
		if got := linearizable(now, certain, clients <= fewClients); got != porcupine.Ok {
			t.Errorf("seed %d, part %d: porcupine says %s of %d deliveries", s.seed, part, got, len(certain))
		}
		if after.Balance != balance {
			t.Errorf("seed %d, part %d: the balance is %+v, want %+v", s.seed, part, balance, after.Balance)
		}
		now = after
	}
	return answers
}

// fewClients are so few that porcupine finds the order without the revisions.
const fewClients = 8

// storms lets storms pass over accounts in logs of memory that often fail, and returns
// how often what was answered.
func storms(t *testing.T, parts, clients, deliveries int) (answers map[string]int) {
	t.Helper()
	runs := 2
	if n, err := strconv.Atoi(os.Getenv("RAPPORT_TEST_STORMS")); err == nil {
		runs = n
	}
	answers = map[string]int{}
	total := 0
	for seed := range runs {
		log := new(memlog.Log)
		s := &storm{member: enrol(t, log), seed: uint64(seed), lossy: true}
		s.through(faults(log, s.seed))
		for answer, n := range s.outlive(t, log, parts, clients, deliveries) {
			answers[answer] += n
			total += n
		}
	}
	t.Logf("%d deliveries in %d runs: %v", total, runs, answers)
	return answers
}

// Sixty-four clients earn, hold, spend, give back and refund the points of one account
// through three processes that are restarted, over a log that loses appends, answers
// and connections and says that others were faster; commands are delivered twice, at
// once and later. What they are told is what one after the other would be told, in
// the order of the revisions and in real time.
//
// RAPPORT_TEST_STORMS=100 lets more storms pass than a few, each with a seed of its own.
func TestOneAccountOfPointsIsLinearizable(t *testing.T) {
	answers := storms(t, 2, 64, 500)
	for _, what := range []string{"record-order", "record-refund", "redeem-points", "hold-points", "capture-hold", "release-hold", "reverse-redemption"} {
		if answers[what+" "+changed] == 0 {
			t.Errorf("%s never did anything", what)
		}
	}
}

// The same without a look at the revisions: whether there is an order at all.
func TestThereIsAnOrderOfWhatClientsOfPointsAreTold(t *testing.T) {
	storms(t, 1, fewClients, 250)
}

// restartable is a node that is closed and opened again on the same folder.
type restartable struct {
	t    *testing.T
	dir  string // of the store
	path string // of the socket
	mu   sync.Mutex
	node *esnode.Node
	done chan error
}

func (r *restartable) open() {
	node, err := esnode.Open(esnode.Options{Dir: r.dir, CompactAfter: -1})
	if err != nil {
		r.t.Error(err)
		return
	}
	listener, err := net.Listen("unix", r.path)
	if err != nil {
		r.t.Error(err)
		return
	}
	r.node, r.done = node, make(chan error, 1)
	go func() { r.done <- node.Serve(listener) }()
}

func (r *restartable) close() {
	if err := r.node.Close(); err != nil {
		r.t.Errorf("close the node: %v", err)
	}
	<-r.done
}

func (r *restartable) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
	r.open()
}

// The same over an event store on disk that is closed and opened again meanwhile.
func TestOneAccountOfPointsIsLinearizableThroughARestartOfTheNode(t *testing.T) {
	sockets, err := os.MkdirTemp("", "points") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	r := &restartable{t: t, dir: t.TempDir(), path: filepath.Join(sockets, "n.sock")}
	r.open()
	store, err := esdb.Open(esdb.Config{Address: "unix://" + r.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		r.close()
		_ = os.RemoveAll(sockets)
	})
	s := &storm{member: enrol(t, store), seed: 77, lossy: true, disturb: r.restart}
	s.through(faults(store, s.seed))
	t.Log(s.outlive(t, store, 1, 64, 400))
}
