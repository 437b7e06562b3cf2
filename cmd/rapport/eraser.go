package main

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/readapi"
)

// newEraser returns the job that does the erasures that were approved.
func (e *engine) newEraser(views []projections.Projection, documents readapi.Documents) *jobs.Eraser {
	eraser := &jobs.Eraser{
		Log: e.store, Writer: e.writer, ReadModels: e.redis, Logger: e.log, Rewrite: e.rewriteReadModels,
		Open: func(ctx context.Context) ([]uuid.UUID, uint64, bool, error) {
			return readapi.OpenErasures(ctx, documents)
		},
	}
	for _, v := range views {
		eraser.Views = append(eraser.Views, v.String())
	}
	if e.node != nil {
		eraser.Compact = e.node.Compact
	}
	return eraser
}

// rewriteReadModels makes Redis write its append-only file anew, so that what was
// deleted leaves it, and returns how that was done.
func (e *engine) rewriteReadModels(ctx context.Context) (how string, err error) {
	if e.redis.InProcess() {
		return customer.RedisInMemory, nil
	}
	// One that began before may still write what is deleted by now.
	if err := e.rewritten(ctx); err != nil {
		return "", err
	}
	if err := e.redis.RewriteAOF(ctx); err != nil {
		if notOurs(err) {
			return customer.RedisNextRewrite, nil
		}
		return "", err
	}
	return customer.RedisRewritten, e.rewritten(ctx)
}

// notOurs says whether Redis does not let us: a service that is looked after by
// somebody else.
func notOurs(err error) bool {
	return strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "unknown command")
}

// rewritten waits until Redis is writing no file.
func (e *engine) rewritten(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := e.redis.Rewritten(ctx); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
