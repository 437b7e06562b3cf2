package importer

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/orderfile"
	"github.com/rapport-crm/rapport/internal/spill"
)

// Orders is an import of orders from a file.
type Orders struct {
	Client *client.Client
	Path   string
	Format orderfile.Format
	Source string       // the system whose ids the customers carry
	From   *domain.Date // rows before it are passed over
	Until  *domain.Date // rows after it are passed over
	DryRun bool         // read and check the file, send nothing

	// Reject is called for every row that is not imported, from one goroutine at a time.
	Reject func(csvfile.RowError) error
	// Progress is called often with how far a phase is, from one goroutine at a time.
	Progress func(phase string, done, total int64)
	// Patience is how long an unreachable server is waited for.
	Patience time.Duration
}

// Summary counts rows: Read = Created + Unchanged + Rejected + Skipped. In a dry run
// Created counts the rows that would be sent.
type Summary struct {
	Read, Created, Unchanged, Rejected, Skipped int64
	Customers                                   int64 // in the rows not rejected by the file itself
	CustomersCreated                            int64
}

// Run imports the file. The summary holds what was done also when an error ends it early.
func (o *Orders) Run(ctx context.Context) (Summary, error) {
	r := &run{Orders: o, first: spill.New(inMemory)}
	defer r.first.Close()
	if err := r.scan(ctx); err != nil {
		return r.sum, err
	}
	if o.DryRun {
		r.sum.Created = r.sum.Read - r.sum.Rejected - r.sum.Skipped
		return r.sum, nil
	}
	return r.sum, r.load(ctx)
}

type run struct {
	*Orders
	first *spill.Map // customer to the unix time of their earliest order in the file
	mu    sync.Mutex // guards sum and Reject
	sum   Summary
}

// scan reads the whole file once: it rejects what cannot be read and learns when
// each customer first bought, which is when they are registered.
func (r *run) scan(ctx context.Context) error {
	return r.rows(ctx, "reading", true, func(row orderfile.Row) error {
		at, known, err := r.first.Get(row.Customer)
		if err != nil {
			return err
		}
		if !known {
			r.sum.Customers++
		}
		if earlier, _ := strconv.ParseInt(at, 10, 64); known && earlier <= row.At.Unix() {
			return nil
		}
		return r.first.Set(row.Customer, strconv.FormatInt(row.At.Unix(), 10))
	})
}

type registration struct {
	CustomerID  string       `json:"customer_id"`
	Kind        string       `json:"kind"`
	Source      source       `json:"source"`
	ExternalIDs []externalID `json:"external_ids"`
	At          time.Time    `json:"registered_at"`
}

type source struct {
	Channel string `json:"channel"`
	Detail  string `json:"detail"`
}

type externalID struct {
	System string `json:"system"`
	ID     string `json:"id"`
}

// load sends every customer's registration and, right behind it, their orders:
// so what the server needs to know of a customer it has just learned.
func (r *run) load(ctx context.Context) error {
	sent := spill.New(inMemory) // customers whose registration was sent
	defer sent.Close()
	seen := spill.New(inMemory) // occurrences of rows with equal content
	defer seen.Close()
	return r.send(ctx, func(yield func(item) error) error {
		return r.rows(ctx, "orders", false, func(row orderfile.Row) error {
			_, done, err := sent.Get(row.Customer)
			if err != nil {
				return err
			}
			if !done {
				it, err := r.registration(row)
				if err != nil {
					return err
				}
				if err := errors.Join(sent.Set(row.Customer, ""), yield(it)); err != nil {
					return err
				}
			}
			it, err := r.order(row, seen)
			if err != nil {
				return err
			}
			return yield(it)
		})
	})
}

func (r *run) registration(row orderfile.Row) (item, error) {
	at, _, err := r.first.Get(row.Customer)
	if err != nil {
		return item{}, err
	}
	unix, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return item{}, err
	}
	id := derive(customers, r.Source, row.Customer).String()
	body, err := json.Marshal(registration{
		CustomerID:  id,
		Kind:        "person",
		Source:      source{Channel: "import", Detail: r.Source},
		ExternalIDs: []externalID{{r.Source, row.Customer}},
		At:          time.Unix(unix, 0).In(r.Format.Zone),
	})
	return item{row, client.Line{Command: registering, Customer: id, Body: body}}, err
}

const registering = "register-customer"

// registered returns under which other id the customer is known, if there is one.
// If the server refuses a registration their orders are rejected one by one, with
// the reason it gives for each.
func (r *run) registered(it item, result client.Result) (elsewhere string) {
	p := result.Problem
	if p == nil {
		r.mu.Lock()
		r.sum.CustomersCreated++
		r.mu.Unlock()
		return ""
	}
	if p.Code == "external_id_taken" && p.Holder != it.line.Customer {
		return p.Holder // registered in another way
	}
	return "" // by an earlier run
}

type order struct {
	OrderID  string       `json:"order_id"`
	Lines    []line       `json:"lines,omitempty"`
	Total    domain.Money `json:"total"`
	Channel  string       `json:"channel,omitempty"`
	PlacedAt time.Time    `json:"placed_at"`
	PlacedOn domain.Date  `json:"placed_on"`
	PaidAt   time.Time    `json:"paid_at"`
}

