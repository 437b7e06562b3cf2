package redisdb

import (
	"context"
	"fmt"

	"github.com/rapport-crm/rapport/projections"
)

// entriesAtOnce is how many members of an index one command reads.
const entriesAtOnce = 5000

// Entries implements projections.Entries. It reads piece by piece: who needs
// all of one moment compares the checkpoints before and after.
func (s *Store) Entries(ctx context.Context, partition int, g projections.Generation) ([]projections.Entry, error) {
	indexes, err := s.read.SMembers(ctx, key(partition, g, partNames)).Result()
	if err != nil {
		return nil, fmt.Errorf("indexes of %s in partition %d: %w", g, partition, err)
	}
	var all []projections.Entry
	for _, index := range indexes {
		for from := int64(0); ; from += entriesAtOnce {
			members, err := s.read.ZRange(ctx, key(partition, g, partIndex+index), from, from+entriesAtOnce-1).Result()
			if err != nil {
				return nil, fmt.Errorf("index %s of %s in partition %d: %w", index, g, partition, err)
			}
			for _, m := range members {
				all = append(all, projections.Entry{Index: index, Member: m})
			}
			if len(members) < entriesAtOnce {
				break
			}
		}
	}
	return all, nil
}
