package commands_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// owned registers customers whom an employee owns.
func (s *server) owned(t testing.TB, employee string, n int) (paths []string) {
	t.Helper()
	for range n {
		at := s.register(t)
		s.must(t, 200, "", at+"/assign-owner", fmt.Sprintf(`{"employee_id":%q}`, employee))
		paths = append(paths, at)
	}
	return paths
}

// stateOf folds a stream anew.
func stateOf[S interface{ Evolve(E) S }, E any](t testing.TB, log commands.Log, stream string, key *eventschema.DataKey) (s S) {
	t.Helper()
	for raw, err := range log.Read(t.Context(), stream, 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			t.Fatal(err)
		}
		s = s.Evolve(e.Data.(E))
	}
	return s
}

func ownershipOf(t testing.TB, log commands.Log, path string) customer.Ownership {
	t.Helper()
	return stateOf[customer.State, customer.Event](t, log, customer.Stream(customerOf(t, path)), eventschema.Erased).Ownership
}

func seatsOf(t testing.TB, log commands.Log, employee string) int {
	t.Helper()
	return len(stateOf[portfolio.State, portfolio.Event](t, log, portfolio.Stream(employee), nil).Seats)
}

func show(t testing.TB, s *server, id uuid.UUID) (got commands.HandoverAnswer) {
	t.Helper()
	a := s.Get("/v1/handovers/" + id.String())
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if err := a.JSON(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAHandoverOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 3, "ann", "bob", "carl")
	paths := s.owned(t, "ann", 2)
	s.must(t, 200, "", paths[0]+"/designate-key-account", `{"level":"A"}`)
	asked := s.must(t, 201, "", "/v1/handovers", `{"from":"ann","to":"bob","reason":"leaver"}`)
	id := *asked.HandoverID
	at := "/v1/handovers/" + id.String()

	// Everything is kept for it, and the successor has two seats less.
	got := show(t, s, id)
	if got.State != handover.StateOpen || got.Customers != 2 || got.Items != 1 || got.OpenItems != 1 || got.From != "ann" || got.To != "bob" ||
		got.Progress[0].State != "kept" || got.Progress[1].State != "kept" {
		t.Fatalf("%+v", got)
	}
	raw := s.Get(at)
	var sealed struct {
		Dossier struct {
			Customers jsontext.Value
			Hash      string
		}
	}
	if err := raw.JSON(&sealed); err != nil {
		t.Fatal(err)
	}
	if err := sealed.Dossier.Customers.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(sealed.Dossier.Customers); hex.EncodeToString(sum[:]) != sealed.Dossier.Hash {
		t.Errorf("the hash of %s is not %s", sealed.Dossier.Customers, sealed.Dossier.Hash)
	}
	for _, c := range []struct {
		as, path, body string
		status         int
		code, holder   string
	}{
		{"", paths[0] + "/assign-owner", `{"employee_id":"carl"}`, 409, "handover_open", id.String()},
		{"", paths[0] + "/release-to-pool", `{}`, 409, "handover_open", id.String()},
		{"", "/v1/handovers", `{"from":"ann","to":"carl","reason":"leaver"}`, 409, "handover_without_customers", ""},
		{"", "/v1/handovers", fmt.Sprintf(`{"from":"ann","to":"carl","reason":"leaver","customers":[%q]}`, customerOf(t, paths[0])), 409, "handover_open", id.String()},
		{"", at + "/complete-handover", `{}`, 409, "handover_not_accepted", ""},
		{"ann", at + "/accept-handover", `{}`, 403, "not_the_successor", ""},
		{"", at + "/reject-handover", `{"reason":"workload"}`, 403, "not_the_successor", ""},
		{"bob", at + "/accept-handover", `{}`, 200, "", ""},
		{"bob", at + "/accept-handover", `{}`, 200, "", ""},
		{"bob", at + "/reject-handover", `{"reason":"workload"}`, 409, "handover_decided", ""},
		{"", at + "/complete-handover", `{}`, 409, "handover_items_open", ""},
		{"bob", at + "/acknowledge-items", fmt.Sprintf(`{"items":[%q]}`, uuid.New()), 422, "validation_failed", ""},
		{"", "/v1/handovers/" + uuid.NewString() + "/complete-handover", `{}`, 404, "handover_not_found", ""},
		{"", "/v1/handovers/seven/complete-handover", `{}`, 404, "handover_not_found", ""},
	} {
		if a := s.must(t, c.status, c.as, c.path, c.body); a.Code != c.code || a.Holder != c.holder {
			t.Errorf("%s %s: %s %s, want %s %s", c.path, c.body, a.Code, a.Holder, c.code, c.holder)
		}
	}
	item := ""
	for _, d := range got.Dossier.Customers {
		for _, i := range d.Items {
			item = i.ID.String()
		}
	}
	s.must(t, 200, "bob", at+"/acknowledge-items", fmt.Sprintf(`{"items":[%q]}`, item))
	done := s.must(t, 200, "", at+"/complete-handover", `{}`)
	for raw, err := range s.log.Read(t.Context(), handover.Stream(id), 5) {
		if err != nil || raw.Type != "handover.completed.v1" || raw.Position != done.Position {
			t.Errorf("%s at %d, %v; the answer is of %d", raw.Type, raw.Position, err, done.Position)
		}
	}
	got = show(t, s, id)
	if got.State != handover.StateCompleted || !got.Settled || got.OpenItems != 0 || got.Progress[0].State != "handed_over" {
		t.Errorf("%+v", got)
	}
	for _, path := range paths {
		is := ownershipOf(t, s.log, path)
		if is.Owner != "bob" || is.PreviousOwner != "ann" || is.Handover != nil || is.HandedOver == nil || is.HandedOver.HandoverID != id {
			t.Errorf("%+v", is)
		}
	}
	if a, b := seatsOf(t, s.log, "ann"), seatsOf(t, s.log, "bob"); a != 0 || b != 2 {
		t.Errorf("%d and %d seats", a, b)
	}
	s.must(t, 403, "ann", paths[0]+"/introduce-successor", `{"channel":"phone"}`)
	s.must(t, 200, "bob", paths[0]+"/introduce-successor", `{"channel":"phone"}`)
	if a := s.must(t, 200, "bob", paths[0]+"/introduce-successor", `{"channel":"phone"}`); a.Changed {
		t.Error("introduced twice")
	}
}

