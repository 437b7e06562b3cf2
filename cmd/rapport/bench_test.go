package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode"
	"github.com/rapport-crm/rapport/readapi"
	"golang.org/x/sync/errgroup"
)

// BenchmarkMaster imports the CDNOW master file into a fresh server and then
// measures, on that data, what an operator waits for. It runs once, whatever
// -benchtime says; every figure stands beside its yardstick, taken in the same run.
func BenchmarkMaster(b *testing.B) {
	file := shared(b, "cdnow_master.csv.gz")
	data := b.TempDir()
	s := serve(b, data, "--calendar", "manual")
	for range b.N {
		if b.N > 1 {
			b.Skip("once is enough: -benchtime 1x")
		}
		customers, orders, took := importMaster(b, s, file)
		report := func(name string, value float64) { b.ReportMetric(value, name) }
		appends := 3*customers + orders // keys, claims and registrations, and orders
		report("import-s", took.Seconds())
		report("import-orders/s", float64(orders)/took.Seconds())
		report("import-appends", float64(appends))
		report("server-peak-MB", peakMB(b, s.cmd.Process.Pid))
		report("redis-peak-MB", peakMB(b, redisOf(b, s)))

		started := time.Now()
		s.must("calendar", "close", "1998-06-30")
		report("close-day-s", time.Since(started).Seconds())
		b.Logf("labels of the master at 1998-06-30: %v", labelCounts(b, s))
		for name, args := range map[string][]string{
			"study-s": {"--as-of", "1997-09-30"}, "study-by-source-s": {"--as-of", "1997-09-30", "--source", "cdnow"},
			"movement-s": {"--moved-since", "1997-09-30"}, "live-export-s": nil,
		} {
			started = time.Now()
			s.must(append([]string{"rfm"}, args...)...)
			report(name, time.Since(started).Seconds())
		}

		raws := wholeLog(b, s)
		report("log-events", float64(len(raws)))
		bare := bareAppends(b, raws)
		report("bare-appends-s", bare.Seconds())
		report("import-per-bare", took.Seconds()/bare.Seconds())
		raws = nil
		s.stop()

		read := bareRead(b, data)
		report("bare-read-events/s", read.rate)
		started = time.Now()
		s.start("--calendar", "manual")
		untilReady(b, s)
		report("restart-s", time.Since(started).Seconds())
		report("bare-read-s", read.took.Seconds())

		rebuild := rebuildAll(b, s)
		report("rebuild-s", rebuild.Seconds())
		report("rebuild-events/s", float64(read.events)/rebuild.Seconds())
		report("rebuild-per-bare-read", float64(read.events)/rebuild.Seconds()/read.rate)
		s.stop()

		started = time.Now()
		s.start("--calendar", "manual", "--in-process-redis")
		untilReady(b, s)
		report("restart-in-process-redis-s", time.Since(started).Seconds())
	}
}

// importMaster imports the file and waits until all read models are caught up.
func importMaster(b *testing.B, s *server, file string) (customers, orders int64, took time.Duration) {
	b.Helper()
	started := time.Now()
	out := s.must("import", "orders", file, "--source", "cdnow", "--currency", "USD", "--map", "customer=customer_id,date=date,amount=amount,quantity=cds")
	imported := time.Since(started)
	untilReady(b, s)
	took = time.Since(started)
	b.Logf("imported in %.2f s, caught up after %.2f s: %s", imported.Seconds(), took.Seconds(), strings.TrimSpace(out))
	if _, err := fmt.Sscanf(out, "read %d,", &orders); err != nil {
		b.Fatal(err)
	}
	const masterCustomers = 23570
	return masterCustomers, orders, took
}

// rebuildAll rebuilds every view and returns how long it took, the switch included.
func rebuildAll(b *testing.B, s *server) time.Duration {
	b.Helper()
	started := time.Now()
	location := s.call("POST", "/v1/projections/all/rebuild", "{}").header.Get("Location")
	eventually(b, func() string {
		if a := s.call("GET", location, ""); a.field("state") != "done" {
			return string(a.body)
		}
		return ""
	})
	return time.Since(started)
}

// untilReady waits until the server is ready and every view is at the head of the log.
func untilReady(b *testing.B, s *server) {
	b.Helper()
	eventually(b, func() string {
		a, err := s.try("GET", "/v1/projections", "")
		if err != nil || a.status != 200 {
			return fmt.Sprint("projections: ", err, a.status)
		}
		var p struct {
			Views []struct {
				Name                string
				Position, Head, Lag uint64
				Generation          int
			} `json:"views"`
		}
		if err := json.Unmarshal(a.body, &p); err != nil {
			return err.Error()
		}
		for _, v := range p.Views {
			if v.Lag > 0 || v.Head == 0 || v.Generation == 0 {
				return fmt.Sprintf("%+v", v)
			}
		}
		if r, err := s.try("GET", "/readyz", ""); err != nil || r.status != 200 {
			return fmt.Sprintf("readyz: %v %s", err, r.body)
		}
		return ""
	})
}

