package readapi

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections/duplicates"
)

// pairPlace is where a list of pairs stopped: behind the pair of X and Y of the
// group of a key, or behind the whole group if there are none.
type pairPlace struct {
	Key string    `json:"k"`
	X   uuid.UUID `json:"x,omitzero"`
	Y   uuid.UUID `json:"y,omitzero"`
}

// after is the member of the index behind which the walk goes on.
func (p pairPlace) after() string {
	switch {
	case p.Key == "":
		return ""
	case p.X == uuid.Nil:
		return p.Key + "\x01" // behind all members of the key
	}
	return p.Key + "\x00" // before them
}

// group is who stands under one key, by id: at least those that are compared and
// one more if there is one.
type group struct {
	key string
	ids []uuid.UUID
}

// compared is the part of the group whose members are compared with each other.
func (g group) compared() []uuid.UUID { return g.ids[:min(len(g.ids), groupLimit)] }

// hunt walks the keys that customers share and collects the pairs of a page. A
// pair that shares several keys is listed under the first at which it is compared.
type hunt struct {
	*matching
	limit, least int
	at           pairPlace

	found  []DuplicatePair
	capped []CappedValue

	looked, pairs, lookups int                    // what the page has cost so far
	known                  map[string][]uuid.UUID // who is compared, by key
}

// run fills the page. At the end it says whether there may be more, from h.at on.
func (h *hunt) run(ctx context.Context) (more bool, err error) {
	h.known = map[string][]uuid.UUID{}
	for {
		members, _, err := h.a.Documents.Range(ctx, h.generation, h.partitions, RangeQuery{Index: duplicates.IndexMatch, After: h.at.after(), Limit: scanMost})
		if err != nil {
			return false, err
		}
		groups, err := groupsOf(members)
		if err != nil {
			return false, err
		}
		ended := len(members) < scanMost
		if n := len(groups); !ended && len(groups[n-1].ids) <= groupLimit {
			groups = groups[:n-1] // it may go on behind what was read, and is read again
		}
		full, err := h.through(ctx, groups)
		if err != nil || full || ended {
			return full, err
		}
		if h.looked += len(members); h.looked >= scanBudget || h.pairs >= pairBudget {
			return true, nil
		}
	}
}

// groupsOf splits members of the index into those of one key each.
func groupsOf(members []string) (groups []group, err error) {
	for _, member := range members {
		c, err := parseMember(member)
		if err != nil {
			return nil, err
		}
		if n := len(groups); n == 0 || groups[n-1].key != c.key {
			groups = append(groups, group{key: c.key})
		}
		g := &groups[len(groups)-1]
		g.ids = append(g.ids, c.id)
	}
	return groups, nil
}

// through goes through groups; full says that the page is, and that it goes on at h.at.
func (h *hunt) through(ctx context.Context, groups []group) (full bool, err error) {
	var ids []uuid.UUID
	for _, g := range groups {
		if len(g.ids) > 1 {
			ids = append(ids, g.compared()...)
			h.known[g.key] = g.compared()
		}
	}
	slices.SortFunc(ids, compareIDs)
	suspects, err := h.suspects(ctx, slices.Compact(ids))
	if err != nil {
		return false, err
	}
	for _, g := range groups {
		if len(g.ids) > 1 {
			if full, err := h.pairsOf(ctx, g, suspects); full || err != nil {
				return full, err
			}
		}
		h.at = pairPlace{Key: g.key}
	}
	return false, nil
}

// pairsOf goes through the pairs of one group.
func (h *hunt) pairsOf(ctx context.Context, g group, suspects map[uuid.UUID]*suspect) (full bool, err error) {
	resume := pairPlace{}
	if h.at.Key == g.key {
		resume = h.at
	}
	ids := g.compared()
	if len(g.ids) > groupLimit {
		h.cap(g, suspects)
	}
	for i, x := range ids {
		for _, y := range ids[i+1:] {
			if resume.X != uuid.Nil && (compareIDs(x, resume.X) < 0 || x == resume.X && compareIDs(y, resume.Y) <= 0) {
				continue
			}
			if h.pairs >= pairBudget {
				return true, nil
			}
			one, other := suspects[x], suspects[y]
			listed, affordable, err := h.before(ctx, g.key, one, other)
			if err != nil {
				return false, err
			}
			if !affordable {
				return true, nil
			}
			if !listed {
				h.pairs++
				if pair, ok := pairOf(one, other); ok && pair.State == pairOpen && pair.Score > 0 && pair.Score >= h.least {
					if len(h.found) == h.limit {
						return true, nil
					}
					h.found = append(h.found, pair)
				}
			}
			h.at = pairPlace{g.key, x, y}
		}
	}
	return false, nil
}

// cap notes that not everybody of a group is compared.
func (h *hunt) cap(g group, suspects map[uuid.UUID]*suspect) {
	for _, id := range g.compared() {
		if feature, value := suspects[id].traits.Of(g.key); feature != "" {
			h.capped = append(h.capped, CappedValue{feature, value})
			return
		}
	}
}

// before says whether a pair belongs to a group walked earlier, or to none: then
// its documents have changed since the index was read. It is not affordable if
// the page has looked up too much already.
func (h *hunt) before(ctx context.Context, key string, x, y *suspect) (listed, affordable bool, err error) {
	for _, shared := range x.keys {
		if !slices.Contains(y.keys, shared) {
			continue
		}
		if shared >= key {
			return shared != key, true, nil
		}
		compared, known := h.known[shared]
		if !known {
			if h.lookups++; h.lookups > lookupBudget {
				return false, false, nil
			}
			if compared, err = h.group(ctx, duplicates.IndexMatch, shared, groupLimit); err != nil {
				return false, false, err
			}
			h.known[shared] = compared
		}
		if slices.Contains(compared, x.id) && slices.Contains(compared, y.id) {
			return true, true, nil
		}
	}
	return true, true, nil
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
