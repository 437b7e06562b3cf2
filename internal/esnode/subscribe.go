package esnode

import (
	"math"

	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// A subscription reads the log from where it stands, a page at a time, and at
// the end waits for a sign that there is more. Nothing is ever kept for it, so
// it may be as slow as it likes.

// subscribeToAll follows the whole log, or what a filter chooses of it.
func (r *reader) subscribeToAll() error {
	next := r.log.Durable() + 1
	switch {
	case r.from.start:
		next = 1
	case !r.from.end:
		next = r.from.at
		if next < math.MaxUint64 {
			next++
		}
	}
	if err := r.confirm(); err != nil {
		return err
	}
	var live bool
	var considered, checkpoint uint64 // events since the last interval; position of the last checkpoint
	for {
		if err := r.goOn(); err != nil {
			return err
		}
		more := r.log.Signal()
		scanned := 0
		last := uint64(0) // position of the last event considered
		to, err := r.log.ScanAll(next, func(rec *eventlog.Record) bool {
			fits := r.takeFiltered(rec)
			scanned++
			last = rec.Position
			if r.filter != nil {
				if considered++; considered == r.filter.interval {
					considered, checkpoint = 0, last
					r.page.checkpoint(last)
				}
			}
			return fits && scanned < maxConsidered
		})
		if err != nil {
			return err
		}
		next = max(next, to+1)
		atEnd := next > r.log.Durable()
		if atEnd && !live {
			if r.filter != nil && last > checkpoint {
				considered, checkpoint = 0, last
				r.page.checkpoint(last)
			}
			r.page.caughtUp()
		}
		// Behind again is who finds more than a page at once.
		live = atEnd || live && !r.page.full()
		if err := r.flush(); err != nil {
			return err
		}
		if atEnd {
			if err := r.wait(more); err != nil {
				return err
			}
		}
	}
}

// subscribeToStream follows one stream, which need not exist.
func (r *reader) subscribeToStream() error {
	s, err := r.log.Stream(r.stream)
	if err != nil {
		return err
	}
	if s.Tombstoned {
		return &eventlog.StreamDeletedError{Stream: r.stream}
	}
	next := s.Last + 1
	switch {
	case r.from.start:
		next = 0
	case !r.from.end && r.from.at < math.MaxInt64:
		next = int64(r.from.at) + 1
	case !r.from.end:
		next = math.MaxInt64
	}
	watch := r.log.Watch(r.stream)
	defer watch.Close()
	if err := r.confirm(); err != nil {
		return err
	}
	for live := false; ; {
		if err := r.goOn(); err != nil {
			return err
		}
		more := watch.Signal()
		if s, err = r.log.Stream(r.stream); err != nil {
			return err
		}
		ended := false
		err := r.log.ScanStream(s, next, math.MaxInt64, func(rec *eventlog.Record) bool {
			if ended = rec.Revision == eventlog.TombstoneRevision; !ended {
				next = rec.Revision + 1
			}
			return r.take(rec) && !ended
		})
		if err != nil {
			return err
		}
		full := r.page.full()
		if !full && !live && !ended {
			r.page.caughtUp()
		}
		live = !full
		if err := r.flush(); err != nil {
			return err
		}
		// Who subscribes to a stream of metadata is not shown that the
		// stream it is of has ended.
		if ended || s.Tombstoned && !full {
			return &eventlog.StreamDeletedError{Stream: r.stream}
		}
		if !full {
			if err := r.wait(more); err != nil {
				return err
			}
		}
	}
}

// confirm tells the client that the subscription stands.
func (r *reader) confirm() error {
	return r.client.Send(&api.ReadResp{Content: &api.ReadResp_Confirmation{
		Confirmation: &api.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()}}})
}

// goOn says whether there is still somebody to read for, and to read from.
func (r *reader) goOn() error {
	select {
	case <-r.down:
		return errShutdown
	default:
		return r.client.Context().Err()
	}
}

// wait waits for a sign that there is more.
func (r *reader) wait(more <-chan struct{}) error {
	select {
	case <-more:
		return nil
	case <-r.client.Context().Done():
		return r.client.Context().Err()
	case <-r.down:
		return errShutdown
	}
}
