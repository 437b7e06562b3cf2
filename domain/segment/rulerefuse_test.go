package segment_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/segment"
)

func TestRefusals(t *testing.T) {
	for _, x := range []struct{ rule, want string }{
		{``, `is required`},
		{" \n", `is required`},
		{"kind == \"\xff\"", `must be UTF-8`},
		{"kind == \"\x00\"", `must not contain control characters`},
		{`stge.name == "x"`, `line 1, column 1: "stge" is not a member of a customer nor a function; did you mean "stage"?`},
		{"kind == \"person\" &&\n  stage.nme == \"x\"", `line 2, column 8: "nme" is not a member of stage; did you mean "name"?`},
		{`orders.exists(o, o.amnt > 3)`, `line 1, column 19: "amnt" is not a member here; did you mean "amount"?`},
		{`orders.fliter(o, o.paid).count() > 1`, `line 1, column 8: "fliter" is not a member of a customer nor a function; did you mean "filter"?`},
		{`attributes.color == "red"`, `line 1, column 11: the schema has no attribute "color" that is in use; did you mean "colour"?`},
		{`attributes == 3`, `line 1, column 12: the record attributes and a whole number are never equal`},
		{`has(attributes)`, `line 1, column 5: attributes has to be followed by a key: attributes.colour`},
		{`attributes.height == "x"`, `line 1, column 19: a number and a text are never equal`},
		{`days_since(stage.since) == 3`, `line 1, column 25: days_since, age and percentile are compared by >= and <, not by ==: who is asked on another day would be missed`},
		{`days_since(stage.since) < days_since(registered)`, `line 1, column 25: days_since, age and percentile are compared with a whole number, not a number of days since a date and a number of days since a date`},
		{`days_since(stage.since) + 3 > 4`, `line 1, column 25: dates cannot be reckoned with: compare days_since(date) with a number of days, or use within(days)`},
		{`registered + 3 > registered`, `line 1, column 12: dates cannot be reckoned with: compare days_since(date) with a number of days, or use within(days)`},
		{`days_since(stage) > 3`, `line 1, column 1: days_since does not take the record stage; an example of it: days_since(stage.since) >= 30 && days_since(stage.since) < 60`},
		{`consent("marketing")`, `line 1, column 1: consent does not take a text; an example of it: consent("marketing", "email")`},
		{`registered >= "2026-01-01"`, `line 1, column 12: a date and a text cannot be compared; dates are written date("2026-02-28")`},
		{`registered != 20260101`, `line 1, column 12: a date and a whole number are never equal; how many days ago it was is days_since(date)`},
		{`orders.last().on >= 90`, `line 1, column 18: a date and a whole number cannot be compared; how many days ago it was is days_since(date)`},
		{`tags.contains("vip")`, `line 1, column 6: contains is for texts: whether a value is on a list is asked by in, as in "vip" in tags`},
		{`name.given == "Ada"`, `line 1, column 1: names and contact data are personal and not in the language; contact_points says which kinds there are and whether they are verified`},
		{`orders.map(o, o.net).average() > 20`, `line 1, column 22: the mean of a list is avg(): orders.map(o, o.net).avg() >= 7500`},
		{`now() > registered`, `line 1, column 1: there is no now: time passes in days_since(date), age(date), held_for(date, days) and within(days)`},
		{`timestamp("2024-01-01T00:00:00Z") > registered`, `line 1, column 1: there are no timestamps: dates are written date("2026-02-28")`},
		{`date("2026-02-30") > registered`, `line 1, column 6: date needs a date that is written out and exists, such as date("2026-02-28")`},
		{`date(locale) > registered`, `line 1, column 6: date needs a date that is written out and exists, such as date("2026-02-28")`},
		{`registered == null`, `line 1, column 15: there is no null: what is not known is found by !has(…)`},
		{`kind == null`, `line 1, column 6: there is no null: what is not known is found by !has(…)`},
		{`kind == 3`, `line 1, column 6: a text and a whole number are never equal`},
		{`kind and true`, `line 1, column 6: and is written &&`},
		{`kind`, `a rule has to be true or false, but this is a text`},
		{`orders.within(30)`, `a rule has to be true or false, but this is a list of orders`},
		{`!kind`, `line 1, column 1: ! needs true or false, but was given a text`},
		{`kind && true`, `line 1, column 1: a truth value is needed here, but this is a text`},
		{`orders.filter(o, o.paid`, `line 1, column 24: the rule ends too early`},
		{`kind == "person`, `line 1, column 9: the text does not end`},
		{`orders.within(rfm.r).count() > 1`, `line 1, column 18: days are a whole number that is written out, 1 to 36525`},
		{`orders.within(0).count() > 1`, `line 1, column 15: days are a whole number that is written out, 1 to 36525`},
		{`orders.within("a").count() > 1`, `line 1, column 8: within is not for a list of orders with a text`},
		{`held_for(stage, 99999)`, `line 1, column 17: days are a whole number that is written out, 1 to 36525`},
		{`tags.sum() > 1`, `line 1, column 6: sum() is not for a list of texts`},
		{`percentile("revenu") >= 95`, `line 1, column 12: percentile needs one of the measures revenue, revenue_window, orders, orders_window, average_order, contribution`},
		{`percentile("revenue") >= 100`, `line 1, column 26: a percentile is compared with a whole number that is written out: >= and < with 1 to 99, > and <= with 0 to 98`},
		{`percentile("revenue") > rfm.r`, `line 1, column 28: a percentile is compared with a whole number that is written out: >= and < with 1 to 99, > and <= with 0 to 98`},
		{`(kind == "" ? percentile("revenue") : percentile("orders")) > 3`, `line 1, column 15: a percentile has to be compared with a number that is written out: percentile("revenue") >= 95`},
		{`in_segment(kind)`, `line 1, column 12: in_segment needs the id of a segment that is written out, such as in_segment("regulars")`},
		{`in_segment("Regulars")`, `line 1, column 12: in_segment needs the id of a segment that is written out, such as in_segment("regulars")`},
		{`cluster(kind) == 1`, `line 1, column 9: cluster needs the id of a clustering that is written out, such as cluster("habits")`},
		{`events(kind).count() > 1`, `line 1, column 8: events needs the name of an event that is written out, such as events("customer.tag_added")`},
		{`events("tag added").count() > 1`, `line 1, column 8: events needs the name of an event that is written out, such as events("customer.tag_added")`},
		{`kind.matches(locale)`, `line 1, column 14: a regular expression has to be written out`},
		{`kind.matches("(")`, "line 1, column 14: this is not a regular expression of RE2: missing closing ): `(`"},
		{`kind.matches("a{1000}{1000}")`, "line 1, column 14: this is not a regular expression of RE2: invalid nested repetition operator: `{1000}{1000}`"},
		{`kind.matches("[^a]{999}b{999}[^c]{999}(d{30}){30}")`, `line 1, column 14: this regular expression repeats too much`},
		{`kind + "x" == "px"`, `line 1, column 6: a text and a text cannot be reckoned with`},
		{`[1] + [2] == [3]`, `line 1, column 11: a list of whole numbers and a list of whole numbers are never equal`},
		{`([1] + [2]).count() == 2`, `line 1, column 6: lists cannot be put together`},
		{`[[1], [2]].count() == 2`, `line 1, column 1: there are no lists of lists`},
		{`{"a": 1}.size() == 1`, `line 1, column 1: maps and records cannot be written in a rule`},
		{`orders{} == orders`, `line 1, column 7: maps and records cannot be written in a rule`},
		{`1u == 1u`, `line 1, column 4: an unsigned number and an unsigned number are never equal`},
		{`b"x".size() == 1`, `line 1, column 6: size() is not for bytes`},
		{`psychographics.preferences.exists(k, k == "x")`, `line 1, column 28: only lists can be gone through, not a map`},
		{`orders.map(o, o.skus).count() > 1`, `line 1, column 8: map can make texts, numbers, dates and truth values, but not a list of texts`},
		{`orders.map(o, days_since(o.on)).count() > 1`, `line 1, column 8: map cannot make a number of days since a date: compare them where they are`},
		{`orders.filter(o.on, true).count() > 1`, `line 1, column 16: the first argument names the element: orders.filter(o, o.paid)`},
		{`has(1)`, `line 1, column 5: has needs a member, such as has(stage.since)`},
		{`geo_within(kind, 1, 2, 3, 4)`, `line 1, column 12: geo_within needs numbers: latitude, longitude, latitude and longitude of the centre, kilometres; this is a text`},
		{`locale.until == registered`, `line 1, column 7: a text has no members`},
		{`tags.exists(a, tags.exists(b, tags.exists(c, a == c)))`, `line 1, column 36: at most 2 of all, exists, exists_one, filter and map may stand within each other`},
		{`orders.exists(o, orders.exists(p, o.on == p.on))`, `the rule is too costly: 6003002 steps for a customer with 1000 orders and 5000 events, of 1000000 that are allowed. Go through a list once, or through less of it`},
		{`orders.count > 1`, `line 1, column 7: count is a function: write .count(…)`},
		{`age > 18`, `line 1, column 1: age is a function: write age(…)`},
		{`within(30).count() > 1`, `line 1, column 1: within is written behind what it is of, as in orders.within(…)`},
		{`kind = "person"`, `line 1, column 6: equality is written ==`},
		{`if (true)`, `line 1, column 1: if is written condition ? this : that`},
		{`kind == “person”`, `line 1, column 9: "“" is not expected here`},
		{`customer.kind == "person"`, `line 1, column 1: members of the customer are written by themselves: kind == "person"`},
		{"attributes.in == 1", "line 1, column 12: a name is missing; one that is a word of the language is written attributes.`in`"},
		{`kind == "x" kind`, `line 1, column 13: "kind" is not expected here`},
		{`kind.exists(o, o)`, `line 1, column 1: only lists can be gone through, not a text`},
		{`[` + strings.Repeat(`1,`, 1000) + `1].count() > 1`, `line 1, column 1: a list that is written out has at most 1000 elements`},
		{strings.Repeat("(", 33) + "true" + strings.Repeat(")", 33), `is nested more than 32 levels deep`},
		{`kind == "` + strings.Repeat("ä", 4000) + `"`, `must have at most 4000 characters`},
		{"1" + strings.Repeat("+1", 40) + " == 3", `line 1, column 1: the rule is nested more than 32 levels deep`},
		{"99999999999999999999 > 1", `line 1, column 1: this is no whole number of 64 bits`},
	} {
		_, err := Compile(x.rule, known)
		var refusal *domain.Error
		if !errors.As(err, &refusal) || !errors.Is(err, domain.ErrValidation) || refusal.Fields[0].Pointer != "/rule" {
			t.Errorf("%.80s: %v", x.rule, err)
			continue
		}
		if got := refusal.Fields[0].Detail; got != x.want {
			t.Errorf("%.80s\n got %s\nwant %s", x.rule, got, x.want)
		}
	}
}

