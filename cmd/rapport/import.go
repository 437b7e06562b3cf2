package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/customerfile"
	"github.com/rapport-crm/rapport/internal/importer"
	"github.com/rapport-crm/rapport/internal/orderfile"
)

type importCmd struct {
	Orders    importOrdersCmd    `cmd:"" help:"Import orders from a CSV file, registering customers that are unknown."`
	Customers importCustomersCmd `cmd:"" help:"Import customers from a CSV file."`
}

// importing is what every import shares.
type importing struct {
	Server   string        `help:"Address of the server." default:"http://127.0.0.1:8080" env:"RAPPORT_SERVER"`
	File     string        `arg:"" help:"CSV file with a header line, plain or gzipped." type:"existingfile"`
	Source   string        `help:"System whose ids the customers carry." required:""`
	Timezone zone          `help:"Time zone of the dates in the file." default:"UTC"`
	Rejects  string        `help:"Write rejected rows to this CSV file." type:"path"`
	DryRun   bool          `help:"Say what would be done, and change nothing."`
	Patience time.Duration `help:"How long to wait for a server that went away." default:"30s"`
}

// client returns a client of the server. Somebody who forgot to start it should
// not have to wait: without a dry run it must answer.
func (i importing) client(ctx context.Context) (*client.Client, error) {
	c := &client.Client{Server: i.Server, Actor: "import:" + i.Source}
	if i.DryRun {
		return c, nil
	}
	return c, c.Get(ctx, "/livez", nil, nil)
}

// columns reads which column is which, and checks that the file has them.
func (i importing) columns(m csvfile.Mapping, pairs string) (map[string]string, error) {
	columns, err := m.Parse(pairs)
	if err != nil {
		return nil, usage("--map: %w", err)
	}
	f, err := csvfile.Open(i.File, columns)
	if missing := (*csvfile.ColumnError)(nil); errors.As(err, &missing) {
		return nil, usage("--map: %w", missing)
	}
	if err != nil {
		return nil, err
	}
	return columns, f.Close()
}

// rejects opens the file of rejected rows and returns how to write a row and how
// to close it.
func (i importing) rejects() (write func(csvfile.RowError) error, closeFile func() error, err error) {
	if i.Rejects == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(i.Rejects)
	if err != nil {
		return nil, nil, err
	}
	w := csv.NewWriter(f)
	if err := w.Write([]string{"row", "column", "code", "detail", "record…"}); err != nil {
		return nil, nil, err
	}
	write = func(e csvfile.RowError) error {
		return w.Write(append([]string{strconv.Itoa(e.Line), e.Column, e.Code, e.Detail}, e.Record...))
	}
	return write, func() error {
		w.Flush()
		if err := w.Error(); err != nil {
			return err
		}
		return f.Close()
	}, nil
}

// hint says how to learn which rows were rejected, and why, where it was not asked for.
func (i importing) hint(out io.Writer, rejected int64) {
	if rejected > 0 && i.Rejects == "" {
		fmt.Fprintln(out, "rows were rejected: run it again with --rejects FILE, which then holds them and what is wrong with each; nothing is done twice")
	}
}

// stopped says what to do about an import that did not come to its end.
func stopped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the import stopped: %w\nrun the same command again: what is there already stays as it is", err)
}

type importOrdersCmd struct {
	importing
	Currency string       `help:"ISO 4217 currency of the amounts." required:""`
	Map      string       `help:"Which column is which: customer=COL,date=COL,amount=COL[,order=COL,quantity=COL,sku=COL,channel=COL]." required:"" placeholder:"PAIRS"`
	From     *domain.Date `help:"Pass over rows before this date."`
	Until    *domain.Date `help:"Pass over rows after this date."`
}

