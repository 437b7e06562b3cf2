package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

type rebuildCmd struct {
	remote
	View string `arg:"" help:"Name of the view, or all."`
}

// Run starts a rebuild and shows how far it is. Stopping the command does not stop it.
func (c *rebuildCmd) Run(ctx context.Context, s streams) error {
	api := c.client()
	var started struct {
		Location string `json:"location"`
	}
	if err := api.Post(ctx, "/v1/projections/"+c.View+"/rebuild", struct{}{}, &started); err != nil {
		return err
	}
	bar := newProgress(s.err, "positions")
	defer bar.finish()
	begun := time.Now()
	for {
		var p struct {
			ID     string `json:"id"`
			State  string `json:"state"`
			Done   uint64 `json:"done"`
			Total  uint64 `json:"total"`
			Detail string `json:"detail"`
		}
		if err := api.Get(ctx, started.Location, nil, &p); err != nil {
			return err
		}
		if p.State == "done" {
			bar.finish()
			_, err := fmt.Fprintf(s.out, "rebuilt %s in %.1f s\n", strings.ReplaceAll(p.ID, ",", ", "), time.Since(begun).Seconds())
			return err
		}
		bar.at(p.State, int64(p.Done), int64(p.Total))
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("it goes on without you: %s%s tells how far it is", c.Server, started.Location)
		}
	}
}
