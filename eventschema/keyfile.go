package eventschema

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// keyfile is the form of a keyring in a file or an environment variable: one
// JSON object, each key as 64 hexadecimal digits.
type keyfile struct {
	Master string `json:"master"`
	Lookup string `json:"lookup"`
}

// LoadKeyring reads a keyring. env is the content of an environment variable,
// which goes before the file at path; empty means not set. If there is neither,
// the error is fs.ErrNotExist. A file that others than its owner may read is refused.
func LoadKeyring(path, env string) (*Keyring, error) {
	if env != "" {
		k, err := parseKeyring([]byte(env))
		if err != nil {
			return nil, fmt.Errorf("keyring in the environment: %w", err)
		}
		return k, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the keyring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the keyring: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keyring %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("keyring %s has mode %04o: others may read it; set it to 0600, and replace the keys if somebody may have", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return nil, fmt.Errorf("read the keyring: %w", err)
	}
	defer wipe(text)
	k, err := parseKeyring(text)
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", path, err)
	}
	return k, nil
}

// parseKeyring never puts what it read into an error.
func parseKeyring(text []byte) (*Keyring, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var file keyfile
	if d.Decode(&file) != nil || d.Decode(new(any)) != io.EOF {
		return nil, errors.New(`malformed; it should be {"master":"<64 hex digits>","lookup":"<64 hex digits>"}`)
	}
	var master, lookup [32]byte
	for _, part := range []struct {
		name, text string
		key        *[32]byte
	}{{"master", file.Master, &master}, {"lookup", file.Lookup, &lookup}} {
		b, err := hex.DecodeString(part.text)
		if err != nil || len(b) != len(part.key) {
			return nil, fmt.Errorf("the %s key is not 64 hexadecimal digits", part.name)
		}
		*part.key = [32]byte(b)
	}
	if master == lookup {
		return nil, errors.New("the master key and the lookup key must differ")
	}
	return NewKeyring(master, lookup), nil
}

// CreateKeyringFile makes a keyring of random keys and writes it to path with
// mode 0600, whole or not at all. A file that is there already is never
// replaced: the error is fs.ErrExist.
func CreateKeyringFile(path string) (*Keyring, error) {
	var master, lookup [32]byte
	rand.Read(master[:])
	rand.Read(lookup[:])
	text, err := json.Marshal(keyfile{hex.EncodeToString(master[:]), hex.EncodeToString(lookup[:])})
	if err != nil {
		return nil, err
	}
	defer wipe(text)
	if err := writeNew(path, append(text, '\n')); err != nil {
		return nil, fmt.Errorf("create the keyring: %w", err)
	}
	return NewKeyring(master, lookup), nil
}

// writeNew writes a file under another name and then gives it its own.
func writeNew(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil { // a file system without hard links
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		if err := os.Rename(f.Name(), path); err != nil {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
