package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/readapi"
)

// demoClusters is the clustering of the demo, and a segment of the customers in the
// first cluster, who spend most.
const demoClusters = "shoppers"

var demoFirst = segment.Ready{
	SegmentID: "first-cluster", Kind: segment.Dynamic, Name: "The first cluster", Labels: []string{"cluster"},
	Description: "The customers of the cluster who spend most. Clusters are numbered by that.", Rule: `cluster("` + demoClusters + `") == 1`,
}

// installed defines segments, which must all be taken.
func installed(ctx context.Context, api *client.Client, all ...segment.Ready) error {
	outcomes, err := install(ctx, api, all)
	for i, o := range outcomes {
		if o.failed {
			return fmt.Errorf("the segment %s: %s", all[i].SegmentID, o.text)
		}
	}
	return err
}

// fewest is how many customers there are to be before they are grouped.
const fewest = 50

// group groups the customers by how they buy, once.
func (c *demoCmd) group(ctx context.Context, api *client.Client) error {
	if c.Customers < fewest {
		return nil
	}
	var first struct {
		Metrics *struct {
			Customers int64 `json:"customers"`
		} `json:"metrics"`
	}
	err := api.Get(ctx, "/v1/segments/"+demoFirst.SegmentID, nil, &first)
	if problem := (*client.Problem)(nil); err == nil || !errors.As(err, &problem) || problem.Code != segment.ErrNotFound.Code {
		return err // an earlier demo over the same data did
	}
	if err := api.Post(ctx, "/v1/clusters/"+demoClusters+"/fit-clusters", map[string]any{"k": 4, "seed": c.Seed}, nil); err != nil {
		return err
	}
	return installed(ctx, api, demoFirst)
}

// settledSegments waits until everybody was looked at by every segment, and the
// first cluster has somebody.
func (c *demoCmd) settledSegments(ctx context.Context, api *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for poll := 10 * time.Millisecond; ; poll = min(2*poll, 500*time.Millisecond) {
		var all readapi.Segments
		err := api.Get(ctx, "/v1/segments", nil, &all)
		if problem := (*client.Problem)(nil); err != nil && !(errors.As(err, &problem) && problem.Status == 503) {
			return err
		}
		missing := ""
		for _, s := range all.Segments {
			if s.Filling != nil || s.SegmentID == demoFirst.SegmentID && s.Customers == 0 {
				missing = s.SegmentID
			}
		}
		if err == nil && missing == "" {
			return nil
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return fmt.Errorf("the segment %s is not filled yet: %w", missing, ctx.Err())
		}
	}
}

// pyramid prints the value pyramid.
func (c *demoCmd) pyramid(ctx context.Context, api *client.Client, out io.Writer) error {
	var p readapi.ValuePyramid
	if err := api.Get(ctx, "/v1/value/pyramid", nil, &p); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nWhat they contribute, less what they cost:\n\n")
	for _, b := range p.Bands {
		amount := "not known"
		if b.Contribution != nil {
			amount = "$" + b.Contribution.Major()
		}
		fmt.Fprintf(out, "  %-20s %6d customers %12s  %s\n", b.Band, b.Customers, amount, bar(int(b.Customers), c.Customers))
	}
	return nil
}

// sampleOf returns a member of a segment, "" if it has none.
func sampleOf(ctx context.Context, api *client.Client, id string) (string, error) {
	var page struct {
		Members []struct {
			CustomerID string `json:"customer_id"`
		} `json:"members"`
	}
	err := api.Get(ctx, "/v1/segments/"+url.PathEscape(id)+"/members", url.Values{"limit": {"1"}}, &page)
	if err != nil || len(page.Members) == 0 {
		return "", err
	}
	return page.Members[0].CustomerID, nil
}

// showSegments prints what is worth trying of segments, values and clusters.
func showSegments(out io.Writer, program, address, customer, slipping string) error {
	const rule = `{"rule":"orders.map(o, o.net).sum() >= 20000 && consent(\"marketing\", \"email\")","limit":3}`
	if slipping == "" {
		slipping = customer
	}
	_, err := fmt.Fprint(out, strings.NewReplacer("PROGRAM", program, "SERVER", address, "CUSTOMER", customer, "SLIPPING", slipping, "RULE", rule).Replace(`
  # groups of customers, and how many belong to each; who is slipping away, since when, and why one is
  PROGRAM segments --server SERVER
  PROGRAM segments members slipping-regulars --server SERVER
  PROGRAM segments explain slipping-regulars SLIPPING --server SERVER
  curl -s 'SERVER/v1/segments/slipping-regulars/history?limit=3'

  # all segments of a customer; whom a rule would find, before anybody publishes it
  curl -s SERVER/v1/customers/CUSTOMER/segments
  curl -s -X POST SERVER/v1/segments/preview -H 'Content-Type: application/json' -d 'RULE'

  # who brings more than they cost, and what of one customer counts
  curl -s SERVER/v1/value/pyramid
  curl -s SERVER/v1/customers/CUSTOMER/value

  # customers and revenue by recency and frequency: a heat map
  curl -s SERVER/v1/rfm/distribution

  # customers grouped by how they buy, in words; those of the first group spend most
  curl -s SERVER/v1/clusters/shoppers
  curl -s 'SERVER/v1/segments/first-cluster/members?limit=3&fields=name,label,revenue'
`))
	return err
}
