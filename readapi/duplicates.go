package readapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/duplicates"
	"github.com/rapport-crm/rapport/projections/profile"
)

// Duplicates is a page of pairs of customers who may be one, or were found to be two.
type Duplicates struct {
	Pairs      []DuplicatePair `json:"pairs"`
	NextCursor string          `json:"next_cursor,omitempty"`
	// GroupLimit is how many customers that share one value are compared with each
	// other: those of the lowest ids. Capped are the values on this page that more share.
	GroupLimit int           `json:"group_limit"`
	Capped     []CappedValue `json:"capped"`
	Stamp
}

// DuplicatePair is two customers and what they share. A has the lower id.
type DuplicatePair struct {
	A        DuplicateParty        `json:"a"`
	B        DuplicateParty        `json:"b"`
	Score    int                   `json:"score"` // 1 to 100; 0 for a rejected pair that shares nothing any more
	State    string                `json:"state"` // open or rejected
	Evidence []duplicates.Evidence `json:"evidence"`
	// RejectedBy is the event that said that they are two.
	RejectedBy *uuid.UUID `json:"rejected_by,omitempty"`
}

// DuplicateParty is one of a pair.
type DuplicateParty struct {
	CustomerID uuid.UUID     `json:"customer_id"`
	Name       customer.Name `json:"name"`
}

// CappedValue is a value that more customers share than are compared.
type CappedValue struct {
	Feature duplicates.Feature `json:"feature"`
	Value   string             `json:"value"`
}

// CustomerDuplicates are the customers that one customer may be the same as.
type CustomerDuplicates struct {
	CustomerID uuid.UUID       `json:"customer_id"`
	Pairs      []DuplicatePair `json:"pairs"` // the highest score first, then by id
	GroupLimit int             `json:"group_limit"`
	Capped     []CappedValue   `json:"capped"`
	Stamp
}

// States of a pair.
const (
	pairOpen     = "open"
	pairRejected = "rejected"
)

// What one page may cost.
const (
	groupLimit   = 50     // customers sharing one value that are compared with each other
	pairBudget   = 20_000 // comparisons
	lookupBudget = 200    // groups looked up to say whether a pair was listed before
)

// suspect is a customer with what others may share with them.
type suspect struct {
	id     uuid.UUID
	doc    *duplicates.Document // nil: nobody, or nobody any more
	traits duplicates.Traits
	keys   []string
}

// matching is the read model of duplicates, at one moment.
type matching struct {
	across
	a *API
}

// matching waits for all lanes to reach a position.
func (a *API) matching(ctx context.Context, least uint64) (*matching, error) {
	l, err := a.across(ctx, duplicates.Name, least)
	return &matching{across: l, a: a}, err
}

