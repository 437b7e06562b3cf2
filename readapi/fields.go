package readapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// FieldChange is one field of a customer before and after: its path in the
// document, such as name.given, attributes.size or contact_points[ID].value.
// What was or became null is not set.
type FieldChange struct {
	Field  string          `json:"field"`
	Was    json.RawMessage `json:"was"`
	Became json.RawMessage `json:"became"`
}

// unsaid are the members of a document that no history shows as fields, wherever
// they stand: the events that explain others, and what only finds them.
var unsaid = map[string]bool{
	"event": true, "event_id": true, "lifted_by": true,
	"request": true, "approval": true, "refusal": true, "completion": true,
	"lookup": true, "claim": true,
}

// identities are the members by which the objects of a list are told apart, the
// first that do it for all of them. What fits no line is told apart by its place.
var identities = [][]string{
	{"suppression_id"}, {"hold_id"}, {"coupon_id"}, {"proposal_id"}, {"order_id"}, {"system", "id"}, {"id"}, {"key"}, {"occasion", "year"}, {"event_id"},
	{"purpose", "channel"}, {"channel"}, {"currency"}, {"kind", "lookup"},
}

var jsonNull = json.RawMessage("null")

// fieldChanges returns what differs between two documents, by field, in the
// order of the later document. A nil document has no fields. Both are JSON of
// our own making.
func fieldChanges(before, after []byte) []FieldChange {
	if bytes.Equal(before, after) {
		return nil
	}
	var d differ
	d.objects("", before, after)
	return d.found
}

type differ struct{ found []FieldChange }

// values compares two values of one field; nil is none.
func (d *differ) values(path string, before, after []byte) {
	if bytes.Equal(before, after) {
		return
	}
	switch kind := kindOf(before, after); kind {
	case '{':
		d.objects(path, before, after)
	case '[':
		d.lists(path, before, after)
	default:
		d.leaf(path, before, after)
	}
}

func (d *differ) leaf(path string, before, after []byte) {
	c := FieldChange{path, jsonNull, jsonNull}
	if before != nil {
		c.Was = before
	}
	if after != nil {
		c.Became = after
	}
	if !bytes.Equal(c.Was, c.Became) {
		d.found = append(d.found, c)
	}
}

// kindOf returns the kind of both values, 0 if they are of two kinds.
func kindOf(before, after []byte) jsontext.Kind {
	switch {
	case before == nil && after == nil:
		return 0
	case before == nil:
		return jsontext.Value(after).Kind()
	case after == nil:
		return jsontext.Value(before).Kind()
	}
	if kind := jsontext.Value(before).Kind(); kind == jsontext.Value(after).Kind() {
		return kind
	}
	return 0
}

func (d *differ) objects(path string, before, after []byte) {
	was, became := membersOf(before), membersOf(after)
	each(was, became, func(name string, before, after []byte) {
		if unsaid[name] || path == "" && name == "revision" {
			return
		}
		if path != "" {
			name = path + "." + name
		}
		d.values(name, before, after)
	})
}

// lists compares lists: objects by what tells them apart, plain values as a set
// whose order counts.
func (d *differ) lists(path string, before, after []byte) {
	was, became := elementsOf(before), elementsOf(after)
	kind := jsontext.Kind(0)
	for i, e := range slices.Concat(was, became) {
		k := jsontext.Value(e.value).Kind()
		if i > 0 && (k == '{') != (kind == '{') || k == '[' {
			d.leaf(path, before, after)
			return
		}
		kind = k
	}
	if kind == '{' {
		identify(was, became)
	}
	each(was, became, func(name string, before, after []byte) {
		d.values(path+"["+name+"]", before, after)
	})
	if kind != '{' && before != nil && after != nil && moved(was, became) {
		d.leaf(path, before, after)
	}
}

