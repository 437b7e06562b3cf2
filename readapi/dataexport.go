package readapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/eventschema"
)

// FormatCustomer is the format of everything about a customer.
const FormatCustomer = "rapport.customer.v1"

// DataExport is everything about a customer up to a revision. The same revision
// gives the same bytes, as long as the program folds and shows them the same way.
type DataExport struct {
	Format     string          `json:"format"` // FormatCustomer
	CustomerID uuid.UUID       `json:"customer_id"`
	Events     []Entry         `json:"events"`
	Revision   int64           `json:"revision"` // of the last event
	Position   uint64          `json:"position"`
	Customer   ProfileDocument `json:"customer" jsonschema:"nullable"`
	RFM        RFMDocument     `json:"rfm" jsonschema:"nullable"`     // what the scores are computed from
	Loyalty    LoyaltyDocument `json:"loyalty" jsonschema:"nullable"` // the account of points
	Orders     []ExportedOrder `json:"orders"`
	Digest     string          `json:"digest"` // SHA-256 of all bytes before this member
}

// ExportedOrder is an order and what became of it.
type ExportedOrder struct {
	customer.OrderRecorded
	Paid          bool      `json:"paid"`
	PaidAt        time.Time `json:"paid_at,omitzero"`
	Cancelled     bool      `json:"cancelled"`
	CancelledAt   time.Time `json:"cancelled_at,omitzero"`
	RefundedMinor int64     `json:"refunded_minor"`
}

// Export finds out what would be handed out of a customer now.
func (a *API) Export(ctx context.Context, of uuid.UUID) (customer.Export, error) {
	x := dataExport{out: io.Discard, digest: sha256.New()}
	err := x.write(ctx, a, of, math.MaxInt64)
	return customer.Export{Revision: x.revision, Digest: x.sum()}, err
}

func (a *API) exportData(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition()
	revision := p.number("revision", -1, 0, math.MaxInt)
	if err := p.err(); err != nil {
		return err
	}
	last := int64(math.MaxInt64)
	if revision >= 0 {
		last = int64(revision)
		there, err := a.reaches(r.Context(), id, last)
		if err != nil {
			return err
		}
		if !there {
			return ErrParameters.With("the customer %v has not come to revision %d", id, last)
		}
	}
	out := newStream(w, jsonType)
	defer out.release()
	w.Header().Set("Content-Disposition", `attachment; filename="customer-`+id.String()+`.json"`)
	x := dataExport{out: out, digest: sha256.New()}
	if err = x.write(r.Context(), a, id, last); err != nil {
		w.Header().Del("Content-Disposition")
	}
	return out.finish(err)
}

// reaches says whether the customer's stream has a revision; of a customer who
// is not there it is left open.
func (a *API) reaches(ctx context.Context, id uuid.UUID, revision int64) (bool, error) {
	for _, from := range []uint64{uint64(revision), 0} {
		for _, err := range a.Log.Read(ctx, customer.Stream(id), from) {
			return from == uint64(revision), err
		}
	}
	return true, nil
}

// dataExport is an export in the making.
type dataExport struct {
	out      io.Writer
	digest   hash.Hash
	revision int64
	position uint64
}

func (x *dataExport) sum() string { return hex.EncodeToString(x.digest.Sum(nil)) }

// text writes bytes that the digest covers.
func (x *dataExport) text(s string) error {
	io.WriteString(x.digest, s)
	_, err := io.WriteString(x.out, s)
	return err
}

// value writes something as JSON after a text.
func (x *dataExport) value(before string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := x.text(before); err != nil {
		return err
	}
	x.digest.Write(b)
	_, err = x.out.Write(b)
	return err
}

// write writes everything about a customer up to a revision. Nothing is written
// of a customer who is not there, or who is erased.
func (x *dataExport) write(ctx context.Context, a *API, of uuid.UUID, last int64) error {
	key, err := a.dataKey(ctx, of)
	if err != nil {
		return err
	}
	if key == eventschema.Erased {
		return customer.ErrErased.With("the personal data of the customer was erased")
	}
	d, state, between := newPast(), customer.State{}, ""
	for raw, err := range a.Log.Read(ctx, customer.Stream(of), 0) {
		if err != nil {
			return err
		}
		if int64(raw.Revision) > last {
			break
		}
		e, err := eventschema.Events.Open(raw, key)
		if err != nil {
			return fmt.Errorf("event %v of %s: %w", raw.ID, raw.Stream, err)
		}
		if between == "" {
			if err := x.value(`{"format":"`+FormatCustomer+`","customer_id":`, of); err != nil {
				return err
			}
			between = `,"events":[`
		}
		changes, err := step(d.person, e)
		if err != nil {
			return err
		}
		d.rfm.apply(e)
		if err := x.value(between, entryOf(raw, e, changes)); err != nil {
			return err
		}
		between = ","
		x.revision, x.position = int64(raw.Revision), raw.Position
		if fact, ok := e.Data.(customer.Event); ok {
			state = state.Evolve(fact)
		}
	}
	if between == "" {
		return ErrCustomerNotFound.With("no customer has the id %v", of)
	}
	return x.rest(d, state)
}

// rest writes what follows from the events, and the digest.
func (x *dataExport) rest(d *past, state customer.State) error {
	profile, err := d.profile.document()
	if err != nil {
		return err
	}
	scores, err := d.rfm.document()
	if err != nil {
		return err
	}
	account, err := d.loyalty.document()
	if err != nil {
		return err
	}
	if err := x.value(`],"revision":`, x.revision); err != nil {
		return err
	}
	if err := x.value(`,"position":`, x.position); err != nil {
		return err
	}
	if err := x.value(`,"customer":`, json.RawMessage(profile)); err != nil {
		return err
	}
	if err := x.value(`,"rfm":`, json.RawMessage(scores)); err != nil {
		return err
	}
	if err := x.value(`,"loyalty":`, json.RawMessage(account)); err != nil {
		return err
	}
	before := `,"orders":[`
	for _, o := range state.AllOrders() {
		if err := x.value(before, ExportedOrder{o.OrderRecorded, o.Paid, o.PaidAt, o.Cancelled, o.CancelledAt, o.Refunded}); err != nil {
			return err
		}
		before = ","
	}
	if before != "," {
		if err := x.text(before); err != nil {
			return err
		}
	}
	if err := x.text("]"); err != nil {
		return err
	}
	_, err = io.WriteString(x.out, `,"digest":"`+x.sum()+"\"}\n")
	return err
}
