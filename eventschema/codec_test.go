package eventschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"pgregory.net/rapid"
)

// The codec writes what encoding/json writes without HTML escapes, to the byte,
// and reads what it reads.
func TestCodecAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := arbitrary(rt)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(data); err != nil {
			rt.Fatal(err)
		}
		got := inTheClear(t, data)
		if diff := cmp.Diff(string(bytes.TrimSpace(want.Bytes())), string(got)); diff != "" {
			rt.Fatalf("-encoding/json +codec:\n%s", diff)
		}
		wire, _ := Events.Wire(data)
		back, err := open(wire, got)
		if err != nil {
			rt.Fatal(err)
		}
		std := reflect.New(reflect.TypeOf(data))
		if err := json.Unmarshal(got, std.Interface()); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(std.Elem().Interface(), back); diff != "" {
			rt.Fatalf("-encoding/json +codec:\n%s", diff)
		}
	})
}

// What the codec reads, the two libraries read as the same. (They also read
// what it refuses: other spellings of ids, times with a lower-case t.)
func FuzzData(f *testing.F) {
	for i, typ := range Events.Types() {
		f.Add(i, []byte(readExample(f, typ.Wire())))
	}
	f.Add(0, []byte(` { "kind" : "person" , "name" : null , "x" : [ { } , [ ] , -0.5e+7 , true , null ] } `))
	f.Add(4, []byte(`{"order_id":"\ud83d\ude00\u0041\"\\\/\b\f\n\r\t","lines":[],"lines":null}`))
	f.Add(4, []byte(`{"total":{"amount_minor":9223372036854775808},"placed_at":"2026-02-29T00:00:00Z"}`))
	f.Add(15, []byte(`{"wrapped":"AQI=\n","key_id":"\ud800"}`))
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		types := Events.Types()
		typ := types[uint(n)%uint(len(types))]
		p := reflect.New(typ.Go)
		r := reader{b: data}
		typ.codec.read(&r, p.Elem(), nil)
		if r.end() != nil {
			return
		}
		want := reflect.New(typ.Go)
		if err := jsonv2.Unmarshal(data, want.Interface(), jsontext.AllowDuplicateNames(true)); err != nil {
			t.Fatalf("the codec reads as %+v what json/v2 refuses: %v", p.Elem(), err)
		}
		if diff := cmp.Diff(want.Interface(), p.Interface(), sameInstant); diff != "" {
			t.Fatalf("-json/v2 +codec:\n%s", diff)
		}
		if err := json.Unmarshal(data, reflect.New(typ.Go).Interface()); err != nil {
			t.Fatalf("the codec reads as %+v what encoding/json refuses: %v", p.Elem(), err)
		}
	})
}

var sameInstant = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

// What no other test reaches: each malformed text is refused, and says why.
func TestReaderRefuses(t *testing.T) {
	for text, want := range map[string]error{
		``:                                  errSyntax,
		`{`:                                 errSyntax,
		`{}x`:                               errSyntax,
		`{"reason" "x"}`:                    errSyntax,
		`{"reason":"x",}`:                   errSyntax,
		`{"reason":"x"`:                     errSyntax,
		`{"reason":"\x"}`:                   errSyntax,
		`{"reason":"\u12g4"}`:               errSyntax,
		"{\"reason\":\"\n\"}":               errSyntax,
		"{\"reason\":\"\xff\"}":             errUTF8,
		"{\"reason\":\"\xff\\n\"}":          errUTF8,
		`{"reason":"\udc00"}`:               errUTF8,
		`{"reason":"\ud83d\u0041"}`:         errUTF8,
		`{"reason":1}`:                      errType,
		`{"reason":"","reason":""}`:         errDuplicate,
		`{"position":-1}`:                   errRange,
		`{"position":1.0}`:                  errType,
		`{"position":1e3}`:                  errType,
		`{"position":01}`:                   errSyntax,
		`{"position":"1"}`:                  errType,
		`{"position":18446744073709551616}`: errRange,
		`{"event_id":"0197b6a24c1e7d3a9f102b6a5a3c"}`: errValue,
		`{"x":tru}`: errSyntax,
		`{"x":` + string(bytes.Repeat([]byte{'['}, 300)): errDepth,
	} {
		_, err := open("operations.event_parked.v1", []byte(text))
		if err == nil || !errors.Is(err, want) {
			t.Errorf("%.50s: %v, want %v", text, err, want)
		}
	}
}

