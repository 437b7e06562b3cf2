package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/rapport-crm/rapport/readapi"
)

type loyaltyCmd struct {
	remote
	Source  string `help:"Print each customer's id in this system; others are left out. Without it the customer id is printed."`
	AsOf    string `help:"What was true then: a date or a time." name:"as-of" placeholder:"DATE"`
	KnownAt string `help:"What was known then: a date or a time." name:"known-at" placeholder:"DATE"`
	Format  string `help:"csv or json (one object a line)." enum:"csv,json" default:"csv"`
}

// loyaltyColumns is the first line of the CSV.
var loyaltyColumns = []string{"customer", "points", "pending", "held", "earned", "tier"}

func (c *loyaltyCmd) Run(ctx context.Context, s streams) error {
	query := values(map[string]string{"source": c.Source, "as_of": c.AsOf, "known_at": c.KnownAt})
	const path = "/v1/loyalty/export"
	if c.Format == "json" {
		return lines(ctx, c.client(), path, query, s.out)
	}
	out := csv.NewWriter(s.out)
	if err := out.Write(loyaltyColumns); err != nil {
		return err
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	err := c.client().Lines(ctx, path, query, ndjson, func(line []byte) error {
		var row readapi.LoyaltyRow
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("%.200s: %w", line, err)
		}
		return out.Write([]string{row.Customer, number(row.Points), number(row.Pending), number(row.Held), number(row.Earned), row.Tier})
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}
