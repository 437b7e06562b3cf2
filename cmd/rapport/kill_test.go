package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// given is a command somebody keeps sending, under one idempotency key, until it
// is acknowledged.
type given struct {
	path, body, key string
	customer, order string
}

// The server is killed at random moments under load: at 15, or as many as
// RAPPORT_TEST_KILLS says. Every command that was
// acknowledged is in the history, once; commands that were in flight may be sent
// again; and the read models equal a fresh rebuild.
func TestKillNine(t *testing.T) {
	t.Parallel()
	kills := 15
	if n, err := strconv.Atoi(os.Getenv("RAPPORT_TEST_KILLS")); err == nil {
		kills = n
	}
	const clients = 8
	s := serve(t, t.TempDir(), "--calendar", "manual")
	random := rand.New(rand.NewPCG(50, 9))

	acknowledged := make([][]given, clients)
	pending := make([]*given, clients)
	randoms := make([]*rand.Rand, clients)
	owned := make([][]string, clients) // customers of each client
	for i := range clients {
		randoms[i] = rand.New(rand.NewPCG(7, uint64(i)))
	}
	for kill := range kills {
		var count atomic.Int64
		limit := 1 + random.Int64N(150)
		dead := make(chan struct{})
		var killed sync.Once
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				for {
					if pending[i] == nil {
						pending[i] = next(randoms[i], &owned[i])
					}
					g := pending[i]
					a, err := s.try("POST", g.path, g.body, "Idempotency-Key", g.key)
					if err != nil {
						<-dead // nobody answers: that was the kill
						return
					}
					if a.status == 503 {
						continue // not now; the server says so while it is starting
					}
					if a.status != 200 && a.status != 201 {
						t.Errorf("%s %s: %d %s", g.path, g.body, a.status, a.body)
						return
					}
					if g.order == "" {
						owned[i] = append(owned[i], g.customer)
					}
					acknowledged[i] = append(acknowledged[i], *g)
					pending[i] = nil
					if count.Add(1) == limit {
						killed.Do(func() { s.kill(); close(dead) })
					}
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		s.start("--calendar", "manual")
		if kill%10 == 9 {
			t.Logf("%d kills", kill+1)
		}
	}
	for i := range clients { // what was in flight at the last kill
		if g := pending[i]; g != nil {
			a := s.call("POST", g.path, g.body, "Idempotency-Key", g.key)
			if a.status != 200 && a.status != 201 {
				t.Fatalf("%s %s: %d %s", g.path, g.body, a.status, a.body)
			}
			acknowledged[i] = append(acknowledged[i], *g)
		}
	}
	want := map[string]map[string]int{} // customer to order to how often it must be there
	total := 0
	for _, list := range acknowledged {
		for _, g := range list {
			if want[g.customer] == nil {
				want[g.customer] = map[string]int{}
			}
			if want[g.customer][g.order]++; want[g.customer][g.order] > 1 {
				t.Fatalf("the test acknowledged %v twice", g)
			}
			total++
		}
	}
	for customer, commands := range want {
		got := recorded(t, s, customer)
		for order, n := range commands {
			if got[order] != n {
				t.Errorf("customer %s, order %q is in the history %d times, want %d", customer, order, got[order], n)
			}
		}
		if len(got) != len(commands) {
			t.Errorf("customer %s has %d facts, want %d", customer, len(got), len(commands))
		}
	}
	t.Logf("%d commands of %d customers acknowledged over %d kills", total, len(want), kills)
	s.must("verify", "read-models")
	s.must("verify", "history", "--all")
}

// next invents the next command of a client: a new customer, or an order of one it has.
func next(r *rand.Rand, owned *[]string) *given {
	id := func() string {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		u, _ := uuid.FromBytes(b[:])
		return u.String()
	}
	if len(*owned) == 0 || r.IntN(4) == 0 {
		customer := id()
		return &given{
			path: "/v1/customers", key: id(), customer: customer,
			body: fmt.Sprintf(`{"customer_id":%q,"kind":"person","name":{"display":"N %s"},"source":{"channel":"web"},"external_ids":[{"system":"shop","id":%q}]}`, customer, customer[:4], customer),
		}
	}
	customer, order := (*owned)[r.IntN(len(*owned))], id()
	return &given{
		path: "/v1/customers/" + customer + "/record-order", key: id(), customer: customer, order: order,
		body: fmt.Sprintf(`{"order_id":%q,"total":{"amount_minor":%d,"currency":"USD"},"placed_at":"2026-01-02T03:04:05Z","paid_at":"2026-01-02T03:04:05Z"}`, order, r.IntN(10_000)),
	}
}

// recorded returns how often each order ("" for the registration) is in a history.
func recorded(t *testing.T, s *server, customer string) map[string]int {
	t.Helper()
	got := map[string]int{}
	cursor := ""
	for {
		a := s.call("GET", "/v1/customers/"+customer+"/history?limit=500"+cursor, "")
		if a.status != 200 {
			t.Fatalf("history of %s: %d %s", customer, a.status, a.body)
		}
		var page struct {
			Events []struct {
				Type string `json:"type"`
				Data struct {
					OrderID string `json:"order_id"`
				} `json:"data"`
			} `json:"events"`
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			switch e.Type {
			case "customer.registered":
				got[""]++
			case "customer.order_recorded":
				got[e.Data.OrderID]++
			}
		}
		if page.NextCursor == "" {
			return got
		}
		cursor = "&cursor=" + page.NextCursor
	}
}
