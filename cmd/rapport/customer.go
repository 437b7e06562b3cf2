package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

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

type stateCmd struct{ one }

func (c *stateCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	var state json.RawMessage
	if err := c.client().Get(ctx, "/v1/customers/"+id, nil, &state); err != nil {
		return err
	}
	return printJSON(s.out, state, c.JSON)
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

type historyCmd struct {
	one
	Type string `help:"Only events of these types, separated by commas."`
	From string `help:"Only what occurred at or after this date or time."`
	To   string `help:"Only what occurred at or before this date or time."`
}

type historyEntry struct {
	Type       string    `json:"type"`
	Revision   uint64    `json:"revision"`
	OccurredAt time.Time `json:"occurred_at"`
	RecordedAt time.Time `json:"recorded_at"`
	Actor      struct {
		Kind string `json:"kind"`
		ID   string `json:"id"`
	} `json:"actor"`
	Reason string          `json:"reason"`
	Data   json.RawMessage `json:"data"`
}

func (c *historyCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	path := "/v1/customers/" + id + "/history"
	if c.JSON {
		return lines(ctx, c.client(), path, nil, s.out)
	}
	table := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "REV\tOCCURRED\tRECORDED\tEVENT\tBY\tWHY\tWHAT")
	query := url.Values{"limit": {"500"}}
	for name, value := range map[string]string{"type": c.Type, "from": c.From, "to": c.To} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for {
		var page struct {
			Events     []historyEntry `json:"events"`
			NextCursor string         `json:"next_cursor"`
		}
		if err := c.client().Get(ctx, path, query, &page); err != nil {
			return err
		}
		for _, e := range page.Events {
			by := strings.TrimSuffix(e.Actor.Kind+":"+e.Actor.ID, ":")
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Revision, e.OccurredAt.Format(time.RFC3339),
				e.RecordedAt.Format(time.RFC3339), e.Type, by, e.Reason, e.Data)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if page.NextCursor == "" {
			return nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

type replayCmd struct{ one }

func (c *replayCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	path := "/v1/customers/" + id + "/replay"
	if c.JSON {
		return lines(ctx, c.client(), path, nil, s.out)
	}
	return c.client().Lines(ctx, path, nil, ndjson, func(line []byte) error {
		text, err := indent(line)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s\n", text)
		return err
	})
}

const ndjson = "application/x-ndjson"

// lines copies an NDJSON answer.
func lines(ctx context.Context, c *client.Client, path string, query url.Values, out io.Writer) error {
	return c.Lines(ctx, path, query, ndjson, func(line []byte) error {
		_, err := fmt.Fprintf(out, "%s\n", line)
		return err
	})
}
