package segment_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	. "github.com/rapport-crm/rapport/domain/segment"
)

// naive is a rule twice: as a text, and as a function that asks the calendar for
// each day anew and knows nothing of boundaries.
type naive struct {
	text  string
	holds func(c *Customer, day *domain.Date) bool
}

// dice generates rules and customers.
type dice struct{ *rand.Rand }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// leapDay lies in the middle of the days that are evaluated.
var leapDay = domain.NewDate(2024, time.February, 29)

func (d dice) date() domain.Date {
	if d.IntN(4) == 0 {
		return pick(d, leapDay, leapDay-1, leapDay+1, domain.NewDate(2020, 2, 29), domain.NewDate(2023, 2, 28), domain.NewDate(2023, 3, 1), domain.NewDate(2025, 2, 28))
	}
	return leapDay - 400 + domain.Date(d.IntN(800))
}

func (d dice) maybe() *domain.Date {
	if d.IntN(5) == 0 {
		return nil
	}
	on := d.date()
	return &on
}

func (d dice) customer() *Customer {
	c := &Customer{
		Kind: pick(d, "person", "organisation"), Registered: d.maybe(), Demographics: Demographics{BirthDate: d.maybe()},
		Stage: Stage{Name: pick(d, "prospect", "customer"), Since: d.maybe()}, Attributes: map[string]attribute.Value{},
	}
	if on := d.maybe(); on != nil {
		c.Attributes["joined"] = attribute.Of(attribute.Date, on.String())
	}
	given, until := d.IntN(3) > 0, d.maybe()
	c.Consented = func(string, string) (bool, *domain.Date) { return given, until }
	on := d.date()
	for range d.IntN(5) {
		c.Orders = append(c.Orders, Order{On: on, Amount: int64(d.IntN(100)), Paid: d.IntN(2) == 0})
		on += domain.Date(d.IntN(60))
	}
	for range d.IntN(4) {
		c.Events = append(c.Events, Happening{
			Type: pick(d, "customer.tag_added", "customer.tag_added", "customer.tag_removed"), On: d.date(),
			Fields: map[string]any{"tag": pick(d, "vip", "new")},
		})
	}
	return c
}

// elapsed is how many days have passed since a date; years likewise by counting.
func elapsed(since domain.Date, day *domain.Date) int {
	if day == nil || *day < since {
		return 0
	}
	return int(*day - since)
}

func years(since domain.Date, day *domain.Date) (n int) {
	for day != nil && since.AddMonths(12*(n+1)) <= *day {
		n++
	}
	return n
}

func inside(on domain.Date, n int, day *domain.Date) bool { return day == nil || int(*day-on) < n }

func compares(op string, a, b int) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

func (d dice) op() string { return pick(d, "<", "<=", ">", ">=") }
func (d dice) days() int {
	return pick(d, 1, 2, 7, 28, 29, 30, 31, 59, 60, 90, 364, 365, 366, 367)
}

