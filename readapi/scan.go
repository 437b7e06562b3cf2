package readapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
)

const (
	// scanBudget is how many members of indexes one page may look at. A filter
	// that finds less among them gives a short page and a cursor.
	scanBudget = 10_000
	scanMost   = 1_000 // members read at once
)

// stretch is a part of an index to be walked.
type stretch struct {
	generation projections.Generation
	index      string
	prefix     string
	descending bool
	from       string                // start behind this member
	past       func(key string) bool // the end; nil for none
	only       func(*candidate) bool // who belongs here; nil for all
}

// candidate is a customer found in an index.
type candidate struct {
	member string
	key    string
	id     uuid.UUID
	item   any // made by the list
	docs   [2][]byte
}

// place is where a walk stopped: behind a member of one of its stretches.
type place struct {
	Stretch int    `json:"s"`
	After   string `json:"a"`
}

func parseMember(member string) (candidate, error) {
	key, text, ok := strings.Cut(member, "\x00")
	id, err := uuid.Parse(text)
	if !ok || err != nil {
		return candidate{}, fmt.Errorf("index member %q", member)
	}
	return candidate{member: member, key: key, id: id}, nil
}

// walk goes through stretches, one after the other, from a place on, until it has
// limit candidates that belong there and that keep keeps. It returns where to go
// on, nil at the end. fetch prepares candidates.
func (a *API) walk(ctx context.Context, partitions int, stretches []stretch, at place, limit int,
	fetch func([]*candidate) error, keep func(*candidate) bool) (found []*candidate, next *place, err error) {
	read := min(limit+1, scanMost)
	for looked := 0; at.Stretch < len(stretches); {
		s := stretches[at.Stretch]
		after := at.After
		if after == "" {
			after = s.from
		}
		members, _, err := a.Documents.Range(ctx, s.generation, partitions, RangeQuery{
			Index: s.index, Prefix: s.prefix, After: after, Descending: s.descending, Limit: read,
		})
		if err != nil {
			return nil, nil, err
		}
		candidates, ended := make([]*candidate, 0, len(members)), len(members) < read
		for _, m := range members {
			c, err := parseMember(m)
			if err != nil {
				return nil, nil, err
			}
			if s.past != nil && s.past(c.key) {
				ended = true
				break
			}
			candidates = append(candidates, &c)
		}
		if err := fetch(candidates); err != nil {
			return nil, nil, err
		}
		for _, c := range candidates {
			if s.only != nil && !s.only(c) || !keep(c) {
				at.After = c.member
				continue
			}
			if len(found) == limit {
				return found, &at, nil
			}
			found, at.After = append(found, c), c.member
		}
		if ended {
			at = place{Stretch: at.Stretch + 1}
		}
		if looked += len(members); looked >= scanBudget && at.Stretch < len(stretches) {
			return found, &at, nil
		}
		read = min(2*read, scanMost)
	}
	return found, nil, nil
}
