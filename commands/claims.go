package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/eventschema"
)

// claimant is a command that needs names looked up, and those that are not
// shared for its customer alone.
type claimant[S, E any] interface {
	Names() []reservation.Name
	WithClaims([]reservation.Claim) domain.Command[S, E]
	// NamedAt is the field that gives the n-th name, as a JSON pointer.
	NamedAt(n int) string
}

// holder is a state that knows which names are confirmed and which claims cannot
// be confirmed any more.
type holder interface {
	Holds(kind, lookup string) bool
	Spent(claim string) bool
}

// freeing is an event with which a reservation ends.
type freeing interface {
	Frees() (reservation.Claim, bool)
}

// claims is what an execution claimed.
type claims struct {
	salt    uuid.UUID            // of the ids of its claims: they are nobody else's
	made    map[string]madeClaim // by id
	unknown bool                 // whether something was appended that may confirm them
}

// madeClaim is a claim that was made. One that another execution for the same
// customer may count on is never given back.
type madeClaim struct {
	reservation.Claim
	counted bool
}

// note remembers a claim. over says that the customer held the name already, by
// the claim of somebody else.
func (x *claims) note(c reservation.Claim, over bool) {
	if x.made == nil {
		x.made = map[string]madeClaim{}
	}
	x.made[c.ID] = madeClaim{c, over || x.made[c.ID].counted}
}

// claiming returns the command with the claims it would make. Their ids stay the
// same for all attempts of the execution, but for one that was given away meanwhile.
func (x *execution[S, E]) claiming() (domain.Command[S, E], []reservation.Claim) {
	c, ok := x.cmd.(claimant[S, E])
	if !ok {
		return x.cmd, nil
	}
	if x.claims.salt == uuid.Nil {
		x.claims.salt = uuid.New()
	}
	state, _ := any(x.memory.state).(holder)
	var list []reservation.Claim
	for _, name := range c.Names() {
		claim := reservation.Claim{Kind: name.Kind, Lookup: x.w.Keys.Lookup(name.Kind, name.Value)}
		for n := 0; !name.Shared; n++ {
			claim.ID = uuid.NewSHA1(x.claims.salt, fmt.Appendf(nil, "claim %d %s", n, claim.Lookup)).String()
			if state == nil || !state.Spent(claim.ID) {
				break
			}
		}
		list = append(list, claim)
	}
	return c.WithClaims(list), list
}

// inOrder returns the places of claims in the order in which everybody makes
// them: two who want the same names never wait for each other.
func inOrder(list []reservation.Claim) []int {
	places := make([]int, len(list))
	for i := range places {
		places[i] = i
	}
	rank := func(c reservation.Claim) int { // who another system knows already is the holder to name
		if c.Kind == reservation.KindExternalID {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(places, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(list[a]), rank(list[b])), cmp.Compare(list[a].Kind, list[b].Kind), cmp.Compare(list[a].Lookup, list[b].Lookup))
	})
	return places
}

// claim makes the claims and returns what is decided with them. The customer's
// own append confirms them afterwards; if it never comes they lapse.
func (x *execution[S, E]) claim(ctx context.Context, list []reservation.Claim, events []E) ([]E, error) {
	state, _ := any(x.memory.state).(holder)
	objected := false
	for _, i := range inOrder(list) {
		c := &list[i]
		if state.Holds(c.Kind, c.Lookup) {
			continue
		}
		var over bool
		var err error
		if c.ID == "" {
			c.Objected, err = x.w.objected(ctx, *c)
		} else {
			over, c.Objected, err = x.w.claim(ctx, x.meta(), *c, x.subject.Customer, !x.read)
		}
		if err != nil {
			// ErrStale as well: then the customer's stream is read before the name's
			return nil, naming(err, x.cmd.(claimant[S, E]).NamedAt(i))
		}
		if c.ID != "" {
			x.claims.note(*c, over)
		}
		objected = objected || c.Objected
	}
	if !objected {
		return events, nil
	}
	return domain.Decide(x.memory.state, x.cmd.(claimant[S, E]).WithClaims(list))
}

// naming says of the refusal of a name by which field it was asked for.
func naming(err error, pointer string) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || refusal.Holder == "" {
		return err
	}
	named := *refusal
	named.Fields = []domain.FieldError{{Pointer: pointer, Detail: refusal.Detail}}
	return &named
}

// giveBack gives the claims back of a command that was refused after all, or had
// nothing to do. What cannot be given back lapses. A claim is only given back by
// who made it, and only while nobody else, of the same customer even, has claimed the name since.
func (x *execution[S, E]) giveBack(ctx context.Context, refused error) {
	var refusal *domain.Error
	if x.claims.unknown || refused != nil && (!errors.As(refused, &refusal) || refusal.Kind == domain.Unavailable || refusal.Kind == domain.Internal) {
		return
	}
	for _, c := range x.claims.made {
		if c.counted {
			continue
		}
		_ = x.w.release(ctx, x.meta(), reservation.Release{
			Claim: reservation.Claim{Kind: c.Kind, Lookup: c.Lookup, ID: c.ID}, Customer: x.subject.Customer, Lasting: true,
		})
	}
}

