package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/eventschema"
)

// sitter is a command that may need a seat in an employee's portfolio.
type sitter[S, E any] interface {
	WithSeat(claim string) domain.Command[S, E]
}

// sitting is an event that needs a seat before it is appended.
type sitting interface {
	TakesSeat() (portfolio.Seat, bool)
}

// leaving is an event after which a seat is free.
type leaving interface {
	FreesSeat() (portfolio.Seat, bool)
}

// seating returns the command with the claim on the seat that it would take. Like
// a claim on a name it stays the same for all attempts of the execution, unless
// it was given away meanwhile.
func (x *execution[S, E]) seating(cmd domain.Command[S, E]) domain.Command[S, E] {
	c, ok := cmd.(sitter[S, E])
	if !ok {
		return cmd
	}
	if x.claims.salt == uuid.Nil {
		x.claims.salt = uuid.New()
	}
	state, _ := any(x.memory.state).(interface{ Abandoned(claim string) bool })
	for n := 0; ; n++ {
		claim := uuid.NewSHA1(x.claims.salt, fmt.Appendf(nil, "seat %d", n)).String()
		if state == nil || !state.Abandoned(claim) {
			return c.WithSeat(claim)
		}
	}
}

// sit takes the seats that events need. The append that follows confirms them.
func (x *execution[S, E]) sit(ctx context.Context, events []E) error {
	for _, e := range events {
		s, ok := any(e).(sitting)
		if !ok {
			continue
		}
		seat, needed := s.TakesSeat()
		if !needed {
			continue
		}
		if err := x.w.takeSeat(ctx, x.meta(), seat, x.subject.Customer); err != nil {
			return err
		}
		x.seats = append(x.seats, seat)
	}
	return nil
}

// leave frees the seats that appended events left. Should it fail, or never come
// to it, they are found when the portfolio is full: the customer's stream says
// that they are free.
func (x *execution[S, E]) leave(ctx context.Context, events []E) {
	for _, e := range events {
		if l, ok := any(e).(leaving); ok {
			if seat, left := l.FreesSeat(); left {
				_ = x.w.freeSeat(ctx, x.meta(), seat, x.subject.Customer)
			}
		}
	}
}

// standUp frees the seats of a command that was refused after all, or had nothing
// to do. Nobody else has those claims.
func (x *execution[S, E]) standUp(ctx context.Context, refused error) {
	var refusal *domain.Error
	if x.claims.unknown || refused != nil && (!errors.As(refused, &refusal) || refusal.Kind == domain.Unavailable || refusal.Kind == domain.Internal) {
		return
	}
	for _, seat := range x.seats {
		_ = x.w.freeSeat(ctx, x.meta(), seat, x.subject.Customer)
	}
}

// takeSeat takes a seat for a customer. When there is none, it looks for one that
// was left and never given back.
func (w *Writer) takeSeat(ctx context.Context, m eventschema.Meta, seat portfolio.Seat, of uuid.UUID) error {
	lapse := w.ClaimLapse
	if lapse == 0 {
		lapse = defaultClaimLapse
	}
	for range attempts {
		_, err := Execute(ctx, w, seatRequest(m, "take-seat"), portfolio.TakeSeat{
			Subject: w.World.Subject(uuid.Nil), Seat: seat, Of: of,
			Until: w.World.wall().Add(lapse), Capacity: w.World.Facts().Staff.Capacity(seat.Employee),
		})
		if !errors.Is(err, portfolio.ErrFull) {
			return err
		}
		found, failed := w.healSeats(ctx, m, seat.Employee, 1)
		if failed != nil {
			return failed
		}
		if found == 0 {
			return err
		}
	}
	return ErrContended
}

