package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
)

// BenchmarkLoyalty imports the CDNOW master file under a programme whose points
// lapse after a year, lives through the end of it, and measures what an operator
// waits for. It runs once, whatever -benchtime says.
func BenchmarkLoyalty(b *testing.B) {
	file := shared(b, "cdnow_master.csv.gz")
	s := serve(b, b.TempDir(), "--calendar", "manual")
	startProgram(s, `{"kind":"months","months":12}`)
	for range b.N {
		if b.N > 1 {
			b.Skip("once is enough: -benchtime 1x")
		}
		_, orders, took := importMaster(b, s, file)
		b.ReportMetric(took.Seconds(), "import-s")
		b.ReportMetric(float64(orders)/took.Seconds(), "import-orders/s")
		timed := func(name string, work func()) {
			started := time.Now()
			work()
			b.ReportMetric(time.Since(started).Seconds(), name)
		}
		timed("close-and-book-s", func() { s.must("calendar", "close", "1998-06-30", "--settled", "--wait", "10m") })
		timed("export-live-s", func() { s.must("loyalty") })
		timed("export-as-of-s", func() { s.must("loyalty", "--as-of", "1997-12-31") })
		timed("liability-live-s", func() { s.call("GET", "/v1/loyalty/liability", "") })
		timed("liability-as-of-s", func() { s.call("GET", "/v1/loyalty/liability?as_of=1997-12-31", "") })
		timed("expiring-s", func() { s.call("GET", "/v1/loyalty/expiring?days=30", "") })
		b.ReportMetric(peakMB(b, s.cmd.Process.Pid), "server-peak-MB")
		b.ReportMetric(peakMB(b, redisOf(b, s)), "redis-peak-MB")
	}
}

// BenchmarkBigAccount measures an account of many lots: what an order costs, how
// long its queries take, and how long its proof does.
func BenchmarkBigAccount(b *testing.B) {
	for _, lots := range []int{1000, 3000} {
		b.Run(fmt.Sprint(lots), func(b *testing.B) {
			if b.N > 1 {
				b.Skip("once is enough: -benchtime 1x")
			}
			s := serve(b, b.TempDir(), "--calendar", "manual")
			startProgram(s, `{"kind":"never"}`)
			id := uuid.NewString()
			s.call("POST", "/v1/customers", fmt.Sprintf(`{"customer_id":%q,"kind":"person","name":{"given":"Ada"},"source":{"channel":"store"},"registered_at":"1997-01-01T10:00:00Z"}`, id))
			customer := "/v1/customers/" + id
			last := ""
			order := func(n int) {
				at := time.Date(1997, 1, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
				a := s.call("POST", customer+"/record-order", fmt.Sprintf(`{"order_id":"o%d","total":{"amount_minor":1000,"currency":"USD"},"placed_at":%q,"paid_at":%q}`, n, at, at))
				if a.status != 201 {
					b.Fatalf("%d %s", a.status, a.body)
				}
				last = a.header.Get("Rapport-Position")
			}
			for n := range lots {
				order(n)
			}
			timed := func(name string, times int, work func()) {
				started := time.Now()
				for range times {
					work()
				}
				b.ReportMetric(float64(time.Since(started).Microseconds())/1000/float64(times), name)
			}
			get := func(path string) func() {
				return func() {
					if a := s.call("GET", customer+path, ""); a.status != 200 {
						b.Fatalf("%s: %d %s", path, a.status, a.body)
					}
				}
			}
			untilReady(b, s)
			n := lots
			timed("order-ms", 20, func() { order(n); n++ })
			timed("order-until-shown-ms", 20, func() { order(n); n++; get("/loyalty?min_position=" + last)() })
			timed("loyalty-ms", 5, get("/loyalty"))
			timed("ledger-page-ms", 5, get("/ledger?limit=50"))
			timed("ledger-verify-ms", 5, get("/ledger/verify"))
		})
	}
}
