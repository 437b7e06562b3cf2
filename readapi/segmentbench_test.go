package readapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
)

// What a preview costs a customer, and what an explanation of a customer with many
// orders takes.
func BenchmarkSegments(b *testing.B) {
	const people, orders = 2000, 1000
	s := newSegmentClub(b)
	for n := range uint64(people) {
		c := someone(n + 10)
		s.customer(c, customer.Registered{Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: s.clock})
		for i := range 5 {
			s.order(c, fmt.Sprint("o", i), "2026-03-01", int64(1000+n))
		}
		s.customer(c, customer.TagAdded{Tag: "vip", At: s.clock})
	}
	many := someone(5)
	s.customer(many, customer.Registered{Kind: customer.Person, Source: customer.Source{Channel: "web"}, RegisteredAt: s.clock})
	for i := range orders {
		s.order(many, fmt.Sprint("o", i), "2026-03-01", 1000)
		s.pays(many, fmt.Sprint("o", i), dated("2026-03-01"))
	}
	s.project()
	for name, rule := range map[string]string{"tags": `"vip" in tags`, "orders": `orders.within(30).count() >= 5`, "percentile": `percentile("orders") >= 10`} {
		b.Run("preview/"+name, func(b *testing.B) {
			for b.Loop() {
				s.preview(map[string]any{"rule": rule, "limit": 1}).status(http.StatusOK)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/people, "ns/customer")
		})
	}
	for _, path := range []string{"/v1/segments/best/explain/", "/v1/segments/recent/explain/"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				s.get(path + many.String()).status(http.StatusOK)
			}
		})
	}
}
