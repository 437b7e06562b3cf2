package readapi

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// cursorVersion is the first byte of a cursor. A page cut by an older program
// is refused by name rather than misread.
const cursorVersion = 1

// cursors seals where a list stopped into the opaque text that continues it.
// The text is encrypted, because a position in an index can hold a name, and
// authenticated together with the question it belongs to, so that a changed
// cursor, or one of another list, is refused. Sealing is deterministic.
type cursors struct {
	nonces []byte
	aead   cipher.AEAD
}

func newCursors(secret [32]byte) cursors {
	block, err := aes.NewCipher(derive(secret, "cursor key"))
	if err != nil {
		panic(err) // the key has a length that AES takes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return cursors{nonces: derive(secret, "cursor nonce"), aead: aead}
}

func derive(secret [32]byte, purpose string) []byte {
	h := hmac.New(sha256.New, secret[:])
	h.Write([]byte("rapport readapi " + purpose))
	return h.Sum(nil)
}

// seal makes a cursor of where, good for the question only.
func (c cursors) seal(question string, where any) string {
	plain, err := json.Marshal(where)
	if err != nil {
		panic(err) // cursors are structs of numbers and strings
	}
	h := hmac.New(sha256.New, c.nonces)
	h.Write([]byte(question))
	h.Write([]byte{0})
	h.Write(plain)
	nonce := h.Sum(nil)[:c.aead.NonceSize()]
	out := append([]byte{cursorVersion}, nonce...)
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(out, nonce, plain, []byte(question)))
}

// open reads a cursor of the question into where; false means that it is not one.
func (c cursors) open(question, text string, where any) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	n := c.aead.NonceSize()
	if err != nil || len(b) < 1+n || b[0] != cursorVersion {
		return false
	}
	plain, err := c.aead.Open(nil, b[1:1+n], b[1+n:], []byte(question))
	return err == nil && json.Unmarshal(plain, where) == nil
}

// question is what a cursor is good for: the path and every parameter but those
// that may change from page to page.
func question(path string, q url.Values) string {
	var parts []string
	for name, values := range q {
		switch name {
		case "cursor", "limit", "min_position":
			continue
		}
		for _, v := range values {
			if v != "" {
				parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(v))
			}
		}
	}
	slices.Sort(parts)
	return path + "?" + strings.Join(parts, "&")
}
