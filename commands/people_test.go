package commands_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/internal/memlog"
	"github.com/rapport-crm/rapport/internal/web/webtest"
)

// must sends a command, as an employee if as is not empty, and fails the test
// unless the answer has the status.
func (s *server) must(t testing.TB, status int, as, path, body string) answer {
	t.Helper()
	return expect(t, status, s.as(as, path, body))
}

func (s *server) as(as, path, body string) webtest.Answer {
	if as == "" {
		return s.Post(path, body)
	}
	return s.Post(path, body, "Rapport-Actor", "user:"+as)
}

func expect(t testing.TB, status int, a webtest.Answer) answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("%d, want %d: %s", a.Status, status, a.Body)
	}
	return decode(t, a)
}

// enrol enrols employees of a capacity, by name.
func (s *server) enrol(t testing.TB, capacity int, names ...string) (position uint64) {
	t.Helper()
	for _, name := range names {
		a := s.must(t, http.StatusCreated, "", "/v1/staff/enrol-employee", fmt.Sprintf(`{"employee_id":%q,"name":%q,"roles":["sales"],"capacity":%d}`, name, strings.ToUpper(name), capacity))
		position = a.Position
	}
	return position
}

func customerOf(t testing.TB, path string) uuid.UUID {
	t.Helper()
	return uuid.MustParse(strings.TrimPrefix(path, "/v1/customers/"))
}

func TestStaffOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 2, "ann")
	s.must(t, 201, "", "/v1/staff/enrol-employee", `{"employee_id":"bob","name":"Bob"}`)
	s.must(t, 200, "", "/v1/staff/enrol-employee", `{"employee_id":"bob","name":"Bob"}`)
	if a := s.must(t, 409, "", "/v1/staff/enrol-employee", `{"employee_id":"bob","name":"Robert"}`); a.Code != "employee_exists" {
		t.Error(a.Code)
	}
	if a := s.must(t, 404, "", "/v1/staff/change-employee", `{"employee_id":"carl","capacity":3}`); a.Code != "employee_unknown" {
		t.Error(a.Code)
	}
	s.must(t, 200, "", "/v1/staff/change-employee", `{"employee_id":"bob","roles":["service","dpo"],"capacity":3}`)
	last := s.must(t, 200, "", "/v1/staff/deactivate-employee", `{"employee_id":"ann"}`)
	for query, want := range map[string]string{
		"?min_position=" + fmt.Sprint(last.Position): `[{"employee_id":"ann","name":"ANN","roles":["sales"],"capacity":2,"active":false},{"employee_id":"bob","name":"Bob","roles":["dpo","service"],"capacity":3,"active":true}]`,
		"?active=true":            `[{"employee_id":"bob","name":"Bob","roles":["dpo","service"],"capacity":3,"active":true}]`,
		"?role=sales":             `[{"employee_id":"ann","name":"ANN","roles":["sales"],"capacity":2,"active":false}]`,
		"?role=sales&active=true": `[]`,
	} {
		a := s.Get("/v1/staff" + query)
		var got struct{ Employees json.RawMessage }
		if err := a.JSON(&got); err != nil || string(got.Employees) != want {
			t.Errorf("%s: %d %s %v", query, a.Status, a.Body, err)
		}
	}
	for _, query := range []string{"/v1/staff?active=perhaps", "/v1/staff?activ=true", "/v1/staff?role=a&role=b", "/v1/handovers?state=lost", "/v1/handovers?limit=0", "/v1/calendar?min_position=x"} {
		if a := s.Get(query); a.Status != 400 || !strings.Contains(string(a.Body), `"parameter_invalid"`) {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	if a := s.Get("/v1/segments/shipped?labels=rfm"); !strings.Contains(string(a.Body), `"labels is not a parameter of this query, which has label"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	s.must(t, 200, "", "/v1/staff/reactivate-employee", `{"employee_id":"ann"}`)
	if !s.writer.World.Facts().Staff.Has("ann", "sales") {
		t.Error("ann is not back")
	}
}

func TestOwnersOverHTTP(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 1, "ann", "bob")
	at, other := s.register(t), s.register(t)
	for _, c := range []struct {
		as, command, body string
		status            int
		code              string
	}{
		{"", "assign-owner", `{"employee_id":"carl"}`, 404, "employee_unknown"},
		{"", "assign-owner", `{"employee_id":"ann","role":"service"}`, 409, "employee_without_role"},
		{"", "designate-key-account", `{"level":"A"}`, 409, "customer_without_owner"},
		{"", "release-to-pool", `{}`, 200, ""},
		{"", "assign-owner", `{"employee_id":"ann","role":"sales"}`, 200, ""},
		{"bob", "claim-from-pool", `{}`, 409, "customer_owned"},
		{"", "designate-key-account", `{"level":"A","criteria":"a third of all revenue"}`, 200, ""},
		{"", "revoke-key-account", `{}`, 200, ""},
		{"ann", "introduce-successor", `{"channel":"phone"}`, 409, "not_handed_over"},
		{"bob", "introduce-successor", `{"channel":"phone"}`, 403, "not_the_owner"},
		{"", "release-to-pool", `{}`, 200, ""},
		{"ann", "claim-from-pool", `{}`, 409, "claim_cool_down"},
		{"", "claim-from-pool", `{}`, 422, "validation_failed"}, // nobody says who claims
		{"bob", "claim-from-pool", `{}`, 200, ""},
	} {
		if a := s.must(t, c.status, c.as, at+"/"+c.command, c.body); a.Code != c.code {
			t.Errorf("%s: %s, want %s", c.command, a.Code, c.code)
		}
	}
	if a := s.must(t, 409, "", other+"/assign-owner", `{"employee_id":"bob"}`); a.Code != "owner_over_capacity" {
		t.Error(a.Code)
	}
	s.must(t, 200, "", other+"/assign-owner", `{"employee_id":"ann"}`) // her seat is free
}

func TestTheCoolDownEndsByPolicy(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 0, "ann")
	at := s.register(t)
	s.must(t, 200, "ann", at+"/claim-from-pool", `{}`)
	s.must(t, 200, "", at+"/release-to-pool", `{}`)
	if a := s.must(t, 409, "ann", at+"/claim-from-pool", `{}`); a.Code != "claim_cool_down" || !strings.Contains(a.Detail, "2026-03-31") {
		t.Errorf("%s", a.Detail)
	}
	s.must(t, 201, "", "/v1/policies/ownership/publish-policy", `{"policy":{"name":"short","claim_cool_down_days":1}}`)
	s.clock.Set(noon.Add(24 * time.Hour))
	s.must(t, 200, "ann", at+"/claim-from-pool", `{}`)
	if a := s.Get("/v1/policies/ownership"); a.Status != 200 || !strings.Contains(string(a.Body), `"claim_cool_down_days":30`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// two are two processes on one log, both of which know the staff.
func two(t *testing.T, log commands.Log, capacity int, names ...string) [2]*server {
	t.Helper()
	both := [2]*server{serveLog(t, log, deployment.Wall), serveLog(t, log, deployment.Wall)}
	if err := both[1].writer.World.WaitFor(t.Context(), both[0].enrol(t, capacity, names...)); err != nil {
		t.Fatal(err)
	}
	return both
}

func TestFiftyAssignmentsToACapacityOfTen(t *testing.T) {
	for name, log := range map[string]func(testing.TB) commands.Log{
		"in memory":        func(testing.TB) commands.Log { return new(memlog.Log) },
		"through the node": func(t testing.TB) commands.Log { return node(t) },
	} {
		t.Run(name, func(t *testing.T) {
			const n, capacity = 50, 10
			both := two(t, log(t), capacity, "ann")
			paths, answers := make([]string, n), make([]webtest.Answer, n)
			for i := range n {
				paths[i] = both[0].register(t)
			}
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { answers[i] = both[i%2].Post(paths[i]+"/assign-owner", `{"employee_id":"ann"}`) })
			}
			wg.Wait()
			won := 0
			for i, a := range answers {
				switch {
				case a.Status == 200:
					won++
				case a.Status != 409 || decode(t, a).Code != "owner_over_capacity":
					t.Errorf("%d: %d %s", i, a.Status, a.Body)
				}
			}
			if won != capacity {
				t.Errorf("%d assignments succeeded, want %d", won, capacity)
			}
		})
	}
}

func TestFiftyClaimsOfOneCustomer(t *testing.T) {
	for name, log := range map[string]func(testing.TB) commands.Log{
		"in memory":        func(testing.TB) commands.Log { return new(memlog.Log) },
		"through the node": func(t testing.TB) commands.Log { return node(t) },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 50
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("e%02d", i)
			}
			l := log(t)
			both := two(t, l, 1, names...)
			at, other := both[0].register(t), both[0].register(t)
			answers := make([]webtest.Answer, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { answers[i] = both[i%2].as(names[i], at+"/claim-from-pool", `{}`) })
			}
			wg.Wait()
			winner := ""
			for i, a := range answers {
				if a.Status == 200 {
					if winner != "" {
						t.Fatalf("%s and %s both won", winner, names[i])
					}
					winner = names[i]
				}
			}
			for i, a := range answers {
				if got := decode(t, a); a.Status != 200 && (a.Status != 409 || got.Code != "customer_owned" || got.Holder != winner) {
					t.Errorf("%s: %d %s; the winner is %s", names[i], a.Status, a.Body, winner)
				}
			}
			if got := count(t, l, customer.Stream(customerOf(t, at))); got != 2 {
				t.Errorf("%d events, want the registration and one claim", got)
			}
			// Who lost has their seat back.
			for _, name := range names[:3] {
				if name != winner {
					both[0].must(t, 200, name, other+"/claim-from-pool", `{}`)
					break
				}
			}
		})
	}
}

// broken is a server whose log can be made to fail.
func broken(t *testing.T, capacity int, names ...string) (*server, *faulty) {
	t.Helper()
	log := &faulty{Log: new(memlog.Log)}
	s := serveLog(t, log, deployment.Wall)
	s.enrol(t, capacity, names...)
	return s, log
}

func (f *faulty) fail(stream string) {
	f.before = func(to string) error {
		if to == stream {
			return errors.New("gone")
		}
		return nil
	}
}

func TestASeatThatNothingConfirmsHeals(t *testing.T) {
	s, log := broken(t, 1, "ann")
	a, b := s.register(t), s.register(t)
	log.fail(customer.Stream(customerOf(t, a)))
	s.must(t, 503, "", a+"/assign-owner", `{"employee_id":"ann"}`)
	log.before = nil
	if got := s.must(t, 409, "", b+"/assign-owner", `{"employee_id":"ann"}`); got.Code != "owner_over_capacity" {
		t.Fatalf("the seat stands for a minute: %s", got.Code)
	}
	s.clock.Set(noon.Add(2 * time.Minute))
	s.must(t, 200, "", b+"/assign-owner", `{"employee_id":"ann"}`)
	if got := s.must(t, 409, "", a+"/assign-owner", `{"employee_id":"ann"}`); got.Code != "owner_over_capacity" {
		t.Fatal(got.Code)
	}
	s.clock.Set(noon.Add(24 * time.Hour))
	if got := s.must(t, 409, "", a+"/assign-owner", `{"employee_id":"ann"}`); got.Code != "owner_over_capacity" {
		t.Fatalf("a confirmed seat stays: %s", got.Code)
	}
}

func TestASeatThatWasNotGivenBackHeals(t *testing.T) {
	s, log := broken(t, 1, "ann")
	a, b := s.register(t), s.register(t)
	s.must(t, 200, "", a+"/assign-owner", `{"employee_id":"ann"}`)
	log.fail(portfolio.Stream("ann"))
	s.must(t, 200, "", a+"/release-to-pool", `{}`)
	log.before = nil
	s.must(t, 409, "", b+"/assign-owner", `{"employee_id":"ann"}`)
	s.clock.Set(noon.Add(2 * time.Minute))
	s.must(t, 200, "", b+"/assign-owner", `{"employee_id":"ann"}`)
}

// Who took a seat and then slept finds, on waking, that it was given away.
func TestTheSleeperHasNoSeat(t *testing.T) {
	s, log := broken(t, 1, "ann")
	other := serveLog(t, log.Log, deployment.Wall)
	other.clock = s.clock
	other.writer.World.Clock = s.clock.Now
	a, b := s.register(t), s.register(t)
	asleep, wake := make(chan struct{}), make(chan struct{})
	log.before = func(stream string) error {
		if stream == customer.Stream(customerOf(t, a)) {
			log.before = nil
			close(asleep)
			<-wake
		}
		return nil
	}
	outcome := make(chan webtest.Answer, 1)
	go func() { outcome <- s.Post(a+"/assign-owner", `{"employee_id":"ann"}`) }()
	<-asleep
	s.clock.Set(noon.Add(2 * time.Minute))
	other.must(t, 200, "", b+"/assign-owner", `{"employee_id":"ann"}`)
	close(wake)
	if got := expect(t, 409, <-outcome); got.Code != "owner_over_capacity" {
		t.Errorf("the sleeper: %s", got.Code)
	}
}
