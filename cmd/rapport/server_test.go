package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asRapport makes the test binary be rapport, so that the tests run the real
// program in processes of its own, which they may kill.
const asRapport = "RAPPORT_TEST_AS_RAPPORT"

func TestMain(m *testing.M) {
	if os.Getenv(asRapport) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds every wait of a test. It decides nothing but when a broken
// program is given up on.
const patience = 5 * time.Minute

// server is a running `rapport serve` on a port of the kernel's choice.
type server struct {
	t    testing.TB
	url  string
	data string
	cmd  *exec.Cmd
	log  *logs
}

// logs keeps what a process says.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve starts a server on data and waits until it answers. Its end is awaited
// when the test ends.
func serve(t testing.TB, data string, args ...string) *server {
	t.Helper()
	s := &server{t: t, data: data, log: &logs{}}
	s.start(args...)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("what the server said:\n%s", s.log)
		}
	})
	return s
}

func (s *server) start(args ...string) {
	s.t.Helper()
	s.launch(append([]string{"serve", "--data", s.data, "--listen", "127.0.0.1:0"}, args...)...)
}

// launch starts the program and waits until it says where it serves.
func (s *server) launch(args ...string) {
	s.t.Helper()
	for i, arg := range args[:len(args)-1] {
		if arg == "--data" {
			s.data = args[i+1]
		}
	}
	s.cmd = exec.Command(os.Args[0], args...)
	s.cmd.Env = append(clean(os.Environ()), asRapport+"=1")
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fmt.Fprintln(s.log, lines.Text())
		if _, url, ok := strings.Cut(lines.Text(), "serving "); ok {
			s.url = strings.TrimSpace(url)
			go io.Copy(s.log, stdout)
			return
		}
	}
	s.cmd.Wait()
	s.t.Fatalf("the server did not start:\n%s", s.log)
}

// clean removes what would make a test depend on who runs it.
func clean(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "RAPPORT_") && !strings.HasPrefix(v, "EVENTSTORE_URL=") && !strings.HasPrefix(v, "REDIS_URL=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.cmd = nil
}

// stop asks the server to end and waits for it.
func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server ended with %v:\n%s", err, s.log)
	}
	s.cmd = nil
}

// rapport runs a command line against the server and returns what it printed.
func (s *server) rapport(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code = run(ctx, append(args, "--server", s.url), &out, &errs)
	return out.String(), errs.String(), code
}

// must runs a command line that has to succeed.
func (s *server) must(args ...string) string {
	s.t.Helper()
	stdout, stderr, code := s.rapport(args...)
	if code != exitDone {
		s.t.Fatalf("rapport %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// answer is an HTTP answer, read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// field returns a member of a JSON answer, "" if it is absent.
func (a answer) field(path ...string) string {
	var v any
	if json.Unmarshal(a.body, &v) != nil {
		return ""
	}
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	if v == nil {
		return ""
	}
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprint(v)
}

// call sends one request, as curl would.
func (s *server) call(method, path, body string, header ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *server) try(method, path, body string, header ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, content)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

// eventually waits until check returns "", which says what is still missing.
func eventually(t testing.TB, check func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := check()
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(missing)
		case <-tick.C:
		}
	}
}

// shared returns the path of a file of real data, and skips the test where the
// data is not there.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("RAPPORT_SHARED_DATA")
	if dir == "" {
		dir = "../../../shared/data"
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not there: put the real data beside the project, in ../shared/data, or name its folder with RAPPORT_SHARED_DATA", name)
	}
	return path
}
