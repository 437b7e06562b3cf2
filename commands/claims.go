package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/eventschema"
)

// claimant is a command that needs names which nobody else has.
type claimant[S, E any] interface {
	Names() []reservation.Name
	WithClaims([]reservation.Claim) domain.Command[S, E]
}

// holder is a state that knows which names are confirmed and which claims lapsed.
type holder interface {
	Holds(kind, lookup string) bool
	Abandoned(claim string) bool
}

// claiming returns the command with the claims it would make. Their ids follow
// from the command, so that a command sent again makes the same ones, but never
// one that lapsed and was given away.
func (x *execution[S, E]) claiming() (domain.Command[S, E], []reservation.Claim) {
	c, ok := x.cmd.(claimant[S, E])
	if !ok {
		return x.cmd, nil
	}
	state, _ := any(x.memory.state).(holder)
	var claims []reservation.Claim
	for _, name := range c.Names() {
		claim := reservation.Claim{Kind: name.Kind, Lookup: x.w.Keys.Lookup(name.Kind, name.Value)}
		for n := 0; ; n++ {
			claim.ID = uuid.NewSHA1(x.r.Command, fmt.Appendf(nil, "claim %d %s", n, claim.Lookup)).String()
			if state == nil || !state.Abandoned(claim.ID) {
				break
			}
		}
		claims = append(claims, claim)
	}
	return c.WithClaims(claims), claims
}

// claim makes the claims and returns what is decided with them. The customer's
// own append confirms them afterwards; if it never comes they lapse.
func (x *execution[S, E]) claim(ctx context.Context, claims []reservation.Claim, events []E) ([]E, error) {
	state, _ := any(x.memory.state).(holder)
	changed := false
	for i, c := range claims {
		if state.Holds(c.Kind, c.Lookup) {
			continue
		}
		held, err := x.w.claim(ctx, x.meta(), c, x.subject.Customer, state.Abandoned, !x.read)
		if err != nil {
			return nil, err // ErrStale as well: then the customer's stream is read before the name's
		}
		changed = changed || held != c.ID
		claims[i].ID = held
	}
	if !changed {
		return events, nil
	}
	return domain.Decide(x.memory.state, x.cmd.(claimant[S, E]).WithClaims(claims))
}

// claim claims a name for a customer and returns the id of the claim by which
// they hold it, which is an older one if they held it before. A name of somebody
// else is refused, and the refusal says whose it is. With onlyNew it gives up
// with ErrStale when the name was ever claimed before.
func (w *Writer) claim(ctx context.Context, m eventschema.Meta, c reservation.Claim, of uuid.UUID, abandoned func(claim string) bool, onlyNew bool) (string, error) {
	lapse := w.ClaimLapse
	if lapse == 0 {
		lapse = defaultClaimLapse
	}
	take := reservation.Take{Claim: c, Customer: of, Until: w.World.wall().Add(lapse)}
	state, t := reservation.State{}, noTail // most names are new: they are not read first
	for range attempts {
		events, err := take.Decide(state)
		switch {
		case err != nil:
			if err := w.release(ctx, m, c, state); err != nil {
				return "", err
			}
			take.Over = state.Claim
			continue
		case len(events) == 0 && abandoned(state.Claim):
			take.Over = state.Claim // the customer's own, but given up: to be had again by who comes first
			continue
		case len(events) == 0:
			return state.Claim, nil
		}
		rm := m
		rm.Customer, rm.Reason, rm.Command, rm.Causation, rm.Digest = uuid.Nil, "", uuid.New(), m.Command, nil
		_, _, err = w.append(ctx, take.Stream(), t, rm, []any{events[0]}, nil)
		switch {
		case err == nil:
			return c.ID, nil
		case errors.Is(err, ErrStale) && onlyNew:
			return "", err
		case !errors.Is(err, ErrStale) && !errors.Is(err, ErrUnknownOutcome):
			return "", err
		}
		if state, t, err = w.reservation(ctx, take.Stream()); err != nil {
			return "", err
		}
		take.Over = ""
	}
	return "", ErrContended
}

// release makes a name of somebody else free to be taken over, or refuses. It
// is free when the claim lapsed and was never confirmed. The first claimant is
// told in their own stream before anybody else has the name: should they have
// slept only, their confirmation is stale then and they decide again.
func (w *Writer) release(ctx context.Context, m eventschema.Meta, c reservation.Claim, held reservation.State) error {
	taken := reservation.Taken(c.Kind, held.Customer)
	if w.World.wall().Before(held.Until) {
		return taken
	}
	abandon := customer.AbandonClaim{
		Subject: w.World.Subject(held.Customer),
		Claim:   reservation.Claim{Kind: c.Kind, Lookup: c.Lookup, ID: held.Claim},
	}
	// Beside gate and cache of that customer: who waits for a gate while holding
	// another may wait for ever. Theirs finds out by the revision.
	aside := &execution[customer.State, customer.Event]{
		w: w, cmd: abandon, stream: abandon.Stream(), subject: abandon.Subject,
		memory: &memory[customer.State]{tail: noTail},
		r: Request{
			Command: uuid.New(), Name: "abandon-claim", Causation: m.Command, Correlation: m.Correlation,
			Actor: eventschema.Actor{Kind: "system", ID: "reservations"},
		},
	}
	_, err := aside.run(ctx, false)
	if errors.Is(err, customer.ErrErased) {
		return nil // nobody can confirm it any more
	}
	return err
}

// reservation reads who holds a name.
func (w *Writer) reservation(ctx context.Context, stream string) (reservation.State, tail, error) {
	m := &memory[reservation.State]{tail: noTail}
	err := fold[reservation.State, reservation.Event](ctx, w, m, stream, uuid.Nil)
	return m.state, m.tail, err
}
