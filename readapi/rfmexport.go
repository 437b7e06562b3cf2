package readapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// RFMRow is a customer in an export of scores. Without scores all but the
// customer and the reason is null.
type RFMRow struct {
	Customer     string  `json:"customer"` // external id of the source, else the customer's id
	RecencyDays  *int64  `json:"recency_days" jsonschema:"nullable"`
	Transactions *int64  `json:"transactions" jsonschema:"nullable"`
	Amount       *string `json:"amount" jsonschema:"nullable"` // in major units: 89.00
	R            *int    `json:"r" jsonschema:"nullable"`
	F            *int    `json:"f" jsonschema:"nullable"`
	M            *int    `json:"m" jsonschema:"nullable"`
	Score        *int    `json:"score" jsonschema:"nullable"`
	Label        *string `json:"label" jsonschema:"nullable"`
	Reason       string  `json:"reason,omitempty"`
}

// rfmTable is an export of scores.
var rfmTable = table[RFMRow]{
	columns: []string{"customer", "recency_days", "transactions", "amount", "r", "f", "m", "score", "label"},
	fields: func(dst []string, r RFMRow) []string {
		return append(dst, r.Customer, number(r.RecencyDays), number(r.Transactions), text(r.Amount),
			number(r.R), number(r.F), number(r.M), number(r.Score), text(r.Label))
	},
}

const exportBatch = 1000

// named is a customer under the name that the export gives them.
type named struct {
	name string
	id   uuid.UUID
}

func (a *API) exportRFM(w http.ResponseWriter, r *http.Request) error {
	p := paramsOf(r)
	source, least := p.text("source"), p.minPosition()
	if err := p.err(); err != nil {
		return err
	}
	ctx := r.Context()
	o, err := a.overall(ctx, least)
	if err != nil {
		return err
	}
	w.Header().Set("Rapport-Position", strconv.FormatUint(o.position, 10))
	out, rows := rfmTable.open(w, r)
	defer out.release()
	write := func(batch []named) error { return a.exportBatch(ctx, o, batch, rows.row) }
	if source == "" {
		err = a.everybodyWhoOrdered(ctx, o, func(ids []uuid.UUID) error {
			batch := make([]named, len(ids))
			for i, id := range ids {
				batch[i] = named{id.String(), id}
			}
			return write(batch)
		})
	} else {
		err = a.exportBySource(ctx, o, source, write)
	}
	if err == nil {
		err = rows.end()
	}
	return out.finish(err)
}

// everybodyWhoOrdered yields who has a document of orders, by id, in batches.
func (a *API) everybodyWhoOrdered(ctx context.Context, o overall, yield func([]uuid.UUID) error) error {
	return a.everybodyIn(ctx, o.rfm, o.partitions, rfm.IndexAll, yield)
}

// everybodyIn yields the customers in an index, in its order and in batches.
func (a *API) everybodyIn(ctx context.Context, g projections.Generation, partitions int, index string, yield func([]uuid.UUID) error) error {
	for after := ""; ; {
		members, _, err := a.Documents.Range(ctx, g, partitions, RangeQuery{Index: index, After: after, Limit: exportBatch})
		if err != nil || len(members) == 0 {
			return err
		}
		ids := make([]uuid.UUID, len(members))
		for i, m := range members {
			c, err := parseMember(m)
			if err != nil {
				return err
			}
			ids[i] = c.id
		}
		if err := yield(ids); err != nil {
			return err
		}
		after = members[len(members)-1]
	}
}

// exportBySource exports by external id. No index holds these ids in clear, so
// they are collected and sorted: some hundred bytes a customer, and no more.
func (a *API) exportBySource(ctx context.Context, o overall, source string, write func([]named) error) error {
	var all []named
	err := a.everybodyWhoOrdered(ctx, o, func(ids []uuid.UUID) (err error) {
		all, err = a.appendLinked(ctx, all, o.profile, o.partitions, source, ids)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, byName)
	for batch := range slices.Chunk(all, exportBatch) {
		if err := write(batch); err != nil {
			return err
		}
	}
	return nil
}

// appendLinked appends customers under each id that a system has for them. Who has
// none there is left out.
func (a *API) appendLinked(ctx context.Context, dst []named, profiles projections.Generation, partitions int, system string, ids []uuid.UUID) ([]named, error) {
	docs, err := a.Documents.Documents(ctx, profiles, partitions, ids)
	if err != nil {
		return dst, err
	}
	for i, stored := range docs {
		if stored == nil {
			continue
		}
		var d struct {
			ExternalIDs []customer.LinkedID `json:"external_ids"`
		}
		if err := json.Unmarshal(stored, &d); err != nil {
			return dst, fmt.Errorf("profile document of %v: %w", ids[i], err)
		}
		for _, x := range d.ExternalIDs {
			if x.System == system && x.ID != "" {
				dst = append(dst, named{x.ID, ids[i]})
			}
		}
	}
	return dst, nil
}

// byName orders customers by name, in byte order.
func byName(a, b named) int {
	return cmp.Or(cmp.Compare(a.name, b.name), bytes.Compare(a.id[:], b.id[:]))
}

// exportBatch scores customers, all by one calibration.
func (a *API) exportBatch(ctx context.Context, o overall, batch []named, row func(RFMRow) error) error {
	ids := make([]uuid.UUID, len(batch))
	for i, n := range batch {
		ids[i] = n.id
	}
	docs, err := a.Documents.Documents(ctx, o.rfm, o.partitions, ids)
	if err != nil {
		return err
	}
	for i, stored := range docs {
		if stored == nil {
			continue
		}
		score, err := rfmOf(stored, o.world)
		if err != nil {
			return fmt.Errorf("customer %v: %w", ids[i], err)
		}
		if err := row(rowOf(batch[i].name, score)); err != nil {
			return err
		}
	}
	return nil
}

func rowOf(name string, s RFM) RFMRow {
	row := RFMRow{
		Customer: name, RecencyDays: s.RecencyDays, Transactions: s.Transactions,
		R: s.R, F: s.F, M: s.M, Score: s.Score, Label: s.Label, Reason: s.Reason,
	}
	if s.Amount != nil {
		text := major(s.Amount.AmountMinor, s.Amount.Currency)
		row.Amount = &text
	}
	return row
}

func number[N int | int64](n *N) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