// What is wrong in several places is told of each, up to five.
func TestRefusalOfManyPlaces(t *testing.T) {
	_, err := Compile(`a == 1 || b == 2 || c == 3 || d == 4 || e == 5 || f == 6`, nil)
	var refusal *domain.Error
	if !errors.As(err, &refusal) || len(refusal.Fields) != 5 || !strings.HasPrefix(refusal.Fields[4].Detail, "line 1, column 41:") {
		t.Errorf("%v", err)
	}
}

// hostile is rules that try to take long.
func hostile() map[string]string {
	return map[string]string{
		"brackets":          strings.Repeat("(", 2000),
		"closed brackets":   strings.Repeat("(", 1900) + "1" + strings.Repeat(")", 1900),
		"square brackets":   strings.Repeat("[", 3999),
		"braces":            strings.Repeat("{", 3999),
		"nots":              strings.Repeat("!", 3990) + "true",
		"minuses":           strings.Repeat("-", 3980) + "1 > 0",
		"conditionals":      strings.Repeat("true?", 700) + "true" + strings.Repeat(":true", 90),
		"conditionals too":  strings.Repeat("true?true:", 399) + "true",
		"selections":        "a" + strings.Repeat(".a", 1999),
		"indexes":           "tags" + strings.Repeat("[0]", 1000),
		"calls":             strings.Repeat("size(", 700) + "tags",
		"chain":             "true" + strings.Repeat("&&true", 660),
		"mixed chain":       "true" + strings.Repeat("&&true||false", 300),
		"sum":               "1" + strings.Repeat("+1", 1990) + ">0",
		"comparisons":       "1" + strings.Repeat("<1", 1990),
		"a list of 100 kB":  "kind in [" + strings.Repeat(`"x",`, 25000) + `"x"]`,
		"a long list":       "rfm.r in [" + strings.Repeat("1,", 1900) + "1]",
		"a text of 100 kB":  `kind == "` + strings.Repeat("x", 100_000) + `"`,
		"an open text":      strings.Repeat(`"`, 3999),
		"escapes":           `"` + strings.Repeat(`\`, 3998),
		"a large number":    strings.Repeat("9", 3999),
		"an exponent":       "1e999999999 > 0.0",
		"loops":             strings.Repeat("orders.exists(o,", 200) + "true" + strings.Repeat(")", 200),
		"chained loops":     "orders" + strings.Repeat(".filter(o,true)", 250) + ".count()>0",
		"two loops":         `orders.all(o, orders.all(p, p.amount != o.amount + 1))`,
		"events twice":      `events("customer.tag_added").all(o, events("customer.tag_added").all(p, p.on >= o.on))`,
		"events in a loop":  `orders.all(o, events("customer.tag_added").count() > 0)`,
		"sums in a loop":    `orders.all(o, orders.map(p, p.amount).sum() > 0)`,
		"many loops":        "true" + strings.Repeat("&&orders.all(o,o.amount>0)", 150),
		"sequences":         "true" + strings.Repeat("&&!orders.followed_by(orders,1)", 125),
		"sequence in loop":  `orders.all(o, !orders.followed_by(orders, 1))`,
		"regular (a+)+":     `source.detail.matches("^(a+)+$")`,
		"regular (a|a)*":    `source.detail.matches("^(a|a|aa)*$") || source.detail.matches("(.*)(.*)(.*)(.*)(.*)x")`,
		"regular repeats":   `source.detail.matches("` + strings.Repeat("(", 60) + "a" + strings.Repeat("{2})", 20) + strings.Repeat(")", 40) + `")`,
		"regular classes":   `source.detail.matches("[\\pL\\pN]{900}[\\pL\\pN]{90}")`,
		"regular in a loop": `orders.all(o, !source.detail.matches("^(a+)+(b+)+(c+)+$"))`,
		"search in a loop":  `orders.all(o, orders.all(p, source.detail.contains("` + strings.Repeat("a", 500) + `b")))`,
		"lower in a loop":   `orders.all(o, source.detail.lowerAscii().lowerAscii().lowerAscii() != "")`,
		"unicode":           "kind == \"\u202e\U0001f600\ufeff\u0000a\" || \u0430 == 1 || \U0001d4ea",
		"not UTF-8":         "kind == \"\xff\xfe\xf0\x28\x8c\x28\"",
		"backticks":         "`" + strings.Repeat("a.", 1999),
		"comment":           "//" + strings.Repeat("(", 3990),
		"newlines":          strings.Repeat("\n", 3999),
		"internal names":    "@result || __result__ || @has(kind) || @not_strictly_false(true)",
		"triple quotes":     strings.Repeat(`"""`, 1333),
		"bytes":             `b"` + strings.Repeat(`\377`, 900) + `" == b""`,
		"commas":            "f(" + strings.Repeat(",", 3990) + ")",
		"dots":              strings.Repeat(".", 3999),
		"misspelt":          strings.Repeat("customer_of_the_shop_", 190) + " == 1",
		"misspelt members":  "true" + strings.Repeat("||stagee.nam==1", 250),
		"overflow":          "9223372036854775807 + 1 > 0 && -9223372036854775808 - 1 < 0 && -9223372036854775808 / -1 > 0",
		"shadows":           `orders.exists(orders, orders.exists(orders, orders.paid))`,
		"itself":            `orders.exists(o, o.exists(o, o))`,
	}
}

