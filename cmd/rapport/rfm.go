package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

type rfmCmd struct {
	remote
	Source string `help:"Print each customer's id in this system; others are left out. Without it the customer id is printed."`
	Format string `help:"csv or json (one object a line)." enum:"csv,json" default:"csv"`
}

func (c *rfmCmd) Run(ctx context.Context, s streams) error {
	query := url.Values{}
	if c.Source != "" {
		query.Set("source", c.Source)
	}
	accept := "text/csv"
	if c.Format == "json" {
		accept = ndjson
	}
	resp, err := c.client().Do(ctx, http.MethodGet, "/v1/rfm/export", query, http.Header{"Accept": {accept}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(s.out, resp.Body)
	return err
}
