package readapi

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/internal/web"
)

// Ledger is a page of the movements of a customer's points.
type Ledger struct {
	CustomerID uuid.UUID        `json:"customer_id"`
	At         *time.Time       `json:"at" jsonschema:"nullable"` // the time up to which it goes; null: there is nothing yet
	Balance    customer.Balance `json:"balance"`                  // at that time, after the last movement of all
	Entries    []LedgerEntry    `json:"entries"`                  // in the order in which they happened
	NextCursor string           `json:"next_cursor,omitempty"`
	Then       *Moment          `json:"then,omitempty"`
	Stamp
}

// Statement is what happened to a customer's points within a time. Opening and
// credits less debits are closing.
type Statement struct {
	CustomerID uuid.UUID         `json:"customer_id"`
	From       *time.Time        `json:"from" jsonschema:"nullable"` // null: the beginning
	To         *time.Time        `json:"to" jsonschema:"nullable"`   // null: there is nothing yet
	Opening    StatementBalance  `json:"opening"`
	Credits    int64             `json:"credits"`
	Debits     int64             `json:"debits"`
	Closing    StatementBalance  `json:"closing"`
	Totals     []StatementTotal  `json:"totals"`  // of the kinds of movements that there were
	Entries    []LedgerEntry     `json:"entries"` // in the order in which they happened
	Expiring   StatementExpiring `json:"expiring"`
	Then       *Moment           `json:"then,omitempty"`
	Stamp
}

// StatementBalance is a balance and what it amounts to.
type StatementBalance struct {
	customer.Balance
	Total int64         `json:"total"`                       // spendable, pending and held points less the deficit
	Value *domain.Money `json:"value" jsonschema:"nullable"` // of what can be spent, by the programme in force at the end
}

// StatementTotal adds the movements of a kind up.
type StatementTotal struct {
	Kind    string `json:"kind"`
	Entries int    `json:"entries"`
	Credits int64  `json:"credits"`
	Debits  int64  `json:"debits"`
}

// StatementExpiring is the points that lapse in the days after a statement.
type StatementExpiring struct {
	To     domain.Date  `json:"to"` // the last date, inclusive
	Points int64        `json:"points"`
	Dates  []ExpiringOn `json:"dates"`
}

// expiringAfter is how many days a statement looks ahead.
const expiringAfter = 90

// entryCursor is where a list of movements goes on: with the one after this.
type entryCursor struct {
	At  time.Time `json:"t"`
	Seq uint64    `json:"s"`
}

