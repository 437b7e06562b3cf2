package commands_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/datakey"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// club publishes a programme in which members may give 10 to 500 points to each
// other, and a ladder.
func (s *server) club(t testing.TB) {
	t.Helper()
	s.must(t, 201, "", "/v1/policies/loyalty/publish-policy", `{"effective_from":"2020-01-01","policy":{"name":"club","currency":"EUR","enrolment":"explicit",
		"earn":[{"id":"base","points":1,"per_minor":100}],"expiry":{"kind":"never"},"redemption":{"points":100,"value_minor":100},
		"manual":{"bonus_limit":1000,"deficit_limit":50},"transfer":{"allowed":true,"minimum":10,"maximum":500}}}`)
	last := s.must(t, 201, "", "/v1/policies/tier/publish-policy", `{"effective_from":"2020-01-01","policy":{"name":"metals","measure":"points",
		"levels":[{"id":"member","name":"Member","from":0},{"id":"gold","name":"Gold","from":100}],"window":{"kind":"rolling","months":12},
		"validity":{"kind":"months","months":12},"downgrade":"one_down"}}`)
	if err := s.writer.World.WaitFor(t.Context(), last.Position); err != nil {
		t.Fatal(err)
	}
}

// member registers a member with points.
func (s *server) member(t testing.TB, points int) (path string) {
	t.Helper()
	path = s.register(t)
	s.must(t, 201, "", path+"/enrol-in-program", `{}`)
	s.must(t, 201, "", path+"/grant-bonus", fmt.Sprintf(`{"bonus_id":"b","points":%d,"reason":"a start"}`, points))
	return path
}

func accountOf(t testing.TB, log commands.Log, path string) *customer.Account {
	t.Helper()
	s := stateOf[customer.State, customer.Event](t, log, customer.Stream(customerOf(t, path)), eventschema.Erased)
	return &s.Loyalty
}

func TestTransfersOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.club(t)
	ada, bo, carl := s.member(t, 300), s.member(t, 50), s.register(t)
	id := uuid.NewString()
	body := func(id string, from, to string, points int, more string) string {
		return fmt.Sprintf(`{"transfer_id":%q,"from":%q,"to":%q,"points":%d%s}`, id, customerOf(t, from), customerOf(t, to), points, more)
	}
	for _, step := range []struct{ path, body, want string }{
		{"", body(id, ada, bo, 120, `,"reason_code":"gift"`), "201 transfer.proposed"},
		{"", body(id, ada, bo, 120, `,"reason_code":"gift"`), "200 unchanged"},
		{"", body(id, ada, bo, 121, ``), "409 transfer_exists"},
		{"/" + id + "/cancel-transfer", `{}`, "409 transfer_completed"},
		{"/" + uuid.NewString() + "/cancel-transfer", `{}`, "404 transfer_not_found"},
		{"/seven/cancel-transfer", `{}`, "404 transfer_not_found"},
		{"", body(uuid.NewString(), ada, bo, 181, ``), "409 insufficient_points /from"},
		{"", body(uuid.NewString(), ada, bo, 9, ``), "409 below_minimum /from"},
		{"", body(uuid.NewString(), ada, bo, 501, ``), "409 above_maximum /from"},
		{"", body(uuid.NewString(), ada, carl, 50, ``), "409 not_enrolled /to"},
		{"", body(uuid.NewString(), carl, ada, 50, ``), "409 not_enrolled /from"},
		{"", body(uuid.NewString(), ada, "/v1/customers/"+uuid.NewString(), 50, ``), "404 customer_not_found /to"},
		{"", body(uuid.NewString(), ada, ada, 50, ``), "422 validation_failed /to"},
		{"", `{"points":0}`, "422 validation_failed /from /to"},
	} {
		if got := told(t, s.Post("/v1/transfers"+step.path, step.body)); got != step.want {
			t.Errorf("%s %s: %s, want %s", step.path, step.body, got, step.want)
		}
	}
	a, b := accountOf(t, s.log, ada).Balance(), accountOf(t, s.log, bo).Balance()
	if a.Spendable != 180 || a.Held != 0 || b.Spendable != 170 {
		t.Errorf("%+v, %+v", a, b)
	}
	var is commands.TransferAnswer
	if err := s.Get("/v1/transfers/" + id).JSON(&is); err != nil || is.State.State != transfer.StateCompleted || is.Points != 120 || is.ReasonCode != "gift" || is.Revision != 1 {
		t.Errorf("%+v, %v", is, err)
	}
	var list commands.TransferList
	done := s.must(t, 200, "", "/v1/transfers", body(id, ada, bo, 120, `,"reason_code":"gift"`)).Position
	if err := s.Get(fmt.Sprintf("/v1/transfers?customer_id=%s&min_position=%d", customerOf(t, ada), done)).JSON(&list); err != nil || len(list.Transfers) != 0 || list.Position == 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for path, want := range map[string]int{"/v1/transfers/seven": 404, "/v1/transfers/" + uuid.NewString(): 404, "/v1/transfers?customer_id=x": 400, "/v1/transfers?limit=0": 400} {
		if a := s.Get(path); a.Status != want {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	// Without an id the key makes one; a line of a bulk names its own.
	one := strings.Replace(body(id, ada, bo, 10, ``), fmt.Sprintf(`"transfer_id":%q,`, id), "", 1)
	first, again := s.Post("/v1/transfers", one, "Idempotency-Key", "k"), s.Post("/v1/transfers", one, "Idempotency-Key", "k")
	if first.Status != 201 || string(first.Body) != string(again.Body) || first.Header.Get("Location") != "/v1/transfers/"+decode(t, first).TransferID.String() {
		t.Errorf("%d %v %s\n%s", first.Status, first.Header, first.Body, again.Body)
	}
	line := fmt.Sprintf(`{"command":"request-transfer","body":%s}`, body(uuid.NewString(), bo, ada, 10, ``))
	if a := s.Post("/v1/commands", line, "Content-Type", "application/x-ndjson"); !strings.Contains(string(a.Body), `"status":201,"transfer_id":`) {
		t.Errorf("%s", a.Body)
	}
	s.must(t, 200, "", bo+"/restrict-processing", `{"ground":"accuracy_contested"}`)
	if a := s.must(t, 423, "", "/v1/transfers", body(uuid.NewString(), ada, bo, 10, ``)); a.Code != "processing_restricted" || a.Errors[0].Pointer != "/to" {
		t.Errorf("%+v", a)
	}
}

// The commands by hand are served, with their refusals.
func TestPointsAndLevelsByHandOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.club(t)
	s.enrol(t, 0, "ann", "bob")
	at := s.member(t, 100)
	s.must(t, 200, "", "/v1/staff/change-employee", fmt.Sprintf(`{"employee_id":"bob","customer_id":%q}`, customerOf(t, at)))
	for _, step := range []struct{ as, command, body, want string }{
		{"ann", "grant-bonus", `{"bonus_id":"b1","points":1000,"reason":"waited"}`, "201 points_granted"},
		{"ann", "grant-bonus", `{"bonus_id":"b1","points":1000,"reason":"waited"}`, "200 unchanged"},
		{"ann", "grant-bonus", `{"bonus_id":"b1","points":999,"reason":"waited"}`, "409 bonus_exists"},
		{"ann", "grant-bonus", `{"bonus_id":"b2","points":1001,"reason":"waited"}`, "201 points_proposed"},
		{"bob", "grant-bonus", `{"bonus_id":"b3","points":1,"reason":"me"}`, "403 own_account"},
		{"ann", "grant-bonus", `{"points":1}`, "422 validation_failed /bonus_id /reason"},
		{"ann", "approve-points", `{"proposal_id":"b2"}`, "403 four_eyes"},
		{"bob", "approve-points", `{"proposal_id":"b2"}`, "403 own_account"},
		{"carl", "approve-points", `{"proposal_id":"b2"}`, "200 points_granted"},
		{"carl", "approve-points", `{"proposal_id":"b2"}`, "200 unchanged"},
		{"carl", "reject-points", `{"proposal_id":"b2","reason":"no"}`, "409 proposal_decided"},
		{"carl", "approve-points", `{"proposal_id":"b9"}`, "404 proposal_not_found"},
		{"ann", "adjust-points", `{"adjustment_id":"a1","points":-2151,"reason":"a mistake"}`, "201 points_proposed"},
		{"ann", "adjust-points", `{"adjustment_id":"a2","points":-2152,"reason":"a mistake"}`, "409 deficit_limit"},
		{"ann", "adjust-points", `{"adjustment_id":"b2","points":-1,"reason":"a mistake"}`, "409 proposal_exists"},
		{"ann", "adjust-points", `{"adjustment_id":"a3","points":0,"reason":"a mistake"}`, "422 validation_failed /points"},
		{"ann", "adjust-points", `{"adjustment_id":"a4","points":5,"reason":"a mistake"}`, "201 points_proposed"},
		{"ann", "reject-points", `{"proposal_id":"a4","reason":"no mistake"}`, "200 proposal_rejected"},
		{"carl", "approve-points", `{"proposal_id":"a1"}`, "200 points_adjusted"},
		{"ann", "evaluate-tier", `{}`, "200 unchanged"},
		{"ann", "override-tier", `{"tier":"gold","until":"2026-12-31","reason":"long-standing"}`, "200 tier_overridden"},
		{"ann", "override-tier", `{"tier":"gold","until":"2026-12-31","reason":"long-standing"}`, "200 unchanged"},
		{"ann", "override-tier", `{"tier":"wood","until":"2026-12-31","reason":"x"}`, "409 tier_unknown"},
		{"bob", "override-tier", `{"tier":"gold","until":"2026-12-30","reason":"me"}`, "403 own_account"},
		{"ann", "override-tier", `{"tier":"gold","until":"2036-12-31","reason":"x"}`, "422 validation_failed /until"},
		{"ann", "lift-tier-override", `{"reason":"a mistake"}`, "200 tier_override_lifted tier_downgraded"},
		{"ann", "lift-tier-override", `{"reason":"a mistake"}`, "200 unchanged"},
	} {
		if got := told(t, s.as(step.as, at+"/"+step.command, step.body)); got != step.want {
			t.Errorf("%s %s %s: %s, want %s", step.as, step.command, step.body, got, step.want)
		}
	}
	if b := accountOf(t, s.log, at).Balance(); b.Spendable != 0 || b.Deficit != 50 {
		t.Errorf("%+v", b)
	}
}

