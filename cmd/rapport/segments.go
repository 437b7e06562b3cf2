package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/readapi"
)

type segmentsCmd struct {
	List    segmentsListCmd    `cmd:"" default:"withargs" help:"Print every segment with how many belong to it."`
	Members segmentsMembersCmd `cmd:"" help:"Print who belongs to a segment, now or at any time."`
	Explain segmentsExplainCmd `cmd:"" help:"Print why a customer is in a segment, or why not."`
	Preview segmentsPreviewCmd `cmd:"" help:"Print whom a rule would find, before it is published."`
	Install segmentsInstallCmd `cmd:"" help:"Define segments that come with the program. Without any named, print which there are."`
}

type segmentsListCmd struct {
	remote
	Label    string `help:"Only segments with one of these labels, separated by commas, such as rfm,value."`
	Archived bool   `help:"Only those that are archived."`
	JSON     bool   `help:"Print the server's JSON." name:"json"`
}

func (c *segmentsListCmd) Run(ctx context.Context, s streams) error {
	query := values(map[string]string{"labels": c.Label})
	if c.Archived {
		query.Set("archived", "true")
	}
	if c.JSON {
		return getJSON(ctx, c.client(), "/v1/segments", query, s.out)
	}
	var answer readapi.Segments
	if err := c.client().Get(ctx, "/v1/segments", query, &answer); err != nil {
		return err
	}
	return columns(s.out, "SEGMENT\tCUSTOMERS\tREVENUE\tVERSION\tLABELS\tNAME", func(row func(...any)) {
		for _, x := range answer.Segments {
			revenue, name := "", x.Name
			if x.Revenue != nil {
				revenue = x.Revenue.Major() + " " + x.Revenue.Currency
			}
			switch {
			case x.Broken != "":
				name += " (broken: " + x.Broken + ")"
			case x.Filling != nil:
				name += fmt.Sprintf(" (looking at customers: %d of %d)", x.Filling.Done, x.Filling.Total)
			case x.Failing > 0:
				name += " (failing on " + count(int(x.Failing), "customer") + ")"
			}
			row(x.SegmentID, x.Customers, revenue, x.Version, strings.Join(x.Labels, ","), name)
		}
	})
}

// columns prints rows under a first line, in columns.
func columns(out io.Writer, first string, rows func(row func(cells ...any))) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, first)
	rows(func(cells ...any) {
		text := make([]string, len(cells))
		for i, cell := range cells {
			text[i] = fmt.Sprint(cell)
		}
		fmt.Fprintln(t, strings.Join(text, "\t"))
	})
	return t.Flush()
}

// getJSON prints an answer as it came.
func getJSON(ctx context.Context, c *client.Client, path string, query url.Values, out io.Writer) error {
	var answer json.RawMessage
	if err := c.Get(ctx, path, query, &answer); err != nil {
		return err
	}
	return printJSON(out, answer, true)
}

type segmentsMembersCmd struct {
	remote
	Segment string `arg:"" help:"The segment."`
	At      string `help:"What the system held then: a position of the log, a date or a time." placeholder:"DATE"`
	AsOf    string `help:"What was true then, judged again: a date or a time." name:"as-of" placeholder:"DATE"`
	KnownAt string `help:"Of that only what was known then: a date or a time." name:"known-at" placeholder:"DATE"`
	Version int    `help:"By this version of the segment, judged again." placeholder:"N"`
	Sort    string `help:"entered, customer or revenue; with a dash before it the other way round, as in --sort=-revenue." placeholder:"ORDER"`
	Fields  string `help:"What to tell beside: name, label, revenue; separated by commas."`
	Format  string `help:"csv or json (one object a line)." enum:"csv,json" default:"csv"`
}

func (c *segmentsMembersCmd) Run(ctx context.Context, s streams) error {
	query := values(map[string]string{"at": c.At, "as_of": c.AsOf, "known_at": c.KnownAt, "sort": c.Sort, "fields": c.Fields})
	if c.Version != 0 {
		query.Set("version", strconv.Itoa(c.Version))
	}
	accept := map[string]string{"csv": "text/csv", "json": ndjson}[c.Format]
	return c.pass(ctx, s.out, "/v1/segments/"+url.PathEscape(c.Segment)+"/members", query, accept)
}

type segmentsExplainCmd struct {
	remote
	Segment  string `arg:"" help:"The segment."`
	Customer string `arg:"" help:"Customer id, or SYSTEM:ID for an id in another system."`
	AsOf     string `help:"What was true then: a date or a time." name:"as-of" placeholder:"DATE"`
	KnownAt  string `help:"Of that only what was known then: a date or a time." name:"known-at" placeholder:"DATE"`
	JSON     bool   `help:"Print the server's JSON." name:"json"`
}