// crowd is a customer with much of everything.
var crowd = sync.OnceValue(func() *Customer {
	c := anna()
	c.Source.Detail = strings.Repeat("a", 2000)
	for i := range 10_000 {
		c.Orders = append(c.Orders, Order{ID: fmt.Sprint(i), EventID: uuid.UUID{9}, On: *on(2024, 6, 1) + domain.Date(i/10), Amount: int64(1000 + i), Net: int64(1000 + i), Paid: true})
	}
	for i := range 5000 {
		c.Events = append(c.Events, Happening{Type: "customer.tag_added", On: *on(2024, 6, 1) + domain.Date(i), Fields: map[string]any{"tag": "x"}})
	}
	return c
})

// No rule takes long, to check, to evaluate or to explain, whoever wrote it. The
// limit is for a busy machine with the race detector; it takes 1 to 30 milliseconds.
func TestHostile(t *testing.T) {
	const limit = 2 * time.Second
	for name, rule := range hostile() {
		start := time.Now()
		r, err := Compile(rule, known)
		checked := time.Since(start)
		var refusal *domain.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
		var evaluated time.Duration
		if err == nil {
			start = time.Now()
			_, failure := r.Eval(crowd(), Moment{On: on(2025, 5, 31)})
			evaluated = time.Since(start)
			var f *Failure
			if errors.As(failure, &f) && f.Code == "defect" {
				t.Errorf("%s: %v", name, f)
			}
			err = failure
		}
		var explained time.Duration
		if r != nil {
			start = time.Now()
			r.Explain(crowd(), Moment{})
			explained = time.Since(start)
		}
		if checked > limit || evaluated > limit || explained > limit {
			t.Errorf("%s: checked in %v, evaluated in %v, explained in %v", name, checked, evaluated, explained)
		}
		t.Logf("%-18s %8v %8v %8v %.90v", name, checked.Round(time.Microsecond), evaluated.Round(time.Microsecond), explained.Round(time.Microsecond), err)
	}
}

