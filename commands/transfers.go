package commands

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/transfer"
	"github.com/rapport-crm/rapport/domain/world"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/web"
)

// Transfers is the group of the commands about a transfer of points.
var Transfers = Group{Path: "/v1/transfers/{transfer_id}", Tag: "transfers", Transfer: true, Apart: true}

// transferring is a pointer to a command about a transfer.
type transferring[C any] interface {
	body[C]
	SetTransfer(uuid.UUID)
}

// defineTransfer makes the definition of a command about a transfer. prepare, if
// there is one, reads what the decision needs beside the transfer's stream. What the
// saga is to do because of the command is done before it answers; if that takes too
// long or fails, the job goes on with it. ended says how the outcome is refused.
func defineTransfer[C domain.Command[transfer.State, transfer.Event], P transferring[C]](
	name, summary string, prepare func(context.Context, *API, Request, P) error, ended func(transfer.State) error,
) Definition {
	d := define[transfer.State, transfer.Event, C, P](Transfers, name, summary)
	d.run = func(ctx context.Context, a *API, r Request, of uuid.UUID, body []byte) (Result, error) {
		var c C
		if err := web.Decode(body, &c); err != nil {
			return Result{}, err
		}
		P(&c).SetSubject(a.subject(r, uuid.Nil))
		P(&c).SetTransfer(of)
		if prepare != nil {
			if err := prepare(ctx, a, r, &c); err != nil {
				return Result{}, err
			}
		}
		result, err := Execute(ctx, a.Writer, r, domain.Command[transfer.State, transfer.Event](c))
		if err != nil {
			return result, err
		}
		state, position, err := a.Writer.driveTransfer(ctx, of)
		if err != nil {
			a.log().Warn("a transfer stands still; the job goes on with it", "transfer", of, "error", err)
			return result, nil
		}
		result.Position = max(result.Position, position)
		return result, ended(state)
	}
	return d
}

// sent refuses a transfer that did not take place.
func sent(s transfer.State) error {
	if s.State != transfer.StateCancelled {
		return nil
	}
	for _, known := range (transfer.Request{}).Refuses() {
		if known.Code == s.Code && known.Code != transfer.ErrCancelled.Code {
			pointer := "/from"
			if s.CustomerID == s.To {
				pointer = "/to"
			}
			return transfer.At(known.With("the transfer %s was cancelled because of the customer %s; ask anew under another transfer_id", s.TransferID, s.CustomerID), pointer)
		}
	}
	return transfer.ErrCancelled.With("the transfer %s was cancelled; ask anew under another transfer_id", s.TransferID)
}

// calledOff refuses to have cancelled what took place.
func calledOff(s transfer.State) error {
	if s.State == transfer.StateCompleted {
		return transfer.TooLate()
	}
	return nil
}

// transfer returns the transfer that a command is about: the route's, the body's, or
// a new one.
func (d Definition) transfer(r Request, named uuid.UUID, body []byte) (uuid.UUID, error) {
	var c struct {
		TransferID uuid.UUID `json:"transfer_id"`
	}
	_ = json.Unmarshal(body, &c) // what is wrong with it is said when the whole is read
	return d.chosen(r, named, c.TransferID, "transfer")
}

// ofTwo finds out what stands against a transfer with its two customers.
func ofTwo(ctx context.Context, a *API, r Request, c *transfer.Request) error {
	if c.Check() != nil {
		return nil // the decision says what is wrong
	}
	w := a.Writer
	known := world.Known{World: w.World.Facts().World}
	err := w.look(ctx, c.From, func(m *memory[customer.State]) {
		c.Gathered.Sender = m.gone(c.From)
		if c.Gathered.Sender == nil {
			c.Gathered.Sender = m.state.MaySend(a.subject(r, c.From), known, c.Points)
		}
	})
	if err != nil {
		return err
	}
	return w.look(ctx, c.To, func(m *memory[customer.State]) {
		c.Gathered.Recipient = m.gone(c.To)
		if c.Gathered.Recipient == nil {
			c.Gathered.Recipient = m.state.MayReceive(a.subject(r, c.To))
		}
	})
}

// gone refuses somebody whose data key is destroyed.
func (m *memory[S]) gone(id uuid.UUID) error {
	if m.key == eventschema.Erased {
		return customer.ErrErased.With("the customer %s was erased", id)
	}
	return nil
}

// look shows what is known of a customer, as the log has it now.
func (w *Writer) look(ctx context.Context, id uuid.UUID, at func(*memory[customer.State])) error {
	stream := customer.Stream(id)
	leave, err := w.gates.enter(ctx, stream)
	if err != nil {
		return unavailable("wait for", stream, err)
	}
	defer leave()
	m, _ := recall[customer.State](w, stream)
	read, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if err := fold[customer.State, customer.Event](read, w, m, stream, id); err != nil {
		return err // what was known may be folded half-way: it is forgotten
	}
	at(m)
	if m.revision != NewStream {
		w.cache.put(stream, m, w.cacheBytes())
	}
	return nil
}