// suspects reads customers in one round trip.
func (m *matching) suspects(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*suspect, error) {
	found := make(map[uuid.UUID]*suspect, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	stored, err := m.a.Documents.Documents(ctx, m.generation, m.partitions, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		s := &suspect{id: id}
		if stored[i] != nil {
			s.doc = new(duplicates.Document)
			if err := json.Unmarshal(stored[i], s.doc); err != nil {
				return nil, fmt.Errorf("duplicates document of %v: %w", id, err)
			}
			s.traits = s.doc.Traits()
			s.keys = s.traits.Keys()
		}
		found[id] = s
	}
	return found, nil
}

// pairOf says what two customers share; ok is false if one of them is not there any more.
func pairOf(x, y *suspect) (p DuplicatePair, ok bool) {
	if x.doc == nil || y.doc == nil || !x.doc.Registered || !y.doc.Registered {
		return p, false
	}
	if y.id.String() < x.id.String() {
		x, y = y, x
	}
	p = DuplicatePair{A: DuplicateParty{x.id, x.doc.Name()}, B: DuplicateParty{y.id, y.doc.Name()}, State: pairOpen, Evidence: []duplicates.Evidence{}}
	score, evidence := duplicates.Compare(x.traits, y.traits)
	p.Score, p.Evidence = score, append(p.Evidence, evidence...)
	if event, rejected := x.doc.RejectedWith(y.id); rejected {
		p.State, p.RejectedBy = pairRejected, &event
	}
	return p, true
}

func (a *API) duplicates(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	score, state := p.number("min_score", 0, 0, duplicates.Most), p.oneOf("state", pairOpen, pairRejected)
	limit, position := p.limit(), p.minPosition()
	var at pairPlace
	var rejectedAt place
	if state == pairOpen {
		p.cursor(a.cursors(), &at)
	} else {
		p.cursor(a.cursors(), &rejectedAt)
	}
	if err := p.err(); err != nil {
		return err
	}
	m, err := a.matching(r.Context(), position)
	if err != nil {
		return err
	}
	answer := Duplicates{Pairs: []DuplicatePair{}, GroupLimit: groupLimit, Capped: []CappedValue{}, Stamp: m.stamp()}
	if state == pairRejected {
		found, next, err := m.rejected(r.Context(), rejectedAt, limit, score)
		if err != nil {
			return err
		}
		if answer.Pairs = append(answer.Pairs, found...); next != nil {
			answer.NextCursor = p.next(a.cursors(), next)
		}
		return writeJSON(w, answer.Stamp, answer)
	}
	h := hunt{matching: m, limit: limit, least: score, at: at}
	more, err := h.run(r.Context())
	if err != nil {
		return err
	}
	answer.Pairs, answer.Capped = append(answer.Pairs, h.found...), append(answer.Capped, h.capped...)
	if more {
		answer.NextCursor = p.next(a.cursors(), h.at)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// rejected lists pairs that were found to be two, by the higher id.
func (m *matching) rejected(ctx context.Context, at place, limit, least int) (pairs []DuplicatePair, next *place, err error) {
	stretches := []stretch{{generation: m.generation, index: duplicates.IndexRejected}}
	fetch := func(cs []*candidate) error {
		ids := make([]uuid.UUID, 0, 2*len(cs))
		for _, c := range cs {
			other, err := uuid.Parse(c.key)
			if err != nil {
				return fmt.Errorf("index member %q", c.member)
			}
			ids = append(ids, c.id, other)
		}
		found, err := m.suspects(ctx, ids)
		if err != nil {
			return err
		}
		for i, c := range cs {
			if pair, ok := pairOf(found[ids[2*i]], found[ids[2*i+1]]); ok {
				c.item = pair
			}
		}
		return nil
	}
	keep := func(c *candidate) bool {
		pair, ok := c.item.(DuplicatePair)
		return ok && pair.State == pairRejected && pair.Score >= least
	}
	found, next, err := m.a.walk(ctx, m.partitions, stretches, at, limit, fetch, keep)
	for _, c := range found {
		pairs = append(pairs, c.item.(DuplicatePair))
	}
	return pairs, next, err
}

func (a *API) customerDuplicates(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	least, state := p.number("min_score", 0, 0, duplicates.Most), p.oneOf("state", pairOpen, pairRejected)
	limit, position := p.limit(), p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	ctx := r.Context()
	m, err := a.matching(ctx, position)
	if err != nil {
		return err
	}
	who, err := a.snapshot(ctx, id, position, profile.Name)
	if err != nil {
		return err
	}
	if who.docs[0] == nil {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	answer := CustomerDuplicates{CustomerID: id, Pairs: []DuplicatePair{}, GroupLimit: groupLimit, Capped: []CappedValue{}, Stamp: m.stamp()}
	self, err := m.suspects(ctx, []uuid.UUID{id})
	if err != nil {
		return err
	}
	if one := self[id]; one.doc != nil { // else they were erased, and nobody is like them
		others, capped, err := m.others(ctx, one, state)
		if err != nil {
			return err
		}
		answer.Capped = append(answer.Capped, capped...)
		for _, other := range others {
			if pair, ok := pairOf(one, other); ok && pair.State == state && pair.Score >= least {
				answer.Pairs = append(answer.Pairs, pair)
			}
		}
	}
	slices.SortStableFunc(answer.Pairs, func(x, y DuplicatePair) int { return y.Score - x.Score })
	answer.Pairs = answer.Pairs[:min(limit, len(answer.Pairs))]
	return writeJSON(w, answer.Stamp, answer)
}

// others returns who may be the same as a customer, or was found not to be, by id.
func (m *matching) others(ctx context.Context, one *suspect, state string) (list []*suspect, capped []CappedValue, err error) {
	var ids []uuid.UUID
	if state == pairRejected {
		for _, r := range one.doc.Rejected {
			ids = append(ids, r.With)
		}
		lower, err := m.group(ctx, duplicates.IndexRejected, one.id.String(), scanBudget)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, lower...)
	} else {
		for _, key := range one.keys {
			group, err := m.group(ctx, duplicates.IndexMatch, key, groupLimit+1)
			if err != nil {
				return nil, nil, err
			}
			if len(group) > groupLimit {
				feature, value := one.traits.Of(key)
				capped, group = append(capped, CappedValue{feature, value}), group[:groupLimit]
			}
			ids = append(ids, group...)
		}
	}
	slices.SortFunc(ids, compareIDs)
	ids = slices.DeleteFunc(slices.Compact(ids), func(id uuid.UUID) bool { return id == one.id })
	found, err := m.suspects(ctx, ids)
	for _, id := range ids {
		if err == nil {
			list = append(list, found[id])
		}
	}
	return list, capped, err
}

// group returns the first customers that stand under a key, by id.
func (m *matching) group(ctx context.Context, index, key string, limit int) ([]uuid.UUID, error) {
	members, _, err := m.a.Documents.Range(ctx, m.generation, m.partitions, RangeQuery{Index: index, Prefix: key + "\x00", Limit: limit})
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(members))
	for i, member := range members {
		c, err := parseMember(member)
		if err != nil {
			return nil, err
		}
		ids[i] = c.id
	}
	return ids, nil
}

func (a *API) duplicateRoutes() []web.Route {
	params := slices.Concat([]web.Param{
		query("min_score", "integer", "", "Only pairs that score at least this, 0 to 100; 0 if absent."),
		{Name: "state", In: "query", Type: "string", Enum: []string{pairOpen, pairRejected}, Detail: "Pairs to be looked at, which is the default, or pairs found to be two."},
	})
	return []web.Route{
		{
			Method: "GET", Path: "/v1/duplicates", Tag: "duplicates",
			Summary: "List pairs of customers who may be one",
			Detail: "Every pair stands once, under the feature that counts most of those it shares. Features are walked in the order of what they count; " +
				"within one the order is fixed, and says nothing. A page may be shorter than its limit; the list ends where `next_cursor` is missing. " +
				"Of customers who share one value, `group_limit` are compared with each other, those of the lowest ids; `capped` names the values on the page that more share.",
			Params:  slices.Concat(params, pageParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "A page of pairs.", Body: Duplicates{}, Headers: stampHeaders}},
			Refuses: []string{ErrParameters.Code, ErrBehind.Code},
			Handler: a.duplicates,
		},
		{
			Method: "GET", Path: "/v1/customers/{customer_id}/duplicates", Tag: "duplicates",
			Summary: "Show whom a customer may be the same as",
			Detail:  "The highest score first. Of each value that the customer shares, the first `group_limit` customers who have it are compared.",
			Params:  slices.Concat([]web.Param{customerParam}, params, pageParams[1:], minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The candidates.", Body: CustomerDuplicates{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customerDuplicates,
		},
	}
}
