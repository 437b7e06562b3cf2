package commands

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/handover"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/domain/staff"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
	"golang.org/x/sync/errgroup"
)

// Handovers is the group of the commands about a handover.
var Handovers = Group{Path: "/v1/handovers/{handover_id}", Tag: "handovers", Handover: true}

// handingOver is a pointer to a command about a handover.
type handingOver[C any] interface {
	body[C]
	SetHandover(uuid.UUID)
}

// defineHandover makes the definition of a command about a handover. prepare, if
// there is one, reads what the decision needs beside the handover's stream. What
// the saga is to do because of the command is done before it answers; if that takes
// too long or fails, the job goes on with it.
func defineHandover[C domain.Command[handover.State, handover.Event], P handingOver[C]](
	name, summary string, prepare func(context.Context, *Writer, Request, P) error,
) Definition {
	d := define[handover.State, handover.Event, C, P](Handovers, name, summary)
	d.run = func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error) {
		var c C
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		P(&c).SetSubject(a.subject(r, uuid.Nil))
		P(&c).SetHandover(of)
		a.Writer.World.Tell(&c)
		if prepare != nil {
			if err := prepare(ctx, a.Writer, r, &c); err != nil {
				return Result{}, err
			}
		}
		result, err := Execute(ctx, a.Writer, r, domain.Command[handover.State, handover.Event](c))
		if err != nil {
			return result, err
		}
		state, err := a.Writer.DriveHandover(ctx, of)
		if err != nil {
			a.log().Warn("a handover stands still; the job goes on with it", "handover", of, "error", err)
			return result, nil
		}
		if failed := state.Failure; failed != nil { // only who asked for it comes so far
			return Result{}, refusalOf(*failed)
		}
		result.Position, err = a.Writer.stepEnd(ctx, of, result)
		return result, err
	}
	return d
}

// at says where a command is served that makes a new subject.
func (d Definition) at(path string) Definition {
	d.path = path
	return d.creates()
}

// handover returns the handover that a command is about: the route's, the body's,
// or a new one.
func (d Definition) handover(r Request, named uuid.UUID, body []byte) (uuid.UUID, error) {
	var c struct {
		HandoverID uuid.UUID `json:"handover_id"`
	}
	_ = json.Unmarshal(body, &c) // what is wrong with it is said when the whole is read
	return d.chosen(r, named, c.HandoverID, "handover")
}

// chosen returns the handover or transfer that a command is about: the one named
// beside the body, the body's own, or a new one.
func (d Definition) chosen(r Request, named, own uuid.UUID, what string) (uuid.UUID, error) {
	var p domain.Problems
	switch {
	case named != uuid.Nil && own != uuid.Nil && named != own:
		p.Add("/"+what+"_id", "differs from the one beside the body")
		return uuid.Nil, p.Err()
	case named != uuid.Nil:
		return named, nil
	case own != uuid.Nil:
		return own, nil
	case d.Creates:
		return uuid.NewSHA1(r.Command, []byte(what)), nil // the same key again is the same one
	}
	p.Add("/"+what+"_id", "is required")
	return uuid.Nil, p.Err()
}

// parallel is how many customers of a handover are worked on at once.
const parallel = 8

// customerState reads what is known of a customer, beside gate and cache.
func (w *Writer) customerState(ctx context.Context, id uuid.UUID) (*memory[customer.State], error) {
	m := &memory[customer.State]{tail: noTail}
	return m, fold[customer.State, customer.Event](ctx, w, m, customer.Stream(id), id)
}