// An honest rule over ten thousand orders passes.
func TestManyOrders(t *testing.T) {
	r, err := Compile(`orders.filter(o, o.paid && !o.cancelled && o.net >= 1500).within(365).map(o, o.net).sum() >= 100000 &&
		orders.exists(o, o.channel == "store") && !orders.followed_by(events("customer.refund_recorded"), 30)`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Eval(crowd(), Moment{On: on(2025, 5, 31)}); err != nil || !got.Member {
		t.Errorf("%v %v", got, err)
	}
}

// FuzzRule holds that no text makes the language panic, stall or call itself
// defective.
func FuzzRule(f *testing.F) {
	for _, rule := range hostile() {
		f.Add(rule)
	}
	for _, x := range Language().Functions {
		f.Add(x.Example)
	}
	c := anna()
	f.Fuzz(func(t *testing.T, rule string) {
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%q took %v", rule, took)
			}
		}()
		r, err := Compile(rule, known)
		if err != nil {
			var refusal *domain.Error
			if !errors.As(err, &refusal) || len(refusal.Fields) == 0 {
				t.Fatalf("%q: %v", rule, err)
			}
			return
		}
		got, err := r.Eval(c, Moment{On: on(2024, 5, 31)})
		var failure *Failure
		if errors.As(err, &failure) && failure.Code == "defect" {
			t.Fatalf("%q: %v", rule, err)
		}
		clauses := r.Explain(c, Moment{On: on(2024, 5, 31)})
		if want := fmt.Sprint(got.Member); err == nil && clauses[0].Is != want {
			t.Fatalf("%q is %s, but explained as %s", rule, want, clauses[0].Is)
		}
		if again, _ := r.Eval(c, Moment{On: on(2024, 5, 31)}); again.Member != got.Member {
			t.Fatalf("%q is %v, then %v", rule, got.Member, again.Member)
		}
	})
}
