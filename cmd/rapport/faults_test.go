package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
)

// Nothing embedded: the event store runs in a process of its own and Redis is
// somebody's cluster. It starts with keys only, and outlives the store's absence.
func TestPartsOfOthers(t *testing.T) {
	t.Parallel()
	node := &server{t: t, log: &logs{}}
	node.launch("node", "--data", t.TempDir(), "--listen", "127.0.0.1:0")
	t.Cleanup(node.stop)
	redis := "redis://" + strings.Join(redistest.StartCluster(t), ",") + "?cluster=true"
	keys := filepath.Join(t.TempDir(), "keys.json")
	if _, err := eventschema.CreateKeyringFile(keys); err != nil {
		t.Fatal(err)
	}
	parts := []string{"--eventstore", node.url, "--redis", redis, "--calendar", "manual"}

	var out, errs logs
	if code := run(t.Context(), append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"}, parts...), &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "--key-file") {
		t.Errorf("without keys: exit code %d, %s", code, &errs)
	}
	if code := run(t.Context(), []string{"serve", "--data", t.TempDir(), "--listen", "0.0.0.0:0"}, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "loopback") {
		t.Errorf("beyond loopback: exit code %d, %s", code, &errs)
	}

	s := serve(t, t.TempDir(), append(parts, "--key-file", keys)...)
	file := filepath.Join(t.TempDir(), "orders.csv")
	var rows strings.Builder
	rows.WriteString("who,day,total\n")
	for i := range 600 {
		fmt.Fprintf(&rows, "c%d,1998-%02d-%02d,%d.50\n", i%200, 1+i%6, 1+i%28, i)
	}
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, want := s.must("import", "orders", file, "--source", "till", "--currency", "USD", "--map", "customer=who,date=day,amount=total"), "read 600, created 600, unchanged 0, rejected 0\n"; out != want {
		t.Errorf("import: %s want %s", out, want)
	}
	if out, want := s.must("calendar", "close", "1998-06-30"), "closed 1998-06-30; 200 customers scored\n"; out != want {
		t.Errorf("close: %s want %s", out, want)
	}
	s.must("verify", "read-models")

	// The event store is away for a while: commands say so, and nothing is lost.
	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"display":"Ada"},"source":{"channel":"web"}}`)
	if a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	customer := "/v1/customers/" + a.field("customer_id")
	listen := strings.TrimSuffix(strings.TrimPrefix(node.url, "esdb://"), "?tls=false")
	data := node.data
	node.kill()
	order := `{"order_id":"o1","total":{"amount_minor":1000,"currency":"USD"},"placed_at":"1998-07-01T00:00:00Z"}`
	if a = s.call("POST", customer+"/record-order", order, "Idempotency-Key", "k"); a.status != 503 {
		t.Errorf("without an event store: %d %s", a.status, a.body)
	}
	if a = s.call("GET", "/readyz", ""); a.status != 503 {
		t.Errorf("without an event store it is ready: %s", a.body)
	}
	node.launch("node", "--data", data, "--listen", listen)
	eventually(t, func() string {
		if a = s.call("POST", customer+"/record-order", order, "Idempotency-Key", "k"); a.status != 201 && a.status != 200 {
			return fmt.Sprintf("the event store is back: %d %s", a.status, a.body)
		}
		return ""
	})
	seen(s, customer, a.header.Get("Rapport-Position"), `"count":1`)
	s.must("verify", "read-models")
}

// Redis dies: commands go on, it comes back by itself, and what it lost is applied again.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--calendar", "manual")
	a := s.call("POST", "/v1/customers", `{"kind":"person","name":{"display":"Ada"},"source":{"channel":"web"},"registered_at":"2026-01-01T00:00:00Z"}`)
	customer := "/v1/customers/" + a.field("customer_id")
	seen(s, customer, a.header.Get("Rapport-Position"), `"Ada"`)
	for i := range 3 {
		pid := redisOf(t, s)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		a = s.call("POST", customer+"/record-order", fmt.Sprintf(`{"order_id":"o%d","total":{"amount_minor":1000,"currency":"USD"},"placed_at":"2026-01-02T00:00:00Z"}`, i))
		if a.status != 201 {
			t.Fatalf("without Redis: %d %s", a.status, a.body)
		}
		seen(s, customer, a.header.Get("Rapport-Position"), fmt.Sprintf(`"count":%d`, i+1))
	}
	s.must("verify", "read-models")
}

// seen waits until a customer shows something at a position.
func seen(s *server, customer, position, want string) {
	s.t.Helper()
	eventually(s.t, func() string {
		a := s.call("GET", customer+"?min_position="+position, "")
		if a.status != 200 || !strings.Contains(string(a.body), want) {
			return fmt.Sprintf("%s does not show %s: %d %s", customer, want, a.status, a.body)
		}
		return ""
	})
}

// redisOf returns the process of the server's own Redis.
func redisOf(t testing.TB, s *server) int {
	t.Helper()
	found := 0
	eventually(t, func() string {
		dirs, err := os.ReadDir("/proc")
		if err != nil {
			t.Skip("the processes of this system cannot be listed: /proc is missing")
		}
		for _, d := range dirs {
			pid, err := strconv.Atoi(d.Name())
			if err != nil {
				continue
			}
			name, _ := os.ReadFile(filepath.Join("/proc", d.Name(), "comm"))
			cwd, _ := os.Readlink(filepath.Join("/proc", d.Name(), "cwd"))
			if strings.HasPrefix(string(name), "redis-server") && strings.HasPrefix(cwd, s.data) {
				found = pid
				return ""
			}
		}
		return "the server has no Redis of its own"
	})
	return found
}
