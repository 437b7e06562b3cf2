package readapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/audit"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections/loyalty"
)

// entryIn returns an event of a customer as the audit sees it: without what is
// personal, for which nobody needs a key.
func entryIn(raw eventschema.Raw) (e audit.Entry, ok bool, err error) {
	opened, err := eventschema.Events.Open(raw, eventschema.Erased)
	if err != nil {
		return e, false, err
	}
	fact, ok := opened.Data.(customer.Event)
	e.Command = opened.Meta.Command
	e.Record = customer.Record{
		Event: fact, ID: raw.ID, Revision: raw.Revision, Actor: opened.Meta.Actor, OccurredAt: opened.Meta.OccurredAt,
		Causation: opened.Meta.Causation, Policies: opened.Meta.Policies,
	}
	return e, ok, nil
}

func badPoints(stream string, f *audit.Finding, at eventschema.Raw) *BadEvent {
	b := &BadEvent{Stream: stream, Revision: f.Revision, ID: f.EventID, Code: f.Code, Problem: f.Detail}
	if f.EventID == at.ID {
		b.Type = at.Type
	}
	return b
}

// ledgers computes the points of the customers of a log again. It knows what the log
// says of policies and of the business time zone.
type ledgers struct {
	rules audit.Rules
	of    map[string]*audit.Ledger // by stream
}

// add checks the next event of a log; its chain is right. A stream whose beginning is
// not there is passed over.
func (l *ledgers) add(raw eventschema.Raw) *BadEvent {
	switch {
	case raw.Stream == deployment.Stream, strings.HasPrefix(raw.Stream, policy.Stream("")):
		l.learn(raw)
		return nil
	case !strings.HasPrefix(raw.Stream, "customer-"), !eventschema.Events.Known(raw.Type):
		return nil
	}
	ledger := l.of[raw.Stream]
	if ledger == nil {
		if raw.Revision > 0 {
			return nil
		}
		if l.of == nil {
			l.of = map[string]*audit.Ledger{}
		}
		ledger = audit.New(&l.rules)
		l.of[raw.Stream] = ledger
	}
	e, ok, err := entryIn(raw)
	switch {
	case err != nil:
		return &BadEvent{Stream: raw.Stream, Revision: raw.Revision, ID: raw.ID, Type: raw.Type, Problem: err.Error()}
	case !ok:
		return nil
	}
	if found := ledger.Add(e); found != nil {
		return badPoints(raw.Stream, found, raw)
	}
	if problem := l.between(e.Event); problem != "" {
		return badPoints(raw.Stream, &audit.Finding{EventID: raw.ID, Revision: raw.Revision, Code: "transfer", Detail: problem}, raw)
	}
	return nil
}

// between says what is wrong with points that go from one customer to another, if
// both are in the log.
func (l *ledgers) between(event customer.Event) string {
	switch e := event.(type) {
	case customer.PointsTransferredIn:
		if sender := l.of[customer.Stream(e.From)]; sender != nil {
			return sender.Sends(e)
		}
	case customer.PointsTransferredOut:
		if recipient := l.of[customer.Stream(e.To)]; recipient != nil && !recipient.Received(e.TransferID) {
			return "the recipient did not get the points"
		}
	}
	return ""
}

// learn notes what an event says that holds for all customers.
func (l *ledgers) learn(raw eventschema.Raw) {
	e, err := eventschema.Events.Open(raw, nil)
	if err != nil {
		return // of a kind that this program does not know
	}
	switch d := e.Data.(type) {
	case deployment.Created:
		if zone, err := time.LoadLocation(d.Zone); err == nil {
			l.rules.Zone = zone
		}
	case policy.Published:
		l.rules.With(d)
	}
}

// done says what the last events of a customer left open.
func (l *ledgers) done() *BadEvent {
	for _, stream := range slices.Sorted(maps.Keys(l.of)) {
		if found := l.of[stream].Done(); found != nil {
			return badPoints(stream, found, eventschema.Raw{})
		}
	}
	return nil
}

