package web_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/web"
)

type inner struct {
	A int64  `json:"a"`
	B string `json:"b,omitempty"`
}

type embedded struct {
	E bool `json:"e"`
}

type body struct {
	embedded
	domain.Subject `json:"-"`

	ID    uuid.UUID    `json:"id,omitzero"`
	Text  string       `json:"text"`
	At    time.Time    `json:"at,omitzero"`
	On    *domain.Date `json:"on,omitempty"`
	One   *inner       `json:"one,omitempty"`
	Many  []inner      `json:"many,omitempty"`
	Names []string     `json:"names,omitempty"`
	Inner inner        `json:"inner"`
}

func TestDecode(t *testing.T) {
	const ok = `{"e":false,"text":"x","inner":{"a":0}}`
	var v body
	for _, text := range []string{
		ok, " \n" + ok + "\t\n",
		`{"\u0065":true,"text":"\"{[,:]}","inner":{"b":"\\","a":-1},"one":null,"many":[],"names":["a",null,"}"]}`,
		`{"e":true,"text":"","inner":{"a":1},"id":"018e4a7e-5b1c-7c3a-9d2f-000000000001","at":"2026-03-01T12:00:00.5+01:00","on":"2026-03-01","one":{"a":1},"many":[{"a":1},{"a":2,"b":"[{"}]}`,
	} {
		if err := web.Decode([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, c := range []struct {
		text, code string
		fields     []string
	}{
		{``, "malformed_json", nil},
		{" \n", "malformed_json", nil},
		{`{`, "malformed_json", []string{""}},
		{`[}`, "malformed_json", []string{"/0"}},
		{ok + `{}`, "malformed_json", []string{""}},
		{ok + `,`, "malformed_json", []string{""}},
		{`{"text":"a","text":"b"}`, "malformed_json", []string{"/text"}},
		{"{\"text\":\"\xff\"}", "malformed_json", []string{"/text"}},
		{`{"text":1,"inner":}`, "malformed_json", []string{"/inner"}},
		{`{"text":"x",}`, "malformed_json", []string{""}},
		{`null`, "validation_failed", []string{""}},
		{`[]`, "validation_failed", []string{""}},
		{`"x"`, "validation_failed", []string{""}},
		{`{}`, "validation_failed", []string{"/e", "/text", "/inner"}},
		{`{"e":null,"text":null,"inner":null}`, "validation_failed", []string{"/e", "/text", "/inner"}},
		{`{"e":true,"text":"","inner":{}}`, "validation_failed", []string{"/inner/a"}},
		{`{"e":true,"text":"","inner":{"a":1},"many":[{"a":1},{"b":"x"}],"one":{}}`, "validation_failed", []string{"/many/1/a", "/one/a"}},
		{`{"Text":"x"}`, "validation_failed", []string{"/Text"}},
		{`{"inner":{"c":1}}`, "validation_failed", []string{"/inner/c"}},
		{`{"Customer":"x"}`, "validation_failed", []string{"/Customer"}},
		{`{"text":1}`, "validation_failed", []string{"/text"}},
		{`{"inner":{"a":"1"}}`, "validation_failed", []string{"/inner/a"}},
		{`{"inner":{"a":1.5}}`, "validation_failed", []string{"/inner/a"}},
		{`{"inner":{"a":9223372036854775808}}`, "validation_failed", []string{"/inner/a"}},
		{`{"many":{}}`, "validation_failed", []string{"/many"}},
		{`{"e":true,"text":"","inner":{"a":1},"many":[null]}`, "validation_failed", []string{"/many/0"}},
		{`{"many":[1]}`, "validation_failed", []string{"/many/0"}},
		{`{"id":"4711"}`, "validation_failed", []string{"/id"}},
		{`{"at":"yesterday"}`, "validation_failed", []string{"/at"}},
		{`{"on":"2026-02-30"}`, "validation_failed", []string{"/on"}},
		{`{"e":1}`, "validation_failed", []string{"/e"}},
	} {
		v = body{}
		err := web.Decode([]byte(c.text), &v)
		var refusal *domain.Error
		if !errors.As(err, &refusal) || refusal.Code != c.code {
			t.Errorf("%s: %v, want %s", c.text, err, c.code)
			continue
		}
		var fields []string
		for _, f := range refusal.Fields {
			fields = append(fields, f.Pointer)
		}
		if diff := cmp.Diff(c.fields, fields); diff != "" {
			t.Errorf("%s: fields (-want +got):\n%s", c.text, diff)
		}
		if strings.HasPrefix(refusal.Detail, ":") {
			t.Errorf("%s: it is not said what is wrong: %v", c.text, err)
		}
		for _, word := range []string{"Go", "json:", "web_test", "int64", "unmarshal", "jsontext"} {
			if strings.Contains(refusal.Detail, word) {
				t.Errorf("%s: internal words: %v", c.text, err)
			}
		}
	}
}

func TestNullIsNoObject(t *testing.T) {
	var optional struct {
		A string `json:"a,omitempty"`
	}
	if err := web.Decode([]byte(" null"), &optional); !errors.Is(err, domain.ErrValidation) {
		t.Errorf("%v", err)
	}
}

// What Decode accepts, encoding/json reads alike, and no input makes it panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"e":true,"text":"","inner":{"a":1},"many":[{"a":1},{"b":"x"}],"one":{}}`, `{"e":false,"text":"\u00e9","inner":{"a":0}}`,
		`{"e"`, `[[[[`, `"\`, `{"\u0065":1}`, `{"many":[{]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want body
		if web.Decode(text, &got) != nil {
			return
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q: encoding/json refuses it: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(body{})); diff != "" {
			t.Errorf("%q (-encoding/json +ours):\n%s", text, diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := []byte(`{"e":true,"text":"some text","inner":{"a":1},"id":"018e4a7e-5b1c-7c3a-9d2f-000000000001","at":"2026-03-01T12:00:00Z","many":[{"a":1},{"a":2,"b":"x"}]}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var v body
		if err := web.Decode(text, &v); err != nil {
			b.Fatal(err)
		}
	}
}
