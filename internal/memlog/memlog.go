// Package memlog is an event log in memory, for tests. It keeps every promise
// of commands.Log but the one that needs a disk.
package memlog

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/eventschema"
)

// pageBytes and pageEvents bound a page of Follow.
const (
	pageBytes  = 1 << 20
	pageEvents = 4096
)

// Log is an event log in memory. The zero value is empty and ready. It keeps
// the bytes it is given: they must not be changed afterwards.
type Log struct {
	mu        sync.Mutex
	all       []eventschema.Raw
	streams   map[string][]eventschema.Raw
	destroyed map[string]bool
	changed   chan struct{} // closed at the next append; nil while nobody waits
}

var _ commands.Log = (*Log)(nil)

// Read implements commands.Log.
func (l *Log) Read(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Raw, error] {
	return func(yield func(eventschema.Raw, error) bool) {
		l.mu.Lock()
		events, destroyed := l.streams[stream], l.destroyed[stream]
		l.mu.Unlock()
		if err := ctx.Err(); err != nil {
			yield(eventschema.Raw{}, err)
			return
		}
		if destroyed {
			yield(eventschema.Raw{}, commands.ErrDestroyed)
			return
		}
		for _, e := range events[min(from, uint64(len(events))):] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Append implements commands.Log.
func (l *Log) Append(ctx context.Context, stream string, after int64, events []eventschema.Raw) (uint64, error) {
	if len(events) == 0 {
		return 0, errors.New("memlog: nothing to append")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.destroyed[stream] {
		return 0, commands.ErrDestroyed
	}
	old := l.streams[stream]
	if first := after + 1; first != int64(len(old)) {
		if first < 0 || first+int64(len(events)) > int64(len(old)) {
			return 0, commands.ErrStale
		}
		stored := old[first : first+int64(len(events))]
		if !slices.EqualFunc(stored, events, func(a, b eventschema.Raw) bool { return a.ID == b.ID }) {
			return 0, commands.ErrStale
		}
		return stored[len(stored)-1].Position, nil
	}
	if l.streams == nil {
		l.streams, l.destroyed = map[string][]eventschema.Raw{}, map[string]bool{}
	}
	for _, e := range events {
		e.Stream, e.Revision, e.Position = stream, uint64(len(old)), l.head()+positionStep
		old = append(old, e)
		l.all = append(l.all, e)
	}
	l.streams[stream] = old
	l.wake()
	return l.head(), nil
}

// positionStep keeps positions from being mistaken for counts.
const positionStep = 7

func (l *Log) head() uint64 {
	if len(l.all) == 0 {
		return 0
	}
	return l.all[len(l.all)-1].Position
}

func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Follow implements commands.Log.
func (l *Log) Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error {
	next := -1     // index in all of the next event to consider
	begun := false // that nothing is there yet is said once
	for {
		l.mu.Lock()
		if next < 0 {
			next, _ = slices.BinarySearchFunc(l.all, after+1, func(e eventschema.Raw, p uint64) int {
				switch {
				case e.Position < p:
					return -1
				case e.Position > p:
					return 1
				}
				return 0
			})
		}
		page, considered := cut(l.all[next:], prefixes)
		var changed chan struct{}
		if considered == 0 {
			if l.changed == nil {
				l.changed = make(chan struct{})
			}
			changed = l.changed
		}
		next += considered
		page.Live = next == len(l.all)
		l.mu.Unlock()

		if considered == 0 && begun {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-changed:
				continue
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		begun = true
		if considered == 0 {
			page.End = after
		}
		if err := deliver(page); err != nil {
			return err
		}
	}
}

// cut returns the first page of events and how many of them it considered.
func cut(events []eventschema.Raw, prefixes []string) (page eventschema.Page, considered int) {
	size := 0
	for _, e := range events {
		if wanted(e.Type, prefixes) {
			size += len(e.Data) + len(e.Metadata)
			if len(page.Events) > 0 && (size > pageBytes || len(page.Events) == pageEvents) {
				break
			}
			page.Events = append(page.Events, e)
		}
		considered++
		page.End = e.Position
	}
	return page, considered
}

func wanted(name string, prefixes []string) bool {
	return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Destroy tombstones a stream: its events cannot be read and nothing can be
// appended to it any more. The log itself forgets their bytes as well, as it
// would after a compaction; their positions stay empty.
func (l *Log) Destroy(_ context.Context, stream string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == nil {
		l.streams, l.destroyed = map[string][]eventschema.Raw{}, map[string]bool{}
	}
	delete(l.streams, stream)
	l.destroyed[stream] = true
	for i := range l.all {
		if l.all[i].Stream == stream {
			l.all[i] = eventschema.Raw{Position: l.all[i].Position, Type: "$removed", Stream: stream, ID: uuid.Nil}
		}
	}
	return nil
}

// Head returns the position of the last event, 0 for an empty log.
func (l *Log) Head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head()
}

// Len returns how many events were ever appended.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}
