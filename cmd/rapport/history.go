package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/readapi"
)

type historyCmd struct {
	one
	Type          string `help:"Only events of these types, separated by commas."`
	Module        string `help:"Only events of these modules, separated by commas, such as orders,consent."`
	By            string `help:"Only what this actor did: an id, a kind, or KIND:ID." placeholder:"ACTOR"`
	ActorKind     string `help:"Only what actors of this kind did, such as user or import." placeholder:"KIND"`
	Channel       string `help:"Only what came in by this channel."`
	From          string `help:"Only what occurred at or after this date or time." placeholder:"DATE"`
	To            string `help:"Only what occurred at or before this date or time." placeholder:"DATE"`
	RecordedFrom  string `help:"Only what was recorded at or after this date or time." placeholder:"DATE"`
	RecordedTo    string `help:"Only what was recorded at or before this date or time." placeholder:"DATE"`
	CorrelationID string `help:"Only events of this correlation." placeholder:"UUID"`
	CommandID     string `help:"Only events of this command." placeholder:"UUID"`
	Field         string `help:"Only events that changed this field or a part of it, such as name.given."`
	Export        string `help:"Write the whole history with its hash chain to this file, for rapport verify history --file." placeholder:"FILE" type:"path"`
}

func (c *historyCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	path := "/v1/customers/" + id + "/history"
	query := values(map[string]string{
		"type": c.Type, "module": c.Module, "actor": c.By, "actor_kind": c.ActorKind, "channel": c.Channel,
		"from": c.From, "to": c.To, "recorded_from": c.RecordedFrom, "recorded_to": c.RecordedTo,
		"correlation_id": c.CorrelationID, "command_id": c.CommandID, "field": c.Field,
	})
	switch whole := c.JSON || c.Export != ""; {
	case whole && len(query) > 0:
		return usage("--json and --export give the whole history: they go without filters")
	case c.Export != "":
		return c.export(ctx, s, path)
	case c.JSON:
		return lines(ctx, c.client(), path, nil, s.out)
	}
	query.Set("limit", "500")
	for n := 0; ; {
		var page struct {
			Events     []readapi.Entry `json:"events"`
			NextCursor string          `json:"next_cursor"`
		}
		if err := c.client().Get(ctx, path, query, &page); err != nil {
			return err
		}
		for _, e := range page.Events {
			if err := printEntry(s.out, e); err != nil {
				return err
			}
		}
		if n += len(page.Events); page.NextCursor == "" {
			if n == 0 {
				fmt.Fprintln(s.err, "no event is as asked for")
			}
			return nil
		}
		query.Set("cursor", page.NextCursor)
	}
}

// export writes the history to a file, and leaves no file where it breaks off.
func (c *historyCmd) export(ctx context.Context, s streams, path string) (err error) {
	f, err := os.OpenFile(c.Export, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(c.Export))
		}
	}()
	n := 0
	err = c.client().Lines(ctx, path, nil, ndjson, func(line []byte) error {
		n++
		_, err := fmt.Fprintf(f, "%s\n", line)
		return err
	})
	if err == nil {
		fmt.Fprintf(s.out, "wrote %s to %s\n", count(max(0, n-2), "event"), c.Export)
	}
	return err
}

// printEntry prints an event for a reader: a line of what, when and by whom, and
// a line for every field.
func printEntry(out io.Writer, e readapi.Entry) error {
	var b bytes.Buffer
	by := strings.TrimSuffix(e.Actor.Kind+":"+e.Actor.ID, ":")
	if e.Actor.OnBehalfOf != "" {
		by += " for " + e.Actor.OnBehalfOf
	}
	fmt.Fprintf(&b, "%d  %s  %s  by %s", e.Revision, e.OccurredAt.Format(time.RFC3339), e.Type, by)
	if e.Channel != "" {
		fmt.Fprintf(&b, " (%s)", e.Channel)
	}
	if !e.RecordedAt.Equal(e.OccurredAt) {
		fmt.Fprintf(&b, ", recorded %s", e.RecordedAt.Format(time.RFC3339))
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	b.WriteByte('\n')
	for _, c := range e.Changes {
		printChange(&b, c)
	}
	_, err := out.Write(b.Bytes())
	return err
}

func printChange(b *bytes.Buffer, c readapi.FieldChange) {
	fmt.Fprintf(b, "     %s: %s -> %s\n", c.Field, shown(c.Was), shown(c.Became))
}

// shown is a value for a reader; a dash is not set.
func shown(v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return "-"
	}
	return string(v)
}

type replayCmd struct {
	one
	From string `help:"The first revision to show." placeholder:"N"`
}

// Run prints what each event changed; as JSON the customer after each event.
func (c *replayCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	path, query := "/v1/customers/"+id+"/replay", values(map[string]string{"from": c.From})
	if c.JSON {
		return lines(ctx, c.client(), path, query, s.out)
	}
	return c.client().Lines(ctx, path, query, ndjson, func(line []byte) error {
		var step struct {
			Event   readapi.Entry   `json:"event"`
			Profile json.RawMessage `json:"profile"`
			RFM     json.RawMessage `json:"rfm"`
		}
		if err := json.Unmarshal(line, &step); err != nil {
			return err
		}
		if err := printEntry(s.out, step.Event); err != nil {
			return err
		}
		for _, doc := range []struct {
			name string
			body json.RawMessage
		}{{"profile", step.Profile}, {"rfm", step.RFM}} {
			text, err := indent(doc.body)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(s.out, "%s %s\n", doc.name, text); err != nil {
				return err
			}
		}
		return nil
	})
}

type diffCmd struct {
	one
	From      string `help:"The past to compare from: a revision, a date or a time; absent: before the first event."`
	To        string `help:"The past to compare with; absent: now."`
	FromKnown string `help:"Of --from only what was known then: a date or a time." placeholder:"DATE"`
	ToKnown   string `help:"Of --to only what was known then: a date or a time." placeholder:"DATE"`
	Field     string `help:"Only this field or parts of it, such as name.given."`
	Module    string `help:"Only fields of these modules, separated by commas."`
}

func (c *diffCmd) Run(ctx context.Context, s streams) error {
	id, err := c.id(ctx)
	if err != nil {
		return err
	}
	query := values(map[string]string{
		"from": c.From, "to": c.To, "from_known": c.FromKnown, "to_known": c.ToKnown, "field": c.Field, "module": c.Module,
	})
	var answer json.RawMessage
	if err := c.client().Get(ctx, "/v1/customers/"+id+"/diff", query, &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s.out, answer, true)
	}
	var d readapi.Diff
	if err := json.Unmarshal(answer, &d); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, change := range d.Changes {
		fmt.Fprintf(&b, "%s: %s -> %s  (%s)\n", change.Field, shown(change.Was), shown(change.Became), behind(change))
	}
	if len(d.Changes) == 0 {
		fmt.Fprintln(s.err, "nothing differs")
	}
	_, err = s.out.Write(b.Bytes())
	return err
}

// behind says which events changed a field: the last one, and how many there were.
func behind(d readapi.DiffedField) string {
	if len(d.Events) == 0 {
		return "no event"
	}
	last := d.Events[len(d.Events)-1].String()
	if d.EventCount == 1 {
		return "event " + last
	}
	return fmt.Sprintf("%d events, the last %s", d.EventCount, last)
}