// free releases the names that appended events free. Should it fail, or never
// come to it, the names are free all the same: who wants one asks the customer's
// stream, which says so.
func (x *execution[S, E]) free(ctx context.Context, events []E) {
	for _, e := range events {
		f, ok := any(e).(freeing)
		if !ok {
			continue
		}
		c, reserved := f.Frees()
		if !reserved {
			continue
		}
		o, ok := any(x.memory.state).(interface{ Objects() bool })
		_ = x.w.release(ctx, x.meta(), reservation.Release{Claim: c, Customer: x.subject.Customer, Lasting: ok && o.Objects()})
	}
}

// claim claims a name for a customer. A name of somebody else is refused, and
// the refusal says whose it is. over says that the customer held it before by
// another claim, which may be under way still, and objected that an earlier holder
// objected to being contacted and was erased. With onlyNew it gives up with
// ErrStale when the name was ever claimed before.
func (w *Writer) claim(ctx context.Context, m eventschema.Meta, c reservation.Claim, of uuid.UUID, onlyNew bool) (over, objected bool, err error) {
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
			if err := w.wrest(ctx, m, c, state); err != nil {
				return false, false, err
			}
			take.Over = state.Claim
			continue
		case len(events) == 0:
			return over, state.Objected, nil
		}
		over = over || state.Held && state.Customer == of
		err = w.reserve(ctx, m, take.Stream(), t, events[0])
		switch {
		case err == nil:
			return over, state.Objected, nil
		case errors.Is(err, ErrStale) && onlyNew:
			return false, false, err
		case !errors.Is(err, ErrStale) && !errors.Is(err, ErrUnknownOutcome):
			return false, false, err
		}
		if state, t, err = w.reservation(ctx, take.Stream()); err != nil {
			return false, false, err
		}
		take.Over = ""
	}
	return false, false, ErrContended
}

// wrest makes a name of somebody else free to be taken over, or refuses. It is
// free when the claim lapsed and was never confirmed, and when the customer gave it
// back and nobody said so beside the name. The first claimant is told in their own stream
// before anybody else has the name: should they have slept only, their
// confirmation is stale then and they decide again.
func (w *Writer) wrest(ctx context.Context, m eventschema.Meta, c reservation.Claim, held reservation.State) error {
	abandon := customer.AbandonClaim{
		Subject: w.World.Subject(held.Customer),
		Claim:   reservation.Claim{Kind: c.Kind, Lookup: c.Lookup, ID: held.Claim},
		Lapsed:  !w.World.wall().Before(held.Until),
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

// objected says whether somebody who had a name objected to being contacted and
// was erased.
func (w *Writer) objected(ctx context.Context, c reservation.Claim) (bool, error) {
	if !customer.Identifies(c.Kind) {
		return false, nil
	}
	state, _, err := w.reservation(ctx, reservation.Stream(c.Kind, c.Lookup))
	return state.Objected, err
}

// Release gives a name back that a customer held, also one that several may
// have. With objected it is remembered beside the name that they objected to being contacted:
// whoever comes with it again is bound by that. Sent again it does nothing more.
func (w *Writer) Release(ctx context.Context, r Request, kind, lookup string, of uuid.UUID, objected bool) error {
	now := w.World.Subject(uuid.Nil)
	m := eventschema.Meta{
		Command: r.Command, Correlation: r.Correlation, Actor: r.Actor, Channel: r.Channel,
		OccurredAt: now.Now, BusinessDate: now.Today(),
	}
	if m.Correlation == uuid.Nil {
		m.Correlation = r.Command
	}
	return w.release(ctx, m, reservation.Release{
		Claim: reservation.Claim{Kind: kind, Lookup: lookup, Objected: objected && customer.Identifies(kind)}, Customer: of,
	})
}

func (w *Writer) release(ctx context.Context, m eventschema.Meta, cmd reservation.Release) error {
	for range attempts {
		state, t, err := w.reservation(ctx, cmd.Stream())
		if err != nil {
			return err
		}
		events, err := cmd.Decide(state)
		if err != nil || len(events) == 0 {
			return err
		}
		err = w.reserve(ctx, m, cmd.Stream(), t, events[0])
		if err == nil || !errors.Is(err, ErrStale) && !errors.Is(err, ErrUnknownOutcome) {
			return err
		}
	}
	return ErrContended
}

// reserve appends an event to the stream of a name. m is what caused it.
func (w *Writer) reserve(ctx context.Context, m eventschema.Meta, stream string, t tail, e reservation.Event) error {
	m.Customer, m.Reason, m.Command, m.Causation, m.Digest = uuid.Nil, "", uuid.New(), m.Command, nil
	_, _, err := w.append(ctx, stream, t, m, []any{e}, nil)
	return err
}

// reservation reads who holds a name.
func (w *Writer) reservation(ctx context.Context, stream string) (reservation.State, tail, error) {
	m := &memory[reservation.State]{tail: noTail}
	err := fold[reservation.State, reservation.Event](ctx, w, m, stream, uuid.Nil)
	return m.state, m.tail, err
}