func TestAHandoverIsRefusedWhole(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 2, "ann", "bob")
	s.enrol(t, 0, "carl", "dora")
	paths := s.owned(t, "ann", 2)
	full := s.owned(t, "bob", 1)
	hers := customerOf(t, paths[0]).String()
	s.must(t, 200, "", "/v1/staff/change-employee", fmt.Sprintf(`{"employee_id":"carl","customer_id":%q}`, hers))
	s.must(t, 200, "", "/v1/staff/deactivate-employee", `{"employee_id":"dora"}`)
	for body, want := range map[string]string{
		`{"from":"ann","to":"bob","reason":"leaver"}`:                                                        "owner_over_capacity",
		`{"from":"ann","to":"carl","reason":"leaver"}`:                                                       "owner_is_customer",
		`{"from":"ann","to":"dora","reason":"leaver"}`:                                                       "employee_inactive",
		`{"from":"ann","to":"emil","reason":"leaver"}`:                                                       "employee_unknown",
		`{"from":"emil","to":"ann","reason":"leaver"}`:                                                       "employee_unknown",
		`{"from":"carl","to":"ann","reason":"leaver"}`:                                                       "handover_without_customers",
		fmt.Sprintf(`{"from":"ann","to":"carl","reason":"leaver","customers":[%q]}`, customerOf(t, full[0])): "customer_not_owned",
		fmt.Sprintf(`{"from":"ann","to":"carl","reason":"leaver","customers":[%q]}`, uuid.New()):             "customer_not_found",
		`{"from":"ann","to":"ann","reason":"leaver"}`:                                                        "validation_failed",
		`{"from":"ann","to":"bob","reason":"boredom"}`:                                                       "validation_failed",
	} {
		a := s.Post("/v1/handovers", body)
		if got := decode(t, a).Code; got != want {
			t.Errorf("%s: %d %s, want %s", body, a.Status, a.Body, want)
		}
	}
	if n := s.list(t, ""); n != 0 {
		t.Errorf("%d handovers", n)
	}
}

