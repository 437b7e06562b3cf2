package memstore

import (
	"context"

	"github.com/rapport-crm/rapport/projections"
)

// Entries implements projections.Entries.
func (s *Store) Entries(ctx context.Context, partition int, g projections.Generation) ([]projections.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []projections.Entry
	for index, members := range s.look(partition, g).indexes {
		for m := range members {
			all = append(all, projections.Entry{Index: index, Member: m})
		}
	}
	return all, nil
}
