package importer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/csvfile"
	"github.com/rapport-crm/rapport/internal/customerfile"
	"github.com/rapport-crm/rapport/internal/spill"
)

// What is done with a customer who is known already.
const (
	Create = "create" // nothing
	Upsert = "upsert" // they are brought to what the row says
)

// Customers is an import of customers from a file.
type Customers struct {
	Client *client.Client
	Path   string
	Format customerfile.Format
	Source string // the system whose ids the customers carry
	Mode   string // Create or Upsert
	DryRun bool   // say what would be done, send nothing that changes anything

	// Reject is called for every row that is not imported, from one goroutine at a time.
	Reject func(csvfile.RowError) error
	// Progress is called often with how far a phase is, from one goroutine at a time.
	Progress func(phase string, done, total int64)
	// Patience is how long an unreachable server is waited for.
	Patience time.Duration
}

// CustomersSummary counts rows: Read = Created + Updated + Unchanged + Rejected. In
// a dry run they are what would become of the rows.
type CustomersSummary struct {
	Read, Created, Updated, Unchanged, Rejected int64
	// Alone says that a dry run found no server and checked the file alone.
	Alone bool
}

// Run imports the file. The summary holds what was done also when an error ends it early.
func (c *Customers) Run(ctx context.Context) (CustomersSummary, error) {
	r := &customersRun{
		Customers: c, id: uuid.NewString(),
		lasts: spill.New(inMemory), firsts: spill.New(inMemory), later: spill.New(inMemory), schema: map[string]attribute.Defined{},
	}
	defer r.lasts.Close()
	defer r.firsts.Close()
	defer r.later.Close()
	err := r.run(ctx)
	return r.sum, err
}

type customersRun struct {
	*Customers
	id     string // of this run: rows sent again after a broken connection are the same commands
	schema map[string]attribute.Defined
	keys   []string // of the attributes that are mapped

	lasts  *spill.Map // customers to the line of their last row, for Upsert
	firsts *spill.Map // contact points to the row that names them first
	later  *spill.Map // customers to their first row that names a contact point of another row

	mu  sync.Mutex // guards sum and Reject
	sum CustomersSummary
}

func (r *customersRun) run(ctx context.Context) error {
	if r.DryRun {
		return r.rehearse(ctx)
	}
	if err := r.learnSchema(ctx); err != nil {
		return err
	}
	// The whole file is read once: what cannot be read is rejected, and of rows that
	// name one contact point the later ones are put off, so that the first has it.
	if err := r.rows(ctx, "reading", true, r.scan); err != nil {
		return err
	}
	put := 0
	if err := r.load(ctx, "customers", func(late bool) bool {
		if late {
			put++
		}
		return !late
	}); err != nil || put == 0 {
		return err
	}
	return r.load(ctx, "shared contacts", func(late bool) bool { return late })
}

// AttributeError says that a column is mapped to an attribute that takes no values.
type AttributeError struct{ Key, Problem string }

func (e *AttributeError) Error() string { return fmt.Sprintf("attribute %q %s", e.Key, e.Problem) }

// learnSchema asks the server which attributes there are, if any are mapped.
func (r *customersRun) learnSchema(ctx context.Context) error {
	for field := range r.Format.Columns {
		if key, ok := strings.CutPrefix(field, customerfile.Attribute); ok {
			r.keys = append(r.keys, key)
		}
	}
	if len(r.keys) == 0 {
		return nil
	}
	var list struct {
		Attributes []struct {
			Key, Type string
			Enum      []string
			Required  bool
			Retired   bool
		}
	}
	if err := r.Client.Get(ctx, "/v1/schema/attributes", nil, &list); err != nil {
		return err
	}
	var names []string
	for _, a := range list.Attributes {
		if !a.Retired {
			r.schema[a.Key] = attribute.Defined{Key: a.Key, Type: a.Type, Enum: a.Enum, Required: a.Required}
			names = append(names, a.Key)
		}
	}
	there := "there are none"
	if len(names) > 0 {
		there = "there are " + strings.Join(names, ", ")
	}
	for _, key := range r.keys {
		if _, known := r.schema[key]; !known {
			return &AttributeError{key, "is not in the schema; " + there}
		}
	}
	return nil
}

// rows reads the file from its start. Only the first reading counts and rejects.
func (r *customersRun) rows(ctx context.Context, phase string, first bool, each func(person) error) error {
	f, err := customerfile.Open(r.Path, r.Format)
	if err != nil {
		return err
	}
	defer f.Close()
	reading := reading[person]{path: r.Path, phase: phase, file: f.File, progress: r.Progress}
	if first {
		reading.count, reading.bad = &r.sum.Read, r.reject
	}
	return reading.each(ctx, func(yield func(person, error) bool) {
		for row, err := range f.Rows() {
			var p person
			if err == nil {
				var bad *csvfile.RowError
				if p, bad = r.readPerson(row); bad != nil {
					err = bad
				}
			}
			if !yield(p, err) {
				return
			}
		}
	}, each)
}

// named are the contact points of a row as they are compared.
func (p person) named() (list []string) {
	if p.Email.Normalized != "" {
		list = append(list, "email\x00"+p.Email.Normalized)
	}
	if p.Phone.Normalized != "" {
		list = append(list, "phone\x00"+p.Phone.Normalized)
	}
	return list
}

// scan learns which row of a customer is the last, who names a contact point
// first, and who comes later.
func (r *customersRun) scan(p person) error {
	if err := r.last(p); err != nil {
		return err
	}
	late := false
	for _, name := range p.named() {
		by, known, err := r.firsts.Get(name)
		if err != nil {
			return err
		}
		if !known {
			if err := r.firsts.Set(name, p.Customer); err != nil {
				return err
			}
		}
		late = late || known && by != p.Customer
	}
	if !late {
		return nil
	}
	_, known, err := r.later.Get(p.Customer)
	if known || err != nil {
		return err
	}
	return r.later.Set(p.Customer, strconv.Itoa(p.Line))
}