// Whose erasure was approved is not among all whom an employee owns, also while
// the key could not be destroyed yet; who names them is refused before anybody is kept.
func TestWhoIsBeingErasedIsNotHandedOver(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 3, "ann", "bob")
	paths := s.owned(t, "ann", 2)
	s.must(t, 200, "carl", paths[0]+"/request-erasure", `{"requester":"customer"}`)
	s.must(t, 200, "dora", paths[0]+"/approve-erasure", `{}`)
	named := fmt.Sprintf(`{"from":"ann","to":"bob","reason":"leaver","customers":[%q]}`, customerOf(t, paths[0]))
	if a := s.must(t, 410, "", "/v1/handovers", named); a.Code != "customer_erased" {
		t.Errorf("%+v", a)
	}
	if n := s.list(t, ""); n != 0 {
		t.Errorf("%d handovers", n)
	}
	id := *s.must(t, 201, "", "/v1/handovers", `{"from":"ann","to":"bob","reason":"leaver"}`).HandoverID
	if got := show(t, s, id); got.State != handover.StateOpen || got.Customers != 1 || got.Progress[0].CustomerID != customerOf(t, paths[1]) {
		t.Errorf("%+v", got)
	}
}

// list counts the handovers of a list.
func (s *server) list(t testing.TB, query string) int {
	t.Helper()
	var got commands.HandoverList
	a := s.Get("/v1/handovers" + query)
	if err := a.JSON(&got); err != nil || a.Status != 200 {
		t.Fatalf("%s: %d %s", query, a.Status, a.Body)
	}
	return len(got.Handovers)
}

