package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/portfolio"
	"github.com/rapport-crm/rapport/eventschema"
)

// Request is the envelope of a command: what is known of it beside its body.
type Request struct {
	Command     uuid.UUID // the same id twice does the same thing once; zero is not allowed
	Name        string    // of the command, such as record-order
	Actor       eventschema.Actor
	Reason      string
	Channel     string
	Correlation uuid.UUID // zero: the command's id
	Causation   uuid.UUID
	// Match holds the revisions at which the command may be decided; nil: any.
	Match []int64
	// New says that the stream probably does not exist: it is only read when
	// the append shows otherwise, or when the answer would be a refusal.
	New bool
	// Slug names the subject beside the body, if that has no UUID.
	Slug string
}

// Result is what a command did. A command that was sent again has the result of
// the first time. Changed is false, and Revision and Position are those of the
// stream's last event, if there was nothing to do.
type Result struct {
	Revision int64
	Position uint64
	Changed  bool
	Events   []EventRef
}

// EventRef names an event that a command caused.
type EventRef struct {
	ID   uuid.UUID `json:"id"`
	Type string    `json:"type"`
}

// about is a command that knows whom it is about and what time it is.
type about interface{ About() domain.Subject }

// user is a command that is decided by policies, and says by which versions.
type user interface{ Uses() []domain.PolicyRef }

// Execute decides cmd on the current state of its stream and appends what was
// decided. Commands of one stream queue up; a stream that another process
// changed meanwhile is read on and the command decided again. What comes back
// is durable: events or the proof that nothing was to be done. A refusal is
// confirmed against the log before it is returned.
//
// An error that is a *domain.Error is for the caller. ErrUnavailable says
// that the outcome may be unknown: the same Request, sent again, finds out.
func Execute[S domain.State[S, E], E any](ctx context.Context, w *Writer, r Request, cmd domain.Command[S, E]) (Result, error) {
	stream := cmd.Stream()
	leave, err := w.gates.enter(ctx, stream)
	if err != nil {
		return Result{}, unavailable("wait for", stream, err)
	}
	defer leave()

	m, warm := recall[S](w, stream)
	x := execution[S, E]{w: w, r: r, cmd: cmd, stream: stream, memory: m, subject: w.World.Subject(uuid.Nil)}
	if a, ok := cmd.(about); ok {
		x.subject = a.About()
	}
	result, err := x.run(ctx, warm || r.New)
	if err != nil || !result.Changed {
		x.giveBack(ctx, err)
		x.standUp(ctx, err)
	}
	if x.memory != nil && x.memory.revision != NewStream {
		w.cache.put(stream, x.memory, w.cacheBytes())
	}
	return result, err
}

func recall[S any](w *Writer, stream string) (m *memory[S], warm bool) {
	if found, ok := w.cache.take(stream); ok {
		if m, ok := found.(*memory[S]); ok {
			return m, true
		}
	}
	return &memory[S]{tail: noTail}, false
}

func (w *Writer) cacheBytes() int {
	if w.CacheBytes > 0 {
		return w.CacheBytes
	}
	return defaultCacheBytes
}

// since is a state of somebody of whom nothing happens before they are known: an
// import under a manual calendar may bring who is registered on a day still to come.
type since interface{ KnownSince() time.Time }

// execution is one Execute under way.
type execution[S domain.State[S, E], E any] struct {
	w       *Writer
	r       Request
	cmd     domain.Command[S, E]
	stream  string
	subject domain.Subject
	memory  *memory[S] // nil: what was known may be wrong
	read    bool       // the memory is what the log said since the execution began
	body    []byte     // what the digest is over, once it was needed
	claims  claims     // on names
	seats   []portfolio.Seat
}

// run decides until an append shows that it was decided on the latest state.
// assumed says that the memory may be behind.
func (x *execution[S, E]) run(ctx context.Context, assumed bool) (Result, error) {
	for n := 0; n < attempts; n++ {
		if !assumed || n > 0 {
			if err := x.readOn(ctx); err != nil {
				return Result{}, err
			}
		}
		result, err := x.attempt(ctx)
		switch {
		case errors.Is(err, ErrStale):
		case errors.Is(err, ErrUnknownOutcome):
			x.claims.unknown = true
			x.memory = &memory[S]{tail: noTail}
			if n == attempts-1 || ctx.Err() != nil {
				x.memory = nil
				return Result{}, unavailable("append to", x.stream, err)
			}
		case (err != nil || !result.Changed) && !x.read:
			// Decided on what may be old: it needs the proof of another read.
		default:
			return result, err
		}
	}
	return Result{}, ErrContended
}

