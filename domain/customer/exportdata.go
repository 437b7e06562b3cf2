package customer

import (
	"cmp"
	"slices"

	"github.com/rapport-crm/rapport/domain"
)

// RequestExport records that somebody is handed all data of the customer: what
// `GET …/export?revision=` answers for the revision that the event names, with
// its digest.
type RequestExport struct {
	domain.Subject `json:"-"`

	Format string `json:"format,omitempty" jsonschema:"enum=application/json,default=application/json"`

	// Export is what will be handed out, or Refusal why nothing is: the write side
	// finds it out.
	Export  Export `json:"-"`
	Refusal error  `json:"-"`
}

// Export names all data of a customer as of a revision by its digest.
type Export struct {
	Revision int64  // of the last event in it
	Digest   string // SHA-256 in hexadecimal digits
}

// Stream implements domain.Command.
func (c RequestExport) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted: whose data it is may know it.
func (RequestExport) WhileRestricted() {}

// Refuses lists the refusals that are the command's own.
func (RequestExport) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c RequestExport) Decide(s State) ([]Event, error) {
	if c.Format == "" {
		c.Format = FormatJSON
	}
	var p domain.Problems
	p.OneOf("/format", c.Format, FormatJSON)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if c.Refusal != nil {
		return nil, c.Refusal
	}
	at := c.At(&p, "", nil, s.Since, "")
	return []Event{PersonalDataExported{Format: c.Format, Revision: c.Export.Revision, Digest: c.Export.Digest, ExportedAt: at}}, nil
}

// AllOrders returns what is known of every order, the oldest first.
func (s State) AllOrders() []Order {
	all := make([]Order, 0, len(s.orders))
	for _, o := range s.orders {
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b Order) int {
		return cmp.Or(a.PlacedAt.Compare(b.PlacedAt), cmp.Compare(a.OrderID, b.OrderID))
	})
	return all
}
