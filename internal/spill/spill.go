// Package spill is a map of strings that stays small in memory: it
// moves to a temporary folder once it has grown past its bound. An import uses
// it to remember customers and rows of files of any size.
package spill

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
)

// Map is a map of strings. Not safe for concurrent use. The caller closes it.
type Map struct {
	bound  int // entries kept in memory
	memory map[string]string
	dir    string
	disk   *pebble.DB
}

// New returns an empty map that keeps up to bound entries in memory.
func New(bound int) *Map { return &Map{bound: bound, memory: map[string]string{}} }

// Get returns the value of key, and whether it has one.
func (m *Map) Get(key string) (string, bool, error) {
	if v, ok := m.memory[key]; ok || m.disk == nil {
		return v, ok, nil
	}
	value, closer, err := m.disk.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read the temporary folder: %w", err)
	}
	v := string(value)
	return v, true, closer.Close()
}

// Set gives key a value.
func (m *Map) Set(key string, value string) error {
	m.memory[key] = value
	if len(m.memory) <= m.bound {
		return nil
	}
	return m.spill()
}

// Close removes what the map kept on disk.
func (m *Map) Close() error {
	if m.disk == nil {
		return nil
	}
	return errors.Join(m.disk.Close(), os.RemoveAll(m.dir))
}

func (m *Map) spill() error {
	if m.disk == nil {
		dir, err := os.MkdirTemp("", "rapport-spill")
		if err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		m.dir = dir
		if m.disk, err = pebble.Open(dir, &pebble.Options{DisableWAL: true, Logger: quiet{}}); err != nil {
			return fmt.Errorf("open the temporary folder: %w", err)
		}
	}
	batch := m.disk.NewBatch()
	for k, v := range m.memory {
		if err := batch.Set([]byte(k), []byte(v), nil); err != nil {
			return err
		}
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("write the temporary folder: %w", err)
	}
	clear(m.memory)
	return nil
}

// quiet drops what the database would say of its ordinary work.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
