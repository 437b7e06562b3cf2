package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/profile"
	"golang.org/x/sync/errgroup"
)

// Customers is a page of customers.
type Customers struct {
	Customers  []Customer `json:"customers"`
	NextCursor string     `json:"next_cursor,omitempty"`
	Stamp
}

// sorts is the orders of the list.
var sorts = []string{"registered_at", "-registered_at", "name", "-name", "last_order", "-last_order"}

// customerFilter is the question that a list of customers answers.
type customerFilter struct {
	external      *customer.ExternalID
	name          string // folded prefix
	label, source string
	stage         string
	contact       contactFilter
	particulars
	after, before *domain.Date // of the last order, both exclusive
	erasure       string       // how far it has come
	consent       consentFilter
	loyalty       loyaltyFilter
	segment       segmentFilter
	ownerFilter
	sort       string
	descending bool
}

func readCustomerFilter(p *params) customerFilter {
	f := customerFilter{
		name: profile.NameKey(p.text("q")), label: p.text("label"), source: p.text("source"),
		after: p.date("last_order_after"), before: p.date("last_order_before"),
	}
	f.particulars = readParticulars(p)
	f.contact = readContactFilter(p)
	if p.text("q") != "" && f.name == "" {
		p.bad("q", "has no letter to look for")
	}
	if s := p.text("external_id"); s != "" {
		system, id, ok := strings.Cut(s, ":")
		if !ok || system == "" || id == "" {
			p.bad("external_id", "is not of the form system:id")
		}
		f.external = &customer.ExternalID{System: system, ID: id}
	}
	f.stage = p.oneOf("stage", slices.Concat([]string{""}, lifecycle.Stages)...)
	f.consent = readConsentFilter(p)
	f.loyalty = readLoyaltyFilter(p)
	f.segment = readSegmentFilter(p)
	f.ownerFilter = readOwnerFilter(p)
	f.erasure = p.oneOf("erasure", slices.Concat([]string{""}, erasureStates)...)
	f.sort, f.descending = strings.CutPrefix(p.oneOf("sort", slices.Concat([]string{""}, sorts)...), "-")
	return f
}

// erasureStates is how far an erasure may have come.
var erasureStates = []string{
	customer.ErasureStateRequested, customer.ErasureStateRefused, customer.ErasureStateApproved,
	customer.ErasureStateErased, customer.ErasureStateCompleted,
}

// listed is a customer of the list, in the making.
type listed struct {
	profile profile.Document
	rfm     RFM
	points  pointsItem // where it is asked for
	belongs bool       // to the segment that is asked for
}

// stretches says which indexes to walk: those of the order asked for, else those
// of the filter that leaves the fewest.
func (a *API) stretches(f customerFilter, o overall) []stretch {
	in := func(index, prefix string) stretch {
		return stretch{generation: o.profile, index: index, prefix: prefix, descending: f.descending}
	}
	everybody := in(profile.IndexAll, "")
	chosen, reached := f.particulars.stretches(in), f.contact.stretches(in)
	owned := f.ownerFilter.stretches(in, f.sort != "")
	switch {
	case f.external != nil:
		name := f.external.ReservedName()
		return []stretch{in(profile.IndexExternal, a.Lookup(name.Kind, name.Value)+"\x00")}
	case reached != nil:
		return reached
	case f.sort == "registered_at":
		return []stretch{everybody}
	case f.sort == "name", f.sort == "" && f.name != "":
		s := in(profile.IndexName, f.name)
		s.only = func(c *candidate) bool { return c.key == firstName(c, f) }
		if f.name != "" {
			return []stretch{s}
		}
		nameless := everybody
		nameless.only = func(c *candidate) bool { return firstName(c, f) == "" }
		return []stretch{s, nameless}
	case f.sort == "last_order":
		s := f.lastOrders(in(profile.IndexLastOrder, ""))
		if f.after != nil || f.before != nil {
			return []stretch{s}
		}
		orderless := everybody
		orderless.only = func(c *candidate) bool { return c.item.(*listed).profile.Orders.LastOn == nil }
		return []stretch{s, orderless}
	case f.erasure != "":
		return []stretch{in(profile.IndexErasure, profile.ErasurePrefix(f.erasure))}
	case owned != nil:
		return owned
	case f.consent.purpose != "":
		return f.consent.stretches(in)
	case chosen != nil:
		return chosen
	case f.loyalty.asks():
		return f.loyalty.stretches()
	case f.segment.asks():
		return f.segment.stretches()
	case f.label != "":
		return cells(o, f.descending, func(_ rules.Scores, label string) bool { return label == f.label })
	case f.stage != "":
		return []stretch{in(profile.IndexStage, f.stage+"\x00")}
	case f.source != "":
		return []stretch{in(profile.IndexSource, f.source+"\x00")}
	case f.after != nil || f.before != nil:
		return []stretch{f.lastOrders(in(profile.IndexLastOrder, ""))}
	}
	return []stretch{everybody}
}

