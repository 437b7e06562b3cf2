package segment

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
)

// The types of the language beside those of CEL. Names with @ cannot be written in
// a rule.
var (
	dateType       = types.NewOpaqueType("date")
	daysType       = types.NewOpaqueType("days")
	yearsType      = types.NewOpaqueType("years")
	percentileType = types.NewOpaqueType("percentile")
	ordersType     = types.NewListType(record("Order"))
	eventsType     = types.NewListType(record("Happening"))
	stageType      = record("Stage")
	attributesType = record("Attributes")
	customerType   = "@Customer"
)

func record(name string) *types.Type { return types.NewObjectType("@" + name) }

// member is a member of the customer or of a record of it.
type member struct {
	name  string
	typ   *types.Type
	get   func(record any) val // of a pointer to the record
	known func(record any) bool
}

// records is the members of the records of the document, by the name of their type,
// as the tags of the structs name them.
var records = func() map[string][]member {
	all := map[string][]member{}
	membersOf(reflect.TypeFor[Customer](), all)
	membersOf(reflect.TypeFor[Happening](), all)
	return all
}()

func memberOf(typeName, name string) *member {
	ms := records[typeName]
	for i := range ms {
		if ms[i].name == name {
			return &ms[i]
		}
	}
	return nil
}

func membersOf(t reflect.Type, all map[string][]member) {
	name := "@" + t.Name()
	if _, done := all[name]; done {
		return
	}
	all[name] = nil
	var ms []member
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("cel")
		if tag == "-" {
			continue
		}
		m := member{name: tag}
		m.typ, m.get = reader(t.Field(i).Type, i, all)
		if direct := directly[name+"."+tag]; direct != nil {
			m.get = direct
		}
		if known := doubtful[name+"."+tag]; known != nil {
			m.known = known
		} else if known := doubtful[name+".*"]; known != nil && m.typ == types.IntType {
			m.known = known
			if name == "@Attitude" { // each for itself
				get := m.get
				m.known = func(r any) bool { return get(r).n >= 0 }
			}
		}
		ms = append(ms, m)
	}
	all[name] = ms
}

// doubtful says of members whose type has no value for what is not known when they
// are: of one by its name, of all whole numbers of a record by a star.
var doubtful = map[string]func(record any) bool{
	"@Attitude.*":         func(any) bool { return true },
	"@RFM.*":              func(r any) bool { return r.(*RFM).Scored },
	"@Value.contribution": func(r any) bool { return r.(*Value).Known },
}

// directly reads the members that loops look at most without going by reflection.
var directly = map[string]func(record any) val{
	"@Order.on":         func(r any) val { return dated(r.(*Order).On) },
	"@Order.amount":     func(r any) val { return integer(r.(*Order).Amount) },
	"@Order.net":        func(r any) val { return integer(r.(*Order).Net) },
	"@Order.paid":       func(r any) val { return boolean(r.(*Order).Paid) },
	"@Order.cancelled":  func(r any) val { return boolean(r.(*Order).Cancelled) },
	"@Order.channel":    func(r any) val { return text(r.(*Order).Channel) },
	"@Order.store":      func(r any) val { return text(r.(*Order).Store) },
	"@Happening.on":     func(r any) val { return dated(r.(*Happening).On) },
	"@Happening.fields": func(r any) val { return val{k: kMap, p: &r.(*Happening).Fields} },
}