// clause generates a rule without && || ! ?:.
func (d dice) clause() naive {
	op, n, k := d.op(), d.days(), d.IntN(4)
	dates := []struct {
		path string
		of   func(c *Customer) *domain.Date
	}{
		{"stage.since", func(c *Customer) *domain.Date { return c.Stage.Since }},
		{"registered", func(c *Customer) *domain.Date { return c.Registered }},
		{"demographics.birth_date", func(c *Customer) *domain.Date { return c.Demographics.BirthDate }},
		{"attributes.joined", func(c *Customer) *domain.Date {
			v, ok := c.Attributes["joined"]
			if !ok {
				return nil
			}
			on, _ := domain.ParseDate(v.Text())
			return &on
		}},
		{"orders.last().on", func(c *Customer) *domain.Date {
			if len(c.Orders) == 0 {
				return nil
			}
			return &c.Orders[len(c.Orders)-1].On
		}},
		{"orders.map(o, o.on).min()", func(c *Customer) *domain.Date {
			if len(c.Orders) == 0 {
				return nil
			}
			return &c.Orders[0].On // they stand in order
		}},
	}
	date := dates[d.IntN(len(dates))]
	orders := func(c *Customer, right func(Order) bool) (count, sum int) {
		for _, o := range c.Orders {
			if right(o) {
				count, sum = count+1, sum+int(o.Amount)
			}
		}
		return count, sum
	}
	switch d.IntN(14) {
	case 0:
		if d.IntN(8) == 0 {
			n = -d.IntN(2) // every age is more than that, and none is less
		}
		return naive{fmt.Sprintf("days_since(%s) %s %d", date.path, op, n), func(c *Customer, day *domain.Date) bool {
			on := date.of(c)
			return on != nil && compares(op, elapsed(*on, day), n)
		}}
	case 1:
		return naive{fmt.Sprintf("%d %s days_since(%s)", n, op, date.path), func(c *Customer, day *domain.Date) bool {
			on := date.of(c)
			return on != nil && compares(op, n, elapsed(*on, day))
		}}
	case 2:
		return naive{fmt.Sprintf("age(%s) %s %d", date.path, op, k), func(c *Customer, day *domain.Date) bool {
			on := date.of(c)
			return on != nil && compares(op, years(*on, day), k)
		}}
	case 3:
		return naive{fmt.Sprintf("held_for(%s, %d)", date.path, n), func(c *Customer, day *domain.Date) bool {
			on := date.of(c)
			return on != nil && elapsed(*on, day) >= n
		}}
	case 4:
		return naive{fmt.Sprintf("held_for(stage, %d)", n), func(c *Customer, day *domain.Date) bool {
			return c.Stage.Since != nil && elapsed(*c.Stage.Since, day) >= n
		}}
	case 5:
		return naive{`consent("marketing", "email")`, func(c *Customer, day *domain.Date) bool {
			given, until := c.Consented("marketing", "email")
			return given && (until == nil || day == nil || *day < *until)
		}}
	case 6:
		return naive{fmt.Sprintf("orders.filter(o, o.paid).within(%d).count() %s %d", n, op, k), func(c *Customer, day *domain.Date) bool {
			count, _ := orders(c, func(o Order) bool { return o.Paid && inside(o.On, n, day) })
			return compares(op, count, k)
		}}
	case 7:
		return naive{fmt.Sprintf("orders.within(%d).map(o, o.amount).sum() %s %d", n, op, 40*k), func(c *Customer, day *domain.Date) bool {
			_, sum := orders(c, func(o Order) bool { return inside(o.On, n, day) })
			return compares(op, sum, 40*k)
		}}
	case 8:
		return naive{fmt.Sprintf("orders.filter(o, days_since(o.on) >= %d).size() %s %d", n, op, k), func(c *Customer, day *domain.Date) bool {
			count, _ := orders(c, func(o Order) bool { return elapsed(o.On, day) >= n })
			return compares(op, count, k)
		}}
	case 9:
		return naive{fmt.Sprintf(`events("customer.tag_added").exists(e, days_since(e.on) < %d && e.fields.tag == "vip")`, n), func(c *Customer, day *domain.Date) bool {
			for _, e := range c.Events {
				if e.Type == "customer.tag_added" && elapsed(e.On, day) < n && e.Fields["tag"] == "vip" {
					return true
				}
			}
			return false
		}}
	case 10, 11:
		not := pick(d, "", "not_")
		return naive{fmt.Sprintf(`orders.%sfollowed_by(events("customer.tag_added"), %d)`, not, n), func(c *Customer, day *domain.Date) bool {
			for _, o := range c.Orders {
				followed := false
				for _, e := range c.Events {
					followed = followed || e.Type == "customer.tag_added" && e.On > o.On && int(e.On-o.On) <= n
				}
				if not == "" && followed || not != "" && !followed && day != nil && int(*day-o.On) >= n {
					return true
				}
			}
			return false
		}}
	case 12:
		from, to := d.date(), d.date()
		return naive{fmt.Sprintf(`orders.between(date("%v"), date("%v")).within(%d).count() %s %d`, from, to, n, op, k), func(c *Customer, day *domain.Date) bool {
			count, _ := orders(c, func(o Order) bool { return o.On >= from && o.On <= to && inside(o.On, n, day) })
			return compares(op, count, k)
		}}
	}
	return naive{`kind == "person"`, func(c *Customer, _ *domain.Date) bool { return c.Kind == "person" }}
}

