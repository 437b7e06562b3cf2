package segment

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/types"
)

// Doc is the language of rules as a table.
type Doc struct {
	Members   []DocMember   `json:"members"`
	Types     []DocType     `json:"types"`
	Functions []DocFunction `json:"functions"`
	Limits    []DocLimit    `json:"limits"`
}

// DocMember is a member of the customer, of an order, of an event or of a contact
// point.
type DocMember struct {
	Of   string `json:"of"` // customer, order, event or contact_point
	Name string `json:"name"`
	Type string `json:"type"`
}

// DocType is a type of value.
type DocType struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

// DocFunction is a function or a group of operators.
type DocFunction struct {
	Name    string `json:"name"`
	Help    string `json:"help"`
	Example string `json:"example"` // a whole rule
}

// DocLimit is a limit of a rule.
type DocLimit struct {
	Name  string `json:"name"`
	Limit int    `json:"limit"`
}

// Language describes the language of rules: its members, types, functions and limits.
func Language() Doc {
	return Doc{Members: docMembers(), Types: slices.Clone(docTypes), Functions: slices.Clone(docFunctions), Limits: []DocLimit{
		{"characters", MaxRule}, {"levels of nesting", maxNesting}, {"elements of a list that is written out", maxLiteral},
		{"loops within each other", maxLoops}, {"characters of a regular expression", maxRegex}, {"steps of an evaluation", maxSteps},
	}}
}

func docMembers() (all []DocMember) {
	var of func(what, prefix, typeName string)
	of = func(what, prefix, typeName string) {
		for _, m := range records[typeName] {
			switch {
			case m.typ == attributesType:
				all = append(all, DocMember{what, "attributes.<key>", "as the schema defines it"})
			case m.typ.Kind() == types.StructKind:
				of(what, prefix+m.name+".", m.typ.TypeName())
			default:
				all = append(all, DocMember{what, prefix + m.name, docType(m.typ)})
			}
		}
	}
	of("customer", "", customerType)
	of("order", "", "@Order")
	of("event", "", "@Happening")
	of("contact_point", "", "@ContactPoint")
	return all
}

// docType is how a type is called in the documentation.
func docType(t *types.Type) string {
	switch t.Kind() {
	case types.StringType.Kind():
		return "text"
	case types.IntType.Kind():
		return "whole number"
	case types.BoolType.Kind():
		return "true or false"
	case types.ListKind:
		return "list of " + strings.TrimSuffix(docType(t.Parameters()[0]), "s") + "s"
	case types.MapKind:
		return "map by text"
	case types.DynKind:
		return "value"
	case types.StructKind:
		switch t.TypeName() {
		case "@Happening":
			return "event"
		case "@ContactPoint":
			return "contact point"
		}
		return strings.ToLower(t.TypeName()[1:])
	}
	return t.TypeName()
}

var docTypes = []DocType{
	{"text", `"in quotes"; a text that is not known is empty: has(demographics.city) is false then`},
	{"whole number", "of 64 bits; one that would grow beyond them makes the rule fail on that customer. Amounts are minor units"},
	{"number", "with a decimal point; compares with whole numbers"},
	{"true or false", "what is not known does not hold"},
	{"date", `a business date, date("2026-02-28") written out. It compares with dates; a date that is not known makes every comparison false, also !=`},
	{"days", "what days_since gives: 0 or more; compares with whole numbers by < <= > >="},
	{"years", "what age gives: full years, 0 or more; compares with whole numbers by < <= > >="},
	{"percentile", "what percentile gives; compares with a whole number that is written out by < <= > >="},
	{"list of orders", "in the order of their dates, those of one day as they were recorded"},
	{"list of events", "as they were recorded"},
	{"list", "of texts, numbers or dates: a member, [1, 2] written out, or what map makes"},
}

