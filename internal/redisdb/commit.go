package redisdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/rapport-crm/rapport/projections"
)

// The limits of one commit. 64 MiB in 200,000 documents take a server about
// half a second, in which it does nothing else; Redis calls a script slow after
// five.
const (
	MaxCommitBytes  = 64 << 20
	MaxCommitValues = 500_000
)

// ErrTooLarge says that a commit is beyond MaxCommitBytes or MaxCommitValues.
// Nothing was written; commit fewer documents at once.
var ErrTooLarge = errors.New("redisdb: the commit is too large")

// Commit implements projections.Store.
func (s *Store) Commit(ctx context.Context, partition int, changes []projections.Change) error {
	if len(changes) == 0 {
		return nil
	}
	p := commitProgram(partition, changes)
	if p.bytes > MaxCommitBytes || len(p.args) > MaxCommitValues {
		return fmt.Errorf("%w: partition %d, %d bytes in %d values (limits: %d, %d)",
			ErrTooLarge, partition, p.bytes, len(p.args), MaxCommitBytes, MaxCommitValues)
	}
	r := newRequest(partition, &p)
	if err := s.queue.put(ctx, r); err != nil {
		return err
	}
	return r.wait(ctx)
}

func position(n uint64) string { return strconv.FormatUint(n, 10) }

func commitProgram(partition int, changes []projections.Change) program {
	var p program
	p.args = append(p.args, len(changes))
	for i, ch := range changes {
		k := key(partition, ch.Generation, partState)
		if n := p.number(k); n != i+1 {
			p.keys = append(p.keys, k) // a generation that is there twice
		}
		p.args = append(p.args, position(ch.From.Position), ch.From.Cursor, position(ch.To.Position), ch.To.Cursor)
	}
	for _, ch := range changes {
		p.change(partition, ch)
	}
	return p
}

// change appends what a change writes beside its checkpoint.
func (p *program) change(partition int, ch projections.Change) {
	k := func(part string) string { return key(partition, ch.Generation, part) }
	if ch.World != nil {
		p.add("HSET", k(partState), "world", ch.World)
	}
	set, del := make([]any, 0, 2*len(ch.Documents)), []any(nil)
	for id, doc := range ch.Documents {
		if doc == nil {
			del = append(del, id.String())
		} else {
			set = append(set, id.String(), doc)
		}
	}
	p.add("HSET", k(partDocuments), set...)
	p.add("HDEL", k(partDocuments), del...)

	p.entries(ch.Remove, func(index string, members []any) {
		p.add("ZREM", k(partIndex+index), members...)
	})
	var names []any
	p.entries(ch.Add, func(index string, members []any) {
		names = append(names, index)
		scored := make([]any, 0, 2*len(members))
		for _, m := range members {
			scored = append(scored, 0, m)
		}
		p.add("ZADD", k(partIndex+index), scored...)
	})
	p.add("SADD", k(partNames), names...)

	set, del = nil, nil
	for name, n := range ch.Metrics {
		if n == 0 {
			del = append(del, name)
		} else {
			set = append(set, name, n)
		}
	}
	p.add("HSET", k(partMetrics), set...)
	p.add("HDEL", k(partMetrics), del...)

	set, del = nil, nil
	for name, note := range ch.Notes {
		if note == nil {
			del = append(del, name)
		} else {
			set = append(set, name, note)
		}
	}
	p.add("HSET", k(partNotes), set...)
	p.add("HDEL", k(partNotes), del...)
}

// entries gives the members of each index, in the order the indexes come.
func (p *program) entries(entries []projections.Entry, each func(index string, members []any)) {
	if len(entries) == 0 {
		return
	}
	members := map[string][]any{}
	var order []string
	for _, e := range entries {
		if _, ok := members[e.Index]; !ok {
			order = append(order, e.Index)
		}
		members[e.Index] = append(members[e.Index], e.Member)
	}
	for _, index := range order {
		each(index, members[index])
	}
}

// Advance implements projections.Store. The partitions travel in one pipeline.
func (s *Store) Advance(ctx context.Context, gs []projections.Generation, partitions map[int][2]projections.Checkpoint) ([]int, error) {
	if len(gs) == 0 || len(partitions) == 0 {
		return nil, nil
	}
	requests := make([]*request, 0, len(partitions))
	for partition, move := range partitions {
		changes := make([]projections.Change, len(gs))
		for i, g := range gs {
			changes[i] = projections.Change{Generation: g, From: move[0], To: move[1]}
		}
		p := commitProgram(partition, changes)
		requests = append(requests, newRequest(partition, &p))
	}
	if err := s.queue.put(ctx, requests...); err != nil {
		return nil, err
	}
	var fenced []int
	var failed error
	for _, r := range requests {
		switch err := r.wait(ctx); {
		case errors.Is(err, projections.ErrFenced):
			fenced = append(fenced, r.partition)
		case err != nil && failed == nil:
			failed = err
		}
	}
	slices.Sort(fenced)
	return fenced, failed
}
