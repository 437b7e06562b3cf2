package esdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rapport-crm/rapport/eventschema"
)

// searchWindow is after how many events that a filter passed over the store
// says how far it is. Small, so that Page.End keeps up when little passes the filter.
const searchWindow = 256

// errDropped says that a subscription ended and another one is to follow.
var errDropped = errors.New("the subscription was dropped")

// Follow implements commands.Log. It waits for a store that is away for as long
// as ctx lasts. Events of the store's own (their types begin with $) are left
// out. While deliver runs, at most one page more is read ahead. Pages belong to
// deliver: it may keep them.
//
// A page that is Live and empty says that the follower has caught up. With
// prefixes Page.End may lag behind the head by some hundred events of other types.
func (s *Store) Follow(ctx context.Context, after uint64, prefixes []string, deliver func(eventschema.Page) error) error {
	p := newPages(after)
	for delay := leastDelay; ; delay = min(2*delay, mostDelay) {
		session, err := s.feed.enter(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return fmt.Errorf("follow the log: %w", err)
		}
		before := p.takenEnd
		err = s.follow(ctx, session, p, prefixes, deliver)
		session.leave()
		switch {
		case !errors.Is(err, errDropped):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case p.takenEnd > before:
			delay = leastDelay
			s.log.Info("following the log was interrupted, going on", "position", p.takenEnd, "error", err)
		default:
			s.log.Warn("the log cannot be followed, trying again", "position", p.takenEnd, "error", err)
		}
		if !pause(ctx, delay) {
			return ctx.Err()
		}
	}
}

// follow delivers the pages of one subscription, on a session that was entered.
// Its error is that of deliver or of ctx, or errDropped with the reason.
func (s *Store) follow(ctx context.Context, session *session, p *pages, prefixes []string, deliver func(eventschema.Page) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(session.ctx, func() { cancel(errSessionEnded) })()
	p.resume()
	sub, err := subscribe(ctx, session, p.end, prefixes)
	if err != nil {
		cancel(nil)
		return fmt.Errorf("%w: %w", errDropped, err)
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		_, err := guard(func() (struct{}, error) { return struct{}{}, p.fill(ctx, sub) })
		session.judge(err)
		p.finish(fmt.Errorf("%w: %w", errDropped, err))
	}()
	defer func() {
		cancel(nil) // ends sub.Recv
		<-reading
	}()
	for {
		page, err := p.take(ctx)
		if err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, errSessionEnded) {
				return fmt.Errorf("%w: %w", errDropped, cause)
			}
			return err
		}
		if err := deliver(page); err != nil {
			return err
		}
	}
}

// subscribe asks for what comes after a position. The subscription ends with ctx.
func subscribe(ctx context.Context, session *session, after uint64, prefixes []string) (*esdb.Subscription, error) {
	options := esdb.SubscribeToAllOptions{From: esdb.Start{}}
	if after > 0 {
		options.From = esdb.Position{Commit: after, Prepare: after}
	}
	if len(prefixes) > 0 {
		options.Filter = &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: prefixes}
		options.MaxSearchWindow = searchWindow
	}
	if !session.enter() {
		return nil, errSessionEnded
	}
	return call(ctx, session, func(_ context.Context, c *esdb.Client) (*esdb.Subscription, error) {
		return c.SubscribeToAll(ctx, options) // call's own context ends with the call
	})
}

// fill puts into p what a subscription sends, until it ends.
func (p *pages) fill(ctx context.Context, sub *esdb.Subscription) error {
	defer func() { _ = sub.Close() }()
	for {
		switch e := sub.Recv(); {
		case e.EventAppeared != nil:
			r := raw(e.EventAppeared.OriginalEvent())
			// The store could leave these out itself. That saves nothing, they
			// are few, and the end would be known only now and then.
			if strings.HasPrefix(r.Type, "$") {
				p.consider(r.Position)
				continue
			}
			if err := p.put(ctx, r); err != nil {
				return err
			}
		case e.CheckPointReached != nil:
			if at := e.CheckPointReached.Commit; at != math.MaxUint64 { // no position: nothing was considered yet
				p.consider(at)
			}
		case e.CaughtUp != nil:
			p.setLive(true)
		case e.FellBehind != nil:
			p.setLive(false)
		case e.SubscriptionDropped != nil:
			return e.SubscriptionDropped.Error
		}
	}
}
