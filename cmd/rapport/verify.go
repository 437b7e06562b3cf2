package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/readapi"
)

type verifyCmd struct {
	History    verifyHistoryCmd    `cmd:"" help:"Recompute hash chains and points: of a customer, of the whole log, or of an exported file (offline)."`
	ReadModels verifyReadModelsCmd `cmd:"" help:"Recompute the read models from the log and compare."`
}

type verifyHistoryCmd struct {
	remote
	Customer string `help:"Only this customer: an id, or SYSTEM:ID." xor:"what"`
	All      bool   `help:"Every stream of the log." xor:"what"`
	File     string `help:"An export, checked without a server; - is standard input." xor:"what" placeholder:"EXPORT.ndjson"`
}

func (c *verifyHistoryCmd) Run(ctx context.Context, s streams) error {
	switch {
	case c.File != "":
		return c.file(s)
	case c.Customer != "":
		return c.customer(ctx, s)
	case c.All:
		return c.all(ctx, s)
	}
	return usage("say what to verify: --customer ID, --all or --file EXPORT.ndjson")
}

func (c *verifyHistoryCmd) file(s streams) error {
	var in io.Reader = os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	found, err := readapi.VerifyExport(in)
	if err != nil {
		return err
	}
	return report(s, found)
}

// all verifies the log as it is exported, without writing it anywhere.
func (c *verifyHistoryCmd) all(ctx context.Context, s streams) error {
	resp, err := c.client().Do(ctx, "GET", "/v1/log", nil, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	found, err := readapi.VerifyExport(resp.Body)
	if err != nil {
		return err
	}
	return report(s, found)
}

func (c *verifyHistoryCmd) customer(ctx context.Context, s streams) error {
	id, err := one{remote: c.remote, Customer: c.Customer}.id(ctx)
	if err != nil {
		return err
	}
	var found readapi.Verification
	if err := c.client().Get(ctx, "/v1/customers/"+id+"/history/verify", nil, &found); err != nil {
		return err
	}
	if err := report(s, found); err != nil {
		return err
	}
	var points readapi.LedgerVerification
	if err := c.client().Get(ctx, "/v1/customers/"+id+"/ledger/verify", nil, &points); err != nil {
		return err
	}
	switch {
	case points.FirstBad != nil:
		return fmt.Errorf("%w: %v (%d events before it are right)", errDifference, points.FirstBad, points.Events)
	case !points.OK:
		return fmt.Errorf("%w: the read model of the points: %s", errDifference, points.ReadModel)
	}
	if points.Lots == 0 && points.Balance == (customer.Balance{}) {
		return nil
	}
	b := points.Balance
	fmt.Fprintf(s.out, "the points follow from the events: %d spendable, %d pending, %d held, %d owed\n", b.Spendable, b.Pending, b.Held, b.Deficit)
	return nil
}

func report(s streams, v readapi.Verification) error {
	if !v.OK {
		return fmt.Errorf("%w: %v (%d events before it are right)", errDifference, v.FirstBad, v.Events)
	}
	fmt.Fprintf(s.out, "verified %s in %s\n", count(v.Events, "event"), count(v.Streams, "stream"))
	if v.Ledgers > 0 {
		fmt.Fprintf(s.out, "the points of %s follow from the events\n", count(v.Ledgers, "customer"))
	}
	if v.Unanchored > 0 {
		fmt.Fprintf(s.out, "of %s the file has a later part only: the first event of it is taken on trust\n", count(v.Unanchored, "stream"))
	}
	return nil
}

type verifyReadModelsCmd struct {
	remote
	View string `help:"Only this view." default:"all"`
	JSON bool   `help:"Print the server's JSON." name:"json"`
}

func (c *verifyReadModelsCmd) Run(ctx context.Context, s streams) error {
	var found readapi.ViewVerification
	if err := c.client().Post(ctx, "/v1/projections/"+c.View+"/verify", struct{}{}, &found); err != nil {
		return err
	}
	if c.JSON {
		text, err := json.Marshal(found)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s\n", text)
	}
	if found.OK {
		if !c.JSON {
			fmt.Fprintf(s.out, "verified %d documents of %v at position %d\n", found.Documents, found.Views, found.Position)
		}
		return nil
	}
	errs := []error{errDifference}
	for _, d := range found.Differences {
		errs = append(errs, different(d))
	}
	if found.More {
		errs = append(errs, errors.New("and more"))
	}
	return errors.Join(errs...)
}

// different says in words what differs.
func different(d readapi.Difference) error {
	where := fmt.Sprintf("%s, partition %d, %s", d.View, d.Partition, d.What)
	if d.Name != "" {
		where += " " + d.Name
	}
	if d.Customer != uuid.Nil {
		where += " of customer " + d.Customer.String()
	}
	return fmt.Errorf("%s: the log says %s, the read model %s", where, orNothing(d.Want), orNothing(d.Got))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// count is a number of things, for a reader.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
