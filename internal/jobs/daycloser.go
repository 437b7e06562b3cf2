package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/eventschema"
)

// DayCloser closes the days by the clock, each when it is over in the business
// time zone, in order; after an outage all that were missed. On a fresh log it
// begins with yesterday. Under a manual calendar it rests.
type DayCloser struct {
	Writer *commands.Writer // its World is kept up to date by somebody else, and tells the time
	Logger *slog.Logger     // nil: the default
	// Sleep waits until an instant of the wall clock, or less; nil: it does.
	Sleep func(ctx context.Context, now, until time.Time)
}

// look is how often the clock is looked at: it may be set, and the machine may
// have slept.
const look = time.Minute

// Run works until ctx ends, and returns its error. The world must know the
// deployment before.
func (d *DayCloser) Run(ctx context.Context) error {
	if d.Writer.World.Facts().Deployment.Calendar == deployment.Manual {
		<-ctx.Done()
		return ctx.Err()
	}
	failures := 0
	for ctx.Err() == nil {
		err := d.closeAll(ctx)
		if err != nil && ctx.Err() == nil {
			logger(d.Logger).Error("the day could not be closed; it is tried again", "error", err)
			wait(ctx, backoff(failures), nil)
			failures++
			continue
		}
		failures = 0
		s := d.Writer.World.Subject(uuid.Nil)
		d.sleep(ctx, s.Now, (s.Today() + 1).Start(s.Zone))
	}
	return ctx.Err()
}

// closeAll closes every day that is over.
func (d *DayCloser) closeAll(ctx context.Context) error {
	for {
		facts, s := d.Writer.World.Facts(), d.Writer.World.Subject(uuid.Nil)
		yesterday := s.Today() - 1
		if facts.Closed != nil && *facts.Closed >= yesterday {
			return nil
		}
		open := "first"
		if facts.Closed != nil {
			open = (*facts.Closed + 1).String()
		}
		result, err := commands.Execute(ctx, d.Writer, commands.Request{
			// Whoever closes the same days does it once.
			Command: uuid.NewSHA1(closerSpace, []byte(facts.Deployment.LogID+" "+open+" "+yesterday.String())),
			Name:    "close-day",
			Actor:   eventschema.Actor{Kind: "system", ID: "day-closer"},
			Channel: "system",
		}, calendar.CloseDay{Subject: s, Date: yesterday})
		switch {
		case errors.Is(err, calendar.ErrClosed):
			return nil // by somebody whose clock is ahead
		case err != nil:
			return fmt.Errorf("close %s: %w", yesterday, err)
		}
		// The world must know before it is asked again which day is open.
		if err := d.Writer.World.WaitFor(ctx, result.Position); err != nil {
			return err
		}
	}
}

// closerSpace is the name space of the command ids. It can never change.
var closerSpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("rapport:day-closer"))

func (d *DayCloser) sleep(ctx context.Context, now, until time.Time) {
	if d.Sleep != nil {
		d.Sleep(ctx, now, until)
		return
	}
	wait(ctx, min(until.Sub(now), look), nil)
}
