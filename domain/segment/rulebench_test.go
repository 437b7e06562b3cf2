package segment_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/segment"
)

// shopper returns a customer with so many orders, one every third day.
func shopper(orders int) *Customer {
	first := domain.NewDate(2020, 1, 1)
	since := first + 10
	c := &Customer{
		Kind: "person", Locale: "de-DE", Registered: &first, Tags: []string{"vip", "newsletter"},
		Stage: Stage{Name: "customer", Since: &since},
		Consented: func(purpose, channel string) (bool, *domain.Date) {
			return purpose == "marketing" && channel == "email", nil
		},
		RFM: RFM{Scored: true, R: 5, F: 4, M: 3, Score: 543, Label: "Loyal Customers"},
	}
	for i := range orders {
		c.Orders = append(c.Orders, Order{
			ID: fmt.Sprint(i), EventID: uuid.UUID{1, byte(i), byte(i >> 8)}, On: first + domain.Date(3*i), Currency: "EUR",
			Amount: int64(1000 + i%7*500), Net: int64(1000 + i%7*500), Paid: i%5 > 0, Channel: "web", Quantity: 1,
		})
	}
	for i := range 5 * orders {
		c.Events = append(c.Events, Happening{
			Type: "customer.tag_added", ID: uuid.UUID{2, byte(i), byte(i >> 8)}, On: first + domain.Date(i), Fields: map[string]any{"tag": "vip"},
		})
	}
	return c
}

const typical = `stage.name == "customer" && "vip" in tags && orders.filter(o, o.paid && o.net >= 1500).within(90).count() >= 2 && consent("marketing", "email")`

func BenchmarkEval(b *testing.B) {
	for _, x := range []struct {
		name, rule string
		orders     int
	}{
		{"plain", `rfm.label in ["Champions", "Loyal Customers"] && days_since(stage.since) >= 30`, 5},
		{"typical/5", typical, 5},
		{"typical/1000", typical, 1000},
		{"typical/10000", typical, 10000},
		{"sum/1000", `orders.filter(o, o.paid).map(o, o.net).sum() > 100`, 1000},
		{"events/5000", `events("customer.tag_added").exists(e, e.fields.tag == "none")`, 1000},
	} {
		b.Run(x.name, func(b *testing.B) {
			r, err := Compile(x.rule, nil)
			if err != nil {
				b.Fatal(err)
			}
			c := shopper(x.orders)
			on := domain.NewDate(2020, 1, 14)
			if x.orders > 5 {
				on = c.Orders[x.orders-1].On
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Eval(c, Moment{On: &on}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(typical, Attributes{"colour": "text"}); err != nil {
			b.Fatal(err)
		}
	}
}
