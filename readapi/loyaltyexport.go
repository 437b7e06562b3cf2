package readapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	goccy "github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
)

// LoyaltyRow is an account in an export of the points of all members.
type LoyaltyRow struct {
	Customer string `json:"customer"` // external id of the source, else the customer's id
	Points   int64  `json:"points"`   // that can be spent
	Pending  int64  `json:"pending"`  // that cannot be spent yet
	Held     int64  `json:"held"`
	Deficit  int64  `json:"deficit"` // owed: the next credits pay it first
	Earned   int64  `json:"earned"`  // that rules of the programme ever gave
	Tier     string `json:"tier"`    // empty without a ladder, and of who is no member any more
}

var loyaltyTable = table[LoyaltyRow]{
	columns: []string{"customer", "points", "pending", "held", "deficit", "earned", "tier"},
	fields: func(dst []string, r LoyaltyRow) []string {
		dst = append(dst, r.Customer)
		for _, n := range []int64{r.Points, r.Pending, r.Held, r.Deficit, r.Earned} {
			dst = append(dst, strconv.FormatInt(n, 10))
		}
		return append(dst, r.Tier)
	},
}

// row returns an account as it is at the time of a look.
func (l *pointsLook) row(name string, of *customer.Account) LoyaltyRow {
	b := of.Balance()
	return LoyaltyRow{
		Customer: name, Points: b.Spendable, Pending: b.Pending, Held: b.Held, Deficit: b.Deficit,
		Earned: of.Sums.Earned, Tier: l.level(of),
	}
}

