package customer

import (
	"fmt"
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// ExtendExpiry lets points lapse later than they would.
type ExtendExpiry struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	Lots   []string    `json:"lots" jsonschema:"minItems=1,maxItems=100"` // by their lot_id
	To     domain.Date `json:"to"`                                        // the business date with which they lapse
	Reason string      `json:"reason" jsonschema:"maxLength=2000"`
}

// Stream implements domain.Command.
func (c ExtendExpiry) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (ExtendExpiry) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrLotNotFound, ErrLotExpired, ErrOwnAccount}
}

// Uses names the policies by which it is decided.
func (c ExtendExpiry) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. Lots that lapse on that date already are
// nothing to do.
func (c ExtendExpiry) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	if ownRecord(c.Subject, c.Known) {
		return nil, ErrOwnAccount.With("the account is that of %s; somebody else has to do it", c.Actor)
	}
	b := newBooker(c.Subject, c.Known, s, time.Time{})
	e := ExpiryExtended{To: *b.start(&c.To), Reason: c.Reason, ExtendedAt: b.now}
	var p domain.Problems
	if !e.To.After(b.now) {
		p.Add("/to", "is over: the business date is %s", b.today())
	}
	for _, id := range c.Lots {
		l := b.there(id)
		switch {
		case l != nil && l.ExpiresAt != nil && !l.ExpiresAt.After(b.now):
			return nil, ErrLotExpired.With("the lot %q has lapsed; what is held of it can still be captured", id)
		case l == nil && b.ledger.lapsed[id]+b.lapsed[id] > 0:
			return nil, ErrLotExpired.With("the points of the lot %q have lapsed, or were forfeited", id)
		case l == nil:
			return nil, ErrLotNotFound.With("the customer has no points in a lot %q", id)
		case l.ExpiresAt == nil:
			p.Add("/to", "is earlier than the lot %q lapses: it never does", id)
		case l.ExpiresAt.After(e.To):
			p.Add("/to", "is earlier than the lot %q lapses, at %s", id, l.ExpiresAt.Format(time.RFC3339))
		case l.ExpiresAt.Before(e.To):
			e.Lots = append(e.Lots, id)
		}
	}
	if err := p.Err(); err != nil || len(e.Lots) == 0 {
		return nil, err
	}
	b.book(e)
	return b.all(), nil
}

// check refuses a request that is wrong in itself.
func (c ExtendExpiry) check() error {
	const most = 100
	var p domain.Problems
	if len(c.Lots) == 0 || len(c.Lots) > most {
		p.Add("/lots", "must have 1 to %d entries", most)
		return p.Err()
	}
	for i, id := range c.Lots {
		p.Required(fmt.Sprintf("/lots/%d", i), id, maxText)
		if slices.Contains(c.Lots[:i], id) {
			p.Add(fmt.Sprintf("/lots/%d", i), "is listed twice")
		}
	}
	if c.To > domain.NewDate(2999, 12, 31) {
		p.Add("/to", "must not be after 2999")
	}
	p.Required("/reason", c.Reason, maxText)
	return p.Err()
}
