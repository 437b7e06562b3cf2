package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// rich makes a member of the loyalty programme with points, and returns where its
// commands go.
func rich(s *server, points int) string {
	s.t.Helper()
	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"given":"Ada"},"source":{"channel":"web"},"registered_at":"2026-01-01T10:00:00Z"}`)
	member := "/v1/customers/" + a.field("customer_id")
	order := `{"order_id":"o1","total":{"amount_minor":%d,"currency":"USD"},"placed_at":"2026-01-02T10:00:00Z","paid_at":"2026-01-02T10:00:00Z"}`
	if a = s.call("POST", member+"/record-order", fmt.Sprintf(order, points*100)); a.status != 201 {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
	return member
}

func redemption(id string, points int64) string {
	return fmt.Sprintf(`{"redemption_id":%q,"points":%d}`, id, points)
}

// redeemed returns the points of each redemption in a history, and how many times it
// is there.
func redeemed(s *server, member string) (points map[string]int64, times map[string]int) {
	s.t.Helper()
	points, times = map[string]int64{}, map[string]int{}
	for cursor := ""; ; {
		a := s.call("GET", member+"/history?limit=500"+cursor, "")
		var page struct {
			Events []struct {
				Type string `json:"type"`
				Data struct {
					RedemptionID string `json:"redemption_id"`
					Points       int64  `json:"points"`
				} `json:"data"`
			} `json:"events"`
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
			s.t.Fatalf("history of %s: %d %s", member, a.status, a.body)
		}
		for _, e := range page.Events {
			if e.Type == "customer.points_redeemed" {
				points[e.Data.RedemptionID] = e.Data.Points
				times[e.Data.RedemptionID]++
			}
		}
		if page.NextCursor == "" {
			return points, times
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

// Points are spent once, whoever asks at the same time and whatever happens to the
// server meanwhile.
func TestPointsAreSpentOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	if a := s.call("POST", "/v1/policies/loyalty/publish-policy", fmt.Sprintf(wholeDollars, `{"kind":"never"}`)); a.status != 201 {
		t.Fatalf("publish: %d %s", a.status, a.body)
	}
	lastPoints(t, s)
	killedSpending(t, s)
}

// lastPoints lets two hundred clients ask for the last hundred points.
func lastPoints(t *testing.T, s *server) {
	const requests = 200
	rush := func(member string, send func(i int) (body, key string)) []answer {
		answers := make([]answer, requests)
		var wg sync.WaitGroup
		for i := range requests {
			wg.Go(func() {
				body, key := send(i)
				var err error
				if answers[i], err = s.try("POST", member+"/redeem-points", body, "Idempotency-Key", key); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return answers
	}
	member := rich(s, 100)
	done := 0
	for _, a := range rush(member, func(i int) (string, string) { return redemption(fmt.Sprint("r", i), 100), fmt.Sprint("k", i) }) {
		if a.status == 201 {
			done++
		} else if a.status != 409 || a.field("code") != "insufficient_points" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if points, _ := redeemed(s, member); done != 1 || len(points) != 1 {
		t.Errorf("%d were told that they have the points, and %d have them", done, len(points))
	}

	member = rich(s, 100)
	same := rush(member, func(int) (string, string) { return redemption("r", 100), "k" })
	for _, a := range same {
		if a.status != 201 || !bytes.Equal(a.body, same[0].body) {
			t.Errorf("%d %s, another was told %d %s", a.status, a.body, same[0].status, same[0].body)
		}
	}
	if points, times := redeemed(s, member); len(points) != 1 || times["r"] != 1 {
		t.Errorf("of one redemption there are %v", times)
	}
	a := s.call("GET", member+"/loyalty?min_position="+same[0].header.Get("Rapport-Position"), "")
	if a.field("balance", "spendable") != "0" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// killedSpending kills the server while clients spend points of one member. Some of
// what was under way then is sent again, some of it is not.
func killedSpending(t *testing.T, s *server) {
	const clients, kills, all = 8, 6, 1_000_000
	member := rich(s, all)
	random := rand.New(rand.NewPCG(200, 1))
	type sent struct {
		id     string
		points int64
	}
	position := ""
	acknowledged, unknown := map[string]int64{}, map[string]int64{}
	pending := make([]*sent, clients)
	spend := func(one sent) (answer, error) {
		return s.try("POST", member+"/redeem-points", redemption(one.id, one.points), "Idempotency-Key", one.id)
	}
	var mu sync.Mutex
	for range kills {
		var count atomic.Int64
		limit := 1 + random.Int64N(120)
		dead := make(chan struct{})
		var wg sync.WaitGroup
		for i := range clients {
			seed := random.Uint64()
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, 0))
				for {
					if pending[i] == nil {
						pending[i] = &sent{uuid.NewString(), 1 + r.Int64N(20)}
					}
					one := *pending[i]
					a, err := spend(one)
					switch {
					case err != nil:
						<-dead // nobody answers: that was the kill
						if r.IntN(2) == 0 {
							mu.Lock()
							unknown[one.id] = one.points
							mu.Unlock()
							pending[i] = nil
						}
						return
					case a.status == 503:
						continue // not now; the server says so while it is starting
					case a.status != 201:
						t.Errorf("%d %s", a.status, a.body)
						return
					}
					mu.Lock()
					acknowledged[one.id] = one.points
					mu.Unlock()
					pending[i] = nil
					if count.Add(1) == limit {
						s.kill()
						close(dead)
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		s.start("--calendar", "manual")
	}
	for _, one := range append(pending, &sent{"last", 1}) { // what is still under way is sent again
		if one == nil {
			continue
		}
		a, err := spend(*one)
		if err != nil || a.status != 201 {
			t.Fatalf("%d %s %v", a.status, a.body, err)
		}
		acknowledged[one.id] = one.points
		position = a.header.Get("Rapport-Position")
	}

	points, times := redeemed(s, member)
	left, happened := int64(all), 0
	for id, n := range times {
		want, known := acknowledged[id]
		if !known {
			want, known = unknown[id]
			happened++
		}
		if !known || n != 1 || points[id] != want {
			t.Errorf("%s is in the history %d times with %d points, want %d", id, n, points[id], want)
		}
		left -= points[id]
	}
	for id := range acknowledged {
		if times[id] == 0 {
			t.Errorf("%s was acknowledged and is not in the history", id)
		}
	}
	if a := s.call("GET", member+"/loyalty?min_position="+position, ""); a.field("balance", "spendable") != fmt.Sprint(left) {
		t.Errorf("%d points are left: %d %s", left, a.status, a.body)
	}
	t.Logf("%d redemptions acknowledged over %d kills; of %d that were not, %d happened", len(acknowledged), kills, len(unknown), happened)
	if a := s.call("GET", member+"/ledger/verify", ""); a.field("ok") != "true" {
		t.Errorf("verify the points: %d %s", a.status, a.body)
	}
	if out := s.must("verify", "read-models"); !strings.Contains(out, "loyalty") {
		t.Errorf("verify: %s", out)
	}
	s.must("verify", "history", "--all")
}
