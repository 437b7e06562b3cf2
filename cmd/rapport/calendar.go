package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/readapi"
)

type calendarCmd struct {
	Close calendarCloseCmd `cmd:"" help:"Close a business day, and every day before it that is open, and wait until all scores and segments follow."`
	Show  calendarShowCmd  `cmd:"" help:"Show the calendar."`

	Calibrate calibrateCmd `cmd:"" help:"Compute the cut points of the last closed day anew: orders that came late count."`
}

type calendarCloseCmd struct {
	remote
	Date domain.Date   `arg:"" help:"The day, such as 1998-06-30."`
	Wait time.Duration `help:"How long to wait." default:"10m"`

	Settled bool `help:"Wait as well until all that fell due by the day, such as moves to other stages, is booked and shows."`
}

func (c *calendarCloseCmd) Run(ctx context.Context, s streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	position, err := postClose(ctx, c.client(), c.Date)
	if err != nil {
		return err
	}
	day, err := followed(ctx, c.client(), position)
	if err != nil {
		return err
	}
	if c.Settled {
		if err := settled(ctx, c.client(), position); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(s.out, "closed %v; %v\n", c.Date, day)
	return err
}

// calibration is where the scores stand.
type calibration struct {
	State      string      `json:"state"` // none, pending, applied, failed
	AsOf       domain.Date `json:"calibrated_as_of"`
	Population int         `json:"population"`
	Code       string      `json:"code"`
	Detail     string      `json:"detail"`
	Position   uint64      `json:"position"` // of what is answered
}

func (c calibration) String() string {
	switch c.State {
	case "failed":
		return fmt.Sprintf("the scores stay as they were: %s (%s)", c.Detail, c.Code)
	case "applied":
		return count(c.Population, "customer") + " scored"
	default:
		return "scores: " + c.State
	}
}

// closeDay closes a day and waits until its calibrations are applied everywhere.
func closeDay(ctx context.Context, c *client.Client, day domain.Date, wait time.Duration) (calibration, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	position, err := postClose(ctx, c, day)
	if err != nil {
		return calibration{}, err
	}
	return followed(ctx, c, position)
}

// postClose closes a day and returns the position at which it is closed.
func postClose(ctx context.Context, c *client.Client, day domain.Date) (position uint64, err error) {
	var closed struct {
		Position uint64 `json:"position"`
	}
	err = c.Post(ctx, "/v1/calendar/close-day", map[string]any{"date": day}, &closed)
	return closed.Position, err
}

// settled waits until what fell due by the days closed up to a position is booked
// and shows in the read models. The server must be one that runs the jobs.
func settled(ctx context.Context, c *client.Client, position uint64) error {
	var behind []string
	for poll := 5 * time.Millisecond; ctx.Err() == nil; poll = min(2*poll, 500*time.Millisecond) {
		var answer readapi.Jobs
		if err := c.Get(ctx, "/v1/jobs", nil, &answer); ctx.Err() != nil {
			break
		} else if err != nil {
			return fmt.Errorf("the day is closed, but whether all is booked cannot be told: %w", err)
		}
		var through uint64
		behind = nil
		for _, j := range answer.Jobs {
			through = max(through, j.Through)
			if j.Position < position {
				behind = append(behind, j.Name)
			}
		}
		if len(behind) == 0 {
			_, err := followed(ctx, c, through)
			return err
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("the day is closed, but not all is booked yet by %s (%w); /v1/jobs tells more", strings.Join(behind, ", "), ctx.Err())
}

// followed waits until all scores follow what the log asks for up to a position, and
// then all segments.
func followed(ctx context.Context, c *client.Client, position uint64) (state calibration, err error) {
	if state, err = scored(ctx, c, position); err != nil {
		return state, err
	}
	var lists struct {
		State    string `json:"state"` // none, pending, applied, failed
		Sweeping int    `json:"sweeping"`
	}
	err = awaited(ctx, c, "/v1/value/calibration", max(position, state.Position), &lists, func() bool {
		return lists.State == "pending" || lists.Sweeping > 0
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("it is recorded and scored, but the segments do not follow yet (%w); /v1/value/calibration and /v1/projections tell more", ctx.Err())
	}
	return state, err
}

// scored waits until all scores follow what the log asks for up to a position.
func scored(ctx context.Context, c *client.Client, position uint64) (state calibration, err error) {
	err = awaited(ctx, c, "/v1/rfm/calibration", position, &state, func() bool { return state.State == "pending" })
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("it is recorded, but the scores do not follow yet (%w); `rapport calendar show` and /v1/projections tell more", ctx.Err())
	}
	return state, err
}

// awaited asks until the read models are at a position and what is answered is not
// pending.
func awaited(ctx context.Context, c *client.Client, path string, position uint64, answer any, pending func() bool) error {
	query := url.Values{"min_position": {strconv.FormatUint(position, 10)}}
	for poll := 5 * time.Millisecond; ; poll = min(2*poll, 500*time.Millisecond) {
		err := c.Get(ctx, path, query, answer)
		if behind := (*client.Problem)(nil); !errors.As(err, &behind) || behind.Code != "projection_behind" {
			if err != nil || !pending() {
				return err
			}
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type calibrateCmd struct {
	remote
	Wait time.Duration `help:"How long to wait for the scores." default:"10m"`

	Value bool `help:"The percentiles of what customers are worth, too."`
}

func (c *calibrateCmd) Run(ctx context.Context, s streams) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	var asked struct {
		Position uint64 `json:"position"`
	}
	if err := c.client().Post(ctx, "/v1/policies/rfm/calibrate", struct{}{}, &asked); err != nil {
		return err
	}
	if c.Value {
		if err := c.client().Post(ctx, "/v1/policies/value/calibrate", struct{}{}, &asked); err != nil {
			return err
		}
	}
	state, err := followed(ctx, c.client(), asked.Position)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%v as of %v\n", state, state.AsOf)
	return err
}

type calendarShowCmd struct {
	remote
	JSON bool `help:"Print the server's JSON." name:"json"`
}

func (c *calendarShowCmd) Run(ctx context.Context, s streams) error {
	var calendar, scores json.RawMessage
	if err := c.client().Get(ctx, "/v1/calendar", nil, &calendar); err != nil {
		return err
	}
	if err := c.client().Get(ctx, "/v1/rfm/calibration", nil, &scores); err != nil {
		return err
	}
	both, err := json.Marshal(map[string]json.RawMessage{"calendar": calendar, "scores": scores})
	if err != nil {
		return err
	}
	return printJSON(s.out, both, c.JSON)
}
