package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/importer"
	"github.com/rapport-crm/rapport/internal/orderfile"
)

type importCmd struct {
	Orders importOrdersCmd `cmd:"" help:"Import orders from a CSV file, registering customers that are unknown."`
}

type importOrdersCmd struct {
	Server   string        `help:"Address of the server." default:"http://127.0.0.1:8080" env:"RAPPORT_SERVER"`
	File     string        `arg:"" help:"CSV file with a header line, plain or gzipped." type:"existingfile"`
	Source   string        `help:"System whose ids the customers carry." required:""`
	Currency string        `help:"ISO 4217 currency of the amounts." required:""`
	Map      string        `help:"Which column is which: customer=COL,date=COL,amount=COL[,order=COL,quantity=COL,sku=COL,channel=COL]." required:"" placeholder:"PAIRS"`
	Timezone zone          `help:"Time zone of the dates in the file." default:"UTC"`
	From     *domain.Date  `help:"Pass over rows before this date."`
	Until    *domain.Date  `help:"Pass over rows after this date."`
	Rejects  string        `help:"Write rejected rows to this CSV file." type:"path"`
	DryRun   bool          `help:"Check the file and change nothing."`
	Patience time.Duration `help:"How long to wait for a server that went away." default:"30s"`
}

func (c *importOrdersCmd) Run(ctx context.Context, s streams) (err error) {
	columns, err := orderfile.ParseColumns(c.Map)
	if err != nil {
		return usage("--map: %w", err)
	}
	exponent, ok := domain.MinorUnits(c.Currency)
	if !ok {
		return usage("--currency: %q is not an ISO 4217 currency such as USD", c.Currency)
	}
	imp := importer.Orders{
		Client: &client.Client{Server: c.Server, Actor: "import:" + c.Source},
		Path:   c.File,
		Format: orderfile.Format{Columns: columns, Currency: c.Currency, Exponent: exponent, Zone: c.Timezone.Location},
		Source: c.Source, From: c.From, Until: c.Until, DryRun: c.DryRun, Patience: c.Patience,
	}
	if !c.DryRun { // somebody who forgot to start the server should not have to wait
		if err := imp.Client.Get(ctx, "/livez", nil, nil); err != nil {
			return err
		}
	}
	bar := newProgress(s.err, "bytes")
	imp.Progress = bar.at
	rejects, err := c.rejects(&imp)
	if err != nil {
		return err
	}
	started := time.Now()
	sum, err := imp.Run(ctx)
	bar.finish()
	if closeErr := rejects(); err == nil {
		err = closeErr
	}
	took := time.Since(started)
	fmt.Fprintf(s.err, "customers: %d in the file, %d registered\n", sum.Customers, sum.CustomersCreated)
	fmt.Fprintf(s.err, "took %.1f s, %.0f orders/s\n", took.Seconds(), float64(sum.Created+sum.Unchanged)/took.Seconds())
	created := "created"
	if c.DryRun {
		created = "would be sent"
	}
	fmt.Fprintf(s.out, "read %d, %s %d, unchanged %d, rejected %d", sum.Read, created, sum.Created, sum.Unchanged, sum.Rejected)
	if sum.Skipped > 0 {
		fmt.Fprintf(s.out, ", outside the dates %d", sum.Skipped)
	}
	fmt.Fprintln(s.out)
	if err != nil {
		return fmt.Errorf("the import stopped: %w\nrun the same command again: what is there already stays as it is", err)
	}
	return nil
}

// rejects opens the file of rejected rows and returns how to close it.
func (c *importOrdersCmd) rejects(imp *importer.Orders) (closeFile func() error, err error) {
	if c.Rejects == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(c.Rejects)
	if err != nil {
		return nil, err
	}
	w := csv.NewWriter(f)
	if err := w.Write([]string{"row", "column", "code", "detail", "record…"}); err != nil {
		return nil, err
	}
	imp.Reject = func(e orderfile.RowError) error {
		return w.Write(append([]string{strconv.Itoa(e.Line), e.Column, e.Code, e.Detail}, e.Record...))
	}
	return func() error {
		w.Flush()
		if err := w.Error(); err != nil {
			return err
		}
		return f.Close()
	}, nil
}