// reader returns the type of a field and how it is read.
func reader(t reflect.Type, i int, all map[string][]member) (*types.Type, func(any) val) {
	field := func(r any) reflect.Value { return reflect.ValueOf(r).Elem().Field(i) }
	switch t {
	case reflect.TypeFor[*domain.Date]():
		return dateType, func(r any) val {
			if d := field(r).Interface().(*domain.Date); d != nil {
				return dated(*d)
			}
			return val{}
		}
	case reflect.TypeFor[domain.Date]():
		return dateType, func(r any) val { return dated(domain.Date(field(r).Int())) }
	case reflect.TypeFor[[]string]():
		return types.NewListType(types.StringType), func(r any) val {
			return val{k: kList, p: &list{base: ofTexts, texts: *field(r).Addr().Interface().(*[]string)}}
		}
	case reflect.TypeFor[[]Order]():
		membersOf(t.Elem(), all)
		return ordersType, nil // read by the frame
	case reflect.TypeFor[map[string]string]():
		return types.NewMapType(types.StringType, types.StringType), func(r any) val {
			return val{k: kMap, p: field(r).Addr().Interface()}
		}
	case reflect.TypeFor[map[string]any]():
		return types.NewMapType(types.StringType, types.DynType), func(r any) val {
			return val{k: kMap, p: field(r).Addr().Interface()}
		}
	case reflect.TypeFor[map[string]attribute.Value]():
		return attributesType, nil // by their own types
	}
	switch t.Kind() {
	case reflect.String:
		return types.StringType, func(r any) val { return text(field(r).String()) }
	case reflect.Int64:
		return types.IntType, func(r any) val { return integer(field(r).Int()) }
	case reflect.Bool:
		return types.BoolType, func(r any) val { return boolean(field(r).Bool()) }
	case reflect.Struct:
		membersOf(t, all)
		return record(t.Name()), func(r any) val { return val{k: kRecord, p: field(r).Addr().Interface()} }
	case reflect.Slice:
		membersOf(t.Elem(), all)
		return types.NewListType(record(t.Elem().Name())), func(r any) val {
			v := field(r)
			l := list{values: make([]val, v.Len())}
			for i := range l.values {
				l.values[i] = val{k: kRecord, p: v.Index(i).Addr().Interface()}
			}
			return val{k: kList, p: &l}
		}
	}
	panic("no rule can speak of a " + t.String())
}

// read returns a member of a record; what is not known of the record is not known of
// the member.
func (m *member) read(v val) val {
	if v.k != kRecord {
		return v // unknown or failed
	}
	if m.known != nil && !m.known(v.p) {
		return val{}
	}
	return m.get(v.p)
}

// attributeTypes is the types of attributes as rules know them.
var attributeTypes = map[string]*types.Type{
	attribute.Text: types.StringType, attribute.Enum: types.StringType, attribute.Number: types.DoubleType,
	attribute.Integer: types.IntType, attribute.Boolean: types.BoolType, attribute.Date: dateType,
}

// attributeValue reads the value of an attribute; what is not of its type is not known.
func attributeValue(v attribute.Value, kind string) val {
	switch kind {
	case attribute.Text, attribute.Enum:
		if strings.HasPrefix(string(v), `"`) {
			return text(v.Text())
		}
	case attribute.Number:
		if f, err := strconv.ParseFloat(string(v), 64); err == nil && !math.IsNaN(f) {
			return number(f)
		}
	case attribute.Integer:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return integer(n)
		}
	case attribute.Boolean:
		if v == "true" || v == "false" {
			return boolean(v == "true")
		}
	case attribute.Date:
		var d domain.Date
		if d.UnmarshalText([]byte(v.Text())) == nil {
			return dated(d)
		}
	}
	return val{}
}

// mapValue returns what a map has under a key.
func mapValue(v val, key string) val {
	switch m := v.p.(type) {
	case *map[string]string:
		if s, ok := (*m)[key]; ok {
			return text(s)
		}
	case *map[string]any:
		return plain((*m)[key])
	}
	return val{}
}

func mapLen(v val) int {
	switch m := v.p.(type) {
	case *map[string]string:
		return len(*m)
	case *map[string]any:
		return len(*m)
	}
	return 0
}

// provider tells the type checker of cel-go what records there are.
type provider struct{ attributes Attributes }

func (p provider) EnumValue(name string) ref.Val         { return types.NewErr("unknown enum name %q", name) }
func (p provider) FindIdent(name string) (ref.Val, bool) { return nil, false }
func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := records[name]; !ok && name != attributesType.TypeName() {
		return nil, false
	}
	return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
}

func (p provider) FindStructFieldNames(name string) (names []string, ok bool) {
	if name == attributesType.TypeName() {
		for key := range p.attributes {
			names = append(names, key)
		}
		return names, true
	}
	for _, m := range records[name] {
		names = append(names, m.name)
	}
	return names, names != nil
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name == attributesType.TypeName() {
		t := attributeTypes[p.attributes[field]]
		return &types.FieldType{Type: t}, t != nil
	}
	m := memberOf(name, field)
	if m == nil {
		return nil, false
	}
	return &types.FieldType{Type: m.typ}, true
}

func (p provider) NewValue(name string, _ map[string]ref.Val) ref.Val {
	return types.NewErr("unknown type %q", name)
}
