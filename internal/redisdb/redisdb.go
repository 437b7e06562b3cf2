// Package redisdb keeps the read models in Redis: on one server, on Redis
// Cluster, in a redis-server child of our own, or in process (miniredis).
//
// # Keys
//
// All keys of a partition carry its hash tag, so that one script may change
// them together on a cluster too. Generation g of a view is, in partition 7:
//
//	rapport:{p7}:view@g:s          hash: position, cursor, world
//	rapport:{p7}:view@g:m          hash: metric -> total
//	rapport:{p7}:view@g:d          hash: customer -> document
//	rapport:{p7}:view@g:t          hash: note -> bytes
//	rapport:{p7}:view@g:x:<index>  sorted set, all scores 0: the members in byte order
//	rapport:{p7}:view@g:n          set: the names of its indexes, so that Drop finds them
//	rapport:{catalogue}            the catalogue, JSON
//
// # Commits
//
// A commit is one script call: it compares the checkpoints of all changes with
// what is stored, then writes. Redis runs a script alone and writes its effects
// to the append-only file as one transaction, so a commit is there whole or not
// at all, and is lost with its checkpoint or not at all. Commits of many
// partitions that are made at the same time travel in one pipeline.
//
// A commit is bounded by MaxCommitBytes and MaxCommitValues (ErrTooLarge):
// Redis does nothing else while a script runs.
//
// No command newer than Redis 6.2 is used.
package redisdb

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
	"github.com/redis/go-redis/v9"
)

var (
	_ projections.Store = (*Store)(nil)
	_ readapi.Documents = (*Store)(nil)
)

// The parts of a generation in a partition; see the package comment. partIndex
// is followed by the name of the index.
const (
	partState     = "s"
	partMetrics   = "m"
	partDocuments = "d"
	partNotes     = "t"
	partNames     = "n"
	partIndex     = "x:"
)

// key names a part of a generation in a partition. It is the only place where
// names of keys are made, but for catalogueKey.
func key(partition int, g projections.Generation, part string) string {
	return "rapport:{p" + strconv.Itoa(partition) + "}:" + g.View + "@" + strconv.Itoa(g.Number) + ":" + part
}

const catalogueKey = "rapport:{catalogue}"

// Store is a projections.Store and a readapi.Documents on Redis. Make it with
// Open or New; Close ends what it runs. Safe for concurrent use.
type Store struct {
	read   redis.UniversalClient // may send a command again
	write  redis.UniversalClient // sends nothing twice
	queue  queue
	sender sync.WaitGroup
}

// senders is how many pipelines of commits are under way at once: while Redis
// runs one, the next is written.
const senders = 2

// New returns a store on two clients of the same Redis, which remain the
// caller's to close, after the store. A client for writing must not retry
// (MaxRetries -1); one for reading may.
func New(read, write redis.UniversalClient) *Store {
	s := &Store{read: read, write: write}
	s.queue.init()
	for range senders {
		s.sender.Go(s.send)
	}
	return s
}

// Close waits for the commits under way and refuses later ones. It closes no
// client.
func (s *Store) Close() {
	s.queue.close()
	s.sender.Wait()
}

// checkpoint reads the position and the cursor of a state hash, as HMGET
// answers them.
func checkpoint(position, cursor any) (projections.Checkpoint, error) {
	var at projections.Checkpoint
	if text, ok := position.(string); ok {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return at, fmt.Errorf("a checkpoint is not a number: %q", text)
		}
		at.Position = n
	}
	at.Cursor, _ = cursor.(string)
	return at, nil
}

// blob turns a bulk answer into bytes, nil if it is absent.
func blob(v any) []byte {
	if text, ok := v.(string); ok {
		return append([]byte{}, text...)
	}
	return nil
}
