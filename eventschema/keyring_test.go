package eventschema

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rapport-crm/rapport/domain/customer"
)

// A data key survives wrapping: what one process sealed, another opens.
func TestKeyring(t *testing.T) {
	id, wrapped, key, err := testRing.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	if key.ID() != id || len(id) != 36 {
		t.Errorf("key %q is called %q", id, key.ID())
	}
	again, err := NewKeyring(testRing.master, testRing.lookup).Unwrap(id, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := Events.Seal(Chain{}, customer.Stream(alice), 0, envelope(), registered(), key)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := Events.Open(raw, again); err != nil || e.Data != any(registered()) {
		t.Errorf("%+v, %v", e, err)
	}
	if !bytes.Equal(key.Digest([]byte("body")), again.Digest([]byte("body"))) {
		t.Error("one key, two digests")
	}
	if bytes.Equal(key.Digest([]byte("body")), key.Digest([]byte("bodY"))) || bytes.Equal(key.Digest(nil), testRing.Digest(nil)) {
		t.Error("two bodies or keys, one digest")
	}
	if Erased.Digest([]byte("body")) != nil {
		t.Error("a digest under no key")
	}
	id2, _, _, err := testRing.NewDataKey()
	if err != nil || id2 == id {
		t.Errorf("the next key is %q, %v", id2, err)
	}
}

func TestUnwrapRefuses(t *testing.T) {
	id, wrapped, _, err := testRing.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	other := NewKeyring([32]byte{9}, testRing.lookup)
	_, err = other.Unwrap(id, wrapped)
	mine, _ := testRing.Fingerprints()
	theirs, _ := other.Fingerprints()
	if !errors.Is(err, ErrWrongMaster) || !strings.Contains(err.Error(), mine) || !strings.Contains(err.Error(), theirs) {
		t.Errorf("another master key: %v, should name %s and %s", err, mine, theirs)
	}
	if _, err := testRing.Unwrap("another", wrapped); err == nil {
		t.Error("it opens under another id")
	}
	for i := range wrapped {
		bad := bytes.Clone(wrapped)
		bad[i] ^= 1
		if _, err := testRing.Unwrap(id, bad); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := testRing.Unwrap(id, wrapped[:i]); err == nil {
			t.Errorf("it opens cut to %d bytes", i)
		}
	}
}

// What is derived from the keys stands in logs for ever.
func TestDerivedForEver(t *testing.T) {
	master, lookup := testRing.Fingerprints()
	for name, c := range map[string][2]string{
		"master fingerprint": {master, "52c2d6067db9d7c6"},
		"lookup fingerprint": {lookup, "252a4ba62c33c2ba"},
		"lookup":             {testRing.Lookup("external_id", "shop/C-000042"), "717d786c70b99c316f6af67804b3b9e37c07b69d201819d6da7f8cd61cd7e098"},
		"digest":             {fmt.Sprintf("%x", testRing.Digest([]byte("body"))), "a8f401c0498473cd85b9fff922c124f67b6144768efacf8298650e8484ac872f"},
		"data key's digest":  {fmt.Sprintf("%x", dataKey().Digest([]byte("body"))), "dce9b3793a3d01c1824a1e349e0694ad792c9023ba76692ee2566c7735f2b8ac"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %s, was %s", name, c[0], c[1])
		}
	}
	if testRing.Lookup("a", "bc") == testRing.Lookup("ab", "c") {
		t.Error("kind and value run into each other")
	}
}

func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	if _, err := LoadKeyring(path, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	made, err := CreateKeyringFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	read, err := LoadKeyring(path, "")
	if err != nil || read.String() != made.String() {
		t.Errorf("%v was made, %v read, %v", made, read, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if env, err := LoadKeyring("/nowhere", string(text)); err != nil || env.String() != made.String() {
		t.Errorf("from the environment: %v, %v", env, err)
	}
	if _, err := CreateKeyringFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(text, after) {
		t.Errorf("it was replaced: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".keyring*")); err != nil || len(left) > 0 {
		t.Errorf("%v was left behind, %v", left, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeyring(path, ""); err == nil || !strings.Contains(err.Error(), "0600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := LoadKeyring(filepath.Dir(path), ""); err == nil {
		t.Error("a folder was read")
	}
	if _, err := CreateKeyringFile(filepath.Join(path, "x")); err == nil {
		t.Error("created in a file")
	}
}

// Of many processes that start at once on an empty folder, one makes the keys.
func TestKeyringFileRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring.json")
	var won [8]*Keyring
	var group sync.WaitGroup
	for i := range won {
		group.Go(func() {
			if k, err := CreateKeyringFile(path); err == nil {
				won[i] = k
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	stands, err := LoadKeyring(path, "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, k := range won {
		if k != nil {
			if n++; k.String() != stands.String() {
				t.Errorf("%v was returned, %v stands there", k, stands)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d made it", n)
	}
}

// A malformed keyring is refused, and the error does not quote it.
func TestKeyringMalformed(t *testing.T) {
	a, b := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	for _, text := range []string{
		"x", "{}", `{"master":"` + a + `"}`, `{"master":"` + a + `","lookup":"` + b + `","x":1}`,
		`{"master":"` + a + `","lookup":"` + b[1:] + `"}`, `{"master":"` + a + `","lookup":"` + b[1:] + `g"}`,
		`{"master":"` + a + `","lookup":"` + a + `"}`, `{"master":"` + a + `","lookup":"` + b + `"}{}`, "RAPPORT_KEYRING",
	} {
		_, err := LoadKeyring("", text)
		if err == nil || strings.Contains(err.Error(), "a1a1") || strings.Contains(err.Error(), "b2b2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