// transferState reads a transfer.
func (w *Writer) transferState(ctx context.Context, id uuid.UUID) (*memory[transfer.State], error) {
	m := &memory[transfer.State]{tail: noTail}
	return m, fold[transfer.State, transfer.Event](ctx, w, m, transfer.Stream(id), uuid.Nil)
}

// DriveTransfer does in the streams of the two customers what a transfer's own stream
// asks for, and says in it how it ended. Every step may be done again, by this process
// or another, after a crash at any point.
func (w *Writer) DriveTransfer(ctx context.Context, id uuid.UUID) (transfer.State, error) {
	s, _, err := w.driveTransfer(ctx, id)
	return s, err
}

// driveTransfer returns as well the position at which everything is shown.
func (w *Writer) driveTransfer(ctx context.Context, id uuid.UUID) (transfer.State, uint64, error) {
	leave, err := w.gates.enter(ctx, "drive "+transfer.Stream(id))
	if err != nil {
		return transfer.State{}, 0, unavailable("wait for", transfer.Stream(id), err)
	}
	defer leave()
	for range attempts {
		m, err := w.transferState(ctx, id)
		if err != nil {
			return transfer.State{}, 0, err
		}
		if m.state.Next() == transfer.Rest {
			return m.state, m.position, nil
		}
		end, err := w.moveTransfer(ctx, m.state)
		if err != nil {
			return transfer.State{}, 0, err
		}
		if _, err := Execute(ctx, w, transferRequest(id, "advance-transfer", uuid.New()),
			transfer.Advance{Subject: w.World.Subject(uuid.Nil), Of: id, Event: end}); err != nil {
			return transfer.State{}, 0, err
		}
	}
	return transfer.State{}, 0, ErrContended
}

// moveTransfer does everything that is left to do, and returns how the transfer ends.
func (w *Writer) moveTransfer(ctx context.Context, s transfer.State) (transfer.Event, error) {
	now := later(w.World.Subject(uuid.Nil).Now.UTC(), s.ProposedAt)
	var to customer.TransferStep
	var err error
	if s.Next() == transfer.CallOff {
		to, err = transferStep(ctx, w, s, "decline-transfer", s.To,
			customer.DeclineTransfer{Subject: w.World.Subject(s.To), TransferID: s.TransferID, From: s.From, Points: s.Points})
	} else {
		hold := customer.HoldForTransfer{Subject: w.World.Subject(s.From), TransferID: s.TransferID, To: s.To, Points: s.Points}
		w.World.Tell(&hold)
		from, failed := transferStep(ctx, w, s, "hold-for-transfer", s.From, hold)
		if failed != nil {
			return nil, failed
		}
		if from.State == customer.TransferIsDeclined {
			return transfer.Cancelled{TransferID: s.TransferID, Code: from.Code, CustomerID: s.From, CancelledAt: now}, nil
		}
		take := customer.TakeTransfer{
			Subject: w.World.Subject(s.To), TransferID: s.TransferID, From: s.From, Points: s.Points, Lots: from.Lots, HeldAt: from.At,
		}
		w.World.Tell(&take)
		to, err = transferStep(ctx, w, s, "take-transfer", s.To, take)
	}
	switch {
	case err != nil:
		return nil, err
	case to.State == customer.TransferIsReceived:
		send := customer.SendTransfer{Subject: w.World.Subject(s.From), TransferID: s.TransferID, To: s.To, TakenAt: to.At}
		w.World.Tell(&send)
		_, err = transferStep(ctx, w, s, "send-transfer", s.From, send)
		return transfer.Completed{TransferID: s.TransferID, CompletedAt: later(now, to.At)}, err
	}
	cancel := customer.CancelTransferHold{Subject: w.World.Subject(s.From), TransferID: s.TransferID, To: s.To, Points: s.Points}
	w.World.Tell(&cancel)
	_, err = transferStep(ctx, w, s, "cancel-transfer-hold", s.From, cancel)
	end := transfer.Cancelled{TransferID: s.TransferID, Code: to.Code, CancelledAt: now}
	if to.Code != customer.TransferCalledOff {
		end.CustomerID = s.To
	}
	return end, err
}

// errUndecided says that a customer's stream does not say what became of a transfer,
// though it was asked.
var errUndecided = errors.New("a transfer was neither taken nor declined")

// transferStep does one step with one of the customers, and says what came of it,
// also when it was done before.
func transferStep(ctx context.Context, w *Writer, s transfer.State, name string, of uuid.UUID, cmd domain.Command[customer.State, customer.Event]) (step customer.TransferStep, err error) {
	if _, err := Execute(ctx, w, transferRequest(s.TransferID, name, uuid.NewSHA1(s.TransferID, []byte(name))), cmd); err != nil {
		return step, err
	}
	err = w.look(ctx, of, func(m *memory[customer.State]) { step = m.state.Transfer(s.TransferID) })
	if err == nil && step.State == "" {
		err = errUndecided
	}
	return step, err
}

// transferRequest is the envelope of what a transfer causes.
func transferRequest(id uuid.UUID, name string, command uuid.UUID) Request {
	return Request{
		Command: command, Name: name, Actor: eventschema.Actor{Kind: "system", ID: "transfers"}, Channel: "system",
		Correlation: id, Causation: id,
	}
}
