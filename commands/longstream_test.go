package commands_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/memlog"
)

// ordered returns a customer with so many orders, of whom the writer knows all.
func ordered(t testing.TB, w *commands.Writer, orders int) (id uuid.UUID, next func()) {
	id = uuid.New()
	r := request("register-customer")
	r.New = true
	if _, err := commands.Execute(t.Context(), w, r, customer.Register{
		Subject: w.World.Subject(id), Name: customer.Name{Given: "Ada"}, Source: customer.Source{Channel: "shop"},
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	next = func() {
		n++
		if _, err := commands.Execute(t.Context(), w, request("record-order"), order(w, id, fmt.Sprint("o", n), 100)); err != nil {
			t.Fatal(err)
		}
	}
	for n < orders {
		next()
	}
	return id, next
}

// A warm command does the same work whatever the length of the stream.
func TestAWarmCommandCostsTheSameOnALongStream(t *testing.T) {
	log := &faulty{Log: &memlog.Log{}}
	w := writer(log, new(clock))
	allocations := func(orders int) float64 {
		_, next := ordered(t, w, orders)
		before := log.reads.Load()
		count := testing.AllocsPerRun(200, next)
		if n := log.reads.Load() - before; n != 0 {
			t.Errorf("%d reads", n)
		}
		return count
	}
	short, long := allocations(10), allocations(10_000)
	if long > short+5 {
		t.Errorf("%v allocations a command after 10,000 orders, %v after 10", long, short)
	}
}

// The same command again has the same answer on a long stream, warm and cold.
func TestAnOldCommandIsRecognised(t *testing.T) {
	log := new(memlog.Log)
	w := writer(log, new(clock))
	id, next := ordered(t, w, 50)
	r, paid := request("record-order"), noon
	o := order(w, id, "paid", 100)
	o.PaidAt = &paid
	first, err := commands.Execute(t.Context(), w, r, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		next()
	}
	for name, w := range map[string]*commands.Writer{"warm": w, "cold": writer(log, new(clock))} {
		again, err := commands.Execute(t.Context(), w, r, o)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("%s: %+v %v, want %+v", name, again, err, first)
		}
		other := o
		other.OrderID = "another"
		if _, err := commands.Execute(t.Context(), w, r, other); err == nil {
			t.Errorf("%s: the same id takes another body", name)
		}
	}
}

func BenchmarkLongStream(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			log := new(memlog.Log)
			w := writer(log, new(clock))
			var before, after runtime.MemStats
			id, next := ordered(b, w, n)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			// What is remembered of the customer: the cold writer holds nothing else.
			cold := writer(log, new(clock))
			runtime.GC()
			runtime.ReadMemStats(&before)
			if _, err := commands.Execute(b.Context(), cold, request("record-order"), order(cold, id, "last", 1)); err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B-remembered/event")
			runtime.KeepAlive(cold)
		})
	}
}