// lastOrders bounds a walk through the dates of last orders.
func (f customerFilter) lastOrders(s stretch) stretch {
	var after, before string
	if f.after != nil {
		after = f.after.String()
	}
	if f.before != nil {
		before = f.before.String()
	}
	if s.descending {
		s.from, s.past = before, func(date string) bool { return date <= after }
		return s
	}
	if after != "" {
		s.from = after + "\x01" // behind all members of that date
	}
	s.past = func(date string) bool { return before != "" && date >= before }
	return s
}

// firstName returns the first of the keys under which a customer comes in a walk
// by name, so that they are listed once; "" for who has no name.
func firstName(c *candidate, f customerFilter) (first string) {
	for _, p := range profileView.Indexes(&c.item.(*listed).profile, nil) {
		if p.Index != profile.IndexName || !strings.HasPrefix(p.Key, f.name) {
			continue
		}
		if first == "" || (p.Key < first) != f.descending {
			first = p.Key
		}
	}
	return first
}

// wants says whether a customer passes all filters.
func (f customerFilter) wants(d *listed) bool {
	last := d.profile.Orders.LastOn
	return f.segment.wants(d) && f.particulars.wants(&d.profile) && f.contact.wants(&d.profile) && f.consent.wants(&d.profile) && f.ownerFilter.wants(&d.profile) && f.loyalty.wants(d) && (f.source == "" || d.profile.Source.Channel == f.source) &&
		(f.erasure == "" || d.profile.Rights.Erasure != nil && d.profile.Rights.Erasure.State == f.erasure) &&
		(f.stage == "" || d.profile.Standing.Stage == f.stage) &&
		(f.label == "" || d.rfm.Label != nil && *d.rfm.Label == f.label) &&
		(f.after == nil || last != nil && *last > *f.after) &&
		(f.before == nil || last != nil && *last < *f.before) &&
		(f.name == "" || slices.ContainsFunc(profileView.Indexes(&d.profile, nil), func(p projections.Place) bool {
			return p.Index == profile.IndexName && strings.HasPrefix(p.Key, f.name)
		}))
}

func (a *API) customers(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	f := readCustomerFilter(p)
	limit, least := p.limit(), p.minPosition()
	var at place
	p.cursor(a.cursors(), &at)
	if err := p.err(); err != nil {
		return err
	}
	f.contact = f.contact.hashed(a.Lookup)
	ctx := r.Context()
	o, err := a.overall(ctx, least)
	if err != nil {
		return err
	}
	if f.consent.purpose != "" {
		if f.consent.now, _, err = a.businessNow(ctx, o.world); err != nil {
			return err
		}
	}
	if f.loyalty.asks() {
		if err := f.loyalty.open(ctx, a, &o, least); err != nil {
			return err
		}
	}
	if f.segment.asks() {
		if err := f.segment.open(ctx, a, &o, least); err != nil {
			return err
		}
	}
	fetch := func(cs []*candidate) error {
		if err := a.fetch(ctx, o, cs); err != nil {
			return err
		}
		if err := f.segment.fetch(ctx, a, cs); err != nil {
			return err
		}
		return f.loyalty.fetch(ctx, a, cs)
	}
	keep := func(c *candidate) bool { return c.docs[0] != nil && f.wants(c.item.(*listed)) }
	found, next, err := a.walk(ctx, o.partitions, a.stretches(f, o), at, limit, fetch, keep)
	if err != nil {
		return err
	}
	body := []byte(`{"customers":[`)
	for i, c := range found {
		if i > 0 {
			body = append(body, ',')
		}
		if body, err = appendCustomer(body, c.id, c.docs[0], c.item.(*listed).rfm); err != nil {
			return err
		}
		body = append(body, '}')
	}
	body = append(body, ']')
	if next != nil {
		body = append(append(append(body, `,"next_cursor":"`...), p.next(a.cursors(), next)...), '"')
	}
	if body, err = appendStamp(body, o.stamp()); err != nil {
		return err
	}
	return writeBytes(w, o.stamp(), append(body, '\n'))
}

// both reads the documents of candidates in two views, in one round trip for each.
func (a *API) both(ctx context.Context, views [2]projections.Generation, partitions int, cs []*candidate) (docs [2][][]byte, err error) {
	if len(cs) == 0 {
		return docs, nil
	}
	ids := make([]uuid.UUID, len(cs))
	for i, c := range cs {
		ids[i] = c.id
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, g := range views {
		group.Go(func() (err error) {
			docs[i], err = a.Documents.Documents(ctx, g, partitions, ids)
			return err
		})
	}
	err = group.Wait()
	return docs, err
}

// fetch reads the documents of candidates.
func (a *API) fetch(ctx context.Context, o overall, cs []*candidate) error {
	docs, err := a.both(ctx, [2]projections.Generation{o.profile, o.rfm}, o.partitions, cs)
	if err != nil {
		return err
	}
	for i, c := range cs {
		c.docs = [2][]byte{docs[0][i], docs[1][i]}
		item := new(listed)
		if c.docs[0] != nil {
			if err := json.Unmarshal(c.docs[0], &item.profile); err != nil {
				return fmt.Errorf("profile document of %v: %w", c.id, err)
			}
		}
		if item.rfm, err = rfmOf(c.docs[1], o.world); err != nil {
			return fmt.Errorf("customer %v: %w", c.id, err)
		}
		c.item = item
	}
	return nil
}