// moved counts the customers who had points, or were members.
func (l *ledgers) moved() (n int) {
	for _, ledger := range l.of {
		if ledger.Moved() {
			n++
		}
	}
	return n
}

// LedgerVerification is what recomputing the points of a customer found.
type LedgerVerification struct {
	CustomerID uuid.UUID        `json:"customer_id"`
	OK         bool             `json:"ok"`
	Events     int              `json:"events"`  // of the customer that are right
	Balance    customer.Balance `json:"balance"` // as they say, as far as it is booked
	Lots       int              `json:"lots"`    // of which something is left or held
	// Compared says up to which revision the read model was compared with the events;
	// absent: it was not, for an event before is not right.
	Compared *int64    `json:"compared_revision,omitempty"`
	FirstBad *BadEvent `json:"first_bad,omitempty"`
	// ReadModel says in what the read model differs from the events.
	ReadModel string `json:"read_model,omitempty"`
	Stamp
}

func (a *API) verifyLedger(w http.ResponseWriter, r *http.Request) error {
	id, s, err := a.about(r, nil, loyalty.Name)
	if err != nil {
		return err
	}
	doc, err := loyaltyDocument(s.docs[0])
	if err != nil {
		return err
	}
	// What the events up to here were decided by is known once the timeline is read.
	head, err := a.Head(r.Context())
	if err != nil {
		return err
	}
	t, err := a.timeline(r.Context())
	if err != nil {
		return err
	}
	answer := LedgerVerification{CustomerID: id}
	ledger := audit.New(&audit.Rules{Zone: t.zone, Policies: t.policies})
	compared := false
	compare := func() {
		compared = true
		answer.ReadModel = ledger.Differs(&doc.Account)
		if answer.Events > 0 {
			answer.Compared = new(int64(answer.Events) - 1)
		}
	}
	var c chains
	var last uint64
	for raw, err := range a.Log.Read(r.Context(), customer.Stream(id), 0) {
		if err != nil {
			return err
		}
		if raw.Position > head {
			break
		}
		if !compared && raw.Position > s.position {
			compare()
		}
		last = raw.Position
		if problem := c.add(raw, false); problem != "" {
			answer.FirstBad = &BadEvent{Stream: raw.Stream, Revision: uint64(answer.Events), ID: raw.ID, Type: raw.Type, Problem: problem}
			break
		}
		e, ok, err := entryIn(raw)
		if err != nil {
			return err
		}
		if ok {
			if found := ledger.Add(e); found != nil {
				answer.FirstBad = badPoints(raw.Stream, found, raw)
				break
			}
		}
		answer.Events++
	}
	if last == 0 {
		return ErrCustomerNotFound.With("no customer has the id %v", id)
	}
	if answer.FirstBad == nil {
		if found := ledger.Done(); found != nil {
			answer.FirstBad = badPoints(customer.Stream(id), found, eventschema.Raw{})
		} else if !compared {
			compare()
		}
	}
	answer.OK = answer.FirstBad == nil && answer.ReadModel == ""
	answer.Balance, answer.Lots = ledger.Balance(), ledger.Lots()
	answer.Stamp = stamp(s.position, s.world)
	return writeJSON(w, answer.Stamp, answer)
}

func (a *API) ledgerVerifyRoute() web.Route {
	return web.Route{
		Method: "GET", Path: "/v1/customers/{customer_id}/ledger/verify", Tag: "customers",
		Summary: "Recompute the points of a customer",
		Detail: "Recomputes the hash chain, and from the events alone every lot, hold, deficit and level, by rules of its own: " +
			"what is spent is spent of lots that can be, in their order; what is earned follows from the order and the rule; " +
			"what lapses does when it is due. Then it compares the result with the read model. Answers the first event that cannot be right.",
		Params:  slices.Concat([]web.Param{customerParam}, minParams),
		Answers: []web.Answer{{Status: 200, Detail: "What was found.", Body: LedgerVerification{}, Headers: stampHeaders}},
		Refuses: []string{ErrCustomerNotFound.Code, ErrParameters.Code, ErrBehind.Code},
		Handler: a.verifyLedger,
	}
}
