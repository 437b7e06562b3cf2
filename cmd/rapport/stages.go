package main

import (
	"context"

	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// duties is everything that is booked when time alone brings it about.
func duties() []jobs.Duty { return []jobs.Duty{jobs.Stages(), jobs.Loyalty(), jobs.Coupons()} }

// newKeepers makes a job for each of the duties, on the read models as queries
// see them.
func (e *engine) newKeepers(documents readapi.Documents) (keepers []*jobs.Keeper) {
	for _, duty := range duties() {
		keepers = append(keepers, &jobs.Keeper{
			Duty: duty, ReadModels: e.redis, Log: e.store, Writer: e.writer, Logger: e.log,
			Members: func(ctx context.Context, g projections.Generation, partitions int, index, after string, limit int) ([]string, uint64, error) {
				return documents.Range(ctx, g, partitions, readapi.RangeQuery{Index: index, After: after, Limit: limit})
			},
		})
	}
	return keepers
}

// keepersAre says how far the keepers of this process are.
func (e *engine) keepersAre() []readapi.Job {
	list := make([]readapi.Job, 0, len(e.keepers))
	for _, k := range e.keepers {
		kept := k.Kept()
		list = append(list, readapi.Job{Name: k.Actor, Position: kept.Position, Through: kept.Through, Failing: kept.Failing})
	}
	return list
}
