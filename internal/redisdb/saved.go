package redisdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
	"github.com/redis/go-redis/v9"
)

// Catalogue implements projections.Store and readapi.Documents. It asks Redis
// each time; see Readers.
func (s *Store) Catalogue(ctx context.Context) (projections.Catalogue, error) {
	return catalogue(ctx, s.read)
}

func catalogue(ctx context.Context, c redis.Cmdable) (projections.Catalogue, error) {
	var cat projections.Catalogue
	text, err := c.Get(ctx, catalogueKey).Bytes()
	if errors.Is(err, redis.Nil) {
		return cat, nil
	}
	if err != nil {
		return cat, fmt.Errorf("catalogue: %w", err)
	}
	if err := json.Unmarshal(text, &cat); err != nil {
		return cat, fmt.Errorf("catalogue: %w", err)
	}
	return cat, nil
}

// SaveCatalogue implements projections.Store.
func (s *Store) SaveCatalogue(ctx context.Context, c projections.Catalogue) error {
	version := c.Version
	c.Version++
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	err = s.write.Watch(ctx, func(tx *redis.Tx) error {
		now, err := catalogue(ctx, tx)
		if err != nil {
			return err
		}
		if now.Version != version {
			return projections.ErrFenced
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, catalogueKey, text, 0)
			return nil
		})
		return err
	}, catalogueKey)
	switch {
	case errors.Is(err, redis.TxFailedErr):
		return projections.ErrFenced
	case err != nil && !errors.Is(err, projections.ErrFenced):
		return fmt.Errorf("save the catalogue, outcome unknown: %w", err)
	}
	return err
}

// Open implements projections.Store. All is of one moment.
func (s *Store) Open(ctx context.Context, partition int, generations []projections.Generation) ([]projections.Saved, error) {
	if len(generations) == 0 {
		return nil, nil
	}
	var p program
	for _, g := range generations {
		p.query("HMGET", key(partition, g, partState), "position", "cursor", "world")
		p.query("HGETALL", key(partition, g, partMetrics))
	}
	answer, err := snapshot(ctx, s.read, p)
	if err != nil {
		return nil, fmt.Errorf("open partition %d: %w", partition, err)
	}
	saved := make([]projections.Saved, len(generations))
	for i, g := range generations {
		if saved[i], err = readSaved(answer[2*i], answer[2*i+1]); err != nil {
			return nil, fmt.Errorf("open partition %d of %s: %w", partition, g, err)
		}
	}
	return saved, nil
}

func readSaved(state, totals any) (saved projections.Saved, err error) {
	fields := state.([]any)
	if saved.Checkpoint, err = checkpoint(fields[0], fields[1]); err != nil {
		return saved, err
	}
	saved.World = blob(fields[2])
	saved.Metrics = map[string]int64{}
	return saved, addMetrics(saved.Metrics, totals)
}

// addMetrics adds what HGETALL answered of metrics to totals.
func addMetrics(totals map[string]int64, answer any) error {
	for pair := range slices.Chunk(answer.([]any), 2) {
		n, err := strconv.ParseInt(pair[1].(string), 10, 64)
		if err != nil {
			return fmt.Errorf("total %q: %w", pair[0], err)
		}
		totals[pair[0].(string)] += n
	}
	return nil
}

// fieldsAtOnce bounds the fields of one HMGET, so that other clients are served
// in between.
const fieldsAtOnce = 2_000

