package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/internal/client"
)

// one names one customer of a server.
type one struct {
	remote
	Customer string `arg:"" help:"Customer id, or SYSTEM:ID for an id in another system."`
	JSON     bool   `help:"Print the server's JSON." name:"json"`
}

// id returns the customer's id, looked up if another system's was given.
func (o one) id(ctx context.Context) (string, error) {
	if _, err := uuid.Parse(o.Customer); err == nil {
		return o.Customer, nil
	}
	if !strings.Contains(o.Customer, ":") {
		return "", usage("%q is neither a customer id nor SYSTEM:ID", o.Customer)
	}
	var found struct {
		Customers []struct {
			CustomerID string `json:"customer_id"`
		} `json:"customers"`
	}
	if err := o.client().Get(ctx, "/v1/customers", url.Values{"external_id": {o.Customer}}, &found); err != nil {
		return "", err
	}
	if len(found.Customers) == 0 {
		return "", fmt.Errorf("no customer is known as %s", o.Customer)
	}
	return found.Customers[0].CustomerID, nil
}

type stateCmd struct {
	one
	AsOf     string `help:"What was true then: a date or a time." name:"as-of" placeholder:"DATE"`
	KnownAt  string `help:"What was known then: a date or a time." name:"known-at" placeholder:"DATE"`
	Revision string `help:"What the events up to this revision say." placeholder:"N"`
}

func (c *stateCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	var state json.RawMessage
	query := values(map[string]string{"as_of": c.AsOf, "known_at": c.KnownAt, "revision": c.Revision})
	if err := c.client().Get(ctx, "/v1/customers/"+id, query, &state); err != nil {
		return err
	}
	return printJSON(s.out, state, c.JSON)
}

// values makes a query of the flags that were given.
func values(flags map[string]string) url.Values {
	query := url.Values{}
	for name, value := range flags {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// printJSON prints a document: as it came, or indented for a reader.
func printJSON(out io.Writer, doc json.RawMessage, compact bool) error {
	if !compact {
		var err error
		if doc, err = indent(doc); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "%s\n", strings.TrimSpace(string(doc)))
	return err
}

func indent(doc []byte) ([]byte, error) {
	var v json.RawMessage = doc
	return json.MarshalIndent(v, "", "  ")
}

const ndjson = "application/x-ndjson"

// lines copies an NDJSON answer.
func lines(ctx context.Context, c *client.Client, path string, query url.Values, out io.Writer) error {
	return c.Lines(ctx, path, query, ndjson, func(line []byte) error {
		_, err := fmt.Fprintf(out, "%s\n", line)
		return err
	})
}
