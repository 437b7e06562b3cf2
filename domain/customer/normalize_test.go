package customer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/rapport-crm/rapport/domain/customer"
)

func TestNormalizeEmail(t *testing.T) {
	for address, want := range map[string]string{
		"ada@example.com":              "ada@example.com",
		"  Ada.Berg+news@EXAMPLE.com ": "ada.berg+news@example.com",
		"ada@Bücher.example":           "ada@xn--bcher-kva.example",
		"ada@xn--bcher-kva.example":    "ada@xn--bcher-kva.example",
		"Zoë@example.com":              "zoë@example.com",
		"zoe\u0308@example.com":        "zoë@example.com",
		"用户@例子.公司":                     "用户@xn--fsqu00a.xn--55qx5d",
		"o'brien@sub.example.co.uk":    "o'brien@sub.example.co.uk",
		"1@2.example":                  "1@2.example",
		"ada@example。com":              "ada@example.com", // the full stop of Chinese and Japanese
	} {
		if got, ok := NormalizeEmail(address); !ok || got != want {
			t.Errorf("%q is %q, %v; want %q", address, got, ok, want)
		}
	}
	for _, address := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a@b@example.com", ".ada@example.com", "ada.@example.com",
		"a..da@example.com", "ada berg@example.com", `"ada berg"@example.com`, "Ada <ada@example.com>", "ada@example.com,bob@example.com",
		"ada@-example.com", "ada@exam_ple.com", "ada@example..com", "ada@.example.com", "ada@example.com.", "ada@127.0.0.1", "ada@[127.0.0.1]",
		"ada@example.com\n", "a\x00@example.com", "a\xff@example.com", "a\u200b@example.com", "(ada)ada@example.com", "mailto:ada@example.com",
		strings.Repeat("a", 65) + "@example.com", "ada@" + strings.Repeat("a", 64) + ".com", "ada@" + strings.Repeat("abcdefgh.", 30) + "com", strings.Repeat("@", 5000),
	} {
		if got, ok := NormalizeEmail(address); ok && strings.TrimSpace(address) == address {
			t.Errorf("%q is taken as %q", address, got)
		}
	}
}

func TestNormalizePhone(t *testing.T) {
	for _, c := range []struct{ number, region, want string }{
		{"+49 30 901820", "", "+4930901820"},
		{"(030) 90 18-20", "DE", "+4930901820"},
		{"0049 30 901820", "DE", "+4930901820"},
		{"+4930901820", "US", "+4930901820"},
		{"(202) 456-1111", "US", "+12024561111"},
		{"138 0013 8000", "CN", "+8613800138000"},
		{"+39 06 6982", "", "+39066982"},
		{"tel:+49-30-901820", "", "+4930901820"},
		{"+49 30 901820 ext. 12", "", "+4930901820;ext=12"},
		{"+4930901820;ext=12", "", "+4930901820;ext=12"},
		{"+٤٩٣٠٩٠١٨٢٠", "", "+4930901820"},
	} {
		if got, ok := NormalizePhone(c.number, c.region); !ok || got != c.want {
			t.Errorf("%q of %q is %q, %v; want %q", c.number, c.region, got, ok, c.want)
		}
	}
	for _, c := range []struct{ number, region string }{
		{"", ""}, {"030 901820", ""}, {"+", ""}, {"+49", ""}, {"+49 1", ""}, {"+999 123456", ""}, {"12", "DE"}, {"ada", "DE"}, {"+1 000 000 0000", ""},
		{"030 901820", "XX"}, {strings.Repeat("9", 2000), "DE"},
	} {
		if got, ok := NormalizePhone(c.number, c.region); ok {
			t.Errorf("%q of %q is taken as %q", c.number, c.region, got)
		}
	}
}

func FuzzNormalizeEmail(f *testing.F) {
	for _, s := range []string{"ada@example.com", "Zoë.M@Bücher.example", "用户@例子.公司", "a@b@c", "İ@x.example", "ẞ@ß.de", "\u200da@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := NormalizeEmail(s)
		if !ok {
			return
		}
		if again, ok := NormalizeEmail(n); !ok || again != n {
			t.Errorf("%q is %q, and that is %q, %v", s, n, again, ok)
		}
		if !utf8.ValidString(n) || len(n) > 254 || strings.ContainsAny(n, " \t\n\x00") || strings.Count(n, "@") != 1 {
			t.Errorf("%q is %q", s, n)
		}
	})
}

func FuzzNormalizePhone(f *testing.F) {
	for _, s := range []string{"+49 30 901820", "(202) 456-1111", "0039 06 6982", "tel:+1-202-456-1111;ext=7", "+86 138 0013 8000", "1-800-FLOWERS"} {
		f.Add(s, "DE")
		f.Add(s, "US")
	}
	f.Fuzz(func(t *testing.T, s, region string) {
		n, ok := NormalizePhone(s, region)
		if !ok {
			return
		}
		if again, ok := NormalizePhone(n, ""); !ok || again != n {
			t.Errorf("%q of %q is %q, and that is %q, %v", s, region, n, again, ok)
		}
		if number, _, _ := strings.Cut(n, ";ext="); len(number) > 16 || number[0] != '+' || strings.Trim(number[1:], "0123456789") != "" {
			t.Errorf("%q of %q is %q", s, region, n)
		}
	})
}

// Every type of contact point has values that are compared by one form, and that
// form is its own.
func FuzzNormalizeContact(f *testing.F) {
	for _, kind := range ContactTypes {
		f.Add(kind, "@Ada_Berg")
		f.Add(kind, "ada@example.com")
		f.Add(kind, "+49 30 901820")
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		n, problem := NormalizeContact(kind, value, "")
		if problem != "" {
			return
		}
		if again, problem := NormalizeContact(kind, n, ""); problem != "" || again != n {
			t.Errorf("%s %q is %q, and that is %q, %s", kind, value, n, again, problem)
		}
	})
}
