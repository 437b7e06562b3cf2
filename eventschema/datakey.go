package eventschema

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

const (
	personalMember = "personal"
	personalKey    = `"personal":"`

	// blockVersion is the first byte of a personal block: AES-256-GCM, a random
	// nonce of 12 bytes before the ciphertext.
	blockVersion = 1

	secretLen = 64 // of a data key: 32 bytes encrypt, 32 bytes are for digests
)

// DataKey is the data key of one customer: what all personal data about them
// is encrypted with. It never shows itself when it is printed. Safe for concurrent use.
//
// It is two secrets. A rotation would replace the one that encrypts, under a
// new id, and keep the one for digests, so that a command sent again is still
// recognised.
type DataKey struct {
	id     string
	block  cipher.AEAD
	digest [32]byte
}

// Erased stands for the data key of a customer whose key is destroyed.
var Erased = &DataKey{id: "erased"}

func newDataKey(id string, secret []byte) (*DataKey, error) {
	if len(secret) != secretLen {
		return nil, fmt.Errorf("eventschema: data key %s has %d bytes, not %d", id, len(secret), secretLen)
	}
	aead, err := newGCM(secret[:32])
	if err != nil {
		return nil, err
	}
	return &DataKey{id: id, block: aead, digest: [32]byte(secret[32:])}, nil
}

// newGCM returns AES-256-GCM with a random nonce before each ciphertext.
func newGCM(key []byte) (cipher.AEAD, error) {
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(c)
}

// ID names the key; it stands in the envelope of what is encrypted with it.
func (k *DataKey) ID() string { return k.id }

// String names the key without its secret.
func (k *DataKey) String() string { return "data key " + k.id }

// GoString does as String does.
func (k *DataKey) GoString() string { return k.String() }

// Digest returns a keyed digest of a command's body: it recognises the body
// and lets nobody without the key guess at it. Erased gives nil.
func (k *DataKey) Digest(body []byte) []byte {
	if k == Erased {
		return nil
	}
	return mac(k.digest[:], body)
}

// appendBlock appends the base64 of a personal block. It is bound to the stream
// and the wire type, so that it cannot be moved to where it would say something
// else; where in the stream it stands is the chain's business.
func (k *DataKey) appendBlock(dst, plaintext []byte, stream, wire string) []byte {
	buf := buffers.Get().(*[]byte)
	b := appendBound((*buf)[:0], stream, wire)
	n := len(b)
	b = append(b, blockVersion)
	b = k.block.Seal(b, nil, plaintext, b[:n])
	dst = base64.StdEncoding.AppendEncode(dst, b[n:])
	*buf = b
	buffers.Put(buf)
	return dst
}

// openBlock returns the personal members as a JSON object, and the reason. id
// is the key that the envelope names.
func (k *DataKey) openBlock(block []byte, id, stream, wire string) (personal []byte, reason string, err error) {
	if id != k.id {
		return nil, "", fmt.Errorf("%w: it was encrypted with key %q, not with %q", ErrWrongKey, id, k.id)
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, block)
	if err != nil {
		return nil, "", fmt.Errorf("personal block: %w", errValue)
	}
	if len(b) == 0 || b[0] != blockVersion {
		return nil, "", fmt.Errorf("personal block: %w: unknown version", errValue)
	}
	plaintext, err := k.block.Open(nil, nil, b[1:], appendBound(nil, stream, wire))
	if err != nil {
		return nil, "", ErrWrongKey
	}
	r := reader{b: plaintext}
	for more := r.open('{'); more; more = r.more('{') {
		switch string(r.key()) {
		case "data":
			personal = r.raw()
		case "reason":
			reason = string(r.str())
		default:
			r.skip()
		}
	}
	if err := r.end(); err != nil {
		return nil, "", fmt.Errorf("personal block: %w", err)
	}
	return personal, reason, nil
}

// appendBound appends what a personal block is bound to.
func appendBound(dst []byte, stream, wire string) []byte {
	dst = append(dst, "rapport personal block\x00"...)
	dst = append(binary.BigEndian.AppendUint64(dst, uint64(len(stream))), stream...)
	return append(dst, wire...)
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func appendHex(dst, b []byte) []byte { return hex.AppendEncode(dst, b) }

// wipe overwrites what must not stay in memory that is used again.
func wipe(b []byte) {
	for i := range b {
		b[i] = 0
	}
}
