package segments_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/domain/value"
)

// dice makes random things, of which some are more likely by the theme.
type dice struct {
	*rand.Rand
	theme string
}

// Themes of rules and events.
const (
	worth  = "worth"  // what calibrations say
	points = "points" // loyalty
	reach  = "reach"  // how customers may be reached
	deeds  = "deeds"  // events
)

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// attributes are those that rules use.
var attributes = map[string]string{
	"colour": attribute.Text, "size": attribute.Enum, "height": attribute.Number, "children": attribute.Integer, "vip": attribute.Boolean, "joined": attribute.Date,
}

// members are those of the customer, as the language lists them.
var members = func() (all []segment.DocMember) {
	for _, m := range segment.Language().Members {
		if m.Of == "customer" {
			all = append(all, m)
		}
	}
	return all
}()

// wires are the types of event that rules ask for.
var wires = []string{
	"customer.tag_added", "customer.order_recorded", "customer.order_paid", "customer.cost_recorded", "customer.contact_recorded",
	"customer.stage_entered", "customer.attribute_set", "customer.care_action_done", "customer.points_earned", "customer.coupon_issued",
}

// rule makes a rule that may ask for some segments.
func (d dice) rule(depth int, asks []string) string {
	if depth == 0 || d.IntN(4) == 0 {
		return d.clause(asks)
	}
	a, b := d.rule(depth-1, asks), d.rule(depth-1, asks)
	switch d.IntN(6) {
	case 0, 1:
		return "(" + a + ") && (" + b + ")"
	case 2, 3:
		return "(" + a + ") || (" + b + ")"
	case 4:
		return "!(" + a + ")"
	}
	return "(" + a + ") ? (" + b + ") : (" + d.rule(depth-1, asks) + ")"
}

func (d dice) op() string { return pick(d, "<", "<=", ">", ">=") }
func (d dice) days() int  { return pick(d, 1, 2, 3, 7, 28, 29, 30, 31, 60, 90, 365, 366) }

func (d dice) clause(asks []string) string {
	if d.IntN(2) == 0 {
		switch d.theme {
		case worth:
			return d.calibrated()
		case points:
			return fmt.Sprintf("loyalty.%s %s %d", pick(d, "spendable", "pending", "held", "earned"), d.op(), pick(d, 0, 50, 100, 300))
		case reach:
			return pick(d, "suppressed", "size(contact_points) > 0", "contact_points.exists(p, p.verified)", "contact_points.exists(p, p.primary)",
				"contact_points.exists(p, p.invalid)", `contact_points.exists(p, p.type == "email")`)
		case deeds:
			return d.happened()
		}
	}
	switch d.IntN(12) {
	case 0, 1:
		return d.member()
	case 2:
		if len(asks) > 0 {
			return fmt.Sprintf("in_segment(%q)", pick(d, asks...))
		}
		return d.attribute()
	case 3:
		return d.attribute()
	case 4:
		return d.calibrated()
	case 5, 6:
		return d.bought()
	case 7:
		return d.happened()
	case 8:
		return fmt.Sprintf("consent(%q, %q)", pick(d, "marketing", "service"), pick(d, "email", "phone"))
	case 9:
		return pick(d,
			fmt.Sprintf("held_for(stage, %d)", d.days()),
			fmt.Sprintf("stage.name == %q", pick(d, "active", "at_risk", "potential")),
			fmt.Sprintf("age(demographics.birth_date) %s %d", d.op(), pick(d, 17, 18, 20, 24, 36, 40)),
			fmt.Sprintf("held_for(registered, %d)", d.days()),
			fmt.Sprintf("days_since(orders.last().on) %s %d", d.op(), d.days()))
	case 10: // of one that fails where there is nothing, or too much
		return pick(d, "orders.count() / size(tags) >= 1", "orders.map(o, o.amount * 100000000000000000).sum() > 5", "100 % loyalty.spendable == 0")
	}
	return pick(d, `"vip" in tags`, `"new" in tags`, "size(tags) >= 2", "suppressed", `kind == "person"`)
}

// member asks for any member of the customer, whatever it is.
func (d dice) member() string {
	m := pick(d, members...)
	switch {
	case strings.HasPrefix(m.Name, "attributes"):
		return d.attribute()
	case m.Type == "text":
		return pick(d, fmt.Sprintf("has(%s)", m.Name), fmt.Sprintf("%s >= %q", m.Name, pick(d, "A", "F", "M", "S", "a", "f", "m", "s", "1")))
	case m.Type == "whole number":
		return fmt.Sprintf("%s %s %d", m.Name, d.op(), pick(d, 0, 1, 2, 3, 10, 50, 100, 1000))
	case m.Type == "true or false":
		return pick(d, m.Name, "!"+m.Name)
	case m.Type == "date":
		return pick(d, fmt.Sprintf("has(%s)", m.Name), fmt.Sprintf("days_since(%s) %s %d", m.Name, d.op(), d.days()), fmt.Sprintf(`%s >= date("2024-02-29")`, m.Name))
	}
	return fmt.Sprintf("size(%s) %s %d", m.Name, d.op(), d.IntN(3))
}

