package importer_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/customerfile"
	"github.com/rapport-crm/rapport/internal/importer"
)

// shaky stands for a server whose connections break: it executes every line of a
// request but answers only some, until it has broken often enough.
type shaky struct {
	t      *testing.T
	breaks int // requests left that break

	mu       sync.Mutex
	done     map[string]bool   // idempotency keys
	known    map[string]bool   // customers
	emails   map[string]string // to customers
	executed []string
}

func (s *shaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answers []string
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		var line struct {
			Command    string
			CustomerID string `json:"customer_id"`
			ID         string
			Body       struct {
				ContactPoints []struct{ Value string } `json:"contact_points"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.ID == "" {
			s.t.Errorf("%v: %s", err, lines.Text())
		}
		answers = append(answers, s.execute(line.Command, line.CustomerID, line.ID, line.Body.ContactPoints))
	}
	if s.breaks--; s.breaks >= 0 {
		answers = answers[:len(answers)/2]
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for _, a := range answers {
		fmt.Fprintln(w, a)
	}
	if s.breaks >= 0 {
		panic(http.ErrAbortHandler)
	}
}

func (s *shaky) execute(command, customer, key string, points []struct{ Value string }) string {
	switch {
	case s.done[key]: // what was done before is answered as before
		return `{"status":201,"changed":true}`
	case s.known[customer]:
		return `{"status":409,"code":"customer_exists"}`
	}
	for _, p := range points {
		if holder := s.emails[p.Value]; holder != "" {
			return `{"status":409,"code":"email_taken","detail":"the e-mail address belongs to the customer ` + holder + `","holder":"` + holder + `"}`
		}
		s.emails[p.Value] = customer
	}
	s.done[key], s.known[customer] = true, true
	s.executed = append(s.executed, command)
	return `{"status":201,"changed":true}`
}

// A row is counted once and rightly, however often its request is sent; and of two
// rows with one address the earlier has it, whichever request comes first.
func TestConnectionsBreak(t *testing.T) {
	const rows = 2000
	content := "id,mail\n"
	for i := range rows {
		content += fmt.Sprintf("%d,c%d@example.com\n", i, i%(rows-100)) // the last 100 name addresses of the first
	}
	path := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	handler := &shaky{t: t, breaks: 5, done: map[string]bool{}, known: map[string]bool{}, emails: map[string]string{}}
	server := httptest.NewServer(handler)
	defer server.Close()
	run := func() (importer.CustomersSummary, []string) {
		t.Helper()
		var rejects []string
		imp := importer.Customers{
			Client: &client.Client{Server: server.URL, HTTP: server.Client()}, Path: path,
			Format: customerfile.Format{Columns: map[string]string{"customer": "id", "email": "mail"}, Zone: time.UTC},
			Source: "crm", Mode: importer.Create, Patience: time.Minute,
			Reject: func(e csvfile.RowError) error {
				rejects = append(rejects, fmt.Sprintf("%d %s %s", e.Line, e.Column, e.Code))
				if !strings.HasPrefix(e.Detail, "the e-mail address belongs to the customer") {
					t.Errorf("%+v", e)
				}
				return nil
			},
		}
		sum, err := imp.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sum, rejects
	}
	sum, rejects := run()
	want := importer.CustomersSummary{Read: rows, Created: rows - 100, Rejected: 100}
	if diff := cmp.Diff(want, sum); diff != "" || len(handler.executed) != rows-100 {
		t.Errorf("%d executed; %s", len(handler.executed), diff)
	}
	for i, r := range rejects {
		if r != fmt.Sprintf("%d mail email_taken", rows-100+i+2) {
			t.Errorf("reject %d: %s", i, r)
		}
	}
	sum, _ = run()
	if diff := cmp.Diff(importer.CustomersSummary{Read: rows, Unchanged: rows - 100, Rejected: 100}, sum); diff != "" {
		t.Error(diff)
	}
}