func (c *segmentsExplainCmd) Run(ctx context.Context, s streams) error {
	id, err := one{remote: c.remote, Customer: c.Customer}.id(ctx)
	if err != nil {
		return err
	}
	path := "/v1/segments/" + url.PathEscape(c.Segment) + "/explain/" + id
	query := values(map[string]string{"as_of": c.AsOf, "known_at": c.KnownAt})
	if c.JSON {
		return getJSON(ctx, c.client(), path, query, s.out)
	}
	var x readapi.SegmentExplanation
	if err := c.client().Get(ctx, path, query, &x); err != nil {
		return err
	}
	_, err = io.WriteString(s.out, explained(&x))
	return err
}

// explained is an explanation for a reader.
func explained(x *readapi.SegmentExplanation) string {
	var b strings.Builder
	is := "is not in"
	if x.Member {
		is = "is in"
	}
	fmt.Fprintf(&b, "%v %s %q (%s, version %d)", x.CustomerID, is, x.Name, x.SegmentID, x.Version)
	if x.Since != nil {
		fmt.Fprintf(&b, " since %s", marked(x.Since))
	}
	if x.Left != nil {
		fmt.Fprintf(&b, "; it was, until %s", marked(x.Left))
	}
	b.WriteByte('\n')
	for _, why := range []struct{ text, is string }{{"the customer is %s and belongs to nothing", x.Out}, {"nobody can be decided on: %s", x.Broken}} {
		if why.is != "" {
			fmt.Fprintf(&b, why.text+"\n", why.is)
		}
	}
	if x.Archived {
		b.WriteString("the segment is archived\n")
	}
	if x.Failed != nil {
		fmt.Fprintf(&b, "the rule fails: %s (%s)\n", x.Failed.Detail, x.Failed.Code)
	}
	for _, clause := range x.Clauses {
		margin := strings.Repeat("  ", clause.Depth)
		fmt.Fprintf(&b, "  %-6s %s%s", clause.Is, margin, clause.Text)
		if clause.Flips != nil {
			fmt.Fprintf(&b, "   [until %v]", *clause.Flips)
		}
		b.WriteByte('\n')
		for _, v := range clause.Values {
			if list, ok := v.Value.(map[string]any); ok {
				delete(list, "first") // the events tell which they are
			}
			value, err := json.Marshal(v.Value)
			if err != nil {
				value = fmt.Append(nil, v.Value)
			}
			fmt.Fprintf(&b, "         %s  %s = %s%s\n", margin, v.Path, value, sources(v))
		}
		if clause.Reason != "" {
			fmt.Fprintf(&b, "         %s  %s\n", margin, clause.Reason)
		}
	}
	if x.Next != nil {
		fmt.Fprintf(&b, "time alone may change it at the end of %v\n", *x.Next)
	}
	return b.String()
}

// marked says when a customer came into a segment or left it, and by what.
func marked(m *readapi.SegmentMark) string {
	cause := m.Cause
	if m.Type != "" {
		cause = m.Type
	}
	if m.Day != nil && m.Cause == "day" {
		return fmt.Sprintf("the end of %v", *m.Day)
	}
	return fmt.Sprintf("%s (%s, position %d)", m.At.UTC().Format(time.DateTime), cause, m.Position)
}

// sources names the events that made a value what it is.
func sources(v readapi.ExplainedRead) string {
	const most = 3
	var b strings.Builder
	for i, e := range v.Events {
		if i == most {
			fmt.Fprintf(&b, ", %d more", len(v.Events)-most)
			break
		}
		b.WriteString(map[bool]string{true: "   by ", false: ", "}[i == 0])
		fmt.Fprintf(&b, "%s of %s", e.Type, e.OccurredAt.UTC().Format(time.DateOnly))
	}
	if k := v.Calibration; k != nil {
		fmt.Fprintf(&b, "   by the calibration of %v", k.AsOf)
	}
	if v.Changed != nil {
		fmt.Fprintf(&b, "   since %s", marked(v.Changed))
	}
	return b.String()
}

type segmentsPreviewCmd struct {
	remote
	Rule    string `arg:"" help:"The rule, such as 'orders.count() >= 2'."`
	Segment string `help:"Compare with who belongs to this segment now." placeholder:"ID"`
	Limit   int    `help:"How many customers to name." default:"10"`
	JSON    bool   `help:"Print the server's JSON." name:"json"`
}

