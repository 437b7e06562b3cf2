package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/population"
	"golang.org/x/sync/errgroup"
)

// fiftyRules are rules of every kind, by the ids of their segments.
func fiftyRules() (rules [][2]string) {
	add := func(id, rule string) { rules = append(rules, [2]string{id, rule}) }
	for _, label := range []string{
		"Champions", "Loyal Customers", "Potential Loyalist", "New Customers", "Promising", "Need Attention",
		"About To Sleep", "At Risk", "Can't Lose Them", "Hibernating", "Lost",
	} {
		id := strings.ToLower(strings.NewReplacer(" ", "-", "'", "").Replace(label))
		add("rfm-"+id, fmt.Sprintf("rfm.label == %q", label))
	}
	for _, days := range []int{30, 60, 90, 180, 365} {
		add(fmt.Sprintf("bought-%d", days), fmt.Sprintf("orders.within(%d).count() > 0", days))
		add(fmt.Sprintf("silent-%d", days), fmt.Sprintf("orders.count() > 0 && days_since(orders.last().on) >= %d", days))
		add(fmt.Sprintf("spent-%d", days), fmt.Sprintf("orders.within(%d).map(o, o.net).sum() >= 10000", days))
		add(fmt.Sprintf("stage-%d", days), fmt.Sprintf("stage.name == 'active' && held_for(stage, %d)", days))
	}
	for _, tag := range []string{"vip", "press", "staff", "b2b", "trial"} {
		add("tag-"+tag, fmt.Sprintf("%q in tags", tag))
	}
	add("repeat", "orders.count() >= 2")
	add("repeat-lately", `in_segment("repeat") && in_segment("bought-90")`)
	add("repeat-silent", `in_segment("repeat") && in_segment("silent-90") && !in_segment("tag-staff")`)
	add("big-baskets", "orders.exists(o, o.amount >= 20000)")
	add("germany", `demographics.country == "DE"`)
	add("grown-up", "age(demographics.birth_date) >= 18")
	add("mail", `consent("marketing", "email")`)
	add("members", "loyalty.member && loyalty.spendable >= 100")
	add("pooled", `owner.id == ""`)
	add("top-revenue", `percentile("revenue") >= 95`)
	add("top-lately", `percentile("revenue_window") >= 80 && orders.within(90).count() > 0`)
	add("pyramid-top", `value.band == "top"`)
	add("tagged-twice", `events("customer.tag_added").within(30).count() >= 2`)
	add("second-order", `orders.followed_by(orders, 30)`)
	return rules
}

// BenchmarkSegments lets many customers stand to fifty segments, and measures what an
// operator waits for and how fresh memberships are under load. It runs once, whatever
// -benchtime says. RAPPORT_BENCH_CUSTOMERS says how many customers; 100,000 if it is
// not set.
func BenchmarkSegments(b *testing.B) {
	if b.N > 1 {
		b.Skip("once is enough: -benchtime 1x")
	}
	n := 100_000
	if text := os.Getenv("RAPPORT_BENCH_CUSTOMERS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	report := func(name string, value float64) {
		b.ReportMetric(value, name)
		b.Logf("%s: %.3f", name, value)
	}
	s := serve(b, b.TempDir(), "--calendar", "manual")
	timed := func(name string, work func()) {
		started := time.Now()
		work()
		report(name, time.Since(started).Seconds())
	}
	last := domain.NewDate(2025, 6, 30)
	file, orders := ordersOf(b, n, last)
	timed("import-s", func() {
		s.must("import", "orders", file, "--source", "shop", "--currency", "USD", "--map", "customer=customer,date=date,amount=amount")
		untilReady(b, s)
	})
	report("orders", float64(orders))
	bare := usedMB(b, s)
	report("redis-MB", bare)
	report("redis-kB/customer", bare*1024/float64(n))
	timed("first-close-s", func() { s.must("calendar", "close", last.String(), "--wait", "10m"); untilFilled(b, s) })

	timed("stage-moves-s", func() { s.must("calendar", "close", last.String(), "--settled", "--wait", "10m") })

	rules := fiftyRules()
	timed("define-fifty-s", func() {
		for _, r := range rules {
			define(b, s, r[0], r[1])
		}
		untilFilled(b, s)
	})
	report("segments", float64(len(rules)))
	full := usedMB(b, s)
	report("redis-segments-kB/customer", full*1024/float64(n))

	timed("close-first-s", func() {
		s.must("calendar", "close", (last + 1).String(), "--settled", "--wait", "10m")
		untilFilled(b, s)
	})
	before := evaluations(b, s)
	timed("close-day-s", func() { s.must("calendar", "close", (last + 2).String(), "--wait", "10m"); untilFilled(b, s) })
	after := evaluations(b, s)
	for _, cause := range []string{"day", "calibration"} {
		report("close-evaluated-"+cause, after[cause]-before[cause])
	}
	timed("recalibrate-s", func() { s.must("calendar", "calibrate", "--wait", "10m") })
	timed("publish-one-s", func() {
		define(b, s, "one-more", "orders.within(45).count() > 0 && orders.count() >= 2")
		untilFilled(b, s)
	})
	report("server-peak-MB", peakMB(b, s.cmd.Process.Pid))
	freshness(b, s, 500, 20*time.Second, report)
}

