package redisdb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// Range implements readapi.Documents. What is read of one partition is of one
// moment. Customers spread evenly, so a partition is asked for its share and
// some more; one that turns out to hold more is asked again, for all that may
// be wanted. Two round trips at most.
func (s *Store) Range(ctx context.Context, g projections.Generation, partitions int, q readapi.RangeQuery) ([]string, uint64, error) {
	if partitions == 0 {
		return nil, 0, nil
	}
	limit := max(q.Limit, 0)
	all := make([]int, partitions)
	for p := range all {
		all[p] = p
	}
	share := min(share(limit, partitions), limit)
	pieces := make([]piece, partitions)
	if err := s.pieces(ctx, g, q, share, all, pieces); err != nil {
		return nil, 0, err
	}
	members, short := merge(pieces, limit, share, q.Descending)
	if len(short) > 0 && share < limit {
		if err := s.pieces(ctx, g, q, limit, short, pieces); err != nil {
			return nil, 0, err
		}
		members, _ = merge(pieces, limit, limit, q.Descending)
	}
	lowest := uint64(math.MaxUint64)
	for _, p := range pieces {
		lowest = min(lowest, p.at)
	}
	return members, lowest, nil
}

// share is how many of limit members one partition is asked for at first: the
// mean and four times its spread.
func share(limit, partitions int) int {
	mean := float64(limit) / float64(partitions)
	return int(mean+4*math.Sqrt(mean)) + 8
}

// piece is what was read of one partition.
type piece struct {
	members []any // strings
	at      uint64
}

// pieces reads up to limit members of some partitions in one round trip.
func (s *Store) pieces(ctx context.Context, g projections.Generation, q readapi.RangeQuery, limit int, partitions []int, into []piece) error {
	low, high := bounds(q)
	name, from, to := "ZRANGEBYLEX", low, high
	if q.Descending {
		name, from, to = "ZREVRANGEBYLEX", high, low
	}
	programs := make([]program, len(partitions))
	for i, p := range partitions {
		programs[i].query("HMGET", key(p, g, partState), "position", "cursor")
		programs[i].query(name, key(p, g, partIndex+q.Index), from, to, "LIMIT", 0, limit)
	}
	answers, err := snapshots(ctx, s.read, programs)
	if err != nil {
		return fmt.Errorf("range of %s in %s: %w", q.Index, g, err)
	}
	for i, p := range partitions {
		state := answers[i][0].([]any)
		at, err := checkpoint(state[0], state[1])
		if err != nil {
			return fmt.Errorf("range of %s in %s: %w", q.Index, g, err)
		}
		into[p] = piece{answers[i][1].([]any), at.Position}
	}
	return nil
}

// bounds returns the range of members that begin with the prefix and lie beyond
// the cursor, as Redis writes it.
func bounds(q readapi.RangeQuery) (low, high string) {
	low, high = "-", "+"
	if q.Prefix != "" {
		low = bound('[', q.Prefix)
	}
	next := successor(q.Prefix)
	if next != "" {
		high = bound('(', next)
	}
	switch {
	case q.After == "":
	case q.Descending:
		if next == "" || q.After < next {
			high = bound('(', q.After)
		}
	default:
		if q.After >= q.Prefix {
			low = bound('(', q.After)
		}
	}
	return low, high
}

// bound writes an end of a range. miniredis takes a lone minus or plus for the
// end of all; a NUL more makes no difference between members, which all have one.
func bound(kind byte, text string) string {
	if text == "-" || text == "+" {
		text += "\x00"
	}
	return string(kind) + text
}

// successor returns the first text after all that begin with prefix, "" if
// there is none.
func successor(prefix string) string {
	text := strings.TrimRight(prefix, "\xff")
	if text == "" {
		return ""
	}
	b := []byte(text)
	b[len(b)-1]++
	return string(b)
}

// merge returns the first limit members of sorted pieces. It also names the
// partitions that were read to their end of asked members before that, and may
// hold more that belong in.
func merge(pieces []piece, limit, asked int, descending bool) (members []string, short []int) {
	// heads is a heap of the partitions that have a next member.
	next := make([]int, len(pieces))
	head := func(p int) string { return pieces[p].members[next[p]].(string) }
	before := func(a, b int) bool {
		if descending {
			return head(a) > head(b)
		}
		return head(a) < head(b)
	}
	heads := make([]int, 0, len(pieces))
	down := func(i int) {
		for {
			c := 2*i + 1
			if c >= len(heads) {
				return
			}
			if c+1 < len(heads) && before(heads[c+1], heads[c]) {
				c++
			}
			if !before(heads[c], heads[i]) {
				return
			}
			heads[i], heads[c] = heads[c], heads[i]
			i = c
		}
	}
	for p := range pieces {
		if len(pieces[p].members) > 0 {
			heads = append(heads, p)
		}
	}
	for i := len(heads)/2 - 1; i >= 0; i-- {
		down(i)
	}
	for len(heads) > 0 && len(members) < limit {
		p := heads[0]
		members = append(members, head(p))
		if next[p]++; next[p] < len(pieces[p].members) {
			down(0)
			continue
		}
		if len(pieces[p].members) == asked && len(members) < limit {
			short = append(short, p)
		}
		heads[0] = heads[len(heads)-1]
		heads = heads[:len(heads)-1]
		down(0)
	}
	slices.Sort(short)
	return members, short
}
