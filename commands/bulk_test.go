package commands_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/internal/memlog"
)

func (s *server) bulk(t testing.TB, body string, headers ...string) []commands.LineAnswer {
	t.Helper()
	a := s.Post("/v1/commands", body, headers...)
	if a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return lines(t, bytes.NewReader(a.Body))
}

func lines(t testing.TB, r io.Reader) (list []commands.LineAnswer) {
	t.Helper()
	in := bufio.NewScanner(r)
	for in.Scan() {
		var l commands.LineAnswer
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, in.Bytes())
		}
		list = append(list, l)
	}
	return list
}

func TestBulk(t *testing.T) {
	s := serve(t, deployment.Wall)
	id := uuid.NewString()
	order := func(n string, minor int) string {
		return fmt.Sprintf(`{"command":"record-order","customer_id":%q,"body":{"order_id":%q,"total":{"amount_minor":%d,"currency":"EUR"},"placed_at":"2026-03-01T10:00:00Z"}}`, id, n, minor)
	}
	body := strings.Join([]string{
		`{"command":"register-customer","customer_id":"` + id + `","id":"k1","body":` + ada + `}`, // 1
		order("o1", 100), // 2
		`{"command":"pay-order","customer_id":"` + id + `","body":{"order_id":"o1"},"actor":"import:shop"}`, // 3
		``,                            // 4: passed over
		`{"command":`,                 // 5
		order("o2", -1),               // 6
		`{"command":"buy","body":{}}`, // 7
		`{"command":"pay-order","body":{"order_id":"o1"}}`,                                                               // 8
		`{"command":"pay-order","customer_id":"x","body":{}}`,                                                            // 9
		`{"command":"update-profile","customer_id":"` + id + `","body":{"locale":"` + strings.Repeat("x", 1<<20) + `"}}`, // 10
		order("o1", 100), // 11
		`{"command":"register-customer","customer_id":"` + id + `","id":"k1","body":` + ada + `}`, // 12
		`{"command":"close-day","body":{"date":"2026-02-28"}}`,                                    // 13
		`{"command":"register-customer","id":"k2","body":` + ada + `}`,                            // 14, without an end
	}, "\n")
	got := s.bulk(t, body)
	want := []struct {
		line, status int
		code         string
		changed      bool
	}{
		{1, 201, "", true}, {2, 201, "", true}, {3, 200, "", true}, {5, 400, "malformed_json", false}, {6, 422, "validation_failed", false},
		{7, 404, "unknown_command", false}, {8, 422, "validation_failed", false}, {9, 422, "validation_failed", false}, {10, 413, "body_too_large", false},
		{11, 200, "", false}, {12, 201, "", true}, {13, 200, "", true}, {14, 201, "", true},
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		g := got[i]
		if g.Line != w.line || g.Status != w.status || g.Code != w.code || g.Changed != nil && *g.Changed != w.changed {
			t.Errorf("line %d: %+v", w.line, g)
		}
	}
	if *got[10].Position != *got[0].Position || got[10].Events[0] != got[0].Events[0] {
		t.Error("the key again is answered otherwise")
	}
	if got[4].Errors[0].Pointer != "/total/amount_minor" {
		t.Errorf("%+v", got[4].Errors)
	}
	if a := s.Post("/v1/commands", body, "Idempotency-Key", "k"); a.Status != 400 {
		t.Errorf("a key for all lines: %d", a.Status)
	}
}

// Every command can be given in a line, whatever it is about.
func TestEveryCommandHasALine(t *testing.T) {
	s := serve(t, deployment.Wall)
	s.enrol(t, 3, "ann", "bob")
	at := s.owned(t, "ann", 1)[0]
	got := s.bulk(t, strings.Join([]string{
		`{"command":"request-handover","customer_id":"` + uuid.NewString() + `","body":{"from":"ann","to":"bob","reason":"leaver"}}`,
		`{"command":"publish-policy","body":{}}`,
		`{"command":"ownership/publish-policy","body":{"policy":{"name":"short","claim_cool_down_days":1}}}`,
		`{"command":"contact/publish-policy","body":{"policy":{"name":"x","channels":["email"],"purposes":[{"name":"service","basis":"contract"}]}}}`,
	}, "\n"))
	for i, want := range []int{201, 404, 201, 201} {
		if got[i].Status != want {
			t.Errorf("line %d: %+v, want %d", i+1, got[i], want)
		}
	}
	kept := ownershipOf(t, s.log, at).Handover
	if kept == nil || got[0].HandoverID == nil || *got[0].HandoverID != kept.HandoverID || got[0].CustomerID != nil {
		t.Errorf("%+v: the customer is kept for %+v", got[0], kept)
	}
	for _, l := range s.bulk(t, everyCommand()) {
		if l.Code == "unknown_command" {
			t.Errorf("line %d: %+v", l.Line, l)
		}
	}
}

