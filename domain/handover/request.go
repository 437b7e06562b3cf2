package handover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/domain/world"
)

// MaxCustomers is how many customers one handover takes.
const MaxCustomers = 2000

// Request asks that customers go from one employee to another. Nothing changes
// until the successor accepts, but nobody else can be given them meanwhile.
type Request struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	HandoverID uuid.UUID `json:"handover_id,omitzero"` // chosen by the caller; else the server makes one
	From       string    `json:"from"`
	To         string    `json:"to"`
	Reason     string    `json:"reason" jsonschema:"enum=leaver,enum=absence,enum=reorganisation,enum=workload,enum=other"`
	// Customers are those to hand over; all whom the employee owns if absent.
	Customers []uuid.UUID `json:"customers,omitempty" jsonschema:"maxItems=2000"`

	Gathered Gathered `json:"-"`
}

// Gathered is what the write side read before the decision.
type Gathered struct {
	Customers []Found // by id
	Hash      string  // of the dossiers, as canonical JSON
	Position  uint64  // of the last event read
	Seats     int     // of the successor, taken before
}

// Found is what is known of one customer.
type Found struct {
	Dossier
	Registered, Erased bool // Erased also when that was approved and is about to be done
	Owner              string
	Handover           uuid.UUID // under way
}

// Find says what of a customer's state a handover needs to know, at business now.
func Find(id uuid.UUID, s customer.State, now time.Time) Found {
	f := Found{
		Dossier: Dossier{CustomerID: id, Items: OpenItems(id, s, now)}, Registered: s.Registered, Erased: s.Rights.Erasing(),
		Owner: s.Ownership.Owner,
	}
	if s.Ownership.Handover != nil {
		f.Handover = s.Ownership.Handover.HandoverID
	}
	return f
}

// Dossiers returns what the hash is over.
func (g Gathered) Dossiers() []Dossier {
	list := make([]Dossier, len(g.Customers))
	for i, f := range g.Customers {
		list[i] = f.Dossier
	}
	return list
}

// SetHandover says which handover is asked for.
func (c *Request) SetHandover(id uuid.UUID) { c.HandoverID = id }

// Stream implements domain.Command.
func (c Request) Stream() string { return Stream(c.HandoverID) }

// Refuses lists the refusals that are the command's own.
func (Request) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrExists, staff.ErrUnknown, staff.ErrInactive, ErrNoCustomers, customer.ErrNotFound, customer.ErrErased,
		customer.ErrNotOwned, customer.ErrHandoverOpen, customer.ErrOwnRecord, portfolio.ErrFull,
	}
}

// Check says what is wrong with the request in itself.
func (c Request) Check() error {
	var p domain.Problems
	staff.CheckID(&p, "/from", c.From)
	staff.CheckID(&p, "/to", c.To)
	if c.From == c.To && c.To != "" {
		p.Add("/to", "is who hands over")
	}
	if c.Reason == "" {
		p.Add("/reason", "is required")
	}
	p.OneOf("/reason", c.Reason, Reasons...)
	if len(c.Customers) > MaxCustomers {
		p.Add("/customers", "must have at most %d entries: hand over the rest afterwards", MaxCustomers)
		return p.Err()
	}
	seen := make(map[uuid.UUID]bool, len(c.Customers))
	for i, id := range c.Customers {
		if seen[id] {
			p.Add(fmt.Sprintf("/customers/%d", i), "is listed twice")
		}
		seen[id] = true
	}
	return p.Err()
}

// Decide implements domain.Command.
func (c Request) Decide(s State) ([]Event, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if s.State != "" {
		return nil, ErrExists.With("there is a handover %s already; choose another handover_id, or none", c.HandoverID)
	}
	g := c.Gathered
	if err := c.refuse(g); err != nil {
		return nil, err
	}
	return []Event{Requested{
		HandoverID: c.HandoverID, From: c.From, To: c.To, Reason: c.Reason, Customers: g.Dossiers(),
		DossierHash: g.Hash, Position: g.Position, RequestedAt: c.Now.UTC(),
	}}, nil
}

// refuse says what the world, the customers or the successor have against it.
func (c Request) refuse(g Gathered) error {
	var people staff.State
	if c.World != nil {
		people = c.World.Staff
	}
	if _, err := people.Known(c.From); err != nil {
		return err
	}
	successor, err := people.Working(c.To)
	if err != nil {
		return err
	}
	if len(g.Customers) == 0 {
		return ErrNoCustomers.With("%s owns no customer who is in no other handover", c.From)
	}
	if n := len(g.Customers); n > MaxCustomers {
		return domain.ErrValidation.With("%s owns %d customers: name those to hand over first, at most %d", c.From, n, MaxCustomers)
	}
	for _, f := range g.Customers {
		switch {
		case f.Erased:
			return customer.ErrErased.With("the customer %s was erased, or is about to be: leave them out", f.CustomerID)
		case !f.Registered:
			return customer.ErrNotFound.With("no customer has the id %s", f.CustomerID)
		case f.Handover != uuid.Nil:
			return held(customer.ErrHandoverOpen, f.Handover.String(), "the customer %s is in the handover %s", f.CustomerID, f.Handover)
		case f.Owner != c.From:
			return held(customer.ErrNotOwned, f.Owner, "the customer %s is not owned by %s", f.CustomerID, c.From)
		case f.CustomerID == successor.CustomerID:
			return customer.ErrOwnRecord.With("%s is the customer %s: somebody else must look after them", c.To, f.CustomerID)
		}
	}
	if n := g.Seats + len(g.Customers); successor.Capacity > 0 && n > successor.Capacity {
		return portfolio.ErrFull.With("%s would have %d customers, those of open handovers included, and may have %d; name fewer customers, or allow more by change-employee", c.To, n, successor.Capacity)
	}
	return nil
}

func held(refusal *domain.Error, holder, format string, args ...any) error {
	e := refusal.With(format, args...)
	e.Holder = holder
	return e
}

// texts lists ids in a refusal, the first few.
func texts(ids []uuid.UUID) string {
	const most = 5
	var b strings.Builder
	for i, id := range ids[:min(len(ids), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(id.String())
	}
	if n := len(ids); n > most {
		fmt.Fprintf(&b, " and %d more", n-most)
	}
	return b.String()
}

// fresh returns those of the items named that were not acknowledged before, each
// once, and notes the ones that are not in the dossier.
func (s State) fresh(p *domain.Problems, pointer string, named []uuid.UUID) (ids []uuid.UUID) {
	for i, id := range named {
		switch {
		case !s.items[id]:
			p.Add(fmt.Sprintf("%s/%d", pointer, i), "is no item of the dossier")
		case s.Done[id] == "" && !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	return ids
}