func (x *execution[S, E]) readOn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	err := fold[S, E](ctx, x.w, x.memory, x.stream, x.subject.Customer)
	if err != nil {
		x.memory = nil // perhaps folded half-way
	}
	x.read = true
	return err
}

// attempt decides once on what is known.
func (x *execution[S, E]) attempt(ctx context.Context) (Result, error) {
	m := x.memory
	if before, ok := m.done.of(x.r.Command); ok {
		return x.again(before)
	}
	if x.r.Match != nil && !slices.Contains(x.r.Match, m.revision) {
		return Result{}, ErrRevision.With("the revision is %d now: read again and decide anew", m.revision)
	}
	if _, allowed := x.cmd.(domain.AfterErasure); m.key == eventschema.Erased && (!allowed || domain.SaysPersonal(x.cmd)) {
		return Result{}, customer.ErrErased.With("the customer %s was erased", x.subject.Customer)
	}
	cmd, claims := x.claiming()
	cmd = x.seating(cmd)
	events, err := domain.Decide(m.state, cmd)
	if err != nil {
		return Result{}, err
	}
	if len(events) == 0 {
		return Result{Revision: m.revision, Position: m.position}, nil
	}
	if len(claims) > 0 {
		if events, err = x.claim(ctx, claims, events); err != nil {
			return Result{}, err
		}
	}
	if err := x.sit(ctx, events); err != nil {
		return Result{}, err
	}
	if m.key == nil && x.subject.Customer != uuid.Nil {
		if m.key, err = x.w.createKey(ctx, x.subject.Customer, x.meta()); err != nil {
			return Result{}, err
		}
	}
	result, err := x.append(ctx, events)
	if err == nil {
		x.free(ctx, events)
		x.leave(ctx, events)
	}
	return result, err
}

// append stores what was decided and moves the memory on.
func (x *execution[S, E]) append(ctx context.Context, events []E) (Result, error) {
	m, meta := x.memory, x.meta()
	var err error
	if meta.Digest, err = x.digest(); err != nil {
		return Result{}, err
	}
	data := make([]any, len(events))
	for i, e := range events {
		data[i] = e
	}
	end, raws, err := x.w.append(ctx, x.stream, m.tail, meta, data, m.key)
	if err != nil {
		return Result{}, err
	}
	for i, e := range events {
		m.state = m.state.Evolve(e)
		m.erase(e)
		raws[i].Position = end.position
		m.note(x.r.Command, meta.Digest, raws[i], x.w.events().Name(raws[i].Type))
	}
	m.tail = end
	result, _ := m.done.of(x.r.Command)
	return result, nil
}

// again answers a command that was executed before.
func (x *execution[S, E]) again(before Result) (Result, error) {
	digest, err := x.digest()
	if err != nil {
		return Result{}, err
	}
	if x.memory.key != eventschema.Erased && !x.memory.done.same(x.r.Command, digest) { // of what was erased nobody knows the body
		return Result{}, ErrKeyReused
	}
	return before, nil
}

// digest recognises the command's body. It is keyed: nobody without the
// customer's key can guess at what the body was.
func (x *execution[S, E]) digest() ([]byte, error) {
	if x.body == nil {
		body, err := json.Marshal(x.cmd)
		if err != nil {
			return nil, fmt.Errorf("digest of %s: %w", x.r.Name, err)
		}
		x.body = append(append([]byte(x.r.Name), '\n'), body...)
	}
	if x.memory.key != nil {
		return x.memory.key.Digest(x.body), nil
	}
	return x.w.Keys.Digest(x.body), nil
}

func (x *execution[S, E]) meta() eventschema.Meta {
	m := eventschema.Meta{
		Customer: x.subject.Customer, Command: x.r.Command,
		Correlation: x.r.Correlation, Causation: x.r.Causation,
		Actor: x.r.Actor, Reason: x.r.Reason, Channel: x.r.Channel,
		OccurredAt: x.subject.Now, BusinessDate: x.subject.Today(),
	}
	if m.Correlation == uuid.Nil {
		m.Correlation = x.r.Command
	}
	if x.memory != nil {
		if s, ok := any(x.memory.state).(since); ok && m.OccurredAt.Before(s.KnownSince()) {
			m.OccurredAt = s.KnownSince()
		}
	}
	if x.memory != nil && x.memory.erasing() {
		m.Reason = "" // there is no key to keep it with, or there soon will be none
	}
	if u, ok := x.cmd.(user); ok {
		m.Policies = u.Uses()
	}
	return m
}
