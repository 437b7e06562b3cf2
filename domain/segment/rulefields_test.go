package segment

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
)

// fieldsOf is the fields of some types of event.
func fieldsOf(event string) map[string]string {
	return map[string]map[string]string{
		"customer.contact_recorded": {"channel": FieldText, "direction": FieldText, "minutes": FieldWhole, "answered": FieldTruth, "at": FieldText},
		"customer.order_recorded":   {"channel": FieldText, "total_minor": FieldWhole, "store_id": FieldText},
		"customer.odd":              {"channel": FieldWhole},
		"customer.tag_added":        {},
	}[event]
}

// tried checks a rule as defining a segment by it would.
func tried(rule string) []string {
	d := Definition{Rule: rule, Segments: &Set{}, KnowsFields: fieldsOf}
	d.SetKnows(func(name string) bool { return fieldsOf(name) != nil }, func(string) bool { return true })
	_, err := d.Try("")
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		return nil
	}
	var said []string
	for _, f := range refusal.Fields {
		said = append(said, f.Detail)
	}
	return said
}

func TestFieldsThatThereAre(t *testing.T) {
	const contacts, orders = `events("customer.contact_recorded")`, `events("customer.order_recorded")`
	for _, rule := range []string{
		contacts + `.exists(e, e.fields.channel == "email" && e.fields.minutes >= 2.5 && e.fields.answered && has(e.fields.at))`,
		contacts + `.exists(e, e.fields.minutes * 60 - 1 > 3 && -e.fields.minutes < 0 && !e.fields.answered || e.fields.answered == true)`,
		contacts + `.exists(e, e.fields.channel in ["email"] && "channel" in e.fields && e.fields["channel"].size() > 2 && e.fields[e.fields.channel] == 3)`,
		contacts + `.exists(e, e.fields.channel.lowerAscii().startsWith("e") && e.fields.at >= "2026-02-28" && consent("news", e.fields.channel))`,
		contacts + `.map(e, e.fields.minutes).sum() > 3 && ` + contacts + `.map(e, e.fields.minutes).max() > 3`,
		contacts + `.within(30).last().fields.channel == "email" && ` + contacts + `[0].fields.minutes > 1`,
		contacts + `.filter(e, e.fields.answered).filter(e, e.fields.minutes > 1).map(e, e.fields.channel).exists(c, c == "email")`,
		contacts + `.last().fields.channel == ` + orders + `.first().fields.channel`,
		contacts + `.last().fields.channel in orders.map(o, o.channel) && ` + contacts + `.last().fields.minutes <= orders.count()`,
		contacts + `.exists(e, 3 <= e.fields.minutes && e.on >= date("2026-02-28") && days_since(e.on) < e.fields.minutes)`,
		// Of several types of event one is enough, and several have one name.
		`(suppressed ? ` + contacts + ` : ` + orders + `).exists(e, e.fields.total_minor > 3 && e.fields.channel != "")`,
		`(suppressed ? ` + contacts + ` : events("customer.odd")).exists(e, e.fields.channel == "email" || e.fields.channel == 3)`,
		contacts + `.exists(e, (suppressed ? e.fields.channel : e.fields.at) == "x")`,
		`psychographics.preferences.newsletter == "weekly" && psychographics.preferences["nothing"] != ""`,
		`contact_points.exists(e, e.type == "email")`,
	} {
		if said := tried(rule); said != nil {
			t.Errorf("%s: %q", rule, said)
		}
	}
}