func TestARejectedHandoverLetsGo(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 2, "ann", "bob")
	paths := s.owned(t, "ann", 2)
	id := *s.must(t, 201, "", "/v1/handovers", `{"from":"ann","to":"bob","reason":"absence"}`).HandoverID
	last := s.must(t, 200, "bob", "/v1/handovers/"+id.String()+"/reject-handover", `{"reason":"workload"}`)
	got := show(t, s, id)
	if got.State != handover.StateRejected || !got.Settled || got.Rejection != "workload" || got.Progress[0].State != "let_go" {
		t.Errorf("%+v", got)
	}
	if n := seatsOf(t, s.log, "bob"); n != 0 {
		t.Errorf("%d seats", n)
	}
	for _, path := range paths {
		if is := ownershipOf(t, s.log, path); is.Owner != "ann" || is.Handover != nil {
			t.Errorf("%+v", is)
		}
	}
	again := *s.must(t, 201, "", "/v1/handovers", `{"from":"ann","to":"bob","reason":"absence"}`).HandoverID
	min := fmt.Sprint("min_position=", last.Position)
	for query, want := range map[string]int{"?" + min: 2, "?state=rejected": 1, "?state=completed": 0, "?from=ann&to=bob": 2, "?to=ann": 0, "?limit=1": 1} {
		if n := s.list(t, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	var page commands.HandoverList
	if err := s.Get("/v1/handovers?limit=1").JSON(&page); err != nil || page.Handovers[0].HandoverID != again || page.NextCursor == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	if err := s.Get("/v1/handovers?limit=1&cursor=" + page.NextCursor).JSON(&page); err != nil || page.Handovers[0].HandoverID != id {
		t.Errorf("%+v, %v", page, err)
	}
}

// An item that is no longer open needs nobody's acknowledgement.
func TestAResolvedItemIsNotWaitedFor(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 0, "ann", "bob")
	paths := s.owned(t, "ann", 1)
	s.must(t, 200, "", paths[0]+"/designate-key-account", `{"level":"A"}`)
	id := *s.must(t, 201, "", "/v1/handovers", `{"from":"ann","to":"bob","reason":"leaver"}`).HandoverID
	at := "/v1/handovers/" + id.String()
	s.must(t, 200, "bob", at+"/accept-handover", `{}`)
	s.must(t, 409, "", at+"/complete-handover", `{}`)
	s.must(t, 200, "", paths[0]+"/revoke-key-account", `{}`)
	s.must(t, 200, "", at+"/complete-handover", `{}`)
	if got := show(t, s, id); got.State != handover.StateCompleted || len(got.Progress[0].Resolved) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestTheSameRequestIsOneHandover(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 0, "ann", "bob")
	s.owned(t, "ann", 2)
	body := `{"from":"ann","to":"bob","reason":"leaver"}`
	first := s.Post("/v1/handovers", body, "Idempotency-Key", "k")
	again := s.Post("/v1/handovers", body, "Idempotency-Key", "k")
	if first.Status != 201 || string(first.Body) != string(again.Body) || first.Header.Get("Location") == "" {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	chosen := uuid.New()
	s.owned(t, "ann", 1)
	body = fmt.Sprintf(`{"handover_id":%q,"from":"ann","to":"bob","reason":"leaver"}`, chosen)
	if a := s.must(t, 201, "", "/v1/handovers", body); *a.HandoverID != chosen {
		t.Error(a.HandoverID)
	}
	if a := s.must(t, 409, "", "/v1/handovers", strings.Replace(body, "leaver", "other", 1)); a.Code != "handover_without_customers" && a.Code != "handover_exists" {
		t.Error(a.Code)
	}
}

// Of two handovers of the same customers, asked for at once in two processes, one
// is opened and the other refused, and nothing is left of it.
func TestTwoHandoversAtOnce(t *testing.T) {
	log := new(memlog.Log)
	both := two(t, log, 0, "ann", "bob", "carl")
	paths := both[0].owned(t, "ann", 5)
	named := make([]string, len(paths))
	for i, path := range paths {
		named[i] = fmt.Sprintf("%q", customerOf(t, path))
	}
	var statuses [2]int
	var bodies [2]string
	var wg sync.WaitGroup
	for i, to := range []string{"bob", "carl"} {
		wg.Go(func() {
			a := both[i].Post("/v1/handovers", fmt.Sprintf(`{"from":"ann","to":%q,"reason":"leaver","customers":[%s]}`, to, strings.Join(named, ",")))
			statuses[i], bodies[i] = a.Status, string(a.Body)
		})
	}
	wg.Wait()
	opened := map[uuid.UUID]int{}
	for _, path := range paths {
		if is := ownershipOf(t, log, path); is.Handover != nil {
			opened[is.Handover.HandoverID]++
		}
	}
	won := 0
	for _, status := range statuses {
		if status == 201 {
			won++
		} else if status != 409 {
			t.Errorf("status %d", status)
		}
	}
	if won != 1 || len(opened) != won {
		t.Errorf("%v %s; customers by handover: %v", statuses, bodies, opened)
	}
	for id, n := range opened {
		if n != len(paths) {
			t.Errorf("%s has %d customers", id, n)
		}
	}
	if seats := seatsOf(t, log, "bob") + seatsOf(t, log, "carl"); seats != won*len(paths) {
		t.Errorf("%d seats are taken", seats)
	}
}

// The saga is cut off at every append, one after the other, before it is stored
// and after, and goes on each time: what comes out is the same.
func TestAHandoverSurvivesACrashAtEveryStep(t *testing.T) {
	for name, lost := range map[string]bool{"before": false, "after": true} {
		for _, ending := range []string{"complete", "reject"} {
			t.Run(name+" "+ending, func(t *testing.T) { crashing(t, lost, ending) })
		}
	}
}

// mortal is a log of a process that dies at an append, before it is stored or
// after. A dead one answers nothing.
type mortal struct {
	commands.Log
	lives atomic.Int64 // how many appends it has left; negative: dead
	armed atomic.Bool
	after bool // it dies after the append was stored
}

var errDead = errors.New("the process is dead")

func (m *mortal) revive(appends int64) { m.lives.Store(appends); m.armed.Store(true) }

func (m *mortal) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	left := int64(1)
	if m.armed.Load() {
		left = m.lives.Add(-1)
	}
	switch {
	case left < -1 || left < 0 && !m.after:
		return 0, errDead
	case left < 0:
		if _, err := m.Log.Append(ctx, stream, after, events); errors.Is(err, commands.ErrStale) {
			return 0, err
		}
		return 0, commands.ErrUnknownOutcome
	}
	return m.Log.Append(ctx, stream, after, events)
}