func (c *importOrdersCmd) Run(ctx context.Context, s streams) (err error) {
	columns, err := c.columns(orderfile.Mapping, c.Map)
	if err != nil {
		return err
	}
	exponent, ok := domain.MinorUnits(c.Currency)
	if !ok {
		return usage("--currency: %q is not an ISO 4217 currency such as USD", c.Currency)
	}
	bar := newProgress(s.err, "bytes")
	imp := importer.Orders{
		Path:   c.File,
		Format: orderfile.Format{Columns: columns, Currency: c.Currency, Exponent: exponent, Zone: c.Timezone.Location},
		Source: c.Source, From: c.From, Until: c.Until, DryRun: c.DryRun, Patience: c.Patience, Progress: bar.at,
	}
	if imp.Client, err = c.client(ctx); err != nil {
		return err
	}
	var closeRejects func() error
	if imp.Reject, closeRejects, err = c.rejects(); err != nil {
		return err
	}
	started := time.Now()
	sum, err := imp.Run(ctx)
	bar.finish()
	if closeErr := closeRejects(); err == nil {
		err = closeErr
	}
	took := time.Since(started)
	fmt.Fprintf(s.err, "customers: %d in the file, %d registered\n", sum.Customers, sum.CustomersCreated)
	fmt.Fprintf(s.err, "took %.1f s, %.0f orders/s\n", took.Seconds(), float64(sum.Created+sum.Unchanged)/took.Seconds())
	c.hint(s.err, sum.Rejected)
	created := "created"
	if c.DryRun {
		created = "would be sent"
	}
	fmt.Fprintf(s.out, "read %d, %s %d, unchanged %d, rejected %d", sum.Read, created, sum.Created, sum.Unchanged, sum.Rejected)
	if sum.Skipped > 0 {
		fmt.Fprintf(s.out, ", outside the dates %d", sum.Skipped)
	}
	fmt.Fprintln(s.out)
	return stopped(err)
}

type importCustomersCmd struct {
	importing
	Map  string `help:"Which column is which: customer=COL and any of kind, given, family, display, organisation, email, phone, birth_date, gender, address, postal_code, city, region, country, locale, currency, time_zone, tags, channel, registered_at, attribute.KEY." required:"" placeholder:"PAIRS"`
	Mode string `help:"What to do with a customer who is known: create leaves them alone, upsert brings them to what the row says." enum:"create,upsert" default:"create"`
}

func (c *importCustomersCmd) Run(ctx context.Context, s streams) (err error) {
	columns, err := c.columns(customerfile.Mapping, c.Map)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "bytes")
	imp := importer.Customers{
		Path: c.File, Format: customerfile.Format{Columns: columns, Zone: c.Timezone.Location},
		Source: c.Source, Mode: c.Mode, DryRun: c.DryRun, Patience: c.Patience, Progress: bar.at,
	}
	if imp.Client, err = c.client(ctx); err != nil {
		return err
	}
	var closeRejects func() error
	if imp.Reject, closeRejects, err = c.rejects(); err != nil {
		return err
	}
	started := time.Now()
	sum, err := imp.Run(ctx)
	bar.finish()
	if closeErr := closeRejects(); err == nil {
		err = closeErr
	}
	if unknown := (*importer.AttributeError)(nil); errors.As(err, &unknown) {
		return usage("--map: %w", unknown)
	}
	took := time.Since(started)
	fmt.Fprintf(s.err, "took %.1f s, %.0f rows/s\n", took.Seconds(), float64(sum.Read)/took.Seconds())
	if sum.Alone {
		fmt.Fprintf(s.err, "no server answers at %s: the file alone was checked\n", c.Server)
	}
	c.hint(s.err, sum.Rejected)
	verbs := []string{"created", "updated", "unchanged", "rejected"}
	if c.DryRun {
		verbs = []string{"would be created", "updated", "unchanged", "rejected"}
	}
	fmt.Fprintf(s.out, "read %d", sum.Read)
	for i, n := range []int64{sum.Created, sum.Updated, sum.Unchanged, sum.Rejected} {
		fmt.Fprintf(s.out, ", %s %d", verbs[i], n)
	}
	fmt.Fprintln(s.out)
	return stopped(err)
}