// erase forgets a customer, as the eraser does.
func (s *server) erase(t testing.TB, log *memlog.Log, path string) {
	t.Helper()
	id := customerOf(t, path)
	s.must(t, 200, "ann", path+"/request-erasure", `{"requester":"customer"}`)
	s.must(t, 200, "bob", path+"/approve-erasure", `{}`)
	if err := log.Destroy(t.Context(), datakey.Stream(id)); err != nil {
		t.Fatal(err)
	}
	_, err := commands.Execute(t.Context(), s.writer, request("erase"), customer.Erase{Subject: s.writer.World.Subject(id), EventCount: 5, ChainHead: "ab", KeyIDs: []string{"k"}})
	if err != nil {
		t.Fatal(err)
	}
}

// meddlers are what may happen to the customers of a transfer while it is under way.
func (s *server) meddlers(t testing.TB, log *memlog.Log) map[string]func(ada, bo, id string) {
	restricted := `{"ground":"accuracy_contested"}`
	return map[string]func(ada, bo, id string){
		"nothing":                  func(string, string, string) {},
		"the recipient leaves":     func(_, bo, _ string) { s.must(t, 200, "", bo+"/leave-program", `{}`) },
		"the recipient is locked":  func(_, bo, _ string) { s.must(t, 200, "", bo+"/restrict-processing", restricted) },
		"the recipient is erased":  func(_, bo, _ string) { s.erase(t, log, bo) },
		"the sender is locked":     func(ada, _, _ string) { s.must(t, 200, "", ada+"/restrict-processing", restricted) },
		"the sender is erased":     func(ada, _, _ string) { s.erase(t, log, ada) },
		"the sender spends":        func(ada, _, _ string) { s.as("", ada+"/redeem-points", `{"redemption_id":"r","points":200}`) },
		"the sender wants to go":   func(ada, _, _ string) { s.as("", ada+"/leave-program", `{}`) },
		"somebody wants to cancel": func(_, _, id string) { s.as("", "/v1/transfers/"+id+"/cancel-transfer", `{}`) },
		"somebody is quicker": func(_, _, id string) {
			if _, err := s.writer.DriveTransfer(t.Context(), uuid.MustParse(id)); err != nil {
				t.Error(err)
			}
		},
	}
}

// one is a transfer of 120 points of a member who has 200, to one who has 30.
type one struct {
	ada, bo string
	id      uuid.UUID
}

func (s *server) one(t testing.TB) one { return one{s.member(t, 200), s.member(t, 30), uuid.New()} }