func (m *mortal) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	if m.armed.Load() && m.lives.Load() < 0 {
		return func(yield func(eventschema.Raw, error) bool) { yield(eventschema.Raw{}, errDead) }
	}
	return m.Log.Read(ctx, stream, from)
}

func crashing(t *testing.T, after bool, ending string) {
	log := &mortal{Log: new(memlog.Log), after: after}
	s := serveLog(t, log, deployment.Wall)
	s.enrol(t, 4, "ann", "bob")
	paths := s.owned(t, "ann", 4)

	// send sends a command to processes each of which lives one append longer, and
	// drive goes on with the saga in such processes.
	crashes := 0
	send := func(as, path, body string) answer {
		for n := int64(0); ; n++ {
			log.revive(n)
			var a webtest.Answer
			if as == "" {
				a = s.Post(path, body, "Idempotency-Key", path)
			} else {
				a = s.Post(path, body, "Idempotency-Key", path, "Rapport-Actor", "user:"+as)
			}
			if a.Status != http.StatusServiceUnavailable {
				return decode(t, a)
			}
			if crashes++; crashes > 100 {
				t.Fatalf("%s", a.Body)
			}
		}
	}
	drive := func(id uuid.UUID) {
		for n := int64(0); ; n++ {
			log.revive(n)
			w := &commands.Writer{Log: log, Keys: s.writer.Keys, World: s.writer.World}
			if _, err := w.DriveHandover(t.Context(), id); err == nil {
				break
			} else if crashes++; crashes > 100 {
				t.Fatal(err)
			}
		}
		log.armed.Store(false)
	}
	id := *send("", "/v1/handovers", `{"from":"ann","to":"bob","reason":"leaver"}`).HandoverID
	drive(id)
	if got := show(t, s, id); got.State != handover.StateOpen {
		t.Fatalf("%+v", got)
	}
	if b := seatsOf(t, log, "bob"); b != 4 {
		t.Fatalf("%d seats are kept", b)
	}
	at := "/v1/handovers/" + id.String()
	if ending == "complete" {
		s.must(t, 200, "bob", at+"/accept-handover", `{}`)
		send("", at+"/complete-handover", `{}`)
	} else {
		send("bob", at+"/reject-handover", `{"reason":"other"}`)
	}
	drive(id)
	got := show(t, s, id)
	owner, assignments := "bob", 2
	if ending == "reject" {
		owner, assignments = "ann", 1
	}
	if !got.Settled {
		t.Errorf("%+v", got.Summary)
	}
	for _, path := range paths {
		if is := ownershipOf(t, log, path); is.Owner != owner || is.Handover != nil {
			t.Errorf("%+v", is)
		}
		assigned := 0
		for raw, err := range log.Read(t.Context(), customer.Stream(customerOf(t, path)), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(raw.Type, "customer.owner_assigned") {
				assigned++
			}
		}
		if assigned != assignments {
			t.Errorf("assigned %d times, want %d", assigned, assignments)
		}
	}
	if crashes < 6 {
		t.Errorf("only %d crashes: the test tests nothing", crashes)
	}
	// Seats that a crash left behind heal when they are wanted.
	s.clock.Set(noon.Add(2 * time.Minute))
	other := map[string]string{"bob": "ann", "ann": "bob"}[owner]
	s.owned(t, other, 4)
	if a := s.must(t, 409, "", s.register(t)+"/assign-owner", fmt.Sprintf(`{"employee_id":%q}`, owner)); a.Code != "owner_over_capacity" {
		t.Error(a.Code)
	}
}
