package rfm

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/rfm"
)

// What one more order costs a customer who has so many already.
func BenchmarkOrder(b *testing.B) {
	w := world(published(1, 0, rfm.Default("EUR")), calendar.DayClosed{Date: 100}, calibrated(2, 100))
	for _, n := range []int{3, 100, 10_000} {
		var d Document
		for i := range n {
			fold(&d, event(recorded(fmt.Sprintf("0198f0a0-0000-7000-8000-%012d", i), domain.Date(i%90), 1234, "EUR")))
		}
		stored, err := json.Marshal(&d)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint("places and totals/", n), func(b *testing.B) {
			for b.Loop() {
				indexes(&d, w)
				metrics(&d, w)
			}
		})
		b.Run(fmt.Sprint("encode/", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := json.Marshal(&d); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(stored))/float64(n), "bytes/order")
		})
		b.Run(fmt.Sprint("decode/", n), func(b *testing.B) {
			for b.Loop() {
				var d Document
				if err := json.Unmarshal(stored, &d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