func (d dice) attribute() string {
	return pick(d,
		"has(attributes."+pick(d, "colour", "size", "height", "children", "vip", "joined")+")",
		fmt.Sprintf("attributes.colour == %q", pick(d, "red", "blue")),
		fmt.Sprintf("attributes.size in [%q]", pick(d, "L", "M")),
		fmt.Sprintf("attributes.height %s %d.5", d.op(), d.IntN(3)),
		fmt.Sprintf("attributes.children %s %d", d.op(), d.IntN(3)),
		"attributes.vip",
		fmt.Sprintf("days_since(attributes.joined) %s %d", d.op(), d.days()))
}

// calibrated asks for what follows from calibrations.
func (d dice) calibrated() string {
	return pick(d,
		fmt.Sprintf("rfm.label in [%q, %q]", pick(d, "Champions", "Lost", "Others"), pick(d, "Loyal Customers", "At Risk", "Promising")),
		fmt.Sprintf("rfm.%s %s %d", pick(d, "r", "f", "m"), d.op(), 1+d.IntN(5)),
		"rfm.scored",
		fmt.Sprintf("rfm.monetary %s %d", d.op(), d.IntN(3000)),
		fmt.Sprintf("value.band == %q", pick(d, value.Bands...)),
		fmt.Sprintf("value.known && value.contribution %s %d", d.op(), d.IntN(2000)-500),
		fmt.Sprintf("percentile(%q) %s %d", pick(d, value.MeasureNames[:]...), d.op(), pick(d, 5, 50, 80, 95)),
		fmt.Sprintf("cluster(%q) == %d", pick(d, "habits", "money"), d.IntN(3)))
}

func (d dice) bought() string {
	list := pick(d, "orders", "orders", "orders.filter(o, o.paid)", `orders.filter(o, o.channel == "web")`, "orders.filter(o, o.net >= 500)", `orders.filter(o, "tea" in o.categories)`,
		"orders.filter(o, !o.cancelled)")
	switch d.IntN(5) {
	case 0:
		list += fmt.Sprintf(".within(%d)", d.days())
	case 1:
		list += fmt.Sprintf(`.since(date("2024-0%d-01"))`, 1+d.IntN(4))
	case 2:
		list += `.between(date("2024-02-28"), date("2024-03-01"))`
	}
	n := d.days()
	return pick(d,
		fmt.Sprintf("%s.count() %s %d", list, d.op(), d.IntN(4)),
		fmt.Sprintf("%s.map(o, o.net).sum() %s %d", list, d.op(), d.IntN(3000)),
		fmt.Sprintf("%s.map(o, o.amount).avg() %s %d", list, d.op(), d.IntN(1500)),
		fmt.Sprintf("%s.exists(o, days_since(o.on) %s %d)", list, d.op(), n),
		fmt.Sprintf("%s.last().refunded > 0", list),
		fmt.Sprintf("%s.%sfollowed_by(orders, %d)", list, pick(d, "", "not_"), n),
		fmt.Sprintf("%s.%sfollowed_by(events(%q), %d)", list, pick(d, "", "not_"), pick(d, wires...), n))
}

func (d dice) happened() string {
	list := fmt.Sprintf("events(%q)", pick(d, wires...))
	n := d.days()
	return pick(d,
		fmt.Sprintf("%s.within(%d).count() %s %d", list, n, d.op(), d.IntN(3)),
		fmt.Sprintf("%s.count() %s %d", list, d.op(), d.IntN(3)),
		fmt.Sprintf("%s.not_followed_by(orders, %d)", list, n),
		fmt.Sprintf("%s.followed_by(events(%q), %d)", list, pick(d, wires...), n),
		fmt.Sprintf(`events("customer.stage_entered").exists(e, e.fields.stage == %q)`, pick(d, "active", "at_risk")),
		fmt.Sprintf(`events("customer.order_recorded").exists(e, e.fields.total_minor > %d)`, d.IntN(1000)))
}

// definition makes a dynamic segment, or a static one.
func (d dice) definition(id string, asks []string) (x segment.Defined) {
	x = segment.Defined{SegmentID: id, Kind: segment.Dynamic, Name: id}
	if d.IntN(6) == 0 {
		x.Kind = segment.Static
		return x
	}
	for {
		x.Rule = d.rule(d.IntN(3), asks)
		rule, err := segment.Compile(x.Rule, attributes)
		if err != nil {
			continue // too costly, or of types that do not go together
		}
		x.Attributes, x.Asks = nil, rule.Uses().Segments
		for _, key := range rule.Uses().Attributes {
			if x.Attributes == nil {
				x.Attributes = map[string]string{}
			}
			x.Attributes[key] = attributes[key]
		}
		return x
	}
}

// birth is a day on which somebody was born, often on the 29th of February.
func (d dice) birth() domain.Date {
	return pick(d, domain.NewDate(2004, 2, 29), domain.NewDate(2000, 2, 29), domain.NewDate(1988, 2, 29), domain.NewDate(1984, 3, 1), domain.NewDate(2006, 2, 28), domain.NewDate(1999, 12, 31))
}
