// Package client speaks the HTTP API to a running server. The command line uses
// nothing else, so whatever it can do a program can do.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client calls one server.
type Client struct {
	Server string // such as http://127.0.0.1:8080
	Actor  string // sent as Rapport-Actor
	HTTP   *http.Client
}

// Problem is an answer that says why not.
type Problem struct {
	Status  int     `json:"status"`
	Title   string  `json:"title"`
	Code    string  `json:"code"`
	Detail  string  `json:"detail"`
	Holder  string  `json:"holder"`
	Errors  []Field `json:"errors"`
	TraceID string  `json:"trace_id"`
}

// Field is what is wrong with one field of a request.
type Field struct {
	Pointer string `json:"pointer"` // JSON pointer
	Detail  string `json:"detail"`
}

func (p *Problem) Error() string {
	text := p.Code
	if reason := p.Reason(); reason != p.Code {
		text += ": " + reason
	}
	if p.Status >= 500 && p.TraceID != "" {
		text += " (trace " + p.TraceID + ")"
	}
	return text
}

// Reason is the problem in words, every field by its name; the code if there are none.
func (p *Problem) Reason() string {
	text := p.Detail
	for _, e := range p.Errors {
		// Of a single field, and of the first of several, the detail may tell already.
		if !strings.Contains(text, strings.TrimPrefix(e.Pointer, "/")+" "+e.Detail) && !strings.Contains(text, e.Pointer+": "+e.Detail) {
			text += "\n  " + e.Pointer + ": " + e.Detail
		}
	}
	if text == "" {
		return p.Code
	}
	return text
}

// ErrUnreachable says that no server answered at the address.
var ErrUnreachable = errors.New("no server answers")

// Do sends a request and returns the open answer, which the caller closes. An
// answer of 400 or more becomes a *Problem.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	target := strings.TrimSuffix(c.Server, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Actor != "" {
		req.Header.Set("Rapport-Actor", c.Actor)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
			return nil, fmt.Errorf("%w at %s; start one with `rapport serve` or name it with --server", ErrUnreachable, c.Server)
		}
		return nil, err
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	problem := &Problem{Status: resp.StatusCode}
	if err := json.Unmarshal(text, problem); err != nil || problem.Code == "" {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	}
	return nil, problem
}

// Get reads a JSON answer into out.
func (c *Client) Get(ctx context.Context, path string, query url.Values, out any) error {
	resp, err := c.Do(ctx, http.MethodGet, path, query, nil, nil)
	if err != nil {
		return err
	}
	return read(resp, out)
}

// Post sends body as JSON and reads the answer into out (nil: dropped).
func (c *Client) Post(ctx context.Context, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := c.Do(ctx, http.MethodPost, path, nil, nil, bytes.NewReader(text))
	if err != nil {
		return err
	}
	return read(resp, out)
}

func read(resp *http.Response, out any) error {
	defer resp.Body.Close()
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}