// peakMB is the most memory a process ever had.
func peakMB(b *testing.B, pid int) float64 {
	b.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Log(err)
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			return n / 1024
		}
	}
	return 0
}

func labelCounts(b *testing.B, s *server) map[string]int {
	b.Helper()
	var d struct {
		ByLabel []struct {
			Label     string
			Customers int
		} `json:"by_label"`
	}
	if err := json.Unmarshal(s.call("GET", "/v1/rfm/distribution", "").body, &d); err != nil {
		b.Fatal(err)
	}
	counts := map[string]int{}
	for _, l := range d.ByLabel {
		counts[l.Label] = l.Customers
	}
	return counts
}

// wholeLog reads the log as it is exported.
func wholeLog(b *testing.B, s *server) (raws []eventschema.Raw) {
	b.Helper()
	c := &client.Client{Server: s.url}
	err := c.Lines(b.Context(), "/v1/log", nil, ndjson, func(line []byte) error {
		var e readapi.ExportedEvent
		if err := json.Unmarshal(line, &e); err != nil || e.Stream == "" || e.Type == "" {
			return err
		}
		raws = append(raws, eventschema.Raw{
			ID: e.ID, Stream: e.Stream, Revision: e.Revision, Type: e.Type, Data: []byte(e.Data), Metadata: []byte(e.Metadata),
		})
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return raws
}

// openNode starts a node and a client of it in this process, as the server does.
func openNode(b *testing.B, dir string) (store *esdb.Store, closeAll func()) {
	b.Helper()
	node, err := esnode.Open(esnode.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "rapport")
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(sockets, "node"))
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- node.Serve(l) }()
	store, err = esdb.Open(esdb.Config{Address: "unix://" + l.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	return store, func() {
		store.Close()
		node.Close()
		if err := <-served; err != nil {
			b.Error(err)
		}
		os.RemoveAll(sockets)
	}
}

// bareAppends makes the appends that a log was made by, alone, through the same
// client from 64 writers, and returns how long that took.
func bareAppends(b *testing.B, raws []eventschema.Raw) time.Duration {
	b.Helper()
	store, closeAll := openNode(b, b.TempDir())
	defer closeAll()
	type unit struct {
		stream string
		after  int64
		events []eventschema.Raw
	}
	var units []unit
	var last uuid.UUID
	for _, raw := range raws {
		meta, err := eventschema.Events.Meta(raw)
		if err != nil {
			b.Fatal(err)
		}
		if n := len(units); n > 0 && units[n-1].stream == raw.Stream && meta.Command == last {
			units[n-1].events = append(units[n-1].events, raw)
			continue
		}
		last = meta.Command
		units = append(units, unit{raw.Stream, int64(raw.Revision) - 1, []eventschema.Raw{raw}})
	}
	// The units of one stream stay with one writer, in order.
	const writers = 64
	var queues [writers][]unit
	for _, u := range units {
		h := uint32(2166136261)
		for i := range len(u.stream) {
			h = (h ^ uint32(u.stream[i])) * 16777619
		}
		queues[h%writers] = append(queues[h%writers], u)
	}
	var done atomic.Int64
	started := time.Now()
	g, ctx := errgroup.WithContext(b.Context())
	for _, q := range queues {
		g.Go(func() error {
			for _, u := range q {
				if _, err := store.Append(ctx, u.stream, u.after, u.events); err != nil {
					return fmt.Errorf("%s after %d: %w", u.stream, u.after, err)
				}
				done.Add(1)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(started)
	b.Logf("%d bare appends in %.2f s: %.0f/s", done.Load(), took.Seconds(), float64(done.Load())/took.Seconds())
	return took
}

type reading struct {
	events int
	took   time.Duration
	rate   float64
}

// bareRead reads the whole log through the same client into nothing.
func bareRead(b *testing.B, data string) (r reading) {
	b.Helper()
	store, closeAll := openNode(b, filepath.Join(data, logFolder))
	defer closeAll()
	started := time.Now()
	err := store.Follow(b.Context(), 0, nil, func(p eventschema.Page) error {
		r.events += len(p.Events)
		if p.Live {
			return io.EOF
		}
		return nil
	})
	if err != io.EOF {
		b.Fatal(err)
	}
	r.took = time.Since(started)
	r.rate = float64(r.events) / r.took.Seconds()
	return r
}
