// Package importer loads files into a running server through its ordinary
// commands. A run that is repeated, or killed half-way and started again, changes
// nothing that is there already.
package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"strconv"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"golang.org/x/sync/errgroup"
)

const (
	inMemory = 500_000 // entries of each map before it moves to disk
	workers  = 4       // requests under way; a customer's rows stay with one
	perBulk  = 500     // commands in a request
)

// The names under which ids are derived. They can never change: a repeated
// import finds its customers and orders by them.
var (
	customers = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:import:customer"))
	orders    = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:import:order"))
)

func derive(space uuid.UUID, parts ...string) uuid.UUID {
	var name []byte
	for _, p := range parts {
		name = append(strconv.AppendInt(name, int64(len(p)), 10), ':')
		name = append(name, p...)
	}
	return uuid.NewSHA1(space, name)
}

// reading goes through the rows of a file once.
type reading[R any] struct {
	path, phase string
	file        *csvfile.File
	progress    func(phase string, done, total int64)
	count       *int64                       // counts every row, if set
	bad         func(csvfile.RowError) error // is told what cannot be read, if set
}

// each calls do for every row that can be read.
func (r reading[R]) each(ctx context.Context, rows iter.Seq2[R, error], do func(R) error) error {
	for row, err := range rows {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.progress != nil {
			r.progress(r.phase, r.file.Done(), r.file.Size)
		}
		if r.count != nil {
			*r.count++
		}
		if bad := (*csvfile.RowError)(nil); errors.As(err, &bad) {
			if r.bad != nil {
				if err := r.bad(*bad); err != nil {
					return err
				}
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.path, err)
		}
		if err := do(row); err != nil {
			return err
		}
	}
	if r.progress != nil {
		r.progress(r.phase, r.file.Size, r.file.Size)
	}
	return nil
}

// spread hands what produce yields to some workers at once. Items of one key stay
// with one worker, in order.
func spread[T any](ctx context.Context, key func(T) string, produce func(yield func(T) error) error, work func(context.Context, <-chan T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var queues [workers]chan T
	for i := range queues {
		queues[i] = make(chan T, perBulk)
		g.Go(func() error { return work(ctx, queues[i]) })
	}
	g.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return produce(func(it T) error {
			h := fnv.New32a()
			h.Write([]byte(key(it)))
			select {
			case queues[h.Sum32()%workers] <- it:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	return g.Wait()
}

// batches hands the items of a queue on, as many at once as make a request.
func batches[T any](ctx context.Context, queue <-chan T, work func(context.Context, []T) error) error {
	var items []T
	for {
		items = items[:0]
		for it := range queue {
			items = append(items, it)
			if len(items) == perBulk {
				break
			}
		}
		if len(items) == 0 {
			return ctx.Err()
		}
		if err := work(ctx, items); err != nil {
			return err
		}
	}
}