func (c *segmentsPreviewCmd) Run(ctx context.Context, s streams) error {
	draft := readapi.SegmentDraft{Rule: c.Rule, SegmentID: c.Segment, Limit: c.Limit}
	var answer json.RawMessage
	if err := c.client().Post(ctx, "/v1/segments/preview", draft, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, answer, true)
	}
	var p readapi.SegmentPreview
	if err := json.Unmarshal(answer, &p); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d of %s, looked at in %d ms\n", p.Members, count(int(p.Customers), "customer"), p.TookMS)
	sample(s.out, " ", p.Sample)
	if p.Failure != nil {
		fmt.Fprintf(s.out, "the rule fails on %s, first on %v: %s (%s)\n", count(int(p.Failing), "customer"), p.Failure.CustomerID, p.Failure.Detail, p.Failure.Code)
	}
	if x := p.Compared; x != nil {
		fmt.Fprintf(s.out, "compared with version %d of %s: %d enter, %d leave, %d stay\n", x.Version, x.SegmentID, x.Enter, x.Leave, x.Stay)
		sample(s.out, "+", x.Entering)
		sample(s.out, "-", x.Leaving)
	}
	if len(p.Missing) > 0 {
		fmt.Fprintf(s.out, "nobody has computed yet, so that it is false: %s\n", strings.Join(p.Missing, ", "))
	}
	if len(p.Outdated) > 0 {
		fmt.Fprintf(s.out, "computed before the last day was closed, or by an earlier policy: %s\n", strings.Join(p.Outdated, ", "))
	}
	return nil
}

func sample(out io.Writer, sign string, customers []readapi.SegmentSample) {
	for _, x := range customers {
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%s %v  %s", sign, x.CustomerID, called(x.Name)), " "))
	}
}

// called is a name as one calls it.
func called(n *customer.Name) string {
	if n == nil {
		return ""
	}
	if n.Display != "" {
		return n.Display
	}
	return strings.TrimSpace(n.Given + " " + n.Family + " " + n.Organisation)
}

type segmentsInstallCmd struct {
	remote
	IDs   []string `arg:"" optional:"" help:"Which, by id. What they ask for is installed with them." name:"id"`
	Label string   `help:"All with this label, such as rfm, value or lifecycle."`
	All   bool     `help:"All there are."`
}

func (c *segmentsInstallCmd) Run(ctx context.Context, s streams) error {
	var shipped commands.ShippedSegments
	if err := c.client().Get(ctx, "/v1/segments/shipped", nil, &shipped); err != nil {
		return err
	}
	if len(c.IDs) == 0 && c.Label == "" && !c.All {
		return columns(s.out, "SEGMENT\tLABEL\tNAME", func(row func(...any)) {
			for _, x := range shipped.Segments {
				row(x.SegmentID, strings.Join(x.Labels, ","), x.Name)
			}
		})
	}
	chosen, err := c.choose(shipped.Segments)
	if err != nil {
		return err
	}
	outcomes, err := install(ctx, c.client(), chosen)
	if err != nil {
		return err
	}
	failed := 0
	err = columns(s.out, "SEGMENT\tOUTCOME\tNAME", func(row func(...any)) {
		for i, x := range chosen {
			row(x.SegmentID, outcomes[i].text, x.Name)
			if outcomes[i].failed {
				failed++
			}
		}
	})
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s could not be installed", count(failed, "segment"))
	}
	return err
}

// choose returns what shall be installed, with what that asks for, in order.
func (c *segmentsInstallCmd) choose(shipped []segment.Ready) (chosen []segment.Ready, err error) {
	wanted := map[string]bool{}
	for _, id := range c.IDs {
		wanted[id] = true
	}
	// Backwards: what a segment asks for comes before it.
	for _, x := range slices.Backward(shipped) {
		if !c.All && !wanted[x.SegmentID] && (c.Label == "" || !slices.Contains(x.Labels, c.Label)) {
			continue
		}
		rule, err := segment.Compile(x.Rule, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.SegmentID, err)
		}
		for _, other := range rule.Uses().Segments {
			wanted[other] = true
		}
		delete(wanted, x.SegmentID)
		chosen = append(chosen, x)
	}
	slices.Reverse(chosen)
	for _, id := range c.IDs {
		if !slices.ContainsFunc(chosen, func(x segment.Ready) bool { return x.SegmentID == id }) {
			return nil, usage("no segment %q comes with the program; `rapport segments install` names those that do", id)
		}
	}
	if len(chosen) == 0 {
		return nil, usage("--label: no segment that comes with the program has the label %q", c.Label)
	}
	return chosen, nil
}

// outcome is what came of installing a segment.
type outcome struct {
	text   string
	failed bool
}

// install defines segments. One that is there and is another stays as it is.
func install(ctx context.Context, c *client.Client, chosen []segment.Ready) ([]outcome, error) {
	lines := make([]client.Line, len(chosen))
	for i, x := range chosen {
		body, err := json.Marshal(x)
		if err != nil {
			return nil, err
		}
		lines[i] = client.Line{Command: "define-segment", Body: body}
	}
	results, err := c.Bulk(ctx, lines, time.Minute)
	if err != nil {
		return nil, err
	}
	outcomes := make([]outcome, len(results))
	for i, r := range results {
		switch {
		case r.Problem == nil && r.Changed:
			outcomes[i].text = "defined"
		case r.Problem == nil:
			outcomes[i].text = "unchanged"
		case r.Problem.Code == segment.ErrExists.Code:
			outcomes[i].text = "yours differs and stays"
		default:
			outcomes[i] = outcome{strings.ReplaceAll(r.Problem.Error(), "\n", " "), true}
		}
	}
	return outcomes, nil
}