func (a *API) ledger(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition() // the log itself is read: it reflects every position there is
	kind, limit := p.oneOf("kind", slices.Concat([]string{""}, ledgerKinds)...), p.limit()
	var last entryCursor
	goesOn := p.cursor(a.cursors(), &last)
	from, to, err := p.during(r, a)
	if err != nil {
		return err
	}
	m, t, err := p.moment(r.Context(), a)
	if err != nil {
		return err
	}
	if err := p.err(); err != nil {
		return err
	}
	b, l, err := a.books(r.Context(), id, m, t)
	if err != nil {
		return err
	}
	answer := Ledger{CustomerID: id, At: l.time(), Balance: b.doc.Balance(), Entries: []LedgerEntry{}, Then: l.then, Stamp: l.stamp()}
	for _, x := range b.inTime() {
		if goesOn && compareEntries(x, LedgerEntry{At: last.At, seq: last.Seq}) <= 0 ||
			kind != "" && x.Kind != kind || from != nil && x.At.Before(*from) || to != nil && x.At.After(*to) {
			continue
		}
		if n := len(answer.Entries); n == limit {
			answer.NextCursor = p.next(a.cursors(), entryCursor{answer.Entries[n-1].At, answer.Entries[n-1].seq})
			break
		}
		answer.Entries = append(answer.Entries, x)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// during reads the bounds of a time.
func (p *params) during(r *http.Request, a *API) (from, to *time.Time, err error) {
	if p.text("from") == "" && p.text("to") == "" {
		return nil, nil, nil
	}
	t, err := a.timeline(r.Context())
	if err != nil {
		return nil, nil, err
	}
	w := t.world(moment{})
	if from, to = p.instant("from", w, false), p.instant("to", w, true); from != nil && to != nil && to.Before(*from) {
		p.bad("to", "lies before from")
	}
	return from, to, nil
}

func (a *API) statement(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	p := paramsOf(r)
	p.minPosition()
	from, to, err := p.during(r, a)
	if err != nil {
		return err
	}
	m, t := moment{asOf: to}, (*timeline)(nil)
	if to != nil || p.text("known_at") != "" {
		if t, err = a.timeline(r.Context()); err != nil {
			return err
		}
		m.known = p.recorded("known_at", t, true)
	}
	if err := p.err(); err != nil {
		return err
	}
	b, l, err := a.books(r.Context(), id, m, t)
	if err != nil {
		return err
	}
	answer := b.statement(l, from)
	answer.CustomerID, answer.Then, answer.Stamp = id, l.then, l.stamp()
	if accepts(r, csvType) {
		return writeStatement(w, &answer)
	}
	return writeJSON(w, answer.Stamp, answer)
}

// statement returns what happened from a time on, nil being the beginning.
func (b *bookkeeper) statement(l *pointsLook, from *time.Time) Statement {
	answer := Statement{From: from, To: l.time(), Totals: []StatementTotal{}, Entries: []LedgerEntry{}}
	sums := map[string]*StatementTotal{}
	for _, x := range b.inTime() {
		if from != nil && x.At.Before(*from) {
			answer.Opening.Balance = x.Balance
			continue
		}
		sum := sums[x.Kind]
		if sum == nil {
			sum = &StatementTotal{Kind: x.Kind}
			sums[x.Kind] = sum
		}
		sum.Entries++
		sum.Credits += max(0, x.Points)
		sum.Debits += max(0, -x.Points)
		answer.Entries = append(answer.Entries, x)
	}
	for _, kind := range ledgerKinds {
		if sum := sums[kind]; sum != nil {
			answer.Totals = append(answer.Totals, *sum)
			answer.Credits += sum.Credits
			answer.Debits += sum.Debits
		}
	}
	answer.Closing.Balance = b.doc.Balance()
	for _, balance := range []*StatementBalance{&answer.Opening, &answer.Closing} {
		balance.Total, balance.Value = total(balance.Balance), l.worth(balance.Spendable).Value
	}
	answer.Expiring.To = l.today + expiringAfter
	answer.Expiring.Dates, answer.Expiring.Points = l.within(b.doc.Lots, l.today+1, answer.Expiring.To)
	return answer
}

// writeStatement answers with the movements as CSV, between the balances.
func writeStatement(w http.ResponseWriter, s *Statement) error {
	answerHeaders(w, csvType, s.Position)
	out := csv.NewWriter(w)
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	balance := func(b customer.Balance) []string {
		return []string{n(b.Spendable), n(b.Pending), n(b.Held), n(b.Deficit)}
	}
	row := func(on, kind, points string, b customer.Balance, rest ...string) []string {
		return append(append([]string{on, kind, points}, balance(b)...), rest...)
	}
	out.Write([]string{"on", "kind", "points", "spendable", "pending", "held", "deficit", "order", "redemption", "event", "because"})
	out.Write(row("", "opening", "", s.Opening.Balance, "", "", "", ""))
	for _, x := range s.Entries {
		event := ""
		if x.Booked {
			event = x.EventID.String()
		}
		out.Write(row(x.On.String(), x.Kind, n(x.Points), x.Balance, x.OrderID, x.RedemptionID, event, x.Because))
	}
	out.Write(row("", "closing", "", s.Closing.Balance, "", "", "", ""))
	out.Flush()
	return out.Error()
}

func (a *API) ledgerRoutes() []web.Route {
	during := []web.Param{
		query("from", "string", "", "What happened from then on: a date in the business time zone, or an RFC 3339 time."),
		query("to", "string", "", "What happened up to then, that date included."),
	}
	return []web.Route{{
		Method: "GET", Path: "/v1/customers/{customer_id}/ledger", Tag: "customers",
		Summary: "List the movements of a customer's points",
		Detail: "Every movement with the balance after it, the lots that it concerns, and what it follows from, in the order in which they happened. " +
			"What fell due and is not recorded yet is among them, with `booked` false.",
		Params: slices.Concat([]web.Param{customerParam}, during, []web.Param{
			{Name: "kind", In: "query", Type: "string", Enum: ledgerKinds, Detail: "Only movements of this kind."},
		}, momentParams, pageParams, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "A page of movements.", Body: Ledger{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.ledger,
	}, {
		Method: "GET", Path: "/v1/customers/{customer_id}/statement", Tag: "customers",
		Summary: "Show a statement of a customer's points",
		Detail: "The balance before, every movement, and the balance after them: opening and credits less debits are closing. With it the points that lapse in the 90 days after. " +
			"As CSV for `Accept: text/csv`.",
		Params: slices.Concat([]web.Param{customerParam}, during, momentParams[1:2], minParams),
		Answers: []web.Answer{
			{Status: 200, Detail: "The statement.", Body: Statement{}, Headers: stampHeaders},
			{Status: 200, ContentType: csvType, Headers: stampHeaders},
		},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.statement,
	}, a.lotsRoute()}
}