// everyCommand is a line for each command, with an empty body.
func everyCommand() string {
	var b strings.Builder
	named := map[string]int{}
	for _, d := range commands.Catalogue {
		named[d.Name]++
	}
	for _, d := range commands.Catalogue {
		name := d.Name
		if named[name] > 1 {
			name = path.Base(d.Group.Path) + "/" + name
		}
		fmt.Fprintf(&b, `{"command":%q,"customer_id":%q,"body":{}}`+"\n", name, uuid.New())
	}
	return b.String()
}

func TestTenThousandLinesWithEveryThirdBad(t *testing.T) {
	s := serve(t, deployment.Wall)
	var body strings.Builder
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = uuid.NewString()
		fmt.Fprintf(&body, `{"command":"register-customer","customer_id":%q,"body":%s}`+"\n", ids[i], ada)
	}
	const n = 10_000
	for i := range n {
		currency := "EUR"
		if i%3 == 2 {
			currency = "EUX"
		}
		fmt.Fprintf(&body, `{"command":"record-order","customer_id":%q,"body":{"order_id":"%d","total":{"amount_minor":1,"currency":%q},"placed_at":"2026-03-01T10:00:00Z"}}`+"\n",
			ids[i%len(ids)], i, currency)
	}
	before := s.log.Len()
	got := s.bulk(t, body.String())
	if len(got) != n+len(ids) {
		t.Fatalf("%d answers", len(got))
	}
	last := map[string]int64{}
	for i, l := range got[len(ids):] {
		if l.Line != i+1+len(ids) {
			t.Fatalf("answer %d is of line %d", i, l.Line)
		}
		if bad := i%3 == 2; bad != (l.Status == 422) || bad == (l.Status == 201) {
			t.Errorf("line %d: %d", l.Line, l.Status)
		}
		if l.Status == 201 { // the lines of one customer keep their order
			id := l.CustomerID.String()
			if *l.Revision != last[id]+1 {
				t.Fatalf("line %d has revision %d after %d", l.Line, *l.Revision, last[id])
			}
			last[id] = *l.Revision
		}
	}
	if added := s.log.Len() - before; added != 2*len(ids)+n-n/3 {
		t.Errorf("%d events", added)
	}
}

func TestBulkAnswersWhileItReads(t *testing.T) {
	s := serve(t, deployment.Wall)
	real := httptest.NewServer(s.handler)
	defer real.Close()
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, real.URL+"/v1/commands", reader)
	if err != nil {
		t.Fatal(err)
	}
	first := func() { fmt.Fprintf(writer, `{"command":"register-customer","body":%s}`+"\n", ada) }
	go first()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for range 3 {
		text, err := in.ReadString('\n')
		if err != nil || !strings.Contains(text, `"status":201`) {
			t.Fatalf("%s, %v", text, err)
		}
		first()
	}
	writer.Close()
	if rest, err := io.ReadAll(in); err != nil || bytes.Count(rest, []byte("\n")) != 1 {
		t.Errorf("%s, %v", rest, err)
	}
}

func TestABulkRequestThatBreaksOffEnds(t *testing.T) {
	s := serve(t, deployment.Wall)
	real := httptest.NewServer(s.handler)
	defer real.Close() // waits for the handler
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, real.URL+"/v1/commands", reader)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		fmt.Fprintf(writer, `{"command":"register-customer","body":%s}`+"\n"+`{"comm`, ada)
		writer.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func BenchmarkBulk(b *testing.B) { benchmarkBulk(b, new(memlog.Log)) }

func BenchmarkBulkThroughTheNode(b *testing.B) { benchmarkBulk(b, node(b)) }

func benchmarkBulk(b *testing.B, log commands.Log) {
	s := serveLog(b, log, deployment.Wall)
	real := httptest.NewServer(s.handler)
	defer real.Close()
	var body bytes.Buffer
	for i := range b.N {
		if i%4 == 0 {
			fmt.Fprintf(&body, `{"command":"register-customer","customer_id":"00000000-0000-4000-8000-%012d","body":{"kind":"person","source":{"channel":"import","detail":"cdnow"},"external_ids":[{"system":"cdnow","id":"%d"}],"registered_at":"2026-01-01T00:00:00Z"}}`+"\n", i/4, i/4)
			continue
		}
		fmt.Fprintf(&body, `{"command":"record-order","customer_id":"00000000-0000-4000-8000-%012d","body":{"order_id":"%d","total":{"amount_minor":1299,"currency":"USD"},"lines":[{"quantity":1,"amount_minor":1299}],"placed_at":"2026-01-02T00:00:00Z","paid_at":"2026-01-02T00:00:00Z"}}`+"\n", i/4, i)
	}
	b.ResetTimer()
	resp, err := http.Post(real.URL+"/v1/commands", "application/x-ndjson", &body)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	n := 0
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		n++
		if !bytes.Contains(text, []byte(`"status":201`)) {
			b.Fatalf("%s", text)
		}
	}
	if n != b.N {
		b.Fatalf("%d answers, want %d", n, b.N)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "lines/s")
}
