package eventschema

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// ErrWrongMaster says that a data key was wrapped with another master key. The
// error names the fingerprints of both.
var ErrWrongMaster = errors.New("eventschema: the data key was wrapped with another master key")

// Keyring holds the two keys of a deployment. The master key wraps the data
// keys of the customers. The lookup key turns names and e-mail addresses into
// what they can be found by; it can never change, since what it made stands in the log.
// It never shows its keys when it is printed. Safe for concurrent use.
type Keyring struct {
	master, lookup           [32]byte
	wrap                     cipher.AEAD
	masterPrint, lookupPrint string
	lookups, digests         []byte // keys derived from the lookup key
}

// NewKeyring makes a keyring of two independent random keys.
func NewKeyring(master, lookup [32]byte) *Keyring {
	wrap, err := newGCM(master[:])
	if err != nil {
		panic(err) // a key of 32 bytes is always good
	}
	return &Keyring{
		master: master, lookup: lookup, wrap: wrap,
		masterPrint: fingerprint("master", master),
		lookupPrint: fingerprint("lookup", lookup),
		lookups:     mac(lookup[:], []byte("rapport lookups")),
		digests:     mac(lookup[:], []byte("rapport digests")),
	}
}

func fingerprint(name string, key [32]byte) string {
	return hex.EncodeToString(mac(key[:], []byte("rapport fingerprint of the "+name+" key"))[:8])
}

// Fingerprints name the keys without telling anything about them.
func (k *Keyring) Fingerprints() (master, lookup string) { return k.masterPrint, k.lookupPrint }

// String names the keyring without its secrets.
func (k *Keyring) String() string {
	return "keyring (master " + k.masterPrint + ", lookup " + k.lookupPrint + ")"
}

// GoString does as String does.
func (k *Keyring) GoString() string { return k.String() }

// A wrapped key is this byte, the fingerprint of the master key (8 bytes), and
// AES-256-GCM with a random nonce before the ciphertext, bound to the key's id.
const wrapVersion = 1

// NewDataKey makes a random data key and wraps it.
func (k *Keyring) NewDataKey() (id string, wrapped []byte, key *DataKey, err error) {
	var random [16 + secretLen]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", nil, nil, fmt.Errorf("eventschema: make a data key: %w", err)
	}
	name := uuid.UUID(random[:16])
	name[6], name[8] = name[6]&0x0f|4<<4, name[8]&0x3f|0x80
	if key, err = newDataKey(name.String(), random[16:]); err != nil {
		return "", nil, nil, err
	}
	print, _ := hex.DecodeString(k.masterPrint)
	wrapped = append([]byte{wrapVersion}, print...)
	wrapped = k.wrap.Seal(wrapped, nil, random[16:], []byte(key.id))
	wipe(random[:])
	return key.id, wrapped, key, nil
}

// Unwrap returns the data key in wrapped. ErrWrongMaster says that this keyring's
// master key is not the one it was wrapped with.
func (k *Keyring) Unwrap(keyID string, wrapped []byte) (*DataKey, error) {
	if len(wrapped) < 9 || wrapped[0] != wrapVersion {
		return nil, fmt.Errorf("eventschema: data key %q: what wraps it is malformed", keyID)
	}
	if print := hex.EncodeToString(wrapped[1:9]); print != k.masterPrint {
		return nil, fmt.Errorf("%w: data key %q needs master key %s, and this is %s", ErrWrongMaster, keyID, print, k.masterPrint)
	}
	secret, err := k.wrap.Open(nil, nil, wrapped[9:], []byte(keyID))
	if err != nil {
		return nil, fmt.Errorf("eventschema: data key %q does not open with master key %s: it was altered or is another key's", keyID, k.masterPrint)
	}
	defer wipe(secret)
	return newDataKey(keyID, secret)
}

// Lookup returns 64 hexadecimal digits by which a value of a kind (an e-mail
// address, an external id) is found, and which reveal nothing without the
// lookup key. The caller normalises the value.
func (k *Keyring) Lookup(kind, value string) string {
	n := binary.BigEndian.AppendUint64(nil, uint64(len(kind)))
	return hex.EncodeToString(mac(k.lookups, n, []byte(kind), []byte(value)))
}

// Digest does as DataKey.Digest does, for commands on streams of no customer.
func (k *Keyring) Digest(body []byte) []byte { return mac(k.digests, body) }
