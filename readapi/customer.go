package readapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	goccy "github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/lifecycle"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// The views whose code folds a replay and tells where documents stand.
var (
	profileView = profile.New()
	rfmView     = rfm.New()
	loyaltyView = loyalty.New()
)

// Customer is a customer as it is.
type Customer struct {
	CustomerID uuid.UUID `json:"customer_id"`
	profile.Document
	RFM RFM `json:"rfm"`
}

// CustomerShown is a customer with what only the answer about one alone says.
type CustomerShown struct {
	Customer
	Loyalty *Membership `json:"loyalty,omitempty"` // absent: never was a member
}

// CustomerAnswer is a customer with the position it was read at.
type CustomerAnswer struct {
	CustomerShown
	Then *Moment `json:"then,omitempty"` // the past that was asked for; absent from the present
	Stamp
}

// RFM is how a customer scores. Where there are no scores, all is null and
// Reason says why.
type RFM struct {
	RecencyDays   *int64        `json:"recency_days" jsonschema:"nullable"`
	Transactions  *int64        `json:"transactions" jsonschema:"nullable"`
	Amount        *domain.Money `json:"amount" jsonschema:"nullable"`
	R             *int          `json:"r" jsonschema:"nullable"`
	F             *int          `json:"f" jsonschema:"nullable"`
	M             *int          `json:"m" jsonschema:"nullable"`
	Score         *int          `json:"score" jsonschema:"nullable"` // 100 r + 10 f + m
	Label         *string       `json:"label" jsonschema:"nullable"`
	PolicyVersion int           `json:"policy_version,omitempty"`
	Reason        string        `json:"reason,omitempty"`
}

// rfmOf says how a document scores in a world.
func rfmOf(stored []byte, w *projections.World) (RFM, error) {
	d, err := rfmDocument(stored)
	if err != nil {
		return RFM{}, err
	}
	return standing(rfm.Of(d, w), w), nil
}

func rfmDocument(stored []byte) (*rfm.Document, error) {
	d := new(rfm.Document)
	if stored == nil {
		return d, nil
	}
	if err := goccy.Unmarshal(stored, d); err != nil { // as the view reads it: it may hold thousands of orders
		return nil, fmt.Errorf("rfm document: %w", err)
	}
	return d, nil
}

func standing(s rfm.Standing, w *projections.World) RFM {
	answer := RFM{PolicyVersion: s.PolicyVersion, Reason: s.Reason}
	if s.Reason != "" {
		return answer
	}
	score := s.Scores.Number()
	answer.RecencyDays, answer.Transactions = &s.Values.RecencyDays, &s.Values.Frequency
	answer.Amount = &domain.Money{AmountMinor: s.Values.MonetaryMinor, Currency: w.Calibration.Currency}
	answer.R, answer.F, answer.M, answer.Score = &s.Scores.R, &s.Scores.F, &s.Scores.M, &score
	answer.Label = &s.Label
	return answer
}

// appendCustomer appends the members of a Customer, the document as it is
// stored among them, without the brace at the end.
func appendCustomer(dst []byte, id uuid.UUID, stored []byte, score RFM) ([]byte, error) {
	dst = append(dst, `{"customer_id":"`...)
	dst = append(dst, id.String()...)
	dst = append(dst, '"', ',')
	if n := len(stored); n > 2 { // {"kind":…}
		dst = append(append(dst, stored[1:n-1]...), ',')
	}
	b, err := json.Marshal(score)
	return append(append(dst, `"rfm":`...), b...), err
}

func appendStamp(dst []byte, s Stamp) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return dst, err
	}
	return append(append(dst, ','), b[1:]...), nil
}

