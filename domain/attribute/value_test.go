package attribute_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	. "github.com/rapport-crm/rapport/domain/attribute"
	"pgregory.net/rapid"
)

// Every type takes its own values, keeps them exactly, and refuses all others.
func TestTake(t *testing.T) {
	long := `"` + strings.Repeat("x", 1001) + `"`
	for kind, values := range map[string]map[string]string{ // what is kept; "" if the value is refused
		Text:    {`"ab"`: "ab", `"\u00e9\n"`: "é\n", `"12"`: "12", `""`: "", `"\u0000"`: "", long: "", `12`: "", `true`: "", `null`: "", `["a"]`: "", `{"a":1}`: ""},
		Enum:    {`"S"`: "S", `"M"`: "M", `"s"`: "", `""`: "", `1`: "", `null`: ""},
		Date:    {`"2026-03-01"`: "2026-03-01", `"2024-02-29"`: "2024-02-29", `"2026-02-29"`: "", `"1.3.2026"`: "", `2026`: "", `""`: "", `null`: ""},
		Boolean: {`true`: "true", `false`: "false", `"true"`: "", `1`: "", `null`: ""},
		Integer: {
			`0`: "0", `-0`: "0", `42`: "42", `-7`: "-7", `1e3`: "1000", `12.0`: "12", `120e-1`: "12",
			`9223372036854775807`: "9223372036854775807", `-9223372036854775808`: "-9223372036854775808",
			`9223372036854775808`: "", `1.5`: "", `"42"`: "", `true`: "", `null`: "", `1e400`: "", `[1]`: "",
		},
		Number: {
			`0`: "0", `-0.00`: "0", `1.50`: "1.5", `0.1`: "0.1", `15e-1`: "1.5", `1.5E+2`: "150", `-0.001`: "-0.001", `1e-30`: "0.000000000000000000000000000001",
			`123456789012345678901234567890.123456789012345678901234567891`: "123456789012345678901234567890.123456789012345678901234567891",
			`1e29`: "1" + strings.Repeat("0", 29), `1e30`: "", `1e-31`: "", `1e999999999`: "", `"1.5"`: "", `false`: "", `null`: "", `{}`: "",
		},
		"colour": {`"red"`: ""},
	} {
		for text, want := range values {
			var v Value
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			got, problem := Defined{Type: kind, Enum: []string{"S", "M"}}.Take(v)
			if problem != "" {
				got = ""
			}
			if got != want || want == "" && problem == "" {
				t.Errorf("%s %s is kept as %q (%s), want %q", kind, text, got, problem, want)
			}
			if want != "" && Of(kind, got).Text() != got {
				t.Errorf("%s %q comes back as %s", kind, got, Of(kind, got))
			}
		}
	}
}

// A value is written as encoding/json writes it, and read as it reads it.
func TestValuesAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\u2028\u2029", `<&>"\/`, "\b\f\n\r\t\x00\x1f\x7f", "Zoë", "\U0001f600"})).Draw(t, "text")
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		v := Of(Text, text)
		got, err := json.Marshal(map[string]Value{"v": v})
		if err != nil || string(got) != `{"v":`+string(want)+`}` {
			t.Fatalf("%s, %v, want %s", got, err, want)
		}
		var back map[string]Value
		if err := json.Unmarshal(got, &back); err != nil || back["v"] != v || back["v"].Text() != text {
			t.Fatalf("%q comes back as %q, %v", text, back["v"].Text(), err)
		}
	})
}

// However a request escapes a string, it is the same value.
func FuzzValue(f *testing.F) {
	for _, seed := range []string{`"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx\u0041"`, `"\u00e9\/\\\""`, ` "a" `, `1.5`, `null`, `[1, 2]`, `"\ud83d\ud83d\ude00"`, `"\uD83D\uDE00"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		var v Value
		if err := v.UnmarshalJSON(b); err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(b, &want); err != nil {
			return // a number that no float holds
		}
		if text, ok := want.(string); ok && v.Text() != strings.ToValidUTF8(text, "\ufffd") && v.Text() != text {
			t.Fatalf("%s reads as %q, want %q", b, v.Text(), text)
		}
		if out, err := json.Marshal(v); err != nil || !json.Valid(out) {
			t.Fatalf("%s is written as %s, %v", b, out, err)
		}
	})
}

func TestDecimalIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		text, ok := Decimal(number)
		if !ok {
			return
		}
		want, _ := new(big.Rat).SetString(number)
		got, _ := new(big.Rat).SetString(text)
		if got.Cmp(want) != 0 {
			t.Fatalf("%s is kept as %s", number, text)
		}
		if again, ok := Decimal(text); !ok || again != text {
			t.Fatalf("%s is not the one way to write %s: %s", text, number, again)
		}
	})
	for _, wrong := range []string{"", "-", "+1", ".5", "1.", "01", "1e", "0x10", "1_000", "NaN", "Infinity", " 1", "1,5", "1e+-2", "--1"} {
		if text, ok := Decimal(wrong); ok {
			t.Errorf("%q is taken for the number %s", wrong, text)
		}
	}
}