// late says whether a row is put off until the others are done: it names a contact
// point that a row of somebody else names before, or comes behind such a row of
// its own customer.
func (r *customersRun) late(p person) (bool, error) {
	text, known, err := r.later.Get(p.Customer)
	if !known || err != nil {
		return false, err
	}
	line, err := strconv.Atoi(text)
	return p.Line >= line, err
}

// last notes the last row of a customer, where that matters.
func (r *customersRun) last(p person) error {
	if r.Mode != Upsert {
		return nil
	}
	return r.lasts.Set(p.Customer, strconv.Itoa(p.Line))
}

// superseded says whether a later row is about the same customer. Such a row brings
// nobody up to date: else two that differ would change the customer to and fro,
// at every run.
func (r *customersRun) superseded(p person) (bool, error) {
	if r.Mode != Upsert {
		return false, nil
	}
	last, _, err := r.lasts.Get(p.Customer)
	return last != strconv.Itoa(p.Line), err
}

// load sends the rows that are wanted. What is put off is sent in the order of the file.
func (r *customersRun) load(ctx context.Context, phase string, wanted func(late bool) bool) error {
	key := func(p person) string { return p.Customer }
	if phase != "customers" {
		key = func(person) string { return "" } // one after the other
	}
	return spread(ctx, key, func(yield func(person) error) error {
		return r.rows(ctx, phase, false, func(p person) error {
			late, err := r.late(p)
			if err != nil || !wanted(late) {
				return err
			}
			if p.superseded, err = r.superseded(p); err != nil {
				return err
			}
			return yield(p)
		})
	}, func(ctx context.Context, queue <-chan person) error { return batches(ctx, queue, r.batch) })
}

// batch registers the people of some rows and, if that is wanted, brings those to
// what their rows say who are known already.
func (r *customersRun) batch(ctx context.Context, people []person) error {
	lines := make([]client.Line, len(people))
	for i, p := range people {
		lines[i] = client.Line{Command: registering, Customer: p.id.String(), ID: r.key(p, "register"), Body: mustJSON(p.registration(r.Source))}
	}
	results, err := r.Client.Bulk(ctx, lines, r.Patience)
	var known []person
	var ids []string // under which they are known
	for i, result := range results {
		p := people[i]
		switch id, is := r.knownAs(p, result); {
		case result.Problem == nil:
			r.note(&r.sum.Created)
		case is && r.Mode == Upsert && !p.superseded:
			known, ids = append(known, p), append(ids, id)
		case is:
			r.note(&r.sum.Unchanged)
		default:
			if err := r.refused(p, "", result.Problem); err != nil {
				return err
			}
		}
	}
	if err != nil || len(known) == 0 {
		return err
	}
	return r.update(ctx, known, ids)
}

// knownAs returns under which id a customer is known whose registration was refused.
func (r *customersRun) knownAs(p person, result client.Result) (id string, known bool) {
	if result.Problem == nil {
		return "", false
	}
	switch result.Problem.Code {
	case "customer_exists":
		return p.id.String(), true
	case "external_id_taken":
		return result.Problem.Holder, result.Problem.Holder != ""
	}
	return "", false
}

// update brings known customers to what their rows say. A row of which a part is
// refused is rejected; the rest of it is done.
func (r *customersRun) update(ctx context.Context, known []person, ids []string) error {
	var lines []client.Line
	var updates []update
	var of []int // the row of each line
	for i, p := range known {
		for n, u := range p.updates() {
			lines = append(lines, client.Line{Command: u.name, Customer: ids[i], ID: r.key(p, strconv.Itoa(n)), Body: mustJSON(u.body)})
			updates, of = append(updates, u), append(of, i)
		}
	}
	var results []client.Result
	for start := 0; start < len(lines); start += perBulk {
		part, err := r.Client.Bulk(ctx, lines[start:min(start+perBulk, len(lines))], r.Patience)
		if results = append(results, part...); err != nil {
			return err
		}
	}
	changed, refused := make([]bool, len(known)), make([]bool, len(known))
	for n, result := range results {
		i := of[n]
		if result.Problem == nil {
			changed[i] = changed[i] || result.Changed
			continue
		}
		if !refused[i] {
			if err := r.refused(known[i], updates[n].field, result.Problem); err != nil {
				return err
			}
		}
		refused[i] = true
	}
	for i := range known {
		switch {
		case refused[i]:
		case changed[i]:
			r.note(&r.sum.Updated)
		default:
			r.note(&r.sum.Unchanged)
		}
	}
	return nil
}

// key is the idempotency key of one command of one row in this run.
func (r *customersRun) key(p person, what string) string {
	return r.id + ":" + strconv.Itoa(p.Line) + ":" + what
}

func (r *customersRun) note(counter *int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*counter++
}

// refused rejects a row because the server refused a command about a field of it.
func (r *customersRun) refused(p person, field string, problem *client.Problem) error {
	if field == "" {
		field = map[string]string{"email_taken": "email", "phone_taken": "phone", "customer_erased": "customer", "processing_restricted": "customer"}[problem.Code]
	}
	for _, e := range problem.Errors {
		if field == "" {
			field = p.fieldOf(e.Pointer)
		}
	}
	return r.reject(csvfile.RowError{
		Line: p.Line, Column: r.Format.Columns[field], Code: problem.Code, Detail: problem.Reason(), Record: p.Record,
	})
}

func (r *customersRun) reject(e csvfile.RowError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Rejected++
	if r.Reject == nil {
		return nil
	}
	return r.Reject(e)
}