// find reads what a handover needs to know of customers.
func (w *Writer) find(ctx context.Context, ids []uuid.UUID) (found []handover.Found, position uint64, err error) {
	found = make([]handover.Found, len(ids))
	positions := make([]uint64, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, id := range ids {
		group.Go(func() error {
			m, err := w.customerState(ctx, id)
			if err != nil {
				return err
			}
			found[i] = handover.Find(id, m.state, w.World.Subject(id).Now)
			found[i].Erased = found[i].Erased || m.key == eventschema.Erased
			positions[i] = m.position
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, 0, err
	}
	for _, p := range positions {
		position = max(position, p)
	}
	return found, position, nil
}

// gather fills in the dossier of a handover that is asked for.
func gather(ctx context.Context, w *Writer, r Request, c *handover.Request) error {
	if c.Check() != nil {
		return nil // the decision says what is wrong
	}
	ids, all := slices.Clone(c.Customers), len(c.Customers) == 0
	if all {
		seats, err := w.portfolio(ctx, c.From)
		if err != nil {
			return err
		}
		ids = seats.Customers()
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	var g handover.Gathered
	var err error
	if g.Customers, g.Position, err = w.find(ctx, ids); err != nil {
		return err
	}
	if all { // seats are no proof, and what is in another handover stays there
		g.Customers = slices.DeleteFunc(g.Customers, func(f handover.Found) bool {
			return f.Owner != c.From || f.Handover != uuid.Nil || f.Erased
		})
	}
	if g.Hash, err = dossierHash(g.Dossiers()); err != nil {
		return err
	}
	seats, err := w.portfolio(ctx, c.To)
	if err != nil {
		return err
	}
	g.Seats = len(seats.Seats)
	if capacity := w.World.Facts().Staff.Capacity(c.To); capacity > 0 && g.Seats+len(g.Customers) > capacity {
		freed, err := w.healSeats(ctx, eventschema.Meta{Actor: r.Actor, Command: r.Command, Correlation: r.Correlation}, c.To, len(g.Customers))
		if err != nil {
			return err
		}
		g.Seats -= freed
	}
	c.Gathered = g
	return nil
}

// dossierHash seals dossiers: SHA-256 of their canonical JSON (RFC 8785).
func dossierHash(dossiers []handover.Dossier) (string, error) {
	b, err := json.Marshal(dossiers)
	if err != nil {
		return "", err
	}
	canonical := jsontext.Value(b)
	if err := canonical.Canonicalize(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// resolve finds which items that nobody acknowledged are open no more.
func resolve(ctx context.Context, w *Writer, _ Request, c *handover.Complete) error {
	m, err := w.handoverState(ctx, c.HandoverID)
	if err != nil || m.state.State != handover.StateAccepted {
		return err
	}
	waiting := m.state.Waiting()
	ids := make([]uuid.UUID, len(waiting))
	for i, d := range waiting {
		ids[i] = d.CustomerID
	}
	found, _, err := w.find(ctx, ids)
	if err != nil {
		return err
	}
	for i, d := range waiting {
		for _, item := range d.Items {
			if !slices.ContainsFunc(found[i].Items, func(o handover.Item) bool { return o.ID == item.ID }) {
				c.Resolved = append(c.Resolved, item.ID)
			}
		}
	}
	return nil
}

// handoverState reads a handover.
func (w *Writer) handoverState(ctx context.Context, id uuid.UUID) (*memory[handover.State], error) {
	m := &memory[handover.State]{tail: noTail}
	return m, fold[handover.State, handover.Event](ctx, w, m, handover.Stream(id), uuid.Nil)
}

// stepEnd returns the position at which the saga was done with what a command
// caused: a query that waits for it shows everything.
func (w *Writer) stepEnd(ctx context.Context, id uuid.UUID, result Result) (uint64, error) {
	position := result.Position
	for raw, err := range w.Log.Read(ctx, handover.Stream(id), uint64(result.Revision+1)) {
		if err != nil {
			return 0, unavailable("read", handover.Stream(id), err)
		}
		e, err := w.events().Open(raw, nil)
		if err != nil {
			return 0, err
		}
		switch e.Data.(type) {
		case handover.Opened, handover.Closed, handover.Completed:
			return raw.Position, nil
		case handover.Failed:
		default: // somebody decided something else: the command left the saga nothing to do
			return position, nil
		}
	}
	return position, nil
}

// DriveHandover does in the streams of the customers what a handover's own stream
// asks for, and says in it when that is done. Every step may be done again, by
// this process or another, after a crash at any point. It returns the handover
// when somebody must decide how it goes on, or nobody ever will again.
func (w *Writer) DriveHandover(ctx context.Context, id uuid.UUID) (handover.State, error) {
	leave, err := w.gates.enter(ctx, "drive "+handover.Stream(id))
	if err != nil {
		return handover.State{}, unavailable("wait for", handover.Stream(id), err)
	}
	defer leave()
	for range attempts {
		m, err := w.handoverState(ctx, id)
		if err != nil {
			return handover.State{}, err
		}
		switch m.state.Next() {
		case handover.Keep:
			err = w.keepCustomers(ctx, m.state)
		case handover.LetGo:
			err = w.letCustomersGo(ctx, m.state)
		case handover.Assign:
			err = w.assignCustomers(ctx, m.state)
		case handover.Rest:
			return m.state, nil
		}
		if err != nil {
			return handover.State{}, err
		}
	}
	return handover.State{}, ErrContended
}

// keepCustomers keeps every customer for the handover, or says of whom that failed.
func (w *Writer) keepCustomers(ctx context.Context, s handover.State) error {
	open := func(of uuid.UUID) (Request, domain.Command[customer.State, customer.Event]) {
		return sagaRequest(s, "open-handover", uuid.NewSHA1(s.HandoverID, []byte("open "+of.String()))),
			customer.OpenHandover{Subject: w.World.Subject(of), HandoverID: s.HandoverID, From: s.From, To: s.To}
	}
	var done handover.Event = handover.Opened{HandoverID: s.HandoverID}
	// One after the other, in the order of their ids: of handovers that have
	// customers in common one wins, never none.
	for _, d := range s.Requested.Customers {
		refusals, err := w.eachCustomer(ctx, []handover.Dossier{d}, open)
		if err != nil {
			return err
		}
		if r := refusals[0]; r != nil {
			done = handover.Failed{HandoverID: s.HandoverID, CustomerID: d.CustomerID, Code: r.Code, Holder: r.Holder}
			break
		}
	}
	changed, err := w.advance(ctx, s, done)
	if err != nil || changed {
		return err
	}
	// Another process was quicker. Should it have let the customers go already,
	// what was kept just now is let go as well.
	m, err := w.handoverState(ctx, s.HandoverID)
	if err == nil && m.state.Settled && m.state.State != handover.StateCompleted {
		_, err = w.letGo(ctx, s)
	}
	return err
}

// letCustomersGo undoes what keepCustomers did.
func (w *Writer) letCustomersGo(ctx context.Context, s handover.State) error {
	if _, err := w.letGo(ctx, s); err != nil {
		return err
	}
	_, err := w.advance(ctx, s, handover.Closed{HandoverID: s.HandoverID})
	return err
}

func (w *Writer) letGo(ctx context.Context, s handover.State) ([]*domain.Error, error) {
	return w.eachCustomer(ctx, s.Requested.Customers, func(of uuid.UUID) (Request, domain.Command[customer.State, customer.Event]) {
		return sagaRequest(s, "close-handover", uuid.New()), // it is quiet where it was done before
			customer.CloseHandover{Subject: w.World.Subject(of), HandoverID: s.HandoverID}
	})
}

// assignCustomers makes the successor the owner of every customer who still is one.
func (w *Writer) assignCustomers(ctx context.Context, s handover.State) error {
	refusals, err := w.eachCustomer(ctx, s.Requested.Customers, func(of uuid.UUID) (Request, domain.Command[customer.State, customer.Event]) {
		return sagaRequest(s, "take-over", uuid.NewSHA1(s.HandoverID, []byte("take over "+of.String()))),
			customer.TakeOver{Subject: w.World.Subject(of), HandoverID: s.HandoverID}
	})
	if err != nil {
		return err
	}
	done := handover.Completed{HandoverID: s.HandoverID, CompletedAt: w.World.Subject(uuid.Nil).Now.UTC()}
	for i, d := range s.Requested.Customers {
		if refusals[i] != nil {
			done.Left = append(done.Left, d.CustomerID)
		}
	}
	_, err = w.advance(ctx, s, done)
	return err
}

// eachCustomer executes a command for every customer of some dossiers, several at
// a time, and returns what was refused. Failures of ours end it.
func (w *Writer) eachCustomer(ctx context.Context, of []handover.Dossier,
	command func(of uuid.UUID) (Request, domain.Command[customer.State, customer.Event]),
) ([]*domain.Error, error) {
	refusals := make([]*domain.Error, len(of))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, d := range of {
		group.Go(func() error {
			r, cmd := command(d.CustomerID)
			_, err := Execute(ctx, w, r, cmd)
			if refusal := (*domain.Error)(nil); errors.As(err, &refusal) && !errors.Is(err, ErrContended) &&
				refusal.Kind != domain.Unavailable && refusal.Kind != domain.Internal {
				refusals[i] = refusal
				return nil
			}
			return err
		})
	}
	return refusals, group.Wait()
}

// advance records how far the saga has come, and whether it was the first to say so.
func (w *Writer) advance(ctx context.Context, s handover.State, e handover.Event) (changed bool, err error) {
	result, err := Execute(ctx, w, sagaRequest(s, "advance-handover", uuid.New()),
		handover.Advance{Subject: w.World.Subject(uuid.Nil), Event: e, Of: s.HandoverID})
	return result.Changed, err
}

// sagaRequest is the envelope of what a handover causes.
func sagaRequest(s handover.State, name string, command uuid.UUID) Request {
	return Request{
		Command: command, Name: name, Actor: eventschema.Actor{Kind: "system", ID: "handovers"}, Channel: "system",
		Correlation: s.HandoverID, Causation: s.HandoverID,
	}
}

// refusalOf makes of a failed handover what is answered to who asked for it.
func refusalOf(f handover.Failed) error {
	for _, known := range []*domain.Error{
		customer.ErrHandoverOpen, customer.ErrNotOwned, customer.ErrNotFound, customer.ErrErased, portfolio.ErrFull, staff.ErrInactive,
	} {
		if known.Code == f.Code {
			e := known.With("the customer %s cannot be handed over", f.CustomerID)
			e.Holder = f.Holder
			return e
		}
	}
	return &domain.Error{Kind: domain.Conflict, Code: f.Code, Detail: "the customer " + f.CustomerID.String() + " cannot be handed over", Holder: f.Holder}
}