// freeSeat gives a seat back, whatever becomes of the caller.
func (w *Writer) freeSeat(ctx context.Context, m eventschema.Meta, seat portfolio.Seat, of uuid.UUID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendPatience)
	defer cancel()
	_, err := Execute(ctx, w, seatRequest(m, "free-seat"), portfolio.FreeSeat{Subject: w.World.Subject(uuid.Nil), Seat: seat, Of: of})
	return err
}

// seatRequest is the envelope of what happens to seats because of a command.
// What it does decides for itself whether it was done before.
func seatRequest(m eventschema.Meta, name string) Request {
	return Request{
		Command: uuid.New(), Name: name, Actor: m.Actor, Channel: m.Channel, Correlation: m.Correlation, Causation: m.Command,
	}
}

// portfolio reads the seats of an employee.
func (w *Writer) portfolio(ctx context.Context, employee string) (portfolio.State, error) {
	m := &memory[portfolio.State]{tail: noTail}
	err := fold[portfolio.State, portfolio.Event](ctx, w, m, portfolio.Stream(employee), uuid.Nil)
	return m.state, err
}

// healSeats frees up to a number of seats of an employee that no customer's stream
// confirms although their time is over, and says how many. Before a seat is free,
// the customer's stream says that it was given up.
func (w *Writer) healSeats(ctx context.Context, m eventschema.Meta, employee string, most int) (freed int, err error) {
	now := w.World.wall()
	if w.healed.lately(employee, now) {
		return 0, nil
	}
	state, err := w.portfolio(ctx, employee)
	if err != nil {
		return 0, err
	}
	for _, of := range state.Customers() {
		claims := slices.Clone(state.Seats[of])
		if slices.ContainsFunc(claims, func(t portfolio.Taken) bool { return now.Before(t.Until) }) {
			continue
		}
		free, err := w.healSeat(ctx, m, employee, of, claims)
		if err != nil {
			return freed, err
		}
		if !free {
			continue
		}
		if freed++; freed == most {
			return freed, nil
		}
	}
	w.healed.note(employee, now)
	return freed, nil
}

// healSeat frees one seat, claim by claim, unless the customer's stream confirms it.
func (w *Writer) healSeat(ctx context.Context, m eventschema.Meta, employee string, of uuid.UUID, claims []portfolio.Taken) (free bool, err error) {
	for _, taken := range claims {
		seat := portfolio.Seat{Employee: employee, Claim: taken.Claim}
		switch err := w.abandonSeat(ctx, m, seat, of); {
		case errors.Is(err, customer.ErrSeated):
			return false, nil
		case err != nil:
			return false, err
		}
		if err := w.freeSeat(ctx, m, seat, of); err != nil {
			return false, err
		}
	}
	return true, nil
}

// abandonSeat tells a customer that a seat for them is given up, or says that it
// is theirs.
func (w *Writer) abandonSeat(ctx context.Context, m eventschema.Meta, seat portfolio.Seat, of uuid.UUID) error {
	abandon := customer.AbandonSeat{Subject: w.World.Subject(of), Seat: seat}
	// Beside gate and cache of that customer, as with names.
	aside := &execution[customer.State, customer.Event]{
		w: w, cmd: abandon, stream: abandon.Stream(), subject: abandon.Subject,
		memory: &memory[customer.State]{tail: noTail},
		r: Request{
			Command: uuid.New(), Name: "abandon-seat", Causation: m.Command, Correlation: m.Correlation,
			Actor: eventschema.Actor{Kind: "system", ID: "seats"},
		},
	}
	_, err := aside.run(ctx, false)
	return err
}

// healings remembers whose seats were all looked at lately and found confirmed:
// who is full is asked often, and looking is dear.
type healings struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	healPause = time.Minute
	maxHealed = 10_000
)

func (h *healings) lately(employee string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, ok := h.last[employee]
	return ok && now.Sub(last) < healPause && !now.Before(last)
}

func (h *healings) note(employee string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil || len(h.last) >= maxHealed {
		h.last = map[string]time.Time{}
	}
	h.last[employee] = now
}
