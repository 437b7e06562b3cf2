package value_test

import (
	"fmt"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/value"
)

// All measures and the band of a customer: what an evaluation costs.
func BenchmarkMeasures(b *testing.B) {
	p, c := Default("EUR"), of([]int64{1, 2, 3, 1000, 2000, 100_000})
	for _, n := range []int{5, 50, 5000} {
		var in Inputs
		for i := range n {
			in.Orders = append(in.Orders, order(fmt.Sprint(i), domain.Date(i%365), 1000, 300))
			if i%5 == 0 {
				in.Costs = append(in.Costs, cost(fmt.Sprint(i), Service, domain.Date(i%365), 50))
			}
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				measures := MeasuresOf(&in, &p, AsOf(364, nil))
				m := measures.Of(Contributed)
				if c.Band(&p, Result{Known: m.Known, ContributionMinor: m.Value}) == Unknown {
					b.Fatal("it is known")
				}
			}
		})
	}
}