func TestFieldsThatThereAreNot(t *testing.T) {
	for rule, want := range map[string]string{
		`C.exists(e, e.fields.chanel == "email")`:           `line 1, column 55: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		"C.exists(e,\n has(e.fields.chanel))":               `line 2, column 2: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		`C.exists(e, e.fields["chanel"] == "email")`:        `line 1, column 55: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		`C.exists(e, "chanel" in e.fields)`:                 `line 1, column 56: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		`C.exists(e, e.fields.weather == "fine")`:           `line 1, column 55: customer.contact_recorded has no field "weather" that a rule can ask for; it has answered, at, channel, direction, minutes`,
		`T.exists(e, e.fields.tag == "vip")`:                `line 1, column 48: customer.tag_added has no fields that a rule can ask for`,
		`C.last().fields.chanel == "email"`:                 `line 1, column 50: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		`C.within(30)[0].fields.chanel == "email"`:          `line 1, column 57: customer.contact_recorded has no field "chanel" that a rule can ask for; did you mean "channel"?`,
		`C.map(e, e.fields.minute).sum() > 3`:               `line 1, column 52: customer.contact_recorded has no field "minute" that a rule can ask for; did you mean "minutes"?`,
		`(suppressed ? C : O).exists(e, e.fields.x > 3)`:    `line 1, column 106: customer.contact_recorded or customer.order_recorded has no field "x" that a rule can ask for; it has answered, at, channel, direction, minutes, store_id, total_minor`,
		`O.last().fields.minutes > C.last().fields.minutes`: `line 1, column 48: customer.order_recorded has no field "minutes" that a rule can ask for; it has channel, store_id, total_minor`,

		`C.exists(e, e.fields.channel == 3)`:                `line 1, column 55: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`C.exists(e, "long" < e.fields.minutes)`:            `line 1, column 64: "minutes" of customer.contact_recorded is a whole number, but a text is needed here`,
		`C.exists(e, e.fields.answered == "yes")`:           `line 1, column 55: "answered" of customer.contact_recorded is true or false, but a text is needed here`,
		`C.exists(e, e.fields.channel)`:                     `line 1, column 55: "channel" of customer.contact_recorded is a text, but true or false is needed here`,
		`C.exists(e, !e.fields.minutes)`:                    `line 1, column 56: "minutes" of customer.contact_recorded is a whole number, but true or false is needed here`,
		`C.exists(e, e.fields.channel in [1, 2])`:           `line 1, column 55: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`C.exists(e, "e" in e.fields.channel)`:              `line 1, column 62: "channel" of customer.contact_recorded is a text, but a list is needed here`,
		`C.exists(e, e.fields.minutes.contains("1"))`:       `line 1, column 55: "minutes" of customer.contact_recorded is a whole number, but a text is needed here`,
		`C.exists(e, e.fields.channel + 1 > 2)`:             `line 1, column 55: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`C.exists(e, e.fields.at >= date("2026-02-28"))`:    `line 1, column 55: "at" of customer.contact_recorded is a text, but a date is needed here: dates of fields are texts such as "2026-02-28", and an event is of the date .on`,
		`C.exists(e, days_since(e.fields.at) > 3)`:          `line 1, column 66: "at" of customer.contact_recorded is a text, but a date is needed here: dates of fields are texts such as "2026-02-28", and an event is of the date .on`,
		`C.map(e, e.fields.channel).sum() > 3`:              `line 1, column 52: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`C.map(e, e.fields.channel).exists(c, c > 3)`:       `line 1, column 52: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`3 in C.map(e, e.fields.channel)`:                   `line 1, column 57: "channel" of customer.contact_recorded is a text, but a whole number is needed here`,
		`C.last().fields.at == O.last().fields.total_minor`: `line 1, column 50: "at" of customer.contact_recorded is a text, but a whole number is needed here`,
	} {
		rule = strings.NewReplacer("C", `events("customer.contact_recorded")`, "O", `events("customer.order_recorded")`, "T", `events("customer.tag_added")`).Replace(rule)
		if said := tried(rule); len(said) == 0 || said[0] != want {
			t.Errorf("%s\n got %q\nwant %q", rule, said, want)
		}
		// It is refused where it is defined. What stands in a log goes on.
		if _, err := Compile(rule, nil); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
	if said := tried(`suppressed` + strings.Repeat(` && events("customer.tag_added").exists(e, e.fields.x == 1)`, 7)); len(said) != maxProblems {
		t.Errorf("%q", said)
	}
	// A type of event that there is not is told once.
	if said := tried(`events("customer.sneezed").exists(e, e.fields.loud)`); len(said) != 1 || !strings.Contains(said[0], "customer.sneezed") {
		t.Errorf("%q", said)
	}
}

func TestUsesOfFields(t *testing.T) {
	r, err := Compile(`events("customer.a").last().fields.x == events("customer.b").last().fields.y && events("customer.a").exists(e, e.fields.z > 3)`, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, y, z := EventField{[]string{"customer.a"}, "x"}, EventField{[]string{"customer.b"}, "y"}, EventField{[]string{"customer.a"}, "z"}
	want := []FieldUse{
		{EventField: x, Place: "line 1, column 35", Like: []EventField{y}},
		{EventField: y, Place: "line 1, column 75", Like: []EventField{x}},
		{EventField: z, Place: "line 1, column 120", Needs: FieldWhole},
	}
	if diff := cmp.Diff(want, r.Uses().Fields); diff != "" {
		t.Error(diff)
	}
}

// Both commands refuse what is checked where they are made.
func TestCommandsRefuseFields(t *testing.T) {
	d := Definition{Name: "Calls", Rule: `events("customer.contact_recorded").exists(e, e.fields.chanel == "email")`, Segments: &Set{}}
	d.SetFields(fieldsOf)
	_, defined := Define{Definition: d, SegmentID: "calls", Kind: Dynamic}.Decide(State{})
	_, published := Publish{Definition: d, SegmentID: "calls"}.Decide(State{Segment: Segment{ID: "calls", Kind: Dynamic, Version: 1}})
	for _, err := range []error{defined, published} {
		if !errors.Is(err, domain.ErrValidation) || !strings.Contains(err.Error(), `did you mean "channel"?`) {
			t.Errorf("%v", err)
		}
	}
}
