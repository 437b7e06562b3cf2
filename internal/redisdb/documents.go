package redisdb

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
	"github.com/redis/go-redis/v9"
)

// Document implements readapi.Documents.
func (s *Store) Document(ctx context.Context, g projections.Generation, partition int, customer uuid.UUID) (doc, world []byte, at projections.Checkpoint, err error) {
	var p program
	p.query("HGET", key(partition, g, partDocuments), customer.String())
	p.query("HMGET", key(partition, g, partState), "position", "cursor", "world")
	answer, err := snapshot(ctx, s.read, p)
	if err != nil {
		return nil, nil, at, fmt.Errorf("document of %s: %w", g, err)
	}
	state := answer[1].([]any)
	if at, err = checkpoint(state[0], state[1]); err != nil {
		return nil, nil, at, fmt.Errorf("document of %s: %w", g, err)
	}
	return blob(answer[0]), blob(state[2]), at, nil
}

// Together implements readapi.Documents.
func (s *Store) Together(ctx context.Context, gs []projections.Generation, partition int, customer uuid.UUID) ([]readapi.Found, error) {
	var p program
	for _, g := range gs {
		p.query("HGET", key(partition, g, partDocuments), customer.String())
		p.query("HMGET", key(partition, g, partState), "position", "cursor", "world")
	}
	answer, err := snapshot(ctx, s.read, p)
	if err != nil {
		return nil, fmt.Errorf("documents of %v: %w", gs, err)
	}
	found := make([]readapi.Found, len(gs))
	for i, g := range gs {
		state := answer[2*i+1].([]any)
		at, err := checkpoint(state[0], state[1])
		if err != nil {
			return nil, fmt.Errorf("document of %s: %w", g, err)
		}
		found[i] = readapi.Found{Document: blob(answer[2*i]), World: blob(state[2]), At: at}
	}
	return found, nil
}

// Documents implements readapi.Documents. Those of one partition are of one
// moment, unless they are thousands.
func (s *Store) Documents(ctx context.Context, g projections.Generation, partitions int, customers []uuid.UUID) ([][]byte, error) {
	docs := make([][]byte, len(customers))
	if len(customers) == 0 {
		return docs, nil
	}
	places := make([][]int, partitions) // by partition, the places of its customers
	for i, id := range customers {
		p := projections.PartitionOf(id, partitions)
		places[p] = append(places[p], i)
	}
	type part struct {
		places []int
		cmd    *redis.SliceCmd
	}
	var parts []part
	pipe := s.read.Pipeline()
	for p, at := range places {
		for len(at) > 0 {
			n := min(fieldsAtOnce, len(at))
			fields := make([]string, n)
			for j, i := range at[:n] {
				fields[j] = customers[i].String()
			}
			parts = append(parts, part{at[:n], pipe.HMGet(ctx, key(p, g, partDocuments), fields...)})
			at = at[n:]
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("%d documents of %s: %w", len(customers), g, err)
	}
	for _, part := range parts {
		for j, v := range part.cmd.Val() {
			docs[part.places[j]] = blob(v)
		}
	}
	return docs, nil
}

// Metrics implements readapi.Documents. The totals of each partition are of the
// moment of its checkpoint.
func (s *Store) Metrics(ctx context.Context, g projections.Generation, partitions int) (map[string]int64, uint64, error) {
	totals := map[string]int64{}
	if partitions == 0 {
		return totals, 0, nil
	}
	programs := make([]program, partitions)
	for p := range programs {
		programs[p].query("HMGET", key(p, g, partState), "position", "cursor")
		programs[p].query("HGETALL", key(p, g, partMetrics))
	}
	answers, err := snapshots(ctx, s.read, programs)
	if err != nil {
		return nil, 0, fmt.Errorf("totals of %s: %w", g, err)
	}
	lowest := uint64(math.MaxUint64)
	for _, answer := range answers {
		state := answer[0].([]any)
		at, err := checkpoint(state[0], state[1])
		if err == nil {
			err = addMetrics(totals, answer[1])
		}
		if err != nil {
			return nil, 0, fmt.Errorf("totals of %s: %w", g, err)
		}
		lowest = min(lowest, at.Position)
	}
	return totals, lowest, nil
}

// Checkpoints implements readapi.Documents.
func (s *Store) Checkpoints(ctx context.Context, g projections.Generation, partitions int) ([]projections.Checkpoint, error) {
	if partitions == 0 {
		return nil, nil
	}
	cmds := make([]*redis.SliceCmd, partitions)
	_, err := s.read.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for p := range cmds {
			cmds[p] = pipe.HMGet(ctx, key(p, g, partState), "position", "cursor")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("checkpoints of %s: %w", g, err)
	}
	at := make([]projections.Checkpoint, partitions)
	for p, cmd := range cmds {
		v := cmd.Val()
		if at[p], err = checkpoint(v[0], v[1]); err != nil {
			return nil, fmt.Errorf("checkpoints of %s: %w", g, err)
		}
	}
	return at, nil
}

// World implements readapi.Documents.
func (s *Store) World(ctx context.Context, g projections.Generation, partition int) ([]byte, projections.Checkpoint, error) {
	v, err := s.read.HMGet(ctx, key(partition, g, partState), "position", "cursor", "world").Result()
	if err != nil {
		return nil, projections.Checkpoint{}, fmt.Errorf("world of %s: %w", g, err)
	}
	at, err := checkpoint(v[0], v[1])
	if err != nil {
		return nil, projections.Checkpoint{}, fmt.Errorf("world of %s: %w", g, err)
	}
	return blob(v[2]), at, nil
}