// ordersOf writes orders of n invented customers into a file.
func ordersOf(b *testing.B, n int, last domain.Date) (path string, orders int) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "orders.csv")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "customer,date,amount")
	for _, c := range population.Generate(5, n, last-179, last, last) {
		for _, o := range c.Orders {
			fmt.Fprintf(w, "%s,%s,%d.%02d\n", c.ID, o.At.Format(time.DateOnly), o.Minor/100, o.Minor%100)
			orders++
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path, orders
}

func define(b *testing.B, s *server, id, rule string) {
	b.Helper()
	body, err := json.Marshal(map[string]string{"segment_id": id, "kind": "dynamic", "name": id, "rule": rule})
	if err != nil {
		b.Fatal(err)
	}
	if a := s.call("POST", "/v1/segments/define-segment", string(body)); a.status != 201 {
		b.Fatalf("%s: %d %s", id, a.status, a.body)
	}
}

// untilFilled waits until no segment is being filled.
func untilFilled(b *testing.B, s *server) {
	b.Helper()
	eventually(b, func() string {
		var list struct {
			Segments []struct {
				SegmentID string          `json:"segment_id"`
				Filling   json.RawMessage `json:"filling"`
			} `json:"segments"`
		}
		a, err := s.try("GET", "/v1/segments", "")
		if err != nil || a.status != 200 {
			return fmt.Sprint("segments: ", err, string(a.body))
		}
		if err := json.Unmarshal(a.body, &list); err != nil {
			return err.Error()
		}
		for _, is := range list.Segments {
			if f := string(is.Filling); f != "" && f != "null" {
				return is.SegmentID + " is being filled: " + f
			}
		}
		return ""
	})
}

// usedMB is the memory of the data in Redis.
func usedMB(b *testing.B, s *server) float64 {
	b.Helper()
	return peakMB(b, redisOf(b, s))
}

// evaluations reads how many customers were evaluated, by cause.
func evaluations(b *testing.B, s *server) map[string]float64 {
	b.Helper()
	counts := map[string]float64{}
	for line := range strings.Lines(string(s.call("GET", "/metrics", "").body)) {
		if rest, ok := strings.CutPrefix(line, `rapport_segment_evaluations_total{cause="`); ok {
			cause, value, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
			counts[cause], _ = strconv.ParseFloat(value, 64)
		}
	}
	return counts
}

// freshness gives commands at a steady rate, each of which puts a customer into a
// segment or takes them out of it, and measures from the answer of each to the answer
// of a query that shows it. Two thousand customers take turns; the program has
// seen each of them before.
func freshness(b *testing.B, s *server, rate int, lasting time.Duration, report func(string, float64)) {
	b.Helper()
	var ids []string
	var page struct {
		Customers []struct {
			CustomerID string `json:"customer_id"`
		} `json:"customers"`
		Next string `json:"next_cursor"`
	}
	const most = 2000
	for cursor := ""; len(ids) < most; cursor = page.Next {
		path := "/v1/customers?limit=500"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		page.Customers, page.Next = nil, ""
		if err := json.Unmarshal(s.call("GET", path, "").body, &page); err != nil {
			b.Fatal(err)
		}
		for _, c := range page.Customers {
			ids = append(ids, c.CustomerID)
		}
		if page.Next == "" {
			break
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	var mu sync.Mutex
	var answered, shown []time.Duration
	// run lets n commands come at the rate; those of one customer are far apart.
	run := func(n, from int) time.Duration {
		answered, shown = nil, nil
		group, ctx := errgroup.WithContext(context.Background())
		group.SetLimit(256)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		started := time.Now()
		for i := from; i < from+n && ctx.Err() == nil; i++ {
			<-tick.C
			group.Go(func() error {
				command, fresh, err := tagAndSee(ctx, client, s.url, ids[i%len(ids)], i/len(ids)%2 == 0)
				mu.Lock()
				defer mu.Unlock()
				answered, shown = append(answered, command), append(shown, fresh)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		return time.Since(started)
	}
	run(len(ids), 0)
	took := run(rate*int(lasting.Seconds()), len(ids))
	report("commands/s", float64(len(shown))/took.Seconds())
	for name, all := range map[string][]time.Duration{"command": answered, "fresh": shown} {
		slices.Sort(all)
		for _, p := range []int{50, 99} {
			report(fmt.Sprintf("%s-p%d-ms", name, p), float64(all[(len(all)-1)*p/100].Microseconds())/1000)
		}
	}
}

// tagAndSee puts a tag on a customer, or takes it off, and asks for their segments
// until the tag's is among them, or is not.
func tagAndSee(ctx context.Context, client *http.Client, url, id string, on bool) (command, fresh time.Duration, err error) {
	name := map[bool]string{true: "add-tag", false: "remove-tag"}[on]
	started := time.Now()
	a, err := ask(ctx, client, http.MethodPost, url+"/v1/customers/"+id+"/"+name, `{"tag":"vip"}`)
	if err != nil {
		return 0, 0, err
	}
	command, started = time.Since(started), time.Now()
	position := a.header.Get("Rapport-Position")
	for {
		a, err := ask(ctx, client, http.MethodGet, url+"/v1/customers/"+id+"/segments?min_position="+position, "")
		if err != nil {
			return command, 0, err
		}
		if strings.Contains(string(a.body), `"tag-vip"`) == on {
			return command, time.Since(started), nil
		}
	}
}

func ask(ctx context.Context, client *http.Client, method, url, body string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", uuid.NewString())
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %d %s", url, resp.StatusCode, b)
	}
	return answer{resp.StatusCode, resp.Header, b}, err
}