type line struct {
	SKU         string `json:"sku"`
	Quantity    int64  `json:"quantity"`
	AmountMinor int64  `json:"amount_minor"`
}

func (r *run) order(row orderfile.Row, seen *spill.Map) (item, error) {
	id := row.Order
	if id == "" {
		content := derive(orders, r.Source, row.Customer, row.On.String(), strconv.FormatInt(row.Amount, 10)).String()
		count, _, err := seen.Get(content)
		if err != nil {
			return item{}, err
		}
		k, _ := strconv.Atoi(count)
		if err := seen.Set(content, strconv.Itoa(k+1)); err != nil {
			return item{}, err
		}
		id = derive(orders, content, strconv.Itoa(k+1)).String()
	}
	o := order{
		OrderID: id, Channel: row.Channel, PlacedAt: row.At, PlacedOn: row.On, PaidAt: row.At,
		Total: domain.Money{AmountMinor: row.Amount, Currency: r.Format.Currency},
	}
	if row.SKU != "" || row.Quantity > 0 {
		o.Lines = []line{{SKU: row.SKU, Quantity: max(row.Quantity, 1), AmountMinor: row.Amount}}
	}
	body, err := json.Marshal(o)
	id = derive(customers, r.Source, row.Customer).String()
	return item{row, client.Line{Command: "record-order", Customer: id, Body: body}}, err
}

func (r *run) recorded(it item, result client.Result) error {
	if result.Problem != nil {
		return r.reject(csvfile.RowError{
			Line: it.row.Line, Code: result.Problem.Code, Column: r.column(result.Problem),
			Detail: result.Problem.Reason(), Record: it.row.Record,
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if result.Changed {
		r.sum.Created++
	} else {
		r.sum.Unchanged++
	}
	return nil
}

// column names the column of the file that the problem is about, if it says so.
func (r *run) column(p *client.Problem) string {
	fields := map[string]string{
		"/order_id": "order", "/total/amount_minor": "amount", "/placed_at": "date", "/placed_on": "date", "/channel": "channel",
		"/lines/0/sku": "sku", "/lines/0/quantity": "quantity",
	}
	for _, e := range p.Errors {
		if column := r.Format.Columns[fields[e.Pointer]]; column != "" {
			return column
		}
	}
	switch p.Code {
	case "order_exists":
		return r.Format.Columns["order"]
	case "customer_not_found":
		return r.Format.Columns["customer"]
	}
	return ""
}

func (r *run) reject(e csvfile.RowError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Rejected++
	if r.Reject == nil {
		return nil
	}
	return r.Reject(e)
}

// rows reads the file from its start. Only the first reading counts and rejects.
func (r *run) rows(ctx context.Context, phase string, first bool, each func(orderfile.Row) error) error {
	f, err := orderfile.Open(r.Path, r.Format)
	if err != nil {
		return err
	}
	defer f.Close()
	reading := reading[orderfile.Row]{path: r.Path, phase: phase, file: f.File, progress: r.Progress}
	if first {
		reading.count, reading.bad = &r.sum.Read, r.reject
	}
	return reading.each(ctx, f.Rows(), func(row orderfile.Row) error {
		if r.From != nil && row.On < *r.From || r.Until != nil && row.On > *r.Until {
			if first {
				r.sum.Skipped++
			}
			return nil
		}
		return each(row)
	})
}

// item is a command and the row it came from.
type item struct {
	row  orderfile.Row
	line client.Line
}

// send sends what produce yields. The items of one customer are sent in order.
func (r *run) send(ctx context.Context, produce func(yield func(item) error) error) error {
	return spread(ctx, func(it item) string { return it.row.Customer }, produce, func(ctx context.Context, queue <-chan item) error {
		w := worker{run: r, elsewhere: spill.New(inMemory / workers)}
		defer w.elsewhere.Close()
		return batches(ctx, queue, w.work)
	})
}

// worker sends the items of some customers.
type worker struct {
	*run
	elsewhere *spill.Map // customers known under another id than the derived one
}

func (w *worker) work(ctx context.Context, items []item) error {
	misled, err := w.bulk(ctx, items)
	if err == nil && len(misled) > 0 {
		_, err = w.bulk(ctx, misled)
	}
	return err
}

// bulk sends items in one request. It returns those that were sent to the derived
// id of a customer who, as the same request found, is known under another.
func (w *worker) bulk(ctx context.Context, items []item) (misled []item, err error) {
	lines := make([]client.Line, len(items))
	for i, it := range items {
		lines[i] = it.line
		if it.line.Command == registering {
			continue
		}
		holder, known, err := w.elsewhere.Get(it.row.Customer)
		if err != nil {
			return nil, err
		}
		if known {
			lines[i].Customer = holder
		}
	}
	results, err := w.Client.Bulk(ctx, lines, w.Patience)
	for i, result := range results {
		if items[i].line.Command == registering {
			if holder := w.registered(items[i], result); holder != "" {
				if err := w.elsewhere.Set(items[i].row.Customer, holder); err != nil {
					return nil, err
				}
			}
			continue
		}
		if result.Problem != nil && lines[i].Customer == items[i].line.Customer {
			if _, known, err := w.elsewhere.Get(items[i].row.Customer); known || err != nil {
				misled = append(misled, items[i])
				continue
			}
		}
		if err := w.recorded(items[i], result); err != nil {
			return nil, err
		}
	}
	return misled, err
}