func (a *API) exportLoyalty(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	ctx := r.Context()
	source, least := p.text("source"), p.minPosition()
	l, err := p.pointsLook(ctx, a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	var members accountsOf
	if l.then != nil {
		members, err = a.membersThen(ctx, l)
	} else {
		members, err = a.membersNow(ctx, l, least)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Rapport-Position", strconv.FormatUint(l.position, 10))
	out, rows := loyaltyTable.open(w, r)
	defer out.release()
	if source == "" {
		err = members.byID(ctx, func(ids []uuid.UUID) error {
			batch := make([]named, len(ids))
			for i, id := range ids {
				batch[i] = named{id.String(), id}
			}
			return members.rows(ctx, batch, rows.row)
		})
	} else {
		err = a.loyaltyBySource(ctx, members, source, rows.row)
	}
	if err == nil {
		err = rows.end()
	}
	return out.finish(err)
}

// accountsOf is the accounts of all members at some time.
type accountsOf interface {
	// byID yields who has one, by id, in batches.
	byID(ctx context.Context, yield func([]uuid.UUID) error) error
	// rows yields the row of each, but of who has none.
	rows(ctx context.Context, of []named, row func(LoyaltyRow) error) error
}

// loyaltyBySource exports by the external ids that customers have now: they stand in
// no index in clear, so that they are collected and sorted.
func (a *API) loyaltyBySource(ctx context.Context, members accountsOf, source string, row func(LoyaltyRow) error) error {
	profiles, partitions, err := a.serving(ctx, profile.Name)
	if err != nil {
		return err
	}
	var all []named
	err = members.byID(ctx, func(ids []uuid.UUID) (err error) {
		all, err = a.appendLinked(ctx, all, profiles, partitions, source, ids)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, byName)
	for batch := range slices.Chunk(all, exportBatch) {
		if err := members.rows(ctx, batch, row); err != nil {
			return err
		}
	}
	return nil
}

// membersThen is accounts of a past: what the export tells of them.
type membersThen struct {
	ids []uuid.UUID // ascending
	of  map[uuid.UUID]LoyaltyRow
}

func (a *API) membersThen(ctx context.Context, l *pointsLook) (accountsOf, error) {
	m := &membersThen{of: map[uuid.UUID]LoyaltyRow{}}
	err := a.accounts(ctx, l, func(id uuid.UUID, d *loyalty.Document) {
		m.ids = append(m.ids, id)
		m.of[id] = l.row("", &d.Account)
	})
	slices.SortFunc(m.ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return m, err
}

func (m *membersThen) byID(_ context.Context, yield func([]uuid.UUID) error) error {
	for batch := range slices.Chunk(m.ids, exportBatch) {
		if err := yield(batch); err != nil {
			return err
		}
	}
	return nil
}

func (m *membersThen) rows(_ context.Context, of []named, row func(LoyaltyRow) error) error {
	for _, n := range of {
		r := m.of[n.id]
		r.Customer = n.name
		if err := row(r); err != nil {
			return err
		}
	}
	return nil
}

// membersNow is the accounts as the read model has them.
type membersNow struct {
	*API
	across
	look *pointsLook
}

func (a *API) membersNow(ctx context.Context, l *pointsLook, least uint64) (accountsOf, error) {
	o, err := a.pointsNow(ctx, l, least)
	return &membersNow{a, o, l}, err
}

// pointsNow waits for the read model to reach a position, and sets a look to it.
func (a *API) pointsNow(ctx context.Context, l *pointsLook, least uint64) (across, error) {
	o, err := a.across(ctx, loyalty.Name, least)
	if err != nil {
		return o, err
	}
	l.world, l.position = o.world, o.position
	return o, a.setNow(ctx, l)
}

func (m *membersNow) byID(ctx context.Context, yield func([]uuid.UUID) error) error {
	return m.everybodyIn(ctx, m.generation, m.partitions, loyalty.IndexAll, yield)
}

func (m *membersNow) rows(ctx context.Context, of []named, row func(LoyaltyRow) error) error {
	ids := make([]uuid.UUID, len(of))
	for i, n := range of {
		ids[i] = n.id
	}
	docs, err := m.loyaltyDocuments(ctx, m.across, ids)
	if err != nil {
		return err
	}
	for i, d := range docs {
		if d == nil {
			continue
		}
		now := m.look.account(&d.Account)
		if err := row(m.look.row(of[i].name, &now)); err != nil {
			return err
		}
	}
	return nil
}

// loyaltyDocuments reads documents of the loyalty view; nil where there is none.
func (a *API) loyaltyDocuments(ctx context.Context, o across, ids []uuid.UUID) ([]*loyalty.Document, error) {
	stored, err := a.Documents.Documents(ctx, o.generation, o.partitions, ids)
	if err != nil {
		return nil, err
	}
	docs := make([]*loyalty.Document, len(ids))
	for i, b := range stored {
		if b == nil {
			continue
		}
		docs[i] = new(loyalty.Document)
		if err := goccy.Unmarshal(b, docs[i]); err != nil {
			return nil, fmt.Errorf("loyalty document of %v: %w", ids[i], err)
		}
	}
	return docs, nil
}

func (a *API) loyaltyExportRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/loyalty/export", Tag: "loyalty",
		Summary: "Export the points of everybody who is or was a member",
		Detail: "Rows ascend by the external id of the source in byte order, without a source by customer id; the external ids are those of today. " +
			"Points that lapsed or became spendable by business now count as such, whether or not that is booked. " +
			"With `as_of` or `known_at` the same of a past, or of a future in which nothing happens: computed from the log, not from the read models. " +
			"Answers CSV for `Accept: text/csv`, else a JSON object a line; an answer that breaks off is not whole.",
		Params: slices.Concat([]web.Param{
			query("source", "string", "", "The system whose external ids name the customers; who has none there is left out."),
		}, pointsParams, minParams),
		Answers: []web.Answer{
			{Status: 200, Detail: "The accounts, one a line; CSV has a header line.", ContentType: ndjson, Body: LoyaltyRow{}, Headers: stampHeaders},
			{Status: 200, ContentType: csvType, Headers: stampHeaders},
		},
		Refuses: []string{ErrParameters.Code, ErrBehind.Code},
		Handler: a.exportLoyalty,
	}
}
