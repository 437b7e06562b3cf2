package readapi

import (
	"encoding/base64"
	"net/url"
	"testing"
)

func TestACursorIsGoodForItsOwnQuestionOnly(t *testing.T) {
	c := newCursors([32]byte{1})
	type place struct{ After string }
	q := question("/v1/customers", url.Values{"q": {"an"}, "limit": {"7"}})
	text := c.seal(q, place{"anna\x00id"})
	if again := c.seal(q, place{"anna\x00id"}); again != text {
		t.Error("one place gives two cursors")
	}
	var got place
	if !c.open(question("/v1/customers", url.Values{"limit": {"9"}, "q": {"an"}, "cursor": {text}}), text, &got) || got.After != "anna\x00id" {
		t.Errorf("%+v", got)
	}
	for name, other := range map[string]string{
		"filter": question("/v1/customers", url.Values{"q": {"ann"}}),
		"path":   question("/v1/rfm/customers", url.Values{"q": {"an"}}),
	} {
		if c.open(other, text, &got) {
			t.Errorf("it opens for another %s", name)
		}
	}
	if newCursors([32]byte{2}).open(q, text, &got) {
		t.Error("it opens with another secret")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(text)
	for i := range raw {
		raw[i] ^= 1
		if c.open(q, base64.RawURLEncoding.EncodeToString(raw), &got) {
			t.Errorf("it opens with byte %d changed", i)
		}
		raw[i] ^= 1
	}
	for _, other := range []string{"", "x", text + "A", text[:len(text)-1], "%%%"} {
		if c.open(q, other, &got) {
			t.Errorf("%q opens", other)
		}
	}
}
