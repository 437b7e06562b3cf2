package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
)

// shoppers is a population as shops have it: many who came once, few who come
// often, amounts over some orders of magnitude.
func shoppers(n int) *Population {
	r := rand.New(rand.NewPCG(1, 2))
	p := &Population{AsOf: 100, Currency: "EUR", Features: Default()}
	for range n {
		id := uuid.UUID{}
		for j := range 16 {
			id[j] = byte(r.Uint32())
		}
		orders := 1 + int64(r.ExpFloat64()*3)
		p.Customers = append(p.Customers, id)
		p.Values = append(p.Values, int64(r.ExpFloat64()*120), orders, orders*int64(math.Exp(r.NormFloat64()+8)))
	}
	return p
}

// What grouping 100,000 customers costs.
func BenchmarkSolve(b *testing.B) {
	p := shoppers(100_000)
	for _, r := range []Requested{{K: 8, MaxIterations: 100}, {MinK: 2, MaxK: 8, MaxIterations: 100}} {
		r.Features, r.Seed = Default(), 1
		b.Run(fmt.Sprintf("k=%d/%d to %d", r.K, r.MinK, r.MaxK), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := Solve(r, "", 1, p)
				b.ReportMetric(float64(a.Fitted.Iterations), "iterations")
				b.ReportMetric(float64(a.Fitted.K), "clusters")
			}
		})
	}
}

// What a customer costs who is assigned.
func BenchmarkAssign(b *testing.B) {
	p := shoppers(2_000)
	f := Solve(Requested{Features: Default(), K: 8, MaxIterations: 100}, "", 1, p).Fitted
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.AssignRow(p.Row(i % 2_000))
	}
}

// What putting 64 contributions of 100,000 customers together costs.
func BenchmarkMerge(b *testing.B) {
	p := shoppers(100_000)
	stored := make([][]byte, 64)
	size := 0
	for part := range stored {
		n := NewNote(p.AsOf, p.Currency, p.Features)
		for i := part; i < len(p.Customers); i += len(stored) {
			n.Add(p.Customers[i], p.Row(i))
		}
		stored[part] = n.Encode()
		size += len(stored[part])
	}
	b.ReportAllocs()
	for b.Loop() {
		notes := make([]*Note, len(stored))
		for i := range stored {
			n, err := DecodeNote(stored[i])
			if err != nil {
				b.Fatal(err)
			}
			notes[i] = n
		}
		if _, err := Merge(notes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(len(p.Customers)), "bytes/customer")
}
