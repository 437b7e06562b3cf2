package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
)

type exportCmd struct {
	remote
	After uint64 `help:"Only what stands behind this position of the log."`
}

func (c *exportCmd) Run(ctx context.Context, s streams) error {
	query := url.Values{}
	if c.After > 0 {
		query.Set("after", strconv.FormatUint(c.After, 10))
	}
	return c.pass(ctx, s.out, "/v1/log", query, ndjson)
}

type parkCmd struct {
	remote
	Event    string `arg:"" help:"Id of the event, as /v1/projections names it."`
	Position uint64 `help:"Its position, as /v1/projections names it." required:""`
	Reason   string `help:"Why; recorded in the log." required:""`
}

func (c *parkCmd) Run(ctx context.Context, s streams) error {
	body := map[string]any{"event_id": c.Event, "position": c.Position, "reason": c.Reason}
	if err := c.client().Post(ctx, "/v1/operations/park-event", body, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "parked %s: the projections pass over it, now and in every rebuild\n", c.Event)
	return err
}
