package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/population"
)

// BenchmarkImportCustomers imports 100,000 generated customers (or as many as
// RAPPORT_BENCH_CUSTOMERS says) into a fresh server, again into the same one, and
// then lists the duplicates among them. It runs once, whatever -benchtime says.
func BenchmarkImportCustomers(b *testing.B) {
	n := 100_000
	if text := os.Getenv("RAPPORT_BENCH_CUSTOMERS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	file := populationFile(b, n)
	s := serve(b, b.TempDir(), "--calendar", "manual")
	for range b.N {
		if b.N > 1 {
			b.Skip("once is enough: -benchtime 1x")
		}
		took, peak := importFile(b, s, file)
		b.ReportMetric(float64(n)/took.Seconds(), "rows/s")
		b.ReportMetric(peak, "importer-peak-MB")
		b.ReportMetric(peakMB(b, s.cmd.Process.Pid), "server-peak-MB")
		untilReady(b, s)
		took, _ = importFile(b, s, file)
		b.ReportMetric(float64(n)/took.Seconds(), "rows-again/s")

		pages, pairs := duplicatePages(b, s)
		slices.Sort(pages)
		b.ReportMetric(float64(pairs), "pairs")
		b.ReportMetric(float64(len(pages)), "pages")
		b.ReportMetric(pages[len(pages)/2].Seconds()*1000, "page-p50-ms")
		b.ReportMetric(pages[len(pages)-1].Seconds()*1000, "page-max-ms")
	}
}

// populationFile writes customers as a shop would export them.
func populationFile(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "customers.csv")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "id,first,last,mail,tel,dob,land,city,labels,since")
	for _, c := range population.Generate(1, n, demoFrom, demoJoined, demoUntil) {
		born := ""
		if c.Born != nil {
			born = c.Born.String()
		}
		since := domain.DateOf(c.Orders[0].At, time.UTC)
		fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", c.ID, c.Given, c.Family, c.Email, c.Phone, born, c.Country, c.City, strings.Join(c.Tags, ";"), since)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// importFile imports in a process of its own, and returns how long that took and
// the most memory it ever had.
func importFile(b *testing.B, s *server, file string) (took time.Duration, peak float64) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "import", "customers", file, "--source", "shop", "--server", s.url,
		"--map", "customer=id,given=first,family=last,email=mail,phone=tel,birth_date=dob,country=land,city=city,tags=labels,registered_at=since")
	cmd.Env = append(clean(os.Environ()), asRapport+"=1")
	started := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	took = time.Since(started)
	b.Logf("%.1f s: %s", took.Seconds(), out[strings.LastIndex(string(out), "read "):])
	return took, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}

// duplicatePages walks the list of duplicates and returns how long each page took.
func duplicatePages(b *testing.B, s *server) (took []time.Duration, pairs int) {
	b.Helper()
	for cursor := ""; ; {
		started := time.Now()
		a := s.call("GET", "/v1/duplicates?cursor="+cursor, "")
		took = append(took, time.Since(started))
		var page struct {
			Pairs      []json.RawMessage
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(a.body, &page); err != nil || a.status != 200 {
			b.Fatalf("%d %s", a.status, a.body)
		}
		pairs += len(page.Pairs)
		if cursor = page.NextCursor; cursor == "" {
			return took, pairs
		}
	}
}