// moved says whether what stands in both lists stands in another order.
func moved(was, became []member) bool {
	in := func(list []member) func(member) bool {
		names := make(map[string]bool, len(list))
		for _, m := range list {
			names[m.name] = true
		}
		return func(m member) bool { return !names[m.name] }
	}
	was, became = slices.DeleteFunc(slices.Clone(was), in(became)), slices.DeleteFunc(slices.Clone(became), in(was))
	return !slices.EqualFunc(was, became, func(a, b member) bool { return a.name == b.name })
}

// member is a member of an object, or an element of a list under the name that
// tells it apart.
type member struct {
	name  string
	value []byte
}

// each calls f for every name on either side, those of the right first and in its order.
func each(left, right []member, f func(name string, left, right []byte)) {
	// Most often both have the same names in the same order.
	if len(left) == len(right) && slices.EqualFunc(left, right, func(a, b member) bool { return a.name == b.name }) {
		for i := range right {
			f(right[i].name, left[i].value, right[i].value)
		}
		return
	}
	rest := make(map[string][]byte, len(left))
	for _, m := range left {
		rest[m.name] = m.value
	}
	for _, m := range right {
		f(m.name, rest[m.name], m.value)
		delete(rest, m.name)
	}
	for _, m := range left {
		if value, gone := rest[m.name]; gone {
			f(m.name, value, nil)
		}
	}
}

// membersOf returns the members of an object in their order.
func membersOf(object []byte) (list []member) {
	if object == nil {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true))
	d.ReadToken()
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		text := name.String()
		if err != nil {
			break
		}
		value, err := d.ReadValue()
		if err != nil {
			break
		}
		end := int(d.InputOffset())
		list = append(list, member{text, object[end-len(value) : end : end]})
	}
	return list
}

// elementsOf returns the elements of a list. A plain value is its own name; the
// second of two equal ones has its place in the name.
func elementsOf(array []byte) (list []member) {
	if array == nil {
		return nil
	}
	seen := map[string]bool{}
	d := jsontext.NewDecoder(bytes.NewBuffer(array), jsontext.AllowDuplicateNames(true))
	d.ReadToken()
	for {
		switch d.PeekKind() {
		case ']', 0:
			return list
		}
		value, err := d.ReadValue()
		if err != nil {
			return list
		}
		end := int(d.InputOffset())
		m := member{value: array[end-len(value) : end : end]}
		m.name = plain(m.value)
		if seen[m.name] {
			m.name += "#" + strconv.Itoa(len(list))
		}
		seen[m.name] = true
		list = append(list, m)
	}
}

// plain returns a value as it is read: a string without its quotes.
func plain(value []byte) string {
	if len(value) > 0 && value[0] == '"' {
		if text, err := jsontext.AppendUnquote(nil, value); err == nil {
			return string(text)
		}
	}
	return string(value)
}

// identify names the objects of two lists by the members that tell them apart in both.
func identify(was, became []member) {
	objects := make(map[*member][]member, len(was)+len(became))
	for _, list := range [][]member{was, became} {
		for i := range list {
			objects[&list[i]] = membersOf(list[i].value)
		}
	}
	for _, identity := range identities {
		if namedBy(was, objects, identity) && namedBy(became, objects, identity) {
			return
		}
	}
	for _, list := range [][]member{was, became} {
		for i := range list {
			list[i].name = strconv.Itoa(i)
		}
	}
}

func namedBy(list []member, objects map[*member][]member, identity []string) bool {
	seen := map[string]bool{}
	for i := range list {
		var parts []string
		for _, m := range objects[&list[i]] {
			if at := slices.Index(identity, m.name); at >= 0 {
				parts = append(parts, strconv.Itoa(at)+plain(m.value))
			}
		}
		slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(a[0], b[0]) })
		for n := range parts {
			parts[n] = parts[n][1:]
		}
		name := strings.Join(parts, ":")
		if name == "" || seen[name] {
			return false
		}
		seen[name] = true
		list[i].name = name
	}
	return true
}