// Times and dates are read as the time package reads them, and written as it
// writes them.
func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime.Draw(t, "t")
		text, err := appendTime(nil, at.In(time.FixedZone("", 5400)))
		if err != nil || string(text) != `"`+at.Format(time.RFC3339Nano)+`"` {
			t.Fatalf("%s, %v", text, err)
		}
		if got, ok := parseUTC(text[1 : len(text)-1]); !ok || !got.Equal(at) || got.Location() != time.UTC {
			t.Fatalf("%s is read as %v, %v", text, got, ok)
		}
		d := anyDate.Draw(t, "d")
		text, err = appendDate(nil, d)
		if err != nil || string(text) != `"`+d.String()+`"` {
			t.Fatalf("%s, %v", text, err)
		}
		if got, ok := parseDate(text[1 : len(text)-1]); !ok || got != d {
			t.Fatalf("%s is read as %v, %v", text, got, ok)
		}
	})
	for text, want := range map[string]string{
		"2026-03-01T12:00:00+02:00":            "2026-03-01T10:00:00Z",
		"2024-02-29T23:59:59.000000001Z":       "2024-02-29T23:59:59.000000001Z",
		"2026-02-29T00:00:00Z":                 "",
		"2026-03-01T24:00:00Z":                 "",
		"2026-03-01T12:00:60Z":                 "",
		"2026-03-01T12:00:00.Z":                "",
		"2026-03-01T12:00:00":                  "",
		"2026-13-01T12:00:00Z":                 "",
		"2026-03-01 12:00:00Z":                 "",
		"20260-03-01T12:00:00Z":                "",
		"2026-03-01T12:00:00.1234567891Z":      "2026-03-01T12:00:00.123456789Z",
		"2026-03-01T12:00:00.123456789999999Z": "2026-03-01T12:00:00.123456789Z",
	} {
		got, ok := parseTime([]byte(text))
		if ok != (want != "") || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s is read as %v, %v; want %q", text, got, ok, want)
		}
	}
	if _, err := appendTime(nil, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("the year 10000 was written")
	}
	if _, err := appendDate(nil, domain.NewDate(-1, 1, 1)); err == nil {
		t.Error("the year -1 was written")
	}
}

type oddColour int

func (c oddColour) MarshalText() ([]byte, error) { return []byte{'a' + byte(c)}, nil }
func (c *oddColour) UnmarshalText(b []byte) error {
	*c = oddColour(b[0] - 'a')
	return nil
}

// Kinds of fields that no event has yet work as well.
func TestCodecOtherTypes(t *testing.T) {
	type tree struct {
		Name string `json:"name"`
		Kids []tree `json:"kids,omitempty"`
	}
	type odd struct {
		Map     map[string]int  `json:"map,omitempty"`
		Float   float64         `json:"float,omitempty"`
		Any     any             `json:"any,omitempty"`
		Raw     json.RawMessage `json:"raw,omitempty"`
		Colour  oddColour       `json:"colour,omitempty"`
		Array   [2]int          `json:"array"`
		Tree    tree            `json:"tree,omitzero"`
		At      time.Time       `json:"at,omitzero"`
		Small   int8            `json:"small"`
		Tiny    uint8           `json:"tiny"`
		Ignored int             `json:"-"`
	}
	typ := event[odd]("test.odd")
	for _, want := range []odd{
		{},
		{
			Map: map[string]int{"b": 1, "a": 2}, Float: 1.5, Any: "x", Raw: json.RawMessage(`{"a":[1]}`), Colour: 2,
			Array: [2]int{1, 2}, Tree: tree{Name: "root", Kids: []tree{{Name: "leaf"}}}, At: noon, Small: -128, Tiny: 255,
		},
	} {
		text, err := typ.codec.append([]byte{'{'}, reflect.ValueOf(&want).Elem(), nil)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, '}')
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if string(std) != string(text) {
			t.Errorf("encoding/json writes %s, the codec %s", std, text)
		}
		var got odd
		r := reader{b: text}
		typ.codec.read(&r, reflect.ValueOf(&got).Elem(), nil)
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	bad := odd{Map: map[string]int{"\xff": 1}}
	if _, err := typ.codec.append([]byte{'{'}, reflect.ValueOf(&bad).Elem(), nil); !errors.Is(err, ErrText) {
		t.Errorf("a map with a broken name: %v", err)
	}
}