func (o one) body(t testing.TB) string {
	return fmt.Sprintf(`{"transfer_id":%q,"from":%q,"to":%q,"points":120}`, o.id, customerOf(t, o.ada), customerOf(t, o.bo))
}

// check looks at a transfer that has ended: it has one end, and the sum of the points
// is what it was. It says how it ended.
func (o one) check(t testing.TB, log commands.Log, what string) (end string) {
	t.Helper()
	is := stateOf[transfer.State, transfer.Event](t, log, transfer.Stream(o.id), nil)
	a, b := accountOf(t, log, o.ada), accountOf(t, log, o.bo)
	moved := int64(0)
	switch is.State {
	case transfer.StateCompleted:
		moved = 120
	case transfer.StateCancelled, "": // it never was
	default:
		t.Errorf("%s: it is %s", what, is.State)
	}
	if len(a.Holds) > 0 || a.Sums.TransferredOut != moved || b.Sums.TransferredIn != moved {
		t.Errorf("%s: %s, %+v %+v", what, is.State, a, b)
	}
	if lost := a.Sums.Redeemed + a.Sums.Forfeited + b.Sums.Forfeited; a.Sums.Net()+b.Sums.Net()+lost != 230 || a.Balance().Spendable+b.Balance().Spendable+lost != 230 {
		t.Errorf("%s: %+v and %+v are not 230", what, a.Sums, b.Sums)
	}
	return strings.TrimSpace(is.State + " " + is.Code)
}

// missing says which of the ways in which transfers should have ended none did.
func missing(ended map[string]int, ways ...string) (none []string) {
	for _, way := range ways {
		if ended[way] == 0 {
			none = append(none, way)
		}
	}
	return none
}

// A transfer is cut off at every append, before it is stored or after; meanwhile
// something happens to one of the two; then other processes go on with it.
func TestATransferSurvivesACrashAtEveryStep(t *testing.T) {
	for _, late := range []bool{false, true} {
		memory := new(memlog.Log)
		log := &mortal{Log: memory, after: late}
		s := serveLog(t, log, deployment.Wall)
		s.club(t)
		ended := map[string]int{}
		for what, meddle := range s.meddlers(t, memory) {
			for step := range int64(6) {
				o := s.one(t)
				log.revive(step)
				s.Post("/v1/transfers", o.body(t))
				log.armed.Store(false)
				meddle(o.ada, o.bo, o.id.String())
				for n := int64(0); ; n++ { // each process lives one append longer
					log.revive(n)
					w := &commands.Writer{Log: log, Keys: s.writer.Keys, World: s.writer.World}
					if _, err := w.DriveTransfer(t.Context(), o.id); err == nil {
						break
					} else if n > 10 {
						t.Fatal(err)
					}
				}
				log.armed.Store(false)
				ended[what+": "+o.check(t, memory, fmt.Sprintf("%s, step %d", what, step))]++
			}
		}
		if none := missing(ended,
			"nothing: completed", "the recipient leaves: completed", "the recipient leaves: cancelled not_enrolled",
			"the recipient is locked: cancelled processing_restricted", "the recipient is erased: cancelled customer_erased",
			"the sender is locked: completed", "the sender is erased: completed", "the sender spends: completed",
			"somebody wants to cancel: cancelled cancelled", "somebody wants to cancel: completed",
		); none != nil {
			t.Errorf("dying late %v: no transfer ended so: %q; %v", late, none, ended)
		}
	}
}

// sleeper is a log of a process that falls asleep right before one of its appends;
// before it wakes up, something happens in another process.
type sleeper struct {
	commands.Log
	appends int // until it falls asleep
	dream   func()
}

func (l *sleeper) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	if l.appends--; l.appends == 0 {
		l.dream()
	}
	return l.Log.Append(ctx, stream, after, events)
}

