package commands

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/eventschema"
)

// outcomes is what every command did that ever appended to a stream, kept so
// that a stream of a hundred thousand events is no burden: some hundred bytes a
// command, in few allocations. The zero value is of an empty stream.
type outcomes struct {
	index    map[uuid.UUID]int // of commands
	commands []outcome
	ids      []uuid.UUID // of all events of the stream, by revision
	types    []uint16    // likewise, as an index of names
	names    []string
}

// outcome is what one command appended: events that stand together.
type outcome struct {
	first, events int // the revision of the first, and how many
	position      uint64
	digest        [sha256.Size]byte
}

// What an outcome takes in memory, roughly: its place in the index and its own
// size; and what each of its events adds.
const (
	outcomeBytes      = 128
	outcomeEventBytes = 24
)

// note remembers that the next event of the stream belongs to a command, and
// says whether the command is new.
func (o *outcomes) note(command uuid.UUID, digest []byte, raw eventschema.Raw, name string) (added bool) {
	if o.index == nil {
		o.index = map[uuid.UUID]int{}
	}
	i, known := o.index[command]
	if !known {
		i = len(o.commands)
		o.index[command] = i
		one := outcome{first: len(o.ids)}
		copy(one.digest[:], digest)
		o.commands = append(o.commands, one)
	}
	of := slices.Index(o.names, name)
	if of < 0 {
		of = len(o.names)
		o.names = append(o.names, name)
	}
	o.ids, o.types = append(o.ids, raw.ID), append(o.types, uint16(of))
	c := &o.commands[i]
	c.events, c.position = len(o.ids)-c.first, raw.Position
	return !known
}

// of returns what a command did, false if it did nothing yet.
func (o *outcomes) of(command uuid.UUID) (Result, bool) {
	i, ok := o.index[command]
	if !ok {
		return Result{}, false
	}
	c := o.commands[i]
	r := Result{Revision: int64(c.first + c.events - 1), Position: c.position, Changed: true, Events: make([]EventRef, c.events)}
	for n := range r.Events {
		r.Events[n] = EventRef{o.ids[c.first+n], o.names[o.types[c.first+n]]}
	}
	return r, true
}

// same says whether a command that was executed had a body with this digest.
func (o *outcomes) same(command uuid.UUID, digest []byte) bool {
	return bytes.Equal(o.commands[o.index[command]].digest[:], digest)
}
