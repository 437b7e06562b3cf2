package importer

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/contact"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/internal/client"
	"github.com/rapport-crm/rapport/internal/spill"
	"golang.org/x/sync/errgroup"
)

const (
	lookAhead = 256 // rows looked up together
	lookups   = 8   // requests under way
)

// rehearsal says what would become of a file without changing anything: each row
// is decided by the code that the server decides it with, on what the server's
// queries tell and what the rows before it would have done.
type rehearsal struct {
	*customersRun
	subject domain.Subject
	world   *world.World

	planned *spill.Map // customers of earlier rows to what their last row says
	owners  *spill.Map // contact points of earlier rows to their customer and line
}

// found is what the server knows of a row.
type found struct {
	id      string // of the customer; empty: nobody is known
	state   customer.State
	holders map[string]string // of the contact points that somebody has, by field
}

func (r *customersRun) rehearse(ctx context.Context) error {
	h := &rehearsal{customersRun: r, planned: spill.New(inMemory), owners: spill.New(inMemory)}
	defer h.planned.Close()
	defer h.owners.Close()
	switch err := h.learnWorld(ctx); {
	case errors.Is(err, client.ErrUnreachable):
		r.sum.Alone, h.world, r.keys = true, new(world.World), nil
		h.subject = domain.Subject{Now: time.Now()}
	case err != nil:
		return err
	}
	if r.Mode == Upsert { // which row of a customer is the last must be known first
		if err := r.rows(ctx, "reading", false, r.last); err != nil {
			return err
		}
	}
	var people []person
	err := r.rows(ctx, "checking", true, func(p person) error {
		var err error
		if p.superseded, err = r.superseded(p); err != nil {
			return err
		}
		if people = append(people, p); len(people) < lookAhead {
			return nil
		}
		err = h.judge(ctx, people)
		people = people[:0]
		return err
	})
	if err != nil {
		return err
	}
	return h.judge(ctx, people)
}

// learnWorld asks the server what the commands would be decided by.
func (h *rehearsal) learnWorld(ctx context.Context) error {
	var calendar struct {
		Mode        string
		Zone        string
		BusinessNow time.Time `json:"business_now"`
	}
	if err := h.get(ctx, "/v1/calendar", nil, &calendar); err != nil {
		return err
	}
	h.subject = domain.Subject{Now: calendar.BusinessNow, Wall: calendar.Mode == "wall"}
	h.subject.Zone, _ = time.LoadLocation(calendar.Zone) // nil: UTC
	if h.subject.Wall {
		h.subject.Latest = calendar.BusinessNow.Add(5 * time.Minute)
	}
	h.subject.KnowsZone = func(name string) bool {
		_, err := time.LoadLocation(name)
		return err == nil && name != "Local"
	}
	if err := h.learnSchema(ctx); err != nil {
		return err
	}
	h.world = new(world.World)
	for _, key := range slices.Sorted(maps.Keys(h.schema)) {
		h.world = h.world.With(uuid.Nil, h.schema[key])
	}
	var contacts struct {
		Versions []struct {
			Version       int
			EffectiveFrom domain.Date `json:"effective_from"`
			Policy        contact.Policy
		}
	}
	if err := h.get(ctx, "/v1/policies/"+policy.KindContact, nil, &contacts); err != nil {
		return err
	}
	for _, v := range contacts.Versions {
		h.world = h.world.With(uuid.Nil, policy.Published{Kind: policy.KindContact, Version: v.Version, EffectiveFrom: v.EffectiveFrom, Contact: &v.Policy})
	}
	return nil
}