// rule generates a rule.
func (d dice) rule(depth int) naive {
	if depth == 0 || d.IntN(5) == 0 {
		return d.clause()
	}
	a, b, c := d.rule(depth-1), d.rule(depth-1), d.rule(depth-1)
	switch d.IntN(5) {
	case 0, 1:
		return naive{"(" + a.text + ") && (" + b.text + ")", func(x *Customer, day *domain.Date) bool { return a.holds(x, day) && b.holds(x, day) }}
	case 2:
		return naive{"(" + a.text + ") || (" + b.text + ")", func(x *Customer, day *domain.Date) bool { return a.holds(x, day) || b.holds(x, day) }}
	case 3:
		return naive{"!(" + a.text + ")", func(x *Customer, day *domain.Date) bool { return !a.holds(x, day) }}
	}
	return naive{"(" + a.text + ") ? (" + b.text + ") : (" + c.text + ")", func(x *Customer, day *domain.Date) bool {
		if a.holds(x, day) {
			return b.holds(x, day)
		}
		return c.holds(x, day)
	}}
}

// TestDue evaluates random rules over random customers only when they are due, and
// holds that against who asks every day.
func TestDue(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(5, 2))}
	evaluations, days := 0, 0
	for range 250 {
		rule := d.rule(3)
		r, err := Compile(rule.text, Attributes{"joined": attribute.Date})
		if err != nil {
			t.Fatalf("%s: %v", rule.text, err)
		}
		c := d.customer()
		var now Outcome
		evaluate := func(on *domain.Date) {
			evaluations++
			if now, err = r.Eval(c, Moment{On: on}); err != nil {
				t.Fatalf("%s: %v", rule.text, err)
			}
			if now.Due != nil && on != nil && *now.Due <= *on {
				t.Fatalf("%s on %v is due on %v", rule.text, on, now.Due)
			}
			if now.Due != nil && !r.Uses().Time {
				t.Fatalf("%s does not depend on time, but is due on %v", rule.text, now.Due)
			}
		}
		evaluate(nil)
		if want := rule.holds(c, nil); now.Member != want {
			t.Fatalf("%s before the first closed day: %v, want %v, of %+v", rule.text, now.Member, want, c)
		}
		first := leapDay - 450 + domain.Date(d.IntN(450))
		for on := first; on < first+450; on++ {
			days++
			if now.Due != nil && *now.Due <= on {
				evaluate(&on)
			}
			if want := rule.holds(c, &on); now.Member != want {
				t.Fatalf("%s on %v: %v, want %v, due %v, of %+v", rule.text, on, now.Member, want, now.Due, c)
			}
		}
	}
	if evaluations*20 > days {
		t.Errorf("%d evaluations in %d days: they are due too often", evaluations, days)
	}
	t.Logf("%d evaluations in %d days", evaluations, days)
}

// TestAnyDay evaluates random rules on days out of any order.
func TestAnyDay(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(7, 3))}
	for range 150 {
		rule := d.rule(2)
		r, err := Compile(rule.text, Attributes{"joined": attribute.Date})
		if err != nil {
			t.Fatalf("%s: %v", rule.text, err)
		}
		for range 5 {
			c, on := d.customer(), d.date()
			got, err := r.Eval(c, Moment{On: &on})
			if err != nil || got.Member != rule.holds(c, &on) {
				t.Fatalf("%s on %v: %v (%v), want %v, of %+v", rule.text, on, got.Member, err, !got.Member, c)
			}
			clauses := r.Explain(c, Moment{On: &on})
			if clauses[0].Is != fmt.Sprint(got.Member) {
				t.Fatalf("%s on %v is explained as %s", rule.text, on, clauses[0].Is)
			}
			if apart := strings.HasPrefix(rule.text, "(") || strings.HasPrefix(rule.text, "!"); apart != (len(clauses) > 1) {
				t.Fatalf("%s is taken apart into %d clauses", rule.text, len(clauses))
			}
		}
	}
}
