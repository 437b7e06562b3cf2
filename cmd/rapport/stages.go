package main

import (
	"context"

	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// newStageKeeper makes the job that moves idle customers, on the read models as
// queries see them.
func (e *engine) newStageKeeper(documents readapi.Documents) *jobs.StageKeeper {
	return &jobs.StageKeeper{
		ReadModels: e.redis, Log: e.store, Writer: e.writer, Logger: e.log,
		Members: func(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) ([]string, uint64, error) {
			return documents.Range(ctx, g, partitions, readapi.RangeQuery{Index: index, After: after, Limit: limit})
		},
	}
}