// Load implements projections.Store.
func (s *Store) Load(ctx context.Context, partition int, generations []projections.Generation, customers []uuid.UUID) ([][][]byte, error) {
	docs := make([][][]byte, len(generations))
	for i := range docs {
		docs[i] = make([][]byte, len(customers))
	}
	if len(generations) == 0 || len(customers) == 0 {
		return docs, nil
	}
	fields := names(customers)
	pipe := s.read.Pipeline()
	var cmds []*redis.SliceCmd
	for _, g := range generations {
		for part := range slices.Chunk(fields, fieldsAtOnce) {
			cmds = append(cmds, pipe.HMGet(ctx, key(partition, g, partDocuments), part...))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("load %d customers of partition %d: %w", len(customers), partition, err)
	}
	for i := range docs {
		j := 0
		for range slices.Chunk(fields, fieldsAtOnce) {
			for _, v := range cmds[0].Val() {
				docs[i][j] = blob(v)
				j++
			}
			cmds = cmds[1:]
		}
	}
	return docs, nil
}

func names(customers []uuid.UUID) []string {
	fields := make([]string, len(customers))
	for i, id := range customers {
		fields[i] = id.String()
	}
	return fields
}

// Customers implements projections.Store.
func (s *Store) Customers(ctx context.Context, partition int, g projections.Generation) ([]uuid.UUID, error) {
	fields, err := s.read.HKeys(ctx, key(partition, g, partDocuments)).Result()
	if err != nil {
		return nil, fmt.Errorf("customers of %s in partition %d: %w", g, partition, err)
	}
	slices.Sort(fields)
	ids := make([]uuid.UUID, len(fields))
	for i, f := range fields {
		if ids[i], err = uuid.Parse(f); err != nil {
			return nil, fmt.Errorf("customers of %s in partition %d: %q is no id", g, partition, f)
		}
	}
	return ids, nil
}

// Standing implements projections.Store.
func (s *Store) Standing(ctx context.Context, partition int, g projections.Generation, index, upTo string) ([]uuid.UUID, error) {
	members, err := s.read.ZRangeByLex(ctx, key(partition, g, partIndex+index), &redis.ZRangeBy{Min: "-", Max: "(" + upTo + "\x01"}).Result()
	if err != nil {
		return nil, fmt.Errorf("who stands in %s of %s in partition %d: %w", index, g, partition, err)
	}
	ids := make([]uuid.UUID, len(members))
	for i, m := range members {
		_, id, _ := strings.Cut(m, "\x00")
		if ids[i], err = uuid.Parse(id); err != nil {
			return nil, fmt.Errorf("who stands in %s of %s in partition %d: %q names no customer", index, g, partition, m)
		}
	}
	return ids, nil
}

// Notes implements projections.Store.
func (s *Store) Notes(ctx context.Context, g projections.Generation, partitions int, name string) ([][]byte, error) {
	notes := make([][]byte, partitions)
	cmds := make([]*redis.SliceCmd, partitions)
	_, err := s.read.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range cmds {
			cmds[i] = p.HMGet(ctx, key(i, g, partNotes), name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("note %s of %s: %w", name, g, err)
	}
	for i, cmd := range cmds {
		notes[i] = blob(cmd.Val()[0])
	}
	return notes, nil
}

// The slices in which Drop works.
const (
	dropPartitions = 16
	dropKeys       = 256
)

// Drop implements projections.Store. The checkpoints go first, so that a writer
// who does not know is fenced; the list of the indexes goes last, so that a drop
// that was cut short can be repeated.
func (s *Store) Drop(ctx context.Context, g projections.Generation, partitions int) error {
	for from := 0; from < partitions; from += dropPartitions {
		to := min(from+dropPartitions, partitions)
		if err := s.unlink(ctx, from, to, g, partState); err != nil {
			return err
		}
		for p := from; p < to; p++ {
			if err := s.dropIndexes(ctx, p, g); err != nil {
				return err
			}
		}
		if err := s.unlink(ctx, from, to, g, partDocuments, partMetrics, partNotes, partNames); err != nil {
			return err
		}
	}
	return nil
}

// unlink unlinks parts of a generation in the partitions [from, to).
func (s *Store) unlink(ctx context.Context, from, to int, g projections.Generation, parts ...string) error {
	_, err := s.read.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for p := from; p < to; p++ {
			keys := make([]string, len(parts))
			for i, part := range parts {
				keys[i] = key(p, g, part)
			}
			pipe.Unlink(ctx, keys...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop %s: %w", g, err)
	}
	return nil
}

func (s *Store) dropIndexes(ctx context.Context, partition int, g projections.Generation) error {
	for cursor := uint64(0); ; {
		indexes, next, err := s.read.SScan(ctx, key(partition, g, partNames), cursor, "", dropKeys).Result()
		if err != nil {
			return fmt.Errorf("drop %s: %w", g, err)
		}
		for some := range slices.Chunk(indexes, dropKeys) {
			parts := make([]string, len(some))
			for i, index := range some {
				parts[i] = partIndex + index
			}
			if err := s.unlink(ctx, partition, partition+1, g, parts...); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