var docFunctions = []DocFunction{
	{"&& || ! ?:", "and, or, not, if: a side that decides does so even if the other fails", `kind == "person" && !suppressed || owner.key_account != ""`},
	{"== !=", "texts, numbers, truth values and dates; false where one side is not known, also !=: ask has for that", `demographics.city == "Berlin"`},
	{"< <= > >=", "texts (byte by byte), numbers, dates, days, years and percentiles; false where one side is not known", `demographics.postal_code >= "10000" && demographics.postal_code < "15000"`},
	{"in", "a value among a list, a key among a map", `rfm.label in ["Champions", "Loyal Customers"] && "vip" in tags`},
	{"+ - * / %", "whole numbers and numbers; / of whole numbers cuts off", `rfm.r + rfm.f >= 8`},
	{"has", "whether a member is known: a text or list that is not empty, a date, number or attribute that there is", `has(attributes.colour) && has(demographics.birth_date)`},
	{"[ ]", "an element of a list from 0 on, a value of a map; what is not there is not known", `psychographics.preferences["newsletter"] == "weekly"`},
	{"date", "a date that is written out", `registered >= date("2026-01-01")`},
	{"days_since", "days from a date to the last closed business day, at least 0; 0 before the first is closed", `days_since(stage.since) >= 30 && days_since(stage.since) < 60`},
	{"age", "full years since a date; who was born on 29 February grows older on 28 February in other years", `age(demographics.birth_date) >= 18`},
	{"held_for", "held_for(date, n) is days_since(date) >= n; of the stage, since it began", `stage.name == "at_risk" && held_for(stage, 30)`},
	{"within", "the orders or events of the last n business days, the last closed one among them, and of later ones", `orders.filter(o, o.paid).within(365).count() >= 3`},
	{"between", "the orders or events from one date to another, both among them", `orders.between(date("2025-11-24"), date("2025-12-24")).count() > 0`},
	{"before", "the orders or events before a date", `orders.before(date("2025-01-01")).count() > 0 && orders.since(date("2025-01-01")).count() == 0`},
	{"since", "the orders or events from a date on", `orders.since(date("2026-01-01")).count() == 1`},
	{"filter", "the elements for which a condition holds", `orders.filter(o, "books" in o.categories && o.net >= 5000).count() >= 1`},
	{"exists", "whether a condition holds for some element", `contact_points.exists(p, p.type == "email" && p.verified)`},
	{"exists_one", "whether a condition holds for exactly one element", `contact_points.exists_one(p, p.primary)`},
	{"all", "whether a condition holds for every element, also for those of an empty list", `orders.count() > 0 && orders.all(o, o.channel == "web")`},
	{"map", "a text, number, date or truth value of every element", `orders.map(o, o.net).sum() >= 100000`},
	{"count", "how many elements there are; size is the same, also of texts and maps", `orders.count() == 1`},
	{"sum", "the sum of a list of numbers; what is not known is left out; 0 of nothing", `orders.within(90).map(o, o.quantity).sum() > 10`},
	{"avg", "the mean of a list of numbers; of nothing it is not known", `orders.map(o, o.net).avg() >= 7500`},
	{"min", "the least of a list of numbers or dates; of nothing it is not known", `orders.map(o, o.net).min() >= 1000`},
	{"max", "the largest of a list of numbers or dates; of nothing it is not known", `days_since(orders.map(o, o.on).max()) >= 180`},
	{"first", "the first element; of nothing, none of its members is known", `orders.first().channel == "store"`},
	{"last", "the last element; of nothing, none of its members is known", `days_since(orders.last().on) >= 90`},
	{"events", "the customer's events of a type, by its name in the log; the fields are those of the event that are not personal and not nested", `events("customer.contact_recorded").exists(e, e.fields.channel == "email")`},
	{"followed_by", "whether some of the first is followed by one of the second within n days; on the same day by one that was recorded later", `orders.followed_by(events("customer.refund_recorded"), 14)`},
	{"not_followed_by", "whether some of the first is not followed by any of the second within n days, and those days have passed", `events("customer.coupon_issued").not_followed_by(orders, 60)`},
	{"consent", "whether the customer consents to a purpose on a channel", `consent("marketing", "email")`},
	{"percentile", "whether the customer reaches a percentile (1 to 99) of a measure in the stored calibration: " + strings.Join(measures, ", "), `percentile("revenue") >= 95`},
	{"cluster", "the number of the customer's cluster in a stored clustering, 0 for none", `cluster("habits") == 2`},
	{"in_segment", "whether the customer is in another segment", `in_segment("regulars") && !in_segment("key-accounts")`},
	{"geo_within", "whether latitude and longitude lie within so many kilometres of a place; false where they are not known", `geo_within(attributes.latitude, attributes.longitude, 52.52, 13.405, 25)`},
	{"contains", "whether a text contains another", `source.detail.contains("spring")`},
	{"startsWith", "whether a text begins with another; endsWith likewise", `locale.startsWith("de") && !locale.endsWith("CH")`},
	{"endsWith", "whether a text ends with another", `time_zone.endsWith("/Berlin")`},
	{"matches", "whether a regular expression of RE2, written out, is found in a text", `demographics.postal_code.matches("^1[0-4][0-9]{3}$")`},
	{"lowerAscii", "a text with A to Z made small", `demographics.city.lowerAscii() == "berlin"`},
	{"size", "the length of a list, map or text", `size(tags) >= 2`},
}
