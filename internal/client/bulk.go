package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Line is one command of a bulk request.
type Line struct {
	Command  string          `json:"command"`
	Customer string          `json:"customer_id,omitempty"`
	ID       string          `json:"id,omitempty"` // idempotency key
	Body     json.RawMessage `json:"body"`
}

// Result is the answer to one line: what a single command would have answered.
type Result struct {
	Status     int    `json:"status"`
	CustomerID string `json:"customer_id"`
	Changed    bool   `json:"changed"`
	Position   uint64 `json:"position"`
	Problem    *Problem
}

// Bulk sends commands in one request and returns a result for each, in order.
// When the connection breaks or the server asks to come back later it tries the
// lines again that have no result yet, for up to patience; commands that are sent twice must do
// nothing new the second time.
func (c *Client) Bulk(ctx context.Context, lines []Line, patience time.Duration) ([]Result, error) {
	var results []Result
	deadline := time.Now().Add(patience)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := c.bulk(ctx, lines[len(results):], &results)
		if err == nil {
			return results, nil
		}
		if final := (*Problem)(nil); errors.As(err, &final) && final.Status < 500 || ctx.Err() != nil || time.Now().After(deadline) {
			return results, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return results, ctx.Err()
		}
	}
}

func (c *Client) bulk(ctx context.Context, lines []Line, results *[]Result) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	header := http.Header{"Content-Type": {"application/x-ndjson"}}
	resp, err := c.Do(ctx, http.MethodPost, "/v1/commands", nil, header, &body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answers := bufio.NewReaderSize(resp.Body, 1<<16)
	for n := 0; n < len(lines); n++ {
		text, err := answers.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("the answer ended after %d of %d lines: %w", n, len(lines), io.ErrUnexpectedEOF)
			}
			return err
		}
		var r Result
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("answer %.200q: %w", text, err)
		}
		if r.Status >= 400 {
			r.Problem = &Problem{}
			if err := json.Unmarshal(text, r.Problem); err != nil {
				return fmt.Errorf("answer %.200q: %w", text, err)
			}
		}
		if r.Status >= 500 {
			return r.Problem // the rest of the request is tried again with it
		}
		*results = append(*results, r)
	}
	return nil
}

// Lines reads an NDJSON answer line by line.
func (c *Client) Lines(ctx context.Context, path string, query map[string][]string, accept string, each func(line []byte) error) error {
	resp, err := c.Do(ctx, http.MethodGet, path, query, http.Header{"Accept": {accept}}, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(make([]byte, 1<<16), 8<<20)
	for scanner.Scan() {
		if strings.TrimSpace(scanner.Text()) == "" {
			continue
		}
		if err := each(scanner.Bytes()); err != nil {
			return err
		}
	}
	return scanner.Err()
}