func (a *API) customer(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	least := p.minPosition()
	m, t, err := p.moment(r.Context(), a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	if !m.present() {
		return a.customerThen(w, r, id, m, t)
	}
	s, err := a.snapshot(r.Context(), id, least, profile.Name, rfm.Name, loyalty.Name)
	if err != nil {
		return err
	}
	if s.docs[0] == nil {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	score, err := rfmOf(s.docs[1], s.world)
	if err != nil {
		return err
	}
	account, err := loyaltyDocument(s.docs[2])
	if err != nil {
		return err
	}
	at := stamp(s.position, s.world)
	body, err := appendCustomer(make([]byte, 0, len(s.docs[0])+512), id, s.docs[0], score)
	if err == nil {
		body, err = a.appendMembership(r.Context(), body, account, s.world, m)
	}
	if err == nil {
		body, err = appendStamp(body, at)
	}
	if err != nil {
		return err
	}
	var d struct {
		Revision uint64 `json:"revision"`
	}
	if err := json.Unmarshal(s.docs[0], &d); err != nil {
		return fmt.Errorf("profile of %v: %w", id, err)
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatUint(d.Revision, 10)))
	return writeBytes(w, at, append(body, '\n'))
}

// customerThen answers what a customer was at a moment, from the log.
func (a *API) customerThen(w http.ResponseWriter, r *http.Request, id uuid.UUID, m moment, t *timeline) error {
	docs, position, err := a.then(r.Context(), id, m)
	if err != nil {
		return err
	}
	stored, err := docs.profile.document()
	if err != nil {
		return err
	}
	if stored == nil {
		return ErrCustomerNotFound.With("no customer with the id %v was known then", id)
	}
	world := t.world(m)
	at := stamp(position, world)
	body, err := appendCustomer(make([]byte, 0, len(stored)+512), id, stored, standing(rfm.Of(&docs.rfm.doc, world), world))
	if err != nil {
		return err
	}
	if body, err = a.appendMembership(r.Context(), body, &docs.loyalty.doc, world, m); err != nil {
		return err
	}
	then, err := json.Marshal(m.shown())
	if err != nil {
		return err
	}
	if body, err = appendStamp(append(append(body, `,"then":`...), then...), at); err != nil {
		return err
	}
	return writeBytes(w, at, append(body, '\n'))
}

// momentParams ask for a past.
var momentParams = []web.Param{
	query("as_of", "string", "", "What was true then: at an RFC 3339 time, or at the end of a date in the business time zone."),
	query("known_at", "string", "", "What was known then: recorded up to an RFC 3339 time, or to the end of a date; under a manual calendar a date is the business date of recording."),
	query("revision", "integer", "", "What the events up to this revision say."),
}

func (a *API) customerRoutes() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/v1/customers", Tag: "customers",
			Summary: "List customers",
			Detail: "Filters are combined by and. Without `sort` the order is one that the filters make cheap. " +
				"A page may be shorter than its limit where a filter finds little; the list ends where `next_cursor` is missing.",
			Params: slices.Concat([]web.Param{
				query("external_id", "string", "", "The customer that another system knows as this: system:id."),
				query("q", "string", "", "Whose name begins like this, whatever the case and the accents."),
				query("label", "string", "", "Whose scores have this label."),
				query("source", "string", "", "Who came by this channel."),
				query("segment", "string", "", "Who belongs to this segment; while that is being filled, who belonged to it before."),
				{Name: "stage", In: "query", Type: "string", Enum: lifecycle.Stages, Detail: "Who is in this stage of the lifecycle."},
				{Name: "erasure", In: "query", Type: "string", Enum: erasureStates, Detail: "Whose erasure has come this far, the nearest deadline first."},
				query("last_order_after", "string", "date", "Whose last order is of a later business date than this."),
				query("last_order_before", "string", "date", "Whose last order is of an earlier business date than this."),
				{Name: "sort", In: "query", Type: "string", Enum: sorts, Detail: "The order; a dash turns it round. Who lacks what is sorted by comes last."},
			}, contactParams, particularsParams, consentParams, loyaltyParams, ownerParams, pageParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "A page of customers.", Body: Customers{}, Headers: stampHeaders}},
			Refuses: []string{segment.ErrNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customers,
		},
		{
			Method: "GET", Path: "/v1/customers/{customer_id}", Tag: "customers",
			Summary: "Show a customer",
			Detail: "Who the customer is, what they ordered in sum, how they score, and where they stand in the loyalty programme. With `as_of`, `known_at` or `revision`, or several of them, " +
				"the same of a past: folded from the log, of the events that had happened and were known then, without an ETag. " +
				"The scores are by the calibration of the last business day that was over then, as far as it was known.",
			Params:  slices.Concat([]web.Param{customerParam}, momentParams, minParams),
			Answers: []web.Answer{{Status: 200, Detail: "The customer. The present comes with an `ETag`, the revision that `If-Match` compares; a past has none.", Body: CustomerAnswer{}, Headers: stampHeaders}},
			Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
			Handler: a.customer,
		},
	}
}