// Whatever a process that was asleep goes on with, it is not done twice, and not
// after it was called off.
func TestWhoWakesUpLateMovesNoPoints(t *testing.T) {
	memory := new(memlog.Log)
	log := &sleeper{Log: memory}
	awake, s := serveLog(t, memory, deployment.Wall), serveLog(t, log, deployment.Wall)
	awake.club(t)
	if err := s.writer.World.WaitFor(t.Context(), awake.writer.World.Facts().Position); err != nil {
		t.Fatal(err)
	}
	ended := map[string]int{}
	for what, meddle := range awake.meddlers(t, memory) {
		for step := 1; step <= 5; step++ {
			o := awake.one(t)
			log.appends, log.dream = step, func() { meddle(o.ada, o.bo, o.id.String()) }
			s.Post("/v1/transfers", o.body(t))
			if log.appends > 0 {
				t.Errorf("%s, step %d: it did not fall asleep", what, step)
			}
			ended[what+": "+o.check(t, memory, fmt.Sprintf("%s, step %d", what, step))]++
		}
	}
	if none := missing(ended,
		"the recipient leaves: completed", "the recipient leaves: cancelled not_enrolled", "the recipient is locked: cancelled processing_restricted",
		"the recipient is erased: cancelled customer_erased", "the sender is locked: cancelled processing_restricted", "the sender is locked: completed",
		"the sender is erased: cancelled customer_erased", "the sender spends: cancelled insufficient_points", "the sender wants to go: cancelled not_enrolled",
		"somebody wants to cancel: cancelled cancelled", "somebody wants to cancel: completed", "somebody is quicker: completed",
	); none != nil {
		t.Errorf("no transfer ended so: %q; %v", none, ended)
	}
}

// Two processes transfer, leave, come back, spend, cancel and are restricted at
// random, on a log that fails at random: no points come from nowhere, and in the end
// none are on their way.
func TestPointsAreConservedWhateverHappens(t *testing.T) {
	all := map[string]int{}
	for seed := range uint64(2) {
		log := &moody{Log: new(memlog.Log), random: rand.New(rand.NewPCG(seed, 2)), calm: true}
		both := [2]*server{serveLog(t, log, deployment.Wall), serveLog(t, log, deployment.Wall)}
		both[0].club(t)
		if err := both[1].writer.World.WaitFor(t.Context(), both[0].writer.World.Facts().Position); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for range 5 {
			paths = append(paths, both[0].member(t, 1000))
		}
		var ids []uuid.UUID
		log.calm = false
		for range 30 {
			var wg sync.WaitGroup
			for i := range 4 {
				s, from, to, what, id := both[i%2], paths[log.pick(5)], paths[log.pick(5)], log.pick(30), uuid.New()
				ids = append(ids, id)
				wg.Go(func() {
					switch what {
					case 0:
						s.as("", from+"/leave-program", `{}`)
					case 1, 2, 3, 4, 5:
						s.as("", from+"/enrol-in-program", `{}`)
					case 6:
						s.as("", from+"/restrict-processing", `{"ground":"accuracy_contested"}`)
					case 7, 8, 9, 10:
						s.as("", from+"/lift-restriction", `{"ground":"accuracy_verified"}`)
					case 11:
						for _, p := range s.writer.World.PendingTransfers() {
							s.as("", "/v1/transfers/"+p.TransferID.String()+"/cancel-transfer", `{}`)
						}
					case 12:
						for _, p := range s.writer.World.PendingTransfers() {
							_, _ = s.writer.DriveTransfer(t.Context(), p.TransferID)
						}
					default:
						s.as("", "/v1/transfers", fmt.Sprintf(`{"transfer_id":%q,"from":%q,"to":%q,"points":50}`, id, customerOf(t, from), customerOf(t, to)))
					}
				})
			}
			wg.Wait()
		}
		log.calm = true
		ends := map[string]int{}
		for _, id := range ids {
			is, err := both[log.pick(2)].writer.DriveTransfer(context.WithoutCancel(t.Context()), id)
			if err != nil {
				t.Fatal(err)
			}
			ends[is.State]++
		}
		var sums customer.Sums
		spendable := int64(0)
		for _, path := range paths {
			a := accountOf(t, log.Log, path)
			if len(a.Holds) > 0 || a.Deficit != 0 {
				t.Errorf("seed %d: %+v", seed, a)
			}
			spendable += a.Balance().Spendable
			sums.TransferredIn += a.Sums.TransferredIn
			sums.TransferredOut += a.Sums.TransferredOut
			sums.Forfeited += a.Sums.Forfeited
		}
		if moved := int64(50 * ends[transfer.StateCompleted]); spendable+sums.Forfeited != 5000 || sums.TransferredIn != moved || sums.TransferredOut != moved {
			t.Errorf("seed %d: %d can be spent; %+v, %v", seed, spendable, sums, ends)
		}
		for state, n := range ends {
			all[state] += n
		}
	}
	if all[transfer.StateCompleted] < 20 {
		t.Errorf("%v: the test tests little", all)
	}
}