// get asks the server, and again for a while if it answers that it cannot tell yet.
func (h *rehearsal) get(ctx context.Context, path string, query url.Values, out any) error {
	deadline := time.Now().Add(h.Patience)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := h.Client.Get(ctx, path, query, out)
		if problem := (*client.Problem)(nil); !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// judge looks some rows up, several at once, and decides them in their order.
func (h *rehearsal) judge(ctx context.Context, people []person) error {
	known := make([]found, len(people))
	if !h.sum.Alone {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(lookups)
		for i, p := range people {
			g.Go(func() (err error) {
				known[i], err = h.look(ctx, p)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	for i, p := range people {
		outcome, problem, field, err := h.decide(p, known[i])
		switch {
		case err != nil:
			return err
		case problem != nil:
			err = h.refused(p, field, problemOf(problem))
		default:
			h.note(outcome)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// problemOf makes of a refusal what the server would have answered.
func problemOf(refusal *domain.Error) *client.Problem {
	p := &client.Problem{Code: refusal.Code, Detail: refusal.Detail, Holder: refusal.Holder}
	for _, f := range refusal.Fields {
		p.Errors = append(p.Errors, struct {
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		}(f))
	}
	return p
}

// look asks the server about a row: who it is about, and who has its contact points.
func (h *rehearsal) look(ctx context.Context, p person) (f found, err error) {
	f.id = p.id.String()
	known, err := h.customer(ctx, f.id, &f.state)
	if err != nil {
		return f, err
	}
	if !known {
		if f.id, err = h.one(ctx, "external_id", h.Source+":"+p.Customer); err != nil {
			return f, err
		}
		if f.id != "" {
			if _, err := h.customer(ctx, f.id, &f.state); err != nil {
				return f, err
			}
		}
	}
	f.holders = map[string]string{}
	for field, c := range map[string]string{"email": p.Email.Normalized, "phone": p.Phone.Normalized} {
		if c == "" {
			continue
		}
		if f.holders[field], err = h.one(ctx, field, c); err != nil {
			return f, err
		}
	}
	return f, nil
}

// customer reads who a customer is and how they are reached.
func (h *rehearsal) customer(ctx context.Context, id string, into *customer.State) (known bool, err error) {
	var doc struct {
		customer.Profile
		customer.Contacts
		Rights customer.Rights `json:"rights"`
	}
	err = h.get(ctx, "/v1/customers/"+id, nil, &doc)
	if problem := (*client.Problem)(nil); errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return false, nil
	}
	if err == nil {
		*into = customer.State{Registered: true, Since: doc.RegisteredAt, Profile: doc.Profile, Contacts: doc.Contacts, Rights: doc.Rights}
	}
	return err == nil, err
}

// one returns the customer that a filter finds, "" for nobody.
func (h *rehearsal) one(ctx context.Context, filter, value string) (id string, err error) {
	var list struct {
		Customers []struct {
			CustomerID string `json:"customer_id"`
		}
	}
	err = h.get(ctx, "/v1/customers", url.Values{filter: {value}, "limit": {"1"}}, &list)
	if err != nil || len(list.Customers) == 0 {
		return "", err
	}
	return list.Customers[0].CustomerID, nil
}

// decide says what would become of a row: which of the numbers of the summary it
// counts in, or the refusal and the field that it is about.
func (h *rehearsal) decide(p person, f found) (outcome *int64, refusal *domain.Error, field string, err error) {
	register := p.registration(h.Source)
	register.Subject = h.subject
	register.Customer = p.id
	register.SetWorld(h.world)
	names := register.Names()
	claims := make([]reservation.Claim, len(names))
	for i, name := range names {
		claims[i] = reservation.Claim{Kind: name.Kind, Lookup: name.Value}
	}
	if _, err := domain.Decide(customer.State{Rights: f.state.Rights}, register.WithClaims(claims)); err != nil {
		return nil, asRefusal(err), "", nil
	}
	before, planned, err := h.planned.Get(p.Customer)
	if err != nil {
		return nil, nil, "", err
	}
	row := strings.Join(p.Record, "\x00")
	switch {
	case f.id == "" && !planned:
		outcome = &h.sum.Created
	case h.Mode != Upsert, p.superseded:
		return &h.sum.Unchanged, nil, "", nil
	case planned && before == row:
		outcome = &h.sum.Unchanged
	case planned:
		outcome = &h.sum.Updated
	default:
		changed, refusal, field := h.changes(p, f.state)
		if refusal != nil {
			return nil, refusal, field, nil
		}
		if outcome = &h.sum.Unchanged; changed {
			outcome = &h.sum.Updated
		}
	}
	if refusal, field, err = h.taken(p, f); refusal != nil || err != nil {
		return nil, refusal, field, err
	}
	for _, name := range p.named() {
		if err := h.owners.Set(name, p.Customer+"\x00"+strconv.Itoa(p.Line)); err != nil {
			return nil, nil, "", err
		}
	}
	return outcome, nil, "", h.planned.Set(p.Customer, row)
}

func asRefusal(err error) *domain.Error {
	if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
		return refusal
	}
	return &domain.Error{Code: "refused", Detail: err.Error()}
}

// taken refuses a contact point that another customer has, or that a row of
// another customer would have by then.
func (h *rehearsal) taken(p person, f found) (refusal *domain.Error, field string, err error) {
	for _, name := range p.named() {
		kind, _, _ := strings.Cut(name, "\x00")
		if h.shares(kind) {
			continue
		}
		if holder := f.holders[kind]; holder != "" && holder != f.id {
			id, err := uuid.Parse(holder)
			return reservation.Taken(kind, id), kind, err
		}
		owner, known, err := h.owners.Get(name)
		if err != nil {
			return nil, "", err
		}
		if of, line, _ := strings.Cut(owner, "\x00"); known && of != p.Customer {
			refusal := reservation.Taken(kind, derive(customers, h.Source, of))
			refusal.Detail += ", of line " + line + " of this file"
			return refusal, kind, nil
		}
	}
	return nil, "", nil
}

// shares says whether the policy lets several customers have one contact point of a kind.
func (h *rehearsal) shares(kind string) bool {
	p, ok := h.world.Policies.On(policy.KindContact, h.subject.Today())
	return ok && p.Contact != nil && p.Contact.Shares(kind)
}

// changes says whether the row would change a known customer.
func (h *rehearsal) changes(p person, s customer.State) (changed bool, refusal *domain.Error, field string) {
	for _, u := range p.updates() {
		var events []customer.Event
		var err error
		switch c := u.body.(type) {
		case customer.AddContactPoint:
			normalized, _ := customer.NormalizeContact(c.Type, c.Value, c.Region)
			changed = changed || !slices.ContainsFunc(s.ContactPoints, func(have customer.ContactPoint) bool {
				return have.Type == c.Type && have.Reached() == normalized
			})
		case customer.UpdateProfile:
			c.Subject = h.subject
			events, err = c.Decide(s)
		case customer.UpdateDemographics:
			c.Subject = h.subject
			events, err = c.Decide(s)
		case customer.AddTag:
			c.Subject = h.subject
			events, err = c.Decide(s)
		case customer.SetAttribute:
			c.Subject = h.subject
			c.SetWorld(h.world)
			events, err = c.Decide(s)
		}
		if err != nil {
			return false, asRefusal(err), u.field
		}
		changed = changed || len(events) > 0
	}
	return changed, nil, ""
}
