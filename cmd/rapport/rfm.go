package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/rapport-crm/rapport/readapi"
)

type rfmCmd struct {
	remote
	Source     string `help:"Print each customer's id in this system; others are left out. Without it the customer id is printed."`
	AsOf       string `help:"Score from the log as of the end of this day, instead of live." name:"as-of" placeholder:"DATE"`
	KnownAt    string `help:"Leave out what was recorded later: a date or a time." name:"known-at" placeholder:"DATE"`
	Policy     string `help:"Score by the policy in this file (JSON), which need not be published, instead of the one in force." type:"existingfile" placeholder:"FILE"`
	MovedSince string `help:"Print how many moved from which label to which since the end of this day, instead of the scores." name:"moved-since" placeholder:"DATE"`
	Format     string `help:"csv or json (one object a line)." enum:"csv,json" default:"csv"`
}

func (c *rfmCmd) Run(ctx context.Context, s streams) error {
	if c.MovedSince != "" {
		return c.movement(ctx, s)
	}
	path, query := "/v1/rfm/export", values(map[string]string{"source": c.Source, "as_of": c.AsOf, "known_at": c.KnownAt})
	if c.AsOf != "" || c.KnownAt != "" || c.Policy != "" {
		path = "/v1/rfm/study"
	}
	accept := "text/csv"
	if c.Format == "json" {
		accept = ndjson
	}
	answer, err := c.ask(ctx, path, query, accept)
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(s.out, answer)
	return err
}

// ask sends a query, with the policy of the file if there is one.
func (c *rfmCmd) ask(ctx context.Context, path string, query url.Values, accept string) (io.ReadCloser, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if c.Policy != "" {
		draft, err := policyFile(c.Policy)
		if err != nil {
			return nil, err
		}
		method, body = http.MethodPost, bytes.NewReader(draft)
	}
	resp, err := c.client().Do(ctx, method, path, query, http.Header{"Accept": {accept}}, body)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// policyFile reads a policy, or the body of a request that publishes one, as the body
// of a study.
func policyFile(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var published struct {
		Policy json.RawMessage `json:"policy"`
	}
	if err := json.Unmarshal(text, &published); err != nil {
		return nil, usage("%s is not JSON: %v", name, err)
	}
	if published.Policy == nil {
		published.Policy = text
	}
	return json.Marshal(published)
}

func (c *rfmCmd) movement(ctx context.Context, s streams) error {
	if c.Source != "" {
		return usage("--moved-since counts customers and names none: --source says nothing here")
	}
	query := values(map[string]string{"from": c.MovedSince, "to": c.AsOf, "known_at": c.KnownAt})
	answer, err := c.ask(ctx, "/v1/rfm/movement", query, "application/json")
	if err != nil {
		return err
	}
	defer answer.Close()
	var m readapi.Movement
	if err := json.NewDecoder(answer).Decode(&m); err != nil {
		return err
	}
	if c.Format == "json" {
		out := json.NewEncoder(s.out)
		for _, cell := range m.Cells {
			if err := out.Encode(cell); err != nil {
				return err
			}
		}
		return nil
	}
	out := csv.NewWriter(s.out)
	rows := [][]string{{"from", "to", "customers", "revenue_from", "revenue"}}
	for _, cell := range m.Cells {
		rows = append(rows, []string{
			labelOr(cell.FromLabel, cell.FromReason), labelOr(cell.ToLabel, cell.ToReason),
			strconv.FormatInt(cell.Customers, 10), cell.RevenueFrom.Major(), cell.Revenue.Major(),
		})
	}
	return out.WriteAll(rows)
}

// labelOr returns a label, or in parentheses why there is none.
func labelOr(label *string, reason string) string {
	if label == nil {
		return fmt.Sprintf("(%s)", reason)
	}
	return *label
}
